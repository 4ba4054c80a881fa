"""What a command of the table runs as: its words or a shell, and the shell that counts fast respawns. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.pausing import PAUSES
from cltab2systemd.probing.notes import UNHEALTHY
from cltab2systemd.text import encoded
from cltab2systemd.units.unitfile import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

# Perl's exec(3perl) goes through the shell for these characters, a leading assignment, `exec` or `.`.
_SHELL_CHARACTERS = re.compile(r"""[$&*(){}\[\]'";\\|?<>~`]""")
_SHELL_START = re.compile(r"[ \t\n\r\f\v]*(?:\w*=|(?:exec|\.)[ \t\n\r\f\v])", re.ASCII)
_BLANKS = re.compile(r"[ \t\n\r\f\v]+")
_ERRORS_TO_OUTPUT = re.compile(r"[ \t\n\r\f\v]2>&1[ \t\n\r\f\v]*\Z")
# A command that is one program, which the shell becomes.
_JUST_EXEC = re.compile(r"[ \t]*exec[ \t]+[^ \t0-9<>|&;()`][^<>|&;()`]*\Z")
# A shell that becomes a program, runs text that may have it do so, or has a program speak for it, as
# systemd-notify(1) does. Behind the `exec` of just redirections the shell goes on.
_MAY_BE_HEARD = re.compile(
    r"(?:^|[ \t;&|({!])(?:exec[ \t]+[^ \t0-9<>;&|]|(?:\.|eval|source)[ \t]"
    r"|(?:[^ \t;&|({!]*/)?systemd-notify(?![\w.-]))"
)
SHELL = "/bin/sh"
# Words that cannot be executed, or none, are told as systemd tells its own: 203/EXEC. Once executed, no trap is left.
_EXECUTE = "trap 'exit 203' 0; exec \"$@\""
# What systemd itself finds and executes, with no other byte for its name: no prefix of its own before it, no relative
# path, nothing that it would simplify.
_EXECUTABLE = re.compile(r"(?:/[\w.+,=:@~^!#-]+)+|\w[\w.+,=:@~^!#-]*", re.ASCII)
_DOTS = re.compile(r"/\.{1,2}(?:/|\Z)")
_LONGEST_NAME = 255
_LONGEST_PATH = 4000
# Runs before the command of a respawn entry, in the shell that then becomes the command. As the ancestor's:
#
# 1. A start less than 1 s after the last one counts up. A later one counts down.
# 2. From a count of 6 on, the start is put off for 60 s.
# 3. The unit is active meanwhile. So a switch is not held up, and a stop ends the pause.
# 4. The count is kept from start to start, in a file of the unit's runtime directory. The next level starts at 0.
# 5. Times are hundredths of a second.
#
# Directives of the table may be in the way. They must not make the entry run without a pause:
#
# 6. Without /proc, the time is that of date, to a second. Without either, each start counts as fast.
# 7. Where the count cannot be kept, each start is 1 s late.
# 8. Neither a limit on the size of files nor a journal that has gone kills the shell: XFSZ and PIPE are ignored.
# 9. The shell pauses by becoming sleep. With KillMode=process, that leaves no process behind.
# 10. The start after a pause goes straight to the command. The third number in the file says that there was one.
# 11. sleep is executed through a link whose path tells people what it is. Without the link, or without a process to
#     make it, sleep is executed by its own name.
# 12. All variables here have names that no command expects in its environment, for they are changed there.
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
1) echo "$0 PAUSES" >&2; PATH=$PATH:/usr/bin:/bin; trap 'exec sleep 60' 0; \
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


def stays_a_shell(command: str) -> bool:
    """Whether a shell reads a command, and its program will be a child of it, as far as its words tell.

    systemd.service(5), NotifyAccess=: what a child says does not count, unless that is `all`.
    """
    return plain(command) is None and _MAY_BE_HEARD.search(command) is None


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


def pause_program(unit: str) -> str:
    """The path of the `sleep` that a `respawn` entry is while it pauses."""
    return f"/run/{throttle_directory(unit)}/{PAUSED}/sleep"


def health_directory(unit: str) -> str:
    """Where a health check keeps its note, below /run, for `RuntimeDirectory=`; as `throttle_directory`."""
    return "clinit-health/" + unit.replace("\\", ",")


def restart_if_unhealthy(unit: str) -> tuple[str, ...]:
    """What runs after each check of an entry, and restarts its unit if the check has found it unhealthy.

    A stop of the entry that is under way is not replaced, and one that does not run is not started.
    """
    return (SHELL, "-c", _RESTART, "sh", unit)


_RESTART = (
    f'[ "$EXIT_STATUS" != {UNHEALTHY} ] || exec /usr/bin/systemctl --no-block --job-mode=fail try-restart -- "$1"'
)


# In `Environment=` a dollar is one.
_SCRIPT = _THROTTLE.replace("PAUSED", PAUSED).replace("PAUSES", PAUSES).replace("VARIABLE", _VARIABLE)
_THROTTLE_QUOTED = quote(_SCRIPT)[1:-1].replace("$$", "$")
