"""The dialects of inittab: what each init does with a line, and what becomes of it in a cltab. Data only. Pure.

Sources: inittab(5) and init(8) of sysvinit, inittab(4) of IRIX and of Solaris, the AIX Files Reference, the example
inittab and init of BusyBox, procd of OpenWrt. docs/inittab.md shows the same for users.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cltab2systemd.table.model import Mode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Becomes(enum.StrEnum):
    """What becomes of a line of an inittab."""

    ENTRY = "entry"
    BOOT_LEVEL = "boot level"
    COMMENT = "comment"


@dataclass(frozen=True, slots=True)
class Action:
    """What becomes of lines with one action.

    `mode` is that of the entry. `note` says what the action does that has no equivalent in a group, `hint` what has
    instead; `equivalent` names what of systemd does the same, and may have the placeholder `{terminal}`.
    """

    becomes: Becomes
    mode: Mode = Mode.OFF
    note: str = ""
    hint: str = ""
    equivalent: str = ""


def _entry(mode: Mode, note: str = "", hint: str = "") -> Action:
    return Action(Becomes.ENTRY, mode, note, hint)


def _left(equivalent: str, note: str, hint: str = "") -> Action:
    return Action(Becomes.COMMENT, note=note, hint=hint, equivalent=equivalent)


_INITDEFAULT = Action(Becomes.BOOT_LEVEL)
_RESPAWN, _WAIT, _ONCE, _OFF = map(_entry, (Mode.RESPAWN, Mode.WAIT, Mode.ONCE, Mode.OFF))

_SYSINIT = _left("sysinit.target", "prepares the machine at boot, before any level")
_BOOT = _left(
    "a service wanted by multi-user.target",
    "runs once when the machine boots, whatever the level",
    "or make it a 'once' entry of the level that the group boots to",
)
_BOOTWAIT = _left(
    "a service with Type=oneshot, wanted by sysinit.target or multi-user.target",
    "runs once when the machine boots, and the boot waits for it",
    "or make it a 'wait' entry of the level that the group boots to",
)
_POWER_HINT = "systemd starts it when init would get SIGPWR; the daemon of a UPS can run commands itself"
_POWERFAIL = _left("sigpwr.target", "runs when the power fails", _POWER_HINT)
_POWEROK = _left("sigpwr.target", "runs when the power is back", _POWER_HINT)
_CTRLALTDEL = _left(
    "ctrl-alt-del.target",
    "runs at Ctrl-Alt-Del",
    "it is reboot.target unless 'systemctl mask ctrl-alt-del.target' or another unit under that name says otherwise",
)

_SYSTEM_V = {
    "respawn": _RESPAWN,
    "wait": _WAIT,
    "once": _ONCE,
    "off": _OFF,
    "ondemand": _RESPAWN,
    "boot": _BOOT,
    "bootwait": _BOOTWAIT,
    "initdefault": _INITDEFAULT,
    "sysinit": _SYSINIT,
    "powerwait": _POWERFAIL,
    "powerfail": _POWERFAIL,
}

_LINUX = {
    "powerokwait": _POWEROK,
    "powerfailnow": _left("sigpwr.target", "runs when the battery is nearly empty", _POWER_HINT),
    "resume": _left("a unit wanted by suspend.target", "runs when the machine wakes up", "see systemd-sleep(8)"),
    "ctrlaltdel": _CTRLALTDEL,
    "kbrequest": _left("kbrequest.target", "runs at the keyboard request, Alt-ArrowUp"),
}

_AIX = {
    "hold": _entry(
        Mode.OFF,
        "'hold' lets a running process go on and only starts no new one; 'off' stops it, too",
    ),
}

_TERMINAL_HINT = "see systemd-getty-generator(8); a drop-in with ExecStart= keeps another program"
_ASKFIRST = _left("{terminal}", "waits for Enter on a terminal", _TERMINAL_HINT)
_ASKCONSOLE = _left("{terminal}", "logs in on the console", _TERMINAL_HINT)

_BUSYBOX = {
    "sysinit": _SYSINIT,
    "respawn": _RESPAWN,
    "askfirst": _ASKFIRST,
    "wait": _WAIT,
    "once": _ONCE,
    "restart": _left("systemctl daemon-reexec", "says what init becomes when it is restarted"),
    "ctrlaltdel": _CTRLALTDEL,
    "shutdown": _left(
        "a service with ExecStop=, or shutdown.target",
        "runs when the machine goes down",
        "systemd stops all groups, swap and mounts itself",
    ),
}

# What OpenWrt's procd knows beyond BusyBox.
_PROCD = {
    "respawnlate": _RESPAWN,
    "askconsole": _ASKCONSOLE,
    "askconsolelate": _ASKCONSOLE,
}

_DIGITS = {digit: digit for digit in "0123456789"}
_SINGLE_USER = "S"
_RUNLEVEL_TARGETS = {
    "0": "poweroff.target",
    "1": "rescue.target",
    _SINGLE_USER: "rescue.target",
    "5": "graphical.target",
    "6": "reboot.target",
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one kind of init reads its inittab.

    Attributes:
        name: as the command line has it.
        title: for people.
        actions: what becomes of lines with each action, by its name in lower case.
        levels: the levels by what stands for them; empty if this init has none, and ignores the field.
        on_demand: levels that are started beside the present one, which goes on.
        shutdown: levels that this init enters only when the machine goes down.
        targets: what systemd has for a level of the machine; `multi-user.target` for the others.
        comment: what a line that is a comment starts with, beside `#`.
        mark: what may stand before a command and is not a part of it.
        cut: what ends a command, wherever it stands; empty if nothing does.
        order: the order in which entries are started by their mode; empty if it is that of the file.
    """

    name: str
    title: str
    actions: Mapping[str, Action]
    levels: Mapping[str, str] = field(default_factory=dict)
    on_demand: str = ""
    shutdown: str = ""
    targets: Mapping[str, str] = field(default_factory=dict)
    comment: str = "#"
    mark: str = ""
    cut: str = ""
    order: Mapping[Mode, int] = field(default_factory=dict)

    @property
    def every_level(self) -> str:
        """What an empty levels field stands for: sysvinit and AIX count from 0 to 9, and leave single-user out."""
        return "".join(_DIGITS)


SYSV = Dialect(
    "sysv",
    "System V",
    {**_SYSTEM_V, **_LINUX},
    levels={**_DIGITS, "s": _SINGLE_USER, "S": _SINGLE_USER} | {name: name.lower() for name in "abcABC"},
    on_demand="abc",
    shutdown="06",
    targets=_RUNLEVEL_TARGETS,
    mark="+",
)
BUSYBOX = Dialect(
    "busybox",
    "BusyBox",
    {**_BUSYBOX, **_PROCD},
    mark="-",
    cut="#",
    order={Mode.WAIT: 0, Mode.ONCE: 1, Mode.RESPAWN: 2},
)
AIX = Dialect(
    "aix",
    "AIX",
    {**_SYSTEM_V, **_AIX},
    levels={**_DIGITS} | dict.fromkeys("sSmM", _SINGLE_USER) | {name: name for name in "abch"},
    on_demand="abch",
    targets={_SINGLE_USER: "rescue.target"},
    comment=":",
)
DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in (SYSV, BUSYBOX, AIX)}

# What only one dialect has. System V's ids have at most four characters, those of AIX fourteen.
_LONGEST_SYSTEM_V_ID = 4
_LONGEST_AIX_ID = 14
_AIX_INITDEFAULT_ID = "init"
_BUSYBOX_ONLY = (_BUSYBOX.keys() | _PROCD.keys()) - _SYSTEM_V.keys() - _LINUX.keys()
_TERMINAL_ID = re.compile(r"(?:tty|console|null|hvc|vc/|pts/)[A-Za-z0-9/]*")


def guess(lines: Sequence[Sequence[str]]) -> Dialect:
    """The dialect of an inittab, by what only one of them has; System V if there is nothing.

    Args:
        lines: the fields of each line that is not a comment with `#`.
    """
    votes = {SYSV.name: 0, BUSYBOX.name: 0, AIX.name: 0}
    for fields in lines:
        if vote := _vote(fields):
            votes[vote.name] += 1
    return max(DIALECTS.values(), key=lambda dialect: votes[dialect.name])


def _vote(fields: Sequence[str]) -> Dialect | None:
    if len(fields) < 3:
        return None
    identifier, levels, action = fields[0].strip(), fields[1].strip(), fields[2].strip().lower()
    # BusyBox: no id at all, or the name of a terminal and no levels.
    is_terminal = bool(_TERMINAL_ID.fullmatch(identifier)) and not levels
    if action in _BUSYBOX_ONLY or (action in BUSYBOX.actions and (is_terminal or not identifier)):
        return BUSYBOX
    # AIX calls the line with the boot level so, and nobody else does.
    is_init = action == "initdefault" and identifier == _AIX_INITDEFAULT_ID
    if action in _LINUX or (action == "initdefault" and not is_init):
        return SYSV
    # AIX: a long id, or a whole line behind the colon that makes it a comment.
    is_long = _LONGEST_SYSTEM_V_ID < len(identifier) <= _LONGEST_AIX_ID
    is_commented_out = not identifier and len(fields) > 3 and fields[3].partition(":")[0].strip() in AIX.actions
    is_aix = action in _AIX or is_init or is_commented_out or (is_long and action in AIX.actions)
    return AIX if is_aix else None
