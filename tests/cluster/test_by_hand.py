"""Somebody moves a group by hand that Pacemaker has: clinit says whose it is, and which command is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from threenodes import LONG, TABLE

from lab.cluster import NAMES
from lab.waiting import wait_until

if TYPE_CHECKING:
    from threenodes import Groups


def said(groups: Groups, node: str, *words: str) -> str:
    """What clinit writes to its standard error; it has to succeed."""
    done = groups.cluster.nodes[node].run("clinit", "--wait", *words)
    return done.stderr


def test_where_it_runs(groups: Groups) -> None:
    """Nothing is said of the level at which it is; of another one, that it is taken back; not if it is unmanaged.

    A level on trial is another one as well: unmanaged, the group goes back in its time, else Pacemaker ends the trial.
    """
    node = groups.where("web")

    assert said(groups, node, "web", "3") == ""
    groups.cluster.run("pcs resource unmanage web --monitor")
    groups.cluster.settle()
    assert "Pacemaker" not in said(groups, node, "--try", "1", "web", "m")
    await_back(groups)
    groups.cluster.run("pcs property set maintenance-mode=true; pcs resource manage web --monitor")
    groups.cluster.settle()
    assert said(groups, node, "web", "3") == ""
    assert said(groups, node, "web", "m") == ""
    assert said(groups, node, "web", "3") == ""
    groups.cluster.run("pcs property set maintenance-mode=false")
    groups.cluster.settle()
    assert "Failed Resource Actions" not in groups.cluster.run("crm_mon --one-shot")

    told = said(groups, node, "--try", "600", "web", "m")

    assert "clinit: on trial until " in told
    assert "clinit: Pacemaker runs web on this node, as its resource web: at its next monitor " in told
    assert "clinit: to change its level: pcs resource update web level=m\n" in told
    wait_until(lambda: groups.statuses("web")[node] != "m DONE", what="Pacemaker acts", timeout=LONG)
    groups.await_all()
    assert "web is m DONE" in groups.cluster.run("crm_mon --one-shot")  # that was its failure
    kept = groups.cluster.nodes[node].run("clinit", "--keep", "web", check=False)
    assert (kept.returncode, kept.stdout.partition(":")[0]) == (1, "web is not on trial")
    assert groups.cluster.fenced == []


def test_new_lines_on_trial(groups: Groups) -> None:
    """Pacemaker sees nothing of new lines at the group's level, nor of the way back to the old ones."""
    name = groups.where("web")
    node = groups.cluster.nodes[name]
    shown = ("systemctl", "show", "--value", "--property=Nice", "clinit-web@nginx.service")
    node.write("/etc/cltab", TABLE + ":::services.web:Nice=1\n")

    assert "Pacemaker" not in said(groups, name, "--try", "2", "web", "3")

    assert node.run(*shown).stdout == "1\n"
    groups.cluster.run("crm_resource --resource web --force-check", on=name)
    await_back(groups)
    assert node.run(*shown).stdout == "0\n"
    node.write("/etc/cltab", TABLE)
    node.run("clinit")
    groups.cluster.settle()
    assert "Failed Resource Actions" not in groups.cluster.run("crm_mon --one-shot")
    assert groups.where("web") == name


def await_back(groups: Groups) -> None:
    """Wait until web is back at its level from a trial, where it is; Pacemaker's agent is content with it."""
    node = groups.cluster.nodes[groups.where("web")]
    back = ("clinitctl", "history", "--lines=1", "web")
    wait_until(lambda: "end of the trial" in node.run(*back).stdout, what="web goes back", timeout=LONG)
    wait_until(lambda: groups.statuses("web")[node.name] == "3 DONE", what="web is back", timeout=LONG)
    groups.cluster.run("crm_resource --resource web --force-check", on=node.name)


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


def test_a_group_that_leaves_the_table(groups: Groups) -> None:
    """To apply that leaves it to Pacemaker, which sees nothing of it, and moves it as ever; then it can be removed."""
    name = groups.where("batch")
    node = groups.cluster.nodes[name]
    before = groups.witnesses()[name]
    node.write("/etc/cltab", "".join(line for line in TABLE.splitlines(True) if not line.startswith("batch:")))

    done = node.run("clinit", "--apply")

    left = "clinit: batch has left the table, and stays until the cluster that started it stops it\n"
    assert (done.stdout, done.stderr) == ("", left)
    groups.cluster.run("crm_resource --resource batch --force-check", on=name)
    assert (groups.where("batch"), groups.witnesses()[name]) == (name, before)
    groups.cluster.run("pcs resource move batch")
    groups.cluster.settle()
    assert groups.where("batch") not in ("", name)
    assert node.run("clinit", "--apply").stdout == "batch has left the table: stopped\n"
    assert "Failed Resource Actions" not in groups.cluster.run("crm_mon --one-shot")
    node.write("/etc/cltab", TABLE)
    node.run("clinit")
    assert groups.cluster.fenced == []


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
