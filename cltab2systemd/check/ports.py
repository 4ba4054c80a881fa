"""Ports on which the programs of a table listen, as far as their arguments tell; entries that have the same. Pure.

The rows are data; sources are the manual pages of the programs, or what they say with --help. What a configuration file
says, and what a program does without arguments, is not known here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from cltab2systemd.check.needs import Kind, needs
from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.check.needs import Need
    from cltab2systemd.table.model import Entry, Table


class Claim(NamedTuple):
    """An address and a TCP port; an empty address is all of them."""

    address: str
    port: int

    def excludes(self, other: Claim) -> bool:
        """Whether not both can be listened on."""
        return self.port == other.port and (not self.address or not other.address or self.address == other.address)


@dataclass(frozen=True, slots=True)
class Listener:
    """Programs, and what is found in their arguments, matched as ` ARGUMENT  ARGUMENT `, if they listen.

    The group of a pattern is a port, or an address and a port. `address` is what finds an address that stands alone.
    """

    names: str
    patterns: tuple[str, ...]
    address: str = ""


def _valued(options: str, value: str = r"\S+") -> str:
    """The pattern of an option with its value, in the same word or in the next one."""
    short = [option for option in options.split() if not option.startswith("--")]
    long = [option for option in options.split() if option.startswith("--")]
    forms = [rf" {re.escape(option)}(?:=|  )({value}) " for option in long]
    forms += [rf" {re.escape(option)}(?:  )?({value}) " for option in short]
    return "|".join(forms)


_NUMBER = r"\d{1,5}"
_NC = r"^(?=.* -[A-Za-z]*l[A-Za-z]* )"
LISTENERS = (
    Listener("python python3", (rf" -m  http\.server (?:.*? )?({_NUMBER}) ",), _valued("-b --bind")),
    # Of a word with an `l` among its letters; the port is that of -p, or the last word.
    Listener("nc ncat netcat", (rf"{_NC}.* -[A-Za-z]*p  ({_NUMBER}) ", rf"{_NC}.* ({_NUMBER}) $")),
    Listener("socat", (rf"(?i)tcp[46]?-l(?:isten)?:({_NUMBER})\b(?!\S*reuseport)",)),
    Listener("gunicorn gunicorn3 hypercorn", (_valued("-b --bind"),)),
    Listener("uvicorn daphne", (_valued("--port -p", _NUMBER),), _valued("--host -b")),
    Listener("redis-server valkey-server", (_valued("--port", _NUMBER),), _valued("--bind")),
    Listener("mongod mysqld mariadbd", (_valued("--port", _NUMBER),), _valued("--bind_ip --bind-address")),
    Listener("memcached", (_valued("-p --port", _NUMBER),), _valued("-l --listen")),
    Listener("mosquitto beanstalkd sshd postgres thttpd", (_valued("-p", _NUMBER),)),
    Listener("php", (_valued("-S"),)),
    Listener("puma", (_valued("-p --port", _NUMBER), r" (?:-b|--bind)(?:=|  )tcp://(\S+?) ")),
    Listener("flask rackup darkhttpd http-server", (_valued("-p --port", _NUMBER),)),
    Listener("iperf3", (r"(?= .*-s ).* -p  (\d+) ",)),
    Listener("docker podman", (r" run .*? (?:-p|--publish)(?:=|  )((?:[\d.]+:)?\d+):\d+(?:/tcp)? ",)),
)  # fmt: skip
_ROW_OF = {name: row for row in LISTENERS for name in row.names.split()}
# Options by which any program is told where to listen.
_ANY = re.compile(
    r" --?(?:[a-z]+[.-])?(?:listen|listen-addr|listen-address|bind|bind-addr|http-address)(?:=|  )(\S*:\d{1,5}) "
    r"| (?:-D|--)server\.port=(\d{1,5}) "
)
_LISTENING = re.compile(r"[0-9]{2}")
_SHARING = re.compile(r"reuse[-_]?port", re.IGNORECASE)
_VALUE = re.compile(r"(?:(?P<address>[^/@]*):)?(?P<port>\d{1,5})")
_ANYWHERE = frozenset(["", "*", "0.0.0.0", "[::]", "::"])  # noqa: S104 - they are read, not bound to
# Directives that give an entry a network of its own.
_OWN_NETWORK = frozenset(["NetworkNamespacePath", "PrivateNetwork"])
_HIGHEST = 65535
# So many entries with one port are compared with those behind them.
_MOST_HOLDERS = 100


def claim(text: str) -> Claim | None:
    """What is listened on by a text such as `8080`, `:8080` or `127.0.0.1:8080`; None if it is no such text."""
    match = _VALUE.fullmatch(text)
    if match is None or not 0 < int(match["port"]) <= _HIGHEST:
        return None
    address = match["address"] or ""
    return Claim("" if address in _ANYWHERE else address.replace("localhost", "127.0.0.1"), int(match["port"]))


def claims_of(name: str, arguments: tuple[str, ...]) -> tuple[Claim, ...]:
    """What a program listens on that is given arguments."""
    text = "".join(f" {argument} " for argument in arguments)
    if _SHARING.search(text):
        return ()
    row = _ROW_OF.get(name)
    patterns = row.patterns if row else ()
    found = next((match for pattern in patterns if (match := re.search(pattern, text))), None) or _ANY.search(text)
    if found is None:
        return ()
    value = claim(next(filter(None, found.groups())))
    if value is None:
        return ()
    if row and row.address and not value.address and (match := re.search(row.address, text)):
        alone = next(filter(None, match.groups()))
        return (Claim("" if alone in _ANYWHERE else alone.replace("localhost", "127.0.0.1"), value.port),)
    return (value,)


def claims(entry: Entry) -> tuple[tuple[Claim, Need], ...]:
    """What an entry that goes on to run listens on, each with the program that does."""
    if not entry.mode.may_run_on or not _LISTENING.search(entry.command):
        return ()
    if any(directive.name in _OWN_NETWORK for directive in entry.directives):
        return ()
    programs = [need for need in needs(entry.command) if need.kind is Kind.PROGRAM]
    if not programs:
        return ()
    need = programs[-1]  # the others are its wrappers, or end before it
    return tuple((found, need) for found in claims_of(need.text.rpartition("/")[2], need.arguments))


def findings(table: Table) -> Iterator[Diagnostic]:
    """Entries that listen on the same port in levels of one name, of one group or several; each is told once."""
    holders: dict[int, list[tuple[Claim, Entry]]] = {}
    for entry in table.entries:
        for found, need in claims(entry):
            others = holders.setdefault(found.port, [])
            other = next((e for c, e in others if c.excludes(found) and _shared(e, entry)), None)
            if other is not None:
                place = entry.place_of("command").part(need.start, need.end - need.start)
                yield Diagnostic.of(
                    "port-taken",
                    place,
                    f"'{shortened(other.tag)}' (line {other.place.line}) listens on port {found.port} as well, in "
                    f"level '{shortened(_shared(other, entry))}'",
                    source=entry.line,
                    hint="only one of them can: give each a port, or an address, or levels of its own",
                )
            if len(others) < _MOST_HOLDERS:
                others.append((found, entry))


def _shared(one: Entry, other: Entry) -> str:
    """A level that both entries are in, by its name; empty if there is none."""
    return next((level for level in one.levels.meant if level in other.levels.meant), "")
