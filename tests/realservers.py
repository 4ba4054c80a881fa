"""Debian's nginx, redis and PostgreSQL as entries of groups in a node: how they are made slow, broken and asked."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from programs import RUN
from waystofail import POSTGRES

from cltab2systemd.client.outcome import FAILED
from lab.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instance import Group
    from shipped import Shipped

    from lab.node import Node

_CRASHED = "/var/lib/postgresql/crashed"
# It is small, and writes nothing for certain, for a node ends with its test.
_POSTGRES_CONF = """\
listen_addresses = ''
unix_socket_directories = '/run/postgresql'
fsync = off
shared_buffers = 1MB
max_connections = 10
log_disconnections = on
"""
# What each database has written, and only its log has kept.
_WRITTEN = "CREATE TABLE t (said text); CREATE TABLE filler AS SELECT generate_series(1, 50000)"
# A server reads this file when it starts, before it replays its log. As a FIFO it is as slow as its writer.
_READ_FIRST = "pg_logical/replorigin_checkpoint"

SET_UP = f"""
    ln -sf {POSTGRES}/initdb {POSTGRES}/postgres /usr/local/bin/
    install -d -o postgres -g postgres /run/postgresql
    runuser -u postgres -- initdb --no-sync -A trust -D {_CRASHED} >/dev/null
    echo "{_POSTGRES_CONF}" >>{_CRASHED}/postgresql.conf
    systemd-run --quiet --collect --unit=crashed --property=User=postgres postgres -D {_CRASHED}
    until pg_isready -q -h /run/postgresql; do sleep 0.02; done
    psql -X -q -h /run/postgresql -U postgres -c "{_WRITTEN}"
    systemctl kill --signal=KILL crashed
    until [ ! -e /run/systemd/transient/crashed.service ]; do sleep 0.02; done
    rm {_CRASHED}/postmaster.pid
"""
"""A shell script that prepares a node, once for all: a PostgreSQL that was killed while it had much to write."""


class Slow(Protocol):
    """A server that is slow to start, as slow as a test wants."""

    @property
    def user(self) -> str:
        """Whom it runs as."""

    @property
    def refusal(self) -> str:
        """What it says to clients meanwhile."""

    @property
    def status(self) -> str:
        """What it tells systemd of itself meanwhile; nothing, if it does not."""

    @classmethod
    def of(cls, group: Group) -> Self:
        """One of a group's own."""

    @property
    def command(self) -> str:
        """What runs it in the foreground."""

    @property
    def notifying(self) -> str:
        """The same, and it tells systemd when it is ready."""

    @property
    def check(self) -> str:
        """What asks whether it answers."""

    @property
    def client(self) -> str:
        """An application that needs it, and fails if it is not ready."""

    def go_on(self) -> None:
        """Have it get ready at once."""

    def proof(self) -> bool:
        """Whether the application has got what it needs."""


@dataclass(frozen=True, slots=True)
class Database:
    """A PostgreSQL that was killed, and recovers when it is started."""

    node: Node
    name: str
    user: str = "postgres"
    refusal: str = "rejecting connections"
    status: str = ""

    @classmethod
    def of(cls, group: Group) -> Self:
        """Make the data directory. The server does not go on before somebody writes what it reads before its log."""
        made = cls(group.node, group.name)
        group.node.shell(
            f"cp -a {_CRASHED} {made.data}; cd {made.data}\n"
            f"mv {_READ_FIRST} .saved; mkfifo {_READ_FIRST}; chown postgres {_READ_FIRST}"
        )
        return made

    def go_on(self) -> None:
        """Let it recover, now or when it is started."""
        self.node.popen("sh", "-c", f"cat {self.data}/.saved >{self.data}/{_READ_FIRST}")

    @property
    def data(self) -> str:
        """The data directory."""
        return f"/var/lib/postgresql/{self.name}"

    @property
    def command(self) -> str:
        """What runs it in the foreground."""
        return f"exec postgres -D {self.data} -p {self._port}"

    @property
    def notifying(self) -> str:
        """The same: it always tells systemd."""
        return self.command

    @property
    def check(self) -> str:
        """What asks whether it answers."""
        return f"pg_isready -h /run/postgresql -p {self._port}"

    @property
    def client(self) -> str:
        """It writes a row."""
        return self.sql("INSERT INTO t VALUES ('written')")

    def proof(self) -> bool:
        """Whether the row is there, and what was written before the crash."""
        return self.ask("SELECT said, (SELECT count(*) FROM filler) FROM t") == "written|50000"

    def sql(self, statement: str) -> str:
        """A client that does this, and fails if it cannot."""
        return f'psql -X -q -A -t -h /run/postgresql -p {self._port} -U postgres -c "{statement}"'

    def ask(self, statement: str) -> str:
        """What the database says to this."""
        return self.node.shell(self.sql(statement)).stdout.strip()

    @property
    def _port(self) -> int:
        # It names the socket; no network is asked.
        return 6000 + int(self.name.removeprefix("g"))


@dataclass(frozen=True, slots=True)
class Cache:
    """A redis that loads a file of keys. It takes 10 ms for each, 100 s in all, and hears clients meanwhile."""

    node: Node
    name: str
    user: str = "root"
    refusal: str = "LOADING Redis is loading the dataset in memory"
    status: str = "says: Redis is loading..."

    @classmethod
    def of(cls, group: Group) -> Self:
        """Make the file."""
        made = cls(group.node, group.name)
        fill = "for i = 1, 10000 do redis.call('set', 'key' .. i, 'value') end"
        group.node.shell(
            f"mkdir {made._directory}; {made._server} --daemonize yes >/dev/null\n"
            f"until {made._ask} ping; do sleep 0.02; done\n"
            f'{made._ask} eval "{fill}" 0; {made._ask} shutdown save'
        )
        return made

    @property
    def command(self) -> str:
        """What runs it in the foreground."""
        return f"exec {self._server} --key-load-delay 10000 --loading-process-events-interval-bytes 1024"

    @property
    def notifying(self) -> str:
        """The same, and it tells systemd when it is ready."""
        return f"{self.command} --supervised systemd"

    @property
    def check(self) -> str:
        """What asks whether it answers."""
        return f"{self._ask} ping"

    @property
    def client(self) -> str:
        """It reads a key."""
        return f"{self._ask} get key10000"

    def go_on(self) -> None:
        """Let it load at once, which it hears of when it listens."""
        self.node.shell(f"until {self._ask} config set key-load-delay 0; do sleep 0.02; done")

    def proof(self) -> bool:
        """Whether all keys are there."""
        return self.node.shell(f"{self._ask} dbsize").stdout.strip() == "10000"

    @property
    def _ask(self) -> str:
        # It fails if it gets an error for an answer. The words of a request are missing.
        return f"redis-cli -e -s /run/{self.name}.socket"

    @property
    def _server(self) -> str:
        return f"redis-server --port 0 --unixsocket /run/{self.name}.socket --dir {self._directory} --save ''"

    @property
    def _directory(self) -> str:
        return f"/srv/redis-{self.name}"


@dataclass(frozen=True, slots=True)
class WebServer:
    """An nginx of a group's own."""

    node: Node
    name: str

    @classmethod
    def of(cls, group: Group, *, says: str = "hello") -> WebServer:
        """Write its configuration."""
        made = cls(group.node, group.name)
        made.configure(says=says)
        return made

    @property
    def conf(self) -> str:
        """Its configuration."""
        return f"/srv/{self.name}.conf"

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{7000 + int(self.name.removeprefix('g'))}"

    @property
    def command(self) -> str:
        """What runs it in the foreground."""
        return f"nginx -c {self.conf}"

    def configure(self, *, says: str = "hello", health: int = 200, more: str = "") -> None:
        """Write its configuration: what it says, the status of its health, and a line more."""
        self.node.write(
            self.conf,
            f"daemon off; error_log stderr; pid /run/nginx-{self.name}.pid; events {{}}\n"
            f"http {{\n    access_log off;\n    {more}\n"
            f"    server {{\n        listen {self.address.removeprefix('http://')};\n"
            f'        location / {{ return 200 "{says}"; }}\n        location /health {{ return {health}; }}\n'
            "    }\n}\n",
        )

    def says(self) -> str:
        """What it answers; empty if it does not."""
        return self.node.run("curl", "--silent", self.address, check=False).stdout


# What people ask, and what tests set up.

OTHER = f"other:4:respawn:{RUN}"


@contextmanager
def asked_for(group: Group, level: str, *, code: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """`clinit --wait GROUP LEVEL`, which has not ended at the beginning, and has at the end with the exit code."""
    client = group.node.popen("clinit", "--wait", group.name, level, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    yield client
    out, err = client.communicate(timeout=60 * PATIENCE)
    state = {0: f"{group.name} {level} DONE\n", FAILED: f"{group.name} {level} FAILED\n"}.get(code, "")
    assert (code, state) == (client.returncode, out.decode()), err.decode()


def shown(group: Group) -> str:
    """What `clinitctl status` says."""
    return group.node.run("clinitctl", "status", group.name, check=False).stdout


def why(group: Group) -> str:
    """What `clinitctl why` says."""
    return group.node.run("clinitctl", "why", group.name, check=False).stdout


def has_run(group: Group, tag: str) -> bool:
    """Whether an entry was ever started."""
    return group.property(tag, "ExecMainStartTimestampMonotonic") != "0"


def setting(group: Group, name: str, tag: str, value: str) -> str:
    """A line of the table that sets something for an entry of the group."""
    return f":::{name}.{group.name}.{tag}:{value}"


def define_slow(group: Group, server: Slow, way: str, options: str = "", *, required: bool = False) -> None:
    """A server that takes as long as the test wants, an application behind it, and something else at level 4.

    Args:
        group: the group, whose level is 3.
        server: the server.
        way: what says that it has started: `ready`, `notify`, or neither.
        options: of its readiness.
        required: whether nothing is started behind it if it fails.
    """
    settings = [setting(group, "service", "server", f"User={server.user}")]
    if way == "ready":
        settings.append(setting(group, "ready", "server", options + server.check))
    if way == "notify":
        settings.append(setting(group, "service", "server", "Type=notify"))
    if required:
        settings.append(setting(group, "required", "server", "yes"))
    command = server.notifying if way == "notify" else server.command
    group.define(f"server:3:respawn:{command}", f"app:3:test:{server.client}", OTHER, settings=tuple(settings))


def await_slow(group: Group, way: str) -> None:
    """Wait until people are told that the server is waited for."""
    awaited = {"ready": f"waiting for {group.name}.server to be ready", "notify": f"{group.name}.server (respawn)"}
    wait_until(lambda: f"starting, {1 if way == 'ready' else 0} of " in shown(group) and awaited[way] in shown(group))


def kill(shared: Shipped) -> None:
    """Kill the daemon, and wait for the next one."""
    pid = shared.pid
    shared.node.run("kill", "-KILL", str(pid))
    shared.await_restart(pid)
