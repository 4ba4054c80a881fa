"""What the simulation has found in the core: each history reduced to the steps that it takes."""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from simulation import services, tables
from simulation.bus import StandInBus
from simulation.caches import warm
from simulation.clock import SECOND
from simulation.disk import MemoryDisk
from simulation.tables import Line
from simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from cltab2systemd.groups.units import UnitStatus


@pytest.fixture
def lines() -> list[str]:
    """What happens."""
    return []


@pytest.fixture
def world(lines: list[str]) -> Iterator[World]:
    """A machine whose daemon serves the first table."""
    with warm():
        made = World(1, lines.append)
        made.run(SECOND)
        yield made
        made.close()


def said(world: World, group: str) -> str:
    """What clstat says of a group."""
    assert world.daemon is not None
    return " ".join(world.daemon.told.get(group, ()))


def number_of_table(moved: str, to: str) -> int:
    """A table in which an entry is in another group than first, and its first group has a line still."""

    def has_moved(number: int) -> bool:
        groups = {line.tag: line.group for line in tables.table(number)}
        first = next(line.group for line in tables.BASE if line.tag == moved)
        return groups.get(moved) == to and first in groups.values()

    return next(filter(has_moved, range(tables.TABLES)))


def test_a_halt_ends_also_if_an_entry_is_started_meanwhile(world: World, lines: list[str]) -> None:
    """Who starts an entry when its group has left the halt level does not keep the halt, and who waits, for ever."""
    world.ask("switch", "job", "1")
    world.run(5 * SECOND)
    halt = world.ask("halt")
    while not any("stop clinit-job-unnamed.target" in line for line in lines):
        world.run(1_000)
    world.systemd.queue("clinit-job@ja.service", "start", "hand")
    world.systemd.settle()
    world.run(30 * SECOND)

    assert halt.said == [("halting", ""), ("halted", "")]


def test_a_halt_that_no_clstat_tells_of_is_gone_on_with(world: World) -> None:
    """A daemon that is killed in a halt while the disk is full is followed by one that ends it."""
    world.ask("switch", "web", "1")
    world.run(5 * SECOND)
    world.files.is_full = True
    world.ask("halt")
    world.run(500)
    world.kill(0)
    world.run(SECOND // 2)
    world.files.is_full = False
    world.run(30 * SECOND)

    assert said(world, "web") == "1 CONFIGURED"


def test_clstat_knows_at_once_which_entries_have_moved_back(world: World) -> None:
    """An entry that was stopped for its new group, which could not be switched, is down when a table has it back."""
    for group in tables.GROUPS:
        world.ask("switch", group, "1")
    world.run(5 * SECOND)
    world.table = number_of_table("wa", "job")
    world.files.is_full = True
    world.ask("switch", "job", "x")
    world.run(5 * SECOND)
    moved = said(world, "web")
    world.files.is_full = False
    world.table = 0
    world.ask("reread")
    world.run(5 * SECOND)

    assert moved == "1 DONE"
    assert said(world, "web") == "1 FAILED"


def test_a_request_whose_mark_cannot_be_written_takes_nothing_over(world: World, lines: list[str]) -> None:
    """A request that comes while a group is being emptied, and cannot be noted, is refused; the one before goes on."""
    world.ask("switch", "web", "1")
    world.run(5 * SECOND)
    world.table = number_of_table("wa", "job")
    first = world.ask("switch", "web", "2")
    while not any("write /run/cltab2systemd/system/emptied/web" in line for line in lines):
        world.run(10)
    world.files.is_full = True  # but not for so long that the entry is down, and the first request writes
    second = world.ask("switch", "web", "x")
    while not second.said:
        world.run(10)
    world.files.is_full = False
    world.run(30 * SECOND)

    assert [what for what, _ in second.said] == ["refused"]
    assert [what for what, _ in first.said] == ["started", "DONE"]
    assert said(world, "web") == "2 DONE"


def test_who_starts_an_entry_while_its_line_goes_does_not_keep_it_running() -> None:
    """An entry that somebody starts just before its line goes is stopped before the new level begins."""
    acts: list[Callable[[str], None]] = []

    def tell(line: str) -> None:
        for act in acts:
            act(line)

    with warm():
        world = World(1, tell)
        world.run(SECOND)
        world.ask("switch", "web", "1")
        world.run(5 * SECOND)
        world.table = number_of_table("wa", "job")
        unit = world.systemd.units["clinit-web@wa.service"]
        started: list[str] = []

        def start_by_hand(line: str) -> None:
            if "write /run/cltab2systemd/system/reload-needed" in line and unit.is_down and not started:
                started.append(line)
                world.systemd.queue(unit.name, "start", "hand")
                world.systemd.settle()

        acts.append(start_by_hand)
        request = world.ask("switch", "web", "2")
        world.run(30 * SECOND)

        assert started
        assert request.said[-1] == ("DONE", "")
        assert unit.is_down
        world.close()


def test_what_no_line_stands_for_is_no_good_news(world: World) -> None:
    """A group of which something runs that it has no line for any more is FAILED, until its next request stops it."""
    world.ask("switch", "web", "1")
    world.run(5 * SECOND)
    world.systemd.load("clinit-web@stranger.service").active = "active"
    world.ask("switch", "db", "1")
    world.systemd.on_signal("clinit-web@stranger.service")
    world.run(SECOND)
    strange = said(world, "web")
    again = world.ask("switch", "web", "1")
    world.run(5 * SECOND)

    assert strange == "1 FAILED"
    assert [what for what, _ in again.said] == ["started", "DONE"]


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A machine with a group whose entry has a health check; the next table has the entry without it.

    A check that is stopped ends while it is looked at: when it was listed, and before its entry is asked about.
    """
    monkeypatch.setitem(tables.KINDS, "sound", tables.KINDS["steady"])
    monkeypatch.setitem(tables._SETTINGS, "sound", (":::health.{tag}:10s true",))
    stop, list_units = StandInBus.stop, StandInBus.list_units
    with warm():
        world = between(monkeypatch, (Line("web", "wa", ("1",), "sound"),), (Line("web", "wa", ("1",), "steady"),))

        def begin_to_stop(bus: StandInBus, unit: str) -> None:
            if unit.startswith("clinithealth-") and unit.endswith(".service"):
                become(world, unit, "deactivating", "stop-sigterm")
            else:
                stop(bus, unit)

        def list_and_end(bus: StandInBus, patterns: Iterable[str]) -> list[UnitStatus]:
            found = list_units(bus, patterns)
            for unit in found:
                if unit.name.startswith("clinithealth-") and unit.active == "deactivating":
                    become(world, unit.name, "inactive", "dead")
                    bus.main_pid(unit.name)  # whatever is asked next takes the signals that have come
            return found

        monkeypatch.setattr(StandInBus, "stop", begin_to_stop)
        monkeypatch.setattr(StandInBus, "list_units", list_and_end)
        yield world
        world.close()


def become(world: World, name: str, active: str, sub: str) -> None:
    """Have a unit be in another state, with a signal of that at once."""
    unit = world.systemd.load(name)
    unit.active, unit.sub, unit.status = active, sub, None
    world.systemd.on_signal(name)


def test_a_health_check_that_ends_while_it_is_looked_at(checked: World) -> None:
    """A switch that stops it, for the table has it no more, waited for its end for ever."""
    unit = "clinithealth-web@wa.service"
    before = checked.ask("switch", "web", "1")
    checked.run(5 * SECOND)
    become(checked, unit, "active", "running")
    checked.run(SECOND)
    checked.table = 1
    request = checked.ask("switch", "web", "1")
    checked.run(30 * SECOND)

    assert [[what for what, _ in each.said] for each in (before, request)] == [["started", "DONE"]] * 2
    assert checked.systemd.load(unit).is_down


def between(monkeypatch: pytest.MonkeyPatch, *pushed: tuple[Line, ...]) -> World:
    """A machine at whose daemon these tables come: the first is there, the others are `world.table` 1, 2 and so on."""
    monkeypatch.setattr(tables, "table", lambda number: pushed[number])
    monkeypatch.setattr(tables, "text", lambda number: "".join(map(str, pushed[number])).encode())
    world = World(1)
    world.settle()
    return world


@pytest.fixture
def leaving(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A machine one of whose groups is being stopped, for it has left the table; and then it is there again.

    A request for its level 2 has a preflight that hangs, and so fails after a second.
    """
    web = Line("web", "wa", ("1",), "steady"), Line("web", "wb", ("1", "2"), "stubborn")
    db = Line("db", "da", ("1",), "steady")
    with warm():
        world = between(monkeypatch, (*web, db), (db,), (*web, Line("web", "wt", ("2",), "stuck"), db))
        world.ask("switch", "web", "1")
        world.settle()
        world.table = 1
        world.ask("reread")
        world.run(SECOND // 10)
        assert said(world, "web") == "1 HALTING"
        world.table = 2
        yield world
        world.close()


@pytest.mark.parametrize("later", ["", "before", "after"])
def test_a_halt_goes_on_that_a_refused_request_has_superseded(leaving: World, later: str) -> None:
    """It stayed HALTING for ever. There may be another request, before or after the first one is refused."""
    requests = [leaving.ask("switch", "web", "2")]
    leaving.run(SECOND // 2 if later == "before" else SECOND + SECOND // 5)
    if later:
        requests.append(leaving.ask("switch", "web", "2"))
    leaving.run(30 * SECOND)

    assert said(leaving, "web") == "1 CONFIGURED"
    ends = [request.said[-1] for request in requests]
    assert ends[-1][0] == "refused"
    assert "so web is being stopped as before: " in ends[-1][1]


def test_a_halt_does_not_go_on_when_a_level_was_started_by_hand(leaving: World) -> None:
    """Who does that while a request is at its preflight takes the group away from the halt."""
    request = leaving.ask("switch", "web", "2")
    leaving.run(SECOND // 2)
    leaving.systemd.queue("clinit-web@1.target", "start", "hand")
    leaving.systemd.settle()
    leaving.run(30 * SECOND)

    assert request.said[-1][0] == "refused"
    assert said(leaving, "web") == "1 DONE"


def test_a_trial_that_was_refused_is_not_that_of_the_halt_that_goes_on(leaving: World) -> None:
    """It has ended with its refusal, also if an earlier daemon had begun with the halt."""
    leaving.kill(0)
    leaving.run(SECOND)
    request = leaving.ask("switch", "web", "2", trial=60.0)
    leaving.run(SECOND + SECOND // 2)
    kept = leaving.ask("keep", "web")
    leaving.run(30 * SECOND)

    assert request.said[-1][0] == "refused"
    assert kept.said[-1][0] == "refused"
    assert said(leaving, "web") == "1 CONFIGURED"


def test_a_halt_that_is_refused_does_not_begin_again(leaving: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asked for it was told so. It had superseded the halt of a group that has left the table."""
    stop = StandInBus.stop
    monkeypatch.setattr(StandInBus, "stop", lambda bus, unit: None if "@wa." in unit else stop(bus, unit))
    halt = leaving.ask("halt")
    leaving.run(SECOND // 5)
    assert leaving.systemd.units["clinit-web@wa.service"].is_down
    leaving.systemd.queue("clinit-web@wa.service", "start", "hand")
    leaving.systemd.settle()
    leaving.run(30 * SECOND)

    assert halt.said[-1][0] == "refused"
    assert said(leaving, "web") == "1 FAILED"
    assert not leaving.systemd.units["clinit-web@wa.service"].is_down


@pytest.mark.usefixtures("world")
def test_a_table_that_comes_while_a_group_is_emptied_stops_what_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs has the definition that the group's units have, also if the table changed between stop and start."""
    first, second = Line("web", "wa", ("1", "2"), "steady"), Line("web", "wb", ("1", "2"), "polite")
    third, fourth = Line("web", "wa", ("1", "2"), "steady", 1), Line("web", "wb", ("1", "2"), "polite", 1)
    world = between(monkeypatch, (first, second), (first, fourth), (third, fourth))
    world.ask("switch", "web", "1")
    world.settle()
    pid = world.systemd.units["clinit-web@wa.service"].pid
    world.table = 1
    request = world.ask("switch", "web", "1")
    world.run(100_000)
    world.table = 2
    world.ask("reread")
    world.settle()

    assert [what for what, _ in request.said] == ["started", "DONE"]
    assert world.systemd.units["clinit-web@wa.service"].pid not in {0, pid}
    assert world.judge.violations == []
    world.close()


@pytest.mark.usefixtures("world")
def test_an_entry_that_moves_while_its_new_group_is_emptied_runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that a table moves to a group just then is stopped in its old group before the new one starts it."""
    polite, changed = Line("web", "wb", ("1", "2"), "polite"), Line("web", "wb", ("1", "2"), "polite", 1)
    here, there = Line("db", "da", ("1",), "steady"), Line("web", "da", ("1",), "steady")
    rest = Line("db", "dc", ("1",), "steady")
    world = between(monkeypatch, (polite, here, rest), (changed, here, rest), (changed, there, rest))
    for group in ("web", "db"):
        world.ask("switch", group, "1")
        world.settle()
    world.table = 1
    request = world.ask("switch", "web", "1")
    world.run(100_000)
    world.table = 2
    world.ask("reread")
    world.settle()

    assert request.said[-1][0] == "DONE"
    assert world.judge.violations == []
    assert not world.systemd.units["clinit-web@da.service"].is_down
    assert world.systemd.units["clinit-db@da.service"].is_down
    world.close()


def test_a_mark_that_cannot_be_removed_makes_no_switch_fail(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A switch that systemd has begun is not called broken off because its mark is still on disk."""
    remove = MemoryDisk.remove

    def removed(disk: MemoryDisk, path: Path) -> None:
        if "/emptied/" in str(path):
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        remove(disk, path)

    world.ask("switch", "web", "1")
    world.settle()
    with monkeypatch.context() as patch:
        patch.setattr(MemoryDisk, "remove", removed)
        world.table = number_of_table("wa", "job")
        request = world.ask("switch", "web", "2")
        world.run(30 * SECOND)
    again = world.ask("switch", "web", "x")
    world.run(30 * SECOND)

    assert [what for what, _ in request.said] == ["started", "DONE"]
    assert again.said[-1][0] == "DONE"
    assert world.files.names("/run/cltab2systemd/system/emptied") == []


@pytest.mark.usefixtures("world")
def test_a_full_disk_does_not_keep_clstat_from_knowing_what_has_moved_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that is down, and that a table has in its group again, fails it, also if the table cannot be applied."""
    rest = (Line("web", "wb", ("1",), "steady"), Line("job", "ja", ("1",), "steady"))
    here, there = Line("web", "wa", ("1",), "steady"), Line("job", "wa", ("1",), "steady")
    idle, other = Line("db", "da", ("1",), "steady"), Line("db", "da", ("1",), "steady", 1)
    world = between(monkeypatch, (here, *rest, idle), (there, *rest, idle), (here, *rest, other))
    for group in ("web", "job"):
        world.ask("switch", group, "1")
        world.settle()
    world.files.is_full = True
    world.table = 1
    world.ask("switch", "job", "1")
    world.settle()
    moved = said(world, "web")
    world.table = 2
    world.ask("reread")
    world.settle()

    assert moved == "1 DONE"
    assert world.systemd.units["clinit-web@wa.service"].is_down
    assert said(world, "web") == "1 FAILED"
    world.close()


@pytest.mark.parametrize("sets_up", [300, 9_000, 200_000])
def test_what_the_shell_slows_down_is_not_stopped(
    world: World, lines: list[str], monkeypatch: pytest.MonkeyPatch, sets_up: int
) -> None:
    """A command that is not there pauses by the shell before it, again and again, however slow the machine is."""
    monkeypatch.setattr(services, "_SET_UPS", (sets_up,))
    tried = ((number, line) for number in range(tables.TABLES) for line in tables.table(number))
    world.table, line = next((number, line) for number, line in tried if line.kind == "missing")
    world.ask("switch", line.group, line.levels[0])
    world.run(600 * SECOND)

    unit = f"clinit-{line.group}@{line.tag}.service"
    assert said(world, line.group) == f"{line.levels[0]} FAILED"
    assert not [line for line in lines if f"daemon: stop {unit}" in line]


def test_a_request_that_waits_for_an_end_in_a_group_that_stops_in_order_is_not_taken_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Somebody stops an entry, and a request waits for that before it stops those before it: it goes to its level."""
    lines = (Line("web", "wa", ("1",), "steady"), Line("web", "wb", ("1", "2"), "deaf"))
    text = ("".join(map(str, lines)) + ":::stop.web:ordered\n").encode()
    with warm():
        world = between(monkeypatch, lines)
        monkeypatch.setattr(tables, "text", lambda number: text)  # noqa: ARG005
        world.ask("switch", "web", "1")
        world.run(5 * SECOND)
        world.systemd.queue("clinit-web@wb.service", "stop", "hand")
        world.systemd.settle()
        request = world.ask("switch", "web", "2")
        world.run(10 * SECOND)

        assert request.said == [("started", ""), ("DONE", "")]
        assert said(world, "web") == "2 DONE"
        world.close()


def test_a_barrier_that_had_failed_is_no_failure_when_nothing_is_required_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A full disk had a barrier fail. Then nothing is required, so it does not run any more, and remains failed."""
    server = Line("web", "wa", ("1",), "steady")
    with warm():
        world = between(monkeypatch, (server, Line("web", "wb", ("2",), "needed")), (server,))
        world.files.is_full = True
        failed = world.ask("switch", "web", "1")
        world.run(10 * SECOND)
        world.files.is_full = False
        world.table = 1
        world.ask("switch", "web", "x")
        world.run(5 * SECOND)
        request = world.ask("switch", "web", "1")
        world.run(10 * SECOND)

        assert [what for what, _ in failed.said] == ["started", "FAILED"]
        assert request.said == [("started", ""), ("DONE", "")]
        world.close()


def test_what_is_started_anew_is_not_taken_for_what_ran_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody restarts an entry, and before a signal tells, a table takes from its group the entry that failed it."""
    once, lacks = Line("db", "db", ("1",), "once"), Line("db", "da", ("1",), "lacks")
    monkeypatch.setattr("simulation.systemd._GATHERS", (3_000, 3_000))
    with warm():
        world = between(monkeypatch, (once, lacks), (once, replace(lacks, group="web")))
        world.ask("switch", "db", "1")
        world.settle()
        failed = said(world, "db")
        monkeypatch.setattr(services, "_SET_UPS", (60_000,))
        world.systemd.queue("clinit-db@db.service", "restart", "hand")
        world.systemd.settle()
        world.run(1_000)
        world.table = 1
        world.ask("reread")
        world.run(1_000)
        rising = said(world, "db")
        world.settle()

        assert failed == "1 FAILED"
        assert rising == "1 STARTING"
        assert said(world, "db") == "1 DONE"
        assert world.judge.violations == []
        world.close()


@pytest.fixture
def moving(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A machine at which two groups are at level 1, and a table comes that has an entry of one in the other.

    Each of them takes a while to be stopped: the first at level 2 only, to which it is to go on trial.
    """
    db = Line("db", "da", ("1", "2"), "steady"), Line("db", "dt", ("2",), "stubborn")
    here, there = Line("db", "wa", ("1",), "steady"), Line("web", "wa", ("1",), "steady")
    web = Line("web", "wb", ("1",), "stubborn")
    with warm():
        world = between(monkeypatch, (*db, here, web), (*db, there, replace(web, version=1)))
        push_to(world, "db", "web")
        yield world
        world.close()


def push_to(world: World, *groups: str) -> None:
    """Bring groups to level 1, and have the next table come."""
    for group in groups:
        world.ask("switch", group, "1")
        world.settle()
    world.table = 1


def ran_once(world: World) -> None:
    """Wait until all is over: the entry runs where it is now, and has not run twice."""
    world.run(30 * SECOND)
    assert world.judge.violations == []
    assert said(world, "web") == "1 DONE"
    assert said(world, "db") == "1 DONE"
    assert "clinit-db@wa.service" not in world.systemd.units
    assert world.systemd.load("clinit-web@wa.service").active == "active"


@pytest.mark.parametrize("is_trial_first", [True, False])
def test_a_group_goes_back_without_what_another_is_emptied_for(moving: World, *, is_trial_first: bool) -> None:
    """A trial ends while the group that has one of its entries now is being stopped, to start it then."""
    requests = [("db", "2", 0.5), ("web", "1", None)]
    for group, level, trial in requests if is_trial_first else reversed(requests):
        moving.ask("switch", group, level, trial)
        moving.run(SECOND // 5)
    ran_once(moving)


def test_a_group_goes_back_without_what_another_takes_meanwhile(moving: World) -> None:
    """A group that goes back is being stopped for that, and another one takes one of its entries in that time."""
    moving.ask("switch", "db", "2", trial=0.5)
    moving.run(SECOND)
    moving.ask("switch", "web", "1")
    ran_once(moving)


def test_a_group_goes_back_without_what_another_waits_to_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial ends while the group that has one of its entries now waits for another entry to be stopped elsewhere."""
    here, there = Line("db", "wa", ("1",), "steady"), Line("web", "wa", ("1",), "steady")
    slow, moved = Line("job", "jt", ("1",), "stubborn"), Line("web", "jt", ("1",), "stubborn")
    rest = [Line(group, tag, ("1", "2"), "steady") for group, tag in (("db", "da"), ("web", "wb"), ("job", "ja"))]
    with warm():
        world = between(monkeypatch, (*rest, here, slow), (*rest, there, moved))
        push_to(world, "db", "web", "job")
        world.ask("switch", "db", "2", trial=2)
        world.run(SECOND)
        world.ask("switch", "web", "1")
        ran_once(world)
        world.close()


def test_who_has_an_entry_keeps_it_on_its_way_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group that has taken an entry, and goes back from a trial, keeps it, also if another goes back to it, too."""
    db, new = Line("db", "da", ("1", "2"), "steady"), Line("db", "dt", ("2",), "stubborn")
    here, there = Line("db", "wa", ("1",), "steady"), Line("web", "wa", ("1", "2"), "steady")
    web = Line("web", "wb", ("2",), "stubborn")
    with warm():
        world = between(monkeypatch, (db, here, web), (db, new, there, web))
        push_to(world, "db", "web")
        world.ask("switch", "db", "2", trial=3)
        world.run(SECOND)
        world.ask("switch", "web", "1")
        world.run(SECOND)
        process = world.systemd.load("clinit-web@wa.service").pid
        world.ask("switch", "web", "2", trial=1.5)
        ran_once(world)
        assert process == world.systemd.load("clinit-web@wa.service").pid
        world.close()
