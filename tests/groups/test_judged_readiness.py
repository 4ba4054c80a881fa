"""How a group is judged whose entries have a readiness, or are required; and what a request does about these."""

from __future__ import annotations

from dataclasses import replace

import pytest
from standings import AT_LEVEL, BROKEN, DEAD, EXITED, NAMES, RUNNING, Probed, Standing, units_of

from cltab2systemd.groups.reasons import Cause, Remedy
from cltab2systemd.groups.state import group_status, remedies_at
from cltab2systemd.groups.units import GroupUnits, Process
from cltab2systemd.table.grammar import parse
from cltab2systemd.units.requirements import passed_file

FAILED = Process(7, 1, 1)
TIME_IS_UP = Process(7, 1, 10)
STOPPED = Process(7, 2, 2)


def group(table: str, level: str, entries: dict[str, Standing], probe: Probed) -> GroupUnits:
    """The group `web` of a table, at a level."""
    found = parse(table.encode(), "cltab")[0].groups["web"].entries
    standings = {NAMES.entry("web", tag): standing for tag, standing in entries.items()}
    return units_of(found, {**standings, NAMES.level("web", level): AT_LEVEL}, probe)


def judged(units: GroupUnits) -> tuple[str, dict[str, tuple[Cause, str]]]:
    """Its state, and what is wrong with its entries, by tag."""
    status = group_status(units, None)
    assert status is not None
    return str(status.state), {reason.tag: (reason.cause, reason.words) for reason in status.reasons}


def conditions(*tags: str) -> tuple[str, ...]:
    """Those for required entries, as systemd tells them when it has forgotten which one did not hold."""
    return tuple(f"ConditionPathExists={passed_file('/run/x', NAMES.entry('web', tag))}" for tag in tags)


@pytest.mark.parametrize("mode", ["respawn", "wait", "test", "once"])
@pytest.mark.parametrize("since", [Process(0, 0, 0), Process(5, 1, 0)], ids=["never ran", "ran before"])
def test_kept_back_by_what_was_mended_since(mode: str, since: Process) -> None:
    """The next request has to start it: systemd has forgotten which condition failed, and no other tells."""
    table = f":::required.m:yes\n:::required.n:yes\nweb:m:3:wait:x\nweb:n:3:wait:x\nweb:a:3:{mode}:x\n"
    probe = Probed(
        {"a": since}, conditions={"m": 150, "n": 110, "a": 120}, active={"m": 150, "n": 110}, unfit={"a"},
        failed={"a": (f"ConditionPathExists=!/run/x/held/{NAMES.entry('web', 'a')}", *conditions("m", "n"))},
    )  # fmt: skip
    units = group(table, "3", {"m": EXITED, "n": EXITED, "a": DEAD}, probe)
    assert judged(units) == ("FAILED", {"a": (Cause.KEPT_BACK, "was not started, because m had not done well")})
    assert remedies_at(units, None) == {"a": Remedy.START}


def test_skipped_for_a_condition_of_its_own() -> None:
    """What it is behind had done well by then, so it is a condition of a drop-in that has not held."""
    table = ":::required.m:yes\nweb:m:3:wait:x\nweb:a:3:respawn:x\n"
    probe = Probed(
        conditions={"m": 110, "a": 120}, active={"m": 110}, unfit={"a"},
        failed={"a": ("ConditionPathExists=/srv", *conditions("m"))},
    )  # fmt: skip
    state, reasons = judged(group(table, "3", {"m": EXITED, "a": DEAD}, probe))
    assert (state, reasons["a"][0]) == ("DONE", Cause.SKIPPED)


BEHIND = ":::required.m:yes\n:::ready.db:true\nweb:m:3:wait:x\nweb:db:34:respawn:x\n"


def kept_back(**processes: Process) -> Probed:
    """A probe for a group in which an entry's readiness, or both, were kept back by `m`."""
    tags = ("db", "db:ready")
    return Probed(
        {"m": FAILED, **{tag.replace("_", ":"): process for tag, process in processes.items()}},
        conditions={"m": 110, "db": 120, "db:ready": 120}, unfit={*tags},
        failed={tag: conditions("m") for tag in tags},
    )  # fmt: skip


def test_nobody_asks_what_runs_on() -> None:
    """An entry of the level before runs on behind what has failed; whether it is ready, nobody has asked."""
    probe = kept_back()
    units = group(BEHIND, "3", {"m": BROKEN, "db": RUNNING, "db:ready": DEAD}, probe)
    state, reasons = judged(units)
    words = "was not asked whether it is ready, because m exited with 1"
    assert (state, reasons["db:ready"]) == ("FAILED", (Cause.KEPT_BACK, words))

    probe.processes["m"], probe.active["m"] = Process(9, 1, 0), 150  # somebody has restarted what it is behind
    units = group(BEHIND, "3", {"m": EXITED, "db": RUNNING, "db:ready": DEAD}, probe)
    words = "was not asked whether it is ready, because m had not done well"
    assert judged(units) == ("FAILED", {"db:ready": (Cause.KEPT_BACK, words)})
    assert remedies_at(units, None) == {"db:ready": Remedy.START}


def test_a_readiness_is_kept_back_with_its_entry() -> None:
    """It is told of the entry, and of that alone."""
    _, reasons = judged(group(BEHIND, "3", {"m": BROKEN, "db": DEAD, "db:ready": DEAD}, kept_back()))
    assert list(reasons) == ["m", "db"]


@pytest.mark.parametrize("level", [None, "3", "4"])
def test_one_that_was_not_ready_is_asked_again(level: str | None) -> None:
    """It may be ready by now, at whichever level; a test that has failed is run again at the same level only."""
    table = ":::ready.db:true\nweb:db:34:respawn:x\nweb:t:34:test:x\n"
    probe = Probed({"db:ready": TIME_IS_UP, "t": FAILED})
    units = group(table, "3", {"db": RUNNING, "db:ready": EXITED, "t": EXITED}, probe)
    expected = {"db:ready": Remedy.RERUN} | ({} if level == "4" else {"t": Remedy.RERUN})
    assert remedies_at(units, level) == expected


@pytest.mark.parametrize("mode", ["once", "wait"])
def test_stopped_by_hand(mode: str) -> None:
    """A request does not run it again; but if what is behind it needs it, it does."""
    table = f":::ready.db:true\nweb:db:34:{mode}:x\n"
    times = {"db": 110, "db:ready": 120}
    probe = Probed(conditions=times, began=times, active=times, inactive={"db": 150, "db:ready": 150})
    entries = {"db": DEAD, "db:ready": DEAD}
    units = group(table, "3", entries, probe)
    assert (judged(units), remedies_at(units, None)) == (("DONE", {}), dict.fromkeys(entries, Remedy.HOLD))
    units = group(f":::required.db:yes\n{table}", "3", entries, probe)
    assert (judged(units), remedies_at(units, None)) == (("DONE", {}), dict.fromkeys(entries, Remedy.START))


def test_broken_off_and_required() -> None:
    """If a request runs it again, nothing says that it does not."""
    table = ":::ready.db:true\n:::required.db:yes\nweb:db:3:wait:x\n"
    probe = Probed({"db": STOPPED, "db:ready": FAILED}, began={"db": 110}, inactive={"db": 150, "db:ready": 150})
    _, reasons = judged(group(table, "3", {"db": DEAD, "db:ready": DEAD}, probe))
    assert reasons["db"] == (Cause.BROKEN_OFF, "was stopped before it ended")


def test_one_that_was_not_ready_is_stopped_by_hand() -> None:
    """It has not got ready by that: the group stays FAILED, and a request does not run it again."""
    table = ":::ready.db:timeout=1s true\nweb:db:34:once:x\n"
    times = {"db": 110, "db:ready": 120}
    probe = Probed(
        {"db:ready": TIME_IS_UP}, conditions=times, began=times, active=times, inactive={"db": 150, "db:ready": 150}
    )
    units = group(table, "3", {"db": DEAD, "db:ready": DEAD}, probe)
    words = "is not ready after 1 s; a request does not run it again"
    assert judged(units) == ("FAILED", {"db:ready": (Cause.NOT_READY, words)})
    assert remedies_at(units, "4") == {"db": Remedy.HOLD, "db:ready": Remedy.HOLD}


@pytest.mark.parametrize(
    ("result", "began", "words"),
    [
        ("exit-code", 110, "is ready, but could not note that in /run; see 'systemctl status {}'"),
        ("signal", 110, "is ready, but could not note that in /run; see 'systemctl status {}'"),  # by whoever
        ("signal", 130, "ended before it was ready"),
        ("exit-code", 130, "is ready, but could not note that in /run; see 'systemctl status {}'"),
    ],
)
def test_one_that_ends_while_its_readiness_is_noted(result: str, began: int, words: str) -> None:
    """Its end stops what notes that it is ready, which is no fault of /run."""
    table = ":::ready.db:true\n:::required.db:yes\nweb:db:3:respawn:x\n"
    probe = Probed(
        {"db:ready": Process(7, 1, 0, result)}, began={"db": began, "db:ready": 120}, conditions={"db:ready": 120}
    )
    units = group(table, "3", {"db": RUNNING, "db:ready": BROKEN}, probe)
    told = words.format(NAMES.entry("web", "db:ready"))
    assert judged(units) == ("FAILED", {"db:ready": (Cause.NOT_READY, told)})


def test_an_entry_that_moves_takes_its_readiness_along() -> None:
    """Though the table has it without one where it goes."""
    table = ":::ready.db:true\nweb:db:3:respawn:x\nweb:k:3:respawn:x\n"
    probe = Probed({"db:ready": TIME_IS_UP}, inactive={"db": 150, "db:ready": 150})
    units = group(table, "3", {"db": DEAD, "db:ready": DEAD, "k": RUNNING}, probe)
    assert judged(units)[0] == "FAILED"
    assert judged(replace(units, given_away=frozenset({"db"}))) == ("DONE", {})


def test_an_entry_that_is_about_to_move_is_not_ready_as_long_as_it_runs() -> None:
    """Its readiness is at rest before it is: it has failed, or was stopped by a restart of the entry."""
    table = ":::ready.db:timeout=1s true\nweb:db:3:respawn:x\nweb:k:3:respawn:x\n"
    began = {"db": 110, "db:ready": 120}
    probe = Probed({"db:ready": TIME_IS_UP}, began=began, active=began, conditions=began, inactive={"db:ready": 150})
    units = group(table, "3", {"db": RUNNING, "db:ready": DEAD, "k": RUNNING}, probe)
    assert judged(units)[1].keys() == {"db:ready"}
    assert judged(replace(units, given_away=frozenset({"db"}))) == judged(units)
