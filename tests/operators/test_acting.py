"""`clinitctl restart` and `stop`: single entries by their tags, in the order of the table, and who is told what."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from answers import answered
from instance import Group, Instance, in_order, varlink
from programs import deaf, until_there

from lab.waiting import wait_until

if TYPE_CHECKING:
    import subprocess

    from lab.node import Node


# A command that takes 3 s to stop, once it has told that it runs. The signal goes to its children, too.
SLOW_TO_STOP = "trap 'trap \"\" INT; sleep 3; exit' INT; @ runs; while :; do sleep 0.1; done"


@pytest.fixture(scope="module")
def instance(node: Node) -> Instance:
    """A daemon."""
    return Instance(node).share("other:web-x:1:respawn:exec sleep infinity\n")


@pytest.fixture
def group(instance: Instance) -> Group:
    """A group at level 1, with entries that tell when they run."""
    group = Group(instance)
    group.define(
        "first:1:wait:@ first; sleep 0.3; @ first ended",
        "a:1:respawn:@ a; exec sleep infinity",
        "job:1:once:@ job",
        "b:1:respawn:@ b; exec sleep infinity",
        "test:1:test:[ ! -e /run/bad ] && @ test",
        "later:2:respawn:exec sleep infinity",
    )
    assert group.switch("1") == "DONE"
    wait_until(lambda: len(group.events()) == 6, what="all have run")
    return group


@pytest.fixture
def slow(instance: Instance) -> Group:
    """A group at level 3, with an entry that takes its time to stop, and that level 1 does not have."""
    group = Group(instance)
    group.define(
        f"slow:3:respawn:{SLOW_TO_STOP}", "a:13:respawn:exec sleep infinity", "b:3:respawn:exec sleep infinity"
    )
    assert group.switch("3") == "DONE"
    wait_until(lambda: group.events() == ["runs"], what="it runs")
    return group


def is_stopping(group: Group, tag: str) -> bool:
    """Whether the unit of an entry is being stopped."""
    return group.property(tag, "ActiveState") == "deactivating"


def ctl(group: Group, action: str, *tags: str, user: str | None = None) -> subprocess.CompletedProcess[str]:
    """`clinitctl ACTION TAG…` with tags of a group, and without progress."""
    names = [f"{group.name}.{tag}" for tag in tags]
    return group.node.run("clinitctl", action, "--progress", "none", *names, check=False, user=user)


def test_restart(group: Group) -> None:
    """One entry has another process then; the others keep theirs."""
    a, b = group.pid("a"), group.pid("b")
    done = ctl(group, "restart", "a")

    answered(done, code=0, out=f"{group.name} 1 DONE\n", err="")
    assert group.pid("a") not in {0, a}
    assert group.pid("b") == b


def test_restart_in_the_order_of_the_table(group: Group) -> None:
    """Whatever the order on the command line is; a wait is waited for before the next one starts."""
    before = len(group.events())
    done = ctl(group, "restart", "b", "a", "first")

    answered(done, code=0, out=f"{group.name} 1 DONE\n", err="")
    wait_until(lambda: len(group.events()) == before + 4, what="all have run again")
    assert in_order(group.events()[before:], "first", "first ended", "a")
    started = {tag: at for at, tag in group.starts()}
    assert started["first"] < started["a"] < started["b"]


def test_what_has_ended_is_run_again(group: Group) -> None:
    """A once, a wait and a test are, for that is what is asked for."""
    done = ctl(group, "restart", "job", "test")

    answered(done, code=0, out=f"{group.name} 1 DONE\n", err="")
    wait_until(lambda: group.events().count("job") == 2, what="the job runs again")
    assert group.events().count("test") == 2


def test_a_restart_shows_no_failure(instance: Instance) -> None:
    """Clstat says STARTING meanwhile, and whoever watches is told of no failure that is none."""
    group = Group(instance)
    group.define(f"first:1:wait:{until_there('/run/go')}", "a:1:respawn:exec sleep infinity")
    group.node.write("/run/go", "")
    assert group.switch("1") == "DONE"
    group.node.path("/run/go").unlink()
    with ThreadPoolExecutor() as pool:
        restart = pool.submit(ctl, group, "restart", "a", "first")
        group.wait_for("1 STARTING")
        group.node.write("/run/go", "")
        answered(restart.result(), code=0)
    said = [line for line in group.node.journal(group.instance.unit).splitlines() if f"{group.name}: " in line]

    assert group.status == "1 DONE"
    assert not [line for line in said if "FAILED" in line]


def test_a_restart_that_fails(group: Group) -> None:
    """The exit code is 4, and the reason is told; restarted again it is well."""
    group.node.write("/run/bad", "")
    try:
        done = ctl(group, "restart", "test")
    finally:
        group.node.path("/run/bad").unlink()

    answered(done, code=4, out=f"{group.name} 1 FAILED\n")
    assert f"{group.name}.test (test) exited with 1" in done.stderr
    answered(ctl(group, "restart", "test"), code=0, out=f"{group.name} 1 DONE\n", err="")


def test_stop_and_restart(group: Group) -> None:
    """The group is FAILED by a stop of what should run, which is said, with what starts it again."""
    done = ctl(group, "stop", "a", "b")

    answered(done, code=0, out=f"{group.name} 1 FAILED\n")
    name = group.name
    names = f"{name}:{name}.a {name}:{name}.b"
    assert (
        f"clinitctl: stopped by hand: {name}.a {name}.b, and {name} is FAILED; 'clinitctl restart {names}' starts it"
        " again\n" in done.stderr
    )
    assert "does not run" not in done.stderr  # who has stopped it knows
    assert [0, 0] == [group.pid("a"), group.pid("b")]
    answered(ctl(group, "restart", "a", "b"), code=0, out=f"{group.name} 1 DONE\n", err="")
    assert 0 not in {group.pid("a"), group.pid("b")}


def test_a_group_of_a_cluster(group: Group) -> None:
    """Who makes it FAILED by a stop is told that Pacemaker has it. A restart makes nothing of that kind."""
    notes = "/run/cltab2systemd/system/known-to-cluster"
    group.node.shell(f"mkdir {notes} && echo pcs-web >{notes}/{group.name}")  # as the resource agent does
    try:
        stopped, restarted = ctl(group, "stop", "a"), ctl(group, "restart", "a")
    finally:
        group.node.shell(f"rm -r {notes}")

    answered(stopped, code=0, out=f"{group.name} 1 FAILED\n")
    assert f"clinitctl: Pacemaker has {group.name} as its resource pcs-web, by what this node" in stopped.stderr
    answered(restarted, code=0, out=f"{group.name} 1 DONE\n", err="")


def test_what_outlives_its_stop(instance: Instance) -> None:
    """It is not told to be stopped; and that it cannot be started again is its processes' doing."""
    group = Group(instance)
    group.define(f"deaf:1:respawn:{deaf('INT', 'TERM')}")
    # Stands in for a process in uninterruptible sleep.
    limits = "[Service]\nSendSIGKILL=no\nTimeoutStopSec=200ms\nTimeoutAbortSec=200ms\n"
    group.node.write(f"/etc/systemd/system/{group.unit('deaf')}.d/deaf.conf", limits)
    group.switch("1")
    instance.await_deaf(group.unit("deaf"), "INT", "TERM")
    pid = group.pid("deaf")
    try:
        for action in ("stop", "restart"):
            done = ctl(group, action, "deaf")
            answered(done, code=4, out=f"{group.name} 1 FAILED\n")
            assert f"{group.name}.deaf (respawn) was stopped, and has processes that outlived SIGKILL" in done.stderr
            assert "stopped by hand" not in done.stderr
    finally:
        group.node.run("kill", "-KILL", str(pid))


def test_restart_of_a_line_that_has_changed(group: Group) -> None:
    """The entry is started as it was, and it is said what starts it as it is in the table."""
    table = group.instance.table
    changed = table.replace(f"{group.name}:{group.name}.a:", f"{group.name}:{group.name}.a:2,")
    assert changed != table
    group.instance.write_table(changed)
    unread = ctl(group, "restart", "a")
    assert group.instance.clinit().returncode == 0
    done, other = ctl(group, "restart", "a"), ctl(group, "restart", "b")
    group.instance.write_table(table)

    answered(unread, code=0, err="clinitctl: /etc/cltab has changed, and was not read since; 'clinit' has it read\n")
    told = f"the line of {group.name}.a has changed in the table; 'clinit {group.name} 1' starts it as it is there"
    answered(done, code=0, err=f"clinitctl: {told}\n")
    answered(other, code=0, err="")


def test_stop_and_a_request(group: Group) -> None:
    """A request for the present level starts again what was stopped."""
    answered(ctl(group, "stop", "a"), code=0)
    assert group.switch("1") == "DONE"
    assert group.pid("a") != 0


def test_stop_what_is_started_in_vain(group: Group) -> None:
    """What waits for its next try is not tried any more."""
    group.define("vain:3:respawn:exec sleep 1000")
    group.node.shell(f"mkdir -p '/etc/systemd/system/{group.unit('vain')}.d'")
    group.node.write(f"/etc/systemd/system/{group.unit('vain')}.d/x.conf", "[Service]\nWorkingDirectory=/nowhere\n")
    assert group.switch("3", code=4) == "FAILED"
    answered(ctl(group, "stop", "vain"), code=0)

    assert group.property("vain", "ActiveState") in {"inactive", "failed"}
    assert not group.node.exists(f"/run/cltab2systemd/system/paused/{group.unit('vain')}")


def test_a_request_takes_over(group: Group) -> None:
    """A request that comes meanwhile wins; whoever restarts is told so."""
    group.define("slow:1:wait:sleep 0.1; [ -e /run/quick ] || sleep 1000", "a:1:respawn:exec sleep infinity")
    group.node.write("/run/quick", "")
    assert group.switch("1") == "DONE"
    group.node.path("/run/quick").unlink()
    with ThreadPoolExecutor() as pool:
        restart = pool.submit(ctl, group, "restart", "slow")
        group.wait_for("1 STARTING")
        assert group.switch("stop") == "DONE"
        done = restart.result()
    answered(done, code=6, out="", err=f"clinitctl: a later request for {group.name} has taken over\n")


def test_a_level_that_is_started_meanwhile(slow: Group) -> None:
    """With systemctl: its entries run then, and no others; whoever restarts is told so."""
    with ThreadPoolExecutor() as pool:
        restart = pool.submit(ctl, slow, "restart", "slow", "b")
        wait_until(lambda: is_stopping(slow, "slow"), what="it stops")
        slow.node.run("systemctl", "start", "--no-block", slow.target("1"))
        done = restart.result()

    answered(done, code=6, out="", err=f"clinitctl: {slow.name} is not at level 3 any more\n")
    slow.wait_for("1 DONE")
    assert [0, 0] == [slow.pid("slow"), slow.pid("b")]
    assert slow.pid("a") != 0


def test_a_level_that_is_stopped_meanwhile(slow: Group) -> None:
    """Something that conflicts with it has been started. Nothing else is restarted then, and it is told how it is."""
    b = slow.pid("b")
    with ThreadPoolExecutor() as pool:
        restart = pool.submit(ctl, slow, "restart", "slow", "b")
        wait_until(lambda: is_stopping(slow, "slow"), what="it stops")
        slow.node.run("systemd-run", f"--property=Conflicts={slow.target('3')}", "true")
        done = restart.result()

    answered(done, code=6, out="", err=f"clinitctl: {slow.name} is not at level 3 any more\n")
    assert slow.pid("b") == b
    slow.wait_for("3 FAILED")


def test_what_could_not_be_started_again_is_not_stopped(slow: Group) -> None:
    """Nothing is touched if any of the entries has a unit that systemd would not start."""
    slow.node.run("systemctl", "mask", slow.unit("b"))
    before = slow.pid("a"), slow.pid("b")
    try:
        done = ctl(slow, "restart", "a", "b")
        assert before == (slow.pid("a"), slow.pid("b"))
    finally:
        slow.node.run("systemctl", "unmask", slow.unit("b"))
    cure = f"'systemctl unmask {slow.unit('b')}' undoes that"
    told = f"{slow.unit('b')} is masked, and could not be started again; {cure}"

    answered(done, code=1, out="", err=f"clinitctl: {told}\n")
    answered(ctl(slow, "restart", "a", "b"), code=0, out=f"{slow.name} 3 DONE\n", err="")


@pytest.mark.parametrize("signal", ["KILL", "TERM"])
def test_a_daemon_that_goes_away(instance: Instance, slow: Group, signal: str) -> None:
    """What it was restarting is started all the same, for systemd does that; the rest runs on."""
    pid, b = slow.pid("slow"), slow.pid("b")
    with ThreadPoolExecutor() as pool:
        restart = pool.submit(ctl, slow, "restart", "slow", "b")
        wait_until(lambda: is_stopping(slow, "slow"), what="it stops")
        try:
            instance.kill(signal)
            restart.result()
            wait_until(lambda: slow.pid("slow") not in {0, pid}, what="it is started again")
        finally:
            instance.start()

    slow.wait_for("3 DONE")
    assert slow.pid("b") == b


def test_a_request_for_the_level_meanwhile(instance: Instance) -> None:
    """What is being restarted is run again all the same, a once as well."""
    group = Group(instance)
    group.define(f"job:1:once:{SLOW_TO_STOP}")
    assert group.switch("1") == "DONE"
    wait_until(lambda: group.events() == ["runs"], what="it runs")
    with ThreadPoolExecutor() as pool:
        restart = pool.submit(ctl, group, "restart", "job")
        wait_until(lambda: is_stopping(group, "job"), what="it stops")
        assert group.switch("1") == "DONE"
        answered(restart.result(), code=6, out="", err=f"clinitctl: a later request for {group.name} has taken over\n")

    wait_until(lambda: group.events() == ["runs", "runs"], what="it runs again")


def test_what_a_restart_waits_for(slow: Group) -> None:
    """Whoever watches is told that it stops, and with which signal."""
    with ThreadPoolExecutor() as pool:
        restart = pool.submit(ctl, slow, "restart", "slow", "b")
        status = slow.when_awaited("slow stopping")
        answered(restart.result(), code=0)
    progress = status["progress"]

    assert ("STARTING", "restarting", 0, 2) == (status["state"], progress["phase"], progress["done"], progress["total"])
    awaited = [(entry["tag"], entry["doing"], entry["signal"]) for entry in progress["awaited"]]
    assert [(f"{slow.name}.slow", "stopping", "SIGINT")] == awaited


def test_a_hint_can_be_copied(instance: Instance, group: Group) -> None:
    """It is quoted for a shell, and exact also where another group is about to have the tag."""
    group.define(*(f"{tag}:1:respawn:exec sleep infinity" for tag in ("a", "x;y", "$z")))
    assert group.switch("1") == "DONE"
    moved = f"{group.name}.a"
    done = ctl(group, "stop", "a", "x;y", "$z")
    hint = done.stderr.partition("'clinitctl restart ")[2].rpartition("' starts it again")[0]
    instance.write_table(instance.table.replace(f"{group.name}:{moved}:", f"other:{moved}:"))
    try:
        again = group.node.shell(f"clinitctl restart {hint}", check=False)
    finally:
        instance.write_table(instance.table)

    unread = "clinitctl: /etc/cltab has changed, and was not read since; 'clinit' has it read\n"
    answered(again, code=0, out=f"{group.name} 1 DONE\n", err=unread)


@pytest.mark.parametrize("action", ["restart", "stop"])
def test_refusals(group: Group, action: str) -> None:
    """Nothing is done if the level does not have all of it, and it is said what to do."""
    name, pid = group.name, group.pid("a")
    later = f"{name} is at level 1, which does not have {name}.later; 'clinit {name} 2' starts it"
    run = group.node.run

    answered(ctl(group, action, "a", "later"), code=1, out="", err=f"clinitctl: {later}\n")
    answered(
        run("clinitctl", action, "web-x", check=False),
        code=1, out="", err="clinitctl: other is at no level; 'clinit other 1' starts it\n",
    )  # fmt: skip
    answered(
        run("clinitctl", action, f"{name}.a", "wbe-x", check=False),
        code=1, out="", err="clinitctl: no entry has the tag wbe-x; did you mean 'web-x'?\n",
    )  # fmt: skip
    move = f"'clinit {name} 1' (or 2)"
    answered(
        run("clinitctl", action, name, check=False),
        code=1, out="", err=f"clinitctl: {name} is a group: name its entries, or move it with {move}\n",
    )  # fmt: skip
    answered(run("clinitctl", action, check=False), code=2, out="")
    assert group.pid("a") == pid


def test_entries_that_only_the_table_on_disk_has(instance: Instance, group: Group) -> None:
    """It is said that it has them, and what has it read."""
    lines = f"{group.name}:{group.name}.new:23:respawn:exec sleep 1000\nfresh:fresh:m:off:x\n"
    instance.write_table(instance.table + lines)
    try:
        new, fresh = ctl(group, "restart", "new"), group.node.run("clinitctl", "stop", "fresh", check=False)
    finally:
        instance.write_table(instance.table)

    where = f"the table on disk has {group.name}.new, and is not in force"
    has_it_read = f"'clinit {group.name} 2' (or 3) has it read, and starts it"
    answered(
        new, code=1, out="",
        err=f"clinitctl: {group.name} has no entry {group.name}.new\nclinitctl: {where}; {has_it_read}\n",
    )  # fmt: skip
    assert "the table on disk has fresh, and is not in force; 'clinit fresh m' has it read\n" in fresh.stderr


def test_on_its_way(group: Group) -> None:
    """A group that moves is left alone."""
    group.define("slow:1:wait:sleep 1000")
    group.request("1")
    group.wait_for("1 STARTING")

    answered(
        ctl(group, "restart", "slow"),
        code=1, out="",
        err=f"clinitctl: {group.name} is STARTING; try again when it has come to its level, or take it to another\n",
    )  # fmt: skip
    group.switch("stop")


def test_who_asked_is_in_the_journal(group: Group) -> None:
    """Each entry has a line, with its unit and who asked."""
    answered(ctl(group, "restart", "a"), code=0)
    group.node.run("journalctl", "--sync")
    fields = group.node.run(
        "journalctl", "--output=export", f"CLINIT_ENTRY={group.name}.a", f"CLINIT_GROUP={group.name}"
    ).stdout

    assert f"MESSAGE={group.name}: restarting {group.name}.a, as asked for" in fields
    assert "CLINIT_ASKED_UID=0" in fields
    assert f"CLINIT_UNIT={group.unit('a')}" in fields


def test_bad_parameters(instance: Instance, group: Group) -> None:
    """Programs are told which parameter is wrong."""
    for parameters, wrong in (
        ({"group": group.name, "action": "start", "tags": ["x"]}, "action"),
        ({"group": group.name, "action": "stop", "tags": []}, "tags"),
        ({"group": group.name, "action": "stop", "tags": "x"}, "tags"),
        ({"action": "stop", "tags": ["x"]}, "group"),
    ):
        (reply,) = varlink(instance.node, {"method": "org.clinit.Manager.Entries", "parameters": parameters})
        assert reply["error"] == "org.varlink.service.InvalidParameter"
        assert reply["parameters"] == {"parameter": wrong}


def test_no_daemon(fresh_node: Node) -> None:
    """That there is none is told, with how to start it."""
    fresh_node.write("/etc/cltab", "web:a:1:respawn:exec sleep 1000\n")
    done = fresh_node.run("clinitctl", "stop", "a", check=False)

    answered(done, code=3, out="")
    assert "no daemon at /run/clinit/clinit.s" in done.stderr


def test_another_instance(instance: Instance) -> None:
    """-c and -s find the daemon and its entries."""
    node = instance.node
    options = ("-c", "/etc/second", "-s", "/run/second.s")
    node.write("/etc/second", "web:second:1:respawn:exec sleep infinity\n")
    node.run("systemd-run", "--quiet", "--unit=second.service", "clinit", "-d", *options, "--clstat", "/run/second")
    wait_until(lambda: node.exists("/run/second.s"), what="the other daemon listens")
    node.run("clinit", "-w", *options, "web", "1")

    answered(node.run("clinitctl", "restart", *options, "second", check=False), code=0, out="web 1 DONE\n", err="")
