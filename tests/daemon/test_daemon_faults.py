"""Faults and races that once went wrong: the daemon's promises hold in the middle of everything."""

from __future__ import annotations

from contextlib import suppress
from subprocess import CompletedProcess, TimeoutExpired
from typing import TYPE_CHECKING

import pytest
from answers import answered
from programs import RUN, RUN_NEW, deaf, held, slow_to_stop
from twogroups import TABLE, pids

from cltab2systemd.node.command import kill
from lab.waiting import wait_until

if TYPE_CHECKING:
    from instance import Instance

READ_ONLY = "cd /run/systemd/system; mount --bind . .; mount -o remount,bind,ro /run/systemd/system"
HELD = held("/run/held")


def at_level_1(instance: Instance, command: str) -> Instance:
    """Have a group `slow` with an entry of this command."""
    instance.write_table(TABLE + f"slow:s:1:respawn:{command}\nslow:t:2:respawn:{RUN}\n")
    assert instance.clinit("-w", "slow", "1").returncode == 0
    return instance


@pytest.fixture
def slow(instance: Instance) -> Instance:
    """A group whose entry takes 0.8 s to stop, at level 1."""
    return at_level_1(instance, slow_to_stop(0.8))


@pytest.fixture
def stuck(instance: Instance) -> Instance:
    """The same group. Its entry does not stop as long as there is a file /run/held."""
    instance.node.run("rm", "-f", "/run/held")  # of a test that has failed
    at_level_1(instance, HELD)
    wait_until(lambda: instance.node.exists("/run/held"))
    return instance


def statuses_until(daemon: Instance, group: str, last: str) -> list[str]:
    """All that clstat says of a group, as often as it can be asked, until it says what is last."""
    shown = [daemon.clstat()[group]]
    while shown[-1] != last:
        shown.append(wait_until(lambda: status if (status := daemon.clstat()[group]) != shown[-1] else ""))
    return shown


def test_dbus_restarts_under_clients(slow: Instance) -> None:
    """A restart of dbus, with clients that come and go meanwhile, leaves a daemon that serves."""
    for _ in range(3):
        clients = [slow.node.popen("clinit", "web", "1") for _ in range(6)]
        slow.node.run("systemctl", "restart", "dbus")
        for client in clients:
            client.wait(30)
    wait_until(lambda: slow.clinit("-w", "web", "1").returncode == 0, timeout=20, what="it serves again")

    assert slow.clstat()["web"] == "1 DONE"


def test_a_halt_during_daemon_reexec(slow: Instance) -> None:
    """`-k` waits for a systemd that is away for a moment."""
    reexec = slow.node.popen("systemctl", "daemon-reexec")
    halted = slow.clinit("-k", "-w")
    reexec.wait(20)

    answered(halted, code=0, out="")
    assert set(pids(slow).values()) == {0}


def test_a_new_table_in_the_middle_of_a_start_opens_no_gate(slow: Instance) -> None:
    """Cancelling a switch for new lines starts nothing that was still waiting for its turn."""
    table = slow.node.read("/etc/cltab")
    later = "".join(f"web:l{number}:3:once:event web later {number}\n" for number in range(8))
    slow.write_table(table + "web:first:3:wait:event web first; sleep 30\n" + later)
    assert slow.clinit("web", "3").returncode == 0
    wait_until(lambda: slow.clstat()["web"] == "3 STARTING" and "first" in slow.node.read("/run/events/web"))
    slow.write_table(table + "web:first:3:wait:event web second; sleep 0.2; event web ended\n" + later)
    assert slow.clinit("-w", "web", "3").stdout == "web 3 DONE\n"
    wait_until(lambda: "later 7" in slow.node.read("/run/events/web"))

    events = [line.split(" ", 1)[1] for line in slow.node.read("/run/events/web").splitlines()]
    assert ["first", "second", "ended"] == events[events.index("first") :][:3]


def test_halting_with_a_masked_gate(slow: Instance) -> None:
    """A group that cannot be switched in order can still be halted, for which the order of starts does not count."""
    slow.node.run("systemctl", "mask", "clinitgate-web@app.service")
    halted = slow.clinit("-k", "-w")

    answered(halted, code=0, out="")
    assert set(pids(slow).values()) == {0}


def test_a_halt_that_cannot_be_is_none(slow: Instance) -> None:
    """If a group cannot be halted, the client is told, and daemon and clstat stay: they alone know what runs."""
    slow.node.run("systemctl", "mask", "clinitbarrier-web@:::SHUTDOWN:::.service")
    halted = slow.clinit("-k", "-w")

    answered(halted, code=1)
    assert "clinitbarrier-web@:::SHUTDOWN:::.service is masked" in halted.stdout
    assert pids(slow)["web:db"] != 0
    assert slow.clstat()["web"] == "1 DONE"
    assert slow.clinit("-w", "web", "1").returncode == 0


def test_the_later_of_two_unnamed_levels_wins(slow: Instance) -> None:
    """Between levels that no entry names, too, a request in the middle of a switch takes over."""
    for first, second in (("999", "998"), ("a", "b"), ("b", "a")):
        assert slow.clinit("-w", "slow", "1").returncode == 0
        slow.clinit("slow", first)
        assert slow.clinit("-w", "slow", second).stdout == f"slow {second} DONE\n"


@pytest.mark.parametrize("signal", ["KILL", "TERM"])
def test_a_daemon_that_ends_while_a_group_is_emptied(stuck: Instance, signal: str) -> None:
    """A switch that was accepted is carried out by the next daemon; meanwhile nothing says that it is done."""
    stuck.write_table(stuck.node.read("/etc/cltab").replace(HELD, RUN_NEW))
    assert stuck.clinit("slow", "1").returncode == 0
    stuck.kill(signal)
    assert stuck.clstat()["slow"] == "1 STOPPING"
    stuck.node.run("rm", "/run/held")
    wait_until(lambda: stuck.main_pid("clinit-slow@s.service") == 0)
    stuck.start()
    shown = statuses_until(stuck, "slow", "1 DONE")

    assert set(shown) <= {"1 STOPPING", "1 STARTING", "1 DONE"}
    assert stuck.main_pid("clinit-slow@s.service") != 0
    assert RUN_NEW in stuck.node.run("systemctl", "cat", "clinit-slow@s.service").stdout


def test_a_superseding_request_does_not_show_the_old_state(stuck: Instance) -> None:
    """While entries of a group are down for new lines, clstat never says that their level is done."""
    stuck.write_table(stuck.node.read("/etc/cltab").replace(HELD, RUN_NEW))
    superseded = stuck.node.popen("clinit", "-w", "slow", "1")
    wait_until(lambda: stuck.clstat()["slow"] == "1 STOPPING")
    waiting = stuck.node.popen("clinit", "-w", "slow", "1")
    shown = set()

    def is_superseded() -> bool:
        shown.add(stuck.clstat()["slow"])
        return superseded.poll() is not None

    def is_over() -> bool:
        assert stuck.clstat()["slow"] != "1 DONE" or stuck.main_pid("clinit-slow@s.service") != 0
        return waiting.poll() is not None

    wait_until(is_superseded)
    assert (superseded.returncode, shown) == (6, {"1 STOPPING"})
    stuck.node.run("rm", "/run/held")
    wait_until(is_over, timeout=30)
    assert waiting.returncode == 0


def test_a_reload_that_failed_is_made_up_for(slow: Instance) -> None:
    """If systemd does not reload, the request is refused, and the next one does not run the old command."""
    slow.node.run("mv", "/usr/bin/systemctl", "/usr/bin/systemctl.away")
    slow.node.write("/usr/bin/systemctl", "#!/bin/sh\nexit 1\n", mode=0o755)
    slow.write_table(slow.node.read("/etc/cltab").replace(f"app:1:respawn:{RUN}", "app:1:respawn:exec sleep 2000"))
    refused = slow.clinit("-w", "web", "1")
    assert refused.returncode == 1
    slow.node.run("mv", "/usr/bin/systemctl.away", "/usr/bin/systemctl")
    assert slow.clstat()["web"] == "1 FAILED"
    assert slow.clinit("-w", "web", "1").returncode == 0

    pid = pids(slow)["web:app"]
    wait_until(lambda: slow.node.read(f"/proc/{pid}/cmdline") == "sleep\x002000\x00")


def test_unit_files_that_somebody_removed_come_back(slow: Instance) -> None:
    """Units that are gone from the disk are written again by the next request."""
    slow.node.shell("rm /run/systemd/system/clinit*-web@*; systemctl daemon-reload")

    assert slow.clinit("-w", "web", "2").returncode == 4
    assert slow.clstat()["web"] == "2 FAILED"


def test_a_halt_goes_on_after_a_kill(stuck: Instance) -> None:
    """Groups that a killed daemon was halting are not left HALTING."""
    assert stuck.clinit("-k").returncode == 0
    stuck.kill("KILL")
    assert stuck.clstat()["slow"] == "1 HALTING"
    stuck.node.run("rm", "/run/held")
    stuck.start()
    wait_until(lambda: set(stuck.clstat().values()) == {"1 CONFIGURED"})

    assert set(pids(stuck).values()) == {0}


def test_a_cancelled_switch_is_not_configured(slow: Instance) -> None:
    """A switch that somebody cancels in systemd leaves a group that is FAILED as long as anything of it runs."""
    slow.write_table(slow.node.read("/etc/cltab") + f"web:r:3:respawn:{RUN}\nweb:w:3:wait:sleep 60\n")
    waiting = slow.node.popen("clinit", "-w", "web", "3")
    wait_until(lambda: slow.clstat()["web"] == "3 STARTING" and slow.main_pid("clinit-web@r.service"))
    slow.node.run("systemctl", "cancel")
    wait_until(lambda: slow.clstat()["web"] == "3 FAILED")

    assert waiting.wait(10) != 0


def test_a_switch_that_cannot_be_written(slow: Instance) -> None:
    """With a read-only unit directory a changed group is refused with the reason, and shows FAILED, not DONE."""
    slow.write_table(slow.node.read("/etc/cltab").replace(f"app:1:respawn:{RUN}", "app:1:respawn:exec sleep 2000"))
    slow.node.shell(
        "mount --bind /run/systemd/system /run/systemd/system; mount -o remount,bind,ro /run/systemd/system"
    )
    slow.clinit("-w", "web", "1")
    wait_until(lambda: slow.clstat()["web"] == "1 FAILED")
    slow.node.run("umount", "/run/systemd/system")

    assert slow.clinit("-w", "web", "1").stdout == "web 1 DONE\n"
    assert pids(slow)["web:app"] != 0


def test_a_reread_that_cannot_be_written(slow: Instance) -> None:
    """A new group that cannot be written is refused with the reason, not by a closed connection."""
    slow.node.shell(
        "mount --bind /run/systemd/system /run/systemd/system; mount -o remount,bind,ro /run/systemd/system"
    )
    slow.write_table(slow.node.read("/etc/cltab") + f"new:n:1:respawn:{RUN}\n")
    refused = slow.clinit("new", "1")
    slow.node.run("umount", "/run/systemd/system")

    answered(refused, code=1)
    assert "Read-only file system" in refused.stdout
    assert slow.clinit("-w", "new", "1").returncode == 0


def test_a_half_closed_watcher_is_kept(slow: Instance) -> None:
    """A client that only shuts its own direction still gets every change."""
    connect = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/clinit/clinit.s')"
    call = """s.sendall(b'{"method": "org.clinit.Manager.Status", "more": true}\\0'); s.shutdown(socket.SHUT_WR)"""
    read = "f = open('/run/watched', 'wb', buffering=0)\nwhile d := s.recv(65536): f.write(d)"
    watcher = slow.node.popen("python3", "-c", f"{connect}; {call}\n{read}")
    wait_until(lambda: slow.node.exists("/run/watched") and slow.node.read("/run/watched"))
    slow.clinit("-w", "web", "2")
    wait_until(lambda: '"level":"2","state":"FAILED"' in slow.node.read("/run/watched"))
    kill(watcher)


def test_what_outlives_sigkill(slow: Instance) -> None:
    """Processes that nothing can end leave the group FAILED, and the journal says which; when they go, it is right."""
    slow.write_table(f"deaf:d:1:respawn:{deaf('INT', 'TERM')}\ndeaf:e:2:respawn:{RUN}\n")
    # Stands in for a process in uninterruptible sleep.
    slow.node.run("mkdir", "-p", "/etc/systemd/system/clinit-deaf@d.service.d")
    limits = "[Service]\nSendSIGKILL=no\nTimeoutStopSec=200ms\nTimeoutAbortSec=200ms\n"
    slow.node.write("/etc/systemd/system/clinit-deaf@d.service.d/deaf.conf", limits)
    assert slow.clinit("-w", "deaf", "1").returncode == 0
    slow.await_deaf("clinit-deaf@d.service", "INT", "TERM")
    pid = slow.main_pid("clinit-deaf@d.service")
    switched = slow.clinit("-w", "deaf", "2")

    answered(switched, code=4, out="deaf 2 FAILED\n")
    assert "deaf: processes have outlived SIGKILL, see 'systemctl status clinit-deaf@d.service'" in slow.node.journal(
        slow.unit
    )
    slow.node.run("kill", "-KILL", str(pid))
    wait_until(lambda: slow.clinit("-w", "deaf", "2").stdout == "deaf 2 DONE\n")  # its child has a moment to live
    assert slow.node.run("systemctl", "--failed", "--plain", "--no-legend").stdout == ""


@pytest.mark.parametrize("table", ["word\n", None], ids=["bad", "missing"])
def test_a_bad_table_after_a_restart_in_the_middle(slow: Instance, table: str | None) -> None:
    """A daemon that finds a group emptied, and no table that it can accept, goes on with the applied lines."""
    keeps = f"slow:k:1:respawn:{RUN}\n"
    slow.write_table(TABLE + f"slow:s:1:respawn:{slow_to_stop(0.8)}\n" + keeps)
    assert slow.clinit("-w", "slow", "1").returncode == 0
    kept = slow.main_pid("clinit-slow@k.service")
    slow.write_table(TABLE + f"slow:s:1:respawn:: ; {slow_to_stop(0.8)}\n" + keeps)
    assert slow.clinit("slow", "1").returncode == 0
    slow.kill()
    slow.write_table(table or "")
    if table is None:
        slow.node.run("rm", "/etc/cltab")
    slow.start()

    wait_until(lambda: slow.clstat()["slow"] == "1 DONE" and slow.main_pid("clinit-slow@s.service") != 0)
    assert kept == slow.main_pid("clinit-slow@k.service")


def test_what_a_table_lets_live_is_no_survivor(slow: Instance) -> None:
    """With KillMode=process, what an entry leaves behind does not make the group FAILED at its next level."""
    left = "trap 'exit 1' INT; sleep 5432 & while :; do sleep 0.02; done"
    slow.write_table(f":::service.p:KillMode=process\nkeep:p:1:respawn:{left}\nkeep:q:2:respawn:{RUN}\n")
    assert slow.clinit("-w", "keep", "1").returncode == 0
    assert slow.clinit("-w", "keep", "2").stdout == "keep 2 DONE\n"
    slow.node.run("pkill", "-f", "sleep 5432")


COUNT_OF_NOBODY = """\
#!/bin/sh
# Puts something else in the place of the count of fast respawns, and then pauses, as the shell before a command does.
cd /run/clinit-respawn/clinit-"$1@$1".service
rm respawns
case $1 in
fifo) mkfifo respawns ;;
link) mkfifo elsewhere; ln -s elsewhere respawns ;;
large) head -c 1000000 /dev/zero >respawns ;;
directory) mkdir respawns ;;
esac
mkdir -p paused-too-many-restarts
ln -sf "$(command -v sleep)" paused-too-many-restarts/sleep
exec "$PWD/paused-too-many-restarts/sleep" 1000
"""


def test_an_entry_does_what_it_likes_with_its_count(instance: Instance) -> None:
    """The count of fast respawns is in a directory of the entry's user. Whatever is there holds nobody up."""
    instance.node.write("/srv/count", COUNT_OF_NOBODY, mode=0o755)
    names = ("fifo", "link", "large", "directory")
    instance.write_table(
        "".join(f"{name}:{name}:1:respawn:/srv/count {name}\n:::service.{name}:User=nobody\n" for name in names)
    )

    def prompt(*command: str) -> CompletedProcess[str] | None:
        """What has run, if that took less than 5 s. Who is held up is so each time, a busy machine is not."""
        with suppress(TimeoutExpired):
            return instance.node.run(*command, check=False, timeout=5)
        return None

    def pause() -> bool:
        """Whether all of them are seen to pause."""
        found = [prompt("clinit", "--wait", name, "1") for name in names]
        return all(done and "pauses for 60 s" in done.stderr for done in found)

    wait_until(pause, timeout=60)
    instance.kill()
    status = wait_until(lambda: prompt("clinitctl", "status"), timeout=30)
    assert status is not None
    assert (status.returncode, status.stdout.count("pauses for 60 s")) == (3, len(names)), status.stdout


COUNTING = """\
#!/bin/sh
[ "$1" != daemon-reload ] || echo >>/run/reloads
exec /usr/bin/systemctl "$@"
"""


def test_many_groups_leave_the_table(instance: Instance) -> None:
    """Systemd does not reload for each of them: requests for others would wait for all of that."""
    lines = "".join(f"group{number}:tag{number}:1:respawn:{RUN}\n" for number in range(20))
    instance.write_table(TABLE + lines)
    for number in range(20):
        instance.clinit(f"group{number}", "1")
    instance.node.write("/usr/local/bin/systemctl", COUNTING, mode=0o755)
    instance.write_table(TABLE)
    assert instance.clinit().returncode == 0
    wait_until(lambda: not any(group.startswith("group") for group in instance.clstat()), what="all are gone")

    assert instance.node.read("/run/reloads").count("\n") <= 5
    assert instance.node.shell("ls /run/systemd/system/*group*", check=False).stdout == ""
