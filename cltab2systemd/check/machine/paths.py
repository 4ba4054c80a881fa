"""Directives that point to files and directories which this machine does not have, so that systemd starts nothing."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.check.filesystem import What
from cltab2systemd.check.given import in_force, is_plain, words
from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.check.machine.places import Places
    from cltab2systemd.table.model import Entry, Table
    from cltab2systemd.table.settings import Directive, Setting


@dataclass(frozen=True, slots=True)
class Pointer:
    """Directives that name files which have to be there before systemd executes anything.

    Attributes:
        names: of the directives.
        prefixes: one of them stands before the path; the value is something else without.
        is_list: whether the value is several words, each `PATH` or `PATH:MORE`.
        needs: what has to be there.
        in_root: whether the path is in the root that `RootDirectory=` makes.
        status: how systemd calls the failure, in the journal and in `systemctl status`.
    """

    names: str
    status: str
    prefixes: tuple[str, ...] = ("",)
    is_list: bool = False
    needs: What = What.FILE
    in_root: bool = False

    @property
    def what(self) -> str:
        """What is missing, in a word for people."""
        return "directory" if self.needs in {What.DIRECTORY, What.OTHER} else "file"


# Of systemd.exec(5). A path with `-` before it may be missing.
POINTERS = (
    Pointer("WorkingDirectory", "200/CHDIR", needs=What.DIRECTORY, in_root=True),
    Pointer("EnvironmentFile", "result 'resources'"),
    Pointer("StandardInput", "208/STDIN", ("file:",)),
    # The file is made; what is needed is its directory.
    Pointer("StandardOutput", "209/STDOUT", ("append:", "file:", "truncate:"), needs=What.OTHER),
    Pointer("StandardError", "222/STDERR", ("append:", "file:", "truncate:"), needs=What.OTHER),
    Pointer("RootDirectory", "226/NAMESPACE", needs=What.DIRECTORY),
    Pointer("RootImage", "226/NAMESPACE"),
    Pointer(
        "ReadWritePaths ReadOnlyPaths InaccessiblePaths ExecPaths NoExecPaths",
        "226/NAMESPACE",
        is_list=True,
        needs=What.UNKNOWN,
        in_root=True,
    ),
    Pointer("BindPaths BindReadOnlyPaths", "226/NAMESPACE", is_list=True, needs=What.UNKNOWN),
    Pointer("ExtensionImages ExtensionDirectories", "226/NAMESPACE", is_list=True, needs=What.UNKNOWN),
    Pointer("LoadCredential", "243/CREDENTIALS"),
)
_POINTER_OF = {name: pointer for pointer in POINTERS for name in pointer.names.split()}


def findings(table: Table, entry: Entry, places: Places) -> Iterator[Diagnostic]:
    """Findings about the directives of an entry."""
    given = in_force(entry.directives)
    has_root = bool(given.get("RootDirectory") or given.get("RootImage"))
    for name, found in given.items():
        pointer = _POINTER_OF.get(name)
        if pointer is None or (pointer.in_root and has_root):
            continue
        for directive in found:
            for path in _paths(pointer, directive):
                looked_for = posixpath.dirname(path) if pointer.needs is What.OTHER else path
                if places.is_missing(looked_for):
                    message = f"{places.root.name} has no {pointer.what} '{shortened(looked_for)}', so systemd cannot "
                    message += f"start '{shortened(entry.tag)}' ({pointer.status})"
                    yield _at(table.source_of(directive), path, message, _hint(places, directive, pointer, looked_for))


def _paths(pointer: Pointer, directive: Directive) -> Iterator[str]:
    """The absolute paths of a directive that have to be there, without links of their own."""
    for word in words(directive.value) if pointer.is_list else (directive.value.strip('"'),):
        prefix = next((prefix for prefix in pointer.prefixes if word.startswith(prefix)), None)
        if prefix is None:
            continue
        path = word.removeprefix(prefix)
        if pointer.is_list:
            path = path.partition(":")[0]
        elif directive.name == "LoadCredential":
            path = path.partition(":")[2]
        is_pattern = directive.name == "EnvironmentFile" and not set("*?[").isdisjoint(path)
        if path.startswith("/") and is_plain(path) and not is_pattern:
            yield posixpath.normpath(path)


def _at(setting: Setting, path: str, message: str, hint: str) -> Diagnostic:
    """The finding, at the path in a setting."""
    value = setting.value.partition("=")[2]
    start = len(setting.value) - len(value) + max(0, value.find(path))
    place = setting.place_of_value.part(start, len(path))
    return Diagnostic.of("missing-path", place, message, source=setting.line, hint=hint)


# Those that take a path with `-` before it, which may be missing.
_OPTIONAL = """
    EnvironmentFile ReadWritePaths ReadOnlyPaths InaccessiblePaths ExecPaths NoExecPaths BindPaths BindReadOnlyPaths
"""


def _hint(places: Places, directive: Directive, pointer: Pointer, path: str) -> str:
    directory, _, name = path.rpartition("/")
    if close := places.like(name, (directory or "/",)):
        return f"did you mean '{shortened(posixpath.join(directory or '/', close))}'?"
    if pointer.what == "directory" and directive.name != "RootDirectory":
        return f"correct the path, or have 'mkdir -p {shortened(path)}' in an entry before it"
    if directive.name in _OPTIONAL.split():
        return f"correct the path; or write {directive.name}=-{shortened(path)} if it may be missing"
    return "correct the path, or have it made before the table comes"
