"""The syntax of unit files: the one module that turns text into what a unit file may hold. Pure.

Rules: systemd.syntax(7), systemd.service(5) COMMAND LINES and systemd.unit(5) SPECIFIERS. Nothing that a table holds
can end a line, continue one, or become a directive, a specifier or a variable.
"""

from __future__ import annotations

import re

from cltab2systemd.diagnostics import printable

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

SHELL = "/bin/sh"

_EXECUTE = 'exec "$@"'

# Stands before the command of a respawn entry, and then becomes it. As the ancestor's, it counts up when a start comes
# less than 1 s after the last one, down when it comes later, and from 6 on pauses for 60 s before the start. The unit
# is active meanwhile, so a switch is not held up, and a stop ends the pause. The count is kept from start to start, not
# from level to level, in a file of the unit's runtime directory, the first argument. Times are hundredths of a second.
#
# Directives of the table may be in the way, and must not make the entry run without pause. Without /proc, the time is
# date's, to a second; without any, each start counts as fast. Where the count cannot be kept, each start is 1 s late; a
# limit on the size of files then is no signal that kills. To pause is to become sleep, which takes no further process,
# and leaves none behind with KillMode=process: the next start, as the file's third number says, goes straight to the
# command. No name here is one that a command may find in its environment, for there it would be changed.
_THROTTLE = """\
_file=$1; shift; _up= _count=0 _last= _pause=; trap '' XFSZ; { \
read -r _up _rest </proc/uptime || _up=$(PATH=$PATH:/usr/bin:/bin; date +%s.00); \
_up=${_up:-0.00}; _now=$((${_up%.*}*100+1${_up#*.}-100)); \
read -r _count _last _pause <"$_file"; \
case $_count:$_last:$_pause in *[!0-9:]*|:*|*::*|*:) _count=0 _pause=0;; *:1) _pause=0;; \
*) if [ $((_now-_last)) -lt 100 ]; then _count=$((_count<9?_count+1:9)); else _count=$((_count>0?_count-1:0)); fi; \
_pause=$((_count>5));; esac; \
echo "$_count $_now $_pause" >"$_file" || _pause=2; } 2>/dev/null; trap - XFSZ; \
case $_pause in \
1) echo "$0 respawning too rapidly: sleeping 60 seconds" >&2; PATH=$PATH:/usr/bin:/bin; exec sleep 60;; \
2) echo "$0 respawning without a count: sleeping 1 second" >&2; (PATH=$PATH:/usr/bin:/bin; exec sleep 1);; esac; \
exec "$@\""""


def command_words(command: str) -> tuple[str, ...]:
    """The argument vector that a table's command runs as, by the rule of Perl's exec.

    With a shell metacharacter, a leading assignment, `exec` or `.`, the command goes to `/bin/sh -c` as it is; else
    its blank-separated words are executed by PATH without a shell's reading, so that `prog a #b` passes `#b`. As in
    Perl, a `2>&1` at the very end does not count as a metacharacter.
    """
    plain = command
    execute = _EXECUTE
    if match := _ERRORS_TO_OUTPUT.search(command):
        plain = command[: match.start()]
        execute += " 2>&1"
    if _SHELL_CHARACTERS.search(plain) or _SHELL_START.match(command):
        return (SHELL, "-c", command)
    words = [word for word in _BLANKS.split(plain) if word]
    return (SHELL, "-c", execute, "sh", *words)


def throttled(tag: str, directory: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """An argument vector that pauses when it is started too often and too fast, and then executes the given one.

    Args:
        tag: the entry's, for the message.
        directory: the unit's runtime directory.
        words: what is executed in the end.
    """
    return (SHELL, "-c", _THROTTLE, tag, f"/run/{directory}/respawns", *words)


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
    return _SIMPLE_ESCAPES.get(character) or "".join(
        f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape")
    )


def command_line(words: tuple[str, ...]) -> str:
    """An argument vector as the value of `ExecStart=`; the first word is a path of ours and needs no quotes."""
    program, *arguments = words
    return " ".join((program, *map(quote, arguments)))


_QUOTED |= {argument: quote(argument) for argument in ("-c", "sh", _EXECUTE, _THROTTLE)}


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
    """A path for `SourcePath=`, or None for one that cannot stand there (systemd does not unescape it)."""
    if not value.startswith("/") or not value.isprintable() or value != value.strip() or value.endswith("\\"):
        return None
    return value.replace("%", "%%")
