"""Who may do what, on a real systemd: clients, the table, and files in directories that others can write."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING

import pytest
from ancestorclient import PERL_CLIENT
from answers import answered
from instance import varlink
from programs import RUN
from shipped import PATH, SERVICE, SOCKET, Shipped

from lab.waiting import wait_until

if TYPE_CHECKING:
    import subprocess

    from lab.node import Node

TABLE = f"web:a:1:respawn:{RUN}\nweb:b:2:respawn:{RUN}\n"
REFUSED = "not permitted: only root and members of group clinit may switch groups; 'clinit -v' shows how they are\n"
SWITCH: dict[str, object] = {"method": "org.clinit.Manager.Switch", "parameters": {"group": "web", "level": "1"}}
STATUS: dict[str, object] = {"method": "org.clinit.Manager.Status"}
ATTACKER = "outsider"


@pytest.fixture(scope="module")
def shipped(node: Node) -> Shipped:
    """The shipped units, and users: two members of the group, and one who is none. No test may leave traces."""
    shipped = Shipped(node)
    node.run("useradd", "--gid", "clinit", "primary")
    node.run("useradd", "--groups", "clinit", "supplementary")
    node.run("useradd", ATTACKER)
    node.write("/usr/local/bin/ldt_client.pl", PERL_CLIENT.read_text())
    shipped.write_table(TABLE)
    shipped.start()
    assert shipped.clinit("-w", "web", "1").returncode == 0
    return shipped


@pytest.fixture(scope="module")
def open_socket(shipped: Shipped) -> Shipped:
    """The same, with a socket that everybody may connect to; for the rest of the module."""
    shipped.drop_in(SOCKET, "[Socket]", "SocketMode=0666")
    shipped.node.run("systemctl", "stop", SERVICE)
    shipped.node.run("systemctl", "restart", SOCKET)
    shipped.node.run("systemctl", "start", SERVICE)
    return shipped


@pytest.fixture
def private(fresh_node: Node) -> Shipped:
    """A node of the test's own, with an attacker who has a directory; nothing is started."""
    private = Shipped(fresh_node)
    fresh_node.run("useradd", ATTACKER)
    fresh_node.run("install", "--directory", f"--owner={ATTACKER}", "/srv/theirs")
    fresh_node.write("/etc/precious", "precious\n", mode=0o600)
    private.write_table(TABLE)
    return private


def ask(shipped: Shipped, user: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the client as a user."""
    return shipped.node.run("clinit", *arguments, user=user, check=False)


def ancestor(shipped: Shipped, user: str, group: str, level: str) -> str:
    """What a client of the ancestor is told."""
    command = ("perl", "/usr/local/bin/ldt_client.pl", PATH, group, level)
    return shipped.node.run(*command, user=user).stdout


@pytest.mark.parametrize("user", ["root", "primary", "supplementary"])
def test_root_and_members_may_switch(shipped: Shipped, user: str) -> None:
    """Root may, and members of the group, be it their first group or another."""
    assert ask(shipped, user, "-w", "web", "2").stdout == "web 2 DONE\n"
    assert ancestor(shipped, user, "web", "1") == "level transition started\n"
    assert ask(shipped, user).returncode == 0


def test_who_may_not_connect_is_told_so(shipped: Shipped) -> None:
    """A user whom the socket's mode keeps out is refused, with who may; the status needs no daemon."""
    refused = ask(shipped, ATTACKER, "web", "2")
    shown = ask(shipped, ATTACKER, "-v")

    answered(refused, code=1, err="")
    assert refused.stdout.startswith(f"not permitted to connect to {PATH}: only root and members of group clinit may")
    assert shown.stdout.startswith("web ")
    assert ask(shipped, ATTACKER, "-w", "web", "2").returncode == 1
    assert ask(shipped, ATTACKER, "-k").returncode == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["web", "2"], ["-w", "web", "2"], ["--try", "9", "web", "2"], ["--keep", "web"], [], ["--apply"],
        ["-k"], ["-k", "-w"],
    ],
)  # fmt: skip
def test_who_may_connect_may_not_switch(open_socket: Shipped, arguments: list[str]) -> None:
    """A user who is no member is refused by the daemon, with a clear answer and a journal line with uid and pid."""
    running = open_socket.main_pid("clinit-web@a.service")
    uid = open_socket.node.run("id", "-u", ATTACKER).stdout.strip()
    refused = ask(open_socket, ATTACKER, *arguments)

    answered(refused, code=1, out=REFUSED)
    options = {"-k": "Halt", "--try": "Try", "--keep": "Keep", "--apply": "Apply", "-w": "Switch", "web": "Switch"}
    method = options[arguments[0]] if arguments else "Reread"
    journal = open_socket.node.journal(SERVICE)
    assert re.search(rf"refused org\.clinit\.Manager\.{method} to uid {uid}, pid [1-9]\d*\n", journal)
    assert running == open_socket.main_pid("clinit-web@a.service")


def test_who_may_connect_may_not_stop_an_entry(open_socket: Shipped) -> None:
    """Nor restart one; a member of the group may, who is no root."""
    running = open_socket.main_pid("clinit-web@a.service")
    for action in ("restart", "stop"):
        done = open_socket.node.run("clinitctl", action, "a", check=False, user=ATTACKER)
        answered(done, code=1, out="", err=f"clinitctl: {REFUSED}")
    assert running == open_socket.main_pid("clinit-web@a.service")

    answered(open_socket.node.run("clinitctl", "restart", "a", user="supplementary"), code=0, out="web 1 DONE\n")
    assert running != open_socket.main_pid("clinit-web@a.service")


def test_who_may_connect_may_not_switch_as_the_ancestors_client(open_socket: Shipped) -> None:
    """So with the other protocol: a switch, a halt, and having the table read."""
    for group, level in (("web", "2"), ("any", ":::SHUTDOWN:::"), ("", "")):
        assert ancestor(open_socket, ATTACKER, group, level) == REFUSED
    assert open_socket.states() == ("active", "active")


def test_who_may_connect_may_read(open_socket: Shipped) -> None:
    """A user who is no member may ask for the status, also in one connection with what he may not."""
    connect = (
        "import socket, sys\ns = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(sys.argv[1])\n"
        's.sendall(b\'{"method": "org.clinit.Manager.Switch", "parameters": {"group": "web", "level": "2"}}\\0\'\n'
        'b\'{"method": "org.clinit.Manager.Status"}\\0\'); s.shutdown(socket.SHUT_WR)\n'
        "while data := s.recv(65536): sys.stdout.buffer.write(data)\n"
    )
    shown = open_socket.node.run("python3", "-c", connect, PATH, user=ATTACKER).stdout

    assert re.search(r'NotPermitted.*"groups":\s*\[\{"group":\s*"web",\s*"level":\s*"\d"', shown, re.DOTALL)
    assert varlink(open_socket.node, SWITCH)[0]["parameters"]["message"] == "level transition started"
    assert "groups" in varlink(open_socket.node, STATUS)[0]["parameters"]


def test_modes_of_what_the_daemon_makes(private: Shipped) -> None:
    """Clstat is for everybody to read, the rest for nobody but root to write; also with a strange umask."""
    node = private.node
    private.write_table(TABLE + ":::socket:/run/made/s\n:::clstat:/run/made/clstat\n:::log:/var/log/made/log\n")
    for umask in ("000", "077"):
        daemon = node.popen("sh", "-c", f"umask {umask}; exec clinit -d")
        wait_until(lambda: node.exists("/run/made/clstat") and node.exists("/run/made/s"))
        wait_until(lambda: private.clinit("-w", "web", "1").returncode == 0)
        places = "/run/made /run/cltab2systemd /run/systemd/system/clinit-* /var/log/made /var/lib/cltab2systemd"
        found = node.shell(f"find {places} -printf '%m %u %y %p\\n'").stdout.splitlines()
        for line in found:
            mode, owner, kind, path = line.split()
            assert owner == "root", line
            assert int(mode, 8) & 0o022 == 0 or (kind == "s" and mode == "660"), line
            readable = 0o755 if kind == "d" else 0o644
            private_file = kind == "s" or path.endswith(("/lock", "/environment"))
            assert private_file or int(mode, 8) == readable, line
            assert not path.endswith("/environment") or int(mode, 8) == 0o600, line
        assert node.run("clinit", "-v", user=ATTACKER).stdout == "web 1 DONE\n"
        private.clinit("-k", "-w")
        daemon.wait(10)
        node.shell("rm -rf /run/made /run/cltab2systemd /var/log/made /var/lib/cltab2systemd")


def test_files_in_a_directory_of_somebody_else(private: Shipped) -> None:
    """Links and FIFOs planted for clstat, its temporary file, log and socket lead the daemon nowhere."""
    node = private.node
    settings = "".join(f":::{name}:/srv/theirs/{name}\n" for name in ("clstat", "log", "socket"))
    private.write_table(TABLE + settings)
    plant = "ln -s /etc/precious /srv/theirs/clstat; ln -s /etc/precious /srv/theirs/log; ln -s /etc/new /srv/theirs/x"
    # Temporary names have the writer's pid in them: all that it may have.
    names = "for pid in $(seq 1 400); do ln -s /etc/precious /srv/theirs/.clstat.$pid.tmp; done"
    node.run("sh", "-ec", f"{plant}; {names}", user=ATTACKER)
    daemon = node.popen("clinit", "-d")
    wait_until(lambda: node.exists("/srv/theirs/socket"))
    assert private.clinit("-w", "web", "1").stdout == "web 1 DONE\n"

    assert node.read("/etc/precious") == "precious\n"
    assert stat.S_IMODE(node.path("/etc/precious").stat().st_mode) == 0o600
    written = node.run("stat", "--format=%F %a %U", "/srv/theirs/clstat", "/srv/theirs/log").stdout.splitlines()
    assert written == ["regular file 644 root", "symbolic link 777 outsider"]
    assert private.clinit("-k", "-w").returncode == 0
    daemon.wait(10)

    node.shell("rm -f /srv/theirs/*; ln -s /etc/socket /srv/theirs/socket")
    refused = private.clinit("-d")
    answered(refused, code=1)
    assert "is not a socket" in refused.stderr
    assert not node.exists("/etc/socket")


def test_fifos_in_a_directory_of_somebody_else(private: Shipped) -> None:
    """A FIFO in the place of clstat or the log holds the daemon up neither at its start nor later."""
    node = private.node
    private.write_table(TABLE + ":::clstat:/srv/theirs/clstat\n:::log:/srv/theirs/log\n")
    node.run("mkfifo", "/srv/theirs/clstat", "/srv/theirs/log", user=ATTACKER)
    daemon = node.popen("clinit", "-d")
    wait_until(private.answers)

    assert private.clinit("-w", "web", "1").stdout == "web 1 DONE\n"
    assert private.clinit("-v").stdout == "web 1 DONE\n"
    assert private.clinit("-k", "-w").returncode == 0
    daemon.wait(10)


def test_a_log_that_turns_into_something_else(private: Shipped) -> None:
    """A log that is moved away, and replaced by a link or put out of reach, costs lines in the log and nothing else."""
    node = private.node
    private.write_table(TABLE + ":::log:/srv/theirs/log\n")
    daemon = node.popen("clinit", "-d")
    wait_until(private.answers)
    assert private.clinit("-w", "web", "1").returncode == 0
    for harm in ("mv log gone; ln -s /etc/precious log", "rm log; mkdir log", "rmdir log"):
        node.shell(f"cd /srv/theirs; {harm}")
        assert private.clinit("-w", "web", "2").stdout == "web 2 DONE\n"
        assert private.clinit("-w", "web", "1").stdout == "web 1 DONE\n"

    assert node.read("/etc/precious") == "precious\n"
    assert "web: going to level 2" in node.read("/srv/theirs/log")
    assert private.clinit("-k", "-w").returncode == 0
    daemon.wait(10)


# What is done to the table, and what is said of it.
DOUBTFUL = [
    ("chown outsider /etc/cltab", r"/etc/cltab belongs to uid \d+, and its commands would run as root"),
    ("chmod 664 /etc/cltab", r"/etc/cltab can be written by others than root \(mode 0664\)"),
    ("chmod 646 /etc/cltab", r"/etc/cltab can be written by others than root \(mode 0646\)"),
    ("ln -sf /srv/theirs/cltab /etc/cltab", r"/etc/cltab belongs to uid \d+"),
    ("rm /etc/cltab; mkfifo /etc/cltab", r"/etc/cltab is not a regular file"),
    ("rm /etc/cltab; mkdir /etc/cltab", r"/etc/cltab is not a regular file"),
    ("ln -sf /dev/zero /etc/cltab", r"/etc/cltab is not a regular file"),
]


def test_a_table_that_is_not_roots(private: Shipped) -> None:
    """Refused with the reason, and everything goes on; the generator has the same rule, and uses the last good one."""
    node = private.node
    private.start()
    assert private.clinit("-w", "web", "1").returncode == 0
    running = private.main_pid("clinit-web@a.service")
    for harm, reason in DOUBTFUL:
        node.shell("rm -rf /etc/cltab /run/units; mkdir /run/units")
        for path in ("/etc/cltab", "/srv/theirs/cltab"):
            node.write(path, "web:evil:1:respawn:true\n")
        node.run("chown", ATTACKER, "/srv/theirs/cltab")
        node.shell(harm)
        refused = private.clinit("web", "1")
        assert refused.returncode == 1, harm
        assert re.match(reason, refused.stdout), refused
        node.run("/usr/bin/python3", "-I", "-m", "cltab2systemd.generator", "/run/units")
        assert node.exists("/run/units/clinit-web@a.service"), harm
        assert not node.exists("/run/units/clinit-web@evil.service"), harm
        journal = node.shell("journalctl --sync; journalctl --boot -o cat -t cltab2systemd-generator").stdout
        assert re.match(reason, journal.splitlines()[-2]), journal
        assert journal.splitlines()[-1] == "using the last good table, /var/lib/cltab2systemd/cltab"
    assert running == private.main_pid("clinit-web@a.service")
    assert {"web": "1 DONE"} == private.clstat()

    node.shell("rm -rf /etc/cltab; mkdir /etc/tables; ln -s /etc/tables/cltab /etc/cltab")
    node.write("/etc/tables/cltab", TABLE)
    assert private.clinit("-w", "web", "2").stdout == "web 2 DONE\n"


def test_settings_of_a_table_that_is_not_roots(private: Shipped) -> None:
    """They do not count at a start either: no clstat is written, and no socket made, where others say."""
    node = private.node
    private.write_table(TABLE + ":::clstat:/etc/precious\n:::socket:/etc/socket\n")
    node.run("chmod", "666", "/etc/cltab")
    daemon = node.popen("clinit", "-d")
    wait_until(lambda: node.exists(PATH))
    refused = private.clinit("web", "1")

    answered(refused, code=1)
    assert "can be written by others" in refused.stdout
    assert node.read("/etc/precious") == "precious\n"
    assert not node.exists("/etc/socket")
    private.clinit("-k", "-w")
    daemon.wait(10)
