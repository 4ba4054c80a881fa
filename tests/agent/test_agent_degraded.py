"""What the resource agent says of a group that is degraded, as its parameter has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ocf import CONFIGURED, DEGRADED, GENERIC, NOT_RUNNING, SUCCESS, Resource, no_daemon, node_with_agent
from programs import RUN

from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shipped import Shipped

TABLE = f"""\
web:init:3:wait:true; exit 3
web:server:3:respawn:{RUN}
ends:slow:3:respawn:sleep 1.2; echo no port; exit 5
fast:app:3:respawn:exec false
over:job:3:once:true; exit 4
over:beside:3:respawn:{RUN}
well:runs:3:respawn:{RUN}
bad:missing:3:respawn:/srv/nowhere/program
"""
# The groups that are degraded at level 3, and what the agent says of each.
SAID = {
    "web": "init (wait) exited with 3, which is no failure of a wait: true; exit 3",
    "ends": "slow (respawn) ends again and again, each time within a minute, and is started again; its last run",
    "fast": "app (respawn) ends too fast, and pauses for 60 s: exec false",
    "over": "job (once) exited with 4, which is no failure of a once: true; exit 4",
}


@pytest.fixture(scope="module")
def shared(project_layer: Path) -> Iterator[Shipped]:
    """The shipped units, started."""
    with node_with_agent("agent-degraded", project_layer, TABLE) as shipped:
        yield shipped


@pytest.fixture
def shipped(shared: Shipped) -> Iterator[Shipped]:
    """The daemon, and all groups stopped, for each test."""
    yield shared
    shared.go_back_to("stop")


@pytest.mark.parametrize("group", SAID)
def test_as_the_parameter_says(shipped: Shipped, group: str) -> None:
    """By default it is degraded, with the reason; it may be an error, or nothing at all. A start has succeeded."""
    default, fails, ignores = (
        Resource(shipped, group, **parameters)
        for parameters in ({}, {"on_degraded": "fail"}, {"on_degraded": "ignore"})
    )
    said = f"{group} 3 is degraded: {SAID[group]}"
    assert default.act("start") == SUCCESS
    # A program that ends at once has ended again and again before it has too often.
    wait_until(lambda: default.monitor() == DEGRADED and default.reason.startswith(said), timeout=30, what=said)
    assert default.probe() == DEGRADED
    assert Resource(shipped, group, on_degraded="report").monitor() == DEGRADED
    assert fails.monitor() == GENERIC
    assert fails.reason.startswith(said)
    assert (ignores.monitor(), ignores.reason) == (SUCCESS, "")

    # What a cluster does about an error: it stops the group, and starts it again, here or elsewhere.
    assert fails.act("stop") == SUCCESS
    assert fails.monitor() == NOT_RUNNING
    assert fails.act("start") == SUCCESS


def test_last_words(shipped: Shipped) -> None:
    """What the program has written last is told as well."""
    resource = Resource(shipped, "ends")
    resource.act("start")
    wait_until(lambda: resource.monitor() == DEGRADED, timeout=30, what="it is degraded")
    wait_until(lambda: resource.monitor() and "; slow wrote last: no port" in resource.reason, timeout=30)


@pytest.mark.parametrize("on_degraded", ["report", "fail", "ignore"])
def test_what_is_not_degraded(shipped: Shipped, on_degraded: str) -> None:
    """One that is well is running, and one that is FAILED is an error, whatever the parameter says."""
    well, bad = (Resource(shipped, group, on_degraded=on_degraded) for group in ("well", "bad"))
    assert (well.act("start"), well.monitor()) == (SUCCESS, SUCCESS)
    assert (bad.act("start"), bad.monitor()) == (GENERIC, GENERIC)
    assert bad.reason.startswith("bad 3 FAILED: ")


@pytest.mark.parametrize(("on_degraded", "code"), [("report", DEGRADED), ("fail", DEGRADED), ("ignore", SUCCESS)])
def test_without_the_daemon(shipped: Shipped, on_degraded: str, code: int) -> None:
    """That nobody minds a group is no reason to move it: what its entries were like may be over."""
    resource = Resource(shipped, "web", on_degraded=on_degraded)
    assert resource.act("start") == SUCCESS
    no_daemon(shipped)

    assert resource.monitor() == code
    assert "nobody minds it" in resource.reason


def test_a_parameter_that_cannot_be(shipped: Shipped) -> None:
    """It is told so, with what it may be; so no cluster acts on a slip of the hand."""
    resource = Resource(shipped, "well", on_degraded="failed")
    for action in ("validate-all", "start", "monitor"):
        assert resource.act(action) == CONFIGURED
        assert resource.reason == "parameter on_degraded is none of report, fail and ignore: 'failed'"
