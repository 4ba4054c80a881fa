"""Readiness on systemd: what is behind an entry waits until it is ready; what becomes of one that never is."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from answers import answered
from programs import RUN, RUN_NEW, until_there
from readying import asks, described, file_of, kill_main, listen, readiness, reasons, remove, touch

from lab.waiting import wait_until

if TYPE_CHECKING:
    from instance import Group


def test_what_is_behind_waits(group: Group) -> None:
    """The entry runs, the group is STARTING, and what is behind it starts when the file is there."""
    group.define(f":::ready.db:file:{file_of(group)}", f"db:1:respawn:@ up; {RUN}", "app:1:wait:@ app")
    group.request("1")
    asks(group)
    wait_until(lambda: group.events() == ["up"], what="it runs")
    assert group.status == "1 STARTING"

    touch(group)
    group.wait_for("1 DONE")
    assert group.events() == ["up", "app"]


@pytest.mark.parametrize(
    ("check", "command"),
    [
        ("tcp:4711", listen(4711)),
        ("tcp:localhost:4712", listen(4712)),
        ("http://127.0.0.1:4713/", listen(4713)),
        ("unix:/run/ready-probe.s", "exec socat UNIX-LISTEN:/run/ready-probe.s,fork /dev/null"),
        ("test -e /run/ready-probe.x", "touch /run/ready-probe.x; exec sleep 1000"),
        ("[ -e /run/ready-probe.y ] && echo fine", "sleep 0.2; touch /run/ready-probe.y; exec sleep 1000"),
    ],
    ids=["tcp", "tcp-host", "http", "unix", "command", "shell"],
)
def test_each_probe(group: Group, check: str, command: str) -> None:
    """A request ends when the entry answers, and not before."""
    if "socat" in command:
        script = "import socket; s=socket.socket(socket.AF_UNIX); s.bind('/run/ready-probe.s'); s.listen(); s.accept()"
        command = f'exec python3 -c "{script}; import time; time.sleep(1000)"'
    group.define(f":::ready.db:timeout=60s {check}", f"db:1:respawn:{command}")
    assert group.switch("1") == "DONE"
    assert group.instance.properties(readiness(group), "ActiveState", "ExecMainStatus") == {
        "ActiveState": "active",
        "ExecMainStatus": "0",
    }


def test_what_a_command_writes(group: Group) -> None:
    """The last line of the last answer is told, and the journal has all."""
    group.define(":::ready.db:timeout=1s echo loading; echo not yet >&2; exit 2", f"db:1:respawn:{RUN}")
    assert group.switch("1", code=4) == "FAILED"
    assert "(respawn) is not ready after 1 s: exited with 2: not yet (" in reasons(group)[0]
    group.node.run("journalctl", "--sync")
    lines = group.node.run("journalctl", "--output=cat", f"_SYSTEMD_UNIT={readiness(group)}").stdout.splitlines()
    assert ["loading", "not yet"] == lines[:2]


def test_the_time_is_up(group: Group) -> None:
    """The group is FAILED with the last answer, has gone on behind it, and the next request asks again."""
    group.define(f":::ready.db:timeout=1s file:{file_of(group)}", f"db:1:respawn:{RUN}", "app:1:wait:@ app")
    assert group.switch("1", code=4) == "FAILED"
    name = group.name
    assert reasons(group)[0] == (
        f"{name}: {name}.db (respawn) is not ready after 1 s: no such file or directory (file:{file_of(group)})"
    )
    assert group.events() == ["app"]

    pid = group.pid("db")
    touch(group)
    assert group.switch("1") == "DONE"
    assert group.pid("db") == pid


def test_same_level_again(group: Group) -> None:
    """An entry that has run on since is not asked about again."""
    group.define(f":::ready.db:file:{file_of(group)}", f"db:12:respawn:{RUN}")
    touch(group)
    assert group.switch("1") == "DONE"
    remove(group)
    assert group.switch("1") == "DONE"
    assert group.switch("2") == "DONE"


def test_an_entry_that_ends_while_it_is_asked_about(group: Group) -> None:
    """It is FAILED at once, with that reason, and not when the time is up."""
    group.define(f":::ready.db:timeout=1h file:{file_of(group)}", f"db:1:respawn:{RUN}", "app:1:wait:@ app")
    group.request("1")
    asks(group)
    kill_main(group)
    group.wait_for("1 FAILED")
    assert "(respawn) ended before it was ready: no such file or directory" in reasons(group)[0]
    assert group.events() == ["app"]


def test_an_entry_that_ends_by_itself(group: Group) -> None:
    """A `once` has ended when nothing of it is left; what it leaves in the background counts as it."""
    group.define(
        f":::ready.a:timeout=1h file:{file_of(group)}", "a:1:once:sleep 0.1; (sleep 0.3) &",
        f":::ready.b:timeout=1h file:{file_of(group)}.b", f"b:1:once:(sleep 0.2; touch {file_of(group)}.b; {RUN}) &",
    )  # fmt: skip
    assert group.switch("1", code=4) == "FAILED"
    assert [f"{group.name}.a (once) ended before it was ready" in reason for reason in reasons(group)[:1]] == [True]
    assert group.instance.properties(readiness(group, "b"), "ExecMainStatus") == {"ExecMainStatus": "0"}


def test_an_entry_that_pauses(group: Group) -> None:
    """One that ends too often is not waited for, whether it pauses already or comes to it."""
    group.define(f":::ready.db:timeout=1h file:{file_of(group)}", "db:1:respawn:false")
    assert group.switch("1", code=4) == "FAILED"
    assert any("before it was ready" in reason for reason in reasons(group))

    wait_until(lambda: "paused-too-many" in group.node.shell(
        f"cat /proc/{group.pid('db')}/cmdline", check=False).stdout, what="it pauses")  # fmt: skip
    assert group.switch("1", code=4) == "FAILED"
    assert any("has ended too often, and pauses, before it was ready" in reason for reason in reasons(group))


def test_a_wait_has_ended_and_is_asked_about(group: Group) -> None:
    """What a `wait` or `test` has done is asked about behind it; they have ended, and that is no reason."""
    group.define(
        f":::ready.mount:file:{file_of(group)}", f"mount:1:wait:(sleep 0.3; touch {file_of(group)}) &",
        ":::ready.check:test -d /run", "check:1:test:true",
    )  # fmt: skip
    assert group.switch("1") == "DONE"


def test_tests_that_are_asked_about_have_passed(group: Group) -> None:
    """PASSED is what the table has tests for."""
    group.define(":::ready.check:test -d /run", "check:1:test:true", ":::ready.db:true", f"db:2:respawn:{RUN}")
    assert group.switch("1") == "PASSED"
    assert group.switch("2") == "DONE"


def test_a_settled_group_stays_as_it_was(group: Group) -> None:
    """After a restart by systemd nothing is asked again until somebody asks for the level."""
    group.define(f":::ready.db:timeout=1s file:{file_of(group)}", f"db:1:respawn:{RUN}")
    touch(group)
    assert group.switch("1") == "DONE"
    remove(group)
    kill_main(group)
    wait_until(lambda: group.instance.properties(readiness(group), "ActiveState") == {"ActiveState": "inactive"})
    group.node.run("journalctl", "--sync")
    assert group.status == "1 DONE"

    assert group.switch("1", code=4) == "FAILED"  # now it is asked


def test_stopped_by_hand_and_started(group: Group) -> None:
    """What was stopped by hand is asked about when it is started again."""
    group.define(f":::ready.db:timeout=1s file:{file_of(group)}", f"db:1:respawn:{RUN}")
    touch(group)
    assert group.switch("1") == "DONE"
    remove(group)
    group.node.run("systemctl", "stop", group.unit("db"))
    group.wait_for("1 FAILED")
    assert group.switch("1", code=4) == "FAILED"
    assert "is not ready after 1 s" in reasons(group)[0]
    assert group.property("db", "ActiveState") == "active"


def test_restarted_by_hand(group: Group) -> None:
    """Also after a restart with systemctl the next request asks again, on every release."""
    group.define(f":::ready.db:timeout=1s file:{file_of(group)}", f"db:1:respawn:{RUN}")
    touch(group)
    assert group.switch("1") == "DONE"
    remove(group)
    group.node.run("systemctl", "restart", group.unit("db"))
    assert group.switch("1", code=4) == "FAILED"


def test_restarted_by_clinitctl(group: Group) -> None:
    """`clinitctl restart` is over when the entry is ready again, or is not."""
    group.define(f":::ready.db:timeout=1s file:{file_of(group)}", f"db:1:respawn:{RUN}")
    touch(group)
    assert group.switch("1") == "DONE"
    pid = group.pid("db")
    restart = ("clinitctl", "restart", f"{group.name}:{group.name}.db")
    answered(group.node.run(*restart, check=False), code=0)
    assert group.pid("db") != pid
    assert group.instance.properties(readiness(group), "ActiveState") == {"ActiveState": "active"}

    remove(group)
    assert group.node.run(*restart, check=False).returncode == 4
    assert group.status == "1 FAILED"


def test_a_request_in_the_middle(group: Group) -> None:
    """A later request is not held up by a readiness of an hour, nor by a try that nothing but SIGKILL ends."""
    group.define(
        ":::ready.db:timeout=1h trap '' TERM INT; sleep 1000 & wait; sleep 1000", f"db:1:respawn:{RUN}",
        "other:2:wait:@ other",
    )  # fmt: skip
    group.request("1")
    wait_until(lambda: group.instance.properties(readiness(group), "ActiveState")["ActiveState"] == "activating")
    assert group.switch("2") == "DONE"
    assert group.events() == ["other"]
    assert group.took("2") < 10  # the stop of an entry takes 15 s if it needs SIGKILL
    assert group.instance.properties(readiness(group), "ActiveState") == {"ActiveState": "inactive"}


def test_a_changed_readiness(group: Group) -> None:
    """It is asked anew; the entry runs on."""
    group.define(":::ready.db:true", f"db:1:respawn:{RUN}")
    assert group.switch("1") == "DONE"
    pid = group.pid("db")
    group.define(":::ready.db:timeout=1s false", f"db:1:respawn:{RUN}")
    assert group.switch("1", code=4) == "FAILED"
    assert "is not ready after 1 s: exited with 1 (false)" in reasons(group)[0]
    assert group.pid("db") == pid
    group.define(f"db:1:respawn:{RUN}")
    assert group.switch("1") == "DONE"
    assert group.pid("db") == pid


@pytest.mark.parametrize("mode", ["respawn", "once"])
def test_a_changed_entry(group: Group, mode: str) -> None:
    """It is restarted, and asked about again: so it is foretold, done and told. So it is of one that was stopped."""
    ready = f":::ready.db:echo asked >>{file_of(group)}"
    group.define(ready, f"db:1:{mode}:{RUN}")
    assert group.switch("1") == "DONE"
    answered(group.node.run("clinitctl", "stop", f"{group.name}.db"), code=0)
    group.define(ready, f"db:1:{mode}:{RUN_NEW}")
    assert group.switch("1") == "DONE"
    assert group.node.read(file_of(group)) == "asked\n" * 2

    group.define(ready, f"db:1:{mode}:{RUN}")
    tags = [f"{group.name}.db", f"{group.name}.db:ready"]
    told = group.node.run("cltab2systemd", "diff", check=False).stdout
    assert f"{group.name} (at level 1): 2 restart\n" in told
    assert f"asked again, for {tags[0]} is started again\n" in told
    explained = group.node.run("cltab2systemd", "explain", group.name, "1").stdout
    assert "Leave alone" not in explained
    assert "waits until" in explained
    updates = json.loads(group.instance.clinit("--apply", "--json").stdout)  # groups that are FAILED are told, too
    [update] = [update for update in updates if update["group"] == group.name]
    assert update["changes"] == [{"tag": tag, "effect": "restart"} for tag in tags]
    assert group.node.read(file_of(group)) == "asked\n" * 3


def test_plain_systemctl(group: Group) -> None:
    """Without a client it is the same: the target is active when the entry is ready, or when the time is up."""
    group.define(f":::ready.db:timeout=1s file:{file_of(group)}", f"db:1:respawn:{RUN}", "app:1:wait:@ app")
    group.instance.clinit(group.name, "2")
    group.wait_for("2 DONE")
    group.node.run("systemctl", "start", group.target("1"))
    assert group.events() == ["app"]
    group.wait_for("1 FAILED")
    touch(group)
    group.node.run("systemctl", "restart", readiness(group))
    group.wait_for("1 DONE")


def test_a_user(group: Group) -> None:
    """The check runs as the entry does: as its user, in its directory, with its environment."""
    group.define(
        ":::service.db:User=nobody",
        ":::service.db:Environment=X=1 PATH=/usr/bin:/bin",
        ":::service.db:WorkingDirectory=/srv",
        ':::ready.db:timeout=2s [ "$(id -un) $X $(pwd)" = "nobody 1 /srv" ]', f"db:1:respawn:{RUN}",
    )  # fmt: skip
    assert group.switch("1") == "DONE"


@pytest.mark.parametrize("settings", [("DynamicUser=yes",), ("DynamicUser=yes", "User=made-for-db")])
def test_a_user_that_systemd_makes(group: Group, settings: tuple[str, ...]) -> None:
    """The check runs as the very user that the entry has; that it did well is noted all the same."""
    group.define(
        *(f":::service.db:{setting}" for setting in settings),
        ":::ready.db:[ $(id -u) != 0 ]",
        ":::required.db:yes", f"db:1:respawn:{RUN}", "app:1:wait:@ app",
    )  # fmt: skip
    assert (group.switch("1"), group.events()) == ("DONE", ["app"])
    assert group.property("db:ready", "UID") == group.property("db", "UID")


def test_what_a_try_leaves_behind(group: Group) -> None:
    """It is killed before the next try, and behind the last one, also if it is in a session of its own."""
    there, tries = f"/run/{group.name}.there", f"/run/{group.name}.tries"
    group.define(
        f":::ready.db:setsid sh -c 'echo $$ >>{tries}; : >{there}; exec sleep 5000' & "
        f"{until_there(there)}; rm {there}; [ -e {file_of(group)} ]",
        f"db:1:respawn:{RUN}",
    )
    group.request("1")
    asks(group)
    wait_until(lambda: len(group.node.read(tries).split()) > 1, what="it has been tried twice")
    touch(group)
    group.wait_for("1 DONE")
    left = [pid for pid in group.node.read(tries).split() if group.node.path(f"/proc/{pid}").exists()]
    assert left == []
    assert group.property("db:ready", "ActiveState") == "active"


def test_a_group_that_needs_another(group: Group) -> None:
    """`group:` holds when that group is at its level, and not before."""
    other = type(group)(group.instance)
    other.define(f"x:1:wait:{until_there(file_of(other))}")
    other.request("1")
    other.wait_for("1 STARTING")
    group.define(
        f":::ready.a:group:{other.name}:1", f"a:3:respawn:{RUN}",
        # The bus need not know a user whom systemd has made.
        ":::service.b:DynamicUser=yes", f":::ready.b:group:{other.name}", f"b:3:respawn:{RUN}",
    )  # fmt: skip
    group.request("3")
    asks(group, "a")
    assert group.instance.properties(readiness(group, "a"), "StatusText")["StatusText"] == (
        f"{other.name} is STARTING at level 1"
    )
    touch(other)
    group.wait_for("3 DONE")


def test_how_it_is_told(group: Group) -> None:
    """Progress has what was answered last, and how long it may take; status has a row for the readiness."""
    group.define(f":::ready.db:timeout=90s file:{file_of(group)}", f"db:1:respawn:{RUN}")
    group.request("1")
    asks(group)
    awaited = group.when_awaited("db:ready starting")["progress"]["awaited"]
    assert [(one["says"], one["limit_usec"], one["ready_of"]) for one in awaited] == [
        ("no such file or directory", 90_000_000, f"{group.name}.db")
    ]
    assert described(group)["db:ready"]["state"] == "starting"
    touch(group)
    group.wait_for("1 DONE")
    assert described(group)["db:ready"]["state"] == "passed"


def test_an_entry_that_dies_every_second_hangs_no_switch(group: Group) -> None:
    """A restart by systemd begins the time of its readiness not anew."""
    group.define(f":::ready.db:timeout=1h file:{file_of(group)}", "db:1:respawn:sleep 1.1", "app:1:wait:@ app")
    began = time.monotonic()
    assert group.switch("1", code=4) == "FAILED"
    assert time.monotonic() - began < 60
