"""What goes wrong on one node, and what the cluster makes of it: nothing moves for less than it is worth."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from threenodes import TABLE

from lab.cluster import NAMES
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from threenodes import Groups

# A group for one test: its file says on which nodes it works.
EXTRA = """\
extra:fit:3:test:grep -qx $(uname -n) /shared/fit
extra:dying:d:respawn:sleep 0.2; grep -qx $(uname -n) /shared/fit && exec sleep infinity
"""
RESOURCE = "pcs resource create extra ocf:clinit:group group=extra"
OPERATIONS = "op start timeout=60s op stop timeout=60s op monitor interval=1s timeout=20s meta migration-threshold=1"
LONG = 60.0


@pytest.fixture
def extra(groups: Groups) -> Iterator[Groups]:
    """The groups, and one more in the table, which is no resource yet; it works on n3 only."""
    (groups.cluster.shared / "fit").write_text("n3\n")
    groups.push(TABLE + EXTRA)
    yield groups
    groups.cluster.run("pcs resource delete extra --force")
    groups.cluster.settle()
    groups.push(TABLE)


def create(groups: Groups, parameters: str, prefers: str) -> None:
    """Make the resource of the additional group, all at once."""
    groups.cluster.run(
        f"{RESOURCE} {parameters} {OPERATIONS} --disabled\n"
        f"pcs constraint location extra prefers {prefers}\n"
        "pcs resource enable extra"
    )


def test_a_test_that_fails_at_start(extra: Groups) -> None:
    """The group goes to a node on which its test passes; pcs status says which entry did not."""
    create(extra, "level=3", "n1=10 n2=5")

    wait_until(lambda: extra.where("extra") == "n3", what="extra on n3", timeout=LONG)

    assert "extra 3 FAILED: fit (test) exited with 1" in extra.cluster.run("pcs status")
    assert extra.cluster.fenced == []


def test_an_entry_that_keeps_dying(extra: Groups) -> None:
    """With on_degraded=fail the group goes to a node on which its program lives."""
    create(extra, "level=d on_degraded=fail", "n1=10 n2=5")

    wait_until(lambda: extra.where("extra") == "n3", what="extra on n3", timeout=LONG)

    assert "extra d is degraded: dying" in extra.cluster.run("pcs status")
    assert extra.cluster.fenced == []


def test_daemons_that_are_killed(groups: Groups) -> None:
    """The control daemon, and Pacemaker's own, are killed on all nodes: nothing moves, nothing is started anew."""
    before = groups.places(), groups.witnesses()

    for node in groups.cluster.nodes.values():
        node.run("systemctl", "kill", "--signal=KILL", "clinit.service")
    groups.await_all()
    node = groups.cluster.nodes[groups.where("web")]
    node.run("systemctl", "kill", "--kill-who=main", "--signal=KILL", "pacemaker.service")
    groups.await_all()

    assert (groups.places(), groups.witnesses()) == before
    assert groups.cluster.fenced == []


def test_a_bad_table_on_one_node(groups: Groups) -> None:
    """A push that is refused moves nothing, and a planned move away from that node works."""
    before = groups.places()
    node = before["db"]
    machine = groups.cluster.nodes[node]
    machine.write("/etc/cltab", TABLE + "db:bad:3:respwan:sleep infinity\n")
    assert machine.run("clinit", check=False).returncode == 1

    groups.await_all()
    assert groups.places() == before
    other = next(name for name in NAMES if name != node)
    groups.time_to_move("db", node, lambda: groups.cluster.run(f"crm_resource --resource db --move --node {other}"))
    groups.cluster.run("crm_resource --resource db --clear")
    groups.cluster.settle()

    assert groups.statuses("db")[node] == "stop DONE"
    machine.write("/etc/cltab", TABLE)
    machine.run("clinit")
    assert groups.cluster.fenced == []


def test_storms(groups: Groups) -> None:
    """Reloads and reexecutions of systemd, one after the other, on all nodes: no monitor fails, and nothing moves."""
    before = groups.places(), groups.witnesses()

    for _ in range(5):
        for node in groups.cluster.nodes.values():
            node.run("systemctl", "daemon-reload")
            node.run("systemctl", "daemon-reexec")
    groups.await_all()

    assert (groups.places(), groups.witnesses()) == before
    assert "Failed Resource Actions" not in groups.cluster.run("crm_mon --one-shot")
    assert groups.cluster.fenced == []


def test_a_slip_of_the_hand(extra: Groups) -> None:
    """A parameter that cannot be starts nothing, and the reason is told; it costs no node, and no other group."""
    before = extra.places(), extra.witnesses()

    extra.cluster.run(f"{RESOURCE} level=3 on_degraded=warn {OPERATIONS} --force")
    extra.cluster.settle()

    assert "parameter on_degraded is none of report, fail and ignore" in extra.cluster.run("pcs status")
    assert extra.where("extra") == ""
    assert extra.cluster.fenced == []
    assert (extra.places(), extra.witnesses()) == before


def test_a_stop_that_does_not_end_in_time(extra: Groups) -> None:
    """An umount that hangs at the level for stopped has the node fenced, and only then the group is elsewhere."""
    in_less_time = OPERATIONS.replace("stop timeout=60s", "stop timeout=6s")
    extra.cluster.run(f"{RESOURCE} level=3 {in_less_time}")
    wait_until(lambda: extra.where("extra") == "n3", what="extra on n3", timeout=LONG)
    (extra.cluster.shared / "fit").write_text("n1\nn2\nn3\n")
    extra.cluster.nodes["n3"].write("/etc/cltab", TABLE + EXTRA + "extra:umount:stop:wait:sleep infinity\n")
    extra.cluster.nodes["n3"].run("clinit")

    extra.cluster.run("crm_resource --cleanup; crm_resource --resource extra --move --node n1")

    wait_until(partial(extra.cluster.fenced.__contains__, ("n3", "reboot")), what="n3 fenced", timeout=LONG)
    wait_until(lambda: extra.where("extra") == "n1", what="extra on n1", timeout=LONG)
    extra.cluster.await_online(*NAMES)
