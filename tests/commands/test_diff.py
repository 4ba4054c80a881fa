"""`cltab2systemd diff`: what is printed, and the exit codes; on live nodes it is test_predictions'."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from answers import answered
from hypothesis import HealthCheck, given, settings
from pushes import NEW, OLD
from strategies import tables
from translator import run

from cltab2systemd.commands import instance
from cltab2systemd.commands.diff import as_json, as_text
from cltab2systemd.groups.changes import Standing
from cltab2systemd.groups.state import State
from cltab2systemd.reports.diff import between
from cltab2systemd.table.grammar import parse
from cltab2systemd.text import encoded

if TYPE_CHECKING:
    from pathlib import Path

    from cltab2systemd.table.model import Table

OFFLINE = """\
web: 1 added, 1 deleted, 2 changed
  -                         web         slice: -MemoryMax=1G +MemoryMax=2G +CPUWeight=50
  -                         web         boot level: none → 3
  -                         web         starts in another order
  restart at 3, m           web:db      command: exec db --port 1 → exec db --port 2
  restart at 3; start at m  web:app     levels: 3 → 3,m, +User=web
  start at 3                web:queue   comes from mail: 3:once:send
  stop at m                 web:notice  deleted
new: new group, 1 added
  start at 1  new:one  added: 1:wait:true
mail: leaves the table, 2 deleted
  stop at 1  mail:spool  deleted
  stop at 1  mail:queue  moves to web
"""
LIVE = """\
web (at level 3): 2 restart, 1 start, 1 left alone
  -        web         slice: -MemoryMax=1G +MemoryMax=2G +CPUWeight=50
  -        web         boot level: none → 3
  -        web         starts in another order
  restart  web:db      command: exec db --port 1 → exec db --port 2
  restart  web:app     levels: 3 → 3,m, +User=web
  start    web:queue   comes from mail: 3:once:send
  -        web:notice  deleted
new (not active): new group, applied at once, nothing runs
  -  new:one  added: 1:wait:true
mail (at level 1, STOPPING): leaves the table, 2 stop
  stop  mail:spool  deleted
  stop  mail:queue  moves to web
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old"
    path.write_text(OLD)
    return path


@pytest.fixture
def new(tmp_path: Path) -> Path:
    path = tmp_path / "new"
    path.write_text(NEW)
    return path


def apply(monkeypatch: pytest.MonkeyPatch, text: str, **at: str) -> None:
    """Let a table look as if it were applied here, with groups at `LEVEL STATE`."""
    groups = parse(text.encode(), "cltab")[0].groups
    standings = {
        name: Standing(group, level or None, State(state) if state else None)
        for name, group in groups.items()
        for level, _, state in [at.get(name, "").partition(" ")]
    }
    monkeypatch.setattr(instance.Instance, "standings", lambda *_: standings)


def table(text: str) -> Table:
    return parse(encoded(text), "cltab")[0]


def test_two_tables(old: Path, new: Path) -> None:
    """Each changed group and entry, and at which levels that does something."""
    result = run("diff", old, new)
    assert OFFLINE == result.stdout
    answered(result, code=1, err="")


def test_against_what_is_applied(new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the level that each group is at."""
    apply(monkeypatch, OLD, web="3 DONE", mail="1 STOPPING")
    result = run("diff", new)
    assert LIVE == result.stdout
    answered(result, code=1, err="")


def test_no_difference(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said, and the exit code is 0."""
    apply(monkeypatch, OLD, web="3 DONE")
    for arguments in ([old], [old, old]):
        result = run("diff", *arguments)
        answered(result, code=0, out="", err="")


@pytest.mark.parametrize(
    ("new", "at", "expected"),
    [
        ("web:app:34:once:x\n", "3 DONE",
         "web (at level 3): nothing is stopped or started, 1 left alone\n  leave  web:app  levels: 3 → 34\n"),
        ("web:app:3:off:x\n", "3 FAILED", "web (at level 3, FAILED): 1 stop\n  stop  web:app  mode: once → off\n"),
        ("web:app:3:once:x\n:::initdefault.web:3\n", "3 PASSED",
         "web (at level 3): nothing is stopped or started, 1 left alone\n  -  web  boot level: none → 3\n"),
        ("", "", "web (not active): leaves the table, nothing runs\n  -  web:app  deleted\n"),
        ("web:app:3:once:y\n", "",
         "web (not active): applied at once, nothing runs\n  -  web:app  command: x → y\n"),
    ],
)  # fmt: skip
def test_a_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new: str, at: str, expected: str) -> None:
    """What is said of a group at a level, or at none."""
    apply(monkeypatch, "web:app:3:once:x\n", web=at)
    (tmp_path / "new").write_text(new)
    result = run("diff", tmp_path / "new")
    answered(result, code=1, out=expected)


def test_a_group_that_a_cluster_has_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it leaves the table, nothing is stopped; of one that is at no level there is nothing to stop."""
    group = table("web:app:3:once:x\nweb:end:stop:test:x\n").groups["web"]
    standings = {"web": Standing(group, "3", State.DONE, of_cluster=True)}
    monkeypatch.setattr(instance.Instance, "standings", lambda *_: standings)
    monkeypatch.setattr(instance.Instance, "notes", lambda *_: [])
    (tmp_path / "new").write_text("")
    heading = "web (at level 3): leaves the table, stays until the cluster stops it, "
    assert run("diff", tmp_path / "new").stdout == (
        f"{heading}nothing is stopped or started, 1 left alone\n  leave  web:app  deleted\n  -      web:end  deleted\n"
    )
    (tmp_path / "moved").write_text("www:app:3:once:x\n")
    assert "-  www:app  refused until the cluster has stopped web; comes from web: 3:once:x\n" in (
        run("diff", tmp_path / "moved").stdout
    )
    standings["web"] = Standing(group, of_cluster=True)
    assert (
        "web (not active): leaves the table, stays until the cluster stops it, nothing runs\n"
        in run("diff", tmp_path / "new").stdout
    )


def test_settings(old: Path, tmp_path: Path) -> None:
    """Two tables differ by their settings, too."""
    (tmp_path / "new").write_text(OLD.replace("/run/log", "/run/other") + ":::socket:/run/s\n")
    result = run("diff", old, tmp_path / "new")
    assert result.stdout == "setting log: /run/log → /run/other\nsetting socket: none → /run/s\n"
    assert result.exit_code == 1


def test_levels_that_are_lost() -> None:
    """Of two tables it is told for each level that people ask for, and nothing is foretold to be done there."""
    old, new = table("web:app:m,3:once:x\nweb:db:5:once:y\n"), table("web:app:4:once:x\nweb:db:5:once:y\n")
    told = (
        "no entry of web names level '{0}': refused, and the group stays as it is ('clinit web {0}' stops everything); "
        "its levels are 4, 5"
    )
    assert [*as_text(between(old, new))] == [
        "web: 1 changed",
        f"  refused at m  web      {told.format('m')}",
        f"  refused at 3  web      {told.format('3')}",
        "  start at 4    web:app  levels: m,3 → 4",
    ]


def test_long_commands() -> None:
    """Of a long command the part is shown where the difference begins."""
    one, other = ("web:app:3:once:" + "x" * 500 + what + "y" * 500 for what in ("old", "new"))
    (_, line) = as_text(between(table(one), table(other)))
    shown = "…" + "x" * 20 + "{}" + "y" * 36 + "…"
    assert line == f"  restart at 3  web:app  command: {shown.format('old')} → {shown.format('new')}"


def test_nothing_applied(new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no daemon ever ran, that is said, and all of the table is new."""
    apply(monkeypatch, "")
    result = run("diff", new)
    assert result.stderr == "cltab2systemd: no daemon has applied a table here; all of it is new\n"
    assert result.stdout.count("new group, ") == 2
    assert result.exit_code == 1


def test_json(old: Path, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program gets all groups and entries, also those that are left alone, with what happens to them."""
    result = run("diff", old, new, "--format", "json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert [group["group"] for group in answer["groups"]] == ["web", "new", "mail"]
    web = answer["groups"][0]
    assert web["change"] == "changed"
    assert web["level"] is None
    assert web["reordered"]
    app = {entry["tag"]: entry for entry in web["entries"]}["app"]
    assert app["effects"] == [
        {"level": level, "effect": effect}
        for level, effect in (("3,m", "start"), ("3", "restart"), ("m", "start"))
    ]  # fmt: skip
    assert app["change"] == "changed"
    assert app["fields"] == ["levels", "directives"]
    assert app["old"]["directives"] == []
    assert app["new"]["directives"] == [{"name": "User", "value": "web"}]

    apply(monkeypatch, OLD, web="3 DONE")
    answer = json.loads(run("diff", new, "--format", "json").stdout)
    web, mail = answer["groups"][0], answer["groups"][2]
    assert web["level"] == "3"
    assert web["state"] == "DONE"
    assert mail["level"] is None
    assert mail["state"] is None
    assert {entry["tag"]: entry["effects"] for entry in web["entries"]}["init"] == [{"level": "3", "effect": "leave"}]
    assert mail["entries"][1]["moved_to"] == "web"


@pytest.mark.parametrize("arguments", [["none"], ["bad"], ["old", "bad"], ["none", "old"]])
def test_trouble(old: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    """A table that cannot be used is exit code 2, as with diff(1), and nothing is compared."""
    monkeypatch.chdir(old.parent)
    old.with_name("bad").write_text("word\n")
    result = run("diff", *arguments)
    answered(result, code=2, out="")
    assert "cltab2systemd: " in result.stderr


def test_state_that_cannot_be_read(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So is a state directory that keeps its content for itself."""

    def refuse(_: object) -> None:
        raise PermissionError(13, "Permission denied", "/run/x")

    monkeypatch.setattr(instance.Instance, "standings", refuse)
    result = run("diff", old)
    answered(result, code=2, out="")
    assert result.stderr == "cltab2systemd: /run/x: Permission denied\n"


@pytest.mark.parametrize("arguments", [["a", "b", "c"], ["--format", "xml"], ["--what"]])
def test_usage(arguments: list[str]) -> None:
    """A command line that makes no sense is exit code 2, with the usage."""
    result = run("diff", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: ")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables(), tables())
def test_any_tables(old: Table, new: Table) -> None:
    """Whatever names and commands hold: text is printable, JSON is JSON, and both know whether there is a change."""
    found = between(old, new)
    lines = [*as_text(found)]
    assert all(line.isprintable() for line in lines)
    assert bool(lines) is not found.is_empty
    answer = json.loads(json.dumps(as_json(found)))
    assert answer["changed"] is not found.is_empty
