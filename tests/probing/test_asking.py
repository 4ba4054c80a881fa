"""One try of each probe, and of a command, against what really answers."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cltab2systemd.probing.asking import Answer, ask
from lab.install import PROJECT

LIMIT = 20.0


@contextlib.contextmanager
def listening(
    family: int = socket.AF_INET, address: object = ("127.0.0.1", 0), kind: int = socket.SOCK_STREAM
) -> Iterator[socket.socket]:
    with socket.socket(family, kind) as server:
        server.bind(address)  # type: ignore[arg-type]
        server.listen()
        yield server


@contextlib.contextmanager
def answering(answer: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A server for one connection: its port, and what it is asked."""
    asked: list[bytes] = []
    with listening() as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(ConnectionError):  # who asks need not read all
                asked.append(connection.recv(65536))
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], asked
        thread.join()


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def told(answer: Answer) -> tuple[bool, str]:
    return answer.holds, answer.words


def test_tcp() -> None:
    """A port that accepts, by all names of this machine, and one that does not."""
    with listening() as server:
        port = server.getsockname()[1]
        for probe in (f"tcp:{port}", f"tcp:127.0.0.1:{port}", f"tcp:localhost:{port}"):
            assert told(ask([probe], LIMIT)) == (True, f"port {port} accepts connections")
    assert told(ask([f"tcp:{port}"], LIMIT)) == (False, "connection refused")


def test_tcp_of_ipv6() -> None:
    """A server that listens on ::1 only is this machine's as well."""
    with listening(socket.AF_INET6, ("::1", 0)) as server:
        port = server.getsockname()[1]
        assert ask([f"tcp:{port}"], LIMIT).holds
        assert ask([f"tcp:[::1]:{port}"], LIMIT).holds


def test_a_name_that_is_none() -> None:
    """A host that nobody knows is an answer, and so is text that no name can be."""
    assert not ask(["tcp:nosuch.invalid:1"], LIMIT).holds
    assert not ask([f"tcp:{'x' * 70}.é:1"], LIMIT).holds


def test_a_connection_to_oneself_is_none() -> None:
    """TCP connects a socket to itself that is bound to the port it asks for; nobody listens there."""
    code = """
import socket, sys
sys.path.insert(0, sys.argv[1])
from cltab2systemd.probing import asking
class Bound(asking.socket):
    def connect(self, address):
        self.bind(address)
        super().connect(address)
asking.socket = Bound
answer = asking.ask([sys.argv[2]], 20)
print(answer.holds, answer.words)
"""
    probe = f"tcp:127.0.0.1:{free_port()}"
    done = subprocess.run([sys.executable, "-c", code, PROJECT, probe], capture_output=True, text=True, check=True)
    assert done.stdout == "False connection refused\n"


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET])
def test_unix(kind: int, tmp_path: Path) -> None:
    """A socket that listens, and what is none, or has nobody behind it."""
    path = tmp_path / "s"
    assert told(ask([f"unix:{path}"], LIMIT)) == (False, "no such file or directory")
    with listening(socket.AF_UNIX, str(path), kind):
        assert told(ask([f"unix:{path}"], LIMIT)) == (True, "the socket accepts connections")
    assert told(ask([f"unix:{path}"], LIMIT)) == (False, "connection refused")


def test_unix_in_the_abstract_namespace() -> None:
    """A name behind @ is no file."""
    name = f"probing-{os.getpid()}"
    with listening(socket.AF_UNIX, f"\0{name}"):
        assert ask([f"unix:@{name}"], LIMIT).holds
    assert not ask([f"unix:@{name}"], LIMIT).holds


@pytest.mark.parametrize(
    ("answer", "holds", "words"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nbody", True, "HTTP status 200"),
        (b"HTTP/1.0 302 Found\r\nLocation: /x\r\n\r\n", True, "HTTP status 302"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", False, "HTTP status 503"),
        (b"HTTP/1.1 404\n", False, "HTTP status 404"),
        (b"SSH-2.0-x\r\n", False, "the answer is not HTTP"),
        (b"x" * 100_000, False, "the answer is not HTTP"),
        (b"HTTP/1.1 2x0 \r\n", False, "the answer is not HTTP"),
        (b"", False, "the connection was closed without an answer"),
    ],
)
def test_http(answer: bytes, holds: bool, words: str) -> None:
    """The first line of the answer counts."""
    with answering(answer) as (port, _):
        assert told(ask([f"http://localhost:{port}/health"], LIMIT)) == (holds, words)


def test_what_http_asks() -> None:
    """The request is one that any server knows, with nothing of the table's as it is that could break it."""
    with answering(b"HTTP/1.1 204 \r\n\r\n") as (port, asked):
        assert ask([f"http://127.0.0.1:{port}/a?b=\x01é#"], LIMIT).holds
    assert asked[0].startswith(f"GET /a?b=%01%C3%A9# HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n".encode())
    assert asked[0].endswith(b"\r\n\r\n")


def test_a_server_that_accepts_and_says_nothing() -> None:
    """The time is kept, however slow the other end is."""
    with listening() as server:
        began = time.monotonic()
        answer = ask([f"http://127.0.0.1:{server.getsockname()[1]}/"], 0.3)
    assert told(answer) == (False, "no answer within 0.3 s")
    assert 0.3 <= time.monotonic() - began


def test_file(tmp_path: Path) -> None:
    """Whatever the path leads to is a file, but for a link to nowhere."""
    path = tmp_path / "ready"
    assert told(ask([f"file:{path}"], LIMIT)) == (False, "no such file or directory")
    path.symlink_to(tmp_path / "nowhere")
    assert not ask([f"file:{path}"], LIMIT).holds
    (tmp_path / "nowhere").mkdir()
    assert told(ask([f"file:{path}"], LIMIT)) == (True, "the file is there")


@pytest.mark.parametrize(
    ("script", "holds", "words"),
    [
        ("exit 0", True, "exited with 0"),
        ("exit 3", False, "exited with 3"),
        ("kill -TERM $$", False, "was killed by signal 15"),
        ("kill -PIPE $$", False, "was killed by signal 13"),
    ],
)
def test_command(script: str, holds: bool, words: str) -> None:
    """Exit status 0 holds; no signal is ignored that Python ignores."""
    assert told(ask(["/bin/sh", "-c", script], LIMIT)) == (holds, words)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo a; printf 'b\\033 c\n\n' >&2; exit 3", "exited with 3: b\\x1b c"),
        ("echo fine", "exited with 0"),
        ("echo busy; sleep 1000", "no answer within 2 s: busy"),
        ("head -c 3000000 /dev/zero; echo; echo end; exit 1", "exited with 1: end"),
        ("setsid sleep 1000 & echo $! >pid; echo end; exit 1", "exited with 1: end"),
        ("setsid yes & echo $! >pid; sleep 0.2; exit 1", "exited with 1: y"),
    ],
)
def test_what_a_command_writes(script: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last line is told unless it holds; all is read, and none waits for what goes on in the background."""
    monkeypatch.chdir(tmp_path)
    answer = ask(["/bin/sh", "-c", script], 2.0 if "busy" in script else LIMIT)
    if (tmp_path / "pid").exists():
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert answer.words == words


def test_what_a_command_writes_is_passed_on(tmp_path: Path) -> None:
    """To a descriptor, whole, also if it holds."""
    with (tmp_path / "out").open("wb") as out:
        assert ask(["/bin/sh", "-c", "seq 100000; echo x >&2"], LIMIT, onto=out.fileno()).holds
    assert (tmp_path / "out").read_text() == "".join(f"{n}\n" for n in range(1, 100001)) + "x\n"


def test_a_command_that_cannot_be_executed() -> None:
    """That is an answer, not an error."""
    assert told(ask(["/nowhere"], LIMIT)) == (False, "cannot be asked: no such file or directory")


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("end", ["sleep 1000", "exit 0"])
def test_nothing_of_a_command_is_left_behind(end: str, tmp_path: Path) -> None:
    """Neither when its time is over, nor when it has ended by itself, and whatever it ignores."""
    pid = tmp_path / "pid"
    script = f"trap '' TERM INT; sleep 1000 & echo $! > {pid}.new; mv {pid}.new {pid}; {end}"
    answer = ask(["/bin/sh", "-c", script], 1.0)
    assert answer.holds == (end == "exit 0")
    deadline = time.monotonic() + 20
    while not is_gone(int(pid.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.01)
