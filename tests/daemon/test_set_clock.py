"""A level on trial on a machine whose clock is set: it lasts as long as it was to. The machine is a virtual one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from answers import answered
from instance import Group
from ontrial import noted
from shipped import SERVICE
from survivor import Survivor

from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.node import Node

# Seconds: of a trial, in an emulated machine, where a request takes some; of patience with its end, which may need a
# new daemon; and by which the clock is set.
TRIAL, LATE, YEAR = 15.0, 20.0, 365 * 24 * 3600.0
END = "clinit_group_trial_end_timestamp_seconds"


@pytest.fixture(scope="module")
def instance(machine_to_spoil: None, node: Node) -> Survivor:
    """A daemon as it is shipped."""
    return Survivor(node).start()


@pytest.fixture
def group(instance: Survivor) -> Iterator[Group]:
    """A group at level 1; in the end the clock is as it was."""
    offset = time.time() - time.monotonic()
    found = Group(instance)
    found.define("one:1:respawn:exec sleep infinity", "two:2:respawn:exec sleep infinity")
    found.switch("1")
    yield found
    time.clock_settime(time.CLOCK_REALTIME, time.monotonic() + offset)
    print(instance.node.journal())  # seen if the test fails


def begin(group: Group) -> float:
    """Have a group at level 2 on trial; when the request was made, by the clock that nobody sets."""
    begun = time.monotonic()
    answered(group.instance.clinit("--try", f"{TRIAL:g}", group.name, "2"), code=0)
    group.wait_for("2 DONE")
    return begun


def set_clock(by: float) -> None:
    """Set the clock of the machine."""
    time.clock_settime(time.CLOCK_REALTIME, time.time() + by)


def await_end(group: Group, begun: float) -> None:
    """Wait until the group goes back, which has to be when its time is over, and not before."""
    wait_until(lambda: not noted(group), what="it goes back", timeout=LATE)
    assert time.monotonic() - begun >= TRIAL
    group.wait_for("1 DONE")


@pytest.mark.parametrize("by", [YEAR, -YEAR])
def test_the_clock_is_set(group: Group, by: float) -> None:
    """The trial goes on, and what is told of its end is by the clock that is."""
    begun = begin(group)
    before = group.instance.node.run("date", "+%Y").stdout

    set_clock(by)

    node = group.instance.node
    assert int(node.run("date", "+%Y").stdout) - int(before) in ({1, 2} if by > 0 else {-1, -2})
    (until,) = [line for line in node.run("clinitctl", "metrics").stdout.splitlines() if line.startswith(END)]
    assert 0 < float(until.split()[-1]) - time.time() < TRIAL
    assert group.status == "2 DONE"
    await_end(group, begun)


@pytest.mark.parametrize("by", [YEAR, -YEAR])
def test_the_clock_is_set_without_a_daemon(group: Group, by: float) -> None:
    """The timer of systemd's that starts the daemon goes by the same clock."""
    begun = begin(group)
    group.node.run("systemctl", "stop", "clinit.socket", SERVICE)

    set_clock(by)

    await_end(group, begun)
    assert group.node.run("systemctl", "is-active", SERVICE).stdout == "active\n"
    group.node.run("systemctl", "start", "clinit.socket")
