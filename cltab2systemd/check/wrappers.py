"""Programs that run the one they are given, and the program that a command line runs behind them. Pure.

The rows are data; sources are the programs' manual pages. The words are those that `commandline` reads.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.check.commandline import calls, comment_start, is_assignment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cltab2systemd.check.commandline import Word


@dataclass(frozen=True, slots=True)
class Wrapper:
    """Programs that run the one that they are given.

    Attributes:
        names: of the programs.
        valued: their options whose value may be the next word.
        operands: how many words that are no options stand before the program.
        waits: whether the wrapper is there as long as the program: it becomes the program, or waits for it.
    """

    names: str
    valued: str = ""
    operands: int = 0
    waits: bool = True


WRAPPERS = (
    Wrapper("exec", "-a"),
    Wrapper("command busybox nohup setsid cttyhack"),
    Wrapper("env", "-u -C --unset --chdir"),
    Wrapper("nice", "-n --adjustment"),
    Wrapper("ionice", "-c -n"),
    Wrapper("stdbuf", "-i -o -e"),
    Wrapper("sudo", "-u -g"),
    # Of kbd: it starts the program on a free terminal, and ends.
    Wrapper("openvt", "-c --console", waits=False),
    # Of s390-tools: it waits until there is such a terminal.
    Wrapper("ttyrun", "-e --exitstatus", operands=1),
)
_WRAPPER_OF = {name: wrapper for wrapper in WRAPPERS for name in wrapper.names.split()}

SHELLS = frozenset(["sh", "bash", "dash", "ksh", "ash"])
SHELL_VALUED = "-c -o"
# Programs that take a command line as the value of an option.
_OF_SCRIPTS = SHELLS | {"su", "runuser"}
_SCRIPT_OPTIONS = frozenset(["-c", "-lc", "--command"])
# What prepares the shell for the program behind it.
_PREPARING_WORDS = ". : [ cd export set source test trap true ulimit umask unset"
_PREPARING = frozenset(_PREPARING_WORDS.split())


def behind_wrappers(words: Sequence[Word], start: int = 0, *, waits_only: bool = False) -> int:
    """Which word is the first that is no assignment, no wrapper and none of its options; their number if all are.

    Args:
        words: of a call.
        start: the words before this one are not looked at.
        waits_only: a wrapper that does not wait for its program is taken for the program itself.
    """
    index = start
    while index < len(words):
        wrapper = _WRAPPER_OF.get(words[index].name)
        if is_assignment(words[index]):
            index += 1
        elif wrapper and (wrapper.waits or not waits_only):
            index = behind_options(words, index + 1, wrapper.valued) + wrapper.operands
        else:
            break
    return min(index, len(words))


def behind_options(words: Sequence[Word], start: int, valued: str) -> int:
    """Which word from `start` on is the first that is no option, and no value of one.

    Args:
        words: of a call.
        start: the words before this one are not looked at.
        valued: the options whose value may be the next word.
    """
    index, with_value = start, valued.split()
    while index < len(words) and words[index].text.startswith("-"):
        index += 2 if words[index].text in with_value else 1
    return index


def program_index(words: Sequence[Word]) -> int | None:
    """Which word is the program that the others are arguments of, behind assignments and wrappers; None without one.

    A shell is a wrapper if it is given the path of a script. If it reads anything else, there is no such word.
    """
    index = behind_wrappers(words, waits_only=True)
    while index < len(words) and words[index].name in SHELLS:
        script = behind_options(words, index + 1, SHELL_VALUED)
        if script < len(words) and not words[script].text.startswith("/"):
            return None
        index = behind_wrappers(words, script, waits_only=True)
    return index if index < len(words) else None


def main_program(command: str) -> str | None:
    """The program that a command line is there for, as it is written; None if it takes a shell to tell.

    It is the first one that does not only prepare the shell, as `cd` does. What stands before a program is left out:
    assignments, `exec` and other wrappers, and shells, `su` and `runuser` whose `-c` says what they run. So is a
    comment: `cd /srv && A=1 exec su -c 'exec nice ./server -v' web # the server` is there for `./server`.
    """
    for call in calls(command[: comment_start(command)]):
        index = behind_wrappers(call.words)
        if index == len(call.words) or call.words[index].text in _PREPARING:
            continue
        if call.words[index].name not in _OF_SCRIPTS:
            return call.words[index].text
        return _main_program_of_script(call.words[index:])
    return None


def _main_program_of_script(words: Sequence[Word]) -> str | None:
    """The program that a shell or `su` runs; the shell or `su` itself if it is not told what."""
    for option, value in itertools.pairwise(words):
        if option.text in _SCRIPT_OPTIONS:
            return main_program(value.text)
    script = behind_options(words, 1, SHELL_VALUED)
    is_of_script = words[0].name in SHELLS and script < len(words)
    return words[script if is_of_script else 0].text
