"""Faults of a real machine, in the middle of switches: nothing is lost, clstat is true again, `--wait` is true."""

from __future__ import annotations

import ast
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from answers import answered
from instance import Group
from programs import RUN, polite, until_there
from survivor import Survivor

import cltab2systemd
from cltab2systemd.node.command import kill
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import Popen

    from lab.node import Node

# Seconds after the end of a fault in which clstat has to be true again.
PROMPT = 2.0
# Cuts /run to what is in use, and fills what is left of it; and the end of that.
FILL_RUN = """
used=$(df --output=used -k /run | tail -1)
mount -o remount,size=$((used + 256))k /run
cat /dev/zero >/run/filler 2>/dev/null || :
"""
EMPTY_RUN = "rm -f /run/filler; mount -o remount,size=1G /run"


@contextmanager
def full_run(instance: Survivor) -> Iterator[None]:
    """Let /run have no space left."""
    instance.node.shell(FILL_RUN)
    try:
        yield
    finally:
        instance.node.shell(EMPTY_RUN)


@contextmanager
def read_only(instance: Survivor, *directories: str) -> Iterator[None]:
    """Let the daemon write into none of some directories."""
    for directory in directories:
        instance.inside(f"cd {directory}; mount --bind . .; mount -o remount,bind,ro {directory}")
    try:
        yield
    finally:
        instance.inside(f"umount {' '.join(directories)}")


@contextmanager
def full(instance: Survivor, *directories: str) -> Iterator[None]:
    """Let the daemon have no space left in some directories, which it then sees as empty ones."""
    for directory in directories:
        instance.inside(f"mount -t tmpfs -o size=4k none {directory}; head -c 4096 /dev/zero >{directory}/filler")
    try:
        yield
    finally:
        instance.inside(f"umount {' '.join(directories)}")


DISKS = {"full": full, "read-only": read_only}
REASONS = {"full": "No space left on device", "read-only": "Read-only file system"}
CLSTAT = "/run/clinit"
EMPTIED = "/run/cltab2systemd/system/emptied"


@pytest.fixture(scope="module")
def instance(node: Node) -> Survivor:
    """A daemon as it is shipped, which all tests of this module share; each test has a group of its own."""
    return Survivor(node).start()


@pytest.fixture
def group(instance: Survivor) -> Iterator[Group]:
    """Give the test its own group, which is stopped at its end."""
    group = Group(instance)
    yield group
    group.define()
    instance.clinit()


class Switch:
    """A switch to level 2 in the middle of which something happens: its client, and what is expected of it."""

    ORDER = ("a stopping", "a gone", "w", "w ran", "t ran")

    def __init__(self, group: Group) -> None:
        self.group = group
        group.define(
            f"shared:12:respawn:{RUN}",
            "a:1:respawn:" + polite(group.name, "a"),
            "w:2:wait:@ w; sleep 0.4; @ w ran",
            f"b:2:respawn:{RUN}",
            "t:2:test:@ t ran; false",
        )
        group.switch("1")
        wait_until(lambda: group.events() == ["a up"])
        self.shared = group.pid("shared")

    def begin(self, event: str) -> Popen[bytes]:
        """Begin the switch, and return in the middle of it."""
        client = self.group.node.popen("clinit", "--wait", self.group.name, "2")
        wait_until(lambda: event in self.group.events(), what=event)
        return client

    def check(self, client: Popen[bytes]) -> None:
        """It has ended as if nothing had happened, and clstat and the client say so."""
        assert client.wait(20) == 4
        wait_until(lambda: self.group.status == "2 FAILED", timeout=PROMPT)
        assert ("a up", *self.ORDER) == tuple(self.group.events())
        assert self.shared == self.group.pid("shared")
        assert 0 == self.group.pid("a")
        assert self.group.pid("b") != 0


@pytest.fixture
def switch(group: Group) -> Switch:
    """Give the test a group that is to be switched."""
    return Switch(group)


IN_THE_MIDDLE = pytest.mark.parametrize("event", ["a stopping", "w"])


# systemd and its bus


@IN_THE_MIDDLE
def test_dbus_is_stopped(switch: Switch, event: str) -> None:
    """While dbus is down a switch goes on and is told of, and a new daemon serves; and it does when dbus is back."""
    group, node = switch.group, switch.group.node
    client = switch.begin(event)
    node.run("systemctl", "stop", "dbus.service", "dbus.socket")
    switch.check(client)
    node.run("kill", "-KILL", str(group.instance.pid))
    assert group.switch("1") == "DONE"
    node.run("systemctl", "start", "dbus.socket", "dbus.service")
    node.run("systemctl", "start", group.target("3"))
    wait_until(lambda: group.status == "3 DONE", timeout=PROMPT)


@IN_THE_MIDDLE
@pytest.mark.parametrize("fault", ["systemctl restart dbus", "systemctl kill --signal=KILL dbus"])
def test_dbus_is_restarted(switch: Switch, event: str, fault: str) -> None:
    """A restart or a crash of dbus in the middle of a switch changes nothing about it."""
    client = switch.begin(event)
    switch.group.node.shell(fault)
    switch.check(client)


@IN_THE_MIDDLE
def test_daemon_reexec(switch: Switch, event: str) -> None:
    """A systemd that executes itself anew, twice, in the middle of a switch goes on with it."""
    client = switch.begin(event)
    for _ in range(2):
        switch.group.node.run("systemctl", "daemon-reexec")
    switch.check(client)


@IN_THE_MIDDLE
def test_a_storm_of_reloads(switch: Switch, event: str) -> None:
    """20 daemon-reloads in a row by somebody else, in the middle of a switch, change nothing about it."""
    client = switch.begin(event)
    for _ in range(20):
        switch.group.node.run("systemctl", "daemon-reload")
    switch.check(client)


# Disks


@pytest.mark.parametrize("fault", DISKS)
def test_clstat_cannot_be_written(instance: Survivor, switch: Switch, fault: str) -> None:
    """With a full or read-only disk a switch goes on and `--wait` is true; clstat is as soon as it can be written."""
    group, said = switch.group, instance.node.journal("clinit.service").count("cannot write clstat")
    with DISKS[fault](instance, CLSTAT, EMPTIED):
        assert group.switch("2", code=4) == "FAILED"
        assert group.status == "1 DONE"
        assert switch.shared == group.pid("shared")
        assert 0 == group.pid("a")
    wait_until(lambda: group.status == "2 FAILED", timeout=PROMPT)

    assert instance.node.journal("clinit.service").count("cannot write clstat") == said + 1
    assert group.switch("1") == "DONE"


@pytest.mark.parametrize("fault", DISKS)
def test_new_lines_cannot_be_noted(instance: Survivor, group: Group, fault: str) -> None:
    """New lines that cannot be put on disk are refused with the reason before anything is stopped; later they run."""
    group.define(f"a:1:respawn:{RUN}")
    group.switch("1")
    pid = group.pid("a")
    group.define("a:1:respawn:exec sleep 2000")
    with DISKS[fault](instance, CLSTAT, EMPTIED):
        refused = instance.clinit("--wait", group.name, "1")
    answered(refused, code=1)
    assert REASONS[fault] in refused.stdout
    where = f"cannot write the units of {group.name}: {EMPTIED}/{group.name}: {REASONS[fault]}; make "
    assert refused.stdout.startswith(where)
    wait_until(lambda: group.status == "1 DONE", timeout=PROMPT)

    assert pid == group.pid("a")
    assert group.switch("1") == "DONE"
    wait_until(lambda: group.node.read(f"/proc/{group.pid('a')}/cmdline") == "sleep\x002000\x00")


def test_killed_with_a_full_disk(instance: Survivor, switch: Switch) -> None:
    """A daemon that is killed while /run is full comes back as soon as it is not, and a waiting client is told."""
    client = switch.begin("a stopping")
    with full_run(instance):
        instance.node.run("kill", "-KILL", str(instance.pid))
        wait_until(lambda: switch.group.property("t", "ActiveState") == "active")
        time.sleep(0.5)  # with attempts to start
    restarts = instance.restarts
    wait_until(lambda: instance.states()[1] == "active", timeout=20)
    assert instance.restarts <= restarts + 1  # the first that is begun without the fault
    wait_until(lambda: switch.group.status == "2 FAILED", timeout=PROMPT)

    assert client.wait(10) == 4
    assert switch.shared == switch.group.pid("shared")


def test_units_cannot_be_written(instance: Survivor, group: Group) -> None:
    """A group that was emptied for new lines and not started is FAILED, and right at once when systemctl starts it."""
    group.define(f"a:1:respawn:{RUN}", f"b:2:respawn:{RUN}")
    group.switch("1")
    group.define("a:1:respawn:exec sleep 2000", f"b:2:respawn:{RUN}")
    with read_only(instance, "/run/systemd/system"):
        refused = instance.clinit("--wait", group.name, "1")
        answered(refused, code=1)
        assert "Read-only file system" in refused.stdout
        assert group.status == "1 FAILED"
        group.node.run("systemctl", "start", group.target("2"))
        wait_until(lambda: group.status == "2 DONE", timeout=PROMPT)

    assert group.switch("1") == "DONE"
    wait_until(lambda: group.node.read(f"/proc/{group.pid('a')}/cmdline") == "sleep\x002000\x00")


def test_what_was_emptied_is_not_forgotten(instance: Survivor, group: Group) -> None:
    """A group that a killed daemon had emptied is FAILED until a daemon can go on with it, whichever that is."""
    group.define(f"a:1:respawn:{RUN}")
    group.switch("1")
    barrier = f"clinitbarrier-{group.name}@1.service"
    group.node.run("systemctl", "stop", "clinit.service", group.unit("a"))
    group.node.write(f"{EMPTIED}/{group.name}", "1")  # as the daemon does before its first stop
    group.node.run("systemctl", "mask", barrier)
    group.node.run("systemctl", "start", "clinit.service")
    for _ in range(2):
        group.wait_for("1 FAILED")
        instance.kill_and_await()
    group.wait_for("1 FAILED")
    group.node.run("systemctl", "unmask", barrier)
    instance.kill_and_await()
    group.wait_for("1 DONE")

    assert group.pid("a") != 0


@pytest.mark.parametrize("fault", ["full", "read-only", "gone"])
def test_the_log_cannot_be_written(instance: Survivor, group: Group, fault: str) -> None:
    """A log file that cannot be written harms no request, is said once, and is written again when it can be."""
    log = instance.node.path("/var/log/clinit/clinit.log")
    instance.table += ":::log:/var/log/clinit/clinit.log\n"
    group.define("w:1:wait:true", "x:2:wait:true")
    group.switch("1")
    assert f"{group.name}: going to level 1" in log.read_text()
    if fault == "gone":
        instance.node.run("mv", "/var/log/clinit", "/var/log/away")
    else:
        options = "size=4k" if fault == "full" else "ro"
        instance.inside(f"mount -t tmpfs -o {options} none /var/log/clinit")
    if fault == "full":
        instance.inside("cat /dev/zero >/var/log/clinit/filler || :")
    try:
        for level in ("2", "1", "2"):
            assert group.switch(level) == "DONE"
            assert group.status == f"{level} DONE"
        assert "Traceback" not in instance.node.journal("clinit.service")
    finally:
        if fault == "gone":
            instance.node.run("mv", "/var/log/away", "/var/log/clinit")
        else:
            instance.inside("umount --lazy /var/log/clinit")
    assert group.switch("3") == "DONE"

    assert f"{group.name}: going to level 3" in log.read_text()
    instance.table = instance.table.replace(":::log:/var/log/clinit/clinit.log\n", "")


# The table


def test_a_table_that_is_replaced_while_it_is_read(instance: Survivor, group: Group) -> None:
    """Requests while a large table is replaced all the time get one of its versions as a whole, or are told."""
    node = instance.node
    group.define("w:1:wait:true", f"r:12:respawn:{RUN}")
    group.switch("1")
    pid = group.pid("r")
    table = node.read("/etc/cltab")
    for version in ("one", "two"):
        node.write(f"/etc/cltab.{version}", f"# {version}\n" * 200_000 + table)
    loop = "while :; do for v in one two; do cp -p cltab.$v cltab.n; mv cltab.n cltab; done; done"
    replacing = node.popen("sh", "-ec", f"cd /etc; {loop}")
    try:
        answers = [instance.clinit("--wait", group.name, level) for level in ("2", "1") * 8]
    finally:
        kill(replacing)
        replacing.wait()
    for answer in answers:
        told = "changes while it is read" in answer.stdout
        assert (told and answer.returncode == 1) or answer.returncode == 0, answer
    instance.write_table(table)

    assert group.switch("1") == "DONE"
    assert pid == group.pid("r")
    assert f"{group.name}: left the table" not in instance.node.journal("clinit.service")


# Units, by hand


def held_up(group: Group) -> str:
    """An entry at level 1 that ends as soon as there is a file /run/go-GROUP."""
    return f"w:1:wait:@ w; {until_there(f'/run/go-{group.name}')}"


def test_a_unit_that_is_masked(group: Group) -> None:
    """An entry that somebody masks makes its level FAILED, in a switch and after it, until it is unmasked."""
    group.define(held_up(group), f"r:1:respawn:{RUN}")
    client = group.node.popen("clinit", "--wait", group.name, "1")
    wait_until(lambda: group.events() == ["w"])
    group.node.run("systemctl", "mask", group.unit("r"))
    group.node.path(f"/run/go-{group.name}").touch()
    assert client.wait(10) == 4
    assert group.status == "1 FAILED"
    group.node.run("systemctl", "unmask", group.unit("r"))
    assert group.switch("1") == "DONE"
    pid = group.pid("r")
    group.node.run("systemctl", "mask", group.unit("r"))
    wait_until(lambda: group.status == "1 FAILED", timeout=PROMPT)
    assert pid == group.pid("r")
    group.node.run("systemctl", "unmask", group.unit("r"))
    wait_until(lambda: group.status == "1 DONE", timeout=PROMPT)

    assert pid == group.pid("r")


def test_a_unit_that_is_stopped(group: Group) -> None:
    """A start that somebody stops in the middle of a switch has failed the level; the next request makes up for it."""
    group.define(held_up(group), f"r:1:respawn:{RUN}", f"s:1:respawn:{RUN}")
    client = group.node.popen("clinit", "--wait", group.name, "1")
    wait_until(lambda: group.events() == ["w"])
    group.node.run("systemctl", "stop", group.unit("r"))
    group.node.path(f"/run/go-{group.name}").touch()
    assert client.wait(10) == 4
    assert group.status == "1 FAILED"
    pid = group.pid("s")

    assert group.switch("1") == "DONE"
    assert group.pid("r") != 0
    assert pid == group.pid("s")


def test_a_unit_that_fails(group: Group) -> None:
    """A `wait` that somebody kills has ended, and the switch goes on; so has a `once`, and the level stays DONE."""
    group.define("w:1:wait:@ w; exec sleep 60", f"o:1:once:{RUN}", "v:1:wait:@ v")
    client = group.node.popen("clinit", "--wait", group.name, "1")
    wait_until(lambda: group.events() == ["w"])
    group.node.run("systemctl", "kill", "--signal=KILL", group.unit("w"))
    assert client.wait(10) == 0
    assert group.events() == ["w", "v"]
    group.node.run("systemctl", "kill", "--signal=SEGV", group.unit("o"))
    wait_until(lambda: group.pid("o") == 0)

    assert group.status == "1 DONE"
    assert group.switch("1") == "DONE"


def test_a_unit_that_is_removed(group: Group) -> None:
    """A unit file that somebody removes makes the level FAILED; the next request writes it again, and stops nothing."""
    group.define(f"r:1:respawn:{RUN}", f"s:1:respawn:{RUN}", f"t:2:respawn:{RUN}")
    group.switch("1")
    pids = group.pid("r"), group.pid("s")
    group.node.shell(f"rm '/run/systemd/system/{group.unit('r')}'; systemctl daemon-reload")
    wait_until(lambda: group.status == "1 FAILED", timeout=PROMPT)

    assert group.switch("1") == "DONE"
    assert pids == (group.pid("r"), group.pid("s"))
    assert group.switch("2") == "DONE"
    assert group.switch("1") == "DONE"


def test_a_start_job_that_systemd_refuses(group: Group) -> None:
    """A switch that systemd refuses is told with its reason, and nothing changes."""
    group.define(f"r:1:respawn:{RUN}", f"s:2:respawn:{RUN}", "t:2:wait:true")
    group.switch("1")
    pid = group.pid("r")
    drop_in = f"/etc/systemd/system/{group.target('2')}.d"
    group.node.write(f"{drop_in}/refuse.conf", "[Unit]\nRequires=no-such-unit.service\n")
    group.node.run("systemctl", "daemon-reload")
    refused = group.instance.clinit("--wait", group.name, "2")
    answered(refused, code=1)
    assert "no-such-unit.service not found" in refused.stdout
    assert pid == group.pid("r")
    assert "1 DONE" == group.status
    group.node.shell(f"rm -r '{drop_in}'; systemctl daemon-reload")

    assert group.switch("2") == "DONE"


def test_an_entry_whose_start_systemd_refuses(group: Group) -> None:
    """An entry that is not started, for what it requires has failed, makes its level FAILED; the others are started."""
    group.define(f"r:1:respawn:{RUN}", f"s:2:respawn:{RUN}", f"t:2:respawn:{RUN}")
    drop_in = f"/etc/systemd/system/{group.unit('s')}.d"
    group.node.write("/etc/systemd/system/fails.service", "[Service]\nType=oneshot\nExecStart=false\n")
    group.node.write(f"{drop_in}/refuse.conf", "[Unit]\nRequires=fails.service\nAfter=fails.service\n")
    group.switch("1")
    group.node.run("systemctl", "daemon-reload")
    assert group.switch("2", code=4) == "FAILED"
    assert 0 == group.pid("s")
    assert group.pid("t") != 0
    group.node.shell(f"rm -r '{drop_in}'; systemctl daemon-reload; systemctl reset-failed fails.service")

    assert group.switch("2") == "DONE"
    assert group.pid("s") != 0


# Entries


def test_entries_that_misbehave(group: Group) -> None:
    """Entries that fork away, fill their output, or cannot be executed hold up no switch, and nothing is left over."""
    fork = "setsid --fork sleep 777"
    group.define(
        *(f"{mode}{number}:1:{mode}:{command}"
          for mode in ("wait", "once", "respawn")
          for number, command in enumerate([fork, "/no/such/program", "/etc/hostname", "/usr"])),
        "yes:1:respawn:yes",
        "yesonce:1:once:yes",
        "end:1:wait:@ end",
    )  # fmt: skip
    assert group.switch("1", code=4) == "FAILED"
    assert group.events() == ["end"]
    wait_until(lambda: len(group.node.run("pgrep", "-f", "^sleep 777", check=False).stdout.split()) >= 2)
    assert group.switch("2") == "DONE"

    first, last = (int(group.property(tag, "ExecMainStartTimestampMonotonic")) for tag in ("wait0", "end"))
    assert 0 < first < last < first + 10_000_000
    for tag in ("wait0", "once0", "respawn0", "yes", "yesonce"):
        began = int(group.property(tag, "ActiveExitTimestampMonotonic"))
        ended = int(group.property(tag, "InactiveEnterTimestampMonotonic"))
        assert 0 < began <= ended < began + 5_000_000, f"{tag} has needed SIGTERM"
    assert not group.node.run("pgrep", "-f", "^sleep 777|^yes$", check=False).stdout
    assert not group.node.run("systemctl", "--failed", "--plain", "--no-legend").stdout


def test_tests_that_misbehave(group: Group) -> None:
    """A `test` that forks away passes by its own exit code, and one that cannot be executed fails the level."""
    group.define("t:1:test:setsid --fork sleep 778", "u:2:test:/etc/hostname")

    assert group.switch("1") == "PASSED"
    assert group.switch("2", code=4) == "FAILED"
    assert not group.node.run("pgrep", "-f", "^sleep 778", check=False).stdout


# Clocks


def wall_clock_calls(source: str) -> list[str]:
    """The calls in a module's text that read the time of day, or wait for one."""
    readers = {"time", "time_ns", "now", "utcnow", "today"}
    # Those that take a time read the clock if they are given none.
    converters = {"time.localtime": 1, "time.gmtime": 1, "time.ctime": 1, "time.asctime": 1, "time.strftime": 2}
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and (node.func.attr in readers or len(node.args) < converters.get(ast.unparse(node.func), 0))
        # The loop's time is CLOCK_MONOTONIC.
        and ast.unparse(node.func) not in {"loop.time", "asyncio.get_running_loop().time", "self._loop.time"}
    ]


def test_no_module_decides_by_the_time_of_day() -> None:
    """A clock that jumps changes no decision.

    The daemon only converts times for people. Clients and operators show times, and ages of what has nothing but a time
    of day: clstat, what is in the journal, and when another node has last told how it is.
    A table that is kept shows when that was.
    """
    package = Path(cltab2systemd.__file__).parent
    assert len(wall_clock_calls("time.time(); time.strftime('%H'); time.strftime('%H', then)")) == 2
    found = {str(path.relative_to(package)): wall_clock_calls(path.read_text()) for path in package.rglob("*.py")}

    assert {path: calls for path, calls in found.items() if calls} == {
        "client/evidence.py": ["time.time()"],
        "client/outcome.py": ["time.time()"],
        "client/status.py": ["time.time()"],
        "disk/kepttables.py": ["time.time_ns()"],
        "operators/metrics.py": ["time.time_ns()"],
        "operators/pacemaker.py": ["time.time()", "time.time()"],
        "operators/statusview.py": ["time.time_ns()"],
        "operators/watch.py": ["time.time_ns()", "datetime.now(UTC)"],
        "operators/why.py": ["time.time_ns()"],
        "rehearsal/stage.py": ["time.time()"],
        "systemd/kernel.py": ["time.time_ns()"],
    }


@pytest.mark.parametrize("when", ["1971-01-01", "2099-01-01"])
def test_files_of_another_time(instance: Survivor, group: Group, when: str) -> None:
    """A table from before or after a jump of the clock is read like any other, and so is a clstat of then."""
    group.define("w:1:wait:@ old")
    group.switch("1")
    group.define("w:1:wait:@ new")
    instance.node.run("touch", f"--date={when}", "/etc/cltab", "/run/clinit/clstat")

    assert group.switch("1") == "DONE"
    assert group.events() == ["old", "new"]
    assert abs(instance.node.path("/run/clinit/clstat").stat().st_mtime - time.time()) < 60
