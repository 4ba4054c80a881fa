"""What a person sees of an nginx: of a configuration, a mount and a health that are not good."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from answers import answered, reasons_of
from boots import Machine
from instance import Group
from ocf import DEGRADED as DEGRADED_RESOURCE
from ocf import SUCCESS, Resource, agents_of_debian
from programs import until_there
from realservers import OTHER, WebServer, asked_for, has_run, kill, setting, shown, why
from shipped import Shipped
from waystofail import PACKAGES

from cltab2systemd import events
from cltab2systemd.client.outcome import FAILED, REFUSED, SUPERSEDED
from cltab2systemd.operators.statusview import DEGRADED
from lab.node import Node
from lab.programs import installed
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def shared(project_layer: Path) -> Iterator[Shipped]:
    """The shipped daemon, in a node with real programs."""
    with Node("real-web-servers", layers=[project_layer, agents_of_debian(), installed(*PACKAGES)]) as node:
        yield Shipped(node).share()


# A configuration that is not good.


@pytest.fixture
def web(group: Group) -> WebServer:
    """An nginx that answers, and whose new configuration is bad."""
    server = WebServer.of(group, says="old")
    group.define(f"nginx:3:respawn:{server.command}")
    assert group.switch("3") == "DONE"
    wait_until(lambda: server.says() == "old")
    server.configure(says="new", more="sarver {}")
    return server


def test_a_bad_configuration_is_refused(group: Group, web: WebServer) -> None:
    """With a preflight nothing is stopped for it: the old server answers on. When it is mended, the new one does."""
    pid = group.pid("nginx")
    group.define(
        f"nginx:3:respawn:{web.command}",
        settings=(
            setting(group, "preflight", "nginx", f"nginx -t -q -c {web.conf}"),
            setting(group, "service", "nginx", "LimitNOFILE=8192"),
        ),
    )

    done = group.instance.clinit("--wait", group.name, "3")

    said = f"the preflight of {group.name}.nginx exited with 1, so {group.name} stays as it is: "
    answered(done, code=REFUSED, out=f"{said}nginx -t -q -c {web.conf}\n")
    assert f'unknown directive "sarver" in {web.conf}:' in done.stderr
    assert (group.pid("nginx"), web.says(), group.status) == (pid, "old", "3 DONE")
    web.configure(says="new")
    assert group.switch("3") == "DONE"
    wait_until(lambda: web.says() == "new")


def test_a_bad_configuration_is_not_refused(group: Group, web: WebServer) -> None:
    """Without a preflight nobody answers any more."""
    group.define(f"nginx:3:respawn:{web.command}", settings=(setting(group, "service", "nginx", "LimitNOFILE=8192"),))
    group.request("3")

    def is_told() -> bool:
        told = why(group)  # in between, while it has just been started again, all is well
        is_down = "is started again" in told or "pauses" in told
        return is_down and 'unknown directive "sarver"' in told

    wait_until(is_told, timeout=20, what="why it is down is told")
    assert web.says() == ""


def define_checked(group: Group) -> str:
    """A web server whose preflight waits for a file, and something else at level 4; the file."""
    server, file = WebServer.of(group), f"/run/{group.name}.go"
    group.define(
        f"nginx:3:respawn:{server.command}",
        OTHER,
        settings=(setting(group, "preflight", "nginx", f"{until_there(file)}; nginx -t -q -c {server.conf}"),),
    )
    return file


def await_checked(group: Group) -> None:
    """Wait until people are told that a preflight is at work."""
    wait_until(lambda: f"checking, 0 of 1 done: {group.name}.nginx (respawn)" in shown(group))


def test_the_daemon_is_killed_in_a_preflight(shared: Shipped, group: Group) -> None:
    """Who waits has the next daemon check again. What the first one had begun goes in a moment."""
    file = define_checked(group)
    with asked_for(group, "3"):
        await_checked(group)
        kill(shared)
        await_checked(group)
        group.node.write(file, "")
    wait_until(lambda: not group.node.run("systemctl", "list-units", "--all", "--no-legend", "clinitpreflight*").stdout)


def test_another_level_in_a_preflight(group: Group) -> None:
    """A request for it takes over at once."""
    define_checked(group)
    with asked_for(group, "3", code=SUPERSEDED):
        await_checked(group)
        assert group.switch("4") == "DONE"
    assert not has_run(group, "nginx")


def test_systemctl_in_a_preflight(group: Group) -> None:
    """What systemd is asked for meanwhile is done; then the request goes on."""
    file = define_checked(group)
    with asked_for(group, "3"):
        await_checked(group)
        group.node.run("systemctl", "start", group.target("4"))
        group.wait_for("4 DONE")
        group.node.write(file, "")
    assert (group.status, group.pid("nginx") > 0) == ("3 DONE", True)


# A file system that cannot be mounted.


def define_mounted(group: Group, *settings: str) -> WebServer:
    """A web server behind the mount of a disk that is not there."""
    server = WebServer.of(group)
    where, disk = f"/srv/www-{group.name}", f"/srv/disk-{group.name}"
    group.node.path(where).mkdir()
    with group.node.path("/etc/fstab").open("a") as fstab:
        fstab.write(f"{disk} {where} none bind,noauto 0 0\n")
    group.define(
        f"mount:3:wait:mountpoint -q {where} || mount {where}",
        f"nginx:3:respawn:{server.command}",
        settings=(setting(group, "required", "mount", "yes"), *settings),
    )
    return server


def mend_disk(group: Group) -> None:
    """The disk is there."""
    group.node.path(f"/srv/disk-{group.name}").mkdir()


def assert_not_mounted(group: Group, server: WebServer) -> None:
    """The web server is not on the empty directory, and it is said why."""
    assert (group.pid("nginx"), has_run(group, "nginx"), server.says()) == (0, False, "")
    told = why(group)
    assert f"{group.name}.nginx (respawn) was not started, because {group.name}.mount exited with 32\n" in told
    assert f"special device /srv/disk-{group.name} does not exist" in told


def test_a_mount_that_fails(group: Group) -> None:
    """Nothing is started on the empty directory; mended and asked again, all of it runs."""
    server = define_mounted(group)
    done = group.instance.clinit("--wait", group.name, "3")

    answered(done, code=FAILED, out=f"{group.name} 3 FAILED\n")
    mount, nginx = reasons_of(done.stderr)
    assert mount.startswith(f"{group.name}: {group.name}.mount (wait) exited with 32: ")
    assert (
        nginx
        == f"{group.name}: {group.name}.nginx (respawn) was not started, because {group.name}.mount exited with 32"
    )
    assert_not_mounted(group, server)
    mend_disk(group)
    assert group.switch("3") == "DONE"
    wait_until(server.says)


def test_a_mount_that_fails_by_systemctl(group: Group) -> None:
    """Plain systemctl is as good."""
    server = define_mounted(group)
    group.instance.clinit()
    group.node.run("systemctl", "start", group.target("3"))
    group.wait_for("3 FAILED")
    assert_not_mounted(group, server)
    mend_disk(group)
    group.node.run("systemctl", "start", group.target("3"))
    group.wait_for("3 DONE")
    wait_until(server.says)


def test_a_mount_that_fails_at_boot(project_layer: Path) -> None:
    """So is a boot."""
    with Node("real-boot", layers=[project_layer, installed(*PACKAGES)]) as node:
        machine = Machine(node)
        group = Group(machine, "g1")
        server = define_mounted(group, ":::initdefault.g1:3")
        node.reboot()
        assert machine.settled() == {"g1": "3 FAILED"}
        assert_not_mounted(group, server)
        mend_disk(group)
        assert group.switch("3") == "DONE"
        wait_until(server.says)


# A server that is there, and does not do its work.


def define_asked(group: Group, *, action: str = "") -> WebServer:
    """A web server that answers, and is asked about its health."""
    server = WebServer.of(group)
    group.define(
        f"nginx:3:respawn:{server.command}",
        settings=(setting(group, "health", "nginx", f"200ms failures=3 {action} {server.address}/health"),),
    )
    assert group.switch("3") == "DONE"
    wait_until(server.says)
    return server


def reconfigure(group: Group, server: WebServer, *, health: int) -> None:
    """Have the server read another configuration, and run on."""
    server.configure(health=health)
    group.node.run("kill", "-HUP", str(group.pid("nginx")))


def test_an_unhealthy_server(shared: Shipped, group: Group) -> None:
    """The group is degraded after three failures in a row, for the cluster, too, and DONE all the while."""
    server = define_asked(group)
    pid = group.pid("nginx")
    cluster = Resource(shared, group.name)
    assert cluster.monitor() == SUCCESS
    reconfigure(group, server, health=503)

    wait_until(lambda: cluster.monitor() == DEGRADED_RESOURCE, timeout=30)
    reason = f"{group.name}.nginx (respawn) is unhealthy: HTTP status 503 ("
    assert cluster.reason.startswith(f"{group.name} 3 is degraded: {reason}")
    assert why(group).startswith(f"{group.name}: level 3 DONE, degraded for ")
    assert reason in why(group)
    assert (group.node.run("clinitctl", "status", group.name, check=False).returncode, group.status) == (
        DEGRADED,
        "3 DONE",
    )
    reconfigure(group, server, health=200)
    wait_until(lambda: cluster.monitor() == SUCCESS, timeout=30)
    assert "all is well" in why(group)
    assert group.pid("nginx") == pid


def test_an_unhealthy_server_is_restarted(group: Group) -> None:
    """With action=restart it is another process then, which has read its configuration."""
    server = define_asked(group, action="action=restart")
    pid = group.pid("nginx")
    reconfigure(group, server, health=503)
    wait_until(lambda: "503" in group.node.shell(f"curl -sI {server.address}/health").stdout, what="it is unhealthy")
    server.configure(health=200)

    wait_until(lambda: group.pid("nginx") not in {0, pid} and server.says(), timeout=30)
    told = group.instance.told(events.RESTARTED_UNHEALTHY, group=group.name)["MESSAGE"]
    name = f"{group.name}.nginx"
    assert told.startswith(f"{group.name}: {name} is unhealthy, and is restarted: HTTP status 503 (")
    wait_until(lambda: "all is well" in why(group))
    assert group.status == "3 DONE"
