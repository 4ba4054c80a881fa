"""Runs inside the node, as a script of its own: many clients at once, good and bad, and what they leave behind.

Standard input is JSON: the groups, and how many blocks of how many requests and switches. Standard output is a line of
JSON after each block, and one before the first: what the daemon and PID 1 hold. Only the standard library, and nothing
of the project.
"""

import asyncio
import collections
import itertools
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

_SOCKET = "/run/clinit/clinit.s"
_TABLE = Path("/etc/cltab")
_CLIENTS = 32
# How often the table is another one, in each block.
_PUSHES = 5
_INTERFACE = "org.clinit.Manager"
# Once in how many switches a level is one that no entry names, and that was never asked for before; and once in how
# many the next one comes before it has ended.
_STRANGE = 10
_HASTY = 20


def main() -> None:
    """Load the daemon, block by block."""
    order: dict[str, Any] = json.load(sys.stdin)
    asyncio.run(_Load(order).run())


def _varlink(method: str, **parameters: object) -> bytes:
    return json.dumps({"method": method, "parameters": parameters}).encode() + b"\0"


def _scalar(text: str) -> bytes:
    return bytes((10, len(text))) + text.encode()


def _ldt(**fields: str) -> bytes:
    """A message as Perl's nfreeze would make it: an array of one hash."""
    pairs = b"".join(_scalar(text) + len(name).to_bytes(4) + name.encode() for name, text in fields.items())
    payload = b"\x05\x0b\x02\0\0\0\x01\x04\x03" + len(fields).to_bytes(4) + pairs
    return b"%08d" % len(payload) + payload


_GOOD = (
    _varlink(f"{_INTERFACE}.Status"),
    _varlink(f"{_INTERFACE}.Status", group="g1"),
    _varlink("org.varlink.service.GetInfo"),
    _varlink("org.varlink.service.GetInterfaceDescription", interface=_INTERFACE),
    _varlink(f"{_INTERFACE}.Reread"),
    _varlink(f"{_INTERFACE}.Status") * 5,
    _ldt(level="1"),
)
_BAD = (
    _varlink(f"{_INTERFACE}.Switch", group="no-such-group", level="1"),
    _varlink(f"{_INTERFACE}.Switch", group="g1", level="a b"),
    _varlink(f"{_INTERFACE}.Switch", group="g1", level="x" * 300),
    _varlink(f"{_INTERFACE}.Switch", group="g1"),
    _varlink(f"{_INTERFACE}.Switch", group=7, level=[]),
    _varlink(f"{_INTERFACE}.Status", group="\ud800"),
    _varlink(f"{_INTERFACE}.NoSuchMethod"),
    _varlink("org.varlink.service.GetInterfaceDescription", interface="org.example"),
    _ldt(group="no-such-group", level="1"),
    _ldt(group="g1", level="a b"),
)
_MALFORMED = (
    b"",
    b"\0",
    b"{",
    b"no JSON\0",
    b"[1, 2]\0",
    b'{"method": 7}\0',
    b'{"parameters": {}}\0',
    b"[" * 60_000 + b"\0",
    b"{" + b" " * 70_000 + b"}\0",
    b'{"method": "' + b"\xff" * 1000 + b'"}\0',
    b"0000",
    b"12345",
    b"99999999",
    b"0000000x",
    b"00000010truncated"[:12],
    b"00000010" + b"\xff" * 10,
    b"00000009\x05\x0b\x02\xff\xff\xff\xff\x04\x03",
    _ldt(group="g1", level="1")[:-3],
)


class _Load:
    def __init__(self, order: dict[str, Any]) -> None:
        self._groups: list[str] = order["groups"]
        self._blocks: int = order["blocks"]
        self._requests: int = order["requests"]
        self._switches: int = order["switches"]
        self._table = _TABLE.read_bytes()
        self._kinds = _interleaved()
        self._numbers = itertools.count(1)
        self._answers: collections.Counter[str] = collections.Counter()
        self._outcomes: collections.Counter[str] = collections.Counter()
        self._daemon = int(_show("MainPID", "clinit.service"))

    async def run(self) -> None:
        for number in range(self._blocks + 1):
            begin = time.monotonic()
            if number:
                await self._block(number)
            sample = self._sample() | {"block": number, "seconds": time.monotonic() - begin}
            print(json.dumps(sample), flush=True)

    async def _block(self, number: int) -> None:
        requests = iter(range(self._requests))
        switches = iter(range(self._switches))
        clients = [self._ask(requests) for _ in range(_CLIENTS)]
        movers = [self._move(group, switches) for group in self._groups]
        await asyncio.gather(*clients, *movers, self._push(number))
        # Until what systemd collects is collected, and the last line is logged.
        await asyncio.sleep(2)

    async def _ask(self, turns: Iterator[int]) -> None:
        for _ in turns:
            request = next(self._kinds)
            reader, writer = await asyncio.open_unix_connection(_SOCKET)
            with suppress(OSError):
                writer.write(request)
                writer.write_eof()
                answer = await reader.read()
                self._answers[_kind_of(answer)] += 1
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _move(self, group: str, turns: Iterator[int]) -> None:
        levels = itertools.cycle("12341230")
        for _ in turns:
            number = next(self._numbers)
            level = f"strange{number}" if number % _STRANGE == 0 else next(levels)
            if number % _HASTY == 0:
                await self._switch_for_old_clients(group, "2")
            self._outcomes[await self._switch(group, level)] += 1
        # Each block ends alike.
        await self._switch(group, "1")

    async def _switch(self, group: str, level: str) -> str:
        """Switch and wait for the outcome."""
        call = {"method": f"{_INTERFACE}.Switch", "parameters": {"group": group, "level": level}, "more": True}
        reader, writer = await asyncio.open_unix_connection(_SOCKET)
        writer.write(json.dumps(call).encode() + b"\0")
        reply: dict[str, Any] = {"continues": True}
        while reply.get("continues"):
            reply = json.loads((await reader.readuntil(b"\0"))[:-1])
        writer.close()
        await writer.wait_closed()
        return str(reply.get("error") or reply["parameters"]["status"]["state"])

    async def _switch_for_old_clients(self, group: str, level: str) -> None:
        """Switch by the ancestor's protocol, which does not tell the outcome."""
        reader, writer = await asyncio.open_unix_connection(_SOCKET)
        writer.write(_ldt(group=group, level=level))
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async def _push(self, block: int) -> None:
        """Push a table in which one group, which is at no level, has other lines."""
        for number in range(_PUSHES):
            await asyncio.sleep(1)
            new = _TABLE.with_name("cltab.new")
            new.write_bytes(self._table + b"extra:extra_entry:1:once:true %d\n" % (block * _PUSHES + number))
            new.rename(_TABLE)

    def _sample(self) -> dict[str, Any]:
        return {
            "pid": int(_show("MainPID", "clinit.service")) == self._daemon,
            "daemon": _resident(self._daemon),
            "files": sum(1 for _ in Path(f"/proc/{self._daemon}/fd").iterdir()),
            "manager": _resident(1),
            "units": int(_show("NNames")),
            "jobs": int(_show("NJobs")),
            "refused": _refused(),
            "answers": self._answers,
            "outcomes": self._outcomes,
        }


def _interleaved() -> Iterator[bytes]:
    """Good, bad and malformed requests in turn, without end."""
    for trio in zip(itertools.cycle(_GOOD), itertools.cycle(_BAD), itertools.cycle(_MALFORMED), strict=False):
        yield from trio


def _kind_of(answer: bytes) -> str:
    if not answer:
        return "closed without an answer"
    if answer[:1].isdigit():
        return "answer for an old client"
    return "error" if b'{"error"' in answer else "reply"


def _show(name: str, *unit: str) -> str:
    argv = ["systemctl", "show", "--value", f"--property={name}", *unit]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def _resident(pid: int) -> int:
    """The resident memory of a process, in KiB."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) if found else 0


def _refused() -> int:
    """How many calls systemd has answered with an error so far, see bench.soak."""
    return Path("/run/refused").read_bytes().count(b"\n")


if __name__ == "__main__":
    main()
