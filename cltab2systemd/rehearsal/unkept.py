"""Directives that a rehearsal has no means for: systemd sets them aside there, and keeps them on the machine. Pure.

Tried in a node with users of its own, systemd 252: such a unit starts, and its program may do what it could not do on
the machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from cltab2systemd.table.model import ResourceGroup

# systemd.resource-control(5): the controller that each takes, by how its name begins.
_CONTROLLERS = {
    "Memory": "memory", "DefaultMemory": "memory", "StartupMemory": "memory", "TasksMax": "pids", "CPUQuota": "cpu",
    "CPUWeight": "cpu", "StartupCPUWeight": "cpu", "CPUShares": "cpu", "AllowedCPUs": "cpuset",
    "AllowedMemoryNodes": "cpuset", "IOWeight": "io", "IODeviceWeight": "io", "IORead": "io", "IOWrite": "io",
    "StartupIOWeight": "io",
}  # fmt: skip
_NO_CONTROLLER = frozenset({"MemoryDenyWriteExecute", "MemoryAccounting"})
_BPF = (
    "IPAddress", "IPIngressFilterPath", "IPEgressFilterPath", "SocketBind", "RestrictNetworkInterfaces", "DeviceAllow",
    "DevicePolicy", "BPFProgram",
)  # fmt: skip


def unkept(groups: Iterable[ResourceGroup], controllers: Collection[str]) -> Iterator[str]:
    """What is to be told of the directives of groups and their entries, a line for each directive.

    Args:
        groups: of which there may be two with one name.
        controllers: those of cgroups that units have in the rehearsal.
    """
    found: dict[tuple[str, str], dict[str, None]] = {}
    for group in groups:
        of_entries = ((entry.tag, entry.directives) for entry in group.entries if not entry.ready_of)
        for name, directives in ((group.name, group.directives), *of_entries):
            for directive in directives:
                if directive.value and (why := _why(directive.name, controllers)):
                    found.setdefault((directive.name, why), {})[name] = None
    for (directive_name, why), names in found.items():
        yield f"{directive_name}= of {', '.join(map(shortened, names))}: it is not kept here, for {why}"


def _why(name: str, controllers: Collection[str]) -> str:
    if name.startswith(_BPF):
        return "that takes BPF, which is of the whole machine"
    if name in _NO_CONTROLLER:
        return ""
    controller = next((needed for start, needed in _CONTROLLERS.items() if name.startswith(start)), None)
    if controller is None or controller in controllers:
        return ""
    return f"a rehearsal gets no cgroup controller {controller} on this machine"
