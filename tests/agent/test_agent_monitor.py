"""What a monitor of a settled group costs, and that nothing but systemd's word saves it the longer way."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from ocf import AGENT, DEGRADED, GENERIC, NOT_RUNNING, SUCCESS, Resource, no_daemon, node_with_agent
from programs import RUN

from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shipped import Shipped

TABLE = f"""\
web:app:3m:respawn:{RUN}
web:db:3:respawn:{RUN}
web:other:m:respawn:{RUN}
ended:one:3:wait:true
bytes:x:3:respawn:: caf\udce9; {RUN}
""".encode("utf-8", "surrogateescape")
TARGET = "/run/systemd/system/clinit-web@3.target"


@pytest.fixture(scope="module")
def shared(project_layer: Path) -> Iterator[Shipped]:
    """The shipped units, started."""
    with node_with_agent("agent-monitor", project_layer, TABLE) as shipped:
        yield shipped


@pytest.fixture
def shipped(shared: Shipped) -> Iterator[Shipped]:
    """The daemon, and all groups at level `nothing`, for each test."""
    yield shared
    shared.go_back_to("nothing")


def processes(shipped: Shipped, resource: Resource) -> int:
    """How many processes a monitor makes, itself among them: the least of some, for others make some, too."""
    environment = "".join(f"export {name}='{value}'; " for name, value in resource.environment().items())
    # The fifth number is the process made last. The first look tells what a look makes itself.
    look = "set -- $(cat /proc/loadavg); echo $5"
    shown = shipped.node.shell(f"{environment} for i in 1 2 3 4 5; do {look}; {look}; {AGENT} monitor; {look}; done")
    numbers = [int(number) for number in shown.stdout.split()]
    rounds = zip(numbers[0::3], numbers[1::3], numbers[2::3], strict=True)
    return min((after - between) - (between - before) for before, between, after in rounds)


@pytest.mark.parametrize("group", ["web", "ended"])
def test_a_settled_group(shipped: Shipped, group: str) -> None:
    """The shell and a fork of it, what asks how old clstat is, and what asks systemd once, within a time."""
    resource = Resource(shipped, group)
    assert resource.act("start") == SUCCESS

    assert processes(shipped, resource) <= 5


@contextmanager
def changed_target(shipped: Shipped, text: str | None) -> Iterator[None]:
    """The level's target has another file, or none, of which systemd has not heard."""
    kept = shipped.node.read(TARGET)
    if text is None:
        shipped.node.path(TARGET).unlink()
    else:
        shipped.node.write(TARGET, text)
    try:
        yield
    finally:
        shipped.node.write(TARGET, kept)


@pytest.mark.parametrize(
    "text",
    [None, "", "[Unit]\nWants=clinit-web@.service clinit-web@*.service clinit-web@no.service\n", "\0\nWants=\\"],
    ids=ascii,
)
def test_a_file_that_does_not_help(shipped: Shipped, text: str | None) -> None:
    """It only tells which entry to ask for: whatever it is, what systemd has counts."""
    resource = Resource(shipped)
    assert resource.act("start") == SUCCESS
    with changed_target(shipped, text):
        assert (resource.monitor(), resource.said) == (SUCCESS, "")
        shipped.node.run("systemctl", "stop", "clinit-web.slice")
        assert resource.monitor() != SUCCESS


def test_an_entry_that_is_not_of_the_level(shipped: Shipped) -> None:
    """One that the file names and that runs, but that is of another level for systemd, is no reason to say yes."""
    resource = Resource(shipped)
    assert resource.act("start") == SUCCESS
    no_daemon(shipped, stale=False)
    wrong = re.sub("^Wants=.*$", "Wants=clinit-web@other.service", shipped.node.read(TARGET), flags=re.MULTILINE)
    with changed_target(shipped, wrong):
        shipped.node.run("systemctl", "start", "clinit-web@other.service")
        assert resource.monitor() == SUCCESS
        shipped.node.run("systemctl", "stop", "clinit-web@app.service", "clinit-web@db.service")
        assert resource.monitor() == GENERIC
        assert "clinit-web@other.service runs" in resource.reason


@pytest.mark.parametrize(("stale", "expected"), [(False, SUCCESS), (True, DEGRADED)])
def test_the_entry_that_is_asked_for_does_not_run(shipped: Shipped, stale: bool, expected: int) -> None:
    """Another entry of the level that runs is enough, and none is not."""
    resource = Resource(shipped)
    assert resource.act("start") == SUCCESS
    no_daemon(shipped, stale=stale)
    shipped.node.run("systemctl", "stop", "clinit-web@app.service")
    assert resource.monitor() == expected
    shipped.node.run("systemctl", "start", "clinit-web@app.service")
    shipped.node.run("systemctl", "stop", "clinit-web@db.service")
    assert resource.monitor() == expected
    shipped.node.run("systemctl", "stop", "clinit-web@app.service")
    assert resource.monitor() not in {SUCCESS, DEGRADED}


def test_an_entry_of_which_systemctl_does_not_tell(shipped: Shipped) -> None:
    """It tells no properties of a unit whose command is not UTF-8: the longer way asks for none."""
    resource = Resource(shipped, "bytes")
    assert resource.act("start") == SUCCESS
    assert (resource.monitor(), resource.said) == (SUCCESS, "")
    shipped.node.run("systemctl", "stop", "clinit-bytes@x.service")
    assert resource.monitor() != SUCCESS


# To the question for two units at once, something else; what is asked otherwise is answered.
ODD = """\
#!/bin/sh
case $* in *--property=Id,*) %s ;; esac
exec %s "$@"
"""
AWAY = "/root/away"


@pytest.mark.parametrize(
    "answer",
    ["exit 1", "exit 0", "sleep 100", "echo ActiveState=active; exit 0", "head -c 100 /dev/urandom; exit 0"],
)
def test_an_answer_that_does_not_help(shipped: Shipped, answer: str) -> None:
    """Whoever gets no answer, or one that is none, asks on, and has time for it."""
    resource = Resource(shipped)
    assert resource.act("start") == SUCCESS
    systemctl = shipped.node.run("realpath", "/usr/bin/systemctl").stdout.strip()
    shipped.node.run("mv", systemctl, AWAY)
    shipped.node.write(systemctl, ODD % (answer, AWAY), mode=0o755)
    try:
        assert (resource.act("monitor", timeout=6), resource.said) == (SUCCESS, "")
        shipped.node.run("systemctl", "stop", "clinit-web.slice")
        assert resource.act("monitor", timeout=15) not in {SUCCESS, DEGRADED}
    finally:
        shipped.node.run("mv", AWAY, systemctl)


def test_a_group_at_another_level(shipped: Shipped) -> None:
    """A clstat that says otherwise, as one that has outlived a soft-reboot, is not borne out by another level."""
    resource = Resource(shipped)
    assert resource.act("start") == SUCCESS
    no_daemon(shipped, stale=False)
    shipped.node.run("systemctl", "start", "clinit-web@m.target")
    assert shipped.clstat()["web"] == "3 DONE"
    assert resource.monitor() == GENERIC
    shipped.node.run("systemctl", "stop", "clinit-web.slice")
    assert resource.monitor() == NOT_RUNNING


@contextmanager
def full_run(shipped: Shipped) -> Iterator[None]:
    """Nobody can write a file in /run."""
    size = shipped.node.shell("df --block-size=1K --output=size /run | tail -n 1").stdout.strip()
    shipped.node.shell("mount -o remount,size=$(df --block-size=1K --output=used /run | tail -n 1 | tr -d ' ')k /run")
    try:
        yield
    finally:
        shipped.node.shell(f"mount -o remount,size={size}k /run")


def test_a_clstat_that_cannot_be_written(shipped: Shipped) -> None:
    """It says where the group was before. That fails nothing that runs as it should, and is shown."""
    resource, silent = Resource(shipped), Resource(shipped, on_degraded="ignore")
    assert shipped.clinit("-w", "web", "nothing").returncode == 0
    with full_run(shipped):
        assert resource.act("start") == SUCCESS, resource.said
        assert shipped.clstat()["web"] == "nothing DONE"
        assert resource.monitor() == DEGRADED, resource.said
        assert resource.reason == "web runs at level 3 for systemd, but by /run/clinit/clstat it is nothing DONE"
        assert silent.monitor() == SUCCESS
    wait_until(lambda: shipped.clstat()["web"] == "3 DONE", what="the daemon tries again")
    assert (resource.monitor(), resource.said) == (SUCCESS, "")


@pytest.mark.parametrize("stale", [False, True])
def test_a_clstat_of_another_level(shipped: Shipped, stale: bool) -> None:
    """Without its daemon, too, a group is at its level if all of that is as it should be, and not FAILED."""
    resource = Resource(shipped)
    assert resource.act("start") == SUCCESS
    no_daemon(shipped, stale=False)
    for said, code in (("3 FAILED", GENERIC), ("m FAILED", GENERIC), ("m DONE", DEGRADED)):
        shipped.node.run("sed", "-i", f"s/web .*/web {said}/", "/run/clinit/clstat")
        no_daemon(shipped, stale=stale)
        assert resource.monitor() == code, resource.said
    shipped.node.run("systemctl", "stop", "clinit-web@app.service")
    assert resource.monitor() == GENERIC
    assert resource.reason.endswith("and clinit-web@db.service runs")
