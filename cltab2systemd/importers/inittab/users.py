"""The commands of an inittab that run as another user: `su` and `runuser` into a directive for the entry. Pure.

What `su` starts may be in a session, and so outside of the entry's control group; `User=` has systemd start the command
itself as the user. A command is taken out only if what the shell reads around it is told without a shell.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cltab2systemd.units.commands import SHELL, command_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True)
class AsUser:
    """A command that runs as another user: what of it a cltab has, and what there is to say.

    Without directives the command is as it was, and the note says why.
    """

    command: str
    note: str
    hint: str = ""
    directives: tuple[str, ...] = ()


# A word as the shell reads it, of pieces that mean the same everywhere; in double quotes `\` is for four characters.
_PIECE = r"""'[^']*'|"(?>(?:[^"\\$`]|\\.)*)"|\\.|[^\s'"\\;&|<>()$`*?\[\]{}~#!]"""
_WORDS = re.compile(rf"\s*(?:(?>(?:{_PIECE})+)(?:\s+|$))+", re.DOTALL)
_WORD = re.compile(rf"(?>(?:{_PIECE})+)", re.DOTALL)
_PARTS = re.compile(r"""'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^'"\\]+)""", re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\$`])')
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\$?")
# Where the output goes, as far as systemd can send it there; as the shell before `su`, it opens files as root.
_OUTPUT = re.compile(r"\s*(>>?)\s*(/[A-Za-z0-9_./+-]+)(\s+2>&1)?(?:\s*</dev/null)?\s*$")
# A command that only a look at its beginning finds; no other is worth more.
_CANDIDATE = re.compile(r"\s*(?:exec\s+)?(?:\S*/)?(su|runuser)(?=\s|$)")
_SHELL_COMMENT = re.compile(r"(?:^|[ \t])#")
# Shells that read a command as /bin/sh does.
_LIKE_SH = frozenset(["/bin/sh", "/usr/bin/sh", "sh", "/bin/dash", "/usr/bin/dash"])
_LONGEST = 4096
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
    output = _OUTPUT.search(command[:_LONGEST])
    words = shell_words(command[: output.start()] if output else command)
    call = _read(words[words.index("exec") + 1 if words[0] == "exec" else 0 :][1:]) if words else None
    found = _taken_out(name, call) if call else None
    if found and output:
        found = replace(found, directives=(*found.directives, *_redirected(output)))
    return found or AsUser(
        command,
        f"'{name}' stays in the command, for it cannot be told for sure what it runs",
        "a line :::service.TAG:User=NAME runs all of an entry as a user",
    )


def _redirected(output: re.Match[str]) -> Iterator[str]:
    sign, path, has_errors = output.groups()
    where = "null" if path == "/dev/null" else f"{'append' if sign == '>>' else 'truncate'}:{path}"
    yield f"StandardOutput={where}"
    yield f"StandardError={'inherit' if has_errors else 'journal'}"


def shell_words(command: str) -> list[str]:
    """The words of a command as the shell reads them; none if it does more than to take quotes away."""
    if len(command) > _LONGEST or not _WORDS.fullmatch(command):
        return []
    return ["".join(_unquoted(match[0])) for match in _WORD.finditer(command)]


def _unquoted(word: str) -> Iterator[str]:
    for single, double, escaped, plain in _PARTS.findall(word):
        yield single or _ESCAPED.sub(r"\1", double) or escaped or plain


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
    if _SHELL_COMMENT.search(command) and command_words(command) != (SHELL, "-c", command):
        command = f"exec {command}"
    return _result(call, call.words[0], command, remark)


def _command_of(words: Sequence[str]) -> str:
    """A command that executes these words: plain if a cltab takes them so."""
    plain = " ".join(words)
    found = command_words(plain)
    is_plain = plain.split() == [*words] and found != (SHELL, "-c", plain) and not _SHELL_COMMENT.search(plain)
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
