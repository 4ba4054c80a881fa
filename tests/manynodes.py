"""Many nodes over ssh, for tests of ClusterShell: one real node, and in place of ssh a program that answers as many.

ssh itself is in tests/cluster. Here it is what it brings about: nodes that are dead, slow, or strange.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shipped import Shipped

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

    from lab.node import Node

BEHAVIOUR = "/srv/nodes"
LOG = "/srv/asked"
# Its last words are the node and the command, which a shell reads, as sshd has it. A node may have a behaviour of its
# own, in shell text. Names that do not begin with n are nobody's.
_SSH = f"""\
#!/bin/sh
for word; do node=$command command=$word; done
echo "$node $command" >>{LOG}
[ ! -e "{BEHAVIOUR}/$node" ] || . "{BEHAVIOUR}/$node"
case $node in
n*) exec sh -c "$command" ;;
esac
echo "ssh: Could not resolve hostname $node: Name or service not known" >&2
exit 255
"""
_CONFIGURE = """\
sed -i 's,^#ssh_path:.*,ssh_path: /srv/ssh,' /etc/clustershell/clush.conf
grep -qx 'ssh_path: /srv/ssh' /etc/clustershell/clush.conf
echo 'web: n[1-3]' >>/etc/clustershell/groups.d/local.cfg
"""


class ManyNodes:
    """One node that answers as any number of them: each is itself, but for those with a behaviour of their own."""

    def __init__(self, node: Node, table: str) -> None:
        """Start its daemon.

        Args:
            node: with Debian's clustershell.
            table: of all nodes.
        """
        self.node = node
        self.node.write("/etc/cltab", table)
        self.node.write("/srv/ssh", _SSH, mode=0o755)
        self.node.shell(_CONFIGURE)
        self.daemon = Shipped(node).start()

    def behave(self, behaviours: Mapping[str, str]) -> None:
        """Have nodes behave; text of a shell by their names."""
        for name, text in behaviours.items():
            self.node.write(f"{BEHAVIOUR}/{name}", f"{text}\n")

    def forget(self) -> None:
        """Have all nodes be as the real one, and never asked."""
        self.node.shell(f"rm -rf {BEHAVIOUR} {LOG}")

    def nodes(self, *words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run `clinitctl nodes`."""
        return self.node.run("clinitctl", "nodes", *words, check=False, timeout=timeout)

    def seen(self, *words: str) -> Any:
        """What `clinitctl nodes --json` prints."""
        return json.loads(self.nodes("--json", *words).stdout)

    def asked(self) -> list[str]:
        """The names of the nodes that were asked, each time."""
        return [line.partition(" ")[0] for line in self.node.read(LOG).splitlines()] if self.node.exists(LOG) else []


def kinds(seen: Any) -> dict[str, list[str]]:
    """The findings of `--json`: nodes by kind."""
    found: dict[str, list[str]] = {}
    for finding in seen["findings"]:
        found.setdefault(finding["kind"], []).extend(finding["nodes"])
    return found
