"""A connection to the daemon without a socket: bytes in, replies out, and what came of it.

The server's framing, the service and the controller's own checks are the real ones; below them, where a group would be
moved, a stub answers in all the ways that there are.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import tracemalloc
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from cltab2systemd import varlink
from cltab2systemd.ancestor import messages as ldt
from cltab2systemd.core.controller import Controller
from cltab2systemd.core.group import Group
from cltab2systemd.core.request import NoSuchGroupError, Request, SupersededError, SwitchRefusedError
from cltab2systemd.core.tablesource import TableRefusedError
from cltab2systemd.core.updates import Update
from cltab2systemd.daemon.halt import Halting
from cltab2systemd.daemon.peers import Peer
from cltab2systemd.daemon.server import Server
from cltab2systemd.daemon.service import Service, Watchers
from cltab2systemd.groups.changes import Effect
from cltab2systemd.groups.overview import GroupOverview
from cltab2systemd.groups.refusals import Refusal, Supersession
from cltab2systemd.groups.state import GroupStatus, State
from cltab2systemd.systemd.buserrors import BusUnavailableError
from cltab2systemd.table.diagnostics import Diagnostic, Place, Severity
from cltab2systemd.table.model import ResourceGroup
from cltab2systemd.table.tablefiles import TableFiles
from cltab2systemd.text import encoded
from cltab2systemd.units.names import Names

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from cltab2systemd.core.entryrequest import Action
    from cltab2systemd.core.trials import Running
    from cltab2systemd.events import Asker

CLINIT = 990


class _NamedPeer(Peer):
    """A process whose user is known by name, without a name service, and the thread in which it would be asked.

    A thread that looks up a user allocates memory, and may die where `tracemalloc` ends meanwhile.
    """

    __slots__ = ()

    async def named_asker(self) -> Asker:
        """Who asks, with the name."""
        return replace(self.asker(), user=f"user{self.uid}")


# Root, a member of the group, and a user who may only read.
PEERS = (
    _NamedPeer(10, 0, frozenset()),
    _NamedPeer(11, 1000, frozenset({100, CLINIT})),
    _NamedPeer(12, 1001, frozenset({100})),
)
# Groups that there are; the others that requests name are not there.
GROUPS = ("web", "caf\udce9", "数")

# How a connection may end that does not speak the protocol. All else is a bug.
OWN_ERRORS = (varlink.ProtocolError, ldt.LdtError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)
# Steps of the loop in which nothing happens any more before a client counts as one who waits for news.
_STEPS = 20
# What a connection may take at a time, in bytes: so many, and so many for each byte that came, as far as a request may
# go, and as much again in the buffer. The worst is a list of `[[]]`: 31 bytes for one.
_LEAST_MEMORY = 1 << 18
_MEMORY_FOR_A_BYTE = 40
# Of so many cases one is measured, and each large one.
MEASURED = 64
_LARGE = 8192


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a client got, and how it ended: the error that closed it, or still waiting for news."""

    replies: bytes
    error: Exception | None
    waiting: bool
    peer: Peer


class _Writer:
    """What the server writes to."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.writes = 0

    def write(self, data: bytes) -> None:
        assert isinstance(data, bytes)
        self.writes += 1
        self.written += data

    async def drain(self) -> None:
        await asyncio.sleep(0)


class _Source:
    """A table that may be refused."""

    path = "/etc/caf\udce9"
    refusal = "mode \udcff\u2028 is none"
    is_unread = True
    files = TableFiles.of(b"\xff", path)
    content = files.joined

    def __init__(self) -> None:
        self.accepted = True
        self.refused = False

    @property
    def table(self) -> _Source:
        return self

    @property
    def groups(self) -> dict[str, ResourceGroup]:
        return {name: ResourceGroup(name) for name in GROUPS}

    def group(self, name: str) -> ResourceGroup:
        return ResourceGroup(name)

    def refresh(self, *, may_be_empty: bool, always: bool) -> bool:
        assert isinstance(may_be_empty, bool)
        assert isinstance(always, bool)
        if self.refused:
            finding = Diagnostic(
                "unknown-mode", Severity.ERROR, Place("/etc/cltab", 1), "mode \udcff\u2028 is none", source="a\udcff:b"
            )
            raise TableRefusedError("mode \udcff\u2028 is none", (finding,) * 30)
        return False


class _Nothing:
    """What a controller has besides, and is not asked for here."""

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_arguments, **_named: None


class _Instance(_Nothing):
    """The system instance, without a disk."""

    names = Names()
    trials = _Nothing()


class _Units(_Nothing):
    """The units on disk: none are anybody's own."""

    instance = _Instance()

    def own_units(self, _group: ResourceGroup) -> list[str]:
        return []


class _Applier(_Nothing):
    """Has nothing to put on disk; the table is read by one at a time."""

    def __init__(self) -> None:
        self.table_lock = asyncio.Lock()


class _Controller(Controller):
    """The real checks of a request; then it comes to one of all ends at once."""

    def __init__(self) -> None:
        nothing = cast("Any", _Nothing())
        self.stand_in = _Source()
        super().__init__(
            cast("Any", self.stand_in), cast("Any", _Units()), nothing, cast("Any", _Applier()),
            on_status=nothing.ignore, on_table=nothing.ignore,
        )  # fmt: skip
        self._groups.update({name: Group(name, cast("Any", _Units())) for name in GROUPS})
        self.fate = 0

    @property
    def statuses(self) -> tuple[GroupStatus, ...]:
        return tuple(GroupStatus(name, "1\udcff", State.DONE) for name in GROUPS)

    async def quiet(self) -> None:
        """It can be asked at once."""

    async def overview(self, name: str) -> GroupOverview:
        if name not in GROUPS:
            raise NoSuchGroupError(name, "did you mean '\udcff'?")
        lines, status = ResourceGroup(name), GroupStatus(name, "1\udcff", State.DONE)
        return GroupOverview(name, status, 0, lines, lines, (name,), ())

    async def act(self, name: str, action: Action, tags: Collection[str], asker: Asker) -> asyncio.Future[GroupStatus]:
        encoded("".join(tags))
        if self.fate == 0:
            raise SwitchRefusedError(Refusal.NO_SUCH_ENTRY, f"{name} has no entry {min(tags)}")
        if self.fate == 1:
            raise SwitchRefusedError(Refusal.NOT_IN_LEVEL, f"{name} is at no level")
        if self.fate == 2:
            raise SwitchRefusedError(Refusal.ON_ITS_WAY, f"{name} is STARTING; {action} {asker.uid}")
        future: asyncio.Future[GroupStatus] = asyncio.get_running_loop().create_future()
        future.set_result(GroupStatus(name, "1\udcff", State.DONE))
        return future

    async def update(self, asker: Asker) -> tuple[list[Update], tuple[str, ...]]:
        notes = await self.reread(always=True, retire=True, asker=asker)
        levels = (None, "1\udcff", "2")
        done = {"caf\udce9": Effect.RESTART, "x": Effect.STOP}
        return [
            Update(name, level, done, self._request(self._groups[name], level or "1", asker).outcome)
            for name, level in zip(GROUPS, levels, strict=True)
        ], notes

    def keep(self, name: str, asker: Asker) -> str:
        encoded(name)
        if self.fate == 0:
            raise SwitchRefusedError(Refusal.NO_TRIAL, f"{name} is not on trial; {asker.uid}")
        if self.fate == 1:
            raise OSError(28, "No space left on device", "/run/cltab2systemd/caf\udce9")
        return f"{name} stays"

    def _request(self, group: Group, level: str, asker: Asker, trial: Running | None = None) -> Request:  # noqa: ARG002
        encoded(level)  # it is going to be part of file names
        self.names.level(group.name, level).encode("ascii")
        request = Request(group.name, level, asker)
        if self.fate == 0:
            request.fail(SwitchRefusedError(Refusal.NOT_STOPPED, f"{group.name} cannot be switched to {level}"))
        elif self.fate == 1:
            request.fail(BusUnavailableError("no connection to systemd at present"))
        elif self.fate == 2:
            request.fail(OSError(28, "No space left on device", "/run/systemd/system/caf\udce9"))
        elif self.fate == 3:
            request.has_started()
            request.fail(
                SupersededError(Supersession.LATER_REQUEST, f"a later request is to take {group.name} to level {level}")
            )
        else:
            request.has_started()
            request.outcome.set_result(GroupStatus(group.name, level, State.DONE))
        return request


class _Log(logging.Handler):
    """Where log lines go: made into text, as for the journal, and forgotten."""

    def emit(self, record: logging.LogRecord) -> None:
        record.getMessage().encode("utf-8", "backslashreplace")


class Daemon:
    """A server for connections without sockets, one for each process."""

    def __init__(self) -> None:
        log = logging.getLogger("cltab2systemd")
        log.handlers, log.propagate = [_Log(logging.INFO)], False
        log.setLevel(logging.INFO)
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self._make())

    async def _make(self) -> None:
        self._controller = _Controller()
        self._server = Server(Service(self._controller, Watchers(), self._halt, CLINIT))

    async def _halt(self, _asker: Asker) -> Halting:
        future = self.loop.create_future()
        if self._controller.fate == 0:
            future.add_done_callback(asyncio.Future.exception)
            future.set_exception(
                SwitchRefusedError(Refusal.HALT_FAILED, "not all groups can be halted, and the daemon goes on")
            )
        else:
            future.set_result(None)
        return Halting((), future)

    def converse(self, data: bytes) -> Outcome:
        """What comes of a connection over which these bytes come, and then the end."""
        choice = zlib.crc32(data)
        self._controller.fate = choice % 7
        self._controller.stand_in.refused = choice % 11 == 0
        peer = PEERS[choice % 13 % len(PEERS)]
        reader = asyncio.StreamReader(varlink.LARGEST_REQUEST - 1, self.loop)
        writer = _Writer()
        # In two pieces, as it may come.
        reader.feed_data(data[: choice % (len(data) + 1)])
        task = self.loop.create_task(self._server._converse(reader, cast("Any", writer), peer))  # noqa: SLF001
        self._step()
        reader.feed_data(data[choice % (len(data) + 1) :])
        reader.feed_eof()
        waiting = self._until_idle(task, reader, writer)
        if waiting:
            task.cancel()
            self._step()
        assert task.done()
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, OWN_ERRORS):
            raise error
        assert error is None or isinstance(error, Exception)
        return Outcome(bytes(writer.written), error, waiting, peer)

    def _until_idle(self, task: asyncio.Task[None], reader: asyncio.StreamReader, writer: _Writer) -> bool:
        """Run until the task is done, or waits for something that never comes."""
        idle = 0
        while not task.done() and idle < _STEPS:
            before = writer.writes, len(_buffer(reader))
            self._step()
            idle = idle + 1 if before == (writer.writes, len(_buffer(reader))) else 0
        return not task.done()

    def _step(self) -> None:
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()


def _buffer(reader: asyncio.StreamReader) -> bytearray:
    """What has come, and was not read yet."""
    buffer: bytearray = reader._buffer  # type: ignore[attr-defined]  # noqa: SLF001
    return buffer


@functools.cache
def daemon() -> Daemon:
    """This process's daemon."""
    return Daemon()


def measured(data: bytes, work: Callable[[bytes], Outcome]) -> Outcome:
    """Do work; some of the cases with their memory measured, which takes its time."""
    if zlib.crc32(data) % MEASURED and len(data) < _LARGE:
        return work(data)
    work(b"")  # what is made once is no case's
    tracemalloc.start()
    try:
        outcome = work(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    most = _LEAST_MEMORY + _MEMORY_FOR_A_BYTE * min(len(data), 2 * varlink.LARGEST_REQUEST) + 4 * len(outcome.replies)
    assert peak <= most, f"{peak} bytes of memory for {len(data)}, and {len(outcome.replies)} of replies"
    return outcome


def check_error(error: Exception, allowed: Collection[type[Exception]]) -> str:
    """An error that ends a connection is one of these, and fits into a line of the log; its label."""
    assert type(error) in allowed, repr(error)
    text = str(error)
    assert len(text) < 1000, text
    text.encode()
    return f"closed: {type(error).__name__}"
