"""Why the daemon of this machine would not take a table that has no errors: what it says of the table as a whole."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from cltab2systemd.commands import printing
from cltab2systemd.disk.tables import distrust, identify_table, on_lost_fragments, on_no_entry
from cltab2systemd.locations import fragments, is_served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.locations import Locations
    from cltab2systemd.table.model import Table


def stop_if_any(locations: Locations, table: Table, code: int) -> None:
    """SystemExit with a code, and the daemon's words, if it would not take a table without errors."""
    for doubt in found(locations, table.path, is_without_entries=not table.entries):
        printing.complain(f"cltab2systemd: {doubt}")
        raise SystemExit(code)


def found(locations: Locations, path: str, *, is_without_entries: bool, is_here: bool = True) -> Iterator[str]:
    """Why a daemon would not take a table without errors.

    Args:
        locations: of the daemon.
        path: of the table. If it is not the daemon's, it is one that may become that.
        is_without_entries: whether it has no entries.
        is_here: whether the daemon would run on this machine; else only the file itself is looked at.
    """
    is_own = path == locations.table  # of another file nobody knows who is to own it where it goes
    if is_own and (doubt := distrust(path)):
        yield doubt
    if not is_here:
        return
    if is_own and (doubt := _on_lost_fragments(locations)):
        yield doubt
    if is_without_entries and _is_all_of_it(locations.table, path) and _is_active(locations):
        yield on_no_entry(path)


def _on_lost_fragments(locations: Locations) -> str:
    """What the daemon says if the directory of its fragments is gone. The next one takes the table as it is."""
    now = identify_table(locations.table)
    if now is None or now.directory is not None or not (locations.is_default and is_served(locations)):
        return ""
    from cltab2systemd.disk.kepttables import table_in_force  # noqa: PLC0415 - slow to import

    with suppress(OSError):
        if in_force := table_in_force():
            return on_lost_fragments(in_force, now)
    return ""


def _is_all_of_it(own: str, path: str) -> bool:
    """Whether a file is the whole table. Beside another file there may be fragments where it goes, or it is one."""
    try:
        return path == own or not fragments(own)
    except OSError:
        return False


def _is_active(locations: Locations) -> bool:
    from cltab2systemd.commands.instance import is_active  # noqa: PLC0415 - slow to import

    return is_active(locations)
