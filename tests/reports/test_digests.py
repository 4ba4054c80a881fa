"""Digests of a group's lines: the same on two nodes that have the same lines, and another one if a line differs."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import HealthCheck, given, settings
from strategies import tables

from cltab2systemd.reports.digests import digest, lines_digest
from cltab2systemd.table.grammar import parse
from cltab2systemd.table.model import ResourceGroup, Table
from cltab2systemd.text import encoded

LINES = """\
:::group.web:MemoryMax=1G
:::initdefault.web:3
:::stop.web:ordered
:::levels.web:stop,999
web:a:3:wait:true
web:b:3:respawn:sleep 1
:::services.web:Nice=1
:::service.b:Nice=2
:::ready.b:tcp:80
:::health.b:1s true
:::preflight.b:true
:::required.a:yes
"""


def web(text: str) -> str | None:
    """The digest of the group web in a table."""
    return lines_digest(parse(encoded(text), "/etc/cltab")[0].group("web"))


def test_a_digest() -> None:
    """It is what sha256sum prints first."""
    assert hashlib.sha256(b"web\n").hexdigest().startswith(digest(b"web\n"))
    assert 16 == len(digest(b""))


def test_no_lines_have_none() -> None:
    """Of a group without entries nothing was applied."""
    assert lines_digest(ResourceGroup("web")) is None


@pytest.mark.parametrize(
    "other",
    [
        f"# A comment.\n\n{LINES}", f"mail:m:3:wait:x\n{LINES}:::initdefault.mail:3\n:::group.mail:Nice=1\n",
        f"{LINES}:::log:/x\n:::future:x\n",
        "".join(sorted(LINES.splitlines(keepends=True), key=lambda line: line.startswith(":::"))),
    ],
    ids=["comments", "another group", "other settings", "settings behind"],
)  # fmt: skip
def test_the_same_lines(other: str) -> None:
    """Whatever else is in the table, the digest is the same."""
    assert web(LINES) is not None
    assert web(LINES) == web(other)


@pytest.mark.parametrize("line", LINES.splitlines(keepends=True))
def test_a_line_more_or_less(line: str) -> None:
    """Each line counts."""
    assert web(LINES) != web(LINES.replace(line, ""))


def test_another_line() -> None:
    """So do each of its fields, and the order of entries."""
    others = (
        LINES.replace("sleep 1", "sleep 2"), LINES.replace("b:3:", "b:4:"), LINES.replace("wait", "once"),
        LINES.replace("sleep 1", "sleep \udcff"), LINES.replace("initdefault.web:3", "initdefault.web:4"),
        LINES.replace("tcp:80", "tcp:81"), LINES.replace("Nice=2", "Nice=3"), LINES.replace("1G", "2G"),
        LINES.replace("web:a:3:wait:true\n", "") + "web:a:3:wait:true\n",
    )  # fmt: skip
    found = {web(text) for text in (LINES, *others)}

    assert len(found) == 1 + len(others)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.data_too_large])
@given(tables())
def test_what_is_read_back(table: Table) -> None:
    """The lines as the daemon notes them on disk have the digest of those that it has applied."""
    for group in table.groups.values():
        noted = encoded("".join(f"{line}\n" for line in group.lines))
        assert lines_digest(group) == digest(noted)
        assert lines_digest(group) == lines_digest(parse(noted, "applied")[0].group(group.name))
