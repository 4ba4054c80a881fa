"""`clinit --apply`: what is printed, and what it exits with."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from cltab2systemd.client import outcome, watching
from cltab2systemd.client.calls import ClientError, RefusedError
from cltab2systemd.client.updates import UnfinishedError, has_ended

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from cltab2systemd.client.requests import Client

    Update = dict[str, Any]

# The codes of what takes over from an update, as clinit(8) has them.
_SUPERSEDING = frozenset({"later-request", "halt", "left-table", "trial-over", "by-hand"})
# Which of several codes it exits with, as clinit(8) has it.
_PRECEDENCE = (outcome.TIMED_OUT, outcome.REFUSED, outcome.SUPERSEDED, outcome.FAILED)
_DONE = {"start": "started", "stop": "stopped", "restart": "restarted", "rerun": "run again"}


def apply(client: Client, *, timeout: float | None, is_json: bool, progress: str | None = None) -> int:
    """Have all groups take the lines that the table has for them, and print what that has done; the exit code.

    Args:
        client: of the instance.
        timeout: seconds to wait at most.
        is_json: whether it is printed for a program.
        progress: how progress is shown meanwhile, as `watching.FORMS`; None is what the environment says.
    """
    with outcome.Reported() as reported:
        late: UnfinishedError | None = None
        try:
            updates, notes = watching.watched(
                lambda news, tick: client.apply(timeout, on_progress=news, on_tick=tick),
                progress, "clinit", outcome.complain,
            )  # fmt: skip
        except UnfinishedError as error:
            updates, notes, late = error.updates, error.notes, error
        except ClientError as error:
            if not is_json:
                raise
            return _say_error(error)
        for note in notes:
            outcome.complain(f"clinit: {note}")
        failed = _failed_before(client, updates)
        if is_json:
            _say_json([*_all_as_json(updates, _with_reasons(client, failed), late)])
        else:
            for line in _lines(updates):
                outcome.say(line)
        for text in (*(text for update in updates for text in _troubles(update)), *map(_on_failed, failed)):
            outcome.complain(text)
        reported.code = _code([*updates, *failed])
        if late is not None:
            raise late
    return reported.code


def _failed_before(client: Client, updates: list[Update]) -> list[Update]:
    """Those groups that are FAILED, and not by what was done or is under way; each as if it were updated."""
    told = {update["group"] for update in updates if "error" not in update}
    lines = (line.rsplit(" ", 2) for line in client.status().splitlines() if line.endswith(" FAILED"))
    return [
        {"group": group, "level": level, "changes": [], "status": {"state": state, "reasons": []}}
        for group, level, state in lines
        if group not in told
    ]


def _with_reasons(client: Client, failed: list[Update]) -> list[Update]:
    """The same, with what is wrong with each; without, if the daemon has gone away meanwhile."""
    found: dict[str, Any] = {}
    with suppress(ClientError):
        found = {status["group"]: status["reasons"] for status in client.statuses()} if failed else {}
    return [{**update, "status": {**update["status"], "reasons": found.get(update["group"], [])}} for update in failed]


def _all_as_json(updates: list[Update], failed: list[Update], late: ClientError | None) -> Iterator[dict[str, object]]:
    """What is told for a program of all groups, each once.

    Args:
        updates: what was done, or refused.
        failed: groups that are FAILED without that.
        late: what is said of those that have not ended.
    """
    before = {update["group"]: update for update in failed}
    for update in updates:
        is_open = late is not None and not has_ended(update)
        told = as_json(
            {**update, "status": before.pop(update["group"])["status"]} if update["group"] in before else update
        )
        yield {**told, "error": str(late)} if is_open else told
    yield from map(as_json, before.values())


def _on_failed(update: Update) -> str:
    group, level, state = update["group"], update["level"], update["status"]["state"]
    return f"clinit: {group} {level} {state}, and not by this; 'clinit {group} {level}' tries again what failed"


def _say_error(error: ClientError) -> int:
    """Print for a program what kept all groups from their new lines, and for a person, too; the exit code."""
    _say_json([of_none(error)])
    for text in (*(error.findings if isinstance(error, RefusedError) else ()), f"clinit: {error}"):
        outcome.complain(text)
    outcome.complain_of_table(error)
    return outcome.code_of(error)


def _lines(updates: list[Update]) -> Iterator[str]:
    for update in filter(has_ended, updates):
        group, level = update["group"], update.get("level")
        if level is None:
            yield f"{group} has left the table: {'not ' if 'error' in update else ''}stopped"
        else:
            yield f"{group} {level} {update['status']['state'] if 'status' in update else '-'}"
        width = max((len(change["tag"]) for change in update["changes"]), default=0)
        if "error" not in update:
            for change in update["changes"]:
                yield f"  {change['tag']:{width}}  {_DONE.get(change['effect'], change['effect'])}"


def _troubles(update: Update) -> Iterator[str]:
    if "error" in update:
        yield f"{update['group']}: {update['error']}"
        for line in update.get("output") or ():
            yield f"  {line}"
    for reason in update.get("status", {}).get("reasons", ()):
        yield str(reason["text"])


def _code(updates: Iterable[Update]) -> int:
    """The exit code: that of the first kind of end that there is, in the order in which clinit(8) has them."""
    codes = {_code_of(update) for update in updates}
    return next((code for code in _PRECEDENCE if code in codes), outcome.FINE)


def _code_of(update: Update) -> int:
    if not has_ended(update):
        return outcome.TIMED_OUT
    if "error" in update:
        return outcome.SUPERSEDED if update["code"] in _SUPERSEDING else outcome.REFUSED
    return outcome.FAILED if update["status"]["state"] == "FAILED" else outcome.FINE


def as_json(update: Update) -> dict[str, object]:
    """What docs/json.md tells of an update, which is an object of varlink's type Update."""
    status = update.get("status", {})
    has_left = "level" not in update
    return {
        "group": update["group"],
        "level": update.get("level"),
        "state": None if has_left else status.get("state"),
        "changes": [] if "error" in update else update["changes"],
        "reasons": [] if has_left else [reason["text"] for reason in status.get("reasons", ())],
        "error": update.get("error"),
        "code": update.get("code"),
        "output": update.get("output") or [],
    }


def of_none(error: ClientError) -> dict[str, object]:
    """What docs/json.md tells if it is not known of any group what was done to it, or nothing was done to any."""
    findings, code = (error.findings, error.code) if isinstance(error, RefusedError) else ((), "")
    nothing = dict.fromkeys(("group", "level", "state"))
    return {**nothing, "changes": [], "reasons": [*findings], "error": str(error), "code": code or None, "output": []}


def _say_json(updates: list[dict[str, object]]) -> None:
    from cltab2systemd.reports import asjson  # noqa: PLC0415 - slow to import

    outcome.say(asjson.document(asjson.value(updates)))
