"""Entries whose command goes to /bin/sh, with directives that take the shell away.

Of another root, this machine tells whether it has a shell. Nothing of the table is run.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from cltab2systemd.check.filesystem import What
from cltab2systemd.check.given import ROOTS, in_force
from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.table.directives import runs_without_shell
from cltab2systemd.terminal import shortened
from cltab2systemd.units.commands import SHELL, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cltab2systemd.check.filesystem import Root
    from cltab2systemd.table.model import Entry, Table
    from cltab2systemd.table.settings import Directive

# What hides paths or forbids to execute them, and what allows or brings them again.
_HIDING = ("NoExecPaths", "InaccessiblePaths", "TemporaryFileSystem")
_BRINGING = ("BindPaths", "BindReadOnlyPaths")
# Where the shell may be; /bin is a link to /usr/bin, or not.
_SHELLS = tuple(f"{directory}/{name}" for directory in ("/bin", "/usr/bin") for name in ("sh", "dash", "bash"))


def findings(table: Table, root: Root) -> Iterator[Diagnostic]:
    """A warning for each entry that goes to a shell which its directives take away."""
    for entry in table.entries:
        if entry.runnable and entry.directives and needs_shell(entry):
            yield from _of_entry(table, entry, root)


def needs_shell(entry: Entry) -> bool:
    """Whether a shell reads the command of an entry, or starts it."""
    words = plain(entry.command)
    return words is None or not runs_without_shell(words, entry.directives)


def _of_entry(table: Table, entry: Entry, root: Root) -> Iterator[Diagnostic]:
    given = in_force(entry.directives)
    if directive := _without_shell(given, root):
        setting = table.source_of(directive)
        yield Diagnostic.of(
            "shell-needed",
            setting.place_of_value,
            f"{SHELL} reads the command of '{shortened(entry.tag)}', and may not be there with this",
            source=setting.line,
            hint="a command of plain words, with the whole path of its program, needs no shell; or bring it there, "
            "with all that it needs",
        )


def _without_shell(given: Mapping[str, Sequence[Directive]], root: Root) -> Directive | None:
    """The directive that takes the shell away; None if there is none."""
    brought = [path for name in _BRINGING for d in given.get(name, ()) for path in _paths(d.value, -1)]
    if any(map(_is_of_shell, brought)):
        return None
    for name in ROOTS:
        for directive in given.get(name, ()):
            path = directive.value.strip('"')
            if posixpath.normpath(path) != "/" and not (name == "RootDirectory" and _has_shell(root, path)):
                return directive
    allowed = [path for directive in given.get("ExecPaths", ()) for path in _paths(directive.value, 0)]
    for name in _HIDING:
        for directive in given.get(name, ()):
            if any(map(_is_of_shell, _paths(directive.value, 0))):
                if name == "NoExecPaths" and any(map(_is_of_shell, allowed)):
                    continue
                return directive
    return None


def _has_shell(root: Root, path: str) -> bool:
    """Whether the tree at an absolute path has a shell."""
    if not path.startswith("/"):
        return False
    below = root.below(path)
    shells = [shell for shell in _SHELLS if shell.endswith("/sh")]
    # A link to nothing is one that leads out of the tree, into what systemd may bind there.
    return any(below.link(shell) is not None or below.find(shell).what is not What.MISSING for shell in shells)


def _paths(value: str, part: int) -> Iterator[str]:
    """The paths of a list; of what has colons in it, the first part or the last one that is a path."""
    for word in value.replace('"', " ").replace("'", " ").split():
        parts = [text for text in word.lstrip("-+").split(":") if text.lstrip("-+").startswith("/")]
        if parts:
            yield posixpath.normpath(parts[part].lstrip("-+"))


def _is_of_shell(path: str) -> bool:
    below = path.rstrip("/") + "/"
    return any((shell + "/").startswith(below) for shell in _SHELLS)
