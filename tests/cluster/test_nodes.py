"""All nodes seen as one, by what they tell Pacemaker: as it is, and on bad days."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from threenodes import LONG, TABLE

from lab.cluster import NAMES
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from threenodes import Groups

# Seconds, more than those after which the cluster takes note of a change.
DAMPENED = 2
CONFLICT, WORTH_A_LOOK, NO_ANSWER, FINE = 8, 7, 3, 0


class Seen:
    """What `clinitctl nodes` says on a node."""

    def __init__(self, groups: Groups, *options: str, on: str = NAMES[0]) -> None:
        done = groups.cluster.nodes[on].run("clinitctl", "nodes", "--json", *options, check=False)
        found: Any = json.loads(done.stdout)
        self.code = done.returncode
        self.findings = {(found["kind"], found["group"], *found["nodes"]) for found in found["findings"]}
        self.groups = {
            group["group"]: {node["node"]: node["level"] for node in group["nodes"] if node["active"]}
            for group in found["groups"]
        }
        self.resources = {group["group"]: group["resource"] for group in found["groups"]}


@pytest.fixture
def published(groups: Groups) -> Iterator[Groups]:
    """All nodes tell how they are."""
    for node in groups.cluster.nodes.values():
        node.run("systemctl", "start", "clinit-publish.service")
    await_findings(groups, set())
    yield groups
    for node in groups.cluster.nodes.values():
        node.run("systemctl", "stop", "clinit-publish.service")


def await_findings(groups: Groups, expected: set[tuple[str | None, ...]], *options: str, on: str = NAMES[0]) -> Seen:
    """Wait until this, and nothing else, is wrong."""
    wait_until(
        lambda: Seen(groups, *options, on=on).findings == expected,
        what=f"{expected}; last {Seen(groups, *options, on=on).findings}", timeout=LONG,
    )  # fmt: skip
    return Seen(groups, *options, on=on)


@contextmanager
def table(groups: Groups, node: str, text: str) -> Iterator[None]:
    """A node has another table, and has read it."""
    here = groups.cluster.nodes[node]
    here.write("/etc/cltab", text)
    here.run("clinit", check=False)
    yield
    here.write("/etc/cltab", TABLE)
    here.run("clinit")


def test_nothing_is_wrong(published: Groups) -> None:
    """Each group is where Pacemaker has it, by any node; and by a CIB of then, when Pacemaker is no more."""
    places = {name: {published.where(name): "3"} for name in ("web", "db", "files", "batch")}
    for node in NAMES:
        seen = Seen(published, on=node)
        assert (seen.code, seen.findings, seen.groups) == (FINE, set(), places)
        assert seen.resources == {name: name for name in places}
    published.cluster.nodes[NAMES[1]].shell("cibadmin --query >/root/then.xml; bzip2 --keep --force /root/then.xml")
    for file in ("/root/then.xml", "/root/then.xml.bz2"):
        assert Seen(published, "--cib", file, on=NAMES[1]).groups == places
    cut = "head --bytes=-200 /root/then.xml >/root/cut.xml; clinitctl nodes --cib /root/cut.xml 2>&1"
    said = published.cluster.nodes[NAMES[1]].run("sh", "-c", cut, check=False)
    assert said.stdout.startswith("clinitctl: /root/cut.xml: it is no CIB, or not a whole one: ")
    assert said.returncode == NO_ANSWER


def test_a_conflict(published: Groups) -> None:
    """A second copy by hand is one, and the worst that there is; it ends with the copy."""
    node = published.where("files")
    other = next(name for name in NAMES if name != node)
    published.cluster.nodes[other].run("clinit", "--wait", "files", "3")
    both = sorted((node, other))

    seen = await_findings(published, {("conflict", "files", *both), ("by-hand", "files", other)})
    assert (seen.code, seen.groups["files"]) == (CONFLICT, dict.fromkeys(both, "3"))
    text = published.cluster.nodes[NAMES[2]].run("clinitctl", "nodes", check=False).stdout
    assert text.startswith(f"files is active on {both[0]}, {both[1]}: a conflict\n")

    published.cluster.nodes[other].run("clinit", "--wait", "files", "stop")
    await_findings(published, set())
    published.cluster.forget_violations()


def test_tables_that_differ(published: Groups) -> None:
    """A push that has reached two of three nodes, one that is refused, and lines that are not applied yet."""
    with table(published, NAMES[1], f"# News.\n{TABLE}"):
        await_findings(published, {("different-table", None, NAMES[1])})
    with table(published, NAMES[2], "no table"):
        await_findings(published, {("refused-table", None, NAMES[2])})
    here = published.where("batch")
    with table(published, here, TABLE.replace("batch:job:3:once:", "batch:job:3s:once:")):
        published.cluster.run("clinit --wait batch 3", on=here)
        await_findings(published, {("different-table", None, here), ("different-lines", "batch", here)})
    published.cluster.run("clinit --wait batch 3", on=here)
    await_findings(published, set())


def test_nowhere_and_what_is_lost(published: Groups) -> None:
    """A group that is stopped in the cluster is nowhere; attributes that the cluster loses are set again."""
    published.cluster.run("pcs resource disable web")
    assert await_findings(published, {("nowhere", "web")}).code == WORTH_A_LOOK
    published.cluster.run("pcs resource enable web")
    await_findings(published, set())
    published.cluster.run(f"attrd_updater --name=clinit --delete --node {NAMES[1]}; cibadmin --delete-all --force "
                          f"--xpath \"//transient_attributes[@id='2']//nvpair[@name='clinit-db']\"")  # fmt: skip
    wait_until(
        lambda: ("silent", None, NAMES[1]) in Seen(published).findings, what=f"{NAMES[1]} is silent", timeout=LONG
    )
    await_findings(published, set())


def test_who_does_not_tell(published: Groups) -> None:
    """Who has stopped telling is silent, and who was killed goes on; without a daemon a node tells all the same."""
    node = published.cluster.nodes[NAMES[1]]
    node.run("systemctl", "stop", "clinit-publish.service")
    wait_until(
        lambda: ("silent", None, NAMES[1]) in Seen(published).findings, what=f"{NAMES[1]} is silent", timeout=LONG
    )
    node.run("systemctl", "start", "clinit-publish.service")
    await_findings(published, set())
    node.run("systemctl", "kill", "--signal=SIGKILL", "clinit-publish.service")
    node.run("systemctl", "stop", "clinit.socket", "clinit.service")
    node.run("systemctl", "restart", "clinit-publish.service")
    await_findings(published, {("no-daemon", None, NAMES[1])})
    node.run("systemctl", "start", "clinit.socket", "clinit.service")
    await_findings(published, set())


def test_nothing_changes_at_rest(published: Groups) -> None:
    """A heartbeat changes nothing in the CIB, for Pacemaker to think about; nor does a publisher that begins anew."""

    def epoch() -> str:
        return published.cluster.run("cibadmin --query --xpath /cib --no-children")

    published.cluster.settle()
    before = epoch()
    last = published.cluster.run("attrd_updater --name=clinit.heartbeat --query")
    # Each publisher begins with one, and the next is half a minute later.
    published.cluster.nodes[NAMES[0]].run("systemctl", "kill", "--signal=SIGKILL", "clinit-publish.service")
    wait_until(
        lambda: published.cluster.run("attrd_updater --name=clinit.heartbeat --query") != last,
        what="a heartbeat", timeout=LONG,
    )  # fmt: skip
    time.sleep(DAMPENED)
    assert epoch() == before
