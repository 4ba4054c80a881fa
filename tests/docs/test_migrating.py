"""docs/migrating.md: its tables are right, and its steps, typed as printed, do what they say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from answers import answered
from documents import block, blocks, play
from shipped import Shipped
from translator import run
from trees import make

from lab.install import PROJECT
from lab.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from lab.node import Node

DOCUMENT = PROJECT / "docs/migrating.md"
BLOCKS = blocks(DOCUMENT)
TABLES = [block.text for block in BLOCKS if block.language == "cltab"]

# What the machine has that the tables are for.
THERE = {
    "/etc/shop.env": "A=1\n",
    "/usr/bin/shopd": "!",
    "/usr/bin/podman": "!",
    "/usr/bin/docker": "!",
    "/usr/bin/virsh": "!",
}


def sessions(name: str) -> str:
    """All parts of a session, one after the other."""
    return "".join(block.text for block in BLOCKS if (block.kind, block.name) == ("session", name))


def tables(path: str) -> list[str]:
    """The tables that are said to stand at a path, in the order of the document."""
    return [block.text for block in BLOCKS if (block.kind, block.name) == ("table", path)]


@pytest.mark.parametrize(
    "table",
    TABLES,
    ids=["ancestor", "mixed", "inittab", "supervisor", "units", "scripts", "podman", "docker", "libvirt"],
)
def test_every_table_is_right(table: str, tmp_path: Path) -> None:
    """`check --strict` finds nothing in any table of the document."""
    path = tmp_path / "cltab"
    path.write_text(table)
    make(tmp_path / "root", THERE)
    done = run("check", "--strict", "--root", tmp_path / "root", path)

    answered(done, code=0, out="", err="")


def test_no_block_is_forgotten() -> None:
    """Every block but what supervisor and a script have is a table, a file or a session that is tested here."""
    left = [block for block in BLOCKS if not block.kind and block.language != "cltab"]

    assert len(TABLES) == 9
    assert ["[program:api]", "start) "] == [block.text.splitlines()[0][:14].split(" mount")[0] for block in left]
    assert {"ancestor", "inittab", "supervisor", "units"} == {block.name for block in BLOCKS if block.kind == "session"}


def test_from_the_ancestor(fresh_node: Node) -> None:
    """A table of the ancestor's is checked, and its groups come to their levels."""
    fresh_node.write("/etc/cltab", tables("/etc/cltab")[0])
    Shipped(fresh_node).start()

    play(fresh_node, sessions("ancestor"))


def test_a_user_in_a_command(fresh_node: Node) -> None:
    """The entry for mixed fleets runs as the user that its command says, without a directive."""
    (table,) = (text for text in TABLES if "setpriv" in text)
    fresh_node.write("/etc/cltab", table)
    shipped = Shipped(fresh_node).start()
    play(fresh_node, "# clinit --wait web 3\nweb 3 DONE\n")
    pid = shipped.main_pid("clinit-web@server.service")

    wait_until(lambda: fresh_node.run("stat", "--format=%U", f"/proc/{pid}").stdout == "www-data\n")


def test_from_an_inittab(fresh_node: Node) -> None:
    """The inittab becomes the table that is printed, which is checked, compared, and put in place."""
    fresh_node.write("/etc/inittab", block(DOCUMENT, "file", "/etc/inittab"))
    Shipped(fresh_node).start()

    play(fresh_node, sessions("inittab"))

    assert block(DOCUMENT, "result", "shop.cltab") == fresh_node.read("/root/shop.cltab")
    wait_until(lambda: fresh_node.exists("/srv/shop.tar"), what="the once entry has run")


def test_from_supervisor(fresh_node: Node) -> None:
    """What a configuration of supervisor becomes runs as that says: user, directory, signals and all."""
    fresh_node.write("/etc/cltab", tables("/etc/cltab")[1])
    Shipped(fresh_node).start()

    play(fresh_node, sessions("supervisor"))

    wait_until(lambda: fresh_node.exists("/srv/api/imported"), what="the once entry has run")


# Says when it is up, and which signals it gets; TERM ends it.
PROCESS = """\
trap 'echo $0 HUP >>/root/said' HUP
trap 'echo $0 INT >>/root/said' INT
trap 'echo $0 TERM >>/root/said; exit 0' TERM
: >$0.up
while :; do sleep 0.1; done
"""


def test_signals_as_supervisors(fresh_node: Node) -> None:
    """With the three lines of its defaults, and by the command that is given, signals go to the main process alone."""
    text = DOCUMENT.read_text()
    lines = ("KillMode=mixed", "KillSignal=SIGTERM", "TimeoutStopSec=10")
    assert all(f"`{line}`" in text for line in lines)
    assert "`systemctl kill --kill-whom=main --signal=HUP clinit-app@api`" in text
    for name in ("main", "child"):
        fresh_node.write(f"/root/{name}", ("sh /root/child &\n" if name == "main" else "") + PROCESS)
    directives = "".join(f":::service.api:{line}\n" for line in lines)
    fresh_node.write("/etc/cltab", f"app:api:run,:respawn:exec sh /root/main\n{directives}")
    shipped = Shipped(fresh_node).start()
    assert shipped.clinit("--wait", "app", "run").stdout == "app run DONE\n"
    wait_until(lambda: fresh_node.exists("/root/main.up") and fresh_node.exists("/root/child.up"))

    fresh_node.run("systemctl", "kill", "--kill-whom=main", "--signal=HUP", "clinit-app@api")
    wait_until(lambda: fresh_node.exists("/root/said"))
    assert shipped.clinit("--wait", "app", "stop").stdout == "app stop DONE\n"

    assert fresh_node.read("/root/said").splitlines() == ["/root/main HUP", "/root/main TERM"]
    assert fresh_node.run("pgrep", "-f", "sh /root/", check=False).returncode == 1


def test_from_systemd_units(fresh_node: Node) -> None:
    """The unit is disabled, and what it said is in force for the entry."""
    unit = "/etc/systemd/system/shop.service"
    fresh_node.write(unit, block(DOCUMENT, "file", unit))
    fresh_node.write("/etc/shop.env", "PORT=8083\n", mode=0o600)
    fresh_node.path("/srv/shop").mkdir()
    fresh_node.write("/srv/shop/index.html", "the shop\n")
    fresh_node.run("systemctl", "enable", "--now", "shop.service")
    wait_until(lambda: fresh_node.run("curl", "-fs", "http://localhost:8083/", check=False).returncode == 0)
    fresh_node.write("/etc/cltab", tables("/etc/cltab")[2])
    Shipped(fresh_node).start()

    play(fresh_node, sessions("units"))

    assert fresh_node.run("systemctl", "is-enabled", "shop.service", check=False).stdout == "disabled\n"


def test_a_command_that_stops(fresh_node: Node) -> None:
    """The trap that stands in for `ExecStop=` runs the command, and the program has the time to end by it."""
    (command,) = re.findall(r"`(trap .*?)`", DOCUMENT.read_text())
    ends = "while [ ! -e /root/stop ]; do sleep 0.1; done; sleep 1; echo ended >/root/said"
    fresh_node.write(
        "/usr/local/bin/x", f"#!/bin/sh\ntrap 'echo hit >/root/said; exit 1' TERM INT\n{ends}\n", mode=0o755
    )
    fresh_node.write("/usr/local/bin/x-stop", "#!/bin/sh\ntouch /root/stop\n", mode=0o755)
    fresh_node.write("/etc/cltab", f"app:api:run,:respawn:{command}\n")
    shipped = Shipped(fresh_node).start()
    assert shipped.clinit("--wait", "app", "run").stdout == "app run DONE\n"
    wait_until(lambda: fresh_node.run("pgrep", "-x", "x", check=False).returncode == 0)
    assert shipped.clinit("--wait", "app", "stop").stdout == "app stop DONE\n"

    assert fresh_node.read("/root/said") == "ended\n"
