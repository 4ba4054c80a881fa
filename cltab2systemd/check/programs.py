"""The programs that a command starts, and what becomes of each: it never ends, say, or leaves a daemon. Pure.

What has no row in `programrows` is not judged, nor is what takes a shell to understand: a warning has to be right.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.check.behaviours import Behaviour, Program, unread
from cltab2systemd.check.commandline import LONGEST, Word, calls
from cltab2systemd.check.programrows import INIT_SCRIPT, PROGRAMS
from cltab2systemd.check.wrappers import innermost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cltab2systemd.check.commandline import Call

_UNKNOWN = Program("")
_PROGRAM_OF = {name: program for program in PROGRAMS for name in program.names.split()}

_ENDLESS_LOOP = re.compile(
    r"\s*(?:while\s+(?::|true|/bin/true)|until\s+(?:false|/bin/false)|for\s*\(\(\s*;\s*;\s*\)\))\s*;\s*do\s.*;\s*done\s*;?\s*",
    re.DOTALL,
)
_WAY_OUT = re.compile(r"\b(?:break|exit|return|exec|kill|set)\b|&&|\|\|")
_SEPARATORS = re.compile(r"[\s/;&|()'\"]+")
# A command that stops a service has one of these words.
_STOPPING = frozenset(["stop", "kill", "disable"])
# A command has to have one of these words for anything to be known of it.
_TELLING = frozenset({*_PROGRAM_OF, "init.d", "rc.d", "while", "until", "for"}) | {
    f"rc{level}.d" for level in "0123456S"
}


class Run(enum.Enum):
    """How the shell runs a program of a command."""

    FOREGROUND = "it is started, and waited for"
    BACKGROUND = "it is started, and not waited for"
    DOUBTFUL = "it may not be started, or be ended by another program"


@dataclass(frozen=True, slots=True)
class Started:
    """A program that a command starts.

    Attributes:
        name: as a person calls it.
        behaviour: what becomes of it.
        start: where it stands in the command, with its arguments.
        end: where what follows stands.
        run: how the shell runs it.
        foreground: the arguments that keep it from becoming a daemon.
        without: those that make it one.
        services: those that are handed over to systemd.
    """

    name: str
    behaviour: Behaviour
    start: int
    end: int
    run: Run = Run.FOREGROUND
    foreground: str = ""
    without: str = ""
    services: tuple[str, ...] = ()


def started(command: str, read: Callable[[str], str] = unread) -> tuple[Started, ...]:
    """The programs that a command starts, in order; none if nothing is known of any, or it takes a shell to tell.

    Args:
        command: of a table.
        read: the content of a file, which may decide what becomes of a program; empty if nobody can read it.
    """
    if len(command) > LONGEST or _TELLING.isdisjoint(separated(command)):
        return ()
    if _ENDLESS_LOOP.fullmatch(command) and not _WAY_OUT.search(command):
        text = command.strip()
        start = command.index(text)
        return (Started("the loop", Behaviour.NEVER_ENDS, start, start + len(text)),)
    found = calls(command)
    if any(call.is_negated for call in found):
        return ()
    separators_before = ["", *(call.separator for call in found)]
    calls_before = [(call, before) for call, before in zip(found, separators_before, strict=False) if call.words]
    return tuple(program for call, before in calls_before for program in _started(call, before, read))


# Several ask this of each command of a table.
@functools.lru_cache(maxsize=16384)
def separated(command: str) -> frozenset[str]:
    """The words of a command, whatever stands between them: a first look that nothing escapes."""
    return frozenset(_SEPARATORS.split(command))


def stopped(command: str) -> frozenset[str]:
    """The services that a command may stop: all its words, if one is about stopping."""
    words = separated(command)
    return frozenset() if words.isdisjoint(_STOPPING) else frozenset(map(_service, words))


def background(command: str) -> tuple[int, int] | None:
    """Where the `&` stands that puts a command into the background, with nothing run behind it; None without one.

    An `exit` behind it runs nothing. Of a command in quotes, as `su` is given one, all of it is where the `&` stands.
    In `program &>file` it is one as well: only bash takes that for a redirection.
    """
    programs = [call for call in calls(command) if call.words] if "&" in command else []
    inner = innermost(programs[0].words) if len(programs) == 1 else None
    if isinstance(inner, Word) and background(inner.text):
        return inner.start, inner.end
    if len(programs) > 1 and programs[-1].words[0].text == "exit":
        del programs[-1]
    if [call.separator for call in programs] != ["&"]:
        return None
    end = programs[0].end
    return end, end + 1


def _started(call: Call, before: str, read: Callable[[str], str]) -> Iterator[Started]:
    words, run = call.words, _run(call, before)
    found = innermost(words)
    if isinstance(found, Word) and (programs := started(found.text, read)):
        for program in programs:
            both = program.run if run is Run.FOREGROUND else run
            yield dataclasses.replace(program, start=found.start, end=found.end, run=both)
    elif isinstance(found, int):
        yield _of_program(words[found], words[found + 1 :], (words[-1].end, run), read)
    else:
        yield Started("", Behaviour.ENDS, words[0].start, words[-1].end, run)


def _of_program(
    program: Word, arguments: Sequence[Word], where: tuple[int, Run], read: Callable[[str], str]
) -> Started:
    row, text = _row(program), joined(arguments)
    behaviour = row.behaviour(text, read)
    without = row.without
    if row.configuration and behaviour is Behaviour.DAEMON:
        is_by_arguments = row.daemon is not None and re.search(row.daemon, text)
        without = without if is_by_arguments else f"{row.configuration.line} in {row.file_of_daemon(text, read)}"
    return Started(
        program.name,
        behaviour,
        program.start,
        *where,
        row.foreground,
        without,
        _services(arguments) if behaviour is Behaviour.HANDED_OVER else (),
    )


def _row(program: Word) -> Program:
    if program.text.startswith("/") and re.search(INIT_SCRIPT.path, program.text):
        return INIT_SCRIPT
    row = _PROGRAM_OF.get(program.name, _UNKNOWN)
    return row if not row.path or re.search(row.path, program.text) else _UNKNOWN


def joined(arguments: Sequence[Word]) -> str:
    """Arguments as the patterns of rows are matched against them: ` ARGUMENT  ARGUMENT `."""
    return "".join(f" {argument.text} " for argument in arguments)


def _run(call: Call, before: str) -> Run:
    if before in {"||", "|"} or call.separator == "|":
        return Run.DOUBTFUL
    return Run.BACKGROUND if call.separator == "&" else Run.FOREGROUND


def _services(arguments: Sequence[Word]) -> tuple[str, ...]:
    """The services among the arguments of `service NAME start` or `systemctl start NAME...`."""
    names = (argument.text for argument in arguments if not argument.text.startswith("-"))
    return tuple(_service(name) for name in names if name not in {"", "start"})


def _service(name: str) -> str:
    """A service's name, from that of its unit or its init script."""
    return name.removesuffix(".service").removesuffix(".sh")
