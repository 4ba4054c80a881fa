"""Directives that a table may give its units: which ones, and why not the others. Pure.

A setting `:::service.TAG:Name=value` puts a directive into the service of an entry, `:::group.GROUP:Name=value` into
the slice of a group. Most that systemd.service(5), systemd.exec(5), systemd.kill(5) and systemd.resource-control(5)
know are fine. Those that order, start, stop or restart a unit are the switching scheme's.
"""

from __future__ import annotations

import contextlib
import re

from cltab2systemd.unitfile import is_utf8

SERVICE_SECTION = "Service"
SLICE_SECTION = "Slice"

# Directives are words of letters and digits that begin with a capital: systemd.syntax(7).
_NAME = re.compile(r"[A-Z][A-Za-z0-9]*")
# What systemd strips; Python alone would take away others, a no-break space for one.
_BLANKS = " \t\r"

_MODE = "the entry's mode decides that"
_COMMAND = "the table's command is all that an entry runs"
_ORDER = "the order of the file and the levels decide that; for what is not in the table, see AT BOOT in cltab(5)"
_STAGES = "it is how an entry's stop is staged: SIGINT, SIGTERM, SIGKILL"
_PLACE = "a group's entries run in the slice of the group"

# What systemd.unit(5) puts into [Unit] and [Install], and so belongs to the scheme.
_UNIT_DIRECTIVES = """
    Description Documentation Wants Requires Requisite BindsTo PartOf Upholds Conflicts Before After OnFailure OnSuccess
    PropagatesReloadTo ReloadPropagatedFrom PropagatesStopTo StopPropagatedFrom JoinsNamespaceOf RequiresMountsFor
    WantsMountsFor OnFailureJobMode OnSuccessJobMode IgnoreOnIsolate StopWhenUnneeded RefuseManualStart RefuseManualStop
    AllowIsolate DefaultDependencies SurviveFinalKillSignal CollectMode JobTimeoutSec JobRunningTimeoutSec
    JobTimeoutAction JobTimeoutRebootArgument StartLimitIntervalSec FailureActionExitStatus SuccessActionExitStatus
    SourcePath DefaultInstance Alias WantedBy RequiredBy UpheldBy Also
"""

# Why a table cannot have a directive, by its name.
REFUSED = {
    "Type": _MODE,
    "ExitType": _MODE,
    "RemainAfterExit": _MODE,
    "Restart": _MODE,
    "RestartSec": "a respawn entry is restarted at once, and pauses if it ends too fast",
    "RestartSteps": "a respawn entry is restarted at once, and pauses if it ends too fast",
    "RestartMaxDelaySec": "a respawn entry is restarted at once, and pauses if it ends too fast",
    "RestartMode": _MODE,
    "RestartPreventExitStatus": _MODE,
    "RestartForceExitStatus": _MODE,
    "SuccessExitStatus": "a test passes if its command exits with 0, and no other status counts",
    "BusName": _MODE,
    "PIDFile": _MODE,
    "GuessMainPID": _MODE,
    "NotifyAccess": _MODE,
    "WatchdogSec": _STAGES,
    "WatchdogSignal": _STAGES,
    "TimeoutStopFailureMode": _STAGES,
    "SendSIGKILL": _STAGES,
    "FinalKillSignal": _STAGES,
    "Slice": _PLACE,
    "Sockets": _ORDER,
    "StartLimitInterval": _MODE,
    "StartLimitBurst": _MODE,
    "StartLimitAction": _MODE,
    "FailureAction": _MODE,
    "SuccessAction": _MODE,
    "RebootArgument": _MODE,
    "ExecCondition": _COMMAND,
    "ExecStart": _COMMAND,
    "ExecStartPre": _COMMAND,
    "ExecStartPost": _COMMAND,
    "ExecReload": _COMMAND,
    "ExecStop": _COMMAND,
    "ExecStopPost": _COMMAND,
    "RuntimeDirectoryPreserve": "it keeps the count of a respawn entry's fast restarts",
} | dict.fromkeys(_UNIT_DIRECTIVES.split(), _ORDER)
_UNIT_PREFIXES = ("Condition", "Assert")

# What people give to a service, and might try to give to all of a group: a slice has none of these.
_EXECUTION = """
    User Group SupplementaryGroups DynamicUser Environment EnvironmentFile WorkingDirectory RootDirectory UMask Nice
    KillMode KillSignal TimeoutSec TimeoutStartSec TimeoutStopSec TimeoutAbortSec LimitNOFILE LimitNPROC LimitCORE
    StandardInput StandardOutput StandardError CapabilityBoundingSet NoNewPrivileges
"""

# How long each stage of a stop may take.
_STAGE_TIMES = frozenset({"TimeoutSec", "TimeoutStopSec", "TimeoutAbortSec"})

# What the shell before a respawn entry's command, and what loads it, have open at a time, and some more.
FEWEST_FILES = 16


def split(text: str) -> tuple[str, str] | None:
    """The name and the value of `Name=value`, without blanks around them; None if it is not that."""
    name, equals, value = text.partition("=")
    name = name.strip(_BLANKS)
    return (name, value.strip(_BLANKS)) if equals and _NAME.fullmatch(name) else None


def refusal(section: str, name: str) -> str:
    """Why a directive cannot be given in a table; empty if it can. Whether systemd knows it is another question."""
    if section == SLICE_SECTION and name in _EXECUTION.split():
        return "a slice runs nothing; give it to each entry, as :::service.TAG:"
    if name.startswith(_UNIT_PREFIXES):
        return _ORDER
    return REFUSED.get(name, "")


def refusal_of_value(name: str, value: str) -> str:
    """Why a directive that a table may give to a service cannot have just this value; empty if it can."""
    if name in _STAGE_TIMES and not _is_finite(value):
        return f"{_STAGES}, each after a time; give one, as 90s or 2min"
    if name == "KillMode" and value == "none":
        return "processes would outlive the level; KillMode=process spares all but the command"
    if name == "RuntimeDirectory" and not value:
        return REFUSED["RuntimeDirectoryPreserve"]
    files = _number(value.partition(":")[0].strip(_BLANKS)) if name == "LimitNOFILE" else None
    if files is not None and files < FEWEST_FILES:
        return f"a shell starts the command, and needs some files; give at least {FEWEST_FILES}"
    return ""


def _is_finite(value: str) -> bool:
    """Whether a time ends: for systemd 0 is none, however it is written, also as a fraction of what it can count.

    What is no time at all systemd does not take, so that the time that was there stays.
    """
    whole = re.sub(r"\.[0-9]*", "", value)
    return "infinity" not in whole and re.search("[1-9]", whole) is not None


def _number(text: str) -> int | None:
    """A number as C reads it, for that is how systemd does: 0x10 and 020 are 16; None if it is none."""
    for base in (0, 8):
        with contextlib.suppress(ValueError):
            return int(text, base)
    return None


def fault(value: str) -> str:
    """What is wrong with the text of a value, as a unit file has it; empty if nothing is."""
    if value.endswith("\\"):
        return "a backslash at the end would join it with the next line"
    if not is_utf8(value):
        return "systemd takes only UTF-8"
    if not value.replace("\t", "").isprintable() and any(ord(c) < 0x20 or ord(c) == 0x7F for c in value if c != "\t"):
        return "it has a control character"
    return ""
