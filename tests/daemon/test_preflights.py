"""What has to hold before anything is stopped: it runs first, and refuses the switch if it does not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from answers import answered
from instance import Instance

from cltab2systemd import events
from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

# The check passes while /root/good is there; what it says goes to the journal.
CHECK = r"""#!/bin/sh
echo "$0 as $(id -un) in $(pwd)" >>/run/checks
[ -e /root/good ] && exit 0
echo "the configuration is bad" >&2
exit 3
"""
TABLE = """\
web:db:12:respawn:sleep 1000
web:nginx:23:respawn:sleep 2000
:::preflight.nginx:/root/check
data:disk:1:respawn:sleep 3000
:::preflight.disk:/root/check
"""


@pytest.fixture(scope="module")
def shared(node: Node) -> Instance:
    """A daemon, and a check that can be had pass or fail."""
    node.write("/root/check", CHECK, mode=0o755)
    instance = Instance(node)
    instance.write_table(TABLE)
    return instance.start()


@pytest.fixture
def web(shared: Instance) -> Instance:
    """The daemon, with group web at level 2, and a check that fails from now on; nothing of a check is left."""
    shared.node.write("/root/good", "")
    shared.write_table(TABLE)
    answered(shared.clinit("--wait", "web", "2"), code=0, out="web 2 DONE\n", err="")
    shared.node.path("/root/good").unlink()
    shared.node.write("/run/checks", "")
    return shared


def nothing_is_left(instance: Instance) -> None:
    """Wait until there is no unit of a preflight, and no file of one."""

    def left() -> str:
        units = instance.node.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "clinitpreflight*")
        return units.stdout + instance.node.shell("ls /run/systemd/system | grep clinitpreflight || true").stdout

    wait_until(lambda: not left(), what="no unit of a preflight is left")


def pids(instance: Instance) -> list[int]:
    return [instance.main_pid(f"clinit-web@{tag}.service") for tag in ("db", "nginx")]


@pytest.mark.parametrize("wait", [(), ("--wait",)])
def test_a_bad_one_refuses(web: Instance, wait: tuple[str, ...]) -> None:
    """The old processes run on, clstat says the same, and the answer has what the check has written."""
    web.write_table(TABLE.replace("sleep 2000", "sleep 2001"))
    before, shown = pids(web), web.clstat()

    done = web.clinit(*wait, "web", "2")

    said = "the preflight of nginx exited with 3, so web stays as it is: /root/check\n"
    answered(done, code=1, out=said, err="  the configuration is bad\n")
    assert pids(web) == before
    assert web.clstat() == shown
    nothing_is_left(web)
    told = web.told(events.REFUSED, group="web")
    assert (told["CLINIT_REASON"], told["CLINIT_LEVEL"]) == ("preflight-failed", "2")
    web.node.run("journalctl", "--sync")
    lines = web.node.run("journalctl", "--identifier=nginx", "--output=cat").stdout.splitlines()
    assert lines[-1] == "the configuration is bad"


def test_a_good_one_goes_on(web: Instance) -> None:
    web.node.write("/root/good", "")
    web.write_table(TABLE.replace("sleep 2000", "sleep 2001"))

    answered(web.clinit("--wait", "web", "2"), code=0, out="web 2 DONE\n", err="")

    assert len(web.node.read("/run/checks").splitlines()) == 1
    nothing_is_left(web)


@pytest.mark.parametrize("level", ["2", "1", "3", "nowhere"])
def test_only_what_starts_is_checked(web: Instance, level: str) -> None:
    """Not what is left alone, or stopped."""
    assert web.clinit("--wait", "web", level).returncode == 0
    assert web.node.read("/run/checks") == ""
