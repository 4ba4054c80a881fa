"""Ports on which the programs of a table listen, as far as their arguments tell; entries that have the same. Pure.

The rows are data; sources are the manual pages of the programs, or what they say with --help. What a configuration file
says, and what a program does without arguments, is not known here.
"""

from __future__ import annotations

import enum
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


class Protocol(enum.StrEnum):
    """What a port is one of."""

    TCP = "tcp"
    UDP = "udp"


class Claim(NamedTuple):
    """An address and a port; an empty address is all of them."""

    address: str
    port: int
    protocol: Protocol = Protocol.TCP

    def excludes(self, other: Claim) -> bool:
        """Whether not both can be listened on."""
        is_same = (self.port, self.protocol) == (other.port, other.protocol)
        return is_same and (not self.address or not other.address or self.address == other.address)

    @property
    def name(self) -> str:
        """The port as a person calls it."""
        return f"UDP port {self.port}" if self.protocol is Protocol.UDP else f"port {self.port}"


_TCP, _UDP = (Protocol.TCP,), (Protocol.UDP,)
_BOTH = _TCP + _UDP


@dataclass(frozen=True, slots=True)
class Listener:
    """Programs, and what is found in their arguments, matched as ` ARGUMENT  ARGUMENT `, if they listen.

    Attributes:
        names: of the programs; a name may have several rows.
        patterns: the first that is found counts, wherever it is; its group is a port, or an address and a port.
        address: what finds an address that stands alone.
        default: the address without one; empty if it is any.
        protocols: of these are the ports.
        other: what is found if they are of the other protocol.
        when: what has to be found as well.
    """

    names: str
    patterns: tuple[str, ...]
    address: str = ""
    protocols: tuple[Protocol, ...] = _TCP
    other: str = ""
    when: str = ""
    default: str = ""


def _valued(options: str, value: str = r"\S+") -> str:
    """The pattern of an option with its value, in the same word or in the next one."""
    short = [option for option in options.split() if not option.startswith("--")]
    long = [option for option in options.split() if option.startswith("--")]
    forms = [rf" {re.escape(option)}(?:=|  )({value}) " for option in long]
    forms += [rf" {re.escape(option)}(?:  )?({value}) " for option in short]
    return "|".join(forms)


_NUMBER = r"\d{1,5}"
_LOOPBACK = "127.0.0.1"
_PUBLISHED = r" (?:-p|--publish)(?:=|  )((?:[\d.]+:)?\d+):\d+"
_BINDS, _ADDRESS = r"(?: -[A-Za-z]*z[A-Za-z]* | --bind-interfaces )", r"(?: -a| --listen-address)"
_FILES = rf"{_ADDRESS}| (?:-[iC7]|--(?:interface|conf-|bind-dynamic))"
LISTENERS = (
    Listener("python python3", (rf" -m  http\.server (?:.*? )?({_NUMBER}) ",), _valued("-b --bind")),
    # The port is that of -p, or the last word.
    Listener("nc ncat netcat", (rf" -[A-Za-z]*p  ({_NUMBER}) ", rf" ({_NUMBER}) $"), when=r" -[A-Za-z]*l[A-Za-z]* ",
             other=r" -[A-Za-z]*u[A-Za-z]* | --udp "),
    Listener("socat", (rf"(?i)tcp[46]?-l(?:isten)?:({_NUMBER})\b(?!\S*reuseport)",)),
    Listener("socat", (rf"(?i)udp[46]?-(?:l|listen|recv|recvfrom):({_NUMBER})\b(?!\S*reuseport)",), protocols=_UDP),
    Listener("gunicorn gunicorn3 hypercorn", (_valued("-b --bind"),)),
    Listener("uvicorn daphne", (_valued("--port -p", _NUMBER),), _valued("--host -b"), default=_LOOPBACK),
    # A file that is named as well may have the address.
    Listener("redis-server valkey-server", (_valued("--port", _NUMBER),), _valued("--bind"), when=r"^(?! /)| --bind"),
    Listener("mongod", (_valued("--port", _NUMBER),), _valued("--bind_ip"), default=_LOOPBACK,
             when=r"^(?!.* (?:-f|--config))| --bind_ip"),
    Listener("mysqld mariadbd", (_valued("--port", _NUMBER),), _valued("--bind-address"),
             when=r"^(?!.* --defaults-)| --bind-address"),
    Listener("memcached", (_valued("-p --port", _NUMBER),), _valued("-l --listen")),
    Listener("memcached", (_valued("-U --udp-port", _NUMBER),), _valued("-l --listen"), _UDP),
    Listener("mosquitto", (_valued("-p --port", _NUMBER),)),
    Listener("beanstalkd", (_valued("-p", _NUMBER),), _valued("-l")),
    Listener("sshd", (_valued("-p", _NUMBER),), when=r"^(?!.* (?:-f|-o  ?ListenAddress))"),
    Listener("postgres", (_valued("-p", _NUMBER),), _valued("-h"), default=_LOOPBACK),
    Listener("thttpd", (_valued("-p", _NUMBER),), _valued("-h")),
    Listener("php", (_valued("-S"),)),
    Listener("puma", (_valued("-p --port", _NUMBER), r" (?:-b|--bind)(?:=|  )tcp://(\S+?) ")),
    Listener("flask", (_valued("-p --port", _NUMBER),), _valued("-h --host"), default=_LOOPBACK),
    Listener("rackup", (_valued("-p --port", _NUMBER),), _valued("-o --host"), default=_LOOPBACK),
    Listener("darkhttpd http-server", (_valued("-p --port", _NUMBER),), _valued("-a --addr")),
    Listener("iperf3", (r" -p  (\d+) ",), when=r" -[A-Za-z]*s[A-Za-z]* | --server "),
    Listener("docker podman", (rf"{_PUBLISHED}(?:/tcp)? ",), when=" run "),
    Listener("docker podman", (rf"{_PUBLISHED}/udp ",), when=" run ", protocols=_UDP),
    # Names are asked for by UDP, and what is long by TCP. Without an address here, the configuration may have some.
    Listener("named", (_valued("-p", _NUMBER),), protocols=_BOTH, when=r"^(?!.* -c )"),
    Listener("nsd", (_valued("-p", _NUMBER),), _valued("-a"), _BOTH, when=r"^(?!.* -c )| -a"),
    Listener("pdns_server pdns_recursor", (_valued("--local-port", _NUMBER),), _valued("--local-address"), _BOTH,
             when=r"^(?!.* --config-)| --local-address"),
    # dnsmasq binds to addresses only if it is told to.
    Listener("dnsmasq", (_valued("-p --port", _NUMBER),), protocols=_BOTH, when=rf"^(?!.*(?:{_BINDS}|{_FILES}))"),
    Listener("dnsmasq", (_valued("-p --port", _NUMBER),), _valued("-a --listen-address"), _BOTH,
             when=rf"(?=.*{_BINDS}).*{_ADDRESS}"),
    Listener("in.tftpd tftpd", (_valued("-a --address"),), protocols=_UDP, when=r" -[A-Za-z]*[lL]| --(?:listen|fore)"),
    Listener("dhcpd", (_valued("-p", _NUMBER),), protocols=_UDP),
    Listener("snmpd", (r" udp:(\S+) ",), protocols=_UDP),
    Listener("kamailio opensips", (r" -l(?:  )?udp:(\S+:\d+) ",), protocols=_UDP),
    Listener("kamailio opensips", (r" -l(?:  )?tcp:(\S+:\d+) ",)),
    Listener("openvpn", (_valued("--lport", _NUMBER), _valued("--port", _NUMBER)), _valued("--local"), _UDP,
             other=r" --proto(?:=|  )tcp", when=r"^(?!.* --nobind )"),
)  # fmt: skip
_ROWS_OF: dict[str, list[Listener]] = {}
for _row in LISTENERS:
    for _name in _row.names.split():
        _ROWS_OF.setdefault(_name, []).append(_row)
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


def claim(text: str, protocol: Protocol = Protocol.TCP) -> Claim | None:
    """What is listened on by a text such as `8080`, `:8080` or `127.0.0.1:8080`; None if it is no such text."""
    match = _VALUE.fullmatch(text)
    if match is None or not 0 < int(match["port"]) <= _HIGHEST:
        return None
    return Claim(_address(match["address"] or ""), int(match["port"]), protocol)


def _address(text: str) -> str:
    return "" if text in _ANYWHERE else text.replace("localhost", "127.0.0.1")


def claims_of(name: str, arguments: tuple[str, ...]) -> tuple[Claim, ...]:
    """What a program listens on that is given arguments."""
    text = "".join(f" {argument} " for argument in arguments)
    if _SHARING.search(text):
        return ()
    found = [claim for row in _ROWS_OF.get(name, ()) for claim in _by_row(row, text)]
    if found:
        return tuple(dict.fromkeys(found))
    value = claim(next(filter(None, match.groups()))) if (match := _ANY.search(text)) else None
    return (value,) if value else ()


def _by_row(row: Listener, text: str) -> Iterator[Claim]:
    if row.when and not re.search(row.when, text):
        return
    pattern = next((pattern for pattern in row.patterns if re.search(pattern, text)), None)
    if pattern is None:
        return
    protocols = row.protocols
    if row.other and re.search(row.other, text):
        protocols = _TCP if protocols == _UDP else _UDP
    alone = re.search(row.address, text) if row.address else None
    for match in re.finditer(pattern, text):
        for protocol in protocols:
            value = claim(next(filter(None, match.groups())), protocol)
            if value and row.address and not value.address:
                given = next(filter(None, alone.groups())) if alone else row.default
                value = value._replace(address=_address(given))
            if value:
                yield value


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
    """Entries that listen on the same port in levels of one name, of one group or several; of an entry the first."""
    holders: dict[int, list[tuple[Claim, Entry]]] = {}
    for entry in table.entries:
        is_told = False
        for found, need in claims(entry):
            others = holders.setdefault(found.port, [])
            other = next((e for c, e in others if c.excludes(found) and e is not entry and _shared(e, entry)), None)
            if other is not None and not is_told:
                is_told = True
                place = entry.place_of("command").part(need.start, need.end - need.start)
                yield Diagnostic.of(
                    "port-taken",
                    place,
                    f"'{shortened(other.tag)}' (line {other.place.line}) listens on {found.name} as well, in "
                    f"level '{shortened(_shared(other, entry))}'",
                    source=entry.line,
                    hint="only one of them can: give each a port, or an address, or levels of its own",
                )
            if len(others) < _MOST_HOLDERS:
                others.append((found, entry))


def _shared(one: Entry, other: Entry) -> str:
    """A level that both entries are in, by its name; empty if there is none."""
    return next((level for level in one.levels.meant if level in other.levels.meant), "")
