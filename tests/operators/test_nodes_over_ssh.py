"""`clinitctl nodes -w NODESET`: nodes that answer, that are dead, slow or strange; and two hundred of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from answers import answered
from jsondocument import read_all
from jsonschema import Draft202012Validator
from manynodes import ManyNodes, kinds
from programs import RUN

from lab.install import PROJECT
from lab.node import Node
from lab.programs import installed
from lab.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLE = f"web:server:3:respawn:{RUN}\nmail:queue:1:respawn:{RUN}\n:::initdefault.mail:1\n"
NO_NODES = {
    "n[1": 'n[1 is no node set: missing bracket: "n[1"',
    "@nobody": "there is no node in @nobody",
    "@no-source:x": "@no-source:x is no node set: no-source",
    "": "there is no node in the node set",
    "n[1-10001]": "n[1-10001] are 10001 nodes; at most 10000 can be asked",
    "-oProxyCommand=touch": "'-oProxyCommand=touch' cannot be the name of a node",
    "n1 n2": "'n1 n2' cannot be the name of a node",
}
STRANGE = {
    "n2": ("exec sleep 1000", "no answer in time"),
    "n3": ("printf '\\033[31mConnection refused\\n' >&2; exit 255", "\\x1b[31mConnection refused"),
    "n4": ("yes", "it writes more than it may"),
    "n5": ("cat /dev/zero", "it writes more than it may"),
    "n6": ("yes >&2", "it writes more than it may"),
    "n7": ("echo hello; exit 0", "what clinitctl answers there is not understood"),
    "n8": ("echo '{\"table\": {}, \"groups\": [[]]}'; exit 0", "what clinitctl answers there is not understood"),
    "n9": ("echo 'sh: not found' >&2; exit 127", "clinitctl cannot be run there: sh: not found"),
    "n10": ("exit 0", "exit code 0"),
    "n11": ("yes [ | head -n 100000; exit 0", "what clinitctl answers there is not understood"),
    "x1": ("", "ssh: Could not resolve hostname x1: Name or service not known"),
}  # fmt: skip
MANY = 200
ALL = "n[1-3]"
# Nobody has asked a cluster manager.
UNSEEN = frozenset({"groups[].resource is something"})


@pytest.fixture(scope="module")
def shared(project_layer: Path) -> Iterator[ManyNodes]:
    with Node("over-ssh", layers=[project_layer, installed("clustershell")]) as node:
        many = ManyNodes(node, TABLE)
        answered(many.daemon.clinit("--wait", "web", "3"), code=0)
        answered(many.daemon.clinit("--wait", "mail", "1"), code=0)
        yield many


@pytest.fixture
def many(shared: ManyNodes) -> Iterator[ManyNodes]:
    yield shared
    shared.forget()


def test_groups_of_nodes(many: ManyNodes) -> None:
    """ClusterShell knows which nodes are meant. A group that no boot brings up is for one node.

    On two of them, it may only be a move, of which nodes tell one before the other: they are asked twice. On three it
    is none.
    """
    found = many.nodes("-w", "@web")

    assert found.stdout.splitlines()[0] == "web is active on n[1-3]: a conflict"
    assert found.returncode == 8
    assert sorted(many.asked()) == ["n1", "n2", "n3"]
    many.forget()
    assert many.nodes("-w", "n[1-2]").returncode == 8
    assert sorted(many.asked()) == ["n1", "n1", "n2", "n2"]
    one = many.nodes("-w", "n1")
    answered(one, code=0)
    assert one.stdout.split()[:2] == ["n1", "(table)"]
    assert kinds(many.seen("-w", "@web", "mail")) == {}
    answered(many.nodes("-w", "n1", "nobody"), code=1, err="clinitctl: no node tells of a group nobody\n")


@pytest.mark.parametrize("nodeset", NO_NODES)
def test_no_such_nodes(many: ManyNodes, nodeset: str) -> None:
    """It is said why; nobody is asked."""
    answered(many.nodes("-w", nodeset), code=1, err=f"clinitctl: {NO_NODES[nodeset]}\n")
    assert many.asked() == []


def test_no_ssh(many: ManyNodes) -> None:
    """It is said what is missing."""
    many.node.write("/etc/other/clush.conf", "[Main]\nssh_path: /no/such/ssh -v\n")

    found = many.node.run("clinitctl", "nodes", "-w", "n1", check=False, env={"CLUSTERSHELL_CFGDIR": "/etc/other"})

    answered(found, code=3, err="clinitctl: /no/such/ssh cannot be run, by which nodes are asked\n")


def test_strange_nodes(many: ManyNodes) -> None:
    """Whatever a node answers, the others are seen, and of it is said why it is not. Its answer is bounded."""
    many.behave({name: text for name, (text, _) in STRANGE.items()})

    seen = many.seen("-w", "n[1-11],x1", "--timeout", str(5 * PATIENCE), "mail")

    reasons = {node["node"]: node["reason"] for node in seen["nodes"] if not node["tells"]}
    assert {name: reasons[name].partition(" (")[0] for name in reasons} == {
        name: reason for name, (_, reason) in STRANGE.items()
    }
    assert kinds(seen) == {
        "down": ["n2", "n3", "x1"],
        "silent": [name for name in STRANGE if name not in {"n2", "n3", "x1"}],
    }


def test_json_of_an_older_version(many: ManyNodes) -> None:
    """docs/json.md tells every member, and the schema holds. A version that tells no digests is shown all the same."""
    found = json.loads(many.node.run("clinitctl", "status", "--json").stdout)
    web, mail = found["groups"]
    web |= {"level": None, "state": "CONFIGURED", "health": "at-rest"}
    mail |= {"state": "FAILED", "health": "failed"}
    del found["table"]["digest"], web["digest"], web["resource"], mail["digest"], mail["resource"]
    many.node.write("/srv/old", json.dumps(found))
    many.behave({"n2": "cat /srv/old; exit", "n3": "exit 255"})

    seen = many.seen("-w", ALL)

    assert kinds(seen) == {"failed": ["n2"], "down": ["n3"]}
    assert [node["table"]["digest"] is None for node in seen["nodes"]] == [False, True, True]
    read_all("`clinitctl nodes --json`", [seen], UNSEEN)
    schema = json.loads((PROJECT / "docs/schemas/clinitctl-nodes.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(seen)


def test_nowhere(many: ManyNodes) -> None:
    """A group that no node has started is nowhere. Of nodes that tell nothing it is not known."""
    answered(many.daemon.clinit("--wait", "web", "stop"), code=0)
    many.behave({"n2": "exit 255"})
    try:
        assert many.nodes("-w", "n1").stdout.startswith("web is active nowhere\n")
        assert many.nodes("-w", "n[1-2]").stdout.startswith("web is active on no node that tells\n")
    finally:
        answered(many.daemon.clinit("--wait", "web", "3"), code=0)


def test_two_hundred_nodes(many: ManyNodes) -> None:
    """They are folded: what is the same on many is told once."""
    status = json.loads(many.node.run("clinitctl", "status", "--json").stdout)
    for name, digest, level in (("usual", "a" * 16, None), ("other", "b" * 16, None), ("active", "a" * 16, "3")):
        status["table"]["digest"] = digest
        web = status["groups"][0]
        web["level"], web["state"], web["health"] = level, *(("DONE", "well") if level else ("CONFIGURED", "at-rest"))
        many.node.write(f"/srv/{name}", json.dumps(status))
    many.behave(dict.fromkeys((f"n{number}" for number in range(1, MANY + 1)), "cat /srv/usual; exit"))
    many.behave({"n7": "cat /srv/active; exit", "n120": "kill -9 $$"})
    many.behave(dict.fromkeys(("n50", "n51", "n52"), "cat /srv/other; exit"))
    many.behave(dict.fromkeys(("n100", "n101"), "echo 'Connection refused' >&2; exit 255"))

    found = many.nodes("-w", f"n[1-{MANY}]")

    assert f"```\n{found.stdout}```\n" in (PROJECT / "docs/nodes.md").read_text()
    assert found.returncode == 7


def test_without_clustershell(node: Node) -> None:
    """It is said what is to be installed."""
    found = node.run("clinitctl", "nodes", "-w", "n1", check=False)

    assert found.stderr.startswith("clinitctl: -w takes ClusterShell's library: install python3-clustershell (")
    assert found.returncode == 1


def test_a_group_source(many: ManyNodes) -> None:
    """ClusterShell takes what `--source` prints: nodes by the groups that are active there, and by their state."""
    source = (PROJECT / "packaging/examples/clustershell-clinit.conf").read_text()
    many.node.write("/etc/clustershell/groups.conf.d/clinit.conf", source.replace("-w @all ", "-w n[1-4] "))
    many.behave({"n4": "exit 255"})

    def nodeset(*words: str) -> str:
        return many.node.run("nodeset", *words).stdout.rstrip("\n")

    assert nodeset("--fold", "@clinit:web") == "n[1-3]"
    assert nodeset("--fold", "@clinit:web:DONE,@clinit:mail:FAILED") == "n[1-3]"
    assert nodeset("--fold", "@clinit:web:FAILED") == ""
    assert nodeset("--fold", "@clinit:*") == "n[1-4]"
    assert sorted(nodeset("--list", "-s", "clinit").split()) == ["@clinit:mail", "@clinit:web"]
    assert sorted(nodeset("--list", "-s", "clinit", "n1").split()) == ["@clinit:mail", "@clinit:web"]


def test_what_a_daemon_does_not_tell(many: ManyNodes) -> None:
    """A node with no table in force, one without a daemon, and one that tells of some groups only are not well."""
    found = json.loads(many.node.run("clinitctl", "status", "--json").stdout)
    changes = {
        "n1": {"table": {**found["table"], "digest": None}},
        "n2": {"daemon": {**found["daemon"], "state": "gone"}},
        "n3": {"groups": found["groups"][:1], "missing": ["mail"]},
    }
    for name, change in changes.items():
        many.node.write(f"/srv/{name}", json.dumps(found | change))
    many.behave({name: f"cat /srv/{name}; exit" for name in changes})

    seen = many.seen("-w", ALL, "mail")

    assert kinds(seen) == {"no-table": ["n1"], "no-daemon": ["n2"], "silent": ["n3"]}
    assert seen["nodes"][2]["reason"] == "systemd did not tell of all groups in time"


def test_a_program_watches_and_nobody_tells(many: ManyNodes) -> None:
    """It ends: what was told last would be taken for what is."""
    found = many.node.run("clinitctl", "nodes", "--watch", "--json", check=False)

    assert found.stderr.startswith("clinitctl: the cluster does not tell how its nodes are: ")
    assert (found.returncode, found.stdout) == (3, "")


@pytest.mark.parametrize("limit", ["-Sn 40", "-n 40"])
def test_more_nodes_at_once_than_files_may_be_open(many: ManyNodes, limit: str) -> None:
    """The limit is raised, as far as that may be; else it is fewer nodes at once."""
    many.behave({f"n{number}": "echo tired >&2; exit 255" for number in range(1, 31)})
    script = f"ulimit {limit}; exec clinitctl nodes -w 'n[1-30]' --fanout 30"

    found = many.node.run("sh", "-c", script, check=False)

    assert found.stderr == ""
    assert "n[1-30]: tired" in found.stdout or found.stdout.count(": tired\n") == 30
