"""Connections that end badly, on a server of the test's own: a daemon looks for them every half a minute only."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING, Any, cast

import pytest

from cltab2systemd.daemon.server import Server
from cltab2systemd.daemon.service import Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from cltab2systemd.daemon.service import Call

CALL = json.dumps({"method": "org.clinit.Manager.Status", "parameters": {}, "more": True}).encode() + b"\0"


class Endless:
    """A service with news for ever, the first one at once."""

    async def answer(self, _call: Call) -> AsyncIterator[Reply]:
        yield Reply({"groups": []}, continues=True)
        await asyncio.Event().wait()


@pytest.mark.parametrize("reads", [False, True])
def test_a_client_that_goes_away_while_it_waits_for_news(tmp_path: Path, reads: bool) -> None:
    """Whether it has read its reply or not, it is forgotten, and the daemon goes on."""

    async def converse() -> int:
        server = Server(cast("Any", Endless()))
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / "s"))
            await server.start(listener)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(tmp_path / "s"))
                client.sendall(CALL)
                await asyncio.sleep(0.1)
                assert server.clients == 1
                if reads:
                    client.recv(65536)
            await asyncio.sleep(0.1)  # closed; if a reply was not read, the daemon's end is reset
            server.drop_gone_clients()
            await asyncio.sleep(0.1)
            left = server.clients
            await server.close(0.1)
            return left

    assert asyncio.run(converse()) == 0
