"""For each way to fail, with real programs: the right entry and the right reason, wherever a state is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from instance import Group, varlink
from ocf import GENERIC, SUCCESS, Resource, agents_of_debian
from programs import IDLE, RUN
from shipped import SERVICE, Shipped
from waystofail import PACKAGES, SET_UP, WAYS, Mends, Way

from cltab2systemd.groups.failure import REMARKS
from lab.node import Node
from lab.programs import installed
from lab.waiting import wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

LEVEL = "3"


@dataclass
class Failed:
    """A group that has failed in one way."""

    way: Way
    shipped: Shipped
    group: Group
    answer: subprocess.CompletedProcess[str] | None = None  # what the request said that was waited for

    @property
    def tag(self) -> str:
        """The entry that has to be named."""
        return f"{self.group.name}.{self.way.tag}"

    @property
    def is_failure(self) -> bool:
        """Whether it makes its group FAILED."""
        return self.way.cause not in REMARKS

    def status(self) -> list[dict[str, object]]:
        """What the daemon tells programs."""
        [reply] = varlink(
            self.group.node, {"method": "org.clinit.Manager.Status", "parameters": {"group": self.group.name}}
        )
        found: list[dict[str, object]] = reply["parameters"]["groups"][0]["reasons"]
        return found

    def lines(self, said: str) -> list[str]:
        """Those lines of what was said that name the entry."""
        return [line for line in said.splitlines() if f"{self.tag} (" in line]

    # How each view tells of the failure: its lines about the entry.

    def by_request(self) -> list[str]:
        """`clinit --wait`: as the group came to its level, else as that is asked for again."""
        if self.answer is None:
            self.answer = self.shipped.clinit("--wait", self.group.name, LEVEL)
        return self.lines(self.answer.stderr)

    def by_journal(self) -> list[str]:
        """The daemon's lines in the journal: a failure is an error, all else at least a warning."""
        priority = "err" if self.is_failure else "warning"
        self.group.node.run("journalctl", "--sync")
        command = ("journalctl", f"--unit={SERVICE}", f"--priority={priority}..{priority}", "--output=cat")
        return self.lines(self.group.node.run(*command).stdout)[-1:]

    def by_overview(self) -> list[str]:
        """`clinit -v`."""
        return self.lines(self.shipped.clinit("-v").stderr)

    def by_varlink(self) -> list[str]:
        """The daemon's answer to programs, which has to have the code, too."""
        found = [reason for reason in self.status() if reason["tag"] == self.tag]
        told = {"code": str(self.way.cause), "failure": self.is_failure, "unit": self.group.unit(self.way.tag)}
        assert [told] == [{name: reason[name] for name in told} for reason in found]
        return [str(reason["text"]) for reason in found]

    def by_agent(self) -> list[str]:
        """The exit reason of the resource agent, which is one line; what does not fail a group, does not fail it."""
        resource = Resource(self.shipped, self.group.name, LEVEL)
        code = resource.monitor()
        assert code == (GENERIC if self.is_failure else SUCCESS)
        return [resource.reason] if self.is_failure else self.by_varlink()


VIEWS: dict[str, Callable[[Failed], list[str]]] = {
    "journal": Failed.by_journal,
    "overview": Failed.by_overview,
    "varlink": Failed.by_varlink,
    "agent": Failed.by_agent,
    "wait": Failed.by_request,  # the last one, for it may mend what has failed later
}


@pytest.fixture(scope="module")
def shipped(project_layer: Path) -> Iterator[Shipped]:
    """The shipped daemon, in a node with real programs, and what all ways need."""
    with Node("ways-to-fail", layers=[project_layer, agents_of_debian(), installed(*PACKAGES)]) as node:
        node.shell(SET_UP)
        shipped = Shipped(node)
        shipped.write_table(IDLE)
        shipped.table = IDLE
        yield shipped.start()


@pytest.fixture(scope="module")
def failed(shipped: Shipped, request: pytest.FixtureRequest) -> Failed:
    """A group that has failed in one way."""
    way: Way = request.param
    group = Group(shipped)
    group.define(*way.entries, f"well:3:respawn:{RUN}")
    shipped.table += "".join(f":::service.{group.name}.{line}\n" for line in way.directives)
    shipped.write_table(shipped.table)
    way.before(group)
    found = Failed(way, shipped, group)
    if way.later is None:
        found.answer = shipped.clinit("--wait", group.name, LEVEL)
        assert found.answer.stdout == f"{group.name} {LEVEL} {way.state}\n"
        return found
    group.request(LEVEL)
    way.later(group)
    expected = [(found.tag, way.cause)]

    def told() -> list[tuple[object, object]]:
        return [(reason["tag"], reason["code"]) for reason in found.status()]

    wait_until(lambda: told() == expected, what=f"{group.name} has failed: {way.name}", timeout=20)
    group.wait_for(f"{LEVEL} {way.state}")
    return found


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("failed", WAYS, ids=lambda way: way.name.replace(" ", "-"), indirect=True)
def test_the_right_entry_and_reason(failed: Failed, view: str) -> None:
    """Each view names the entry that has failed, and says what is wrong with it."""
    told = VIEWS[view](failed)
    if view == "wait" and failed.way.next_request is Mends.ALL:
        assert (told, failed.answer and failed.answer.returncode) == ([], 0)
        return
    [said] = told
    assert f"{failed.tag} (" in said
    assert [] == [word for word in failed.way.words if word not in said], said


def test_there_are_enough() -> None:
    """At least twenty ways, and none of them twice."""
    assert len({way.name for way in WAYS}) == len(WAYS) >= 20
