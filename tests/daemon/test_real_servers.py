"""What a person sees of servers that take time to be ready, and of configurations and mounts that are not good.

The servers are Debian's nginx, redis and PostgreSQL.
"""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from answers import answered, reasons_of
from boots import Machine
from instance import Group
from ocf import agents_of_debian
from realservers import PACKAGES, SET_UP, Cache, Database, Slow, WebServer
from shipped import Shipped

from cltab2systemd.client.outcome import FAILED, REFUSED
from lab.node import Node
from lab.programs import installed
from lab.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def shared(project_layer: Path) -> Iterator[Shipped]:
    """The shipped daemon, in a node with real programs."""
    with Node("real-servers", layers=[project_layer, agents_of_debian(), installed(*PACKAGES)]) as node:
        node.shell(SET_UP)
        yield Shipped(node).share()


@contextmanager
def asked_for(group: Group, level: str, *, code: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """`clinit --wait GROUP LEVEL`, which has not ended at the beginning, and has at the end with the exit code."""
    client = group.node.popen("clinit", "--wait", group.name, level, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    yield client
    out, err = client.communicate(timeout=60 * PATIENCE)
    state = {0: f"{group.name} {level} DONE\n", FAILED: f"{group.name} {level} FAILED\n"}.get(code, "")
    assert (code, state) == (client.returncode, out.decode()), err.decode()


def shown(group: Group) -> str:
    """What `clinitctl status` says."""
    return group.node.run("clinitctl", "status", group.name, check=False).stdout


def why(group: Group) -> str:
    """What `clinitctl why` says."""
    return group.node.run("clinitctl", "why", group.name, check=False).stdout


def has_run(group: Group, tag: str) -> bool:
    """Whether an entry was ever started."""
    return group.property(tag, "ExecMainStartTimestampMonotonic") != "0"


def setting(group: Group, name: str, tag: str, value: str) -> str:
    """A line of the table that sets something for an entry of the group."""
    return f":::{name}.{group.name}.{tag}:{value}"


# Who is slow to start, and an application that needs it.

SERVERS = pytest.mark.parametrize("kind", [Database, Cache])


def define_slow(group: Group, server: Slow, way: str) -> None:
    """A server that takes as long as the test wants, and an application behind it.

    Args:
        group: the group, whose level is 3.
        server: the server.
        way: what says that it has started: `ready`, `notify`, or neither.
    """
    settings = [setting(group, "service", "server", f"User={server.user}")]
    if way == "ready":
        settings.append(setting(group, "ready", "server", server.check))
    if way == "notify":
        settings.append(setting(group, "service", "server", "Type=notify"))
    command = server.notifying if way == "notify" else server.command
    group.define(f"server:3:respawn:{command}", f"app:3:test:{server.client}", settings=tuple(settings))


def await_slow(group: Group, way: str) -> None:
    """Wait until people are told that the server is waited for."""
    awaited = {"ready": f"waiting for {group.name}.server to be ready", "notify": f"{group.name}.server (respawn)"}
    wait_until(lambda: f"starting, {1 if way == 'ready' else 0} of " in shown(group) and awaited[way] in shown(group))


@SERVERS
def test_an_application_is_too_early(group: Group, kind: type[Slow]) -> None:
    """What is behind a server that has only been started fails, and so does the group; later it is well."""
    server = kind.of(group)
    define_slow(group, server, "")

    done = group.instance.clinit("--wait", group.name, "3")

    answered(done, code=FAILED, out=f"{group.name} 3 FAILED\n")
    [reason] = reasons_of(done.stderr)
    assert reason.startswith(f"{group.name}: {group.name}.app (test) exited with ")
    server.go_on()
    wait_until(lambda: group.node.shell(server.check, check=False).returncode == 0, what="the server answers")
    assert group.switch("3") == "DONE"


@SERVERS
@pytest.mark.parametrize("way", ["ready"])
def test_an_application_waits(group: Group, kind: type[Slow], way: str) -> None:
    """With a readiness it is not started before the server answers, and nobody says DONE before."""
    server = kind.of(group)
    define_slow(group, server, way)

    with asked_for(group, "3") as client:
        await_slow(group, way)
        if way == "ready":
            log = ("journalctl", "--output=cat", f"--unit={group.unit('server:ready')}")
            wait_until(lambda: server.refusal in group.node.run(*log).stdout, what="it was asked, and has refused")
        assert (group.status, has_run(group, "app"), client.poll()) == ("3 STARTING", False, None)
        server.go_on()
    assert group.property("app", "ExecMainStatus") == "0"
    assert server.proof()


@SERVERS
@pytest.mark.parametrize("way", ["ready"])
def test_it_takes_too_long(group: Group, kind: type[Slow], way: str) -> None:
    """At the end of its time the group is FAILED, and says so of the server; asked again later, all is well."""
    server = kind.of(group)
    define_slow(group, server, way)
    short = setting(group, "ready", "server", f"timeout=1s {server.check}")
    group.instance.table += f"{short}\n{setting(group, 'required', 'server', 'yes')}\n"
    group.instance.write_table(group.instance.table)

    done = group.instance.clinit("--wait", group.name, "3")

    answered(done, code=FAILED, out=f"{group.name} 3 FAILED\n")
    first, second = reasons_of(done.stderr)
    assert first.startswith(f"{group.name}: {group.name}.server (respawn) is not ready after 1 s: exited with ")
    assert server.refusal in done.stderr
    assert f"{group.name}.app (test) was not started, because {group.name}.server" in second
    pid = group.pid("server")
    server.go_on()
    wait_until(lambda: group.node.shell(server.check, check=False).returncode == 0, what="the server answers")
    assert (group.switch("3"), group.pid("server")) == ("DONE", pid)
    assert server.proof()


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
    wait_until(lambda: "is started again" in why(group) or "pauses" in why(group))
    assert web.says() == ""
    assert 'unknown directive "sarver"' in why(group)


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


# The order of stops.


def test_an_application_stops_before_its_database(group: Group) -> None:
    """It writes its last row while the database is up, and closes its connection itself."""
    database = Database.of(group)
    database.go_on()
    last = database.sql("INSERT INTO t VALUES (7)")
    busy = database.sql("SELECT pg_sleep(1000)")
    group.define(
        f"server:34:respawn:{database.command}",
        f"app:3:respawn:trap 'trap \"\" INT; {last}; exit' INT; while :; do {busy}; done",
        settings=(
            setting(group, "service", "server", f"User={database.user}"),
            setting(group, "ready", "server", database.check),
            f":::stop.{group.name}:ordered",
        ),
    )
    assert group.switch("3") == "DONE"
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%sleep(1000)' AND pid <> pg_backend_pid()"
    wait_until(lambda: database.ask(sessions) == "1", what="the application has a connection")

    assert group.switch("stop") == "DONE"

    log = group.node.run("journalctl", "--output=cat", f"--unit={group.unit('server')}").stdout
    assert log.rindex("disconnection: ") < log.index("received fast shutdown request")
    assert "terminating connection" not in log
    assert group.switch("4") == "DONE"
    assert database.ask("SELECT said FROM t") == "7"
