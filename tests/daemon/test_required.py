"""What is required: if it fails, nothing behind it is started, and nothing that runs is touched."""

from __future__ import annotations

from typing import Any

import pytest
from instance import Group, varlink
from programs import RUN

from cltab2systemd.client.outcome import FAILED
from lab.waiting import wait_until

FIRST_TO_RESTART_WITHOUT_CONDITIONS = 254
# A program that is as broken as a file says: it exits with what stands there.
MOUNT = 'sh -c "@ mount; exit $(cat /run/broken.NAME 2>/dev/null || echo 0)"'


def define(group: Group, *lines: str, required: tuple[str, ...] = ("mount",)) -> None:
    """Put entries into the table, and say which of them are required."""
    group.define(*(line.replace("NAME", group.name) for line in lines))
    settings = "".join(f":::required.{group.name}.{tag}:yes\n" for tag in required)
    group.instance.table += settings
    group.instance.write_table(group.instance.table)


def break_it(group: Group, status: int = 32) -> None:
    """Have the program fail from now on; with 0 it is mended."""
    group.node.write(f"/run/broken.{group.name}", f"{status}\n")


def reasons(group: Group) -> dict[str, dict[str, Any]]:
    """What is wrong with entries, by tag, in order."""
    [reply] = varlink(group.node, {"method": "org.clinit.Manager.Status", "parameters": {"group": group.name}})
    found = reply["parameters"]["groups"][0]["reasons"]
    return {(reason["tag"] or "").removeprefix(f"{group.name}."): reason for reason in found}


def said(group: Group) -> dict[str, str]:
    """The codes of that."""
    return {tag: reason["code"] for tag, reason in reasons(group).items()}


LINES = (f"first:34:respawn:{RUN}", f"mount:3:wait:{MOUNT}", f"app:34:respawn:{RUN}", "last:3:wait:@ last")


def test_nothing_behind_what_has_failed_is_started(group: Group) -> None:
    """The group is FAILED, and says of the rest why it was not started; what is before it runs."""
    define(group, *LINES)
    break_it(group)

    assert group.switch("3", code=FAILED) == "FAILED"
    assert (group.pid("first") > 0, group.pid("app"), group.events()) == (True, 0, ["mount"])
    found = reasons(group)
    assert {tag: reason["code"] for tag, reason in found.items()} == {
        "mount": "required-failed", "app": "kept-back", "last": "kept-back",
    }  # fmt: skip
    name = group.name
    assert found["app"]["text"] == (
        f"{name}: {name}.app (respawn) was not started, because {name}.mount exited with 32"
    )
    assert "exited with 32: " in found["mount"]["text"]


def test_a_request_runs_it_again(group: Group) -> None:
    """When it is mended, the same request starts it, and then what was kept back; what runs stays."""
    define(group, *LINES)
    break_it(group)
    group.switch("3", code=FAILED)
    first = group.pid("first")

    assert group.switch("3", code=FAILED) == "FAILED"
    break_it(group, 0)
    assert group.switch("3") == "DONE"
    assert group.events() == ["mount", "mount", "mount", "last"]
    assert (group.pid("first"), group.pid("app") > 0, said(group)) == (first, True, {})
    assert group.switch("3") == "DONE"
    assert group.events() == ["mount", "mount", "mount", "last"]


def test_plain_systemctl(group: Group) -> None:
    """Without a request it is the same: systemd itself keeps the rest back."""
    define(group, *LINES)
    break_it(group)
    group.instance.clinit()

    group.node.run("systemctl", "start", group.target("3"))
    group.wait_for("3 FAILED")
    assert said(group) == {"mount": "required-failed", "app": "kept-back", "last": "kept-back"}
    break_it(group, 0)
    group.node.run("systemctl", "start", group.target("3"))
    group.wait_for("3 DONE")
    assert group.events() == ["mount", "mount", "last"]


def test_what_runs_is_not_touched(group: Group) -> None:
    """Coming from a level where the rest runs already: it runs on, and only what was not there is kept back."""
    define(group, *LINES)
    assert group.switch("4") == "DONE"
    first, app = group.pid("first"), group.pid("app")
    break_it(group)

    assert group.switch("3", code=FAILED) == "FAILED"
    assert (group.pid("first"), group.pid("app")) == (first, app)
    assert said(group) == {"mount": "required-failed", "last": "kept-back"}
    # And a level that does not require it has it all.
    assert group.switch("4") == "DONE"
    assert (group.pid("first"), group.pid("app")) == (first, app)


def test_what_ends_while_the_required_has_failed(group: Group) -> None:
    """Systemd 252 checks the conditions of a respawn entry at each restart, and 257 does not: both is told as it is."""
    define(group, *LINES)
    assert group.switch("4") == "DONE"
    app = group.pid("app")
    break_it(group)
    group.switch("3", code=FAILED)
    group.node.run("systemctl", "kill", "--signal=KILL", group.unit("app"))

    if int(group.node.run("systemctl", "--version").stdout.split()[1]) >= FIRST_TO_RESTART_WITHOUT_CONDITIONS:
        wait_until(lambda: group.pid("app") not in {0, app}, what="it is started again")
        assert said(group) == {"mount": "required-failed", "last": "kept-back"}
    else:
        expected = {"mount": "required-failed", "app": "kept-back", "last": "kept-back"}
        wait_until(lambda: said(group) == expected, what="it is kept back")
    assert group.switch("4") == "DONE"
    assert group.pid("app") > 0


def test_an_end_of_its_own_closes_nothing(group: Group) -> None:
    """A required entry that is stopped, or restarted and fails, by hand: what runs behind is restarted as ever."""
    define(group, *LINES)
    assert group.switch("3") == "DONE"
    app = group.pid("app")
    group.node.run("systemctl", "stop", group.unit("mount"))
    group.node.run("systemctl", "kill", "--signal=KILL", group.unit("app"))
    wait_until(lambda: group.pid("app") not in {0, app}, what="it is started again")
    app = group.pid("app")

    assert group.switch("3") == "DONE"
    assert group.events() == ["mount", "last", "mount"]
    break_it(group)
    group.node.run("systemctl", "restart", group.unit("mount"), check=False)
    group.wait_for("3 FAILED")
    assert (said(group), group.pid("app")) == ({"mount": "required-failed"}, app)


@pytest.mark.parametrize(
    ("mode", "command", "directive", "code"),
    [
        ("test", "sh -c 'exit 32'", "", "test-failed"),
        ("wait", "sh -c 'kill -KILL $$'", "", "required-failed"),
        ("wait", "sh -c 'kill -TERM $$'", "", "required-failed"),
        ("wait", "sleep 600", "TimeoutStartSec=1", "timed-out"),
        ("wait", "/no/such/program", "", "not-executed"),
        ("wait", "true", "User=nosuch", "not-executed"),
        ("wait", "true", "EnvironmentFile=/no/such/file", "not-executed"),
        ("test", "sh -c 'exit 203'", "", "not-executed"),
    ],
)
def test_ways_to_fail(group: Group, mode: str, command: str, directive: str, code: str) -> None:
    """However it fails, the rest is kept back, and the next request runs it again."""
    define(group, f"mount:3:{mode}:@ mount && {command}" if command[0] == "s" else f"mount:3:{mode}:{command}",
           f"app:3:respawn:{RUN}", "last:3:once:@ last")  # fmt: skip
    if directive:
        group.instance.table += f":::service.{group.name}.mount:{directive}\n"
        group.instance.write_table(group.instance.table)

    for _ in range(2):
        assert group.switch("3", code=FAILED) == "FAILED"
        assert said(group) == {"mount": code, "app": "kept-back", "last": "kept-back"}
        assert (group.pid("app"), "last" in group.events()) == (0, False)


@pytest.mark.parametrize(
    "directives",
    [
        ("User=nobody", "UMask=0777", "Environment=PATH=/nowhere"),
        ("RootDirectory=/srv/root", "WorkingDirectory=/usr", "PrivateTmp=yes"),
        ("TemporaryFileSystem=/run", "ProtectSystem=strict"),
    ],
)
def test_it_passes_in_any_surroundings(group: Group, directives: tuple[str, ...]) -> None:
    """Whoever runs it, and whatever it sees: systemd notes that it did well."""
    group.node.shell("mkdir -p /srv/root; mountpoint -q /srv/root || mount --bind / /srv/root")
    define(group, "mount:3:wait:/bin/true", f"app:3:respawn:{RUN}")
    group.instance.table += "".join(f":::service.{group.name}.mount:{line}\n" for line in directives)
    group.instance.write_table(group.instance.table)
    assert group.switch("3") == "DONE"
    assert group.pid("app") > 0


def test_two_that_are_required(group: Group) -> None:
    """Each keeps back what is behind it, also one that is up already when the other fails."""
    define(group, f"mount:3:wait:{MOUNT}", "db:34:test:@ db", "a:3:once:@ a", "b:4:once:@ b", required=("mount", "db"))
    assert group.switch("4") == "DONE"
    wait_until(lambda: group.events() == ["db", "b"], what="b runs")
    break_it(group)
    assert group.switch("3", code=FAILED) == "FAILED"
    assert said(group) == {"mount": "required-failed", "a": "kept-back"}
    assert group.events() == ["db", "b", "mount"]
    break_it(group, 0)
    assert group.switch("3") == "DONE"
    wait_until(lambda: group.events() == ["db", "b", "mount", "mount", "a"], what="a runs")


def test_a_new_daemon_does_not_know_what_failed(group: Group) -> None:
    """Nor does systemd, after a daemon-reload. What was kept back is that until a request starts it."""
    behind = (f"app:3:respawn:{RUN}", "w:3:wait:@ w", "t:3:test:@ t", "o:3:once:@ o")
    define(group, f"mount:3:wait:{MOUNT}", "second:3:wait:true", *behind, required=("mount", "second"))
    break_it(group)
    assert group.switch("3", code=FAILED) == "FAILED"
    break_it(group, 0)
    group.node.run("clinitctl", "restart", f"{group.name}:{group.name}.mount", check=False)
    group.instance.kill()
    group.node.run("systemctl", "daemon-reload")
    group.instance.start()
    group.wait_for("3 FAILED")
    expected = dict.fromkeys(("app", "w", "t", "o"), "kept-back")
    assert said(group) == {"second": "kept-back", **expected}
    assert group.switch("3") == "DONE"
    wait_until(lambda: group.events() == ["mount", "mount", "w", "t", "o"], what="o runs")


def test_one_that_is_off(group: Group) -> None:
    """An entry that is never started keeps nothing back."""
    define(group, "mount:3:off:false", "a:3:once:@ a")
    assert group.switch("3") == "DONE"
    wait_until(lambda: group.events() == ["a"], what="a runs")


def test_a_condition_of_a_drop_in_is_another_thing(group: Group) -> None:
    """What an administrator has skipped is told as that."""
    define(group, "mount:3:wait:true", "a:3:once:@ a")
    drop_in = f"/etc/systemd/system/{group.unit('a')}.d/no.conf"
    group.node.write(drop_in, "[Unit]\nConditionPathExists=/no/such\n")
    group.instance.clinit()
    group.node.run("systemctl", "daemon-reload")
    assert group.switch("3") == "DONE"
    assert said(group) == {"a": "skipped"}
    group.node.run("systemctl", "daemon-reload")
    assert said(group) == {"a": "skipped"}


def test_required_anew(group: Group) -> None:
    """A setting that comes restarts the entry that it is about, and nothing behind it."""
    group.define(*(line.replace("NAME", group.name) for line in LINES))
    break_it(group, 1)
    assert group.switch("3") == "DONE"
    app = group.pid("app")
    define(group, *LINES)
    assert group.switch("3", code=FAILED) == "FAILED"
    assert (said(group), group.pid("app")) == ({"mount": "required-failed"}, app)


def test_requests_in_the_middle(group: Group) -> None:
    """While it runs, another request for its level changes nothing; one for another level opens the way."""
    define(group, "mount:3:wait:@ mount; exec sleep 600", f"app:34:respawn:{RUN}")
    group.request("3")
    wait_until(lambda: group.events() == ["mount"])
    group.request("3")
    group.wait_for("3 STARTING")
    assert group.switch("4") == "DONE"
    assert group.pid("app") > 0
    app = group.pid("app")
    group.request("3")
    wait_until(lambda: group.events() == ["mount", "mount"])
    group.node.run("systemctl", "stop", group.unit("mount"))
    group.wait_for("3 FAILED")
    assert group.pid("app") == app


def test_requests_at_once(group: Group) -> None:
    """Requests for levels at the same time end well, whichever comes first, and none hangs."""
    define(group, f"mount:3:wait:{MOUNT}", f"app:34:respawn:{RUN}")
    group.instance.clinit()
    for _ in range(5):
        target3, target4 = group.target("3"), group.target("4")
        script = f"for t in {target3} {target4} {target3} {target3}; do systemctl start --no-block $t & done; wait"
        group.node.shell(script)
        wait_until(lambda: group.status in {"3 DONE", "4 DONE"}, what=group.status)
    assert group.switch("3") == "DONE"


def test_a_full_disk_closes(group: Group) -> None:
    """If it cannot be noted that it did well, nothing behind it is started, and the reason says so."""
    define(group, *LINES)
    state = "/run/cltab2systemd/system"
    group.node.run("mkdir", "-p", f"{state}/passed", f"{state}/up")
    group.node.run("mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=1", "full", f"{state}/passed")
    try:
        assert group.switch("3", code=FAILED) == "FAILED"
        found = reasons(group)
        assert {tag: reason["code"] for tag, reason in found.items() if tag} == {
            "mount": "required-failed", "app": "kept-back", "last": "kept-back",
        }  # fmt: skip
        assert "could not note that" in found["mount"]["text"]
    finally:
        group.node.run("umount", "--lazy", f"{state}/passed")
    assert group.switch("3") == "DONE"


def test_an_entry_that_does_not_get_ready(group: Group) -> None:
    """What is required of an entry that runs on is its readiness; the entry itself is not touched."""
    define(group, f"db:3:respawn:@ db; {RUN}", f"app:3:respawn:{RUN}", required=("db",))
    group.instance.table += f":::ready.{group.name}.db:timeout=1s file:/run/ready.{group.name}\n"
    group.instance.write_table(group.instance.table)

    assert group.switch("3", code=FAILED) == "FAILED"
    db = group.pid("db")
    assert (db > 0, group.pid("app"), said(group)["app"]) == (True, 0, "kept-back")
    assert f"because {group.name}.db " in reasons(group)["app"]["text"]
    group.node.write(f"/run/ready.{group.name}", "")
    assert group.switch("3") == "DONE"
    assert (group.pid("db"), group.pid("app") > 0) == (db, True)
    app = group.pid("app")
    group.node.run("systemctl", "kill", "--signal=KILL", group.unit("db"), group.unit("app"))
    wait_until(lambda: 0 not in {group.pid("db"), group.pid("app")} and group.pid("app") != app, what="both run again")


def test_stops_in_order(group: Group) -> None:
    """Nothing changes for a group that is stopped in order."""
    define(group, *LINES)
    group.instance.table += f":::stop.{group.name}:ordered\n"
    group.instance.write_table(group.instance.table)
    break_it(group)
    assert group.switch("3", code=FAILED) == "FAILED"
    assert said(group) == {"mount": "required-failed", "app": "kept-back", "last": "kept-back"}
    break_it(group, 0)
    assert [group.switch(level) for level in ("3", "4", "3", "0", "3")] == ["DONE"] * 5


def test_a_barrier_that_fails_is_told(group: Group) -> None:
    """If it cannot be said what a level requires, what is behind is kept back, and the group has failed for that."""
    define(group, *LINES)
    passed = "/run/cltab2systemd/system/passed"
    group.node.run("mkdir", "-p", passed)
    group.node.run("mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=1", "full", passed)
    try:
        assert group.switch("4", code=FAILED) == "FAILED"
        assert said(group) == {"": "not-switched", "app": "kept-back"}
        assert group.pid("first") > 0
    finally:
        group.node.run("umount", "--lazy", passed)
    assert group.switch("4") == "DONE"
    assert group.node.journal(f"clinitbarrier-{group.name}@3.service") == ""
