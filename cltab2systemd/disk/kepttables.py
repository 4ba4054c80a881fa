"""The last good tables, as the system's daemon keeps them: each a directory of its files, and of what is known of it.

A table is written aside, and renamed when it is whole, so that a power cut leaves none that is half there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cltab2systemd.disk.files import content_of, numbers, sync_directory, write_whole
from cltab2systemd.disk.tables import TableUnreadableError, read_table
from cltab2systemd.locations import GOOD_TABLE, TABLE
from cltab2systemd.table.tablefiles import TableFiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cltab2systemd.events import Asker

KEPT_TABLES = Path("/var/lib/cltab2systemd/tables")
# How many are kept.
MOST_KEPT = 10
_NAME, _ABOUT = "cltab", "about"
# What is not whole yet, or any more.
_PART = re.compile(r"\.[1-9][0-9]*\.(?:new|gone)")
_LONGEST_ABOUT = 1024 * 1024  # bytes: a thousand fragments with their names
_CHANGED = "it is not what was kept: it was changed, or is damaged"


@dataclass(frozen=True, slots=True)
class KeptTable:
    """A good table of the past.

    Attributes:
        number: by which people name it; a later table has a greater one.
        time: when it took effect, in µs since 1970; None if that is not known.
        by: on whose account, as `events.By` has it; `daemon` for one that a daemon found when it started; empty if
            that is not known.
        uid: of who asked; None if nobody did.
        command: likewise.
        files: its files, as those of /etc/cltab; None if they cannot be read.
        fault: why it cannot be used; empty if it can.
    """

    number: int
    time: int | None
    by: str
    uid: int | None
    command: str
    files: TableFiles | None
    fault: str


def kept_tables(directory: Path = KEPT_TABLES) -> list[KeptTable]:
    """All that are kept, the latest first. OSError if the directory is there, and cannot be read."""
    return [_read(directory, number) for number in reversed(_numbers(directory))]


def table_in_force(directory: Path = KEPT_TABLES) -> TableFiles | None:
    """The files of the table that took effect last; None if that is not known. OSError as for `kept_tables`."""
    kept = _numbers(directory)
    latest = _read(directory, kept[-1]) if kept else None
    return latest.files if latest is not None and is_in_force(latest) else None


def is_in_force(table: KeptTable) -> bool:
    """Whether it is the table that took effect last."""
    return table.files is not None and not table.fault and table.files.joined == content_of(Path(GOOD_TABLE))


def keep_table(files: TableFiles, asker: Asker | None, directory: Path = KEPT_TABLES) -> None:
    """Keep a table that took effect, if it is another one than the latest. OSError if that fails: all is as it was.

    Args:
        files: of the table.
        asker: who had it read; None if a daemon found it when it started.
        directory: where they are kept.
    """
    if not files.joined:
        return
    kept = _numbers(directory)
    latest = _read(directory, kept[-1]) if kept else None
    if latest is None or latest.fault or latest.files != files.at(TABLE):
        about: dict[str, object] = {"time_usec": time.time_ns() // 1000, "by": "daemon"}
        if asker is not None:
            about |= {"by": str(asker.by), "uid": asker.uid, "command": asker.command}
        _write(directory, max(numbers(directory), default=0) + 1, files, about)
    _forget(directory)


def keep_earlier(content: bytes | None, when: int | None, directory: Path = KEPT_TABLES) -> None:
    """Keep the last good table of a version that kept no others, before it goes. OSError as for `keep_table`."""
    if content and not _numbers(directory):
        _write(directory, 1, TableFiles.of(content, TABLE), {"time_usec": when})


def earlier_table() -> tuple[bytes | None, int | None]:
    """The content of the last good table, and when it took effect; None for each if there is none."""
    content = content_of(Path(GOOD_TABLE))
    with suppress(OSError):
        return content, Path(GOOD_TABLE).stat().st_mtime_ns // 1000
    return content, None


def _numbers(directory: Path) -> list[int]:
    """Those of the tables that are kept. What else somebody has put there is passed over."""
    return [number for number in numbers(directory) if (directory / str(number)).is_dir()]


def _digests(files: TableFiles) -> dict[str, str]:
    """The digest of each file, by its path as one of /etc/cltab."""
    return {file.path: hashlib.sha256(file.content).hexdigest() for file in files.at(TABLE)}


def _read(directory: Path, number: int) -> KeptTable:
    place = directory / str(number)
    about = _about(place / _ABOUT)
    try:
        files = read_table(str(place / _NAME), trusted=True)[0].at(TABLE)
        fault = "" if _digests(files) == about.get("files") else _CHANGED
    except TableUnreadableError as error:
        files, fault = None, str(error)
    when, uid = about.get("time_usec"), about.get("uid")
    return KeptTable(
        number,
        when if isinstance(when, int) else None,
        str(about.get("by") or ""),
        uid if isinstance(uid, int) else None,
        str(about.get("command") or ""),
        files,
        fault,
    )


def _about(path: Path) -> Mapping[str, object]:
    """What is known of a table; nothing if that cannot be read."""
    try:
        if path.stat().st_size > _LONGEST_ABOUT:
            return {}
        found = json.loads(content_of(path) or b"{}")
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(directory: Path, number: int, files: TableFiles, about: Mapping[str, object]) -> None:
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    aside = directory / f".{number}.new"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(mode=0o755)
        for file in files.at(str(aside / _NAME)):
            Path(file.path).parent.mkdir(mode=0o755, exist_ok=True)
            write_whole(Path(file.path), file.content, durable=True)
        text = json.dumps({**about, "files": _digests(files)})
        write_whole(aside / _ABOUT, text.encode(), durable=True)
        sync_directory(aside)
        aside.rename(directory / str(number))
        sync_directory(directory)
    except OSError:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _forget(directory: Path) -> None:
    """Remove those that are too old. Each is out of sight before its first file goes.

    What a daemon has left behind that was killed meanwhile goes as well.
    """
    _remove_parts(directory)
    for number in _numbers(directory)[:-MOST_KEPT]:
        (directory / str(number)).rename(directory / f".{number}.gone")
    _remove_parts(directory)


def _remove_parts(directory: Path) -> None:
    for name in os.listdir(directory):  # noqa: PTH208
        if _PART.fullmatch(name):
            shutil.rmtree(directory / name, ignore_errors=True)
