"""What the node tells is bounded and harmless, whatever a program in there makes of it."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cltab2systemd.groups.changes import Seen
from cltab2systemd.groups.reasons import Remedy
from cltab2systemd.rehearsal import comparison
from cltab2systemd.rehearsal.report import MoveSeen, Report, as_json, as_text
from cltab2systemd.rehearsal.rounds import Move, Place, Program, Rehearsed, Side
from cltab2systemd.rehearsal.seen import Fault, Glimpse, MessageError, Outcome, Scene, as_message, of_groups, of_message
from cltab2systemd.reports import asjson
from cltab2systemd.table.grammar import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = parse(b"web:db:3:respawn:sleep 1\nweb:app:3,4:wait:true\n", "cltab")[0].group("web")
MOVE = Move("web", Place(Side.OLD, "3"), Place(Side.NEW, "4"))
SCENE = Scene(
    (
        Outcome(
            "web", "FAILED", 20_000, "said", ("a line",),
            (Fault("ended-badly", "app", "web: app exited with 1", ("its words",), is_failure=True, status=1),),
            Seen(frozenset({"db"}), {"app": Remedy.RERUN}, {"app": "exited with 1"}),
        ),
    ),
    {"web": {"db": Glimpse(is_up=False, invocation="a", ended=3), "app": Glimpse(True, "b", 1, 2, 3, True)}},
)  # fmt: skip
# Escapes of terminals (ECMA-48, also those of one byte), of right-to-left text, and half of a surrogate pair.
ESCAPES = "\x1b]0;title\x07\x1b[2J\x9b31m\r\b\u202e\n\udcff"
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([ESCAPES, "\ud800", 10**4000]),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


def sent(message: object) -> Any:
    """What arrives of a message."""
    return json.loads(json.dumps(message))


def places(value: object, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all members of a value."""
    yield way
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield from places(member, (*way, name))


MESSAGE = sent(as_message(SCENE))
WAYS = [way for way in places(MESSAGE) if way]


def altered(way: tuple[Any, ...], value: object) -> Any:
    """The message with another value in one place."""
    message = copy.deepcopy(MESSAGE)
    inner = message
    for name in way[:-1]:
        inner = inner[name]
    inner[way[-1]] = value
    return message


def told(scene: Scene) -> Report:
    """What is reported of a scene."""
    report = Report(Program({"web": Rehearsed(GROUP, GROUP)}, {}, ()))
    scene = of_groups(scene, {"web": {"db", "app"}})
    for outcome in scene.outcomes:
        explanation = comparison.foretell(MOVE, report.program.groups["web"], outcome.seen)
        before, after = {"db": Glimpse(True, "0")}, scene.entries.get("web", {})
        findings = tuple(comparison.findings(explanation, outcome, before, after))
        entries = tuple(comparison.entries_seen(explanation, before, after))
        report.moves.append(MoveSeen(MOVE, outcome.state, outcome.usec, entries, findings))
        report.others += [(finding, (MOVE,)) for finding in comparison.touched("web", after, before)]
    return report


def assert_harmless(scene: Scene) -> None:
    """Both forms of the report can be made, and no terminal obeys them."""
    report = told(scene)
    lines = [*as_text(report), *asjson.document(as_json(report)).split("\n")]
    assert [line for line in lines if not line.isprintable()] == []


def test_a_scene_comes_as_it_was() -> None:
    """Nothing is lost on the way."""
    assert of_message(MESSAGE) == SCENE
    assert "app exited with 1" in "\n".join(as_text(told(SCENE)))


@given(json_values)
def test_any_message(value: object) -> None:
    """It is a scene, or refused."""
    try:
        of_message(value)
    except MessageError:
        return


@given(st.sampled_from(WAYS), json_values)
def test_any_value_in_any_place(way: tuple[Any, ...], value: object) -> None:
    """It is refused, or can be told."""
    try:
        scene = of_message(altered(way, value))
    except MessageError:
        return
    assert_harmless(scene)


@pytest.mark.parametrize("way", [way for way in WAYS if isinstance(way[-1], int) or way[-1] in {"message", "group"}])
def test_escapes_in_any_place(way: tuple[Any, ...]) -> None:
    """No terminal obeys them."""
    try:
        scene = of_message(altered(way, ESCAPES))
    except MessageError:
        return
    assert_harmless(scene)


@pytest.mark.parametrize(
    ("way", "value"),
    [
        (("outcomes",), None),
        (("outcomes", 0, "state"), "FINE"),
        (("outcomes", 0, "usec"), -1),
        (("outcomes", 0, "usec"), 10**400),  # more than a float can be
        (("outcomes", 0, "usec"), True),
        (("outcomes", 0, "group"), "\ud800"),
        (("outcomes", 0, "faults", 0), ["code", "app", "text", [], True]),
        (("outcomes", 0, "faults", 0, 5), "1"),
        (("outcomes", 0, "lines"), "line"),
        (("outcomes", 0, "lines"), [1]),
        (("outcomes", 0, "seen", "remedies"), [["app", "explode"]]),
        (("outcomes", 0, "seen", "active"), ["x"] * 100_001),
        (("entries", 0, 1, 0, 1), 1),
        (("entries", 0, 0), "x" * 200_001),
    ],
    ids=str,
)
def test_what_is_refused(way: tuple[Any, ...], value: object) -> None:
    """Other types, other lengths, words that there are not, and more than there may be."""
    with pytest.raises(MessageError):
        of_message(altered(way, value))


def test_it_is_bounded() -> None:
    """Of many and long lines, texts and faults some are told."""
    fault = ["code", "app", "x" * 190_000, ["y" * 190_000] * 1000, True, 1]
    (outcome,) = of_message(altered(("outcomes", 0, "faults"), [fault] * 2000)).outcomes
    assert len(outcome.faults) == 1000
    assert (len(outcome.faults[0].text), len(outcome.faults[0].lines)) == (4000, 20)
    assert max(map(len, outcome.faults[0].lines)) == 1000
    assert len(of_message(altered(("outcomes", 0, "message"), "x" * 190_000)).outcomes[0].message) == 4000


def test_only_entries_that_there_are() -> None:
    """What is told of others is left out."""
    scene = Scene((), {"web": {"db": Glimpse(True, "a"), "no": Glimpse(True, "b")}, "no": {"db": Glimpse(True, "c")}})
    assert of_groups(scene, {"web": {"db"}, "mail": {"queue"}}).entries == {"web": {"db": Glimpse(True, "a")}}
