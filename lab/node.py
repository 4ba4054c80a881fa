"""Nodes as tests and trials want them: any layers and binds over this machine's root or another one, and a network."""

import os
from collections.abc import Sequence
from pathlib import Path

from cltab2systemd.node import node
from cltab2systemd.node.spec import Bind, NodeSpec
from lab.network import Network
from lab.waiting import PATIENCE


class Node(node.Node):
    """A node of the lab.

    name becomes the host name; several nodes, also of the same name, can run side by side. layers are directories laid
    over the root, the first one on top; the mode of its top directory becomes that of the node's root. Without a root
    it is the one that LAB_ROOT in the environment names, or the running one. Without a network it reaches no other
    node.
    """

    patience = PATIENCE

    def __init__(
        self,
        name: str,
        *,
        layers: Sequence[Path] = (),
        binds: Sequence[Bind] = (),
        root: Path | None = None,
        network: Network | None = None,
    ) -> None:
        """Describe the node; nothing runs yet. Raises ValueError for a bad name, LabError if network lacks it."""
        base = root or Path(os.environ.get("LAB_ROOT", "/"))
        super().__init__(NodeSpec(name, base, tuple(layers), tuple(binds), network.port(name) if network else None))
