"""The judge of histories: what it lets pass, and what it does not."""

from __future__ import annotations

import pytest

from cltab2systemd.units.names import HALT_LEVEL
from simulation import services, tables
from simulation.caches import warm
from simulation.clock import SECOND
from simulation.tables import Line
from simulation.world import World

UNIT = "clinit-web@wa.service"


def serving(monkeypatch: pytest.MonkeyPatch, kind: str) -> World:
    """A machine whose table has one respawn entry, of a kind, at level 1."""
    lines = (Line("web", "wa", ("1",), kind),)
    monkeypatch.setattr(tables, "table", lambda number: lines)  # noqa: ARG005
    monkeypatch.setattr(tables, "text", lambda number: "".join(map(str, lines)).encode())  # noqa: ARG005
    world = World(1)
    world.settle()
    return world


@pytest.mark.parametrize(("kind", "violations"), [("missing", []), ("steady", ["unasked"])])
def test_only_what_is_in_vain_may_be_stopped_unasked(
    monkeypatch: pytest.MonkeyPatch, kind: str, violations: list[str]
) -> None:
    """The daemon may stop what was tried in vain, also if systemd has forked the next try by then; and nothing else."""
    with warm():
        monkeypatch.setattr(services, "_SET_UPS", (3 * SECOND,))
        world = serving(monkeypatch, kind)
        request = world.ask("switch", "web", "1")
        while not request.is_over:
            world.run(SECOND)
        unit = world.systemd.units[UNIT]
        while unit.sub != "running":
            world.run(10_000)
        world.judge.acted(f"stop {UNIT}")

        assert [rule for rule, _ in world.judge.violations] == violations
        world.close()


def test_what_somebody_starts_in_vain_past_its_level_keeps_no_history_from_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The daemon does not slow that down, so systemd tries it for ever, and mostly it is about to fail."""
    with warm():
        monkeypatch.setattr(services, "_SET_UPS", (3 * SECOND,))
        world = serving(monkeypatch, "vain")
        world.ask("switch", "web", "x")
        world.settle()
        world.judge.hinder("web")
        world.systemd.queue(UNIT, "start", "hand")
        world.systemd.settle()

        assert world.settle()
        assert world.judge.violations == []
        world.close()


@pytest.mark.parametrize(("late", "violations"), [(0, []), (1_000, ["answer"])])
def test_an_answer_may_be_on_its_way_when_a_halt_begins(
    monkeypatch: pytest.MonkeyPatch, late: int, violations: list[str]
) -> None:
    """A level was reached, and just then the group is halted, for it has left the table. The answer is still true."""
    with warm():
        world = serving(monkeypatch, "steady")
        request = world.ask("switch", "web", "1")
        world.settle()
        world.judge.groups["web"].may_halt = True
        world.judge.acted(f"start clinit-web@{HALT_LEVEL}.target")
        world.systemd.queue(UNIT, "stop", "daemon")
        world.systemd.settle()
        world.run(late)
        world.judge.answered(request, "DONE", "")

        assert [rule for rule, _ in world.judge.violations] == violations
        world.close()
