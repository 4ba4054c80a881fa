"""`cltab2systemd pacemaker`."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import click

from cltab2systemd.check import clusterlint, settinglint
from cltab2systemd.commands import printing, tables
from cltab2systemd.locations import TABLE
from cltab2systemd.pacemaker import asansible, ascrm, aspcs, asxml
from cltab2systemd.pacemaker.plan import managed, plan, why_left_out
from cltab2systemd.table.diagnostics import in_order, render
from cltab2systemd.table.model import levels_meant
from cltab2systemd.table.pacemaker import UNMANAGED
from cltab2systemd.table.settings import Kind, setting_line
from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cltab2systemd.pacemaker.configuration import Configuration
    from cltab2systemd.pacemaker.plan import Managing
    from cltab2systemd.table.model import ResourceGroup, Table

CRM, XML = "crm", "xml"
_WRITERS = {"pcs": aspcs.text, CRM: ascrm.text, XML: asxml.text, "ansible": asansible.text}
# Behind it stands a resource in pcs's command for a colocation, so that it cannot be one (pcs 0.11).
_WORD_OF_PCS = "with"


@click.command(name="pacemaker")
@click.argument("file", metavar="[FILE]", default=TABLE)
@click.option(
    "--format", "format_", type=click.Choice([*_WRITERS]), default="pcs", show_default=True,
    help="For whom: a script for pcs, lines for crmsh, XML for cibadmin, variables for Ansible.",
)  # fmt: skip
@click.option(
    "--level", "levels", multiple=True, metavar="GROUP=LEVEL",
    help="The level of a group where the cluster has started it; beats the table. May be repeated.",
)  # fmt: skip
def command(file: str, format_: str, levels: tuple[str, ...]) -> None:
    """Print the configuration of a Pacemaker cluster for the groups of a table; nothing is changed.

    Each group becomes a resource of the agent ocf:clinit:group, with timeouts that come from its entries. What else the
    cluster is to know of a group is in the table's settings :::pacemaker.GROUP:, see cltab(5); its level at least. Left
    out are groups with a boot level, which run on every node.

    FILE is /etc/cltab if it is left out, or - for the standard input.

    Exit codes: 0 printed, 1 the table has errors or does not say enough, 2 usage.
    """
    table = tables.load(file)
    _refuse(_of_settings(table, file))
    asked = _levels(table, levels)
    found = managed(table, asked)
    _refuse(_unable(found, format_))
    made = plan(table, found)
    _refuse(_unspellable(made, format_))
    printing.say([_WRITERS[format_](made, table.path).removesuffix("\n")])


def _refuse(reasons: Iterable[str]) -> None:
    """Print why nothing is made, and exit with 1, if there are reasons."""
    if told := [*reasons]:
        printing.complain("\n".join(told))
        raise SystemExit(1)


def _of_settings(table: Table, file: str) -> Iterator[str]:
    """What `check` warns of in settings for the cluster: here it is in the way."""
    found = itertools.chain(settinglint.findings(table), clusterlint.findings(table))
    ours = [finding for finding in found if finding.source.startswith(setting_line(Kind.PACEMAKER, "")[:-1])]
    yield from map(render, in_order(ours))
    if ours:
        yield f"cltab2systemd: {shortened(file)}: nothing is printed before that is mended"


def _levels(table: Table, given: Iterable[str]) -> dict[str, str]:
    found = {}
    for text in given:
        name, equals, level = text.partition("=")
        if not (equals and name and level):
            raise click.BadParameter(f"'{shortened(text)}' is not GROUP=LEVEL", param_hint="--level")
        group = table.groups.get(name)
        if group is None:
            raise click.BadParameter(f"no such group: {shortened(name)}", param_hint="--level")
        if why := why_left_out(table, name):
            raise click.BadParameter(f"'{shortened(name)}' is left out: {why}", param_hint="--level")
        if level not in group.running_levels:
            message = f"no entry of group '{shortened(name)}' runs in level '{shortened(level)}'"
            raise click.BadParameter(f"{message}; its levels are {_levels_of(group)}", param_hint="--level")
        found[name] = level
    return found


def _unable(found: Mapping[str, Managing], format_: str) -> Iterator[str]:
    """Why groups cannot be told to a cluster: their level, their names, or that there are none."""
    if not found:
        yield "cltab2systemd: the table has no group for a cluster: each has a boot level, or is left to no cluster"
    for name, managing in found.items():
        shown = shortened(name)
        unmanaged = f"{setting_line(Kind.PACEMAKER, shown, UNMANAGED)} if it is for no cluster"
        if not managing.level:
            yield (
                f"cltab2systemd: nothing says at which level a cluster has '{shown}' ({_levels_of(managing.group)}): "
                f"write {setting_line(Kind.PACEMAKER, shown, 'level=LEVEL')}, or {unmanaged}"
            )
        elif managing.level == managing.told.stop:
            yield f"cltab2systemd: '{shown}' is to be stopped and started at level '{shortened(managing.level)}'"
        elif not managing.is_spellable:
            yield f"cltab2systemd: the names of '{shown}' have characters that no cluster takes; {unmanaged}"
        elif format_ == CRM and not all(map(ascrm.is_spellable, managing.names)):
            yield f"cltab2systemd: crmsh cannot spell the names of '{shown}'; take --format xml"


def _unspellable(made: Configuration, format_: str) -> Iterator[str]:
    """Why a tool would refuse what it is to be told, or take it for something else: ids that mean two things to it."""
    if format_ == XML:  # which is told all ids
        return
    for shared in sorted(made.shared_ids()):
        yield f"cltab2systemd: '{shared}' is the id of a resource and of another one's operation; take --format {XML}"
    if format_ != CRM and any(it.beside == _WORD_OF_PCS for it in made.colocations):
        yield f"cltab2systemd: pcs cannot spell 'with={_WORD_OF_PCS}'; take --format {XML}"


def _levels_of(group: ResourceGroup) -> str:
    return ", ".join(map(shortened, levels_meant(group.entries)))
