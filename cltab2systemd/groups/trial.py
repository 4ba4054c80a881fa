"""A level on trial: where a group goes back to unless somebody confirms it in time; and the note of that on disk. Pure.

The note holds the lines that the group had as well: the request may have brought new ones, and the way back is back to
the old ones, too.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.table.grammar import parse
from cltab2systemd.terminal import printable, shortened
from cltab2systemd.text import encoded

if TYPE_CHECKING:
    from cltab2systemd.table.diagnostics import Diagnostic
    from cltab2systemd.table.model import ResourceGroup

_MOST = 2**63


@dataclass(frozen=True, slots=True)
class Trial:
    """A level on trial.

    Attributes:
        level: the level.
        back: the level that the group goes back to; None if it was at none, and is stopped again.
        lines: the lines that it had then.
        origin: the level that it was at when the trial was asked for; another one than `back` if that was on trial too.
        deadline: when it goes back, CLOCK_MONOTONIC in µs.
        uid: of who has asked for it; None if that is not known.
        pid: likewise.
        command: the command line of that process; empty if it is not known.
    """

    level: str
    back: str | None
    lines: ResourceGroup
    origin: str | None
    deadline: int
    uid: int | None = None
    pid: int | None = None
    command: str = ""

    @property
    def to_come(self) -> str:
        """What becomes of the group at the end, such as `goes back to level 3`."""
        return "is stopped again" if self.back is None else f"goes back to level {shortened(self.back)}"

    @property
    def done(self) -> str:
        """The same when it is over."""
        return "was stopped again" if self.back is None else f"went back to level {shortened(self.back)}"


def noted(trial: Trial) -> str:
    """A note for the next daemon: a line of JSON, then the lines of the group, as in a table."""
    head = {
        "level": trial.level, "back": trial.back, "origin": trial.origin, "deadline": trial.deadline,
        "uid": trial.uid, "pid": trial.pid, "command": trial.command,
    }  # fmt: skip
    return "".join(f"{line}\n" for line in (json.dumps(head), *trial.lines.lines))


def parsed(group: str, note: str, path: str) -> tuple[Trial | None, tuple[Diagnostic, ...]]:
    """What a note says; None if it is not as it should be. Findings about its lines, which another version has noted.

    Args:
        group: the group that it is of.
        note: the note.
        path: where it was read.
    """
    first, _, lines = note.partition("\n")
    try:
        head = json.loads(first)
        level, back, origin, deadline = (head[name] for name in ("level", "back", "origin", "deadline"))
        uid, pid, command = (head[name] for name in ("uid", "pid", "command"))
    except (ValueError, TypeError, LookupError, RecursionError):
        return None, ()
    levels = (level for level in (back, origin) if level is not None)
    are_texts = all(isinstance(text, str) for text in (level, command, *levels))
    numbers = (deadline, 0 if uid is None else uid, 0 if pid is None else pid)
    if not (are_texts and level and all(type(number) is int and 0 <= number <= _MOST for number in numbers)):
        return None, ()
    table, findings = parse(encoded(lines), path)
    return Trial(level, back, table.group(group), origin, deadline, uid, pid, command), findings


def on_trial(group: str, trial: Trial, until: str, *, is_alone: bool) -> list[str]:
    """What whoever has begun a trial is told.

    Args:
        group: the group.
        trial: its trial.
        until: when it ends, as a person reads it.
        is_alone: whether nothing starts the daemon again, if somebody stops it.
    """
    keep = printable(f"clinit --keep {shlex.quote(group)}")
    notes = [f"on trial until {until}, then it {trial.to_come}; '{keep}' has it stay"]
    if is_alone:
        notes.append("systemd cannot start this daemon: if it does not run then, it goes back as soon as it does")
    return notes


def on_end(group: str, trial: Trial, level: str) -> str:
    """What whoever asks for a level is told, for that ends a trial of the group."""
    if level == trial.level:
        return f"level {shortened(level)} of {shortened(group)} was on trial: by this it stays"
    told = f"this ends the trial of {shortened(group)} at level {shortened(trial.level)}"
    return f"{told}: it does not go back by itself any more"
