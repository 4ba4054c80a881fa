"""What a site sets for services in system.conf changes neither order nor stages, nor keeps the daemon from starting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from instance import Group
from respawns import fastest
from shipped import SERVICE, Shipped

from lab.node import Node
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Each would break something, if it reached us. What it does to other services is the site's business.
SITE = """\
[Manager]
StatusUnitFormat=name
DefaultTimeoutStartSec=1s
DefaultTimeoutStopSec=1s
DefaultTimeoutAbortSec=1s
DefaultDeviceTimeoutSec=1s
DefaultRestartSec=20s
DefaultStartLimitIntervalSec=1h
DefaultStartLimitBurst=2
DefaultEnvironment=XDG_SESSION_CLASS=user CLINIT_THROTTLE=exit PYTHONPATH=/nosuch
DefaultTasksMax=2
DefaultTasksAccounting=yes
DefaultMemoryAccounting=no
DefaultIOAccounting=yes
DefaultOOMPolicy=kill
DefaultTimerAccuracySec=1h
DefaultLimitNOFILE=64
DefaultLimitNPROC=1
DefaultLimitAS=4G
DefaultLimitCPU=3600
DefaultLimitCORE=0
CPUAffinity=0
"""
# What is the entry's own stays the site's.
LEFT_TO_THE_SITE = {"LimitNOFILE": "64", "LimitCPU": "3600", "LimitCORE": "0"}


@pytest.fixture(scope="module")
def shipped(project_layer: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipped]:
    """The shipped daemon on a node that has booted with SITE."""
    layer = tmp_path_factory.mktemp("site")
    layer.chmod(0o755)
    file = layer / "etc/systemd/system.conf.d/site.conf"
    file.parent.mkdir(parents=True)
    file.write_text(SITE)
    with Node("site", layers=[layer, project_layer]) as node:
        found = Shipped(node)
        found.write_table("")
        yield found.start()


@pytest.fixture
def group(shipped: Shipped) -> Iterator[Group]:
    """A group of the test's own, which is stopped at its end."""
    found = Group(shipped)
    yield found
    found.switch("0")
    failed = shipped.node.run("systemctl", "list-units", "--failed", "--plain", "--no-legend", "clinit*").stdout
    assert failed == ""


def test_the_site_is_heard(shipped: Shipped) -> None:
    """The test tests something: systemd has these defaults, for services of others."""
    shipped.node.run("systemd-run", "--quiet", "--unit=compared.service", "sleep", "1000")
    found = shipped.properties("compared.service", "TasksMax", "TimeoutStopUSec", "StartLimitBurst", "OOMPolicy")
    assert {"TasksMax": "2", "TimeoutStopUSec": "1s", "StartLimitBurst": "2", "OOMPolicy": "kill"} == found


def test_the_daemon_starts(shipped: Shipped) -> None:
    """The daemon has limits of its own, and can be started as often as anybody likes."""
    for _ in range(4):
        shipped.node.run("systemctl", "restart", SERVICE)
    names = ("TasksMax", "LimitNOFILE", "LimitNPROC", "LimitAS", "LimitCPU", "TimeoutStopUSec", "TimeoutStartUSec")
    found = shipped.properties(SERVICE, *names)

    assert {
        "TasksMax": "128",
        "LimitNOFILE": "524288",
        "LimitNPROC": "infinity",
        "LimitAS": "infinity",
        "LimitCPU": "infinity",
        "TimeoutStopUSec": "5s",
        "TimeoutStartUSec": "5min",
    } == found


def test_the_order_is_that_of_the_file(group: Group) -> None:
    """Slow entries are waited for, and each switch runs all, however often a group is switched."""
    group.define("a:1:wait:sleep 1.5; @ a", "b:1:test:@ b", "c:1:wait:@ c", "d:1:respawn:exec sleep 1000")
    for _ in range(4):
        assert group.switch("1") == "DONE"
        assert group.switch("0") == "DONE"

    assert ["a", "b", "c"] * 4 == group.events()


def test_the_stages_of_a_stop_are_ours(group: Group) -> None:
    """SIGTERM comes 5 s after SIGINT, as everywhere."""
    # The event is a program, which the signal would end, too.
    trap = (
        """trap 'trap "" INT; @ int' INT; trap 'trap "" TERM; @ term; exit' TERM; @ up; while :; do sleep 0.1; done"""
    )
    group.define(f"t:1:respawn:{trap}")
    group.switch("1")
    wait_until(lambda: "up" in group.events(), what="it runs")
    group.switch("0")

    assert 4.5 < group.event_time("term") - group.event_time("int") < 8


def test_a_respawn_is_restarted_at_once(group: Group) -> None:
    """The first six starts come at once, then the pause, whatever the site says of restarts and their limits."""
    assert fastest(group) < 2


def test_what_is_left_to_the_site(group: Group) -> None:
    """Limits of commands are the site's, as for any service; the class of sessions is not."""
    group.define("t:1:respawn:exec sleep 1000")
    group.switch("1")
    unit = group.unit("t")

    assert group.instance.properties(unit, *LEFT_TO_THE_SITE) == LEFT_TO_THE_SITE
    environment = group.node.read(f"/proc/{group.pid('t')}/environ").split("\0")
    assert "XDG_SESSION_CLASS=none" in environment
    assert not [setting for setting in environment if setting.startswith("CLINIT_")]
