"""The commands of an inittab: those that systemd has no need of, and how init runs the others. Pure.

Every init runs a command with shell metacharacters as `/bin/sh -c "exec COMMAND"`. A cltab runs it as
`/bin/sh -c "COMMAND"`, with other metacharacters (`commands.command_words`). Mostly that is the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.check import commandline, wrappers
from cltab2systemd.check.commandline import Kind
from cltab2systemd.units import commands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cltab2systemd.check.commandline import Word


@dataclass(frozen=True, slots=True)
class LeftToSystemd:
    """A command that has no place in a group: what it does, and what of systemd does it."""

    what: str
    equivalent: str


@dataclass(frozen=True, slots=True)
class Adapted:
    """A command as a cltab has it, and what there is to say about it."""

    command: str
    note: str = ""
    hint: str = ""
    doubtful: bool = False  # whether init and cltab disagree about what it does


_GETTY = "a login on a terminal"
_GRAPHICAL = "display-manager.service"
_DEVICES = "systemd-udevd.service"

# What commands of the machine look like, without what stands before the program; the first that matches counts.
# `{terminal}` is the unit of the terminal that the command names, `{targets}` what systemd has for the line's levels.
_BIN = r"(?:/(?:usr/)?s?bin/|/etc/)?"
_ANYWHERE = r"(?:\S*/)?"
_SYSTEM = r"/(?:etc|(?:usr/)?(?:sbin|lib|libexec))/(?:\S*/)?"
_LEFT = tuple(
    (re.compile(pattern + r"(?=\s|$)"), LeftToSystemd(what, equivalent))
    for pattern, what, equivalent in (
        (
            _ANYWHERE + r"(?:(?:a|m|min|f|fb|n|s|run|uu|v|start_)?getty|getty_ps|qingy|ttymon|smtty|iucvtty)",
            _GETTY,
            "{terminal}",
        ),
        (r"(?:\S*/saf/sac|(?:/(?:usr/)?bin/)?login|\S*/login\.sh)", _GETTY, "{terminal}"),
        (
            _BIN + r"(?:ba|da|a|k|mk|c|tc|z|j)?sh(?:\s+(?:-l|-i|--login|-|\d*[<>]\S*|/dev/\S+))*\s*$",
            "a shell on a terminal",
            "{terminal}",
        ),
        (_ANYWHERE + r"sulogin", "the login of single-user mode", "rescue.service and emergency.service"),
        (_ANYWHERE + r"(?:prefdm|[xgkw]dm3?|sddm|lightdm|slim|lxdm|rc\.4)", "the graphical login", _GRAPHICAL),
        (r"/etc/(?:\S*/)?rc\.local", "what an administrator adds to the boot", "rc-local.service"),
        (
            _SYSTEM
            + r"(?:rc[0-9A-Za-z]?|rc\.(?:[0-9A-Z]|sysinit|boot|multi|single|shutdown|reboot|halt|init)|brc|bcheckrc)",
            "a script that takes the whole machine to a level",
            "{targets}",
        ),
        (r"\S*init\.d/boot(?:\.d/\S+)?", "a script that boots the machine", "sysinit.target"),
        (_BIN + r"openrc(?:-init|-shutdown)?", "a program that takes the whole machine to a level", "{targets}"),
        (
            _BIN + r"(?:shutdown|halt|reboot|poweroff|uadmin|telinit|init|killall5)",
            "a command that stops or restarts the machine",
            "poweroff.target, halt.target and reboot.target",
        ),
        (
            _BIN + r"(?:mount|swapon)\s(?:.*\s)?-[^a\s]*a\S*",
            "mounts of the whole machine",
            "local-fs.target, swap.target",
        ),
        (_BIN + r"(?:umount|swapoff)\s(?:.*\s)?-[^a\s]*a\S*", "unmounts of the whole machine", "umount.target"),
        (_ANYWHERE + r"(?:mdev|udevd|systemd-udevd|ueventd)", "the device manager", _DEVICES),
    )
)

# What may stand between assignments and the program that they are for.
_BEHIND = re.compile(r"\s*(?:;|&&)")
_GETTY_CALL = re.compile(r"(?:\S*/)?\w*getty\s")
_PROGRAM = re.compile(r"[^\s;|&<>()]+")
# As much of a command is looked at to see what it is.
_LOOKED_AT = 4096
_NOT_IN_A_TAG = re.compile(r"[^A-Za-z0-9_.]")
_LONGEST_MADE_TAG = 32

# Terminals as Linux calls them. Those of others are told in general words.
_VIRTUAL = re.compile(r"(?:tty|vc/)([1-9]\d*)")
_SERIAL = re.compile(r"tty(?:[A-Z]+|mxc|sclp)\d+|hvc\d+|hvsi\d+|xvc\d+|sclp_line\d+|3270/tty\d+")
_ANY_TERMINAL = "getty@.service or serial-getty@.service"

# What sends a command to the shell: in sysvinit and BusyBox. System V and AIX always use the shell.
_INIT_SHELL = re.compile(r"""[~`!$^&*()=|\\{}\[\];"'<>?]""")
# A command that begins so cannot be executed behind `exec `: assignments, reserved words, what only a shell has.
_SHELL_ONLY = re.compile(
    r"(?:\w+=|[({]|(?:!|\.|:|if|for|while|until|case|cd|eval|exec|exit|export|read|set|shift|trap|ulimit|umask|unset)"
    r"(?=[\s;&|]|$))",
    re.ASCII,
)


def left_to_systemd(command: str) -> LeftToSystemd | None:
    """What a command does for the whole machine, so that it has no place in a group; None for any other."""
    program = _without_what_stands_before(command)
    return next((left for pattern, left in _LEFT if pattern.match(program)), None)


def terminal_unit(terminal: str) -> str:
    """What of systemd has a login on a terminal, by the terminal's name, with or without `/dev/`."""
    name = terminal.removeprefix("/dev/")
    if name == "console":
        return "console-getty.service or serial-getty@.service"
    if match := _VIRTUAL.fullmatch(name):
        return f"getty@tty{match[1]}.service"
    if _SERIAL.fullmatch(name):
        return f"serial-getty@{name.replace('/', '-')}.service"
    return _ANY_TERMINAL


def terminal_of(command: str) -> str:
    """The terminal that a login's command names, without `/dev/`; empty if there is none that Linux has."""
    for word in command[:_LOOKED_AT].split():
        name = word.strip("\"'").removeprefix("/dev/")
        if name == "console" or _VIRTUAL.fullmatch(name) or _SERIAL.fullmatch(name):
            return name
    return ""


def tag_for(command: str) -> str:
    """A tag for an entry that has no id, of characters that a unit name takes as they are: its program's name."""
    match = _PROGRAM.match(_without_what_stands_before(command))
    name = match[0].rstrip("/").rpartition("/")[2] if match else ""
    return _NOT_IN_A_TAG.sub("_", name).strip("._")[:_LONGEST_MADE_TAG] or "entry"


def adapt(command: str) -> Adapted:
    """A command that runs from a cltab as it ran from init, as far as it did there."""
    init_shell = bool(_INIT_SHELL.search(command))
    shell = commands.command_words(command) == (commands.SHELL, "-c", command)
    if match := _SHELL_ONLY.match(command) if init_shell or shell else None:
        return Adapted(
            command,
            f"init runs 'exec {match[0]}…', which no shell can do; from a cltab the command runs",
            "if it is not to run, make it 'off'",
            doubtful=True,
        )
    if init_shell and (separator := _first_separator(command)):
        return Adapted(
            f"exec {command}",
            f"init runs 'exec' before the command, so nothing behind '{separator}' ever ran; this is kept",
            "remove 'exec' to run all of it",
            doubtful=True,
        )
    if not shell and commandline.comment_start(command) is not None:
        return Adapted(
            f"exec {command}",
            "only a shell takes what is behind '#' for a comment, so 'exec' goes before the command",
        )
    if not init_shell and "#" in command:
        return Adapted(
            command,
            "Linux's init ends a command at '#' also within a word; from a cltab the word is passed whole",
            "remove what is not to be passed",
            doubtful=True,
        )
    return Adapted(command)


def _without_what_stands_before(command: str) -> str:
    """A command from the program that counts on, behind assignments, wrappers, and a shell that reads a script."""
    text = command[:_LOOKED_AT]
    words = commandline.leading_words(text)
    while words and all(map(commandline.is_assignment, words)) and (behind := _BEHIND.match(text, words[-1].end)):
        text = text[behind.end() :]
        words = commandline.leading_words(text)
    if not words:
        return text.lstrip()
    index = wrappers.behind_wrappers(words)
    while index < len(words) and words[index].name in wrappers.SHELLS:
        if getty := _getty_of_script(words[index + 1 :]):
            return getty
        script = _script_index(words, index)
        if script is None:
            break
        index = wrappers.behind_wrappers(words, script)
    return text[words[min(index, len(words) - 1)].start :]


def _getty_of_script(arguments: Sequence[Word]) -> str:
    """The getty that a shell with these arguments runs, with its own; empty if it runs anything else."""
    if len(arguments) < 2 or arguments[0].text not in {"-c", "-lc"}:
        return ""
    program = _without_what_stands_before(arguments[1].text)
    return program if _GETTY_CALL.match(program) else ""


def _script_index(words: Sequence[Word], shell: int) -> int | None:
    """Which word is the path of the script that a shell is to read; None if there is no such word."""
    index = wrappers.behind_options(words, shell + 1, "-o")
    if index >= len(words) or any("c" in option.text for option in words[shell + 1 : index]):
        return None
    path = words[index].text
    return index if path.startswith("/") and not path.startswith("/dev/") else None


def _first_separator(command: str) -> str:
    """What ends the first pipeline of a command, if `exec` before it keeps all behind from running; empty if not.

    In a pipeline of several commands, or in one that runs in the background, `exec` is a subshell's.
    """
    depth = 0
    for token in commandline.tokens(command):
        if token.kind is Kind.OPENING or token.raw == "{":
            depth += 1
        elif token.kind is Kind.CLOSING or token.raw == "}":
            depth -= 1
        elif depth == 0 and token.kind is Kind.SEPARATOR and token.raw in {";", "&&", "||"}:
            return token.raw if command[token.end :].strip() else ""
        elif depth == 0 and token.kind in {Kind.SEPARATOR, Kind.COMMENT}:
            return ""
    return ""
