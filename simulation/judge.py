"""The invariants: what must be true of every history, whatever is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.units.names import HALT_LEVEL, unescape
from cltab2systemd.units.plan import HELD
from simulation import promises, tables, trialjudge
from simulation.clock import SECOND
from simulation.daemon import shown
from simulation.disk import STATE
from simulation.retirement import Retirement
from simulation.standing import Standing
from simulation.truth import Truth, entries, members, targets
from simulation.units import family_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulation.daemon import Client
    from simulation.units import Unit
    from simulation.world import World

# For so long after a fault its consequences may show.
_AFTERMATH = 15 * SECOND
# For so long an answer that was true when it was given may be on its way, while a hand is taken or a halt begins. µs.
_ON_ITS_WAY = 100


class Judge:
    """Watches a world.

    Args:
        world: it.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.groups = {group: Standing() for group in tables.GROUPS}
        self.violations: list[tuple[str, str]] = []
        self.faulty_until = 0
        self.is_halting = False
        self._is_applied = True  # the table that was read last
        self._retirement = Retirement(world)
        self._early: list[tuple[int, list[Client]]] = []

    def violate(self, rule: str, text: str) -> None:
        """Something was not as it has to be."""
        self.violations.append((rule, text))
        self._world.trace(f"VIOLATION {rule}: {text}")

    # What is done.

    def fault(self) -> None:
        """Something outside of the daemon does not work, or not as it should."""
        self.faulty_until = self._world.clock.now + _AFTERMATH
        self._doubt_trials()

    def _doubt_trials(self) -> None:
        for standing in self.groups.values():
            trialjudge.doubt(standing)

    @property
    def is_faulty(self) -> bool:
        """Whether a fault may still show."""
        world = self._world
        bus = world.daemon.bus if world.daemon is not None else None
        if world.files.is_full or world.systemd.masked or (bus is not None and not bus.connected):
            self.fault()
        return world.clock.now < self.faulty_until

    def hinder(self, group: str = "") -> None:
        """Somebody takes a hand in a group, or in all."""
        for name, standing in self.groups.items():
            if group in {"", name}:
                trialjudge.hindered(standing)
                standing.is_hindered = True
                standing.hindered_at = self._world.clock.now

    def read(self, number: int) -> None:
        """The daemon reads a table: what is not in it is to be halted, if somebody asks for that."""
        present = {line.group for line in tables.table(number)}
        self._may_halt(self._retirement.read(number))
        for group in {*self.groups} - present:
            trialjudge.doubt(self.groups[group])

    def _may_halt(self, groups: Iterable[str]) -> None:
        for group in groups:
            self.groups[group].may_halt = True

    def asked(self, client: Client) -> None:
        """A client asks."""
        if client.what == "switch":
            standing = self.groups[client.group]
            trialjudge.asked(self._world, client, standing)
            standing.in_flight.append(client)
        elif client.what == "reread":
            self._may_halt(self._retirement.asked())
        elif client.what == "halt":
            self.is_halting = True
            self._doubt_trials()
            for standing in self.groups.values():
                standing.may_halt = True

    # What the daemon does.

    def acted(self, what: str) -> None:
        """The daemon is about to do something: may it?"""
        self._check_early()
        verb, _, unit = what.partition(" ")
        if verb not in {"start", "stop"} or " " in unit:
            return
        group = family_of(unit)
        if not unit.startswith("clinit-") or group not in self.groups:
            return
        if verb == "start" and unit.endswith(".target"):
            self._started(group, unescape(unit.rpartition(".")[0].partition("@")[2]))
        elif verb == "start":
            self._started_entry(group, unit)
        elif unit.endswith(".service"):
            self._stopped_entry(group, unit)

    def _started(self, group: str, level: str) -> None:
        standing = self.groups[group]
        standing.touched_at = self._world.clock.now
        if level == HALT_LEVEL:
            if not standing.may_halt and level not in standing.backs:
                self.violate("unasked", f"{group} is halted")
            standing.may_halt = True  # and the next daemon goes on with it
            standing.halted_at = self._world.clock.now
            standing.debt = None
            return
        if level not in {standing.debt, *standing.unfinished, *standing.backs} and all(
            client.level != level for client in standing.in_flight
        ):
            self.violate("unasked", f"{group} goes to level {level}")
        if level in standing.backs:
            standing.halted_at = self._world.clock.now
        pending = any(unit.job is not None for unit in entries(self._world.systemd, group))
        standing.is_hindered = standing.is_hindered and pending

    def _started_entry(self, group: str, unit: str) -> None:
        levels = targets(self._world.systemd, group).values()
        if not any(unit in members(target) for target in levels if target.active == "active"):
            self.violate("unasked", f"{unit} is started")

    def _stopped_entry(self, group: str, unit: str) -> None:
        found = self._world.systemd.units.get(unit)
        is_vain = found is not None and (found.sub == "auto-restart" or self._world.systemd.services.is_in_vain(found))
        if not is_vain and unit not in self._moved(group):
            self.groups[group].touched_at = self._world.clock.now
        flying = any(s.in_flight or s.debt is not None or s.backs for s in self.groups.values())
        if not (flying or is_vain or self.is_halting or not self._world.has_group(group)):
            self.violate("unasked", f"{unit} is stopped")

    def started(self, unit: Unit, by: str) -> None:
        """Systemd starts a service."""
        if by not in {"daemon", "target"} or unit.family not in self.groups or not unit.name.startswith("clinit-"):
            return
        standing = self.groups[unit.family]
        systemd = self._world.systemd
        found = targets(systemd, unit.family).values()
        target = next((t for t in found if t.job is not None and t.job.kind == "start"), None)
        if target is None or target.job is None or standing.is_hindered:
            return
        self._check_gates(unit, unescape(target.name.rpartition(".")[0].partition("@")[2]))
        inside = members(target)
        begun = target.job.since
        for other in entries(systemd, unit.family):
            if other.name not in inside and not other.is_down and other.by_hand < begun:
                self.violate("beside", f"{unit.name} starts for {target.name}, and {other.name} is {other.active}")
        tag = unit.name.partition("@")[2]
        for group in self.groups:
            twin = systemd.units.get(f"clinit-{group}@{tag}")
            if twin is not None and twin is not unit and not twin.is_down and not self._may_be_twice(twin):
                self.violate("beside", f"{unit.name} starts, and {twin.name}, which has moved, is {twin.active}")

    def _check_gates(self, unit: Unit, level: str) -> None:
        for name in promises.holders(self._world.files, unit, level):
            if promises.has_failed(self._world.systemd, name) and not self.is_faulty:
                self.violate("kept", f"{unit.name} starts, and {name} has not done well")

    def _may_be_twice(self, other: Unit) -> bool:
        standing = self.groups[other.family]
        return bool(
            other.by_hand or standing.is_hindered or standing.in_flight or self._world.is_of_cluster(other.family)
        )

    # What it says.

    def answered(self, client: Client, what: str, text: str) -> None:
        """A client is answered: once, and truly?"""
        self._world.trace(f"{client}: {what} {text}")
        finals = [said for said, _ in client.said if said not in {"started", "halting"}]
        if len(finals) > 1 or client.said.count(("started", "")) > 1:
            self.violate("answer", f"{client} is answered twice: {client.said}")
        if client.what == "keep":
            for wrong in trialjudge.kept(self._world, client, self.groups[client.group], what):
                self.violate("trial", wrong)
            return
        if client.what == "switch":
            self._end(client, what)
        if what in {"started", "reread"}:
            self._is_applied = True
        if client.what == "reread":
            self._retirement.answered(client, what)
        if what == "started":
            self.groups[client.group].may_halt = self.is_halting or not self._world.has_group(client.group)
        self._check_answer(client, what, text)
        if client.what == "halt" and client.is_over:
            self.is_halting = False
        elif client.is_over and client.what == "switch":
            self.groups[client.group].ended_at = self._world.clock.now

    def _check_answer(self, client: Client, what: str, text: str) -> None:
        if what in {"DONE", "PASSED", "FAILED"} and not self._is_followed(client):
            self._check_outcome(client, what)
        elif what == "refused":
            self._is_applied = "no such group" in text  # else the next request goes on with the table
            self._check_refusal(client, text)
        elif what == "halted":
            self._check_halted()

    def _is_followed(self, client: Client) -> bool:
        """Whether somebody has asked for something else since, so that what was true when it came is so no more."""
        later = self.groups[client.group].in_flight
        return self.is_halting or any(other.number > client.number for other in later)

    def _check_time(self, client: Client) -> None:
        standing = self.groups[client.group]
        is_touched = max(standing.hindered_at, self.faulty_until) >= client.asked_at
        if not is_touched and not self.is_faulty and promises.is_overdue(self._world, client):
            self.violate("hangs", f"{client} was asked at {client.asked_at / SECOND} s")

    def _end(self, client: Client, what: str) -> None:
        standing = self.groups[client.group]
        trialjudge.answered(client, standing, what)
        if not client.is_over:
            return
        self._check_time(client)
        if client in standing.in_flight:
            standing.in_flight.remove(client)
        if what in {"lost", "refused", "superseded"}:
            standing.unfinished.add(client.level)
        elif what in {"DONE", "PASSED"}:
            standing.unfinished.clear()
        if what in {"DONE", "PASSED", "FAILED"} and standing.debt == client.level and not standing.in_flight:
            standing.debt = None

    def _check_outcome(self, client: Client, state: str) -> None:
        if ("started", "") not in client.said[:-1]:
            self.violate("answer", f"{client} is told of {state} before its start")
        truth = self.truth(client.group)
        standing = self.groups[client.group]
        is_outrun = self._world.clock.now - max(standing.hindered_at, standing.halted_at) < _ON_ITS_WAY
        if not truth.allows(client.level, state) and not is_outrun:
            self.violate("answer", f"{client} is told of {state}, and {self._world.units_of(client.group)}")

    def _check_refusal(self, client: Client, text: str) -> None:
        standing = self.groups.get(client.group, Standing())
        known = not client.group or self._world.has_group(client.group)
        hindered = any(s.is_hindered for s in self.groups.values())
        if text.startswith("the preflight of "):
            is_alone = standing.in_flight == [client]  # else an earlier request may have touched it meanwhile
            is_touched = is_alone and max(client.taken_at, standing.ended_at) < standing.touched_at
            if is_touched or not promises.is_refused_rightly(self._world, client):
                self.violate("answer", f"{client} is refused: {text}; touched at {standing.touched_at}")
            return
        clusters = "cluster" in text
        if "internal error" in text or not (self.is_faulty or self._world.table < 0 or not known or hindered or clusters
                                            or "halting" in text):  # fmt: skip
            self.violate("answer", f"{client} is refused: {text}")

    def _check_halted(self) -> None:
        for group, standing in self.groups.items():
            if not standing.is_hindered and (up := self.truth(group).up):
                self.violate("answer", f"halted, and {[unit.name for unit in up]} run")
            standing.debt = None

    def told(self, before: dict[str, tuple[str, str]], now: dict[str, tuple[str, str]]) -> None:
        """Clstat is about to say something else."""
        for group, (level, state) in now.items():
            if before.get(group) == (level, state) or group not in self.groups:
                continue
            if state in {"DONE", "PASSED"} and (names := self.truth(group).unexecuted(level)):
                self.violate("executed", f"{group} is {level} {state}, and {names} have not run")
            if state != "FAILED":
                continue
            waiting = [client for client in self.groups[group].in_flight if client.level == level and not client.said]
            truth = self.truth(group)
            is_touched = self.groups[group].is_hindered
            if waiting and not is_touched and level not in truth.active | truth.pending:
                self._early.append((self._world.clock.now, waiting))

    def _check_early(self) -> None:
        """One of those who asked for a level that is FAILED already, before it has begun, has been refused by now."""
        early, self._early = self._early, []
        for when, waiting in early:
            if when == self._world.clock.now:
                self._early.append((when, waiting))
            elif not any(kind in {"refused", "lost"} for client in waiting for kind, _ in client.said):
                client = waiting[-1]
                self.violate("clstat", f"{client.group} was {client.level} FAILED before {client} had begun")

    # When all is settled.

    def truth(self, group: str) -> Truth:
        """What is true of a group now."""
        standing = self.groups[group]
        return Truth(
            self._world.systemd,
            group,
            unpaid={standing.debt, *standing.unfinished, *standing.backs},
            is_hindered=standing.is_hindered,
            moved=self._moved(group),
        )

    def _moved(self, group: str) -> frozenset[str]:
        """The services of a group whose lines another one has by now."""
        lines = tables.table(self._world.accepted) if self._world.accepted is not None else ()
        if self._world.was_of_cluster(group) and all(line.group != group for line in lines):
            return frozenset()  # what a cluster is to stop gives nothing away
        return frozenset(f"clinit-{group}@{line.tag}.service" for line in lines if line.group != group)

    def settled(self) -> None:
        """Nothing is about to change: look at everything."""
        self._check_early()
        world = self._world
        assert world.daemon is not None
        lines = world.daemon.told
        if not self.is_faulty and shown(world.files) != lines:
            self.violate("clstat", f"it says {shown(world.files)}, and the daemon {lines}")
        for group, standing in self.groups.items():
            truth = self.truth(group)
            level, state = lines.get(group, ("", ""))
            if not truth.allows(level, state):
                self.violate("clstat", f"{group} is {level} {state}, and {world.units_of(group)}")
            for client in standing.in_flight:
                self._check_time(client)
                if not truth.is_moving and not self.is_faulty:
                    self.violate("answer", f"{client} is not answered: {client.said}; {world.units_of(group)}")
        if not any(self.truth(group).is_moving for group in self.groups):
            for client in world.daemon.waiting:
                if client.what != "switch" and not client.is_over and not self.is_faulty:
                    self.violate("answer", f"{client} is not answered: {client.said}")
            if not standing.in_flight and state in {"DONE", "PASSED"}:
                standing.debt = None
                standing.unfinished.clear()
        self._check_definitions()
        self._check_starts(lines)
        self._check_marks(lines)

    def _check_starts(self, lines: dict[str, tuple[str, str]]) -> None:
        """Does anything wait for ever, or is it kept back without a reason? Is each trial as it has to be?"""
        for text in trialjudge.broken(self._world, self.groups, lines) if not self.is_faulty else ():
            self.violate("trial", text)
        touched = {group for group, s in self.groups.items() if s.is_hindered or self.truth(group).is_moving}
        for rule, text in promises.broken(self._world, touched if not self.is_faulty else {*self.groups}):
            self.violate(rule, text)

    def _check_definitions(self) -> None:
        for group, standing in self.groups.items():
            for unit in entries(self._world.systemd, group):
                process, file = unit.process, unit.file
                is_old = process is not None and file is not None and process.command != file.command
                if is_old and not unit.is_down and not standing.in_flight and not self.is_faulty:
                    self.violate("definition", f"{unit.name} runs on as it was before its line changed")

    def _check_marks(self, lines: dict[str, tuple[str, str]]) -> None:
        files, systemd = self._world.files, self._world.systemd
        if self.is_faulty:
            return
        for name in files.names(f"{STATE}/emptied"):
            level, state = lines.get(unescape(name), ("", ""))
            if state != "FAILED" and not self.groups[unescape(name)].in_flight:
                self.violate("mark", f"emptied/{name} remains, and it is {level} {state}")
        for name in files.names(f"{STATE}/{HELD}"):
            if not self.truth(family_of(name)).is_moving:
                self.violate("mark", f"held/{name} remains")
        for name in files.names(f"{STATE}/paused"):
            unit = systemd.units.get(name)
            if unit is None or not unit.is_down:
                self.violate("mark", f"paused/{name} remains, and it is {unit and unit.active}")
        if files.content(f"{STATE}/reload-needed") is not None and not systemd.is_behind:
            self.violate("mark", "reload-needed remains")
        if self._world.accepted is not None and self._is_applied:
            self._check_leftovers()

    def _check_leftovers(self) -> None:
        for wrong in self._retirement.leftovers(self.groups, lambda group: self.truth(group).is_moving):
            self.violate("mark", wrong)

    def forget_gone(self) -> None:
        """A group without units is none: what was asked of it is of no meaning any more."""
        for group, standing in self.groups.items():
            if not standing.in_flight and not self._world.has_units(group):
                standing.debt = None
                standing.unfinished.clear()
