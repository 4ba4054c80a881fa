"""The syntax of unit files: the one module that turns text into what a unit file may hold. Pure.

Rules: systemd.syntax(7), systemd.service(5) COMMAND LINES and systemd.unit(5) SPECIFIERS. Nothing that a table holds
can end a line, continue one, or become a directive, a specifier or a variable.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.table.diagnostics import printable
from cltab2systemd.text import encoded

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIMPLE_ESCAPES = {"\\": "\\\\", '"': '\\"', "%": "%%", "$": "$$"}
# Bytes that are not UTF-8, and the noncharacters: for either systemd refuses the whole line.
_NO_UTF8 = "\ud800-\udfff\ufdd0-\ufdef" + "".join(
    chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF)
)
_NOT_UTF8 = re.compile(f"[{_NO_UTF8}]")
_TO_ESCAPE = re.compile(rf'[\\"%$\x00-\x1f\x7f{_NO_UTF8}]')

# Perl's exec(3perl) goes through the shell for these characters, a leading assignment, `exec` or `.`.
_SHELL_CHARACTERS = re.compile(r"""[$&*(){}\[\]'";\\|?<>~`]""")
_SHELL_START = re.compile(r"[ \t\n\r\f\v]*(?:\w*=|(?:exec|\.)[ \t\n\r\f\v])", re.ASCII)
_BLANKS = re.compile(r"[ \t\n\r\f\v]+")
_ERRORS_TO_OUTPUT = re.compile(r"[ \t\n\r\f\v]2>&1[ \t\n\r\f\v]*\Z")

# A command that is one program, which the shell becomes.
_JUST_EXEC = re.compile(r"[ \t]*exec[ \t]+[^ \t0-9<>|&;()`][^<>|&;()`]*\Z")

SHELL = "/bin/sh"

# Words that cannot be executed, or none, are told as systemd tells its own: 203/EXEC. Once executed, no trap is left.
_EXECUTE = "trap 'exit 203' 0; exec \"$@\""

# What systemd itself finds and executes, with no other byte for its name: no prefix of its own before it, no relative
# path, nothing that it would simplify.
_EXECUTABLE = re.compile(r"(?:/[\w.+,=:@~^!#-]+)+|\w[\w.+,=:@~^!#-]*", re.ASCII)
_DOTS = re.compile(r"/\.{1,2}(?:/|\Z)")
_LONGEST_NAME = 255
_LONGEST_PATH = 4000

# systemd's codes for what failed before the command ran: 200/CHDIR to 243/CREDENTIALS (systemd.exec(5)).
_NOT_EXECUTED = range(200, 244)
_ENDING_SIGNALS = """
    SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM SIGTERM
    SIGSTKFLT SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGIO SIGPWR SIGSYS
"""
_REAL_TIME_SIGNALS = 31

ENDINGS = " ".join((
    *(str(status) for status in range(1, 256) if status not in _NOT_EXECUTED),
    *_ENDING_SIGNALS.split(),
    *(f"SIGRTMIN+{number}" for number in range(_REAL_TIME_SIGNALS)),
))  # fmt: skip
"""Every way in which a command ends that was executed, as the value of `SuccessExitStatus=`, which knows no ranges."""

# More would hide in the journal how a program ended that nobody stopped: "Deactivated successfully", says systemd then.
STOPS = "129 130 131 143"
"""How a `respawn` entry ends that handles what stops it, in the same form: 128 and SIGHUP, SIGINT, SIGQUIT, SIGTERM."""

# Runs before the command of a respawn entry, in the shell that then becomes the command. As the ancestor's, it counts
# up when a start comes less than 1 s after the last one, down when it comes later, and from 6 on pauses for 60 s before
# the start. The unit is active meanwhile, so a switch is not held up, and a stop ends the pause. The count is kept from
# start to start, not from level to level, in a file of the unit's runtime directory. Times are hundredths of a second.
#
# Directives of the table may be in the way, and must not make the entry run without pause. Without /proc, the time is
# date's, to a second; without any, each start counts as fast. Where the count cannot be kept, each start is 1 s late; a
# limit on the size of files then is no signal that kills, nor is a journal that hears nothing. To pause is to become
# sleep, which leaves nothing behind with KillMode=process: the next start, as the file's third number says, goes
# straight to the command. It becomes sleep by a link whose path says to people what that is; if there is no link, or no
# process can be had to make one, by its own name. No name here is one that a command may find in its environment, for
# there it would be changed.
_THROTTLE = """\
unset VARIABLE; _up= _count=0 _last= _pause=; trap '' XFSZ PIPE; { \
read -r _up _rest </proc/uptime || _up=$(PATH=$PATH:/usr/bin:/bin; date +%s.00); \
_up=${_up:-0.00}; _now=$((${_up%.*}*100+1${_up#*.}-100)); \
_rest=; read -r _count _last _pause _rest <"$_dir/respawns"; \
case $_count:$_last:$_pause in *[!0-9:]*|:*|*::*|*:) _count=0 _pause=0;; *:1) _pause=0;; \
*) if [ $((_now-_last)) -lt 100 ]; then _count=$((_count<9?_count+1:9)); else _count=$((_count>0?_count-1:0)); fi; \
_pause=$((_count>5));; esac; [ $_pause = 1 ] || _rest=; \
echo "$_count $_now $_pause${_rest:+ $_rest}" >"$_dir/respawns" || _pause=2; } 2>/dev/null; \
case $_pause in \
1) echo "$0 respawning too rapidly: sleeping 60 seconds" >&2; PATH=$PATH:/usr/bin:/bin; trap 'exec sleep 60' 0; \
_dir=$_dir/PAUSED; { [ -x "$_dir/sleep" ] || { _rest=$(command -v sleep) && [ "${_rest#/}" != "$_rest" ] && \
mkdir -p "$_dir" && ln -sf "$_rest" "$_dir/sleep" && [ -x "$_dir/sleep" ]; }; } 2>/dev/null && exec "$_dir/sleep" 60; \
exit;; \
2) echo "$0 respawning without a count: sleeping 1 second" >&2; (PATH=$PATH:/usr/bin:/bin; exec sleep 1);; esac; \
trap - XFSZ PIPE; trap 'echo "$_count $_now 0 203" 2>/dev/null >"$_dir/respawns"; exit 203' 0"""

PAUSED = "paused-too-many-restarts"
"""The directory, below that of `throttle_directory`, whose `sleep` a `respawn` entry is while it pauses."""

_VARIABLE = "CLINIT_THROTTLE"
# If somebody has emptied the environment, nothing can be counted.
_THROTTLED = f'eval "${{{_VARIABLE}-sleep 1}}"; exec "$@"'


@dataclass(frozen=True, slots=True)
class Plain:
    """A command without shell characters: its words, and whether its errors go where its output goes."""

    words: tuple[str, ...]
    errors_to_output: bool = False

    @property
    def is_executable(self) -> bool:
        """Whether systemd executes these words as they are, if it is given them without a shell."""
        name = self.words[0] if self.words else ""
        limit = _LONGEST_PATH if name.startswith("/") else _LONGEST_NAME
        return bool(_EXECUTABLE.fullmatch(name)) and not _DOTS.search(name) and len(name) <= limit


def plain(command: str) -> Plain | None:
    """A table's command as words, by the rule of Perl's exec; None if it is one for the shell.

    Shell metacharacters, a leading assignment, `exec` or `.` make it one for the shell; but as in Perl, a `2>&1` at the
    very end does not count as a metacharacter.
    """
    match = _ERRORS_TO_OUTPUT.search(command)
    text_of_words = command[: match.start()] if match else command
    if _SHELL_CHARACTERS.search(text_of_words) or _SHELL_START.match(command):
        return None
    return Plain(tuple(word for word in _BLANKS.split(text_of_words) if word), match is not None)


def command_words(command: str) -> tuple[str, ...]:
    """The argument vector that a table's command runs as, by the rule of Perl's exec.

    A command for the shell goes to `/bin/sh -c` as it is; else its blank-separated words are executed by PATH without a
    shell's reading, so that `prog a #b` passes `#b`.
    """
    found = plain(command)
    if found is None:
        return (SHELL, "-c", command)
    return (SHELL, "-c", _EXECUTE + " 2>&1" * found.errors_to_output, "sh", *found.words)


def is_before_program(words: Sequence[bytes], command: str) -> bool:
    """Whether a shell with these words is about to become the program of a command, or to say that it cannot.

    That is the shell before plain words, the one that counts starts, or one whose command is just `exec PROGRAM`.
    """
    script = words[2] if len(words) > 2 and words[1] == b"-c" else b""
    if script.startswith((_EXECUTE.encode(), _THROTTLED.encode())):
        return True
    text_of_command = encoded(command)
    return bool(script) and text_of_command.startswith(script) and _JUST_EXEC.match(command) is not None


def throttled(tag: str, command: str) -> tuple[str, ...]:
    """The argument vector that a command runs as which pauses when it is started too often and too fast.

    It needs `throttle` in its environment. The tag is the entry's, for the message.
    """
    found = plain(command)
    if found is None:
        return (SHELL, "-c", _THROTTLED, tag, *command_words(command))
    return (SHELL, "-c", _THROTTLED + " 2>&1" * found.errors_to_output, tag, *found.words)


def throttle(directory: str) -> str:
    """What counts the starts of a `respawn` entry, as an assignment for `Environment=`, ready.

    There it is out of sight, needs no file, and does not reach the command.

    Args:
        directory: the unit's, of `throttle_directory`.
    """
    return f'"{_VARIABLE}=_dir=/run/{directory}; {_THROTTLE_QUOTED}"'


def throttle_directory(unit: str) -> str:
    """Where a `respawn` entry counts its fast restarts, below /run, as the value of `RuntimeDirectory=`.

    systemd 257 starts no unit with a backslash there, and no unit name has a comma.
    """
    return "clinit-respawn/" + unit.replace("\\", ",")


# What is quoted over and over.
_QUOTED: dict[str, str] = {}


def quote(argument: str) -> str:
    """One argument of an `ExecStart=` line: double-quoted, so that exactly these bytes arrive."""
    return _QUOTED.get(argument) or '"' + _TO_ESCAPE.sub(_escape, argument) + '"'


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return _SIMPLE_ESCAPES.get(character) or "".join(f"\\x{byte:02x}" for byte in encoded(character))


def command_line(words: tuple[str, ...]) -> str:
    """An argument vector as the value of `ExecStart=`; the first word needs no quotes."""
    program, *arguments = words
    return " ".join((program, *map(quote, arguments)))


_QUOTED |= {argument: quote(argument) for argument in ("-c", "sh", _EXECUTE, _THROTTLED)}
# In `Environment=` a dollar is one.
_THROTTLE_QUOTED = quote(_THROTTLE.replace("PAUSED", PAUSED).replace("VARIABLE", _VARIABLE))[1:-1].replace("$$", "$")


def is_utf8(value: str) -> bool:
    """Whether systemd takes the text for UTF-8: no bytes that are not, and none of Unicode's noncharacters."""
    return not _NOT_UTF8.search(value)


def text(value: str) -> str:
    """Free text, as in `Description=`: readable, without specifiers, control characters or a continuation."""
    shown = printable(value).replace("%", "%%")
    return shown[:-1] + "\\x5c" if shown.endswith("\\") else shown


def comment(value: str) -> str:
    """Text for a comment line: one line, readable."""
    return printable(value)


def path(value: str) -> str | None:
    """A path for a directive that takes one, or None for one that cannot stand there (systemd does not unescape it)."""
    if not value.startswith("/") or not value.isprintable() or value != value.strip() or value.endswith("\\"):
        return None
    return value.replace("%", "%%")
