"""A machine without a machine: the disk, systemd, a daemon that is started again when it ends, and who watches them."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

from cltab2systemd.text import escape
from simulation import caches, promises, tables
from simulation.clock import SECOND, Clock, Killed
from simulation.daemon import Client, Daemon
from simulation.disk import STATE, Files
from simulation.judge import Judge
from simulation.systemd import UNITS, Systemd
from simulation.truth import entries, members, targets
from simulation.units import family_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulation.units import Unit

# How soon systemd starts a daemon again that ended, or could not start.
_AGAIN, _LATER = SECOND, 5 * SECOND
# How long things go on without anything new, and how often that is looked at, at most: what ends again and again, and
# at times takes long to be executed, seldom leaves two looks in a row without.
_CALM = 2 * SECOND
_LOOKS = 120
# For how long clstat tells of what was in vain, at most, µs.
_HELD = 8 * SECOND


class World:
    """One machine.

    Args:
        seed: of all that is left to chance.
        trace: called with each line of the trace; None if nobody wants it.
    """

    def __init__(self, seed: int, trace: Callable[[str], None] | None = None) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - nothing secret
        self.favourite = self.chance.choice(tables.GROUPS)  # what most of the history is about
        self._trace = trace
        caches.begin()
        self.clock = Clock()
        self.files = Files()
        self.files.directories[UNITS] = {}
        self.files.directories[tables.FILES] = {}
        self.systemd = Systemd(self.clock, self.files, self.chance)
        self.judge = Judge(self)
        self.systemd.on_start = self._entry_started
        self.table = 0
        self.read: set[int] = set()  # all tables that a daemon has read
        self.accepted: int | None = None
        self.daemon: Daemon | None = None
        self.clients: list[Client] = []
        self.acts = 0
        self.is_wanted = True  # the daemon
        self._cluster: set[str] = set()  # groups that were a cluster's since the table was accepted
        self._start_daemon()

    def trace(self, text: str) -> None:
        """Note a line, with the time."""
        if self._trace is not None:
            self._trace(f"{self.clock.now / SECOND:11.6f} {text}")

    # What is there.

    def has_group(self, group: str) -> bool:
        """Whether the table on disk, or that which was accepted, has a group."""
        numbers = {self.table, self.accepted if self.accepted is not None else self.table}
        return all(any(line.group == group for line in tables.table(number)) for number in numbers if number >= 0)

    def has_units(self, group: str) -> bool:
        """Whether there is a unit file of a group."""
        return any(family_of(name) == group for name in self.files.directories[UNITS])

    def is_of_cluster(self, group: str) -> bool:
        """Whether the resource agent has marked a group."""
        return self.files.content(f"{STATE}/of-cluster/{escape(group)}") is not None

    def was_of_cluster(self, group: str) -> bool:
        """Whether it had when its units were last dealt with."""
        return group in self._cluster or self.is_of_cluster(group)

    def is_left_to_cluster(self, group: str) -> bool:
        """Whether a group has left the table, and was the cluster's when that was read, as it still is."""
        return group in self._cluster and self.is_of_cluster(group)

    def units_of(self, group: str) -> str:
        """How the units of a group stand, for a person."""
        found = [*targets(self.systemd, group).values(), *entries(self.systemd, group)]
        shown = [
            f"{unit.name}={unit.active}/{unit.sub}" + (f"({unit.job.kind})" if unit.job else "") + f"{unit.end[1:]}"
            for unit in found
            if unit.active != "inactive" or unit.job or unit.kind == "service"
        ]
        return ", ".join(shown) or "no unit is loaded"

    # What happens.

    def run(self, duration: int) -> None:
        """Let some µs pass."""
        end = self.clock.now + duration
        while self.clock.now < end:
            if self.daemon is None:
                self.clock.step(end)
            elif not self.daemon.run_to(end):
                self._daemon_ended(self.daemon)

    def _start_daemon(self) -> None:
        if self.daemon is None and self.is_wanted:
            self.trace("the daemon starts")
            self.accepted = None
            self.daemon = Daemon(
                self.clock,
                self.files,
                self.systemd,
                table=self._read_table,
                answered=self.judge.answered,
                acted=self._acted,
                tells=self.judge.told,
            )

    def _daemon_ended(self, daemon: Daemon) -> None:
        self.trace(f"the daemon has ended: {daemon.ended}")
        self._take_errors(daemon)
        self.daemon = None
        self.judge.is_halting = False
        if daemon.is_halted:
            self.is_wanted = False
            self.accepted = None
        else:
            self.clock.after(_AGAIN if daemon.has_begun else _LATER, self._start_daemon)

    def _take_errors(self, daemon: Daemon) -> None:
        for error in daemon.errors:
            self.judge.violate("error", error)
        daemon.errors.clear()

    def _read_table(self) -> bytes:
        self.judge.forget_gone()
        if self.table >= 0:
            self.accepted = self.table
            self.read.add(self.table)
            self._cluster = {group for group in tables.GROUPS if self.is_of_cluster(group)}
            self.judge.read(self.table)
        return tables.text(self.table)

    def _acted(self, what: str) -> None:
        self.acts += 1
        if self._trace is not None:
            self.trace(f"daemon: {what}")
        if what[0] == "s":
            self.judge.acted(what)

    def _entry_started(self, unit: object, by: str) -> None:
        self.judge.started(unit, by)  # type: ignore[arg-type]

    # What is done to it.

    def ask(self, what: str, group: str = "", level: str = "", trial: float | None = None) -> Client:
        """A client asks; systemd starts the daemon if need be."""
        client = Client(len(self.clients) + 1, what, group, level, trial)
        client.asked_at = self.clock.now
        self.clients.append(client)
        self.judge.asked(client)
        self.is_wanted = True
        if self.daemon is None:
            self._start_daemon()
        assert self.daemon is not None
        if what == "switch":
            self.judge.groups[group].debt = level
        self.daemon.call(client)
        return client

    def kill(self, delay: int) -> None:
        """Kill the daemon at a moment from now."""
        self.clock.after(delay, self._kill, self.daemon)

    def _kill(self, daemon: Daemon | None) -> None:
        if daemon is not None and daemon is self.daemon and not daemon.ended:
            daemon.ended = "killed"
            raise Killed(daemon.ended)

    def kill_after(self, acts: int) -> None:
        """Kill the daemon before what it does then."""
        if self.daemon is not None:
            self.daemon.acts_left = acts

    def close(self) -> None:
        """The machine is gone."""
        if self.daemon is not None:
            self._take_errors(self.daemon)
            self.daemon.loop.abandon()

    def settle(self) -> bool:
        """Wait until all has come to its end, and look at everything; whether it has."""
        before = ""
        for _ in range(_LOOKS):
            self.run(_CALM)
            now = self._state()
            if now == before and self.daemon is not None and self.daemon.has_begun and self._is_calm():
                self._take_errors(self.daemon)
                if not self.systemd.is_reloading:
                    self.judge.settled()
                return True
            if self.daemon is None and (self.files.is_full or not self.is_wanted):
                return False
            before = now if self._is_calm() else ""
        if not self.judge.is_faulty:
            self.judge.violate("settles", f"{self._state()}")
        return False

    def _is_calm(self) -> bool:
        return not any(
            unit.active == "deactivating" or self._is_rising(unit) or self._is_being_asked(unit)
            for unit in self.systemd.units.values()
        ) and (self.daemon is not None and self.daemon.bus is not None and self.daemon.bus.connected)  # fmt: skip

    def _is_rising(self, unit: Unit) -> bool:
        """Whether a unit's process is about to be its command, or to end, and something comes of it.

        What somebody has started past its level is not slowed down by the daemon. If it is in vain, it is so for ever.
        """
        process = unit.process
        if process is None or self.clock.now >= process.executed_at:
            return False
        return self._is_wanted(unit) or (process.executed_at < math.inf and process.is_ready)

    def _is_wanted(self, unit: Unit) -> bool:
        levels = targets(self.systemd, unit.family).values()
        return any(unit.name in members(t) for t in levels if t.active == "active" or t.job is not None)

    def _is_being_asked(self, unit: Unit) -> bool:
        """Whether a unit is about to be ready, or to be given up; or is so since shortly, and was in vain before."""
        if unit.file is None or not unit.file.is_notify:
            return promises.is_in_time(unit, self.clock.now)
        is_new = unit.active == "active" and unit.restarts > 0 and self.clock.now - unit.active_time < _HELD
        return self._is_wanted(unit) and (is_new or promises.is_in_time(unit, self.clock.now))

    def _state(self) -> str:
        answers = sum(len(client.said) for client in self.clients)
        daemon = self.daemon and (self.daemon.has_begun, self.daemon.told)
        return f"{daemon}, {answers} answers, {self.acts} acts, {len(self.systemd.jobs)} jobs"
