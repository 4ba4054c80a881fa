"""`clinit -k --wait` returns when the daemon is gone, and nothing listens for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from answers import answered
from instance import Instance
from programs import RUN
from shipped import PATH, SOCKET, Shipped

from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

TABLE = f"web:a:3:respawn:{RUN}\n"
NO_DAEMON = f"clinit: no daemon at {PATH}: No such file or directory; start it with 'systemctl start clinit.service'\n"


@pytest.fixture(scope="module")
def shipped(node: Node) -> Shipped:
    """The daemon as it is shipped."""
    shipped = Shipped(node)
    shipped.write_table(TABLE)
    return shipped.start()


def test_all_is_gone(shipped: Shipped) -> None:
    """No process, no socket and no unit of it is left, a request behind it finds no daemon, and a start works."""
    node = shipped.node
    for _ in range(6):
        assert shipped.clinit("--wait", "web", "3").returncode == 0
        # In one shell, so that nothing passes in between.
        script = f"""
            pid=$(systemctl show -p MainPID --value clinit)
            clinit -k --wait || exit 10
            [ ! -e /proc/$pid ] || echo the daemon runs
            clinit web 3; echo $?
            [ ! -e {PATH} ] || echo the socket is there
            systemctl is-active {SOCKET} clinit.service
            systemctl start clinit; echo $?
            clinit --wait web 3
        """
        done = node.run("sh", "-c", script)
        assert ["3", "inactive", "inactive", "0", "web 3 DONE"] == done.stdout.split("\n")[:-1]
        assert NO_DAEMON == done.stderr


@pytest.mark.parametrize("words", [("-k",), ("-k", "--wait"), ("-k", "--wait", "--timeout", "50")])
def test_groups_of_a_cluster(shipped: Shipped, words: tuple[str, ...]) -> None:
    """Who halts groups that a cluster has started is told so, once. Its agent is told nothing, nor who is refused."""
    notes = "/run/cltab2systemd/system"

    def halted(**environment: str) -> str:
        shipped.node.run("systemctl", "start", "clinit.service")
        assert shipped.clinit("--wait", "web", "3").returncode == 0
        # As the resource agent does.
        shipped.node.shell(
            f"mkdir -p {notes}/known-to-cluster {notes}/of-cluster; echo pcs-web >{notes}/known-to-cluster/web"
        )
        if not environment.pop("stopped", ""):
            shipped.node.write(f"{notes}/of-cluster/web", "")
        done = shipped.node.run("clinit", *words, env=environment)
        wait_until(lambda: not shipped.node.exists(PATH), what="the daemon is gone")
        answered(shipped.clinit(*words), code=3, out="", err=NO_DAEMON)
        shipped.node.shell(f"rm -rf {notes}/known-to-cluster {notes}/of-cluster")
        assert done.stdout == ""
        return done.stderr

    assert halted() == (
        "clinit: Pacemaker had started web, by what this node has noted, and may start what the halt has stopped again"
        ", here or on another node; see: crm_mon --one-shot\n"
    )
    assert halted(OCF_RESOURCE_INSTANCE="pcs-web") == ""
    assert halted(stopped="yes") == ""
    shipped.node.run("systemctl", "start", "clinit.service")


def test_all_is_gone_at_other_sockets(shipped: Shipped) -> None:
    """It holds for sockets that the table, or a socket unit of a person's own, names as well."""
    node = shipped.node
    shipped.drop_in(SOCKET, "[Socket]", "ListenStream=/run/second.s")
    node.run("systemctl", "restart", SOCKET)
    shipped.write_table(":::socket:/run/clinit/third.s\n" + TABLE)
    node.run("systemctl", "start", "clinit.service")
    assert shipped.clinit("--wait", "web", "3").returncode == 0
    done = node.run("sh", "-c", f"clinit -k --wait; systemctl is-active {SOCKET} clinit.service", check=False)

    assert "inactive\ninactive\n" == done.stdout
    assert [False] * 3 == [node.exists(path) for path in (PATH, "/run/second.s", "/run/clinit/third.s")]
    node.run("rm", f"/etc/systemd/system/{SOCKET}.d/override.conf")
    node.run("systemctl", "daemon-reload")
    shipped.write_table(TABLE)
    node.run("systemctl", "start", "clinit.service")


def test_a_daemon_by_hand_is_gone(shipped: Shipped) -> None:
    """A daemon that somebody started is gone, too, and another can be started behind it."""
    node = shipped.node
    node.write("/srv/table", TABLE)
    by_hand = Instance(node, "hand.service", "--cltab", "/srv/table", "--socket", "/srv/s", "--clstat", "/srv/clstat")
    options = "--cltab /srv/table --socket /srv/s"
    for _ in range(3):
        node.run("systemd-run", "--quiet", "--collect", "--unit=hand", "clinit", "-d", *by_hand.options)
        script = f"""
            until clinit --wait {options} web 3; do sleep 0.1; done 2>/dev/null
            pid=$(systemctl show -p MainPID --value hand)
            clinit -k --wait {options} || exit 10
            # One that has ended, and that systemd has not waited for yet, has no program.
            [ ! -e /proc/$pid/exe ] || echo the daemon runs
            [ ! -e /srv/s ] || echo the socket is there
            clinit {options} web 3; echo $?
        """
        assert "web 3 DONE\n3\n" == node.run("sh", "-c", script).stdout
        node.run("systemctl", "stop", "hand.service", check=False)


@pytest.mark.parametrize("what", ["daemon", "socket"])
def test_the_time_is_up(shipped: Shipped, what: str) -> None:
    """A daemon that does not end, or a socket that is kept, is told of when the time is up."""
    node = shipped.node
    assert shipped.clinit("--wait", "web", "3").returncode == 0
    if what == "daemon":  # its own end is bounded: only somebody else can keep it
        shipped.write_table(
            f"web:a:3:respawn:trap 'kill -STOP {shipped.pid}; exit' INT; : >/run/up; while :; do sleep 0.1; done\n"
        )
        assert shipped.clinit("--wait", "web", "3").returncode == 0
        wait_until(lambda: node.exists("/run/up"), what="its shell has set the trap")
    else:
        shipped.drop_in(SOCKET, "[Socket]", "ExecStopPre=sleep 5")
    began = time.monotonic()
    halted = shipped.clinit("-k", "--wait", "--timeout", "2")
    took = time.monotonic() - began
    node.run("systemctl", "kill", "--signal=CONT", "clinit.service", check=False)

    answered(halted, code=5, out="")
    assert halted.stderr.startswith("clinit: timed out"), halted
    assert 2 <= took < 4
    if what == "socket":
        assert f"clinit: timed out; all groups are stopped, but {SOCKET} still listens\n" == halted.stderr
    node.run("systemctl", "stop", SOCKET)
    node.run("rm", "-rf", f"/etc/systemd/system/{SOCKET}.d")
    node.run("systemctl", "daemon-reload")
    shipped.write_table(TABLE)
    node.run("systemctl", "start", "clinit.service")
