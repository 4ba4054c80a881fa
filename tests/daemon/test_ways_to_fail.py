"""For each way to fail, with real programs: the right entry and the right reason, wherever a state is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from failureviews import LEVEL, VIEWS, Failed, assert_told
from instance import Group
from ocf import agents_of_debian
from programs import RUN
from shipped import Shipped
from waystofail import PACKAGES, SET_UP, WAYS, Mends, Way

from lab.node import Node
from lab.programs import installed
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def shipped(project_layer: Path) -> Iterator[Shipped]:
    """The shipped daemon, in a node with real programs, and what all ways need."""
    with Node("ways-to-fail", layers=[project_layer, agents_of_debian(), installed(*PACKAGES)]) as node:
        node.shell(SET_UP)
        yield Shipped(node).share()


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
    assert_told(failed, told)


def test_there_are_enough() -> None:
    """At least twenty ways, and none of them twice."""
    assert len({way.name for way in WAYS}) == len(WAYS) >= 20
