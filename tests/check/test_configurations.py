"""Configuration files that decide whether a program becomes a daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from trees import found, make

from cltab2systemd.check import everything
from cltab2systemd.check.programrows import PROGRAMS

if TYPE_CHECKING:
    from pathlib import Path

CONFIGURED = {name: row.configuration for row in PROGRAMS if row.configuration for name in row.names.split()}
RESPAWNED, ENDLESS = "respawned-daemon", "never-ends"


def codes(root: Path, command: str, mode: str = "respawn", *directives: str) -> set[str]:
    """What is found about what becomes of a program."""
    table = f"g:t:1:{mode}:{command}\n" + "".join(f":::service.t:{line}\n" for line in directives)
    return {code for code, *_ in found(root, table) if code in {RESPAWNED, ENDLESS, "stopped-daemon"}}


@pytest.mark.parametrize(
    ("command", "path", "stays", "daemon"),
    [
        ("nginx", "/etc/nginx/nginx.conf", "user x;\ndaemon off;\n", "#daemon off;\n"),
        ("nginx -c /srv/nginx.conf", "/srv/nginx.conf", "daemon  off; events {}\n", ""),
        ("php-fpm8.2 -y /srv/fpm.conf", "/srv/fpm.conf", "[global]\ndaemonize = no\n", ";daemonize = no\n"),
        ("unbound -c /srv/unbound.conf", "/srv/unbound.conf", "server:\n  do-daemonize: no\n", "server:\n"),
        ("dnsmasq -C /srv/dns.conf", "/srv/dns.conf", "port=53\nkeep-in-foreground\n", "port=53\n"),
        ("supervisord", "/etc/supervisor/supervisord.conf", "[supervisord]\nnodaemon=true\n", "[supervisord]\n"),
        ("haproxy -f /srv/ha.cfg", "/srv/ha.cfg", "global\n  # daemon\n", "global\n  daemon\n"),
        ("haproxy -W -f /srv/a.cfg -f /srv/ha.cfg", "/srv/ha.cfg", "global\n", "global\n\tdaemon  # yes\n"),
        ("redis-server /srv/redis.conf", "/srv/redis.conf", "daemonize no\n", "port 1\ndaemonize yes\n"),
        ("redis-server /srv/redis.conf --port 7", "/srv/redis.conf", "# daemonize yes\n", "DAEMONIZE yes\n"),
        ("mongod --config /srv/m.yml", "/srv/m.yml", "net:\n  port: 1\n", "processManagement:\n  fork: true\n"),
        ("uwsgi --ini /srv/app.ini", "/srv/app.ini", "[uwsgi]\n", "[uwsgi]\ndaemonize = /var/log/app.log\n"),
        ("uwsgi /srv/app.ini", "/srv/app.ini", "[uwsgi]\n", "[uwsgi]\ndaemonize2=/var/log/app.log\n"),
        ("gunicorn -c /srv/g.py app", "/srv/g.py", "daemon = False\n", "workers = 2\ndaemon = True\n"),
        ("vsftpd", "/etc/vsftpd.conf", "listen=YES\n", "background=YES\n"),
        ("monit -c /srv/monitrc", "/srv/monitrc", "#set daemon 60\n", "set daemon 60\n"),
        ("openvpn --config /srv/v.conf", "/srv/v.conf", "dev tun\n", "dev tun\ndaemon\n"),
    ],
)
def test_files(tmp_path: Path, command: str, path: str, stays: str, daemon: str) -> None:
    """What a file says counts, in the root that the table is checked against."""
    for name, text, expected in (("stays", stays, set()), ("daemon", daemon, {RESPAWNED})):
        make(tmp_path / name, {path: text})
        assert codes(tmp_path / name, command) == expected
        assert codes(tmp_path / name, f"su - www-data -c '{command}'") == expected


def test_what_goes_before_a_file(tmp_path: Path) -> None:
    """Arguments do; and of an entry with other files than the machine's, none is read."""
    make(tmp_path, {"/srv/redis.conf": "daemonize yes\n", "/srv/ha.cfg": "daemon\n", "/srv/n.conf": "daemon off;\n"})
    make(tmp_path, {"/srv/fpm.conf": "daemonize = no\n"}, usual=False, base=False)
    assert codes(tmp_path, "php-fpm -D -y /srv/fpm.conf") == {RESPAWNED}
    assert codes(tmp_path, "redis-server /srv/redis.conf --daemonize no") == set()
    assert codes(tmp_path, "haproxy -db -f /srv/ha.cfg") == set()
    assert codes(tmp_path, "haproxy -Ws -f /srv/ha.cfg") == set()
    assert codes(tmp_path, "haproxy -c -f /srv/ha.cfg", "test") == set()
    assert codes(tmp_path, "nginx -t -c /srv/n.conf", "test") == set()
    assert codes(tmp_path, "nginx -c /srv/n.conf", "wait") == {ENDLESS}
    assert codes(tmp_path, "redis-server /srv/redis.conf", "respawn", "BindPaths=/srv/x:/srv") == set()
    assert codes(tmp_path, "nginx -c /srv/n.conf", "respawn", "RootDirectory=/srv/y") == {RESPAWNED}


def test_hints(tmp_path: Path) -> None:
    """The hint says what to write, or which line of which file is to be left out."""
    make(tmp_path, {"/srv/redis.conf": "daemonize yes\n", "/srv/ha.cfg": "global\n daemon\n"})
    table = "g:t:1:respawn:redis-server /srv/redis.conf\ng:u:1:respawn:haproxy -f /srv/ha.cfg\n"
    findings = everything.findings(table.encode(), "cltab", str(tmp_path))
    assert [finding.hint for finding in findings if finding.code == RESPAWNED] == [
        "leave out 'daemonize yes' in /srv/redis.conf", "keep it in the foreground with -db"
    ]  # fmt: skip


def test_every_configuration_says_something() -> None:
    """What makes a daemon has the line that a hint tells."""
    assert len(CONFIGURED) > 20
    assert all(row.stays or (row.daemon and row.line) for row in CONFIGURED.values())
