"""What the commands of `cltab2systemd.units.requirements` do, on the stand-in's disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.units.requirements import PASSED, UP
from simulation.disk import STATE

if TYPE_CHECKING:
    from simulation.disk import Files


def set_right(files: Files, words: tuple[str, ...]) -> bool:
    """What a barrier does, with the words of `words_that_set` from the directory on; whether it could."""
    directory, *units = words
    for unit in units:
        name = unit.removeprefix("-")
        is_up = files.content(f"{directory}/{UP}/{name}") is not None
        if name != unit and not is_up:
            files.drop(f"{directory}/{PASSED}/{name}")
        elif not files.put(f"{directory}/{PASSED}/{name}"):
            return False
    return True


def note(files: Files, unit: str) -> bool:
    """What a required entry does that did well; whether it could."""
    return files.put(f"{STATE}/{UP}/{unit}") and files.put(f"{STATE}/{PASSED}/{unit}")


def forget(files: Files, unit: str) -> None:
    """What it does when it is stopped, or has failed."""
    files.drop(f"{STATE}/{UP}/{unit}")
