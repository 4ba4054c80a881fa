"""What of a unit's settings a reason names, without systemd: what is not sure is not said."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest

from cltab2systemd.groups.endings import why_not_executed, worded
from cltab2systemd.groups.settings import Settings, span
from cltab2systemd.groups.units import Process
from cltab2systemd.table.grammar import parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cltab2systemd.groups.units import Probe

UNIT, SLICE = "clinit-web@a.service", "clinit-web.slice"
EXITED, KILLED = 1, 2
SECOND = 1_000_000


@dataclass
class Probed:
    """What systemd has of a unit and of its group's slice."""

    values: dict[str, tuple[str, ...]] = field(default_factory=dict)
    limits: dict[tuple[str, str], int] = field(default_factory=dict)
    started: int = 100 * SECOND
    active: int = 0

    def settings(self, unit: str, directive: str) -> tuple[str, ...]:
        assert unit == UNIT
        return self.values.get(directive, ())

    def limit(self, unit: str, directive: str) -> int | None:
        return self.limits.get((unit, directive))

    def started_time(self, unit: str) -> int:  # noqa: ARG002
        return self.started

    def active_time(self, unit: str) -> int:  # noqa: ARG002
        return self.active


def settings(line: str, probed: Probed, *directives: str) -> Settings:
    """The settings of the one entry of a table."""
    text = "".join(f":::service.a:{directive}\n" for directive in directives) + f"web:a:3:{line}\n"
    [entry] = parse(text.encode(), "cltab")[0].groups["web"].entries
    return Settings(cast("Probe", probed), UNIT, SLICE, entry)


def told(status: int, values: Mapping[str, tuple[str, ...]], line: str = "respawn:x", *directives: str) -> str:
    """What is said of a command that systemd could not execute, by the exit status of its child."""
    process = Process(7, EXITED, status, "exit-code")
    said = why_not_executed(process, settings(line, Probed({**values}), *directives))
    return said.removeprefix("could not be started: ")


@pytest.mark.parametrize(
    ("expected", "status", "values"),
    [
        ("217/USER: User=nosuch", 217, {"User": ("nosuch",)}),
        ("217/USER: User=", 217, {}),
        ("216/GROUP: Group=a, SupplementaryGroups=b, SupplementaryGroups=c", 216,
         {"Group": ("a",), "SupplementaryGroups": ("b", "c")}),
        ("226/NAMESPACE: ReadWritePaths=/a", 226, {"ReadWritePaths": ("/a",)}),
        ("226/NAMESPACE: a path of ReadOnlyPaths=/a, BindPaths=/b:/c", 226,
         {"ReadOnlyPaths": ("/a",), "BindPaths": ("/b:/c",)}),
        ("226/NAMESPACE: a path of ExecPaths=/1, ExecPaths=/2, ExecPaths=/3, ExecPaths=/4, …", 226,
         {"ExecPaths": ("/1", "/2", "/3", "/4", "/5")}),
        ("226/NAMESPACE: a path that a directive names", 226, {}),
        ("201/NICE", 201, {"Nice": ("5",)}),
        (r"200/CHDIR: WorkingDirectory=/a\x1b", 200, {"WorkingDirectory": ("/a\x1b",)}),
    ],
)  # fmt: skip
def test_what_could_not_be_executed(expected: str, status: int, values: dict[str, tuple[str, ...]]) -> None:
    """What systemd has is named; the directive alone, if there is nothing; no more than four values."""
    assert expected == told(status, values)


def test_the_program() -> None:
    """That of the table, unless a drop-in has another in its place."""
    ours = ("/bin/sh", "/bin/sh", "-c", "…", "a", "nginx", "-t")
    assert "203/EXEC: the program nginx" == told(203, {"ExecStart": ours}, "respawn:nginx -t")
    assert "203/EXEC: the program /bin/sh" == told(203, {"ExecStart": ours}, "respawn:nginx -t; x")
    assert "203/EXEC: the program /other" == told(203, {"ExecStart": ("/other", "/other")}, "respawn:nginx -t")
    assert "203/EXEC: the program" == told(203, {}, "respawn:nginx -t")


def test_the_file_of_an_output() -> None:
    """Systemd has only its kind. That of the table is named, unless a drop-in may have another."""
    table = ("respawn:x", "StandardOutput=append:/old", "StandardOutput=append:/srv/log")
    assert "209/STDOUT: StandardOutput=append:/srv/log" == told(209, {"StandardOutput": ("append",)}, *table)
    assert "209/STDOUT: StandardOutput=file" == told(209, {"StandardOutput": ("file",)}, *table)
    drop_in = {"DropInPaths": ("/etc/x.conf",), "StandardOutput": ("append",)}
    assert "209/STDOUT: StandardOutput=append" == told(209, drop_in, *table)


def test_no_resources() -> None:
    """A file that has to be there is named, and how many tasks the group may have."""
    process, probed = Process(0, 0, 0, "resources"), Probed(limits={(SLICE, "TasksMax"): 6})
    said = why_not_executed(process, settings("once:x", probed))
    assert said.endswith("for want of a file that a directive names, or of memory or tasks (TasksMax=6 of its group)")
    said = why_not_executed(process, settings("once:x", Probed({"EnvironmentFile": ("/etc/x.env",)})))
    assert said.endswith("for want of EnvironmentFile=/etc/x.env, or of memory or tasks")


@pytest.mark.parametrize(
    ("expected", "mode", "took", "was_active"),
    [
        ("did not start within 1 min 30 s (TimeoutStartSec=)", "respawn", 91, False),
        ("did not end within 1 min 30 s (TimeoutStartSec=)", "wait", 90, False),
        ("", "wait", 5, False),  # somebody has given it more time since
        ("ran for longer than 2 h 5 min (RuntimeMaxSec=)", "once", 7501, True),
        ("", "once", 5, True),  # it was its stop that took too long
    ],
)
def test_time_limits(expected: str, mode: str, took: int, was_active: bool) -> None:
    """One is named only if the process ran as long."""
    limits = {(UNIT, "TimeoutStartSec"): 90 * SECOND, (UNIT, "RuntimeMaxSec"): 7500 * SECOND}
    probed = Probed(limits=limits, active=100 * SECOND + 5 if was_active else 50 * SECOND)
    process = Process(7, KILLED, 15, "timeout", (100 + took) * SECOND)
    found = settings(f"{mode}:x", probed)
    assert expected == found.time_limit(process)
    why = f"for it {expected}" if expected else "for a time limit was over"
    assert f"was killed by SIGTERM, {why}" == worded(process, found)


def test_the_limit_of_a_run_before() -> None:
    """The unit's times are of the run that came after it. So its own beginning counts."""
    limits = {(UNIT, "RuntimeMaxSec"): 3 * SECOND}
    probed = Probed(limits=limits, started=200 * SECOND, active=200 * SECOND + 5)
    found = settings("respawn:x", probed)
    expected = {0: "", 102: "", 100: "ran for longer than 3 s (RuntimeMaxSec=)"}
    for began, told in expected.items():
        assert told == found.time_limit(Process(7, KILLED, 2, "timeout", 103 * SECOND, began * SECOND))


def test_memory_and_watchdog() -> None:
    """How much memory the entry and its group may have, and how long it may be silent."""
    limits = {(UNIT, "MemoryMax"): 16 << 20, (SLICE, "MemoryMax"): 3 << 30, (UNIT, "WatchdogSec"): SECOND // 2}
    found = settings("respawn:x", Probed(limits=limits))
    said = worded(Process(7, KILLED, 9, "oom-kill"), found)
    assert said == "was killed by SIGKILL, for there was no memory left (MemoryMax=16M, MemoryMax=3G of its group)"
    said = worded(Process(7, KILLED, 6, "watchdog"), found)
    assert said == "was killed by SIGABRT, for it gave no sign of life for 0.5 s (WatchdogSec=)"
    assert worded(Process(7, KILLED, 9, "oom-kill"), settings("respawn:x", Probed())).endswith("no memory left")


def test_conditions() -> None:
    """One that is known is named. That by which the daemon keeps a unit from being run again is none of the user's."""
    held = f"ConditionPathExists=!/run/cltab2systemd/system/held/{UNIT}"
    for expected, conditions in (
        ("ConditionPathExists=/srv", ("ConditionPathExists=/srv",)),
        ("ConditionPathExists=/srv", (held, "ConditionPathExists=/srv")),
        ("one of ConditionHost=a, ConditionHost=b", (held, "ConditionHost=a", "ConditionHost=b")),
        ("", (held,)),
    ):
        assert expected == settings("once:x", Probed({"Condition": conditions})).condition()


def test_lengths_of_time() -> None:
    """In two units at most."""
    lengths = (0.5, 1, 59, 60, 90, 3600, 5400)
    assert ["0.5 s", "1 s", "59 s", "1 min", "1 min 30 s", "1 h", "1 h 30 min"] == [
        span(int(length * SECOND)) for length in lengths
    ]
