"""What keeps entries from being started behind one that is required and has failed: files and who makes them. Pure.

Below the instance's directory, each with the names of units of required entries:

1. `passed/` has those that did well when they were started last, and those that are not in the level that was asked for
   last. What stands behind an entry has a condition for its file.
2. `up/` has those that did well and were not stopped since. Such a unit is not started by a switch. So its file in
   `passed/` stays.

The barrier of each level sets `passed/` right, and each required entry tells by itself when it did well. So no daemon
is needed. What takes a file of `passed/` away is a switch only: an entry behind may end, and be restarted by itself, at
just the time at which the required one is restarted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.units.commands import SHELL

if TYPE_CHECKING:
    from collections.abc import Iterable

PASSED = "passed"
UP = "up"

# Whatever PATH and umask the table gives. Without a `set -e`, each step that may fail ends it: what is not noted keeps
# entries down. `true` does nothing but open a file for writing; a shell goes on when it cannot.
_BEGIN = f'PATH=/usr/bin:/bin; umask 022; mkdir -p "$1/{PASSED}" "$1/{UP}" && cd "$1" || exit; shift; '
# It goes to its end, also if it is stopped for another level.
# A unit with a hyphen before it is in the level. It may come up between two of these looks. Then it has made both files
# since the first, or makes them after the second.
_SET = (
    "trap '' TERM; " + _BEGIN + "for unit; do case $unit in "
    f'-*) unit=${{unit#-}}; [ -e "{UP}/$unit" ] || rm -f "{PASSED}/$unit" || exit; '
    f'[ ! -e "{UP}/$unit" ] || true >"{PASSED}/$unit" || exit;; '
    f'*) true >"{PASSED}/$unit" || exit;; esac; done'
)
_NOTE = _BEGIN + f'true >"{UP}/$1" && true >"{PASSED}/$1"'


def passed_file(directory: str, unit: str) -> str:
    """The file that is there while what stands behind a required entry may be started.

    Args:
        directory: the instance's.
        unit: of the required entry.
    """
    return f"{directory}/{PASSED}/{unit}"


def words_that_set(directory: str, inside: Iterable[str], outside: Iterable[str]) -> tuple[str, ...]:
    """The argument vector that sets `passed/` right for a level.

    Args:
        directory: the instance's.
        inside: the units of required entries in the level. What is to fail is done last, so they come first.
        outside: those of all others.
    """
    return (SHELL, "-c", _SET, "sh", directory, *(f"-{unit}" for unit in inside), *outside)


def words_that_note(directory: str, unit: str) -> tuple[str, ...]:
    """The argument vector that notes that a required entry did well."""
    return (SHELL, "-c", _NOTE, "sh", directory, unit)


def words_that_forget(directory: str, unit: str) -> tuple[str, ...]:
    """The argument vector that notes that a required entry is not up any more."""
    return ("/bin/rm", "-f", f"{directory}/{UP}/{unit}")
