"""Tables to fuzz with: from plain noise to tables that only just are none, and some that are.

Noise never gets far, so most cases are put together by the grammar, from pieces that are awkward for somebody: a unit
file, a unit name, a specifier, a shell, a reader of lines. Then some bytes are spoilt.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

_PROJECT = Path(__file__).parent.parent

NAMES = (
    b"web", b"db", b"a", b"b", b"1", b"0", b"12", b"a-b", b"a/b", b"/", b".", b"..", b".x", b"-", b"--", b"_", b"@",
    b"x@y", b"x@.service", b"%", b"%i", b"%%n", b"\\", b"back\\", b"\\x2d", b"$", b"$HOME", b"${X}", b'"q"', b"'", b"#",
    b"[Unit]", b"=", b"a=b", b";", b"*", b"?", b"unnamed", b"a-unnamed", b"\xc3\xa9", b"\xe6\x95\xb0", b"\xff", b"\xc3",
    b"\xed\xa0\x80", b"\xef\xbf\xbe", b"\xef\xb7\x90", b"\xe2\x80\xa8", b"\xc2\x85", b"\xc2\xa0", b"\xf4\x8f\xbf\xbf",
)  # fmt: skip
LEVELS = (b"1", b"2", b"12", b"123", b"long,", b"long1,long2", b"1,,2", b",", b",,", b",1", b"start", b"0,00")
MODES = (b"wait", b"respawn", b"once", b"test", b"off")
WRONG_MODES = (b"", b"Wait", b"wait ", b"boot", b"wait\r", b"respwan", b"w", b"\xff")
COMMANDS = (
    b"true", b"", b" ", b"sleep 1; exit 3", b"a #b", b"echo $$ %n \\", b"\\", b"a \\\\", b"%", b"$", b"x\rExecStart=y",
    b"[Service]", b"ExecStart=/bin/sh", b"a:b:c::", b"A=1 b", b"exec a", b". ./a", b"a 2>&1", b" 2>&1", b"'\"`", b"\t",
    b"\x01\x7f\x1b[0m", b"\xff\xfe", b"caf\xc3\xa9 \xe6\x95\xb0", b"\xef\xbf\xbe", b"\xe2\x80\xa8", b"\xc2\x85", b"-x",
    b"@x y", b"!x", b"+x", b"a\\x41", b"a\\\nb", b"a\r", b"\xed\xb3\xbf",
)  # fmt: skip
DIRECTIVES = (
    b"User=www", b"MemoryMax=1G", b"CPUWeight = 50", b"Environment=A=%i", b"Environment=", b"KillMode=process", b" X=1",
    b"SyslogIdentifier=x", b"RuntimeDirectory=", b"TimeoutStopSec=9", b"LimitNOFILE=1:2", b"[Service]", b"# X=1", b"",
    b"Type=notify", b"NotifyAccess=all", b"TimeoutStartSec=0",
    b"=", b"x=1", b"Type=simple", b"ExecStart=/bin/x", b"After=x", b"ConditionHost=x", b"X", b"X=\\", b"X=a\\\r",
    b"X=\xff", b"X=\xef\xbf\xbe", b"X=a\tb", b"X=\x01", b"X=a\rY=b", b"X= \xc2\xa0", b"\xc2\xa0X=1", b"X\xc3\xa9=1",
    b"X=\xe2\x80\xa8",
)  # fmt: skip
VALUES = (
    b"yes", b"ordered", b"tcp:80", b"tcp:", b"unix:@x", b"http://[::1]/%s", b"group:web:1", b"group:a", b"group:db",
    b"timeout=9s file:/a", b"timeout=1h x", b"timeout=0 x", b"timeout=1s", b"1s failures=2 tcp:1", b"5s x", b"9h a=b x",
    b"1min action=restart file:/\xff", b"interval x", b"timeout=1e9s x", b"timeout=\xd9\xa1s x",
)  # fmt: skip
_OF_ENTRIES = (
    (b"service", DIRECTIVES), (b"service", DIRECTIVES), (b"ready", VALUES + COMMANDS), (b"required", (b"yes", b"no")),
    (b"preflight", VALUES + COMMANDS), (b"health", VALUES + COMMANDS),
)  # fmt: skip
_OF_GROUPS = (
    (b"services", DIRECTIVES), (b"group", DIRECTIVES), (b"initdefault", LEVELS + NAMES), (b"stop", (b"ordered", b"")),
    (b"levels", LEVELS + NAMES),
)  # fmt: skip
SETTINGS = (
    b":::socket:/run/s", b":::clstat:/a:b", b":::", b":::x", b"::::x", b":::x:", b":::service.", b":::group.:X=1",
    b":::service.:X=1", b":::initdefault.:1", b":::initdefault:1", b":::group:X=1", b":::initdefault.a:", b":::a\0b:c",
)  # fmt: skip
OTHER_LINES = (
    b"",
    b" ",
    b"\t\r",
    b"#",
    b"# a:b:1:wait:x",
    b" #",
    b"word",
    b"a:b:1:wait",
    b"\0",
    b"\xef\xbb\xbf",
    b"\r",
)
TOKENS = (
    b":", b":", b"::", b":::", b"\n", b"\n", b"\r\n", b"\r", b"#", b",", b" ", b"\t", b"\0", b"\xff", b"\\", b"%", b"$",
    b'"', b"=", b"\xef\xbb\xbf", b"web", b"1", b"wait", b"off", b":::service.", b":::group.", b":::initdefault.",
    b"X=1", b"\x7f",
)  # fmt: skip


def table(source: random.Random) -> bytes:
    """One table, of any kind."""
    kind = source.random()
    if kind < 0.1:
        return source.randbytes(source.randrange(60))
    if kind < 0.2:
        return b"".join(source.choices(TOKENS, k=source.randrange(40)))
    if kind < 0.2005:
        return big(source)
    lines = _known(source) if kind < 0.3 else _made(source)
    data = b"\n".join(lines) + source.choice((b"\n", b"\n", b"\n", b"", b"\r\n"))
    while source.random() < 0.4:
        data = source.choice(_MUTATIONS)(source, data)
    return data


def _made(source: random.Random) -> list[bytes]:
    """Lines by the grammar. Groups and tags are few, so that lines have to do with each other."""
    groups = source.choices(NAMES, k=2)
    tags = source.sample(NAMES, 4)
    lines = []
    for tag in tags[: source.randrange(1, 5)]:
        levels = source.choice(source.choice((LEVELS, NAMES)))
        mode = source.choice(MODES if source.random() < 0.95 else WRONG_MODES)
        lines.append(b":".join((source.choice(groups), tag, levels, mode, source.choice(COMMANDS))))
    while source.random() < 0.4:
        lines.insert(source.randrange(len(lines) + 1), _other(source, groups, tags))
    return lines


def _other(source: random.Random, groups: list[bytes], tags: list[bytes]) -> bytes:
    """A line that is no entry: a directive, a boot level, what else is set of entries, a comment, nonsense."""
    kind = source.randrange(7)
    if kind < 4:
        of_entry = source.random() < 0.5
        about, values = source.choice(_OF_ENTRIES if of_entry else _OF_GROUPS)
        return b":::" + about + b"." + source.choice(tags if of_entry else groups) + b":" + source.choice(values)
    return source.choice(SETTINGS if kind == 4 else OTHER_LINES)


@functools.cache
def _known_tables() -> tuple[list[bytes], ...]:
    """The lines of each table of the tests, but for the huge."""
    paths = sorted((_PROJECT / "tests").glob("**/*.cltab"))
    texts = (path.read_bytes() for path in paths)
    return tuple(text.split(b"\n") for text in texts if len(text) < 10_000)


def _known(source: random.Random) -> list[bytes]:
    """A few lines in a row out of a table of the tests."""
    lines = source.choice(_known_tables())
    start = source.randrange(len(lines))
    return lines[start : start + source.randrange(1, 6)]


def big(source: random.Random) -> bytes:
    """A table at or beyond a limit: of a name, of a command, of a line, of the number of findings."""
    kind = source.randrange(4)
    if kind == 0:
        return b"g:t:1:wait:" + source.choice((b"x", b"\xff", b"\xc3\xa9", b"%")) * source.randrange(60_000, 140_000)
    if kind == 1:
        return source.choice((b"x", b":", b":::x:", b"g:t:1:", b"# ")) * source.randrange(20_000, 140_000)
    if kind == 2:
        return source.choice((b"word\n", b"g:t:1:wait:x\n", b"::::\n", b"\0\n", b":::x\n")) * source.randrange(2_500)
    return b"".join(b"g:t%d:%d,a:wait:x\n" % (number, number % 9) for number in range(source.randrange(300)))


def _insert(source: random.Random, data: bytes) -> bytes:
    at = source.randrange(len(data) + 1)
    pieces = source.choice((TOKENS, NAMES, COMMANDS, DIRECTIVES))
    return data[:at] + source.choice(pieces) + data[at:]


def _delete(source: random.Random, data: bytes) -> bytes:
    start = source.randrange(len(data) + 1)
    return data[:start] + data[start + source.randrange(1, 6) :]


def _replace_byte(source: random.Random, data: bytes) -> bytes:
    at = source.randrange(len(data) + 1)
    return data[:at] + source.randbytes(1) + data[at + 1 :]


def _repeat(source: random.Random, data: bytes) -> bytes:
    """Make something long: a field up to and over the longest name."""
    start = source.randrange(len(data) + 1)
    piece = data[start : start + source.randrange(1, 4)]
    return data[:start] + piece * source.randrange(2, 280) + data[start:]


def _swap_lines(source: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    source.shuffle(lines)
    return b"\n".join(lines)


def _double_line(source: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    lines.insert(source.randrange(len(lines) + 1), source.choice(lines))
    return b"\n".join(lines)


def _swap_fields(source: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    at = source.randrange(len(lines))
    fields = lines[at].split(b":")
    source.shuffle(fields)
    lines[at] = b":".join(fields)
    return b"\n".join(lines)


def _cut(source: random.Random, data: bytes) -> bytes:
    return data[: source.randrange(len(data) + 1)]


_MUTATIONS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _insert, _insert, _delete, _replace_byte, _repeat, _swap_lines, _double_line, _swap_fields, _cut,
)  # fmt: skip
