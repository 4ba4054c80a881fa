"""What to do about a reason: the next step of whoever has to mend a group. Pure."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from cltab2systemd.groups.endings import EXITED_WELL, NOT_REPEATED, UNHEARD
from cltab2systemd.groups.entrycommands import log_command, restart_command
from cltab2systemd.groups.reasons import Cause
from cltab2systemd.table.model import READY_SUFFIX, Mode
from cltab2systemd.terminal import printable

if TYPE_CHECKING:
    from cltab2systemd.groups.reasons import Reason

# {again} is the request for the level that the group is at, {unit} the unit. Modes that a request does not run again
# have words of their own.
_CURES = {
    Cause.TEST_FAILED: "mend it, then {again} runs it again",
    Cause.NOT_EXECUTED: "mend it, then {again} runs it",
    Cause.TIMED_OUT: "mend it, then {again} runs it again",
    Cause.OUT_OF_MEMORY: "give it more, or the group less to do, then {again} runs it again",
    Cause.NOT_READY: "{log} shows what it wrote; mend it, then {again} asks again",
    Cause.BROKEN_OFF: "mend it, then {restart} runs it again",
    Cause.DOWN: "{again} starts it",
    Cause.NEVER_STARTED: "{again} starts it",
    Cause.REQUIRED_FAILED: "mend it, then {again} runs it again, and starts what is behind it",
    Cause.KEPT_BACK: "mend what it is behind, then {again} starts it",
    Cause.MASKED: "{unmask}, then {again}",
    Cause.NOT_LOADED: "mend what {status} says, then 'systemctl daemon-reload' and {again}",
    Cause.STRAYED: "{again} stops it and starts it anew",
    Cause.NOT_STOPPED: "see what holds it in {status}, stop it, then {again}",
    Cause.OUTLIVED: "see in {status} what they wait for, then {again}; perhaps only a reboot ends them",
    Cause.NOT_SWITCHED: "{again} makes the switch again",
    Cause.NO_LEVEL: "{again} takes the group to that level",
    Cause.UNREACHED: "mend it, then {again}",
    Cause.PAUSED: "mend it; it is tried again by itself, and by {restart} at once",
    Cause.RESTARTING: "",
    Cause.KEEPS_ENDING: "{log} shows what it wrote; mend it: it is started by itself, by {restart} at once",
    Cause.ENDED_BADLY: "if that matters, mend it, then {restart} runs it again; a test fails its group",
    Cause.NOT_RUN: "mend it, then {restart} runs it again",
    Cause.UNHEALTHY: "{log} shows what it wrote; {restart} starts it anew",
    Cause.SKIPPED: "see the condition in {status}; {again} tries it again",
}
_OF_RESTARTED = {
    Cause.NOT_READY: "mend it; it is tried again by itself, and by {restart} at once",
    Cause.NOT_EXECUTED: "mend it; it is tried again by itself, and by {restart} at once",
    Cause.TIMED_OUT: "mend it; it is tried again by itself, and by {restart} at once",
}
# What of it is done to the table.
_MORE = "give it more, or the group less to do"
_IN_FOREGROUND = "a respawn has to stay in the foreground, so have its program do that"
_HEARD = "put 'exec' before its program, or give it NotifyAccess=all"
# Of those that exit with 0: nothing is broken.
_OF_EXITED_WELL = f"{_IN_FOREGROUND}; it is tried again by itself, and by {{restart}} at once"
# Of programs that systemd does not hear.
_OF_UNHEARD = f"{_HEARD}; then {{restart}} runs it again"
# Of entries that a request does not run again once they have begun.
_OF_RUN_ONCE = {
    Cause.NOT_READY: "mend it, then {restart} runs it again",
    Cause.TIMED_OUT: "mend it, then {restart} runs it again",
    Cause.OUT_OF_MEMORY: "give it more, or the group less to do, then {restart} runs it again",
}


def cure(reason: Reason, group: str, level: str) -> str:
    """The next step, such as `mend it, then 'clinit web 3' runs it again`; empty if there is nothing to do but wait.

    Args:
        reason: what is wrong.
        group: with which group.
        level: the level that the group is at.
    """
    words = _words(reason.cause, reason.mode, reason.words)
    named = _commands(reason.unit, group, reason.tag, level)
    return printable(words.format_map({name: f"'{command}'" for name, command in named.items()}))


def in_table(code: str, said: str) -> str:
    """What of the next step is done to the table, and so holds where nothing of the group runs; empty if nothing is.

    Args:
        code: of the reason.
        said: its words.
    """
    if said.endswith(EXITED_WELL):
        return _IN_FOREGROUND
    if code == Cause.NOT_READY and UNHEARD in said:
        return _HEARD
    return _MORE if code == Cause.OUT_OF_MEMORY else ""


def commands(code: str, mode: str, unit: str, *, group: str, tag: str, level: str, said: str = "") -> list[str]:
    """The commands in the words of `cure`, in their order, to be copied into a shell; none of a code that is not known.

    Args:
        code: of the reason.
        mode: of its entry; empty if it is about none.
        unit: its unit.
        group: the group.
        tag: the entry; empty if it is about none.
        level: the level that the group is at.
        said: the words of the reason.
    """
    try:
        words = _words(Cause(code), mode, said)
    except ValueError:
        return []
    named = _commands(unit, group, tag, level)
    used = re.findall(r"\{(\w+)\}|'(systemctl daemon-reload)'", words)
    return [named[name] if name else plain for name, plain in used]


def _words(cause: Cause, mode_name: str, said: str) -> str:
    if said.endswith(EXITED_WELL):
        return _OF_EXITED_WELL
    if cause is Cause.NOT_READY and UNHEARD in said:
        return _OF_UNHEARD
    mode = Mode(mode_name) if mode_name else None
    of_mode = {} if mode is None or mode.is_judged else _OF_RESTARTED if mode.is_restarted else _OF_RUN_ONCE
    if said.endswith(NOT_REPEATED):  # also the readiness of such an entry
        of_mode = _OF_RUN_ONCE
    elif of_mode is _OF_RUN_ONCE and said:  # a wait that is required
        of_mode = {}
    return of_mode.get(cause, _CURES[cause])


def _commands(unit: str, group: str, tag: str, level: str) -> dict[str, str]:
    quoted = shlex.quote(unit)
    # A readiness is asked again when its entry is restarted; and the entry itself wrote why it is not ready.
    of_entry = unit.replace(f"{READY_SUFFIX}.", "."), group, tag.removesuffix(READY_SUFFIX)
    return {
        "again": f"clinit {shlex.quote(group)} {shlex.quote(level)}",
        "restart": restart_command(*of_entry),
        "log": log_command(*of_entry),
        "status": f"systemctl status {quoted}",
        "unmask": f"systemctl unmask {quoted}",
    }
