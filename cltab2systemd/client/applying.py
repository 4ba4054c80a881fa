"""`clinit --apply`: what is printed, and what it exits with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.client import outcome, watching
from cltab2systemd.client.calls import ClientError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from cltab2systemd.client.requests import Client

    Update = dict[str, Any]

# The codes of what takes over from an update, as clinit(8) has them.
_SUPERSEDING = frozenset({"later-request", "halt", "left-table", "trial-over", "by-hand"})
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
        try:
            updates, notes = watching.watched(
                lambda news, tick: client.apply(timeout, on_progress=news, on_tick=tick),
                progress, "clinit", outcome.complain,
            )  # fmt: skip
        except ClientError as error:
            if not is_json:
                raise
            return _say_error(error)
        for note in notes:
            outcome.complain(f"clinit: {note}")
        if is_json:
            _say_json([*map(as_json, updates)])
        else:
            for line in _lines(updates):
                outcome.say(line)
        for update in updates:
            for text in _troubles(update):
                outcome.complain(text)
        reported.code = next((code for update in updates if (code := _code(update))), outcome.FINE)
    return reported.code or _look(client)


def _look(client: Client) -> int:
    """The exit code if nothing that was done has failed: a group may be FAILED that had nothing new to take."""
    failed = [line for line in client.status().splitlines() if line.endswith(" FAILED")]
    for line in failed:
        group, level, _ = line.rsplit(" ", 2)
        outcome.complain(f"clinit: {line}, and not by this; 'clinit {group} {level}' tries again what failed")
    return outcome.FAILED if failed else outcome.FINE


def _say_error(error: ClientError) -> int:
    """Print for a program what kept all groups from their new lines, and for a person, too; the exit code."""
    _say_json([of_none(error)])
    for text in (*(error.findings if isinstance(error, RefusedError) else ()), f"clinit: {error}"):
        outcome.complain(text)
    outcome.complain_of_table(error)
    return outcome.code_of(error)


def _lines(updates: list[Update]) -> Iterator[str]:
    for update in updates:
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


def _code(update: Update) -> int:
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
