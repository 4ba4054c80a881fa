"""The daemon and the agent, driven at random: what is said of a group is true all the while.

`CLTAB_DRIVING_SEEDS=1,2,3 CLTAB_DRIVING_STEPS=100 pytest tests/daemon/test_driving.py` takes others, and more;
`python -m driving` (see its module) drives for as long as one likes, and repeats what it found.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from driving import RULES, Driver, Report
from drivingmodel import Model
from drivingsteps import STEPS, steps_of
from drivingtables import BASE, GROUPS, MARK, Table, table
from drivingtruth import Look, Process
from ocf import agents_of_debian

from lab.node import Node

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEEDS = [int(seed) for seed in os.environ.get("CLTAB_DRIVING_SEEDS", "1283,1488").split(",")]
NUMBER = int(os.environ.get("CLTAB_DRIVING_STEPS", "28"))


@pytest.fixture(scope="module")
def driver(project_layer: Path) -> Iterator[Driver]:
    """A node, and the shipped daemon in it."""
    with Node("driving", layers=[project_layer, agents_of_debian()]) as node:
        driver = Driver(node)
        driver.shipped.start()
        yield driver


@pytest.fixture(scope="module")
def reports(driver: Driver) -> list[Report]:
    """What came of each seed."""
    return [driver.run(steps_of(seed, NUMBER), seed) for seed in SEEDS]


def test_nothing_untrue_is_said(reports: list[Report]) -> None:
    """No seed shows anything untrue, and whatever was done, all is well once it was undone."""
    for report in reports:
        assert not report.violations, f"\n{report.short()}"


def test_each_rule_was_checked(reports: list[Report]) -> None:
    """None of the rules held only because there was nothing to check."""
    checked: Counter[str] = sum((report.model.checked for report in reports), Counter())

    assert [] == [rule for rule in RULES if not checked[rule]]


def test_a_lie_is_seen(driver: Driver) -> None:
    """A process that has left its unit is seen: the agent's `stop` and `monitor` are untrue then."""
    steps = [("all_at_once", {"level": "3"}), ("quiet", {}), ("agent_stop", {"group": "late"}), ("quiet", {})]
    outside = driver.node.popen("sleep", "30", env={MARK: "late/la/0"})
    try:
        report = driver.run(steps, finish=False)
    finally:
        driver.node.run("sh", "-c", "kill $(pgrep -fx 'sleep 30')", check=False)
        outside.wait()

    seen = {violation.rule for violation in report.violations if violation.group == "late"}
    assert {"a stop is a stop", "not 7 of what lives", "clstat agrees: outside"} <= seen


def test_an_outage_is_seen() -> None:
    """An entry that has to run, and does not, is seen; not one that pauses, or that a table of now lacks."""
    model = Model()
    runs = Look(0.0, frozenset({Process("web", "wb", 0, 7)}), frozenset({("web", "wc")}), 1)
    nothing = Look(0.0, frozenset(), frozenset(), 1)

    assert [] == model.missing("web", "3", [nothing, runs])
    assert ["wb", "wc"] == model.missing("web", "3", [nothing])
    model.push(Table(tuple(line for line in BASE.lines if line.tag != "wb")))
    assert ["wc"] == model.missing("web", "3", [nothing])


def test_strangers_are_seen() -> None:
    """A process of another level or of an older line is seen; not one that somebody started by hand since."""
    model = Model()
    look = Look(0.0, frozenset({Process("web", "wd", 0, 7), Process("web", "wb", 9, 8)}), frozenset(), 1)

    assert ["wb (version 9, pid 8)", "wd (version 0, pid 7)"] == model.strangers("web", "3", [look])
    assert ["wb (version 9, pid 8)"] == model.strangers("web", "m", [look])
    model.start_by_hand("web", "wd")
    assert ["wb (version 9, pid 8)"] == model.strangers("web", "3", [look])
    model.reach(model.begin("web", "3"))
    assert ["wb (version 9, pid 8)", "wd (version 0, pid 7)"] == model.strangers("web", "3", [look])


def test_a_run_can_be_repeated() -> None:
    """A seed gives the same steps each time, each kind is among those of some seed, and they survive being written."""
    steps = [step for seed in range(20) for step in steps_of(seed, 60)]

    assert steps == [(name, arguments) for name, arguments in json.loads(json.dumps(steps))]
    assert steps == [step for seed in range(20) for step in steps_of(seed, 60)]
    assert set(STEPS) == {name for name, _ in steps}


def test_tables_differ() -> None:
    """Each number has its table; none is empty, and tags are unique."""
    tables = [table(number) for number in range(300)]

    assert BASE == tables[0]
    assert len(set(map(str, tables))) > 200
    for made in tables:
        tags = [line.tag for line in made.lines]
        assert len(tags) == len(set(tags)) > 0
        assert {line.group for line in made.lines} <= set(GROUPS)
