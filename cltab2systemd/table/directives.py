"""Directives that a table may give its units: which ones, and why not the others. Pure.

A setting `:::service.TAG:Name=value` puts a directive into the service of an entry, `:::group.GROUP:Name=value` into
the slice of a group. Most that systemd.service(5), systemd.exec(5), systemd.kill(5) and systemd.resource-control(5)
know are fine. Those that order, start, stop or restart a unit are the switching scheme's.
"""

from __future__ import annotations

import contextlib
import posixpath
import re
from typing import TYPE_CHECKING

from cltab2systemd.table.characters import is_utf8

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cltab2systemd.table.settings import Directive
    from cltab2systemd.units.commands import Plain

SERVICE_SECTION = "Service"
SLICE_SECTION = "Slice"

# Directives are words of letters and digits that begin with a capital: systemd.syntax(7).
_NAME = re.compile(r"[A-Z][A-Za-z0-9]*")
# What systemd strips; Python alone would take away others, a no-break space for one.
_BLANKS = " \t\r"

_MODE = "the entry's mode decides that"
_COMMAND = "the table's command is all that an entry runs"
_FORKS = (
    f"{_MODE}: 'respawn' keeps a program running that stays in the foreground, as most do with an option; "
    "'once' starts also one that forks, and stops it with the level, but does not start it again"
)
_ORDER = "the order of the file and the levels decide that"
_OTHERS = (
    f"{_ORDER}; for other units than the group's, give it in [Unit] of a drop-in, "
    "/etc/systemd/system/clinit-GROUP@.service.d/NAME.conf, which is for all entries of the group"
)
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

# Those of them that make sense between an entry and a unit of the machine, a mount for one.
_OF_OTHER_UNITS = "Wants Requires Requisite BindsTo Before After RequiresMountsFor WantsMountsFor"
_REFUSED_OF_UNITS = dict.fromkeys(_UNIT_DIRECTIVES.split(), _ORDER) | dict.fromkeys(_OF_OTHER_UNITS.split(), _OTHERS)

# Why a table cannot have a directive, by its name.
REFUSED = {
    "ExitType": _MODE,
    "RemainAfterExit": _MODE,
    "Restart": _MODE,
    "RestartSec": "a respawn entry is restarted at once, and pauses if it ends too fast",
    "RestartSteps": "a respawn entry is restarted at once, and pauses if it ends too fast",
    "RestartMaxDelaySec": "a respawn entry is restarted at once, and pauses if it ends too fast",
    "RestartMode": _MODE,
    "RestartPreventExitStatus": _MODE,
    "RestartForceExitStatus": _MODE,
    "SuccessExitStatus": "an entry has run however its command ends, and a test passes with 0 only",
    "BusName": _MODE,
    "PIDFile": _FORKS,
    "GuessMainPID": _FORKS,
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
} | _REFUSED_OF_UNITS
_UNIT_PREFIXES = ("Condition", "Assert")

# What people give to a service, and might try to give to all of a group: a slice has none of these.
_EXECUTION = """
    User Group SupplementaryGroups DynamicUser Environment EnvironmentFile WorkingDirectory RootDirectory UMask Nice
    KillMode KillSignal TimeoutSec TimeoutStartSec TimeoutStopSec TimeoutAbortSec LimitNOFILE LimitNPROC LimitCORE
    StandardInput StandardOutput StandardError CapabilityBoundingSet NoNewPrivileges
"""

# Who runs a command, and in which surroundings: what asks about an entry has these of it.
_WHO = "User Group SupplementaryGroups DynamicUser PAMName"
_SURROUNDINGS = (
    "Environment EnvironmentFile PassEnvironment UnsetEnvironment WorkingDirectory NetworkNamespacePath UMask"
)
OF_GROUP_PROBES = frozenset(_SURROUNDINGS.split())
OF_CHECKS = OF_GROUP_PROBES | frozenset(_WHO.split())

# What makes systemd wait until the program of an entry says that it is ready (READY=1 of sd_notify(3)).
NOTIFY = "Type", "notify"
# What goes with that only: who may say so, and how often a program has to say that it is alive.
OF_NOTIFY = frozenset({"NotifyAccess", "WatchdogSec"})
# The values of directives that may have no other, and why.
_ONLY = {
    "Type": ((NOTIFY[1],), _FORKS),
    "NotifyAccess": (("main", "exec", "all"), "it is main, exec or all: else nothing that the program says counts"),
}

# How long each stage of a stop may take.
_STAGE_TIMES = frozenset({"TimeoutSec", "TimeoutStopSec", "TimeoutAbortSec"})

# What the shell before a respawn entry's command, and what loads it, have open at a time, and some more.
FEWEST_FILES = 16


# What makes another directory, or an image, the root in which a command is looked for.
_ROOTS = frozenset({"RootDirectory", "RootImage", "RootMStack"})
# What covers, hides or forbids paths, by which of the parts that colons separate the path is.
_COVERS = {
    "TemporaryFileSystem": 0, "InaccessiblePaths": 0, "InaccessibleDirectories": 0, "NoExecPaths": 0,
    "BindPaths": 1, "BindReadOnlyPaths": 1, "MountImages": 1,
}  # fmt: skip
# What may put something else into the place of a directory.
_MOUNTS = frozenset({"TemporaryFileSystem", "BindPaths", "BindReadOnlyPaths", "MountImages"})
# What /bin/sh consists of, as far as it is at the same place everywhere.
_SHELLS = ("/bin/sh", "/bin/dash", "/bin/bash", "/usr/bin/sh", "/usr/bin/dash", "/usr/bin/bash")
_SHELL_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
_OF_LIBRARY = re.compile(r"(/usr)?/lib(64)?/(ld-|libc\.|[^/]*-linux-[^/]*(\Z|/ld-|/libc\.))")
_SETS_PATH = re.compile(r"(?:\A|[\s\"'])PATH=")


def split(text: str) -> tuple[str, str] | None:
    """The name and the value of `Name=value`, without blanks around them; None if it is not that."""
    name, equals, value = text.partition("=")
    name = name.strip(_BLANKS)
    return (name, value.strip(_BLANKS)) if equals and _NAME.fullmatch(name) else None


def refusal(section: str, name: str) -> str:
    """Why a directive cannot be given in a table; empty if it can. Whether systemd knows it is another question."""
    if section == SLICE_SECTION and name in _EXECUTION.split():
        return "a slice runs nothing; :::services.GROUP: gives it to all entries, :::service.TAG: to one"
    if name.startswith(_UNIT_PREFIXES):
        return _ORDER
    return REFUSED.get(name, "")


def refusal_of_value(name: str, value: str) -> str:
    """Why a directive that a table may give to a service cannot have just this value; empty if it can."""
    values, reason = _ONLY.get(name, ((value,), ""))
    if value not in values:
        return reason
    if name in _STAGE_TIMES and not is_finite(value):
        return f"{_STAGES}, each after a time; give one, as 90s or 2min"
    if name == "KillMode" and value == "none":
        return "processes would outlive the level; KillMode=process spares all but the command"
    if name == "RuntimeDirectory" and not value:
        return REFUSED["RuntimeDirectoryPreserve"]
    files = _number(value.partition(":")[0].strip(_BLANKS)) if name == "LimitNOFILE" else None
    if files is not None and files < FEWEST_FILES:
        return f"a shell starts the command, and needs some files; give at least {FEWEST_FILES}"
    return ""


def runs_without_shell(plain: Plain, given: Sequence[Directive]) -> bool:
    """Whether systemd is to execute an entry's words itself, for with these directives there may be no /bin/sh.

    That is so if they give another root, or hide or forbid the shell; and if systemd finds the program where the shell
    would. Elsewhere the shell stays: it searches the PATH of the environment, runs a script that does not say by what,
    and counts the starts of a `respawn` entry.
    """
    settings = _in_force(given)
    if not plain.is_executable or not _may_have_no_shell(settings):
        return False
    return plain.words[0].startswith("/") or not _gives_path(settings)


def covers_run(given: Sequence[Directive]) -> bool:
    """Whether, in the same root, a process of an entry may find something else at a path below /run than others do."""
    return any(directive.name in _MOUNTS for directive in given)


def _in_force(given: Sequence[Directive]) -> dict[str, list[str]]:
    """The values of each directive; an empty one takes back those before it, and so does another root."""
    found: dict[str, list[str]] = {}
    for directive in given:
        if not directive.value or directive.name in _ROOTS:
            found[directive.name] = []
        if directive.value:
            found.setdefault(directive.name, []).append(directive.value)
    return found


def _may_have_no_shell(settings: Mapping[str, Sequence[str]]) -> bool:
    if any(value.strip('"') != "/" for name in _ROOTS for value in settings.get(name, ())):
        return True
    allowed = any(_is_above(path, _SHELLS) for path in _paths(settings.get("ExecPaths", ()), 0))
    return any(
        _is_of_shell(path) and not (name == "NoExecPaths" and allowed)
        for name, part in _COVERS.items()
        for path in _paths(settings.get(name, ()), part)
    )


def _paths(values: Sequence[str], part: int) -> Iterator[str]:
    for word in " ".join(values).replace('"', " ").replace("'", " ").split():
        parts = word.split(":")
        path = parts[part] if part < len(parts) else parts[0]
        yield posixpath.normpath(path.lstrip("-+"))


def _is_of_shell(path: str) -> bool:
    return _is_above(path, _SHELLS + _SHELL_LIBRARIES) or _OF_LIBRARY.match(path) is not None


def _is_above(path: str, others: Sequence[str]) -> bool:
    below = path.rstrip("/") + "/"
    return any((other + "/").startswith(below) for other in others)


def _gives_path(settings: Mapping[str, Sequence[str]]) -> bool:
    """Whether the command's environment may have another PATH than that by which systemd finds programs."""
    return (
        bool(settings.get("EnvironmentFile"))
        or any(_SETS_PATH.search(value) for value in settings.get("Environment", ()))
        or any("PATH" in value.split() for value in settings.get("PassEnvironment", ()))
    )


def is_finite(value: str) -> bool:
    """Whether a time limit is above zero, so that it is a limit.

    systemd reads 0, 0s and 0.0 as "no limit", and so any fraction that is too small for it. A value below 1, such as
    0.5s, is taken for such a fraction. systemd ignores text that is no time, and the limit that was there stays.
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
