"""What `clinitctl restart` and `clinitctl stop` have in common: which entries are meant, and how it went."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from cltab2systemd.client import outcome, watching
from cltab2systemd.client.calls import ClientError, RefusedError
from cltab2systemd.client.requests import Client
from cltab2systemd.commands.printing import complain
from cltab2systemd.disk.tables import TableUnreadableError
from cltab2systemd.groups.entrycommands import move_command
from cltab2systemd.groups.refusals import Refusal
from cltab2systemd.locations import resource_of
from cltab2systemd.operators.chosen import UnknownNameError, known, tagged
from cltab2systemd.terminal import printable, shortened

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from cltab2systemd.client.requests import Answer
    from cltab2systemd.operators.chosen import Known

RESTART = "restart"
STOP = "stop"
# What the daemon answers about an entry that it does not know.
_UNKNOWN = {Refusal.NO_SUCH_ENTRY, "NoSuchGroup"}

progress_option = click.option(
    "--progress",
    type=click.Choice(watching.FORMS),
    metavar="HOW",
    help=f"How to show progress, on the standard error; else as ${watching.VARIABLE} says.",
)


def act(action: str, names: Sequence[str], cltab: str | None, socket: str | None, progress: str | None) -> int:
    """Have the daemon do something to entries, and print how their groups are then; the exit code.

    Args:
        action: RESTART or STOP.
        names: the tags of the entries, or `GROUP:TAG`.
        cltab: the daemon's table; None for the usual one.
        socket: the daemon's socket, likewise.
        progress: how progress is shown meanwhile, as `watching.FORMS`; None is what the environment says.
    """
    client = Client(cltab, socket)
    try:
        there = known(client.locations)
        entries = tagged(names, there.entries)
    except (UnknownNameError, TableUnreadableError) as error:
        complain(f"clinitctl: {error}")
        return outcome.REFUSED
    tags: dict[str, list[str]] = {}
    for group, tag in entries:
        tags.setdefault(group, []).append(tag)
    codes = []
    for group, of_group in tags.items():
        try:
            codes.append(_tell(client, action, group, of_group, _watched(client, action, group, of_group, progress)))
        except ClientError as error:
            for finding in error.findings if isinstance(error, RefusedError) else ():
                complain(f"clinitctl: {finding}")
            complain(f"clinitctl: {printable(str(error))}")
            for line in error.output if isinstance(error, RefusedError) else ():
                complain(f"  {printable(line)}")
            for hint in _on_new_entries(error, group, of_group, there):
                complain(f"clinitctl: {hint}")
            codes.append(outcome.code_of(error))
        except KeyboardInterrupt:
            complain("clinitctl: interrupted; what has begun goes on (see 'clinitctl status')")
            return outcome.INTERRUPTED
    return next((code for code in codes if code != outcome.FINE), outcome.FINE)


def _on_new_entries(error: ClientError, group: str, tags: Collection[str], there: Known) -> Iterator[str]:
    """What to do about entries that the daemon does not know, for it has not read, or applied, the table with them."""
    if not isinstance(error, RefusedError) or error.code not in _UNKNOWN:
        return
    for entry in there.entries:
        if entry.group == group and entry.tag in tags and (group, entry.tag) in there.new:
            move = move_command(group, entry.levels.meant)
            starts = ", and starts it" if entry.runnable else ""
            yield f"the table on disk has {shortened(entry.tag)}, and is not in force; {move} has it read{starts}"


def _watched(client: Client, action: str, group: str, tags: list[str], progress: str | None) -> Answer:
    return watching.watched(
        lambda news, tick: client.act(group, action, tags, on_progress=news, on_tick=tick),
        progress, "clinitctl", complain,
    )  # fmt: skip


def _tell(client: Client, action: str, group: str, tags: list[str], state: Answer) -> int:
    """Print how a group is after an action; the exit code."""
    if not outcome.say(f"{group} {state.level} {state}", program="clinitctl"):
        return outcome.REFUSED
    # Whoever has stopped an entry knows that it does not run.
    told = frozenset(("down", tag) for tag in tags) if action == STOP else frozenset()
    outcome.note(state, program="clinitctl", but=told)
    if any(reason.get("code") == "outlived" and reason.get("tag") in tags for reason in state.details):
        return outcome.FAILED  # nothing has stopped it, as the reason says
    if action == STOP:
        stopped = " ".join(map(shortened, tags))
        so = f", and {shortened(group)} is FAILED" if state == "FAILED" else ""
        names = printable(" ".join(shlex.quote(f"{group}:{tag}") for tag in tags))
        complain(f"clinitctl: stopped by hand: {stopped}{so}; 'clinitctl restart {names}' starts it again")
        if so:
            _tell_owner(client, group, state.level)
        return outcome.FINE
    return outcome.FAILED if state == "FAILED" else outcome.FINE


def _tell_owner(client: Client, group: str, level: str) -> None:
    """Tell who has made a group FAILED that Pacemaker has what comes of it."""
    if resource := resource_of(client.locations, group):
        from cltab2systemd.client import owner, ownerwords  # noqa: PLC0415 - only of a group that is in a cluster

        for line in owner.remarks(group, level, resource, told=ownerwords.words_of_failure):
            complain(f"clinitctl: {line}")
