"""What a person is told who moves a group that Pacemaker has, by crm_mon's XML and the resource's parameters. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd import crmxml
from cltab2systemd.terminal import printable, shortened

if TYPE_CHECKING:
    import xml.etree.ElementTree as ET
    from collections.abc import Iterable, Iterator, Sequence

# So many groups are named in a line.
_MOST_NAMES = 8
# What changes a resource, or a node, with each of the programs for that; `crm_resource` is there with any Pacemaker.
_COMMANDS = {
    "pcs": {
        "level": "pcs resource update {resource} level={level}",
        "stop": "pcs resource disable {resource}",
        "move": "pcs resource move {resource} {node}",
        "look away": "pcs resource unmanage {resource} --monitor",
        "node away": "pcs node standby {node}",
        "node alone": "pcs node maintenance {node}",
    },
    "crm": {
        "level": "crm resource param {resource} set level {level}",
        "stop": "crm resource stop {resource}",
        "move": "crm resource move {resource} {node}",
        "look away": "crm resource maintenance {resource} on",
        "node away": "crm node standby {node}",
        "node alone": "crm node maintenance {node}",
    },
    "crm_resource": {
        "level": "crm_resource --resource {resource} --set-parameter level --parameter-value {level}",
        "stop": "crm_resource --resource {resource} --meta --set-parameter target-role --parameter-value Stopped",
        "move": "crm_resource --resource {resource} --move --node {node}",
        "look away": "crm_resource --resource {resource} --meta --set-parameter maintenance --parameter-value true",
        "node away": "crm_attribute --node {node} --name standby --update on",
        "node alone": "crm_attribute --node {node} --name maintenance --update true",
    },
}
PROGRAMS = tuple(_COMMANDS)
"""The programs that words may name, the one that is preferred first."""

ALL = ("crm_mon", "--one-shot", "--output-as=xml", "--include=none,resources", "--inactive")
"""What tells how all resources are; `standings` reads the answer."""

QUESTION = (*ALL, "--resource")
"""What tells how a resource is, if its id stands behind it; `standing` reads the answer."""

STOP_LEVEL = "stop"
"""The agent's default."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a resource is in the cluster.

    Attributes:
        nodes: on which it is active.
        managed: whether Pacemaker acts on it anywhere; it does not in maintenance mode.
        left_alone: nodes on which it is active and Pacemaker does not act on it: of a clone these need not be all.
        level: its parameter of that name; empty if that is not known.
        stop_level: likewise.
    """

    nodes: tuple[str, ...]
    managed: bool
    level: str = ""
    stop_level: str = STOP_LEVEL
    left_alone: tuple[str, ...] = ()

    def is_minded(self, node: str) -> bool:
        """Whether Pacemaker acts on it on a node, or might."""
        return self.managed and node not in self.left_alone


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody has asked for here.

    Attributes:
        group: which group is moved.
        level: where to.
        node: this node's name, as Pacemaker has it.
        resource: the group's, as the agent has noted it.
        program: which of PROGRAMS the words name.
    """

    group: str
    level: str
    node: str
    resource: str
    program: str


def standing(text: bytes, resource: str) -> Standing | None:
    """How a resource is by `crm_mon --output-as=xml`; None if the cluster has none of that name.

    ValueError if that is no XML of crm_mon's.
    """
    return standings(text).get(resource)


def standings(text: bytes) -> dict[str, Standing]:
    """Likewise how all resources are, by their ids."""
    found: dict[str, list[ET.Element]] = {}  # a clone has several
    for element in crmxml.root_of(text).iter("resource"):
        found.setdefault(crmxml.id_of(element), []).append(element)
    return {
        resource: _standing(elements)
        for resource, elements in found.items()
        if not all(element.get("orphaned") == "true" for element in elements)
    }


def _standing(elements: Sequence[ET.Element]) -> Standing:
    managed = [element for element in elements if element.get("managed") == "true"]
    alone = [element for element in elements if element not in managed]
    return Standing(_nodes_of(elements), managed=bool(managed), left_alone=_nodes_of(alone))


def _nodes_of(elements: Iterable[ET.Element]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for element in elements for name in crmxml.nodes_of(element)))


def words(request: Request, found: Standing) -> Iterator[str]:
    """Printable lines: what Pacemaker makes of a request, and which command is right; none if nothing comes of it."""
    is_stop = request.level == found.stop_level
    if not found.is_minded(request.node):  # somebody has had it look away
        if found.nodes and request.node not in found.nodes and not is_stop:
            yield _perhaps_a_copy(request, found)
    elif request.node in found.nodes:
        if request.level != found.level:
            yield from _here(request, is_stop=is_stop)
    elif not is_stop:
        yield from _elsewhere(request, found)


def unknown(request: Request) -> Iterator[str]:
    """Printable lines, if Pacemaker does not say how the resource is."""
    yield (
        f"Pacemaker has {shortened(request.group)} as its resource {shortened(request.resource)}, by what "
        "this node has noted: it may run elsewhere, and Pacemaker may take it back; see: crm_mon --one-shot"
    )


def words_of_failure(request: Request, found: Standing) -> Iterator[str]:
    """Printable lines, likewise: what Pacemaker makes of a group that somebody has made FAILED here."""
    if found.is_minded(request.node) and request.node in found.nodes:
        yield _taken_back(request)
        yield _look_away(request)


def words_of_halt(groups: Iterable[str], request: Request) -> Iterator[str]:
    """Printable lines: what Pacemaker makes of a halt of all groups, and which command is right.

    Args:
        groups: those that it had started here, and acts on.
        request: whose program and node are named.
    """
    yield (
        f"Pacemaker had started {_listed(groups)} on this node: at its next monitor it takes the halt for a failure, "
        "and starts what it has stopped again, here or on another node"
    )
    yield f"to take all that Pacemaker runs off this node first: {command('node away', request)}"
    yield f"to have Pacemaker look away from this node first: {command('node alone', request)}"


def unknown_at_halt(groups: Iterable[str]) -> Iterator[str]:
    """Printable lines, likewise, if Pacemaker does not say how its resources are."""
    yield (
        f"Pacemaker had started {_listed(groups)}, by what this node has noted, and may start what the halt has "
        "stopped again, here or on another node; see: crm_mon --one-shot"
    )


def _listed(groups: Iterable[str]) -> str:
    names = [shortened(group) for group in groups]
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _here(request: Request, *, is_stop: bool) -> Iterator[str]:
    yield _taken_back(request)
    to, what = ("stop it", "stop") if is_stop else ("change its level", "level")
    yield f"to {to}: {command(what, request)}"
    yield _look_away(request)


def _taken_back(request: Request) -> str:
    return (
        f"Pacemaker runs {shortened(request.group)} on this node, as its resource {shortened(request.resource)}: "
        "at its next monitor it takes that for a failure, and takes the group back to its level"
    )


def _look_away(request: Request) -> str:
    return f"to have Pacemaker look away first: {command('look away', request)}"


def _elsewhere(request: Request, found: Standing) -> Iterator[str]:
    group = shortened(request.group)
    resource = shortened(request.resource)
    stop = printable(shlex.join(["clinit", request.group, found.stop_level]))
    if found.nodes:
        nodes = " and ".join(map(shortened, found.nodes))
        yield f"Pacemaker runs {group} on {nodes}, as its resource {resource}: what runs here now is a second copy"
        yield f"to stop the copy here: {stop}"
        yield f"to move it to this node: {command('move', request)}"
    else:
        yield (
            f"Pacemaker has {group} as its resource {resource}, and runs it nowhere: it may start it on another node "
            "while it runs here"
        )
        yield f"to stop it here: {stop}"
        yield "why it does not run in the cluster: crm_mon --one-shot --inactive"


def _perhaps_a_copy(request: Request, found: Standing) -> str:
    group, resource = shortened(request.group), shortened(request.resource)
    nodes = " and ".join(map(shortened, found.nodes))
    return (
        f"Pacemaker looks away from {group}, its resource {resource}, which it has seen last on {nodes}: "
        "see that it does not run there any more"
    )


def command(what: str, request: Request) -> str:
    """What is to be typed, printable.

    Args:
        what: `level`, `stop`, `move`, `look away`, `node away` or `node alone`.
        request: whose program, resource, level and node it names.
    """
    quoted = {name: shlex.quote(getattr(request, name)) for name in ("resource", "level", "node")}
    return printable(_COMMANDS[request.program][what].format(**quoted))
