"""Metrics: the text is what Prometheus and its tools take, whatever groups and tags are called."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from promtool import promtool

from cltab2systemd.groups.state import State
from cltab2systemd.groups.tally import Counted, Tally
from cltab2systemd.reports.overview import tally_object
from cltab2systemd.reports.prometheus import label, lines
from cltab2systemd.text import decoded

Object = dict[str, Any]
SECOND = 1_000_000
# Bytes, and what looks like the way in which odd ones are written.
NAMES = (
    st.one_of(
        st.binary(min_size=1, max_size=12), st.lists(st.sampled_from([b"\\", b"x", b"5", b"c", b"\xff"])).map(b"".join)
    )
    .filter(lambda name: name and b"\0" not in name)
    .map(decoded)
)


def entry(tag: str, state: str = "running", **members: object) -> Object:
    """An entry, as far as metrics need it."""
    return {"tag": tag, "state": state, "restarts": 0, "since_usec": 5 * SECOND, **members}


def group(name: str, *entries: Object, **members: object) -> Object:
    """A group, likewise."""
    return {
        "group": name, "level": "3", "state": "DONE", "health": "well", "since_usec": 7 * SECOND, "pending": [],
        "reasons": [], "transitions": tally_object(Tally()), "entries": [*entries], **members,
    }  # fmt: skip


def instance(*groups: Object, **members: object) -> Object:
    """All that is known of an instance, likewise."""
    return {
        "daemon": {"state": "answers", "version": "0.1.0", "pid": 7},
        "clstat": {"written_usec": 9 * SECOND},
        "table": {"refusal": None, "unread": False},
        "groups": [*groups],
        **members,
    }


def text(found: Object) -> str:
    """What is written."""
    return "".join(f"{line}\n" for line in lines(found, version="0.1.0", now=10 * SECOND + 5))


def samples(written: str) -> dict[str, dict[tuple[str, ...], float]]:
    """What Prometheus' own parser reads: the values by name, and by the labels' values; each series once."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(written):  # type: ignore[no-untyped-call]
        assert family.documentation
        for sample in family.samples:
            assert sample.timestamp is None
            series = found.setdefault(sample.name, {})
            labels = tuple(sample.labels.values())
            assert labels not in series
            series[labels] = sample.value
    return found


def test_a_group_that_is_well() -> None:
    """Each state has a series, and so has each outcome; times are seconds."""
    tally = Tally().with_one(Counted.DONE, 1_500_000).with_one(Counted.FAILED, 2_500_000)
    web = group("web", entry("server", restarts=3), transitions=tally_object(tally.with_one(Counted.REFUSED, 9)))
    found = samples(text(instance(web)))

    assert {("web", state): float(state == "DONE") for state in State} == found["clinit_group_state"]
    assert {("web",): 0.0} == found["clinit_group_degraded"]
    assert {("web", "3"): 1.0} == found["clinit_group_level_info"]
    assert {("web",): 7.0} == found["clinit_group_state_change_timestamp_seconds"]
    transitions = found["clinit_group_transitions_total"]
    assert {"done", "failed", "refused"} == {outcome for (_, outcome), count in transitions.items() if count == 1}
    assert {("web", outcome) for outcome in Counted} == transitions.keys()
    assert {("web",): 2.5} == found["clinit_group_last_transition_duration_seconds"]
    assert {("web", "server"): 3.0} == found["clinit_entry_restarts_total"]
    assert {("web", "server"): 0.0} == found["clinit_entry_backing_off"] == found["clinit_entry_failed"]
    assert {(): 10.000005} == found["clinit_metrics_timestamp_seconds"]
    assert {(): 9.0} == found["clinit_clstat_timestamp_seconds"]
    assert found["clinit_up"] == found["clinit_table_valid"] == {(): 1.0}
    assert {("0.1.0", "0.1.0"): 1.0} == found["clinit_build_info"]


def test_a_group_at_rest_does_not_vanish() -> None:
    """It has its states, its counters and its entries, and no level."""
    found = samples(text(instance(group("web", entry("x"), level=None, state="CONFIGURED", since_usec=None))))

    assert 1.0 == found["clinit_group_state"]["web", "CONFIGURED"]
    assert ("web", "x") in found["clinit_entry_restarts_total"]
    assert ("web",) in found["clinit_group_pending_changes"]
    assert "clinit_group_level_info" not in found
    assert "clinit_group_state_change_timestamp_seconds" not in found


def test_a_level_on_trial() -> None:
    """When it ends is told of a group that is on trial, and of no other; an older daemon does not tell."""
    trial = {"level": "3", "back": None, "until_usec": 12 * SECOND}
    found = samples(text(instance(group("web", trial=trial), group("db", trial=None), group("old"))))

    assert {("web",): 12.0} == found["clinit_group_trial_end_timestamp_seconds"]


def test_what_is_wrong() -> None:
    """A failure counts for its entry only; a pause is none; the table and what it changes are told."""
    reasons = [
        {"failure": True, "tag": "a"},
        {"failure": False, "tag": "b"},
        {"failure": True, "tag": None},
    ]
    web = group("web", entry("a", "failed"), entry("b", "backing-off"), entry("c"), reasons=reasons, pending=["a", "z"])
    found = samples(text(instance(web, table={"refusal": "line 1: no mode", "unread": True})))

    assert {("web", "a"): 1.0, ("web", "b"): 0.0, ("web", "c"): 0.0} == found["clinit_entry_failed"]
    assert {("web", "a"): 0.0, ("web", "b"): 1.0, ("web", "c"): 0.0} == found["clinit_entry_backing_off"]
    assert {("web",): 2.0} == found["clinit_group_pending_changes"]
    assert {(): 0.0} == found["clinit_table_valid"]
    assert {(): 1.0} == found["clinit_table_unread"]


def test_without_a_daemon() -> None:
    """What only the daemon knows has no series; nothing is made up."""
    gone: Object = {"state": "gone", "version": None, "pid": None}
    web = group("web", entry("x", since_usec=None), transitions=None)
    found = samples(text(instance(web, daemon=gone, clstat={"written_usec": None})))

    assert {(): 0.0} == found["clinit_up"]
    assert {"clinit_clstat_timestamp_seconds", "clinit_group_transitions_total"}.isdisjoint(found)
    assert 1.0 == found["clinit_group_state"]["web", "DONE"]


@given(st.lists(NAMES, unique=True, max_size=4), NAMES)
def test_any_names(names: list[str], level: str) -> None:
    """Names of any bytes are valid UTF-8 on their line, and each its own series; the order stays."""
    written = text(instance(*(group(name, *(entry(tag) for tag in names), level=level) for name in names)))
    written.encode()
    found = samples(written)

    assert [(label(name),) for name in names] == [*found.get("clinit_group_pending_changes", {})]
    tags = [(label(name), label(tag)) for name in names for tag in names]
    assert tags == [*found.get("clinit_entry_restarts_total", {})]


@given(NAMES, NAMES)
def test_a_label_is_of_one_name(one: str, other: str) -> None:
    """No two names have the same label."""
    assert (one == other) == (label(one) == label(other))


def test_labels() -> None:
    """Text stays as it is, as far as it can."""
    assert label(decoded(b"caf\xe9")) == r"caf\xe9"
    assert label(r"caf\xe9") == r"caf\x5cxe9"
    assert label('计 "a\\b" é') == '计 "a\\b" é'
    assert label("a\nb\x7f") == r"a\x0ab\x7f"


def test_promtool_is_content() -> None:
    """Names, types and HELP are as Prometheus wants them, and so are names of groups that are hard to write."""
    hard = group('a "\\\n计\udce9', entry("x"), transitions=tally_object(Tally().with_one(Counted.DONE, SECOND)))
    promtool("check", "metrics", text=text(instance(group("web", entry("x")), hard)))
