"""The target for varlink: any bytes from a client give replies that varlink knows, or close the connection."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

from cltab2systemd import varlink
from cltab2systemd.ancestor.messages import LdtError
from fuzz.connection import GROUPS, PEERS, Outcome, check_error, daemon, measured

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

# After a call, a client may go on in the other protocol.
_CLOSED = (varlink.ProtocolError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, LdtError)
_KNOWN_ERRORS = {
    f"{interface}.{name}"
    for interface, text in (
        (varlink.INTERFACE, varlink.DESCRIPTION),
        (varlink.SERVICE, varlink.SERVICE_DESCRIPTION),
    )
    for name in re.findall(r"^error (\w+)", text, re.MULTILINE)
}

_METHODS: tuple[object, ...] = (
    *(f"{varlink.INTERFACE}.{name}" for name in (
        "Switch", "Switch", "Switch", "Try", "Keep", "Entries", "Status", "Status", "Describe", "Reread", "Apply",
        "Halt",
    )),
    f"{varlink.SERVICE}.GetInfo", *2 * (f"{varlink.SERVICE}.GetInterfaceDescription",), "org.clinit.Manager", "", ".",
    "x" * 500, "org.clinit.Manager.switch", "org.clinit.Manager.Switch ", "__class__", 7, None, [], {}, True,
)  # fmt: skip
_NAMES = ("group", "groups", "level", "interface", "more", "method", "parameters", "", "__class__", "x")
_LEVELS = ("1", "2", "long", "数", "\udcff", ":::SHUTDOWN:::")
_TEXTS = (
    *GROUPS, "web", "1", "2", "123", "no-such", "", " ", "a b", "a\tb", "a\nb", "\0", "..", ".", "/", "a/../b",
    "%n", "$HOME", "\\", '"', "@", "x" * 200, "x" * 255, "é" * 200, "\udcff", "\udcff" * 90, "\ud800", "\U0001f600",
    "\u2028", ":::SHUTDOWN:::", "org.clinit.Manager", "org.varlink.service", "-", "a-unnamed", "\x7f", "\x1b[0m",
)  # fmt: skip
_TOKENS = (
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"\0", b"\0", b"null", b"true", b"-0", b"1e999", b"NaN", b"Infinity",
    b'"\\u0000"', b'"\\ud800"', b"\\", b'"method"', b'"parameters"', b'"org.clinit.Manager.Status"', b"\xff",
    b"\xef\xbb\xbf", b" ", b"\n", b"0", b"9" * 30,
)  # fmt: skip


def make(source: random.Random) -> bytes:
    """What a client sends in one connection."""
    kind = source.random()
    if kind < 0.08:
        return source.randbytes(source.randrange(80))
    if kind < 0.2:
        return b"".join(source.choices(_TOKENS, k=source.randrange(30)))
    if kind < 0.202:
        return big(source)
    data = b"".join(_message(source) + b"\0" for _ in range(source.choice((1, 1, 1, 2, 3))))
    while source.random() < 0.4:
        data = source.choice(_MUTATIONS)(source, data)
    return data


def _message(source: random.Random) -> bytes:
    call: dict[str, Any] = {"method": source.choice(_METHODS)}
    if source.random() < 0.9:
        call["parameters"] = _parameters(source)
    for name in ("more", "oneway", "upgrade"):
        if source.random() < 0.2:
            call[name] = source.choice((True, True, False, None, 1, "true"))
    if source.random() < 0.05:
        call[source.choice(_NAMES)] = _value(source, 3)
    items = list(call.items())
    source.shuffle(items)
    return json.dumps(dict(items), ensure_ascii=source.random() < 0.5).encode(errors="surrogatepass")


def _parameters(source: random.Random) -> object:
    if source.random() < 0.1:
        return {
            "group": source.choice(source.choice((GROUPS, _TEXTS))),
            "action": source.choice(("restart", "stop", "stop", *_TEXTS)),
            "tags": [source.choice(_TEXTS) for _ in range(source.randrange(4))],
        }
    if source.random() < 0.7:
        return {
            "group": source.choice(source.choice((GROUPS, _TEXTS))) if source.random() < 0.9 else _value(source, 2),
            "level": source.choice(source.choice((_LEVELS, _TEXTS))) if source.random() < 0.9 else _value(source, 2),
            **({"progress": source.choice((True, True, False, None, 1))} if source.random() < 0.1 else {}),
            **({"usec": source.choice((1, 10**9, 10**15, 0, -1, True, 1.5, "1"))} if source.random() < 0.2 else {}),
        }
    return _value(source, 3) if source.random() < 0.3 else {source.choice(_NAMES): _value(source, 2)}


def _value(source: random.Random, depth: int) -> object:
    kind = source.randrange(8)
    if kind == 0 and depth:
        return [_value(source, depth - 1) for _ in range(source.randrange(4))]
    if kind == 1 and depth:
        return {source.choice(_NAMES): _value(source, depth - 1) for _ in range(source.randrange(4))}
    if kind == 2:
        return source.choice((None, True, False))
    if kind == 3:
        return source.choice((0, -1, 2**63, -(2**70), 1.5, 1e308, float("nan"), float("inf"), 10**400))
    return source.choice(_TEXTS)


def big(source: random.Random) -> bytes:
    """Long, deep, or many: what is at the limit of a request, or beyond it."""
    size = source.choice((65_535, 65_536, 65_537, 200_000, source.randrange(10_000, 140_000)))
    group = b'{"method":"org.clinit.Manager.Switch","parameters":{"group":"web","level":"'
    status = b'{"method":"org.clinit.Manager.Status","parameters":{"x":['
    whole = source.choice((b"\0", b"{}\0", b" ", b'{"method":"x"}\0', b'{"method":"org.varlink.service.GetInfo"}\0'))
    item = source.choice((b"{},", b"[],", b"0,", b'"",', b'{"":0},', b"1e9,"))
    makers: tuple[Callable[[], bytes], ...] = (
        lambda: b"[" * size + b"\0",
        lambda: b'{"a":' * (size // 5) + b"\0",
        lambda: b"[" + item * (size // len(item)) + b"0]\0",
        lambda: status + item * (size // 2 // len(item)) + b"0]}}\0",
        lambda: group + b"x" * size + b'"}}\0',
        lambda: b"{" + b",".join(b'"%d":0' % number for number in range(size // 9)) + b"}\0",
        lambda: b'{"a":' + b"9" * size + b"}\0",
        lambda: whole * (size // source.choice((16, 50))),
    )
    return source.choice(makers)()


def _insert(source: random.Random, data: bytes) -> bytes:
    at = source.randrange(len(data) + 1)
    return data[:at] + source.choice(_TOKENS) + data[at:]


def _delete(source: random.Random, data: bytes) -> bytes:
    start = source.randrange(len(data) + 1)
    return data[:start] + data[start + source.randrange(1, 8) :]


def _replace_byte(source: random.Random, data: bytes) -> bytes:
    at = source.randrange(len(data) + 1)
    return data[:at] + source.randbytes(1) + data[at + 1 :]


def _repeat(source: random.Random, data: bytes) -> bytes:
    start = source.randrange(len(data) + 1)
    piece = data[start : start + source.randrange(1, 6)]
    return data[:start] + piece * source.randrange(2, 300) + data[start:]


def _cut(source: random.Random, data: bytes) -> bytes:
    return data[: source.randrange(len(data) + 1)]


_MUTATIONS: tuple[Callable[[random.Random, bytes], bytes], ...] = (_insert, _delete, _replace_byte, _repeat, _cut)


def check(data: bytes) -> Iterator[str]:
    """Check all that has to hold for a client who sends these bytes."""
    if data[:1].isdigit():
        data = b" " + data  # that would be the other protocol
    outcome = measured(data, daemon().converse)
    yield from _check_replies(outcome, data.count(b"\0"))
    if outcome.error is not None:
        yield check_error(outcome.error, _CLOSED)
    elif outcome.waiting:
        yield "follows the status"
    else:
        yield "heard to its end"


def _check_replies(outcome: Outcome, messages: int) -> Iterator[str]:
    """All replies are messages of varlink, and there are no more than calls can have."""
    *replies, rest = outcome.replies.split(b"\0")
    if rest[:1].isdigit() or (replies and replies[-1][:1].isdigit()):
        return  # the last reply is one of the other protocol
    assert not rest
    found = [json.loads(data) for data in replies]
    assert sum("progress" not in reply["parameters"] for reply in found) <= 2 * messages
    for reply in found:
        assert {"parameters"} <= reply.keys() <= {"parameters", "error", "continues"}, reply
        assert isinstance(reply["parameters"], dict)
        if "error" in reply:
            assert reply["error"] in _KNOWN_ERRORS, reply
            assert "continues" not in reply
            yield f"error {reply['error'].rpartition('.')[2]}"
        else:
            assert reply.get("continues", True) is True
            yield "reply"
        changed = "level transition started" in str(reply["parameters"].get("message", ""))
        assert not changed or outcome.peer is not PEERS[2], "somebody without the right has switched a group"
