"""The end of a boot: a soft-reboot leaves /run as it is, and all is as after a boot. Nothing else forgets anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from boots import GOOD_TABLE, MARKS, Machine
from programs import RUN
from shipped import SERVICE, SOCKET

from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

CLSTAT = "/run/clinit/clstat"
UNIT = "cltab2systemd-boot.service"
OLD = f":::initdefault.web:3\nweb:a:3:respawn:{RUN}\nmail:m:1:respawn:{RUN}\n"
NEW = OLD.replace("web:a:3:respawn:exec sleep 1000", "web:a:3:respawn:exec sleep 1003\nweb:c:3:respawn:exec sleep 1004")


@pytest.fixture
def machine(fresh_node: Node) -> Machine:
    """A machine that was booted with OLD, and whose groups are at levels."""
    found = Machine(fresh_node)
    found.write_table(OLD)
    fresh_node.reboot()
    assert found.clinit("--wait", "mail", "1").returncode == 0
    assert found.settled() == {"web": "3 DONE", "mail": "1 DONE"}
    return found


def commands(machine: Machine, *tags: str) -> list[str]:
    """What the entries of web run."""
    pids = [machine.main_pid(f"clinit-web@{tag}.service") for tag in tags]
    return [machine.node.read(f"/proc/{pid}/cmdline").replace("\0", " ").strip() if pid else "" for pid in pids]


def failed(machine: Machine) -> str:
    """The units that have failed."""
    return machine.node.run("systemctl", "--failed", "--plain", "--no-legend").stdout


def test_a_soft_reboot_is_a_boot(machine: Machine) -> None:
    """Groups are at their boot levels with the table as it is then, and no other group is at any."""
    machine.write_table(NEW)
    machine.soft_reboot()

    assert machine.settled() == {"web": "3 DONE"}
    wait_until(lambda: commands(machine, "a", "c") == ["sleep 1003", "sleep 1004"])
    assert machine.main_pid("clinit-mail@m.service") == 0
    assert failed(machine) == ""
    assert machine.clinit("--wait", "mail", "1").stdout == "mail 1 DONE\n"


def test_a_soft_reboot_ends_all_trials(machine: Machine) -> None:
    """The boot level counts then, and nothing goes back anywhere later."""
    assert machine.clinit("--wait", "--try", "1000", "web", "stop").returncode == 0
    machine.soft_reboot()

    assert machine.settled() == {"web": "3 DONE"}
    assert machine.node.run("ls", f"{MARKS}/trials").stdout == ""
    assert "clinittrial" not in machine.node.run("systemctl", "list-timers", "--all").stdout


def test_a_soft_reboot_with_a_bad_table(machine: Machine) -> None:
    """As at a boot, the last good table counts, and not what the boot before was made from."""
    machine.write_table(NEW)
    assert machine.clinit().returncode == 0
    machine.write_table("word\n")
    machine.soft_reboot()

    assert machine.settled() == {"web": "3 DONE"}
    wait_until(lambda: commands(machine, "a", "c") == ["sleep 1003", "sleep 1004"])
    assert machine.node.read(GOOD_TABLE) == NEW


def test_a_soft_reboot_without_a_table(machine: Machine) -> None:
    """What the table does not have any more does not come back."""
    machine.node.run("rm", "/etc/cltab")
    machine.soft_reboot()

    assert machine.settled() == {}
    assert commands(machine, "a") == [""]


def test_a_soft_reboot_without_the_daemon(machine: Machine) -> None:
    """No clstat says that what is not there is DONE, and the groups come up from the table as it is then."""
    machine.node.run("systemctl", "disable", "--quiet", SERVICE, SOCKET)
    machine.write_table(NEW)
    machine.soft_reboot()

    assert machine.states() == ("inactive", "inactive")
    assert not machine.node.exists(CLSTAT)
    assert not machine.node.exists(MARKS)
    wait_until(lambda: commands(machine, "a", "c") == ["sleep 1003", "sleep 1004"])
    # And a second time, when no daemon has ever been there.
    machine.write_table(OLD)
    machine.soft_reboot()
    wait_until(lambda: commands(machine, "a", "c") == ["sleep 1000", ""])


def test_a_forced_soft_reboot(machine: Machine) -> None:
    """Without an orderly end the groups come up with the lines of before, and clstat says nothing of before."""
    machine.node.run("systemctl", "disable", "--quiet", SERVICE, SOCKET)
    machine.soft_reboot("--force")

    assert not machine.node.exists(CLSTAT)
    wait_until(lambda: commands(machine, "a") == ["sleep 1000"])
    machine.node.run("systemctl", "start", SERVICE)
    assert machine.settled() == {"web": "3 DONE"}


@pytest.mark.parametrize(
    "command",
    ["systemctl daemon-reexec", "systemctl daemon-reload", f"systemctl stop {UNIT}", f"systemctl restart {UNIT}"],
)
def test_what_ends_no_boot(machine: Machine, command: str) -> None:
    """Neither systemd's own restart nor somebody who stops the package's unit ends a boot: nothing is forgotten."""
    machine.write_table(NEW)
    files = (
        "find /run/cltab2systemd /run/systemd/system /run/clinit ! -type s -printf '%p %i %T@ %s\\n' | grep -v clstat"
    )
    before = machine.node.shell(files).stdout, commands(machine, "a"), machine.pid, machine.settled()
    machine.node.shell(command)

    assert before == (machine.node.shell(files).stdout, commands(machine, "a"), machine.pid, machine.settled())
    assert machine.clinit("--wait", "web", "3").stdout == "web 3 DONE\n"


def test_rescue_mode_and_back(machine: Machine) -> None:
    """Rescue mode stops the groups, and clstat says so; back from it, boot levels are reached, and no other."""
    machine.node.write(
        "/etc/systemd/system/rescue.service.d/no-tty.conf", "[Service]\nExecStart=\nExecStart=sleep inf\n"
    )
    machine.node.run("systemctl", "daemon-reload")
    pid = machine.pid
    machine.node.run("systemctl", "isolate", "rescue.target")
    wait_until(lambda: machine.clstat() == {"web": "3 CONFIGURED", "mail": "1 CONFIGURED"})
    machine.node.run("systemctl", "isolate", "multi-user.target")

    wait_until(lambda: machine.clstat() == {"web": "3 DONE", "mail": "1 CONFIGURED"})
    assert pid == machine.pid
    assert machine.node.exists(f"{MARKS}/taken-over")


def test_the_end_of_a_boot(machine: Machine) -> None:
    """At the end of a boot nothing of it is left, behind all that runs; drop-ins of others are not touched."""
    machine.node.run("mkdir", "/var/kept")
    machine.node.write("/run/systemd/system/clinit-web@.service.d/50-cluster.conf", "[Unit]\nBefore=other.service\n")
    machine.node.write("/run/systemd/system/clinit-mail@.service.d/50-pacemaker.conf", "[Unit]\n")
    look = "find /run/cltab2systemd /run/systemd/system /run/clinit -name clinit\\\\* -o -name clstat"
    machine.node.write(
        "/etc/systemd/system/looks.service",
        f"[Unit]\nDefaultDependencies=no\nBefore={UNIT} shutdown.target\nConflicts=shutdown.target\n"
        "After=local-fs.target\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=true\n"
        f"ExecStop=sh -c '{look} >/var/kept/left'\n",
    )
    machine.node.run("systemctl", "start", "looks.service")
    machine.node.reboot()

    assert machine.node.read("/var/kept/left").splitlines() == [
        "/run/systemd/system/clinit-web@.service.d",
        "/run/clinit",
    ]


def test_a_clstat_on_a_disk(machine: Machine) -> None:
    """A clstat that is not in /run is not there after the boot that it was about, either."""
    clstat = "/var/lib/cltab2systemd/clstat"
    machine.write_table(f":::clstat:{clstat}\n{OLD}")
    assert machine.clinit("--wait", "web", "3").returncode == 0
    assert "web 3 DONE" in machine.node.read(clstat)
    machine.node.run("systemctl", "disable", "--quiet", SERVICE, SOCKET)
    machine.node.reboot()

    assert not machine.node.exists(clstat)
