"""What administrators do to nodes and groups, and what Pacemaker makes of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from threenodes import GROUPS, LONG

from lab.cluster import NAMES, SHARED
from lab.packaged import PACKAGES
from lab.waiting import wait_until

if TYPE_CHECKING:
    from threenodes import Groups

    from lab.node import Node

DAEMON = ("clinit.socket", "clinit.service")
LATER = SHARED / "later"
# The packages that are installed, as version 99.
MAKE_LATER = f"""
mkdir -p {LATER}
for package in {PACKAGES}/*.deb; do
    dpkg-deb --raw-extract "$package" /tmp/content
    version=$(dpkg-deb --field "$package" Version)
    sed -i "s/$version/99/" /tmp/content/DEBIAN/control
    dpkg-deb --root-owner-group --build /tmp/content {LATER}
    rm -r /tmp/content
done
"""


def daemon(node: Node) -> str:
    """Which run of the daemon it is."""
    return node.run("systemctl", "show", "--property=InvocationID", "--value", "clinit.service").stdout


def is_told(groups: Groups, text: str) -> bool:
    """Whether it is in the status of the cluster."""
    return text in groups.cluster.run("crm_mon --one-shot")


def test_daemons_that_are_stopped_for_long(groups: Groups) -> None:
    """The groups run on, and Pacemaker is told that nobody minds them; when the daemons are back, all is as before."""
    before = groups.places(), groups.witnesses()

    for node in groups.cluster.nodes.values():
        node.run("systemctl", "stop", *DAEMON)
        node.run("touch", "--date=2 minutes ago", "/run/clinit/clstat")
    for name in GROUPS:
        told = f"{name} runs at level 3, but nobody minds it"
        wait_until(partial(is_told, groups, told), what=told, timeout=LONG)
    groups.cluster.settle()
    assert (groups.places(), groups.witnesses()) == before
    for node in groups.cluster.nodes.values():
        node.run("systemctl", "start", *DAEMON)

    groups.await_all()
    groups.forget()
    assert not is_told(groups, "nobody minds it")
    assert (groups.places(), groups.witnesses()) == before
    assert groups.cluster.fenced == []


def test_an_upgrade_of_the_packages(groups: Groups) -> None:
    """Node after node gets later packages, by dpkg, while Pacemaker monitors: no monitor fails."""
    groups.cluster.nodes["n1"].shell(MAKE_LATER)
    before = groups.places(), groups.witnesses()
    daemons = {daemon(node) for node in groups.cluster.nodes.values()}

    for node in groups.cluster.nodes.values():
        # The host's, by which an installation in its own root starts nothing.
        node.shell(f"rm -f /usr/sbin/policy-rc.d; dpkg --install {LATER}/*.deb")

    groups.await_all()
    assert not daemons & {daemon(node) for node in groups.cluster.nodes.values()}
    assert (groups.places(), groups.witnesses()) == before
    assert not is_told(groups, "Failed Resource Actions")
    assert groups.cluster.fenced == []


def test_maintenance_mode(groups: Groups) -> None:
    """A group is at the level that somebody says, also over a restart of Pacemaker, and nothing of it is touched.

    A Pacemaker that comes up looks at every resource at once, whatever the mode, and keeps what it has seen.
    """
    before = groups.places(), groups.witnesses()
    node = groups.cluster.nodes[groups.where("web")]

    groups.cluster.run("pcs property set maintenance-mode=true")
    groups.cluster.settle()  # until then, a monitor that is on its way may see the other level
    node.run("clinit", "--wait", "web", "m")
    node.run("systemctl", "restart", "pacemaker.service")
    groups.cluster.await_online(*NAMES)
    wait_until(partial(is_told, groups, "web is m DONE"), what="Pacemaker has looked", timeout=LONG)
    assert groups.statuses("web")[node.name] == "m DONE"
    node.run("clinit", "--wait", "web", "3")
    groups.cluster.run("crm_resource --refresh --resource web && crm_resource --wait --timeout=30")
    groups.cluster.run("pcs property set maintenance-mode=")

    groups.await_all()
    assert (groups.places(), groups.witnesses()) == before
    assert not is_told(groups, "Failed Resource Actions")
    assert groups.cluster.fenced == []


def test_a_group_that_is_not_managed(groups: Groups) -> None:
    """What somebody has stopped by hand stays stopped; once it is managed again, the cluster has it at its level."""
    node = groups.cluster.nodes[groups.where("batch")]

    groups.cluster.run("pcs resource unmanage batch --monitor")
    groups.cluster.settle()
    node.run("clinit", "--wait", "batch", "stop")
    groups.cluster.settle()
    assert [groups.statuses("batch").get(name, "stop DONE") for name in NAMES] == ["stop DONE"] * 3
    groups.cluster.run("pcs resource manage batch --monitor")

    wait_until(partial(groups.is_whole, "batch"), what="batch is at its level", timeout=LONG)
    assert groups.cluster.fenced == []


def test_rejoin(groups: Groups) -> None:
    """Pacemaker is stopped on a node, its groups go elsewhere in order; it comes back, and nothing moves for that."""
    node = groups.cluster.nodes[groups.where("files")]
    asked = next(name for name in NAMES if name != node.name)

    node.run("systemctl", "stop", "pacemaker.service", "corosync.service")
    wait_until(lambda: groups.where("files", asking=asked) not in ("", node.name), what="files moves", timeout=LONG)
    groups.cluster.settle(seen_from=asked)
    assert {groups.statuses(name).get(node.name, "stop DONE") for name in GROUPS} == {"stop DONE"}
    places = {name: groups.where(name, asking=asked) for name in GROUPS}
    node.run("systemctl", "start", "corosync.service", "pacemaker.service")

    groups.await_all()
    assert groups.places() == places
    assert groups.cluster.fenced == []
