"""Whose a group is, if the resource agent has noted that Pacemaker has it: Pacemaker's own programs are asked.

It is imported only if there is such a note. All that is asked is bounded in bytes and time.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from dataclasses import replace

from cltab2systemd.client.ownerwords import (
    ALL,
    PROGRAMS,
    QUESTION,
    STOP_LEVEL,
    Request,
    Standing,
    standing,
    standings,
    unknown,
    unknown_at_halt,
    words,
    words_of_halt,
)
from cltab2systemd.outputs import NoOutputError, not_understood, output
from cltab2systemd.text import decoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# Seconds for all that is asked, and what a program may write. A resource with a hundred clones has some 30 kB.
_SECONDS = 2.0
_MOST = 1 << 20


def remarks(
    group: str,
    level: str,
    resource: str,
    seconds: float = _SECONDS,
    told: Callable[[Request, Standing], Iterable[str]] = words,
) -> list[str]:
    """What somebody is told who has moved a group here: printable lines, none if there is nothing to tell.

    Args:
        group: the group.
        level: where it was to go.
        resource: Pacemaker's, as the agent has noted it.
        seconds: for asking, if there are less than two.
        told: what is told if Pacemaker says how the resource is; `words_of_failure` of a group that is FAILED by hand.
    """
    deadline = time.monotonic() + min(seconds, _SECONDS)
    request = Request(group, level, os.uname().nodename, resource, _program())
    try:
        found = standing_of(resource, deadline)
        if found is None:
            return []
        return [*told(replace(request, node=_this_node(deadline)), found)]
    except NoOutputError:
        return [*unknown(request)]


def remarks_on_halt(resources: Mapping[str, str], seconds: float = _SECONDS) -> list[str]:
    """What somebody is told who has halted all groups here: printable lines, none if there is nothing to tell.

    Args:
        resources: of the groups that Pacemaker had started here, their ids, as the agent has noted them.
        seconds: for asking, if there are less than two.
    """
    deadline = time.monotonic() + min(seconds, _SECONDS)
    try:
        try:
            found = standings(_ask([*ALL], deadline))
        except ValueError as error:
            raise not_understood("crm_mon", error) from error
        minded = {group: found[resource] for group, resource in resources.items() if resource in found}
        if not any(standing.managed for standing in minded.values()):
            return []
        node = _this_node(deadline)
        groups = [group for group, standing in minded.items() if standing.is_minded(node)]
        return [*words_of_halt(groups, Request("", "", node, "", _program()))] if groups else []
    except NoOutputError:
        return [*unknown_at_halt(resources)]


def _program() -> str:
    """Which of the programs for such changes is there."""
    return next((name for name in PROGRAMS if shutil.which(name)), PROGRAMS[-1])


def standing_of(resource: str, deadline: float) -> Standing | None:
    """How a resource is; None if the cluster has none of that name. Raises NoOutputError.

    Args:
        resource: its id.
        deadline: until when Pacemaker is asked, by the clock that nobody sets.
    """
    try:
        found = standing(_ask([*QUESTION, resource], deadline), resource)
    except ValueError as error:
        raise not_understood("crm_mon", error) from error
    if found is None:
        return None
    level, stop_level = (_parameter(resource, name, deadline) for name in ("level", "stop_level"))
    return replace(found, level=level, stop_level=stop_level or STOP_LEVEL)


def _parameter(resource: str, name: str, deadline: float) -> str:
    """What a resource's parameter is, by all rules; empty if it has none."""
    try:
        said = _ask(["crm_resource", f"--resource={resource}", f"--get-parameter={name}"], deadline)
    except NoOutputError:
        if time.monotonic() >= deadline:
            raise
        return ""  # some versions fail then
    return decoded(said).strip()


def _this_node(deadline: float) -> str:
    """This node's name in the cluster, which need not be the host's."""
    with contextlib.suppress(NoOutputError):
        return decoded(_ask(["crm_node", "--name"], deadline)).strip()
    return os.uname().nodename


def _ask(command: list[str], deadline: float) -> bytes:
    """What one of Pacemaker's programs writes; NoOutputError."""
    return output(command, deadline, _MOST)
