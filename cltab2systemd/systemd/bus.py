"""systemd over D-Bus, through pystemd, on an asyncio loop.

How pystemd 0.11 behaves, as measured:

1. A call blocks the whole process, threads too. Its only timeout is `SYSTEMD_BUS_TIMEOUT`, as it is when the connection
   is opened.
2. After a timeout the answer still comes, among the signals. A message without arguments looks like none (`is_empty`).
3. A synchronous call takes signals off the socket. So the queue of signals is drained after each call.
4. Callbacks must be plain functions. It keeps no reference to them, so somebody else has to.
5. `close` must not be called twice.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Any, TypeVar

from pystemd import dbusexc

from cltab2systemd import events, oserrors
from cltab2systemd.systemd import child
from cltab2systemd.systemd.buserrors import BusBusyError, BusRefusedError, BusUnansweredError, BusUnavailableError
from cltab2systemd.systemd.gate import Gate
from cltab2systemd.systemd.lateanswer import LateAnswer
from cltab2systemd.systemd.manager import Manager
from cltab2systemd.systemd.opening import (
    MANAGER,
    MANAGER_PATH,
    SYSTEMD,
    Route,
    is_lost,
    is_unanswered,
    open_connection,
    worded,
)
from cltab2systemd.systemd.runsignal import run_signal
from cltab2systemd.text import decoded
from cltab2systemd.units.names import bus_label, unit_of_bus_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from cltab2systemd.systemd.runsignal import Killing, RunSignal

log = logging.getLogger(__name__)

T = TypeVar("T")

_PROPERTIES = b"org.freedesktop.DBus.Properties"
_DBUS = b"org.freedesktop.DBus"

# Seconds for which a question blocks the daemon, if systemd does not answer; and for how long at most, on a machine
# that needs longer for one and the same question again and again.
ANSWER_TIME = 0.5
_LONGEST_ANSWER_TIME = 25.0
# Seconds after which a late answer is not waited for any more, unless systemd reloads.
_LONGEST_SILENCE = 25.0
# Types of messages, as sd-bus has them.
_METHOD_RETURN = 2
_METHOD_ERROR = 3
# Seconds for which systemd may be away before a warning is logged. A restart of dbus takes a moment.
_PATIENCE = 2.0
# Seconds for which a step is tried again while systemd cannot be reached: a daemon-reexec, a restart of dbus.
PERSISTENCE = 10.0
_PAUSE = 0.1
# How often a job is asked for, if the connection is lost each time before the answer comes.
_TRIES = 3
# How many signals are taken at a time, before other tasks of the loop have their turn.
_BATCH = 256


class Bus(Manager):
    """One connection to systemd, renewed whenever it is lost. Make it within the loop that uses it.

    During a daemon-reload, anybody's, systemd answers nobody. So every question raises BusBusyError then. `persist`
    waits for the end.

    A question that is under way when a reload begins blocks the whole process, but for a moment only. Then it raises
    BusUnansweredError, and all others raise BusBusyError until the late answer has come. systemd does in its order what
    it is asked on one connection, so what is asked then is asked behind the late question.

    Args:
        first: the way that is tried first. The other one stands in for it.
        answer_time: seconds for which a question may block the process.
    """

    def __init__(self, first: Route = Route.SYSTEM_BUS, answer_time: float = ANSWER_TIME) -> None:
        self._routes = sorted(Route, key=lambda route: route is not first)
        self._answer_time = answer_time
        self._late: LateAnswer | None = None
        self._slow: object = None  # the question that was answered late last, though there was no reload
        self._on_change: Callable[[str], None] = lambda unit: None  # noqa: ARG005
        self._on_connect: Callable[[], None] = lambda: None
        self._on_reload: Callable[[], None] = lambda: None
        self._after_reload: Callable[[], None] = lambda: None
        self._is_followed: Callable[[str], bool] = lambda unit: False  # noqa: ARG005
        self._on_run: Callable[[str, RunSignal | Killing], None] = lambda unit, seen: None  # noqa: ARG005
        self._loop = asyncio.get_running_loop()
        self._connection: Any = None
        self._is_private = False  # the connection is to systemd's private socket
        self._descriptor = -1
        self._callbacks: list[Callable[..., None]] = []
        self._drain_scheduled = False
        self._told_lost = -_PATIENCE  # when it was said last that the connection is lost
        self._reconnecting: asyncio.Task[None] | None = None
        self._gate = Gate(self._loop, self._has_opened)

    def follow(
        self, on_change: Callable[[str], None], on_connect: Callable[[], None], on_reload: Callable[[], None]
    ) -> None:
        """Say what to call when something happens.

        Args:
            on_change: called with the name of a unit whose state may have changed.
            on_connect: called after each connect. Whatever is known of units may be old by then.
            on_reload: called when a daemon-reload has ended, or systemd answers again after a silence, which may have
                been one. Units may be gone or masked, and no signal tells that.
        """
        self._on_change, self._on_connect, self._on_reload = on_change, on_connect, on_reload

    def follow_reloads(self, after_reload: Callable[[], None]) -> None:
        """Say what to call after each daemon-reload, besides what `follow` was given."""
        self._after_reload = after_reload

    def follow_runs(
        self, is_followed: Callable[[str], bool], on_run: Callable[[str, RunSignal | Killing], None]
    ) -> None:
        """Say what to call with what signals say of the runs of a service.

        Args:
            is_followed: whether anybody wants that of a unit; reading a signal takes 0.1 ms.
            on_run: called with the unit and what a signal says.
        """
        self._is_followed, self._on_run = is_followed, on_run

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._connection is not None

    async def connect(self) -> None:
        """Connect, trying again for ever: the first way, or the other one while that is closed."""
        delay = 0.05
        patience: float | None = self._loop.time() + _PATIENCE
        while self._connection is None:
            try:
                self._use(*await open_connection(self._routes, self._answer_time))
            except BusUnavailableError as error:
                if patience is not None and self._loop.time() >= patience:
                    patience = None  # a restart takes a moment, and is no news
                    events.SYSTEMD_AWAY(why=error)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 1.0)
        if patience is None:
            events.SYSTEMD_BACK()
        self._on_connect()
        self._after_reload()  # there may have been some, unheard

    async def quiet(self) -> None:
        """Wait until no daemon-reload is at work, and no answer is late."""
        await self._gate.wait()

    async def order(self, job: Callable[[], None], check: Callable[[], None] = lambda: None) -> None:
        """Have systemd queue a job, and not twice: one that it says nothing of in time may run, and end, soon.

        Args:
            job: asks for the job, and for nothing else.
            check: asks before that whether the job may be asked for.

        Raises:
            BusRefusedError: systemd does not queue the job.
            BusUnavailableError: it could not be reached for some seconds.
        """

        def step() -> asyncio.Future[None] | None:
            check()
            try:
                job()
            except BusUnansweredError as error:
                return error.answer
            return None

        for _ in range(_TRIES):
            late = await self.persist(step)
            if late is None:
                return None
            try:
                return await asyncio.shield(late)
            except BusUnavailableError as error:  # the connection was lost, as in a daemon-reexec
                log.debug("trying again: %s", error)
        raise BusUnavailableError("systemd does not say what has become of a job")

    async def persist(self, step: Callable[[], T], seconds: float = PERSISTENCE) -> T:
        """Perform a step when systemd answers. Try again while it cannot be reached, and after a late answer.

        So a step may be performed again that systemd has carried out, in part or whole: see `order`.
        BusUnavailableError if it could not be reached for so many seconds.
        """
        deadline: float | None = None
        while True:
            await self.quiet()
            deadline = deadline or self._loop.time() + seconds
            try:
                return step()
            except BusBusyError:
                deadline = None  # it can be reached
            except BusUnavailableError as error:
                if self._loop.time() >= deadline:
                    raise
                log.debug("trying again: %s", error)
                await asyncio.sleep(_PAUSE)

    def close(self) -> None:
        """Drop the connection for good."""
        if self._reconnecting is not None:
            self._reconnecting.cancel()
        self._drop()

    async def daemon_reload(self) -> None:
        """Have systemd load the units on disk. A child process does it, for the call would block this one."""
        self._gate.own_begins()
        try:
            ended = await child.run("systemctl", "daemon-reload")
        except OSError as error:
            raise BusUnavailableError(f"systemctl daemon-reload: {oserrors.worded(error)}") from error
        finally:
            self._gate.own_ended()
        if ended.code != 0:
            raise BusUnavailableError(f"systemctl daemon-reload: {ended.errors.strip() or f'exit code {ended.code}'}")
        await self.quiet()

    def _use(self, connection: Any, route: Route) -> None:
        """Follow a new connection. BusUnavailableError if it has been lost already."""
        self._connection, self._is_private = connection, route is Route.PRIVATE
        try:
            self._follow_units(connection)
        except dbusexc.DBusBaseError as error:
            self._drop()
            raise BusUnavailableError(worded(error)) from error
        # A duplicate: on an error the library closes its own descriptor, and the number may soon be another file's.
        self._descriptor = os.dup(connection.get_fd())
        self._loop.add_reader(self._descriptor, self._drain)
        self._schedule_drain()

    def _follow_units(self, connection: Any) -> None:
        def callback(message: Any, error: object = None, userdata: object = None) -> None:  # noqa: ARG001
            try:
                unit = unit_of_bus_path(decoded(message.get_path()))
                self._on_change(unit)
                if self._is_followed(unit):
                    message.process_reply(False)  # reads its arguments
                    if (seen := run_signal(message.body)) is not None:
                        self._on_run(unit, seen)
            except Exception:  # noqa: BLE001
                events.FAULT(trace=True, why="while following systemd's signals")

        def reloading(message: Any, error: object = None, userdata: object = None) -> None:  # noqa: ARG001
            try:
                message.process_reply(False)  # reads its arguments
                if self._late is not None:
                    self._late.is_explained = True
                if message.body:
                    self._gate.somebody_begins()
                else:
                    self._gate.somebody_ended()
            except Exception:  # noqa: BLE001
                events.FAULT(trace=True, why="while following systemd's signals")

        self._callbacks += [callback, reloading]  # pystemd takes no reference
        connection.match_signal(SYSTEMD, None, _PROPERTIES, b"PropertiesChanged", callback)
        connection.match_signal(SYSTEMD, MANAGER_PATH, MANAGER, b"Reloading", reloading)

    def _has_opened(self) -> None:
        self._on_reload()
        self._after_reload()

    def _drop(self) -> None:
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        if self._late is not None:
            late, self._late = self._late, None
            late.fail(BusUnavailableError("the connection to systemd was lost"))
        self._callbacks.clear()
        self._gate.connection_lost()

    def _schedule_drain(self) -> None:
        if not self._drain_scheduled:
            self._drain_scheduled = True
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        self._drain_scheduled = False
        if self._take_signals():
            self._schedule_drain()

    def _take_signals(self) -> bool:
        """Take a batch of the signals that have come; whether there may be more."""
        try:
            for _ in range(_BATCH):
                if self._connection is None:  # what has come last was a reason to connect anew
                    return False
                message = self._connection.process()
                if self._late is not None and _is_answer(message):
                    self._late_answer_comes(self._late, message)
                    continue
                if message.is_empty():
                    return False
                if message.is_signal(b"org.freedesktop.DBus.Local", b"Disconnected"):
                    self._lost("disconnected")
                    return False
        except (dbusexc.DBusBaseError, SystemError) as error:
            self._lost(worded(error) if isinstance(error, dbusexc.DBusBaseError) else str(error))
            return False
        return True

    def _lost(self, why: str) -> None:
        now = self._loop.time()
        if now - self._told_lost < _PATIENCE:
            log.debug("connection to systemd lost again: %s", why)
        else:
            events.SYSTEMD_LOST(why=why)
        self._told_lost = now
        self._drop()
        self._reconnecting = self._loop.create_task(self.connect())

    def _call_with(self, method: bytes, arguments: list[tuple[int, Any]]) -> Any:
        return self._asked(
            (method, arguments),
            lambda: self._connection.call_method(SYSTEMD, MANAGER_PATH, MANAGER, method, arguments).body,
        )

    def _get(self, unit: str, interface: bytes, name: bytes, kind: bytes) -> Any:
        path = MANAGER_PATH + b"/unit/" + bus_label(unit)
        return self._asked((path, name), lambda: self._connection.get_property(SYSTEMD, path, interface, name, kind))

    def _asked(self, what: object, question: Callable[[], Any]) -> Any:
        """The answer to a question. Signals are taken first: systemd may have said that it reloads."""
        while self._take_signals():
            pass
        if not self._gate.is_open:
            reloading = self._gate.is_reloading
            raise BusBusyError("systemd is reloading its units" if reloading else "systemd does not answer at present")
        if self._connection is None:
            raise BusUnavailableError("no connection to systemd at present")
        try:
            answer = question()
        except dbusexc.DBusBaseError as error:
            if not is_unanswered(error):
                raise (BusUnavailableError if is_lost(error) else BusRefusedError)(worded(error)) from error
            self._late = LateAnswer(what, self._loop, _LONGEST_SILENCE, self._no_answer_comes)
            self._gate.answer_is_late()
            raise BusUnansweredError("systemd has not answered in time", self._late.outcome) from error
        finally:
            self._schedule_drain()
        if self._slow == what:
            self._slow = None
        return answer

    def _late_answer_comes(self, late: LateAnswer, message: Any) -> None:
        self._late = None
        if message.get_type() == _METHOD_RETURN:
            late.succeed()
        elif not self._is_private and message.get_sender() == _DBUS:  # systemd has left the bus meanwhile
            late.fail(BusUnavailableError(str(decoded(message.body or b""))))
        else:
            late.fail(BusRefusedError(str(decoded(message.body or b""))))
        again, self._slow = self._slow == late.question, None if late.is_explained else late.question
        if again and not late.is_explained and self._answer_time < _LONGEST_ANSWER_TIME:
            # Else it would be asked for ever.
            self._answer_time = min(2 * self._answer_time, _LONGEST_ANSWER_TIME)
            self._lost(f"it is given {self._answer_time:g} s for an answer from now on")
        else:
            self._gate.answer_has_come()

    def _no_answer_comes(self) -> bool:
        """Nothing has come for long; whether it is to be waited for on."""
        if not self._gate.is_reloading:
            self._lost(f"no answer for {_LONGEST_SILENCE:g} s")
        return self._gate.is_reloading


def _is_answer(message: Any) -> bool:
    """Whether a message is there at all, and is the answer to a call."""
    try:
        message.process_reply(False)  # reads its arguments; fails if there is no message
    except dbusexc.DBusBaseError:
        return False
    return message.get_type() in {_METHOD_RETURN, _METHOD_ERROR}
