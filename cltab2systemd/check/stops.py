"""Programs that an entry's stop does harm to: it ends them too soon, or with another signal than they want. Pure.

An entry is stopped with SIGINT, or its `KillSignal=`; `TimeoutStopSec=` later, which is 5 s, comes SIGTERM, and
`TimeoutAbortSec=` after that, which is 10 s, SIGKILL. The rows are data.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cltab2systemd.check.behaviours import Behaviour, unread
from cltab2systemd.check.given import in_force, last
from cltab2systemd.check.needs import Kind, needs
from cltab2systemd.check.programrows import PHP_FPM
from cltab2systemd.check.programs import separated, started
from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.table.settings import Kind as SettingKind
from cltab2systemd.table.settings import setting_line
from cltab2systemd.table.timespans import seconds
from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cltab2systemd.check.needs import Need
    from cltab2systemd.table.model import Entry

# As templates/entry.service.j2 has them, in seconds.
_STOP, _ABORT = 5.0, 10.0


@dataclass(frozen=True, slots=True)
class Stopped:
    """What programs need when they are stopped.

    Attributes:
        names: of the programs.
        source: where that is documented.
        graceful: the signal that ends them well, and more directives that it wants.
        sigint: what SIGINT does instead; empty if it does no harm.
        others: what other signals do, that people give to them by mistake.
        least: the seconds that they may need until SIGKILL; 0 if it is not known.
        suggested: a value for `TimeoutStopSec=`.
        why: what they do in that time.
        unless: what is found in the arguments if nothing of this is so, or cannot be told, as ` ARGUMENT  ARGUMENT `.
    """

    names: str
    source: str
    graceful: tuple[str, ...] = ()
    sigint: str = ""
    others: Mapping[str, str] = field(default_factory=dict)
    least: float = 0.0
    suggested: str = ""
    why: str = ""
    unless: str | None = None


STOPPED = (
    Stopped(
        "nginx openresty",
        "nginx, Controlling nginx: INT is fast shutdown, QUIT graceful shutdown",
        ("KillSignal=SIGQUIT",),
        "cuts off requests that are under way",
    ),
    Stopped(
        "haproxy",
        "HAProxy Management Guide, Stopping and restarting: SIGUSR1 is the graceful stop",
        ("KillSignal=SIGUSR1",),
        "cuts off connections that are under way",
    ),
    Stopped(
        "gunicorn gunicorn3",
        "Gunicorn, Signal Handling: INT is quick shutdown, TERM graceful shutdown; Deploying: KillMode=mixed",
        ("KillSignal=SIGTERM", "KillMode=mixed"),
        "cuts off requests that are under way",
    ),
    Stopped(
        "unicorn unicorn_rails rainbows",
        "unicorn, SIGNALS: INT is quick shutdown, QUIT graceful shutdown",
        ("KillSignal=SIGQUIT",),
        "cuts off requests that are under way",
    ),
    Stopped(
        "httpd httpd2 apache2 apachectl apache2ctl",
        "Apache, Stopping and Restarting: WINCH is graceful-stop; Red Hat's httpd.service",
        ("KillSignal=SIGWINCH", "KillMode=mixed"),
        "cuts off requests that are under way",
    ),
    Stopped(
        PHP_FPM,
        "php-fpm(8): SIGINT is immediate termination, SIGQUIT graceful stop",
        ("KillSignal=SIGQUIT",),
        "cuts off requests that are under way",
    ),
    # What is in its configuration is not known; most have one.
    Stopped(
        "uwsgi",
        "uWSGI, Managing the uWSGI server: SIGTERM reloads, SIGINT and SIGQUIT stop; --die-on-term",
        ("KillSignal=SIGINT",),
        others={"SIGTERM": "has it start its workers anew, not end, unless it is told --die-on-term"},
        unless=r" --die-on-term | -\S*(?:ini|xml|yaml|yml|json|emperor|config)\S* |\.(?:ini|xml|ya?ml|json) ",
    ),
    Stopped(
        "squid",
        "squid(8), -k interrupt and -k shutdown: SIGTERM waits for connections, for shutdown_lifetime (30 s)",
        ("KillSignal=SIGTERM", "TimeoutStopSec=40s"),
        "cuts off connections that are under way",
    ),
    Stopped(
        "postgres postmaster",
        "PostgreSQL, Shutting Down the Server; Starting the Database Server: TimeoutSec=infinity; pg_ctl(1): 60 s",
        ("KillSignal=SIGINT",),
        others={
            "SIGTERM": "is its smart shutdown, which waits until the last client has gone, and SIGKILL comes first",
            "SIGQUIT": "is its immediate shutdown, after which the next start has to recover",
        },
        least=60,
        suggested="5min",
        why="writes a checkpoint",
    ),
    Stopped(
        "mysqld mariadbd",
        "MySQL Reference Manual, Unix Signal Handling: SIGINT is ignored; mariadb.service: TimeoutStopSec=900",
        ("KillSignal=SIGTERM",),
        "is ignored, so that its shutdown begins with SIGTERM only",
        least=60,
        suggested="15min",
        why="writes what it has in memory",
    ),
    Stopped(
        "mongod",
        "MongoDB Manual, shutdownTimeoutMillisForSignaledShutdown: 15 s, and the checkpoint after that",
        least=30,
        suggested="2min",
        why="waits 15 s for its clients, then writes a checkpoint",
    ),
    Stopped(
        "redis-server valkey-server keydb-server",
        "Redis, utils/systemd-redis_server.service: TimeoutStopSec=infinity",
        least=30,
        suggested="2min",
        why="saves its data",
        unless=r"^(?!.* --appendonly  yes ).* --save   ",
    ),
    Stopped(
        "elasticsearch opensearch",
        "elasticsearch.service of its packages: TimeoutStopSec=0, which is no limit",
        least=60,
        suggested="5min",
        why="closes its shards",
    ),
    Stopped(
        "clickhouse-server",
        "clickhouse-server.service of later releases: TimeoutStopSec=infinity; from memory, not looked up",
        least=60,
        suggested="5min",
        why="ends queries and writes what it has in memory",
    ),
    Stopped(
        "rabbitmq-server",
        "RabbitMQ, msg_store_shutdown_timeout of the rabbit application: 600 s; rabbitmq-server: SIGINT stops it well",
        least=60,
        suggested="10min",
        why="ends its queues and writes its message store",
    ),
    Stopped(
        "sidekiq",
        "Sidekiq, Signals: within 25 s (-t) its jobs are done, or pushed back; Deployment: SIGKILL 5 s later at least",
        least=30,
        suggested="30s",
        why="has 25 s for its jobs, then pushes them back",
        unless=r" (?:-t|--timeout)(?:=|  )",
    ),
    Stopped(
        "neo4j",
        "neo4j.service of its packages, in two copies of others: TimeoutSec=120",
        least=60,
        suggested="2min",
        why="writes a checkpoint",
    ),
    Stopped(
        "kafka-server-start.sh kafka-server-start",
        "Confluent's unit of its broker, in two copies of others: TimeoutStopSec=180",
        least=60,
        suggested="3min",
        why="hands its partitions over and closes its logs",
    ),
)
_ROW_OF = {name: row for row in STOPPED for name in row.names.split()}


def findings(entry: Entry, read: Callable[[str], str] = unread) -> Iterator[Diagnostic]:
    """Findings about the stop of an entry that goes on to run; `read` is as `programs.started` takes it."""
    if not entry.mode.may_run_on or separated(entry.command).isdisjoint(_ROW_OF):
        return
    programs = [need for need in needs(entry.command) if need.kind is Kind.PROGRAM]
    # What is wrapped stands behind its wrappers.
    need = next((need for need in reversed(programs) if _name(need) in _ROW_OF), None)
    # A daemon that is left behind is another process than the one that is meant here.
    if need is None or any(found.behaviour is Behaviour.DAEMON for found in started(entry.command, read)):
        return
    row, given = _ROW_OF[_name(need)], in_force(entry.directives)
    arguments = "".join(f" {argument} " for argument in need.arguments)
    if row.unless and re.search(row.unless, arguments):
        return
    killing = last(given, "KillSignal")
    signal = killing.value if killing else "SIGINT"
    harm = row.others.get(signal) if killing else row.sigint
    if harm:
        lines = " and ".join(_setting(entry, line) for line in row.graceful)
        message = f"{_name(need)} is stopped with {signal}, which {harm}"
        yield _at(entry, need, "harsh-signal", message, f"add {lines}" if not killing else f"write {lines}")
    until_kill = _seconds_until_kill(entry)
    if until_kill is not None and until_kill < row.least:
        message = f"{_name(need)} {row.why} when it is stopped, and is killed after {until_kill:g} s"
        yield _at(entry, need, "short-stop", message, f"add {_setting(entry, f'TimeoutStopSec={row.suggested}')}")


def _name(need: Need) -> str:
    return need.text.rpartition("/")[2]


def _setting(entry: Entry, line: str) -> str:
    return setting_line(SettingKind.SERVICE, shortened(entry.tag), line)


def _at(entry: Entry, need: Need, code: str, message: str, hint: str) -> Diagnostic:
    place = entry.place_of("command").part(need.start, need.end - need.start)
    return Diagnostic.of(code, place, message, source=entry.line, hint=hint)


def _seconds_until_kill(entry: Entry) -> float | None:
    """How long after the first signal SIGKILL comes; None if it cannot be told."""
    times = {"TimeoutStopSec": _STOP, "TimeoutAbortSec": _ABORT}
    for directive in entry.directives:
        name = "TimeoutStopSec" if directive.name == "TimeoutSec" else directive.name
        if name in times and directive.value:
            length = seconds(directive.value)
            if length is None:
                return None
            times[name] = length
    return sum(times.values())
