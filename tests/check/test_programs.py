"""What is known of the programs that people start from tables, and what is not judged."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from strategies import COMMAND

from cltab2systemd.check.behaviours import Behaviour
from cltab2systemd.check.programrows import INIT_SCRIPT, PROGRAMS
from cltab2systemd.check.programs import Run, background, started, stopped

D, N, E, H = Behaviour.DAEMON, Behaviour.NEVER_ENDS, Behaviour.ENDS, Behaviour.HANDED_OVER


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("sleep infinity", N), ("sleep 5", E), ("tail -f /x", N), ("tail -n5 -F /x", N), ("tail -n 5 /x", E),
        ("tail --follow=name /x", N), ("tail --pid=1 -f /x", E), ("/sbin/agetty tty1", N), ("cat", None),
        ("nginx", D), ("nginx -t", E), ("nginx -s reload", E), ("nginx -g 'daemon off;'", N),
        ('nginx -g "daemon off; worker_processes 1;"', N), ("/usr/sbin/sshd", D), ("sshd -D", N), ("sshd -eD", N),
        ("sshd -t", E), ("apache2 -DFOREGROUND", N), ("httpd -D FOREGROUND", N), ("httpd -k start", D),
        ("httpd -f -p 80", N), ("httpd -f /etc/x.conf", D), ("httpd -k stop", E), ("apachectl start", D),
        ("apachectl stop", E), ("apachectl configtest", E), ("apachectl -DFOREGROUND", N), ("named -u bind", D),
        ("named -f -u bind", N), ("mysqld", N), ("mysqld --daemonize", D), ("mysqld --initialize", E),
        ("mysqld_safe", N), ("memcached -m 64", N), ("memcached -d -m 64", D), ("haproxy -f /x", E),
        ("haproxy -D -f /x", D), ("haproxy -db -f /x", N), ("haproxy -c -f /x", E), ("exim4 -bd -q30m", D),
        ("postfix start", D), ("postfix stop", E), ("service x start", H), ("service x stop", E),
        ("service x restart", E), ("invoke-rc.d --quiet x start", H), ("systemctl start x", H),
        ("systemctl --no-block start x y", H), ("systemctl stop x", E), ("systemctl restart x", E),
        ("systemctl --host=z start x", E), ("systemctl is-active start", E), ("rc-service x start", D),
        ("service --status-all", E), ("/etc/init.d/x start", D), ("/etc/init.d/x stop", E), ("/etc/rc.d/x start", D),
        ("/etc/rc.d/init.d/x restart", D), ("/etc/rc3.d/S20x start", D), ("sh /etc/init.d/x start", D),
        ("sh -x /etc/init.d/x start", D), ("sh -c 'nginx'", D), ("python3 -m http.server 80", N),
        ("python3 x.py", E), ("exec nginx", D), ("A=1 B='2 3' env -i C=4 nice -n 5 nginx", D), ("sudo -u x nginx", D),
        ("nginx >/dev/null 2>&1 </dev/null", D), ("'nginx'", D), ("ng\\inx", None), ("while :; do x; done", N),
        ("while true; do sleep 1; done", N), ("while :; do x || break; done", None), ("while x; do y; done", None),
        ("until false; do x; done", N), ("tmux new -d x", D), ("ping -c 1 x", E), ("ping x", N),
        ("inotifywait -m /x", N), ("inotifywait -m -e attrib /x", N), ("inotifywait --monitor /x", N),
        ("inotifywait -m -t 60 /x", E), ("inotifywait -mqt60 /x", E), ("inotifywait -m --timeout=60 /x", E),
        ("redis-server /x --daemonize yes", D), ("redis-server --daemonize no", N), ("mongod --fork", D), ("mongod", E),
        ("gunicorn -D x:y", D), ("gunicorn x:y", E), ("uwsgi --daemonize=/log x", D), ("php-fpm8.2", D),
        ("php-fpm -F", N), ("php-fpm8.2 --nodaemonize", N), ("php-fpm -t", E), ("php-fpm --daemonize", D),
        ("slapd -VV", E), ("slapd -V -h ldap:///", D), ("chronyd -d -t 60", E), ("chronyd -n", N),
        ("smbd -F -S", N), ("smbd -S", D), ("smbd -i", E), ("winbindd -i", N), ("nmbd -F", N),
        ("zabbix_agentd --test agent.ping", E), ("zabbix_agentd --print", E), ("acpid --foreground", N),
        ("rpc.mountd -V 3", D), ("rpc.mountd --foreground", N), ("rpc.mountd -v", E), ("rpc.statd -V", E),
        ("memcached --daemon -m 64", D), ("kamailio --cfg-print", E),
        ("inotifywait --timeout 60 -m /x", E), ("inotifywait /x", E), ("tail --retry /x", E),
    ],
)  # fmt: skip
def test_behaviours(command: str, expected: Behaviour | None) -> None:
    """What becomes of each, with the arguments that decide it; None is a command that is not even looked at."""
    assert [found.behaviour for found in started(command)] == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("pg_ctlcluster 15 main start", D), ("pg_ctlcluster --foreground 15 main start", N),
        ("pg_ctlcluster 15 main stop", E), ("/opt/tomcat/bin/catalina.sh start", D), ("catalina.sh run", N),
        ("catalina.sh stop", E), ("/opt/tomcat/bin/startup.sh", D), ("celery multi start w1 -A app", D),
        ("celery multi stop w1", E), ("celery -A app worker --detach", D), ("celery -A app worker -l info", E),
        ("daemonize -c / /usr/bin/x", D), ("varnishd -a :80 -b localhost:8080", D), ("varnishd -F -a :80", N),
        ("varnishd -C -f /x.vcl", E), ("dovecot", D), ("dovecot -F", N), ("dovecot reload", E), ("dovecot -n", E),
        ("slapd -h ldap:///", D), ("slapd -d 0", N), ("pm2 start app.js", D), ("pm2 start app.js --no-daemon", N),
        ("pm2 stop app", E), ("unicorn -D -c /x", D), ("unicorn -c /x", E), ("puma -d", D), ("puma -C /x", E),
        ("rsync --daemon", D), ("rsync --daemon --no-detach", N), ("rsync -a /x /y", E), ("rabbitmq-server", E),
        ("rabbitmq-server -detached", D), ("elasticsearch -d", D), ("kafka-server-start.sh -daemon /x", D),
        ("kafka-server-start.sh /x", E), ("zkServer.sh start", D), ("zkServer.sh start-foreground", N),
        ("cassandra", D), ("cassandra -f", N), ("mosquitto -d", D), ("mosquitto -c /x", E), ("pgbouncer -d /x", D),
        ("pgbouncer /x", E), ("ssh -fN host", D), ("ssh -N host", E), ("autossh -f -N host", D), ("supervisord", D),
        ("supervisord -n", N), ("vsftpd -obackground=YES", D), ("vsftpd /etc/vsftpd.conf", E),
        ("kamailio -DD -E", N), ("kamailio", D), ("collectd -f", N), ("zabbix_agentd -f", N), ("zabbix_agentd", D),
        ("neo4j console", N), ("neo4j start", D), ("twistd -n web", N), ("stunnel /x", None),
        ("uwsgi -d /log --ini x", D), ("uwsgi --ini x", E), ("dnsmasq", D), ("dnsmasq -k", N), ("dnsmasq -d", N),
        ("dnsmasq --test", E), ("dnsmasq --keep-in-foreground --port=0", N), ("caddy start", D), ("caddy run", N),
        ("lldpd -dd", N), ("lldpd", D), ("corosync -f", N), ("corosync", D), ("corosync -t", E), ("tinyproxy", D),
        ("tinyproxy -d -c /x", N), ("privoxy --no-daemon /x", N), ("privoxy /x", D), ("artemis-service start", D),
        ("artemis run", None), ("nsd-control start", D), ("nsd-control reload", E), ("unbound-control start", D),
        ("krb5kdc", D), ("krb5kdc -n", N), ("kadmind -nofork", N), ("fail2ban-server -f", N), ("fail2ban-server", D),
        ("fail2ban-server -t", E), ("hostapd -B /x", D), ("hostapd /x", E), ("bgpd -d -A ::1", D), ("bgpd", E),
        ("puppet agent --test", E), ("puppet agent", D), ("puppet agent --no-daemonize", N), ("puppet apply /x", E),
        ("salt-minion -d", D), ("nrpe -c /x -d", D), ("xrdp --nodaemon", N), ("xrdp", D), ("jsvc -nodetach X", N),
        ("irqbalance --oneshot", E), ("irqbalance", D), ("rpc.gssd -f", N), ("fetchmail -d 60", D), ("fetchmail", E),
    ],
)  # fmt: skip
def test_daemons_by_their_documents(command: str, expected: Behaviour | None) -> None:
    """Programs that go to the background, and with what they do not."""
    assert [found.behaviour for found in started(command)] == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("dnsmasq -h", D), ("dnsmasq -v", E), ("memcached -v", N), ("memcached -h", E), ("varnishd -h critbit", D),
        ("varnishd -V", E), ("keepalived -V", D), ("keepalived -v", E), ("keepalived --signum=STOP", E),
        ("unbound -v", D), ("unbound -vd", N), ("nsd -V 3", D), ("nsd -v", E), ("sshd -h /etc/key", D),
        ("postgres -h ::1 -D /x", N), ("postgres -V", E), ("mysqld -h /srv/db", N), ("haproxy -V -D", D),
        ("haproxy -v", E), ("haproxy -d", N), ("rpcbind -h 10.0.0.1", D), ("multipathd -v 3", D),
        ("multipathd show paths", E), ("multipathd -d -s", N), ("asterisk -vvvvvg", N), ("asterisk -rvvv", E),
        ("asterisk -nvvvdddf", N), ("asterisk -V", E), ("asterisk -U pbx", D), ("kamailio -DDD", D),
        ("kamailio -DDE", N), ("opensips -F", N), ("opensips -v", D), ("radvd -d 3", N), ("radvd -d 0", D),
        ("radvd -c", E), ("glusterd --debug", N), ("smartd -q never", D), ("smartd -q onecheck", E), ("ntpd -n", E),
        ("ntpd -dn", E), ("znc --makeconf", E), ("tmux kill-session -t d", E), ("tmux attach -d", E),
        ("/srv/app/startup.sh", E), ("/opt/apache-tomcat-10/bin/startup.sh", D), ("standalone.sh", None),
    ],
)  # fmt: skip
def test_letters_mean_what_each_manual_says(command: str, expected: Behaviour | None) -> None:
    """`-h` and `-v` are no help and no version everywhere, nor is `-d` always a daemon."""
    assert [found.behaviour for found in started(command)] == ([expected] if expected else [])


def test_every_row_has_its_source() -> None:
    """Rows say where that is documented, and no name has two rows."""
    assert all(row.source for row in (*PROGRAMS, INIT_SCRIPT))
    names = [name for row in PROGRAMS for name in row.names.split()]
    assert len(names) == len({*names})


@pytest.mark.parametrize(
    ("command", "marked"),
    [
        ("su - www -c 'exec /usr/sbin/nginx'", "'exec /usr/sbin/nginx'"), ("su -c 'nginx' www", "'nginx'"),
        ("runuser -l www -c 'cd /x && nginx -c y'", "'cd /x && nginx -c y'"), ("runuser -u www -- nginx", "nginx"),
        ("sudo -u www sh -c 'nginx'", "'nginx'"), ("setpriv --reuid=www nice nginx -c x", "nginx -c x"),
        ("exec su www -s /bin/sh -c 'A=b nice -n 5 nginx'", "'A=b nice -n 5 nginx'"), ("gosu www nginx", "nginx"),
        ("sudo runuser -u www -- sh -c \"exec su x -c 'nginx'\"", "\"exec su x -c 'nginx'\""),
        ("chpst -u www nginx", "nginx"), ("bash -lc 'nginx'", "'nginx'"),
    ],
)  # fmt: skip
def test_behind_other_users_and_shells(command: str, marked: str) -> None:
    """A daemon is one behind `su -c`, `sudo`, a shell, too; what is in quotes is marked as a whole."""
    last = started(command)[-1]
    assert (last.name, last.behaviour, last.run) == ("nginx", D, Run.FOREGROUND)
    assert command[last.start : last.end] == marked
    assert [p.behaviour for p in started(command.replace("nginx", "nginx -t"))] != []
    assert all(p.behaviour is E for p in started(command.replace("nginx", "nginx -t")))
    assert started(f"{command} &")[-1].run is Run.BACKGROUND


@pytest.mark.parametrize(
    "command",
    ['su www -c "$X nginx"', "su www -c 'if x; then nginx; fi'", "sudo --unheard www nginx", "su nginx",
     "runuser -u nginx -- /srv/app", "su - nginx -c /srv/app", "sh -c 'x $(nginx)'"],
)  # fmt: skip
def test_what_is_not_certain_behind_them(command: str) -> None:
    """Nothing is told of what a shell has to expand, nor of users."""
    assert all(p.behaviour is E for p in started(command))


@pytest.mark.parametrize(
    "command",
    ["if x; then nginx; fi", "nginx `x`", "nginx $(x)", "( nginx )", "{ nginx; }", "nginx <<X", "nginx 'x", "nginx\\",
     "case x in nginx) ;; esac", "# nginx", "! nginx", "; nginx", "nginx ;; x", "x" * 5000 + " nginx"],
)  # fmt: skip
def test_what_takes_a_shell_is_not_judged(command: str) -> None:
    """Nothing is said of what cannot be told for sure."""
    assert started(command) == ()


def test_several() -> None:
    """Each program of a list is told, with its place, and whether it is waited for, or may not be started."""
    found = started("cd /x && nginx -c y | tee z & tail -f w || sshd")
    assert [(p.name, p.run) for p in found] == [
        ("cd", Run.FOREGROUND), ("nginx", Run.DOUBTFUL), ("tee", Run.DOUBTFUL), ("tail", Run.FOREGROUND),
        ("sshd", Run.DOUBTFUL),
    ]  # fmt: skip
    assert found[1].start == 9
    assert found[1].end == 19


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("x &", (2, 3)),
        ("x y& ", (3, 4)),
        ("x &&", None),
        ("x & y", None),
        ("x; y &", None),
        ("x '&", None),
        ("&", None),
        ("x &>/y", (2, 3)),
        ("x &>>/y", (2, 3)),
        ("x &>/y &", (2, 3)),
        ("x & >/y 2>&1", (2, 3)),
        ("x >/y &", (6, 7)),
        ("x >&2", None),
        ("x &>/y; z", None),
        ("x &>/y && z", None),
        ("x '&>' /y", None),
        ("x \\&>/y", None),
        ("x & & y", None),
        ("x & exit 0", (2, 3)),
        ("x & exit", (2, 3)),
        ("x & wait", None),
        ("x && exit 0", None),
        ("x; y & exit", None),
        ("su y -c 'x &'", (8, 13)),
        ("exec su - y -c '/x >/l 2>&1 & exit 0'", (15, 37)),
        ("sh -c 'x & wait'", None),
        ("su y -c 'x; y &'", None),
        ("su y -c 'x &'; z", None),
    ],
)
def test_background(command: str, expected: tuple[int, int] | None) -> None:
    """A command that the shell puts into the background as a whole."""
    assert background(command) == expected


def test_redirections_without_a_program() -> None:
    """They are commands, and no programs."""
    assert [(p.name, p.run) for p in started(">/x; nginx & >/y")] == [("nginx", Run.BACKGROUND)]
    assert [p.run for p in started(">/x || nginx")] == [Run.DOUBTFUL]


def test_services() -> None:
    """Those that systemd is told to start, as their units are called without `.service`."""
    assert [p.services for p in started("service x start; systemctl -q start y.service z.timer a@1; nginx")] == [
        ("x",), ("y", "z.timer", "a@1"), (),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "is_stopped"),
    [
        ("systemctl stop x", True),
        ("systemctl stop y.service x.service", True),
        ("/etc/init.d/x stop", True),
        ("if a; then service 'x' stop; fi", True),
        ("systemctl disable --now x", True),
        ("systemctl stop y", False),
        ("systemctl start x", False),
        ("nonstop x", False),
    ],
)
def test_stopped(command: str, *, is_stopped: bool) -> None:
    """What a command may stop is read generously, as it is what a warning is not given for."""
    assert ("x" in stopped(command)) == is_stopped


@settings(deadline=None)
@given(COMMAND)
def test_any_command(command: str) -> None:
    """Any command can be looked at, and places are in it."""
    for text in (command, f"nginx {command}", f"{command} & nginx"):
        assert all(0 <= found.start < found.end <= len(text) for found in started(text))
        background(text)
