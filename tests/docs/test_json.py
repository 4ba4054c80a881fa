"""docs/json.md: it tells each member of what `show`, `diff` and `explain` print as JSON, with its type."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from answers import answered
from jsondocument import ENTRY, Reader, read_all, words_of
from pushes import NEW, OLD
from translator import run

from cltab2systemd import events
from cltab2systemd.client import applying, evidence
from cltab2systemd.client.calls import NoDaemonError, RefusedError
from cltab2systemd.commands import diff, explain, instance, kept, show
from cltab2systemd.disk import kepttables
from cltab2systemd.groups.changes import Effect, Seen, Standing
from cltab2systemd.groups.culprit import Culprit
from cltab2systemd.groups.overview import Health
from cltab2systemd.groups.progress import Awaited, Doing, Progress, ProgressPhase, Way
from cltab2systemd.groups.reasons import Remedy
from cltab2systemd.groups.refusals import Refusal
from cltab2systemd.groups.state import State
from cltab2systemd.journal import Excerpt, JournalLine, Writer
from cltab2systemd.journalctl import FORBIDDEN
from cltab2systemd.operators import history, why
from cltab2systemd.operators.askable import Daemon
from cltab2systemd.rehearsal.comparison import EntrySeen, Finding
from cltab2systemd.rehearsal.comparison import Kind as FindingKind
from cltab2systemd.rehearsal.report import MoveSeen, Report, as_json
from cltab2systemd.rehearsal.rounds import Move, Place, Program, Rehearsed, Side
from cltab2systemd.reports import asjson
from cltab2systemd.reports.diff import FIELDS, Change
from cltab2systemd.reports.explain import explain as explained
from cltab2systemd.reports.history import Outcome, PastRequest, Purpose
from cltab2systemd.reports.progress import progress_object
from cltab2systemd.systemd import culprits
from cltab2systemd.table.grammar import parse
from cltab2systemd.table.model import Mode, ResourceGroup
from cltab2systemd.table.tablefiles import TableFiles
from cltab2systemd.units.names import Names

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def test_show(tmp_path: Path) -> None:
    """All of `show`, also text that is not UTF-8."""
    path = tmp_path / "cltab"
    more = b":::levels.web:stop\nmail:a:1:wait:x \xff\n"
    more += b":::services.mail:Nice=1\n:::ready.a:true\n:::preflight.a:x\n:::health.app:1s x\n"
    path.write_bytes(NEW.encode() + more)
    read_all("`show`", [json.loads(run("show", "--format", "json", path).stdout)])


def test_units(tmp_path: Path) -> None:
    """All of `show --units`, also text that is not UTF-8."""
    path = tmp_path / "cltab"
    path.write_bytes(NEW.encode() + b"m\xff:a:1:wait:x\n")
    read_all("`show --units`", [json.loads(run("show", "--units", "--format", "json", path).stdout)])


def test_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of `tables`: with who asked and without, one that is in force, and one that cannot be used."""
    files = [TableFiles.of(f"web:a:{level}:wait:x\n".encode(), "/etc/cltab") for level in range(3)]
    kepttables.keep_earlier(files[0].joined, None, tmp_path)
    kepttables.keep_table(files[1], events.Asker(events.By.CLIENT, 0, 1, "clinit"), tmp_path)
    kepttables.keep_table(files[2], None, tmp_path)
    (tmp_path / "3/cltab").write_text("web:a:2:wait:y\n")
    monkeypatch.setattr(kept, "kept_tables", lambda: kepttables.kept_tables(tmp_path))
    read_all("`tables`", [json.loads(run("tables", "--format", "json").stdout)])


def test_apply() -> None:
    """All of `clinit --apply --json`: what went well, what failed, what was refused, and a group that left."""
    change = {"tag": "a", "effect": "restart"}
    updates: tuple[dict[str, object], ...] = (
        {"group": "web", "level": "3", "changes": [change], "status": {"state": "FAILED", "reasons": [{"text": "x"}]}},
        {"group": "web", "level": "3", "changes": [], "error": "x", "code": "preflight-failed", "output": ["y"]},
        {"group": "old", "changes": [change], "status": {"state": "CONFIGURED", "reasons": []}},
    )
    refused = applying.of_none(RefusedError("x", ("y",), "TableRefused"))
    away = applying.of_none(NoDaemonError("x"))
    read_all("`clinit --apply --json`", [*map(applying.as_json, updates), refused, away])
    assert words_of("`clinit --apply --json`", "changes[].effect") == {*Effect} - {Effect.LEAVE, Effect.NONE}


def test_rehearse() -> None:
    """All of `rehearse`, of a rehearsal that has found something and was over early."""
    group = Rehearsed(ResourceGroup("web"), parse(b"web:a:3:wait:x\n", "x")[0].group("web"))
    there = Move("web", Place(Side.CLEAR, None), Place(Side.NEW, "3"))
    back = Move("web", there.target, there.origin)
    found = Finding(FindingKind.FAILED, "web", "a", "x", ("y",)), Finding(FindingKind.ORDER, "web", "", "x", ())
    shop = Rehearsed(*(parse(f"shop:b:{level}:wait:x\n".encode(), "x")[0].group("shop") for level in "12"))
    program = Program({"web": group, "shop": shop}, {"mail": "1"}, ())
    moves = [MoveSeen(move, "DONE", 5, (EntrySeen("a", Effect.START, Effect.START),), found) for move in (there, back)]
    early = Report(program, moves, [(found[0], (there,))], ["x"], 5, "x")
    read_all("`rehearse`", [json.loads(asjson.document(as_json(report))) for report in (early, Report(program))])
    assert words_of("A finding of a rehearsal", "kind") == {*FindingKind}


def test_diff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of `diff`, of two tables and of a machine."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text(
        f":::initdefault.web:m\n:::levels.web:0\n:::service.app:Nice=1\n:::ready.app:true\n"
        f"{OLD}:::preflight.app:x\n:::health.app:1s x\n"
    )
    new.write_text(f":::clstat:/x\n:::ready.app:tcp:80\n{NEW}:::preflight.app:y\n:::health.app:2s x\n")
    values: list[Any] = [json.loads(run("diff", "--format", "json", old, new).stdout)]
    values.append(json.loads(run("diff", "--format", "json", new, old).stdout))
    groups = parse(old.read_bytes(), "old")[0].groups
    standings = {name: Standing(group, "3", State.DONE) for name, group in groups.items()}
    monkeypatch.setattr(instance.Instance, "standings", lambda *_: standings)
    values.append(json.loads(run("diff", "--format", "json", new).stdout))
    old.write_text("web:app:3:once:x\n")
    applied = parse(old.read_bytes(), "old")[0].groups["web"]
    stopped = {"web": Standing(applied, "3", State.DONE, Seen(frozenset(), {"app": Remedy.START}))}
    monkeypatch.setattr(instance.Instance, "standings", lambda *_: stopped)
    values.append(json.loads(run("diff", "--format", "json", old).stdout))
    monkeypatch.setattr(instance.Instance, "standings", lambda *_: standings)
    new.write_text("web:app:4:once:x\n")
    values.append(json.loads(run("diff", "--format", "json", new).stdout))
    read_all("`diff`", values)
    assert words_of("`diff`", "groups[].refused[].code") == {Refusal.UNNAMED_LEVEL, Refusal.UNDECLARED_LEVEL}


@pytest.mark.parametrize("content", ["word\n", None], ids=["errors", "missing"])
def test_a_table_that_cannot_be_used(tmp_path: Path, content: str | None) -> None:
    """Nothing is printed for a program but by `check`, and the exit code is that of a failure."""
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text("web:a:1:wait:x\n")
    if content is not None:
        bad.write_text(content)
    step_by_step = ["explain", "--table", bad, "--from", "1", "web", "1"]
    for code, words in (
        (1, ["show", bad]), (1, ["show", "--units", bad]), (1, step_by_step),
        (2, ["diff", good, bad]), (2, ["diff", bad, good]), (1, ["rehearse", good, bad]), (1, ["rehearse", bad, good]),
    ):  # fmt: skip
        done = run(*words, "--format", "json")
        answered(done, code=code, out="")
        assert str(bad) in done.stderr
    assert [finding["severity"] for finding in json.loads(run("check", "--format", "json", bad).stdout)] == ["error"]


def test_explain() -> None:
    """All of `explain`, with preflights and without."""
    tags = ("queue", "init", "db", "app", "notice", "spool", "one", "idle")
    seen = Seen(frozenset(["db", "app"]), {"init": Remedy.RERUN}, {"app": "has left its control group"})
    values: list[Any] = []
    for checks in ("", "".join(f":::ready.{tag}:true\n:::preflight.{tag}:x\n:::health.{tag}:1s x\n" for tag in tags)):
        more = checks + "web:idle:9:wait:x\n" + "".join(f":::service.{tag}:Nice=1\n" for tag in tags)
        old, new = (parse(f"{text}{more}".encode(), "cltab")[0] for text in (OLD, NEW))
        others = (Standing(old.group("mail"), "1"),)
        values.append(explain.as_json(explained(Standing(old.group("web"), "3", seen=seen), old.group("web"), "3")))
        values += [
            explain.as_json(explained(Standing(old.group("web"), present), new.group("web"), level, others))
            for present, level in ((None, "3"), ("3", "m"), ("m", "3"), ("3", "3"))
        ]
    never = {
        "preflights[].health is null",
        "preflights[].preflight is null",
        "preflights[].ready_of is something",
        "preflights[].ready is null",
    }
    read_all("`explain`", json.loads(json.dumps(values)), frozenset(never))


@pytest.mark.parametrize(
    ("title", "member", "known"),
    [
        (ENTRY, "mode", Mode), ("`diff`", "groups[].change", Change), ("`diff`", "groups[].state", State),
        ("`diff`", "groups[].entries[].change", Change), ("`diff`", "groups[].entries[].fields[]", FIELDS),
        ("`diff`", "groups[].entries[].effects[].effect", Effect),
        ("`show --units`", "units[].kind", show.Kind),
    ],
)  # fmt: skip
def test_words(title: str, member: str, known: Iterable[str]) -> None:
    """Every word that there is stands in the document."""
    assert {str(word) for word in known} <= words_of(title, member)


def test_members_of_a_diff_are_told() -> None:
    """The reader of the document finds what is not in it."""
    reader = Reader("`show`")
    with pytest.raises(AssertionError):
        reader.read({"path": "x", "groups": [], "settings": [], "more": 1})
    assert "groups[].group" in reader.missing()
    assert diff.SAME == 0


def test_history() -> None:
    """All of a past request, with what the journal tells of it, and without."""
    bare = PastRequest("a1", "caf\udce9", "3", 1)
    whole = PastRequest(
        "b2", "web", "", 1, "2", "client", 0, 77, "clinit web 3", "n1", "system",
        Outcome.REFUSED, "FAILED", "not-stopped", "not stopped", 5, Purpose.STOP, ("a",), ("a",),
    )  # fmt: skip
    shown = json.loads(asjson.document(asjson.value({"requests": [*map(history.as_object, (bare, whole))]})))

    read_all("`clinitctl history --json`", [shown])
    assert words_of("`clinitctl history --json`", "requests[].outcome") == {*Outcome}
    assert words_of("`clinitctl history --json`", "requests[].by") == {*events.By}
    assert words_of("`clinitctl history --json`", "requests[].action") == {*Purpose}


def test_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that `why` knows of a group, and one of which it knows nothing."""
    entry = {"tag": "a", "mode": "wait", "state": "starting", "unit": "clinit-web@a.service", "since_usec": 5}
    ending = {"kind": "killed", "status": 9, "signal": "SIGKILL", "result": "signal", "at_usec": 5}
    whole = {
        "code": "down", "failure": True, "unit": "clinit-web@r.service", "tag": "r", "mode": "respawn", "words": "x",
        "text": "x", "command": "x", "since_usec": 5, "ending": ending, "by": None,
        "invocation": "x", "cure": "x",
    }  # fmt: skip
    nothing = dict.fromkeys(("tag", "mode", "command", "since_usec", "ending", "invocation", "cure"))
    exited = {**whole, "ending": {**ending, "signal": None, "at_usec": None}}
    state = {"group": "web", "level": "3", "state": "FAILED", "since_usec": 5, "health": "moving", "in_table": True}
    trial = {"level": "4", "back": "3", "until_usec": 5}
    awaited = Awaited("a", "wait", "clinit-web@a.service", Doing.STOPPING, 5, 6, "SIGINT", "SIGTERM", "says", "b")
    bare = Awaited("a", "wait", "clinit-web@a.service", Doing.QUEUED)
    on = [Progress("web", Way(level, level, ProgressPhase.STOPPING), 1, 2, 1, (awaited, bare)) for level in ("3", None)]
    groups = [
        {**state, "entries": [entry, {**entry, "since_usec": None}], "reasons": [whole, {**whole, **nothing}, exited]},
        {**state, "level": None, "since_usec": None, "entries": [], "reasons": [], "trial": trial},
        {**state, "level": None, "since_usec": None, "entries": [], "reasons": [], "trial": {**trial, "back": None}},
    ]
    progress = (progress_object(on[0], 6), None, progress_object(on[1], 6))
    line = JournalLine(5, "x", "x", 1, 6, b"x", Writer.ENTRY, False, False, True, "")
    excerpts = iter((Excerpt((line,), FORBIDDEN), Excerpt(), Excerpt()))
    unit = str(whole["unit"])
    people = iter(({unit: Culprit(5, "alice", 5, 77, "x")}, {unit: Culprit(5, "bob", None, None, "x")}))
    monkeypatch.setattr(evidence, "of_attempt", lambda *_: next(excerpts))
    monkeypatch.setattr(culprits, "culprits", lambda *_: next(people))
    tables: tuple[dict[str, object], ...] = (
        {"path": "x", "refusal": "x", "unread": False, "digest": "x"},
        {"path": "x", "refusal": None, "unread": False, "digest": None},
    )
    daemons = ({"state": "answers", "version": "x", "pid": 5}, {"state": "gone", "version": None, "pid": None})
    founds = [
        {"daemon": daemon, "table": table, "missing": [*missing]}
        for daemon, table, missing in zip(daemons, tables, (["m"], []), strict=True)
    ]
    values = [
        why.as_object(found, why.Explainer(Names()).explain(group | {"progress": way, "resource": group["level"]}))
        for found, group, way in zip(founds * 2, groups, progress, strict=False)
    ]
    of_several = [*map(why.several, founds, (values, []))]

    read_all("`clinitctl why --json GROUP`", [json.loads(asjson.document(asjson.value(value))) for value in values])
    read_all("`clinitctl why --json`", [json.loads(asjson.document(asjson.value(value))) for value in of_several])
    assert words_of("`clinitctl why --json GROUP`", "health") == {*Health}
    assert words_of("`clinitctl why --json GROUP`", "daemon.state") == {*Daemon}
    assert words_of("A progress", "phase") == {*ProgressPhase}
    assert words_of("A progress", "awaited[].doing") == {*Doing}
    assert words_of("A progress", "awaited[].mode") == {*Mode}
