"""A table that is refused, and one that is not seen to be new: who looks at the machine later is told, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from programs import RUN
from shipped import Shipped

from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

GOOD = f"web:a:3:respawn:{RUN}\nmail:m:1:test:false\n"
REFUSED = "the table is refused, and the groups stay as they are: mend it, then run 'clinit'"
MENDED = "/etc/cltab is accepted again"


@pytest.fixture(scope="module")
def shipped(node: Node) -> Shipped:
    """The daemon as it is shipped, with group web at level 3 and mail FAILED at level 1."""
    shipped = Shipped(node)
    shipped.write_table(GOOD)
    shipped.start()
    assert shipped.clinit("--wait", "web", "3").returncode == 0
    assert shipped.clinit("--wait", "mail", "1").returncode == 4
    return shipped


def errors(shipped: Shipped) -> list[str]:
    """What the daemon has logged at priority err."""
    shipped.node.run("journalctl", "--sync")
    shown = shipped.node.run("journalctl", "--unit=clinit.service", "--priority=err", "--output=cat", "--quiet")
    return shown.stdout.splitlines()


def status(shipped: Shipped) -> str:
    """What `systemctl status` shows as the service's status."""
    return shipped.properties(shipped.unit, "StatusText")["StatusText"]


@pytest.mark.parametrize(
    ("table", "spoil", "line"),
    [
        (
            GOOD.replace("respawn", "respwan"),
            "",
            "/etc/cltab:1:9: error: unknown mode 'respwan'; did you mean 'respawn'?",
        ),
        (
            "",
            "",
            "/etc/cltab has no entry, and groups are active: stop them first (clinit -k), or restore the table",
        ),
        (
            GOOD,
            "chown 65534 /etc/cltab",
            "/etc/cltab belongs to uid 65534, and its commands would run as root: make it root's (chown root)",
        ),
        (
            GOOD,
            "chmod 0666 /etc/cltab",
            "/etc/cltab can be written by others than root (mode 0666), as whom its commands run: chmod go-w",
        ),
        (GOOD, "rm /etc/cltab", "file not found: /etc/cltab"),
        (GOOD, "rm /etc/cltab; mkfifo /etc/cltab", "/etc/cltab is not a regular file"),
    ],
    ids=["errors", "empty", "owner", "mode", "missing", "fifo"],
)
def test_a_refused_table_is_told_to_who_looks_later(shipped: Shipped, table: str, spoil: str, line: str) -> None:
    """It is in the journal once, as an error with place and remedy, and in the status until it is mended."""
    before, said = errors(shipped), shipped.node.journal(shipped.unit).count(MENDED)
    shipped.write_table(table)
    shipped.node.shell(spoil or ":")
    for arguments in (("web", "3"), ("web", "3"), ()):
        assert shipped.clinit(*arguments).returncode == 1
    told = f"table refused at the last request: {line}; 2 groups, 1 FAILED: mail"

    assert [*before, line, REFUSED] == errors(shipped)
    assert told == status(shipped)
    assert told in shipped.node.run("systemctl", "status", shipped.unit).stdout
    shipped.write_table(GOOD)
    assert shipped.clinit().returncode == 0
    assert status(shipped) == "2 groups, 1 FAILED: mail"
    assert said + 1 == shipped.node.journal(shipped.unit).count(MENDED)


def test_each_version_is_told(shipped: Shipped) -> None:
    """A second table with the same fault is told as well, and a daemon that starts with one says so, too."""
    before = len(errors(shipped))
    for comment in ("", "# second\n"):
        shipped.write_table(comment + GOOD.replace("test:", "tset:"))
        assert shipped.clinit().returncode == 1
    assert before + 4 == len(errors(shipped))
    shipped.node.run("systemctl", "restart", shipped.unit)
    wait_until(lambda: "unknown mode 'tset'" in status(shipped))
    assert "unknown mode 'tset'" in errors(shipped)[-1]
    shipped.write_table(GOOD)
    assert shipped.clinit().returncode == 0

    assert status(shipped) == "2 groups, 1 FAILED: mail"


@pytest.mark.parametrize(
    "push",
    [
        "printf '%s' \"$NEW\" >/etc/cltab; touch -d @1 /etc/cltab",
        "printf '%s' \"$NEW\" >/srv/cltab; touch -d @1 /srv/cltab; cat /srv/cltab >/etc/cltab; touch -d @1 /etc/cltab",
    ],
    ids=["touch", "in place"],
)
def test_a_table_with_the_times_and_the_size_of_before(shipped: Shipped, push: str) -> None:
    """New lines count at the next request, also if the file has the size and the mtime that it had."""
    node = shipped.node
    node.run("rm", "-f", "/srv/ran")
    for word in ("one", "two"):
        table = GOOD + f"out:o:3:wait:echo {word} >>/srv/ran\n"
        node.run("sh", "-ec", push, env={"NEW": table})
        assert shipped.clinit("--wait", "out", "3").stdout == "out 3 DONE\n"

    assert node.read("/srv/ran") == "one\ntwo\n"
