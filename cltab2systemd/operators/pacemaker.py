"""Pacemaker's own programs, by which nodes publish, and are seen. Each is bounded in bytes and time."""

from __future__ import annotations

import bz2
import tempfile
import time

from cltab2systemd.cluster import attributes, crmmon
from cltab2systemd.crmxml import root_of
from cltab2systemd.outputs import NoOutputError, not_understood, output
from cltab2systemd.text import decoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from cltab2systemd.cluster.seen import ClusterSeen

# Seconds for each program, and bytes that it may write. A group on a node has some 100 bytes.
_SECONDS = 10.0
_MOST = 16 << 20
_MOST_OF_A_CIB = 64 << 20
_BZIP2 = b"BZh"
_XML = "--output-as=xml"
_ASK_ALL = ("crm_mon", "--one-shot", _XML, crmmon.INCLUDE)


def cluster_seen() -> ClusterSeen:
    """The cluster of this node. NoOutputError if it cannot be known."""
    return _seen(_ask(*_ASK_ALL), _heartbeats())


def cluster_of(path: str) -> ClusterSeen:
    """What a file with a CIB says, such as one of an hour ago; bzip2 may have it. NoOutputError if it says nothing.

    Pacemaker's programs mend a CIB that is cut off, and tell what is left as if it were all: so it has to be whole.
    """
    cib = _cib(path)
    try:
        with tempfile.NamedTemporaryFile(suffix=".xml") as file:
            file.write(cib)
            file.flush()
            return _seen(_ask(*_ASK_ALL, environment={"CIB_file": file.name}), None)
    except OSError as error:
        raise NoOutputError(f"a copy cannot be read: {error.strerror or error}") from error


def _cib(path: str) -> bytes:
    """The text of a whole CIB. NoOutputError if it is none."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            text = file.read(_MOST_OF_A_CIB + 1)
        if text.startswith(_BZIP2):
            decompressor = bz2.BZ2Decompressor()
            text = decompressor.decompress(text, _MOST_OF_A_CIB + 1)
            if not decompressor.eof and len(text) <= _MOST_OF_A_CIB:
                raise NoOutputError("it is cut off")
        if len(text) > _MOST_OF_A_CIB:
            raise NoOutputError(f"it has more than {_MOST_OF_A_CIB >> 20} MiB")
        root_of(text, ("cib",))
    except OSError as error:
        raise NoOutputError(error.strerror or str(error)) from error
    except ValueError as error:
        raise NoOutputError(f"it is no CIB, or not a whole one: {error}") from error
    return text


def _seen(said: bytes, heartbeats: Mapping[str, int] | None) -> ClusterSeen:
    try:
        seen = crmmon.cluster_seen(said, heartbeats, int(time.time()))
    except ValueError as error:
        raise not_understood("crm_mon", error) from error
    if not seen.nodes:
        raise NoOutputError("it has no nodes")
    return seen


def published() -> dict[str, str]:
    """What the cluster has of this node's attributes that are ours, by name. NoOutputError if that cannot be known."""
    name = decoded(_ask("crm_node", "--name")).strip()
    try:
        found = crmmon.attributes_of(_ask("crm_mon", "--one-shot", _XML, "--include=none,nodes,attributes"))
    except ValueError as error:
        raise not_understood("crm_mon", error) from error
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
        said = _ask("attrd_updater", f"--name={attributes.HEARTBEAT}", "--query", "--all", _XML)
    except NoOutputError:  # none has one
        return {}
    try:
        return crmmon.heartbeats_of(said)
    except ValueError as error:
        raise not_understood("attrd_updater", error) from error


_NO_SETTINGS: Mapping[str, str] = {}


def _ask(*command: str, environment: Mapping[str, str] = _NO_SETTINGS) -> bytes:
    return output(command, time.monotonic() + _SECONDS, _MOST, environment)
