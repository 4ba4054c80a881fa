"""How far a group has come: a table of situations, as systemd's ListUnits shows them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from cltab2systemd.groups.execution import Execution
from cltab2systemd.groups.lifecycle import Life, Phase
from cltab2systemd.groups.progress import (
    MOST_AWAITED,
    Awaited,
    Doing,
    Handling,
    Progress,
    ProgressPhase,
    StopSettings,
    Way,
    leaving,
    progress,
    way,
)
from cltab2systemd.groups.state import GroupStatus, State
from cltab2systemd.groups.units import GroupUnits, UnitStatus
from cltab2systemd.table.grammar import parse
from cltab2systemd.units.names import HALT_LEVEL, Names

NAMES = Names()
TABLE = b"""\
web:init:2:wait:x
web:check:2:test:x
web:app:12:respawn:x
web:mail:1:once:x
web:old:12:off:x
"""
SECOND = 1_000_000
SETTINGS = StopSettings(2, 15, 9, 5 * SECOND, 10 * SECOND, is_aborted=True)

# How a unit stands: (active, sub, job).
Standing = tuple[str, str, str]
RUNNING = ("active", "running", "")
EXITED = ("active", "exited", "")
DEAD = ("inactive", "dead", "")
STARTING = ("activating", "start", "start")
QUEUED = ("inactive", "dead", "start")
RESTARTING = ("activating", "auto-restart", "")
TO_STOP = ("active", "running", "stop")


def going(sub: str) -> tuple[str, str, str]:
    """A unit that is being stopped."""
    return ("deactivating", sub, "stop")


@dataclass
class Timed:
    """Timings that are the same for all units, and who was asked for."""

    settings: StopSettings = SETTINGS
    limit: int | None = 30 * SECOND
    text: str = ""
    asked: set[str] = field(default_factory=set)

    def changed_time(self, unit: str) -> int:
        self.asked.add(unit)
        return 7 * SECOND

    def start_limit(self, unit: str) -> int | None:
        self.asked.add(unit)
        return self.limit

    def stop_settings(self, unit: str) -> StopSettings:
        self.asked.add(unit)
        return self.settings

    def status_text(self, unit: str) -> str:
        self.asked.add(unit)
        return self.text


@dataclass
class _Executed:
    """Nothing is judged here; and all that runs is its command, but for units that are not yet."""

    not_yet: frozenset[str] = frozenset()

    def execution(self, unit: UnitStatus, command: str) -> Execution:  # noqa: ARG002
        return Execution.NOT_YET if unit.name in self.not_yet else Execution.COMMAND

    def trouble(self, unit: str) -> str:  # noqa: ARG002
        return ""


def group(table: bytes = TABLE, levels: dict[str, Standing] | None = None, **entries: Standing) -> GroupUnits:
    """A group whose entries stand like this; those that are not named have no unit."""
    standings = {NAMES.entry("web", tag): standing for tag, standing in entries.items()}
    standings |= {NAMES.level("web", level): standing for level, standing in (levels or {}).items()}
    units = {
        name: UnitStatus(name, "loaded", active, sub, 1 if job else 0, job)
        for name, (active, sub, job) in standings.items()
    }
    return GroupUnits(NAMES, "web", parse(table, "cltab")[0].groups["web"].entries, units, _Executed())  # type: ignore[arg-type]


def on(phase: ProgressPhase, level: str | None = "2") -> Way:
    return Way("1", level, phase)


@pytest.mark.parametrize(
    ("life", "status", "is_asked", "expected"),
    [
        (Life(), None, False, None),
        (Life(), ("1", State.DONE), False, None),
        (Life(), ("1", State.FAILED), False, None),
        (Life(), ("1", State.CONFIGURED), False, None),
        (Life(Phase.LEFT, "2"), ("2", State.FAILED), False, None),
        (Life(Phase.PREPARING, "2"), ("1", State.DONE), True, ("0", "2", "waiting")),
        (Life(Phase.PREPARING, "2"), None, True, ("0", "2", "waiting")),
        (Life(Phase.RESUMED, "2"), ("1", State.STOPPING), False, ("1", "2", "waiting")),
        (Life(Phase.EMPTYING, "2"), ("1", State.STOPPING), True, ("1", "2", "stopping")),
        (Life(Phase.INSTALLING, "2"), ("1", State.STOPPING), True, ("1", "2", "loading")),
        (Life(Phase.QUEUEING, "2"), ("1", State.STOPPING), True, ("1", "2", "loading")),
        (Life(Phase.MOVING, "2"), ("1", State.STOPPING), True, ("1", "2", "stopping")),
        (Life(Phase.MOVING, "2"), ("2", State.STARTING), True, ("0", "2", "starting")),
        (Life(Phase.MOVING, "2"), ("2", State.DONE), True, ("0", "2", "settling")),
        (Life(Phase.MOVING, HALT_LEVEL), ("1", State.HALTING), True, ("1", HALT_LEVEL, "stopping")),
        (Life(), ("1", State.HALTING), False, ("1", HALT_LEVEL, "stopping")),
        (Life(), ("1", State.STOPPING), False, ("1", None, "stopping")),
        (Life(), ("2", State.STARTING), False, ("0", "2", "starting")),
    ],
)  # fmt: skip
def test_the_way(
    life: Life, status: tuple[str, State] | None, is_asked: bool, expected: tuple[str, str, str] | None
) -> None:
    """The phase is the daemon's, and then the units'. A group that is stopping comes from the level on show."""
    shown = None if status is None else GroupStatus("web", *status)

    found = way(group(), life, shown, "0", is_asked=is_asked)

    assert expected == (None if found is None else (found.origin, found.level, str(found.phase)))


def test_the_way_of_a_switch_by_hand() -> None:
    """Somebody has started a level target with systemctl: it is where the group goes."""
    units = group(levels={"1": ("active", "active", ""), "2": ("inactive", "dead", "start")})
    found = way(units, Life(), GroupStatus("web", "1", State.STOPPING), None, is_asked=False)

    assert Way("1", "2", ProgressPhase.STOPPING) == found


@pytest.mark.parametrize(
    ("sub", "expected"),
    [
        ("stop-sigterm", ("SIGINT", "SIGTERM", 5 * SECOND)),
        ("stop-watchdog", ("SIGTERM", "SIGKILL", 10 * SECOND)),
        ("stop-sigkill", ("SIGKILL", "", 5 * SECOND)),
        ("stop", ("", "SIGTERM", 5 * SECOND)),
        ("stop-post", ("", "SIGINT", 5 * SECOND)),
        ("final-sigterm", ("SIGINT", "SIGTERM", 5 * SECOND)),
        ("final-sigkill", ("SIGKILL", "", 5 * SECOND)),
    ],
)
def test_stages_of_a_stop(sub: str, expected: tuple[str, str, int]) -> None:
    """While it stops, an entry tells the signal that was sent, the next one, and when that comes."""
    found = progress(group(app=RUNNING, mail=going(sub)), Timed(text="bye"), on(ProgressPhase.STOPPING))

    signal, next_signal, limit = expected
    unit = NAMES.entry("web", "mail")
    told = Awaited("mail", "once", unit, Doing.STOPPING, 7 * SECOND, limit, signal, next_signal, "bye")
    assert Progress("web", on(ProgressPhase.STOPPING), 0, 1, 1, (told,)) == found


def test_a_stop_without_a_second_stage() -> None:
    """A drop-in may have taken the second stage away: SIGKILL comes after the first."""
    settings = StopSettings(15, 6, 9, None, None, is_aborted=False)
    found = progress(group(mail=going("stop-sigterm")), Timed(settings), on(ProgressPhase.STOPPING))

    assert [("SIGTERM", "SIGKILL", None)] == [(e.signal, e.next_signal, e.limit) for e in found.awaited]


def test_what_was_seen_going_is_done() -> None:
    """Of those that were seen being stopped, the ones that are gone are done."""
    before = group(app=TO_STOP, mail=going("stop-sigterm"))
    seen = frozenset(leaving(before))
    found = progress(group(app=going("stop-sigterm"), mail=DEAD), Timed(), on(ProgressPhase.STOPPING), seen)

    assert [Doing.QUEUED, Doing.STOPPING] == [
        e.doing for e in progress(before, Timed(), on(ProgressPhase.STOPPING)).awaited
    ]
    assert (1, 2, 1, ["app"]) == (found.done, found.total, found.waiting, [e.tag for e in found.awaited])


def test_one_that_runs_is_waited_for() -> None:
    """While a level starts, its entries are counted, and the wait or test is told that runs, with its limit."""
    timed = Timed(text="half of it")
    found = progress(group(init=EXITED, check=STARTING, app=QUEUED, mail=RUNNING), timed, on(ProgressPhase.STARTING))

    unit = NAMES.entry("web", "check")
    told = Awaited("check", "test", unit, Doing.STARTING, 7 * SECOND, 30 * SECOND, says="half of it")
    assert Progress("web", on(ProgressPhase.STARTING), 1, 3, 1, (told,)) == found
    assert {unit} == timed.asked


def test_one_that_is_being_executed() -> None:
    """It is told as one that starts. systemd has no limit for that."""
    timed = Timed()
    units = group(init=EXITED, check=EXITED, app=RUNNING)
    units = replace(units, probe=_Executed(frozenset({NAMES.entry("web", "app")})))  # type: ignore[arg-type]
    found = progress(units, timed, on(ProgressPhase.STARTING))

    told = Awaited("app", "respawn", NAMES.entry("web", "app"), Doing.STARTING, 7 * SECOND, None)
    assert Progress("web", on(ProgressPhase.STARTING), 2, 3, 1, (told,)) == found


def test_one_that_is_restarted() -> None:
    """It is waited for from its stop on. One whose restart has to wait has nothing sent to it yet."""
    restarted = ("deactivating", "stop-sigterm", "restart")
    waiting = ("active", "running", "restart")
    found = progress(
        group(init=EXITED, check=EXITED, app=restarted, mail=waiting), Timed(), on(ProgressPhase.STARTING, "1")
    )

    told = [(entry.tag, entry.doing, entry.signal) for entry in found.awaited]
    assert [("app", Doing.STOPPING, "SIGINT"), ("mail", Doing.QUEUED, "")] == told
    assert (0, 2, 2) == (found.done, found.total, found.waiting)


def by_hand(phase: ProgressPhase, *tags: str, done: int = 0) -> Way:
    """What is done to single entries at level 1."""
    return Way("1", "1", phase, Handling("1", phase, tuple(NAMES.entry("web", tag) for tag in tags), done))


@pytest.mark.parametrize(
    ("app", "told"),
    [
        (("active", "running", "restart"), ("app", Doing.QUEUED, "")),
        (("deactivating", "stop-sigterm", "restart"), ("app", Doing.STOPPING, "SIGINT")),
        (("activating", "start", "start"), ("app", Doing.STARTING, "")),
    ],
)
def test_single_entries_that_are_restarted(app: Standing, told: tuple[str, Doing, str]) -> None:
    """Only these are counted, and the present one is waited for."""
    on = by_hand(ProgressPhase.RESTARTING, "mail", "app", done=1)
    found = progress(group(app=app, mail=RUNNING, old=STARTING), Timed(), on)

    assert (1, 2, 1) == (found.done, found.total, found.waiting)
    assert [told] == [(entry.tag, entry.doing, entry.signal) for entry in found.awaited]


def test_single_entries_that_are_stopped() -> None:
    """Those that are at rest are done; what else is being stopped is none of them."""
    on = by_hand(ProgressPhase.STOPPING, "mail", "app", "check")
    found = progress(group(app=going("stop-sigterm"), mail=DEAD, old=going("stop-sigterm")), Timed(), on)

    assert (2, 3, 1, ["app"]) == (found.done, found.total, found.waiting, [entry.tag for entry in found.awaited])
    settling = progress(group(app=DEAD, mail=DEAD), Timed(), by_hand(ProgressPhase.SETTLING, "mail", "app"))
    assert (2, 2, 0) == (settling.done, settling.total, settling.waiting)


def test_what_nobody_has_counted() -> None:
    """Who looks for the first time cannot tell how many are gone already."""
    found = progress(group(app=going("stop-sigterm"), mail=DEAD), Timed(), on(ProgressPhase.STOPPING), None)

    assert (0, 0, 1) == (found.done, found.total, found.waiting)


def test_one_that_waits_for_its_turn() -> None:
    """If nothing of the level runs that is waited for, systemd waits for something else before the next entry."""
    timed = Timed()
    found = progress(group(init=QUEUED, check=QUEUED, app=RESTARTING), timed, on(ProgressPhase.STARTING))

    assert (1, 3, 1, [("init", Doing.QUEUED)]) == (
        found.done, found.total, found.waiting, [(e.tag, e.doing) for e in found.awaited],
    )  # fmt: skip
    assert set() == timed.asked


@pytest.mark.parametrize("phase", [ProgressPhase.LOADING, ProgressPhase.SETTLING])
def test_phases_that_wait_for_no_entry(phase: ProgressPhase) -> None:
    """While units are loaded, nothing is counted; while the level settles, all of it has been started."""
    timed = Timed()
    found = progress(group(init=EXITED, check=EXITED, app=RUNNING), timed, on(phase))

    number = 3 if phase is ProgressPhase.SETTLING else 0
    assert Progress("web", on(phase), number, number) == found
    assert set() == timed.asked


def test_few_are_told_of_many() -> None:
    """Of a thousand that are stopping, the first are told, and only these are asked for; the others are a number."""
    table = b"".join(b"web:e%d:1:respawn:x\n" % number for number in range(1000))
    entries = {f"e{number}": going("stop-sigterm") for number in range(1000)}
    timed = Timed()
    found = progress(group(table, None, **entries), timed, on(ProgressPhase.STOPPING))

    assert (1000, [f"e{number}" for number in range(MOST_AWAITED)]) == (found.waiting, [e.tag for e in found.awaited])
    assert MOST_AWAITED == len(timed.asked)
