"""What a person sees of a PostgreSQL and a redis that take time to be ready, and of who needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from answers import answered, reasons_of
from realservers import (
    SET_UP,
    Cache,
    Database,
    Slow,
    asked_for,
    await_slow,
    define_slow,
    has_run,
    kill,
    setting,
    shown,
)
from shipped import Shipped
from waystofail import PACKAGES

from cltab2systemd.client.outcome import FAILED, SUPERSEDED
from lab.node import Node
from lab.programs import installed
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from instance import Group


@pytest.fixture(scope="module")
def shared(project_layer: Path) -> Iterator[Shipped]:
    """The shipped daemon, in a node with real programs."""
    with Node("real-servers", layers=[project_layer, installed(*PACKAGES)]) as node:
        node.shell(SET_UP)
        yield Shipped(node).share()


# Who is slow to start, and an application that needs it.

SERVERS = pytest.mark.parametrize("kind", [Database, Cache])
WAYS = pytest.mark.parametrize("way", ["ready", "notify"])


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
@WAYS
def test_an_application_waits(group: Group, kind: type[Slow], way: str) -> None:
    """With a readiness it is not started before the server answers, and nobody says DONE before."""
    server = kind.of(group)
    define_slow(group, server, way)

    with asked_for(group, "3") as client:
        await_slow(group, way)
        if way == "ready":
            log = ("journalctl", "--output=cat", f"--unit={group.unit('server:ready')}")
            wait_until(lambda: server.refusal in group.node.run(*log).stdout, what="it was asked, and has refused")
        else:
            wait_until(lambda: server.status in shown(group), what="people see what it says of itself")
        assert (group.status, has_run(group, "app"), client.poll()) == ("3 STARTING", False, None)
        server.go_on()
    assert group.property("app", "ExecMainStatus") == "0"
    assert server.proof()


def assert_too_late(group: Group, said: str) -> str:
    """`clinit --wait` says it of the server, and that its application was not started; all that it says."""
    done = group.instance.clinit("--wait", group.name, "3")

    answered(done, code=FAILED, out=f"{group.name} 3 FAILED\n")
    server, app = reasons_of(done.stderr)[-2:]
    assert server.startswith(f"{group.name}: {group.name}.server (respawn) {said}")
    assert f"{group.name}.app (test) was not started, because {group.name}.server" in app
    return done.stderr


@SERVERS
def test_it_is_not_ready_in_time(group: Group, kind: type[Slow]) -> None:
    """The group is FAILED with what the server has answered; it runs on, and when it is asked again, all is well."""
    server = kind.of(group)
    define_slow(group, server, "ready", "timeout=1s ", required=True)

    assert server.refusal in assert_too_late(group, "is not ready after 1 s: exited with ")
    pid = group.pid("server")
    server.go_on()
    wait_until(lambda: group.node.shell(server.check, check=False).returncode == 0, what="the server answers")
    assert (group.switch("3"), group.pid("server")) == ("DONE", pid)
    assert server.proof()


def test_it_does_not_say_so_in_time(group: Group) -> None:
    """Such a server is started again and again; when it is ready in time, all is well."""
    cache = Cache.of(group)
    define_slow(group, cache, "notify", required=True)
    group.instance.table += setting(group, "service", "server", "TimeoutStartSec=2") + "\n"
    group.instance.write_table(group.instance.table)

    assert_too_late(group, "did not say that it is ready within 2 s (TimeoutStartSec=): ")
    cache.go_on()
    assert group.switch("3") == "DONE"
    assert cache.proof()


# What happens in the middle.


@pytest.fixture
def cache(group: Group) -> Cache:
    """A redis that is slow."""
    return Cache.of(group)


@WAYS
def test_the_daemon_is_killed_while_a_server_is_slow(shared: Shipped, group: Group, cache: Cache, way: str) -> None:
    """The next one waits on, and so does who has asked."""
    define_slow(group, cache, way)
    with asked_for(group, "3") as client:
        await_slow(group, way)
        kill(shared)
        await_slow(group, way)
        assert (client.poll(), has_run(group, "app")) == (None, False)
        cache.go_on()
    assert cache.proof()


@WAYS
@pytest.mark.parametrize("by", [("clinit", "{group}", "4"), ("systemctl", "start", "clinit-{group}@4.target")])
def test_another_level_while_a_server_is_slow(group: Group, cache: Cache, way: str, by: tuple[str, ...]) -> None:
    """The server is stopped, its application is never started, and who has asked first is told."""
    define_slow(group, cache, way)
    with asked_for(group, "3", code=SUPERSEDED):
        await_slow(group, way)
        group.node.run(*(word.format(group=group.name) for word in by))
    group.wait_for("4 DONE")
    assert (group.pid("server"), has_run(group, "app")) == (0, False)


# The order of stops.


def test_an_application_stops_before_its_database(group: Group) -> None:
    """It is gone before the database is told to stop, and has written its last row."""
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

    gone, told = group.property("app", "InactiveEnterTimestampMonotonic"), "ActiveExitTimestampMonotonic"
    assert int(gone) <= int(group.property("server", told))
    assert group.switch("4") == "DONE"
    assert database.ask("SELECT said FROM t") == "7"
