"""Groups move: by request, and because a node is gone. They are never on two nodes at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.cluster import NAMES

if TYPE_CHECKING:
    from threenodes import Groups


def other_than(node: str) -> str:
    return next(name for name in NAMES if name != node)


def test_planned_move(groups: Groups) -> None:
    """A group goes to another node, and nobody is fenced."""
    node = groups.where("web")

    groups.time_to_move(
        "web", node, lambda: groups.cluster.run(f"crm_resource --resource web --move --node {other_than(node)}")
    )

    groups.cluster.run("crm_resource --resource web --clear")
    groups.await_all()
    assert groups.where("web") == other_than(node)
    assert groups.cluster.fenced == []


def test_a_second_copy_is_seen(groups: Groups) -> None:
    """What the other tests go by: a group that somebody starts on a second node breaks its lock."""
    node = groups.where("files")
    second = groups.cluster.nodes[other_than(node)]

    second.run("clinit", "--wait", "files", "3")

    assert groups.cluster.violations() == f"files on {second.name}, and elsewhere\n"
    second.run("clinit", "--wait", "files", "stop")
    groups.cluster.forget_violations()


def test_standby(groups: Groups) -> None:
    """A node in standby has no group any more, and nobody is fenced."""
    node = groups.where("db")
    attribute = f"crm_attribute --type nodes --node {node} --name standby --update"

    groups.time_to_move("db", node, lambda: groups.cluster.run(f"{attribute} on"))

    groups.cluster.settle()
    for group in ("web", "db", "files", "batch"):
        assert groups.statuses(group).get(node, "stop DONE") == "stop DONE"
    groups.cluster.run(f"{attribute} off")
    assert groups.cluster.fenced == []


@pytest.mark.parametrize("how", ["killed", "cut off", "corosync killed"])
def test_a_node_that_is_gone(groups: Groups, how: str) -> None:
    """The node is fenced, its groups run elsewhere, and it comes back without any."""
    node = groups.where("web")
    machine = groups.cluster.nodes[node]
    act = {
        "killed": machine.crash,
        "cut off": lambda: groups.cluster.network.cut(node),
        "corosync killed": lambda: machine.run("systemctl", "kill", "--signal=KILL", "corosync.service"),
    }[how]

    groups.time_to_move("web", node, act)

    groups.await_all()
    assert groups.cluster.fenced == [(node, "reboot")]
    assert groups.where("web") != node


def test_another_level_in_place(groups: Groups) -> None:
    """A changed level of a running resource is a switch: what both levels have runs on."""
    node = groups.cluster.nodes[groups.where("web")]

    def pid() -> str:
        return node.run("systemctl", "show", "--property=MainPID", "--value", "clinit-web@witness.service").stdout

    before = pid()
    for level in ("m", "3"):
        groups.cluster.run(f"pcs resource update web level={level}")
        groups.cluster.settle()
        assert groups.statuses("web")[node.name] == f"{level} DONE"
    assert pid() == before
    assert groups.where("web") == node.name


def test_orderly_reboot(groups: Groups) -> None:
    """A node that is rebooted stops its groups in order: nothing fails, nobody is fenced."""
    node = groups.where("web")

    groups.cluster.nodes[node].reboot()

    groups.await_all()
    assert groups.cluster.fenced == []
    assert groups.where("web") != node
    assert "Failed Resource Actions" not in groups.cluster.run("crm_mon --one-shot")


def test_all_nodes_from_cold(groups: Groups) -> None:
    """All nodes lose their power at once: each group runs on one node again."""
    for node in groups.cluster.nodes.values():
        node.crash()
    for node in groups.cluster.nodes.values():
        node.start()

    groups.await_all()
