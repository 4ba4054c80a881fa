"""`clinitctl log`: what entries write, whose lines they are, and what a terminal and a pipe get."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from answers import answered
from instance import Instance

from lab.waiting import wait_until

if TYPE_CHECKING:
    import subprocess

    from lab.node import Node

TABLE = """\
web:dirs:3:wait:echo made
web:server:3:respawn:echo one; echo two >&2; exec sleep infinity
web:odd:3:once:printf 'a\\033[31mb\\nno newline'
web:miss:3:once:exec /no/such
mail:queue:1:respawn:echo mail; exec sleep infinity
mail:web:1:once:echo of the tag
"""
STAMP = r"^[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d "


@pytest.fixture(scope="module")
def instance(node: Node) -> Instance:
    """A daemon with both groups at their levels, whose entries have written what they will."""
    node.write("/etc/cltab", TABLE)
    daemon = Instance(node).start()
    for group, level in (("web", "3"), ("mail", "1")):
        daemon.clinit("--wait", group, level)
    wait_until(lambda: "no newline" in log(node).stdout and "mail" in log(node).stdout, what="all is written")
    return daemon


def log(node: Node, *arguments: str, user: str | None = None) -> subprocess.CompletedProcess[str]:
    return node.run("clinitctl", "log", *arguments, check=False, user=user)


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines without their times, and without those of systemd."""
    lines = [re.sub(STAMP, "", line) for line in done.stdout.splitlines()]
    return [" ".join(line.split()) for line in lines if "systemd: " not in line]


def test_a_group(instance: Instance) -> None:
    """The lines of a group have the tags of their entries; those of another group are not among them."""
    done = log(instance.node, "mail")

    answered(done, code=0, err="")
    assert {"queue mail", "web of the tag"} == {*said(done)}
