"""What a client can cost: sizes, times, numbers; and that all of them get their answers."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import pytest
from answers import answered
from instance import Instance, varlink
from programs import RUN
from shipped import SERVICE, Shipped

from cltab2systemd.client import transport
from cltab2systemd.daemon import server, sockets
from cltab2systemd.daemon.peers import Peer
from cltab2systemd.daemon.service import Reply, Service
from cltab2systemd.node.command import kill
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from cltab2systemd.daemon.service import Call
    from lab.node import Node

STATUS = b'{"method": "org.clinit.Manager.Status"}\0'
TIMEOUT = 0.3

# The server alone, with short times


class StubService:
    """Answers a call of method `large` with 8 MiB, of method `endless` with 1 MiB again and again, and counts these."""

    def __init__(self) -> None:
        self.sent = 0

    async def answer(self, call: Call) -> AsyncIterator[Reply]:
        if call.method == "small":
            yield Reply({"text": "x"})
        while call.method == "endless":
            self.sent += 1
            yield Reply({"text": "x" * 2**20}, continues=True)
            await asyncio.sleep(0)
        if call.method == "large":
            yield Reply({"text": "x" * 2**23})


@pytest.fixture
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients have 0.3 s instead of 30 s."""
    monkeypatch.setattr(server, "REQUEST_TIMEOUT", TIMEOUT)


@asynccontextmanager
async def serving(path: Path, stub: StubService | None = None) -> AsyncIterator[server.Server]:
    """A server at a path, with a stub for its service."""
    served = server.Server(cast("Service", stub or StubService()))
    await served.start(sockets.listen(str(path)))
    yield served
    assert served.clients == 0, "clients are left"
    await served.close(0)


async def seconds_until_closed(reader: asyncio.StreamReader, began: float) -> float:
    """How long the server leaves a connection open that was begun then."""
    async with asyncio.timeout(10):
        with suppress(ConnectionResetError):
            await reader.read()
    return time.monotonic() - began


async def until_alone(served: server.Server) -> None:
    """Wait until the server has dropped all its clients."""
    async with asyncio.timeout(10):
        while served.clients:  # noqa: ASYNC110 - a server tells nobody
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("short_times")
@pytest.mark.parametrize("sent", [b"", b"{", b"0000", b"00000010x", b'{"method": "small"}\0'])
def test_a_silent_client_is_dropped(tmp_path: Path, sent: bytes) -> None:
    """Who sends nothing, or only a part of a request, has a limited time; also after a reply."""

    async def scenario() -> None:
        async with serving(tmp_path / "s") as served:
            began = time.monotonic()
            reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
            writer.write(sent)
            assert TIMEOUT * 0.9 <= await seconds_until_closed(reader, began) < TIMEOUT * 5
            writer.close()
            await until_alone(served)

    asyncio.run(scenario())


@pytest.mark.usefixtures("short_times")
@pytest.mark.parametrize("request_", [b'{"method": "' + b"x" * 1000, b"00001000" + b"x" * 1000])
def test_a_slow_client_is_dropped(tmp_path: Path, request_: bytes) -> None:
    """A request that comes byte by byte has no more time than any other, and nobody waits for it."""

    async def drip(writer: asyncio.StreamWriter) -> None:
        for byte in request_:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.01)

    async def scenario() -> None:
        async with serving(tmp_path / "s") as served:
            began = time.monotonic()
            reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
            dripping = asyncio.create_task(drip(writer))
            other_reader, other_writer = await asyncio.open_unix_connection(tmp_path / "s")
            other_writer.write(b'{"method": "small"}\0')
            assert json.loads((await other_reader.readuntil(b"\0"))[:-1]) == {"parameters": {"text": "x"}}
            other_writer.close()
            assert time.monotonic() - began < TIMEOUT
            assert await seconds_until_closed(reader, began) < TIMEOUT * 5
            dripping.cancel()
            writer.close()
            await until_alone(served)

    asyncio.run(scenario())


@pytest.mark.usefixtures("short_times")
@pytest.mark.parametrize("method", ["large", "endless"])
def test_a_client_that_reads_no_replies_is_dropped(tmp_path: Path, method: str) -> None:
    """Its replies take the memory of one, and after a time it is dropped with what it has not taken."""
    stub = StubService()

    async def scenario() -> None:
        async with serving(tmp_path / "s", stub) as served:
            client = socket.socket(socket.AF_UNIX)
            client.connect(str(tmp_path / "s"))
            client.sendall(b'{"method": "%s", "more": true}\0' % method.encode())
            client.shutdown(socket.SHUT_WR)
            began = time.monotonic()
            await asyncio.sleep(TIMEOUT / 2)
            assert served.clients == 1
            assert stub.sent <= 1
            await until_alone(served)
            assert time.monotonic() - began < TIMEOUT * 5
            client.close()

    asyncio.run(scenario())


@pytest.mark.usefixtures("short_times")
def test_replies_that_are_taken_slowly_arrive(tmp_path: Path) -> None:
    """A client may close its own direction, and still gets all of a large reply."""

    async def scenario() -> None:
        async with serving(tmp_path / "s") as served:
            reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
            writer.write(b'{"method": "large"}\0')
            writer.write_eof()
            assert len(await reader.read()) > 2**23
            writer.close()
            await until_alone(served)

    asyncio.run(scenario())


def test_a_client_that_sends_without_a_pause_delays_nobody(tmp_path: Path) -> None:
    """Who has thousands of calls on their way gets one answered at a time, and others have theirs in between."""

    async def flood() -> None:
        _, writer = await asyncio.open_unix_connection(tmp_path / "s")
        with suppress(asyncio.CancelledError):
            while True:
                writer.write(b'{"method":"small","oneway":true}\0' * 3000)
                await writer.drain()
        writer.close()

    async def scenario() -> None:
        async with serving(tmp_path / "s") as served:
            floods = [asyncio.create_task(flood()) for _ in range(4)]
            await asyncio.sleep(0.1)
            times = []
            for _ in range(10):
                began = time.monotonic()
                reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
                writer.write(b'{"method": "small"}\0')
                await reader.readuntil(b"\0")
                times.append(time.monotonic() - began)
                writer.close()
            for task in floods:
                task.cancel()
            await asyncio.gather(*floods)
            await until_alone(served)
        assert sorted(times)[7] < 0.1, times

    asyncio.run(scenario())


def test_all_users_together_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root has none: it is served when all others together have as many connections as they may."""
    uids = iter([1001, 1002, 1003, 1004, 0, 1005])
    monkeypatch.setattr(server, "MOST_CLIENTS", 3)
    monkeypatch.setattr(Peer, "of", lambda _connection: Peer(1, next(uids), frozenset()))

    async def scenario() -> None:
        async with serving(tmp_path / "s") as served, AsyncExitStack() as others:
            answers = []
            for _ in range(6):
                reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
                others.callback(writer.close)
                writer.write(b'{"method": "small"}\0')
                answers.append(json.loads((await reader.readuntil(b"\0"))[:-1]))
            assert ["error" in answer for answer in answers] == [False, False, False, True, False, True]
            await others.aclose()
            await until_alone(served)

    asyncio.run(scenario())


def test_a_client_waits_for_its_turn_to_connect(tmp_path: Path) -> None:
    """With as many as may be waiting to be accepted, a client tries on until its time is up."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener, ExitStack() as others:
        listener.bind(path)
        listener.listen(1)
        with pytest.raises(TimeoutError):  # noqa: PT012
            for _ in range(5):
                others.callback(transport.Connection(path, 0.1).close)
        timer = threading.Timer(0.1, listener.accept)
        timer.start()
        transport.Connection(path, 10).close()
        timer.join()


# The daemon

TABLE = (
    "".join(f"web:l{level}:{level}:wait:event web {level}\n" for level in range(1, 6))
    + f"web:last:9:respawn:{RUN}\n"
    + "".join(f"g{number}:e{number}:1:once:true\n" for number in range(20))
)

# Opens NUMBER connections as the user it runs as, sends to all, and prints the replies as a JSON list, None for none.
# What is sent comes from the standard input, a line each, in turn; "-" sends nothing and waits for no reply. With
# "hold" they stay open until it is killed.
CROWD = """\
import json, resource, socket, sys, time
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
number, hold = int(sys.argv[1]), sys.argv[2:] == ["hold"]
lines = sys.stdin.read().splitlines()
began = time.monotonic()
clients = []
for index in range(number):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(40)
    client.connect("/run/clinit/clinit.s")
    clients.append(client)
for index, client in enumerate(clients):
    line = lines[index % len(lines)]
    if line != "-":
        try:
            client.sendall(line.encode() + b"\\0")
        except BrokenPipeError:
            pass
replies = []
for index, client in enumerate(clients):
    if lines[index % len(lines)] == "-":
        continue
    data = b""
    while not data.endswith(b"\\0") and (more := client.recv(65536)):
        data += more
    replies.append(json.loads(data[:-1]) if data else None)
print(json.dumps({"seconds": time.monotonic() - began, "replies": replies}), flush=True)
while hold:
    time.sleep(1)
"""


@pytest.fixture(scope="module")
def shipped(node: Node) -> Shipped:
    """The shipped units with some groups, and a user who may switch them."""
    shipped = Shipped(node)
    node.run("useradd", "--groups", "clinit", "member")
    node.write("/usr/local/bin/crowd", "#!/usr/bin/python3\n" + CROWD, mode=0o755)
    shipped.write_table(TABLE)
    shipped.start()
    return shipped


def switch(group: str, level: str) -> str:
    """A call."""
    return json.dumps({"method": "org.clinit.Manager.Switch", "parameters": {"group": group, "level": level}})


def crowd(shipped: Shipped, number: int, *lines: str, user: str = "root") -> tuple[float, list[Any]]:
    """Have so many clients send lines at once; how long it took, and the replies."""
    shown = shipped.node.run("crowd", str(number), input="\n".join(lines), user=user).stdout
    result = json.loads(shown)
    return result["seconds"], result["replies"]


@pytest.mark.parametrize("length", [65_536, 65_537])
def test_the_size_of_a_request(shipped: Shipped, length: int) -> None:
    """64 KiB are fine, one byte more is cut off; for the ancestor's clients likewise."""
    request = STATUS[:-2] + b', "parameters": {"group": "' + b"x" * 65_536
    request = request[: length - 3] + b'"}}'
    replies = varlink(shipped.node, request + b"\0")

    assert len(replies) == (length <= 65_536)
    assert varlink(shipped.node, b"%.8d" % length + b"\0" * 10) == []
    assert shipped.clinit("web", "1").returncode == 0


def test_a_thousand_clients_at_once(shipped: Shipped) -> None:
    """All get their answers, a switch or the status, also if the daemon has no time while they connect."""
    requests = [switch(f"g{number}", "1") for number in range(20)] + [STATUS[:-1].decode()] * 20
    seconds, replies = crowd(shipped, 1000, *requests)

    assert len(replies) == 1000
    assert {tuple(reply) for reply in replies} == {("parameters",)}
    assert sum(reply["parameters"].get("message") == "level transition started" for reply in replies) == 500
    assert sum("groups" in reply["parameters"] for reply in replies) == 500
    assert seconds < 30
    shipped.node.shell(f"kill -STOP {shipped.pid}; (sleep 1; kill -CONT {shipped.pid}) >/dev/null 2>&1 &")
    assert len(crowd(shipped, 1000, *requests)[1]) == 1000
    wait_until(lambda: all(status.endswith("DONE") for status in shipped.clstat().values()))


def test_the_daemon_may_have_many_files(shipped: Shipped) -> None:
    """The limit of open files is that of thousands of clients, by hand too."""
    limits = shipped.node.read(f"/proc/{shipped.pid}/limits")

    assert "Max open files            16384" in limits


def test_one_user_has_a_limit_of_connections(shipped: Shipped) -> None:
    """A user's 129th connection is refused with the reason, and logged once; root and others are served meanwhile."""
    node = shipped.node
    node.write("/run/silent", "-\n")
    holding = node.popen(
        "sh", "-c", "crowd 128 hold </run/silent >/tmp/held", user="member"
    )  # fmt: skip
    wait_until(lambda: node.exists("/tmp/held") and node.read("/tmp/held"))
    _, replies = crowd(shipped, 30, STATUS[:-1].decode(), user="member")
    error = "org.clinit.Manager.TooManyConnections"
    message = "too many connections; close some, and try again"
    assert replies == [{"error": error, "parameters": {"message": message}}] * 30
    refused = node.run("clinit", "web", "1", user="member", check=False)
    answered(refused, code=1, out=message + "\n")
    status = node.run("clinitctl", "status", "web", user="member", check=False)
    answered(status, code=0, err="")
    assert status.stdout.startswith("this user has too many connections to the daemon; this is what systemd says.")
    why = "this user has too many connections to the daemon; so it is not known how it is"
    metrics = node.run("clinitctl", "metrics", user="member", check=False)
    answered(metrics, code=1, out="", err=f"clinitctl: {why}\n")
    assert shipped.clinit("-w", "web", "1").returncode == 0
    assert len(crowd(shipped, 300, STATUS[:-1].decode())[1]) == 300

    kill(holding)
    wait_until(lambda: node.run("clinit", "web", "1", user="member", check=False).returncode == 0)
    uid = node.run("id", "-u", "member").stdout.strip()
    assert f"uid {uid}, pid" in node.journal(SERVICE)
    assert node.journal(SERVICE).count("more than 128 connections") == 1


def test_silent_clients_delay_nobody(shipped: Shipped) -> None:
    """With 500 silent connections a request takes as long as ever."""
    node = shipped.node
    node.write("/run/silent", "-\n")
    holding = node.popen("sh", "-c", "crowd 500 hold </run/silent >/run/held")
    wait_until(lambda: node.exists("/run/held") and node.read("/run/held"))
    times = [crowd(shipped, 1, switch("web", "1"))[0] for _ in range(5)]
    kill(holding)

    assert min(times) < 0.2


def test_a_burst_of_requests_for_one_group(shipped: Shipped) -> None:
    """Of 100 requests at a time the newest wins, all are answered, and most are never begun."""
    shipped.clinit("-w", "web", "0")
    node = shipped.node
    node.shell("rm -f /run/events/web")
    levels = [str(number % 5 + 1) for number in range(99)]
    _, replies = crowd(shipped, 100, *(switch("web", level) for level in [*levels, "9"]))

    assert [reply["parameters"] for reply in replies] == [{"message": "level transition started"}] * 100
    wait_until(lambda: shipped.clstat()["web"] == "9 DONE")
    time.sleep(0.2)
    assert shipped.clstat()["web"] == "9 DONE"
    begun = node.read("/run/events/web").count("\n") if node.exists("/run/events/web") else 0
    assert begun < 50


def test_more_groups_than_systemd_takes_globs(fresh_node: Node) -> None:
    """Systemd 262 answers a question about 4,096 globs at most; a group takes two. All groups are served."""
    instance = Instance(fresh_node)
    instance.write_table("".join(f"g{number}:t{number}:1:wait:true\n" for number in range(2100)))
    instance.start()

    done = instance.clinit("--wait", "--progress", "none", "g2099", "1")
    answered(done, code=0, out="g2099 1 DONE\n", err="")
