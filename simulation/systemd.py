"""The stand-in for systemd's manager: units as loaded, transactions, the queue of jobs, reloads, garbage.

What each part does is told by systemd's own source and documentation; `simulation/README.md` says what is left out.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from cltab2systemd.systemd.buserrors import BusRefusedError
from simulation import unitfiles
from simulation.inverse import Inverse
from simulation.services import Services
from simulation.transaction import Transaction
from simulation.units import Job, Unit, conflict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from simulation.clock import Clock
    from simulation.disk import Files

UNITS = "/run/systemd/system"
# For how long signals gather before they are sent, and a reload takes: µs, from and to.
_GATHERS = (200, 3_000)
_RELOADS = (5_000, 150_000)


class Systemd:
    """One systemd.

    Args:
        clock: the time.
        files: the disk.
        chance: what is left to chance.
    """

    def __init__(self, clock: Clock, files: Files, chance: Random) -> None:
        self.clock = clock
        self.files = files
        self.chance = chance
        self.units: dict[str, Unit] = {}
        self.families: dict[str, dict[str, Unit]] = {}
        self.masked: set[str] = set()
        self.jobs: dict[int, Job] = {}
        self.services = Services(self)
        self.is_reloading = False
        self.is_behind = False  # the daemon has asked for a reload, and could not have it
        self.on_signal: Callable[[str], None] = lambda unit: None  # noqa: ARG005
        self.on_reload_begins: Callable[[], None] = lambda: None
        self.on_reload: Callable[[], None] = lambda: None
        self.on_start: Callable[[Unit, str], None] = lambda unit, by: None  # noqa: ARG005
        self._deferred: list[tuple[Callable[..., None], tuple[object, ...]]] = []
        self._after_reload: list[Callable[[], None]] = []
        self._numbers = itertools.count(1)
        self._queue: dict[int, Job] = {}
        self._changed: dict[str, None] = {}
        self._is_sending = False
        self._garbage: set[str] = set()  # families in which something may be garbage
        self._inverse = Inverse()

    # Loading.

    def content(self, name: str) -> bytes | None:
        """The unit file of a name."""
        return self.files.directories.get(UNITS, {}).get(name)

    def load(self, name: str) -> Unit:
        """A unit, loaded from disk if need be, with all that it names."""
        found = self.units.get(name)
        if found is None:
            pending = [name]
            for other in pending:
                if other not in self.units:
                    pending += self._load_one(other)
            found = self.units[name]
        return found

    def _load_one(self, name: str) -> tuple[str, ...]:
        file, load = self._looked_up(name)
        unit = self.units[name] = Unit(name, file, load)
        self.families.setdefault(unit.family, {})[name] = unit
        self._garbage.add(unit.family)
        if file is None:
            return ()
        self._inverse.note(file)
        return file.references

    def _looked_up(self, name: str) -> tuple[unitfiles.UnitFile | None, str]:
        if name in self.masked:
            return None, "masked"
        file = unitfiles.find(name, self.content)
        if file is None and name == "clinit.slice":
            file = unitfiles.parse(name, b"")
        return (None, "not-found") if file is None else (file, "loaded")

    def collect(self) -> None:
        """Unload what is down, has no job, and is named by nothing that is not."""
        if not self._garbage:
            return
        for family in sorted(self._garbage):
            units = self.families.get(family, {})
            pending = [unit for unit in units.values() if unit.job or unit.active != "inactive"]
            good = {unit.name for unit in pending}
            for unit in pending:
                for name in unit.file.references if unit.file is not None else ():
                    if name not in good:
                        good.add(name)
                        if (other := self.units.get(name)) is not None:
                            pending.append(other)
            for name in [name for name in units if name not in good]:
                unit = units.pop(name)
                del self.units[name]
                if unit.file is not None:
                    self._inverse.forget(unit.file)
        self._garbage.clear()

    # What clients ask for.

    def settle(self) -> None:
        """Do what can be done now: run the jobs, unload garbage, and have signals sent soon."""
        while self._queue:
            job = self._queue.pop(next(iter(self._queue)))
            if job.unit.job is job and not job.is_running and self._is_runnable(job):
                self._run(job)
        self.collect()
        if self._changed and not self._is_sending:
            self._is_sending = True
            self.clock.after(self.chance.randint(*_GATHERS), self._send)

    def _send(self) -> None:
        if self.is_reloading:
            self.clock.after(_GATHERS[1], self._send)
            return
        self._is_sending = False
        changed, self._changed = self._changed, {}
        for name in changed:
            self.on_signal(name)

    def changed(self, unit: Unit) -> None:
        """Something about a unit has changed."""
        unit.status = None
        self._changed[unit.name] = None

    def after(self, delay: int, do: Callable[..., None], *arguments: object) -> None:
        """Do something in a while, but not in the middle of a reload."""
        self.clock.after(delay, self._do, do, arguments)

    def _do(self, do: Callable[..., None], arguments: tuple[object, ...]) -> None:
        if self.is_reloading:
            self._deferred.append((do, arguments))
            return
        do(*arguments)
        self.settle()

    def queue(self, name: str, kind: str, by: str, mode: str = "replace") -> Job:
        """Queue a job, and what it needs; BusRefusedError if that cannot be. Afterwards `settle` is to be called."""
        unit = self.load(name)
        if kind == "stop" and unit.load == "not-found" and unit.is_down:
            raise BusRefusedError(f"Unit {name} not loaded.")
        if kind == "stop" and unit.file is not None and unit.file.refuses_stop and by != "systemd":
            raise BusRefusedError(f"Operation refused, unit {name} may be requested by dependency only.")
        transaction = Transaction(self.load, self._inverse)
        transaction.add(name, kind)
        jobs = {other: k for other, k in transaction.jobs.items() if other == name or not self._is_redundant(other, k)}
        if mode == "fail" and any(conflict(k, job.kind) for o, k in jobs.items() if (job := self.units[o].job)):
            raise BusRefusedError(f"Transaction for {name}/{kind} is destructive.")
        numbers = {other: next(self._numbers) for other in jobs}
        for other, k in jobs.items():
            self._install(self.units[other], k, numbers[other], by)
        job = unit.job
        assert job is not None
        return job

    def _is_redundant(self, name: str, kind: str) -> bool:
        unit = self.units[name]
        if unit.job is not None and conflict(kind, unit.job.kind):
            return False
        if kind == "start":
            return unit.active == "active"
        return kind == "stop" and unit.is_down

    def _install(self, unit: Unit, kind: str, number: int, by: str) -> None:
        present = unit.job
        if present is not None:
            if not conflict(kind, present.kind):
                if kind == "restart":
                    present.kind = kind
                present.is_running = False
                present.since = self.clock.now
                present.by = by if by != "systemd" else present.by
                self._queue[present.number] = present
                self.changed(unit)
                return
            self.finish(present, "canceled")
        job = unit.job = Job(number, unit, kind, by, self.clock.now)
        self.jobs[number] = job
        self._queue[number] = job
        self.changed(unit)

    # Jobs.

    def requeue(self, job: Job) -> None:
        """Try a job again that waited for its unit to change."""
        if not job.is_running:
            self._queue[job.number] = job

    def _is_runnable(self, job: Job) -> bool:
        unit = job.unit
        file = unit.file
        units = self.units
        if job.kind == "start":
            for name in (*(file.after if file is not None else ()), *self._inverse.earlier.get(unit.name, ())):
                other = units.get(name)
                if other is not None and other.job is not None:
                    return False
        for name in (*(file.before if file is not None else ()), *self._inverse.later.get(unit.name, ())):
            other = units.get(name)
            if other is not None and other.job is not None and other.job.kind != "start":
                return False
        return True

    def _run(self, job: Job) -> None:
        unit = job.unit
        job.is_running = True
        if job.kind != "start":
            if unit.is_down:
                self.finish(job, "done")
            elif unit.kind == "service":
                self.services.stop(unit)
            else:
                self.set_state(unit, "inactive", "dead")
        elif unit.active == "active":
            self.finish(job, "done")
        elif unit.kind == "service":
            self.services.start(unit, job)
        elif unit.file is None or any(self.units[other].active != "active" for other in unit.file.binds_to):
            self.finish(job, "dependency")
        else:
            unit.condition_time, unit.condition_holds = self.clock.stamp(), True
            self.set_state(unit, "active", "active")

    def finish(self, job: Job, result: str) -> None:
        """A job has ended: those that wait for it go on, and those that need it fail."""
        unit = job.unit
        if unit.job is not job:
            return
        if result == "done" and job.kind == "restart":
            job.kind, job.is_running = "start", False
            self._queue[job.number] = job
            self.changed(unit)
            return
        unit.job = None
        del self.jobs[job.number]
        self._queue.pop(job.number, None)
        self.changed(unit)
        if unit.active == "inactive":
            self._garbage.add(unit.family)
        if result not in {"done", "superseded"} and job.kind == "start":
            for name in (*self._inverse.required.get(unit.name, ()),):
                other = self.units[name].job
                if other is not None and other.kind == "start":
                    self.finish(other, "dependency")
        for other_name in self._neighbours(unit):
            other_unit = self.units.get(other_name)
            if other_unit is not None and other_unit.job is not None and not other_unit.job.is_running:
                self._queue[other_unit.job.number] = other_unit.job

    def _neighbours(self, unit: Unit) -> Iterator[str]:
        yield from self._inverse.later.get(unit.name, ())
        yield from self._inverse.earlier.get(unit.name, ())
        if unit.file is not None:
            yield from unit.file.after
            yield from unit.file.before

    def cancel(self, number: int) -> None:
        """Cancel a job; BusRefusedError if there is none of this number."""
        job = self.jobs.get(number)
        if job is None:
            raise BusRefusedError(f"Job {number} does not exist.")
        self.finish(job, "canceled")

    def isolate(self) -> None:
        """What `systemctl isolate` of a target outside does to our units: those that do not ignore it are stopped."""
        for unit in list(self.units.values()):
            if unit.file is not None and not unit.file.ignores_isolate and unit.job is not None:
                self.finish(unit.job, "canceled")

    # States.

    def set_state(self, unit: Unit, active: str, sub: str) -> None:
        """A unit is otherwise now: note when, end its job if that was for this, and stop what is bound to it."""
        was_down, was = unit.is_down, unit.active
        unit.active, unit.sub = active, sub
        is_down = unit.is_down
        now = self.clock.stamp()
        if was_down and not is_down:
            unit.began_time = now
        elif is_down and not was_down:
            unit.inactive_time = now
        if active == "active" and was != "active":
            unit.active_time = now
        elif was == "active" and active != "active":
            unit.left_time = now
        self.changed(unit)
        if active == "inactive":
            self._garbage.add(unit.family)
        if self._process_job(unit) and not was_down and (is_down or active == "deactivating"):
            self._stop_bound(unit)

    def _stop_bound(self, unit: Unit) -> None:
        """A unit went down that nobody has stopped: stop what is bound to it."""
        bound = [*self._inverse.stopped_with.get(unit.name, ())]
        if not unit.will_restart:
            named = (self.units[name] for name in self._inverse.required.get(unit.name, ()))
            bound += [other.name for other in named if other.file is not None and unit.name in other.file.binds_to]
        for name in bound:
            if not self.units[name].is_down and self.units[name].active != "deactivating":
                self.queue(name, "stop", "systemd")

    def _process_job(self, unit: Unit) -> bool:
        """End the job of a unit if its state says so; whether the state came without a job for it."""
        job = unit.job
        if job is None:
            return True
        if job.kind == "start":
            if unit.active == "active":
                self.finish(job, "done")
            elif job.is_running and unit.active != "activating":
                if unit.is_down:
                    self.finish(job, "failed" if unit.active == "failed" else "done")
                return True
        elif unit.is_down:
            self.finish(job, "done")
        elif job.is_running and unit.active != "deactivating":
            self.finish(job, "failed")
            return True
        elif not job.is_running:
            return True
        return False

    # Reloads.

    def reload(self, done: Callable[[], None] = lambda: None) -> None:
        """Begin a daemon-reload; `done` is called when it has ended."""
        self._after_reload.append(done)
        if not self.is_reloading:
            self._begin_reload()

    def _begin_reload(self) -> None:
        self.is_reloading = True
        self.on_reload_begins()
        self.clock.after(self.chance.randint(*_RELOADS), self._reloaded, len(self._after_reload))

    def _reloaded(self, count: int) -> None:
        self.is_reloading = False
        self._inverse = Inverse()
        for unit in list(self.units.values()):
            unit.file, unit.load = self._looked_up(unit.name)
            unit.status, unit.failed_condition = None, ""
            if unit.file is not None:
                self._inverse.note(unit.file)
        for unit in list(self.units.values()):
            for name in unit.file.references if unit.file is not None else ():
                self.load(name)
        self._garbage.update(self.families)
        self._queue.update({job.number: job for job in self.jobs.values() if not job.is_running})
        done, self._after_reload = self._after_reload[:count], self._after_reload[count:]
        deferred, self._deferred = self._deferred, []
        self.settle()
        for do, arguments in deferred:
            self._do(do, arguments)
        self.on_reload()
        for each in done:
            each()
        if self._after_reload:
            self._begin_reload()
