"""What a node is made of, as data that can be passed to the supervisor process."""

import ipaddress
import json
import re
from dataclasses import dataclass
from pathlib import Path

# A node's name becomes its host name and part of a cgroup's name.
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?")


SUPERVISOR = "cltab2systemd.node.supervisor"
"""The module that owns a node, in a process of its own. The name is on its command line."""


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or directory of the host (source) that the node sees at target, an absolute path in the node."""

    source: Path
    target: Path
    read_only: bool = True


BRIDGE = "bridge"
"""The bridge's name in the network namespace of a network of nodes."""


@dataclass(frozen=True, slots=True)
class Port:
    """Where a node is joined to a network: the path of the network's namespace, the node's name, all names' addresses.

    Raises ValueError for what is no IPv4 address.
    """

    namespace: str
    name: str
    hosts: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        """Check the node's address."""
        ipaddress.IPv4Address(self.address)

    @property
    def address(self) -> str:
        """The node's address."""
        return dict(self.hosts)[self.name]

    @property
    def device(self) -> str:
        """The name of the network's end of the cable: of the address, for an interface's name has 15 characters."""
        return "port" + ipaddress.IPv4Address(self.address).packed.hex()

    @property
    def hardware_address(self) -> str:
        """The address of the node's interface: the same at each boot, for the others remember it (ip-neighbour(8))."""
        return "02:00:" + ipaddress.IPv4Address(self.address).packed.hex(":")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a node may use: bytes of memory, with what it writes to its files, and processes and threads."""

    memory: int
    tasks: int


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A node's name, the root it runs on, the layers over it (first one on top), bind mounts, and network, if any.

    With own_users its root is nobody on the host (`users`): then no program in it reaches the host, whatever it tries.
    Without, it is for programs that are known. seconds is how long the node lives at most.

    Raises ValueError for a name that is no host name (lower case letters, digits, inner dashes, at most 42).
    """

    name: str
    root: Path = Path("/")
    layers: tuple[Path, ...] = ()
    binds: tuple[Bind, ...] = ()
    port: Port | None = None
    own_users: bool = False
    limits: Limits | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        """Check the name."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"not a node name: {self.name!r} (lower case letters, digits, inner dashes, at most 42)")

    def to_json(self) -> str:
        """Return the spec as one line of JSON, all host paths made absolute."""
        return json.dumps(
            {
                "name": self.name,
                "root": str(self.root.absolute()),
                "layers": [str(layer.absolute()) for layer in self.layers],
                "binds": [(str(bind.source.absolute()), str(bind.target), bind.read_only) for bind in self.binds],
                "port": self.port and (self.port.namespace, self.port.name, self.port.hosts),
                "own_users": self.own_users,
                "limits": self.limits and (self.limits.memory, self.limits.tasks),
                "seconds": self.seconds,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "NodeSpec":
        """Return the spec that to_json wrote."""
        data = json.loads(text)
        return cls(
            name=data["name"],
            root=Path(data["root"]),
            layers=tuple(Path(layer) for layer in data["layers"]),
            binds=tuple(Bind(Path(source), Path(target), read_only) for source, target, read_only in data["binds"]),
            port=_port(*data["port"]) if data["port"] else None,
            own_users=data["own_users"],
            limits=Limits(*data["limits"]) if data["limits"] else None,
            seconds=data["seconds"],
        )


def _port(namespace: str, name: str, hosts: list[list[str]]) -> Port:
    return Port(namespace, name, tuple((host, address) for host, address in hosts))
