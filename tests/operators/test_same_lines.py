"""Digests on nodes: which nodes have the same table in force, and which groups the same lines applied."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from instance import Instance, varlink
from programs import RUN

if TYPE_CHECKING:
    from lab.node import Node

WEB, MAIL = f"web:a:1:respawn:{RUN}\n:::service.a:Nice=1\n", f"mail:m:1:respawn:{RUN}\n"


class Digests:
    """What an instance says of itself."""

    def __init__(self, found: Any) -> None:
        self.table = found["table"]["digest"]
        self.groups = {group["group"]: group["digest"] for group in found["groups"]}


def shown(node: Node, *options: str) -> Digests:
    return Digests(json.loads(node.run("clinitctl", "status", "--json", *options, check=False).stdout))


def described(node: Node) -> Digests:
    (reply,) = varlink(node, {"method": "org.clinit.Manager.Describe", "parameters": {}})
    return Digests(reply["parameters"])


def of_bytes(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def started(node: Node, table: str) -> Instance:
    """A daemon whose groups are at their level."""
    found = Instance(node).share(table)
    for group in ("web", "mail"):
        assert found.clinit("--wait", group, "1").returncode == 0
    return found


def test_a_push(node: Node, fresh_node: Node) -> None:
    """It changes the table's digest when it is in force, and a group's when it is applied; no other, on no other node.

    Without the daemon the same is said.
    """
    one, two = started(node, WEB + MAIL), started(fresh_node, f"# {RUN}\n{MAIL}other:o:1:off:x\n{WEB}")
    before, other = shown(node), shown(fresh_node)
    pushed = WEB.replace("Nice=1", "Nice=2") + MAIL
    one.write_table(pushed)
    unread = shown(node)
    assert one.clinit().returncode == 0
    read = shown(node)
    assert one.clinit("--wait", "web", "1").returncode == 0
    applied = shown(node)

    assert before.groups == {name: other.groups[name] for name in ("web", "mail")}
    assert (of_bytes(WEB + MAIL), of_bytes(two.table)) == (before.table, other.table)
    assert vars(before) == vars(unread)
    assert (of_bytes(pushed), before.groups) == (read.table, read.groups)
    assert read.table == applied.table
    assert before.groups["web"] != applied.groups["web"]
    assert before.groups["mail"] == applied.groups["mail"]
    assert vars(other) == vars(shown(fresh_node))
    assert vars(applied) == vars(described(node))
    one.kill()
    assert vars(applied) == vars(shown(node))


def test_what_changes_nothing(node: Node) -> None:
    """A comment is another table with the same groups, a bad table is not in force; with a daemon, and without."""
    one = started(node, WEB + MAIL)
    before = shown(node)
    commented = f"# News.\n{WEB}{MAIL}"
    one.write_table(commented)
    assert one.clinit().returncode == 0
    with_comment = shown(node)
    one.write_table("web:a:1:nonsense:x\n")
    assert one.clinit().returncode == 1
    refused = shown(node)
    one.kill()

    assert (of_bytes(commented), before.groups) == (with_comment.table, with_comment.groups)
    assert vars(with_comment) == vars(refused) == vars(shown(node))


def test_another_instance(node: Node) -> None:
    """The same lines have the same digest in it; of its table in force nothing is known without its daemon."""
    node.write("/srv/cltab", f"{WEB}# Its own.\n")
    options = ("-c", "/srv/cltab", "-s", "/run/own.s")
    own = Instance(node, "own.service", *options)
    node.run("systemd-run", "--quiet", "--collect", "--unit=own.service", "--property=Type=notify",
             "--property=KillMode=process", "clinit", "-d", *options)  # fmt: skip
    with_daemon = shown(node, *options)
    own.kill()
    without = shown(node, *options)

    assert of_bytes(f"{WEB}# Its own.\n") == with_daemon.table
    assert without.table is None
    assert [*with_daemon.groups] == ["web"]
    assert with_daemon.groups == without.groups
