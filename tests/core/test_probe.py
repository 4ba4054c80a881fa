"""What is remembered of units, without systemd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from cltab2systemd.core.probe import UnitProbe
from cltab2systemd.groups.units import UnitStatus
from cltab2systemd.table.grammar import parse

if TYPE_CHECKING:
    from collections.abc import Callable

UNIT = "clinit-web@a.service"
ENTRY = parse(b"web:a:3:respawn:sleep 1000", "cltab")[0].entries[0]


class Asked:
    """A systemd, and a kernel, that say the same of everything, and count."""

    def __init__(self) -> None:
        self.questions = 0

    def __getattr__(self, what: str) -> Callable[..., int]:
        def answer(*_arguments: object) -> int:
            self.questions += 1
            return 4711

        return answer


def test_nothing_is_remembered_of_a_unit_that_is_gone() -> None:
    """Its entry may have left the table for good, and others come and go."""
    asked = cast("Any", Asked())
    probe = UnitProbe(asked, lambda _unit: "", asked)
    runs = UnitStatus(UNIT, "loaded", "active", "running", 0, "")
    probe.saw([runs])
    probe.keeps_ending(UNIT)
    once = asked.questions
    probe.keeps_ending(UNIT)
    assert (once, True) == (asked.questions, probe.follows(UNIT))
    probe.execution(UnitStatus(UNIT, "loaded", "activating", "start", 0, ""), ENTRY)
    assert probe.is_being_executed(UNIT)
    probe.saw([], [UNIT])

    assert not probe.follows(UNIT)
    assert not probe.is_being_executed(UNIT)
    probe.pid(UNIT)
    assert asked.questions == once + 1
