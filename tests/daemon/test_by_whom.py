"""By whom an entry was stopped is told with the reason, if it is known: of the daemon's own clients, and of sudo's."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from answers import answered
from instance import Group, varlink
from jsondocument import read_all
from programs import RUN, held
from shipped import SERVICE, SOCKET, Shipped
from sudoers import stop_with_sudo

from lab.node import Node
from lab.programs import installed
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Seconds that journald has to store what it was given. After that, the daemon reads what there is.
STORING = 1.0
DIRECTORY = "/run/cltab2systemd/system"
NOTICE = f"""\
[Service]
Type=oneshot
EnvironmentFile={DIRECTORY}/notices/%i
ExecStart=/bin/sh -c 'printf "%%s\\\\n" "$CLINIT_TEXT" >>/run/told'
"""


@pytest.fixture(scope="module")
def shared(project_layer: Path) -> Iterator[Shipped]:
    """The shipped daemon, and a user who may use sudo and ask it."""
    with Node("by-whom", layers=[project_layer, installed("sudo")]) as node:
        shipped = Shipped(node)
        node.shell("useradd --groups clinit tess; echo 'tess ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/tess")
        node.write("/etc/systemd/system/clinitnotify@.service", NOTICE)
        node.run("systemctl", "daemon-reload")
        yield shipped.share()


def reasons(group: Group) -> list[dict[str, Any]]:
    """What the daemon tells programs."""
    [reply] = varlink(group.node, {"method": "org.clinit.Manager.Status", "parameters": {"group": group.name}})
    found: list[dict[str, Any]] = reply["parameters"]["groups"][0]["reasons"]
    return found


def words(group: Group) -> str:
    """The only reason, as it is told now."""
    [reason] = reasons(group)
    return str(reason["words"])


def by(group: Group) -> dict[str, Any] | None:
    """Who is told to have done it."""
    [reason] = reasons(group)
    found: dict[str, Any] | None = reason["by"]
    return found


def stopped(group: Group) -> Group:
    """A group at level 3, of which a member of group clinit has stopped an entry."""
    group.define(f"r:3:respawn:{RUN}", f"s:3:respawn:{RUN}")
    group.switch("3")
    group.node.run("clinitctl", "stop", f"{group.name}.r", user="tess")
    group.wait_for("3 FAILED")
    return group


def test_a_client_of_the_daemon(group: Group) -> None:
    """It is known at once, with all that is known of the client; in the journal in fields, too."""
    begun = time.time()
    node, unit, tag = stopped(group).node, group.unit("r"), f"{group.name}.r"
    command = f"clinitctl stop {tag}"

    assert words(group) == f"does not run: it was stopped by tess with '{command}'"
    found = by(group)
    assert found is not None
    uid = int(node.run("id", "--user", "tess").stdout)
    assert {"user": "tess", "uid": uid, "command": command} == {x: found[x] for x in ("user", "uid", "command")}
    assert found["pid"] > 1
    assert begun - 1 < found["time_usec"] / 1e6 < time.time() + 1
    node.run("journalctl", "--sync")
    matches = ("--output=json", f"CLINIT_UNIT={unit}", "CLINIT_STOPPED_BY=tess", f"CLINIT_STOPPED_WITH={command}")
    lines = [json.loads(line) for line in node.run("journalctl", *matches).stdout.splitlines()]
    assert f"{group.name}: {tag} (respawn) {words(group)}: {RUN}" in {line["MESSAGE"] for line in lines}
    assert "down" == lines[-1]["CLINIT_REASON"]
    # There is no line without it.
    assert "it was stopped:" not in node.journal(unit)


def test_it_is_forgotten_with_the_run(group: Group) -> None:
    """Who has stopped an entry before is not blamed for the next stop, of which nobody knows."""
    node, unit = stopped(group).node, group.unit("r")
    assert node.exists(f"{DIRECTORY}/stopped/{unit}")
    group.switch("3")
    assert not node.exists(f"{DIRECTORY}/stopped/{unit}")
    node.run("systemctl", "stop", unit)
    group.wait_for("3 FAILED")

    assert (words(group), by(group)) == ("does not run: it was stopped", None)
    answered(node.run("clinitctl", "restart", "--progress", "none", f"{group.name}.r"), code=0, err="")


def test_the_next_daemon_knows_it(group: Group) -> None:
    """Also if it is killed; and without a daemon the same is told."""
    node, shipped = stopped(group).node, group.instance
    assert isinstance(shipped, Shipped)
    told, before, pid = words(group), by(group), shipped.pid
    node.run("systemctl", "kill", "--signal=KILL", SERVICE)
    shipped.await_restart(pid)
    assert (words(group), by(group)) == (told, before)

    node.run("systemctl", "stop", SOCKET, SERVICE)
    try:
        said = json.loads(node.run("clinitctl", "status", "--json", group.name, check=False).stdout)
        [reason] = said["groups"][0]["reasons"]
        assert (reason["words"], reason["by"], reason["code"]) == (told, before, "down")
    finally:
        node.run("systemctl", "start", SOCKET, SERVICE)


def test_sudo(group: Group) -> None:
    """The journal knows it. It is told in a moment, then wherever the reason is."""
    node, unit, file = group.node, group.unit("r"), f"/run/{group.name}.held"
    group.define(f"r:3:respawn:{held(file)}", f"s:3:respawn:{RUN}")
    group.switch("3")
    stop_with_sudo(group, "r", file, unit)
    told = f"does not run: it was stopped by tess with '/usr/bin/systemctl stop {unit}'"
    wait_until(lambda: [reason["words"] for reason in reasons(group)] == [told])

    found = by(group)
    assert found is not None
    assert (found["user"], found["uid"], found["pid"]) == ("tess", None, None)
    assert told in node.read(f"{DIRECTORY}/reasons")
    node.run("clinitctl", "stop", f"{group.name}.s")
    read_all("A culprit", [reason["by"] for reason in reasons(group)])
    # A notice waits for that, so that there is none without it.
    wait_until(lambda: f"{group.name}: {group.name}.r (respawn) " in node.shell("cat /run/told; :").stdout)
    assert told in node.read("/run/told")
    assert "it was stopped:" not in node.read("/run/told")


@pytest.mark.parametrize(
    ("line", "verb", "told"),
    [
        ("x:3:test:exec sleep 1000", ("kill", "-sKILL"), "was killed by SIGKILL, as tess asked with '{command}'"),
        ("x:3:test:exec sleep 1000", ("stop",), "was killed by SIGINT, as tess asked with '{command}'"),
        ("x:3:wait:exec sleep 1000", ("stop",), "was stopped by tess with '{command}' before it ended"),
    ],
)  # fmt: skip
def test_whoever_waits_is_told(group: Group, line: str, verb: tuple[str, ...], told: str) -> None:
    """A request waits a moment for what the journal knows."""
    node, unit = group.node, group.unit("x")
    group.define(line)

    def runs() -> bool:
        """Whether the process has become the command."""
        path = f"/proc/{group.property('x', 'MainPID')}/cmdline"
        return node.run("cat", path, check=False).stdout == "sleep\x001000\x00"

    command = f"/usr/bin/systemctl {' '.join(verb)} {unit}"

    def known() -> int:
        """How often the journal knows that sudo said so: of a sudo that is gone before it looks, it does not."""
        return node.shell("journalctl --sync; journalctl --output=cat _COMM=sudo", check=False).stdout.count(command)

    def is_told() -> bool:
        """Whether it is told, as it has to be if the journal knew it in time."""
        before = known()
        with ThreadPoolExecutor() as pool:
            request = pool.submit(group.instance.clinit, "--wait", group.name, "3")
            wait_until(runs)
            began = time.monotonic()
            node.run("sudo", "systemctl", *verb, unit, user="tess")
            done = request.result()
            is_late = time.monotonic() - began >= STORING
        answered(done, code=4, out=f"{group.name} 3 FAILED\n")
        is_told = told.format(command=command) in done.stderr
        assert is_told or is_late or known() == before, done.stderr
        return is_told

    wait_until(is_told, timeout=30)


def test_a_stuck_journal(group: Group) -> None:
    """Nobody waits for it, and what it knows is told when it answers, or never."""
    node, unit = group.node, group.unit("r")
    group.define(f"r:3:respawn:{RUN}", f"s:3:respawn:{RUN}")
    group.switch("3")
    node.run("systemctl", "kill", "--signal=STOP", "systemd-journald.service")
    try:
        node.run("systemctl", "stop", unit)
        group.wait_for("3 FAILED")
        begun = time.monotonic()
        assert [words(group) for _ in range(10)] == 10 * ["does not run: it was stopped"]
        assert time.monotonic() - begun < 10
        assert group.switch("3") == "DONE"
    finally:
        node.run("systemctl", "kill", "--signal=CONT", "systemd-journald.service")
