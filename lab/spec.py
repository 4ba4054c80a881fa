"""What a node is made of, as data that can be passed to the supervisor process."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

# A node's name becomes its host name and part of a cgroup's name.
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or directory of the host (source) that the node sees at target, an absolute path in the node."""

    source: Path
    target: Path
    read_only: bool = True


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A node's name, the root it runs on, the layers over that root (first one on top), and bind mounts.

    Raises ValueError for a name that is no host name (lower case letters, digits, inner dashes, at most 42).
    """

    name: str
    root: Path = Path("/")
    layers: tuple[Path, ...] = ()
    binds: tuple[Bind, ...] = ()

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
        )
