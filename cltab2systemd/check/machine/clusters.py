"""Debian's PostgreSQL clusters that a boot starts: a generator makes an instance of `postgresql@.service` for each.

What the generator looks at is read here as it does: systemd/postgresql-generator of postgresql-common.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

from cltab2systemd.check import ports
from cltab2systemd.check.filesystem import What

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cltab2systemd.check.filesystem import Root
    from cltab2systemd.check.needs import Need

# It wants the clusters; if it is not enabled, no boot starts any.
SERVICE = "postgresql.service"
_GENERATORS = (
    "/etc/systemd/system-generators",
    "/usr/local/lib/systemd/system-generators",
    "/usr/lib/systemd/system-generators",
    "/lib/systemd/system-generators",
)
_CLUSTERS = "/etc/postgresql"
_COMMENT = re.compile(r"#.*")
_STARTING = frozenset(["start", "restart"])
# What says where a server has its data, or its configuration, in its arguments ` ARGUMENT  ARGUMENT `.
_DIRECTORY = re.compile(r" (?:-D(?:  )?|--pgdata(?:=|  )|(?:-c  ?|--)data[_-]directory=)(/\S*) ")
_FILE = re.compile(r" (?:-c  ?|--)config[_-]file=(/\S*) ")
_PORT = 5432


class Cluster(NamedTuple):
    """A cluster that a boot starts.

    Attributes:
        unit: that starts it.
        version: of PostgreSQL.
        name: within that version.
        directories: where its data are, and its configuration.
        claim: what it listens on; None if it cannot be told.
    """

    unit: str
    version: str
    name: str
    directories: frozenset[str]
    claim: ports.Claim | None

    @property
    def configuration(self) -> str:
        """Where its configuration is."""
        return f"{_CLUSTERS}/{self.version}/{self.name}"

    def is_started_by(self, need: Need, root: Root) -> bool:
        """Whether a program starts just this cluster, by its arguments."""
        program, words = posixpath.basename(need.text), need.arguments
        if program == "pg_ctlcluster":
            return not _STARTING.isdisjoint(words) and self._is_named(words)
        if program not in {"postgres", "postmaster"} and (program != "pg_ctl" or _STARTING.isdisjoint(words)):
            return False
        text = "".join(f" {word} " for word in words)
        directories = [*_DIRECTORY.findall(text), *map(posixpath.dirname, _FILE.findall(text))]
        return any(root.find(directory).path in self.directories for directory in directories)

    def _is_named(self, words: Sequence[str]) -> bool:
        of_two = (self.version, self.name) in itertools.pairwise(words)
        return of_two or not {f"{self.version}-{self.name}", f"{self.version}/{self.name}"}.isdisjoint(words)


def clusters(root: Root) -> Iterator[Cluster]:
    """The clusters of a root that a boot starts if `SERVICE` is enabled."""
    if not _has_generator(root):
        return
    for version in root.names(_CLUSTERS):
        if root.find(f"/usr/lib/postgresql/{version}/bin/postgres").what is What.PROGRAM:
            for name in root.names(f"{_CLUSTERS}/{version}"):
                unit = f"postgresql@{version}-{name}.service"
                if _is_automatic(root, f"{_CLUSTERS}/{version}/{name}") and not _is_masked(root, unit):
                    yield _cluster(root, unit, version, name)


def _has_generator(root: Root) -> bool:
    """Whether the generator is there; one in /etc that is a link to /dev/null takes it away."""
    found = (root.find(f"{directory}/postgresql-generator") for directory in _GENERATORS)
    return next((place.what for place in found if not place.is_missing), What.MISSING) is What.PROGRAM


def _is_automatic(root: Root, directory: str) -> bool:
    path = f"{directory}/postgresql.conf"
    if root.find(path).is_missing and root.link(path) is None:
        return False
    if root.find(f"{directory}/start.conf").is_missing:
        return True
    lines = _COMMENT.sub("", root.content(f"{directory}/start.conf") or "").split("\n")
    return [line.strip() for line in lines if line.strip()] == ["auto"]


def _is_masked(root: Root, unit: str) -> bool:
    return root.link(f"/etc/systemd/system/{unit}") == "/dev/null"


def _cluster(root: Root, unit: str, version: str, name: str) -> Cluster:
    directory = f"{_CLUSTERS}/{version}/{name}"
    included = [f"{directory}/conf.d/{file}" for file in root.names(f"{directory}/conf.d") if file.endswith(".conf")]
    contents = [root.content(path) for path in (f"{directory}/postgresql.conf", *included)]
    text = "\n".join(content or "" for content in contents)
    data = _setting(text, "data_directory") or directory
    directories = frozenset(root.find(path).path for path in (data, directory) if path.startswith("/"))
    return Cluster(unit, version, name, directories, None if None in contents else _claim(text))


def _claim(text: str) -> ports.Claim | None:
    """What a configuration says it listens on, if that is simple."""
    address = _setting(text, "listen_addresses") or "localhost"
    is_simple = re.fullmatch(r"\*|localhost|[\d.]+", address)
    return ports.claim(f"{address}:{_setting(text, 'port') or _PORT}") if is_simple else None


def _setting(text: str, name: str) -> str:
    """The last value of a setting; empty without one."""
    found = re.findall(rf"^[ \t]*{name}[ \t]*(?:=|[ \t])[ \t]*(?:'([^'\n]*)'|([^\s#']+))", text, re.MULTILINE)
    return next(filter(None, found[-1]), "") if found else ""
