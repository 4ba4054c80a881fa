"""The copy of the last good table: it is on disk when a request is answered, but a stuck disk holds nobody up."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

from cltab2systemd.daemon import goodtable
from cltab2systemd.daemon.goodtable import GoodTable
from cltab2systemd.disk import tables

if TYPE_CHECKING:
    import pytest


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
            await table.keep(content)
        took = time.monotonic() - began
        disk.set()
        await table.keep(b"four")
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
    asyncio.run(GoodTable().keep(b"one"))

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
            await table.keep(content)
            assert content == b"bad" or kept[-1] == content

    asyncio.run(scenario())
