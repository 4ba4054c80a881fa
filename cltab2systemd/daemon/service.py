"""What the daemon offers on its socket: the methods of `org.clinit.Manager`, in any framing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from cltab2systemd import __version__, events, oserrors, varlink
from cltab2systemd.core.entryrequest import Action
from cltab2systemd.core.group import now_in_microseconds
from cltab2systemd.core.request import NoSuchGroupError, SupersededError, SwitchRefusedError, code_of, tell_rejected
from cltab2systemd.core.tablesource import TableRefusedError
from cltab2systemd.core.watch import PAUSE, any_of
from cltab2systemd.daemon import peers, updating
from cltab2systemd.daemon.describer import describe
from cltab2systemd.groups.advice import Empty
from cltab2systemd.groups.refusals import Refusal
from cltab2systemd.reports.overview import status_object
from cltab2systemd.reports.progress import halt_object, progress_object
from cltab2systemd.systemd.buserrors import BusError
from cltab2systemd.systemd.kernel import clock_offset
from cltab2systemd.table.diagnostics import Diagnostic, render
from cltab2systemd.text import decoded, encoded
from cltab2systemd.units.names import HALT_LEVEL, LONGEST_UNIT_NAME

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from cltab2systemd.core.controller import Controller
    from cltab2systemd.core.request import Request
    from cltab2systemd.daemon.halt import Halting
    from cltab2systemd.daemon.peers import Peer
    from cltab2systemd.groups.progress import Progress
    from cltab2systemd.groups.state import GroupStatus
    from cltab2systemd.reports.overview import Object

# Seconds between two descriptions for the same client that follows, and for the same user, unless that is root: each
# asks systemd about every entry that has changed.
_BETWEEN_DESCRIPTIONS = 0.2
# µs: some thirty years.
_LONGEST_TIME = 10**15
_TRY = f"{varlink.INTERFACE}.Try"
# The methods that change something. Not everybody who can connect may call them.
_RESTRICTED = frozenset(
    f"{varlink.INTERFACE}.{method}" for method in ("Switch", "Try", "Keep", "Entries", "Reread", "Apply", "Halt")
)
_NOT_PERMITTED = (
    f"not permitted: only root and members of group {peers.GROUP} may switch groups; 'clinit -v' shows how they are"
)


class CallError(Exception):
    """An error reply of varlink: the error's full name and its parameters."""

    def __init__(self, name: str, **parameters: object) -> None:
        super().__init__(name)
        self.name = name
        self.parameters = parameters

    @property
    def reply(self) -> dict[str, object]:
        """The reply as a message."""
        return {"error": self.name, "parameters": self.parameters}


def too_many_connections() -> CallError:
    """The answer to a client that is one too many, whatever it asks."""
    message = "too many connections; close some, and try again"
    return CallError(f"{varlink.INTERFACE}.TooManyConnections", message=message)


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the method's full name, its parameters, whether it takes several replies (`more`), and who calls."""

    method: str
    parameters: dict[str, object]
    more: bool
    peer: Peer

    def string(self, name: str) -> str:
        """A parameter that is required. CallError if it is not a string, or is empty."""
        value = self.parameters.get(name)
        if not isinstance(value, str) or not value or _has_lone_surrogate(value):
            raise CallError(f"{varlink.SERVICE}.InvalidParameter", parameter=name)
        return value

    def flag(self, name: str) -> bool:
        """A parameter that is true or false; False if it is left out. CallError if it is anything else."""
        value = self.parameters.get(name)
        if value is not None and not isinstance(value, bool):
            raise CallError(f"{varlink.SERVICE}.InvalidParameter", parameter=name)
        return value is True

    def strings(self, name: str) -> list[str]:
        """Strings; none if they are left out. CallError if they are anything else, or one is empty."""
        values = self.parameters.get(name)
        if values is None:
            return []
        if not isinstance(values, list) or not all(
            isinstance(value, str) and value and not _has_lone_surrogate(value) for value in values
        ):
            raise CallError(f"{varlink.SERVICE}.InvalidParameter", parameter=name)
        return values

    def seconds(self, name: str) -> float:
        """A time of more than 0 µs as seconds. CallError if it is anything else."""
        value = self.parameters.get(name)
        if type(value) is not int or not 0 < value <= _LONGEST_TIME:
            raise CallError(f"{varlink.SERVICE}.InvalidParameter", parameter=name)
        return value / 1_000_000

    def optional_string(self, name: str) -> str | None:
        """A string that may be left out; None if it is. CallError as for `string`."""
        return None if self.parameters.get(name) is None else self.string(name)


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, and whether another follows."""

    parameters: dict[str, object]
    continues: bool = False


class Watchers:
    """Wakes everybody who follows the status."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def notify(self) -> None:
        """Wake all of them."""
        self._changed.set()
        self._changed = asyncio.Event()

    def next_change(self) -> asyncio.Event:
        """An event that the next change sets. Take it before you look at the status, so that you miss no change."""
        return self._changed


class Service:
    """The methods.

    Args:
        controller: does what is asked.
        watchers: notified at every change of status.
        halt: begins to stop all groups, and then the daemon, for whoever asks.
        group_id: the number of the group whose members may do what root may, if there is one.
    """

    def __init__(
        self,
        controller: Controller,
        watchers: Watchers,
        halt: Callable[[events.Asker], Awaitable[Halting]],
        group_id: int | None,
    ) -> None:
        self._controller = controller
        self._watchers = watchers
        self._begin_halt = halt
        self._group_id = group_id
        self._describing = asyncio.Lock()
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()  # by uid; kept by those who wait
        self._methods = {
            f"{varlink.INTERFACE}.Switch": self._switch,
            _TRY: self._switch,
            f"{varlink.INTERFACE}.Keep": self._keep,
            f"{varlink.INTERFACE}.Entries": self._entries,
            f"{varlink.INTERFACE}.Reread": self._reread,
            f"{varlink.INTERFACE}.Apply": self._apply,
            f"{varlink.INTERFACE}.Halt": self._halt,
            f"{varlink.INTERFACE}.Status": self._status,
            f"{varlink.INTERFACE}.Describe": self._describe,
            f"{varlink.SERVICE}.GetInfo": self._get_info,
            f"{varlink.SERVICE}.GetInterfaceDescription": self._get_interface_description,
        }

    async def answer(self, call: Call) -> AsyncIterator[Reply]:
        """The replies to a call; every refusal is a CallError."""
        if call.method not in self._methods:
            raise CallError(f"{varlink.SERVICE}.MethodNotFound", method=call.method)
        if call.method in _RESTRICTED and not call.peer.may_switch(self._group_id):
            asker = events.Asker(uid=call.peer.uid, pid=call.peer.pid)
            why = f"{call.method} to uid {asker.uid}, pid {asker.pid}"
            events.DENIED(asker=asker, reason=events.NOT_PERMITTED, why=why)
            raise CallError(f"{varlink.INTERFACE}.NotPermitted", message=_NOT_PERMITTED)
        try:
            async for reply in self._methods[call.method](call):
                yield reply
        except NoSuchGroupError as error:
            raise CallError(
                f"{varlink.INTERFACE}.NoSuchGroup", message=str(error), group=error.group, hint=error.hint or None
            ) from error
        except TableRefusedError as error:
            findings = [_finding_object(finding) for finding in error.findings]
            raise CallError(f"{varlink.INTERFACE}.TableRefused", message=str(error), findings=findings) from error
        except SupersededError as error:
            raise CallError(f"{varlink.INTERFACE}.Superseded", message=str(error), code=str(error.code)) from error
        except SwitchRefusedError as error:
            raise _refused(error.code, str(error), error.output) from error
        except BusError as error:
            raise _refused(code_of(error), str(error)) from error
        except OSError as error:
            message = f"cannot write {oserrors.worded(error)}; then ask again"
            raise _refused(Refusal.UNWRITABLE, message) from error

    async def _switch(self, call: Call) -> AsyncIterator[Reply]:
        group, level = call.string("group"), call.string("level")
        if level == HALT_LEVEL and call.method != _TRY:
            async for reply in self._halt(call):
                yield reply
            return
        if call.more and len(group) <= LONGEST_UNIT_NAME and self._waits_for_itself(group, call.peer.pid):
            refused = SwitchRefusedError(
                Refusal.WAITS_FOR_ITSELF, f"an entry of {group} cannot wait for {group}: it would wait for itself"
            )
            tell_rejected(group, level, call.peer.asker(), refused)
            raise refused
        is_watched = call.flag("progress") and call.more
        request = await self._asked(call, group, level)
        watch = self._controller.watch()
        if is_watched:
            async for seen in watch.follow(group, request.started):
                yield Reply({"message": varlink.PREPARING, **_progress(seen)}, continues=True)
        await asyncio.shield(request.started)
        yield Reply({"message": varlink.STARTED, **_noted(request.notes)}, call.more)
        if is_watched:
            async for seen in watch.follow(group, request.outcome):
                yield Reply({"message": varlink.STARTED, **_progress(seen)}, continues=True)
        if call.more:
            status = await asyncio.shield(request.outcome)
            yield Reply({"message": varlink.STARTED, "status": status_object(status, clock_offset())})

    async def _asked(self, call: Call, group: str, level: str) -> Request:
        """The request that a call is for. CallError if it is to be tried and cannot be; else as `Controller.ask`."""
        empty = Empty.NONE if call.flag("strict") else Empty.DECLARED if call.flag("known") else Empty.ANY
        asker = call.peer.asker()
        if call.method != _TRY:
            return await self._controller.ask(group, level, empty=empty, asker=asker)
        seconds = call.seconds("usec")
        if level == HALT_LEVEL:
            raise CallError(f"{varlink.SERVICE}.InvalidParameter", parameter="level")
        request = await self._controller.ask(group, level, empty=empty, trial=seconds, asker=asker)
        request.notes += self._controller.notes_on_trial(group)
        return request

    def _waits_for_itself(self, group: str, pid: int) -> bool:
        try:
            membership = decoded(Path(f"/proc/{pid}/cgroup").read_bytes())
        except OSError:
            return False
        return f"/{self._controller.names.slice(group)}/" in membership

    async def _keep(self, call: Call) -> AsyncIterator[Reply]:
        yield Reply({"message": self._controller.keep(call.string("group"), call.peer.asker())})

    async def _entries(self, call: Call) -> AsyncIterator[Reply]:
        group, name, tags = call.string("group"), call.string("action"), call.strings("tags")
        if name not in {*Action}:
            raise CallError(f"{varlink.SERVICE}.InvalidParameter", parameter="action")
        if not tags:
            raise CallError(f"{varlink.SERVICE}.InvalidParameter", parameter="tags")
        is_watched = call.flag("progress") and call.more
        asker = await call.peer.named_asker() if name == Action.STOP else call.peer.asker()
        done = await self._controller.act(group, Action(name), tags, asker)
        yield Reply({"message": f"{name} begun"}, call.more)
        if is_watched:
            async for seen in self._controller.watch().follow(group, done):
                yield Reply({"message": f"{name} begun", **_progress(seen)}, continues=True)
        if call.more:
            status = status_object(await asyncio.shield(done), clock_offset())
            notes = self._controller.updates.notes_on_restart(group, tags) if name == Action.RESTART else []
            yield Reply({"message": f"{name} done", "status": status, **_noted(notes)})

    async def _reread(self, call: Call) -> AsyncIterator[Reply]:
        notes = await self._controller.reread(always=True, retire=True, asker=call.peer.asker())
        yield Reply(_noted([*notes, *self._controller.updates.notes_on_waiting()]))

    async def _apply(self, call: Call) -> AsyncIterator[Reply]:
        watch = self._controller.watch() if call.flag("progress") else None
        updates, notes = await self._controller.update(call.peer.asker())
        yield Reply({**updating.begun(self._controller, updates), **_noted(notes)}, call.more)
        if call.more:
            async for told in updating.followed(self._controller, updates, watch, self._watchers.next_change):
                yield Reply(told, continues="progress" in told)

    async def _halt(self, call: Call) -> AsyncIterator[Reply]:
        is_watched = call.flag("progress") and call.more
        halt = await self._begin_halt(call.peer.asker())
        message = "all groups halting"
        yield Reply({"message": message}, call.more)
        if is_watched:
            watch = self._controller.watch()
            async for seen in watch.follow_all(halt.requests, halt.ended, self._watchers.next_change):
                yield Reply({"message": message, "halt": halt_object(seen, now_in_microseconds())}, continues=True)
        if call.more:
            await asyncio.shield(halt.ended)
            yield Reply({"message": "all groups halted"})

    async def _status(self, call: Call) -> AsyncIterator[Reply]:
        group, level = call.optional_string("group"), call.optional_string("level")
        watch = self._controller.watch() if call.flag("progress") else None
        shown: list[tuple[GroupStatus, object, Progress | None]] | None = None
        while True:
            changed = [self._watchers.next_change()]
            seen: list[tuple[GroupStatus, object, Progress | None]] = []
            for status in self._controller.statuses:
                if group in {None, status.group} and level in {None, status.level}:
                    news = watch.next_news([status.group]) if watch else []
                    on = watch.progress(status.group) if watch else None
                    changed += news
                    seen.append((status, status.momentary, on))
            if seen != shown:
                shown = seen
                yield Reply(
                    {"groups": [status_object(status, clock_offset()) | _progress(on) for status, _, on in seen]},
                    call.more,
                )
            if not call.more:
                return
            await any_of(changed)
            if watch:
                await asyncio.sleep(PAUSE)

    async def _describe(self, call: Call) -> AsyncIterator[Reply]:
        groups = call.strings("groups")
        while True:
            changed = self._watchers.next_change()
            yield Reply(await self._described(groups, call.peer), call.more)
            if not call.more:
                return
            await changed.wait()
            await asyncio.sleep(_BETWEEN_DESCRIPTIONS)

    async def _described(self, groups: Sequence[str], peer: Peer) -> Object:
        """A description. Each user but root has one at a time, and peace behind it; there is one at work at a time."""
        if peer.uid == 0:
            async with self._describing:
                return await describe(self._controller, groups)
        turn = self._turns.setdefault(peer.uid, asyncio.Lock())
        await turn.acquire()
        try:
            async with self._describing:
                return await describe(self._controller, groups)
        finally:
            asyncio.get_running_loop().call_later(_BETWEEN_DESCRIPTIONS, turn.release)

    async def _get_info(self, _call: Call) -> AsyncIterator[Reply]:
        yield Reply({
            "vendor": "cltab2systemd",
            "product": "clinit",
            "version": __version__,
            "url": "",
            "interfaces": [varlink.SERVICE, varlink.INTERFACE],
        })  # fmt: skip

    async def _get_interface_description(self, call: Call) -> AsyncIterator[Reply]:
        name = call.string("interface")
        descriptions = {varlink.INTERFACE: varlink.DESCRIPTION, varlink.SERVICE: varlink.SERVICE_DESCRIPTION}
        if name not in descriptions:
            raise CallError(f"{varlink.SERVICE}.InterfaceNotFound", interface=name)
        yield Reply({"description": descriptions[name]})


def _refused(code: Refusal, message: str, output: Sequence[str] = ()) -> CallError:
    told = [*output] or None
    return CallError(f"{varlink.INTERFACE}.SwitchRefused", message=message, code=str(code), output=told)


def _has_lone_surrogate(value: str) -> bool:
    """Whether a string from JSON has a surrogate that does not stand for an odd byte (surrogateescape)."""
    try:
        encoded(value)
    except UnicodeEncodeError:
        return True
    return False


def _noted(notes: Sequence[str]) -> dict[str, object]:
    return {"notes": [*notes]} if notes else {}


def _progress(seen: Progress | None) -> dict[str, object]:
    return {} if seen is None else {"progress": progress_object(seen, now_in_microseconds())}


def _finding_object(finding: Diagnostic) -> dict[str, object]:
    return {
        "code": finding.code,
        "severity": str(finding.severity),
        "path": finding.place.path,
        "line": finding.place.line,
        "column": finding.place.column,
        "message": finding.message,
        "text": render(finding),
    }
