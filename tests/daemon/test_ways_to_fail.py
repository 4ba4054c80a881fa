"""For each way to fail, with real programs: the right entry and the right reason, wherever a state is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from answers import answered
from failureviews import LEVEL, VIEWS, Failed, assert_told
from instance import Group
from ocf import agents_of_debian
from programs import RUN
from shipped import Shipped
from waystofail import PACKAGES, PORT, SET_UP, WAYS, Mends, Way

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
    if way.required:
        shipped.table += f":::required.{group.name}.{way.tag}:yes\n"
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


def test_a_bad_configuration_before_anything_is_stopped(shipped: Shipped) -> None:
    """It is read first, and the old server runs on: the same process answers, and clstat says the same."""
    group, path = Group(shipped), "/srv/checked.conf"
    good = shipped.node.read("/srv/nginx.conf").replace(str(PORT), str(PORT + 1))
    shipped.node.write(path, good)
    group.define(f"bad:3:respawn:nginx -c {path}")
    shipped.table += f":::preflight.{group.name}.bad:nginx -t -c {path}\n"
    shipped.write_table(shipped.table)
    assert group.switch("3") == "DONE"
    pid = group.pid("bad")
    shipped.node.write(path, good.replace("server {", "sarver {"))
    shipped.write_table(f"{shipped.table}:::service.{group.name}.bad:Nice=1\n")

    done = shipped.clinit(group.name, "3")

    said = f"the preflight of {group.name}.bad exited with 1, so {group.name} stays as it is: nginx -t -c {path}\n"
    answered(done, code=1, out=said)
    assert f'unknown directive "sarver" in {path}:2' in done.stderr
    assert (group.pid("bad"), group.status) == (pid, "3 DONE")
    shipped.node.run("python3", "-c", f"import socket; socket.create_connection(('127.0.0.1', {PORT + 1}), 20)")
    shipped.node.write(path, good)
    shipped.write_table(f"{shipped.table}:::service.{group.name}.bad:Nice=1\n")
    assert group.switch("3") == "DONE"
    assert group.pid("bad") != pid


def test_there_are_enough() -> None:
    """At least twenty ways, and none of them twice."""
    assert len({way.name for way in WAYS}) == len(WAYS) >= 20
