"""Pacemaker's own programs, by which nodes publish, and are seen. Each is bounded in bytes and time."""

from __future__ import annotations

import time

from cltab2systemd.cluster import attributes, crmmon
from cltab2systemd.outputs import NoOutputError, output
from cltab2systemd.text import decoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from cltab2systemd.cluster.seen import ClusterSeen

# Seconds for each program, and bytes that it may write. A group on a node has some 100 bytes.
_SECONDS = 10.0
_MOST = 16 << 20
_XML = "--output-as=xml"


def cluster_seen(cib: str | None = None) -> ClusterSeen:
    """The cluster of this node; or what a file with a CIB says, such as one of an hour ago.

    NoOutputError if it cannot be known.
    """
    environment = {} if cib is None else {"CIB_file": cib}
    said = _ask("crm_mon", "--one-shot", _XML, crmmon.INCLUDE, environment=environment)
    try:
        return crmmon.cluster_seen(said, _heartbeats() if cib is None else None, int(time.time()))
    except ValueError as error:
        raise NoOutputError(f"what crm_mon writes is not understood: {error}") from error


def published() -> dict[str, str]:
    """What the cluster has of this node's attributes that are ours, by name. NoOutputError if that cannot be known."""
    name = decoded(_ask("crm_node", "--name")).strip()
    try:
        found = crmmon.attributes_of(_ask("crm_mon", "--one-shot", _XML, "--include=none,nodes,attributes"))
    except ValueError as error:
        raise NoOutputError(f"what crm_mon writes is not understood: {error}") from error
    return found.get(name, {})


def set_attribute(name: str, value: str, *, seconds: int) -> None:
    """Set an attribute of this node, which the cluster takes note of after so many seconds. NoOutputError."""
    _ask("attrd_updater", f"--name={name}", f"--update={value}", f"--delay={seconds}s")


def remove_attribute(name: str) -> None:
    """Remove an attribute of this node. NoOutputError."""
    _ask("attrd_updater", f"--name={name}", "--delete")


def beat() -> None:
    """Tell the other nodes that this one is looked after now; that is in no CIB. NoOutputError."""
    _ask("attrd_updater", f"--name={attributes.HEARTBEAT}", f"--update={int(time.time())}", "--private")


def _heartbeats() -> Mapping[str, int]:
    try:
        return crmmon.heartbeats_of(_ask("attrd_updater", f"--name={attributes.HEARTBEAT}", "--query", "--all", _XML))
    except NoOutputError:  # none has one
        return {}


_NO_SETTINGS: Mapping[str, str] = {}


def _ask(*command: str, environment: Mapping[str, str] = _NO_SETTINGS) -> bytes:
    return output(command, time.monotonic() + _SECONDS, _MOST, environment)
