"""clinit-keepalived.service: what becomes of states that keepalived tells, whoever is killed, restarted or reloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from programs import RUN
from realkeepalived import DEFAULTS, FOLLOW, FOLLOWS, READER, Keepalived, shipped_with_network
from shipped import SERVICE, Shipped

from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLE = f"web:db:3:respawn:{RUN}\n"
FIFO, SEEN = "/run/clinit-keepalived", "/run/seen"
RUNS, STOPPED = "3 DONE", "stop DONE"


@pytest.fixture(scope="module")
def shared(project_layer: Path) -> Iterator[Shipped]:
    """The shipped units, started, in a node with a network."""
    with shipped_with_network("keepalived-service", project_layer, TABLE) as shipped:
        yield shipped


@pytest.fixture(scope="module")
def both(shared: Shipped) -> Iterator[Keepalived]:
    """The service, and keepalived."""
    both = Keepalived(shared, READER)
    yield both
    both.stop()


@pytest.fixture
def keepalived(both: Keepalived) -> Keepalived:
    """Keepalived that is MASTER, and the group that follows, as they were, for each test."""
    both.shipped.write_table(TABLE)
    both.node.write(DEFAULTS, FOLLOWS)
    both.node.run("systemctl", "start", SERVICE, READER, "keepalived")
    change(both, master=False)
    become(both, master=True)
    both.node.run("journalctl", "--quiet", f"--unit={READER}", "--lines=1", f"--cursor-file={SEEN}")
    return both


def said(keepalived: Keepalived) -> str:
    """What the reader has said in this test."""
    seen = keepalived.node.read(SEEN).strip()
    return keepalived.node.run("journalctl", "--quiet", f"--unit={READER}", f"--after-cursor={seen}").stdout


def status(keepalived: Keepalived) -> str:
    """Where the group is."""
    return keepalived.shipped.clstat().get("web", "")


def change(keepalived: Keepalived, *, master: bool) -> None:
    """Have the instance change its state; return when it has."""
    keepalived.set(master=master)
    state = "MASTER" if master else "BACKUP"
    wait_until(lambda: keepalived.state == state, what=state, timeout=30)


def become(keepalived: Keepalived, *, master: bool) -> None:
    """Have the instance change its state, and the group follow."""
    change(keepalived, master=master)
    expected = RUNS if master else STOPPED
    wait_until(lambda: status(keepalived) == expected, what=expected)


def pid(keepalived: Keepalived, unit: str = "clinit-web@db.service") -> int:
    """The main process of a unit; 0 without one."""
    return keepalived.shipped.main_pid(unit)


def kill(keepalived: Keepalived, unit: str) -> None:
    """SIGKILL the main process of a unit."""
    keepalived.node.run("kill", "-KILL", str(pid(keepalived, unit)))


def test_a_reader_that_is_killed(keepalived: Keepalived) -> None:
    """It comes back by itself, and moves nothing; the group follows on."""
    group, reader = pid(keepalived), pid(keepalived, READER)
    kill(keepalived, READER)
    wait_until(lambda: pid(keepalived, READER) not in {0, reader}, what="another reader")

    become(keepalived, master=False)
    become(keepalived, master=True)
    assert pid(keepalived) != group
    assert "GONE" not in said(keepalived)


def test_what_is_told_without_a_reader(keepalived: Keepalived) -> None:
    """It waits in the FIFO, which keepalived has open."""
    keepalived.node.run("systemctl", "stop", READER)
    assert status(keepalived) == RUNS
    for master in (False, True, False):
        change(keepalived, master=master)
    assert status(keepalived) == RUNS
    keepalived.node.run("systemctl", "start", READER)

    wait_until(lambda: status(keepalived) == STOPPED)


def test_what_was_told_to_a_reader_that_was_killed(keepalived: Keepalived) -> None:
    """Its successor asks for it, if it could not any more."""
    become(keepalived, master=False)
    keepalived.shipped.write_table(TABLE.replace("web", "other"))
    keepalived.set(master=True)
    wait_until(lambda: "MASTER: web to level 3: " in said(keepalived), what="it was asked for")
    keepalived.node.run("systemctl", "stop", READER)
    keepalived.shipped.write_table(TABLE)
    keepalived.node.run("systemctl", "start", READER)

    wait_until(lambda: status(keepalived) == RUNS)


def test_a_reader_that_is_restarted(keepalived: Keepalived) -> None:
    """As in an upgrade: a group that somebody has moved meanwhile stays where it is, until the state changes."""
    keepalived.shipped.clinit("-w", "web", "stop")
    keepalived.node.run("systemctl", "restart", READER)
    assert status(keepalived) == STOPPED

    become(keepalived, master=False)
    become(keepalived, master=True)


def test_what_was_told_is_not_known_any_more(keepalived: Keepalived) -> None:
    """The file beside the FIFO is broken: the reader says so, and the group follows on."""
    keepalived.node.write(f"{FIFO}.states", '{"web": 1, ')
    keepalived.node.run("systemctl", "restart", READER)

    become(keepalived, master=False)
    assert f"{FIFO}.states: Expecting" in said(keepalived)


def test_a_reload_of_keepalived(keepalived: Keepalived) -> None:
    """Keepalived closes the FIFO for a moment, and tells nothing; the group goes on, and follows on."""
    group, reader = pid(keepalived), pid(keepalived, READER)
    keepalived.reload()

    assert (pid(keepalived), pid(keepalived, READER)) == (group, reader)
    become(keepalived, master=False)
    assert "GONE" not in said(keepalived)


def test_keepalived_is_restarted(keepalived: Keepalived) -> None:
    """It stops its instances, and tells their states anew; the reader stays."""
    reader = pid(keepalived, READER)
    keepalived.node.run("systemctl", "restart", "keepalived")

    wait_until(lambda: "STOP: web to level stop" in said(keepalived))
    wait_until(lambda: keepalived.state == "MASTER", timeout=30)
    wait_until(lambda: status(keepalived) == RUNS)
    keepalived.node.run("systemctl", "stop", "keepalived")
    wait_until(lambda: status(keepalived) == STOPPED)
    assert pid(keepalived, READER) == reader


def test_keepalived_is_killed(keepalived: Keepalived) -> None:
    """Its processes cannot say STOP any more; the group is stopped all the same, and follows the next keepalived."""
    shown = keepalived.node.run("systemctl", "show", "--value", "--property=ControlGroup", "keepalived").stdout.strip()
    # All at once: the child of one that is killed first says STOP.
    keepalived.node.shell(f"echo 1 >/sys/fs/cgroup{shown}/cgroup.kill")

    wait_until(lambda: status(keepalived) == STOPPED, timeout=60)
    assert "GONE: web to level stop" in said(keepalived)
    keepalived.node.run("systemctl", "start", "keepalived")
    wait_until(lambda: status(keepalived) == RUNS, timeout=30)


def test_keepalived_was_there_first(keepalived: Keepalived) -> None:
    """It has made the FIFO, and removes it at its end; the reader takes the next one."""
    keepalived.node.run("systemctl", "stop", "keepalived", READER)
    keepalived.node.path(FIFO).unlink()
    keepalived.node.run("systemctl", "start", "keepalived")
    keepalived.node.run("systemctl", "start", READER)
    wait_until(lambda: status(keepalived) == RUNS, timeout=30)
    keepalived.node.run("systemctl", "restart", "keepalived")
    wait_until(lambda: "STOP: web to level stop" in said(keepalived))

    wait_until(lambda: status(keepalived) == RUNS, timeout=30)


def test_two_readers(keepalived: Keepalived) -> None:
    """A second one waits, for each line is read once; it takes over when the first one ends."""
    node = keepalived.node
    node.run("systemd-run", "--quiet", "--collect", "--unit=second", FOLLOW, "web=web:3:stop", FIFO)
    wait_until(lambda: "another reader has the FIFO" in node.journal("second.service"))
    for master in (False, True, False):
        become(keepalived, master=master)
    assert "web to level" not in node.journal("second.service")
    node.run("systemctl", "stop", READER)
    become(keepalived, master=True)
    node.run("systemctl", "kill", "--signal=KILL", "second")


@pytest.mark.parametrize(
    ("defaults", "error"),
    [
        ("", "nobody is to follow"),
        ('FOLLOW="web"', "'web' is not INSTANCE=GROUP:LEVEL:STOP-LEVEL"),
        ('FOLLOW="a=web:3:stop b=web:3:stop"', "'b=web:3:stop': group web follows another instance already"),
    ],
)
def test_it_is_not_said_who_follows(shared: Shipped, defaults: str, error: str) -> None:
    """It does not start, and says why, and where it is to be said."""
    shared.node.write(DEFAULTS, f"{defaults}\n")

    assert shared.node.run("systemctl", "restart", READER, check=False).returncode != 0
    said = shared.node.run("systemctl", "show", "--property=ActiveState,ExecMainStatus", READER).stdout
    assert said.split() == ["ExecMainStatus=2", "ActiveState=failed"]
    log = shared.node.journal(READER)
    assert error in log
    assert f"the words come from FOLLOW in {DEFAULTS}" in log


def test_something_else_is_at_the_place_of_the_fifo(shared: Shipped) -> None:
    """It is left alone."""
    shared.node.run("systemctl", "stop", "keepalived", READER, check=False)
    shared.node.run("rm", "-f", FIFO)
    shared.node.write(FIFO, "mine\n")
    shared.node.write(DEFAULTS, "FOLLOW=web=web:3:stop\n")

    assert shared.node.run("systemctl", "restart", READER, check=False).returncode != 0
    assert f"{FIFO} is no FIFO; remove it" in shared.node.journal(READER)
    assert shared.node.read(FIFO) == "mine\n"
    shared.node.path(FIFO).unlink()
