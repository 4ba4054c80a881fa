"""What this machine has to say about a table's settings: whether the daemon can write where they point, and may."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cltab2systemd.locations import absolute, fragment_directory
from cltab2systemd.systemd.activation import is_started_by_systemd
from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.table.settings import Kind
from cltab2systemd.text import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cltab2systemd.locations import Locations
    from cltab2systemd.table.model import Table
    from cltab2systemd.table.settings import Setting

# What the kernel takes, in bytes without the NUL at the end; and clstat is written aside first, under a longer name.
_LONGEST_SOCKET, _LONGEST_PATH, _LONGEST_NAME = 107, 4000, 255

# Each with what it is to a person.
_PATHS = {"socket": "the socket", "clstat": "clstat", "log": "the log"}


def findings(locations: Locations, table: Table) -> tuple[Diagnostic, ...]:
    """A finding for each setting whose file this process cannot make, or would make in the place of another of ours.

    Args:
        locations: of the instance.
        table: that is to take effect.
    """
    last = {setting.name: setting for setting in table.settings if setting.kind is Kind.PLAIN and setting.value}
    return (*_clashes(locations, last), *_unwritable(last))


def _clashes(locations: Locations, settings: Mapping[str, Setting]) -> Iterator[Diagnostic]:
    # The socket that the daemon was started with is served until its end.
    taken = {locations.table: "the table", locations.socket: _PATHS["socket"]}
    if "clstat" not in settings:
        taken[locations.clstat] = _PATHS["clstat"]
    for name, setting in settings.items():
        path = absolute(setting.value)
        if os.path.dirname(path) == fragment_directory(locations.table):  # noqa: PTH120
            taken[path] = "a fragment of the table"
        if taken.get(path, _PATHS[name]) != _PATHS[name]:
            message = f"{_PATHS[name]} cannot be where {taken[path]} is, {path}"
            yield Diagnostic.of("setting-taken", setting.place, message, source=setting.line, hint="name another file")
        taken[path] = _PATHS[name]


def _unwritable(settings: Mapping[str, Setting]) -> Iterator[Diagnostic]:
    """A finding for each whose file this process cannot make: its service may be kept out of there."""
    for setting in settings.values():
        path = Path(absolute(setting.value))
        if fault := _fault(setting.name, path):
            yield Diagnostic.of(
                "setting-unwritable", setting.place, fault, source=setting.line, hint="name another file"
            )
            continue
        directory = path.parent
        present = next(path for path in (directory, *directory.parents) if os.access(path, os.F_OK))
        if not present.is_dir() or not os.access(present, os.W_OK):
            message, hint = f"the daemon cannot write below {present}", _advice(directory, present)
            yield Diagnostic.of("setting-unwritable", setting.place, message, source=setting.line, hint=hint)


def _fault(setting: str, path: Path) -> str:
    """Why no such file can be made anywhere; empty if it can."""
    longest = _LONGEST_SOCKET if setting == "socket" else _LONGEST_PATH
    if len(encoded(str(path))) > longest or max(len(encoded(part)) for part in path.parts) > _LONGEST_NAME:
        return f"the name is too long for {_PATHS[setting]}"
    return f"{path} is a directory" if path.is_dir() else ""


def _advice(directory: Path, present: Path) -> str:
    """What to do about a directory; `present` is the nearest one that there is."""
    if is_started_by_systemd():
        if not os.statvfs(present).f_flag & os.ST_RDONLY:
            return f"its service writes only what is root's own: chown root {present}; chmod u+rwx {present}"
        if directory in {Path("/"), Path("/run")}:
            return "its service may not: name a file in a directory of its own, such as /run/clinit"
        if Path("/run") in directory.parents:  # empty after each boot, so that systemd has to make it
            made, line = "", f"RuntimeDirectory={directory.relative_to('/run')}"
        else:
            made, line = f"mkdir -p {directory}; ", f"ReadWritePaths={directory}"
        return (
            f"its service may not; {made}systemctl edit clinit.service, with the lines [Service] and {line}; "
            f"systemctl restart clinit.service"
        )
    return "name a place where root can write"
