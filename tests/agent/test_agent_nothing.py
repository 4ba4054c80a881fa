"""The resource agent on a node where something is missing: no action has a cluster draw a wrong conclusion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ocf import DEGRADED, GENERIC, INSTALLED, NOT_RUNNING, SUCCESS, Resource, no_daemon, node_with_agent
from programs import RUN
from shipped import SERVICE, SOCKET, Shipped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLE = f"""\
web:db:3:respawn:{RUN}
data:server:3:respawn:{RUN}
data:umount:stop,:test:true
"""
AWAY = "/root/away"
# pip puts the programs into /usr/local, with links there.
HIDE = "for name in clinit cltab2systemd; do program=$(readlink -m /usr/bin/$name); mv"
# What is done to the node, and how it is undone.
FAULTS = {
    "no table": (f"mv /etc/cltab {AWAY}", f"mv {AWAY} /etc/cltab"),
    "a directory for a table": (f"mv /etc/cltab {AWAY}; mkdir /etc/cltab", f"rmdir /etc/cltab; mv {AWAY} /etc/cltab"),
    "no permission": ("chmod 0 /etc/cltab", "chmod 644 /etc/cltab"),
    "a binary table": (
        f"cp /etc/cltab {AWAY}; head -c 4096 /dev/urandom >/etc/cltab",
        f"cat {AWAY} >/etc/cltab",
    ),
    "an empty table": (f"cp /etc/cltab {AWAY}; : >/etc/cltab", f"cat {AWAY} >/etc/cltab"),
    "no program": (f"{HIDE} $program {AWAY}.$name; done", f"{HIDE} {AWAY}.$name $program; done"),
    "no daemon": (f"systemctl stop {SOCKET} {SERVICE}", f"systemctl start {SERVICE}"),
    "no state": (
        f"systemctl stop {SOCKET} {SERVICE}; mv /run/cltab2systemd /run/clinit /root",
        f"rm -rf /run/cltab2systemd /run/clinit; mv /root/cltab2systemd /root/clinit /run; systemctl start {SERVICE}",
    ),
}
# What start may come to. Nobody has to read a table that has not changed; and root can read it all the same.
NOT_HERE = {GENERIC, INSTALLED}
START = dict.fromkeys(FAULTS, NOT_HERE) | {
    "no permission": {SUCCESS, GENERIC},
    "no daemon": {GENERIC},
    "no state": {GENERIC},
}
EACH = pytest.mark.parametrize("fault", FAULTS)


@pytest.fixture(scope="module")
def shared(project_layer: Path) -> Iterator[Shipped]:
    """The shipped units, started."""
    with node_with_agent("agent-nothing", project_layer, TABLE) as shipped:
        yield shipped


@pytest.fixture
def shipped(shared: Shipped) -> Iterator[Shipped]:
    """The daemon, and the group at no level, for each test."""
    yield shared
    shared.clinit("-w", "web", "nothing")


@EACH
def test_where_nothing_runs(shipped: Shipped, fault: str) -> None:
    """It is not running and stopped, cannot be started on this node, and is nobody's configuration error."""
    resource = Resource(shipped)
    spoil, mend = FAULTS[fault]
    shipped.node.shell(spoil)
    try:
        assert NOT_RUNNING == resource.monitor()
        assert NOT_RUNNING == resource.probe()
        assert SUCCESS == resource.act("stop")
        assert resource.act("start") in START[fault]
        assert "\n" not in resource.reason
        assert resource.act("validate-all") == (INSTALLED if START[fault] == NOT_HERE else SUCCESS)
        assert resource.act("meta-data") == SUCCESS
        assert SUCCESS == resource.act("stop")
        assert NOT_RUNNING == resource.monitor()
    finally:
        shipped.node.shell(mend)


@EACH
def test_where_it_runs(shipped: Shipped, fault: str) -> None:
    """It is not called stopped, and can be stopped."""
    resource = Resource(shipped)
    assert resource.act("start") == SUCCESS
    pid = shipped.main_pid("clinit-web@db.service")
    spoil, mend = FAULTS[fault]
    shipped.node.shell(spoil)
    try:
        # Without state nobody has written down that all is well at this level.
        expected = GENERIC if fault == "no state" else SUCCESS
        assert expected == resource.monitor()
        assert expected == resource.probe()
        assert shipped.main_pid("clinit-web@db.service") == pid
        assert resource.act("stop") == SUCCESS
        assert shipped.main_pid("clinit-web@db.service") == 0
        assert NOT_RUNNING == resource.monitor()
        assert NOT_RUNNING == resource.probe()
    finally:
        shipped.node.shell(mend)


def test_a_systemd_that_does_not_answer(shipped: Shipped) -> None:
    """Nobody knows, so nothing is said to be stopped; and it is said within the time that the cluster grants."""
    resource = Resource(shipped)
    assert resource.act("start") == SUCCESS
    systemctl = shipped.node.run("realpath", "/usr/bin/systemctl").stdout.strip()
    no_daemon(shipped)
    shipped.node.shell(f"mv {systemctl} {AWAY}; printf '#!/bin/sh\\nexit 1\\n' >{systemctl}; chmod 755 {systemctl}")
    try:
        for action in ("monitor", "stop", "start"):
            assert resource.act(action, timeout=5) == GENERIC
            assert resource.reason
    finally:
        shipped.node.shell(f"mv {AWAY} {systemctl}; systemctl start {SERVICE}")
    assert resource.monitor() == SUCCESS


def test_no_systemd_at_all(shipped: Shipped) -> None:
    """On a machine that was not booted with systemd there is nothing of it."""
    resource = Resource(shipped)
    shipped.node.write("/usr/local/bin/agent-elsewhere", ELSEWHERE, mode=0o755)
    for action, code in (("monitor", NOT_RUNNING), ("stop", SUCCESS), ("meta-data", SUCCESS)):
        environment = resource.environment(timeout=5)
        done = shipped.node.run("agent-elsewhere", action, env=environment, check=False)
        assert code == done.returncode, done.stderr


# Without /run, and without any control group.
ELSEWHERE = """\
#!/bin/sh
exec unshare --mount sh -c 'mount -t tmpfs none /run; mount -t tmpfs none /sys/fs/cgroup
exec /usr/lib/ocf/resource.d/clinit/group "$1"' sh "$1"
"""


def test_another_daemons_group_without_state(shipped: Shipped) -> None:
    """Of a daemon with a table of its own, too, what runs is found though nothing is written down of it any more."""
    parameters = {"cltab": "/etc/more", "socket": "/run/more/s", "clstat": "/run/more/st"}
    other, third = (
        Resource(shipped, "web", **parameters),
        Resource(shipped, "web", cltab="/etc/third", socket="/run/s3"),
    )
    shipped.node.write("/etc/more", TABLE)
    assert NOT_RUNNING == other.probe()
    assert SUCCESS == other.act("stop")
    command = "exec clinit -d -c /etc/more -s /run/more/s --clstat /run/more/st"
    shipped.node.run("systemd-run", "--quiet", "--collect", "--unit=more", "sh", "-c", command)
    shipped.node.shell("until clinit -c /etc/more -s /run/more/s; do sleep 0.1; done 2>/dev/null")
    assert SUCCESS == other.act("start")
    assert SUCCESS == other.monitor()
    assert NOT_RUNNING == third.probe()
    assert NOT_RUNNING == Resource(shipped).probe()
    shipped.node.shell("systemctl kill more; mv /run/cltab2systemd/????????  /root")

    assert other.monitor() == SUCCESS
    assert other.act("stop") == SUCCESS
    assert other.monitor() == NOT_RUNNING


def test_a_group_of_another_table(shipped: Shipped) -> None:
    """What clstat says of the system's own groups is nothing about a group of this name in a table without a daemon."""
    assert Resource(shipped).act("start") == SUCCESS
    third = Resource(shipped, "web", cltab="/etc/third", socket="/run/s3")
    no_daemon(shipped, stale=False)
    try:
        for said in ("stop FAILED", "3 FAILED", "3 STARTING", "3 DONE"):
            shipped.node.run("sed", "-i", f"s/web .*/web {said}/", "/run/clinit/clstat")
            assert (third.act("monitor", timeout=5), third.reason) == (NOT_RUNNING, "")
    finally:
        shipped.node.run("systemctl", "start", SERVICE)


@pytest.mark.parametrize(
    ("group", "unit", "code", "reason"),
    [
        ("web", "clinit-web@db.service", SUCCESS, ""),
        (
            "data",
            "clinit-data@server.service",
            GENERIC,
            "data is not stopped: stop FAILED: systemd does not have clinit-data@stop.target any more",
        ),
    ],
)
def test_unit_files_that_are_gone(shipped: Shipped, group: str, unit: str, code: int, reason: str) -> None:
    """What systemd runs without them is stopped all the same. A level for stopped that has entries was not run then."""
    resource = Resource(shipped, group)
    assert resource.act("start") == SUCCESS
    no_daemon(shipped, stale=False)
    shipped.node.shell(f"rm -r /run/systemd/system/clinit-{group}@*; systemctl daemon-reload")
    try:
        assert shipped.main_pid(unit) != 0
        assert (resource.act("stop"), resource.reason) == (code, reason)
        assert shipped.main_pid(unit) == 0
    finally:
        shipped.node.run("systemctl", "start", SERVICE)
    assert resource.act("stop") == SUCCESS
    assert resource.monitor() == NOT_RUNNING


# A systemd that does not say whose groups of a name there are, and answers anything else.
SILENT = """\
#!/bin/sh
case $* in *' clinit_*-'*) exit 1 ;; esac
exec %s "$@"
"""


def test_a_systemd_that_does_not_say_whose_group_runs(shipped: Shipped) -> None:
    """Where it is not known which units are meant, nothing is called stopped, though the units of nobody do not run."""
    other = Resource(shipped, "web", cltab="/etc/more", socket="/run/more/s")
    shipped.node.write("/etc/more", TABLE)
    assert NOT_RUNNING == other.probe()
    assert SUCCESS == other.act("stop")
    systemctl = shipped.node.run("realpath", "/usr/bin/systemctl").stdout.strip()
    shipped.node.run("mv", systemctl, AWAY)
    shipped.node.write(systemctl, SILENT % AWAY, mode=0o755)
    try:
        for action in ("monitor", "stop"):
            assert other.act(action, timeout=4) == GENERIC
            assert other.reason == "systemd does not say whether anything of web runs"
    finally:
        shipped.node.run("mv", AWAY, systemctl)
    assert NOT_RUNNING == other.probe()
    assert SUCCESS == other.act("stop")


def test_a_level_that_no_entry_names(shipped: Shipped) -> None:
    """A slip of the hand stops nothing and is told, unless the resource says that it is meant."""
    resource, typo = Resource(shipped), Resource(shipped, level="33")
    assert resource.act("start") == SUCCESS
    assert typo.act("validate-all") == INSTALLED
    assert "no entry of group web has level 33" in typo.reason
    assert typo.act("start") == GENERIC
    assert resource.monitor() == SUCCESS
    meant = Resource(shipped, level="33", empty_level="true")

    assert SUCCESS == meant.act("validate-all")
    assert SUCCESS == meant.act("start")
    assert SUCCESS == meant.monitor()
    assert SUCCESS == meant.act("stop")
    assert NOT_RUNNING == meant.monitor()


@pytest.mark.parametrize("empty_level", ["true", "false"])
def test_a_level_that_is_not_declared(shipped: Shipped, empty_level: str) -> None:
    """This node's table refuses it, so another one is to be tried; nothing is stopped, and the reason is told."""
    resource, typo = Resource(shipped), Resource(shipped, level="33", empty_level=empty_level)
    table = shipped.node.read("/etc/cltab")
    shipped.write_table(f"{table}:::levels.web:stop\n")
    try:
        assert resource.act("start") == SUCCESS
        assert typo.act("validate-all") == INSTALLED
        assert typo.act("start") == INSTALLED
        assert "no entry of web names level '33', and :::levels.web: does not declare it" in typo.reason
        assert resource.monitor() == SUCCESS
        assert resource.act("stop") == SUCCESS
    finally:
        shipped.write_table(table)


@pytest.mark.parametrize("timeout", ["20s", "", "0", "08000", "$(false)"])
def test_a_timeout_that_is_no_number(shipped: Shipped, timeout: str) -> None:
    """It is as if none were given: Pacemaker gives milliseconds, and whoever tries the agent out perhaps not."""
    resource = Resource(shipped, CRM_meta_timeout=timeout)
    assert (resource.act("start"), resource.said) == (SUCCESS, "")
    assert (resource.monitor(), resource.said) == (SUCCESS, "")


def test_degraded_is_not_stopped(shipped: Shipped) -> None:
    """A daemon that is gone for good is shown, and restarts nothing."""
    resource = Resource(shipped)
    assert resource.act("start") == SUCCESS
    no_daemon(shipped)
    try:
        assert resource.monitor() == DEGRADED
    finally:
        shipped.node.run("systemctl", "start", SERVICE)


def test_a_level_for_stopped_that_is_not_declared(shipped: Shipped) -> None:
    """The resource is told to be wrong; and if somebody has it started, its stop stops it all the same."""
    resource = Resource(shipped)
    table = shipped.node.read("/etc/cltab")
    shipped.write_table(f"{table}:::levels.web:off\n")
    try:
        assert resource.act("validate-all") == INSTALLED
        assert "no entry of group web has level stop, the level for stopped, and :::levels.web:" in resource.reason
        assert Resource(shipped, stop_level="off").act("validate-all") == SUCCESS
        assert resource.act("start") == SUCCESS
        assert resource.act("stop") == SUCCESS
        assert resource.monitor() == NOT_RUNNING
        assert shipped.main_pid("clinit-web@db.service") == 0
    finally:
        shipped.write_table(table)
