"""Entries that are to fail, or to run for real, and do not run in a rehearsal: nothing is seen of that. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from cltab2systemd.rehearsal.rounds import Program
    from cltab2systemd.rehearsal.standin import Choice
    from cltab2systemd.table.model import Entry


def not_run(plan: Program, entries: Collection[Entry], choice: Choice, *, names_groups: bool) -> Iterator[str]:
    """What is to be told of them, a line for each.

    Args:
        plan: what is rehearsed.
        entries: those of both tables.
        choice: which are to fail, and which are to run for real.
        names_groups: whether it was said which groups are rehearsed.
    """
    for option, tags in (("--fail", choice.failing), ("--real", choice.real)):
        for tag in sorted(tags):
            named = [entry for entry in entries if entry.tag == tag]
            if named and not plan.runs(tag):
                yield f"{option} {shortened(tag)}: {_why(plan, named, names_groups=names_groups)}"


def _why(plan: Program, named: Collection[Entry], *, names_groups: bool) -> str:
    if not any(entry.runnable for entry in named):
        return "that entry is off"
    if any(entry.group in plan.groups for entry in named):
        return "no move leads to a level at which it runs"
    group = next(shortened(entry.group) for entry in named)
    return f"{group} is not rehearsed ({f'--group {group}' if names_groups else '--all'} has it rehearsed, too)"
