"""Somebody moves a group by hand that Pacemaker has: clinit says whose it is, and which command is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.cluster import NAMES

if TYPE_CHECKING:
    from threenodes import Groups


def said(groups: Groups, node: str, *words: str) -> str:
    """What clinit writes to its standard error; it has to succeed."""
    done = groups.cluster.nodes[node].run("clinit", "--wait", *words)
    return done.stderr


def test_where_it_runs(groups: Groups) -> None:
    """Nothing is said of the level at which it is; of another one, that it is taken back; not if it is unmanaged."""
    node = groups.where("web")

    assert said(groups, node, "web", "3") == ""
    groups.cluster.run("pcs resource unmanage web --monitor")
    groups.cluster.settle()
    assert said(groups, node, "web", "m") == ""
    assert said(groups, node, "web", "3") == ""
    groups.cluster.run("pcs property set maintenance-mode=true; pcs resource manage web --monitor")
    groups.cluster.settle()
    assert said(groups, node, "web", "3") == ""
    assert said(groups, node, "web", "m") == ""
    assert said(groups, node, "web", "3") == ""
    groups.cluster.run("pcs property set maintenance-mode=false")
    groups.cluster.settle()

    told = said(groups, node, "web", "m")

    assert "clinit: Pacemaker runs web on this node, as its resource web: at its next monitor " in told
    assert "clinit: to change its level: pcs resource update web level=m\n" in told
    groups.await_all()
    assert groups.cluster.fenced == []


def test_where_it_does_not_run(groups: Groups) -> None:
    """A level there makes a second copy, and clinit says so; a stop is all right. Both commands that it names work."""
    node = groups.where("files")
    other = next(name for name in NAMES if name != node)

    told = said(groups, other, "files", "3")

    assert told == (
        f"clinit: Pacemaker runs files on {node}, as its resource files: what runs here now is a second copy\n"
        "clinit: to stop the copy here: clinit files stop\n"
        f"clinit: to move it to this node: pcs resource move files {other}\n"
    )
    assert "Pacemaker" not in said(groups, other, "files", "stop")
    groups.cluster.forget_violations()
    groups.cluster.run(f"pcs resource move files {other}")
    groups.await_all()
    assert groups.where("files") == other


def test_a_halt(groups: Groups) -> None:
    """Pacemaker starts again what it had started there, and clinit says so, but for a node that is in maintenance."""
    name = groups.where("web")
    node = groups.cluster.nodes[name]

    told = said(groups, name, "-k")

    node.run("systemctl", "start", "clinit.service")
    assert told.count("Pacemaker had started ") == 1
    assert "web" in told.splitlines()[0]
    assert f"clinit: to take all that Pacemaker runs off this node first: pcs node standby {name}\n" in told
    maintenance = f"pcs node maintenance {name}"
    assert f"clinit: to have Pacemaker look away from this node first: {maintenance}\n" in told
    groups.await_all()
    groups.forget()

    name = groups.where("web")
    node = groups.cluster.nodes[name]
    groups.cluster.run(f"pcs node maintenance {name}")
    groups.cluster.settle()
    there = [group for group, place in groups.places().items() if place == name]
    assert said(groups, name, "-k") == ""
    node.run("systemctl", "start", "clinit.service")
    for group in there:
        assert said(groups, name, group, "3") == ""
    groups.cluster.run(f"pcs node unmaintenance {name}")
    groups.await_all()
    assert groups.cluster.fenced == []


def test_pacemaker_does_not_answer(groups: Groups) -> None:
    """A user without rights is told what the agent has noted on the node."""
    node = groups.cluster.nodes[groups.where("db")]
    node.run("usermod", "--append", "--groups", "clinit", "nobody")

    told = node.run("runuser", "-u", "nobody", "--", "clinit", "--wait", "db", "3").stderr

    assert told.startswith("clinit: Pacemaker has db as its resource db, by what this node has noted: ")
