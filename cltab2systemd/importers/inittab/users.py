"""The commands of an inittab that run as another user: `su` and `runuser` into a directive for the entry. Pure.

What `su` starts may be in a session, and so outside of the entry's control group; `User=` has systemd start the command
itself as the user. A command is taken out only if what the shell reads around it is told without a shell.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cltab2systemd.check.commandline import calls, comment_start
from cltab2systemd.units.commands import SHELL, command_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cltab2systemd.check.commandline import Redirection


@dataclass(frozen=True, slots=True)
class AsUser:
    """A command that runs as another user: what of it a cltab has, and what there is to say.

    Without directives the command is as it was, and the note says why.
    """

    command: str
    note: str
    hint: str = ""
    directives: tuple[str, ...] = ()


_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\$?")
# Where the output goes, as far as systemd can send it there; as the shell before `su`, it opens files as root.
_PATH = re.compile(r"/[A-Za-z0-9_./+-]+")
# A command that only a look at its beginning finds; no other is worth more.
_CANDIDATE = re.compile(r"\s*(?:exec\s+)?(?:\S*/)?(su|runuser)(?=\s|$)")
# Shells that read a command as /bin/sh does.
_LIKE_SH = frozenset(["/bin/sh", "/usr/bin/sh", "sh", "/bin/dash", "/usr/bin/dash"])
_HINT = "to have the profile read, run it with 'exec /bin/sh -lc'"


@dataclass
class _Call:
    """The arguments of `su` or `runuser`, as getopt(3) reads them: options may stand behind other words."""

    is_login: bool = False
    command: str | None = None
    shell: str = ""
    user: str | None = None  # of `runuser -u`
    words: list[str] = field(default_factory=list)  # that are no options


def as_user(command: str) -> AsUser | None:
    """What to make of a command that is `su` or `runuser`; None for any other."""
    match = _CANDIDATE.match(command)
    if match is None:
        return None
    name = match[1]
    return _of_line(name, command) or AsUser(
        command,
        f"'{name}' stays in the command, for it cannot be told for sure what it runs",
        "a line :::service.TAG:User=NAME runs all of an entry as a user",
    )


def _of_line(name: str, command: str) -> AsUser | None:
    """What to make of `su` or `runuser`; None if a command has more than this call, or words that the shell expands."""
    found = calls(command)
    if len(found) != 1 or found[0].separator or not all(word.is_exact for word in found[0].words):
        return None
    redirected = _redirected(found[0].redirections)
    words = [word.text for word in found[0].words]
    call = _read(words[2 if words[0] == "exec" else 1 :])
    result = _taken_out(name, call) if call and redirected is not None else None
    return replace(result, directives=(*result.directives, *redirected)) if result and redirected else result


def _redirected(redirections: Sequence[Redirection]) -> tuple[str, ...] | None:
    """The directives that send output where redirections do; None if none can."""
    if not redirections:
        return ()
    (sign, path), *others = [(redirection.sign, redirection.target.raw) for redirection in redirections]
    has_errors = others[:1] == [("2>&", "1")]
    if sign not in {">", ">>"} or not _PATH.fullmatch(path) or others[has_errors:] not in ([], [("<", "/dev/null")]):
        return None
    where = "null" if path == "/dev/null" else f"{'append' if sign == '>>' else 'truncate'}:{path}"
    return (f"StandardOutput={where}", f"StandardError={'inherit' if has_errors else 'journal'}")


def _read(arguments: Sequence[str]) -> _Call | None:
    """The call with these arguments; None if there is an option that is not known here."""
    call, left = _Call(), [*arguments]
    while left:
        word = left.pop(0)
        if word == "--" or (call.user is not None and not word.startswith("-")):
            call.words += left if word == "--" else [word, *left]
            break
        if word in {"-", "-l", "--login"}:
            call.is_login = True
        elif word in {"-f", "--fast"}:
            pass
        elif match := re.fullmatch(r"(?:-(l?)c|--command)(?:=(.*))?", word, re.DOTALL):
            call.is_login = call.is_login or bool(match[1])
            call.command = match[2] if match[2] is not None else (left.pop(0) if left else None)
        elif match := re.fullmatch(r"(?:-s|--shell)(?:=(.*))?", word):
            call.shell = match[1] or (left.pop(0) if left else "")
        elif match := re.fullmatch(r"(?:-u|--user)(?:=(.*))?", word):
            call.user = match[1] or (left.pop(0) if left else "")
        elif word.startswith("-"):
            return None
        else:
            call.words.append(word)
    return call


def _taken_out(name: str, call: _Call) -> AsUser | None:
    if call.user is not None:
        if name != "runuser" or call.command is not None or call.is_login or not call.words:
            return None
        return _result(call, call.user, _command_of(call.words), "")
    if call.command is None or not call.command.strip() or len(call.words) != 1:
        return None
    command, remark = call.command.strip(), ""
    if call.shell and call.shell not in _LIKE_SH:
        remark = f"; {call.shell} reads the command, as it did"
        command = f"exec {shlex.quote(call.shell)} -c {shlex.quote(command)}"
    elif not call.shell and command_words(command) == (SHELL, "-c", command):
        remark = f"; {SHELL} reads the command, whatever the user's shell is"
    if comment_start(command) is not None and command_words(command) != (SHELL, "-c", command):
        command = f"exec {command}"
    return _result(call, call.words[0], command, remark)


def _command_of(words: Sequence[str]) -> str:
    """A command that executes these words: plain if a cltab takes them so."""
    plain = " ".join(words)
    found = command_words(plain)
    is_plain = plain.split() == [*words] and found != (SHELL, "-c", plain) and comment_start(plain) is None
    return plain if is_plain else f"exec {shlex.join(words)}"


def _result(call: _Call, user: str, command: str, remark: str) -> AsUser | None:
    if not _USER.fullmatch(user):
        return None
    limits = "the limits of limits.conf are not set"
    login = f"in the home directory as at a login; the profile is not read, and {limits}"
    note = f"runs as '{user}' by User= of its service{f', {login}' if call.is_login else f'; {limits}'}{remark}"
    # A missing home is no reason for su not to go on.
    directory = ("WorkingDirectory=-~",) if call.is_login else ()
    return AsUser(command, note, _HINT if call.is_login else "", (f"User={user}", *directory))
