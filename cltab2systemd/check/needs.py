"""What a command needs of its machine: the programs that it runs, scripts, and directories that it goes to. Pure.

Only what is certain is told. Not judged is what a shell has yet to expand, what is run on conditions (behind `test`,
`command -v` and the like, before or behind `||`), and what runs in another root or namespace. What an earlier part of
the command may make, as in `curl -o FILE URL; FILE`, is a need that knows so.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cltab2systemd.check.commandline import RESERVED, Call, Word, calls, is_assignment, leading_words
from cltab2systemd.check.interpreters import file_of
from cltab2systemd.check.making import Earlier
from cltab2systemd.check.wrappers import AS_USER, SHELLS, behind_wrapper, inner_command, wrapper_of
from cltab2systemd.units.commands import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# systemd.exec(5), $PATH; the last two only where they are no links.
DEFAULT_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


class Kind(enum.Enum):
    """What is needed."""

    PROGRAM = "a program"
    FILE = "a file that a program reads"
    DIRECTORY = "a directory that it goes to"
    PLACE = "a directory in which the shell makes a file for it"
    INPUT = "a file that the shell opens for it"


class SearchPath(enum.Enum):
    """Where a program is looked for that is given by its name."""

    OWN = "in the PATH of the entry"
    OF_USER = "in that, or in one that another user has without a login"
    UNKNOWN = "it cannot be told"


@dataclass(frozen=True, slots=True)
class Need:
    """Something that a command needs.

    Attributes:
        kind: what it is.
        text: its path, or the name of a program.
        start: where it stands in the command; of what is within a quoted command, where that stands.
        end: where what follows stands.
        directory: in which a relative path begins; None if it is not known.
        searched: where a name is looked for.
        arguments: what a program is given.
        root: the directory that is the root of its path; empty if that is the entry's.
        earlier: the part of the command that is run before it; None if there is none.
    """

    kind: Kind
    text: str
    start: int
    end: int
    directory: str | None
    searched: SearchPath
    arguments: tuple[str, ...] = ()
    root: str = ""
    earlier: Earlier | None = field(default=None, compare=False, repr=False)

    @property
    def path(self) -> str | None:
        """Its absolute path; None if it is a name, or the directory is not known."""
        if self.text.startswith("/"):
            return posixpath.normpath(self.text)
        if "/" not in self.text and self.kind is Kind.PROGRAM:
            return None
        return None if self.directory is None else posixpath.join(self.directory, self.text)

    def may_be_made(self, directories: tuple[str, ...], *, is_there: bool = False) -> bool:
        """Whether an earlier part of the command may make it, or change it if it is there.

        Args:
            directories: in which a program is looked for that is given by its name.
            is_there: whether it is there already.
        """
        if self.earlier is None:
            return False
        paths = [self.path] if self.path else [f"{directory}/{self.text}" for directory in directories]
        return any(self.earlier.may_make(posixpath.normpath(path), is_there=is_there) for path in paths)


# The shell's own, as far as they are of no interest here. It looks for no program of such a name.
_BUILT_IN_WORDS = """
    : alias bg break continue declare disown echo enable eval false fg getopts hash jobs kill let local printf pushd
    popd pwd read readonly return set shift shopt times trap true typeset ulimit umask unalias unset wait exit
"""
_BUILT_IN = frozenset(_BUILT_IN_WORDS.split())
_NO_FILES = _BUILT_IN - {"true", "false", "echo", "printf", "kill", "pwd"} | {"cd", "chdir", ".", "source", "export"}
# What only asks: whatever is behind `&&` then runs on a condition.
_ASKING = frozenset(["test", "[", "command", "which", "type", "hash"])
_CHANGING_DIRECTORY = frozenset(["cd", "chdir"])
_READING = frozenset([".", "source", "eval"])
# What empties the environment for env(1).
_CLEARING = frozenset(["-i", "-", "--ignore-environment"])
# The option of env(1), alone or before its value; and a value in which nothing is quoted or expanded.
_SPLIT = re.compile(r"-[iv0]*S|--split-string(?:=|\Z)")
_PLAIN_WORDS = re.compile(r"[\w\s./:=,+@%-]+")
_LOGIN = frozenset(["-", "-l", "--login"])
_MOST_SHELLS = 8


@dataclass(slots=True)
class _State:
    """What is known while the commands of a line are read one after the other."""

    directory: str | None
    path: SearchPath = SearchPath.OWN
    is_conditional: bool = False
    may_be_over: bool = False  # by a guard, and well
    is_over: bool = False
    depth: int = 0
    root: str = ""
    earlier: Earlier | None = None


def needs(command: str, directory: str | None = "/") -> tuple[Need, ...]:
    """What a command of a table needs, in order.

    Args:
        command: of an entry or of a check.
        directory: in which it runs; None if that is not known.
    """
    return _needs(command, directory)


# Several ask this of each command of a table.
@functools.lru_cache(maxsize=16384)
def _needs(command: str, directory: str | None) -> tuple[Need, ...]:
    words = plain(command)
    return tuple(_needs_of_line(command, _State(directory), is_plain=words is not None))


def _needs_of_line(line: str, state: _State, *, is_plain: bool = False) -> Iterator[Need]:
    found = calls(line)
    if not found or (is_plain and found[0].is_negated):
        words = leading_words(line)
        # Without a shell, a reserved word is the name of a program.
        if words[:1] and (words[0].raw in RESERVED if is_plain else words[0].raw == "exec"):
            found = [Call(tuple(words), (), "", len(line))]
    before, is_negated = "", False
    for call in found:
        if before in {"", ";", "&"}:
            state.is_conditional = state.may_be_over
        elif before == "||" or (before == "&&" and is_negated):
            state.is_conditional = True
        before, is_negated = call.separator, call.is_negated
        directory = state.directory
        if call.redirections:
            yield from _of_redirections(call, state)
        yield from _needs_of_call(call, state, is_plain=is_plain)
        if state.is_over:
            return
        if call is not found[-1]:
            state.earlier = Earlier(call, directory, state.earlier)


def _needs_of_call(call: Call, state: _State, *, is_plain: bool) -> Iterator[Need]:
    words = [*call.words]
    own = _State(
        state.directory, state.path, state.is_conditional, depth=state.depth, root=state.root, earlier=state.earlier
    )
    while words and is_assignment(words[0]) and not is_plain:
        _assign(own, words[0])
        del words[0]
    if not words:
        state.path = own.path
        return
    first, is_certain = words[0].text, not state.is_conditional
    if not is_plain and first in _CHANGING_DIRECTORY:
        if call.separator not in {"|", "&"}:
            yield from _of_cd(words, state, is_certain=is_certain)
    elif not is_plain and first in _READING | {"export"}:
        state.path = _path_after(state.path, words)
        if first == "." and is_certain and len(words) > 1 and words[1].is_exact and "/" in words[1].text:
            yield _need(Kind.FILE, words[1], own)
    elif first in _ASKING:
        state.is_conditional = state.is_conditional or call.separator == "&&"
    elif not is_plain and first in _BUILT_IN:
        is_end = first in {"exit", "return"}
        state.is_over = is_end and is_certain
        # As in `[ -x FILE ] || exit 0; FILE`. With another status it is a failure as well.
        state.may_be_over = state.may_be_over or (is_end and [word.text for word in words[1:]] == ["0"])
    else:
        if is_certain and call.separator != "||":
            yield from _of_program(call.words, own, is_plain=is_plain)
        # What is behind `exec` is never read.
        state.is_over = first == "exec" and len(words) > 1 and call.separator not in {"|", "&"}


def _of_redirections(call: Call, state: _State) -> Iterator[Need]:
    """The files that the shell is to read, and the directories of those that it is to write."""
    if state.is_conditional or call.separator == "||":
        return
    for redirection in call.redirections:
        sign, target = redirection.sign.lstrip("0123456789"), redirection.target
        directory = posixpath.dirname(target.text)
        if not target.is_exact or sign.endswith("&"):
            continue
        if sign == "<":
            yield _need(Kind.INPUT, target, state)
        elif directory.strip("/"):
            yield _need(Kind.PLACE, Word(directory, target.raw, target.start), state)


def _of_cd(words: Sequence[Word], state: _State, *, is_certain: bool) -> Iterator[Need]:
    targets = [word for word in words[1:] if word.text not in {"-P", "-L", "--"}]
    if len(targets) != 1 or not targets[0].is_exact or targets[0].text in {"-", ""}:
        state.directory = None
        return
    need = _need(Kind.DIRECTORY, targets[0], state)
    if is_certain and need.path is not None:
        yield need
    state.directory = need.path


def _need(kind: Kind, word: Word, state: _State, arguments: Sequence[Word] = ()) -> Need:
    texts = tuple(argument.text for argument in arguments)
    return Need(
        kind,
        word.text,
        word.start,
        word.end,
        state.directory,
        state.path,
        texts,
        root=state.root,
        earlier=state.earlier,
    )


def _path_after(path: SearchPath, words: Sequence[Word]) -> SearchPath:
    """Where programs are looked for after an `export`, or after a file that the shell has read."""
    is_changed = words[0].text != "export" or any(word.text.startswith("PATH=") for word in words)
    return SearchPath.UNKNOWN if is_changed else path


def _assign(state: _State, word: Word) -> None:
    """What an assignment changes of what is known."""
    if word.text.startswith("PATH="):
        state.path = SearchPath.UNKNOWN


def _of_program(words: Sequence[Word], state: _State, *, is_plain: bool) -> Iterator[Need]:
    """The program of a call, those that it is wrapped in, and what it is to run or read itself."""
    index = 0
    while index < len(words):
        word = words[index]
        wrapper = wrapper_of(word)
        if is_assignment(word) and (index or not is_plain):
            _assign(state, word)
            index += 1
            continue
        if not (word.is_exact or is_plain) or not word.text:
            return
        # Of a builtin that no shell reads, another finding tells.
        is_told = is_plain and not index and word.text in _NO_FILES
        if not is_told and not (wrapper and wrapper.built_in and _is_for_shell(words, index, is_plain=is_plain)):
            yield _need(Kind.PROGRAM, word, state, words[index + 1 :])
        # What is behind them may be no program: an applet, an architecture.
        if wrapper is None or word.name in {"busybox", "setarch"}:
            break
        following = behind_wrapper(wrapper, words, index + 1)
        options = [found.text for found in words[index + 1 : following]]
        if following is None or (word.name == "runuser" and not any(o.startswith(("-u", "--user")) for o in options)):
            break
        if words[following].text in {"-c", "--command"}:  # of flock
            break
        if wrapper.of_root:
            yield from _of_root(words[following - 1], state)
            if not state.root:
                return
        _wrap(word.name, options, state, of_user=wrapper.of_user)
        index = following
    else:
        return
    yield from _behind_program(words, index, state)


def _is_for_shell(words: Sequence[Word], index: int, *, is_plain: bool) -> bool:
    """Whether a word that is a builtin's name stands where a shell looks for one; a reserved word is only its first."""
    before = words[:index]
    if words[index].text in RESERVED:
        return not before and not is_plain and words[index].raw == words[index].text
    return "/" not in words[index].text and all(map(is_assignment, before))


def _of_root(root: Word, state: _State) -> Iterator[Need]:
    """The directory that becomes the root; there is no telling of one in another, or one that has to be expanded."""
    need = _need(Kind.DIRECTORY, root, state)
    is_known = root.is_exact and not state.root and need.path is not None
    if is_known:
        yield need
    state.root, state.directory = (need.path or "", "/") if is_known else ("", None)


def _wrap(name: str, options: Sequence[str], state: _State, *, of_user: bool) -> None:
    """What a wrapper with these options changes of what is known."""
    if of_user and state.path is SearchPath.OWN:
        state.path = SearchPath.OF_USER
    cleared = _CLEARING if name == "env" else {"-e"} if name == "chpst" else set()
    if not cleared.isdisjoint(options):
        state.path = SearchPath.UNKNOWN
    if name == "env" and any(option.startswith(("-C", "--chdir", "-S", "--split")) for option in options):
        state.directory = None


def _behind_program(words: Sequence[Word], index: int, state: _State) -> Iterator[Need]:
    """What a shell, an interpreter, or a change of the user is given to run."""
    word, arguments = words[index], words[index + 1 :]
    texts = [argument.text for argument in arguments]
    if word.name in AS_USER or word.name in SHELLS or word.name == "flock":
        if word.name in AS_USER or not {"-l", "--login"}.isdisjoint(texts) or (texts and texts[0].startswith("-l")):
            state.path = SearchPath.UNKNOWN
        if word.name in AS_USER and not _LOGIN.isdisjoint(texts):
            state.directory = None
        if (inner := inner_command(word.name, arguments)) is not None:
            yield from _of_inner(inner, state)
            return
    if word.name == "env" and (inner := _split_by_env(arguments)) is not None:
        state.path = SearchPath.UNKNOWN if not _CLEARING.isdisjoint(texts) else state.path
        yield from _of_inner(inner, state)
    elif (file := file_of(word.name, arguments)) is not None:
        yield _need(Kind.FILE, file, state)


def _split_by_env(arguments: Sequence[Word]) -> Word | None:
    """The command that env(1) is given as one word, with what is to be known of it; None without one."""
    for index, word in enumerate(arguments):
        if (match := _SPLIT.match(word.text)) is None:
            if not (is_assignment(word) or word.text in _CLEARING):
                return None
            continue
        value = word if match.end() < len(word.text) else next(iter(arguments[index + 1 :]), None)
        if value is None or not value.is_exact:
            return None
        text = value.text[match.end() :] if value is word else value.text
        # What is behind it are more of its words.
        return Word(text, value.raw, value.start) if _PLAIN_WORDS.fullmatch(text) else None
    return None


def _of_inner(inner: Word, state: _State) -> Iterator[Need]:
    """What a command needs that is one word of another one; all of it is said to stand where that word does."""
    if state.depth >= _MOST_SHELLS:
        return
    within = _State(state.directory, state.path, depth=state.depth + 1, root=state.root, earlier=state.earlier)
    for need in _needs_of_line(inner.text, within):
        yield dataclasses.replace(need, start=inner.start, end=inner.end)
