"""What is found to be wrong between nodes, and what is not, of what they and the cluster tell."""

from __future__ import annotations

import bz2
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cltab2systemd.cluster.judgement import findings, is_for_one_node
from cltab2systemd.cluster.seen import ClusterSeen, Condition, GroupSeen, NodeSeen, ResourceSeen
from cltab2systemd.cluster.view import sentence
from cltab2systemd.operators import pacemaker
from cltab2systemd.outputs import NoOutputError

if TYPE_CHECKING:
    from pathlib import Path

RUNS = GroupSeen("3", "DONE", "well", "a" * 16, "web")
RESTS = GroupSeen("stop", "DONE", "at-rest", "a" * 16, "web")
MOVES = GroupSeen("3", "STARTING", "moving", "a" * 16, "web")
TABLE = "b" * 16


def node(name: str, web: GroupSeen | None, *, is_stale: bool = False) -> NodeSeen:
    """A node with one group; without one it tells nothing."""
    groups = None if web is None else {"web": web}
    return NodeSeen(name, Condition.ONLINE, groups=groups, table=TABLE, is_stale=is_stale)


def told(*nodes: NodeSeen, resource: ResourceSeen | None = None) -> list[tuple[str, tuple[str, ...]]]:
    """The kinds of findings of the group, with their nodes."""
    seen = ClusterSeen(nodes, () if resource is None else (resource,))
    return [(str(finding.kind), finding.nodes) for finding in findings(seen) if finding.group is not None]


def on(*nodes: str, is_clone: bool = False, is_managed: bool = True) -> ResourceSeen:
    return ResourceSeen("web", nodes, is_clone, is_managed)


def test_two_copies() -> None:
    """They are a conflict, and it is told which of them the cluster does not have."""
    found = told(node("n1", RUNS), node("n2", RUNS), resource=on("n1"))
    assert found == [("conflict", ("n1", "n2")), ("by-hand", ("n2",))]


def test_a_copy_that_has_failed() -> None:
    """It may run in part, or not at all: it is a conflict, and nobody says that both are active."""
    broken = replace(RUNS, state="FAILED", health="failed")
    for others, words in (((), "may be active on n1, n3"), ((node("n2", RUNS),), "is active on n1, n2")):
        seen = ClusterSeen((node("n1", RUNS), *others, node("n3", broken)))
        first, second, *_ = (sentence(finding, ", ".join) for finding in findings(seen))
        assert first == f"web {words}: a conflict"
        assert second.startswith("web is FAILED on n3; ")


def test_a_resource_that_comes_up_at_boot() -> None:
    """It is for one node all the same, if it is no clone: nobody's table makes a second copy right."""
    boots = replace(RUNS, at_boot=True)
    assert ("conflict", ("n1", "n2")) in told(node("n1", RUNS), node("n2", boots), resource=on("n1"))
    assert told(node("n1", boots), node("n2", boots), resource=on("n1", "n2", is_clone=True)) == []
    assert not is_for_one_node(ClusterSeen((node("n1", boots),)), "web")


def test_what_is_old_makes_no_conflict() -> None:
    """The group may have left that node since; nor is it nowhere if the cluster has it on a node that tells nothing."""
    assert told(node("n1", RUNS), node("n2", RUNS, is_stale=True), resource=on("n1")) == []
    assert told(node("n1", RESTS), node("n2", RESTS, is_stale=True), resource=on("n2")) == []
    assert told(node("n1", RESTS), node("n2", None), resource=on("n2")) == []
    assert told(node("n1", RESTS), node("n2", None), resource=on("n1")) == [("nowhere", ()), ("elsewhere", ("n1",))]


def test_nowhere() -> None:
    """Of nodes that tell nothing, or what is old, it is not known."""
    for second, words in (
        (node("n2", RESTS), "nowhere"),
        (node("n2", None), "on no node that tells"),
        (node("n2", RESTS, is_stale=True), "on no node that tells"),
    ):
        seen = ClusterSeen((node("n1", RESTS), second), (on(),))
        assert [finding.detail for finding in findings(seen) if finding.group == "web"] == [words]


@pytest.mark.parametrize(
    ("resource", "expected"), [(on(), [("by-hand", ("n2",))]), (on("n2"), []), (on(is_managed=False), [])]
)
def test_by_hand(resource: ResourceSeen, expected: list[tuple[str, tuple[str, ...]]]) -> None:
    """A group that runs where the cluster has it stopped is told, unless the cluster looks away."""
    assert told(node("n1", RESTS), node("n2", RUNS), resource=resource) == expected


def test_a_group_that_moves() -> None:
    """It is nowhere wrong while it does."""
    assert told(node("n1", RESTS), node("n2", MOVES), resource=on("n1")) == []


WHOLE = b"<cib><configuration><nodes/></configuration><status/></cib>"
TOO_BIG = bz2.compress(b"<cib>" + bytes(65 << 20))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is no CIB, or not a whole one: no element found"),
        (b"what is that", "it is no CIB, or not a whole one: syntax error"),
        (b"<crm_mon/>", "it is no CIB, or not a whole one: an element crm_mon"),
        (WHOLE[:40], "it is no CIB, or not a whole one: unclosed token"),
        (bz2.compress(WHOLE)[:-5], "it is cut off"),
        (bz2.compress(WHOLE[:40]), "it is no CIB, or not a whole one: unclosed token"),
        (b"BZhello", "Invalid data stream"),
        (TOO_BIG, "it has more than 64 MiB"),
    ],
    ids=range(8),
)
def test_a_cib_that_is_damaged(tmp_path: Path, content: bytes, reason: str) -> None:
    """It is refused before Pacemaker's programs mend it: what is left may tell of one copy where there are two."""
    file = tmp_path / "cib.xml"
    file.write_bytes(content)

    with pytest.raises(NoOutputError, match=re.escape(reason)):
        pacemaker.cluster_of(str(file))


def test_a_cib_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory, and nothing; likewise if there is no room for a copy, which Pacemaker's programs read."""
    with pytest.raises(NoOutputError, match="Is a directory"):
        pacemaker.cluster_of(str(tmp_path))
    with pytest.raises(NoOutputError, match="No such file or directory"):
        pacemaker.cluster_of(str(tmp_path / "none"))
    (tmp_path / "cib.xml").write_bytes(WHOLE)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(NoOutputError, match="No such file or directory"):
        pacemaker.cluster_of(str(tmp_path / "cib.xml"))
