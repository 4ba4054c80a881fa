"""Shutdown: groups are stopped in order, before what they need goes, and cost no more than their own time."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from programs import RUN, polite, saying
from survivor import Survivor

from cltab2systemd.node.spec import Bind
from lab.node import Node
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

# On the host: what is written there is still to be read when the node is gone.
KEPT = Path("/var/kept")
LOG = f"{KEPT}/log"
# Seconds that an entry takes from SIGINT to its end; what does not end gets SIGTERM and SIGKILL after some.
POLITE = 1.5
TERM_AFTER, KILL_AFTER = 5.0, 15.0
# Seconds by which a loaded machine may be late; and early, for systemd counts from when it woke up.
SLACK, EARLY = 2.0, 0.2


def deaf(tag: str, on_term: str) -> str:
    """A command that does something on SIGTERM. On SIGINT it only tells when that had not come yet.

    It also tells if there is no clstat.
    """
    on_int = f'echo "$now {tag} untold" >>"$EVENTS"; trap "" INT'
    look = f"read -r now rest </proc/uptime; test -e {KEPT}/clstat || say {tag} misses clstat; sleep 0.02"
    return f"{saying(LOG)} trap '{on_int}' INT; trap '{on_term}' TERM; say {tag} up; while :; do {look}; done"


def going(tag: str, *last: str) -> str:
    """A command that takes its time to stop, and at last tells if there is a clstat, or what else is still there."""
    seen = "; ".join((f"test -e {KEPT}/clstat && say {tag} sees clstat", *last, "exit"))
    return polite(LOG, tag, POLITE).replace("exit", seen)


CLSTAT = f":::clstat:{KEPT}/clstat\n"
POLITE_TABLE = (
    "".join(f"web:{tag}:1:respawn:{going(tag)}\n" for tag in ("a", "b", "c"))
    + f"mail:d:1:once:{going('d')}\nmail:init:1:wait:true\nmail:e:1:respawn:{going('e')}\n"
    # In the middle of a switch, of which nothing is to go on.
    + f"busy:f:1:wait:{going('f')}\nbusy:never:1:respawn:{saying(LOG)} say never up; {RUN}\n"
    # On a file system that goes.
    + f"disk:g:1:respawn:{going('g', 'test -e /srv/file && say g saved')}\n"
)
DEAF_TABLE = f"deaf:h:1:respawn:{deaf('h', 'say h term; exit')}\ndeaf:i:1:respawn:{deaf('i', 'say i term')}\n"
POLITE_TAGS = frozenset("abcdefg")
# Takes long enough to stop for the shutdown to come in the middle of a change of its line.
CHANGED_TABLE = f"late:x:1:respawn:{polite(LOG, 'x', POLITE)}\n"
STAND_IN = f"""\
[Unit]
DefaultDependencies={{defaults}}
Wants={{before}}
Before={{before}} shutdown.target
Conflicts=shutdown.target
RequiresMountsFor={KEPT}
[Service]
Type=oneshot
RemainAfterExit=yes
Environment=EVENTS={LOG}
ExecStart=/bin/sh -ec '{{start}}'
ExecStop=/bin/sh -ec '. event; say {{name}} goes; {{stop}}'
"""
STAND_INS = {
    "network": STAND_IN.format(name="network", defaults="yes", before="network.target", start=":", stop=":"),
    "disk": STAND_IN.format(
        name="disk",
        defaults="no",
        before="local-fs.target",
        start="mount -t tmpfs none /srv; touch /srv/file",
        stop="umount --lazy /srv",
    ),
}


@dataclass(frozen=True)
class Shutdown:
    """What was seen of a shutdown: what was said, when (seconds from its beginning), how long it took, all clstats."""

    times: dict[str, float]
    took: float
    shown: list[str]


class Machine:
    """A node with a network and a disk, and groups."""

    def __init__(self, name: str, layer: Path, kept: Path, table: str) -> None:
        self.kept = kept
        kept.mkdir()
        self.node = Node(f"shutdown-{name}", layers=[layer], binds=[Bind(kept, KEPT, read_only=False)])
        self.node.boot()
        for stand_in, text in STAND_INS.items():
            self.node.write(f"/etc/systemd/system/{stand_in}-stand-in.service", text)
        self.node.write("/etc/systemd/system/clinit.service.d/clstat.conf", f"[Service]\nReadWritePaths={KEPT}\n")
        self.instance = Survivor(self.node, CLSTAT + table)
        self.node.run("systemctl", "start", *(f"{stand_in}-stand-in.service" for stand_in in STAND_INS))
        self.instance.start()
        self.groups = {line.split(":", 1)[0] for line in table.splitlines()}
        self.up = set(re.findall(r"say \w up", table))

    def said(self) -> list[str]:
        """All that was said."""
        path = self.kept / "log"
        return path.read_text().splitlines() if path.exists() else []

    def start_groups(self) -> None:
        """Take all groups to level 1, or in the middle of the way there."""
        clients = [
            self.node.popen("clinit", *(["--wait"] if group != "busy" else []), group, "1") for group in self.groups
        ]
        assert {client.wait(30) for client in clients} == {0}
        wait_until(lambda: self.up == {"say " + line.split(" ", 1)[1] for line in self.said()})

    def shut_down(self) -> Shutdown:
        """Power the node off, and look on."""
        before, shown = len(self.said()), [(self.kept / "clstat").read_text()]
        began = time.clock_gettime(time.CLOCK_BOOTTIME)  # that of /proc/uptime
        with ThreadPoolExecutor(1) as executor:
            off = executor.submit(self.node.poweroff)
            while not off.done():
                with suppress(FileNotFoundError):
                    if (text := (self.kept / "clstat").read_text()) != shown[-1]:
                        shown.append(text)
                time.sleep(0.005)
            off.result()
        took = time.clock_gettime(time.CLOCK_BOOTTIME) - began
        assert not (self.kept / "clstat").exists()
        lines = [line.split(" ", 1) for line in self.said()[before:]]
        return Shutdown({what: float(when) - began for when, what in lines}, took, shown)


@pytest.fixture(scope="module")
def shutdowns(project_layer: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Shutdown]:
    """Shut down nodes: no group at a level, some, deaf ones, without a daemon, and in a change.

    They go at the same time, when all are up: so the machine is as busy for each.
    """
    directory = tmp_path_factory.mktemp("kept")

    def up(name: str, table: str, prepare: Callable[[Machine], None]) -> Machine:
        machine = Machine(name, project_layer, directory / name, table)
        stack.callback(machine.node.stop)
        prepare(machine)
        return machine

    def nothing(machine: Machine) -> None:
        pass

    def without_daemon(machine: Machine) -> None:
        machine.start_groups()
        machine.node.run("systemctl", "stop", "clinit.service", "clinit.socket")

    def in_a_change(machine: Machine) -> Shutdown:
        machine.instance.write_table(CLSTAT + CHANGED_TABLE.replace("respawn:", "respawn:: changed; "))
        assert machine.instance.clinit("late", "1").returncode == 0
        wait_until(lambda: machine.said()[-1].endswith("x stopping"))
        return machine.shut_down()

    with ExitStack() as stack, ThreadPoolExecutor(5) as executor:
        boots = {
            "idle": executor.submit(up, "idle", POLITE_TABLE, nothing),
            "polite": executor.submit(up, "polite", POLITE_TABLE, Machine.start_groups),
            "deaf": executor.submit(up, "deaf", POLITE_TABLE + DEAF_TABLE, Machine.start_groups),
            "no-daemon": executor.submit(up, "no-daemon", POLITE_TABLE + DEAF_TABLE, without_daemon),
            "change": executor.submit(up, "change", CHANGED_TABLE, Machine.start_groups),
        }
        machines = {name: boot.result() for name, boot in boots.items()}
        ways_down = dict.fromkeys(machines, Machine.shut_down) | {"change": in_a_change}
        runs = {name: executor.submit(ways_down[name], machine) for name, machine in machines.items()}
        return {name: run.result() for name, run in runs.items()}


ACTIVE = pytest.mark.parametrize("name", ["polite", "deaf", "no-daemon"])
DEAF = pytest.mark.parametrize("name", ["deaf", "no-daemon"])


@ACTIVE
def test_all_entries_are_told_at_once(shutdowns: dict[str, Shutdown], name: str) -> None:
    """At a shutdown all entries of all groups get SIGINT before the first one is gone, with and without a daemon."""
    times = shutdowns[name].times
    told = [times[f"{tag} stopping"] for tag in POLITE_TAGS]
    gone = [times[f"{tag} gone"] for tag in POLITE_TAGS]

    assert max(told) < min(gone)


@ACTIVE
def test_groups_go_before_network_and_disk(shutdowns: dict[str, Shutdown], name: str) -> None:
    """The network and the local file systems go when the last process of the last group is gone."""
    said = list(shutdowns[name].times)

    assert {"network goes", "disk goes"} == set(said[-2:])
    assert "g saved" in said


@DEAF
def test_stops_are_staged(shutdowns: dict[str, Shutdown], name: str) -> None:
    """As in a switch: SIGTERM 5 s after SIGINT, SIGKILL 10 s after that, and the network is there until the end."""
    times = shutdowns[name].times
    first = min(when for what, when in times.items() if not what.endswith("untold"))

    assert times["h untold"] + TERM_AFTER - EARLY <= times["h term"] < first + TERM_AFTER + SLACK
    assert times["i untold"] + TERM_AFTER - EARLY <= times["i term"] < first + TERM_AFTER + SLACK
    assert times["i untold"] + KILL_AFTER - EARLY <= times["network goes"] < first + KILL_AFTER + SLACK


@pytest.mark.parametrize("name", ["polite", "deaf", "no-daemon", "change"])
def test_nothing_is_started(shutdowns: dict[str, Shutdown], name: str) -> None:
    """Nothing comes up again while the machine goes down: no respawn entry, and nothing of a switch."""
    times = shutdowns[name].times

    assert not [what for what in times if what.endswith(" up")]
    assert "x gone" in times or name != "change"


@pytest.mark.parametrize(("name", "own"), [("polite", POLITE), ("deaf", KILL_AFTER), ("no-daemon", KILL_AFTER)])
def test_groups_add_no_more_than_their_own_time(shutdowns: dict[str, Shutdown], name: str, own: float) -> None:
    """A shutdown takes as long as one without groups, and the slowest entry's stop."""
    assert own < shutdowns[name].took < shutdowns["idle"].took + own + SLACK


@ACTIVE
def test_clstat_says_nothing_wrong(shutdowns: dict[str, Shutdown], name: str) -> None:
    """What a shutdown stops has not failed, and nothing is said to be at another level."""
    for text in shutdowns[name].shown:
        states = {line.split()[1]: line.split()[2:] for line in text.splitlines()}
        assert states.pop("busy") in (["1", "STARTING"], ["1", "STOPPING"], ["1", "CONFIGURED"]), text
        assert all(state in (["1", "DONE"], ["1", "STOPPING"], ["1", "CONFIGURED"]) for state in states.values()), text


@ACTIVE
def test_clstat_goes_last(shutdowns: dict[str, Shutdown], name: str) -> None:
    """Only when the last process of the last group is gone, clstat goes too, for the machine has no group any more."""
    told = {what for what in shutdowns[name].times if what.endswith("clstat")}

    assert {f"{tag} sees clstat" for tag in POLITE_TAGS} == told


def test_after_a_reboot(fresh_node: Node) -> None:
    """After a reboot the daemon is there, no group has failed, none is started by itself, and all can be."""
    fresh_node.write("/usr/local/bin/event", "")
    instance = Survivor(fresh_node, f"web:a:1:respawn:{RUN}\nweb:b:1:wait:true\n").start()
    assert instance.clinit("--wait", "web", "1").returncode == 0
    fresh_node.reboot()

    assert instance.answers()
    assert instance.clstat() == {}
    assert instance.main_pid("clinit-web@a.service") == 0
    assert instance.clinit("--wait", "web", "1").stdout == "web 1 DONE\n"
    assert not fresh_node.run("systemctl", "--failed", "--plain", "--no-legend").stdout
