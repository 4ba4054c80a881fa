"""`cltab2systemd show`, and what it is made of: the matrix, columns, and JSON of a table."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from answers import answered
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import tables
from translator import run

from cltab2systemd import terminal
from cltab2systemd.commands.show import Kind, as_json, as_text, units_as_text, units_of
from cltab2systemd.reports import asjson
from cltab2systemd.table import checks
from cltab2systemd.table import settings as kinds
from cltab2systemd.table.grammar import parse
from cltab2systemd.table.model import Entry, Levels, Mode
from cltab2systemd.table.settings import Directive
from cltab2systemd.terminal import columns as width_of
from cltab2systemd.text import decoded
from cltab2systemd.units.compiler import compile_table
from cltab2systemd.units.names import Names

if TYPE_CHECKING:
    from cltab2systemd.table.model import Table

TEXT = """\
:::log:/run/log
:::initdefault.web:3
:::group.web:MemoryMax=1G
web:init:3m:wait:mkdir -p /run/web
web:データ:3,m:respawn:exec db
:::service.データ:User=db
:::service.データ:Nice=5
:::preflight.データ:timeout=5s db -t
mail:spool:1:wait:true
web:app:3:test:exit 0
web:debug:m:off:x\x1b[31m
:::unknown:value
:::services.mail:Nice=1
:::stop.mail:ordered
:::service.spool:Nice=2
:::health.データ:10s file:/run/db
"""
SHOWN = """\
web, boots to level 3
          3m    3        m
  init    wait  wait     wait     mkdir -p /run/web
  データ  ·     respawn  respawn  exec db
  app     ·     test     ·        exit 0
  debug   ·     ·        off      x\\x1b[31m
  slice: MemoryMax=1G
  データ: User=db
  データ: Nice=5
  データ: preflight: timeout=5s db -t
  データ: health: 10s file:/run/db

mail, stops in order
         1
  spool  wait  true
  services: Nice=1
  spool: Nice=2

settings
  log:      /run/log
  unknown:  value
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "cltab"
    path.write_text(TEXT)
    return path


def test_text(path: Path) -> None:
    """For each group its entries by its levels, in columns, and all settings; nothing that a terminal would obey."""
    result = run("show", path)
    assert SHOWN == result.stdout
    answered(result, code=0, err="")


def test_long_commands(path: Path) -> None:
    """In a file or a pipe a command is whole; a terminal gets as much of a line as it shows."""
    command = "echo " + "データ" * 40
    path.write_text(f"web:db:3:respawn:{command}\nweb:app:3:wait:short\n")
    table = parse(path.read_bytes(), str(path))[0]
    assert command in run("show", path).stdout
    for width in (1, 2, 20, 40, 41, 80):
        lines = [*as_text(table, width)][1:]
        assert all(width_of(line) <= width for line in lines)
        assert all(width_of(line) > width - 2 for line in lines if line.endswith("…"))
    assert [*as_text(table, 400)] == [*as_text(table)]


def test_a_terminal(path: Path) -> None:
    """The width is the terminal's; nothing is cut where there is none."""
    path.write_text(f"web:db:3:respawn:{'x' * 300}\n")
    script = "from cltab2systemd.commands.main import main; main()"
    command = [sys.executable, "-c", script, "show", str(path)]
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 50, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    subprocess.run(command, stdout=terminal, check=True, env=environment)
    os.close(terminal)
    shown = os.read(main, 4096).decode().splitlines()
    assert len(shown[-1]) == 50
    assert shown[-1].endswith("x…")
    piped = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, env=environment).stdout
    assert "x" * 300 in piped


def test_json(path: Path) -> None:
    """All that the table says, also the levels that are whole lists."""
    answer = json.loads(run("show", path, "--format", "json").stdout)
    assert answer["path"] == str(path)
    web = answer["groups"][0]
    assert web["group"] == "web"
    assert web["boot_level"] == "3"
    assert web["levels"] == ["3m", "3", "m", "3,m"]
    assert web["directives"] == [{"name": "MemoryMax", "value": "1G"}]
    assert web["entries"][1] == {
        "group": "web",
        "tag": "データ",
        "levels": "3,m",
        "level_names": ["3,m", "3", "m"],
        "mode": "respawn",
        "command": "exec db",
        "directives": [{"name": "User", "value": "db"}, {"name": "Nice", "value": "5"}],
        "required": False,
        "ready": None,
        "ready_of": None,
        "health": "10s file:/run/db",
        "preflight": "timeout=5s db -t",
        "path": str(path),
        "line": 5,
    }
    assert {setting["path"] for setting in answer["settings"]} == {str(path)}
    assert [(setting["name"], setting["line"]) for setting in answer["settings"]] == [
        ("log", 1),
        ("initdefault.web", 2),
        ("group.web", 3),
        ("service.データ", 6),
        ("service.データ", 7),
        ("preflight.データ", 8),
        ("unknown", 12),
        ("services.mail", 13),
        ("stop.mail", 14),
        ("service.spool", 15),
        ("health.データ", 16),
    ]
    mail = answer["groups"][1]
    assert (web["stops_in_order"], mail["stops_in_order"]) == (False, True)
    assert (web["services"], mail["services"]) == ([], [{"name": "Nice", "value": "1"}])
    assert [given["value"] for given in mail["entries"][0]["directives"]] == ["1", "2"]


ODD = """\
web-shop:php-fpm:3-a,m,:respawn:x
web-shop:a/b-c:m:wait:x
"q"':it's $(x):3:wait:x
"q"':\\x2d:3:off:x
caf\udce9:\udcff数:\xa0:once:x
-:.:-,:test:x
""".replace("it's $(x)", "it's$(x)")
ODD_UNITS = r"""
web-shop   slice               clinit-web\x2dshop.slice
web-shop   level  3-a          clinit-web-shop@3-a.target
web-shop   level  m            clinit-web-shop@m.target
web-shop   entry  php-fpm      clinit-web-shop@php-fpm.service
web-shop   entry  a/b-c        clinit-web-shop@a\x2fb-c.service
"q"'       slice               clinit-\x22q\x22\x27.slice
"q"'       level  3            clinit-\x22q\x22\x27@3.target
"q"'       entry  it's$(x)     clinit-\x22q\x22\x27@it\x27s\x24\x28x\x29.service
"q"'       entry  \x2d         clinit-\x22q\x22\x27@\x5cx2d.service
caf\xe9    slice               clinit-caf\xe9.slice
caf\xe9    level  \xa0         clinit-caf\xe9@\xc2\xa0.target
caf\xe9    entry  \xff数       clinit-caf\xe9@\xff\xe6\x95\xb0.service
-          slice               clinit-\x2d.slice
-          level  -            clinit--@-.target
-          entry  .            clinit--@\x2e.service
"""


def test_units(path: Path) -> None:
    """For each group its slice, its levels and its entries, a line each; the name of the unit is the last word."""
    path.write_bytes(ODD.encode("utf-8", "surrogateescape"))
    result = run("show", "--units", path)

    assert [line.split() for line in ODD_UNITS.splitlines()[1:]] == [
        line.split() for line in result.stdout.splitlines()
    ]
    answered(result, code=0, err="")
    lines = result.stdout.splitlines()
    assert len({width_of(line[: line.rindex(" ")]) for line in lines}) == 1


def test_units_as_json(path: Path) -> None:
    """The same as values, also of levels that are whole lists; text that is not UTF-8 is an array of bytes."""
    path.write_bytes(b"w:\xff:3,m:wait:x\n")
    answer = json.loads(run("show", "--units", "--format", "json", path).stdout)

    assert answer == {
        "path": str(path),
        "units": [
            {"group": "w", "kind": "slice", "name": None, "unit": "clinit-w.slice"},
            {"group": "w", "kind": "level", "name": "3,m", "unit": r"clinit-w@3\x2cm.target"},
            {"group": "w", "kind": "level", "name": "3", "unit": "clinit-w@3.target"},
            {"group": "w", "kind": "level", "name": "m", "unit": "clinit-w@m.target"},
            {"group": "w", "kind": "entry", "name": [255], "unit": r"clinit-w@\xff.service"},
        ],
    }


@settings(deadline=None)
@given(tables())
def test_units_of_any_table(table: Table) -> None:
    """Every slice, level and entry that is compiled is shown, once; each line ends in the name of its unit."""
    compiled = {
        name for name in compile_table(table) if re.match(r"clinit-.*(?:\.slice|[^@]\.(?:service|target))$", name)
    }
    # A level without entries is one of the group's template.
    compiled |= {Names().level(group.name, level) for group in table.groups.values() for level in group.declared}
    units = [unit.unit for unit in units_of(table)]
    lines = units_as_text(table)

    assert sorted(units) == sorted(name for name in compiled if not name.endswith("-unnamed.target") or "@" in name)
    assert {line.split()[-1] for line in lines} <= {*units}
    assert all(line.isprintable() for line in lines)
    assert [unit.name for unit in units_of(table) if unit.kind is Kind.ENTRY] == [
        entry.tag for group in table.groups.values() for entry in group.entries
    ]


def test_an_empty_table(path: Path) -> None:
    """A table without entries has nothing to show, which is no error."""
    path.write_text("")
    answered(run("show", path), code=0, out="")
    answered(run("show", "--units", path), code=0, out="")
    assert json.loads(run("show", path, "--format", "json").stdout)["groups"] == []
    path.write_text(":::log:x\n")
    assert run("show", path).stdout == "settings\n  log:  x\n"


def test_a_bad_table(path: Path) -> None:
    """Errors are told as `check` tells them, and nothing is shown."""
    path.write_text("word\n")
    result = run("show", path)
    answered(result, code=1, out="")
    assert f"{path}:1:1: error: " in result.stderr


@pytest.mark.parametrize("arguments", [["a", "b"], ["--format", "xml"]])
def test_usage(arguments: list[str]) -> None:
    """A command line that makes no sense is exit code 2, with the usage."""
    result = run("show", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: ")


def text_of(value: str | list[int]) -> str:
    """What `asjson.text` made a value of."""
    return value if isinstance(value, str) else decoded(bytes(value))


def check_of(kind: kinds.Kind, value: dict[str, Any]) -> checks.Check | None:
    """A check of an entry, as its value has it."""
    if value[kind.word] is None:
        return None
    found = checks.read(kinds.SHAPES[kind], text_of(value[kind.word]))
    assert isinstance(found, checks.Check)
    return found


def entry_of(value: dict[str, Any]) -> Entry:
    """What `asjson.entry` made a value of, in place 1."""
    given = tuple(
        Directive(text_of(d["name"]), text_of(d["value"]), parse(b"g:t:1:wait:", "")[0].entries[0].place)
        for d in value["directives"]
    )
    group, tag, levels, command = (text_of(value[name]) for name in ("group", "tag", "levels", "command"))
    place = parse(b"g:t:1:wait:", "")[0].entries[0].place
    ready, health, preflight = (
        check_of(kind, value) for kind in (kinds.Kind.READY, kinds.Kind.HEALTH, kinds.Kind.PREFLIGHT)
    )
    ready_of = "" if value["ready_of"] is None else text_of(value["ready_of"])
    return Entry(
        group, tag, Levels(levels), Mode(value["mode"]), command, place, given, ready, health, preflight,
        value["required"], ready_of,
    )  # fmt: skip


@settings(deadline=None)
@given(tables(most_required=2))
def test_any_table(table: Table) -> None:
    """JSON holds every entry as it is in the table, byte for byte; text is printable, a line for each entry."""
    document = asjson.document(as_json(table))
    assert document.isascii()
    answer = json.loads(document)
    assert [entry_of(entry) for group in answer["groups"] for entry in group["entries"]] == [
        entry for group in table.groups.values() for entry in group.entries
    ]
    assert all("\udc80" > character or character > "\udcff" for character in json.dumps(answer, ensure_ascii=False))
    lines = [*as_text(table)]
    assert all(line.isprintable() for line in lines)
    entries = [entry for group in table.groups.values() for entry in group.entries]
    own = [d for e in entries for d in e.directives if table.source_of(d).kind is kinds.Kind.SERVICE]
    of_groups = [s for s in table.settings if s.kind in {kinds.Kind.SERVICES, kinds.Kind.SLICE}]
    given = [*own, *(s for s in of_groups if s.subject in table.groups)]
    more = [flag for e in entries for flag in (e.required, e.preflight, e.health) if flag]
    assert len(lines) == len(entries) + len(given) + len(more) + 3 * len(table.groups) - 1


@given(st.text())
def test_any_text(text: str) -> None:
    """Text of a table is a string where it is UTF-8, and an array of bytes where it is not."""
    for value in (
        decoded(text.encode("utf-8", "surrogatepass")),
        text.encode("utf-8", "replace").decode(),
    ):
        assert value == text_of(json.loads(json.dumps(asjson.text(value))))
    assert asjson.text("caf\udce9") == [99, 97, 102, 233]


def test_columns() -> None:
    """Columns are as wide as their widest cell on a terminal; no line ends in blanks."""
    assert terminal.aligned([]) == []
    assert terminal.aligned([["a", "bcd", ""], ["数", "é", "x"], ["", "e\u0301", "y"]]) == [
        "a   bcd",
        "数  é    x",
        "    e\u0301    y",
    ]
    # Vowels and tone marks of Thai, Hindi and old Korean, and how a symbol is to look.
    assert [1, 3, 2, 1] == [terminal.columns(text) for text in ("ที่", "हिन्", "\u1112\u1161", "✔\ufe0e")]


@pytest.mark.parametrize("command", ["show", "graph"])
def test_a_full_disk(path: Path, command: str) -> None:
    """An answer that cannot be written is told in one line, and is no success."""
    start = "import sys; sys.argv[0] = 'cltab2systemd'; from cltab2systemd.commands.main import main; main()"
    program = [sys.executable, "-c", start, command, str(path)]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    answered(done, code=1, err="cltab2systemd: cannot write: No space left on device\n")
