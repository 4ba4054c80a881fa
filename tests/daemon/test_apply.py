"""`clinit --apply`: all groups take the table's lines at the levels where they are, and nothing is done twice."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from instance import varlink
from jsondocument import schema_of
from programs import RUN, slow_to_stop
from shipped import SERVICE, Shipped

from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.node import Node

TABLE = f"web:db:3:respawn:{RUN}\nweb:php:3:respawn:{RUN}\nmail:queue:12:respawn:{RUN}\nidle:x:1:respawn:{RUN}\n"
# php is another way, cron is new, mail is gone.
NEW = (
    f"web:db:3:respawn:{RUN}\nweb:php:3:respawn:exec sleep 2000\nweb:cron:3:once:true\nidle:x:1:respawn:exec sleep 9\n"
)


@pytest.fixture
def machine(fresh_node: Node) -> Iterator[Shipped]:
    """The shipped daemon, with web and mail at levels."""
    shipped = Shipped(fresh_node)
    shipped.write_table(TABLE)
    shipped.start()
    for group, level in (("web", "3"), ("mail", "1")):
        assert shipped.clinit("--wait", group, level).returncode == 0
    yield shipped
    print(fresh_node.journal())  # seen if the test fails


def applied(machine: Shipped, *options: str) -> tuple[int, str, str]:
    done = machine.clinit("--apply", *options)
    return done.returncode, done.stdout, done.stderr


def pids(machine: Shipped, *entries: str) -> list[int]:
    return [machine.main_pid(f"clinit-{entry}.service") for entry in entries]


def test_what_changed_and_nothing_twice(machine: Shipped) -> None:
    """What was done to each group is printed; a second time nothing is done, and nothing printed."""
    before = pids(machine, "web@db", "web@php")
    assert applied(machine) == (0, "", "")
    machine.write_table(NEW)
    told = "web 3 DONE\n  php   restarted\n  cron  started\nmail has left the table: stopped\n  queue  stopped\n"
    assert applied(machine) == (0, told, "clinit: mail has left the table, and is being stopped\n")
    after = pids(machine, "web@db", "web@php")
    assert (before[0] == after[0], before[1] == after[1]) == (True, False)
    assert applied(machine) == (0, "", "")

    assert pids(machine, "web@db", "web@php") == after
    assert machine.clstat() == {"web": "3 DONE"}
    assert machine.clinit("--wait", "idle", "1").returncode == 0  # with its new line
    assert "sleep 9" in machine.node.read(f"/proc/{pids(machine, 'idle@x')[0]}/cmdline").replace("\0", " ")


def test_as_json(machine: Shipped) -> None:
    """For a program it is what the daemon says; an empty array if there was nothing to do."""
    assert applied(machine, "--json") == (0, "[]\n", "")
    machine.write_table(NEW)
    updates = json.loads(machine.clinit("--apply", "--json").stdout)

    schema_of("`clinit --apply --json`").validate(updates)
    assert [(update["group"], update["level"], update["state"]) for update in updates] == [
        ("web", "3", "DONE"), ("mail", None, None),
    ]  # fmt: skip
    assert updates[0]["changes"] == [{"tag": "php", "effect": "restart"}, {"tag": "cron", "effect": "start"}]


def test_the_same_lines(machine: Shipped) -> None:
    """An entry that was stopped by hand is no change: a request starts it, and no update. So says a difference."""
    node = machine.node
    assert node.run("clinitctl", "stop", "php").returncode == 0
    told = node.run("cltab2systemd", "diff")
    heading = "web (at level 3, FAILED): the same lines; only 'clinit web 3' does this: 1 start, 1 left alone"
    assert told.stdout == f"{heading}\n  start  web:php  does not run, or was never started\n"
    answer = json.loads(node.run("cltab2systemd", "diff", "--format", "json").stdout)
    assert not answer["changed"]
    assert {group["group"]: group["by_request_only"] for group in answer["groups"]} == {
        "web": True, "mail": False, "idle": False,
    }  # fmt: skip
    hint = "clinit: web 3 FAILED, and not by this; 'clinit web 3' tries again what failed\n"
    assert applied(machine) == (4, "", hint)
    machine.write_table(TABLE.replace("web:db:3:", "web:db:35:"))
    (web, *_) = json.loads(node.run("cltab2systemd", "diff", "--format", "json", check=False).stdout)["groups"]
    assert (web["change"], web["by_request_only"]) == ("changed", False)
    assert applied(machine) == (0, "web 3 DONE\n  php  started\n", "")
    assert node.run("cltab2systemd", "diff").stdout == ""


def test_a_failed_group(machine: Shipped) -> None:
    """The exit code is 4 as long as a group is FAILED, also when it is left alone."""
    machine.write_table(TABLE + "web:check:3:test:false\n")
    code, out, err = applied(machine)
    assert (code, out) == (4, "web 3 FAILED\n  check  started\n")
    assert "check (test) exited with 1: false" in err

    code, out, err = applied(machine)
    assert (code, out) == (4, "")
    assert "web 3 FAILED, and not by this" in err


def test_a_refused_table(machine: Shipped) -> None:
    """A table with errors changes nothing."""
    before = pids(machine, "web@db", "mail@queue")
    machine.write_table(NEW + "web:db\n")
    code, out, err = applied(machine)

    assert (code, out) == (1, "2 of 5 fields\n")
    assert "/etc/cltab:5:1: error: 2 of 5 fields" in err
    assert err.endswith("clinit: the table is refused, and all groups stay as they are\n")
    assert pids(machine, "web@db", "mail@queue") == before


def test_nothing_done_for_a_program(machine: Shipped) -> None:
    """A table that is refused, a daemon that is away, and a time that is up are told in the same form."""
    machine.write_table(
        NEW.replace("exec sleep 2000", "sleep 1; sleep 2000").replace("cron:3:once:true", "slow:3:wait:sleep 9")
    )
    late = machine.clinit("--apply", "--json", "--timeout", "3")
    machine.write_table(NEW + "web:db\n")
    refused = machine.clinit("--apply", "--json")
    machine.node.run("systemctl", "stop", "clinit.socket", SERVICE)
    away = machine.clinit("--apply", "--json")

    assert (late.returncode, refused.returncode, away.returncode) == (5, 1, 3)
    told = [json.loads(done.stdout) for done in (late, refused, away)]
    for updates in told:
        schema_of("`clinit --apply --json`").validate(updates)
    late_told, (bad,), (away_told,) = told
    assert (bad["group"], bad["error"], bad["code"], bad["changes"]) == (None, "2 of 5 fields", "TableRefused", [])
    assert bad["reasons"][0].startswith("/etc/cltab:5:1: error: 2 of 5 fields")
    stay = "clinit: the table is refused, and all groups stay as they are\n"
    assert refused.stderr.endswith(f"clinit: 2 of 5 fields\n{stay}")
    assert [update["group"] for update in late_told] == ["web", "mail"]
    assert late_told[0]["error"].startswith("timed out; ")
    assert (late_told[0]["code"], away_told["group"], away_told["code"]) == (None, None, None)
    assert away_told["error"].startswith("no daemon at /run/clinit/clinit.s: ")
    assert f"clinit: {away_told['error']}\n" == away.stderr


# Both groups have lost their levels, and web declares which it has; mail was at prod.
LOST = TABLE.replace(":3:", ":4:").replace("queue:12:", "queue:prods,:") + ":::levels.web:stop\n"
UNDECLARED = (
    "no entry of web names level '3', and :::levels.web: does not declare it: refused, and the group stays as it "
    "is; its levels are 4, stop"
)
UNNAMED = (
    "no entry of mail names level 'prod': refused, and the group stays as it is ('clinit mail prod' stops everything); "
    "its levels are prods; did you mean 'prods'?"
)


def at_prod(machine: Shipped) -> None:
    """Take mail to level prod."""
    machine.write_table(TABLE.replace("queue:12:", "queue:prod,:"))
    assert machine.clinit("--wait", "mail", "prod").returncode == 0


def test_a_level_that_is_there_no_more(machine: Shipped) -> None:
    """Groups that have lost their level stay as they are, which is foretold in the same words; others are applied."""
    at_prod(machine)
    assert machine.clinit("--wait", "idle", "1").returncode == 0
    before = pids(machine, "web@db", "web@php", "mail@queue")
    machine.write_table(LOST + "idle:y:1:once:true\n")

    told = machine.node.run("cltab2systemd", "diff", check=False).stdout
    assert told.startswith(
        "web (at level 3): refused, nothing is stopped or started, 2 left alone\n"
        f"  refused  web      {UNDECLARED}\n"
        "  -        web      levels without entries: none → stop\n"
        "  leave    web:db   levels: 3 → 4\n"
        "  leave    web:php  levels: 3 → 4\n"
        "mail (at level prod): refused, nothing is stopped or started, 1 left alone\n"
        f"  refused  mail        {UNNAMED}\n"
        "  leave    mail:queue  levels: prod, → prods,\n"
    )
    waiting = "changed; 'clinit --apply' does not take that over: "
    idle = "clinit: idle: 1 entry changed; 'clinit --apply' or 'clinit idle 1' takes that over\n"
    reread = f"clinit: web: 2 entries {waiting}{UNDECLARED}\nclinit: mail: 1 entry {waiting}{UNNAMED}\n{idle}"
    assert machine.clinit().stderr == reread
    assert applied(machine) == (
        1, "web 3 -\nmail prod -\nidle 1 DONE\n  y  started\n", f"web: {UNDECLARED}\nmail: {UNNAMED}\n",
    )  # fmt: skip

    assert pids(machine, "web@db", "web@php", "mail@queue") == before
    assert machine.clstat() == {"web": "3 DONE", "mail": "prod DONE", "idle": "1 DONE"}
    assert machine.clinit("--wait", "mail", "prod").stdout == "mail prod DONE\n"  # as that says
    assert pids(machine, "mail@queue") == [0]
    code, _, err = applied(machine)
    assert (code, err) == (1, f"web: {UNDECLARED}\n")


def test_an_entry_that_another_group_takes(machine: Shipped) -> None:
    """A group that is refused is not said to stay as it is if it loses an entry; it is foretold in the same words."""
    machine.write_table(f"web:server:3:respawn:{RUN}\nweb:aux:3:respawn:{RUN}\ndb:data:prod,:respawn:{RUN}\n")
    for group, level in (("web", "3"), ("db", "prod")):
        assert machine.clinit("--wait", group, level).returncode == 0
    machine.write_table(f"web:server:live,:respawn:{RUN}\ndb:data:prod,:respawn:{RUN}\ndb:aux:prod,:respawn:{RUN}\n")
    refused = (
        "no entry of web names level '3': refused, and the group stays as it is, but for what other groups have now, "
        "and may take: aux (db) ('clinit web 3' stops everything); its levels are live"
    )

    foretold = machine.node.run("cltab2systemd", "diff", check=False).stdout
    assert f"  refused  web         {refused}\n" in foretold
    assert refused in machine.clinit().stderr
    code, out, err = applied(machine)
    assert (code, out) == (1, "web 3 -\ndb prod DONE\n  aux  started\n")
    assert f"web: {refused}\n" in err
    assert [bool(pid) for pid in pids(machine, "web@server", "web@aux", "db@aux")] == [True, False, True]


def test_a_lost_level_for_a_program(machine: Shipped) -> None:
    """It has the text and the code, in both answers, and no change of a group to which nothing is done."""
    at_prod(machine)
    machine.write_table(LOST)
    foretold = json.loads(machine.node.run("cltab2systemd", "diff", "--format", "json", check=False).stdout)
    done = machine.clinit("--apply", "--json")
    updates = json.loads(done.stdout)

    schema_of("`diff`").validate(foretold)
    schema_of("`clinit --apply --json`").validate(updates)
    refused = {"web": ("3", "undeclared-level", UNDECLARED), "mail": ("prod", "unnamed-level", UNNAMED)}
    assert done.returncode == 1
    assert {update["group"]: (update["level"], update["code"], update["error"]) for update in updates} == refused
    assert [(update["state"], update["changes"]) for update in updates] == [(None, []), (None, [])]
    assert {group["group"]: group["refused"] for group in foretold["groups"]} == {
        "web": [{"level": "3", "code": "undeclared-level", "error": UNDECLARED}],
        "mail": [{"level": "prod", "code": "unnamed-level", "error": UNNAMED}],
        "idle": [],
    }
    effects = {effect["effect"] for group in foretold["groups"] for e in group["entries"] for effect in e["effects"]}
    assert effects == {"leave"}


def test_a_lost_level_is_told_at_once(machine: Shipped) -> None:
    """A program that asks the daemon itself, and does not wait for the end, is told of it, too."""
    at_prod(machine)
    machine.write_table(LOST)
    (reply,) = varlink(machine.node, {"method": "org.clinit.Manager.Apply"})
    told = {update["group"]: (update["code"], update["error"]) for update in reply["parameters"]["groups"]}
    assert told == {"web": ("undeclared-level", UNDECLARED), "mail": ("unnamed-level", UNNAMED)}


def test_a_level_to_be_stopped_at(machine: Shipped) -> None:
    """A group that is at a level that its lines have never named takes its new ones there, without a word."""
    assert machine.clinit("--wait", "mail", "stop").returncode == 0
    machine.write_table(TABLE.replace("queue:12:", "queue:3:"))
    assert machine.node.run("cltab2systemd", "diff", check=False).stdout == (
        "mail (at level stop): nothing is stopped or started\n  -  mail:queue  levels: 12 → 3\n"
    )
    assert applied(machine) == (0, "mail stop DONE\n", "")
    assert machine.clstat()["mail"] == "stop DONE"


def test_a_group_that_is_refused_for_another_reason(machine: Shipped) -> None:
    """For a program, too, there is no change of a group to which nothing was done."""
    machine.write_table(f"{NEW}:::preflight.php:false\n")
    done = machine.clinit("--apply", "--json")
    web, mail = json.loads(done.stdout)

    assert (done.returncode, web["code"], web["changes"]) == (1, "preflight-failed", [])
    assert (mail["code"], mail["changes"]) == (None, [{"tag": "queue", "effect": "stop"}])


def test_what_a_preflight_has_written(machine: Shipped) -> None:
    """It stands below the refusal, as `clinit --wait` has it; and a program has it, too."""
    machine.write_table(f"{NEW}:::preflight.php:echo nope; echo never; false\n")
    text = "the preflight of php exited with 1, so web stays as it is: echo nope; echo never; false"
    assert applied(machine)[1:] == ("web 3 -\nmail has left the table: stopped\n  queue  stopped\n", (
        f"clinit: mail has left the table, and is being stopped\nweb: {text}\n  nope\n  never\n"
    ))  # fmt: skip
    (web,) = json.loads(machine.clinit("--apply", "--json").stdout)
    assert (web["error"], web["output"], web["reasons"]) == (text, ["nope", "never"], [])


def test_what_a_plain_reading_says(machine: Shipped) -> None:
    """It names the groups that wait for a request; other requests stop no group that left."""
    machine.write_table(NEW)
    waiting = "clinit: web: 2 entries changed; 'clinit --apply' or 'clinit web 3' takes that over\n"
    left = "clinit: mail has left the table, and still runs at level 1; 'clinit --apply' stops it\n"
    assert machine.clinit("--wait", "idle", "1").stderr == left
    assert machine.clstat()["mail"] == "1 DONE"
    stopping = "clinit: mail has left the table, and is being stopped\n"
    assert machine.clinit().stderr == stopping + waiting


def test_groups_on_their_way(machine: Shipped) -> None:
    """A group that is on its way takes its new lines where it goes; two at once do it once."""
    machine.write_table(TABLE + "web:slow:4:wait:sleep 1\n")
    first = machine.node.popen("clinit", "--wait", "web", "4")
    wait_until(lambda: machine.clstat()["web"] == "4 STARTING", what="it is on its way")
    machine.write_table(TABLE + "web:slow:4:wait:true\nweb:new:4:respawn:exec sleep 5\n")
    both = [machine.node.popen("clinit", "--apply") for _ in range(2)]

    assert [client.wait(30) for client in both] == [0, 0]
    assert first.wait(30) == 6  # it was going there with its old lines
    assert machine.clstat()["web"] == "4 DONE"
    assert pids(machine, "web@new")[0]


@pytest.mark.parametrize("moment", ["3 STARTING", "3 STOPPING"])
def test_a_daemon_that_is_killed(machine: Shipped, moment: str) -> None:
    """Whoever applies waits for the next daemon, which does what is left, and hears of all of it, once."""
    stubborn = slow_to_stop(1)
    machine.write_table(TABLE.replace("web:php:3:respawn:" + RUN, f"web:php:3:respawn:{stubborn}"))
    assert machine.clinit("--wait", "web", "3").returncode == 0
    new = TABLE.replace("web:php:3", "web:first:3:wait:sleep 1\nweb:php:3").replace("mail:", "idle:")
    machine.write_table(new)
    client = machine.node.popen("clinit", "--apply", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: machine.clstat()["web"] == moment, what="it is under way")
    pid = machine.pid
    machine.node.run("kill", "-KILL", str(pid))
    out, err = client.communicate(timeout=60)

    assert client.returncode == 0
    assert out.decode() == (
        "web 3 DONE\n  php    restarted\n  first  started\nmail has left the table: stopped\n  queue  stopped\n"
    )
    assert err.decode().count("mail has left the table, and is being stopped") == 1
    assert machine.clstat() == {"web": "3 DONE"}
    assert machine.pid != pid
    assert applied(machine) == (0, "", "")


def test_no_daemon_comes_back(machine: Shipped) -> None:
    """When the time is up in which one may, that is what is said."""
    machine.write_table(TABLE.replace("web:php:3", "web:first:3:wait:sleep 1000\nweb:php:3"))
    client = machine.node.popen("clinit", "--apply", "--timeout", "3", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: machine.clstat()["web"] == "3 STARTING", what="it is under way")
    machine.node.run("systemctl", "stop", "clinit.socket", SERVICE)
    _, err = client.communicate(timeout=60)

    assert client.returncode == 5
    assert b"timed out; what was requested goes on" in err


def test_no_time(machine: Shipped) -> None:
    """When the time is up, it goes on, and the exit code is 5."""
    machine.write_table(TABLE.replace("web:php:3", "web:first:3:wait:sleep 5\nweb:php:3"))
    code, out, err = applied(machine, "--timeout", "2")
    assert (code, out) == (5, "")
    assert "timed out; what was requested goes on" in err
    wait_until(lambda: machine.clstat()["web"] == "3 DONE", what="it goes on")
