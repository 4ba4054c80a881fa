"""What Pacemaker makes of the configuration that `cltab2systemd pacemaker` prints, by crm_simulate on a copy.

A copy of the cluster's own is changed, and nothing in the cluster.
"""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.cluster import NAMES

if TYPE_CHECKING:
    from threenodes import Groups

    from lab.node import Node

TABLE = """\
:::pacemaker.cache:level=3 prefer=n2:100
:::pacemaker.app:level=3 after=cache with=cache ip=198.51.100.80/24
:::pacemaker.edge:level=3 after=cache prefer=n1:-INFINITY prefer=n3:50
cache:cache-it:3:respawn:exec sleep infinity
app:app-it:3:respawn:exec sleep infinity
edge:edge-it:3:respawn:exec sleep infinity
"""
RESOURCES = ("cache", "app.ip", "app", "edge")
# By format: what applies what is printed to the file /root/cib.xml.
APPLY = {
    "pcs": "sh printed cib.xml",
    "crm": "CIB_file=cib.xml crm configure load update printed",
    "xml": "CIB_file=cib.xml cibadmin --modify --allow-create --scope configuration --xml-file printed",
}


@dataclass(frozen=True)
class Simulated:
    """What a cluster would do, and where everything would be then.

    Attributes:
        actions: starts and stops of the table's resources in their order, as `start cache n2`.
        places: the node of each of these that is started.
    """

    actions: list[str]
    places: dict[str, str]

    def happens_in_order(self, *actions: str) -> bool:
        """Whether these happen, one behind the other."""
        found = [action for action in self.actions if action in actions]
        return found == [*actions]


class Copy:
    """A copy of the cluster's configuration and state."""

    _numbers = itertools.count(1)  # no copy is written over

    def __init__(self, node: Node, path: str = "/root/cib.xml") -> None:
        self._node, self._path = node, path

    def apply(self, format_: str) -> None:
        """Tell it of the table, in a format."""
        self._node.write("/root/simulated.cltab", TABLE)
        self._node.shell("cibadmin --query >/root/cib.xml")
        self._node.shell(
            f"cd /root; cltab2systemd pacemaker --format {format_} simulated.cltab >printed; {APPLY[format_]}"
        )

    def stop(self, resource: str) -> Copy:
        """Another copy, in which a resource is to be stopped."""
        path = f"{self._path}.{next(self._numbers)}"
        change = "--meta --set-parameter target-role --parameter-value Stopped"
        self._node.shell(f"cp {self._path} {path}; CIB_file={path} crm_resource --resource {resource} {change}")
        return Copy(self._node, path)

    def simulate(self, *changes: str) -> tuple[Simulated, Copy]:
        """What happens, perhaps with changes as `--node-down=n2`; and a copy of how it is then."""
        then = f"{self._path}.{next(self._numbers)}"
        command = ("crm_simulate", "--simulate", f"--xml-file={self._path}", f"--save-output={then}", "--output-as=xml")
        root = ET.fromstring(self._node.run(*command, *changes).stdout)  # noqa: S314 - of the lab's cluster
        actions = [
            f"{action.get('op')} {action.get('resource')} {action.get('node')}"
            for action in root.iterfind("transition/rsc_action")
            if action.get("op") in {"start", "stop"} and action.get("resource") in RESOURCES
        ]
        resources = root.iterfind("revised_cluster_status/resources//resource")
        found = {str(resource.get("id")): [str(node.get("name")) for node in resource] for resource in resources}
        places = {name: found[name][0] for name in RESOURCES if found[name]}
        assert all(len(found[name]) <= 1 for name in RESOURCES)
        return Simulated(actions, places), Copy(self._node, then)


def at(cache: str, edge: str) -> dict[str, str]:
    """Where all are if cache, and what is with it, is on one node, and edge on another."""
    return {"cache": cache, "app.ip": cache, "app": cache, "edge": edge}


def test_places_and_orders(groups: Groups) -> None:
    """`prefer=`, `with=` and `after=` mean what they say in each format, also when nodes go."""
    for format_ in APPLY:
        copy = Copy(groups.cluster.nodes[NAMES[0]])
        copy.apply(format_)

        begun, up = copy.simulate()
        assert begun.places == at("n2", "n3")
        assert begun.happens_in_order("start cache n2", "start app.ip n2", "start app n2")
        assert begun.happens_in_order("start cache n2", "start edge n3")
        without_preferred(copy)
        when_preferred_goes(up)


def without_preferred(copy: Copy) -> None:
    """From the beginning: what is to be together is, and what must not be on the only node that is left is nowhere."""
    found, _ = copy.simulate("--node-down=n2")
    assert found.places == at(found.places["cache"], "n3")
    assert found.places["cache"] in {"n1", "n3"}
    found, _ = copy.simulate("--node-down=n3")
    assert found.places == at("n2", "n2")
    found, _ = copy.simulate("--node-down=n2", "--node-down=n3", "--quorum=true")
    assert found.places == dict.fromkeys(("cache", "app.ip", "app"), "n1")


def when_preferred_goes(up: Copy) -> None:
    """The next one has all that is together, and what is behind it is started again."""
    found, _ = up.simulate("--node-down=n2")
    cache = found.places["cache"]
    assert found.places == at(cache, "n3")
    assert found.happens_in_order(f"start cache {cache}", f"start app.ip {cache}", f"start app {cache}")
    assert found.happens_in_order("stop edge n3", f"start cache {cache}", "start edge n3")


def test_stops(groups: Groups) -> None:
    """They are in the reverse order, and what is with, or behind, something that is stopped does not stay."""
    copy = Copy(groups.cluster.nodes[NAMES[0]])
    copy.apply("xml")
    _, up = copy.simulate()

    found, _ = up.stop("cache").simulate()
    assert found.places == {}
    assert found.happens_in_order("stop app n2", "stop app.ip n2", "stop cache n2")
    assert found.happens_in_order("stop edge n3", "stop cache n2")

    found, _ = up.stop("app").simulate()
    assert found.places == {"cache": "n2", "app.ip": "n2", "edge": "n3"}
    assert found.actions == ["stop app n2"]
    found, _ = up.stop("edge").simulate()
    assert found.actions == ["stop edge n3"]
