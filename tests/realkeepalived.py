"""Debian's keepalived in a node, and its peer in a network namespace of its own; how groups follow it."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from shipped import Shipped

from cltab2systemd.node.spec import Bind
from lab.debs import unpacked
from lab.node import Node
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLLOW = "/usr/libexec/cltab2systemd/keepalived-follow"
NOTIFY = "/usr/share/doc/cltab2systemd/examples/keepalived-notify"
DEFAULTS, FOLLOWS = "/etc/default/clinit-keepalived", 'FOLLOW="web=web:3:stop"\n'
READER = "clinit-keepalived.service"
"""What tells groups of states: a reader that keepalived starts, a script for each change, or the service."""

# keepalived and the libraries that a minimal system, or one of another release, does not have.
_PACKAGES = (
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
AT, LOG = "/opt/keepalived", "/run/ours.log"
# Seconds.
_REST = 1.0


@contextmanager
def shipped_with_network(name: str, layer: Path, table: str) -> Iterator[Shipped]:
    """The shipped units, started, in a node that has keepalived, and a network with its peer."""
    with Node(name, layers=[layer], binds=[bound()]) as node:
        shipped = Shipped(node)
        _join(shipped)
        shipped.write_table(table)
        yield shipped.start()


def bound() -> Bind:
    """What a node binds to have keepalived."""
    return Bind(unpacked(None, *_PACKAGES), Path(AT))


def _join(shipped: Shipped) -> None:
    """Give a node its two interfaces: ours, and the peer's."""
    shipped.node.shell(
        "ip link add v0 type veth peer name v1; ip netns add peer; ip link set v1 netns peer; ip link set v0 up;"
        "ip addr add 192.0.2.1/24 dev v0; ip -n peer link set v1 up; ip -n peer addr add 192.0.2.2/24 dev v1"
    )


def command(name: str) -> str:
    """What starts keepalived, with files of a name. Its libraries are for it alone, and not for what it starts."""
    loader = f"/lib64/ld-linux-x86-64.so.2 --library-path {AT}/usr/lib/x86_64-linux-gnu"
    return f"{loader} {AT}/usr/sbin/keepalived -n -l -D -p /run/{name}.pid -r /run/{name}.vrrp"


def install(node: Node, configuration: str, kill_mode: str = "control-group") -> None:
    """Give a node a configuration, and Debian's unit, which is not started; what it says goes to LOG."""
    node.path(LOG).unlink(missing_ok=True)
    node.write("/etc/keepalived/keepalived.conf", configuration)
    unit = node.read(f"{AT}/usr/lib/systemd/system/keepalived.service")
    node.write("/etc/systemd/system/keepalived.service", unit)
    node.write(
        "/etc/systemd/system/keepalived.service.d/here.conf",
        f"[Service]\nKillMode={kill_mode}\nStandardOutput=truncate:{LOG}\nExecStart=\nExecStart={command('ours')}\n",
    )
    node.run("systemctl", "daemon-reload")


class Keepalived:
    """keepalived, by Debian's unit, and its peer; the higher priority is MASTER, and ours is what a file says."""

    def __init__(self, shipped: Shipped, way: str, kill_mode: str = "control-group") -> None:
        self.shipped = shipped
        self.node = shipped.node
        self.kill_mode = kill_mode
        extra = {
            FOLLOW: (
                "vrrp_notify_fifo /run/clinit-keepalived",
                f'vrrp_notify_fifo_script "{FOLLOW} web=web:3:stop"',
                "",
            ),
            NOTIFY: ("", "", f'notify "{NOTIFY} web 3 stop"'),
            READER: ("vrrp_notify_fifo /run/clinit-keepalived", "", ""),
        }[way]
        if way == READER:
            self.node.write(DEFAULTS, FOLLOWS)
            self.node.run("systemctl", "start", READER)
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
        if name == "peer":
            self.node.write("/etc/peer.conf", configuration)
            self.node.run(
                "systemd-run", "--quiet", "--collect", "--unit=keepalived-peer",
                "ip", "netns", "exec", "peer", "sh", "-c", f"exec {command('peer')} -f /etc/peer.conf",
            )  # fmt: skip
            return
        install(self.node, configuration, self.kill_mode)
        self.node.run("systemctl", "start", "keepalived")

    @property
    def state(self) -> str:
        """The state of our instance, by keepalived itself; empty if it has said nothing yet."""
        if not self.node.exists(LOG):
            return ""
        said = re.findall(r"\(web\) Entering (\w+) STATE", self.node.read(LOG))
        return said[-1] if said else ""

    def set(self, *, master: bool) -> None:
        """Have our instance become MASTER, or not."""
        self.node.path("/run/priority").write_text("50\n" if master else "-50\n")

    def reload(self) -> None:
        """Reload ours; return when it says that it has."""
        count = self.node.read(LOG).count("Reload complete")
        self.node.run("systemctl", "reload", "keepalived")
        wait_until(lambda: self.node.read(LOG).count("Reload complete") > count, what="Reload complete")

    def rest(self) -> str:
        """The state that it has come to rest in."""
        state, since = self.state, time.monotonic()
        while time.monotonic() - since < _REST:
            time.sleep(0.05)
            if (now := self.state) != state:
                state, since = now, time.monotonic()
        return state

    def stop(self) -> None:
        """Stop ours as systemd does, and the peer."""
        self.node.run("systemctl", "stop", "keepalived", "keepalived-peer", check=False)
        self.node.run("systemctl", "stop", READER)
