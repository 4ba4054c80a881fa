"""Pacemaker is asked whose a group is, and is bounded: programs stand in for it that hang, flood, or fail."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from cltab2systemd.client.owner import remarks, remarks_on_halt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

UNKNOWN = "Pacemaker has web as its resource w, by what this node has noted"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes programs, each of one shell command, before all others in PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def write(**commands: str) -> None:
        for name, command in commands.items():
            path = tmp_path / name
            path.write_text(f"#!/bin/sh\n{command}\n")
            path.chmod(0o755)

    return write


@pytest.mark.parametrize("command", ["exec sleep 1000", "exec cat /dev/zero", "exit 102", "echo words", "sleep 1000 &"])
def test_no_answer(programs: Callable[..., None], command: str) -> None:
    """What is noted on this node is told then, and in time."""
    programs(crm_mon=command)
    begin = time.monotonic()

    told = remarks("web", "3", "w", seconds=1.0)

    assert [line.partition(":")[0] for line in told] == [UNKNOWN]
    assert time.monotonic() - begin < 60

    begin = time.monotonic()
    [line] = remarks_on_halt({"web": "w"}, seconds=1.0)
    assert line.startswith("Pacemaker had started web, by what this node has noted")
    assert time.monotonic() - begin < 60


def test_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is without any."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert remarks("web", "3", "w")[0].startswith(UNKNOWN)


def test_a_resource_that_is_gone(programs: Callable[..., None]) -> None:
    """A note that is stale tells nothing."""
    programs(crm_mon='echo "<pacemaker-result><resources/></pacemaker-result>"')
    assert remarks("web", "3", "w", seconds=60) == []
    assert remarks_on_halt({"web": "w"}, seconds=60) == []


def test_a_halt(programs: Callable[..., None]) -> None:
    """Pacemaker is asked once. It is told of the groups on which Pacemaker acts, by their names."""
    resource = "<resource id='{}' active='true' managed='{}'><node name='alpha'/></resource>"
    found = f"<pacemaker-result>{resource.format('w', 'true')}{resource.format('d', 'false')}</pacemaker-result>"
    programs(
        crm_mon=f'case "$*" in *--resource*) exit 1 ;; *) echo "{found}" ;; esac',
        crm_node="echo alpha",
        pcs="",
    )
    told = remarks_on_halt({"web": "w", "db": "d"}, seconds=60)

    assert told[0].startswith("Pacemaker had started web on this node: ")
    assert told[1].endswith(": pcs node standby alpha")
    assert remarks_on_halt({"db": "d"}, seconds=60) == []


def test_parameters_and_the_name_of_this_node(programs: Callable[..., None]) -> None:
    """They are asked for; a parameter that is not set counts as the agent's default."""
    resource = "<resource id='w' active='true' managed='true'><node name='alpha'/></resource>"
    programs(
        crm_mon=f'echo "<pacemaker-result><resources>{resource}</resources></pacemaker-result>"',
        crm_resource='case "$*" in *=level) echo 3 ;; *) exit 105 ;; esac',
        crm_node="echo alpha",
        pcs="",
    )
    assert remarks("web", "3", "w", seconds=60) == []
    assert "to stop it: pcs resource disable w" in remarks("web", "stop", "w", seconds=60)
