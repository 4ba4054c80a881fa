"""What is said of a request of one word that is no level of the group that is named like this host. Pure.

And of one of two words that are both groups, with the option for a status.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from cltab2systemd.table.spelling import Spellings
from cltab2systemd.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def advice(host: str, word: str, groups: Iterable[str]) -> Iterator[str]:
    """What may have been meant, each in a line.

    Args:
        host: the group that is named like this host.
        word: that was asked for, as its level.
        groups: all that the table has.
    """
    like = Spellings(groups).like(word)
    if like is not None:
        name = shlex.quote(like)
        yield printable(
            f"did you mean group {name}? 'clinit -v {name}' shows how it is, 'clinit {name} LEVEL' moves it"
        )
    yield printable(
        f"one word is the level of group {host}, which is named like this host. To move or see another "
        f"group, 'clinit GROUP LEVEL', 'clinit -v GROUP'; to stop all of {host}, 'clinit {host} {word}'"
    )


def on_two(group: str, other: str, *, is_declared: bool) -> Iterator[str]:
    """What may have been meant by two groups, each in a line.

    Args:
        group: the first.
        other: the second, which is no level of the first.
        is_declared: whether the first declares its levels, so that it goes to no other.
    """
    one, two = shlex.quote(group), shlex.quote(other)
    move = "" if is_declared else f"; to have {group} go to a level of that name, 'clinit {one} {two}'"
    yield printable(f"{other} is a group: 'clinit -v {one}', 'clinit -v {two}' show how they are{move}")
