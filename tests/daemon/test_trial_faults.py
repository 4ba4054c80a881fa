"""A trial outlives the client, the terminal and the daemon: its way back is as sure as the way there."""

from __future__ import annotations

import os
import random
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from answers import answered
from instance import Group, Instance
from ontrial import NOTES, noted, units
from programs import RUN, RUN_NEW
from shipped import SERVICE
from survivor import Survivor
from terminals import Terminal

from cltab2systemd import events
from lab.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.node import Node

# Seconds of a trial that is to end, and of one that is not.
SHORT, LONG = f"{2 * PATIENCE:g}", "1000"
# Groups that are on trial at the same time, how often, and how often the daemon is killed each time.
GROUPS, ROUNDS, KILLS = 4, int(os.environ.get("CLTAB_TRIAL_ROUNDS", "2")), 3
GO = "until [ -e /run/go ]; do sleep 0.02; done"
OLD = (f"shared:12:respawn:{RUN}", f"one:1:respawn:{RUN}")
# Each waits somewhere for the file /run/go: before anything is touched, between stop and start, and behind the start.
WAYS = {
    "checking": (*OLD, f"two:2:respawn:{RUN}", f":::preflight.two:{GO}"),
    "emptying": (f"shared:12:respawn:{RUN_NEW}", f"one:1:respawn:{RUN}", f"two:2:respawn:{RUN}"),
    "moving": (*OLD, f"two:2:wait:{GO}"),
    "there": (*OLD, f"two:2:respawn:{RUN}"),
    "new lines": (f"shared:12:respawn:{RUN_NEW}", f"one:1:respawn:{RUN}", f"two:2:respawn:{RUN}"),
}


@pytest.fixture(scope="module")
def instance(node: Node) -> Survivor:
    """A daemon as it is shipped, which all tests of this module share; each test has a group of its own."""
    return Survivor(node).start()


@pytest.fixture
def group(instance: Survivor) -> Iterator[Group]:
    """A group at level 1, which is stopped at the end of the test."""
    found = Group(instance)
    found.node.run("rm", "-f", "/run/go")
    found.define(*OLD)
    found.switch("1")
    yield found
    found.node.write("/run/go", "")
    found.define()
    found.node.run("systemctl", "start", "clinit.socket", SERVICE)
    wait_until(lambda: instance.clinit().returncode == 0, what="the daemon answers")
    wait_until(lambda: found.status == "", what="the group is gone")


def await_back(group: Group, before: dict[str, bytes]) -> None:
    """Wait until a group is back, with all that it had, and without a trace of the trial."""
    group.wait_for("1 DONE")
    wait_until(lambda: not noted(group), what="the note is gone")
    wait_until(lambda: units(group) == before, what="the units are those of before")
    assert group.pid("one")
    assert not group.node.exists(f"/run/cltab2systemd/system/emptied/{group.name}")


@pytest.mark.parametrize("signal", ["KILL", "HUP", "INT"])
def test_the_client_and_its_terminal_are_gone(group: Group, signal: str) -> None:
    """Nobody has confirmed it, so it goes back."""
    before = units(group)
    group.define(*WAYS["moving"])
    client = group.node.popen("clinit", "--wait", "--try", SHORT, group.name, "2")
    group.wait_for("2 STARTING")

    group.node.run("pkill", f"-{signal}", "--full", f"try {SHORT} {group.name} 2")

    client.wait(timeout=10)
    await_back(group, before)


@pytest.mark.parametrize("level", ["2 STARTING", "2 DONE"])
def test_the_terminal_hangs_up(group: Group, level: str) -> None:
    """A shell and its client lose their terminal, under way and there: the client ends, and the group goes back."""
    before = units(group)
    group.define(*WAYS["moving" if "STARTING" in level else "there"])
    script = f"clinit --wait --try {SHORT} {group.name} 2; sleep 1000"

    with Terminal(group.node, "bash", "-c", script) as terminal:
        group.wait_for(level)
        if level == "2 DONE":
            terminal.wait_for("on trial until ")
        terminal.hang_up()

        assert terminal.ended() != 0
    assert group.node.run("pgrep", "--full", f"try {SHORT} {group.name} 2", check=False).stdout == ""
    await_back(group, before)


@pytest.mark.parametrize("way", ["moving", "there", "new lines"])
def test_the_daemon_is_killed(instance: Survivor, group: Group, way: str) -> None:
    """The next one goes on with the trial, wherever the group is, and takes it back in time."""
    before = units(group)
    group.define(*WAYS[way])
    answered(instance.clinit("--try", SHORT, group.name, "2"), code=0)
    group.wait_for("2 STARTING" if way == "moving" else "2 DONE")

    instance.kill_and_await()

    await_back(group, before)
    assert instance.told(events.TAKEN_BACK, group=group.name)


def test_the_daemon_is_killed_between_stop_and_start(instance: Survivor, group: Group) -> None:
    """The next one brings the group to the level on trial, and then back."""
    stopping = "shared:12:respawn:trap '" + GO + "; exit' INT; while :; do sleep 0.02; done"
    group.define(stopping, *OLD[1:])
    group.switch("1")
    before = units(group)
    group.define(*WAYS["emptying"])
    answered(instance.clinit("--try", f"{4 * PATIENCE:g}", group.name, "2"), code=0)
    wait_until(lambda: group.node.exists(f"/run/cltab2systemd/system/emptied/{group.name}"), what="it is emptied")

    instance.kill_and_await()
    group.node.write("/run/go", "")

    group.wait_for("2 DONE")
    await_back(group, before)


def test_the_daemon_is_killed_before_anything_is_touched(instance: Survivor, group: Group) -> None:
    """Then there is no trial, and the group stays where it is."""
    group.define(*WAYS["checking"])
    client = group.node.popen("clinit", "--try", LONG, group.name, "2")
    wait_until(lambda: noted(group), what="the trial is noted")

    instance.kill_and_await()

    client.wait(timeout=10)
    wait_until(lambda: not noted(group), what="the note is gone")
    assert group.status == "1 DONE"


def test_the_daemon_is_killed_on_the_way_back(instance: Survivor, group: Group) -> None:
    """The next one goes on with it, to the old lines."""
    before = units(group)
    held = "trap '" + GO + "; exit' INT; while :; do sleep 0.02; done"
    group.define(f"shared:12:respawn:{RUN_NEW}", f"one:1:respawn:{RUN}", f"two:2:respawn:{held}")
    answered(instance.clinit("--try", SHORT, group.name, "2"), code=0)
    group.wait_for("2 DONE")
    group.wait_for("2 STOPPING")

    instance.kill_and_await()
    assert noted(group)
    group.node.write("/run/go", "")

    await_back(group, before)


def test_the_daemon_is_dead_at_the_end(instance: Survivor, group: Group) -> None:
    """The next one takes the group back at once."""
    before = units(group)
    group.define(*WAYS["new lines"])
    answered(instance.clinit("--try", SHORT, group.name, "2"), code=0)
    group.wait_for("2 DONE")
    until = noted(group)["deadline"] / 1e6
    group.node.run("kill", "-STOP", str(instance.pid))
    wait_until(lambda: time.monotonic() > until, what="the time is over")
    assert group.status == "2 DONE"

    instance.kill_and_await()

    await_back(group, before)


@pytest.mark.parametrize("units_stopped", [(SERVICE,), (SERVICE, "clinit.socket")])
def test_the_daemon_is_stopped_in_order(instance: Survivor, group: Group, units_stopped: tuple[str, ...]) -> None:
    """Systemd starts it at the end of the trial, and it takes the group back."""
    before = units(group)
    group.define(*WAYS["new lines"])
    answered(instance.clinit("--try", SHORT, group.name, "2"), code=0)
    group.wait_for("2 DONE")

    group.node.run("systemctl", "stop", *units_stopped)
    group.node.run("systemctl", "daemon-reexec")
    group.node.run("systemctl", "daemon-reexec")

    assert noted(group)
    await_back(group, before)
    assert instance.states()[1] == "active"


def test_it_is_kept_by_a_daemon_that_is_started_for_that(instance: Survivor, group: Group) -> None:
    """The socket starts it; then nothing happens at the end."""
    group.define(*WAYS["there"])
    answered(instance.clinit("--try", LONG, group.name, "2"), code=0)
    group.wait_for("2 DONE")
    group.node.run("systemctl", "stop", SERVICE)

    answered(instance.clinit("--keep", group.name), code=0, out=f"{group.name} stays at level 2, which is DONE\n")

    def timers() -> str:
        return group.node.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "clinittrial*").stdout

    wait_until(lambda: group.name not in timers(), what="the timer is gone")


def test_a_group_that_was_taken_elsewhere_meanwhile_stays(instance: Survivor, group: Group) -> None:
    """By hand, while there was no daemon: that ends the trial."""
    group.define(*WAYS["there"], f"three:3:respawn:{RUN}")
    answered(instance.clinit("--try", LONG, group.name, "2"), code=0)
    group.wait_for("2 DONE")
    group.node.run("systemctl", "stop", SERVICE, "clinit.socket")
    group.node.run("systemctl", "start", group.target("3"))

    group.node.run("systemctl", "start", SERVICE)

    group.wait_for("3 DONE")
    assert not noted(group)


def test_a_disk_that_is_full_refuses_the_trial(instance: Survivor, group: Group) -> None:
    """And nothing is touched."""
    group.define(*WAYS["there"])
    instance.clinit()
    pid = group.pid("one")
    instance.inside(f"mount -t tmpfs -o size=4k none {NOTES}; head -c 4096 /dev/zero >{NOTES}/.filler")
    try:
        done = instance.clinit("--try", LONG, group.name, "2")
    finally:
        instance.inside(f"umount {NOTES}")

    answered(done, code=1)
    assert "No space left on device" in done.stdout
    assert (group.status, group.pid("one")) == ("1 DONE", pid)
    assert not noted(group)


@contextmanager
def units_read_only(instance: Survivor) -> Iterator[None]:
    """Let the daemon write no unit."""
    instance.inside("cd /run/systemd/system; mount --bind . .; mount -o remount,bind,ro /run/systemd/system")
    try:
        yield
    finally:
        instance.inside("umount /run/systemd/system")


def test_a_way_that_is_broken_off_is_gone_back(instance: Survivor, group: Group) -> None:
    """The new units cannot be written when the old entries are down already; back is to these."""
    before = units(group)
    group.define(*WAYS["new lines"])
    with units_read_only(instance):
        instance.clinit("--try", SHORT, group.name, "2")
        group.wait_for("2 FAILED")

    await_back(group, before)


def test_a_way_back_that_fails_is_tried_again(instance: Survivor, group: Group) -> None:
    """The old units cannot be written, for a while: the log has an error, and the note remains."""
    before = units(group)
    group.define(*WAYS["new lines"])
    answered(instance.clinit("--try", SHORT, group.name, "2"), code=0)
    group.wait_for("2 DONE")
    with units_read_only(instance):
        group.wait_for("1 FAILED")
        assert "Read-only file system" in instance.told(events.TRIAL_FAILED, group=group.name)["MESSAGE"]
        assert noted(group)

    await_back(group, before)


def test_a_note_that_nobody_can_read_is_told(instance: Survivor, group: Group) -> None:
    """The daemon starts all the same."""
    group.node.write(f"{NOTES}/{group.name}", "{not a note\n")

    instance.kill_and_await()

    wait_until(lambda: not group.node.exists(f"{NOTES}/{group.name}"), what="the note is gone")
    assert "cannot be read" in instance.told(events.TRIAL_ENDED, group=group.name)["MESSAGE"]


def test_a_halt_ends_all_trials(instance: Survivor, group: Group) -> None:
    """Nothing starts the daemon again, and no group moves when somebody does."""
    group.define(*WAYS["there"])
    answered(instance.clinit("--try", LONG, group.name, "2"), code=0)
    group.wait_for("2 DONE")

    answered(instance.clinit("--wait", "-k"), code=0)

    assert group.node.run("ls", NOTES).stdout == ""
    assert "clinittrial" not in group.node.run("systemctl", "list-timers", "--all", "--no-legend").stdout
    group.node.run("systemctl", "start", "clinit.socket", SERVICE)


def test_without_a_daemon_the_status_tells_of_it(instance: Survivor, group: Group) -> None:
    """It reads the note."""
    group.define(*WAYS["there"])
    answered(instance.clinit("--try", LONG, group.name, "2"), code=0)
    group.wait_for("2 DONE")
    group.node.run("systemctl", "stop", SERVICE, "clinit.socket")

    told = group.node.run("clinitctl", "status", group.name, check=False).stdout.splitlines()

    assert "on trial until" in told[0] + told[1]
    group.node.run("systemctl", "start", "clinit.socket", SERVICE)
    answered(instance.clinit("--keep", group.name), code=0)


def test_a_daemon_that_systemd_cannot_start_says_so(fresh_node: Node) -> None:
    """Of a daemon that was started by hand, systemd knows no unit."""
    instance = Instance(fresh_node)
    instance.write_table(f"web:one:1:respawn:{RUN}\nweb:two:2:respawn:{RUN}\n")
    daemon = fresh_node.popen("clinit", "-d")
    wait_until(instance.answers, what="the daemon answers")

    done = instance.clinit("--try", LONG, "web", "1")

    answered(done, code=0)
    assert "systemd cannot start this daemon" in done.stderr
    daemon.terminate()


def test_killed_at_any_moment(instance: Survivor) -> None:
    """SIGKILL at random moments of trials, there and back: each group goes back to all that it had."""
    chance = random.Random(5)  # noqa: S311 - no secret
    groups = [Group(instance) for _ in range(GROUPS)]
    for group in groups:
        group.define(*OLD)
        group.switch("1")
    before = [units(group) for group in groups]
    kept = (*OLD[:1], f"two:2:respawn:{RUN}")
    for number in range(ROUNDS):
        for group in groups:
            group.define(*(kept if number % 2 else WAYS["new lines"]))
        clients = [group.node.popen("clinit", "--wait", "--try", SHORT, group.name, "2") for group in groups]
        for _ in range(KILLS):
            moment = time.monotonic() + chance.uniform(0, 1.5)
            wait_until(lambda moment=moment: time.monotonic() > moment)  # type: ignore[misc]
            instance.kill_and_await()
        assert {client.wait(timeout=30) for client in clients} <= {0, 6}
        for group, found in zip(groups, before, strict=True):
            await_back(group, found)
    for group in groups:
        group.define()
    instance.clinit()
