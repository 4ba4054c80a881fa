"""`clinitctl nodes -w NODESET switch GROUP LEVEL`: what is told of each node, and what is never told of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from answers import answered
from manynodes import LOG, ManyNodes
from programs import RUN

from lab.install import PROJECT
from lab.node import Node
from lab.programs import installed
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLE = f"web:server:3:respawn:{RUN}\nweb:check:4:test:echo broken >&2; exit 1\nweb:slow:5:wait:sleep 1000\n"
BEFORE = "case $command in *status*|*crm_mon*) ;; *)"


@pytest.fixture(scope="module")
def shared(project_layer: Path) -> Iterator[ManyNodes]:
    with Node("nodes-switch", layers=[project_layer, installed("clustershell")]) as node:
        yield ManyNodes(node, TABLE)


@pytest.fixture
def many(shared: ManyNodes) -> Iterator[ManyNodes]:
    yield shared
    shared.forget()
    answered(shared.daemon.clinit("--wait", "web", "stop"), code=0)


def test_it_comes_out_well(many: ManyNodes) -> None:
    """The same of several nodes is told once. One that is down is not waited for, and the exit code says so."""
    answered(many.nodes("-w", "n[1-3]", "switch", "web", "3", "--fanout", "1"), code=0, out="n[1-3]: web 3 DONE\n")
    down = "x1: not moved: ssh: Could not resolve hostname x1: Name or service not known\n"
    answered(many.nodes("-w", "n1,x1", "switch", "web", "3"), code=3, out=f"{down}n1: web 3 DONE\n")


def test_batches(many: ManyNodes) -> None:
    """The next nodes are moved only if those before came out well."""
    found = many.nodes("-w", "n[1-4]", "switch", "web", "4", "--batch", "1", "--timeout", "30")

    assert f"```\n{found.stdout}```\n" in (PROJECT / "docs/nodes.md").read_text()
    assert found.returncode == 4
    # How they are, whether they have a Pacemaker that is stopped, and to move.
    asked = [word for word in many.asked() if word.startswith("n")]
    assert [*sorted(asked[:4]), *sorted(asked[4:8]), *asked[8:]] == ["n1", "n2", "n3", "n4"] * 2 + ["n1"]
    found = many.nodes("-w", "n[1-4]", "switch", "web", "3", "--batch", "3", "--fanout", "1")
    answered(found, code=0, out="n[1-3]: web 3 DONE\nn4: web 3 DONE\n")


def test_refused(many: ManyNodes) -> None:
    """Names are quoted for the shell over there; what clinit says of them is told."""
    refused = "n[1-2]: no such group: $(touch /srv/bad); touch '/srv/bad'\n"
    answered(many.nodes("-w", "n[1-2]", "switch", "$(touch /srv/bad); touch '/srv/bad'", "3"), code=1, out=refused)
    answered(many.nodes("-w", "n1", "switch", "--", "--halt", "%hosts"), code=1, out="n1: no such group: --halt\n")
    assert not many.node.exists("/srv/bad")


def test_a_level_that_no_entry_names(many: ManyNodes) -> None:
    """It stops everything, and each node's warning is told; where the group declares its levels, it is refused."""
    answered(many.nodes("-w", "n[1-2]", "switch", "web", "3", "--fanout", "1"), code=0)
    told = "no entry of web names level 'stpo': it stops everything; its levels are 3, 4, 5"
    warned = f"n[1-2]: web stpo DONE\n  clinit: {told}\n"
    answered(many.nodes("-w", "n[1-2]", "switch", "web", "stpo", "--fanout", "1"), code=0, out=warned)
    many.daemon.write_table(f"{TABLE}:::levels.web:stop\n")
    answered(many.nodes("-w", "n[1-2]", "switch", "web", "3", "--fanout", "1"), code=0)

    refused = (
        "n[1-2]: no entry of web names level 'stpo', and :::levels.web: does not declare it: refused, and the group "
        "stays as it is; its levels are 3, 4, 5, stop; did you mean 'stop'?\n"
    )
    answered(many.nodes("-w", "n[1-2]", "switch", "web", "stpo"), code=1, out=refused)
    assert many.daemon.clstat()["web"] == "3 DONE"
    many.daemon.write_table(TABLE)


def test_a_level_on_trial(many: ManyNodes) -> None:
    """It is told of each node, for people and for programs, until it is confirmed."""
    answered(many.daemon.clinit("--wait", "web", "3"), code=0)
    answered(many.daemon.clinit("--wait", "--try", "600", "web", "3"), code=0)
    assert re.search("^web +3 DONE on trial +3 DONE on trial$", many.nodes("-w", "n[1-2]").stdout, re.MULTILINE)
    assert [node["on_trial"] for node in many.seen("-w", "n[1-2]")["groups"][0]["nodes"]] == [True, True]

    answered(many.daemon.clinit("--keep", "web"), code=0)
    assert "on trial" not in many.nodes("-w", "n1").stdout


def test_timed_out(many: ManyNodes) -> None:
    """A switch that takes longer goes on; that is no end."""
    found = many.nodes("-w", "n1", "switch", "web", "5", "--timeout", "0.5")

    assert "DONE" not in found.stdout
    assert found.returncode == 5


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ('sh -c "$command" >/dev/null; echo lost >&2; exit 255', "unknown, it may have begun: lost"),
        ("kill -9 $$", "unknown, it may have begun: exit code 137"),
        ("echo web 3; exit 0", "unknown: clinit exits with 0 there, and does not say how it went\n  web 3"),
        ("exit 0", "unknown: clinit exits with 0 there, and does not say how it went"),
        ("exit 42", "unknown: clinit exits with 42 there"),
        ("yes 'web 3 DONE'", "unknown, it may have begun: it writes more than it may"),
    ],
)  # fmt: skip
def test_unknown(many: ManyNodes, behaviour: str, reason: str) -> None:
    """What clinit has not said is not told as an end of it."""
    many.behave({"n1": f"{BEFORE} {behaviour} ;; esac"})

    found = many.nodes("-w", "n1", "switch", "web", "3")

    assert found.stdout.rstrip("\n").partition(" (")[0] == f"n1: {reason}"
    assert found.returncode == 5


def test_interrupted(many: ManyNodes) -> None:
    """Of nodes that are on the way it is not known what comes of it, and the others are not moved."""
    many.behave({"n1": f"{BEFORE} exec sleep 1000 ;; esac"})
    words = ("-w", "n[1-2]", "switch", "web", "3", "--fanout", "1", "--batch", "1")
    process = many.node.popen("sh", "-c", 'echo $$ >/srv/pid; exec clinitctl nodes "$@" >/srv/out', "sh", *words)
    wait_until(lambda: many.node.exists(LOG) and "clinit --wait" in many.node.read(LOG), what="n1 is asked")

    many.node.shell("kill -INT $(cat /srv/pid)")

    assert process.wait(20) == 130
    lines = many.node.read("/srv/out").splitlines()
    assert lines[0] == "n1: unknown, it may have begun: nobody waited for its answer"
    assert lines[1] == "n2: not moved, for the nodes before did not come out well"


# Interrupted when ssh has been run for one of two, before ClusterShell knows that.
INTERRUPTED = """\
import sys
from ClusterShell.Worker.Ssh import SshClient
start = SshClient._start
def interrupted(client):
    started = start(client)
    if "--wait" in client.command:
        raise KeyboardInterrupt
    return started
SshClient._start = interrupted
from cltab2systemd.operators.nodeswitch import Move, switch
sys.exit(switch(Move(["n1", "n2"], "web", "3", fanout=1)))
"""


def test_interrupted_at_once(many: ManyNodes) -> None:
    """Of a node whose ssh has just been run it is not known either."""
    done = many.node.run("python3", "-c", INTERRUPTED, check=False)

    told = [line.partition(": ") for line in sorted(done.stdout.splitlines())]  # ClusterShell has an order of its own
    assert [node for node, _, _ in told] == ["n1", "n2"]
    assert {what for _, _, what in told} == {
        "unknown, it may have begun: nobody waited for its answer", "not moved: interrupted",
    }  # fmt: skip
    assert done.returncode == 130


# What crm_mon says there of a resource that nobody minds.
UNMANAGED = (
    '<pacemaker-result><resources><resource id="web-resource" managed="false" orphaned="false"/></resources>'
    '<status code="0"/></pacemaker-result>'
)
PACEMAKER = "case $command in *crm_mon*) {} ;; esac"


@pytest.fixture
def noted(many: ManyNodes) -> Iterator[ManyNodes]:
    """The resource agent has noted that the group is Pacemaker's."""
    note = "/run/cltab2systemd/system/known-to-cluster"
    many.node.shell(f"mkdir -p {note}; echo web-resource >{note}/web")
    yield many
    many.node.shell(f"rm -r {note}")


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({}, "crm_mon"),
        ({"n2": "exit 102", "n1": "exit 102"}, "Pacemaker does not run there"),
        # n1 need not be of the same cluster.
        ({"n1": f"echo; echo '{UNMANAGED}'; exit", "n2": "exit 124"}, "exit code 124"),
        ({"n1": f"echo; echo '{UNMANAGED}'; exit", "n2": "exit 102"}, "n2: Pacemaker does not run there"),
    ],
)
def test_not_known_how_it_is_in_the_cluster(noted: ManyNodes, answers: dict[str, str], why: str) -> None:
    """If one node that has noted it cannot say, nothing is done on any."""
    noted.behave({name: PACEMAKER.format(answer) for name, answer in answers.items()})

    found = noted.nodes("-w", "n[1-2],x1", "switch", "web", "3")

    assert "nothing is done: n[1-2] have noted that Pacemaker has web as its resource web-resource" in found.stderr
    assert why in found.stderr.splitlines()[0]
    assert found.stderr.endswith("and Pacemaker is not to start it, on the node itself: clinit web 3\n")
    answered(found, code=1, out="")


@pytest.mark.parametrize("code", [102, 124])
def test_a_stop_where_pacemaker_does_not_answer(noted: ManyNodes, code: int) -> None:
    """It makes no second copy."""
    noted.behave({"n1": PACEMAKER.format(f"exit {code}")})

    found = noted.nodes("-w", "n1", "switch", "web", "stop")

    assert found.stdout.startswith("n1: web stop DONE\n")
    assert (found.returncode, found.stderr) == (0, "")


def test_where_nothing_is_noted(many: ManyNodes) -> None:
    """Pacemaker may have been stopped since the boot. A node that cannot be asked is not moved; others are."""
    many.behave({"n2": PACEMAKER.format("echo Pacemaker is stopped there, and had it when it ran; exit")})
    found = many.nodes("-w", "n[1-2]", "switch", "web", "3")
    assert found.stderr.startswith(
        "clinitctl: nothing is done: it is not known whether Pacemaker has web: n2: Pacemaker is stopped there"
    )
    answered(found, code=1, out="")
    answered(many.nodes("-w", "n2", "switch", "web", "stop"), code=0)

    many.behave({"n2": PACEMAKER.format("echo lost >&2; exit 255")})
    found = many.nodes("-w", "n[1-2]", "switch", "web", "3")
    answered(found, code=3, out="n2: not moved: lost\nn1: web 3 DONE\n")


@pytest.mark.parametrize(
    "words", ["switch web 3", "-w n1 --json switch web 3", "--batch 2", "-w n1 --batch 2", "-w n1 --cib x"]
)
def test_usage(many: ManyNodes, words: str) -> None:
    """What makes no sense is refused before anybody is asked."""
    assert many.nodes(*words.split()).returncode == 2
    assert many.asked() == []
