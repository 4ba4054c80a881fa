"""Readiness on systemd, of entries that are required, stopped by hand, at another level, or about to move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from answers import answered
from programs import RUN
from readying import asks, file_of, kill_main, readiness, reasons, remove, touch

from lab.waiting import wait_until

if TYPE_CHECKING:
    from instance import Group


def test_what_is_required(group: Group) -> None:
    """Behind an entry that is required, and does not get ready, nothing is started; when it does, all is."""
    group.define(
        f":::ready.db:timeout=1s file:{file_of(group)}", ":::required.db:yes", f"db:1:respawn:{RUN}", "app:1:wait:@ app"
    )
    assert group.switch("1", code=4) == "FAILED"
    assert group.events() == []
    name = group.name
    ready = "is not ready after 1 s: no such file or directory"
    assert reasons(group) == [
        f"{name}: {name}.db (respawn) {ready} (file:{file_of(group)})",
        f"{name}: {name}.app (wait) was not started, because {name}.db {ready}",
    ]
    pid = group.pid("db")
    touch(group)
    assert group.switch("1") == "DONE"
    assert (group.events(), group.pid("db")) == (["app"], pid)


def test_a_required_one_that_ends(group: Group) -> None:
    """An entry that ends before it is ready keeps back what is behind it, too; it runs on for the next request."""
    group.define(
        f":::ready.db:timeout=1h file:{file_of(group)}", ":::required.db:yes", f"db:1:respawn:{RUN}", "app:1:wait:@ app"
    )
    group.request("1")
    asks(group)
    kill_main(group)
    group.wait_for("1 FAILED")
    assert group.events() == []
    touch(group)
    assert group.switch("1") == "DONE"
    assert group.events() == ["app"]


def test_a_required_one_that_ends_while_its_readiness_is_noted(group: Group) -> None:
    """It was ready, and has ended before that was noted: so it is told, and not that /run could not be written to."""
    group.define(f":::ready.db:file:{file_of(group)}", ":::required.db:yes", f"db:1:respawn:{RUN}", "app:1:wait:@ app")
    slow = f"/etc/systemd/system/{readiness(group)}.d/slow.conf"
    group.node.write(slow, "[Service]\nExecStartPost=\nExecStartPost=/bin/sleep 600\n")
    touch(group)
    group.request("1")
    wait_until(lambda: group.property("db:ready", "SubState") == "start-post", what="it is being noted")
    kill_main(group)
    group.wait_for("1 FAILED")
    told = "ended before it was ready"
    assert [told in reason for reason in reasons(group)] == [True, True], reasons(group)
    group.node.run("rm", "-r", slow.rpartition("/")[0])
    group.node.run("systemctl", "daemon-reload")
    assert group.switch("1") == "DONE"
    assert group.events() == ["app"]


def test_a_once_that_was_stopped_by_hand(group: Group) -> None:
    """A request does not run it again, so it does not ask either."""
    group.define(f":::ready.db:timeout=1h file:{file_of(group)}", f"db:1:once:@ up; {RUN}", "app:1:wait:true")
    touch(group)
    assert group.switch("1") == "DONE"
    wait_until(lambda: group.events() == ["up"], what="it runs")
    group.node.run("systemctl", "stop", group.unit("db"))
    remove(group)
    assert group.switch("1") == "DONE"
    assert group.events() == ["up"]
    assert group.instance.properties(readiness(group), "ActiveState") == {"ActiveState": "inactive"}


def test_one_that_was_not_ready_at_another_level(group: Group) -> None:
    """A request for another level asks it again, as one for the same level does."""
    group.define(f":::ready.db:timeout=1s file:{file_of(group)}", f"db:12:respawn:{RUN}", "other:2:wait:true")
    assert group.switch("1", code=4) == "FAILED"
    pid = group.pid("db")
    touch(group)
    assert group.switch("2") == "DONE"
    assert group.pid("db") == pid


def test_a_once_that_was_not_ready_is_stopped_by_hand(group: Group) -> None:
    """It has not got ready by that; a restart mends it, and a request does not."""
    group.define(f":::ready.db:timeout=1s file:{file_of(group)}", f"db:1:once:@ up; {RUN}")
    assert group.switch("1", code=4) == "FAILED"
    wait_until(lambda: group.events() == ["up"], what="it runs")
    group.node.run("systemctl", "stop", group.unit("db"))
    touch(group)
    assert group.switch("1", code=4) == "FAILED"
    assert "is not ready after 1 s" in reasons(group)[0]
    assert group.events() == ["up"]
    answered(group.node.run("clinitctl", "restart", f"{group.name}:{group.name}.db", check=False), code=0)
    assert group.status == "1 DONE"
    wait_until(lambda: group.events() == ["up", "up"], what="it runs again")


@pytest.mark.parametrize("mode", ["once", "wait"])
def test_what_is_required_was_stopped_by_hand(group: Group, mode: str) -> None:
    """A request runs it again, for else nothing behind it would ever be started."""
    ends = RUN if mode == "once" else "true"
    group.define(
        f":::ready.db:file:{file_of(group)}", ":::required.db:yes", f"db:12:{mode}:@ up; {ends}", "app:2:wait:@ app"
    )
    touch(group)
    assert group.switch("1") == "DONE"
    wait_until(lambda: group.events() == ["up"], what="it runs")
    group.node.run("systemctl", "stop", group.unit("db"))
    assert group.switch("2") == "DONE"
    # Behind a once, that has been started, and need not have said so.
    wait_until(lambda: ["app", "up", "up"] == sorted(group.events()), what="both run")


def test_what_runs_on_behind_what_has_failed(group: Group) -> None:
    """Nobody has asked whether it is ready. So the group is FAILED until a request does, whoever mends the other."""
    group.define(
        f":::ready.db:timeout=1h file:{file_of(group)}", ":::required.m:yes", f"m:3:wait:test -e /run/{group.name}.m",
        f"db:34:respawn:{RUN}",
    )  # fmt: skip
    touch(group)
    assert group.switch("4") == "DONE"
    kill_main(group)
    wait_until(lambda: group.instance.properties(readiness(group), "ActiveState") == {"ActiveState": "inactive"})
    assert group.switch("3", code=4) == "FAILED"
    group.node.write(f"/run/{group.name}.m", "")
    restart = ("clinitctl", "restart", f"{group.name}:{group.name}.m")
    assert group.node.run(*restart, check=False).returncode == 4
    name = group.name
    words = f"was not asked whether it is ready, because {name}.m had not done well"
    assert reasons(group) == [f"{name}: {name}.db (respawn) {words}"]
    assert group.switch("3") == "DONE"


def test_an_entry_that_was_not_ready_moves(group: Group) -> None:
    """Its readiness goes with it, though it has none in its new group."""
    other = type(group)(group.instance)
    other.define(f"x:1:respawn:{RUN}")
    other.switch("1")
    group.define(f":::ready.db:timeout=1s file:{file_of(group)}", f"db:1:respawn:{RUN}", f"k:1:respawn:{RUN}")
    assert group.switch("1", code=4) == "FAILED"
    moved = f"{other.name}:{group.name}.db:1:respawn:{RUN}"
    group.define(f"k:1:respawn:{RUN}", settings=(moved,))
    assert other.switch("1") == "DONE"
    group.wait_for("1 DONE")
