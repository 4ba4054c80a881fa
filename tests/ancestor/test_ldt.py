"""Messages of Cluster::Init: eight digits, and a hash; and a client of its time understands them."""

import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from ancestorclient import PERL_CLIENT, need_perl
from answers import answered
from hypothesis import given
from hypothesis import strategies as st

from cltab2systemd.ancestor.messages import LARGEST_FRAME, MAGIC_DIGITS, LdtError, frame, payload_length, unframe
from cltab2systemd.ancestor.storable import StorableError, freeze
from cltab2systemd.text import encoded


def test_a_request() -> None:
    """A message is its length in eight digits, and an array of one hash."""
    request = frame({"group": "foo", "level": "1"})

    assert request == b"00000039" + freeze([{"group": "foo", "level": "1"}])
    assert len(request) == MAGIC_DIGITS + 39


@given(
    st.fixed_dictionaries(
        {},
        optional={name: st.none() | st.text() for name in ("group", "level", "msg", "other", "é")},
    )
)
def test_round_trip(fields: dict[str, str | None]) -> None:
    """What was framed is its length, and comes back: what is missing is missing, what is more is kept."""
    framed = frame(fields)

    assert payload_length(framed[:MAGIC_DIGITS]) == len(framed) - MAGIC_DIGITS
    assert unframe(framed[MAGIC_DIGITS:]) == fields


@pytest.mark.parametrize(
    ("header", "expected"), [(b"00000000", 0), (b"00000041", 41), (b"00065536", LARGEST_FRAME)], ids=repr
)
def test_lengths(header: bytes, expected: int) -> None:
    """A length is decimal, up to the longest."""
    assert payload_length(header) == expected


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"0",
        b"0000041",
        b"000000041",
        b"      41",
        b"+0000041",
        b"-0000041",
        b"0000_041",
        b"0x000041",
        b"GET / HT",
        b'{"method',
        b"00000041\n",
        b"0000041\n",
        b"\0" * 8,
        "٠٠٠٤".encode(),
        b"\xb2" * 8,
    ],
    ids=repr,
)
def test_no_lengths(header: bytes) -> None:
    """Anything but eight ASCII digits is no length, also where Python would read a number."""
    with pytest.raises(LdtError, match="a message starts with 8 digits"):
        payload_length(header)


@pytest.mark.parametrize("header", [b"00065537", b"99999999"], ids=repr)
def test_lengths_beyond_the_limit(header: bytes) -> None:
    """A length of more than the longest message is refused before anything is read."""
    with pytest.raises(LdtError, match=rf"^{int(header)} bytes, more than the 65536"):
        payload_length(header)


def test_the_longest_message() -> None:
    """What is sent keeps to the limit as well."""
    around = len(frame({"msg": "x" * 256})) - MAGIC_DIGITS - 256
    longest = LARGEST_FRAME - around

    assert payload_length(frame({"msg": "x" * longest})[:MAGIC_DIGITS]) == LARGEST_FRAME
    with pytest.raises(LdtError, match=r"^65537 bytes"):
        frame({"msg": "x" * (longest + 1)})


def test_text_that_no_bytes_can_be() -> None:
    """A surrogate that stands for no byte does not go out."""
    with pytest.raises(LdtError, match="cannot be stored") as caught:
        frame({"msg": "\ud800"})
    assert isinstance(caught.value.__cause__, StorableError)


@pytest.mark.parametrize("count", [0, 2, 3])
def test_one_hash(count: int) -> None:
    """A message is exactly one hash."""
    with pytest.raises(LdtError, match=f"one hash, not {count}"):
        unframe(freeze([{"group": "foo"}] * count))


def test_not_frozen() -> None:
    """What Storable refuses is no message, and the text says why."""
    with pytest.raises(LdtError, match=r"^not a frozen message: at byte 0: ") as caught:
        unframe(b"hello")
    assert isinstance(caught.value.__cause__, StorableError)


@given(st.binary())
def test_any_bytes(data: bytes) -> None:
    """Any bytes are a message or an LdtError."""
    with suppress(LdtError):
        payload_length(data[:MAGIC_DIGITS])
    with suppress(LdtError):
        unframe(data)


# --- a client of its time ---------------------------------------------------------------------------------------------


def received(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := connection.recv(size - len(data))):
        data += more
    return data


class Daemon(threading.Thread):
    """Takes one request, gives one answer, and closes."""

    def __init__(self, path: Path, answer: bytes) -> None:
        super().__init__()
        self._answer = answer
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.settimeout(10)
        self._listening.bind(str(path))
        self._listening.listen()
        self.request: dict[str, str | None] = {}

    def run(self) -> None:
        with self._listening, self._listening.accept()[0] as connection:
            length = payload_length(received(connection, MAGIC_DIGITS))
            self.request = unframe(received(connection, length))
            connection.sendall(self._answer)


def told(
    path: Path, answer: bytes, *arguments: bytes | str
) -> tuple[dict[str, str | None], subprocess.CompletedProcess[bytes]]:
    """What the client asked, and what became of it."""
    need_perl()
    daemon = Daemon(path, answer)
    daemon.start()
    done = subprocess.run(["perl", PERL_CLIENT, path, *arguments], capture_output=True, timeout=20, check=False)
    daemon.join(20)
    return daemon.request, done


@pytest.mark.parametrize(
    ("arguments", "request_"),
    [
        (("foo", "1"), {"group": "foo", "level": "1"}),
        (("foo", "1", "int"), {"group": "foo", "level": "1"}),
        (("foo", "70000", "int"), {"group": "foo", "level": "70000"}),
        (("foo", "bar", "int"), {"group": "foo", "level": "bar"}),
        (("::ALL::", "::REREAD::"), {"group": "::ALL::", "level": "::REREAD::"}),
        (("café", b"\xe9"), {"group": "café", "level": "\udce9"}),
    ],
    ids=str,
)
def test_a_client_of_its_time(tmp_path: Path, arguments: tuple[str], request_: dict[str, str | None]) -> None:
    """What the client asks arrives, and it prints the text of the answer."""
    answer = frame({"group": "foo", "level": "1", "msg": "level transition started", "more": None})
    request, done = told(tmp_path / "socket", answer, *arguments)

    assert request_ == request
    answered(done, code=0, out=b"level transition started\n", err=b"")


@pytest.mark.parametrize(
    "text", ["no such group: é€", "no such group: \udce9", "x" * 60_000], ids=lambda text: text[:20]
)
def test_the_client_prints_any_text(tmp_path: Path, text: str) -> None:
    """The text is printed as its bytes, characters or not."""
    _, done = told(tmp_path / "socket", frame({"msg": text}), "foo", "1")

    answered(done, code=0, out=encoded(text) + b"\n")


@pytest.mark.parametrize("answer", [b"", b"0000", b"garbage.", b"00000041\x05", b"00000002\x05\x05"], ids=repr)
def test_the_client_gets_no_reply(tmp_path: Path, answer: bytes) -> None:
    """A connection that closes without a whole answer is a failure."""
    _, done = told(tmp_path / "socket", answer, "foo", "1")

    answered(done, code=1, out=b"")
