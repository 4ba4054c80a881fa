"""The configuration that `cltab2systemd pacemaker` prints, applied for real by each tool, twice."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest
from documents import block
from threenodes import LONG, TABLE

from cltab2systemd.pacemaker import asansible
from cltab2systemd.pacemaker.plan import managed, plan
from cltab2systemd.table.grammar import parse
from lab.cluster import NAMES
from lab.install import PROJECT
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from threenodes import Groups

DOCUMENT = PROJECT / "docs/pacemaker.md"
ADDRESS = "198.51.100.80"
# Two groups more. The cluster's own are left as they are.
SETTINGS = f"""\
:::pacemaker.cache:level=3 prefer=n2:100
:::pacemaker.app:level=3 after=cache with=cache ip={ADDRESS}/24
"""
ENTRIES = """\
cache:cache-it:3:respawn:exec sleep infinity
app:app-it:3m:respawn:exec sleep infinity
app:app-three:3:respawn:exec sleep infinity
app:app-notice:m:respawn:exec sleep infinity
"""
OTHERS = "".join(f":::pacemaker.{name}:no\n" for name in ("web", "db", "files", "batch"))
RESOURCES = ["app", "app.after.cache", "app.all", "app.ip", "app.with.cache", "cache", "cache.prefers.n2"]
APPLIED = re.compile(r'<(?:primitive|group|rsc_[a-z]+) (?:[^>]* )?id="((?:app|cache)[^"]*)"')
ID = r"\(id\|rsc\|first\|then\|with-rsc\)"
AS_JSON = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))"


class Applied:
    """The nodes with the table, and the cluster's configuration."""

    def __init__(self, groups: Groups) -> None:
        self.cluster = groups.cluster
        self.node = groups.cluster.nodes[NAMES[0]]

    def push(self, settings: str = SETTINGS) -> None:
        """Give all nodes a table with the groups."""
        for node in self.cluster.nodes.values():
            node.write("/etc/cltab", OTHERS + settings + TABLE + ENTRIES)
            node.run("clinit")

    def type(self, format_: str, **environment: str) -> str:
        """Type the document's block for a format; every command of it has to succeed."""
        set_ = "".join(f"export {name}={value}; " for name, value in environment.items())
        return self.node.run("sh", "-ec", f"cd /root; {set_}{block(DOCUMENT, 'example', format_)}").stdout

    def refuses(self, edit: str, why: str) -> None:
        """See that the script for pcs leaves a configuration alone that has all of it, but for an edit of sed's."""
        self.node.shell(
            f"cd /root; cltab2systemd pacemaker >refused.sh; sed '{edit}' xml.cib >mine.cib; cp mine.cib x.cib"
        )
        told = self.node.run("sh", "-c", "cd /root; sh refused.sh x.cib", check=False)
        assert "refused.sh: nothing is changed: " in told.stderr
        assert why in told.stderr
        assert told.returncode == 1
        self.node.shell("cmp /root/mine.cib /root/x.cib")

    def await_at(self, level: str) -> None:
        """Wait until the groups and the address are on the node that is preferred, app at a level."""
        wait_until(partial(self.is_at, level), what=f"app at {level} on n2, with the address", timeout=LONG)

    def is_at(self, level: str) -> bool:
        node = self.cluster.nodes["n2"]
        status = node.run("clinit", "-v", check=False).stdout.splitlines()
        return {f"app {level} DONE", "cache 3 DONE"} <= {*status} and ADDRESS in node.run("ip", "address").stdout

    def pid(self) -> str:
        """The main process of the entry that both levels have."""
        return self.cluster.run("systemctl show --value --property=MainPID clinit-app@app-it.service", on="n2")

    def keep(self, name: str) -> None:
        """Note the configuration under a name."""
        self.node.shell(f"cibadmin --query --scope configuration >/root/{name}.xml")

    def differs(self, one: str, other: str) -> str:
        """What `crm_diff` finds between two that were noted."""
        return self.node.run(
            "crm_diff", "--original", f"/root/{one}.xml", "--new", f"/root/{other}.xml", check=False
        ).stdout

    def remove(self) -> None:
        """Take the resources out of the cluster again, as the script says."""
        self.cluster.run("pcs resource delete app.all; pcs resource delete cache")
        self.cluster.settle()


@pytest.fixture
def applied(groups: Groups) -> Iterator[Applied]:
    found = Applied(groups)
    found.push()
    yield found
    with suppress(Exception):
        found.remove()
    for node in found.cluster.nodes.values():
        node.write("/etc/cltab", TABLE)
        node.run("clinit")


def test_by_each_tool(applied: Applied) -> None:
    """Each makes the same of a copy, and changes the level in place; a second time changes nothing; it is verified."""
    for name in ("crm", "xml"):
        applied.node.shell(f"cibadmin --query >/root/{name}.cib")
        applied.type(name, CIB_file=f"/root/{name}.cib")
        assert sorted(APPLIED.findall(applied.node.read(f"/root/{name}.cib"))) == RESOURCES

    applied.refuses("s/app-start-interval-0s/app-start-0/", "remove it: pcs resource op delete app-start-0")
    applied.refuses(f's/{ID}="cache"/\\1="cached"/', "cached is a resource of the same group as cache")
    tried = applied.node.run("sh", "-c", f"cd /root; {block(DOCUMENT, 'example', 'try')}", check=False)
    assert ("<diff" in tried.stdout, 'value="web"' in tried.stdout, tried.stderr) == (True, True, "")

    assert "n2" in applied.type("pcs")  # where it is simulated to be
    applied.await_at("3")
    pid = applied.pid()
    for format_, level in (("crm", "m"), ("xml", "3"), ("pcs", "m")):
        applied.push(SETTINGS.replace("app:level=3", f"app:level={level}"))
        applied.type(format_)
        applied.await_at(level)
        applied.keep("once")
        applied.type(format_)
        applied.keep("twice")
        assert applied.differs("once", "twice") == ""
        applied.cluster.run("crm_verify --live-check")
    assert applied.pid() == pid


def test_what_has_left_the_table(applied: Applied) -> None:
    """It is named, with what removes it, and stays. What Ansible is to have is YAML."""
    applied.type("pcs")
    applied.await_at("3")
    written = applied.node.shell(f"cltab2systemd pacemaker --format ansible | python3 -c '{AS_JSON}'").stdout
    table, _ = parse((OTHERS + SETTINGS + TABLE + ENTRIES).encode(), "/etc/cltab")
    assert json.loads(written) == asansible.variables(plan(table, managed(table, {})))

    applied.push(":::pacemaker.app:no\n:::pacemaker.cache:level=3\n")
    told = applied.node.run("sh", "-ec", "cd /root; cltab2systemd pacemaker >less.sh; sh less.sh").stderr

    assert "app is not in the table; if it is to go: pcs resource delete app\n" in told
    applied.await_at("3")
