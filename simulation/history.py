"""Histories: what is done to a machine, one step after the other, all chosen by one seed."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from cltab2systemd.systemd.buserrors import BusRefusedError
from cltab2systemd.text import escape
from simulation import tables, trialjudge
from simulation.clock import SECOND
from simulation.disk import STATE
from simulation.truth import entries
from simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulation.bus import StandInBus
    from simulation.units import Unit

Step = "Callable[[World], str]"
# Steps of a history: most are short, for most faults take few steps, and more histories fit into a minute.
_LENGTHS = (4, 5, 6, 7, 7, 8, 8, 9, 11, 14)
# How often all is let come to its end between steps.
_SETTLE = 0.3
# How often everything is mended at the end.
_MEND = 0.2
# How often a step is about the group that the history is about.
_FAVOUR = 0.6
_TRIALS = (0.01, 0.5, 5.0, 30.0, 1000.0)
_MOMENTS = (0, 1_000, 10_000, 50_000, 300_000, SECOND)

STEPS: dict[str, tuple[int, Callable[[World], str]]] = {}
"""All that is done at random: how often, and how; a step returns what it did."""


def step(weight: int) -> Callable[[Callable[[World], str]], Callable[[World], str]]:
    """Make a function a step."""

    def register(act: Callable[[World], str]) -> Callable[[World], str]:
        STEPS[act.__name__.lstrip("_")] = weight, act
        return act

    return register


def _group(world: World) -> str:
    """A group to do something with; mostly the same one, or little would come of a history."""
    return world.favourite if world.chance.random() < _FAVOUR else world.chance.choice(tables.GROUPS)


def _entry(world: World, group: str) -> Unit | None:
    found = list(entries(world.systemd, group))
    return world.chance.choice(found) if found else None


@step(46)
def switch(world: World) -> str:
    """A request."""
    return str(world.ask("switch", _group(world), world.chance.choice(tables.LEVELS)))


@step(8)
def try_(world: World) -> str:
    """A request on trial."""
    group, level = _group(world), world.chance.choice(tables.LEVELS)
    return str(world.ask("switch", group, level, world.chance.choice(_TRIALS)))


@step(4)
def keep(world: World) -> str:
    """Somebody confirms a trial, if there is one."""
    return str(world.ask("keep", _group(world)))


@step(4)
def reread(world: World) -> str:
    """`clinit` without arguments."""
    return str(world.ask("reread"))


@step(18)
def push(world: World) -> str:
    """Another table, which the next request takes."""
    world.table = tables.any_number(world.chance)
    return f"push table {world.table}"


@step(2)
def spoil(world: World) -> str:
    """A table with an error."""
    world.table = -1
    return "push a table with an error"


@step(2)
def halt(world: World) -> str:
    """`clinit -k`."""
    return str(world.ask("halt"))


@step(5)
def kill(world: World) -> str:
    """The daemon is killed at some moment."""
    delay = world.chance.choice(_MOMENTS)
    world.kill(delay)
    return f"kill the daemon in {delay} us"


@step(12)
def kill_at_act(world: World) -> str:
    """The daemon is killed before one of the next things that it does."""
    acts = world.chance.randrange(40)
    world.kill_after(acts)
    return f"kill the daemon before act {acts}"


@step(10)
def by_hand(world: World) -> str:
    """`systemctl start`, `stop` or `restart` of an entry."""
    group = _group(world)
    unit = _entry(world, group)
    kind = world.chance.choice(("start", "stop", "restart"))
    if unit is None:
        return "nothing to take a hand in"
    world.judge.hinder(group)
    return systemctl(world, unit.name, kind)


@step(3)
def start_level(world: World) -> str:
    """`systemctl start` of a level's target."""
    group, level = _group(world), world.chance.choice(tables.LEVELS)
    world.judge.hinder(group)
    return systemctl(world, f"clinit-{group}@{level}.target", "start")


def systemctl(world: World, unit: str, kind: str) -> str:
    """Queue a job as an administrator does; what came of it."""
    if world.systemd.is_reloading:
        return "systemd reloads"
    try:
        world.systemd.queue(unit, kind, "hand")
    except BusRefusedError as error:
        return f"systemctl {kind} {unit}: {error}"
    finally:
        world.systemd.settle()
    return f"systemctl {kind} {unit}"


@step(8)
def end_entry(world: World) -> str:
    """An entry is killed."""
    unit = _entry(world, _group(world))
    signal = world.chance.choice((9, 15, 2))
    if unit is None or unit.process is None:
        return "nothing to kill"
    world.judge.hinder(unit.family)
    world.systemd.services.kill(unit, signal)
    return f"kill -{signal} {unit.name}"


@step(3)
def cancel(world: World) -> str:
    """`systemctl cancel` of a job, or of all jobs of a group."""
    group = _group(world)
    jobs = [unit.job for unit in world.systemd.families.get(group, {}).values() if unit.job is not None]
    if not jobs or world.systemd.is_reloading:
        return "nothing to cancel"
    world.judge.hinder(group)
    chosen = jobs if world.chance.random() < 0.5 else [world.chance.choice(jobs)]
    for job in chosen:
        if job.number in world.systemd.jobs:
            world.systemd.cancel(job.number)
    world.systemd.settle()
    return f"systemctl cancel {[job.unit.name for job in chosen]}"


@step(1)
def isolate(world: World) -> str:
    """`systemctl isolate multi-user.target`."""
    if world.systemd.is_reloading:
        return "systemd reloads"
    world.judge.hinder()
    world.systemd.isolate()
    world.systemd.settle()
    return "systemctl isolate multi-user.target"


@step(3)
def mask(world: World) -> str:
    """`systemctl mask` of an entry, until all is mended, or unmask."""
    if world.systemd.masked:
        world.systemd.masked.clear()
        text = "systemctl unmask"
    else:
        unit = _entry(world, _group(world))
        if unit is None:
            return "nothing to mask"
        world.systemd.masked.add(unit.name)
        text = f"systemctl mask {unit.name}"
    world.judge.hinder()
    world.judge.fault()
    world.systemd.reload()
    return text


@step(4)
def reload(world: World) -> str:
    """`systemctl daemon-reload`."""
    world.systemd.reload()
    return "systemctl daemon-reload"


@step(3)
def fail_reloads(world: World) -> str:
    """The daemon's reloads fail, for a while."""
    daemon = world.daemon
    if daemon is None or daemon.bus is None:
        return "no daemon"
    world.judge.fault()
    daemon.bus.reload_fails = True
    world.clock.after(world.chance.choice(_MOMENTS) * 4, _have_reloads, world, daemon.bus)
    return "reloads fail"


def _have_reloads(world: World, bus: StandInBus) -> None:
    world.judge.fault()
    bus.reload_fails = False


@step(4)
def drop_bus(world: World) -> str:
    """The connection to systemd is lost for a while, at times for long."""
    daemon = world.daemon
    if daemon is None or daemon.bus is None or not daemon.bus.connected:
        return "no connection"
    daemon.bus.drop()
    world.judge.fault()
    world.clock.after(world.chance.choice((*_MOMENTS, 20 * SECOND)), _restore_bus, world, daemon.bus)
    return "the bus drops"


def _restore_bus(world: World, bus: StandInBus) -> None:
    world.judge.fault()
    if world.daemon is not None and world.daemon.bus is bus:
        bus.restore()


@step(5)
def fill_disk(world: World) -> str:
    """The disk is full, or is no more."""
    world.judge.fault()
    world.files.is_full = not world.files.is_full
    return f"the disk is full: {world.files.is_full}"


@step(4)
def toggle(world: World) -> str:
    """What a test looks for goes, or comes."""
    tag = world.chance.choice(("wt", "jt"))
    world.systemd.services.missing ^= {tag}
    return f"the file of {tag} is {'gone' if tag in world.systemd.services.missing else 'there'}"


@step(4)
def cluster(world: World) -> str:
    """The resource agent marks a group as the cluster's, or takes the mark away."""
    group = _group(world)
    trialjudge.doubt(world.judge.groups[group])
    marks = world.files.directories.setdefault(f"{STATE}/of-cluster", {})
    if marks.pop(escape(group), None) is None:
        marks[escape(group)] = b""
    return f"of-cluster/{group}: {escape(group) in marks}"


@functools.cache
def _choice() -> tuple[tuple[str, ...], tuple[int, ...]]:
    return tuple(STEPS), tuple(weight for weight, _ in STEPS.values())


def run(seed: int, trace: Callable[[str], None] | None = None) -> list[tuple[str, str]]:
    """Perform the history of a seed; what was not as it has to be, by rule."""
    world = World(seed, trace)
    world.table = tables.any_number(world.chance)
    _perform(world)
    world.close()
    return world.judge.violations


def _perform(world: World) -> None:
    chance = world.chance
    names, weights = _choice()
    world.run(SECOND)
    for _ in range(chance.choice(_LENGTHS)):
        name = chance.choices(names, weights)[0]
        world.trace(f"step: {name}")
        text = STEPS[name][1](world)
        world.trace(f"      {text}")
        if chance.random() < _SETTLE:
            if world.settle():
                world.trace(f"settled: {world.daemon and world.daemon.told}")
        else:
            world.run(chance.choice(_MOMENTS))
        if world.judge.violations:
            return
    if chance.random() < _MEND:
        _mend(world)
    else:
        world.settle()


def _mend(world: World) -> None:
    """Everything as it should be; then a group does as it is told."""
    world.trace("all is mended")
    world.files.is_full = False
    if world.daemon is not None:
        world.daemon.acts_left = -1
    if world.systemd.masked:
        world.systemd.masked.clear()
        world.systemd.reload()
    world.files.directories[f"{STATE}/of-cluster"] = {}
    world.table = 0
    world.systemd.services.missing.clear()
    world.run(25 * SECOND)
    world.ask("reread")
    world.run(25 * SECOND)
    group = _group(world)
    for level, states in (("x", {"DONE"}), ("1", {"DONE"})):
        client = world.ask("switch", group, level)
        world.settle()
        outcome = client.said[-1][0] if client.said else "nothing"
        if outcome not in states and not world.judge.violations:
            world.judge.violate("mended", f"{client}: {client.said}; {world.units_of(group)}")
