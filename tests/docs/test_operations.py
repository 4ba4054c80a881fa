"""docs/operations.md: every session, typed as printed, does what it says, and its tables are right."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from answers import answered
from documents import block, blocks, play
from rehearsing import machine
from shipped import Shipped
from translator import run
from trees import make

from cltab2systemd.units.names import Names
from lab.install import PROJECT
from lab.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from lab.node import Node

DOCUMENT = PROJECT / "docs/operations.md"
BLOCKS = blocks(DOCUMENT)
TABLES = {block.name: block.text for block in BLOCKS if block.kind == "table"}
MAIL = "mail:queue:prod,:respawn:exec sleep infinity\n"

# What the machine has that the tables are for.
THERE = {"/etc/web.secret": "A=1\n", "/usr/bin/clinit": "!"}


def session(name: str) -> str:
    """All parts of a session, one after the other."""
    return "".join(block.text for block in BLOCKS if (block.kind, block.name) == ("session", name))


def started(node: Node, table: str) -> Shipped:
    """The daemon, with a table."""
    node.write("/etc/cltab", table)
    return Shipped(node).start()


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_right(name: str, tmp_path: Path) -> None:
    """`check --strict` finds nothing in any table of the document."""
    path = tmp_path / "cltab"
    path.write_text(TABLES[name])
    make(tmp_path / "root", THERE)
    done = run("check", "--strict", "--root", tmp_path / "root", path)

    answered(done, code=0, out="", err="")


def test_no_block_is_forgotten() -> None:
    """Every block is a table, a file or a session, and each session is played here."""
    assert {"table", "file", "session"} == {block.kind for block in BLOCKS}
    assert {"failed", "repeat", "watching", "push", "fragments", "trial", "rehearse", "rollback", "useful"} == {
        block.name for block in BLOCKS if block.kind == "session"
    }


def test_failed_and_mended(fresh_node: Node) -> None:
    """The reason is told, and to ask again repairs the group."""
    started(fresh_node, TABLES["failed"])

    play(fresh_node, session("failed"))


def test_a_wait_that_is_repeated(fresh_node: Node) -> None:
    """A wait is run again by systemctl, and not by a request."""
    started(fresh_node, TABLES["repeat"])

    play(fresh_node, session("repeat"))


def test_watching(fresh_node: Node) -> None:
    """The check and the count of restarts, as printed; the other commands that are named there are accepted."""
    started(fresh_node, MAIL)
    fresh_node.write(
        "/usr/local/lib/nagios/check_clinit", block(DOCUMENT, "file", "/usr/local/lib/nagios/check_clinit")
    )

    play(fresh_node, session("watching"))

    shown = fresh_node.run("systemctl", "show", "-p", "MemoryCurrent,TasksCurrent", "clinit-mail.slice").stdout
    assert {"MemoryCurrent", "TasksCurrent"} == {line.partition("=")[0] for line in shown.splitlines()}
    assert "sleep infinity" in fresh_node.run("systemd-cgls", "--unit", "clinit-mail.slice").stdout


def test_the_check_of_what_is_wrong(fresh_node: Node) -> None:
    """For a monitoring system FAILED is critical, what is worth a look a warning, and a daemon that is gone unknown."""
    shipped = started(fresh_node, MAIL + TABLES["failed"])
    fresh_node.write("/root/check", block(DOCUMENT, "file", "/usr/local/lib/nagios/check_clinit"))
    shipped.clinit("--wait", "web", "3")
    done = fresh_node.run("sh", "/root/check", check=False)
    answered(done, code=2)
    assert done.stdout.startswith("CRITICAL: web: level 3 FAILED")
    assert "exited with 2\n    ls -d /srv/www\n" in done.stdout

    shipped.clinit("--wait", "web", "stop")
    shipped.write_table("mail:queue:prod,:respwan:exec sleep infinity | cat\n")
    assert shipped.clinit("mail", "prod").returncode == 1
    done = fresh_node.run("sh", "/root/check", check=False)
    answered(done, code=1)
    assert done.stdout.startswith("WARNING: the table is refused")
    assert "|" not in done.stdout

    shipped.clinit("-k", "--wait")
    done = fresh_node.run("sh", "/root/check", check=False)
    answered(done, code=3)
    assert done.stdout.startswith("UNKNOWN: ")


def test_files_of_several_owners(fresh_node: Node) -> None:
    """A fragment is of the table, and a bad one is named; the package has made the directory."""
    started(fresh_node, MAIL)
    fresh_node.path("/etc/cltab.d").mkdir(exist_ok=True)

    play(fresh_node, session("fragments"))


def test_a_rehearsal(project_layer: Path) -> None:
    """It finds what `check` does not, and nothing when that is mended."""
    with machine("rehearsal", project_layer) as node:
        started(node, MAIL)

        play(node, session("rehearse"))


def test_taking_a_table_back(fresh_node: Node) -> None:
    """What is kept is listed, and comes back."""
    started(fresh_node, MAIL)

    play(fresh_node, session("rollback"))


def test_config_management(fresh_node: Node) -> None:
    """The script pushes a change to a group that runs, once; one with errors stops it at its first line."""
    shipped = started(fresh_node, MAIL)
    fresh_node.write("/root/push", block(DOCUMENT, "file", "/root/push"))

    play(fresh_node, session("push"))

    before = fresh_node.read("/etc/cltab")
    fresh_node.write("/root/cltab", "mail:queue:prod,:respwan:exec sleep infinity\n")
    assert fresh_node.run("sh", "/root/push", check=False).returncode == 1
    assert before == fresh_node.read("/etc/cltab")
    assert "prod DONE" == shipped.clstat()["mail"]


def test_a_group_that_is_at_no_level_stays_there(fresh_node: Node) -> None:
    """What the script does with a group whose lines came back: it does not start it."""
    shipped = started(fresh_node, MAIL)
    fresh_node.write("/root/push", block(DOCUMENT, "file", "/root/push"))
    shipped.clinit("--wait", "mail", "prod")
    fresh_node.write("/root/cltab", "web:x:1:respawn:exec sleep infinity\n")
    fresh_node.run("sh", "/root/push")
    wait_until(lambda: shipped.main_pid("clinit-mail@queue.service") == 0)
    fresh_node.write("/root/cltab", MAIL)
    fresh_node.run("sh", "/root/push")

    assert shipped.main_pid("clinit-mail@queue.service") == 0


def test_a_level_on_trial(fresh_node: Node) -> None:
    """Until when it is on trial is told, and to confirm it is enough."""
    shipped = started(fresh_node, MAIL + "mail:notice:m,:wait:true\n")
    shipped.clinit("--wait", "mail", "prod")

    play(fresh_node, session("trial"))


def test_useful_commands(fresh_node: Node) -> None:
    """Each does what it is said to do."""
    started(fresh_node, TABLES["useful"])

    play(fresh_node, session("useful"))


def test_a_restart_starts_nothing_of_other_levels(fresh_node: Node) -> None:
    """What the command that restarts a whole group restarts is what is there."""
    shipped = started(fresh_node, TABLES["useful"] + "web:other:m,:once:echo >>/root/others\n")
    fresh_node.write("/etc/web.secret", "TOKEN=x\n")
    for level in ("m", "prod"):
        shipped.clinit("--wait", "web", level)
    (command,) = re.findall("^  # (systemctl try-restart .*)$", DOCUMENT.read_text(), re.MULTILINE)
    fresh_node.shell(command)

    wait_until(lambda: fresh_node.exists("/root/others"))
    assert shipped.clinit("--wait", "web", "prod").stdout == "web prod DONE\n"
    assert fresh_node.read("/root/others") == "\n"


def test_names_of_units() -> None:
    """The names that the table gives are those that the program makes; what drop-ins reach, test_hyphens.py tests."""
    text = DOCUMENT.read_text().split("## The names of units")[1]
    names = Names()
    group, tag = "web-shop", "php-fpm"
    made = {
        names.entry(group, tag), names.level(group, "3"), names.slice(group), names.gate(group, tag),
        names.first_gate(group), names.barrier(group, "3"),
    }  # fmt: skip

    assert made <= set(re.findall("`(.*?)`", text))


def test_an_entry_that_is_masked_or_off(fresh_node: Node) -> None:
    """`off` keeps it from running, and the group is DONE; a mask makes it FAILED, and says so."""
    shipped = started(fresh_node, MAIL)
    fresh_node.run("systemctl", "mask", "clinit-mail@queue.service")
    done = shipped.clinit("--wait", "mail", "prod")
    answered(done, code=4, out="mail prod FAILED\n")
    assert "is masked" in done.stderr
    fresh_node.run("systemctl", "unmask", "clinit-mail@queue.service")
    assert shipped.clinit("--wait", "mail", "prod").stdout == "mail prod DONE\n"
    shipped.write_table(MAIL.replace("respawn", "off"))

    assert shipped.clinit("--wait", "mail", "prod").stdout == "mail prod DONE\n"
    assert shipped.main_pid("clinit-mail@queue.service") == 0


def test_a_unit_over_the_tables(fresh_node: Node) -> None:
    """What `systemctl edit --full` makes is warned of."""
    shipped = started(fresh_node, MAIL)
    shipped.clinit("--wait", "mail", "prod")
    own = "/etc/systemd/system/clinit-mail@queue.service"
    fresh_node.write(own, fresh_node.read("/run/systemd/system/clinit-mail@queue.service"))
    fresh_node.run("systemctl", "daemon-reload")

    assert own in shipped.clinit("--wait", "mail", "prod").stderr


def test_a_program_that_is_not_there(fresh_node: Node) -> None:
    """Its restarts are counted, and its journal says why."""
    shipped = started(fresh_node, "mail:queue:prod,:respawn:no-such-program --foreground\n")
    shipped.clinit("--wait", "mail", "prod")

    wait_until(lambda: shipped.properties("clinit-mail@queue.service", "NRestarts")["NRestarts"] != "0")
    wait_until(lambda: "no-such-program" in fresh_node.run("journalctl", "-u", "clinit-mail@queue", "-o", "cat").stdout)
