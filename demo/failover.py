"""What the demo of a cluster shows, in order: groups move between three nodes, by request and because a node died."""

import time
from collections.abc import Callable
from pathlib import Path

from demo.stage import Stage
from lab import ssh
from lab.cluster import NAMES, Cluster

TABLE = Path(__file__).with_name("cltab-of-the-cluster").read_text(encoding="utf-8")

_GROUPS = ("web", "db", "files", "batch")
_RESOURCES = "/root/groups.crm"
_OPERATIONS = "op start timeout=60s op stop timeout=60s op monitor interval=2s timeout=20s"
_CONFIGURATION = "".join(
    [
        *(f"primitive {name} ocf:clinit:group params group={name} level=3 {_OPERATIONS}\n" for name in _GROUPS),
        "rsc_defaults resource-stickiness=100\n",
    ]
)
_MONITOR = ("crm_mon", "--one-shot", "--include=none,nodes,resources")
_SEEN_AS_ONE = ("clinitctl", "nodes", "-w", "n[1-3]")
_LONG = 60.0


def play(stage: Stage, cluster: Cluster) -> None:
    """Play all steps. Raises StepError at the first one that does not show what it says."""
    demo = _Failover(stage, cluster)
    demo.begin()
    demo.configure()
    demo.see()
    demo.move()
    demo.change_level()
    demo.kill()
    demo.come_back()
    demo.reboot()
    demo.judge()


class _Failover:
    """The steps, and where what they look for is."""

    def __init__(self, stage: Stage, cluster: Cluster) -> None:
        self._stage = stage
        self._cluster = cluster
        self._killed = ""

    def begin(self) -> None:
        stage = self._stage
        with stage.step("Three nodes are a cluster of Pacemaker and Corosync with fencing. All have the same table."):
            self._speak_on(NAMES[0])
            stage.equal("the table", stage.run("cat", "/etc/cltab"), TABLE)
            stage.run("cltab2systemd", "check", "/etc/cltab")
            stage.contains("what Pacemaker says", stage.run(*_MONITOR), "Online: [ n1 n2 n3 ]", "fence_lab")
            stage.clstat()

    def configure(self) -> None:
        stage = self._stage
        with stage.step("Each group becomes a resource, and all begin at once. Pacemaker says where each one runs."):
            self._cluster.nodes[NAMES[0]].write(_RESOURCES, _CONFIGURATION)
            stage.run("cat", _RESOURCES)
            stage.run("crm", "configure", "load", "update", _RESOURCES)
            self._settle()
            stage.run(*_MONITOR)
            self._show_groups(*_GROUPS)

    def see(self) -> None:
        stage = self._stage
        with stage.step(
            "All nodes at a glance, each asked by ssh: which group is where, at which level and how it is."
        ):
            ssh.allow(self._cluster.nodes.values())
            stage.contains("what it shows", stage.run(*_SEEN_AS_ONE), *_GROUPS, *NAMES)

    def move(self) -> None:
        stage = self._stage
        with stage.step("A planned move: one command, and web is on another node. It stops before it starts there."):
            before, others = self._places(), self._others("web")
            move = ("crm_resource", "--resource", "web", "--move", "--node", others[0])
            seconds = self._time_until_at("web", others[0], lambda: stage.run(*move))
            stage.say(f"from {before['web']} to {others[0]} in {seconds:.1f} s")
            stage.run("crm_resource", "--resource", "web", "--clear")
            self._settle()
            stage.equal("where the groups are", self._places(), before | {"web": others[0]})
            self._show_groups("web")

    def change_level(self) -> None:
        stage = self._stage
        with stage.step("A new level of a resource that runs is a switch in place: what both levels have runs on."):
            self._speak_on(self._where("web"))
            witness = stage.pid("web", "web-witness")
            for level in ("m", "3"):
                stage.run("pcs", "resource", "update", "web", f"level={level}")
                self._settle()
                stage.contains("clstat", stage.run("clinit", "-v"), f"web {level} DONE\n")
                stage.equal("the pid of web:web-witness", stage.pid("web", "web-witness"), witness)
            stage.say(f"web:web-witness has pid {witness}, as before")

    def kill(self) -> None:
        stage, cluster = self._stage, self._cluster
        self._killed = self._where("web")
        lost = [group for group, node in self._places().items() if node == self._killed]
        stays, other = self._others("web")
        with stage.step(f"{self._killed} loses its power. It is fenced first, and then its groups run elsewhere."):
            self._speak_on(stays)
            stage.say(f"{self._killed} has {', '.join(lost)}; its plug is pulled")
            seconds = self._time_until_at("web", (stays, other), cluster.nodes[self._killed].crash)
            stage.say(f"web runs again {seconds:.1f} s later")
            stage.equal("what was fenced", cluster.fenced, [(self._killed, "reboot")])
            self._settle()
            stage.run(*_MONITOR)
            stage.contains("where web is", f"{stays} {other}", self._where("web"))
            self._show_groups(*lost)

    def come_back(self) -> None:
        stage = self._stage
        with stage.step(f"{self._killed} comes back. Nothing of what ran there starts by itself, and nothing moves."):
            before = self._places()
            self._cluster.await_online(*NAMES)
            self._settle()
            stage.equal("where the groups are", self._places(), before)
            self._speak_on(self._killed)
            stage.run(*_MONITOR)
            runs = [line for line in stage.run("clinit", "-v").splitlines() if not line.endswith(" stop DONE")]
            stage.equal(f"what runs on {self._killed}", runs, [])

    def reboot(self) -> None:
        stage, cluster = self._stage, self._cluster
        node = self._where("web")
        with stage.step(f"{node} is rebooted in order. Its groups stop and go elsewhere, and nobody is fenced."):
            cluster.fenced.clear()
            self._speak_on(self._others("web")[0])
            stage.say(f"{node} has {', '.join(group for group, at in self._places().items() if at == node)}")
            cluster.nodes[node].reboot()
            cluster.await_online(*NAMES)
            self._settle()
            said = stage.run("crm_mon", "--one-shot")
            stage.equal("whether an action has failed", "Failed Resource Actions" in said, expected=False)
            stage.equal("what was fenced", cluster.fenced, [])
            stage.differ("the node of web", self._where("web"), node)
            self._show_groups(*_GROUPS)

    def judge(self) -> None:
        stage = self._stage
        with stage.step("In all this no group was on two nodes at once: no witness has found its lock taken."):
            stage.equal("what the witnesses have seen", self._cluster.violations(), "")

    def _speak_on(self, node: str) -> None:
        self._stage.move_to(self._cluster.nodes[node], f"{node}# ")

    def _places(self) -> dict[str, str]:
        return {group: self._where(group) for group in _GROUPS}

    def _where(self, group: str) -> str:
        return self._cluster.where(group, seen_from=self._stage.node.name)

    def _others(self, group: str) -> list[str]:
        """The nodes that do not have a group."""
        has = self._where(group)
        return [name for name in NAMES if name != has]

    def _settle(self) -> None:
        self._cluster.settle(seen_from=self._stage.node.name)

    def _show_groups(self, *groups: str) -> None:
        """Check that each group is at level 3 on just the node on which Pacemaker has it."""
        for group in groups:
            where = self._where(group)
            at = [name for name in NAMES if f"{group} 3 DONE" in self._statuses(name)]
            self._stage.equal(f"where {group} is at level 3", at, [where])
            self._stage.say(f"{where} has {group} at level 3, and no other node has it")

    def _statuses(self, name: str) -> list[str]:
        node = self._cluster.nodes[name]
        return node.run("clinit", "-v", check=False).stdout.splitlines() if node.is_on else []

    def _time_until_at(self, group: str, nodes: str | tuple[str, ...], act: Callable[[], object]) -> float:
        """Do something, and wait until a group is at level 3 on one of the nodes. Seconds."""
        names = (nodes,) if isinstance(nodes, str) else nodes
        begin = time.monotonic()
        act()
        self._stage.until(
            f"{group} is at level 3 on {' or '.join(names)}",
            lambda: any(f"{group} 3 DONE" in self._statuses(name) for name in names),
            timeout=_LONG,
        )
        return time.monotonic() - begin
