"""The pictures and tables of docs/lifecycle.md, from `cltab2systemd.groups.lifecycle`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.groups.lifecycle import HALT_ROWS, ROWS, SHOWN, Mark, Phase, Serving, Tells

if TYPE_CHECKING:
    from collections.abc import Iterator


def picture() -> Iterator[str]:
    """The life of a group, as a diagram of states; what leaves a group in its phase is in the table only."""
    yield from ("```mermaid", "stateDiagram-v2", "    direction TB", f"    [*] --> {Phase.RESTING}")
    for (phase, event), row in ROWS.items():
        if phase is not row.phase:
            yield f"    {phase} --> {row.phase}: {event}"
    yield from (f"    {Phase.GONE} --> [*]", "```")


def table() -> Iterator[str]:
    """All rows: phase, event, next phase, mark, what clstat shows then, who is told."""
    yield "| phase | event | next phase | mark on disk | clstat shows then | told |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for (phase, event), row in ROWS.items():
        cells = (phase, event, row.phase, row.mark or _DASH[Mark], SHOWN[row.phase], row.tells or _DASH[Tells])
        yield f"| {' | '.join(cells)} |"


_DASH = {Mark: "as before", Tells: "nobody"}


def halt_picture() -> Iterator[str]:
    """The halt of all groups, likewise."""
    yield from ("```mermaid", "stateDiagram-v2", "    direction LR", f"    [*] --> {Serving.SERVING}")
    for (phase, event), following in HALT_ROWS.items():
        if phase is not following:
            yield f"    {phase} --> {following}: {event}"
    yield from (f"    {Serving.HALTED} --> [*]", "```")
