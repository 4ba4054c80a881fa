"""The method Describe while much is asked, and while systemd reloads or the table changes."""

from __future__ import annotations

import asyncio
import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pytest
from answers import answered
from instance import Group, Instance, varlink
from programs import RUN
from underway import GENERATOR, begin_reload, question_under_way
from watching import replies

from cltab2systemd.daemon.describer import describe
from cltab2systemd.daemon.peers import Peer
from cltab2systemd.daemon.service import Call, Service, Watchers
from cltab2systemd.groups.overview import GroupOverview
from cltab2systemd.table.model import ResourceGroup
from lab.node import Node
from lab.waiting import wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path


class Controller:
    """Has one group. To look at it takes a while."""

    source = SimpleNamespace(path="/etc/cltab", refusal="", is_unread=False, accepted=False)
    names_of_groups = ("web",)

    def __init__(self, reloads_to_come: int = 0) -> None:
        self.at_work = self.most = self.looks = self.reloads = 0
        self._reloads_to_come = reloads_to_come

    async def quiet(self) -> None:
        """It can be asked."""

    async def overview(self, name: str) -> GroupOverview:
        self.looks += 1
        if self._reloads_to_come >= self.looks:
            self.reloads += 1
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        await asyncio.sleep(0.01)
        self.at_work -= 1
        return GroupOverview(name, None, 0, ResourceGroup(name), ResourceGroup(name), (), ())


def test_one_at_a_time() -> None:
    """A user who asks in a loop waits for himself; root, and other users, wait for no more than one description."""
    controller, ended = Controller(), list[int]()
    service: Any = None

    async def ask(uid: int) -> None:
        call = Call("org.clinit.Manager.Describe", {}, more=False, peer=Peer(1, uid, frozenset()))
        async for _ in service.answer(call):
            ended.append(uid)

    async def ask_all() -> None:
        nonlocal service
        service = Service(cast("Any", controller), Watchers(), cast("Any", None), None)
        await asyncio.gather(*map(ask, (7, 7, 7, 8, 0, 0)))

    asyncio.run(ask_all())
    assert 1 == controller.most
    assert [7, 8, 0, 0, 7, 7] == ended


@pytest.mark.parametrize(("reloads", "expected"), [(0, 1), (1, 2), (2, 3), (9, 3)])
def test_reloads_meanwhile(reloads: int, expected: int) -> None:
    """All is described anew behind a reload that came meanwhile; but three times at most, for others wait."""
    controller = Controller(reloads)
    found = cast("Any", asyncio.run(describe(cast("Any", controller), ())))

    assert expected == controller.looks
    assert ["web"] == [group["group"] for group in found["groups"]]


@pytest.fixture(scope="module")
def shared(node: Node) -> Instance:
    node.write("/run/systemd/system-generators/slow", GENERATOR, mode=0o755)
    return Instance(node).share()


@pytest.fixture
def group(shared: Instance) -> Group:
    group = Group(shared)
    group.define(f"app:1:respawn:{RUN}", f"app2:2:respawn:{RUN}")
    group.switch("1")
    return group


@pytest.fixture
def slow(group: Group) -> Iterator[None]:
    """The next daemon-reloads take long, those after the group was loaded."""
    group.node.write("/run/slow", "3\n")
    yield
    group.node.path("/run/slow").unlink()
    wait_until(lambda: not group.node.exists("/run/reloading"), what="the reload has ended")


def status(group: Group, *options: str) -> subprocess.CompletedProcess[str]:
    return group.node.run("clinitctl", "status", *options, check=False)


class Lasting(NamedTuple):
    """What is told of a group meanwhile."""

    group: str
    status: subprocess.CompletedProcess[str]
    clinit: str


@pytest.fixture(scope="module")
def lasting(project_layer: Path) -> Iterator[Future[Lasting]]:
    """A reload that lasts, on a node of its own."""
    with Node("lasting", layers=[project_layer]) as node, ThreadPoolExecutor() as pool:
        node.write("/run/systemd/system-generators/slow", GENERATOR, mode=0o755)
        group = Group(Instance(node).share())
        group.define(f"app:1:respawn:{RUN}")
        group.switch("1")
        node.write("/run/slow", "15\n")
        node.run("systemctl", "restart", group.unit("app"))
        begin_reload(node)
        yield pool.submit(lambda: Lasting(group.name, status(group), node.run("clinit", "-v").stdout))


@pytest.mark.usefixtures("slow", "lasting")  # the one lasts as long as some others
def test_during_a_reload(group: Group) -> None:
    """The daemon answers when it is over, and nobody is told that he may not ask."""
    group.node.run("systemctl", "restart", group.unit("app"))  # so that there is something to ask
    begin_reload(group.node)
    done = status(group, "--json")
    begin_reload(group.node)
    metrics = group.node.run("clinitctl", "metrics", check=False)

    answered(done, code=0, err="")
    assert "answers" == json.loads(done.stdout)["daemon"]["state"]
    answered(metrics, code=0, err="")
    assert "\nclinit_up 1\n" in metrics.stdout


@pytest.mark.usefixtures("slow")
def test_what_a_reload_brought(group: Group) -> None:
    """Whoever waits for the end of a reload is told how all is behind it, as that an entry is masked now."""
    mask = f"/etc/systemd/system/{group.unit('app')}"
    group.node.shell(f"ln -s /dev/null {mask}")
    begin_reload(group.node)
    (found,) = varlink(group.node, {"method": "org.clinit.Manager.Describe", "parameters": {"groups": [group.name]}})
    group.node.run("rm", mask)

    (told,) = found["parameters"]["groups"]
    assert ("FAILED", ["masked"]) == (told["state"], [reason["code"] for reason in told["reasons"]])


@pytest.mark.usefixtures("slow")
def test_during_a_reload_that_meets_a_question(group: Group) -> None:
    """Likewise if the daemon has just asked systemd something when the reload begins."""
    with question_under_way(group.node, group.instance.pid, "clinit", group.name, "1"):
        begin_reload(group.node)
    done = status(group, "--json")

    answered(done, code=0, err="")
    assert "answers" == json.loads(done.stdout)["daemon"]["state"]
    group.wait_for("1 DONE")


@pytest.mark.usefixtures("slow")
def test_while_the_table_is_applied(group: Group) -> None:
    """A group that is new is there a moment later; it is no reason to tell nothing of the others."""
    new = Group(group.instance)
    begin_reload(group.node)
    new.define(f"app:1:respawn:{RUN}")
    client = group.node.popen("clinit")
    done = status(group, "--json")
    client.wait(20)
    again = status(new, "--json", new.name)

    answered(done, code=0, err="")
    assert "answers" == json.loads(done.stdout)["daemon"]["state"]
    assert group.name in {found["group"] for found in json.loads(done.stdout)["groups"]}
    answered(again, code=0, err="")


@pytest.mark.usefixtures("slow")
def test_a_group_at_rest_that_is_asked_to_move(group: Group) -> None:
    """Who follows the status with progress is told that its switch waits, before its status changes."""
    node = group.node
    node.popen("sh", "-c", f"sleep 1; systemctl daemon-reload & sleep 1; clinit {group.name} 2")
    found = replies(node, "Status", group=group.name, progress=True, until='"phase":"waiting"')

    (line,) = found[-1]["parameters"]["groups"]
    assert ("1", "DONE", "waiting", "2") == (
        line["level"], line["state"], line["progress"]["phase"], line["progress"]["level"],
    )  # fmt: skip
    group.wait_for("2 DONE")


def test_a_test_that_failed_in_front_of_others(group: Group) -> None:
    """It is failed as soon as it is, also as long as the group is starting what is behind it."""
    group.define("t:3:test:exit 3", "slow:3:wait:sleep 1000")
    group.request("3")

    def is_told() -> bool:
        (found,) = json.loads(status(group, "--json", group.name).stdout)["groups"]
        return ("STARTING", ["failed", "starting"]) == (found["state"], [entry["state"] for entry in found["entries"]])

    wait_until(is_told)


def test_what_is_over_in_a_moment(group: Group) -> None:
    """Who follows the status hears that an entry is started again, and that this is over."""
    node, unit = group.node, group.unit("app")
    node.write(f"/etc/systemd/system/{unit}.d/x.conf", "[Service]\nRestartSec=1\n")
    node.run("systemctl", "daemon-reload")
    node.popen("sh", "-c", f"sleep 1; systemctl kill --signal=KILL {unit}; sleep 4; clinit {group.name} 2")
    found = replies(node, "Status", group=group.name, until='"level":"2"')
    lines = [reply["parameters"]["groups"][0] for reply in found]

    told = [[reason["code"] for reason in line["reasons"]] for line in lines if line["state"] == "DONE"]
    assert [[], ["restarting"], []] == [codes for codes, _ in itertools.groupby(told)][:3]


def test_a_reload_that_lasts(lasting: Future[Lasting]) -> None:
    """Nobody is told that the daemon does not answer: it waits for systemd, and so does who asks, for a while."""
    told = lasting.result()

    answered(told.status, code=3, out="")
    assert told.status.stderr.startswith(
        "clinitctl: the daemon lives, and is busy or waits for systemd, as during a long "
    )
    assert f"{told.group} 1 " in told.clinit
