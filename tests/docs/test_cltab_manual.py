"""cltab(5): what it says of what a command finds, and of how it is stopped, is so."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
from manpages import page, plain, section
from programs import RUN
from shipped import Shipped

from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.node import Node

TABLE = f"""\
env:plain:1:wait:cd /root; env >plain; umask >umask; echo ~ >tilde; readlink /proc/self/fd/0 >in; echo "$OLDPWD" >pwd
env:root:1:wait:env >/root/as-root
env:user:1:wait:env >/srv/as-user
:::service.root:User=root
:::service.user:User=www-data
back:ground:1:once:sleep 1234 & wait
back:sooner:2:once:sleep 1235 & wait
:::service.sooner:KillSignal=SIGTERM
mixed:main:1:respawn:trap 'sleep 1; exit' INT; sh -c 'trap "echo >/root/hit" INT TERM; while :; do sleep 1; done' & wait
:::service.main:KillMode=mixed
dies:often:1:respawn:[ ! -e /run/stay ] || {RUN}; sleep 0.4
limit:each:1:respawn:{RUN}
limit:set:1:respawn:{RUN}
:::service.set:TasksMax=7
:::group.limit:TasksMax=9
"""


@pytest.fixture(scope="module")
def shipped(node: Node) -> Iterator[Shipped]:
    """The daemon, and the table."""
    node.path("/srv").chmod(0o1777)
    shipped = Shipped(node)
    shipped.write_table(TABLE)
    yield shipped.start()
    shipped.clinit("-k", "--wait")


def environment(shipped: Shipped, path: str) -> dict[str, str]:
    """An environment as env(1) printed it."""
    return dict(line.split("=", 1) for line in shipped.node.read(path).splitlines())


def seconds_to_stop(shipped: Shipped, group: str, level: str = "stop") -> float:
    """How long it takes a group to come to a level."""
    begin = time.monotonic()
    assert shipped.clinit("--wait", group, level).stdout == f"{group} {level} DONE\n"
    return time.monotonic() - begin


def test_what_a_command_finds(shipped: Shipped) -> None:
    """PATH, no HOME without User=, and all the rest that the section ENVIRONMENT tells."""
    text = section(page("cltab.5"), "ENVIRONMENT")
    assert shipped.clinit("--wait", "env", "1").stdout == "env 1 DONE\n"

    found = environment(shipped, "/root/plain")
    named = [path.strip(" ,") for path in re.findall(r"/usr/(?:local/)?s?bin", text)]
    assert named == found["PATH"].split(":")[: len(named)]
    assert not {"HOME", "LOGNAME", "SHELL"} & found.keys()
    version = int(shipped.node.run("systemctl", "--version").stdout.split()[1])
    assert ("USER" in found) == (version >= 255)
    for path, user, home in (("/root/as-root", "root", "/root"), ("/srv/as-user", "www-data", "/var/www")):
        found = environment(shipped, path)
        assert user == found["USER"]
        assert user == found["LOGNAME"]
        assert home == found["HOME"]
    assert ["0022\n", "/\n", "~\n", "/dev/null\n"] == [
        shipped.node.read(f"/root/{name}") for name in ("umask", "pwd", "tilde", "in")
    ]


def test_limits_of_tasks(shipped: Shipped) -> None:
    """An entry has the machine's default, or what the table says; a group has no limit but the table's."""
    assert shipped.clinit("--wait", "limit", "1").stdout == "limit 1 DONE\n"
    default = shipped.node.run("systemctl", "show", "--property=DefaultTasksMax", "--value").stdout.strip()
    wanted = {
        "clinit-limit@each.service": default, "clinit-limit@set.service": "7", "clinit-limit.slice": "9",
        "clinit-env.slice": "infinity",
    }  # fmt: skip

    assert wanted == {unit: shipped.properties(unit, "TasksMax")["TasksMax"] for unit in wanted}


def test_restarts_are_counted(shipped: Shipped) -> None:
    """`NRestarts` counts them from the start by a request."""
    shipped.clinit("--wait", "dies", "1")
    unit = "clinit-dies@often.service"
    wait_until(lambda: int(shipped.properties(unit, "NRestarts")["NRestarts"]) >= 2)
    shipped.clinit("--wait", "dies", "stop")
    shipped.node.write("/run/stay", "")
    shipped.clinit("--wait", "dies", "1")

    assert shipped.properties(unit, "NRestarts") == {"NRestarts": "0"}


def test_what_is_in_the_background_ends_by_sigterm(shipped: Shipped) -> None:
    """It costs 5 s, and none with another first signal."""
    assert "costs 5 s at each stop" in " ".join(map(plain, section(page("cltab.5"), "STOPPING").splitlines()))
    shipped.clinit("--wait", "back", "1")
    wait_until(lambda: shipped.node.run("pgrep", "-f", "^sleep 1234", check=False).returncode == 0)
    assert 4.5 < seconds_to_stop(shipped, "back", "2") < 8
    wait_until(lambda: shipped.node.run("pgrep", "-f", "^sleep 1235", check=False).returncode == 0)
    assert seconds_to_stop(shipped, "back") < 4


def test_signals_for_the_main_process_alone(shipped: Shipped) -> None:
    """With KillMode=mixed, what it leaves is killed when it has ended, and got no other signal."""
    shipped.clinit("--wait", "mixed", "1")
    wait_until(lambda: shipped.node.run("pgrep", "-f", "^sh -c trap", check=False).returncode == 0)
    assert 0.9 < seconds_to_stop(shipped, "mixed") < 4

    assert not shipped.node.exists("/root/hit")
    assert shipped.node.run("pgrep", "-f", "^sh -c trap", check=False).returncode == 1
