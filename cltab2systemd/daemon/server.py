"""Connections to the daemon's sockets. One task per client; none waits for another."""

from __future__ import annotations

import asyncio
import collections
import logging
import select
import sys
from typing import TYPE_CHECKING, Any

from cltab2systemd import events, oserrors, varlink
from cltab2systemd.ancestor.messages import LdtError
from cltab2systemd.daemon import ancestor
from cltab2systemd.daemon.peers import Peer
from cltab2systemd.daemon.service import Call, CallError, too_many_connections
from cltab2systemd.daemon.sockets import BACKLOG

if TYPE_CHECKING:
    import socket

    from cltab2systemd.daemon.service import Service

log = logging.getLogger(__name__)

# Seconds that a client may take to send a request, after it connected or had its last reply; and to take a reply.
REQUEST_TIMEOUT = 30.0
# Connections at a time: of all together, and of one user that is not root.
MOST_CLIENTS = 4096
MOST_CLIENTS_OF_A_USER = 128

# From Python 3.13 on, asyncio would remove the socket's path when it closes, and it may be systemd's.
_LEAVE_PATH: dict[str, Any] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}


class Server:
    """Serves listening sockets with what a service offers."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._servers: list[asyncio.Server] = []
        self._clients: dict[asyncio.Task[None], socket.socket] = {}
        self._writers: set[asyncio.StreamWriter] = set()
        self._clients_of: collections.Counter[int] = collections.Counter()  # by uid
        self._warned: set[int] = set()  # uids that have been said to have too many

    @property
    def clients(self) -> int:
        """How many clients are connected."""
        return len(self._clients)

    async def start(self, listener: socket.socket) -> None:
        """Begin to serve a listening socket; one may be added to others."""
        server = await asyncio.start_unix_server(
            self._serve,
            sock=listener,
            limit=varlink.LARGEST_REQUEST - 1,
            backlog=BACKLOG,
            start_serving=False,
            **_LEAVE_PATH,
        )
        self._servers.append(server)  # before it begins, so that `close` finds it if this is cancelled meanwhile
        await server.start_serving()

    def drop_gone_clients(self) -> None:
        """Forget clients that have closed while they wait for news. Nothing else tells that they have gone."""
        for task, connection in self._clients.items():
            if connection.fileno() < 0:  # asyncio has closed it, for it was reset while nobody read from it
                task.cancel()
                continue
            poll = select.poll()
            poll.register(connection, 0)  # a client that has shut down only its own direction still wants replies
            if any(events & select.POLLHUP for _, events in poll.poll(0)):
                task.cancel()

    async def close(self, grace: float = 1.0) -> None:
        """Serve no new client, and give the present ones so many seconds to take their last replies."""
        for server in self._servers:
            server.close()
        if self._clients:
            await asyncio.wait(self._clients, timeout=grace)
        for client in self._clients:
            client.cancel()
        # Python 3.13 complains of a transport that is collected when its server is no more.
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connection = writer.get_extra_info("socket")
        try:
            peer = Peer.of(connection)
        except OSError as error:
            events.UNKNOWN_CLIENT(why=oserrors.worded(error))
            writer.close()
            return
        self._clients[task] = connection
        self._writers.add(writer)
        self._clients_of[peer.uid] += 1
        try:
            if self._has_too_many(peer):
                await _send(writer, varlink.encode(too_many_connections().reply))
            else:
                await self._converse(reader, writer, peer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            log.debug("client with pid %d: %r", peer.pid, error)
        except (varlink.ProtocolError, LdtError) as error:
            asker = events.Asker(uid=peer.uid, pid=peer.pid)
            events.BAD_CLIENT(asker=asker, why=f"uid {peer.uid}, pid {peer.pid}: {error}")
        except Exception:  # noqa: BLE001
            events.FAULT(trace=True, why="while serving a client")
        finally:
            try:
                await _close(writer)
            finally:
                del self._clients[task]
                self._writers.discard(writer)
                self._clients_of -= collections.Counter([peer.uid])
                if not self._clients_of[peer.uid]:
                    self._warned.discard(peer.uid)

    def _has_too_many(self, peer: Peer) -> bool:
        """Whether a client is one too many. A user's first such client is logged; and again after all have gone."""
        if peer.uid == 0:
            return False
        mine = self._clients_of[peer.uid]
        if mine > MOST_CLIENTS_OF_A_USER and peer.uid not in self._warned:
            self._warned.add(peer.uid)
            why = f"uid {peer.uid}, pid {peer.pid}: more than {MOST_CLIENTS_OF_A_USER} connections"
            events.TOO_MANY_CLIENTS(asker=events.Asker(uid=peer.uid, pid=peer.pid), why=why)
        return mine > MOST_CLIENTS_OF_A_USER or len(self._clients) > MOST_CLIENTS

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: Peer) -> None:
        """Serve a client to its end, in the protocol that its first byte tells."""
        while True:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                first = await reader.read(1)
                if ancestor.is_first_byte(first):
                    asked = await ancestor.read_request(first, reader)
                    break
                if not first:
                    return
                message = (first + await reader.readuntil(b"\0"))[:-1] if first != b"\0" else b""
            await self._serve_call(message, writer, peer)
            await asyncio.sleep(0)  # other clients have their turn, even if the next call is here already
        # A client of the ancestor: one request, one reply.
        await _send(writer, await ancestor.reply(self._service, asked, peer))

    async def _serve_call(self, message: bytes, writer: asyncio.StreamWriter, peer: Peer) -> None:
        """Serve one varlink call."""
        request = varlink.decode(message)
        method, parameters = request.get("method"), request.get("parameters") or {}
        if not isinstance(method, str) or not isinstance(parameters, dict):
            raise varlink.ProtocolError("a call has a method and an object of parameters")
        oneway = request.get("oneway") is True
        try:
            async for reply in self._service.answer(Call(method, parameters, request.get("more") is True, peer)):
                answer: dict[str, object] = {"parameters": reply.parameters}
                if reply.continues:
                    answer["continues"] = True
                if not oneway:
                    await _send(writer, varlink.encode(answer))
        except CallError as error:
            if not oneway:
                await _send(writer, varlink.encode(error.reply))


async def _close(writer: asyncio.StreamWriter) -> None:
    """Close a connection when the client has taken what was sent. After a while, drop what it has not taken."""
    writer.close()
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT):
            await writer.wait_closed()
    except OSError:
        pass
    finally:
        writer.transport.abort()


async def _send(writer: asyncio.StreamWriter, message: bytes) -> None:
    writer.write(message)
    async with asyncio.timeout(REQUEST_TIMEOUT):
        await writer.drain()
