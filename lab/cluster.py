"""Three nodes with Debian's Corosync and Pacemaker, a network between them, shared storage, and fencing.

Fencing is the lab's (lab.fencing). The nodes' configuration is a layer of its own.
"""

import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from cltab2systemd.node.spec import Bind
from lab import deaddisk, fencing, programs
from lab.errors import LabError
from lab.network import Network
from lab.node import Node
from lab.waiting import PATIENCE, wait_until

NAMES = ("n1", "n2", "n3")
PACKAGES = (
    "clustershell",
    "corosync",
    "crmsh",
    "keepalived",
    "nginx-light",
    "openssh-server",
    "pacemaker",
    "pacemaker-cli-utils",
    "pcs",
    "redis-server",
    "resource-agents",
)
"""Debian's, over the running root: the cluster, keepalived and ssh, and nginx and redis, which groups run."""

SHARED = Path("/shared")
"""Where each node has the shared storage."""

WITNESS = "/usr/local/bin/witness"
"""``witness GROUP`` as an entry's program: it holds the group's lock on the shared storage, as long as it runs."""

_ADDRESSES = {name: f"198.51.100.{number}" for number, name in enumerate(NAMES, 1)}
_UNITS = {
    "sysinit.target": ("systemd-sysusers.service",),
    "sockets.target": ("clinit.socket",),
    "multi-user.target": ("corosync.service", "pacemaker.service", "clinit.service"),
}
_CLUSTER_READY = 60.0 * PATIENCE

# Whoever shares the kernel shares its locks: two nodes cannot have one at once, and a dead node has none.
_WITNESS = f"""\
#!/bin/sh
exec 9>>"{SHARED}/locks/$1"
flock --nonblock 9 || echo "$1 on $(uname -n), and elsewhere" >>{SHARED}/violations
exec sleep infinity
"""
_COROSYNC = """\
totem {{
    version: 2
    cluster_name: lab
    transport: knet
    crypto_cipher: none
    crypto_hash: none
    # Milliseconds without a sign of life after which a node counts as gone. Corosync's own is 3000.
    token: 1000
    token_coefficient: 0
}}
quorum {{
    provider: corosync_votequorum
    wait_for_all: 1
}}
system {{
    # A container's systemd gives no real-time scheduling, and its sockets have small buffers.
    sched_rr: no
    allow_knet_handle_fallback: yes
}}
logging {{
    to_stderr: no
    to_syslog: yes
}}
nodelist {{
{nodes}
}}
"""
_CIB = """\
<cib validate-with="pacemaker-3.0" admin_epoch="0" epoch="1" num_updates="0">
 <configuration>
  <crm_config><cluster_property_set id="properties">
   <nvpair id="dc-deadtime" name="dc-deadtime" value="3s"/>
  </cluster_property_set></crm_config>
  <nodes/>
  <resources><primitive id="fencing" class="stonith" type="fence_lab"><instance_attributes id="fencing-parameters">
   <nvpair id="fencing-hosts" name="pcmk_host_list" value="{names}"/>
  </instance_attributes></primitive></resources>
  <constraints/>
 </configuration>
 <status/>
</cib>
"""


class Cluster:
    """A cluster of the nodes NAMES with a table; a context manager. Only `fencing` is configured as a resource."""

    def __init__(self, layers: Sequence[Path], table: str) -> None:
        """Describe the cluster; nothing runs yet.

        Args:
            layers: over Debian's programs, as for Node: the project.
            table: the text of /etc/cltab.
        """
        self._layers = layers
        self._table = table
        self._directory = tempfile.TemporaryDirectory(prefix="cltab-cluster-")
        self.shared = Path(self._directory.name, "shared")
        self._fencing: fencing.Fencing | None = None

    def __enter__(self) -> Self:
        """Boot all nodes, and wait until they are a cluster. Raises LabError."""
        debian = programs.installed(*PACKAGES)
        layer = Path(self._directory.name, "layer")
        for path in (layer, self.shared, self.shared / "locks", self.shared / "fencing"):
            path.mkdir(mode=0o755)
        self._configure(layer, debian)
        self.network = Network(_ADDRESSES)
        binds = [Bind(self.shared, SHARED, read_only=False), deaddisk.DEVICE]
        self.nodes = {
            name: Node(name, layers=[layer, *self._layers, debian], binds=binds, network=self.network) for name in NAMES
        }
        try:
            with ThreadPoolExecutor() as pool:
                list(pool.map(Node.boot, self.nodes.values()))
            self._fencing = fencing.Fencing(self.nodes, self.shared / "fencing")
            self.await_online(*NAMES)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """End all nodes, and the network."""
        if self._fencing:
            self._fencing.close()
        for node in self.nodes.values():
            node.stop()
        self.network.close()
        self._directory.cleanup()

    @property
    def fenced(self) -> list[tuple[str, str]]:
        """Whose plug was pulled, and why: off or reboot."""
        return self._fencing.fenced if self._fencing else []

    def run(self, command: str, *, on: str = NAMES[0], check: bool = True) -> str:
        """Run a shell command on a node; what it prints. Raises CommandError if it fails."""
        return self.nodes[on].run("sh", "-c", command, check=check).stdout

    def await_online(self, *names: str) -> None:
        """Wait until each of the nodes sees all of them in the cluster, and a fencing device that is up."""
        for name in names:
            wait_until(partial(self._sees_all, name, names), what=f"{name} sees {names}", timeout=_CLUSTER_READY)

    def where(self, resource: str, *, seen_from: str = NAMES[0]) -> str:
        """The node on which Pacemaker has a resource; empty if it is not just one."""
        said = self.run(f"crm_resource --resource {resource} --locate 2>/dev/null", on=seen_from, check=False)
        found = [line.split()[-1] for line in said.splitlines() if "is running on" in line]
        return found[0] if len(found) == 1 else ""

    def settle(self, *, seen_from: str = NAMES[0]) -> None:
        """Wait until the cluster has nothing to do."""
        self.run("crm_resource --wait --timeout=60", on=seen_from)

    def violations(self) -> str:
        """What the witnesses have seen of groups on two nodes at once; empty if nothing."""
        file = self.shared / "violations"
        return file.read_text() if file.exists() else ""

    def forget_violations(self) -> None:
        """Have `violations` begin anew."""
        (self.shared / "violations").unlink()

    def _sees_all(self, name: str, names: tuple[str, ...]) -> bool:
        # A node without a controller, as one that was just fenced, sees nobody.
        if not self.nodes[name].is_on:
            return False
        said = self.run("crm_mon --one-shot --include=none,nodes,resources 2>/dev/null", on=name, check=False)
        online = [line for line in said.splitlines() if "Online: [" in line]
        return bool(online) and "Started" in said and set(online[0].partition("[")[2].split()) >= set(names)

    def _configure(self, layer: Path, debian: Path) -> None:
        nodes = "\n".join(
            f"    node {{\n        ring0_addr: {address}\n        name: {name}\n        nodeid: {number}\n    }}"
            for number, (name, address) in enumerate(_ADDRESSES.items(), 1)
        )
        files = {
            "etc/cltab": self._table,
            "etc/corosync/corosync.conf": _COROSYNC.format(nodes=nodes),
            "usr/sbin/fence_lab": fencing.agent("fence_lab", SHARED / "fencing"),
            WITNESS.removeprefix("/"): _WITNESS,
            "var/lib/pacemaker/cib/cib.xml": _CIB.format(names=" ".join(NAMES)),
        }
        for path, text in files.items():
            (layer / path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            (layer / path).write_text(text)
            (layer / path).chmod(0o755 if text.startswith("#!") else 0o644)
        for target, units in _UNITS.items():
            wants = layer / f"etc/systemd/system/{target}.wants"
            wants.mkdir(parents=True)
            for unit in units:
                (wants / unit).symlink_to(f"/usr/lib/systemd/system/{unit}")
        self._give_to_pacemaker(layer, debian)

    @staticmethod
    def _give_to_pacemaker(layer: Path, debian: Path) -> None:
        # Its daemons run as this user, and read no configuration of anybody else's.
        for line in (debian / "etc/passwd").read_text().splitlines():
            name, _, user, group, *_ = line.split(":")
            if name == "hacluster":
                break
        else:
            raise LabError("Debian's pacemaker has made no user hacluster")
        for path in (layer / "var/lib/pacemaker", *(layer / "var/lib/pacemaker").rglob("*")):
            os.chown(path, int(user), int(group))
            path.chmod(0o750 if path.is_dir() else 0o600)
