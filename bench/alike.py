"""Three resources of Pacemaker that do the same work: a group, a service unit, and the least that an agent can be.

A program writes when and where it starts, and sleeps; it sees whether it runs on another node too. A node can be made
ill, so that all three fail there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lab import deaddisk, packaged, programs
from lab.cluster import PACKAGES, SHARED, Cluster
from lab.node import Node

KINDS = {
    "group": "ocf:clinit:group",
    "unit": "systemd:bench-unit",
    "trivial": "ocf:lab:trivial",
}
"""The resources' names, with their agents."""
TABLE = "group:work:3m:respawn:exec /usr/local/bin/work group\n"
"""The table of a node that is well."""
MARKS = "marks"
"""A directory on the shared storage, with a file for each resource: a line for each start, NODE SECONDS."""
TIMEOUT = 6
"""Seconds that a start or a stop may take."""

_OPERATIONS = f"op start timeout={TIMEOUT}s op stop timeout={TIMEOUT}s op monitor interval=2s timeout=20s"
_CONFIGURATION = "".join(
    [
        f"primitive group ocf:clinit:group params group=group level=3 on_degraded=fail {_OPERATIONS}\n",
        f"primitive unit systemd:bench-unit {_OPERATIONS}\n",
        f"primitive trivial ocf:lab:trivial {_OPERATIONS}\n",
        # What fails once goes elsewhere.
        "rsc_defaults resource-stickiness=100 migration-threshold=1\n",
        # All at once, also on a busy machine: otherwise one waits for another, and that is measured.
        "property load-threshold=1000% node-action-limit=16\n",
    ]
)
_DIES = "/run/bench-dies"
_DISK = "/run/bench-disk"
_MARK = f"""\
#!/bin/sh
echo "$(uname -n) $(date +%s.%N)" >>"{SHARED}/{MARKS}/$1"
"""
_WORK = f"""\
#!/bin/sh
mark "$1"
exec 9>>"{SHARED}/locks/$1"
flock --nonblock 9 || echo "$1" >>{SHARED}/violations
[ ! -e {_DISK} ] || exec cat {_DISK}/file
[ ! -e {_DIES} ] || exit 1
exec sleep infinity
"""
_UNIT = "[Service]\nExecStart=/usr/local/bin/work unit\nRestart=on-failure\n"
_TRIVIAL = """\
#!/bin/sh
# The least that an agent can do: a file says whether its resource runs.
state=/run/bench-trivial
ill=$(cat /run/bench-ill 2>/dev/null)
[ "$ill" != "$1 hangs" ] || exec sleep infinity
[ "$ill" != "$1 fails" ] || exit 1
case $1 in
start) [ -e $state ] || { : >$state && /usr/local/bin/mark trivial; } ;;
stop) rm -f $state ;;
monitor) [ -e $state ] || exit 7 ;;
meta-data)
	cat <<END
<?xml version="1.0"?>
<resource-agent name="trivial" version="1.0">
<version>1.0</version>
<longdesc lang="en">A file.</longdesc>
<shortdesc lang="en">A file</shortdesc>
<parameters/>
<actions>
<action name="start" timeout="20s"/><action name="stop" timeout="20s"/>
<action name="monitor" timeout="20s" interval="10s" depth="0"/>
<action name="meta-data" timeout="5s"/><action name="validate-all" timeout="20s"/>
</actions>
</resource-agent>
END
	;;
esac
"""
_CRM = "/root/bench.crm"
_FILES = {
    _CRM: _CONFIGURATION,
    "/usr/local/bin/mark": _MARK,
    "/usr/local/bin/work": _WORK,
    "/etc/systemd/system/bench-unit.service": _UNIT,
    "/usr/lib/ocf/resource.d/lab/trivial": _TRIVIAL,
}
# Beside the unit's own file, and gone after a boot.
_DROP_IN = "/run/systemd/system/bench-unit.service.d/ill.conf"
_KILLS = {
    "group": "systemctl kill --signal=KILL clinit-group@work.service",
    "unit": "systemctl kill --signal=KILL bench-unit.service",
    "trivial": "rm /run/bench-trivial",
}


@dataclass(frozen=True, slots=True)
class Illness:
    """What is wrong on a node: for the group, lines of the table; for the unit, a drop-in; for the agent, a word."""

    lines: str
    drop_in: str
    trivial: str = ""


START_FAILS = Illness("group:check:3:test:false\n", "ExecStartPre=false\n", "start fails")
START_HANGS = Illness(
    "group:mount:3:wait:exec sleep infinity\n",
    "ExecStartPre=sleep infinity\nTimeoutStartSec=infinity\n",
    "start hangs",
)
STOP_HANGS = Illness(
    "group:umount:stop:wait:exec sleep infinity\n:::service.umount:TimeoutStartSec=infinity\n",
    "ExecStop=sleep infinity\nTimeoutStopSec=infinity\n",
    "stop hangs",
)
SOON_KILLED = Illness(
    ":::service.work:TimeoutStopSec=1\n:::service.work:TimeoutAbortSec=1\n",
    "TimeoutStopSec=1\nTimeoutAbortSec=1\n",
)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster that runs the three. Raises LabError."""
    with Cluster([packaged.installed(programs.installed(*PACKAGES))], TABLE) as made:
        (made.shared / MARKS).mkdir()
        for node in made.nodes.values():
            for path, text in _FILES.items():
                node.write(path, text, mode=0o755 if text.startswith("#!") else 0o644)
            node.run("systemctl", "daemon-reload")
        made.run(f"crm configure load update {_CRM}")
        made.settle()
        yield made


def sicken(node: Node, illness: Illness) -> None:
    """Make a node ill, until it is healed. What runs there runs on."""
    node.write("/run/bench-ill", illness.trivial)
    node.write(_DROP_IN, f"[Service]\n{illness.drop_in}")
    node.write("/etc/cltab", illness.lines + TABLE)
    node.run("clinit")
    node.run("systemctl", "daemon-reload")


def heal(node: Node) -> None:
    """Make a node well again."""
    node.run("rm", "-f", "/run/bench-ill", _DROP_IN, _DIES)
    node.write("/etc/cltab", TABLE)
    node.run("clinit")
    node.run("systemctl", "daemon-reload")


def kill(node: Node, name: str) -> None:
    """End a resource's work on a node; if it is started again there, it dies at once."""
    node.run("touch", _DIES)
    node.run("sh", "-c", _KILLS[name])


def break_disk(node: Node) -> None:
    """Have the work on a node, once it starts there, wait for a disk that does not answer, and outlive all signals."""
    deaddisk.mount(node, _DISK)
