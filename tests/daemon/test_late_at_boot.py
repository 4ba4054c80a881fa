"""What a group needs and comes late at boot, a disk or an address: the ways that cltab(5) shows, as it shows them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from boots import Machine
from programs import until_there

from lab.install import PROJECT
from lab.node import Node

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LATE = 4.0
SAVES = "trap 'test -e /mnt/app/file && echo {} >>/var/saved; exit' INT; while :; do sleep 0.02; done"
TABLE = f"""\
:::initdefault.web:3
web:look:3:test:test -e /mnt/app/file
web:server:3:respawn:{SAVES.format("web")}
:::initdefault.dir:3
dir:first:3:test:test -e file
dir:second:3:respawn:{SAVES.format("dir")}
:::service.first:WorkingDirectory=/mnt/app
:::service.second:WorkingDirectory=/mnt/app
:::initdefault.plain:3
plain:impatient:3:test:test -e /mnt/app/file || {{ touch /run/impatient; false; }}
:::initdefault.net:3
net:bind:3:test:test -e /run/online
net:then:3:wait:true
:::initdefault.offline:3
offline:hasty:3:test:test -e /run/online || {{ touch /run/hasty; false; }}
:::initdefault.lost:3
lost:never:3:wait:true
:::initdefault.long:3
long:fsck:3:wait:sleep {LATE + 2}
"""
# The late ones begin to be late when the entries that do not wait for them have found nothing.
TOO_LATE = f"{until_there('/run/impatient')}; {until_there('/run/hasty')}; sleep {LATE}"
STAND_IN = """\
[Unit]
DefaultDependencies=no
{unit}
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=sh -c '{start}'
[Install]
WantedBy={wanted_by}
"""


def drop_in_of_the_manual(name: str) -> str:
    """What the manual shows below the path of a drop-in."""
    text = (PROJECT / "man/cltab.5").read_text()
    found = re.search(rf"^# /etc/systemd/system/{re.escape(name)}\n(.*?)^\.Ed", text, re.DOTALL | re.MULTILINE)
    assert found is not None, name
    return found[1]


@pytest.fixture(scope="module")
def machine(project_layer: Path) -> Iterator[Machine]:
    """A machine with a disk and an address that come late, booted with the drop-ins of the manual."""
    with Node("late-at-boot", layers=[project_layer]) as node:
        found = Machine(node)
        node.write("/disk/file", "")
        node.path("/mnt/app").mkdir(parents=True)
        start = {"unit": "", "start": TOO_LATE, "wanted_by": "mnt-app.mount"}
        node.write("/etc/systemd/system/slow-disk.service", STAND_IN.format_map(start))
        found.mount("/mnt/app", "/disk", nofail_after="slow-disk.service")
        online = {
            "unit": "Before=network-online.target",
            "start": f"{TOO_LATE}; touch /run/online",
            "wanted_by": "network-online.target",
        }
        node.write("/etc/systemd/system/wait-online.service", STAND_IN.format_map(online))
        node.run("systemctl", "enable", "--quiet", "wait-online.service")
        broken = {"unit": "", "start": "exit 1", "wanted_by": "mnt-lost.mount"}
        node.write("/etc/systemd/system/broken-disk.service", STAND_IN.format_map(broken))
        found.mount("/mnt/lost", "/disk", nofail_after="broken-disk.service")
        node.write("/etc/systemd/system/clinit-lost@.service.d/disk.conf", "[Unit]\nRequiresMountsFor=/mnt/lost\n")
        for name in ("clinit-web@.service.d/disk.conf", "clinit-net@.service.d/online.conf"):
            text = drop_in_of_the_manual(name).replace("/srv/web", "/mnt/app")
            node.write(f"/etc/systemd/system/{name}", text)
        found.write_table(TABLE)
        node.reboot()
        found.settled()
        yield found


@pytest.mark.parametrize("group", ["web", "dir", "net"])
def test_what_waits_comes_up(machine: Machine, group: str) -> None:
    """With a drop-in, or a working directory of the first entry, the group waits for what it needs."""
    assert machine.clstat()[group] == "3 DONE"


@pytest.mark.parametrize("group", ["plain", "offline", "lost"])
def test_what_cannot_come_up_has_failed(machine: Machine, group: str) -> None:
    """Nothing waits for a disk that is nofail, or for an address, unless told to; nothing starts without its disk."""
    assert machine.clstat()[group] == "3 FAILED"


def test_nobody_waits_for_the_groups(machine: Machine) -> None:
    """Logins and multi-user.target are there before; only systemd's word that the boot has ended waits for all."""

    def time(what: str, *unit: str) -> int:
        return int(machine.node.run("systemctl", "show", "--value", f"--property={what}Monotonic", *unit).stdout)

    ended = time("ExecMainExitTimestamp", "clinit-long@fsck.service")
    assert time("ActiveEnterTimestamp", "systemd-user-sessions.service") < ended
    assert time("ActiveEnterTimestamp", "multi-user.target") < ended
    assert ended < time("FinishTimestamp")


def test_the_disk_is_there_until_the_group_is_gone(machine: Machine) -> None:
    """At shutdown what a group waits for at boot goes behind it, and so does the machine of this module."""
    machine.node.run("rm", "-f", "/var/saved")
    machine.node.reboot()

    assert sorted(machine.node.read("/var/saved").split()) == ["dir", "web"]
