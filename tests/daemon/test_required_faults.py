"""What is required: at a boot, while the daemon is killed, and when levels are asked for faster than reached."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from boots import Machine
from instance import Group, Instance
from programs import RUN, polite

from cltab2systemd.client.outcome import FAILED
from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

SEED = 5
KILLS, CHASES = 8, 12
# Seconds after which a daemon is killed, at most: a switch takes some 0.5 s.
LONGEST_LIFE = 0.5
# It fails while there is this file.
BROKEN = "/run/broken"
MOUNT = f"sh -c 'sleep 0.05; test ! -e {BROKEN} || exit 32'"


def required(group: Group, tag: str) -> None:
    """Have the table say that an entry of a group is required."""
    group.instance.table += f":::required.{group.name}.{tag}:yes\n"
    group.instance.write_table(group.instance.table)
    assert group.instance.clinit().returncode == 0


def set_broken(node: Node, *, is_broken: bool) -> None:
    """Have the program fail from now on, or not."""
    node.run("touch" if is_broken else "rm", *([] if is_broken else ["-f"]), BROKEN)


def test_at_boot(fresh_node: Node) -> None:
    """A boot level has only what is before the one that failed, also without a daemon; a request starts the rest."""
    machine = Machine(fresh_node)
    machine.node.write(
        "/etc/cltab",
        ":::initdefault.web:3\n:::required.mount:yes\n"
        f"web:first:3:respawn:{RUN}\nweb:mount:3:wait:test -e /srv/mended\nweb:app:3:respawn:{RUN}\n",
    )
    machine.node.reboot()
    assert machine.settled() == {"web": "3 FAILED"}
    pids = [machine.main_pid(f"clinit-web@{tag}.service") for tag in ("first", "app")]
    assert (pids[0] > 0, pids[1]) == (True, 0)

    machine.node.run("systemctl", "disable", "--quiet", machine.unit)
    machine.node.reboot()
    wait_until(lambda: machine.main_pid("clinit-web@first.service"), what="the boot level is there")
    assert machine.main_pid("clinit-web@app.service") == 0
    machine.node.run("mkdir", "-p", "/srv")
    machine.node.write("/srv/mended", "")
    machine.node.run("systemctl", "start", "clinit-web@3.target")
    assert machine.main_pid("clinit-web@app.service") > 0
    machine.node.reboot()
    wait_until(lambda: machine.main_pid("clinit-web@app.service"), what="all of the boot level is there")


def test_the_daemon_is_killed(fresh_node: Node) -> None:
    """At whatever moment it dies, what is required keeps the rest back if it failed, and lets it go if it did not."""
    chance = random.Random(SEED)  # noqa: S311 - no secret
    group = Group(Instance(fresh_node).share())
    group.define("other:4:respawn:" + polite(group.name, "other", 0.1), f"mount:3:wait:{MOUNT}", f"app:3:respawn:{RUN}")
    required(group, "mount")
    for number in range(KILLS):
        is_broken = bool(number % 2)
        assert group.switch("4") == "DONE"
        set_broken(group.node, is_broken=is_broken)
        group.request("3")
        time.sleep(chance.uniform(0, LONGEST_LIFE))  # a moment by chance
        group.instance.kill()
        group.instance.start()
        group.wait_for("3 FAILED" if is_broken else "3 DONE")
        assert (group.pid("app") > 0) is not is_broken
        assert group.switch("3", code=FAILED if is_broken else 0) == ("FAILED" if is_broken else "DONE")
        assert (group.pid("app") > 0) is not is_broken


def test_levels_faster_than_they_are_reached(fresh_node: Node) -> None:
    """However many levels were asked for before, and at whatever moment, the latest request alone counts."""
    chance = random.Random(SEED)  # noqa: S311 - no secret
    group = Group(Instance(fresh_node).share())
    group.define(f"mount:3:wait:{MOUNT}", f"app:34:respawn:{RUN}", f"late:3:respawn:{RUN}")
    required(group, "mount")
    for number in range(CHASES):
        is_broken = bool(number % 2)
        set_broken(group.node, is_broken=not is_broken)
        asked = [group.target(chance.choice("34")) for _ in range(chance.randrange(1, 6))]
        script = "; ".join(f"systemctl start --no-block {t}; sleep 0.0{chance.randrange(0, 8)}" for t in asked)
        group.node.shell(script)
        group.node.run("systemctl", "start", group.target("4"))
        set_broken(group.node, is_broken=is_broken)
        group.node.run("systemctl", "start", group.target("3"))
        group.wait_for("3 FAILED" if is_broken else "3 DONE")
        assert (group.pid("late") > 0, group.pid("app") > 0) == (not is_broken, True)
