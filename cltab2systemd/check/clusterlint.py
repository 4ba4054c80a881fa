"""What a table tells a Pacemaker cluster (`:::pacemaker.GROUP:`) and cannot mean. Pure.

The daemon takes no notice of these settings, so all of it is warnings; `cltab2systemd pacemaker` makes nothing of them.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from cltab2systemd.table import declared, pacemaker
from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.table.settings import Kind, setting_line
from cltab2systemd.table.spelling import Spellings
from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cltab2systemd.table.model import ResourceGroup, Table
    from cltab2systemd.table.pacemaker import Word
    from cltab2systemd.table.settings import Setting

# The words that name another group, and what they say of the two.
_OF_GROUPS = {"after": "{} is started after {}", "with": "{} is where {} is"}
# So many steps of a circle are told.
_MOST_STEPS = 6


def findings(table: Table) -> Iterator[Diagnostic]:
    """What is wrong with what the table says of each group: only the last setting of a group counts."""
    settings = {setting.subject: setting for setting in table.settings if setting.kind is Kind.PACEMAKER}
    groups = Spellings(table.groups) if settings else Spellings(())
    for name, setting in settings.items():
        if (group := table.groups.get(name)) is None:
            continue
        yield from _of_boot(setting, group)
        yield from _of_stop_level(setting, group)
        for word in pacemaker.words(setting.value):
            if word.name == "level":
                yield from _of_level(setting, group, word)
            elif word.name in _OF_GROUPS:
                yield from _of_other(table, setting, word, groups)
    yield from _of_addresses(table, settings)
    for name in _OF_GROUPS:
        yield from _of_circle(table, settings, name)


def _of_addresses(table: Table, settings: Mapping[str, Setting]) -> Iterator[Diagnostic]:
    """Addresses that several groups have: two nodes would have one at once, and who stops takes it from the other."""
    owners: dict[str, str] = {}
    for name, setting in settings.items():
        found = (word for word in pacemaker.words(setting.value) if word.name == "ip")
        for word, address in zip(found, setting.managed.addresses if name in table.groups else (), strict=False):
            owner = owners.setdefault(address.ip, name)
            if owner != name:
                message = f"group '{shortened(owner)}' has the address {address.ip} as well"
                yield _at(setting, word, "cluster-address", message, "an address is one group's: give each its own")


def _of_boot(setting: Setting, group: ResourceGroup) -> Iterator[Diagnostic]:
    if group.boot_level is not None and setting.managed.is_managed:
        line = setting_line(Kind.BOOT_LEVEL, shortened(group.name), shortened(group.boot_level))
        yield Diagnostic.of(
            "cluster-and-boot",
            setting.place_of_name,
            f"'{shortened(group.name)}' comes to a level at the boot of every node, so no cluster can have it",
            source=setting.line,
            hint=f"remove {line}, or this line",
        )


def _of_level(setting: Setting, group: ResourceGroup, word: Word) -> Iterator[Diagnostic]:
    levels = group.running_levels
    if word.value not in levels:
        close = Spellings(levels).like(word.value)
        message = f"no entry of group '{shortened(group.name)}' runs in level '{shortened(word.value)}'"
        hint = f"did you mean '{shortened(close)}'?" if close else "the agent would refuse to start it"
        yield _at(setting, word, "unknown-level", message, hint)


def _of_stop_level(setting: Setting, group: ResourceGroup) -> Iterator[Diagnostic]:
    """The level for stopped, also the usual one, if the daemon would refuse it: systemd has to do the stop then."""
    level = setting.managed.stop
    if setting.managed.is_managed and declared.is_refused(group, level):
        like = declared.meant(group, level)
        line = setting_line(Kind.LEVELS, shortened(group.name), ",".join(map(shortened, (*group.declared, level))))
        hint = f"did you mean '{shortened(like)}'?" if like else f"write {line}"
        message = f"the level for stopped: {declared.undeclared(group, level)}"
        yield Diagnostic.of("unknown-level", setting.place_of_value, message, source=setting.line, hint=hint)


def _of_other(table: Table, setting: Setting, word: Word, groups: Spellings) -> Iterator[Diagnostic]:
    """A group that is named behind `after=` or `with=`, and that the cluster does not have."""
    shown, other = shortened(word.value), table.groups.get(word.value)
    if other is None:
        close = groups.like(word.value)
        hint = (
            f"did you mean '{shortened(close)}'?" if close else "constraints with other resources are not the table's"
        )
        yield _at(setting, word, "unknown-group", f"no entry is in a group '{shown}'", hint)
        return
    told = table.managed.get(word.value, pacemaker.Managed())
    if other.boot_level is not None or not told.is_managed:
        why = "it comes to a level at boot" if other.boot_level is not None else "its own setting says so"
        yield _at(
            setting, word, "cluster-without", f"the cluster does not have '{shown}': {why}", f"remove '{word.name}='"
        )


def _of_circle(table: Table, settings: Mapping[str, Setting], name: str) -> Iterator[Diagnostic]:
    """Groups that name each other, or themselves, by a word: the first circle."""
    named = {
        group: [word.value for word in pacemaker.words(setting.value) if word.name == name]
        for group, setting in settings.items()
        if group in table.groups
    }
    try:
        TopologicalSorter(named).prepare()
    except CycleError as error:
        # From what is named to what names it, the first one again at the end.
        circle = [*reversed(error.args[1])][:-1]
        first = min(range(len(circle)), key=lambda index: settings[circle[index]].place.order)
        circle = circle[first:] + circle[:first]
        setting, other = settings[circle[0]], (circle[1:] or circle)[0]
        words = pacemaker.words(setting.value)
        word = next(word for word in words if word.name == name and word.value == other)
        pairs = pairwise(map(shortened, [*circle, circle[0]]))
        message = ", ".join(_OF_GROUPS[name].format(*pair) for pair in islice(pairs, _MOST_STEPS))
        message += ", …" if len(circle) > _MOST_STEPS else ""
        yield _at(setting, word, "cluster-circle", message, f"remove '{name}=' of one of them")


def _at(setting: Setting, word: Word, code: str, message: str, hint: str) -> Diagnostic:
    place = setting.place_of_value.part(word.start_of_value, len(word.value))
    return Diagnostic.of(code, place, message, source=setting.line, hint=hint)
