"""`clinitctl metrics` on a real systemd: what is written, where, and what is left of an earlier file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from answers import answered
from instance import Group, Instance
from prometheus_client.parser import text_string_to_metric_families
from promtool import promtool
from shipped import Shipped

from lab.waiting import wait_until

if TYPE_CHECKING:
    import subprocess

    from lab.node import Node

UNITS = [Path("/usr/lib/systemd/system", f"clinit-metrics.{kind}") for kind in ("service", "timer")]
FILE = "/var/lib/prometheus/node-exporter/clinit.prom"


@pytest.fixture(scope="module")
def instance(node: Node) -> Instance:
    """The daemon."""
    return Instance(node).start()


def metrics(node: Node, *arguments: str, code: int = 0) -> str:
    """What the command prints."""
    done: subprocess.CompletedProcess[str] = node.run("clinitctl", "metrics", *arguments, check=False)
    answered(done, code=code)
    return done.stdout


def value(text: str, name: str, **labels: str) -> float | None:
    """The value of a series; None if there is none."""
    for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return float(sample.value)
    return None


def test_a_group_through_its_life(instance: Instance) -> None:
    """At rest, at a level, FAILED: the group is always there, and its requests are counted by how they ended."""
    group = Group(instance)
    group.define("server:1:respawn:sleep infinity", "check:2:test:false")
    instance.clinit()
    at_rest = metrics(instance.node)
    promtool("check", "metrics", text=at_rest)
    assert 1 == value(at_rest, "clinit_group_state", group=group.name, state="CONFIGURED")
    assert 0 == value(at_rest, "clinit_group_transitions_total", group=group.name, outcome="done")
    assert 1 == value(at_rest, "clinit_up") == value(at_rest, "clinit_table_valid")

    assert "DONE" == group.switch("1")
    assert "DONE" == group.switch("1")
    done = metrics(instance.node)
    assert 1 == value(done, "clinit_group_state", group=group.name, state="DONE")
    assert 1 == value(done, "clinit_group_level_info", group=group.name, level="1")
    assert 2 == value(done, "clinit_group_transitions_total", group=group.name, outcome="done")
    lasted = value(done, "clinit_group_last_transition_duration_seconds", group=group.name)
    assert lasted is not None
    assert 0 < lasted < 60
    assert 0 == value(done, "clinit_entry_failed", group=group.name, tag=f"{group.name}.server")

    assert "FAILED" == group.switch("2", code=4)
    failed = metrics(instance.node)
    assert 1 == value(failed, "clinit_group_state", group=group.name, state="FAILED")
    assert 0 == value(failed, "clinit_group_state", group=group.name, state="DONE")
    assert 1 == value(failed, "clinit_entry_failed", group=group.name, tag=f"{group.name}.check")
    assert 1 == value(failed, "clinit_group_transitions_total", group=group.name, outcome="failed")


def test_what_did_not_end_well_is_counted(instance: Instance) -> None:
    """A request that a later one supersedes, and one that systemd cannot carry out."""
    group = Group(instance)
    group.define("slow:1:wait:sleep 3600", "other:2:respawn:sleep infinity")
    group.request("1")
    group.switch("2")
    text = metrics(instance.node)
    assert 1 == value(text, "clinit_group_transitions_total", group=group.name, outcome="superseded")
    assert 1 == value(text, "clinit_group_transitions_total", group=group.name, outcome="done")


def test_a_trial(instance: Instance) -> None:
    """When a group goes back is told as long as nobody has confirmed it."""
    group = Group(instance)
    group.define("server:12:respawn:sleep infinity")
    group.switch("1")
    name = "clinit_group_trial_end_timestamp_seconds"
    answered(instance.clinit("--wait", "--try", "600", group.name, "2"), code=0)
    text = metrics(instance.node)
    promtool("check", "metrics", text=text)
    end = value(text, name, group=group.name)
    assert end is not None
    assert 0 < end - time.time() <= 600

    answered(instance.clinit("--keep", group.name), code=0)
    assert value(metrics(instance.node), name, group=group.name) is None


def test_restarts_are_counted(instance: Instance) -> None:
    """What systemd restarts by itself."""
    group = Group(instance)
    group.define("server:1:respawn:sleep infinity")
    group.switch("1")
    labels = {"group": group.name, "tag": f"{group.name}.server"}
    assert 0 == value(metrics(instance.node), "clinit_entry_restarts_total", **labels)
    instance.node.run("kill", "-KILL", str(group.pid("server")))

    wait_until(lambda: value(metrics(instance.node), "clinit_entry_restarts_total", **labels) == 1)


def test_a_file_is_written_whole(instance: Instance) -> None:
    """For everybody to read, with nothing left beside it; where it cannot be, an error says so."""
    node = instance.node
    node.run("mkdir", "-p", "/root/out")
    assert "" == metrics(node, "--output", "/root/out/clinit.prom")
    assert 1 == value(node.read("/root/out/clinit.prom"), "clinit_up")
    assert "644 root\n" == node.run("stat", "--format=%a %U", "/root/out/clinit.prom").stdout
    assert "clinit.prom\n" == node.run("ls", "-A", "/root/out").stdout
    metrics(node, "-o", "/root/out/clinit.prom")

    for path in ("/root/no-such/clinit.prom", "/dev/null", "/root/out"):
        done = node.run("clinitctl", "metrics", "--output", path, check=False)
        answered(done, code=1, out="")
        assert f"clinitctl: cannot write {path}: " in done.stderr
    assert "character special file\n" == node.run("stat", "--format=%F", "/dev/null").stdout


def test_without_a_daemon(fresh_node: Node) -> None:
    """Then systemd tells of the groups. If nobody does, the old file stays as it is."""
    instance = Instance(fresh_node)
    instance.write_table("web:server:3:respawn:sleep infinity\ndb:base:3:respawn:sleep infinity\n")
    instance.start()
    instance.clinit("--wait", "web", "3")
    instance.kill()
    text = metrics(fresh_node)

    promtool("check", "metrics", text=text)
    assert 0 == value(text, "clinit_up")
    assert 1 == value(text, "clinit_group_state", group="web", state="DONE")
    assert 1 == value(text, "clinit_group_state", group="db", state="CONFIGURED")
    assert value(text, "clinit_group_transitions_total", group="web", outcome="done") is None

    fresh_node.write("/root/clinit.prom", "old\n")
    alone = 'mount -t tmpfs none /run/dbus; mount --bind /dev/null /run/systemd/private; exec "$@"'
    asked = ("clinitctl", "metrics", "-o", "/root/clinit.prom")
    done = fresh_node.run("unshare", "--mount", "sh", "-ec", alone, "sh", *asked, check=False)
    answered(done, code=3, out="")
    assert "old\n" == fresh_node.read("/root/clinit.prom")


def test_the_timer(fresh_node: Node) -> None:
    """It is nobody's but whoever's enables it; then the file is there, also in another user's directory."""
    shipped = Shipped(fresh_node)
    shipped.write_table("web:server:3:respawn:sleep infinity\n")
    shipped.start()
    enabled = fresh_node.run("systemctl", "is-enabled", "clinit-metrics.timer", check=False)
    answered(enabled, code=1, out="disabled\n")
    fresh_node.run("install", "-d", "-o", "nobody", "-m", "755", FILE.rpartition("/")[0])
    fresh_node.run("systemctl", "enable", "--now", "--quiet", "clinit-metrics.timer")

    wait_until(lambda: fresh_node.exists(FILE), what="the timer has the file written")
    assert 1 == value(fresh_node.read(FILE), "clinit_up")
    elapse = ("systemctl", "show", "-P", "NextElapseUSecRealtime", "clinit-metrics.timer")
    wait_until(lambda: fresh_node.run(*elapse).stdout != "\n", what="the timer has a next time")

    fresh_node.run("systemctl", "stop", "clinit.service", "clinit.socket")
    fresh_node.run("systemctl", "start", "clinit-metrics.service")
    text = fresh_node.read(FILE)
    assert 0 == value(text, "clinit_up")
    assert 1 == value(text, "clinit_group_state", group="web", state="CONFIGURED")


def test_the_service_where_there_is_no_exporter(fresh_node: Node) -> None:
    """It is skipped, and has not failed; systemd has nothing to say against it, and little to say of its rights."""
    fresh_node.run("systemctl", "start", "clinit-metrics.service")
    shown = fresh_node.run("systemctl", "show", "-P", "ConditionResult", "clinit-metrics.service").stdout
    assert "no\n" == shown
    assert "inactive\n" == fresh_node.run("systemctl", "is-active", "clinit-metrics.service", check=False).stdout

    units = [str(path) for path in UNITS]
    done = fresh_node.run("systemd-analyze", "verify", "--man=no", *units, check=False)
    answered(done, code=0, out="", err="")
    security = fresh_node.run("systemd-analyze", "security", "--no-pager", UNITS[0].name, check=False).stdout
    exposure = float(security.rpartition(": ")[2].split()[0])
    assert exposure < 2.5, security
