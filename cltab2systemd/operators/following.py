"""Following a daemon for as long as somebody watches: it may go away and come back."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cltab2systemd import varlink
from cltab2systemd.client import transport
from cltab2systemd.client.calls import ClientError, RefusedError, answer
from cltab2systemd.locations import is_served, live_sockets
from cltab2systemd.operators.askable import Daemon

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.locations import Locations

# Seconds in which a daemon has to give an answer; and without news after which it is asked whether it lives.
_PATIENCE = 5.0
_QUIET = 5.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What there is of the daemon; and, if it answers, its groups: objects of type GroupStatus, with progress."""

    daemon: Daemon
    groups: tuple[dict[str, Any], ...] = ()


def follow(locations: Locations, tick: float) -> Iterator[Heard | None]:
    """How the groups are, again at each change; never ends by itself.

    The daemon is asked for progress: then it tells news at most ten times a second.

    Args:
        locations: of the instance.
        tick: seconds after which None is yielded when there is no news, and a daemon that is away is looked for.
    """
    while True:
        yield from _connected(locations, tick)
        time.sleep(tick)
        yield None


def _connected(locations: Locations, tick: float) -> Iterator[Heard | None]:
    """The same, until the connection ends; the last one says why it did."""
    if is_served(locations) is False:  # to connect would start it
        yield Heard(Daemon.GONE)
        return
    try:
        with closing(transport.connect(live_sockets(locations), _PATIENCE)) as connection:
            yield from _replies(connection, locations, tick)
    except ClientError as error:
        is_busy = isinstance(error, RefusedError) and error.code == "TooManyConnections"
        yield Heard(Daemon.BUSY if is_busy else Daemon.SILENT)
    except TimeoutError:
        yield Heard(Daemon.SILENT)
    except PermissionError:
        yield Heard(Daemon.CLOSED)
    except (OSError, varlink.ProtocolError):
        yield Heard(Daemon.GONE)


def _replies(connection: transport.Connection, locations: Locations, tick: float) -> Iterator[Heard | None]:
    connection.send(varlink.call("Status", {"progress": True}, more=True))
    limit = time.monotonic() + _PATIENCE
    is_answered = False
    connection.set_timeout(tick)
    while True:
        try:
            message = connection.receive()
        except TimeoutError:
            if time.monotonic() > limit:
                if not is_answered:
                    raise
                _see_that_it_lives(locations)
                limit = time.monotonic() + _QUIET
            yield None
            continue
        is_answered = True
        limit = time.monotonic() + _QUIET
        yield Heard(Daemon.ANSWERS, tuple(answer(varlink.decode(message))["groups"]))


def _see_that_it_lives(locations: Locations) -> None:
    """TimeoutError if the daemon does not even answer a question that costs it nothing."""
    with closing(transport.connect(live_sockets(locations), _PATIENCE)) as connection:
        connection.send(varlink.encode({"method": f"{varlink.SERVICE}.GetInfo"}))
        connection.receive()
