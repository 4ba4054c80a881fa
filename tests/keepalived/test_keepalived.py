"""A group follows a VRRP instance of a real keepalived."""

from __future__ import annotations

import random
import re
import time
from typing import TYPE_CHECKING

import pytest
from answers import answered
from ocf import no_daemon
from programs import RUN
from realkeepalived import DEFAULTS, FOLLOW, FOLLOWS, NOTIFY, READER, Keepalived, shipped_with_network
from shipped import SERVICE, Shipped

from lab.install import PROJECT
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLE = f"""\
web:db:3:respawn:{RUN}
bad:fails:3:test:false
a/b-c:x:3:respawn:{RUN}
"""
BUSY_LOOPS, BURSTS = 4, 8


@pytest.fixture(scope="module")
def shared(project_layer: Path) -> Iterator[Shipped]:
    """The shipped units, started, in a node with a network."""
    with shipped_with_network("keepalived", project_layer, TABLE) as shipped:
        yield shipped


@pytest.fixture
def shipped(shared: Shipped) -> Iterator[Shipped]:
    """The daemon and the table as they were, for each test."""
    yield shared
    shared.write_table(TABLE)
    shared.go_back_to("stop")


# FOLLOW reads as READER does.
@pytest.mark.parametrize("way", [NOTIFY, READER])
def test_the_level_is_that_of_the_last_state(shipped: Shipped, way: str) -> None:
    """On a busy machine, after any burst of changes, the group is where the state of the instance has it."""
    chance = random.Random(10)  # noqa: S311
    loops = "while :; do :; done & " * BUSY_LOOPS + "wait"
    shipped.node.run("systemd-run", "--quiet", "--collect", "--unit=busy", "sh", "-c", loops)
    keepalived = Keepalived(shipped, way)
    seen = set()
    try:
        for _ in range(BURSTS):
            for _ in range(chance.randint(1, 9)):
                keepalived.set(master=chance.random() < 0.5)
                time.sleep(chance.uniform(0, 0.05))
            time.sleep(chance.uniform(0.3, 0.6))  # an election
            state = keepalived.rest()
            seen.add(state)
            expected = "3 DONE" if state == "MASTER" else "stop DONE"
            wait_until(lambda expected=expected: shipped.clstat().get("web") == expected, what=f"{state}: {expected}")  # type: ignore[misc]
    finally:
        shipped.node.run("systemctl", "stop", "busy")
        keepalived.stop()
    assert seen == {"MASTER", "BACKUP"}


# With `control-group`, systemd's signal may end a script before it can ignore it: docs/high-availability.md says so.
@pytest.mark.parametrize(("way", "kill_mode"), [(FOLLOW, "control-group"), (FOLLOW, "process"), (NOTIFY, "process")])
def test_when_keepalived_ends(shipped: Shipped, way: str, kill_mode: str) -> None:
    """The group is stopped with keepalived, and nothing of what follows is left, whom systemd signals at the stop."""
    keepalived = Keepalived(shipped, way, kill_mode)
    keepalived.set(master=True)
    wait_until(lambda: shipped.clstat().get("web") == "3 DONE")
    keepalived.stop()

    wait_until(lambda: shipped.clstat().get("web") == "stop DONE")
    wait_until(lambda: shipped.node.run("pgrep", "-f", "keepalived-", check=False).stdout == "")


def test_last_words_that_are_late(shipped: Shipped) -> None:
    """The reader is told to end long before keepalived says STOP, as on a busy machine, and hears it all the same."""
    keepalived = Keepalived(shipped, FOLLOW)
    try:
        keepalived.set(master=True)
        wait_until(lambda: shipped.clstat().get("web") == "3 DONE")
        shipped.node.run("pkill", "-TERM", "-f", f"python3.*{FOLLOW}")
        # No event: as long as the reader reads on when all have said STOP, and as much again.
        time.sleep(1)
    finally:
        keepalived.stop()

    wait_until(lambda: shipped.clstat().get("web") == "stop DONE")


def test_a_reload_of_keepalived(shipped: Shipped) -> None:
    """It starts another reader, which waits until the first one has ended; the group goes on, and follows on."""
    keepalived = Keepalived(shipped, FOLLOW)
    try:
        keepalived.set(master=True)
        wait_until(lambda: shipped.clstat().get("web") == "3 DONE")
        group = shipped.main_pid("clinit-web@db.service")
        keepalived.reload()
        assert shipped.main_pid("clinit-web@db.service") == group
        for master, status in ((False, "stop DONE"), (True, "3 DONE")):
            keepalived.set(master=master)
            wait_until(lambda status=status: shipped.clstat().get("web") == status, timeout=30)  # type: ignore[misc]
    finally:
        keepalived.stop()


@pytest.mark.parametrize("way", [FOLLOW, READER])
def test_without_the_daemon(shipped: Shipped, way: str) -> None:
    """What is to be stopped is stopped: by systemd, and with a table that has errors."""
    keepalived = Keepalived(shipped, way)
    try:
        keepalived.set(master=True)
        wait_until(lambda: shipped.clstat().get("web") == "3 DONE")
        no_daemon(shipped)
        keepalived.set(master=False)
        wait_until(lambda: shipped.main_pid("clinit-web@db.service") == 0)
        shipped.node.run("systemctl", "start", SERVICE)
        keepalived.set(master=True)
        wait_until(lambda: shipped.clstat().get("web") == "3 DONE")
        shipped.write_table(TABLE + "not a line\n")
        keepalived.set(master=False)
        wait_until(lambda: shipped.main_pid("clinit-web@db.service") == 0)
        by_systemd = r".*; systemctl start clinit-web@stop\.target: started$"
        for why in ("no daemon at ", "1 of 5 fields; /etc/cltab:[0-9]+:1: error: 1 of 5 fields "):
            told = re.compile(f"BACKUP: web to level stop: {why}{by_systemd}", re.MULTILINE)
            wait_until(lambda told=told: told.search(shipped.node.journal()), what=told.pattern)  # type: ignore[misc]
    except TimeoutError as error:
        said = shipped.node.run("journalctl", "-t", "keepalived-follow", "--no-pager").stdout
        raise AssertionError(f"{keepalived.state}\n{said}") from error
    finally:
        keepalived.stop()


def notify(shipped: Shipped, state: str, group: str = "web") -> int:
    """Have the script called as keepalived does, when the state of an instance has changed."""
    done = shipped.node.run(NOTIFY, group, "3", "stop", "INSTANCE", "VI", state, "100", check=False)
    answered(done, out="", err="")
    return done.returncode


def test_the_script_for_one_change(shipped: Shipped) -> None:
    """MASTER has the group at its level, and anything else stops it; what was done is in the journal."""
    for state, status in (("MASTER", "3 DONE"), ("BACKUP", "stop DONE"), ("MASTER", "3 DONE"), ("FAULT", "stop DONE")):
        assert notify(shipped, state) == 0
        wait_until(lambda status=status: shipped.clstat().get("web") == status)  # type: ignore[misc]
    assert "VI is FAULT: web to level stop: level transition started" in shipped.node.journal()
    notify(shipped, "MASTER")
    assert notify(shipped, "MASTER_RX_LOWER_PRI") == 0
    wait_until(lambda: shipped.clstat()["web"] == "3 DONE")
    assert notify(shipped, "STOP") == 0
    notify(shipped, "MASTER", "a/b-c")
    wait_until(lambda: shipped.clstat().get("a/b-c") == "3 DONE")
    no_daemon(shipped)
    assert notify(shipped, "BACKUP", "a/b-c") == 0
    wait_until(lambda: shipped.main_pid(r"clinit-a\x2fb-c@x.service") == 0)


def test_a_level_that_is_not_declared(shipped: Shipped) -> None:
    """A slip of the hand in who follows stops nothing: systemd is not asked, by whom it would. A stop is made."""
    notify(shipped, "MASTER")
    wait_until(lambda: shipped.clstat().get("web") == "3 DONE")
    shipped.write_table(f"{TABLE}:::levels.web:idle\n")
    done = shipped.node.run(NOTIFY, "web", "33", "stop", "INSTANCE", "VI", "MASTER", "100", check=False)
    assert done.returncode == 1
    ask = "from cltab2systemd.keepalived.asking import ask; print(ask('web', '33', 'MASTER'))"
    assert shipped.node.run("/usr/bin/python3", "-c", ask).stdout == "False\n"
    assert shipped.clstat()["web"] == "3 DONE"
    assert shipped.main_pid("clinit-web@db.service") != 0
    said = shipped.node.journal()
    refused = "no entry of web names level '33', and :::levels.web: does not declare it: refused"
    assert f"VI is MASTER: web to level 33: {refused}" in said
    assert f"MASTER: web to level 33: {refused}" in said

    assert notify(shipped, "BACKUP") == 0
    wait_until(lambda: shipped.main_pid("clinit-web@db.service") == 0)


def test_a_level_on_trial(shipped: Shipped) -> None:
    """The level is nothing to keepalived: the group goes back in its time, or the next state ends the trial."""
    notify(shipped, "MASTER")
    answered(shipped.clinit("--wait", "--try", "1", "web", "m"), code=0)
    wait_until(lambda: shipped.clstat().get("web") == "3 DONE", what="it is back")
    answered(shipped.clinit("--wait", "--try", "600", "web", "m"), code=0)

    assert notify(shipped, "BACKUP") == 0

    wait_until(lambda: shipped.clstat().get("web") == "stop DONE", what="it is stopped")
    kept = shipped.clinit("--keep", "web")
    assert (kept.returncode, "a later request" in kept.stdout) == (1, True)


def test_what_the_reader_is_told(shipped: Shipped) -> None:
    """A note to an answer is in the journal."""
    ask = "from cltab2systemd.keepalived.asking import ask; print(ask('web', '33', 'MASTER'))"
    assert shipped.node.run("/usr/bin/python3", "-c", ask).stdout == "True\n"
    assert "started; no entry of web names level '33': it stops everything" in shipped.node.journal()


def test_a_script_that_was_overtaken(shipped: Shipped) -> None:
    """One that keepalived has started before another one, and that comes after it, does nothing."""
    notify(shipped, "MASTER")
    shipped.node.shell("echo 99999999999 1 >/run/clinit-keepalived-notify-web")

    assert notify(shipped, "BACKUP") == 0
    assert "VI is not BACKUP any more" in shipped.node.journal()
    wait_until(lambda: shipped.clstat()["web"] == "3 DONE")
    shipped.node.path("/run/clinit-keepalived-notify-web").unlink()


def test_the_examples() -> None:
    """What the documentation has for keepalived.conf and the service is what the tests here run."""
    text = (PROJECT / "docs/high-availability.md").read_text()

    assert f'vrrp_notify_fifo_script "{FOLLOW} web=web:3:stop"' in text
    assert "vrrp_notify_fifo /run/clinit-keepalived" in text
    assert DEFAULTS in text
    assert FOLLOWS in text
