"""Units that are enabled on the machine, and run a program of the table too, or listen on a port of its.

Unit files and the links in `*.wants` and `*.requires` are read, as `systemctl enable` makes them; nobody is asked. Not
seen are what is started by other units only, and what generators make, as of scripts in /etc/init.d, but for Debian's
PostgreSQL (`clusters`).
"""

from __future__ import annotations

import functools
import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

from cltab2systemd.check import ports, programs
from cltab2systemd.check.given import words
from cltab2systemd.check.machine import clusters
from cltab2systemd.check.needs import DEFAULT_PATH, Kind, needs
from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.check.filesystem import Root
    from cltab2systemd.check.needs import Need
    from cltab2systemd.table.model import Entry, Table

_DIRECTORIES = (
    "/etc/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
_LINKS = (".wants", ".requires")
# Programs that run what they are told to: the same one says nothing.
_INTERPRETERS = re.compile(
    r"(?:ba|da|k|z|a)?sh|python[\d.]*|perl[\d.]*|ruby[\d.]*|node|nodejs|java|php[\d.]*|mono|dotnet|env|sleep|tail|cat|socat|nc"
    r"|docker|podman|runuser|su|sudo|systemd-.*|ssh|autossh|stunnel4?|openvpn|wg-quick|ip|mount|busybox|flock|timeout"
)
# Names of one server.
_SERVERS = {"apachectl": "apache", "apache2ctl": "apache", "apache2": "apache", "httpd": "apache",
            "mysqld": "mysql", "mariadbd": "mysql", "mysqld_safe": "mysql", "mariadbd-safe": "mysql"}  # fmt: skip
_OF_PACKAGES = ("/etc/", "/usr/", "/var/", "/run/", "/lib/")
_OF_ITS_OWN = re.compile(r"/|\d{2}")


class _Unit(NamedTuple):
    name: str
    program: str  # its real path, or the name of the server
    arguments: tuple[str, ...]


def findings(table: Table, root: Root) -> Iterator[Diagnostic]:
    """Findings about entries that an enabled unit is in the way of."""
    enabled = _Enabled(root)
    stopped: frozenset[str] | None = None
    for entry in table.entries:
        needed = (
            [n for n in needs(entry.command) if n.kind is Kind.PROGRAM and not n.root] if entry.mode.may_run_on else []
        )
        if not needed:
            continue
        need = needed[-1]
        finding = _of_program(entry, need, enabled) or _of_cluster(entry, need, enabled) or _of_ports(entry, enabled)
        if finding is None:
            continue
        if stopped is None:
            stopped = frozenset().union(*(programs.stopped(other.command) for other in table.entries))
        unit, diagnostic = finding
        stem = unit.removesuffix(".service")
        if stopped.isdisjoint({unit, stem, stem.partition("@")[0]}):
            yield diagnostic


def _of_program(entry: Entry, need: Need, enabled: _Enabled) -> tuple[str, Diagnostic] | None:
    """A unit that runs the program of an entry, with nothing in the entry's arguments that makes it another server."""
    program = enabled.program(need.text)
    for unit in enabled.services.get(program, ()):
        stems = {_stem(need.text), _stem(unit.name), _stem(unit.name).partition("@")[0]}
        others = [a for a in need.arguments if _OF_ITS_OWN.search(a) and a not in unit.arguments]
        if all(_stem(argument) in stems and _is_usual(argument) for argument in others):
            name = unit.name.removesuffix(".service")
            message = f"{unit.name} is enabled on {enabled.root.name}, and runs {shortened(need.text)} as well"
            hint = f"systemctl disable --now {name}; or leave the program to it"
            return unit.name, _at(entry, need, "also-enabled", message, hint)
    return None


def _of_cluster(entry: Entry, need: Need, enabled: _Enabled) -> tuple[str, Diagnostic] | None:
    """A unit that a generator makes, and that starts the cluster of an entry."""
    for cluster in enabled.clusters:
        if cluster.is_started_by(need, enabled.root):
            name = cluster.unit.removesuffix(".service")
            message = f"{cluster.unit} is started at boot on {enabled.root.name}, and runs this cluster as well"
            hint = f"write 'manual' into {cluster.configuration}/start.conf, and systemctl stop {name}; "
            return cluster.unit, _at(entry, need, "also-enabled", message, f"{hint}or leave the cluster to it")
    return None


def _of_ports(entry: Entry, enabled: _Enabled) -> tuple[str, Diagnostic] | None:
    for claim, need in ports.claims(entry) if enabled.claims else ():
        for other, unit in enabled.claims:
            if claim.excludes(other):
                message = f"{unit} listens on {claim.name}, and is enabled on {enabled.root.name}"
                hint = f"systemctl disable --now {unit}; or take another port"
                return unit, _at(entry, need, "port-taken", message, hint)
    return None


def _at(entry: Entry, need: Need, code: str, message: str, hint: str) -> Diagnostic:
    place = entry.place_of("command").part(need.start, need.end - need.start)
    return Diagnostic.of(code, place, message, source=entry.line, hint=hint)


def _is_usual(argument: str) -> bool:
    """Whether an argument names no file, or one that packages have."""
    _, slash, path = argument.partition("/")
    return not slash or f"/{path}".startswith(_OF_PACKAGES)


def _stem(text: str) -> str:
    """What a file is named for: `nginx` of `/etc/nginx/nginx.conf`, `sshd` of `sshd_config`."""
    return re.split(r"[._-](?!server)", posixpath.basename(text))[0].removesuffix("-server")


class _Enabled:
    """The services and sockets of a root that are enabled."""

    def __init__(self, root: Root) -> None:
        self.root = root
        self.program = functools.lru_cache(maxsize=4096)(self._program)

    @functools.cached_property
    def services(self) -> dict[str, list[_Unit]]:
        """The units that run a server, by its program."""
        found: dict[str, list[_Unit]] = {}
        for unit in self._units(".service"):
            settings = self._settings(unit)
            if settings.get("Type", [""])[-1] != "oneshot":
                for value in settings.get("ExecStart", ()):
                    command = [*words(value.lstrip("-@:+!"))]
                    if command and (program := self.program(command[0])):
                        found.setdefault(program, []).append(_Unit(unit, program, tuple(command[1:])))
        return found

    @functools.cached_property
    def claims(self) -> list[tuple[ports.Claim, str]]:
        """What sockets and servers listen on, each with its unit."""
        of_sockets = [
            (claim, unit)
            for unit in self._units(".socket")
            for name, protocol in (("ListenStream", ports.Protocol.TCP), ("ListenDatagram", ports.Protocol.UDP))
            for value in self._settings(unit).get(name, ())
            if (claim := ports.claim(value, protocol)) is not None
        ]
        of_clusters = [(cluster.claim, cluster.unit) for cluster in self.clusters if cluster.claim]
        return (
            of_sockets
            + of_clusters
            + [
                (claim, unit.name)
                for units in self.services.values()
                for unit in units
                for claim in ports.claims_of(posixpath.basename(unit.program), unit.arguments)
            ]
        )

    @functools.cached_property
    def clusters(self) -> list[clusters.Cluster]:
        """The clusters of PostgreSQL that a boot starts."""
        return [*clusters.clusters(self.root)] if clusters.SERVICE in self._enabled else []

    def _program(self, text: str) -> str:
        """What a program is known by; empty if it says nothing to have the same one."""
        name = posixpath.basename(text)
        if name in _SERVERS:
            return _SERVERS[name]
        found = self.root.find(text) if text.startswith("/") else self.root.search(text, DEFAULT_PATH)
        return (
            ""
            if _INTERPRETERS.fullmatch(posixpath.basename(found.path)) or _INTERPRETERS.fullmatch(name)
            else found.path
        )

    def _units(self, suffix: str) -> list[str]:
        return [name for name in self._enabled if name.endswith(suffix)]

    @functools.cached_property
    def _enabled(self) -> list[str]:
        found: dict[str, None] = {}
        for directory in _DIRECTORIES:
            for name in self.root.names(directory):
                if name.endswith(_LINKS):
                    found |= dict.fromkeys(self.root.names(f"{directory}/{name}"))
        return [name for name in found if self.root.link(f"{_DIRECTORIES[0]}/{name}") != "/dev/null"]

    def _settings(self, unit: str) -> dict[str, list[str]]:
        """The settings of a unit with its drop-ins, by their names; an empty value takes back those before it."""
        prefix, at, _ = unit.partition("@")
        template = f"{prefix}@{posixpath.splitext(unit)[1]}" if at else unit
        found: dict[str, list[str]] = {}
        for line in self._text(unit, template).replace("\\\n", " ").splitlines():
            name, equals, value = line.partition("=")
            if equals and not line.startswith(("#", ";")):
                values = found.setdefault(name.strip(), [])
                values.append(value.strip()) if value.strip() else values.clear()
        return {name: values for name, values in found.items() if values}

    def _text(self, unit: str, template: str) -> str:
        contents = (self.root.content(f"{d}/{name}") for name in (unit, template) for d in _DIRECTORIES)
        main = next((content for content in contents if content is not None), "")
        drop_ins = {
            file: f"{directory}/{name}.d/{file}"
            for directory in reversed(_DIRECTORIES)
            for name in dict.fromkeys((template, unit))
            for file in self.root.names(f"{directory}/{name}.d")
            if file.endswith(".conf")
        }
        return "\n".join([main, *((self.root.content(drop_ins[file]) or "") for file in sorted(drop_ins))])
