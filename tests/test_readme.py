"""The README's example does what it says."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from instance import Instance

from lab.install import PROJECT
from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node


def example(name: str) -> str:
    """An example of the README, as printed."""
    found = re.search(rf"<!-- example: {name} -->\n```\n(.*?)```", (PROJECT / "README.md").read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_30_second_example(fresh_node: Node) -> None:
    """Typed as printed, every command answers as printed."""
    instance = Instance(fresh_node)
    instance.write_table(example("table"))
    instance.start()
    shown = ""
    for line in example("session").splitlines():
        if line.startswith("# "):
            if line == "# clinit -v":
                wait_until(lambda: instance.clstat().get("mail") == "1 DONE")
            done = fresh_node.run(*shlex.split(line[2:]), check=False)
            shown += f"{line}\n{done.stdout}{done.stderr}"

    assert example("session") == shown
