"""The resource agent and slips of the hand, and daemons that give no answer: neither is to have a node fenced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ocf import CONFIGURED, DEGRADED, GENERIC, NOT_RUNNING, SUCCESS, Resource, node_with_agent
from programs import RUN
from shipped import SERVICE, SOCKET

from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shipped import Shipped

TABLE = f"web:server:3:respawn:{RUN}\nweb:notice:m:respawn:{RUN}\n"
# What is wrong with how a group is to run.
WISHES = [{"on_degraded": "warn"}, {"level": "stop"}, {"level": "a b"}, {"level": ""}]
# What is wrong with which group is meant.
NAMES = [{"group": ""}, {"group": "w b"}, {"stop_level": "a b"}, {"cltab": "etc/cltab"}, {"clstat": "clstat"}]
# Of systemd's, in place of a daemon that works.
CRASHES, HANGS = "ExecStart=\nExecStart=false\nType=simple", "ExecStart=\nExecStart=sleep infinity"


@pytest.fixture(scope="module")
def shared(project_layer: Path) -> Iterator[Shipped]:
    with node_with_agent("agent-slips", project_layer, TABLE) as shipped:
        yield shipped


@pytest.fixture
def shipped(shared: Shipped) -> Iterator[Shipped]:
    """A group that runs."""
    assert Resource(shared).act("start") == SUCCESS
    yield shared
    shared.node.run("rm", "-rf", f"/run/systemd/system/{SERVICE}.d", f"/run/systemd/system/{SERVICE}")
    shared.node.run("systemctl", "daemon-reload")
    shared.node.run("systemctl", "kill", "--signal=CONT", SERVICE, check=False)
    shared.node.run("systemctl", "reset-failed", SERVICE, SOCKET, check=False)
    shared.node.run("systemctl", "restart", SOCKET, SERVICE)
    shared.write_table(TABLE)
    shared.go_back_to("stop")


@pytest.mark.parametrize("wrong", WISHES, ids=str)
def test_how_it_is_to_run(shipped: Shipped, wrong: dict[str, str]) -> None:
    """No start, and it is told why; but a stop stops it, and a probe says whether anything runs."""
    resource = Resource(shipped, **wrong)
    for action in ("start", "reload-agent", "monitor", "validate-all"):
        assert resource.act(action) == CONFIGURED
    assert resource.probe() == GENERIC
    assert resource.reason.endswith("; and clinit-web@server.service runs")

    assert resource.act("stop") == SUCCESS

    assert "web stop DONE" in shipped.clinit("-v").stdout
    assert resource.probe() == NOT_RUNNING


@pytest.mark.parametrize("wrong", NAMES, ids=str)
def test_which_is_meant(shipped: Shipped, wrong: dict[str, str]) -> None:
    """It is stopped, for it was never started; unless a group of that name runs, which may be the one."""
    resource = Resource(shipped, **wrong)
    assert resource.probe() == CONFIGURED
    assert resource.act("stop") == (SUCCESS if "group" in wrong else CONFIGURED)

    assert Resource(shipped).act("stop") == SUCCESS
    assert resource.act("stop") == SUCCESS


@pytest.mark.parametrize("how", ["SIGSTOP", "crashes", "hangs in its start", "masked"])
def test_a_daemon_that_does_not_answer(shipped: Shipped, how: str) -> None:
    """A stop does without it, in its time."""
    node = shipped.node
    drop_in = {"crashes": CRASHES, "hangs in its start": HANGS}.get(how)
    if drop_in:
        node.write(f"/run/systemd/system/{SERVICE}.d/broken.conf", f"[Service]\n{drop_in}\n")
        node.run("systemctl", "daemon-reload")
        node.run("systemctl", "kill", "--signal=KILL", SERVICE)
    elif how == "SIGSTOP":
        node.run("systemctl", "kill", "--signal=STOP", SERVICE)
    else:
        node.run("systemctl", "mask", "--runtime", "--now", SERVICE)
        node.run("systemctl", "start", SOCKET, check=False)
    resource = Resource(shipped)

    assert resource.act("stop", timeout=20) == SUCCESS, resource.said

    assert node.run("systemctl", "is-active", "clinit-web@server.service", check=False).stdout == "inactive\n"
    assert resource.probe() == NOT_RUNNING


def test_a_parameter_that_changes_nothing(shipped: Shipped) -> None:
    """It is reloaded with a bad table, and without a daemon, for the group is at its level; another level is not."""
    resource = Resource(shipped, on_degraded="ignore")
    shipped.write_table("no table\n")
    shipped.clinit()
    assert resource.act("reload-agent") == SUCCESS
    shipped.node.shell(f"systemctl stop {SOCKET} {SERVICE}")
    assert resource.act("reload-agent") == SUCCESS
    assert resource.monitor() in {SUCCESS, DEGRADED}

    assert Resource(shipped, level="m").act("reload-agent") == GENERIC


def test_an_order_for_which_systemd_has_no_time(shipped: Shipped) -> None:
    """The start does not wait for it longer than half of its time."""
    assert Resource(shipped).act("stop") == SUCCESS
    shipped.node.run("rm", "-r", "/run/systemd/system/clinit-web@.service.d")
    holder = shipped.node.popen("flock", "/run/systemd/system", "sleep", "1000")
    wait_until(
        lambda: shipped.node.run("flock", "--nonblock", "/run/systemd/system", "true", check=False).returncode == 1,
        what="the lock is held",
    )
    try:
        resource = Resource(shipped)
        assert resource.act("start", timeout=8) == SUCCESS
    finally:
        holder.kill()
        shipped.node.run("pkill", "-f", "^sleep 1000$")

    assert "web will be stopped before Pacemaker asks for it" in resource.said


def test_a_group_of_a_fragment(shipped: Shipped) -> None:
    """It is in the table: from its start on, also one that is refused, the daemon leaves it to the cluster."""
    mark = "/run/cltab2systemd/system/of-cluster/mail"
    shipped.node.run("mkdir", "-p", "/etc/cltab.d")
    shipped.node.write("/etc/cltab.d/mail.cltab", f"mail:queue:3:respawn:{RUN}")
    resource = Resource(shipped, group="mail")
    shipped.write_table(TABLE + "word\n")
    assert resource.act("start") == GENERIC
    assert shipped.node.exists(mark)

    shipped.write_table(TABLE)
    assert resource.act("start") == SUCCESS
    assert resource.act("stop") == SUCCESS
    assert not shipped.node.exists(mark)
    shipped.node.run("rm", "/etc/cltab.d/mail.cltab")
