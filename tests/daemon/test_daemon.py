"""The control daemon, on a real systemd: what it survives, and what it does with the table."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from answers import answered
from instance import Instance
from programs import RUN, deaf, held, until_there
from twogroups import TABLE, pids

from cltab2systemd.node.command import kill
from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node


def test_a_killed_daemon_loses_nothing(instance: Instance) -> None:
    """SIGKILL and a new start: the same clstat, the same processes, and the next request works on."""
    assert instance.clinit("-w", "web", "2").returncode == 4
    before, running = instance.clstat(), pids(instance)
    instance.kill("KILL")
    assert before == instance.clstat()
    instance.start()

    assert {"web": "2 FAILED", "mail": "1 DONE"} == before == instance.clstat()
    assert running == pids(instance)
    assert instance.clinit("-w", "web", "1").stdout == "web 1 DONE\n"
    assert running["web:db"] == pids(instance)["web:db"]


def test_a_daemon_killed_in_the_middle_of_a_switch(instance: Instance) -> None:
    """Systemd goes on with the switch; the next daemon tells how it ended."""
    instance.write_table(TABLE + f"web:slow:3:wait:{until_there('/run/go')}\nweb:end:3:test:true\n")
    assert instance.clinit("web", "3").returncode == 0
    instance.kill("KILL")
    assert instance.clstat()["web"] in {"1 STOPPING", "3 STARTING"}
    instance.start()
    assert instance.clstat()["web"] == "3 STARTING"
    instance.node.write("/run/go", "")
    wait_until(lambda: instance.clstat()["web"] == "3 DONE")


def test_a_switch_while_no_daemon_runs(instance: Instance) -> None:
    """A switch made with systemctl while there was no daemon is in the next one's clstat."""
    instance.kill("KILL")
    instance.node.run("systemctl", "start", "clinit-web@2.target")
    instance.start()

    assert {"web": "2 FAILED", "mail": "1 DONE"} == instance.clstat()


def test_sigterm_stops_no_group_and_keeps_clstat(instance: Instance) -> None:
    """To the daemon SIGTERM is not a halt: systemd has the groups, and clstat stays."""
    running = pids(instance)
    instance.kill("TERM")

    assert {"web": "1 DONE", "mail": "1 DONE"} == instance.clstat()
    assert running == pids(instance)
    assert not instance.node.exists("/run/clinit/clinit.s")


def test_halt_stops_everything_and_then_the_daemon(instance: Instance) -> None:
    """`clinit -k` prints nothing, stops all groups, and the daemon goes with its socket and clstat."""
    halted = instance.clinit("-k", "-w", "--progress", "none")
    wait_until(lambda: not instance.node.exists("/run/clinit/clinit.s"))

    answered(halted, code=0, out="", err="")
    assert set(pids(instance).values()) == {0}
    assert not instance.node.exists("/run/clinit/clstat")
    active = instance.node.run(
        "systemctl", "list-units", "--plain", "--no-legend", "clinit-*.target", "clinit-*.service"
    )
    assert not active.stdout


def test_halt_does_not_degrade_the_machine(instance: Instance) -> None:
    """An entry that had to be stopped with SIGTERM is not left as a failed unit by `-k`."""
    instance.write_table(TABLE + f"deaf:d:1:respawn:{deaf()}\n")
    assert instance.clinit("-w", "deaf", "1").returncode == 0
    instance.await_deaf("clinit-deaf@d.service", "INT")
    assert instance.clinit("-k", "-w").returncode == 0

    assert not instance.node.run("systemctl", "--failed", "--plain", "--no-legend").stdout


def test_halt_answers_at_once(instance: Instance) -> None:
    """Without --wait, the answer to `-k` does not wait for entries that take their time; clstat shows HALTING."""
    instance.write_table(TABLE + f"slow:s:1:respawn:{held('/run/held')}\n")
    assert instance.clinit("-w", "slow", "1").returncode == 0
    wait_until(lambda: instance.node.exists("/run/held"))
    waiting = instance.node.popen("clinit", "-k", "-w")
    wait_until(lambda: instance.clstat().get("slow") == "1 HALTING")
    assert instance.clinit("-k").returncode == 0
    assert instance.clstat()["slow"] == "1 HALTING"
    refused = instance.clinit("web", "1")
    answered(refused, code=1)
    assert "halting" in refused.stdout
    instance.node.run("rm", "/run/held")
    assert waiting.wait(20) == 0


def test_a_waiting_client_is_told_of_a_halt(instance: Instance) -> None:
    """`--wait` ends with exit code 6 when all groups are halted meanwhile."""
    instance.write_table(TABLE + "slow:s:1:wait:sleep 60\n")
    waiting = instance.node.popen("clinit", "-w", "slow", "1")
    wait_until(lambda: instance.clstat().get("slow") == "1 STARTING")
    instance.clinit("-k")

    assert waiting.wait(20) == 6


def test_a_table_with_errors_changes_nothing(instance: Instance) -> None:
    """The client is told what is wrong and where; whatever runs goes on, and the last good table stays."""
    running = pids(instance)
    instance.write_table(TABLE + "web:db:1:wait:true\nweb:x:1:wiat:true\n")
    refused = instance.clinit("web", "2")

    assert refused.returncode == 1
    assert "/etc/cltab:7:5: error: entry has duplicate tag: db (first on line 2) [duplicate-tag]\n" in refused.stderr
    assert "/etc/cltab:8:9: error: unknown mode 'wiat' [unknown-mode]\n" in refused.stderr
    assert refused.stdout == "entry has duplicate tag: db (first on line 2)\n"
    assert running == pids(instance)
    assert "1 DONE" == instance.clstat()["web"]
    instance.write_table(TABLE)
    assert instance.clinit("-w", "web", "2").returncode == 4


@pytest.mark.parametrize(
    ("replace", "message"),
    [
        ("rm /etc/cltab", "file not found: /etc/cltab"),
        (": > /etc/cltab", "has no entry"),
        ("rm /etc/cltab; mkdir /etc/cltab", "is not a regular file"),
        ("rm /etc/cltab; mkfifo /etc/cltab", "is not a regular file"),
    ],
)
def test_a_table_that_is_none_changes_nothing(instance: Instance, replace: str, message: str) -> None:
    """Missing, empty or not a file: refused with the reason, and everything goes on."""
    running = pids(instance)
    instance.node.shell(replace)
    refused = instance.clinit("web", "2")

    answered(refused, code=1)
    assert message in refused.stdout
    assert running == pids(instance)
    assert "1 DONE" == instance.clstat()["web"]


def test_it_starts_without_a_table(fresh_node: Node) -> None:
    """A missing table never stops the daemon; the next request after it came serves."""
    instance = Instance(fresh_node)
    fresh_node.shell("rm -f /etc/cltab")
    instance.start()
    assert "file not found: /etc/cltab" in instance.clinit("web", "1").stdout
    instance.write_table(TABLE)

    assert instance.clinit("-w", "web", "1").stdout == "web 1 DONE\n"


def test_it_starts_with_a_table_that_has_errors(fresh_node: Node) -> None:
    """A daemon whose table is no good starts, says so, and serves as soon as it is mended."""
    instance = Instance(fresh_node)
    instance.write_table("web:a:1:wiat:true\n")
    instance.start()
    refused = instance.clinit("web", "1")
    answered(refused, code=1)
    assert "did you mean 'wait'?" in refused.stderr
    instance.write_table(TABLE)

    assert instance.clinit("-w", "web", "1").stdout == "web 1 DONE\n"


def test_a_changed_entry_is_restarted_by_its_own_groups_request(instance: Instance) -> None:
    """A new command takes effect at the next request for the group, after a stop under the old definition."""
    before = pids(instance)
    instance.write_table(TABLE.replace(f"app:1:respawn:{RUN}", "app:1:respawn:exec sleep 2000"))
    assert instance.clinit("-w", "mail", "1").returncode == 0
    assert before == pids(instance)
    assert instance.clinit("-w", "web", "1").returncode == 0
    after = pids(instance)

    assert before["web:app"] != after["web:app"]
    assert {**before, "web:app": 0} == {**after, "web:app": 0}
    wait_until(lambda: instance.node.read(f"/proc/{after['web:app']}/cmdline") == "sleep\x002000\x00")
    assert instance.node.read("/run/events/web").count("init ran") == 1


def test_a_group_that_left_the_table_is_stopped(instance: Instance) -> None:
    """Its entries are stopped at the next read, its units and its line in clstat go; the other group is untouched."""
    running = pids(instance)
    instance.write_table("".join(line for line in TABLE.splitlines(keepends=True) if line.startswith("web")))
    assert instance.clinit().returncode == 0
    wait_until(lambda: "mail" not in instance.clstat())

    assert 0 == pids(instance)["mail:q"]
    assert 0 == pids(instance)["mail:once"]
    assert running["web:db"] == pids(instance)["web:db"]
    assert not [name for name in instance.node.run("ls", "/run/systemd/system").stdout.split() if "-mail" in name]
    assert instance.clinit("mail", "1").stdout == "no such group: mail\n"


def test_nothing_happens_at_somebody_elses_daemon_reload(instance: Instance) -> None:
    """A pushed table waits for a request; a daemon-reload applies nothing of it and touches no process."""
    running = pids(instance)
    instance.write_table(TABLE.replace(f"app:1:respawn:{RUN}", "app:1:respawn:exec sleep 2000"))
    for _ in range(3):
        instance.node.run("systemctl", "daemon-reload")

    assert running == pids(instance)
    assert RUN in instance.node.run("systemctl", "cat", "clinit-web@app.service").stdout


def test_a_second_daemon_refuses_to_start(instance: Instance) -> None:
    """A second daemon for a live instance names the first one's pid, and does no harm."""
    second = instance.clinit("-d")

    answered(second, code=1)
    assert f"pid {instance.pid}" in second.stderr
    assert instance.clinit("-w", "web", "1").returncode == 0


def test_a_stale_socket_is_replaced(instance: Instance) -> None:
    """The socket that a killed daemon left does not keep the next one from starting."""
    instance.kill("KILL")
    assert instance.node.exists("/run/clinit/clinit.s")
    instance.start()

    assert instance.clinit("-w", "web", "1").returncode == 0


def test_many_clients_at_once(instance: Instance) -> None:
    """Clients that ask at the same time all get their answers, and a silent one holds nobody up."""
    connect = (
        "import socket, time; s = socket.socket(socket.AF_UNIX); s.connect('/run/clinit/clinit.s'); time.sleep(60)"
    )
    silent = instance.node.popen("python3", "-c", connect)
    began = time.monotonic()
    clients = [instance.node.popen("clinit", "-w", group, "1") for group in ["web", "mail"] * 10]
    codes = [client.wait(20) for client in clients]
    kill(silent)

    assert set(codes) <= {0, 6}  # a later request for the same group takes over from an earlier one
    assert 0 in codes
    assert time.monotonic() - began < 20


def test_two_instances_do_not_see_each_other(instance: Instance) -> None:
    """A daemon with another table and socket has units of its own, for the same group and tag names."""
    node = instance.node
    node.write("/etc/other", TABLE)
    options = ("-c", "/etc/other", "-s", "/run/other/s", "--clstat", "/run/other/clstat")
    before = pids(instance)
    node.run("systemd-run", "--quiet", "--unit=other", "clinit", "-d", *options)
    wait_until(lambda: node.run("clinit", *options[:4], check=False).returncode == 0)
    assert node.run("clinit", *options, "-w", "web", "2", check=False).returncode == 4

    assert node.run("clinit", *options, "-v", check=False).stdout == "web 2 FAILED\n"
    assert {"web": "1 DONE", "mail": "1 DONE"} == instance.clstat()
    assert before == pids(instance)
    node.run("clinit", *options, "-k", "-w")
    assert before == pids(instance)


def test_a_gate_that_cannot_be_loaded_refuses_the_switch(instance: Instance) -> None:
    """Without its gates a switch would have no order: it is refused with the unit's name, and nothing changes."""
    running = pids(instance)
    instance.node.run("systemctl", "mask", "clinitgate-web@app.service")
    refused = instance.clinit("web", "2")

    answered(refused, code=1)
    assert "clinitgate-web@app.service is masked" in refused.stdout
    assert "; 'systemctl unmask clinitgate-web@app.service' undoes that\n" in refused.stdout
    assert running == pids(instance)
    assert "1 DONE" == instance.clstat()["web"]


def test_group_in_the_middle_of_a_switch_with_a_changed_table(instance: Instance) -> None:
    """A request with a changed table in the middle of a switch cancels it and applies the table, in order."""
    slow = TABLE + "web:slow:3:wait:sleep 60\n"
    instance.write_table(slow)
    assert instance.clinit("web", "3").returncode == 0
    wait_until(lambda: instance.clstat()["web"] == "3 STARTING")
    instance.write_table(
        slow.replace("sleep 60", "event web quick").replace("wait:event web init", "test:event web init")
    )

    assert instance.clinit("-w", "web", "3").stdout == "web 3 DONE\n"
    assert instance.node.read("/run/events/web").splitlines()[-1].endswith(" quick")


def test_halt_is_over_when_its_client_is_told_so(instance: Instance) -> None:
    """After `clinit -k --wait` the files are gone and the next daemon can start, also while others are connected."""
    node = instance.node
    watch = "import socket, time; s = socket.socket(socket.AF_UNIX); s.connect('/run/clinit/clinit.s')"
    call = """s.sendall(b'{"method": "org.clinit.Manager.Status", "more": true}\\0'); s.recv(1)"""
    watcher = node.popen("python3", "-c", f"{watch}; {call}; open('/run/watching', 'x'); time.sleep(60)")
    wait_until(lambda: node.exists("/run/watching"))
    halted = instance.clinit("-k", "-w")

    assert halted.returncode == 0
    assert not node.exists("/run/clinit/clinit.s")
    assert not node.exists("/run/clinit/clstat")
    Instance(node, "next.service").start()
    kill(watcher)


def test_an_error_of_the_table_at_the_start_is_located(fresh_node: Node) -> None:
    """The journal says in which line the table is wrong, as a client would be told."""
    instance = Instance(fresh_node)
    instance.write_table("web:a:1:wait:true\nweb:b:1:what:true\n")
    instance.start()

    said = fresh_node.journal("clinitd.service")
    assert "/etc/cltab:2:9: error: unknown mode 'what'; no group can be started" in said
