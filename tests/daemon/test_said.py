"""What is said of a group, to people and programs, on a real systemd: DONE only if all that should run, runs."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from answers import answered, reasons_of
from instance import Group, varlink
from programs import RUN, until_there
from shipped import Shipped

from lab.node import Node
from lab.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REASONS = "/run/cltab2systemd/system/reasons"


@pytest.fixture(scope="module")
def shipped(project_layer: Path) -> Iterator[Shipped]:
    """The shipped daemon, with a group for each test."""
    with Node("said", layers=[project_layer]) as node:
        yield Shipped(node).share()


@pytest.fixture
def group(shipped: Shipped) -> Iterator[Group]:
    """A group of the test's own, which is stopped at its end."""
    group = Group(shipped)
    yield group
    group.define()
    shipped.clinit()


def asked(group: Group, level: str, *options: str) -> tuple[int, str, list[str]]:
    """What `clinit --wait` exits with and prints, and the lines on its standard error: notes and reasons."""
    done = group.instance.clinit("--wait", "--progress", "none", *options, group.name, level)
    return done.returncode, done.stdout.strip(), reasons_of(done.stderr)


def directives(group: Group, *lines: str) -> None:
    """Have the table say something about entries of the group, as `TAG:Name=value`."""
    instance = group.instance
    instance.table += "".join(f":::service.{group.name}.{line}\n" for line in lines)
    instance.write_table(instance.table)


# DONE


@pytest.mark.parametrize("stop", ["systemctl stop {unit}", "systemctl stop {slice}", "systemctl kill -s KILL {slice}"])
def test_what_somebody_stopped_is_not_done(group: Group, stop: str) -> None:
    """A respawn entry that is down makes the group FAILED, whoever stopped it; the next request repairs it."""
    group.define(f"a:3:respawn:{RUN}", f"b:3:respawn:{RUN}")
    group.switch("3")
    pid = group.pid("b")
    command = stop.format(unit=group.unit("a"), slice=f"clinit-{group.name}.slice")
    group.node.run("sh", "-c", command)
    if "kill" in stop:
        wait_until(lambda: group.pid("b") not in {0, pid}, what="systemd starts it again")
        assert group.status == "3 DONE"
        return
    group.wait_for("3 FAILED")
    reason = f"{group.name}: {group.name}.a (respawn) does not run: it was stopped: {RUN}\n"
    wait_until(lambda: reason in group.instance.clinit("-v").stderr)  # not while it is still being stopped
    assert group.instance.clinit("-v").returncode == 4
    explained = group.node.run("cltab2systemd", "explain", group.name, "3").stdout
    assert f"1.  {group.name}.a  respawn  goes on at once; restarted whenever it ends" in explained

    assert asked(group, "3") == (0, f"{group.name} 3 DONE", [])
    assert "Nothing is stopped or started." in group.node.run("cltab2systemd", "explain", group.name, "3").stdout


def test_what_has_ended_and_is_stopped_counts_as_it_ended(group: Group) -> None:
    """A wait, test or once that was stopped by hand counts as it ended, and is not run a second time."""
    group.define("w:3:wait:@ w", "t:3:test:@ t", "o:3:once:@ o", f"r:3:respawn:{RUN}")
    group.switch("3")
    wait_until(lambda: len(group.events()) == 3)
    group.node.run("systemctl", "stop", *(group.unit(tag) for tag in "wto"))

    assert (0, f"{group.name} 3 DONE", []) == asked(group, "3")
    assert sorted(group.events()) == ["o", "t", "w"]


def test_a_masked_slice(group: Group) -> None:
    """A switch whose stops and starts are refused is FAILED, and not DONE with the old level alive."""
    group.define(f"x:m:respawn:{RUN}", f"y:3:respawn:{RUN}")
    group.switch("m")
    name = f"clinit-{group.name}.slice"
    cure = f"systemctl unmask {name}"
    group.node.run("systemctl", "mask", name)
    try:
        for level in ("3", "stop"):
            code, said, reasons = asked(group, level)
            assert 4 == code
            assert f"{group.name} {level} FAILED" == said
            so = "so that nothing of the group is stopped or started"
            told = f"{group.name}: {name} is masked, {so}; '{cure}' undoes that"
            assert [told] == [reason for reason in reasons if name in reason]
            assert not any("could not be stopped" in reason for reason in reasons)
            why = group.node.run("clinitctl", "why", group.name, check=False).stdout
            assert f"\n    {cure}\n    clinit {group.name} {level}\n" in why
            anybodys = group.node.run("clinitctl", "why", "--json", group.name, check=False, user="nobody").stdout
            assert ("masked", name) in [(each["code"], each["unit"]) for each in json.loads(anybodys)["reasons"]]
        assert group.pid("x") != 0
    finally:
        group.node.run("systemctl", "unmask", name)
    assert asked(group, "3")[:2] == (0, f"{group.name} 3 DONE")
    assert group.pid("x") == 0


def test_a_frozen_entry(group: Group) -> None:
    """An entry that somebody has frozen is either stopped, or the switch is FAILED and names it."""
    group.define(f"a:3:respawn:{RUN}", f"b:m:respawn:{RUN}")
    group.switch("3")
    pid = group.pid("a")
    group.node.run("systemctl", "freeze", group.unit("a"))
    code, _, reasons = asked(group, "m")
    if group.node.exists(f"/proc/{pid}"):
        assert code == 4
        assert any(group.unit("a") in reason for reason in reasons), reasons
    else:
        assert code == 0
    group.node.run("systemctl", "thaw", group.unit("a"), check=False)
    assert asked(group, "m")[0] == 0
    assert not group.node.exists(f"/proc/{pid}")


# FAILED


@pytest.mark.parametrize("mode", ["wait", "once", "test", "respawn"])
@pytest.mark.parametrize(
    "directive",
    [
        "StandardOutput=append:/var/log/nowhere/a.log", "EnvironmentFile=/etc/nowhere.env", "User=nosuch",
        "WorkingDirectory=/nowhere", "ReadWritePaths=/nowhere", "LoadCredential=x:/nowhere", "RootDirectory=/nowhere",
    ],
)  # fmt: skip
def test_what_cannot_be_started_has_failed(group: Group, mode: str, directive: str) -> None:
    """By one rule for all modes and directives; when it is mended, asking again starts it."""
    group.define(f"a:3:{mode}:sleep 0.01", f"b:3:respawn:{RUN}")
    directives(group, f"a:{directive}")
    group.request("3")
    group.wait_for("3 FAILED")
    code, _, reasons = asked(group, "3")
    assert code == 4
    assert [True] == [r.startswith(f"{group.name}: {group.name}.a ({mode}) could not be started") for r in reasons]
    assert group.pid("b") != 0


def test_a_test_that_cannot_be_executed_never_passes(group: Group) -> None:
    """On no release: systemd 252 takes a command with a '-' that is not there for one that was skipped."""
    group.define("t:3:test:/nowhere/program")
    assert asked(group, "3")[0] == 4
    group.node.shell("mkdir -p /srv/jail")
    directives(group, "t:RootDirectory=/srv/jail")
    assert asked(group, "3")[0] == 4


def test_a_wait_that_began_is_not_run_again(group: Group) -> None:
    """Not below a running server, whatever became of it; what to do, and only that, says how to repeat it."""
    group.define("fsck:3m:wait:@ fsck; sleep 6", f"srv:3m:respawn:{RUN}", "m:m:once:true")
    directives(group, "fsck:TimeoutStartSec=2s")
    unit = group.unit("fsck")
    for level in ("3", "3", "m", "3"):
        done = group.instance.clinit("--wait", "--progress", "none", group.name, level)
        again = "a request does not run it again"
        assert 4 == done.returncode
        assert [True] == [again in reason for reason in reasons_of(done.stderr)]
        assert 1 == done.stderr.count(f"'clinitctl restart {group.name}:{group.name}.fsck'")
    assert group.events() == ["fsck"]
    explained = group.node.run("cltab2systemd", "explain", group.name, "3").stdout
    assert "Nothing is stopped or started." in explained
    assert (
        f"{group.name}.fsck  wait     did not end within 2 s (TimeoutStartSec=), and was stopped; {again}" in explained
    )

    group.node.run("systemctl", "restart", unit, check=False)
    assert group.events() == ["fsck", "fsck"]


@pytest.mark.parametrize(
    ("entry", "state", "told"),
    [
        ("once:nosuchprog x", "FAILED", "could not be started: 203/EXEC"),
        ("once:/usr/bin/nosuch", "FAILED", "could not be started: 203/EXEC"),
        ("respawn:nosuchprog x", "FAILED", "could not be started: 203/EXEC"),
        ("respawn:exec nosuchprog", "DONE", "ends too fast, and pauses for 60 s"),
    ],
)
def test_a_program_that_is_not_there(group: Group, entry: str, state: str, told: str) -> None:
    """Each request says the same of it, by name: whether it could be executed, or runs again and again.

    A machine that takes long over the tries before a pause has the request answered before that.
    """
    words = (told, *(("and is started again",) if "pauses" in told else ()))
    group.define(f"a:3:{entry}", f"b:3:respawn:{RUN}", "m:m:wait:true")
    for _ in range(4):
        code, said, [reason] = asked(group, "3")
        assert code == (4 if state == "FAILED" else 0)
        assert said == f"{group.name} 3 {state}"
        assert any(each in reason for each in words), reason
        wait_until(lambda: told in group.instance.clinit("-v").stderr)
        group.switch("m")


def test_a_wait_that_was_broken_off(group: Group) -> None:
    """One that somebody stopped before its end has not done what it was to do."""
    group.define("w:3:wait:sleep 30", f"r:3:respawn:{RUN}")
    group.request("3")
    group.wait_for("3 STARTING")
    group.node.run("systemctl", "stop", group.unit("w"))
    group.wait_for("3 FAILED")
    assert "was stopped before it ended" in group.instance.clinit("-v").stderr


def test_a_wait_is_held_through_requests(group: Group) -> None:
    """Two requests behind each other do not run it again either, nor does one that comes while it is being stopped."""
    slow = "trap '' INT TERM; sleep 2"
    group.define("slow:3:test:sleep 1; false", "fsck:3:wait:@ fsck", f'going:3:wait:@ going; sh -c "{slow}" &')
    directives(group, "going:TimeoutStopSec=500ms", "going:TimeoutAbortSec=5s")
    group.switch("3", code=4)
    group.node.run("systemctl", "stop", group.unit("fsck"))
    group.node.run("systemctl", "stop", "--no-block", group.unit("going"))
    group.request("3")
    group.request("3")
    group.wait_for("3 STARTING")
    group.request("3")
    assert group.switch("3", code=4) == "FAILED"
    assert sorted(group.events()) == ["fsck", "going"]
    assert not group.node.run("ls", "/run/cltab2systemd/system/held").stdout


def test_what_ended_and_needed_all_stages_counts_as_it_ended(group: Group) -> None:
    """A shell's `&` has its child ignore SIGINT, so a stop by hand needs SIGTERM, and systemd calls the unit failed."""
    group.define("w:3:wait:sleep 300 &", "t:3:test:sleep 300 &", "o:3:once:sleep 300 & wait")
    directives(group, *(f"{tag}:TimeoutStopSec=200ms" for tag in "wto"))
    group.switch("3")
    group.node.run("systemctl", "stop", *(group.unit(tag) for tag in "wto"))
    assert group.property("w", "Result") == "timeout"
    group.wait_for("3 DONE")
    assert asked(group, "3") == (0, f"{group.name} 3 DONE", [])
    assert [group.property(tag, "ActiveState") for tag in "wto"] == ["failed"] * 3


def test_a_failed_test_is_run_again(group: Group) -> None:
    """When the cause is mended, a request for the same level makes the group DONE, and touches nothing else."""
    group.define("t:3:test:@ t; test -e /srv/there", f"r:3:respawn:{RUN}", "w:3:wait:@ w")
    command = f"event {group.name} t; test -e /srv/there"
    reason = f"{group.name}: {group.name}.t (test) exited with 1: {command}"
    assert (4, f"{group.name} 3 FAILED", [reason]) == asked(group, "3")
    pid = group.pid("r")
    explained = group.node.run("cltab2systemd", "explain", group.name, "3").stdout
    assert f"1.  {group.name}.t  test  run again, for it has failed; waits until it ends" in explained
    differences = group.node.run("cltab2systemd", "diff", check=False)
    name = group.name
    heading = f"{name} (at level 3, FAILED): the same lines; only 'clinit {name} 3' does this: 1 rerun, 2 left alone"
    answered(differences, code=0, out=f"{heading}\n  rerun  {name}:{name}.t  has failed\n")
    group.node.write("/srv/there", "")
    try:
        assert (0, f"{group.name} 3 DONE", []) == asked(group, "3")
    finally:
        group.node.path("/srv/there").unlink()
    assert ["t", "t", "w"] == sorted(group.events())
    assert pid == group.pid("r")


def test_a_reason_wherever_a_state_is_told(group: Group) -> None:
    """On standard error, in the journal as an error, in varlink with a code, in a file for the resource agent."""
    group.define("config:3:test:test -d /srv/nosuch")
    reason = f"{group.name}: {group.name}.config (test) exited with 1: test -d /srv/nosuch"
    assert asked(group, "3") == (4, f"{group.name} 3 FAILED", [reason])

    errors = group.node.run("journalctl", "--unit=clinit", "--priority=err", "--output=cat").stdout.splitlines()
    assert reason in errors
    assert f"{group.name} 3 {reason}" in group.node.read(REASONS).splitlines()
    [reply] = varlink(group.node, {"method": "org.clinit.Manager.Status", "parameters": {"group": group.name}})
    [found] = reply["parameters"]["groups"][0]["reasons"]
    ended = group.instance.properties(group.unit("config"), "InvocationID", "ExecMainExitTimestampMonotonic")
    since, ending = found.pop("since_usec"), found.pop("ending")
    assert found == {
        "code": "test-failed", "failure": True, "unit": group.unit("config"), "tag": f"{group.name}.config",
        "mode": "test", "words": "exited with 1", "text": reason, "command": "test -d /srv/nosuch",
        "by": None, "invocation": ended["InvocationID"],
        "cure": f"mend it, then 'clinit {group.name} 3' runs it again",
    }  # fmt: skip
    assert ending.pop("at_usec") == since
    assert ending == {"kind": "exited", "status": 1, "signal": None, "result": "success"}
    age = time.time() * 1e6 - since
    assert 0 < age < 60e6 * PATIENCE
    assert abs(time.monotonic() * 1e6 - int(ended["ExecMainExitTimestampMonotonic"]) - age) < 1e6


def test_a_program_that_is_there_by_now_is_started_at_once(group: Group) -> None:
    """A request tries again what could not be executed, also while it waits for its next try by itself."""
    group.define("r:3:respawn:/usr/local/bin/late")
    assert asked(group, "3")[:2] == (4, f"{group.name} 3 FAILED")
    group.node.write("/usr/local/bin/late", "#!/bin/sh\nexec sleep infinity\n", mode=0o755)
    try:
        assert asked(group, "3") == (0, f"{group.name} 3 DONE", [])
        pid = group.pid("r")
        assert asked(group, "3") == (0, f"{group.name} 3 DONE", [])
        assert group.pid("r") == pid
    finally:
        group.node.path("/usr/local/bin/late").unlink()


# Told besides


def test_a_level_that_no_entry_names_is_told(group: Group) -> None:
    """It stops everything, and whoever mistyped it hears of that; --strict refuses it."""
    group.define(f"a:prod,:respawn:{RUN}")
    group.switch("prod")
    told = (
        f"no entry of {group.name} names level 'prodd': it stops everything; its levels are prod; did you mean 'prod'?"
    )
    refused = group.instance.clinit("--strict", group.name, "prodd")
    stays = told.replace("it stops everything", "refused, and the group stays as it is")
    answered(refused, code=1, out=f"{stays}\n", err="")
    assert group.status == "prod DONE"
    assert asked(group, "prodd") == (0, f"{group.name} prodd DONE", [f"clinit: {told}"])
    assert asked(group, "prod", "--strict") == (0, f"{group.name} prod DONE", [])


def test_a_level_that_is_declared_is_taken_without_strict(group: Group) -> None:
    """It is refused with that option, and not said to be what was meant instead."""
    group.define(f"a:prod,:respawn:{RUN}", settings=(f":::levels.{group.name}:off",))
    group.switch("prod")
    what = f"no entry of {group.name} names level 'off', which {group.name} declares"
    told = f"{what}: refused, and the group stays as it is"
    refused = group.instance.clinit("--strict", group.name, "off")
    answered(refused, code=1, out=f"{told}; its levels are prod; without --strict it is taken\n", err="")
    assert asked(group, "off") == (0, f"{group.name} off DONE", [])


def test_a_group_that_left_the_table_is_told(group: Group, shipped: Shipped) -> None:
    """Each request that finds such a group says so, and leaves it; a bare clinit stops it, and says that."""
    other = Group(shipped)
    other.define(f"a:3:respawn:{RUN}")
    other.switch("3")
    group.define(f"a:3:respawn:{RUN}")
    other.define()
    told = [f"clinit: {other.name} has left the table, and still runs at level 3; 'clinit --apply' stops it"]
    for _ in range(2):
        assert asked(group, "3") == (0, f"{group.name} 3 DONE", told)
    assert other.status == "3 DONE"
    refused = shipped.clinit(other.name, "3")
    assert (refused.returncode, refused.stdout) == (1, f"no such group: {other.name}\n")
    assert refused.stderr == told[0].removeprefix("clinit: ") + "\n"
    assert shipped.clinit().stderr == f"clinit: {other.name} has left the table, and is being stopped\n"
    wait_until(lambda: not other.status)


def test_a_unit_of_ones_own_is_told(group: Group) -> None:
    """A unit that stands over the generated one keeps changes of the table from it: told at each request."""
    group.define(f"a:3:respawn:{RUN}")
    group.switch("3")
    path = f"/etc/systemd/system/{group.unit('a')}"
    group.node.write(path, f"[Service]\nExecStart=/bin/sleep 2000\nSlice=clinit-{group.name}.slice\n")
    try:
        [note] = asked(group, "3")[2]
        assert note.startswith(f"clinit: {path} stands over the unit that the table makes")
        for command in (["explain", group.name, "3"], ["diff"]):
            done = group.node.run("cltab2systemd", *command, check=False)
            assert f"cltab2systemd: {path} stands over the unit that the table makes" in done.stderr
    finally:
        group.node.path(path).unlink()


def test_what_no_line_stands_for(group: Group) -> None:
    """What runs on without a unit file, as after a start just then, fails its group until a request stops it."""
    group.define(f"a:3:respawn:{RUN}")
    group.switch("3")
    stranger = f"clinit-{group.name}@stranger.service"
    path = f"/run/systemd/system/{stranger}"
    group.node.write(path, "[Service]\nExecStart=sleep 1000\n")
    group.node.run("systemctl", "start", stranger)
    assert group.status == "3 DONE"
    group.node.path(path).unlink()
    group.node.run("systemctl", "daemon-reload")
    group.wait_for("3 FAILED")
    assert f"{stranger} runs, and no line of the group stands for it any more" in group.instance.clinit("-v").stderr

    assert asked(group, "3") == (0, f"{group.name} 3 DONE", [])
    assert group.instance.properties(stranger, "ActiveState") == {"ActiveState": "inactive"}


def test_a_slip_of_the_hand(group: Group) -> None:
    """A group that is not there: what was probably meant is told on standard error; the answer stays the ancestor's."""
    group.define(f"a:3:respawn:{RUN}")
    done = group.instance.clinit("idel", "3")
    answered(done, code=1, out="no such group: idel\n", err="did you mean 'idle'?\n")


def test_a_group_where_a_level_belongs(group: Group) -> None:
    """`clinit GROUP` is no request for the group that is named like the host."""
    group.define(f"a:3:respawn:{RUN}")
    done = group.instance.clinit(group.name)
    answered(done, code=2, out="")
    assert f"{group.name} is a group" in done.stderr


# Who waits


def test_an_interrupted_client(group: Group) -> None:
    """Ctrl-C is no traceback, says that the switch goes on, and it does."""
    go, said = f"/run/{group.name}.go", f"/run/{group.name}.said"
    group.define(f"w:3:wait:{until_there(go)}; @ w done")
    # What runs the tests may be one that ignores the signal, and hands that on.
    client = f"env --default-signal=INT clinit --wait --progress plain {group.name} 3 2>{said}"
    script = f"{client} & until grep -qs {group.name}.w {said}; do sleep 0.05; done; kill -INT $!; wait $!; echo $?"
    answered(group.node.run("sh", "-c", script), out="130\n", err="")
    told = "clinit: interrupted; a switch that has begun goes on (see 'clinitctl status')"
    *before, waited, last = group.node.read(said).splitlines()
    assert all(line.startswith(f"clinit: {group.name} ") for line in before)
    assert waited.startswith(f"clinit: not there yet: {group.name} ")
    assert told == last
    group.node.write(go, "")
    group.wait_for("3 DONE")
    assert group.events() == ["w done"]


# clinit -v


def test_names_that_break_lines_for_some(group: Group) -> None:
    """A group may be named with what Python takes for the end of a line; only a newline is one."""
    group.node.write("/run/odd", "Cluster::Init::Group a\u2028b\x85c 3 DONE\n")
    done = group.instance.clinit("-v", "--clstat", "/run/odd")
    answered(done, code=0, out="a\u2028b\x85c 3 DONE\n", err="")


def test_a_daemon_that_is_gone_is_told(shipped: Shipped, group: Group) -> None:
    """Who looks at a clstat that nobody keeps true is told so, and by the exit code; so is one who finds none."""
    group.define(f"a:3:respawn:{RUN}")
    group.switch("3")
    assert shipped.clinit("-v").returncode == 0
    shipped.node.run("systemctl", "stop", "clinit.socket", "clinit.service")
    try:
        done = shipped.clinit("-v")
        answered(done, code=3)
        assert f"{group.name} 3 DONE" in done.stdout
        assert done.stderr.startswith("clinit: the daemon is gone, and /run/clinit/clstat says how the groups were ")
        shipped.node.run("mv", "/run/clinit/clstat", "/run/clinit/away")
        done = shipped.clinit("-v")
        answered(done, code=3, out="")
        assert "/run/clinit/clstat: No such file or directory" in done.stderr
        shipped.node.run("mv", "/run/clinit/away", "/run/clinit/clstat")
    finally:
        shipped.node.run("systemctl", "start", "clinit.service")
    shipped.node.run("systemctl", "kill", "--signal=STOP", "--kill-whom=main", "clinit.service")
    try:
        shipped.node.run("touch", "--date=50 seconds ago", "/run/clinit/clstat")
        done = shipped.clinit("-v")
        answered(done, code=3)
        assert "s old: the daemon does not keep it true" in done.stderr
    finally:
        shipped.node.run("systemctl", "kill", "--signal=CONT", "--kill-whom=main", "clinit.service")
