"""The lab's fencing device: an agent in the nodes asks for it on their shared storage, and a thread here does it.

It pulls a node's plug, and boots the node again if that is wanted.
"""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.node import Node

# Seconds that the agent waits for a node to be off.
_FENCED = 20
_PARAMETER = '<parameter name="{}"><content type="string"/><shortdesc>Not looked at</shortdesc></parameter>'
# Pacemaker tells a fence agent what to do on its standard input, and asks for its metadata by an option.
_AGENT = """\
#!/bin/sh
# Asks the lab to pull a node's plug.
action=reboot node=
if [ "$1" = -o ]; then
	action=$2
else
	while IFS='=' read -r name value; do
		case $name in
		action) action=$value ;;
		port | plug) node=$value ;;
		nodename) node=${{node:-$value}} ;;
		esac
	done
fi
case $action in
metadata | meta-data)
	cat <<END
<?xml version="1.0"?>
<resource-agent name="{name}" shortdesc="The lab's fencing device">
<longdesc>Pulls the plug of a node of the lab.</longdesc>
<parameters>
<parameter name="action" required="1">
<content type="string" default="reboot"/>
<shortdesc>What to do</shortdesc>
</parameter>
<parameter name="port"><content type="string"/><shortdesc>The node</shortdesc></parameter>
{parameters}
</parameters>
<actions>
<action name="on"/><action name="off"/><action name="reboot"/><action name="monitor"/><action name="metadata"/>
</actions>
</resource-agent>
END
	;;
off | reboot)
	request={requests}/$node.$$
	echo "$action" >"$request.new" && mv "$request.new" "$request.request" || exit 1
	for _ in $(seq {tries}); do
		[ ! -e "$request.done" ] || exit 0
		sleep 0.05
	done
	exit 1
	;;
esac
"""


def agent(name: str, requests: Path, parameters: Sequence[str] = ()) -> str:
    """Return the program of a fence agent.

    Args:
        name: of the agent, and of its file in /usr/sbin of each node.
        requests: the directory on the shared storage, as the nodes see it.
        parameters: names that it takes besides port, without looking at them.
    """
    listed = "\n".join(map(_PARAMETER.format, parameters))
    return _AGENT.format(name=name, requests=requests, parameters=listed, tries=_FENCED * 20)


class Fencing:
    """Pulls plugs from the moment it is made until it is closed. `fenced` has whose, and why: off or reboot."""

    def __init__(self, nodes: Mapping[str, Node], requests: Path, *, boots: bool = True) -> None:
        """Begin.

        Args:
            nodes: by name.
            requests: the directory on the shared storage, as the host sees it.
            boots: whether a node is booted again at once, if that is wanted. A node that is back sooner than Corosync
                has noticed that it was gone hears of its own fencing, and ends Pacemaker for good.
        """
        self.fenced: list[tuple[str, str]] = []
        self._nodes = nodes
        self._requests = requests
        self._boots = boots
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._fence, name="fencing", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Pull no plug any more."""
        self._over.set()
        self._thread.join()

    def _fence(self) -> None:
        while not self._over.wait(0.02):
            for request in sorted(self._requests.glob("*.request")):
                name, action = request.name.partition(".")[0], request.read_text().strip()
                request.unlink()
                if self._nodes[name].is_on:
                    self._nodes[name].crash()
                self.fenced.append((name, action))
                request.with_suffix(".done").touch()
                if action == "reboot" and self._boots:
                    self._nodes[name].start()
