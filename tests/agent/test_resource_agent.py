"""The OCF resource agent, by the agent's protocol, in a node with Debian's resource-agents and the shipped daemon."""

from __future__ import annotations

import re
import subprocess
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from answers import answered
from ocf import (
    AGENT,
    CONFIGURED,
    DEGRADED,
    GENERIC,
    INSTALLED,
    NOT_RUNNING,
    SUCCESS,
    UNIMPLEMENTED,
    Resource,
    no_daemon,
    node_with_agent,
)
from programs import RUN
from shipped import SERVICE, Shipped

from lab.install import PROJECT
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLE = f"""\
web:init:3:wait:true
web:db:3m:respawn:{RUN}
web:app:3:respawn:{RUN}
slow:first:3:wait:sleep 3
slow:then:3:respawn:{RUN}
stuck:wait:3:wait:sleep 1000
bad:fails:3:test:false
bad:runs:3:respawn:{RUN}
tells:tells:3:test:echo tells: x: error: first; printf 'no\\tport \\303\\274\\n'; false
tests:passes:3:test:true
kept:always:3,rest:respawn:{RUN}
kept:sometimes:3,rest,:respawn:{RUN}
a/b-c:x:3:respawn:{RUN}
stub-born:loop:3:respawn:trap "" INT TERM; while :; do sleep 1; done
"""


@pytest.fixture(scope="module")
def shared(project_layer: Path) -> Iterator[Shipped]:
    """The shipped units, started."""
    with node_with_agent("agent", project_layer, TABLE) as shipped:
        yield shipped


@pytest.fixture
def shipped(shared: Shipped) -> Iterator[Shipped]:
    """The daemon and the table as they were, for each test."""
    yield shared
    shared.write_table(TABLE)
    shared.go_back_to("stop")


def test_ocf_tester_is_content(shipped: Shipped) -> None:
    """The reference test of resource agents has nothing to say, with all that it tries."""
    shipped.node.run("mkdir", "-p", "/run/resource-agents")
    options = ["-n", "it", "-o", "group=web", "-o", "level=3"]
    done = shipped.node.run("ocf-tester", *options, AGENT, check=False, timeout=120)

    answered(done, code=0, err="")
    assert done.stdout.endswith(f"{AGENT} passed all tests\n")
    assert "rc=" not in done.stdout


def test_start_monitor_stop(shipped: Shipped) -> None:
    """Each does what it says, and once more; in between the group is what clinit shows, too."""
    resource = Resource(shipped)
    assert NOT_RUNNING == resource.probe()
    assert NOT_RUNNING == (resource.act("stop") or resource.monitor())
    for _ in range(2):
        assert resource.act("start") == SUCCESS
        assert shipped.clstat()["web"] == "3 DONE"
    assert SUCCESS == resource.monitor()
    assert SUCCESS == resource.probe()
    pid = shipped.main_pid("clinit-web@db.service")
    assert SUCCESS == resource.act("start")
    assert pid == shipped.main_pid("clinit-web@db.service")
    for _ in range(2):
        assert resource.act("stop") == SUCCESS
        assert shipped.clstat()["web"] == "stop DONE"
    assert NOT_RUNNING == resource.monitor()
    assert NOT_RUNNING == resource.probe()


def test_another_level_in_place(shipped: Shipped) -> None:
    """A changed level is a switch: what both levels have runs on, and monitor sees the new one."""
    before, after = Resource(shipped), Resource(shipped, level="m")
    assert before.act("start") == SUCCESS
    pid = shipped.main_pid("clinit-web@db.service")
    for _ in range(2):
        assert after.act("reload-agent") == SUCCESS
        assert (shipped.clstat()["web"], shipped.main_pid("clinit-web@db.service")) == ("m DONE", pid)
        assert shipped.main_pid("clinit-web@app.service") == 0
    assert (SUCCESS, GENERIC) == (after.monitor(), before.monitor())
    assert before.act("reload-agent") == SUCCESS
    assert (SUCCESS, pid) == (before.monitor(), shipped.main_pid("clinit-web@db.service"))
    assert after.act("stop") == SUCCESS


def test_another_level_that_fails(shipped: Shipped) -> None:
    """The reload has failed, with the entry that is to blame; so says monitor, and a stop still stops it all."""
    shipped.write_table(TABLE + "web:wrong:f:test:false\n")
    resource = Resource(shipped, level="f")
    assert Resource(shipped).act("start") == SUCCESS
    for action in ("reload-agent", "monitor"):
        assert resource.act(action) == GENERIC
        assert resource.reason.startswith("web f FAILED: wrong (test) exited with 1")
    assert resource.act("stop") == SUCCESS
    assert resource.monitor() == NOT_RUNNING


def test_a_level_that_no_entry_names(shipped: Shipped) -> None:
    """A slip of the hand in the new level stops nothing: the group stays where it is."""
    right, wrong = Resource(shipped), Resource(shipped, level="33")
    assert right.act("start") == SUCCESS
    assert wrong.act("reload-agent") == GENERIC
    assert "33" in wrong.reason
    assert (right.monitor(), shipped.clstat()["web"]) == (SUCCESS, "3 DONE")


def test_last_words(shipped: Shipped) -> None:
    """The exit reason is one line of plain characters: the entry, how it ended, and what it wrote last."""
    tells = Resource(shipped, "tells")
    command = r"echo tells: x: error: first; printf 'no\tport \303\274\n'; false"
    expected = f"tells 3 FAILED: tells (test) exited with 1: {command}; tells wrote last: no?port ??"
    assert (GENERIC, expected) == (tells.act("start"), tells.reason)
    assert (GENERIC, expected) == (tells.monitor(), tells.reason)
    assert tells.act("stop") == SUCCESS


def test_a_preflight_that_fails(shipped: Shipped) -> None:
    """The start has failed, and its reason says of which entry; nothing runs, so the stop is easy."""
    shipped.write_table(f"{TABLE}:::preflight.db:echo no >&2; false\n")
    resource = Resource(shipped)

    assert resource.act("start") == GENERIC
    why = "the preflight of db exited with 1, so web stays as it is: echo no >&2; false"
    assert resource.reason == f"clinit web 3: {why}"
    assert NOT_RUNNING == (resource.act("stop") or resource.monitor())


def test_states(shipped: Shipped) -> None:
    """FAILED is an error, with the reason; PASSED is running; a group that is on its way is waited for."""
    bad, tests, slow, stuck = (Resource(shipped, name) for name in ("bad", "tests", "slow", "stuck"))
    assert bad.act("start") == GENERIC
    assert bad.monitor() == GENERIC
    assert bad.reason == "bad 3 FAILED: fails (test) exited with 1: false"
    assert bad.act("stop") == SUCCESS
    assert SUCCESS == tests.act("start")
    assert SUCCESS == tests.monitor()
    shipped.clinit("slow", "3")
    assert slow.probe() == SUCCESS
    assert slow.act("stop") == SUCCESS
    assert stuck.act("start", timeout=4) == GENERIC
    assert stuck.reason == "stuck did not come to level 3 in time; clinit-stuck@wait.service is still activating"
    assert stuck.act("stop") == SUCCESS
    shipped.clinit("stuck", "3")
    assert stuck.act("monitor", timeout=4) == GENERIC
    assert stuck.reason == "stuck is still 3 STARTING; clinit-stuck@wait.service is still activating"


def test_at_another_level(shipped: Shipped) -> None:
    """Somebody has moved the group: what runs is not called stopped, for it would be started twice."""
    resource = Resource(shipped)
    resource.act("start")
    shipped.clinit("-w", "web", "m")
    assert resource.monitor() == GENERIC
    assert resource.reason == "web is m DONE, and clinit-web@db.service runs"
    shipped.clinit("-w", "web", "nowhere")
    assert resource.monitor() == NOT_RUNNING
    # So if something is left over by hand.
    shipped.node.run("systemctl", "start", "clinit-web@app.service")
    assert resource.probe() == GENERIC
    assert resource.act("stop") == SUCCESS
    assert resource.monitor() == NOT_RUNNING


def test_a_stop_level_with_entries(shipped: Shipped) -> None:
    """What the level for stopped leaves running does not count."""
    resource = Resource(shipped, "kept", stop_level="rest")
    assert SUCCESS == resource.act("start")
    assert SUCCESS == resource.monitor()
    assert resource.act("stop") == SUCCESS
    assert shipped.main_pid("clinit-kept@always.service")
    assert resource.monitor() == NOT_RUNNING


def test_without_the_daemon(shipped: Shipped) -> None:
    """A group that runs on is never called stopped; stop works all the same, and then it is."""
    resource, never = Resource(shipped), Resource(shipped, "slow")
    resource.act("start")
    shipped.clinit("-w", "kept", "3")
    pid = shipped.main_pid("clinit-web@db.service")
    no_daemon(shipped, stale=False)
    assert resource.monitor() == SUCCESS
    no_daemon(shipped)
    for code in (resource.monitor(), resource.probe()):
        assert code == DEGRADED
        assert resource.reason.startswith("web runs at level 3, but nobody minds it: clstat is older than 60 s")
    assert NOT_RUNNING == never.monitor()
    assert NOT_RUNNING == never.probe()
    assert never.act("stop") == SUCCESS
    assert never.act("start") == GENERIC
    assert "no daemon at /run/clinit/clinit.s" in never.reason
    # Somebody moves it by hand: what was heard last is not true any more.
    shipped.node.run("systemctl", "start", "clinit-web@m.target")
    assert resource.monitor() == GENERIC
    assert "clinit-web@db.service runs" in resource.reason
    assert shipped.main_pid("clinit-web@db.service") == pid
    shipped.node.path("/run/clinit/clstat").unlink()
    assert resource.monitor() == GENERIC
    assert "there is no clstat" in resource.reason

    assert resource.act("stop") == SUCCESS
    assert shipped.main_pid("clinit-web@db.service") == 0
    assert shipped.main_pid("clinit-kept@always.service")
    assert resource.monitor() == NOT_RUNNING
    shipped.node.run("systemctl", "start", SERVICE)
    assert NOT_RUNNING == resource.monitor()
    assert SUCCESS == resource.act("start")
    assert SUCCESS == resource.monitor()


def test_the_first_action_starts_the_daemon(shipped: Shipped) -> None:
    """Where systemd listens, nobody has to care for the daemon."""
    resource = Resource(shipped)
    shipped.node.run("systemctl", "stop", SERVICE)

    assert SUCCESS == resource.act("start")
    assert SUCCESS == resource.monitor()
    assert shipped.states() == ("active", "active")


def test_stop_with_a_bad_table(shipped: Shipped) -> None:
    """A table with errors refuses requests, and a failed stop would have the node fenced: systemd stops it."""
    resource = Resource(shipped)
    resource.act("start")
    shipped.write_table(TABLE + "not a line\n")
    assert resource.act("start") == GENERIC
    assert "of 5 fields" in resource.reason
    assert resource.monitor() == SUCCESS

    assert resource.act("stop") == SUCCESS
    wait_until(lambda: shipped.clstat()["web"] == "stop DONE")
    assert resource.monitor() == NOT_RUNNING


def test_stop_of_a_group_that_left_the_table(shipped: Shipped) -> None:
    """The daemon stops it by itself; the agent says so when it is true."""
    resource = Resource(shipped, "kept")
    resource.act("start")
    shipped.write_table("".join(f"{line}\n" for line in TABLE.splitlines() if not line.startswith("kept")))

    assert resource.act("stop") == SUCCESS
    assert shipped.main_pid("clinit-kept@always.service") == 0
    assert resource.monitor() == NOT_RUNNING
    assert resource.act("start") == GENERIC
    assert resource.reason == "clinit kept 3: no such group: kept"
    assert resource.act("validate-all") == INSTALLED


def test_stop_takes_its_time_or_says_so(shipped: Shipped) -> None:
    """An entry that needs SIGKILL has 15 s; with less, the stop fails, and is told of what runs."""
    resource = Resource(shipped, "stub-born")
    resource.act("start")
    assert resource.act("stop", timeout=6) == GENERIC
    assert resource.reason.startswith("stub-born is not stopped: clinit-stub-born@loop.service runs; clinit: ")
    assert resource.act("stop", timeout=30) == SUCCESS


def test_what_cannot_be_killed_is_not_stopped(shipped: Shipped) -> None:
    """A process that is left over when all is said and done keeps the group from being called stopped."""
    unit = "clinit-stub-born@loop.service"
    shipped.drop_in(unit, "[Service]", "SendSIGKILL=no", "TimeoutStopSec=1", "TimeoutAbortSec=1", "Restart=no")
    resource = Resource(shipped, "stub-born")
    assert resource.act("start") == SUCCESS
    pid = shipped.main_pid(unit)
    assert resource.act("stop") == GENERIC
    assert resource.reason.startswith(f"stub-born is not stopped: a process of {unit}, which cannot be killed, runs")
    assert resource.monitor() == GENERIC
    shipped.node.shell(
        f"kill -KILL {pid}; rm -r /etc/systemd/system/{unit}.d; systemctl daemon-reload; sleep 1.5"
    )  # its child

    assert resource.act("stop") == SUCCESS, resource.said
    assert resource.monitor() == NOT_RUNNING


def test_names_that_systemd_escapes(shipped: Shipped) -> None:
    """Without the daemon, too, the units are found."""
    resource = Resource(shipped, "a/b-c", stop_level="-x/y")
    assert SUCCESS == resource.act("start")
    assert SUCCESS == resource.monitor()
    no_daemon(shipped)
    assert resource.monitor() == DEGRADED
    assert resource.act("stop") == SUCCESS
    assert resource.monitor() == NOT_RUNNING


@pytest.mark.parametrize("settings", ["", ":::socket:/run/more/s2\n:::clstat:/var/run/more/st2\n"])
def test_another_instance(shipped: Shipped, settings: str) -> None:
    """A daemon by hand, with other files: its groups are not those of the same name of the system's daemon."""
    parameters = {"cltab": "/etc/more", "socket": "/run/more/s", "clstat": "/run/more/st"}
    other = Resource(shipped, "web", **parameters)
    system = Resource(shipped, "web")
    shipped.node.write("/etc/more", TABLE + settings)
    command = "exec clinit -d -c /etc/more -s /run/more/s --clstat /run/more/st"
    shipped.node.run("systemd-run", "--quiet", "--unit=more", "sh", "-c", command)
    wait_until(lambda: shipped.node.run("clinit", "-c", "/etc/more", "-s", "/run/more/s", check=False).returncode == 0)
    assert SUCCESS == other.act("start")
    assert SUCCESS == other.monitor()
    assert system.probe() == NOT_RUNNING
    shipped.node.shell("systemctl kill --signal=TERM more; systemctl stop more || true")
    shipped.node.shell("touch --date='2 minutes ago' /run/more/st*")
    assert other.monitor() == DEGRADED
    assert other.act("stop") == SUCCESS
    assert other.monitor() == NOT_RUNNING


@pytest.mark.parametrize("table", [TABLE, TABLE + "web:db:1:frob:x\n"])
def test_a_clstat_that_the_daemon_does_not_write(shipped: Shipped, table: str) -> None:
    """A pushed table that moves clstat, read by nobody yet or refused, makes no healthy group fail."""
    resource = Resource(shipped)
    assert resource.act("start") == SUCCESS
    shipped.write_table(f":::clstat:/run/clinit/other\n{table}")

    assert resource.monitor() == SUCCESS


def test_stop_when_the_program_is_gone(shipped: Shipped) -> None:
    """A package that was removed under a running group: the truth, and still a way to stop it."""
    resource = Resource(shipped)
    resource.act("start")
    program = shipped.node.run("realpath", "/usr/bin/clinit").stdout.strip()
    shipped.node.run("mv", program, "/root/clinit")
    try:
        assert resource.act("start") == INSTALLED
        assert resource.monitor() == SUCCESS
        assert resource.act("stop") == SUCCESS
    finally:
        shipped.node.run("mv", "/root/clinit", program)


@pytest.mark.parametrize(
    "parameters",
    [
        {"group": ""},
        {"level": ""},
        {"level": "a b"},
        {"level": "stop"},
        {"level": "x", "stop_level": "x"},
        {"socket": "s"},
    ],
)
def test_parameters_that_cannot_be(shipped: Shipped, parameters: dict[str, str]) -> None:
    """A resource that is configured wrongly is told so."""
    assert Resource(shipped, **parameters).act("validate-all") == CONFIGURED


def test_other_actions(shipped: Shipped) -> None:
    """What it does not do, it says; validate-all of a good resource is fine."""
    resource = Resource(shipped)
    assert SUCCESS == resource.act("validate-all")
    assert UNIMPLEMENTED == resource.act("promote")


def test_metadata_says_what_the_agent_reads(shipped: Shipped) -> None:
    """Its parameters are those of the agent, and need nothing of the machine."""
    tree = ET.fromstring(shipped.node.run(AGENT, "meta-data", env={"OCF_ROOT": "/usr/lib/ocf"}).stdout)  # noqa: S314
    text = (PROJECT / "packaging/ocf/group").read_text()
    read = set(re.findall(r"OCF_RESKEY_([a-z]\w*)", text))

    assert read == {parameter.get("name") for parameter in tree.iter("parameter")}
    assert {"group", "level"} == {p.get("name") for p in tree.iter("parameter") if p.get("required") == "1"}

    # Which daemon has the group, and which group it is, cannot change in place.
    assert read - {"group", "cltab", "socket", "clstat"} == {
        parameter.get("name") for parameter in tree.iter("parameter") if parameter.get("reloadable") == "1"
    }
    assert tree.findtext("version") == "1.1"  # the first that knows reload-agent


# The documentation.


def test_the_manual_page(shipped: Shipped) -> None:
    """It has all parameters and actions of the agent and no others, and mandoc finds nothing wrong with it."""
    path = PROJECT / "packaging/ocf/ocf_clinit_group.7"
    text = path.read_text()
    tree = ET.fromstring(shipped.node.run(AGENT, "meta-data", env={"OCF_ROOT": "/usr/lib/ocf"}).stdout)  # noqa: S314
    parameters = re.findall(r"^\.It Va (.*)$", text, re.MULTILINE)

    assert {p.get("name") for p in tree.iter("parameter")} == set(" , ".join(parameters).split(" , "))
    assert {a.get("name") for a in tree.iter("action")} == set(re.findall(r"^\.It Cm (.*)$", text, re.MULTILINE))
    linted = subprocess.run(["mandoc", "-T", "lint", "-W", "style", path], capture_output=True, text=True, check=False)
    assert not [line for line in linted.stdout.splitlines() if "referenced manual not found" not in line]


def example(name: str) -> str:
    """An example of docs/high-availability.md, as printed, with its continued lines joined."""
    text = (PROJECT / "docs/high-availability.md").read_text()
    found = re.search(rf"<!-- example: {name} -->\n```\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1].replace("\\\n", "")


@pytest.mark.parametrize("name", ["pcs", "crm"])
def test_the_pacemaker_example(shipped: Shipped, name: str) -> None:
    """Its parameters are the agent's, and start a group; its timeouts are those that the agent advises."""
    line = next(line for line in example(name).splitlines() if "ocf:clinit:group" in line)
    parameters, _, operations = line.rpartition("ocf:clinit:group")[2].partition(" op ")
    given = dict(word.split("=") for word in parameters.replace("params", "").split())
    tree = ET.fromstring(shipped.node.run(AGENT, "meta-data", env={"OCF_ROOT": "/usr/lib/ocf"}).stdout)  # noqa: S314
    advised = {action.get("name"): action.get("timeout") for action in tree.iter("action")}

    assert SUCCESS == Resource(shipped, **given).act("validate-all")
    assert SUCCESS == Resource(shipped, **given).act("start")
    assert dict(re.findall(r"(start|stop|monitor) (?:interval=10s )?timeout=(\S+)", operations)) == {
        action: advised[action] for action in ("start", "stop", "monitor")
    }


def test_whose_the_group_is(shipped: Shipped) -> None:
    """After a probe clinit says that the group is the cluster's, to people, and not to the agent."""
    note = "/run/cltab2systemd/system/known-to-cluster/web"
    shipped.node.run("rm", "-f", note)
    resource = Resource(shipped)
    assert NOT_RUNNING == resource.monitor()
    assert "Pacemaker" not in shipped.clinit("web", "stop").stderr

    assert NOT_RUNNING == resource.probe()

    assert shipped.node.read(note) == "it\n"
    assert shipped.clinit("web", "3").stderr.startswith("clinit: Pacemaker has web as its resource it, by what ")
    assert resource.act("start") == SUCCESS
    assert "Pacemaker" not in resource.said
    shipped.node.run("rm", note)
