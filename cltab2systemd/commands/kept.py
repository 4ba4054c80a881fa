"""`cltab2systemd tables`: the last good tables of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cltab2systemd import terminal
from cltab2systemd.check import loading
from cltab2systemd.commands import options, printing
from cltab2systemd.disk.kepttables import KEPT_TABLES, KeptTable, is_in_force, kept_tables
from cltab2systemd.reports import asjson
from cltab2systemd.reports.digests import digest
from cltab2systemd.systemd.users import user_name
from cltab2systemd.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADING = ("table", "since", "digest", "groups", "entries", "asked by")


@click.command(name="tables")
@options.format_option
def command(*, format_: str) -> None:
    """List the last ten tables that took effect on this machine, the latest first.

    Each is shown with its number, which `diff --against` and `rollback` take, when it took effect, its digest, as that
    of `clinitctl nodes`, and who asked for that. One that was changed, or is damaged, is shown as such. Only the daemon
    of /etc/cltab keeps them.

    Exit codes: 0 fine, 1 they cannot be read, 2 usage.
    """
    found = all_kept()
    if format_ == options.Format.JSON:
        printing.say_json({"tables": [_as_json(table, is_in_force=is_in_force(table)) for table in found]})
    elif found:
        printing.say(_as_text(found))
    else:
        printing.complain("cltab2systemd: no table has taken effect here since they are kept")


def all_kept() -> list[KeptTable]:
    """All tables that are kept, the latest first; SystemExit with 1, and a word, if they cannot be read."""
    try:
        return kept_tables()
    except OSError as error:
        printing.complain(f"cltab2systemd: cannot read {error.filename or KEPT_TABLES}: {error.strerror}")
        raise SystemExit(1) from error


def kept(number: int) -> KeptTable:
    """A table that is kept, and can be used; SystemExit with 1, and a word, if there is none."""
    there = all_kept()
    table = next((table for table in there if table.number == number), None)
    if table is None:
        known = ", ".join(str(table.number) for table in there) or "none"
        printing.complain(f"cltab2systemd: no table {number} is kept; there are: {known}")
        raise SystemExit(1)
    if table.fault:
        printing.complain(f"cltab2systemd: table {number} cannot be used: {table.fault}")
        raise SystemExit(1)
    return table


def _as_text(found: list[KeptTable]) -> Iterator[str]:
    rows = [_HEADING, *(_row(table) for table in found)]
    latest = next((table.number for table in found if is_in_force(table)), None)
    for line, number in zip(terminal.aligned(rows), (None, *(table.number for table in found)), strict=True):
        yield line + ("  (in force)" if number is not None and number == latest else "")


def _row(table: KeptTable) -> tuple[str, ...]:
    since = "unknown" if table.time is None else terminal.moment(table.time)
    if table.files is None or table.fault:
        return str(table.number), since, "-", "-", "-", printable(f"cannot be used: {table.fault}")
    parsed, _ = loading.load_files(table.files)
    counts = str(len(parsed.groups)), str(len(parsed.entries))
    return str(table.number), since, digest(table.files.joined), *counts, _who(table)


def _who(table: KeptTable) -> str:
    if table.uid is None:
        return {"daemon": "nobody: the daemon found it when it started"}.get(table.by, "unknown")
    return printable(f"{user_name(table.uid)}: {table.command}" if table.command else user_name(table.uid))


def _as_json(table: KeptTable, *, is_in_force: bool) -> asjson.Json:
    usable = table.files if table.files is not None and not table.fault else None
    parsed = None if usable is None else loading.load_files(usable)[0]
    return {
        "number": table.number,
        "time_usec": table.time,
        "digest": None if usable is None else digest(usable.joined),
        "in_force": is_in_force,
        "files": [] if usable is None else asjson.texts(file.path for file in usable),
        "groups": None if parsed is None else len(parsed.groups),
        "entries": None if parsed is None else len(parsed.entries),
        "by": asjson.optional(table.by or None),
        "uid": table.uid,
        "command": asjson.optional(table.command or None),
        "fault": asjson.optional(table.fault or None),
    }
