"""What this machine has to say about a table's settings: whether the daemon can write where they point."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cltab2systemd.activation import is_started_by_systemd
from cltab2systemd.diagnostics import Diagnostic, Severity
from cltab2systemd.locations import absolute
from cltab2systemd.table import SETTING

if TYPE_CHECKING:
    from cltab2systemd.table import Table

_PATHS = ("socket", "clstat", "log")


def unwritable(table: Table) -> tuple[Diagnostic, ...]:
    """A finding for each setting whose file this process cannot make: its service may be kept out of there."""
    found = []
    last = {setting.name: setting for setting in table.settings if setting.name in _PATHS}
    for setting in last.values():
        directory = Path(absolute(setting.value)).parent
        present = next(path for path in (directory, *directory.parents) if os.access(path, os.F_OK))
        if not present.is_dir() or not os.access(present, os.W_OK):
            found.append(
                Diagnostic(
                    "setting-unwritable",
                    Severity.ERROR,
                    setting.place,
                    f"the daemon cannot write below {present}",
                    f"{SETTING}{setting.name}:{setting.value}",
                    _advice(directory, present),
                )
            )
    return tuple(found)


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
