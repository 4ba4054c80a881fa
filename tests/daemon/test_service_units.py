"""The shipped units on a real systemd: activation, readiness, watchdog, restarts, hardening."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING

import pytest
from answers import answered
from programs import RUN
from shipped import PATH, SERVICE, SOCKET, Shipped

from cltab2systemd.node.command import kill
from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

TABLE = f"""\
web:init:1:wait:event web init
web:db:12:respawn:{RUN}
web:once:1:once:{RUN}
web:chk:1:test:true
web:off:1:off:{RUN}
mail:q:1:respawn:{RUN}
"""


@pytest.fixture
def shipped(fresh_node: Node) -> Shipped:
    """The shipped units in a node of the test's own, with a table; nothing is started."""
    shipped = Shipped(fresh_node)
    shipped.write_table(TABLE)
    return shipped


@pytest.fixture
def running(shipped: Shipped) -> Shipped:
    """The daemon, enabled, with two groups at level 1."""
    shipped.start()
    for group in ("web", "mail"):
        assert shipped.clinit("-w", group, "1").returncode == 0
    return shipped


def pids(shipped: Shipped, *entries: str) -> list[int]:
    """The main pids of entries, which have to run; of all, if none is named."""
    found = [shipped.main_pid(f"clinit-{entry}.service") for entry in entries or ("web@db", "web@once", "mail@q")]
    assert 0 not in found
    return found


def test_the_first_request_starts_the_daemon(shipped: Shipped) -> None:
    """Systemd listens at the path, for root and the group; the first request starts the daemon and is answered."""
    shipped.node.run("systemctl", "start", SOCKET)
    status = shipped.node.path(PATH).stat()
    group = shipped.node.run("getent", "group", "clinit").stdout.split(":")[2]
    assert 0 == status.st_uid
    assert int(group) == status.st_gid
    assert 0o660 == stat.S_IMODE(status.st_mode)
    assert shipped.states() == ("active", "inactive")

    assert shipped.clinit("-w", "web", "1").stdout == "web 1 DONE\n"
    assert shipped.states() == ("active", "active")
    assert shipped.node.path(PATH).stat().st_ino == status.st_ino


def test_ready_means_that_it_serves(shipped: Shipped) -> None:
    """`systemctl start` returns when the daemon has read its table and answers, and has written clstat."""
    shipped.write_table(TABLE + "".join(f"g{number}:e{number}:1:once:true\n" for number in range(300)))
    shipped.start()

    assert shipped.properties(SERVICE, "Type", "SubState") == {"Type": "notify", "SubState": "running"}
    assert shipped.node.exists("/run/clinit/clstat")
    assert shipped.node.exists("/run/systemd/system/clinit-g299@e299.service")
    assert shipped.clinit("-w", "--timeout", "5", "web", "1").returncode == 0


def test_a_daemon_that_hangs_is_restarted(running: Shipped) -> None:
    """The watchdog kills a stopped daemon and starts the next one; the groups do not notice."""
    running.drop_in(SERVICE, "[Service]", "WatchdogSec=3")
    running.node.run("systemctl", "restart", SERVICE)
    before, pid = pids(running), running.pid
    running.node.run("kill", "-STOP", str(pid))
    running.await_restart(pid)

    assert "Watchdog timeout" in running.node.journal(SERVICE)
    assert before == pids(running)
    assert running.clinit("-w", "web", "1").returncode == 0


def test_a_daemon_that_is_killed_is_restarted(running: Shipped) -> None:
    """SIGKILL: systemd starts the next one at once, with the same groups; a client that waits gets its answer."""
    running.write_table(TABLE + "slow:s:1:wait:sleep 1.5\n")
    before, pid = pids(running), running.pid
    waiting = running.node.popen("clinit", "-w", "slow", "1")
    wait_until(lambda: running.clstat().get("slow") == "1 STARTING")
    running.node.run("kill", "-KILL", str(pid))
    running.await_restart(pid)

    assert before == pids(running)
    assert waiting.wait(20) == 0
    assert {"web": "1 DONE", "mail": "1 DONE", "slow": "1 DONE"} == running.clstat()


def test_it_runs_from_boot_on(running: Shipped) -> None:
    """Enabled means that the daemon runs after a boot without any request: clstat has its heartbeat from then on."""
    running.node.reboot()
    wait_until(lambda: running.states() == ("active", "active"))

    assert running.node.read("/run/clinit/clstat") == ""
    assert running.clinit("-w", "web", "1").returncode == 0


def test_a_boot_level_is_reached_with_the_daemon(shipped: Shipped) -> None:
    """A group with a boot level is there after a boot, and the daemon knows it."""
    shipped.write_table(TABLE + ":::initdefault.web:2\n")
    shipped.start()
    shipped.node.reboot()
    wait_until(lambda: shipped.clstat().get("web") == "2 DONE")

    assert shipped.states() == ("active", "active")


def test_groups_and_clstat_outlive_the_daemon(running: Shipped) -> None:
    """Stopped, restarted or killed: the same processes, the same clstat, and the next request works on."""
    before, status = pids(running), running.clstat()
    for command in ("stop", "restart", "kill --signal=KILL", "stop"):
        running.node.shell(f"systemctl {command} {SERVICE}")
        assert before == pids(running)
        assert status == running.clstat()
        assert running.clinit("-w", "web", "1").returncode == 0
        assert before == pids(running)
        assert status == running.clstat()


def test_a_daemon_by_hand_beside_it(running: Shipped) -> None:
    """Another instance works beside the service; one more daemon for the same instance is told what to do."""
    node = running.node
    options = ("-s", "/run/other/s", "--clstat", "/run/other/clstat")
    node.write("/etc/other", TABLE)
    node.run("systemd-run", "--quiet", "--unit=other", "clinit", "-d", "-c", "/etc/other", *options)
    wait_until(lambda: node.exists("/run/other/s"))
    assert node.run("clinit", "-c", "/etc/other", *options, "-w", "web", "2").stdout == "web 2 DONE\n"
    assert running.clstat()["web"] == "1 DONE"

    pid = running.pid
    second = running.clinit("-d")
    assert second.returncode == 1
    assert f"a daemon with pid {pid} already has this instance; stop it, or" in second.stderr


def test_a_daemon_by_hand_while_systemd_listens(running: Shipped) -> None:
    """While the socket is systemd's, the message says what to do, and the question alone starts no service."""
    running.node.run("systemctl", "stop", SERVICE)
    refused = running.clinit("-d")

    assert refused.returncode == 1
    assert "systemctl start clinit.service" in refused.stderr
    assert "systemctl stop clinit.socket" in refused.stderr
    assert running.states() == ("active", "inactive")
    running.node.run("systemctl", "stop", SOCKET)
    by_hand = running.node.popen("clinit", "-d")
    wait_until(running.answers)
    assert running.states() == ("inactive", "inactive")
    assert running.clinit("-w", "web", "1").returncode == 0
    kill(by_hand)


def test_a_daemon_by_hand_leaves_the_socket_to_systemd(shipped: Shipped) -> None:
    """Systemd takes the path when clinit.socket is started; a daemon by hand that ends then does not remove it."""
    by_hand = shipped.node.popen("clinit", "-d")
    wait_until(shipped.answers)
    shipped.node.run("systemctl", "start", SOCKET)
    shipped.node.run("kill", "-TERM", shipped.node.read("/run/cltab2systemd/system/lock").strip())
    by_hand.wait(10)

    assert shipped.clinit("-w", "web", "1").stdout == "web 1 DONE\n"
    assert shipped.states() == ("active", "active")


def test_a_service_beside_a_daemon_by_hand(shipped: Shipped) -> None:
    """The service fails once, with the pid of the daemon in its place, and is not tried again and again."""
    by_hand = shipped.node.popen("clinit", "-d")
    wait_until(shipped.answers)
    pid = shipped.node.read("/run/cltab2systemd/system/lock").strip()
    assert shipped.node.run("systemctl", "start", SERVICE, check=False).returncode != 0

    shown = shipped.properties(SERVICE, "ActiveState", "NRestarts", "ExecMainStatus")
    assert shown == {"ActiveState": "failed", "NRestarts": "0", "ExecMainStatus": "75"}
    assert f"a daemon with pid {pid} already has this instance" in shipped.node.journal(SERVICE)
    kill(by_hand)


def test_a_socket_that_is_restarted(running: Shipped) -> None:
    """The daemon is restarted with it, and serves at the new socket; groups do not notice."""
    assert running.clinit("-w", "web", "1").returncode == 0
    pid = running.pid
    running.node.run("systemctl", "restart", SOCKET)
    wait_until(lambda: running.states() == ("active", "active"))

    assert running.clinit("-w", "web", "1").stdout == "web 1 DONE\n"
    assert running.pid not in {0, pid}


def test_halt_stops_the_socket_too(running: Shipped) -> None:
    """After `-k` a poll does not bring the daemon back, and is told what does; that brings both back."""
    assert running.clinit("-k", "-w").returncode == 0
    poll = running.clinit("web", "1")
    wait_until(lambda: running.states() == ("inactive", "inactive"))
    assert poll.returncode == 3
    again = running.clinit("web", "1")

    answered(again, code=3, out="")
    assert again.stderr == (
        f"clinit: no daemon at {PATH}: No such file or directory; start it with 'systemctl start {SERVICE}'\n"
    )
    assert running.states() == ("inactive", "inactive")
    assert not running.node.exists(PATH)
    assert not running.node.exists("/run/clinit/clstat")
    running.node.run("systemctl", "start", SERVICE)
    assert running.states() == ("active", "active")
    assert running.clinit("-w", "web", "1").returncode == 0


def test_a_setting_outside_of_what_the_unit_may_write(shipped: Shipped) -> None:
    """The table is refused where the setting stands; with what the hint says to do it takes effect, also at boot."""
    shipped.start()
    for path in ("/srv/ha/clstat", "/home/ha/clstat", "/var/log/clstat", "/tmp/ha/clstat", "/run/ha/x/clstat"):
        shipped.write_table(TABLE + f":::clstat:{path}\n")
        refused = shipped.clinit("web", "1")
        assert refused.returncode == 1, path
        assert "/etc/cltab:7:1: error: the daemon cannot write below /" in refused.stderr
        follow_hint(shipped, refused.stderr)
        assert shipped.clinit("-w", "web", "1").stdout == "web 1 DONE\n"
        assert shipped.node.read(path).split()[1:] == ["web", "1", "DONE"]
    shipped.node.reboot()
    wait_until(lambda: shipped.states()[1] == "active")

    assert shipped.clinit("-w", "web", "1").returncode == 0
    assert shipped.node.exists("/run/ha/x/clstat")


def test_a_setting_that_no_unit_should_be_given(shipped: Shipped) -> None:
    """A file right in /run, or in a directory that is not root's, has other advice, for a drop-in would not help."""
    shipped.start()
    shipped.write_table(TABLE + ":::clstat:/run/clstat\n")
    assert "name a file in a directory of its own" in shipped.clinit("web", "1").stderr
    shipped.node.run("install", "--directory", "--owner=nobody", "/srv/ha")
    shipped.drop_in(SERVICE, "[Service]", "ReadWritePaths=/srv/ha")
    shipped.node.run("systemctl", "restart", SERVICE)
    shipped.write_table(TABLE + ":::clstat:/srv/ha/clstat\n")

    assert "chown root /srv/ha" in shipped.clinit("web", "1").stderr


def follow_hint(shipped: Shipped, text: str) -> None:
    """Do what the hint of a setting says, to the letter."""
    hint = re.search(r"(mkdir -p \S+; )?systemctl edit (\S+), with the lines (\S+) and (\S+); (systemctl .*)", text)
    assert hint, text
    shipped.node.shell((hint[1] or "").rstrip("; ") or "true")
    shipped.drop_in(hint[2], hint[3], hint[4])
    shipped.node.shell(hint[5])


def test_socket_and_log_outside_of_what_the_unit_may_write(shipped: Shipped) -> None:
    """So with the others, also when the daemon starts with them: it starts, says so, and serves at its own socket."""
    shipped.write_table(TABLE + ":::log:/srv/log/clinit\n:::socket:/srv/ha/s\n")
    shipped.start()
    refused = shipped.clinit()
    assert refused.returncode == 1
    assert ":7:1: error: the daemon cannot write below /srv" in refused.stderr
    assert ":8:1: error: the daemon cannot write below /srv" in refused.stderr
    shipped.node.run("mkdir", "-p", "/srv/ha", "/srv/log")
    shipped.drop_in(SERVICE, "[Service]", "ReadWritePaths=/srv/ha /srv/log")
    shipped.node.run("systemctl", "restart", SERVICE)

    assert shipped.clinit("-w", "web", "1").stdout == "web 1 DONE\n"
    assert "web: going to level 1" in shipped.node.read("/srv/log/clinit")
    status = shipped.node.path("/srv/ha/s").stat()
    group = shipped.node.run("getent", "group", "clinit").stdout.split(":")[2]
    assert int(group) == status.st_gid
    assert 0o660 == stat.S_IMODE(status.st_mode)


def test_settings_that_the_unit_may_write(shipped: Shipped) -> None:
    """Below its own directories no drop-in is needed."""
    settings = ":::socket:/run/clinit/s\n:::clstat:/run/clinit/status\n:::log:/var/log/clinit/log\n"
    shipped.write_table(TABLE)
    shipped.start()
    shipped.write_table(settings + TABLE)

    assert shipped.clinit("-w", "web", "1").stdout == "web 1 DONE\n"
    assert shipped.clinit("-v").stdout == "web 1 DONE\n"
    assert shipped.node.exists("/run/clinit/s")
    assert shipped.clinit("-k", "-w").returncode == 0
    wait_until(lambda: not shipped.node.exists(PATH))
    assert not shipped.node.exists("/run/clinit/s")


def test_everything_works_in_the_hardened_unit(shipped: Shipped) -> None:
    """The daemon has an exposure of at most 2.0, and entries of all modes have none of its restrictions."""
    shown = shipped.node.run("systemd-analyze", "security", SERVICE, check=False).stdout
    exposure = re.search(r"Overall exposure level for clinit.service: ([\d.]+)", shown)
    assert exposure is not None
    assert float(exposure[1]) <= 2.0
    node = shipped.node
    shipped.write_table(
        TABLE
        + "web:root:1:wait:touch /srv/outside; chown nobody /srv/outside; ulimit -n >/srv/files\n"
        + "web:user:1:wait:id -un >/run/user/who\n:::service.user:User=nobody\n:::group.web:TasksMax=100\n"
    )
    node.run("install", "--directory", "--owner=nobody", "/run/user")
    shipped.start()

    assert shipped.clinit("-w", "web", "1").stdout == "web 1 DONE\n"
    assert pids(shipped, "web@db", "web@once")
    assert node.read("/run/user/who") == "nobody\n"
    assert node.run("stat", "--format=%U", "/srv/outside").stdout == "nobody\n"
    assert node.read("/srv/files") == "1024\n"
    assert shipped.properties("clinit-web.slice", "TasksMax") == {"TasksMax": "100"}
    assert shipped.clinit("-w", "web", "2").stdout == "web 2 DONE\n"
    assert shipped.main_pid("clinit-web@once.service") == 0
    assert shipped.clstat() == {"web": "2 DONE"}
    assert node.read("/var/lib/cltab2systemd/cltab") == shipped.node.read("/etc/cltab")
    assert shipped.clinit("-k", "-w").returncode == 0
    assert shipped.main_pid("clinit-web@db.service") == 0
    assert not node.run("systemctl", "--failed", "--plain", "--no-legend").stdout
