"""A rehearsal from its beginning to its end: what is rehearsed, with which stand-ins, and what comes of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cltab2systemd.node.cgroups import controllers
from cltab2systemd.node.mounts import mounted
from cltab2systemd.rehearsal import comparison, hints, report, seen
from cltab2systemd.rehearsal.notrun import not_run
from cltab2systemd.rehearsal.performance import IDLE, Performance, PerformanceError
from cltab2systemd.rehearsal.report import MoveSeen, Report
from cltab2systemd.rehearsal.rounds import Program, Rehearsed, Side, Wish, program
from cltab2systemd.rehearsal.standin import Choice, StandIns, stand_ins
from cltab2systemd.rehearsal.unkept import unkept
from cltab2systemd.table.model import ResourceGroup, levels_meant
from cltab2systemd.terminal import shortened
from cltab2systemd.units.names import Names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cltab2systemd.node.spec import Limits
    from cltab2systemd.rehearsal.rounds import Round
    from cltab2systemd.rehearsal.seen import Glimpse, Scene
    from cltab2systemd.table.model import Table

# Seconds that a move may take, if there are as many left: a stop of three stages, and a start that waits for a while.
_LONGEST_MOVE = 120.0
# Seconds for which programs that run for real are watched once they are started: six of them that end at once, and an
# nginx, which tries for 2.5 s to have a port that is taken.
_LINGER = 3.5
_OWN_MOUNTS = ("/proc", "/sys", "/dev", "/run", "/tmp")  # noqa: S108 - of every machine


@dataclass(frozen=True, slots=True)
class Wishes:
    """What whoever asks for a rehearsal wants.

    Attributes:
        groups: those that are to be rehearsed; none for those that differ.
        with_same: whether groups are, too, that do not differ.
        pairs: which pairs of levels.
        choice: which commands run for real, and which fail.
        binds: directories of the machine that are shown.
        limits: what all of it may use; None for no limit.
        seconds: in which it has to be over.
    """

    groups: tuple[str, ...] = ()
    with_same: bool = False
    pairs: Wish = field(default_factory=Wish)
    choice: Choice = field(default_factory=Choice)
    binds: tuple[Path, ...] = ()
    limits: Limits | None = None
    seconds: float = 600.0


def planned(
    old: Mapping[str, ResourceGroup], new: Mapping[str, ResourceGroup], levels: Mapping[str, str], wishes: Wishes
) -> Program:
    """What is rehearsed.

    Args:
        old: the groups as they are.
        new: the groups of the new table.
        levels: the levels that groups are at on this machine.
        wishes: what is wanted.
    """

    def is_wanted(name: str, before: ResourceGroup, after: ResourceGroup) -> bool:
        return name in wishes.groups if wishes.groups else wishes.with_same or before != after

    pairs = {name: (old.get(name, ResourceGroup(name)), new.get(name, ResourceGroup(name))) for name in {**new, **old}}
    rehearsed = [Rehearsed(before, after) for name, (before, after) in pairs.items() if is_wanted(name, before, after)]
    names = {group.name for group in rehearsed}
    others = {
        name: (after, _level(after, levels.get(name)))
        for name, (before, after) in pairs.items()
        if name not in names and before == after
    }
    return program(rehearsed, others, wishes.pairs)


def _level(group: ResourceGroup, present: str | None) -> str:
    """Where a group stands by: at its level on this machine, or where it would be at boot, or at its first one."""
    return present or group.boot_level or levels_meant(group.entries)[0]


class Rehearsal:
    """Performs a program.

    Args:
        plan: the program.
        old: the text of the old table.
        new: the new table, and its text.
        old_groups: the groups of the old one.
        wishes: what is wanted.
    """

    def __init__(
        self, plan: Program, old: str, new: tuple[Table, str], old_groups: Mapping[str, ResourceGroup], wishes: Wishes
    ) -> None:
        table, text = new
        self._program = plan
        self._wishes = wishes
        standing_by = "".join(f"{line}\n" for group in plan.lines_of_others.values() for line in group.lines)
        self._tables = {Side.OLD: old, Side.NEW: text, Side.CLEAR: standing_by + IDLE}
        self._stand_ins = {
            side: stand_ins(Names(), groups.values(), wishes.choice, side)
            for side, groups in ((Side.OLD, old_groups), (Side.NEW, table.groups))
        }
        self._stand_ins[Side.CLEAR] = StandIns()
        self._entries = [e for side in (table.groups, old_groups) for group in side.values() for e in group.entries]
        self._groups = {**{n: Rehearsed(g, g) for n, g in plan.lines_of_others.items()}, **plan.groups}
        self._tags = {
            name: {entry.tag for side in (group.old, group.new) for entry in side.entries}
            for name, group in self._groups.items()
        }

    def perform(self, on_round: Callable[[int, int, Round], object] = lambda number, count, each: None) -> Report:  # noqa: ARG005
        """Perform it. NodeError, PerformanceError if it cannot begin.

        Args:
            on_round: called before each round with its number, how many there are, and the round.
        """
        began = time.monotonic()
        found = Report(self._program)
        wishes, rounds = self._wishes, self._program.rounds
        before: dict[str, dict[str, Glimpse]] = {}
        tables = {str(side): text for side, text in self._tables.items()}
        stand_ins_of = {str(side): each for side, each in self._stand_ins.items()}
        with Performance(
            tables, stand_ins_of, binds=wishes.binds, limits=wishes.limits, seconds=wishes.seconds
        ) as performance:
            try:
                for number, each in enumerate(rounds, 1):
                    on_round(number, len(rounds), each)
                    left = wishes.seconds - (time.monotonic() - began)
                    seconds = max(1.0, min(_LONGEST_MOVE, left))
                    scene = seen.of_groups(performance.perform(each, seconds, self._linger(each)), self._tags)
                    self._judge(found, each, scene, before)
                    before = scene.entries
            except TimeoutError:
                found.ended = f"the time was up after {wishes.seconds:g} s (--timeout)"
            except PerformanceError as error:
                found.ended = str(error)
        found.usec = round((time.monotonic() - began) * 1e6)
        mounts = [str(path) for path in _other_mounts(wishes.binds)]
        found.unseen = self._unseen(mounts)
        found.moves[:] = [self._with_hints(seen, mounts) for seen in found.moves]
        return found

    def _linger(self, each: Round) -> float:
        """For how long programs are to be watched that a round starts."""
        entries = (
            entry
            for move in each.moves
            for entry in self._groups[move.group].lines(move.target.side).entries
            if move.target.level in entry.levels
        )
        choice = self._wishes.choice
        return _LINGER if any(choice.is_real(entry) and entry.mode.may_run_on for entry in entries) else 0.0

    def _judge(self, found: Report, each: Round, scene: Scene, before: Mapping[str, Mapping[str, Glimpse]]) -> None:
        """Compare what was foretold of a round with what was seen."""
        outcomes = {outcome.group: outcome for outcome in scene.outcomes}
        if {*outcomes} != {move.group for move in each.moves}:
            raise PerformanceError("the process that performs the rehearsal tells of other moves than those asked for")
        for move in [] if each.is_prelude else each.moves:
            outcome, was, now = outcomes[move.group], before.get(move.group, {}), scene.entries.get(move.group, {})
            explanation = comparison.foretell(move, self._groups[move.group], outcome.seen)
            findings = comparison.findings(explanation, outcome, was, now, self._wishes.choice)
            entries = comparison.entries_seen(explanation, was, now)
            found.moves.append(MoveSeen(move, outcome.state, outcome.usec, tuple(entries), tuple(findings)))
        moved = {move.group for move in each.moves}
        for group, was in before.items():
            if group not in moved:
                told = {(finding.group, finding.text) for finding, _ in found.others}
                for finding in comparison.touched(group, was, scene.entries.get(group, {})):
                    if (finding.group, finding.text) not in told:
                        found.others.append((finding, each.moves))

    def _with_hints(self, seen: MoveSeen, mounts: Sequence[str]) -> MoveSeen:
        """A move with what can be done about its faults in a rehearsal."""
        target = seen.move.target
        lines = self._groups[seen.move.group].lines(target.side).entries
        entries = [entry for entry in lines if target.level in entry.levels]
        told = (hints.of_stand_ins(finding, entries, self._wishes.choice) for finding in seen.findings)
        return replace(seen, findings=tuple(hints.of_mounts(finding, mounts) for finding in told))

    def _unseen(self, mounts: Sequence[str]) -> list[str]:
        """What this rehearsal could not see."""
        by_name = not_run(self._program, self._entries, self._wishes.choice, names_groups=bool(self._wishes.groups))
        told = [*by_name, *report.NOT_SEEN]
        if not self._wishes.choice.all_real:
            told.append(report.OF_STAND_INS)
        if mounts:
            told.append(f"{', '.join(mounts)}: other file systems of the machine (--bind-ro shows one)")
        of_entries = {tag: why for each in self._stand_ins.values() for tag, why in each.unseen.items()}
        told += [f"{shortened(tag)}: {why}" for tag, why in of_entries.items()]
        lines = (lines for group in self._program.groups.values() for lines in (group.old, group.new))
        return [*told, *unkept(lines, controllers())]


def _other_mounts(shown: Iterable[Path]) -> list[Path]:
    """Where the machine has other file systems that the node does not see."""
    paths = dict.fromkeys(mount.point for mount in mounted())
    hidden = (*map(Path, _OWN_MOUNTS), *shown)
    return [path for path in paths if path != Path("/") and not any(map(path.is_relative_to, hidden))]
