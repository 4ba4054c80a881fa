"""The note of a trial: what is written is read again, and what anybody else has written is none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import ANY_NAME

from cltab2systemd.groups.trial import Trial, noted, on_end, on_trial, parsed
from cltab2systemd.table.grammar import parse

LINES = parse(b":::group.web:MemoryMax=1G\n:::stop.web:ordered\nweb:a:3:wait:echo \xff\n:::required.a:yes\n", "cltab")[
    0
]
TRIAL = Trial("4", "3", LINES.group("web"), "3", 5, 0, 77, "clinit --try 5 web 4")


@given(ANY_NAME, st.none() | ANY_NAME, st.none() | st.integers(0, 2**32), st.text())
def test_round_trip(level: str, back: str | None, number: int | None, command: str) -> None:
    """Whatever names, numbers and commands there are, with all settings of the group and bytes that are not UTF-8."""
    trial = Trial(level, back, LINES.group("web"), back, 2**50, number, number, command)

    assert parsed("web", noted(trial), "note") == (trial, ())


WRONG: list[dict[str, object]] = [
    {"level": ""}, {"level": None}, {"back": 3}, {"deadline": -1}, {"deadline": "5"}, {"deadline": True},
    {"deadline": 2**70}, {"uid": "root"}, {"pid": -1}, {"command": None}, {"origin": []},
]  # fmt: skip
HEAD = json.loads(noted(TRIAL).partition("\n")[0])
HEADS = ["", "{", "[]", "3", "null", "{}", '{"level": 3}', "[" * 100_000, *(json.dumps(HEAD | each) for each in WRONG)]


@pytest.mark.parametrize("head", HEADS, ids=range(len(HEADS)))
def test_what_is_no_note(head: str) -> None:
    """It is nobody's trial, and no error."""
    assert parsed("web", f"{head}\nweb:a:3:wait:true\n", "note") == (None, ())


def test_lines_that_another_version_has_noted() -> None:
    """What this one refuses is found, and the trial has the rest."""
    trial, findings = parsed("web", noted(TRIAL) + "web:b:3:nonsense:x\n", "note")

    assert trial == TRIAL
    assert [finding.code for finding in findings] == ["unknown-mode"]


def test_words() -> None:
    """What people are told: where it goes back to, how to keep it, and what ends it."""
    nowhere: Any = Trial("4", None, LINES.group("web"), None, 5)

    assert (TRIAL.to_come, TRIAL.done) == ("goes back to level 3", "went back to level 3")
    assert (nowhere.to_come, nowhere.done) == ("is stopped again", "was stopped again")
    assert on_trial("a b", TRIAL, "12:00:00", is_alone=False) == [
        "on trial until 12:00:00, then it goes back to level 3; 'clinit --keep 'a b'' has it stay"
    ]
    assert len(on_trial("web", TRIAL, "12:00:00", is_alone=True)) == 2
    assert on_end("web", TRIAL, "4") == "level 4 of web was on trial: by this it stays"
    assert on_end("web", TRIAL, "1").startswith("this ends the trial of web at level 4: ")
