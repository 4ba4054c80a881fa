"""The commands that move a group, as hints have them: with its name and its levels, to be copied."""

from __future__ import annotations

import pytest

from cltab2systemd.groups.entrycommands import move_command
from cltab2systemd.table.grammar import parse
from cltab2systemd.table.model import Levels, levels_meant


@pytest.mark.parametrize(
    ("levels", "told"),
    [
        (["3"], "'clinit web 3'"),
        (["3", "5", "m"], "'clinit web 3' (or 5, m)"),
        ([*"1234567"], "'clinit web 1' (or 2, 3, 4, 5, 6, …)"),
        (["a b", "\x1b"], "'clinit web 'a b'' (or '\\x1b')"),
        ([], "'clinit web LEVEL'"),
    ],
)
def test_what_moves_a_group(levels: list[str], told: str) -> None:
    """One level is in the command, and a few others beside it."""
    assert move_command("web", levels) == told


@pytest.mark.parametrize(
    ("field", "meant"),
    [
        ("3", ["3"]), ("35", ["3", "5"]), ("3m", ["3", "m"]), ("prod", ["prod"]), ("prod,", ["prod"]),
        ("prod,maint", ["prod", "maint"]), (",", [","]), ("333", ["3"]),
    ],
)  # fmt: skip
def test_levels_that_people_mean(field: str, meant: list[str]) -> None:
    """Not all that a field names: nobody asks for the level `r` of `prod`."""
    assert [*Levels(field).meant] == meant
    assert set(meant) <= set(Levels(field).names)


def test_levels_of_a_group() -> None:
    """Those with an entry that is started come alone, if there are any."""
    lines = b"web:a:35:wait:x\nweb:b:m,3:respawn:x\nweb:c:off:off:x\n"
    entries = parse(lines, "cltab")[0].entries

    assert [*levels_meant(entries)] == ["3", "5", "m"]
    assert [*levels_meant(entries[2:])] == ["off"]
