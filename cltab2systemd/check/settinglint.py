"""Settings that are legal, but have no effect, or another one than was meant. Pure."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from cltab2systemd.table import waiting
from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.table.model import level_names
from cltab2systemd.table.settings import KINDS_WITH_SUBJECT, OF_ENTRY, OF_GROUP, PLAIN_SETTINGS, SETTING, Kind
from cltab2systemd.table.spelling import Spellings
from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.table.model import ResourceGroup, Table
    from cltab2systemd.table.settings import Setting
    from cltab2systemd.table.waiting import Wait

# A longer word is nobody's slip. How much of a word has to be right, of 1.
_LONGEST_GUESS = 80
_CLOSE = 0.8


def findings(table: Table) -> Iterator[Diagnostic]:
    """Settings that are about nobody, are given again, or look like known ones. The table has all its lines."""
    first_of: dict[str, Setting] = {}
    groups = Spellings(table.groups) if table.settings else Spellings(())
    tags = Spellings(entry.tag for entry in table.entries) if table.settings else Spellings(())
    known_tags = {entry.tag for entry in table.entries} if table.settings else set()
    for setting in table.settings:
        subject = setting.subject
        if setting.kind is not Kind.UNKNOWN and not setting.kind.section:
            yield from _repeated(setting, first_of.setdefault(setting.name, setting))
        if setting.kind.subject == OF_ENTRY and subject not in known_tags:
            yield _of_nobody(setting, "unknown-tag", f"no entry has the tag '{shortened(subject)}'", tags)
        if setting.kind.subject == OF_GROUP and subject not in table.groups:
            yield _of_nobody(setting, "unknown-group", f"no entry is in a group '{shortened(subject)}'", groups)
        elif setting.kind is Kind.BOOT_LEVEL:
            yield from _boot_level(setting, table.groups[subject])
        elif setting.kind is Kind.LEVELS:
            yield from _declared(setting, table.groups[subject])
        if setting.kind is Kind.UNKNOWN:
            yield from _unknown(setting)
    for wait in waiting.waits(table, Kind.READY, Kind.HEALTH):
        yield from _waiting(table, wait, groups)


def _waiting(table: Table, wait: Wait, groups: Spellings) -> Iterator[Diagnostic]:
    """A probe of a group, or a level, that the table does not have."""
    name, level = wait.form.where, wait.form.rest
    if name not in table.groups:
        close, code = groups.like(name), "unknown-group"
        message, otherwise = f"no entry is in a group '{shortened(name)}'", "the probe never holds"
    else:
        group = table.groups[name]
        levels = (*group.running_levels, *group.declared)
        if not level or level in levels:
            return
        close, code = Spellings(levels).like(level), "unknown-level"
        message = f"no entry of group '{shortened(name)}' runs in level '{shortened(level)}'"
        otherwise = "the probe holds while nothing of the group runs, if somebody has asked for that level"
        if group.declared:
            otherwise = "no request can take the group there, so the probe never holds"
    hint = f"did you mean '{shortened(close)}'?" if close else otherwise
    yield Diagnostic.of(code, wait.setting.place_of_check, message, source=wait.setting.line, hint=hint)


def _repeated(setting: Setting, first: Setting) -> Iterator[Diagnostic]:
    if setting is not first:
        yield Diagnostic.of(
            "repeated-setting",
            setting.place_of_name,
            f"setting '{shortened(setting.name)}' is given again (first {first.place.seen_from(setting.place.path)})",
            source=setting.line,
            hint="only the last one counts; remove the others",
        )


def _of_nobody(setting: Setting, code: str, message: str, names: Spellings) -> Diagnostic:
    close = names.like(setting.subject)
    return Diagnostic.of(
        code,
        setting.place_of_subject,
        message,
        source=setting.line,
        hint=f"did you mean '{shortened(close)}'?" if close else "the setting has no effect; remove it",
    )


def _boot_level(setting: Setting, group: ResourceGroup) -> Iterator[Diagnostic]:
    level = setting.value
    levels = group.running_levels
    if level not in levels and (level in group.levels or not group.declared):  # else it is an error
        close = Spellings(levels).like(level)
        yield Diagnostic.of(
            "unknown-boot-level",
            setting.place_of_value,
            f"no entry of group '{shortened(group.name)}' runs in level '{shortened(level)}', so none starts at boot",
            source=setting.line,
            hint=f"did you mean '{shortened(close)}'?"
            if close
            else "without the setting the group is not started either",
        )


def _declared(setting: Setting, group: ResourceGroup) -> Iterator[Diagnostic]:
    """Levels that are declared as without entries, and have some."""
    named = level_names(group.entries)
    for level in setting.levels:
        if level in named:
            yield Diagnostic.of(
                "declared-level",
                setting.place_of_value,
                f"level '{shortened(level)}' of group '{shortened(group.name)}' is declared, and an entry names it",
                source=setting.line,
                hint="the setting is for levels that no entry names; remove it there",
            )


def _unknown(setting: Setting) -> Iterator[Diagnostic]:
    """Unknown settings are legal, for others may know them; so only those that look like known ones are doubtful."""
    name = setting.name.strip()
    beginning, dot, subject = name.partition(".")
    if len(beginning) > _LONGEST_GUESS:
        return
    kinds = {kind.word: kind for kind in KINDS_WITH_SUBJECT}
    known = (*kinds,) if dot else (*PLAIN_SETTINGS, Kind.PUBLISH.word, *kinds)
    if close := difflib.get_close_matches(beginning.strip().lower(), known, n=1, cutoff=_CLOSE):
        meant = close[0]
        if kind := kinds.get(meant):
            meant = kind.prefix + (subject or kind.subject)
        yield Diagnostic.of(
            "unknown-setting",
            setting.place_of_name,
            f"unknown setting '{shortened(setting.name)}' is ignored",
            source=setting.line,
            hint=f"did you mean '{SETTING}{shortened(meant)}:'?",
        )
