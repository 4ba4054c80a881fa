"""What a cluster is told of a table: ids, timeouts, and four formats that say the same."""

from __future__ import annotations

import shlex
import subprocess
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import tables

from cltab2systemd.pacemaker import asansible, ascrm, aspcs, asxml, identifiers
from cltab2systemd.pacemaker.plan import managed, plan
from cltab2systemd.pacemaker.timeouts import timeouts
from cltab2systemd.table.grammar import parse
from cltab2systemd.table.timespans import seconds

if TYPE_CHECKING:
    from cltab2systemd.pacemaker.configuration import Configuration
    from cltab2systemd.table.model import Table

TABLE = """\
:::pacemaker.db:level=3 prefer=n1:100
:::pacemaker.web:level=3 prefer=n2:-INFINITY after=db with=db ip=192.0.2.80/24
:::pacemaker.other:no
:::initdefault.local:3
db:store:3:respawn:store
web:server:3:respawn:server
web:notice:m:respawn:notice
other:o:3:respawn:other
local:l:3:respawn:local
"""


def of(text: str) -> Configuration:
    table, findings = parse(text.encode(), "/etc/cltab")
    assert findings == ()
    return plan(table, managed(table, {}))


def usable(table: Table) -> Configuration:
    """What a cluster is told of any table whose names it can spell."""
    levels = {name: next(iter(group.entries[0].levels.names), "3") for name, group in table.groups.items()}
    found = managed(table, levels)
    return plan(table, {name: one for name, one in found.items() if one.level and one.is_spellable})


def test_all_of_a_table() -> None:
    """Resources, an address in a group of Pacemaker, and constraints; two groups are left out, which is said."""
    found = of(TABLE)

    assert [primitive.id for primitive in found.primitives] == ["db", "web.ip", "web"]
    assert [(group.id, group.members) for group in found.together] == [("web.all", ("web.ip", "web"))]
    assert [(it.id, it.resource, it.node, it.score) for it in found.locations] == [
        ("db.prefers.n1", "db", "n1", "100"),
        ("web.prefers.n2", "web.all", "n2", "-INFINITY"),
    ]
    assert [(it.id, it.first, it.then) for it in found.orders] == [("web.after.db", "db", "web.all")]
    assert [(it.id, it.resource, it.beside) for it in found.colocations] == [("web.with.db", "web.all", "db")]
    assert found.remarks == (
        "other is left out: :::pacemaker.other:no says so",
        "local is left out: it runs on every node, by :::initdefault.local:3",
    )


def test_the_level_for_stopped() -> None:
    """It is always said: what is not said any more would stay in the cluster as it was."""
    assert [dict(it.parameters)["stop_level"] for it in of(TABLE).primitives if it.kind == "group"] == ["stop"] * 2
    found = of(TABLE.replace("web:level=3", "web:level=3 stop=off"))
    assert dict(found.primitives[-1].parameters)["stop_level"] == "off"


@pytest.mark.parametrize(
    ("lines", "start", "stop", "unlimited"),
    [
        ("g:a:3:respawn:x\n", 60, 60, 0),  # at least what the agent asks for
        ("g:a:3:wait:x\n", 65, 60, 1),  # 60 s are assumed, and a margin of 5 s
        (":::service.a:TimeoutStartSec=70\ng:a:3:wait:x\n", 90, 60, 0),  # then it has 15 s to end
        (":::service.a:TimeoutStartSec=2min\ng:a:3:wait:x\n", 140, 60, 0),
        (":::service.a:TimeoutStartSec=2min\n:::service.a:TimeoutStartSec=\ng:a:3:wait:x\n", 65, 60, 1),
        (":::service.a:TimeoutStopSec=5min\ng:a:3:respawn:x\ng:b:3:respawn:x\n", 60, 315, 0),  # all at once
        (":::stop.g:ordered\n:::service.a:TimeoutStopSec=5min\ng:a:3:respawn:x\ng:b:3:respawn:x\n", 60, 330, 0),
        (":::service.a:TimeoutStopSec=5min\ng:a:m:respawn:x\ng:b:3:respawn:x\n", 60, 315, 0),  # moved there by hand
        (":::ready.a:timeout=100s tcp:80\ng:a:3:respawn:x\n", 110, 60, 0),
        (":::preflight.a:timeout=100s true\ng:a:3:respawn:x\n", 105, 60, 0),
        (":::service.a:Type=notify\ng:a:3:respawn:x\n", 110, 60, 0),
        ("g:a:3:off:x\ng:b:3:once:x\n", 60, 60, 0),
    ],
)
def test_timeouts(lines: str, start: int, stop: int, unlimited: int) -> None:
    """A start takes what is waited for, one behind the other; a stop takes the longest, or all if they are ordered."""
    table, _ = parse(lines.encode(), "/etc/cltab")
    found = timeouts(table.groups["g"], "3", "stop")
    assert (found.start, found.stop, len(found.unlimited)) == (start, stop, unlimited)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90), ("2min 30.5s", 150.5), ("1h", 3600), ("500ms", 0.5), ("", None), ("x", None), ("99999y", None)],
)
def test_time_spans(text: str, expected: float | None) -> None:
    """They are read as systemd.time(7) has them."""
    assert seconds(text) == expected


@given(st.lists(st.text(min_size=1, max_size=5), min_size=2, max_size=2, unique=True))
def test_no_two_names_have_the_same_id(names: list[str]) -> None:
    """Nor have two things of a name."""
    first, second = names
    made = [identifiers.resource(first), identifiers.resource(second), identifiers.address(first, 1)]
    made += [identifiers.together(first), identifiers.after(first, second), identifiers.beside(first, second)]
    assert len({*made}) == len(made)


@settings(max_examples=30, deadline=None)
@given(tables())
def test_any_table(table: Table) -> None:
    """XML is well-formed, with each id once; and the script is one to a shell."""
    found = usable(table)
    root = ET.fromstring(asxml.text(found, "/etc/cltab"))  # noqa: S314 - ours
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len({*ids}) == len(ids)
    subprocess.run(["sh", "-n"], input=aspcs.text(found, "/etc/cltab").encode(), check=True)
    assert {primitive.id for primitive in found.primitives} <= {*ids}


def test_names_that_a_format_would_obey() -> None:
    """They are quoted in each; crmsh, which cannot spell some, is asked for before."""
    name = "a$(x)<&'"
    found = of(f":::pacemaker.{name}:level=3\n{name}:t:3:respawn:x\n")

    root = ET.fromstring(asxml.text(found, "/etc/cltab"))  # noqa: S314 - ours
    assert [pair.get("value") for pair in root.iter("nvpair") if pair.get("name") == "group"] == [name]
    assert """'group=a$(x)<&'"'"''""" in aspcs.text(found, "/etc/cltab")
    assert f'group="{name}"' in ascrm.text(found, "/etc/cltab")
    assert f'value: "{name}"' in asansible.text(found, "/etc/cltab")
    assert not ascrm.is_spellable('a"')
    assert not ascrm.is_spellable("caf\xe9")


def test_many_hyphens() -> None:
    """A comment of XML cannot have two of them in a row."""
    ET.fromstring(asxml.text(of(TABLE.replace("local", "lo---cal")), "/etc/cl----tab"))  # noqa: S314 - ours


def test_what_else_would_be_the_group() -> None:
    """The script for pcs asks for it, whatever the group's name is: XPath cannot escape a quote."""
    name = "a'\"b"
    words = shlex.split(
        aspcs.text(of(f":::pacemaker.{name}:level=3\n{name}:t:3:respawn:x\n"), "/etc/cltab"), comments=True
    )
    path = words[words.index("alone", words.index("expect")) + 2]
    assert path.endswith("""[@value=concat('a', "'", '"b')]]""")
