"""Questions to systemd's manager, as they are sent."""

from __future__ import annotations

from typing import Any

import pytest

from cltab2systemd.systemd.manager import Manager

MOST = 4096


class Asked(Manager):
    """A manager that has one unit, which every list has, and refuses what systemd 262 refuses."""

    def __init__(self) -> None:
        self.globs: list[list[str]] = []

    def _call_with(self, method: bytes, arguments: list[tuple[int, Any]]) -> Any:
        assert method == b"ListUnitsByPatterns"
        globs = [value for kind, value in arguments if kind == ord("s")]
        assert len(globs) <= MOST
        self.globs.append(globs)
        return [(b"-.mount", b"", b"loaded", b"active", b"mounted", b"", b"/", 0, b"", b"/")]

    def _get(self, unit: str, interface: bytes, name: bytes, kind: bytes) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize("number", [0, 1, MOST, MOST + 1, 3 * MOST])
def test_more_globs_than_systemd_takes(number: int) -> None:
    """Systemd 262 takes 4,096 at once. More are several questions, and a unit is in the answer once."""
    wanted = [f"unit{number}*" for number in range(number)]
    manager = Asked()

    assert ["-.mount"] == [unit.name for unit in manager.list_units(wanted)]
    assert wanted == [glob for globs in manager.globs for glob in globs]
    assert max(1, -(-number // MOST)) == len(manager.globs)
