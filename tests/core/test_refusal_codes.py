"""Each code of a refused request, and of one that was taken over, is what a program gets when just that is so."""

from __future__ import annotations

import asyncio
import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import pytest
from answers import answered
from instance import Instance, varlink

from cltab2systemd.client import RefusedError, SupersededError
from cltab2systemd.client.calls import answer
from cltab2systemd.core.group import Group
from cltab2systemd.core.preflights import Preflights
from cltab2systemd.core.request import Request, SwitchRefusedError, code_of
from cltab2systemd.core.switcher import Switcher
from cltab2systemd.daemon.halt import Halt
from cltab2systemd.groups.lifecycle import Event
from cltab2systemd.groups.refusals import Refusal, Supersession
from cltab2systemd.groups.units import GroupUnits, UnitStatus
from cltab2systemd.systemd.buserrors import BusBusyError, BusRefusedError, BusUnavailableError
from cltab2systemd.table.grammar import parse
from cltab2systemd.units.names import Names
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cltab2systemd.table.model import ResourceGroup
    from lab.node import Node

# An entry that asks what a program must not ask, a group that the cluster has, one that takes its time to stop.
TABLE = """\
web:web.run:1:respawn:exec sleep 1000
web:web.slow:2:wait:exec sleep 1000
web:web.ask:ask:wait:exec python3 /root/ask
data:data.run:1:respawn:exec sleep 1000
"""
ASK = """\
from cltab2systemd.client import Client, RefusedError
try:
    Client().wait("web", "1")
except RefusedError as error:
    open("/root/answer", "w").write(error.code)
"""
WAIT = """\
import json
from cltab2systemd.client import Client, SupersededError
try:
    print(json.dumps(Client().wait("web", "2")))
except SupersededError as error:
    print(json.dumps(error.code))
"""
OVERRIDES = "/etc/systemd/system"


@pytest.fixture(scope="module")
def instance(node: Node) -> Instance:
    """A daemon whose groups are at rest."""
    node.write("/root/ask", ASK)
    instance = Instance(node)
    instance.write_table(TABLE)
    return instance.start()


@pytest.fixture
def web(instance: Instance) -> Instance:
    """The daemon, with group web at level 1."""
    instance.write_table(TABLE)
    done = instance.clinit("--wait", "web", "1")
    answered(done, code=0, out="web 1 DONE\n")
    return instance


def refused(instance: Instance, level: str, group: str = "web", **parameters: object) -> str:
    """The code with which a request is refused; an assertion fails if it is not refused."""
    call: dict[str, object] = {
        "method": "org.clinit.Manager.Switch",
        "parameters": {"group": group, "level": level, **parameters},
    }
    (reply,) = varlink(instance.node, call)
    assert reply["error"] == "org.clinit.Manager.SwitchRefused", reply
    assert reply["parameters"]["message"]
    return str(reply["parameters"]["code"])


def override(instance: Instance, command: str) -> None:
    """Do something to units in /etc/systemd/system, and have systemd see it."""
    instance.node.shell(f"cd {OVERRIDES}; {command}; systemctl daemon-reload")


def bad_level(web: Instance) -> str:
    return refused(web, "a b")


def long_name(web: Instance) -> str:
    return refused(web, "x" * 300)


def unnamed_level(web: Instance) -> str:
    return refused(web, "nowhere", strict=True)


def undeclared_level(web: Instance) -> str:
    web.write_table(f"{TABLE}:::levels.web:stop,999\n")
    try:
        assert refused(web, "nowhere", strict=True) == "undeclared-level"
        return refused(web, "nowhere")
    finally:
        web.write_table(TABLE)


def waits_for_itself(web: Instance) -> str:
    assert web.clinit("--wait", "web", "ask").returncode == 0
    return web.node.read("/root/answer")


def left_to_cluster(web: Instance) -> str:
    assert web.clinit("--wait", "data", "1").returncode == 0
    mark = "/run/cltab2systemd/system/of-cluster/data"
    web.node.write(mark, "")
    web.write_table(TABLE.replace("data:data.run", "files:data.run"))
    try:
        return refused(web, "1", group="files")
    finally:
        web.node.path(mark).unlink()


def bad_unit(web: Instance) -> str:
    web.node.run("systemctl", "mask", "clinitbarrier-web@2.service")
    try:
        return refused(web, "2")
    finally:
        web.node.run("systemctl", "unmask", "clinitbarrier-web@2.service")


def unwritable(web: Instance) -> str:
    """The directory for the mark of a switch to new lines is a file."""
    web.write_table(TABLE.replace("1000", "2000"))
    directory = "/run/cltab2systemd/system/emptied"
    web.node.shell(f"mv {directory} {directory}.aside; touch {directory}")
    try:
        return refused(web, "1")
    finally:
        web.node.shell(f"rm {directory}; mv {directory}.aside {directory}")


def systemd_refuses(web: Instance) -> str:
    target = "clinit-web@2.target"
    override(web, f"mkdir '{target}.d'; printf '[Unit]\\nRequires=no-such-unit.service\\n' >'{target}.d/x.conf'")
    try:
        return refused(web, "2")
    finally:
        override(web, f"rm -r '{target}.d'")


def preflight_failed(web: Instance) -> str:
    web.write_table(TABLE + ":::preflight.web.slow:false\n")
    return refused(web, "2")


def left_table(web: Instance) -> str:
    """The group leaves while the request waits for a preflight."""
    web.node.run("rm", "-f", "/root/begun", "/root/go")
    preflight = ":::preflight.web.slow:>/root/begun; until [ -e /root/go ]; do sleep 0.02; done\n"
    web.write_table(TABLE + preflight)
    with ThreadPoolExecutor() as pool:
        request = pool.submit(refused, web, "2")
        wait_until(lambda: web.node.exists("/root/begun"))
        web.write_table(TABLE.replace("web:web", "www:web"))
        assert web.clinit("data", "1").returncode == 0  # has the table read, and stops nothing that has left it
        web.node.write("/root/go", "")
        return request.result()


def halt_failed(web: Instance) -> str:
    barrier = "clinitbarrier-web@:::SHUTDOWN:::.service"
    web.node.run("systemctl", "mask", barrier)
    try:
        (reply,) = varlink(web.node, {"method": "org.clinit.Manager.Halt"})
    finally:
        web.node.run("systemctl", "unmask", barrier)
    return str(reply["parameters"]["code"])


def entries(web: Instance, *tags: str, group: str = "web") -> str:
    """The code with which a stop of single entries is refused."""
    parameters = {"group": group, "action": "stop", "tags": tags}
    (reply,) = varlink(web.node, {"method": "org.clinit.Manager.Entries", "parameters": parameters})
    assert reply["error"] == "org.clinit.Manager.SwitchRefused", reply
    return str(reply["parameters"]["code"])


def no_such_entry(web: Instance) -> str:
    return entries(web, "web.run", "data.run")


def not_in_level(web: Instance) -> str:
    return entries(web, "web.run", "web.slow")


def on_its_way(web: Instance) -> str:
    assert web.clinit("web", "2").returncode == 0
    return entries(web, "web.slow")


def no_trial(web: Instance) -> str:
    (reply,) = varlink(web.node, {"method": "org.clinit.Manager.Keep", "parameters": {"group": "web"}})
    return str(reply["parameters"]["code"])


ON_A_NODE: dict[Refusal, Callable[[Instance], str]] = {
    Refusal.BAD_LEVEL: bad_level,
    Refusal.LONG_NAME: long_name,
    Refusal.UNNAMED_LEVEL: unnamed_level,
    Refusal.UNDECLARED_LEVEL: undeclared_level,
    Refusal.LEFT_TABLE: left_table,
    Refusal.NO_SUCH_ENTRY: no_such_entry,
    Refusal.NOT_IN_LEVEL: not_in_level,
    Refusal.ON_ITS_WAY: on_its_way,
    Refusal.WAITS_FOR_ITSELF: waits_for_itself,
    Refusal.LEFT_TO_CLUSTER: left_to_cluster,
    Refusal.PREFLIGHT_FAILED: preflight_failed,
    Refusal.BAD_UNIT: bad_unit,
    Refusal.UNWRITABLE: unwritable,
    Refusal.SYSTEMD_REFUSES: systemd_refuses,
    Refusal.NO_TRIAL: no_trial,
    Refusal.HALT_FAILED: halt_failed,
}
# In the other tests below.
ELSEWHERE = {Refusal.HALTING, Refusal.NOT_STOPPED, Refusal.NO_UNIT, Refusal.NO_SYSTEMD, Refusal.INTERNAL}


def test_no_code_is_left_out() -> None:
    """Every code of a refusal has a test."""
    assert {*ON_A_NODE} | ELSEWHERE == {*Refusal}
    assert {*TAKEN} | {Supersession.HALT, Supersession.TRIAL_OVER} == {*Supersession}


@pytest.mark.parametrize("code", ON_A_NODE, ids=str)
def test_refusals(web: Instance, code: Refusal) -> None:
    """A program that asks for what cannot be is told why by a code."""
    assert ON_A_NODE[code](web) == code


def test_what_cannot_be_stopped() -> None:
    """An entry that runs on, and that no job is about, is not waited for."""
    unit = "clinit-web@a.service"
    group = Group("web", cast("Any", None))
    status = UnitStatus(unit, "loaded", "active", "running")
    group.units = GroupUnits(Names(), "web", (), {unit: status}, cast("Any", None))
    with pytest.raises(SwitchRefusedError) as raised:
        asyncio.run(group.at_rest(frozenset({unit})))
    assert raised.value.code is Refusal.NOT_STOPPED


def test_what_systemd_does_not_do() -> None:
    """A refusal by systemd is told from one that may be none in a moment."""
    assert code_of(BusRefusedError("no")) is Refusal.SYSTEMD_REFUSES
    assert code_of(BusUnavailableError("gone")) is Refusal.NO_SYSTEMD
    assert code_of(BusBusyError("busy")) is Refusal.NO_SYSTEMD


class _WithoutUnits:
    """The parts of a daemon whose units somebody removes as soon as they are installed."""

    table_lock = contextlib.nullcontext()  # where nobody else is

    def wanted(self, group: Group) -> ResourceGroup:
        return parse(b"web:a:1:wait:true\n", "cltab")[0].group(group.name)

    lines_for = wanted

    def others(self, _group: Group) -> tuple[Group, ...]:
        return ()

    async def persist(self, step: Callable[[], object]) -> object:
        return step()

    async def order(self, _job: Callable[[], None], check: Callable[[], None]) -> None:
        check()

    def write(self, lines: dict[Group, ResourceGroup]) -> None:
        for group, wanted in lines.items():
            group.applied, group.is_installed = wanted, True

    async def load(self, lines: dict[Group, ResourceGroup]) -> None:
        pass

    def load_units(self, names: Iterable[str]) -> list[UnitStatus]:
        return [UnitStatus(name, "not-found", "inactive", "dead") for name in names]

    def list_units(self, _patterns: Iterable[str]) -> list[UnitStatus]:
        return []

    def discard(self, _units: Iterable[str]) -> None:
        pass

    add = discard

    def refresh(self, groups: Iterable[str]) -> None:
        pass

    def mark(self, group: str, level: str) -> None:
        pass


def test_units_that_somebody_removes() -> None:
    """Units are installed once more if they are gone; if they are gone again, the request is refused."""
    parts: Any = _WithoutUnits()
    group = Group("web", parts)
    group.units = GroupUnits(Names(), "web", (), {}, cast("Any", None))

    async def switch() -> None:
        group.happens(Event.REQUESTED, "1")
        preflights = Preflights(Names(), parts, parts, parts)
        switcher = Switcher(Names(), parts, parts, parts, parts, preflights=preflights)
        await switcher.carry_out(group, Request("web", "1"), parts)

    with pytest.raises(SwitchRefusedError, match="somebody has removed it") as raised:
        asyncio.run(switch())
    assert raised.value.code is Refusal.NO_UNIT


class _Faulty:
    """A controller with a fault in it."""

    async def halt(self) -> list[object]:
        raise ZeroDivisionError

    def resume(self) -> None:
        pass


def test_a_fault_of_the_daemon() -> None:
    """What nobody has thought of ends the request, and not the daemon."""

    async def begin() -> None:
        await Halt(cast("Any", _Faulty()), cast("Any", None), lambda: None).begin()

    with pytest.raises(SwitchRefusedError) as raised:
        asyncio.run(begin())
    assert raised.value.code is Refusal.INTERNAL


def without_web(instance: Instance) -> None:
    instance.write_table(TABLE.replace("web:web", "www:web"))
    assert instance.clinit().returncode == 0


# What takes a group elsewhere that is on its way to level 2.
TAKEN: dict[Supersession, Callable[[Instance], object]] = {
    Supersession.LATER_REQUEST: lambda web: web.clinit("web", "1"),
    Supersession.LEFT_TABLE: without_web,
    Supersession.BY_HAND: lambda web: web.node.run("systemctl", "start", "clinit-web@1.target"),
}


@pytest.mark.parametrize("code", TAKEN, ids=str)
def test_supersessions(web: Instance, code: Supersession) -> None:
    """A program that waits for a level is told by a code what took the group elsewhere."""
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(web.node.run, "python3", "-c", WAIT)
        wait_until(lambda: web.clstat()["web"] == "2 STARTING")
        TAKEN[code](web)
        assert json.loads(waiting.result().stdout) == code


def test_a_halt(fresh_node: Node) -> None:
    """A halt takes all groups over, and until its end there is no switch."""
    instance = Instance(fresh_node)
    instance.write_table(
        "web:t:1:respawn:trap '' INT; sleep 1000\nweb:w:2:wait:trap '' INT; : >/run/deaf; sleep 1000\n"
    )
    instance.start()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(fresh_node.run, "python3", "-c", WAIT)
        wait_until(lambda: instance.clstat().get("web") == "2 STARTING" and fresh_node.exists("/run/deaf"))
        assert instance.clinit("-k").returncode == 0
        assert refused(instance, "1") == Refusal.HALTING
        assert json.loads(waiting.result().stdout) == Supersession.HALT


def test_other_refusals() -> None:
    """Of a refusal that has no code of its own, the code is the name of the error."""
    for error, parameters, code in (
        (
            "org.clinit.Manager.NoSuchGroup",
            {"message": "no such group: web", "group": "web", "hint": None},
            "NoSuchGroup",
        ),
        ("org.clinit.Manager.SwitchRefused", {"message": "no", "code": "not-stopped"}, "not-stopped"),
        ("org.clinit.Manager.SwitchRefused", {"message": "of a daemon without codes"}, ""),
        ("org.varlink.service.InvalidParameter", {"parameter": "group"}, "InvalidParameter"),
    ):
        with pytest.raises(RefusedError) as raised:
            answer({"error": error, "parameters": parameters})
        assert raised.value.code == code


def test_supersession_without_a_code() -> None:
    """A daemon without codes is understood."""
    with pytest.raises(SupersededError) as raised:
        answer({"error": "org.clinit.Manager.Superseded", "parameters": {"message": "by another"}})
    assert str(raised.value) == "by another"
    assert raised.value.code == ""
