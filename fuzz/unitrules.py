"""What a compiled unit may hold, line by line: rules for tests and fuzzer, written down apart from the compiler.

Nothing that a table holds may become a line of its own, a directive, a section or a specifier in a unit. What the table
gives as directives stands at the end, each line as it was given, and only the environment behind it; everything else is
from a list.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cltab2systemd.table.directives import OF_CHECKS
from cltab2systemd.table.model import Mode
from cltab2systemd.text import encoded
from cltab2systemd.units import commands
from cltab2systemd.units.compiler import compile_preflight
from cltab2systemd.units.names import LONGEST_UNIT_NAME, Names
from cltab2systemd.units.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cltab2systemd.table.checks import Check
    from cltab2systemd.table.model import Entry, Table
    from cltab2systemd.table.settings import Directive

_UNIT = {"Description", "Documentation"}
_POINT = _UNIT | {
    "ConditionPathExists", "DefaultDependencies", "StartLimitIntervalSec", "Type", "ExecStart", "LogLevelMax", "Slice",
}  # fmt: skip
_TARGET = _UNIT | {"DefaultDependencies", "IgnoreOnIsolate", "Conflicts", "Before"}
_ENTRY = _UNIT | {
    "IgnoreOnIsolate", "Conflicts", "After", "StartLimitIntervalSec", "ConditionPathExists",
    "Slice", "SyslogIdentifier", "Type", "Restart",
    "RuntimeDirectory", "RuntimeDirectoryPreserve", "SuccessExitStatus", "IgnoreSIGPIPE", "OOMPolicy",
    "Environment", "StandardError",
    "RestartSec", "TimeoutStartSec", "RemainAfterExit", "ExecStart", "KillSignal", "TimeoutStopSec",
    "TimeoutStopFailureMode", "WatchdogSignal", "TimeoutAbortSec",
    "RootDirectoryStartOnly", "BindPaths", "ExecStartPost", "ExecStop", "ExecStopPost", "Wants",
    "StopPropagatedFrom", "NotifyAccess",
}  # fmt: skip
_HEALTH = _UNIT | {
    "DefaultDependencies", "IgnoreOnIsolate", "PartOf", "Conflicts", "StartLimitIntervalSec",
    "Type", "Slice", "SyslogIdentifier", "SyslogLevel", "LogLevelMax", "RuntimeDirectory", "RuntimeDirectoryPreserve",
    "ExecStart", "ExecStopPost", "KillSignal", "SuccessExitStatus", "TimeoutStopSec", "RuntimeMaxSec", "Environment",
}  # fmt: skip
_PREFLIGHT = _UNIT | {
    "IgnoreOnIsolate", "StartLimitIntervalSec", "Type", "RemainAfterExit", "Slice", "SyslogIdentifier", "ExecStart",
    "IgnoreSIGPIPE", "OOMPolicy", "TimeoutStartSec", "TimeoutStartFailureMode", "TimeoutStopSec", "Environment",
}  # fmt: skip
# By prefix and type: the directives that a kind of unit may have.
_DIRECTIVES = {
    ("clinit", "service"): _ENTRY,
    ("clinitgate", "service"): _POINT | {"After", "Wants"},
    ("clinithealth", "service"): _HEALTH,
    ("clinitpreflight", "service"): _PREFLIGHT,
    ("clinithealth", "timer"): _UNIT
    | {
        "DefaultDependencies",
        "IgnoreOnIsolate",
        "PartOf",
        "After",
        "Conflicts",
        "OnActiveSec",
        "OnUnitInactiveSec",
        "AccuracySec",
        "Unit",
    },
    ("clinitbarrier", "service"): _POINT | {"Before", "After", "Conflicts", "TimeoutStartSec"},
    ("clinit", "target"): _TARGET | {"RefuseManualStop", "BindsTo", "Wants", "After"},
    ("clinit", "slice"): _UNIT | {"IgnoreOnIsolate", "DefaultDependencies"},
    ("multi", "conf"): {"Wants"},
}
# Lines that may add to each other; of all other directives there is one line at most.
_REPEATED = {"Conflicts", "Wants", "After", "Before", "Environment", "ConditionPathExists"}
# What stands behind the table's directives in an entry: after a comment, up to three lines; six if it is required.
_LAST = "# What no directive above takes back; without a session of its own, what PAM starts ends with the entry."
_LONGEST_LAST = 10
_SECTIONS = {
    "service": ["[Unit]", "[Service]"], "timer": ["[Unit]", "[Timer]"], "target": ["[Unit]"], "slice": ["[Unit]"],
    "conf": ["[Unit]"],
}  # fmt: skip

_FILE_NAME = re.compile(r"(multi-user\.target\.d/)?[A-Za-z0-9:_.@\\-]+")
_CONTROL = re.compile("[\x00-\x1f\x7f]")
# systemd gives up on a file with a longer line (LONG_LINE_MAX).
_LONGEST_LINE = 1 << 20

# A word of a command line, plain or quoted, without specifiers and variables.
_WORD = re.compile(rb' *("(?:[^"\\%$]|\\["\\]|\\x[0-9a-f]{2}|%%|\$\$)*"|[A-Za-z0-9/_.-]+)( |$)')
_ESCAPE = re.compile(rb'\\x(..)|\\(["\\])|%(%)|\$(\$)')


def check_files(table: Table, names: Names, files: Mapping[str, bytes]) -> None:
    """Check all files of a table that has no errors; AssertionError says what is wrong.

    The files are those that there have to be, and no two units share one; the lines are by the rules; and each entry's
    command comes out of its unit as it went in.
    """
    every = [entry for group in table.groups.values() for entry in group.entries]
    entries = {names.entry(entry.group, entry.tag): entry for entry in every}
    slices = {names.slice(group.name): group for group in table.groups.values()}
    gates = {names.gate(entry.group, entry.tag) for entry in every if entry.runnable}
    per_level = sum(len({n for e in group.entries for n in e.levels.names}) for group in table.groups.values())
    booted = sum(group.boot_level is not None for group in table.groups.values()) if not names.suffix else 0
    # In each group a slice, the first gate, the marker, and the templates of target and barrier.
    health = {names.health(entry.group, entry.tag): entry for entry in table.entries if entry.health}
    timers = {names.health_timer(entry.group, entry.tag) for entry in table.entries if entry.health}
    asks = len(health) + len(timers)
    assert len(files) == len(entries) + len(gates) + 2 * per_level + 5 * len(table.groups) + booted + asks
    assert {*entries, *slices, *gates, *health, *timers} <= files.keys()
    for name, content in files.items():
        check_name(name)
        given: tuple[Directive, ...] = ()
        if entry := entries.get(name):
            given = entry.directives
        elif asked := health.get(name):
            given = tuple(directive for directive in asked.directives if directive.name in OF_CHECKS)
        elif group := slices.get(name):
            given = group.directives
        lines = check_unit(name, content, given, names.suffix)
        if entry and entry.ready_of:
            check_check("ready", entry.ready, lines)
        elif entry:
            check_command(entry, lines)
        elif asked := health.get(name):
            check_check("health", asked.health, lines)
    for entry in every:
        if entry.preflight:
            check_preflight(names, table.path, entry)


def check_name(name: str) -> None:
    """Check the name of a file: what systemd takes for the name of a unit, or of the one drop-in there is."""
    assert _FILE_NAME.fullmatch(name), name
    assert len(name.rpartition("/")[2]) <= LONGEST_UNIT_NAME, name


def check_unit(name: str, content: bytes, given: tuple[Directive, ...], suffix: str = "") -> list[str]:
    """Check the lines of one unit, and give those that are not the table's directives."""
    kind = name.rpartition(".")[2]
    allowed = _DIRECTIVES[name.partition("-")[0].removesuffix(suffix), kind]
    assert content.endswith(b"\n")
    lines = content.decode("utf-8").removesuffix("\n").split("\n")
    last: list[str] = []
    if allowed is _ENTRY:
        while not last or last[0] != _LAST:
            last.insert(0, lines.pop())
        assert len(last) <= _LONGEST_LAST
    elif allowed is _HEALTH or allowed is _PREFLIGHT:
        last = [lines.pop()]
        assert last == ["Environment=XDG_SESSION_CLASS=none"]
    sections = [line for line in lines if line.startswith("[")]
    if given:
        assert lines[-len(given) :] == [directive.line for directive in given]
        del lines[-len(given) :]
        assert not any(directive.name in allowed and not _may_be_given(directive.name) for directive in given)
    assert sections == [*_SECTIONS[kind], *(["[Slice]"] if given and kind == "slice" else [])]
    lines += last
    seen = []
    for line in lines:
        assert not _CONTROL.search(line), line
        assert len(line) < _LONGEST_LINE // 4 or len(line.encode()) < _LONGEST_LINE, len(line)
        # In a comment a backslash at the end means nothing.
        if line and line[0] not in "[#":
            assert not line.endswith("\\"), line
            directive, equals, _ = line.partition("=")
            assert equals, line
            assert directive in allowed, line
            seen.append(directive)
    assert all(seen.count(directive) == 1 for directive in {*seen} - _REPEATED)
    return lines


def _may_be_given(name: str) -> bool:
    """Whether a table may say again what a unit says already: a value, not the scheme."""
    return name in {
        "SyslogIdentifier", "TimeoutStartSec", "TimeoutStopSec", "TimeoutAbortSec", "KillSignal",
        "RuntimeDirectory", "OOMPolicy", "IgnoreSIGPIPE", "Environment", "StandardError", "RootDirectoryStartOnly",
        "BindPaths", "Type", "NotifyAccess",
    }  # fmt: skip


def check_command(entry: Entry, lines: list[str]) -> None:
    """Check that what systemd makes of `ExecStart=` ends with the words that the table's command stands for."""
    (line,) = (line.partition("=")[2] for line in lines if line.startswith("ExecStart="))
    words = unquote(line)
    counts = any(line.startswith("RuntimeDirectory=clinit-respawn/") for line in lines)
    expected = [encoded(word) for word in _words(entry, counts=counts)]
    if counts:
        assert entry.mode is Mode.RESPAWN
        assert words[4:] == expected, line
    elif words != expected:
        # Plain words, for which there may be no shell.
        assert expected[3] == b"sh"
        assert words == expected[4:], line
        assert commands.SHELL.encode() not in words[:1]
        assert entry.directives
    assert counts or entry.mode is not Mode.RESPAWN or entry.directives


def check_check(mode: str, check: Check | None, lines: list[str]) -> None:
    """Likewise for what asks whether an entry is ready, or well: behind its options stands the check."""
    assert check
    (line,) = (line.partition("=")[2] for line in lines if line.startswith("ExecStart="))
    words = unquote(line)
    asked = (check.command,) if check.probe else commands.command_words(check.command)
    assert words[1] == mode.encode()
    assert words[words.index(b"--") + 1 :] == [encoded(word) for word in asked]


def check_preflight(names: Names, path: str, entry: Entry) -> None:
    """Check the unit of a run of a preflight, which is no file of the table's."""
    assert entry.preflight
    name = names.preflight("0123456789abcdef")
    given = tuple(directive for directive in entry.directives if directive.name in OF_CHECKS)
    check_name(name)
    lines = check_unit(name, compile_preflight(names, path, name, entry, Surroundings()), given, names.suffix)
    (line,) = (line.partition("=")[2] for line in lines if line.startswith("ExecStart="))
    assert unquote(line) == [encoded(word) for word in commands.command_words(entry.preflight.command)]


def _words(entry: Entry, *, counts: bool) -> tuple[str, ...]:
    """What has to be executed in the end: by a shell that counts, the words that it gets."""
    words = commands.command_words(entry.command)
    plain = commands.plain(entry.command)
    return plain.words if counts and plain else words


def unquote(value: str) -> list[bytes]:
    """The words of a command line as systemd reads them, written down anew from systemd.syntax(7): bytes out."""
    words, rest = [], value.encode("utf-8")
    while rest:
        match = _WORD.match(rest)
        assert match, rest
        word, rest = match[1], rest[match.end() :]
        words.append(_ESCAPE.sub(_unescaped, word[1:-1]) if word.startswith(b'"') else word)
    return words


def _unescaped(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 16)]) if match[1] else match[2] or match[3] or match[4]
