"""Programs, scripts and directories that commands name, and that this machine does not have."""

from __future__ import annotations

import functools
import posixpath
from typing import TYPE_CHECKING, NamedTuple

from cltab2systemd.check.commandline import RESERVED
from cltab2systemd.check.filesystem import What, is_volatile
from cltab2systemd.check.given import COVERING, ROOTS, in_force, is_plain, last, words
from cltab2systemd.check.needs import DEFAULT_PATH, Kind, SearchPath, needs
from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.terminal import shortened
from cltab2systemd.units.commands import SHELL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cltab2systemd.check.filesystem import Found, Root
    from cltab2systemd.check.judged import Judged
    from cltab2systemd.check.machine.places import Places
    from cltab2systemd.check.needs import Need
    from cltab2systemd.table.settings import Directive


class _Surroundings(NamedTuple):
    """Where a command runs.

    Attributes:
        places: its files; None if they are not known.
        directory: its working directory, likewise.
        path: the directories of its PATH, likewise.
    """

    places: Places | None
    directory: str | None
    path: tuple[str, ...] | None


class Executables:
    """What the commands of a table need, on one machine."""

    def __init__(self, places: Places) -> None:
        """Take the machine that is to have it all."""
        self._places = places
        self._surroundings = functools.cache(self._surroundings_of)
        self._fault = functools.lru_cache(maxsize=4096)(_fault)

    def findings(self, command: Judged) -> Iterator[Diagnostic]:
        """Findings about a command."""
        around = self._surroundings(command.directives) if command.directives else self._plain
        if around.places is None:
            return
        for need in needs(command.text, around.directory):
            fault = self._fault(need, around)
            if fault and not need.may_be_made(around.path or (), is_there=fault.code == "not-executable"):
                place = command.place.part(need.start, need.end - need.start)
                yield Diagnostic.of(fault.code, place, fault.message, source=command.line, hint=fault.hint)

    @functools.cached_property
    def _plain(self) -> _Surroundings:
        return _Surroundings(self._places, "/", DEFAULT_PATH)

    def _surroundings_of(self, directives: tuple[Directive, ...]) -> _Surroundings:
        given = in_force(directives)
        if not COVERING.isdisjoint(given):
            return _Surroundings(None, None, None)
        places = self._places
        if (root := last(given, ROOTS[0])) and root.value.strip('"') != "/":
            path = root.value.strip('"')
            if not is_plain(path) or places.root.find(path).what is not What.DIRECTORY or places.brings(path):
                return _Surroundings(None, None, None)
            places = places.below(path)
        directory = last(given, "WorkingDirectory")
        where = directory.value.removeprefix("-").strip('"') if directory else "/"
        known = where if where.startswith("/") and is_plain(where) else None
        return _Surroundings(places, known, self._path_of(given))

    def _path_of(self, given: Mapping[str, list[Directive]]) -> tuple[str, ...] | None:
        """The PATH of a command with these directives; None if it is not known."""
        if any("PATH" in words(directive.value) for directive in given.get("PassEnvironment", ())):
            return None
        values = [
            word.removeprefix("PATH=")
            for directive in given.get("Environment", ())
            for word in words(directive.value)
            if word.startswith("PATH=")
        ]
        if not values and (found := given.get("ExecSearchPath")):
            values = [":".join(directive.value for directive in found)]
        for directive in given.get("EnvironmentFile", ()):
            path = directive.value.removeprefix("-")
            content = self._places.root.content(path) if is_plain(path) else None
            if content is None and not directive.value.startswith("-"):
                return None
            if "PATH=" in (content or ""):
                return None
        if not values:
            return DEFAULT_PATH
        directories = tuple(part for part in values[-1].split(":") if part)
        return directories if all(part.startswith("/") and is_plain(part) for part in directories) else None


_DIRECTORIES = frozenset([Kind.DIRECTORY, Kind.PLACE])


class _Fault(NamedTuple):
    code: str
    message: str
    hint: str


def _fault(need: Need, around: _Surroundings) -> _Fault | None:
    """What is wrong with what a command needs; None if nothing is for certain."""
    places = around.places
    if places and need.root:
        places = places.of_root(need.root)
    if places is None:
        return None
    fault = _fault_of(need, around, places)
    # The table is looked through only if it matters.
    if fault and need.kind is Kind.PROGRAM and places.installs:
        return None
    is_changed = fault and fault.code == "not-executable" and need.path and places.brings(need.path)
    return None if is_changed else fault


def _fault_of(need: Need, around: _Surroundings, places: Places) -> _Fault | None:
    path = need.path
    if path is None:
        return _of_name(need, places, _searched(need, places, around.path)) if "/" not in need.text else None
    if need.kind is Kind.PLACE and is_volatile(path):
        return None  # many write into /run, and each place takes a look
    found = places.root.find(path)
    if need.kind is Kind.PROGRAM and not need.text.startswith("/") and need.directory == "/":
        fault = None  # which is told anyhow, as a relative path
    elif places.is_missing(path):
        fault = _missing(need, path, found, places)
    elif need.kind is Kind.PROGRAM:
        fault = _not_executable(path, found, places, around.path)
    elif need.kind in _DIRECTORIES and found.what in {What.FILE, What.PROGRAM}:
        fault = _Fault("missing-path", f"'{shortened(path)}' is a file, and no directory", "name a directory")
    else:
        fault = None
    return fault


def _searched(need: Need, places: Places, own: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Where a program is looked for that is given by its name; None if it cannot be told."""
    if need.searched is SearchPath.OF_USER and own is not None:
        of_users = places.paths_of_users
        return None if of_users is None else tuple(dict.fromkeys((*own, *DEFAULT_PATH, *of_users)))
    return own if need.searched is SearchPath.OWN else None


def _of_name(need: Need, places: Places, directories: tuple[str, ...] | None) -> _Fault | None:
    """A program that is given by its name."""
    if need.kind is not Kind.PROGRAM or directories is None or need.text in {".", ".."}:
        return None
    found = places.root.search(need.text, directories)
    if found.is_missing:
        if any(not places.is_missing(f"{directory}/{need.text}") for directory in directories):
            return None
        name = shortened(need.text)
        elsewhere = _elsewhere(need.text, places.root)
        close = None if elsewhere else places.like(need.text, directories)
        default = directories == DEFAULT_PATH
        where = "in systemd's PATH" if default else f"in its PATH, {shortened(':'.join(directories))}"
        where = "where another user may have it in the PATH" if need.searched is SearchPath.OF_USER else where
        hint = f"did you mean '{close}'?" if close else "install it, or write its whole path"
        if need.text in RESERVED - {"time"}:  # which is a program as well, and of dash only that
            hint = f"only a shell knows it, and this command goes to none: write {SHELL} -c '{name} …'"
        return _Fault("missing-program", f"{places.root.name} has no program '{name}' {where}",
                      f"write {elsewhere}" if elsewhere else hint)  # fmt: skip
    return _not_executable(found.path, found, places, directories)


# Where programs are that are in no PATH, or not in that of systemd.
_ASIDE = ("/usr/games", "/usr/local/games", "/opt/bin", "/snap/bin", "/usr/lib", "/usr/libexec")


def _elsewhere(name: str, root: Root) -> str:
    """The path of a program that is in a directory of which no PATH has to know; empty if there is none."""
    found = (f"{directory}/{name}" for directory in (*DEFAULT_PATH, *_ASIDE))
    return next((path for path in found if root.find(path).what is What.PROGRAM), "")


def _missing(need: Need, path: str, found: Found, places: Places) -> _Fault:
    root = places.root
    shown = shortened(path)
    what = "program" if need.kind is Kind.PROGRAM else "directory" if need.kind in _DIRECTORIES else "file"
    message = f"{root.name} has no {what} '{shown}'"
    if root.link(path) is not None:
        message += f", only a link to '{shortened(found.path)}', which is not there"
    code = "missing-program" if need.kind is Kind.PROGRAM else "missing-path"
    directory, _, name = path.rpartition("/")
    if close := places.like(name, (directory or "/",)):
        return _Fault(code, message, f"did you mean '{shortened(posixpath.join(directory or '/', close))}'?")
    if need.kind in _DIRECTORIES:
        return _Fault(code, message, f"correct the path, or have 'mkdir -p {shown}' in an entry before it")
    return _Fault(code, message, "correct the path, or install it before the table comes")


def _not_executable(path: str, found: Found, places: Places, directories: tuple[str, ...] | None) -> _Fault | None:
    """What is there, and cannot be executed."""
    shown = shortened(path)
    if found.what is What.DIRECTORY:
        return _Fault("not-executable", f"'{shown}' is a directory", "name the program in it")
    if found.what is What.FILE:
        hint = f"chmod +x {shown}; or have a shell read it: 'sh {shown}'"
        return _Fault("not-executable", f"nobody may execute '{shown}'", hint)
    return _without_interpreter(path, found, places, directories) if found.what is What.PROGRAM else None


def _without_interpreter(path: str, found: Found, places: Places, directories: tuple[str, ...] | None) -> _Fault | None:
    """A script whose first line names what is not there."""
    shown = shortened(path)
    first = places.root.first_line(found.path)
    if not first.startswith("#!"):
        return None
    if first.endswith("\r"):
        message = f"the first line of '{shown}' ends with a carriage return, and so does the name of its interpreter"
        return _Fault("not-executable", message, f"write it with the line ends of Unix: sed -i 's/\\r$//' {shown}")
    interpreter, _, argument = first[2:].strip(" \t").partition(" ")
    if interpreter.startswith("/") and places.is_missing(interpreter):
        return _no_interpreter(shown, interpreter)
    name, is_env = argument.strip(), posixpath.basename(interpreter) == "env"
    if is_env and name and set(" \t-=/").isdisjoint(name) and directories:
        return _no_interpreter(shown, name) if places.root.search(name, directories).is_missing else None
    return None


def _no_interpreter(shown: str, interpreter: str) -> _Fault:
    message = f"'{shown}' is a script for '{shortened(interpreter)}', which is not there"
    return _Fault("not-executable", message, f"install it, or correct the first line of {shown}")
