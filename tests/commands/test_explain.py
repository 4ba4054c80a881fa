"""`cltab2systemd explain`: what is printed, and the exit codes; the steps as data are test_explanation's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from answers import answered
from hypothesis import given, settings
from strategies import tables
from translator import run

from cltab2systemd.commands import instance
from cltab2systemd.commands.explain import as_json, as_text
from cltab2systemd.groups.changes import Standing
from cltab2systemd.groups.state import State
from cltab2systemd.reports import asjson
from cltab2systemd.reports.explain import explain
from cltab2systemd.table.grammar import parse

if TYPE_CHECKING:
    from pathlib import Path

    from cltab2systemd.table.model import Table

TEXT = """\
web:init:3m:wait:mkdir -p /run/web
web:db:3m:respawn:exec db
web:ready:3:test:pg_isready
web:app:3:once:app
web:notice:m:respawn:exec notice
web:debug:m:off:x
"""
FROM_NOTHING = """\
web: to level 3, while nothing runs
Start, in this order:
  1.  init   wait     waits until it ends
  2.  db     respawn  goes on at once; restarted whenever it ends
  3.  ready  test     waits until it ends; the group is FAILED unless it exits with 0
  4.  app    once     goes on at once
"""
FROM_3_TO_M = """\
web: from level 3 to level m
Stop, all at once, and wait until they are gone:
  ready  test
  app    once
Start, in this order:
  1.  notice  respawn  goes on at once; restarted whenever it ends
Leave alone:
  init  wait     not run again
  db    respawn  runs on
"""
TO_NO_LEVEL = """\
web: from level m to level stop
No entry names this level: it stops everything.
Stop, all at once, and wait until they are gone:
  init    wait
  db      respawn
  notice  respawn
"""
AGAIN = """\
web: from level m to level m
Leave alone:
  init    wait     not run again
  db      respawn  runs on
  notice  respawn  runs on
Nothing is stopped or started.
"""
WITH_NEW_LINES = """\
web: from level m to level m
First stop, in the groups that they have left:
  mail:app  respawn
Stop, all at once, and wait until they are gone:
  db      respawn  started again below
  notice  respawn
Start, in this order:
  1.  db  once  goes on at once
Leave alone:
  init  wait  not run again
"""


@pytest.fixture(autouse=True)
def nothing_is_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance.Instance, "standings", lambda *_: {})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "cltab"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["3"], FROM_NOTHING),
        (["m", "--from", "3"], FROM_3_TO_M),
        (["stop", "--from", "m"], TO_NO_LEVEL),
        (["m", "--from", "m"], AGAIN),
        (["3", "--from", "stop"], FROM_NOTHING.replace("to level 3, while nothing runs", "from level stop to level 3")),
    ],
)
def test_text(path: Path, arguments: list[str], expected: str) -> None:
    """What is stopped, what is started in which order and how, what stays."""
    result = run("explain", "web", *arguments, "--table", path)
    assert expected == result.stdout
    answered(result, code=0, err="")


def test_preflights(path: Path) -> None:
    """What has to hold comes first, of what is started, and in its order; of what is left alone nothing has to."""
    checks = ":::preflight.app:timeout=5s app  --check\n:::preflight.db:db -t\n:::preflight.debug:x\n"
    path.write_text(TEXT + checks)

    first = "Run first, one after the other; each has to exit with 0, or nothing is done:\n"
    lines = f"{first}  db   db -t         at most 1 min\n  app  app  --check  at most 5 s\nStart, in this order:\n"
    assert run("explain", "web", "3", "--table", path).stdout == FROM_NOTHING.replace("Start, in this order:\n", lines)
    assert run("explain", "web", "m", "--from", "3", "--table", path).stdout == FROM_3_TO_M
    answer = json.loads(run("explain", "web", "3", "--table", path, "--format", "json").stdout)
    told = [(entry["tag"], entry["preflight"]) for entry in answer["preflights"]]
    assert told == [("db", "db -t"), ("app", "timeout=5s app  --check")]


def test_what_says_that_it_is_ready(path: Path) -> None:
    """What stands behind such an entry waits for that."""
    path.write_text(f"{TEXT}:::service.db:Type=notify\n")
    told = run("explain", "web", "3", "--table", path).stdout
    assert "2.  db     respawn  waits until it says that it is ready; restarted whenever it ends" in told


def test_what_asks_whether_it_is_ready(path: Path) -> None:
    """It is a step of its own, with its limit; if it is required, what does not come about is told."""
    path.write_text(f"{TEXT}:::ready.db:timeout=90s tcp:5432\n:::required.db:yes\n")
    told = run("explain", "web", "3", "--table", path).stdout
    assert "db:ready  readiness  waits until db is ready (tcp:5432; at most 1 min 30 s)\n" in told
    assert "If db does not get ready, what stands behind it is not started: ready, app" in told


def test_as_the_group_stands(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the group is at a level, it comes from there, with the lines that are applied."""
    web, mail = (parse(text.encode(), "cltab")[0].groups for text in (TEXT, "mail:app:1:respawn:x\n"))
    standings = {"web": Standing(web["web"], "m", State.DONE), "mail": Standing(mail["mail"], "1", State.DONE)}
    monkeypatch.setattr(instance.Instance, "standings", lambda *_: standings)
    path.write_text(TEXT.replace("db:3m:respawn", "db:3m:once").replace("web:notice:m:respawn:exec notice\n", ""))
    assert WITH_NEW_LINES == run("explain", "web", "m", "-c", path).stdout
    assert run("explain", "web", "3", "--from", "none", "-c", path).stdout.startswith("web: from level none to level 3")


def test_json(path: Path) -> None:
    """A program gets each step's entries, as the table has them."""
    answer = json.loads(run("explain", "web", "m", "--from", "3", "--table", path, "--format", "json").stdout)
    steps = {
        name: [entry["tag"] for entry in answer.pop(name)]
        for name in ("preflights", "moving", "stops", "starts", "stays", "rest")
    }
    assert steps == {
        "preflights": [],
        "moving": [], "stops": ["ready", "app"], "starts": ["notice"], "stays": ["init", "db"], "rest": ["debug"]
    }  # fmt: skip
    assert answer.pop("reruns") == []
    assert answer.pop("failed") == []
    assert answer == {
        "group": "web", "from": "3", "level": "m", "named": True, "declared": False, "refused": False,
        "stops_in_order": False,
    }  # fmt: skip


def test_a_group_that_stops_in_order(path: Path) -> None:
    """The order is the one in which the entries are gone: that of the file from its end."""
    path.write_text(f"{TEXT}:::stop.web:ordered\n")
    shown = run("explain", "web", "m", "--from", "3", "--table", path).stdout
    assert [line.split()[0] for line in shown.splitlines()[1:4]] == ["Stop,", "app", "ready"]
    assert "one after the other" in shown
    answer = json.loads(run("explain", "web", "m", "--from", "3", "--table", path, "--format", "json").stdout)
    assert answer["stops_in_order"]
    assert [entry["tag"] for entry in answer["stops"]] == ["app", "ready"]


def test_declared_levels(path: Path) -> None:
    """One that is declared stops everything, and any other that no entry names is refused."""
    path.write_text(f"{TEXT}:::levels.web:stop\n")
    shown = run("explain", "web", "stop", "--from", "3", "--table", path).stdout
    assert shown.splitlines()[1] == "The group declares this level, and no entry names it: it stops everything."
    shown = run("explain", "web", "stpo", "--from", "3", "--table", path).stdout
    assert shown.splitlines()[1:] == [
        "No entry names this level, and the group does not declare it: the request is refused."
    ]
    answer = json.loads(run("explain", "web", "stpo", "--from", "3", "--table", path, "--format", "json").stdout)
    assert (answer["named"], answer["declared"], answer["refused"]) == (False, False, True)


def test_no_such_group(path: Path) -> None:
    """A group that the table does not have is an error, in the daemon's words."""
    result = run("explain", "we\x1bb", "3", "--table", path)
    answered(result, code=1, out="")
    assert result.stderr == "cltab2systemd: no such group: we\\x1bb\n"


def test_a_bad_table(path: Path) -> None:
    """Errors are told as `check` tells them."""
    path.write_text("word\n")
    result = run("explain", "web", "3", "--table", path)
    answered(result, code=1, out="")
    assert "error: 1 of 5 fields" in result.stderr


def test_state_that_cannot_be_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state directory that keeps its content for itself is told; with --from, nobody looks."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "/run/x")

    monkeypatch.setattr(instance.Instance, "standings", refuse)
    result = run("explain", "web", "3", "--table", path)
    answered(result, code=1, err="cltab2systemd: /run/x: Permission denied\n")
    assert run("explain", "web", "3", "--from", "m", "--table", path).exit_code == 0


@pytest.mark.parametrize(
    "arguments", [[], ["web"], ["web", "a b"], ["web", ""], ["web", "1", "2"], ["web", "1", "--from", " "]]
)
def test_usage(arguments: list[str]) -> None:
    """A command line that makes no sense, or no level that the daemon takes, is exit code 2, with the usage."""
    result = run("explain", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: ")


@settings(deadline=None)
@given(tables(), tables())
def test_any_tables(old: Table, new: Table) -> None:
    """Whatever names hold: text is printable, and JSON is JSON."""
    name = next(iter(new.groups))
    level = new.entries[-1].levels.names[-1]
    others = [Standing(group, level) for group in old.groups.values()]
    explanation = explain(Standing(old.group(name), level), new.group(name), level, others)
    assert all(line.isprintable() for line in as_text(explanation))
    assert json.loads(asjson.document(as_json(explanation)))


def test_what_is_not_started_if_a_required_entry_fails(tmp_path: Path) -> None:
    """Each entry behind one that is required is named, as far as this switch starts it."""
    path = tmp_path / "cltab"
    path.write_text(
        "web:mount:3:wait:mount /srv\nweb:app:34:respawn:app\nweb:check:3:test:check\nweb:last:3:test:x\n"
        ":::required.mount:yes\n:::required.check:yes\n:::required.last:yes\n"
    )
    lines = run("explain", "web", "3", "--from", "4", "--table", path).stdout.splitlines()
    assert "If mount fails, what stands behind it is not started: check, last" in lines
    assert "If check fails, what stands behind it is not started: last" in lines
    assert not [line for line in lines if line.startswith("If last")]
