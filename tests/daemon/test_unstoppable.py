"""What systemd refuses to stop, as 257 does with a frozen unit: it is named, and nobody waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from answers import answered
from programs import RUN
from shipped import Shipped

from lab.node import Node
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLE = f"web:a:3:respawn:{RUN}\nweb:b:m:respawn:{RUN}\nmail:q:1:respawn:{RUN}\n"
FROZEN = "clinit-web@a.service"


@pytest.fixture
def shipped(project_layer: Path) -> Iterator[Shipped]:
    """The shipped daemon, group web at level 3 with its entry frozen."""
    with Node("unstoppable", layers=[project_layer]) as node:
        shipped = Shipped(node)
        shipped.write_table(TABLE)
        shipped.start()
        assert shipped.clinit("--wait", "web", "3").returncode == 0
        node.run("systemctl", "freeze", FROZEN)
        yield shipped


def thaw(shipped: Shipped) -> None:
    """Let it go on; perhaps its stop has done so already."""
    shipped.node.run("systemctl", "thaw", FROZEN, check=False)


@pytest.mark.parametrize("arguments", [("-k",), ("web", "stop"), ("web", "m")])
def test_a_stop_that_is_refused(shipped: Shipped, arguments: tuple[str, ...]) -> None:
    """A halt or a switch that cannot stop it says so, with its name; when it is thawed, the next one can."""
    pid = shipped.main_pid(FROZEN)
    done = shipped.clinit("--wait", "--timeout", "20", *arguments)
    lives = shipped.node.exists(f"/proc/{pid}")
    assert lives == (done.returncode != 0), done
    if lives:
        assert done.returncode in {1, 4}
        assert FROZEN in done.stdout + done.stderr
        thaw(shipped)
        done = shipped.clinit("--wait", *arguments)
        answered(done, code=0)
        assert not shipped.node.exists(f"/proc/{pid}")


def test_a_changed_line_of_a_frozen_entry(shipped: Shipped) -> None:
    """The old definition cannot be stopped, so the new one is not started; the request ends, and says why."""
    pid = shipped.main_pid(FROZEN)
    shipped.write_table(TABLE.replace(f"web:a:3:respawn:{RUN}", "web:a:3:respawn:exec sleep 2000"))
    done = shipped.clinit("--wait", "--timeout", "20", "web", "3")
    lives = shipped.node.exists(f"/proc/{pid}")
    assert lives == (done.returncode != 0), done
    if lives:
        assert done.returncode == 1
        assert f"{FROZEN} could not be stopped" in done.stdout
        assert shipped.clstat()["web"] == "3 FAILED"
        thaw(shipped)
        assert shipped.clinit("--wait", "web", "3").returncode == 0
    assert shipped.node.read(f"/proc/{shipped.main_pid(FROZEN)}/cmdline").split("\0")[1] == "2000"


def test_a_group_that_left_the_table(shipped: Shipped) -> None:
    """It stays in clstat, FAILED with the name of the unit, until it can be stopped."""
    pid = shipped.main_pid(FROZEN)
    shipped.write_table(TABLE.replace("web:", "other:"))
    shipped.clinit()
    shipped.clinit("--wait", "mail", "1")
    wait_until(
        lambda: not shipped.node.exists(f"/proc/{pid}") or shipped.clstat().get("web") == "3 FAILED",
        what="it is stopped, or cannot be",
        timeout=20,
    )
    if shipped.node.exists(f"/proc/{pid}"):
        assert shipped.clstat()["web"] == "3 FAILED"
        assert FROZEN in shipped.clinit("-v").stderr
        assert FROZEN in shipped.node.journal("clinit.service")
        thaw(shipped)
        shipped.clinit()
    assert shipped.clinit("--wait", "mail", "none").returncode == 0
    assert not shipped.node.exists(f"/proc/{pid}")
    wait_until(lambda: "web" not in shipped.clstat(), what="the group is gone")
