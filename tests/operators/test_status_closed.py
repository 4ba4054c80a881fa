"""`clinitctl status` of somebody whom the daemon does not answer: what the daemon says of its groups, he sees too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from answers import answered
from programs import RUN, RUN_NEW, deaf

from lab.waiting import wait_until

if TYPE_CHECKING:
    import subprocess

    from instance import Group


NOBODY = "nobody"
UNITS = "/run/systemd/system"


def status(group: Group, user: str | None, *options: str) -> subprocess.CompletedProcess[str]:
    return group.node.run("clinitctl", "status", *options, group.name, check=False, user=user)


def told(group: Group, user: str | None) -> Any:
    """What is said of a group, without what nobody but the daemon knows, and without clocks."""
    done = status(group, user, "--json")
    found = json.loads(done.stdout)["groups"][0]
    reasons = [{**reason, "since_usec": None, "ending": None} for reason in found["reasons"]]
    states = [(entry["tag"], entry["state"]) for entry in found["entries"]]
    return done.returncode, found["level"], found["state"], found["health"], reasons, states


def same_is_told(group: Group, state: str, code: int, *words: str) -> None:
    """Root, whom the daemon answers, and somebody who may not ask it, see the same; and so says the exit code."""
    wait_until(lambda: status(group, None).returncode == code, what="root is told")
    root, somebody = told(group, None), told(group, NOBODY)
    done = status(group, NOBODY)

    assert root == somebody
    assert (code, state) == (root[0], root[2])
    answered(done, code=code, err="")
    assert done.stdout.startswith("only root and members of group clinit may ask the daemon")
    for word in words:
        assert word in done.stdout


def leave_control_group(group: Group) -> None:
    """Move the program of an entry elsewhere, and have the daemon look."""
    group.node.shell(
        f"mkdir -p /sys/fs/cgroup/elsewhere; echo {group.pid('app')} >/sys/fs/cgroup/elsewhere/cgroup.procs"
    )
    group.node.run("systemctl", "daemon-reload")


def test_a_program_that_has_left_its_control_group(group: Group) -> None:
    """It is FAILED for both."""
    group.define(f"app:1:respawn:{RUN}")
    group.switch("1")
    leave_control_group(group)

    same_is_told(group, "FAILED", 4, "has left its control group for /elsewhere")


def test_what_outlives_sigkill(group: Group) -> None:
    """The processes are told, by their unit."""
    group.define(f"deaf:1:respawn:{deaf('INT', 'TERM')}", f"app:2:respawn:{RUN}")
    # Stands in for a process in uninterruptible sleep.
    limits = "[Service]\nSendSIGKILL=no\nTimeoutStopSec=200ms\nTimeoutAbortSec=200ms\n"
    group.node.write(f"/etc/systemd/system/{group.unit('deaf')}.d/deaf.conf", limits)
    group.switch("1")
    group.instance.await_deaf(group.unit("deaf"), "INT", "TERM")
    pid = group.pid("deaf")
    group.switch("2", code=4)
    try:
        same_is_told(group, "FAILED", 4, "has processes that outlived SIGKILL")
    finally:
        group.node.run("kill", "-KILL", str(pid))


def test_a_switch_that_was_broken_off(group: Group) -> None:
    """A group that was emptied for new lines, and could not be given them, is no group at rest."""
    group.define(f"app:1:respawn:{RUN}")
    group.switch("1")
    group.define(f"app:1:respawn:{RUN_NEW}")
    group.node.run("mount", "--bind", "-o", "ro", UNITS, UNITS)
    try:
        group.instance.clinit("--wait", group.name, "1")
        same_is_told(group, "FAILED", 4, "the switch to level 1 was broken off before its start")
    finally:
        group.node.run("umount", UNITS)


def test_a_program_that_cannot_be_started(group: Group) -> None:
    """The daemon has given it up for a minute, and says so."""
    group.define(f"app:1:respawn:{RUN}")
    group.node.write(f"/etc/systemd/system/{group.unit('app')}.d/x.conf", "[Service]\nUser=nosuchuser\n")
    group.switch("1", code=4)
    wait_until(lambda: "tried again every" in status(group, None).stdout, timeout=30, what="it is slowed down")

    same_is_told(group, "FAILED", 4, "could not be started: 217/USER: User=nosuchuser; it is tried again every 60 s")


def test_what_is_only_worth_a_look(group: Group) -> None:
    """An entry that ends again and again, each time after some seconds, is told to both."""
    group.define("app:1:respawn:sleep 4")
    group.switch("1")
    wait_until(lambda: "ends again and again" in status(group, None).stdout, timeout=40, what="it keeps ending")
    found = told(group, NOBODY)

    assert (7, "DONE", "degraded") == (found[0], found[2], found[3])
    assert ["keeps-ending"] == [reason["code"] for reason in found[4]]


def test_a_daemon_that_hangs(group: Group) -> None:
    """What it has said last is believed, and what has failed since is told."""
    group.define(f"app:1:respawn:{RUN}")
    group.switch("1")
    pid = str(group.instance.pid)
    leave_control_group(group)
    wait_until(lambda: group.status == "1 FAILED")
    group.node.run("kill", "-STOP", pid)
    try:
        hanging = told(group, None)
        group.node.run("systemctl", "stop", group.unit("app"))
        stopped = told(group, None)
    finally:
        group.node.run("kill", "-CONT", pid)

    assert (4, "FAILED") == (hanging[0], hanging[2])
    assert (4, "FAILED") == (stopped[0], stopped[2])


def test_a_level_that_a_daemon_that_hangs_has_not_seen(group: Group) -> None:
    """What systemd has started meanwhile is told, and not what clstat says."""
    group.define(f"app:1:respawn:{RUN}", f"other:2:respawn:{RUN}")
    group.switch("1")
    pid = str(group.instance.pid)
    group.node.run("kill", "-STOP", pid)
    try:
        group.node.run("systemctl", "start", group.target("2"))
        hanging = status(group, None)
    finally:
        group.node.run("kill", "-CONT", pid)

    answered(hanging, code=3, err="")
    assert f"{group.name}: level 2 DONE" in hanging.stdout


def test_health_without_a_reason(group: Group) -> None:
    """FAILED in clstat is FAILED, also if no reason could be noted, and the units are well."""
    group.define(f"app:1:respawn:{RUN}")
    group.switch("1")
    leave_control_group(group)
    wait_until(lambda: group.status == "1 FAILED")
    home = f"/sys/fs/cgroup/clinit.slice/clinit-{group.name}.slice/{group.unit('app')}"
    group.node.run("kill", "-STOP", str(group.instance.pid))
    try:
        group.node.shell(f"echo {group.pid('app')} >{home}/cgroup.procs; rm /run/cltab2systemd/system/reasons")
        done = status(group, NOBODY)
    finally:
        group.node.run("kill", "-CONT", str(group.instance.pid))

    answered(done, code=4, err="")
    assert f"{group.name}: level 1 FAILED" in done.stdout
