"""Names that are one slip of the hand apart: for "did you mean". Pure, and linear in the number of names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# In shorter names one letter is most of the meaning, so only its case counts; longer ones would take their time.
SHORTEST = 3
LONGEST = 64
# So many names are kept for one form; more come only of tables that are made to have them.
_MOST_OF_A_FORM = 4


def is_slip(name: str, other: str) -> bool:
    """Whether two names differ in case only, or in one letter: another one, one more, or two that changed places.

    Digits are no letters here: `web1` and `web2` are two names, and nobody's slip.
    """
    if name == other:
        return False
    name, other = name.casefold(), other.casefold()
    if name == other or min(len(name), len(other)) < SHORTEST:
        return name == other
    start = 0
    while start < min(len(name), len(other)) and name[start] == other[start]:
        start += 1
    name, other = name[start:], other[start:]
    while name and other and name[-1] == other[-1]:
        name, other = name[:-1], other[:-1]
    if any(character.isdigit() for character in name + other):
        return False
    return max(len(name), len(other)) <= 1 or (len(name) == len(other) == 2 and name == other[::-1])


class Spellings:
    """Names, to be found by what somebody wrote instead."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names: dict[str, list[str]] = {}  # by each of their forms
        for name in dict.fromkeys(names):
            for form in _forms(name):
                holders = self._names.setdefault(form, [])
                if len(holders) < _MOST_OF_A_FORM:
                    holders.append(name)

    def like(self, name: str) -> str | None:
        """The first of the names that is a slip away from the given one, and is not that one itself.

        One that differs in case only comes before all others.
        """
        candidates = (found for form in _forms(name) for found in self._names.get(form, ()))
        slips = [found for found in candidates if is_slip(name, found)]
        of_case = (found for found in slips if found.casefold() == name.casefold())
        return next(of_case, slips[0] if slips else None)


def _forms(name: str) -> Iterator[str]:
    """What a name has in common with those that are a slip away: itself, and itself without any one letter."""
    if len(name) > LONGEST:
        return
    folded = name.casefold()
    yield folded
    if len(name) >= SHORTEST:
        for index, character in enumerate(folded):
            if not character.isdigit():
                yield folded[:index] + folded[index + 1 :]
