"""Programs that are stopped too soon, or with another signal than they want."""

from __future__ import annotations

import pytest

from cltab2systemd.check import lint
from cltab2systemd.check.loading import load
from cltab2systemd.check.stops import STOPPED

HARSH, SHORT = "harsh-signal", "short-stop"


def found(command: str, *directives: str, mode: str = "respawn") -> list[tuple[str, str]]:
    """The codes and hints of what is told of the stop of an entry."""
    text = f"g:t:1:{mode}:{command}\n" + "".join(f":::service.t:{line}\n" for line in directives)
    table, findings = load(text.encode(), "cltab")
    assert findings == ()
    told = lint.findings(table, is_complete=True)
    return [(finding.code, finding.hint) for finding in told if finding.code in {HARSH, SHORT}]


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        ("exec nginx -g 'daemon off;'", ["KillSignal=SIGQUIT"]),
        ("exec nice -n 5 /usr/sbin/nginx -g 'daemon off;'", ["KillSignal=SIGQUIT"]),
        ("haproxy -db -f /etc/haproxy/haproxy.cfg", ["KillSignal=SIGUSR1"]),
        ("cd /srv && exec gunicorn app:app", ["KillSignal=SIGTERM", "KillMode=mixed"]),
        ("/srv/app/venv/bin/gunicorn -b :8000 app", ["KillSignal=SIGTERM", "KillMode=mixed"]),
        ("apache2 -DFOREGROUND", ["KillSignal=SIGWINCH", "KillMode=mixed"]),
        ("php-fpm8.2 --nodaemonize", ["KillSignal=SIGQUIT"]),
        ("unicorn -c /x", ["KillSignal=SIGQUIT"]),
    ],
)
def test_signals(command: str, lines: list[str]) -> None:
    """The setting lines that the hint has are what it takes; one who has thought of a signal is not told of it."""
    ((code, hint),) = found(command)
    assert code == HARSH
    assert hint == "add " + " and ".join(f":::service.t:{line}" for line in lines)
    assert found(command, *lines) == []
    assert found(command, "KillSignal=SIGINT") == []
    assert found(command, mode="wait") == []


def test_shutdowns_of_postgresql() -> None:
    """SIGINT is its fast shutdown, which is right; SIGTERM waits for clients, SIGQUIT is a crash."""
    enough = "TimeoutStopSec=5min"
    command = "exec /usr/lib/postgresql/15/bin/postgres -D /srv/pg"
    assert found(command, enough) == []
    assert found(command, enough, "KillSignal=SIGINT", "KillMode=mixed") == []
    for signal in ("SIGTERM", "SIGQUIT"):
        assert found(command, enough, f"KillSignal={signal}") == [(HARSH, "write :::service.t:KillSignal=SIGINT")]


def test_uwsgi_does_not_end() -> None:
    """With SIGTERM it reloads; what its configuration says of that is not known."""
    for command in ("exec uwsgi --http :8080 --module app", "uwsgi -s /run/app.s --master -w app"):
        assert found(command) == []
        assert found(command, "KillSignal=SIGTERM") == [(HARSH, "write :::service.t:KillSignal=SIGINT")]
        assert found(f"{command} --die-on-term", "KillSignal=SIGTERM") == []
    for command in ("uwsgi --ini /etc/app.ini", "uwsgi /etc/app.yaml", "uwsgi --emperor /etc/vassals"):
        assert found(command, "KillSignal=SIGTERM") == []


@pytest.mark.parametrize(
    ("command", "more"),
    [("postgres -D /x", ()), ("mongod --dbpath /x", ()), ("redis-server /etc/redis.conf", ()),
     ("mysqld --datadir=/x", ("KillSignal=SIGTERM",)), ("runuser -u elastic -- /opt/es/bin/elasticsearch", ()),
     ("su - kafka -c '/opt/kafka/bin/kafka-server-start.sh /etc/x'", ()), ("exec rabbitmq-server", ()),
     ("runuser -u rabbitmq -- rabbitmq-server", ()), ("sidekiq -c 5", ())],
)  # fmt: skip
def test_times(command: str, more: tuple[str, ...]) -> None:
    """SIGKILL comes 15 s after the first signal, unless the entry has more time."""
    ((code, hint),) = found(command, *more)
    assert (code, hint[:31]) == (SHORT, "add :::service.t:TimeoutStopSec")
    assert found(command, hint.removeprefix("add :::service.t:"), *more) == []
    for enough in ("TimeoutStopSec=90", "TimeoutSec=1min 30s", "TimeoutStopSec=2 h", "TimeoutAbortSec=90s"):
        assert found(command, enough, *more) == []
    for short in ("TimeoutStopSec=10", "TimeoutStopSec=5000ms"):
        assert [code for code, _ in found(command, short, *more)] == [SHORT]


def test_what_keeps_nothing_needs_no_time() -> None:
    """A cache that saves nothing ends at once, and so does what is told to."""
    assert found("sidekiq -t 8") == []
    assert found("exec redis-server --save '' --appendonly no") == []
    assert found("exec redis-server --save ''") == []
    assert [code for code, _ in found("exec redis-server --save '' --appendonly yes")] == [SHORT]
    assert [code for code, _ in found("exec redis-server --save '60 1'")] == [SHORT]


@pytest.mark.parametrize(
    "command", ["lighttpd -D -f /x", "caddy run", "puma -C /x", "memcached", "node server.js", "echo nginx", "sleep 5"]
)
def test_what_sigint_is_right_for(command: str) -> None:
    """Most programs end well with it."""
    assert found(command) == []


def test_every_row_has_its_source() -> None:
    """And no name has two."""
    assert all(row.source and (row.sigint or row.others or row.least) for row in STOPPED)
    names = [name for row in STOPPED for name in row.names.split()]
    assert len(names) == len({*names})
