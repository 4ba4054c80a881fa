"""`cltab2systemd rehearse`."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from subprocess import CalledProcessError, SubprocessError, TimeoutExpired
from typing import TYPE_CHECKING

import click

from cltab2systemd.commands import doubts, instance, options, printing, tables
from cltab2systemd.commands.roundprogress import RoundProgress
from cltab2systemd.groups.advice import listed
from cltab2systemd.locations import locate
from cltab2systemd.node.errors import NodeError
from cltab2systemd.node.spec import Limits
from cltab2systemd.rehearsal.direction import Rehearsal, Wishes, planned
from cltab2systemd.rehearsal.performance import PerformanceError
from cltab2systemd.rehearsal.report import Report, as_json, as_text
from cltab2systemd.rehearsal.rounds import Wish
from cltab2systemd.rehearsal.standin import Choice
from cltab2systemd.table.declared import meant
from cltab2systemd.table.model import levels_meant
from cltab2systemd.table.spelling import Spellings
from cltab2systemd.terminal import printable, shortened
from cltab2systemd.text import decoded

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from cltab2systemd.table.model import ResourceGroup, Table

FINE, FAULTS, IMPOSSIBLE = 0, 1, 3
_ALL = "all"
# What is said where there is too little memory: by systemd of its /run, by the kernel, and of a node that was killed.
_TOO_LITTLE = ("not enough space", "No space left on device", "Cannot allocate memory", "ended with status -9")
_SIZE = re.compile(r"([0-9]{1,12})([KMGT]?)", re.ASCII)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class _Size(click.ParamType):
    """Bytes, as systemd's directives take them: 512M."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of bytes."""
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(str(value))
        if match is None or not int(match[1]):
            self.fail(f"{value!r} is no size, as 512M or 2G", param, ctx)
        return int(match[1]) * _UNITS[match[2]]


@click.command(name="rehearse")
@click.argument("files", nargs=-1, metavar="[[OLD] FILE]")
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="Only this group. May be repeated.")
@click.option("--all", "with_same", is_flag=True, help="Groups that do not change, too.")
@click.option("--from", "from_level", metavar="LEVEL", help="Moves from this level, and those that lead there.")
@click.option("--to", "to_level", metavar="LEVEL", help="Moves to this level, and those that lead to where they begin.")
@click.option(
    "--real", multiple=True, metavar="TAG", help="Run the command of this entry; all runs every one. May be repeated."
)
@click.option("--fail", multiple=True, metavar="TAG", help="Have this entry fail. May be repeated.")
@click.option(
    "--bind-ro", "binds", multiple=True, metavar="DIR",
    help="Show another file system of the machine, read-only. May be repeated.",
)  # fmt: skip
@click.option("--timeout", metavar="MINUTES", type=click.FloatRange(0.1, 1440), default=10, show_default=True,
              help="For all of it.")  # fmt: skip
@click.option("--memory", metavar="SIZE", type=_Size(), default="2G", show_default=True,
              help="What all of it may use, with what it writes.")  # fmt: skip
@click.option("--tasks", metavar="N", type=click.IntRange(100, 1_000_000), default=4096, show_default=True,
              help="Processes and threads.")  # fmt: skip
@click.option("--unlimited", is_flag=True, help="Without these two limits, where the kernel cannot keep them.")
@options.of_daemon
@options.format_option
def command(
    files: tuple[str, ...], *, groups: tuple[str, ...], with_same: bool, from_level: str | None, to_level: str | None,
    real: tuple[str, ...], fail: tuple[str, ...], binds: tuple[str, ...], timeout: float, memory: int, tasks: int,
    unlimited: bool, cltab: str | None, socket: str | None, format_: str,
) -> None:  # fmt: skip
    """Perform the switches that a table leads to, on a throwaway systemd over this machine's files.

    Each group whose lines differ is taken from each of its levels in the old table to each in the new one, and back,
    all groups side by side. What is done to each entry, and in which order, is compared with what explain and diff
    foretell. With one FILE, or none for the daemon's own table, the old table is what is applied on this machine. Where
    no daemon has applied any, each group is taken from level to level of the one table.

    Small scripts stand in for the commands. Users, limits, sandboxing, directories, files, drop-ins and missing
    programs are real. CLINIT_REHEARSAL=1 is in the environment of all that runs.

    Nothing there reaches the machine: it has users, a network and a systemd of its own, sees the root file system only,
    and what it writes is gone with it. What cannot be seen so is told at the end.

    Exit codes: 0 all as foretold and nothing wrong, 1 not so, or the table has errors, 2 usage, 3 it cannot be done
    here.
    """
    if len(files) > 2:
        raise click.UsageError(f"one table or two, not {len(files)}")
    locations = locate(cltab, socket)
    path = files[-1] if files else locations.table
    new, text = _load(path)
    if len(files) < 2:
        doubts.stop_if_any(locations, new, FAULTS)
    old, old_text, levels = _before(files, instance.Instance(locations), new)
    choice = Choice(frozenset(real), _ALL in real, frozenset(fail))
    limits = None if unlimited else Limits(memory, tasks)
    wishes = Wishes(
        groups, with_same or old is new.groups, Wish(from_level, to_level), choice, tuple(map(_directory, binds)),
        limits, timeout * 60,
    )  # fmt: skip
    _check(wishes, old, new)
    plan = planned(old, new.groups, levels, wishes)
    if not plan.moves:
        why = "there is no such move" if plan.groups else "no group changes"
        hint = "" if wishes.groups or wishes.with_same else " (--all takes every group)"
        printing.complain(f"cltab2systemd: {why}, so there is nothing to rehearse{hint}")
        if format_ == options.Format.JSON:
            printing.say_json(as_json(Report(plan)))
        raise SystemExit(FINE)
    report = _performed(Rehearsal(plan, old_text, (new, text), old, wishes), limits)
    if format_ == options.Format.JSON:
        printing.say_json(as_json(report))
    else:
        printing.say(as_text(report))
    raise SystemExit(FINE if report.is_fine else FAULTS)


def _performed(rehearsal: Rehearsal, limits: Limits | None) -> Report:
    """What a rehearsal comes to. SystemExit with 3 if it cannot begin."""
    progress = RoundProgress()
    try:
        return rehearsal.perform(progress.show)
    except (NodeError, PerformanceError, SubprocessError, OSError) as error:
        progress.end()
        # It may be what a program in the node has written.
        for line in f"cltab2systemd: cannot rehearse here: {_why(error, limits)}".splitlines():
            printing.complain(printable(line))
        raise SystemExit(IMPOSSIBLE) from error
    finally:
        progress.end()


def _why(error: Exception, limits: Limits | None) -> str:
    """What has failed; and what to do about it, if it was for want of memory."""
    text = str(error)
    if isinstance(error, CalledProcessError | TimeoutExpired):
        words = error.cmd if isinstance(error.cmd, str) else shlex.join(map(str, error.cmd))
        said = error.stderr or b""
        lines = (decoded(said) if isinstance(said, bytes) else said).split("\n")
        ending = f"exited with {error.returncode}" if isinstance(error, CalledProcessError) else "took too long"
        text = ": ".join((f"'{words}' {ending}", *[line for line in lines if line.strip()][-1:]))
    is_too_little = limits is not None and any(map(text.__contains__, _TOO_LITTLE))
    return f"--memory is not enough, give more: {text}" if is_too_little else text


def _load(path: str) -> tuple[Table, str]:
    """A table without errors, and its text. SystemExit with 1 as `tables.load`."""
    table, files = tables.load_with_files(path)
    return table, decoded(files.joined)


def _before(
    files: tuple[str, ...], here: instance.Instance, new: Table
) -> tuple[Mapping[str, ResourceGroup], str, dict[str, str]]:
    """The old table: its groups, its text, and the levels that groups are at on this machine."""
    if len(files) == 2:
        table, text = _load(files[0])
        return table.groups, text, {}
    try:
        standings = here.standings()
    except OSError as error:
        printing.complain(f"cltab2systemd: {error.filename}: {os.strerror(error.errno or 0)}")
        raise SystemExit(FAULTS) from error
    if not standings:
        printing.complain("cltab2systemd: no daemon has applied a table here; the new one is the old one, too")
    groups = {name: standing.group for name, standing in standings.items()} or new.groups
    text = "".join(f"{line}\n" for group in groups.values() for line in group.lines)
    levels = {name: standing.level for name, standing in standings.items() if standing.level is not None}
    return groups, text, levels


def _directory(path: str) -> Path:
    if not Path(path).is_dir():
        raise click.BadParameter(f"{shortened(path)} is no directory", param_hint="--bind-ro")
    return Path(path).resolve()


def _check(wishes: Wishes, old: Mapping[str, ResourceGroup], new: Table) -> None:
    """Refuse groups, tags and levels that neither table has."""
    sides = (old, new.groups)
    tags = {entry.tag for side in sides for group in side.values() for entry in group.entries}
    _known(wishes.groups, {**old, **new.groups}, "group", "--group")
    _known((tag for tag in wishes.choice.real if tag != _ALL), tags, "entry", "--real")
    _known(wishes.choice.failing, tags, "entry", "--fail")
    groups = [group for side in sides for name, group in side.items() if not wishes.groups or name in wishes.groups]
    for level, option in ((wishes.pairs.origin, "--from"), (wishes.pairs.target, "--to")):
        if level is not None and not any(level in group.levels for group in groups):
            like = next(filter(None, (meant(group, level) for group in groups)), None)
            there = dict.fromkeys(name for group in groups for name in (*levels_meant(group.entries), *group.declared))
            raise _unknown("level", level, like, option, listed(there, "the"))


def _known(named: Iterable[str], known: Collection[str], what: str, option: str) -> None:
    for name in sorted({*named} - {*known}):
        raise _unknown(what, name, Spellings(known).like(name), option)


def _unknown(what: str, name: str, like: str | None, option: str, there: str = "") -> click.BadParameter:
    hint = "" if like is None else f"; did you mean '{shortened(like)}'?"
    return click.BadParameter(f"no such {what}: {shortened(name)}{there}{hint}", param_hint=option)
