"""A group follows a VRRP instance of a real keepalived, whose peer is in a network namespace of its own."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from answers import answered
from ocf import no_daemon
from programs import RUN
from shipped import SERVICE, Shipped

from lab.debs import unpacked
from lab.install import PROJECT
from lab.node import Node
from lab.spec import Bind
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLLOW = "/usr/libexec/cltab2systemd/keepalived-follow"
NOTIFY = "/usr/share/doc/cltab2systemd/examples/keepalived-notify"
# keepalived and the libraries that a minimal system, or one of another release, does not have.
PACKAGES = (
    "keepalived",
    "libglib2.0-0",
    "libmnl0",
    "libnftnl11",
    "libnl-3-200",
    "libnl-genl-3-200",
    "libnsl2",
    "libpci3",
    "libpcre2-8-0",
    "libperl5.36",
    "libsensors5",
    "libsnmp40",
    "libssl3",
    "libtirpc3",
    "libwrap0",
)
AT = "/opt/keepalived"
TABLE = f"""\
web:db:3:respawn:{RUN}
bad:fails:3:test:false
a/b-c:x:3:respawn:{RUN}
"""
BUSY_LOOPS, BURSTS = 4, 8
# Seconds.
REST = 1.0


class Keepalived:
    """keepalived, by Debian's unit, and its peer; the higher priority is MASTER, and ours is what a file says."""

    def __init__(self, shipped: Shipped, way: str, kill_mode: str = "control-group") -> None:
        self.node = shipped.node
        self.kill_mode = kill_mode
        extra = {
            FOLLOW: (
                "vrrp_notify_fifo /run/clinit-keepalived",
                f'vrrp_notify_fifo_script "{FOLLOW} web=web:3:stop"',
                "",
            ),
            NOTIFY: ("", "", f'notify "{NOTIFY} web 3 stop"'),
        }[way]
        self.node.write("/run/priority", "-50\n")
        self._start("ours", "v0", extra, "track_file {\n priority weight 1\n }")
        self._start("peer", "v1", ("", "", ""), "")
        wait_until(lambda: self.state == "BACKUP", what="BACKUP", timeout=30)

    def _start(self, name: str, interface: str, extra: tuple[str, ...], track: str) -> None:
        fifo, script, notify = extra
        configuration = f"""\
global_defs {{
 router_id {name}
 script_user root
 enable_script_security
 vrrp_version 3
 {fifo}
 {script}
}}
track_file priority {{
 file /run/priority
}}
vrrp_instance web {{
 interface {interface}
 virtual_router_id 51
 priority 100
 advert_int 0.1
 state BACKUP
 virtual_ipaddress {{
  192.0.2.80/24
 }}
 {track}
 {notify}
}}
"""
        self.node.write(f"/etc/{name}.conf", configuration)
        # Its libraries are for it alone, and not for what it starts.
        loader = f"/lib64/ld-linux-x86-64.so.2 --library-path {AT}/usr/lib/x86_64-linux-gnu"
        command = (
            f"{loader} {AT}/usr/sbin/keepalived -n -l -D -f /etc/{name}.conf -p /run/{name}.pid -r /run/{name}.vrrp"
        )
        self.node.path(f"/run/{name}.log").unlink(missing_ok=True)
        if name == "peer":
            self.node.run(
                "systemd-run", "--quiet", "--collect", "--unit=keepalived-peer",
                "ip", "netns", "exec", "peer", "sh", "-c", f"exec {command} >/run/{name}.log 2>&1",
            )  # fmt: skip
            return
        self.node.write("/etc/keepalived/keepalived.conf", configuration)
        unit = self.node.read(f"{AT}/usr/lib/systemd/system/keepalived.service")
        self.node.write("/etc/systemd/system/keepalived.service", unit)
        self.node.write(
            "/etc/systemd/system/keepalived.service.d/here.conf",
            f"[Service]\nKillMode={self.kill_mode}\nStandardOutput=truncate:/run/{name}.log\n"
            f"ExecStart=\nExecStart={command}\n",
        )
        self.node.run("systemctl", "daemon-reload")
        self.node.run("systemctl", "start", "keepalived")

    @property
    def state(self) -> str:
        """The state of our instance, by keepalived itself; empty if it has said nothing yet."""
        if not self.node.exists("/run/ours.log"):
            return ""
        said = re.findall(r"\(web\) Entering (\w+) STATE", self.node.read("/run/ours.log"))
        return said[-1] if said else ""

    def set(self, *, master: bool) -> None:
        """Have our instance become MASTER, or not."""
        self.node.path("/run/priority").write_text("50\n" if master else "-50\n")

    def rest(self) -> str:
        """The state that it has come to rest in."""
        state, since = self.state, time.monotonic()
        while time.monotonic() - since < REST:
            time.sleep(0.05)
            if (now := self.state) != state:
                state, since = now, time.monotonic()
        return state

    def stop(self) -> None:
        """Stop ours as systemd does, and the peer."""
        self.node.run("systemctl", "stop", "keepalived", "keepalived-peer", check=False)


@pytest.fixture(scope="module")
def shared(project_layer: Path) -> Iterator[Shipped]:
    """The shipped units, started, in a node with a network."""
    with Node("keepalived", layers=[project_layer], binds=[Bind(unpacked(None, *PACKAGES), Path(AT))]) as node:
        node.shell(
            "ip link add v0 type veth peer name v1; ip netns add peer; ip link set v1 netns peer; ip link set v0 up;"
            "ip addr add 192.0.2.1/24 dev v0; ip -n peer link set v1 up; ip -n peer addr add 192.0.2.2/24 dev v1"
        )
        shipped = Shipped(node)
        shipped.write_table(TABLE)
        yield shipped.start()


@pytest.fixture
def shipped(shared: Shipped) -> Iterator[Shipped]:
    """The daemon and the table as they were, for each test."""
    yield shared
    shared.write_table(TABLE)
    shared.node.run("systemctl", "start", SERVICE)
    for group in shared.clstat():
        shared.clinit("-w", group, "stop")


@pytest.mark.parametrize("way", [FOLLOW, NOTIFY])
def test_the_level_is_that_of_the_last_state(shipped: Shipped, way: str) -> None:
    """On a busy machine, after any burst of changes, the group is where the state of the instance has it."""
    chance = random.Random(10)  # noqa: S311
    loops = "while :; do :; done & " * BUSY_LOOPS + "wait"
    shipped.node.run("systemd-run", "--quiet", "--collect", "--unit=busy", "sh", "-c", loops)
    keepalived = Keepalived(shipped, way)
    seen = set()
    try:
        for _ in range(BURSTS):
            for _ in range(chance.randint(1, 9)):
                keepalived.set(master=chance.random() < 0.5)
                time.sleep(chance.uniform(0, 0.05))
            time.sleep(chance.uniform(0.3, 0.6))  # an election
            state = keepalived.rest()
            seen.add(state)
            expected = "3 DONE" if state == "MASTER" else "stop DONE"
            wait_until(lambda expected=expected: shipped.clstat().get("web") == expected, what=f"{state}: {expected}")  # type: ignore[misc]
    finally:
        shipped.node.run("systemctl", "stop", "busy")
        keepalived.stop()
    assert seen == {"MASTER", "BACKUP"}


@pytest.mark.parametrize("kill_mode", ["control-group", "process"])
@pytest.mark.parametrize("way", [FOLLOW, NOTIFY])
def test_when_keepalived_ends(shipped: Shipped, way: str, kill_mode: str) -> None:
    """The group is stopped with keepalived, and nothing of what follows is left, whom systemd signals at the stop."""
    keepalived = Keepalived(shipped, way, kill_mode)
    keepalived.set(master=True)
    wait_until(lambda: shipped.clstat().get("web") == "3 DONE")
    keepalived.stop()

    wait_until(lambda: shipped.clstat().get("web") == "stop DONE")
    wait_until(lambda: shipped.node.run("pgrep", "-f", "keepalived-", check=False).stdout == "")


def test_last_words_that_are_late(shipped: Shipped) -> None:
    """The reader is told to end long before keepalived says STOP, as on a busy machine, and hears it all the same."""
    keepalived = Keepalived(shipped, FOLLOW)
    try:
        keepalived.set(master=True)
        wait_until(lambda: shipped.clstat().get("web") == "3 DONE")
        shipped.node.run("pkill", "-TERM", "-f", f"python3.*{FOLLOW}")
        # No event: as long as the reader reads on when all have said STOP, and as much again.
        time.sleep(1)
    finally:
        keepalived.stop()

    wait_until(lambda: shipped.clstat().get("web") == "stop DONE")


def test_without_the_daemon(shipped: Shipped) -> None:
    """What is to be stopped is stopped: by systemd, and with a table that has errors."""
    keepalived = Keepalived(shipped, FOLLOW)
    try:
        keepalived.set(master=True)
        wait_until(lambda: shipped.clstat().get("web") == "3 DONE")
        no_daemon(shipped)
        keepalived.set(master=False)
        wait_until(lambda: shipped.main_pid("clinit-web@db.service") == 0)
        shipped.node.run("systemctl", "start", SERVICE)
        keepalived.set(master=True)
        wait_until(lambda: shipped.clstat().get("web") == "3 DONE")
        shipped.write_table(TABLE + "not a line\n")
        keepalived.set(master=False)
        wait_until(lambda: shipped.main_pid("clinit-web@db.service") == 0)
        by_systemd = r".*; systemctl start clinit-web@stop\.target: started$"
        for why in ("no daemon at ", "1 of 5 fields; /etc/cltab:[0-9]+:1: error: 1 of 5 fields "):
            told = re.compile(f"BACKUP: web to level stop: {why}{by_systemd}", re.MULTILINE)
            wait_until(lambda told=told: told.search(shipped.node.journal()), what=told.pattern)  # type: ignore[misc]
    except TimeoutError as error:
        said = shipped.node.run("journalctl", "-t", "keepalived-follow", "--no-pager").stdout
        raise AssertionError(f"{keepalived.state}\n{said}") from error
    finally:
        keepalived.stop()


def notify(shipped: Shipped, state: str, group: str = "web") -> int:
    """Have the script called as keepalived does, when the state of an instance has changed."""
    done = shipped.node.run(NOTIFY, group, "3", "stop", "INSTANCE", "VI", state, "100", check=False)
    answered(done, out="", err="")
    return done.returncode


def test_the_script_for_one_change(shipped: Shipped) -> None:
    """MASTER has the group at its level, and anything else stops it; what was done is in the journal."""
    for state, status in (("MASTER", "3 DONE"), ("BACKUP", "stop DONE"), ("MASTER", "3 DONE"), ("FAULT", "stop DONE")):
        assert notify(shipped, state) == 0
        wait_until(lambda status=status: shipped.clstat().get("web") == status)  # type: ignore[misc]
    assert "VI is FAULT: web to level stop: level transition started" in shipped.node.journal()
    notify(shipped, "MASTER")
    assert notify(shipped, "MASTER_RX_LOWER_PRI") == 0
    wait_until(lambda: shipped.clstat()["web"] == "3 DONE")
    assert notify(shipped, "STOP") == 0
    notify(shipped, "MASTER", "a/b-c")
    wait_until(lambda: shipped.clstat().get("a/b-c") == "3 DONE")
    no_daemon(shipped)
    assert notify(shipped, "BACKUP", "a/b-c") == 0
    wait_until(lambda: shipped.main_pid(r"clinit-a\x2fb-c@x.service") == 0)


def test_a_script_that_was_overtaken(shipped: Shipped) -> None:
    """One that keepalived has started before another one, and that comes after it, does nothing."""
    notify(shipped, "MASTER")
    shipped.node.shell("echo 99999999999 1 >/run/clinit-keepalived-notify-web")

    assert notify(shipped, "BACKUP") == 0
    assert "VI is not BACKUP any more" in shipped.node.journal()
    wait_until(lambda: shipped.clstat()["web"] == "3 DONE")
    shipped.node.path("/run/clinit-keepalived-notify-web").unlink()


def test_the_example() -> None:
    """What the documentation has for keepalived.conf is what the tests here run."""
    text = (PROJECT / "docs/high-availability.md").read_text()

    assert f'vrrp_notify_fifo_script "{FOLLOW} web=web:3:stop"' in text
    assert "vrrp_notify_fifo /run/clinit-keepalived" in text
