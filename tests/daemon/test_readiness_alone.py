"""Readiness when nobody is there to see to it: with a daemon that is killed, and at boot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from boots import Machine
from instance import Group, Instance
from programs import RUN

from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

FILE = "/run/db.ready"
TABLE = f"""\
:::ready.db:timeout=1h file:{FILE}
web:db:3:respawn:{RUN}
web:app:3:wait:event web app
web:other:4:wait:event web other
idle:idle:1:wait:true
"""
READINESS, TARGET = "clinit-web@db:ready.service", "clinit-web@3.target"


@pytest.fixture
def daemon(fresh_node: Node) -> Instance:
    """A daemon of the test's own."""
    instance = Instance(fresh_node)
    instance.write_table(TABLE)
    return instance.start()


def is_asked(instance: Instance) -> None:
    """Wait until the readiness is being asked for."""
    properties = instance.properties
    wait_until(
        lambda: (
            properties(READINESS, "ActiveState", "StatusText")
            == {"ActiveState": "activating", "StatusText": "no such file or directory"}
        ),
        what="it is being asked",
    )


def test_killed_while_it_is_asked(daemon: Instance) -> None:
    """The next daemon goes on to wait, and tells what comes of it."""
    group = Group(daemon, "web")
    group.request("3")
    is_asked(daemon)
    daemon.kill()
    daemon.start()
    assert daemon.clstat()["web"] == "3 STARTING"
    daemon.node.write(FILE, "")
    group.wait_for("3 DONE")
    assert group.events() == ["app"]


def test_killed_while_it_gets_ready(daemon: Instance) -> None:
    """What gets ready meanwhile is started without a daemon, and the next one knows it."""
    group = Group(daemon, "web")
    group.request("3")
    is_asked(daemon)
    daemon.kill()
    daemon.node.write(FILE, "")
    wait_until(lambda: group.events() == ["app"], what="systemd goes on")
    daemon.start()
    group.wait_for("3 DONE")


def test_killed_when_it_has_failed(daemon: Instance) -> None:
    """A daemon that has seen nothing of it tells the same reason; killed before, behind, and long behind the end."""
    group = Group(daemon, "web")
    group.request("3")
    is_asked(daemon)
    daemon.kill()
    pid = daemon.main_pid("clinit-web@db.service")
    daemon.node.run("kill", "-KILL", str(pid))
    wait_until(lambda: group.events() == ["app"], what="systemd goes on")
    reasons = "/run/cltab2systemd/system/reasons"
    for _ in range(2):
        daemon.start()
        group.wait_for("3 FAILED")
        assert "web.db" not in daemon.node.read(reasons)
        assert "web: db (respawn) ended before it was ready: no such file or directory" in daemon.node.read(reasons)
        daemon.kill()
    daemon.start()
    daemon.node.write(FILE, "")
    assert group.switch("3") == "DONE"


def test_killed_while_it_is_stopped(daemon: Instance) -> None:
    """A switch away from it comes to its end, whoever lives."""
    group = Group(daemon, "web")
    group.request("3")
    is_asked(daemon)
    group.request("4")
    daemon.kill()
    daemon.start()
    group.wait_for("4 DONE")
    assert daemon.properties(READINESS, "ActiveState") == {"ActiveState": "inactive"}


def test_at_boot(fresh_node: Node) -> None:
    """Logins wait for nothing: the entry gets ready behind multi-user.target, then its level goes on."""
    machine = Machine(fresh_node)
    booted = "until systemctl --quiet is-active multi-user.target; do sleep 0.05; done"
    table = TABLE.replace(RUN, f"{booted}; touch {FILE}; {RUN}")
    machine.write_table(f":::initdefault.web:3\n{table}")
    fresh_node.reboot()
    wait_until(lambda: machine.settled()["web"] == "3 DONE", what="web is at its boot level")
    assert machine.properties(READINESS, "ActiveState", "ExecMainStatus") == {
        "ActiveState": "active",
        "ExecMainStatus": "0",
    }


def test_a_group_that_a_dead_daemon_has_left(daemon: Instance) -> None:
    """`group:` does not believe a clstat alone."""
    daemon.write_table(TABLE + f":::ready.x:timeout=1h group:idle:1\nneedy:x:1:respawn:{RUN}\n")
    idle = Group(daemon, "idle")
    assert idle.switch("1") == "DONE"
    daemon.kill()
    daemon.node.run("systemctl", "start", "clinit-idle@stop.target")
    assert daemon.clstat()["idle"] == "1 DONE"
    words = daemon.node.run(
        "python3", "-c",
        "from cltab2systemd.probing.asking import ask;"
        "print(ask(['group:idle'], 9, '/run/cltab2systemd/system').words)",
    ).stdout  # fmt: skip
    assert words == ("clstat says that idle is DONE at level 1, and systemd that clinit-idle@1.target is not active\n")
