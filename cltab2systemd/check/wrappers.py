"""Programs that run the one they are given, and which word of a command is the program behind them. Pure.

The rows are data; sources are the programs' manual pages. The words are those that `commandline` reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.check.commandline import is_assignment

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
