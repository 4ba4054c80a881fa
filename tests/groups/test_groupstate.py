"""The state of a group, read off its units: a table of situations, as systemd's ListUnits shows them."""

from dataclasses import replace

import pytest
from standings import (
    AT_LEVEL,
    BROKEN,
    DEAD,
    EXITED,
    GOING,
    GONE,
    LEAVING,
    MASKED,
    NAMES,
    PASSED,
    QUEUED,
    RESTARTING,
    RUNNING,
    STARTING,
    SWEPT_UP,
    TO_STOP,
    Probed,
    Standing,
    units_of,
)

from cltab2systemd.groups.culprit import Culprit
from cltab2systemd.groups.execution import Execution
from cltab2systemd.groups.reasons import Cause, Remedy
from cltab2systemd.groups.state import Asked, GroupStatus, State, group_status, remedies_at
from cltab2systemd.groups.units import GroupUnits, Process, UnitStatus
from cltab2systemd.table.grammar import parse
from cltab2systemd.units.names import HALT_LEVEL

FAILED_TEST, KILLED, NEVER_RAN = Process(7, 1, 3), Process(7, 2, 9), Process(0, 0, 0)
LIVES = Process(8, 0, 0)
# What systemd could not execute, or broke off.
NO_USER, NO_FILE = Process(7, 1, 217, "exit-code"), Process(0, 0, 0, "resources")
TOO_LONG, NO_MEMORY, DUMPED = Process(7, 2, 2, "timeout"), Process(7, 2, 9, "oom-kill"), Process(7, 3, 11, "core-dump")

# Level 1 has all modes, 2 a wait and a respawn, 3 only tests, 4 just an `off` entry, 5 a test and an `off` entry.
TABLE = b"""\
web:init:12:wait:x
web:check:135:test:x
web:check2:3:test:x
web:mail:1:once:x
web:app:12:respawn:x
web:old:45:off:x
"""
ENTRIES = parse(TABLE, "cltab")[0].groups["web"].entries

LEVEL_1 = {"init": EXITED, "check": EXITED, "mail": EXITED, "app": RUNNING}
LEVEL_3 = {"check": EXITED, "check2": EXITED}


def group(
    entries: dict[str, Standing],
    levels: dict[str, Standing],
    probe: Probed | None = None,
    barriers: dict[str, Standing] | None = None,
) -> GroupUnits:
    standings = {
        **{NAMES.entry("web", tag): standing for tag, standing in entries.items()},
        **{NAMES.level("web", level): standing for level, standing in levels.items()},
        **{NAMES.barrier("web", level): standing for level, standing in (barriers or {}).items()},
    }
    return units_of(ENTRIES, standings, probe or Probed())


def status(*arguments: object, shown: str | None = None) -> tuple[str, str] | None:
    found = group_status(group(*arguments), shown)  # type: ignore[arg-type]
    assert found is None or found.group == "web"
    return None if found is None else (found.level, str(found.state))


def test_what_outlives_sigkill() -> None:
    """An entry outside of the level that systemd has given up is none of the level's, unless its processes run on."""
    entries = {**LEVEL_3, "app": BROKEN}
    assert status(entries, {"3": AT_LEVEL}) == ("3", "PASSED")
    assert status(entries, {"3": AT_LEVEL}, Probed(survivors={"app"})) == ("3", "FAILED")


@pytest.mark.parametrize(
    ("standing", "probe", "cause", "words"),
    [
        (SWEPT_UP, Probed({"app": PASSED}), Cause.RESTARTING, "exited with 0, and is started again"),
        (SWEPT_UP, Probed({"app": LIVES}), Cause.RESTARTING, "ends, and is started again"),
        (SWEPT_UP, Probed({"app": PASSED}, restless={"app"}, endings={"app": PASSED}), Cause.KEEPS_ENDING,
            "ends again and again, each time within a minute, and is started again; its last run exited with 0"),
        (RUNNING, Probed(restless={"app"}, endings={"app": PASSED}), Cause.KEEPS_ENDING,
            "ends again and again, each time within a minute, and is started again; its last run exited with 0"),
        (RUNNING, Probed(restless={"app"}), Cause.KEEPS_ENDING,
            "ends again and again, each time within a minute, and is started again"),
        (RUNNING, Probed(pauses={"app": "pauses"}, endings={"app": PASSED}), Cause.PAUSED,
            "pauses; its last run exited with 0"),
    ],
)  # fmt: skip
def test_a_program_that_goes_to_the_background(standing: Standing, probe: Probed, cause: Cause, words: str) -> None:
    """Nobody stops it: it has ended, and systemd ends what it has left. What is told says how it has ended."""
    found = group_status(group({**LEVEL_1, "app": standing}, {"1": AT_LEVEL}, probe), "1")
    assert found is not None
    assert [(cause, words)] == [(reason.cause, reason.words) for reason in (*found.reasons, *found.momentary)]


@pytest.mark.parametrize(
    ("latest", "how"),
    [
        (FAILED_TEST, "; its last run exited with 3"),
        (Process(7, 2, 11, "signal"), "; its last run was killed by SIGSEGV"),
        (Process(7, 1, 0, "timeout"), "; its last run exited with 0, for a time limit was over"),
        (LIVES, ""),
    ],
)
def test_how_one_ends_again_and_again(latest: Process, how: str) -> None:
    """What is told of it says how it has ended last, if that was seen."""
    probe = Probed(restless={"app"}, endings={"app": latest})
    found = group_status(group({**LEVEL_1, "app": RUNNING}, {"1": AT_LEVEL}, probe), "1")
    assert found is not None
    assert [f"ends again and again, each time within a minute, and is started again{how}"] == [
        reason.words for reason in found.reasons
    ]


def test_a_group_that_was_never_asked() -> None:
    """A group at no level has no line in clstat; one that was at a level is CONFIGURED there."""
    assert status({}, {}) is None
    assert status({}, {"1": DEAD}) is None
    assert status({}, {"1": DEAD}, shown="1") == ("1", "CONFIGURED")


def test_states_are_those_of_the_ancestor() -> None:
    """Readers of clstat know these words; three of them say that a level has come to its end."""
    words = ["CONFIGURED", "STOPPING", "STARTING", "CHECKING", "DONE", "PASSED", "FAILED", "HALTING"]
    assert words == [str(state) for state in State]
    assert [state for state in State if state.settled] == [State.DONE, State.PASSED, State.FAILED]
    assert f"{State.DONE}" == "DONE"


@pytest.mark.parametrize(
    ("entries", "levels", "barriers", "shown", "expected"),
    [
        pytest.param(
            LEVEL_1, {"1": AT_LEVEL, "2": QUEUED}, {"2": QUEUED}, "1", "1 STOPPING", id="asked, none gone yet"
        ),
        pytest.param(
            {**LEVEL_1, "mail": GOING}, {"1": DEAD, "2": QUEUED}, {"2": QUEUED}, "1", "1 STOPPING", id="one still goes"
        ),
        pytest.param(
            {**LEVEL_1, "check": DEAD, "mail": TO_STOP},
            {"2": QUEUED},
            {"2": QUEUED},
            "1",
            "1 STOPPING",
            id="to be stopped",
        ),
        pytest.param(
            {"init": QUEUED, "check": DEAD, "mail": BROKEN},
            {"2": QUEUED},
            {"2": QUEUED},
            "1",
            "2 STARTING",
            id="all gone",
        ),
        pytest.param({"init": STARTING}, {"2": QUEUED}, {"2": DEAD}, "1", "2 STARTING", id="a wait runs"),
        pytest.param({"mail": RUNNING}, {"2": QUEUED}, {"2": DEAD}, "1", "2 STARTING", id="an outsider came by hand"),
        pytest.param({"init": QUEUED}, {"1": QUEUED}, {"1": QUEUED}, None, "1 STARTING", id="the first request"),
        pytest.param({"mail": GOING}, {"2": QUEUED}, {"2": QUEUED}, None, "2 STARTING", id="first, with an outsider"),
        pytest.param({"init": STARTING}, {"1": QUEUED}, {}, "1", "1 STARTING", id="no barrier loaded"),
        pytest.param({"old": RUNNING}, {"4": QUEUED}, {"4": QUEUED}, "1", "1 STOPPING", id="an off entry goes"),
        pytest.param(
            LEVEL_1, {"1": AT_LEVEL, "999": QUEUED}, {"999": QUEUED}, "1", "1 STOPPING", id="to an unnamed level"
        ),
        pytest.param({}, {"998": QUEUED, "999": QUEUED}, {}, "1", "999 STARTING", id="the latest of two unnamed"),
        pytest.param(LEVEL_1, {"1": ("loaded", "active", "active", "start")}, {}, "1", "1 STARTING", id="asked again"),
    ],
)
def test_under_way(
    entries: dict[str, Standing],
    levels: dict[str, Standing],
    barriers: dict[str, Standing],
    shown: str | None,
    expected: str,
) -> None:
    """While the old level's entries go, it is STOPPING at the old level; then STARTING at the new one."""
    assert tuple(expected.split()) == status(entries, levels, None, barriers, shown=shown)


@pytest.mark.parametrize(
    ("entries", "level", "probe", "expected"),
    [
        pytest.param(LEVEL_1, "1", Probed(), "DONE", id="all is well"),
        pytest.param({**LEVEL_1, "app": RESTARTING}, "1", Probed(), "DONE", id="a respawn died"),
        pytest.param({**LEVEL_1, "init": STARTING}, "1", Probed(), "STARTING", id="a wait runs"),
        pytest.param({**LEVEL_1, "check": STARTING}, "1", Probed(), "STARTING", id="a test runs"),
        pytest.param({**LEVEL_1, "check": QUEUED}, "1", Probed(), "STARTING", id="a test is to run"),
        pytest.param({**LEVEL_1, "check": STARTING, "mail": MASKED}, "1", Probed(), "STARTING", id="not judged yet"),
        pytest.param(LEVEL_1, "1", Probed({"check": FAILED_TEST}), "FAILED", id="a test failed"),
        pytest.param(LEVEL_1, "1", Probed({"check": KILLED}), "FAILED", id="a test was killed"),
        pytest.param(LEVEL_1, "1", Probed({"check": NEVER_RAN}), "FAILED", id="a test did not run"),
        pytest.param(LEVEL_1, "1", Probed({"init": FAILED_TEST}), "DONE", id="a wait failed"),
        pytest.param(LEVEL_1, "1", Probed({"init": KILLED}), "DONE", id="a wait was killed by hand"),
        pytest.param(
            LEVEL_1, "1", Probed({"init": KILLED}, short_of_memory={"clinit-web.slice"}), "FAILED",
            id="a wait was killed, and the kernel counts that",
        ),
        pytest.param({**LEVEL_1, "init": DEAD}, "1", Probed({"init": KILLED}, inactive={"init": 150}), "DONE",
            id="a wait was stopped by hand"),
        pytest.param({**LEVEL_1, "init": BROKEN}, "1", Probed({"init": NO_USER}, inactive={"init": 150}), "FAILED",
            id="a wait could not be executed"),
        pytest.param({**LEVEL_1, "mail": BROKEN}, "1", Probed({"mail": NO_FILE}, {"mail": 150}), "FAILED",
            id="a once got no resources"),
        pytest.param({**LEVEL_1, "init": BROKEN}, "1", Probed({"init": TOO_LONG}, inactive={"init": 150}), "FAILED",
            id="a wait took too long"),
        pytest.param(
            {**LEVEL_1, "init": BROKEN}, "1",
            Probed({"init": TOO_LONG}, inactive={"init": 150}, began={"init": 110}, active={"init": 120}), "DONE",
            id="a wait had ended, and was stopped with all stages",
        ),
        pytest.param({**LEVEL_1, "mail": BROKEN}, "1", Probed({"mail": NO_MEMORY}, inactive={"mail": 150}), "FAILED",
            id="a once ran out of memory"),
        pytest.param({**LEVEL_1, "mail": BROKEN}, "1", Probed({"mail": DUMPED}, inactive={"mail": 150}), "FAILED",
            id="a once dumped its core"),
        pytest.param({**LEVEL_1, "app": RESTARTING}, "1", Probed({"app": NO_USER}), "FAILED",
            id="a respawn cannot be executed"),
        pytest.param(LEVEL_1, "1", Probed(strayed={"app": "/user.slice"}), "FAILED", id="a respawn has left its group"),
        pytest.param(LEVEL_1, "1", Probed(pauses={"app": "pauses"}), "DONE", id="a respawn pauses"),
        pytest.param({**LEVEL_1, "app": GOING}, "1", Probed(), "FAILED", id="a respawn is being stopped"),
        pytest.param({**LEVEL_1, "app": SWEPT_UP}, "1", Probed({"app": PASSED}), "DONE",
            id="a respawn has ended, and has left something"),
        pytest.param({**LEVEL_1, "app": SWEPT_UP}, "1", Probed({"app": LIVES}), "DONE", id="systemd stops a respawn"),
        pytest.param({**LEVEL_1, "app": QUEUED}, "1", Probed(), "STARTING", id="a respawn is to be started"),
        pytest.param({**LEVEL_1, "app": ("loaded", "activating", "auto-restart", "restart")}, "1", Probed(), "DONE",
            id="a respawn is started again"),
        pytest.param({**LEVEL_1, "old": RUNNING}, "1", Probed(active={"old": 90}), "FAILED",
            id="an outsider was not stopped"),
        pytest.param({**LEVEL_1, "old": RUNNING}, "1", Probed(active={"old": 110}), "DONE",
            id="an outsider was started by hand since"),
        pytest.param({**LEVEL_1, "old": RUNNING}, "1", Probed(active={"old": 110}, inactive={"1": 105}), "FAILED",
            id="an outsider is newer than the barrier, which did not run this time"),
        pytest.param(LEVEL_1, "1", Probed(inactive={"1": 105}), "FAILED", id="the barrier did not run this time"),
        pytest.param(LEVEL_1, "1", Probed(conditions={"level 1": 0}), "FAILED", id="the barrier never ran"),
        pytest.param({**LEVEL_1, "app": MASKED}, "1", Probed(), "FAILED", id="masked"),
        pytest.param({**LEVEL_1, "init": GONE}, "1", Probed(), "FAILED", id="not found"),
        pytest.param({**LEVEL_1, "mail": ("bad-setting", *DEAD[1:])}, "1", Probed(), "FAILED", id="bad drop-in"),
        pytest.param({"init": EXITED, "check": EXITED, "mail": EXITED}, "1", Probed(), "FAILED", id="not loaded"),
        pytest.param({**LEVEL_1, "app": DEAD}, "1", Probed(), "FAILED", id="never started"),
        pytest.param({**LEVEL_1, "app": BROKEN}, "1", Probed(inactive={"app": 90}), "FAILED", id="refused this time"),
        pytest.param(
            {**LEVEL_1, "app": DEAD}, "1", Probed(conditions={"app": 90}, inactive={"app": 95}), "FAILED",
            id="stopped before, and not started",
        ),
        pytest.param(
            {**LEVEL_1, "app": DEAD}, "1", Probed(conditions={"app": 110}, inactive={"app": 150}), "FAILED",
            id="a respawn was stopped by hand",
        ),
        pytest.param(
            {**LEVEL_1, "mail": DEAD}, "1", Probed(conditions={"mail": 110}, inactive={"mail": 150}), "DONE",
            id="a once was stopped by hand",
        ),
        pytest.param(
            {**LEVEL_1, "mail": DEAD}, "1", Probed(conditions={"mail": 50}, inactive={"mail": 150}), "DONE",
            id="shared with the old level, then stopped by hand",
        ),
        pytest.param(
            {**LEVEL_1, "check": DEAD}, "1", Probed({"check": FAILED_TEST}, inactive={"check": 150}), "FAILED",
            id="a failed test stays failed when stopped by hand",
        ),
        pytest.param(
            {**LEVEL_1, "app": DEAD}, "1", Probed(conditions={"app": 110}, unfit={"app"}), "DONE", id="skipped"
        ),
        pytest.param(
            {**LEVEL_1, "mail": DEAD}, "1", Probed({"mail": NEVER_RAN}, {"mail": 110}, unfit={"mail"}), "DONE",
            id="a skipped once",
        ),
        pytest.param(
            {**LEVEL_1, "check": DEAD}, "1", Probed({"check": NEVER_RAN}, conditions={"check": 110}), "FAILED",
            id="a skipped test",
        ),
        pytest.param(LEVEL_3, "3", Probed(), "PASSED", id="only tests, all passed"),
        pytest.param(LEVEL_3, "3", Probed({"check2": FAILED_TEST}), "FAILED", id="only tests, one failed"),
        pytest.param({"init": EXITED, "app": RUNNING}, "2", Probed(), "DONE", id="no tests"),
        pytest.param({"init": EXITED, "app": RUNNING}, "2", Probed({"check": FAILED_TEST}), "DONE", id="not its test"),
        pytest.param({}, "4", Probed(), "DONE", id="nothing but an off entry"),
        pytest.param({"check": EXITED}, "5", Probed(), "PASSED", id="an off entry does not prevent PASSED"),
        pytest.param({"check": EXITED, "old": MASKED}, "5", Probed(), "PASSED", id="a masked off entry"),
        pytest.param({}, "999", Probed(), "DONE", id="unnamed"),
    ],
)  # fmt: skip
def test_settled(entries: dict[str, Standing], level: str, probe: Probed, expected: str) -> None:
    """A level that was reached is judged by its entries alone."""
    assert status(entries, {level: AT_LEVEL, "other": DEAD}, probe, shown="other") == (level, expected)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [(Asked("1", 90), "DONE"), (Asked("1", 101), "FAILED"), (Asked("2", 101), "DONE"), (None, "DONE")],
)
def test_a_request_whose_barrier_did_not_run(asked: Asked | None, expected: str) -> None:
    """A level that is asked for again counts only if its barrier has run since."""
    found = group_status(group(LEVEL_1, {"1": AT_LEVEL}), "1", asked)
    assert found is not None
    assert expected == found.state


@pytest.mark.parametrize(("times", "expected"), [((10, 20), "b"), ((20, 10), "a")])
def test_unnamed_levels_tie(times: tuple[int, int], expected: str) -> None:
    """Targets of unnamed levels stay active together: the level is the one that was asked for last."""
    probe = Probed(conditions={"level a": times[0], "level b": times[1]})
    assert status({}, {"a": AT_LEVEL, "b": AT_LEVEL}, probe, shown="1") == (expected, "DONE")


@pytest.mark.parametrize("tag", ["app", "mail"])
def test_what_is_not_its_command_yet(tag: str) -> None:
    """Systemd has forked it, and says that it runs. Nobody knows whether it will."""
    entries = {**LEVEL_1, "mail": RUNNING}
    assert status(entries, {"1": AT_LEVEL}, Probed(executions={tag: Execution.NOT_YET})) == ("1", "STARTING")
    assert status(entries, {"1": AT_LEVEL}, Probed(executions={tag: Execution.COMMAND})) == ("1", "DONE")


def test_what_is_tried_again_in_vain() -> None:
    """It has failed, and does not start each time that it is tried again."""
    probe = Probed(executions={"app": Execution.NOT_YET}, troubles={"app": "could not be started"})
    assert status(LEVEL_1, {"1": AT_LEVEL}, probe) == ("1", "FAILED")


@pytest.mark.parametrize("standing", [RUNNING, GOING, DEAD])
def test_what_is_stopped_until_its_next_try(standing: Standing) -> None:
    """Nobody has stopped it: it is told why it could not be started, while it is going down, too."""
    probe = Probed(troubles={"app": "could not be started"}, conditions={"app": 200})
    found = group_status(group({**LEVEL_1, "app": standing}, {"1": AT_LEVEL}, probe), "1")
    assert found is not None
    assert [Cause.NOT_EXECUTED] == [reason.cause for reason in found.reasons]


def test_what_pauses_is_tried_by_a_request() -> None:
    """It may be mended by now. One that is being tried is let be."""
    probe = Probed(troubles={"app": "could not be started"})
    assert remedies_at(group(LEVEL_1, {"1": AT_LEVEL}, probe), "1") == {}
    probe.pauses["app"] = "pauses"
    assert remedies_at(group(LEVEL_1, {"1": AT_LEVEL}, probe), "1") == {"app": Remedy.RERUN}


@pytest.mark.parametrize(
    ("tag", "standing", "process", "told", "untold"),
    [
        ("app", DEAD, KILLED, "does not run: it was stopped by alice with 'x'", "does not run: it was stopped"),
        ("app", GOING, LIVES, "is being stopped by alice with 'x'", "is being stopped"),
        ("app", BROKEN, FAILED_TEST, "does not run: it exited with 3", "does not run: it exited with 3"),
        ("check", BROKEN, KILLED, "was killed by SIGKILL, as alice asked with 'x'", "was killed by SIGKILL"),
        ("check", BROKEN, FAILED_TEST, "exited with 3", "exited with 3"),
        ("mail", EXITED, KILLED, "was killed by SIGKILL, as alice asked with 'x', which is no failure of a once",
         "was killed by SIGKILL, which is no failure of a once"),
        ("init", DEAD, KILLED,
         "was stopped by alice with 'x' before it ended; a request does not run it again",
         "was stopped before it ended; a request does not run it again"),
    ],
)  # fmt: skip
def test_who_has_stopped_an_entry(tag: str, standing: Standing, process: Process, told: str, untold: str) -> None:
    """It is told of what a stop or a signal has ended, if somebody is known; a failure of its own is nobody's."""
    for by, words in ((Culprit(1, "alice", 7, 8, "x"), told), (None, untold)):
        probe = Probed({tag: process}, culprits={tag: by} if by else {}, inactive={tag: 101}, began={tag: 100})
        found = group_status(group({**LEVEL_1, tag: standing}, {"1": AT_LEVEL}, probe), "1")
        assert found is not None
        [reason] = found.reasons
        is_told = told != untold
        assert (reason.words, reason.attempt.by) == (words, by if is_told else None)
        assert reason.attempt.may_be_by_hand == is_told


def test_what_is_not_its_command_again_yet() -> None:
    """A respawn entry that has run, and that systemd has forked again, is well, and that is told."""
    found = group_status(
        group(LEVEL_1, {"1": AT_LEVEL}, Probed({"app": LIVES}, executions={"app": Execution.AGAIN})), "1"
    )

    assert found is not None
    assert ("1", "DONE", ["has ended, and is started again"]) == (
        found.level, str(found.state), [reason.words for reason in found.momentary],
    )  # fmt: skip


def test_what_has_ended_before_it_could_be_asked_for() -> None:
    """Systemd is about to start it again, and has, by the time that it tells of the process. That proves nothing."""
    probe = Probed({"app": LIVES}, executions={"app": Execution.NOT_YET})
    assert status({**LEVEL_1, "app": RESTARTING}, {"1": AT_LEVEL}, probe) == ("1", "STARTING")


@pytest.mark.parametrize(("started", "expected"), [(120, "FAILED"), (160, "DONE")])
def test_what_is_not_ready_is_not_that_of_the_next_process(started: int, expected: str) -> None:
    """The next process may have been started between two questions: that it is not ready yet says nothing."""
    table = TABLE + b":::service.app:Type=notify\n"
    entries = parse(table, "cltab")[0].groups["web"].entries
    probe = Probed(
        processes={"app": Process(7, 2, 9, "signal", 150)}, started={"app": started}, left={"app": 110},
        executions={"app": Execution.AGAIN},
    )  # fmt: skip
    units = group({**LEVEL_1, "app": RESTARTING}, {"1": AT_LEVEL}, probe)
    found = group_status(replace(units, entries=entries), "1")
    assert found is not None
    assert found.state == expected


def test_a_start_that_has_taken_too_long() -> None:
    """It has failed, though nobody knows whether the command was executed; if it has run before, it is only told."""
    probe = Probed({"app": Process(8, 2, 15, "timeout")}, executions={"app": Execution.NOT_YET})
    assert status({**LEVEL_1, "app": RESTARTING}, {"1": AT_LEVEL}, probe) == ("1", "FAILED")
    probe.executions["app"] = Execution.AGAIN
    assert status({**LEVEL_1, "app": RESTARTING}, {"1": AT_LEVEL}, probe) == ("1", "DONE")


def test_a_level_that_is_being_stopped() -> None:
    """At a shutdown systemd stops the target with all of its entries: that is no failure of theirs."""
    entries = {**LEVEL_1, "app": GOING, "mail": TO_STOP}
    assert status(entries, {"1": LEAVING}, shown="1") == ("1", "STOPPING")


@pytest.mark.parametrize(("active", "inactive", "asked"), [({"1": 50}, {"1": 150}, {}), ({"1": 0}, {}, {"level 1": 0})])
def test_a_level_that_has_gone_since_it_was_listed(
    active: dict[str, int], inactive: dict[str, int], asked: dict[str, int]
) -> None:
    """Its times are of later than the list, or there are none, since it is not loaded any more: that is no failure.

    The next look tells where the group is.
    """
    probe = Probed(active=active, inactive=inactive, conditions=asked)
    assert status(LEVEL_1, {"1": AT_LEVEL}, probe, shown="1") == ("1", "DONE")


def test_a_barrier_of_before_that_is_met() -> None:
    """It ran when the level was asked for, for lines in which something was required, and nothing is any more."""
    asked = Asked("1", 120)
    barrier = {"level 1": 150}
    for inactive, expected in ((barrier, State.DONE), ({}, State.FAILED)):
        found = group_status(group(LEVEL_1, {"1": AT_LEVEL}, Probed(inactive=inactive)), "1", asked)
        assert found is not None
        assert found.state is expected


@pytest.mark.parametrize("standing", [QUEUED, AT_LEVEL, LEAVING])
def test_halting(standing: Standing) -> None:
    """On its way to the halt level, and once there, a group is HALTING at the level it had, if it had one.

    Also while the halt level is stopped, when its times are of later than the list.
    """
    level = NAMES.level("web", HALT_LEVEL)
    units = {level: UnitStatus(level, *standing[:3], job_id=1, job=standing[3])}
    asked = {f"level {HALT_LEVEL}": 0} if standing is LEAVING else {}
    found = GroupUnits(NAMES, "web", ENTRIES, units, Probed(conditions=asked))
    assert group_status(found, "1") == GroupStatus("web", "1", State.HALTING)
    assert group_status(found, None) == GroupStatus("web", HALT_LEVEL, State.HALTING)


@pytest.mark.parametrize(
    ("process", "expected"), [(PASSED, True), (FAILED_TEST, False), (KILLED, False), (NEVER_RAN, False)]
)
def test_succeeded(process: Process, expected: bool) -> None:
    """Only a process that ran, exited, and did so with 0, has succeeded."""
    assert expected == process.succeeded


@pytest.mark.parametrize(
    ("entries", "levels", "barriers", "expected"),
    [
        ({}, {}, {}, False),
        ({}, {"1": AT_LEVEL}, {}, True),
        ({}, {"1": QUEUED}, {}, True),
        ({"app": RUNNING}, {}, {}, True),
        ({"app": GOING}, {}, {}, True),
        ({"app": RESTARTING}, {}, {}, True),
        ({"app": QUEUED}, {"1": DEAD}, {}, True),
        ({"app": ("loaded", "failed", "failed", "start")}, {"1": DEAD}, {}, True),
        ({"app": DEAD, "mail": BROKEN, "old": MASKED}, {"1": DEAD}, {}, False),
        ({}, {}, {"1": QUEUED}, False),
    ],
)
def test_is_active(
    entries: dict[str, Standing], levels: dict[str, Standing], barriers: dict[str, Standing], expected: bool
) -> None:
    """A group is active at a level, and while anything of it runs or is about to; barriers do not count."""
    assert expected == group(entries, levels, None, barriers).is_active()


def test_other_groups_targets_are_no_levels() -> None:
    """Only this group's level targets tell its level."""
    others = ("clinit-web2@1.target", "clinit-web-unnamed.target", "clinit-web@.target", "clinit-web@1.service")
    units = {name: UnitStatus(name, *AT_LEVEL[:3]) for name in others}
    assert group_status(GroupUnits(NAMES, "web", ENTRIES, units, Probed()), None) is None
