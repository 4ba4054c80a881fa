"""A table as a graph: DOT that Graphviz takes, whatever the table holds; and the picture in the docs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from answers import answered
from hypothesis import example, given, settings
from hypothesis import strategies as st
from strategies import tables
from translator import run

from cltab2systemd.reports import graph
from cltab2systemd.table.grammar import parse
from cltab2systemd.terminal import shortened
from cltab2systemd.text import encoded
from lab.install import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

    from cltab2systemd.table.model import Table

DOCS = PROJECT / "docs"
EXAMPLE = DOCS / "graph.cltab"

# The part of the language of Graphviz that is used here: https://graphviz.org/doc/info/lang.html
_TOKEN = re.compile(r'\s*(?:(->|[{}\[\]=;,])|([A-Za-z_][A-Za-z_0-9]*|[0-9.]+)|"((?:[^"\\]|\\["\\])*)")')
_ATTRIBUTES = r"(?:\[(?:I=[IQ](?:,I=[IQ])*)?\])?"
_STATEMENT = rf"I{_ATTRIBUTES};|I->I{_ATTRIBUTES};|I=[IQ];"
_GRAPH = re.compile(rf"II\{{(?:{_STATEMENT}|II\{{(?:{_STATEMENT})*\}})*\}}")


def tokens(dot: str) -> list[tuple[str, str]]:
    """The tokens of a DOT text: P for punctuation, I for identifiers and numbers, Q for quoted strings as written."""
    found, position = [], 0
    while dot[position:].strip():
        match = _TOKEN.match(dot, position)
        assert match is not None, dot[position : position + 80]
        kind = "PIQ"[match.lastindex - 1 if match.lastindex else 0]
        found.append((kind, match[match.lastindex or 0]))
        position = match.end()
    return found


def texts(dot: str, name: str) -> list[str]:
    """What all attributes of a name show, in order."""
    found = tokens(dot)
    return [
        value.replace("\\\\", "\0").replace('\\"', '"').replace("&amp;", "&").replace("\0", "\\")
        for (_, key), (_, equals), (kind, value) in zip(found, found[1:], found[2:], strict=False)
        if (key, equals, kind) == (name, "=", "Q")
    ]


def table(text: str) -> Table:
    found, findings = parse(encoded(text), "cltab")
    assert findings == ()
    return found


NASTY = table(
    'g"\\é:a"b\\:1,2:wait:x\\N"<b>&lt;\n<b>g</b>:\\N\\G:1:once:&amp; \x01\\\nh:"\\":1:wait:\\"\\\nh:&#34;:"\\,\\:off:\n'
    "h:\udcff:1:off:\udcff\n:::initdefault.h:\\\n"
)


@settings(deadline=None)
@given(tables())
@example(NASTY)
def test_any_table(table: Table) -> None:
    """The text is DOT, its labels show the groups, entries and levels of the table, and its tooltips the commands."""
    dot = graph.dot(table.groups.values())
    found = tokens(dot)
    assert _GRAPH.fullmatch("".join(value if kind == "P" else kind for kind, value in found))
    assert all(value.isprintable() for _, value in found)
    shown = texts(dot, "label")
    for group in table.groups.values():
        assert [label for label in shown if label.split(", ")[0] == shortened(group.name)]
        for entry in group.entries:
            assert shortened(f"{entry.tag}: {entry.kind}") in shown
            assert any(tip.startswith(shortened(entry.command)) for tip in texts(dot, "tooltip"))
            for level in entry.levels.names:
                assert ("," in level) or (shortened(f"level {level}") in shown)


@given(st.text(alphabet=st.characters(), max_size=20))
@example("\\")
@example('\\"')
@example("&lt;\\n")
def test_quoted(text: str) -> None:
    """Any text is one token, which shows just that text."""
    ((kind, value),) = tokens(graph.quoted(text))
    assert kind == "Q"
    assert shortened(text) == texts(f"label={graph.quoted(text)}", "label")[0]
    assert value.isprintable()


def test_lines() -> None:
    """A level goes through the entries that it starts, in their order; solid behind those that are waited for."""
    dot = graph.dot(
        table(
            "g:a:12:wait:x\ng:b:1:respawn:x\ng:c:12:test:x\ng:d:12:off:x\ng:e:1:once:x\ng:f:1:wait:x\n"
        ).groups.values()
    )
    edges = re.findall(r'(\S+) -> (\S+) \[color="(\S+)", (?:style=(\w+))?', dot)
    assert edges == [
        ("g0_level0", "g0_entry0", "#0072b2", ""),
        ("g0_entry0", "g0_entry2", "#0072b2", "solid"),
        ("g0_level1", "g0_entry0", "#d55e00", ""),
        ("g0_entry0", "g0_entry1", "#d55e00", "solid"),
        ("g0_entry1", "g0_entry2", "#d55e00", "dashed"),
        ("g0_entry2", "g0_entry4", "#d55e00", "solid"),
        ("g0_entry4", "g0_entry5", "#d55e00", "dashed"),
        ("g0_level2", "g0_entry0", "#009e73", ""),
        ("g0_entry0", "g0_entry2", "#009e73", "solid"),
    ]


def test_what_is_required() -> None:
    """It has a double border; an entry that is off keeps nothing back."""
    text = "g:a:1:wait:x\ng:b:1:test:x\ng:c:1:off:x\n:::required.b:yes\n:::required.c:yes\n"
    lines = graph.dot(table(text).groups.values()).splitlines()
    assert ["b: test"] == [texts(line, "label")[0] for line in lines if "peripheries=2" in line]


def test_the_picture_in_the_docs() -> None:
    """The picture shows what the command prints; it is drawn anew by `dot -Tsvg docs/graph.dot -o docs/graph.svg`."""
    result = run("graph", EXAMPLE)
    answered(result, code=0, err="")
    assert (DOCS / "graph.dot").read_text() == result.stdout
    svg = (DOCS / "graph.svg").read_text()
    drawn = [
        re.sub("&#(\\d+);", lambda match: chr(int(match[1])), text) for text in re.findall("<text.*>(.*)</text>", svg)
    ]
    assert sorted(texts(result.stdout, "label")) == sorted(drawn)
    edges = [line for line in result.stdout.splitlines() if " -> " in line and "style=invis" not in line]
    assert len(re.findall('class="edge"', svg)) == len(edges)


def test_some_groups() -> None:
    """Groups can be picked; one that the table does not have is an error."""
    assert texts(run("graph", EXAMPLE, "mail").stdout, "label")[0] == "mail"
    assert run("graph", EXAMPLE, "mail", "web").stdout == run("graph", EXAMPLE).stdout
    result = run("graph", EXAMPLE, "web", "no\x1bne")
    answered(result, code=1, out="")
    assert result.stderr == "cltab2systemd: no such group: no\\x1bne\n"


@pytest.mark.parametrize(("text", "code"), [("", 0), ("word\n", 1)])
def test_other_tables(tmp_path: Path, text: str, code: int) -> None:
    """A table without entries is an empty graph; one with errors none."""
    (tmp_path / "cltab").write_text(text)
    result = run("graph", tmp_path / "cltab")
    assert result.exit_code == code
    assert bool(result.stdout) is (code == 0)
    assert run("graph", "--what").exit_code == 2
