"""Boot: what the generator could not see, the daemon brings up at its first start, once, and never again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from boots import GOOD_TABLE, MARKS, Machine
from programs import RUN
from shipped import SERVICE

from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

WEB = f":::initdefault.web:3\nweb:a:3:respawn:{RUN}\nweb:b:m:respawn:{RUN}\n"
MAIL = f":::initdefault.mail:1\nmail:c:1:respawn:{RUN}\n"
BAD = "web:a:3:wat:x\n"
GENERATOR = "cltab2systemd-generator"
LATER = "the daemon looks again when it starts"


@pytest.fixture
def machine(fresh_node: Node) -> Machine:
    return Machine(fresh_node)


def generator_said(machine: Machine) -> tuple[list[str], list[str]]:
    """What the generator said when the machine was booted, and what it has said to the journal since that runs."""
    later = machine.node.run("journalctl", "--boot", "--quiet", "--output=cat", f"--identifier={GENERATOR}")
    return machine.node.read("/run/cltab2systemd/boot.messages").splitlines(), later.stdout.splitlines()


def link_into_a_mount(machine: Machine, table: str) -> None:
    """Have /etc/cltab be a link into a disk that is mounted after the generators have run."""
    machine.node.write("/disk/cltab", table)
    machine.node.path("/srv/site").mkdir(parents=True)
    machine.mount("/srv/site", "/disk")
    machine.node.run("ln", "-s", "/srv/site/cltab", "/etc/cltab")


def var_of_its_own(machine: Machine) -> None:
    """Have /var be mounted after the generators have run."""
    # The packages that this machine has fetched may be gigabytes.
    machine.node.shell("rm -rf /var/cache/* && cp --archive /var /disk-var && rm -rf /var/lib/cltab2systemd")
    machine.mount("/var", "/disk-var")


def test_a_table_on_a_later_mount(machine: Machine) -> None:
    """A table that is not there yet when the generator runs is the boot's all the same, and its groups come up."""
    link_into_a_mount(machine, WEB)
    machine.node.reboot()

    assert machine.settled() == {"web": "3 DONE"}
    told = f"/etc/cltab is a link to nowhere yet (/srv/site/cltab): {LATER}"
    assert generator_said(machine) == ([told], [])

    # A new table is taken as at any other boot, and not the last good one, which is of the boot before.
    machine.node.write("/disk/cltab", WEB.replace("1000", "2000") + MAIL)
    machine.node.reboot()
    assert machine.settled() == {"web": "3 DONE", "mail": "1 DONE"}
    command = f"/proc/{machine.main_pid('clinit-web@a.service')}/cmdline"
    wait_until(lambda: machine.node.read(command) == "sleep\x002000\x00")


def test_a_boot_level_is_reached_once(machine: Machine) -> None:
    """What is stopped after the boot stays so, whatever becomes of the daemon."""
    link_into_a_mount(machine, WEB + MAIL)
    machine.node.reboot()
    assert machine.settled() == {"web": "3 DONE", "mail": "1 DONE"}
    machine.clinit("--wait", "web", "stop")
    for verb in ("restart", "kill"):
        machine.node.run("systemctl", verb, SERVICE)
        wait_until(machine.answers, timeout=20)
        assert machine.settled() == {"web": "stop DONE", "mail": "1 DONE"}
    machine.halt()
    machine.node.run("systemctl", "start", SERVICE)

    assert machine.settled() == {}
    assert machine.main_pid("clinit-mail@c.service") == 0


@pytest.mark.parametrize("table", [BAD, ""])
def test_a_last_good_table_on_a_later_mount(machine: Machine, table: str) -> None:
    """With a table that has errors, or no byte, the last good one counts as soon as its disk is there."""
    machine.node.write(GOOD_TABLE, WEB)
    var_of_its_own(machine)
    machine.write_table(table)
    machine.node.write(f"/disk-var/{GOOD_TABLE.removeprefix('/var/')}", WEB)
    machine.node.reboot()

    assert machine.settled() == {"web": "3 DONE"}
    assert machine.node.read(GOOD_TABLE) == WEB
    assert "using the last good table" in machine.node.journal(SERVICE)
    assert machine.clinit("web", "m").returncode == 1
    machine.write_table(WEB.replace("m:respawn", "n:respawn"))
    assert machine.clinit("--wait", "web", "n").stdout == "web n DONE\n"


def test_a_bad_table_and_a_last_good_one_on_later_mounts(machine: Machine) -> None:
    """Both at once: the link leads to a bad table, and the last good one is not there yet either."""
    link_into_a_mount(machine, BAD)
    machine.node.write(GOOD_TABLE, WEB)
    var_of_its_own(machine)
    machine.node.write(f"/disk-var/{GOOD_TABLE.removeprefix('/var/')}", WEB)
    machine.node.reboot()

    assert machine.settled() == {"web": "3 DONE"}


def test_a_link_to_nowhere_for_good(machine: Machine) -> None:
    """Without the table that the link names, the last good one counts; without any table, none does."""
    machine.node.write(GOOD_TABLE, WEB)
    machine.node.run("ln", "-s", "/nowhere/cltab", "/etc/cltab")
    machine.node.reboot()
    assert machine.settled() == {"web": "3 DONE"}

    machine.node.run("rm", "/etc/cltab")
    machine.node.reboot()
    assert machine.settled() == {}
    assert machine.node.read(GOOD_TABLE) == WEB


def test_an_empty_table_is_not_kept(machine: Machine) -> None:
    """A table without a byte takes no last good one's place; one of comments does, for a person wrote it."""
    machine.write_table(WEB)
    machine.node.run("systemctl", "start", SERVICE)
    machine.write_table("")
    assert machine.clinit().returncode == 0
    assert machine.node.read(GOOD_TABLE) == WEB
    machine.node.run("systemctl", "restart", SERVICE)
    assert machine.node.read(GOOD_TABLE) == WEB
    assert "/etc/cltab is empty: perhaps the machine went down while it was written" in machine.node.journal(SERVICE)
    machine.node.reboot()
    assert machine.settled() == {"web": "3 DONE"}

    machine.halt()
    machine.write_table("# no group is meant to run\n")
    machine.node.run("systemctl", "start", SERVICE)
    assert machine.node.read(GOOD_TABLE) == "# no group is meant to run\n"


def test_the_generator_says_it_once(machine: Machine) -> None:
    """What the generator could not read is told at boot, and not again by each daemon-reload."""
    machine.node.run("systemctl", "disable", "--quiet", SERVICE)
    machine.write_table(BAD)
    machine.node.reboot()
    for _ in range(2):
        machine.node.run("systemctl", "daemon-reload")

    told = [
        "/etc/cltab:1:9: error: unknown mode 'wat'",
        f"no group can be started: there is no last good table either (file not found: {GOOD_TABLE}): {LATER}",
    ]
    assert generator_said(machine) == (told, [])


def test_a_daemon_that_is_started_by_hand(machine: Machine) -> None:
    """Boot levels are for the boot: who starts the daemon of a machine that is up, moves no group."""
    machine.node.run("systemctl", "disable", "--quiet", SERVICE)
    link_into_a_mount(machine, WEB)
    machine.node.reboot()
    machine.node.run("systemctl", "start", SERVICE)

    assert machine.settled() == {}
    assert machine.clinit("--wait", "web", "3").stdout == "web 3 DONE\n"


def test_a_reload_before_the_daemon(machine: Machine) -> None:
    """A daemon-reload in the middle of a boot has the generator see the table, but starts nothing: the daemon does."""
    link_into_a_mount(machine, WEB)
    machine.node.write(
        "/etc/systemd/system/reloads.service",
        "[Unit]\nBefore=clinit.service\n[Service]\nType=oneshot\nExecStart=systemctl daemon-reload\n"
        "[Install]\nWantedBy=multi-user.target\n",
    )
    machine.node.run("systemctl", "enable", "--quiet", "reloads.service")
    machine.node.reboot()

    assert machine.settled() == {"web": "3 DONE"}


def test_a_table_that_changed_before_the_daemon(machine: Machine) -> None:
    """A table that is pushed in the middle of the boot is the boot's for groups that were not in the one before."""
    machine.write_table(WEB)
    machine.node.write("/new", WEB.replace("1000", "2000") + MAIL)
    machine.node.write(
        "/etc/systemd/system/pushes.service",
        "[Unit]\nBefore=clinit.service\n[Service]\nType=oneshot\nExecStart=cp /new /etc/cltab\n"
        "[Install]\nWantedBy=multi-user.target\n",
    )
    machine.node.run("systemctl", "enable", "--quiet", "pushes.service")
    machine.node.reboot()

    assert machine.settled() == {"web": "3 DONE", "mail": "1 DONE"}


def test_rescue_mode(machine: Machine) -> None:
    """In rescue mode no group comes up; from there to the machine's default, they do, as at boot."""
    link_into_a_mount(machine, WEB)
    machine.node.run("systemctl", "set-default", "--quiet", "rescue.target")
    machine.node.write(
        "/etc/systemd/system/rescue.service.d/no-tty.conf", "[Service]\nExecStart=\nExecStart=sleep inf\n"
    )
    machine.node.reboot()
    assert machine.node.run("systemctl", "is-active", SERVICE, check=False).stdout == "inactive\n"
    # Somebody wants to have a look at the groups, and stays in rescue mode.
    machine.node.run("systemctl", "start", SERVICE)
    assert machine.settled() == {}


def test_from_rescue_mode_to_the_default(machine: Machine) -> None:
    """A machine that was booted into rescue mode brings its groups up when it leaves it, as at boot."""
    link_into_a_mount(machine, WEB)
    machine.node.run("systemctl", "set-default", "--quiet", "rescue.target")
    machine.node.write(
        "/etc/systemd/system/rescue.service.d/no-tty.conf", "[Service]\nExecStart=\nExecStart=sleep inf\n"
    )
    machine.node.reboot()
    machine.node.run("systemctl", "isolate", "multi-user.target")

    assert machine.settled() == {"web": "3 DONE"}
    machine.node.run("systemctl", "isolate", "rescue.target")
    wait_until(lambda: machine.main_pid("clinit-web@a.service") == 0)
    machine.node.run("systemctl", "isolate", "multi-user.target")
    wait_until(lambda: machine.settled() == {"web": "3 DONE"})


def test_a_daemon_that_is_killed_at_its_first_start(machine: Machine) -> None:
    """A daemon that ends before it has brought all groups up is followed by one that goes on."""
    link_into_a_mount(machine, WEB + MAIL)
    machine.drop_in(
        SERVICE,
        "[Service]",
        "RestartSec=50ms",
        "ExecStartPost=/bin/sh -c '[ -e /run/killed ] || { touch /run/killed; exit 1; }'",
    )
    machine.node.reboot()

    wait_until(lambda: machine.settled() == {"web": "3 DONE", "mail": "1 DONE"}, timeout=30)
    assert not machine.node.exists(f"{MARKS}/boot-levels-due")


def test_a_boot_level_that_systemd_refuses(machine: Machine) -> None:
    """It is told, and is nothing that the next daemon goes on with once all groups were halted."""
    link_into_a_mount(machine, WEB)
    machine.node.run("systemctl", "mask", "--quiet", "clinitgate-web@a.service", check=False)
    machine.node.reboot()
    assert machine.settled() == {"web": "3 FAILED"}
    assert "clinitgate-web@a.service is masked" in machine.node.journal(SERVICE)
    machine.halt()
    machine.node.run("systemctl", "unmask", "--quiet", "clinitgate-web@a.service")
    machine.node.run("systemctl", "start", SERVICE)

    assert machine.settled() == {}
