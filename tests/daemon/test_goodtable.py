"""The copy of the last good table: it is on disk when a request is answered, but a stuck disk holds nobody up."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import pytest

from cltab2systemd.daemon import goodtable
from cltab2systemd.daemon.goodtable import GoodTable
from cltab2systemd.disk import kepttables, tables
from cltab2systemd.table.tablefiles import TableFiles

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where tables are kept."""
    keep = kepttables.keep_table
    monkeypatch.setattr(kepttables, "earlier_table", lambda: (None, None))
    monkeypatch.setattr(kepttables, "keep_table", lambda files, asker: keep(files, asker, tmp_path / "tables"))
    return tmp_path / "tables"


def files(content: bytes) -> TableFiles:
    return TableFiles.of(content, "/etc/cltab")


def test_a_stuck_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk takes nothing, tables are accepted; when it does, the last of them is kept."""
    disk, kept = threading.Event(), list[bytes]()
    monkeypatch.setattr(goodtable, "PATIENCE", 0.1)

    def write(content: bytes) -> None:
        assert disk.wait(10)
        kept.append(content)

    monkeypatch.setattr(tables, "keep_good_table", write)

    async def scenario() -> float:
        table = GoodTable()
        began = time.monotonic()
        for content in (b"one", b"two", b"three"):
            await table.keep(files(content), None)
        took = time.monotonic() - began
        disk.set()
        await table.keep(files(b"four"), None)
        return took

    assert asyncio.run(scenario()) < 2
    assert kept == [b"one", b"four"]


def test_no_thread_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the machine gives no thread, the table is written all the same."""
    kept: list[bytes] = []
    monkeypatch.setattr(tables, "keep_good_table", kept.append)

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    asyncio.run(GoodTable().keep(files(b"one"), None))

    assert kept == [b"one"]


def test_it_is_on_disk_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that works has the table when `keep` returns; one that fails is only told of."""
    kept: list[bytes] = []

    def write(content: bytes) -> None:
        if content == b"bad":
            raise OSError(28, "No space left on device", "/var/lib/x")
        kept.append(content)

    monkeypatch.setattr(tables, "keep_good_table", write)

    async def scenario() -> None:
        table = GoodTable()
        for content in (b"one", b"bad", b"two"):
            await table.keep(files(content), None)
            assert content == b"bad" or kept[-1] == content

    asyncio.run(scenario())
