"""Notices: systemd reads of them what was meant, whatever stands in a table."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cltab2systemd.groups.news import Kind, News
from cltab2systemd.groups.reasons import Attempt, Cause, Reason
from cltab2systemd.groups.state import GroupStatus, State
from cltab2systemd.reports.notice import environment, file_text
from cltab2systemd.terminal import printable
from cltab2systemd.text import decoded

if TYPE_CHECKING:
    from lab.node import Node

# What means something to systemd, to a shell, or to whoever shows it; and bytes of all kinds.
_ODD = "\"'\\$`%{}#;=\n\r\t\0\x1b \x7fA\u2028é计\udce9"
VALUES = st.one_of(st.text(_ODD, max_size=20), st.text(max_size=20), st.binary(max_size=20).map(decoded))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(VALUES, min_size=3, max_size=3))
def test_systemd_reads_what_was_meant(node: Node, values: list[str]) -> None:
    """No value ends early, takes in what follows, or becomes another variable."""
    variables = dict(zip(("CLINIT_A", "CLINIT_B", "CLINIT_C"), values, strict=True))
    path = f"/root/{uuid.uuid4().hex}"
    node.write(path, file_text(variables))
    run = ("systemd-run", "--quiet", "--wait", "--pipe", "--collect", f"--property=EnvironmentFile={path}")
    shown = node.run_bytes(*run, "env", "-0").stdout.decode()
    found = dict(line.split("=", 1) for line in shown.split("\0") if line)

    assert {name: found.get(name) for name in variables} == {name: printable(text) for name, text in variables.items()}
    assert {name for name in found if name.startswith("CLINIT")} == variables.keys()
    assert not {"A", "=A", ""} & found.keys()


def test_the_variables() -> None:
    """A failure has all of them; a recovery has those empty that are about a reason."""
    reason = Reason(
        Cause.TEST_FAILED, "clinit-web@config.service", "web: config (test) exited with 1: false", "exited with 1",
        tag="config", mode="test", attempt=Attempt(since=7),
    )  # fmt: skip
    status = GroupStatus("web", "3", State.FAILED, (reason,))
    assert environment(News(Kind.FAILED, status, reason, 5.0), since=1000, node="n1") == {
        "CLINIT_EVENT": "failed",
        "CLINIT_GROUP": "web",
        "CLINIT_LEVEL": "3",
        "CLINIT_STATE": "FAILED",
        "CLINIT_ENTRY": "config",
        "CLINIT_UNIT": "clinit-web@config.service",
        "CLINIT_REASON": "test-failed",
        "CLINIT_TEXT": "web: config (test) exited with 1: false",
        "CLINIT_CURE": "mend it, then 'clinit web 3' runs it again",
        "CLINIT_SINCE": "1000",
        "CLINIT_NODE": "n1",
    }
    well = environment(News(Kind.RECOVERED, GroupStatus("web", "3", State.DONE), None, 5.0), since=1000, node="n1")
    assert well["CLINIT_TEXT"] == "web: level 3 DONE"
    assert {name for name, value in well.items() if not value} == {
        "CLINIT_ENTRY", "CLINIT_UNIT", "CLINIT_REASON", "CLINIT_CURE",
    }  # fmt: skip


def test_a_value_is_bounded() -> None:
    """Nothing in a table makes a file without end."""
    assert len(file_text({"CLINIT_TEXT": "\\" * 100_000})) < 5000
