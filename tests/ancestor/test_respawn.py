"""Entries of mode `respawn`: started again for ever, and slowed down when they die too fast."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from programs import RUN
from respawns import fastest, is_next_too_many, paused, said

from lab.waiting import wait_until

if TYPE_CHECKING:
    from instance import Group


# Seconds within which the daemon does what it does at once.
PROMPT = 2.0


def count(group: Group, event: str) -> int:
    """How often an event was logged."""
    return group.events().count(event)


def test_a_respawn_entry_is_restarted_whenever_it_exits(group: Group) -> None:
    """Whether it succeeds, fails, or is killed: it is started again."""
    group.define("r:1:respawn:@ ran; sleep 1.1; exit 3", f"k:1:respawn:{RUN}", "z:1:respawn:@ zero; sleep 1.1")
    group.switch("1")
    pid = group.pid("k")
    group.node.run("kill", "-KILL", str(pid))
    wait_until(lambda: count(group, "ran") >= 3 and count(group, "zero") >= 3)
    wait_until(lambda: group.pid("k") not in {0, pid})

    assert group.status == "1 DONE"


def test_the_first_six_starts_are_not_slowed_down(group: Group) -> None:
    """An entry that exits at once is started six times, all in a second; then its message is in the journal, once.

    The fastest one of five is. Others may be started more often, as the machine holds up starts.
    """
    assert fastest(group) < 1
    assert f"{group.name}.r1 respawning too rapidly: sleeping 60 seconds" in group.node.journal()


def test_during_the_pause_nothing_is_started_and_the_group_stays_done(group: Group) -> None:
    """For 5 s and more after the message there is no further start, and clstat says DONE throughout."""
    group.define("r:1:respawn:@ ran; false", f"s:1:respawn:{RUN}")
    group.switch("1")
    starts = paused(group, "r")
    pid, until = group.pid("s"), time.monotonic() + 5
    while time.monotonic() < until:
        assert group.status == "1 DONE"
        time.sleep(0.1)

    assert starts == group.event_times("ran")
    assert pid == group.pid("s")


def test_asking_again_during_the_pause_changes_nothing(group: Group) -> None:
    """A request for the present level is answered at once during the pause, and does not end it."""
    group.define("r:1:respawn:@ ran")
    group.switch("1")
    starts = paused(group, "r")
    pid = group.pid("r")
    assert group.switch("1") == "DONE"
    assert group.took("1") < PROMPT
    time.sleep(0.5)

    assert pid == group.pid("r")
    assert group.event_times("ran") == starts


def test_a_switch_during_the_pause_is_immediate(group: Group) -> None:
    """A pause does not hold up the switch to another level: the entry is ended at once, and does not come back."""
    group.define("r:1:respawn:@ ran", "n:2:wait:@ next")
    group.switch("1")
    starts = paused(group, "r")
    assert group.switch("2") == "DONE"

    assert group.property("r", "ActiveState") == "inactive"
    # The first signal has ended it.
    assert group.property("r", "ExecMainStatus") == str(signal.SIGINT.value)
    assert group.took("2") < PROMPT
    assert group.event_time("next") - int(group.property("r", "InactiveEnterTimestampMonotonic")) / 1e6 < PROMPT
    assert starts == group.event_times("ran")
    assert 1 == count(group, "next")


def test_a_switch_that_keeps_a_paused_entry_is_immediate(group: Group) -> None:
    """Also a switch to a level that has the pausing entry too is not held up, and does not end the pause."""
    group.define("r:12:respawn:@ ran", "n:2:wait:@ next")
    group.switch("1")
    starts = paused(group, "r")
    pid = group.pid("r")
    assert group.switch("2") == "DONE"

    assert group.took("2") < PROMPT
    time.sleep(0.5)
    assert pid == group.pid("r")
    assert starts == group.event_times("ran")
    assert 1 == count(group, "next")


def test_a_changed_command_ends_the_pause(group: Group) -> None:
    """A mended command is started at the group's next request, and not after the pause."""
    group.define("r:1:respawn:@ ran")
    group.switch("1")
    paused(group, "r")
    group.define(f"r:1:respawn:@ mended; {RUN}")
    assert group.switch("1") == "DONE"
    wait_until(lambda: count(group, "mended") == 1, timeout=2)


def test_the_count_is_forgotten_when_the_level_is_left(group: Group) -> None:
    """An entry that comes back to its level begins to count anew: six fast starts again, then the message."""
    group.define("r:1:respawn:@ ran")
    group.switch("1")
    before = len(paused(group, "r"))
    group.switch("2")
    group.switch("1")
    wait_until(lambda: said(group, "r") == 2)

    assert is_next_too_many(group.event_times("ran")[before:])


def test_slow_respawns_do_not_count(group: Group) -> None:
    """An entry that runs for more than a second each time is never slowed down."""
    group.define("r:1:respawn:@ ran; sleep 1.05")
    group.switch("1")
    wait_until(lambda: count(group, "ran") >= 8, timeout=14)

    assert said(group, "r") == 0


def test_entries_count_apart(group: Group) -> None:
    """Two entries that each die less often than it takes are not slowed down by adding up, nor is a third by them."""
    log = f"/run/{group.name}"
    few = "n=$(cat {0} 2>/dev/null || echo 0); echo $((n + 1)) >{0}; @ {1}; [ $n -lt 4 ] || exec sleep 1000"
    group.define("fast:1:respawn:@ ran", *(f"{tag}:1:respawn:{few.format(log + tag, tag)}" for tag in ("x", "y")))
    group.switch("1")
    paused(group, "fast")
    wait_until(lambda: (5, 5) == (count(group, "x"), count(group, "y")))

    assert 0 == said(group, "x")
    assert 0 == said(group, "y")
    assert 0 not in {group.pid("x"), group.pid("y")}


def test_the_daemon_is_not_needed(group: Group) -> None:
    """Respawning and slowing down go on while no daemon runs, and a new daemon changes nothing of it."""
    group.define("r:1:respawn:@ ran; sleep 0.3")
    group.switch("1")
    group.instance.kill("KILL")
    starts = paused(group, "r")
    group.instance.start()

    assert starts == group.event_times("ran")
    assert "1 DONE" == group.status
