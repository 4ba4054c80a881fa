"""What a client says of a daemon that takes a request, and gives no answer."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from cltab2systemd.client import calls, transport
from cltab2systemd.client.calls import NoDaemonError, TimedOutError
from cltab2systemd.client.requests import Client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HANGS = "If it hangs, its watchdog restarts it, and 'systemctl restart clinit' does at once; what runs goes on"
BY_HAND = "If it hangs, end it, and start it with 'clinit -d'; what runs goes on"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client of somebody who listens, and does no more."""
    monkeypatch.setattr(transport, "ANSWER_TIMEOUT", 0.3)
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        yield Client(str(tmp_path / "cltab"), path, str(tmp_path / "clstat"))


@pytest.mark.parametrize(("start", "cure"), [("systemctl start clinit.service", HANGS), ("clinit -d", BY_HAND)])
def test_what_to_do(client: Client, monkeypatch: pytest.MonkeyPatch, start: str, cure: str) -> None:
    """Its error says that it perhaps hangs, who restarts it, and how."""
    monkeypatch.setattr(calls, "start_command", lambda _locations: start)
    for ask in (client.tell, client.wait):
        with pytest.raises(NoDaemonError) as raised:
            ask("web", "3")
        assert f"the daemon at {client.locations.socket} gives no answer. {cure}" == str(raised.value)


def test_a_request_that_nobody_has_taken(client: Client) -> None:
    """When the time is up, it is not said that the request goes on: nobody knows."""
    with pytest.raises(TimedOutError, match="the daemon has not answered, and may yet do what was requested"):
        client.wait("web", "3", timeout=0.1)
