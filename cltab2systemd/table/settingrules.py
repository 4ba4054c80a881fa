"""What a setting is about, and what is wrong with its value. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.table import checks, directives, pacemaker
from cltab2systemd.table.lines import check_name
from cltab2systemd.table.settings import KINDS_WITH_SUBJECT, PLAIN_SETTINGS, SETTING, SHAPES, WORDS, Kind
from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.table.diagnostics import Diagnostic
    from cltab2systemd.table.lines import Line
    from cltab2systemd.table.settings import Setting


def kind_of(name: str) -> tuple[Kind, str]:
    """What a setting of this name is about, and the subject in it."""
    for kind in KINDS_WITH_SUBJECT:
        if name.startswith(kind.prefix):
            return kind, name[len(kind.prefix) :]
    if name == Kind.PUBLISH.word:
        return Kind.PUBLISH, ""
    return (Kind.PLAIN if name in PLAIN_SETTINGS else Kind.UNKNOWN), ""


def check_setting(line: Line, setting: Setting) -> Iterator[Diagnostic]:
    """What is wrong with a setting, so that it cannot be read."""
    start = len(SETTING) + len(setting.name) + 1
    if setting.kind.section:
        yield from _check_directive(line, setting.kind.section, start, setting.value)
    elif setting.kind is Kind.BOOT_LEVEL:
        yield from check_name(line, "levels", start, setting.value)
    elif setting.kind is Kind.LEVELS:
        yield from _check_levels(line, start, setting)
    elif setting.kind is Kind.PACEMAKER:
        yield from _faulty(line, start, pacemaker.read(setting.value))
    elif shape := SHAPES.get(setting.kind):
        yield from _faulty(line, start, checks.read(shape, setting.value))
    elif (word := WORDS.get(setting.kind)) and setting.value != word:
        name = setting.kind.prefix + setting.kind.subject or setting.name
        message = f"'{shortened(setting.value)}' is no value of {name}"
        yield line.finding("setting-value", start, len(setting.value), message, hint=f"the only one is '{word}'")


def _check_levels(line: Line, start: int, setting: Setting) -> Iterator[Diagnostic]:
    if not setting.levels:
        yield from check_name(line, "levels", start, "")
    for level in setting.value.split(","):
        if level:
            yield from check_name(line, "levels", start, level)
        start += len(level) + 1


def _faulty(line: Line, start: int, found: object) -> Iterator[Diagnostic]:
    """What is wrong with a value that was read and begins at a character of the line: at most one finding."""
    if isinstance(found, checks.Fault):
        yield line.finding("setting-value", start + found.start, found.width, found.message, hint=found.hint)


def _check_directive(line: Line, section: str, start: int, text: str) -> Iterator[Diagnostic]:
    split = directives.split(text)
    if split is None:
        yield line.finding(
            "directive-form",
            start,
            len(text),
            "not a directive",
            hint="a directive is Name=value, as in a unit file; see systemd.directives(7)",
        )
        return
    name, value = split
    start_of_value = text.index("=") + 1
    if reason := directives.refusal(section, name):
        yield line.finding(
            "directive-refused",
            start,
            len(text[: start_of_value - 1].rstrip()),
            f"{shortened(name)}= cannot be set in a table",
            hint=reason,
        )
    if reason := directives.fault(value):
        yield line.finding(
            "directive-value",
            start + start_of_value,
            len(text) - start_of_value,
            f"the value of {shortened(name)}= cannot stand in a unit file",
            hint=reason,
        )


def check_value(line: Line, setting: Setting) -> Iterator[Diagnostic]:
    """What is refused of a directive that could be given with another value."""
    if setting.kind.section != directives.SERVICE_SECTION:
        return
    directive = setting.directive
    if reason := directives.refusal_of_value(directive.name, directive.value):
        start = setting.value.index("=") + 1
        yield line.finding(
            "directive-refused",
            len(SETTING) + len(setting.name) + 1 + start,
            len(setting.value) - start,
            f"{shortened(directive.line)} cannot be set in a table",
            hint=reason,
        )
