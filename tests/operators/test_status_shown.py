"""`clinitctl status` on real groups: every state that an entry can have, what is wrong first, and the exit codes."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from answers import answered
from instance import Instance
from jsondocument import read_all
from jsonschema import Draft202012Validator, ValidationError
from programs import RUN, deaf
from terminals import on_terminal

from cltab2systemd.groups.overview import EntryState, Health
from lab.install import PROJECT
from lab.waiting import wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping

    from lab.node import Node

# Of each entry, the tag is what its state is to be.
TABLE = f"""\
well:running:3:respawn:{RUN}
well:passed:3:test:true
well:ended:3:wait:true
well:off:3:off:true
well:stopped:4:respawn:{RUN}
going:starting:3:wait:sleep 1000
going:waiting:3:respawn:{RUN}
leaving:stopping:3:respawn:{deaf("INT", "TERM")}
leaving:next:4:respawn:{RUN}
broken:fine:3:respawn:{RUN}
broken:failed:3:test:true; exit 3
broken:down:3:respawn:{RUN}
worse:masked:3:respawn:{RUN}
worse:mistaken:3:respawn:{RUN}
worse:gone:3:respawn:{RUN}
odd:backing-off:3:respawn:true; exit 7
odd:restarting:3:respawn:{RUN}
odd:skipped:3:respawn:{RUN}
odd:unhealthy:3:respawn:{RUN}
:::health.unhealthy:100ms failures=1 false
odd:absent:3:once:no-such-program && true
rest:never:3:respawn:{RUN}
:::initdefault.rest:3
"""
DROP_INS = {
    "clinit-leaving@stopping.service": "[Service]\nTimeoutStopSec=1h\n",
    "clinit-odd@restarting.service": "[Service]\nRestartSec=1h\n",
    "clinit-odd@skipped.service": "[Unit]\nConditionPathExists=/nowhere\n",
}
HEALTH = {
    "well": Health.WELL, "going": Health.MOVING, "leaving": Health.MOVING, "broken": Health.FAILED,
    "worse": Health.FAILED, "odd": Health.DEGRADED, "rest": Health.AT_REST,
}  # fmt: skip


def status(node: Node, *arguments: str, user: str | None = None) -> subprocess.CompletedProcess[str]:
    return node.run("clinitctl", "status", *arguments, check=False, user=user)


def value(node: Node, *arguments: str) -> Any:
    return json.loads(status(node, "--json", *arguments).stdout)


def states(found: Any) -> dict[str, str]:
    """The state of each entry by its tag."""
    return {entry["tag"]: entry["state"] for group in found["groups"] for entry in group["entries"]}


def health(found: Any) -> dict[str, str]:
    return {group["group"]: group["health"] for group in found["groups"]}


def come_to(look: Callable[[], dict[str, str]], wanted: Mapping[str, str]) -> None:
    """Wait until something is as wanted; if it never is, tell what is another way."""
    with suppress(TimeoutError):
        wait_until(lambda: look() == wanted)
    assert wanted == look()


@pytest.fixture(scope="module")
def instance(node: Node) -> Instance:
    """A daemon with a group for each way to be."""
    node.write("/etc/cltab", TABLE)
    for unit, text in DROP_INS.items():
        node.write(f"/etc/systemd/system/{unit}.d/x.conf", text)
    daemon = Instance(node).start()
    for group in ("well", "leaving", "broken", "worse", "odd"):
        daemon.clinit("--wait", group, "3")
    daemon.clinit("going", "3")
    daemon.clinit("leaving", "4")
    node.run("systemctl", "stop", "clinit-broken@down.service")
    node.run("systemctl", "kill", "--signal=KILL", "clinit-odd@restarting.service")
    node.run("systemctl", "stop", "clinit-worse@gone.service", "clinit-worse@mistaken.service")
    node.shell("ln -s /dev/null /etc/systemd/system/clinit-worse@masked.service")
    node.write("/etc/systemd/system/clinit-worse@mistaken.service.d/x.conf", "[Service]\nExecStart=/bin/true\n")
    node.shell("rm /run/systemd/system/clinit-worse@gone.service; systemctl daemon-reload")
    wanted = {tag: tag for tag in EntryState} | {"fine": "running", "absent": "ended", "never": "stopped"}
    wanted |= dict.fromkeys(("masked", "mistaken", "gone"), "failed") | {"next": "waiting"}
    come_to(lambda: states(value(node)), wanted)
    come_to(lambda: health(value(node)), HEALTH)
    return daemon


def test_every_state(instance: Instance) -> None:
    """Each that there is was brought about, and is told of the right entry; each way of a group to be, too."""
    assert {*EntryState} <= {*states(value(instance.node)).values()}
    assert {*Health} == {*health(value(instance.node)).values()}


def test_what_is_wrong_comes_first(instance: Instance) -> None:
    """Groups by how well they are; in each the entries with which something is wrong, and why."""
    done = status(instance.node, "--all")
    lines = done.stdout.splitlines()

    answered(done, code=4, err="")
    groups = [line.partition(":")[0] for line in lines if line and not line.startswith(" ")]
    assert ["broken", "worse", "odd", "going", "leaving", "well", "rest"] == groups
    first = [line.split()[:2] for line in lines if re.match("  (failed|down|fine) ", line)]
    assert [["failed", "failed"], ["down", "down"], ["fine", "running"]] == first
    for words in ("exited with 3", "does not run: it was stopped", "is masked", "has no unit any more",
                  "is skipped, for ConditionPathExists=/nowhere does not hold",
                  "SIGKILL, and is started again"):  # fmt: skip
        assert words in done.stdout


def test_what_systemd_shows(instance: Instance) -> None:
    """Pid, restarts, since and exit are those that systemctl has."""
    names = ("MainPID", "NRestarts", "StateChangeTimestampMonotonic", "ExecMainStatus", "ActiveState", "SubState",
             "ExecMainExitTimestampMonotonic")  # fmt: skip
    boot = instance.node.run("python3", "-c", "import time; print(time.time_ns() - time.monotonic_ns())").stdout
    for group in value(instance.node, "well", "broken", "odd")["groups"]:
        for entry in group["entries"]:
            if entry["load"] != "loaded" or entry["tag"] == "backing-off":
                continue
            shown = instance.properties(entry["unit"], *names)
            assert (entry["pid"] or 0, entry["restarts"]) == (int(shown["MainPID"]), int(shown["NRestarts"]))
            assert (entry["active"], entry["sub"]) == (shown["ActiveState"], shown["SubState"])
            if entry["since_usec"] is not None:
                since = int(shown["StateChangeTimestampMonotonic"])
                assert abs(entry["since_usec"] - since - int(boot) // 1000) < 1_000_000
            ended = entry["ending"] is not None and entry["ending"]["kind"] != "running"
            assert (int(shown["ExecMainExitTimestampMonotonic"]) > 0) == ended
            if ended:
                assert entry["ending"]["status"] == int(shown["ExecMainStatus"])


@pytest.mark.parametrize(
    ("groups", "code"),
    [(["well"], 0), (["rest"], 0), (["going"], 0), (["well", "odd"], 7), (["odd", "broken"], 4), (["worse"], 4)],
)
def test_exit_codes(instance: Instance, groups: list[str], code: int) -> None:
    """The worst of what is shown decides; the same with JSON."""
    answered(status(instance.node, *groups), code=code, err="")
    answered(status(instance.node, "--json", *groups), code=code, err="")


def test_only_the_groups_that_are_named(instance: Instance) -> None:
    """Of the others nothing; who names one that is not there is told so."""
    assert ["well", "odd"] == [group["group"] for group in value(instance.node, "well", "odd", "well")["groups"]]
    done = status(instance.node, "well", "wel")
    answered(done, code=1, out="")
    assert "no such group: wel" in done.stderr
    assert "well" in done.stderr


def test_a_reader_that_has_enough(instance: Instance) -> None:
    """`head` ends it quietly; a full disk is told."""
    done = instance.node.shell("clinitctl status | head -1")
    answered(done, code=0, err="")
    assert done.stdout.startswith("broken: level 3 FAILED")
    full = instance.node.shell("clinitctl status >/dev/full", check=False)
    answered(full, code=1, err="clinitctl: cannot write: No space left on device\n")


def test_since_when_is_known_to_the_next_daemon(instance: Instance) -> None:
    """Since when a group is as it is outlives the daemon, also one that is killed."""

    def times() -> dict[str, int]:
        return {group["group"]: group["since_usec"] for group in value(instance.node, "well", "broken")["groups"]}

    before = times()
    instance.kill()
    instance.start()
    after = times()

    # How far apart the two clocks are is measured anew each time.
    assert {"well", "broken"} == before.keys() == after.keys()
    assert all(abs(since - before[group]) < 1_000_000 for group, since in after.items())


def test_without_the_daemon_the_same_is_said(instance: Instance) -> None:
    """Both JSON values, but for what only a daemon knows; and the daemon's absence, in words and in the exit code."""
    node = instance.node
    with_daemon = value(node)
    instance.kill()
    try:
        without, done = value(node), status(node, "well")
    finally:
        instance.start()

    assert {"state": "gone", "version": None, "pid": None} == without["daemon"]
    answered(done, code=3, err="")
    assert done.stdout.startswith("the daemon is gone; this is what systemd says. Start it with ")
    assert [*map(_of_both, with_daemon["groups"])] == [*map(_of_both, without["groups"])]
    assert with_daemon["table"] == without["table"]


ONLY_DAEMON = {"memory_bytes", "cpu_usec", "tasks", "previous_ending"}


def _of_both(group: Any) -> Any:
    """A group without what only a daemon knows, and without what changes from moment to moment."""
    entries = [
        {name: found for name, found in entry.items() if name not in ONLY_DAEMON}
        for entry in _without_times(group["entries"])
    ]
    return _without_times({**group, "since_usec": None, "transitions": None, "progress": None, "entries": entries})


def _without_times(found: Any) -> Any:
    """A value in which the offset of two clocks, which is measured anew each time, does not show."""
    if isinstance(found, dict):
        return {
            name: (member if member is None else round(member / 1e6) // 10)
            if name.endswith("_usec")
            else _without_times(member)
            for name, member in found.items()
        }
    return [*map(_without_times, found)] if isinstance(found, list) else found


NOTES = "/run/cltab2systemd/system/known-to-cluster"
# What the kernel counts only where it has controllers; reasons about what is no entry; what never began; what a daemon
# has to have followed (test_last_exit.py); what there was no time for; somebody who takes a group to no level, and a
# service that says something of itself; who has stopped an entry (test_by_whom.py); what is stopped behind a trial.
UNSEEN = frozenset(f"groups[].entries[].{name} is something" for name in ("memory_bytes", "tasks")) | {
    *(f"groups[].entries[].{name} is null" for name in ("load", "active", "sub")),
    "reason: tag is null", "reason: mode is null", "reason: command is null", "ending: at_usec is null",
    "missing[]", "missing[] is something", "reason: by is something", "groups[].entries[].previous_ending is something",
    "progress: level is null", "progress: awaited[].says is something", "groups[].entries[].says is something",
    "progress: awaited[].ready_of is something", "groups[].entries[].ready_of is something",
    "groups[].trial.back is null", "groups[].declared[]", "groups[].declared[] is something",
}  # fmt: skip


def test_json(instance: Instance) -> None:
    """docs/json.md tells every member, and the schema holds; with the daemon, and with everything missing."""
    node = instance.node
    answered(instance.clinit("--wait", "well", "3"), code=0)
    answered(instance.clinit("--wait", "--try", "1000", "well", "3"), code=0)
    node.shell(f"mkdir {NOTES} && echo pcs-web >{NOTES}/well")  # as the resource agent does
    found = [value(node)]
    instance.kill()
    table = node.read("/etc/cltab")
    try:
        node.write("/etc/cltab", "web:a:1:nonsense:x\n")
        node.shell("mv /run/clinit/clstat /run/clstat; mv /var/lib/cltab2systemd/cltab /var/lib/away")
        found.append(value(node))
        node.write("/etc/cltab", table + "well:new:3:wait:true\nnew:lines:3:wait:true\n")
        found.append(value(node))
    finally:
        node.write("/etc/cltab", table)
        node.shell("mv /run/clstat /run/clinit/clstat; mv /var/lib/away /var/lib/cltab2systemd/cltab")
        node.shell(f"rm -r {NOTES}")
        instance.start()
        answered(instance.clinit("--keep", "well"), code=0)

    assert {group["group"]: group["resource"] for group in found[0]["groups"]}["well"] == "pcs-web"
    read_all("`clinitctl status --json`", found, UNSEEN)
    schema = json.loads((PROJECT / "docs/schemas/clinitctl-status.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    for shown in found:
        Draft202012Validator(schema).validate(shown)
    with pytest.raises(ValidationError):
        Draft202012Validator(schema).validate(found[0] | {"groups": [{**found[0]["groups"][0], "health": "fine"}]})


def test_colours(instance: Instance) -> None:
    """On a terminal, what is wrong stands out; never by the colour alone, and not for those who want none."""
    red, yellow = "\x1b[31m", "\x1b[33m"
    lines = on_terminal(instance.node, "clinitctl status", {}, rows=200)

    assert any(line.startswith(f"{red}broken: level 3 FAILED") for line in lines)
    assert any(line.startswith(f"{yellow}odd: level 3 DONE, degraded") for line in lines)
    assert any(line.startswith(f"  {red}failed ") for line in lines)
    plain = [re.sub("\x1b\\[[0-9]*m", "", line) for line in lines]
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        shown = on_terminal(instance.node, "clinitctl status", environment, rows=200)
        assert "\x1b" not in "".join(shown)
        assert [line.split()[:2] for line in plain] == [line.split()[:2] for line in shown]


@pytest.mark.parametrize("columns", [20, 80])
def test_a_narrow_terminal(instance: Instance, columns: int) -> None:
    """No line is wider than it, and the reason is there."""
    lines = on_terminal(instance.node, "clinitctl status broken", {"NO_COLOR": "1"}, columns)

    assert max(map(len, lines)) <= columns
    assert "exited with 3" in " ".join(" ".join(lines).split())
