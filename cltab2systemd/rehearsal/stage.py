"""The process in the node: puts tables there, asks the daemon for moves, and tells what is seen.

It is told and tells in lines of JSON, on its standard streams. First comes what `Stage` is made of. Then each round has
a line `{"side", "moves": [[group, level or null], …], "seconds", "linger"}`, and an answer: a `seen.Scene`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cltab2systemd import clstat
from cltab2systemd.check import loading
from cltab2systemd.client.calls import ClientError, RefusedError, TimedOutError
from cltab2systemd.client.evidence import Evidence
from cltab2systemd.client.requests import Client
from cltab2systemd.core.seen import all_seen
from cltab2systemd.disk.files import write_whole
from cltab2systemd.groups.changes import Seen
from cltab2systemd.groups.cures import in_table
from cltab2systemd.groups.reasons import Cause
from cltab2systemd.groups.units import UnitStatus, patterns_of
from cltab2systemd.locations import TABLE
from cltab2systemd.rehearsal.seen import LOST, REFUSED, STOPPED, TIMED_OUT, Fault, Glimpse, Outcome, Scene, as_message
from cltab2systemd.rehearsal.standin import DROP_IN
from cltab2systemd.systemd.bus import Bus
from cltab2systemd.systemd.buserrors import BusError, BusRefusedError
from cltab2systemd.systemd.opening import Route
from cltab2systemd.terminal import shortened
from cltab2systemd.text import encoded
from cltab2systemd.units.names import Names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from cltab2systemd.systemd.unitproperties import UnitProperties
    from cltab2systemd.table.model import ResourceGroup

UNITS = Path("/run/systemd/system")
# Seconds between two looks at clstat, for a group that is to be at no level.
_PAUSE = 0.01
_ANSWER_TIME = 25.0
# Seconds for a script to find out that its program is there; and for the daemon to hear of its end.
_LONGEST_START = 10.0
_MOMENT = 0.03
# As waitid(2) has it for a process that a signal has ended.
_KILLED = 2


class Stage:
    """Performs rounds.

    Args:
        tables: the text of the table of each side.
        drop_ins: those of stand-ins, by side, group and unit.
    """

    def __init__(self, tables: Mapping[str, str], drop_ins: Mapping[str, Mapping[str, Mapping[str, str]]]) -> None:
        self._content = {side: encoded(text) for side, text in tables.items()}
        self._lines = {side: loading.load(data, TABLE)[0].groups for side, data in self._content.items()}
        self._drop_ins = drop_ins
        self._installed: dict[str, str] = {}  # drop-ins by unit
        self._applied: dict[str, ResourceGroup] = {}  # the lines of groups that are at a level
        self._faulty: set[str] = set()  # groups of which something was wrong after their last move
        self._last_words: dict[tuple[str, str], tuple[str, ...]] = {}  # by units and what was wrong with them
        self._invocations: dict[tuple[str, str], str] = {}  # by group and tag, after the last round
        self._names = Names()
        self._client = Client()
        self._bus = Bus(Route.PRIVATE, _ANSWER_TIME)
        self._threads = ThreadPoolExecutor(max_workers=64)

    async def begin(self) -> None:
        """Connect to systemd."""
        await self._bus.connect()

    async def perform(self, side: str, moves: list[tuple[str, str | None]], seconds: float, linger: float) -> Scene:
        """Make moves under a table, all at the same time, and look at all entries then.

        Args:
            side: whose table.
            moves: groups, each with a level; None if it is to be at none.
            seconds: for each of them.
            linger: seconds for which programs are watched that were started and not waited for.
        """
        asked = time.time()
        seen = {group: await self._seen(group, level) for group, level in moves}
        for group, _ in moves:
            self._install(self._drop_ins.get(side, {}).get(group, {}))
        write_whole(Path(TABLE), self._content[side])
        leaving = [group for group, level in moves if level is None]
        reread = asyncio.ensure_future(self._in_thread(self._reread)) if leaving else None
        deadline = time.monotonic() + seconds
        outcomes = await asyncio.gather(
            *(
                self._left(group, reread, deadline) if level is None
                else self._in_thread(self._switched, group, level, seconds)
                for group, level in moves
            )
        )  # fmt: skip
        await self._settle([group for group, level in moves if level is not None], dict(moves), side, linger)
        entries = await self._bus.persist(lambda: self._glimpses(dict(moves)))
        latest = self._reasons([group for group, level in moves if level is not None])
        for group, told in latest.items():
            told.extend([*self._endings(group, entries.get(group, {}), {str(reason.get("tag")) for reason in told})])
        self._invocations = {(group, tag): seen.invocation for group in entries for tag, seen in entries[group].items()}
        found = []
        for (group, level), outcome, reasons in zip(
            moves, (o for o, _ in outcomes), (r for _, r in outcomes), strict=True
        ):
            faults = await self._in_thread(self._faults, latest.get(group, reasons), asked)
            self._note(group, side, level, outcome, has_faults=bool(faults))
            found.append(Outcome(
                group, outcome.state, outcome.usec, outcome.message, outcome.lines, faults, seen[group]
            ))  # fmt: skip
        return Scene(tuple(found), entries)

    def _note(self, group: str, side: str, level: str | None, outcome: Outcome, *, has_faults: bool) -> None:
        """Remember how a group stands now."""
        self._faulty.discard(group)
        if has_faults or outcome.state not in {"DONE", "PASSED", STOPPED}:
            self._faulty.add(group)
        if level is None and outcome.state == STOPPED:
            self._applied.pop(group, None)
        elif group in self._lines[side]:
            self._applied[group] = self._lines[side][group]

    async def _in_thread(self, work: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    # Asking the daemon

    def _switched(self, group: str, level: str, seconds: float) -> tuple[Outcome, list[dict[str, Any]]]:
        began = time.monotonic()
        waits: list[str] = []

        def note(progress: dict[str, Any]) -> None:
            waits[:] = [f"{each.get('tag')} {each.get('doing')}" for each in progress.get("awaited", [])]

        def outcome(state: str, message: str = "", lines: Iterable[str] = ()) -> Outcome:
            return Outcome(group, state, round((time.monotonic() - began) * 1e6), message, tuple(lines))

        try:
            answer = self._client.wait(group, level, seconds, on_progress=note)
        except RefusedError as error:
            return outcome(REFUSED, str(error), (*error.findings, *error.output)), []
        except TimedOutError:
            awaited = f"; waits for {', '.join(waits)}" if waits else ""
            return outcome(TIMED_OUT, f"was not over after {seconds:g} s{awaited}"), []
        except ClientError as error:
            return outcome(LOST, str(error)), []
        return outcome(str(answer)), [*answer.details]

    def _reread(self) -> str:
        """Have the daemon read its table. What it says if it does not; empty if it has."""
        try:
            self._client.reread()
        except ClientError as error:
            return str(error)
        return ""

    async def _left(
        self, group: str, reread: asyncio.Future[str] | None, deadline: float
    ) -> tuple[Outcome, list[dict[str, Any]]]:
        """Wait until a group is at no level, which the table does not have any more."""
        began = time.monotonic()
        refusal = await reread if reread is not None else ""
        state, message = (REFUSED, refusal) if refusal else (STOPPED, "")
        while not refusal and not self._is_at_rest(group):
            if time.monotonic() > deadline:
                state, message = TIMED_OUT, "left the table, and is not stopped"
                break
            await asyncio.sleep(_PAUSE)
        return Outcome(group, state, round((time.monotonic() - began) * 1e6), message), []

    def _is_at_rest(self, group: str) -> bool:
        status = self._client.status(group)
        return not status or status.split()[-1] == clstat.STOPPED

    def _reasons(self, groups: list[str]) -> dict[str, list[dict[str, Any]]]:
        """What is wrong with groups by now."""
        if groups:
            with suppress(ClientError):
                return {each["group"]: [*each["reasons"]] for each in self._client.describe(groups)["groups"]}
        return {}

    def _endings(self, group: str, entries: Mapping[str, Glimpse], told: Collection[str]) -> Iterator[dict[str, Any]]:
        """What is wrong with entries that have ended by themselves, and run again: for the daemon that is nothing yet.

        Args:
            group: their group, which has moved.
            entries: how they are, by tag.
            told: those with which something else is wrong.
        """
        for tag, seen in entries.items():
            if seen.restarts and tag not in told and seen.invocation != self._invocations.get((group, tag)):
                yield {
                    "code": str(Cause.KEEPS_ENDING), "tag": tag, "unit": self._names.entry(group, tag),
                    "invocation": seen.invocation, "words": seen.invocation, "failure": False,
                    "text": f"{shortened(tag)} has ended by itself since it was started, and was started again",
                }  # fmt: skip

    def _faults(self, reasons: list[dict[str, Any]], asked: float) -> tuple[Fault, ...]:
        found = []
        for reason in reasons:
            known = str(reason.get("unit")), str(reason.get("words"))
            if not self._last_words.get(known):
                told = {**reason, "cure": in_table(str(reason.get("code")), str(reason.get("words")))}
                self._last_words[known] = tuple(Evidence([told], asked).of(told))
            lines = self._last_words[known]
            ending = reason.get("ending") or {}
            status = ending.get("status") if ending.get("kind") == "exited" else None
            found.append(Fault(
                str(reason.get("code")), str(reason.get("tag") or ""), str(reason.get("text")), lines,
                reason.get("failure") is not False, status,
            ))  # fmt: skip
        return tuple(found)

    # Asking systemd

    async def _settle(self, groups: list[str], levels: Mapping[str, str | None], side: str, linger: float) -> None:
        """Wait until what was started and is not waited for has ended, or has come to where it stays.

        A stand-in stays where it becomes `sleep`. How a command for real goes on, nobody knows: it is given some time.
        """
        started = {
            self._names.entry(group, entry.tag)
            for group in groups
            for entry in self._lines[side][group].entries
            if levels[group] in entry.levels and entry.mode.may_run_on
        }
        if not started:
            return
        stand_ins = {unit for unit in started if unit in self._installed}
        end = time.monotonic() + _LONGEST_START
        while stand_ins and time.monotonic() < end:
            listed = await self._bus.persist(partial(self._bus.list_units, sorted(stand_ins)))
            stand_ins = {unit.name for unit in listed if unit.sub == "running" and not self._sleeps(unit.name)}
            await asyncio.sleep(_PAUSE)
        await asyncio.sleep(max(linger, _MOMENT))

    def _sleeps(self, unit: str) -> bool:
        """Whether a stand-in has become the program that runs on, or pauses."""
        with suppress(OSError, BusError):
            words = Path(f"/proc/{self._bus.main_pid(unit)}/cmdline").read_bytes().split(b"\0")
            return words[0].endswith(b"sleep")
        return False

    async def _seen(self, group: str, level: str | None) -> Seen | None:
        """What the units of a group say before it moves; None if nothing of it runs."""
        lines = self._applied.get(group)
        if lines is None:
            return None
        if group in self._faulty:
            with suppress(BusError, TimeoutError):
                return (await all_seen(self._names, {group: lines}, level)).get(group)
        up = await self._bus.persist(lambda: self._up(lines))
        return Seen(frozenset(entry.tag for entry in lines.entries if self._names.entry(group, entry.tag) in up), {})

    def _up(self, lines: ResourceGroup) -> set[str]:
        listed = self._bus.list_units(self._names.patterns(lines.name))
        return {unit.name for unit in listed if not unit.at_rest}

    def _glimpses(self, moved: Collection[str]) -> dict[str, dict[str, Glimpse]]:
        """How all entries are, of either table."""
        groups: dict[str, dict[str, str]] = {}  # the tags of units, by group
        patterns: list[str] = []
        for lines in self._lines.values():
            for name, group in lines.items():
                patterns += patterns_of(self._names, group)
                for entry in group.entries:
                    groups.setdefault(name, {})[self._names.entry(name, entry.tag)] = entry.tag
        listed = {unit.name: unit for unit in self._bus.list_units(dict.fromkeys(patterns))} if patterns else {}
        return {
            name: {
                tag: _glimpse(self._bus, listed[unit], is_near=name in moved)
                for unit, tag in units.items()
                if unit in listed
            }
            for name, units in groups.items()
        }

    # Files

    def _install(self, drop_ins: Mapping[str, str]) -> None:
        """Write the drop-ins of a group's stand-ins that are not there yet."""
        for unit, text in drop_ins.items():
            if self._installed.get(unit) != text:
                directory = UNITS / f"{unit}.d"
                directory.mkdir(exist_ok=True)
                (directory / DROP_IN).write_text(text)
                self._installed[unit] = text


def _glimpse(bus: UnitProperties, unit: UnitStatus, *, is_near: bool) -> Glimpse:
    """How a unit is; all of it if its group has moved."""
    try:
        invocation, restarts = bus.invocation(unit.name), bus.restarts(unit.name)
        if not is_near:
            return Glimpse(not unit.at_rest, invocation, restarts)
        started, ended = bus.started_time(unit.name), bus.inactive_time(unit.name)
        process = bus.process(unit.name) if unit.at_rest else None
        was_killed = process is not None and process.code == _KILLED and process.status == signal.SIGKILL
    except BusRefusedError:  # not loaded any more
        return Glimpse(is_up=False, invocation="")
    return Glimpse(not unit.at_rest, invocation, restarts, started, ended, was_killed)


async def _perform(first: dict[str, Any]) -> None:
    stage = Stage(first["tables"], first["drop_ins"])
    await stage.begin()
    _tell({"ready": True})
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        wanted = json.loads(line)
        moves = [(group, level) for group, level in wanted["moves"]]
        scene = await stage.perform(wanted["side"], moves, wanted["seconds"], wanted["linger"])
        _tell(as_message(scene))


def _tell(message: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    """Perform what the standard input says, to its end."""
    os.umask(0o022)
    asyncio.run(_perform(json.loads(sys.stdin.buffer.readline())))


if __name__ == "__main__":
    main()
