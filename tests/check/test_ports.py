"""Ports that two entries claim, or an entry and a unit that is enabled; and programs that both run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from trees import found as found_in
from trees import make

from cltab2systemd.check import lint, ports
from cltab2systemd.check.loading import load

if TYPE_CHECKING:
    from pathlib import Path

LINK = "->/usr/lib/systemd/system/"
WANTS = "/etc/systemd/system/multi-user.target.wants/"
UNITS = {
    "/usr/sbin/nginx": "!",
    "/usr/bin/memcached": "!",
    "/usr/sbin/other": "!",
    "/usr/lib/systemd/system/nginx.service": "[Service]\nType=forking\nExecStartPre=/usr/sbin/nginx -t\n"
    "ExecStart=/usr/sbin/nginx -g 'daemon on; master_process on;'\n",
    "/usr/lib/systemd/system/memcached.service": "[Service]\nExecStart=/usr/bin/memcached -u memcache \\\n -p 11211\n",
    "/usr/lib/systemd/system/other.service": "[Service]\nExecStart=/usr/sbin/other\n",
    "/usr/lib/systemd/system/panel.socket": "[Socket]\nListenStream=9090\nListenStream=/run/panel\n"
    "ListenDatagram=514\n",
    "/usr/lib/systemd/system/one.service": "[Service]\nType=oneshot\nExecStart=/usr/sbin/other\n",
    f"{WANTS}nginx.service": f"{LINK}nginx.service",
    f"{WANTS}memcached.service": f"{LINK}memcached.service",
    f"{WANTS}one.service": f"{LINK}one.service",
    "/etc/systemd/system/sockets.target.wants/panel.socket": f"{LINK}panel.socket",
}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python3 -m http.server 8080 -d /srv/1234", ("", 8080)),
        ("python3 -m http.server -b 127.0.0.1 8000", ("127.0.0.1", 8000)),
        ("exec nice -n 10 nc -l -p 2000", ("", 2000)),
        ("nc -lk 2000", ("", 2000)),
        ("nc -z my-local 2000", None),
        ("socat TCP-LISTEN:2000,fork EXEC:/bin/cat", ("", 2000)),
        ("socat TCP-LISTEN:2000,reuseport EXEC:/bin/cat", None),
        ("socat UNIX-LISTEN:/x TCP:host:2000", None),
        ("gunicorn -b 127.0.0.1:8000 app", ("127.0.0.1", 8000)),
        ("gunicorn --bind=unix:/run/x app", None),
        ("uvicorn --host localhost --port 8000 app", ("127.0.0.1", 8000)),
        ("redis-server --port 6380 --bind 10.0.0.1", ("10.0.0.1", 6380)),
        ("redis-server /etc/redis.conf", None),
        ("memcached -m 64 -p 11212", ("", 11212)),
        ("prometheus --web.listen-address=:9090", ("", 9090)),
        ("app --listen 0.0.0.0:80", ("", 80)),
        ("app --bind-addr [::1]:80", ("[::1]", 80)),
        ("java -Dserver.port=8080 -jar /x", ("", 8080)),
        ("client --port=3306 --host db", None),
        ("mysqld --port=3307", ("", 3307)),
        ("php -S 127.0.0.1:8000", ("127.0.0.1", 8000)),
        ("docker run --rm -p 8080:80 img", ("", 8080)),
        ("docker run --rm -p 127.0.0.1:8080:80 img", ("127.0.0.1", 8080)),
        ("app --listen 0.0.0.0:99999", None),
        ("ip netns exec x nc -l -p 2000", None),
    ],
)
def test_claims(command: str, expected: tuple[str, int] | None) -> None:
    """What the arguments of a program say; nothing of what is a client's, shared, or in another network."""
    (entry,) = load(f"g:t:1:respawn:{command}\n".encode(), "cltab")[0].entries
    assert [tuple(claim) for claim, _ in ports.claims(entry)] == ([(*expected, "tcp")] if expected else [])


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("named -f -u bind -p 5353", "tcp:5353 udp:5353"),
        ("named -f -u bind", ""),
        ("named -f -p 5353 -c /srv/named.conf", ""),
        ("dnsmasq -k --port=5354", "tcp:5354 udp:5354"),
        ("dnsmasq -k --port=5354 --listen-address=10.0.0.1", ""),
        ("dnsmasq -k --port=5354 --conf-file=/srv/dns.conf", ""),
        ("dnsmasq -k -z -p 5354 -a 10.0.0.1", "tcp:10.0.0.1:5354 udp:10.0.0.1:5354"),
        ("dnsmasq -k -z -p 5354 --interface eth1", ""),
        ("dnsmasq -k --port=0", ""),
        ("nsd -d -c /srv/nsd.conf -p 5355", ""),
        ("nsd -d -a 10.0.0.1 -p 5355", "tcp:10.0.0.1:5355 udp:10.0.0.1:5355"),
        ("nc -ul 514", "udp:514"),
        ("nc -l -u -p 514", "udp:514"),
        ("nc -u host 514", ""),
        ("socat UDP4-RECVFROM:514,fork -", "udp:514"),
        ("in.tftpd -L -a :69 /srv/tftp", "udp:69"),
        ("in.tftpd -L --address 10.0.0.1:69 /srv/tftp", "udp:10.0.0.1:69"),
        ("memcached -p 11211 -U 11212", "tcp:11211 udp:11212"),
        ("memcached -U 0 -p 11211", "tcp:11211"),
        ("docker run --rm -p 53:53/udp -p 53:53 -p 8080:80 img", "tcp:53 tcp:8080 udp:53"),
        ("openvpn --port 1195 --dev tun", "udp:1195"),
        ("openvpn --lport 1196 --proto tcp-server", "tcp:1196"),
        ("openvpn --remote host --port 1195 --nobind", ""),
        ("snmpd -f udp:127.0.0.1:1161", "udp:127.0.0.1:1161"),
        ("kamailio -DD -E -l udp:10.0.0.1:5060 -l tcp:10.0.0.1:5061", "tcp:10.0.0.1:5061 udp:10.0.0.1:5060"),
        ("gunicorn -b :8000 -b 127.0.0.1:8001 app", "tcp:127.0.0.1:8001 tcp:8000"),
        ("iperf3 -s -p 5201", "tcp:5201"),
        ("uvicorn --port 8000 app", "tcp:127.0.0.1:8000"),
        ("uvicorn --host 0.0.0.0 --port 8000 app", "tcp:8000"),
        ("flask run -p 5000", "tcp:127.0.0.1:5000"),
        ("redis-server /srv/redis.conf --port 6380", ""),
        ("redis-server /srv/redis.conf --port 6380 --bind 10.0.0.1", "tcp:10.0.0.1:6380"),
        ("mysqld --defaults-file=/srv/my.cnf --port=3307", ""),
        ("mongod --port 27018", "tcp:127.0.0.1:27018"),
        ("mongod --config /srv/mongod.conf --port 27018", ""),
        ("sshd -D -p 2222", "tcp:2222"),
        ("sshd -D -p 2222 -f /srv/sshd_config", ""),
        ("postgres -h 10.0.0.1 -D /srv/pg -p 5433", "tcp:10.0.0.1:5433"),
        ("iperf3 -c host -p 5201", ""),
    ],
)
def test_protocols(command: str, expected: str) -> None:
    """A port is one of TCP or of UDP, or of both."""
    (entry,) = load(f"g:t:1:respawn:{command}\n".encode(), "cltab")[0].entries
    found = [f"{c.protocol}:{c.address}{':' * bool(c.address)}{c.port}" for c, _ in ports.claims(entry)]
    assert sorted(found) == expected.split()


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (["g:a:1:respawn:nc -l 80", "g:b:1:respawn:nc -l 80"], [2]),
        (["g:a:1:respawn:nc -l 80", "h:b:12:respawn:nc -l 80"], [2]),
        (["g:a:1:respawn:nc -l 80", "g:b:2:respawn:nc -l 80"], []),
        (["g:a:1:respawn:nc -l 80", "g:b:1:off:nc -l 80"], []),
        (["g:a:1:respawn:nc -l 80", "g:b:1:test:nc -l 80"], []),
        (["g:a:1:respawn:nc -l 80", "g:b:1:respawn:nc -l 81"], []),
        (["g:a:1:respawn:x --listen 10.0.0.1:80", "g:b:1:respawn:x --listen 10.0.0.2:80"], []),
        (["g:a:1:respawn:x --listen 10.0.0.1:80", "g:b:1:respawn:x --listen 0.0.0.0:80"], [2]),
        (["g:a:1:respawn:nc -l 80", "g:b:1:respawn:nc -l 80", ":::service.b:PrivateNetwork=yes"], []),
        (["g:a:1:respawn:nc -lu 80", "g:b:1:respawn:nc -l 80"], []),
        (["g:a:1:respawn:nc -lu 53", "g:b:1:respawn:named -f -p 53"], [2]),
        (["g:a:1:respawn:dnsmasq -k -p 53", "g:b:1:respawn:named -f -p 53"], [2]),
        (["g:a:1:respawn:dnsmasq -kzp 53 -a ::1", "g:b:1:respawn:named -f -p 53"], []),
        (["g:a:1:respawn:dnsmasq -kz -p 53 -a 10.0.0.1", "g:b:1:respawn:dnsmasq -kz -p 53 -a 10.0.0.2"], []),
        (["g:a:prod,:respawn:nc -l 80", "g:b:test,:respawn:nc -l 80", "h:c:prod,:once:nc -l 80"], [3]),
    ],
)
def test_entries(entries: list[str], expected: list[int]) -> None:
    """Two entries that share a level cannot have one port; those that share none can."""
    table, _ = load("".join(f"{line}\n" for line in entries).encode(), "cltab")
    told = [finding for finding in lint.findings(table, is_complete=True) if finding.code == "port-taken"]
    assert [finding.place.line for finding in told] == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("exec nginx -g 'daemon off;'", "also-enabled"),
        ("/usr/sbin/nginx -g 'daemon off;' -c /etc/nginx/nginx.conf", "also-enabled"),
        ("exec nginx -g 'daemon off;' -c /srv/shop/http.conf", None),
        ("memcached -u memcache", "also-enabled"),
        ("memcached -p 11212", None),
        ("memcached -p 11211 -c 2000", "port-taken"),
        ("other", None),
        ("nc -l -p 9090", "port-taken"),
        ("nc -l -p 9091", None),
        ("nc -lu 514", "port-taken"),
        ("nc -l 514", None),
        ("nc -lu 9090", None),
    ],
)
def test_enabled_units(tmp_path: Path, command: str, expected: str | None) -> None:
    """A unit that is enabled, and runs the program of an entry or has its port; not one that is only there."""
    make(tmp_path, UNITS)
    entry = f"g:t:1:respawn:{command}\n:::service.t:KillSignal=SIGQUIT\n"
    assert [code for code, *_ in found_in(tmp_path, entry)] == ([expected] if expected else [])
    stop = "g:stop:1:wait:systemctl stop nginx memcached panel.socket\n"
    assert found_in(tmp_path, f"{stop}{entry}") == []
    masks = dict.fromkeys(("nginx.service", "memcached.service", "panel.socket"), "->/dev/null")
    make(tmp_path, {f"/etc/systemd/system/{unit}": target for unit, target in masks.items()}, usual=False, base=False)
    assert found_in(tmp_path, entry) == []


def test_drop_ins(tmp_path: Path) -> None:
    """A drop-in may have the unit run another program."""
    path = "/etc/systemd/system/nginx.service.d/other.conf"
    make(tmp_path, UNITS | {path: "[Service]\nExecStart=\nExecStart=/usr/sbin/other -x\n"})
    assert [
        text for _, _, text in found_in(tmp_path, "g:t:1:respawn:other\ng:u:1:respawn:memcached -c 2000 -p 1\n")
    ] == ["other"]
