"""A network between nodes: a bridge in a network namespace of its own, of which the host sees nothing.

It needs iproute2, and ends at the latest when the process ends that made it.
"""

import subprocess
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from cltab2systemd.node import host
from cltab2systemd.node.spec import BRIDGE, Port
from lab.errors import LabError

# The holder dies when its standard input ends: with whoever made the network, whatever became of that.
_HOLD = f"ip link add {BRIDGE} type bridge && ip link set {BRIDGE} up && echo ready && read -r _ || :"
_TIMEOUT = 10.0


class Network:
    """A network of the nodes in addresses: a node's name and its IPv4 address, all in one /24. A context manager.

    Give it to Node(name, network=...). Each node's /etc/hosts has all names. A link that was cut is mended by a boot.
    """

    def __init__(self, addresses: Mapping[str, str]) -> None:
        """Make the network. Raises LabError if that fails, ValueError for what is no IPv4 address."""
        # Before anything runs: a bad address leaves nothing behind.
        self._hosts = tuple((name, address) for name, address in addresses.items())
        for name, _ in self._hosts:
            Port("", name, self._hosts)
        if reason := host.shortcoming():
            raise LabError(reason)
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", _HOLD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A Ctrl-C is for the program that made the network.
            start_new_session=True,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "ready\n":
            _, why = self._holder.communicate()
            raise LabError(f"no network for nodes can be made: {why.strip()}")

    def __enter__(self) -> Self:
        """Return the network, which is there already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """End the network, if it is there; the nodes that run go on without it."""
        if self._holder.returncode is None:
            self._holder.communicate()

    def port(self, name: str) -> Port:
        """Return where a node of this name is joined to the network. Raises LabError for a name it does not have."""
        if name not in dict(self._hosts):
            raise LabError(f"node {name} is not in this network: {', '.join(dict(self._hosts))}")
        return Port(f"/proc/{self._holder.pid}/ns/net", name, self._hosts)

    def cut(self, name: str) -> None:
        """Cut a running node off from all others; its own interface stays up, as behind a switch that is dead."""
        self._set(name, "nomaster")

    def mend(self, name: str) -> None:
        """Join a node again that was cut off."""
        self._set(name, "master", BRIDGE)

    def _set(self, name: str, *words: str) -> None:
        port = self.port(name)
        done = subprocess.run(
            ["nsenter", f"--net={port.namespace}", "ip", "link", "set", port.device, *words],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        if done.returncode != 0:
            raise LabError(f"the link of node {name} cannot be changed (does it run?): {done.stderr.strip()}")
