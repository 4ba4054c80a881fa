"""The end of the daemon: it comes in time whatever is under way, and the next daemon goes on."""

from __future__ import annotations

import asyncio
import random
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest
from answers import answered
from instance import Instance
from programs import RUN
from shipped import Shipped

from cltab2systemd.daemon import ending
from cltab2systemd.daemon.server import Server
from cltab2systemd.node.command import kill
from cltab2systemd.systemd import child
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lab.node import Node

# Seconds that a stop may take, with what systemctl itself needs on a busy machine.
BOUND = ending.HARD_LIMIT + 1.5
KEPT = f"mail:m:1:respawn:{RUN}\n"
LEAVING = "".join(f"{group}:{group}{number}:3:respawn:{RUN}\n" for group in ("web", "db") for number in range(4))
HANGING = "#!/bin/sh\nexec sleep 1000\n"


@pytest.fixture
def shipped(fresh_node: Node) -> Shipped:
    """The daemon as it is shipped, with groups web and db at level 3."""
    shipped = Shipped(fresh_node)
    shipped.write_table(KEPT + LEAVING)
    shipped.start()
    for group in ("web", "db"):
        assert shipped.clinit("--wait", group, "3").returncode == 0
    return shipped


def seconds(action: Callable[[], object]) -> float:
    """How long something takes."""
    began = time.monotonic()
    action()
    return time.monotonic() - began


def test_stopped_at_any_moment(shipped: Shipped) -> None:
    """A daemon that is stopped amid requests, and while it stops groups that left the table, ends in time, and well."""
    moments = random.Random(257)  # noqa: S311 - the same moments each time
    for _ in range(16):
        shipped.write_table(KEPT)
        clients = [
            shipped.node.popen("clinit", *arguments)
            for arguments in ((), ("--wait", "mail", moments.choice("12")), ("--wait", "web", "2"))
            if moments.random() < 0.7 or not arguments
        ]
        time.sleep(moments.uniform(0, 0.1))
        took = seconds(lambda: shipped.node.run("systemctl", "stop", shipped.unit))
        for client in clients:
            client.wait(30)
        assert took < BOUND
        shipped.node.run("systemctl", "start", shipped.unit)
        shipped.write_table(KEPT + LEAVING)
        for group in ("web", "db"):
            assert shipped.clinit("--wait", group, "3").stdout == f"{group} 3 DONE\n"
    said = shipped.node.journal(shipped.unit)

    for word in ("Failed with result", "the end waits for", "Traceback"):
        assert word not in said


def test_a_command_is_cancelled_as_it_starts() -> None:
    """A task that is cancelled together with all others while it starts a command ends."""

    async def start() -> None:
        tasks = [asyncio.create_task(child.run("sleep", "30")) for _ in range(3)]
        await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        async with asyncio.timeout(5):
            await asyncio.gather(*tasks, return_exceptions=True)

    assert seconds(lambda: asyncio.run(start())) < 5


def test_a_command() -> None:
    """A command's exit code and errors are told; one that cannot be started is OSError."""
    script = "echo wrong >&2; exit 3"
    assert child.Ended(3, "wrong\n") == asyncio.run(child.run("sh", "-c", script))
    with pytest.raises(FileNotFoundError):
        asyncio.run(child.run("/nowhere"))


@pytest.mark.parametrize(
    ("busy", "code"),
    [("while True:\n  try: await asyncio.sleep(9)\n  except asyncio.CancelledError: pass", 0), ("time.sleep(9)", -14)],
    ids=["a task that does not end", "a call that blocks"],
)
def test_an_end_that_does_not_come(busy: str, code: int) -> None:
    """A task that takes no end, and a call that blocks the process, are cut short; the former is named."""
    body = busy.replace("\n", "\n  ")
    script = (
        f"import asyncio, time\nfrom cltab2systemd.daemon import ending\nasync def busy():\n  {body}\n"
        "async def main():\n  ending.bound(); asyncio.create_task(busy()); await asyncio.sleep(0)\n"
        "asyncio.run(main())\n"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=False)

    answered(done, code=code)
    assert time.monotonic() - began < BOUND
    assert code != 0 or "the end waits for busy" in done.stderr


@pytest.mark.parametrize("unit", ["clinit.service", "clinitd.service"])
def test_while_systemd_does_not_reload(shipped: Shipped, unit: str) -> None:
    """A reload that does not end holds up no end of the daemon: neither in its start nor in a request."""
    node = shipped.node
    if unit != shipped.unit:
        node.run("systemctl", "stop", "clinit.socket", "clinit.service")
        Instance(node, unit).start()
    systemctl = node.path("/usr/bin/systemctl")
    node.run("mv", "/usr/bin/systemctl", "/usr/bin/real")
    node.write("/usr/bin/systemctl", HANGING, mode=0o755)
    shipped.write_table(KEPT + LEAVING + "web:more:4:once:true\n")
    client = node.popen("clinit", "web", "3")
    wait_until(lambda: node.exists("/run/cltab2systemd/system/reload-needed"))
    assert seconds(lambda: node.run("/usr/bin/real", "stop", unit)) < BOUND
    client.wait(30)

    if unit == shipped.unit:
        node.run("/usr/bin/real", "start", "--no-block", unit)
        time.sleep(1.0)  # into the reload that it makes up for
        assert seconds(lambda: node.run("/usr/bin/real", "stop", unit)) < BOUND
        systemctl.unlink()
        node.run("mv", "/usr/bin/real", "/usr/bin/systemctl")
        node.run("systemctl", "start", unit)
        assert shipped.clinit("--wait", "web", "3").stdout == "web 3 DONE\n"


def test_while_dbus_is_stopped(shipped: Shipped) -> None:
    """A dbus that takes messages and gives no answer holds up no end of the daemon."""
    node = shipped.node
    node.run("systemctl", "kill", "--signal=STOP", "dbus.service")
    clients = [node.popen("clinit", "web", "3") for _ in range(3)]
    time.sleep(0.5)  # until the daemon has asked
    took = seconds(lambda: node.run("systemctl", "stop", shipped.unit))
    node.run("systemctl", "kill", "--signal=CONT", "dbus.service")
    for client in clients:
        client.wait(30)

    assert took < 6
    node.run("systemctl", "start", shipped.unit)
    assert shipped.clinit("--wait", "web", "3").stdout == "web 3 DONE\n"


def test_while_clients_wait_and_do_not_read(shipped: Shipped) -> None:
    """Clients that follow the status, or never read what they are sent, hold up no end of the daemon."""
    script = (
        "import socket, time\ns = socket.socket(socket.AF_UNIX); s.connect('/run/clinit/clinit.s'); s.settimeout(5)\n"
        "try:\n  while True:\n"
        """    s.sendall(b'{"method":"org.varlink.service.GetInterfaceDescription",'
        b'"parameters":{"interface":"org.clinit.Manager"}}\\0' * 400)\n"""
        "except OSError: open('/run/full', 'w').close()\ntime.sleep(1000)\n"
    )
    deaf = shipped.node.popen("python3", "-c", script)
    waiting = shipped.node.popen("clinit", "--wait", "web", "stop")
    wait_until(lambda: shipped.node.exists("/run/full"), timeout=20)
    assert seconds(lambda: shipped.node.run("systemctl", "stop", shipped.unit)) < BOUND
    shipped.node.run("systemctl", "start", shipped.unit)

    assert waiting.wait(30) == 0
    kill(deaf)


def test_a_server_that_ends_while_it_begins(tmp_path: Path) -> None:
    """It listens no more, and so no client begins what the daemon does not end."""
    path = str(tmp_path / "s")

    async def begin_and_end() -> None:
        server, listener = Server(Mock()), socket.socket(socket.AF_UNIX)
        listener.bind(path)
        beginning = asyncio.create_task(server.start(listener))
        await asyncio.sleep(0)
        beginning.cancel()
        await server.close()
        with pytest.raises(ConnectionRefusedError), socket.socket(socket.AF_UNIX) as client:
            client.connect(path)

    asyncio.run(begin_and_end())
