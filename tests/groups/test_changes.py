"""What may not run on when a group gets new lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cltab2systemd.groups.changes import Seen, effects, tags_moved_here, tags_to_stop
from cltab2systemd.groups.reasons import Remedy
from cltab2systemd.table.grammar import parse

if TYPE_CHECKING:
    from cltab2systemd.table.model import Entry


def entries(text: str) -> tuple[Entry, ...]:
    """The entries of a table."""
    return parse(text.encode(), "cltab")[0].entries


OLD = "g:a:12:respawn:x\ng:b:1:wait:y\ng:c:2:once:z\n"


@pytest.mark.parametrize(
    ("new", "level", "stopped"),
    [
        (OLD, "1", {"c"}),
        (OLD, "2", {"b"}),
        (OLD, "9", {"a", "b", "c"}),
        (OLD.replace("respawn:x", "respawn:xx"), "1", {"a", "c"}),
        (OLD.replace("a:12:respawn", "a:12:once"), "1", {"a", "c"}),
        (OLD.replace("a:12:respawn", "a:12:off"), "1", {"a", "c"}),
        (OLD.replace("a:12:", "a:1:"), "1", {"c"}),
        (OLD.replace("a:12:", "a:2:"), "1", {"a", "c"}),
        (OLD.replace("g:b:1:wait:y\n", ""), "1", {"b", "c"}),
        (OLD + "g:d:1:once:new\n", "1", {"c"}),
        ("g:c:1:once:z\n" + OLD.replace("g:c:2:once:z\n", ""), "1", set()),
        ("", "1", {"a", "b", "c"}),
    ],
)
def test_tags_to_stop(new: str, level: str, stopped: set[str]) -> None:
    """What changed, was deleted or is outside of the level; neither new levels nor a new place in the file."""
    assert stopped == tags_to_stop(entries(OLD), entries(new), level)


READY = "g:a:12:respawn:x\n:::ready.a:tcp:1\ng:b:1:wait:y\n"


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (READY, "a leave, a:ready leave, b leave"),
        (READY.replace("respawn:x", "respawn:xx"), "a restart, a:ready restart, b leave"),
        (READY + ":::service.a:Nice=1\n", "a restart, a:ready restart, b leave"),
        (READY.replace("a:12:", "a:1:"), "a leave, a:ready leave, b leave"),
        (READY.replace("tcp:1", "tcp:2"), "a leave, a:ready restart, b leave"),
        (READY.replace("a:12:", "a:2:"), "a stop, a:ready stop, b leave"),
        (READY.replace("respawn:x\n:::ready.a:tcp:1", "respawn:xx"), "a restart, a:ready stop, b leave"),
        (READY.replace("wait:y", "wait:yy"), "a leave, a:ready leave, b restart"),
    ],
)
def test_a_readiness(new: str, expected: str) -> None:
    """It goes with its entry, and is asked again if that is restarted."""
    old, wanted = (parse(text.encode(), "cltab")[0].groups["g"].entries for text in (READY, new))
    found = effects(old, wanted, "1", "1")
    assert expected == ", ".join(f"{tag} {effect}" for tag, effect in found.items())
    assert {tag for tag, effect in found.items() if effect in {"stop", "restart"}} == tags_to_stop(old, wanted, "1")


def test_a_readiness_of_what_is_run_again() -> None:
    """It is asked again as well, but one that has ended by then is just started, or run again itself."""
    lines = parse(READY.encode(), "cltab")[0].groups["g"].entries
    active = frozenset(entry.tag for entry in lines)

    def found(**remedies: Remedy) -> str:
        seen = Seen(active, {tag.replace("_", ":"): remedy for tag, remedy in remedies.items()})
        return str(effects(lines, lines, "1", "1", seen)["a:ready"])

    assert found(a=Remedy.RERUN) == "restart"
    assert found(b=Remedy.RERUN) == "leave"
    assert found(a=Remedy.RERUN, a_ready=Remedy.RERUN) == "rerun"
    assert found(a=Remedy.RERUN, a_ready=Remedy.START) == "start"


def test_tags_moved_here() -> None:
    """A tag that another group's units have, and this group's lines too, has moved."""
    assert {"b"} == tags_moved_here(entries("h:b:1:wait:y\nh:q:1:wait:y\n"), entries(OLD))
    assert set() == tags_moved_here(entries("h:q:1:wait:y\n"), entries(OLD))


@pytest.mark.parametrize(
    ("new", "present", "level", "expected"),
    [
        (OLD, None, "1", "a start, b start, c none"),
        (OLD, "1", "1", "a leave, b leave, c none"),
        (OLD, "1", "2", "a leave, b stop, c start"),
        (OLD, "2", "9", "a stop, b none, c stop"),
        (OLD, "9", "9", "a none, b none, c none"),
        (OLD.replace("respawn:x", "respawn:xx"), "1", "1", "a restart, b leave, c none"),
        (OLD.replace("respawn:x", "respawn:xx"), "1", "9", "a stop, b stop, c none"),
        (OLD.replace("respawn:x", "respawn:xx"), "9", "1", "a start, b start, c none"),
        (OLD.replace("respawn:x", "off:x"), "1", "2", "a stop, b stop, c start"),
        (OLD.replace("b:1:", "b:2:"), "1", "1", "a leave, b stop, c none"),
        (OLD.replace("c:2:", "c:1:"), "1", "1", "a leave, b leave, c start"),
        (OLD + ":::service.b:Nice=5\n", "1", "1", "a leave, b restart, c none"),
        (OLD + "g:d:1:wait:x\ng:e:2:wait:x\n", "1", "1", "a leave, b leave, c none, d start, e none"),
        ("", "1", "1", "a stop, b stop, c none"),
    ],
)
def test_effects(new: str, present: str | None, level: str, expected: str) -> None:
    """What a request does to each entry, whether it brings another level, other lines, or both."""
    found = effects(entries(OLD), entries(new), present, level)
    assert expected == ", ".join(f"{tag} {effect}" for tag, effect in found.items())
