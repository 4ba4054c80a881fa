"""The table's settings: `:::socket:`, `:::clstat:`, `:::log:`, and those that nobody knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ancestorclient import PERL_CLIENT
from answers import answered
from instance import Instance, varlink
from programs import RUN

from cltab2systemd.node.command import kill
from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

TABLE = f"web:a:1:respawn:{RUN}\nweb:b:12:respawn:{RUN}\nweb:w:2:wait:true\n"
SOCKET, CLSTAT = "/run/clinit/clinit.s", "/run/clinit/clstat"


@pytest.fixture
def plain(fresh_node: Node) -> Instance:
    """Run a daemon whose table has no settings, with the group web at level 1."""
    instance = Instance(fresh_node)
    instance.write_table(TABLE)
    instance.start()
    assert instance.clinit("-w", "web", "1").returncode == 0
    return instance


def pids(instance: Instance) -> tuple[int, int]:
    """The pids of web's two respawn entries."""
    return instance.main_pid("clinit-web@a.service"), instance.main_pid("clinit-web@b.service")


def ask(node: Node, socket: str, group: str, level: str) -> str:
    """What a program of the ancestor's time is told at a socket; empty if nobody answers."""
    node.write("/usr/local/bin/ldt_client", PERL_CLIENT.read_bytes(), mode=0o755)
    return node.run("ldt_client", socket, group, level, check=False).stdout.strip()


def start_with(node: Node, table: str, *options: str) -> Instance:
    """Run a daemon with options, and a table at /etc/cltab."""
    instance = Instance(node, "clinitd.service", *options)
    instance.write_table(table)
    return instance.start()


def test_socket_in_the_table_beats_the_command_line(fresh_node: Node) -> None:
    """The daemon listens where the table says, and the client looks for it there, whatever -s says."""
    instance = start_with(fresh_node, f":::socket:/run/table/s\n{TABLE}", "-s", "/run/option/s")

    assert fresh_node.exists("/run/table/s")
    assert not fresh_node.exists("/run/option/s")
    assert instance.clinit("-s", "/run/nowhere/s", "-w", "web", "2").stdout == "web 2 DONE\n"
    assert instance.clinit("-w", "web", "1").stdout == "web 1 DONE\n"


def test_clstat_in_the_table_beats_the_command_line(fresh_node: Node) -> None:
    """The daemon writes clstat where the table says, and `clinit -v` reads it there, whatever --clstat says."""
    instance = start_with(fresh_node, f":::clstat:/run/table/clstat\n{TABLE}", "--clstat", "/run/option/clstat")
    assert instance.clinit("-w", "web", "1").returncode == 0

    assert fresh_node.read("/run/table/clstat") == "Cluster::Init::Group web 1 DONE\n"
    assert not fresh_node.exists("/run/option/clstat")
    assert not fresh_node.exists(CLSTAT)
    assert instance.clinit("-v").stdout == "web 1 DONE\n"
    assert instance.clinit("--clstat", "/run/nowhere", "-v").stdout == "web 1 DONE\n"


def test_the_command_line_beats_the_default(fresh_node: Node) -> None:
    """Without settings in the table, -s, --clstat and -c say where things are."""
    fresh_node.write("/srv/table", TABLE)
    options = ("-c", "/srv/table", "-s", "/srv/s", "--clstat", "/srv/clstat")
    fresh_node.run("systemd-run", "--quiet", "--unit=other", "clinit", "-d", *options)
    wait_until(lambda: fresh_node.exists("/srv/clstat"))
    wait_until(lambda: fresh_node.run("clinit", *options, check=False).returncode == 0)

    assert fresh_node.run("clinit", *options, "-w", "web", "2").stdout == "web 2 DONE\n"
    assert fresh_node.read("/srv/clstat") == "Cluster::Init::Group web 2 DONE\n"
    assert not fresh_node.exists("/run/clinit")


def test_there_is_no_log_file_unless_it_is_set(plain: Instance) -> None:
    """Without `:::log:` log lines go to the journal alone."""
    names = plain.node.run("ls", "/run/clinit").stdout.split()

    assert names == ["clinit.s", "clstat"]
    assert "web" in plain.node.journal("clinitd.service")


def test_the_log_file_has_the_daemons_and_the_switches_lines(plain: Instance) -> None:
    """From the read that finds `:::log:` on, what happens is in that file, and in the journal as ever."""
    plain.write_table(f":::log:/srv/logs/clinit.log\n{TABLE}web:t:3:test:false\n")
    assert plain.clinit("-w", "web", "3").returncode == 4
    lines = plain.node.read("/srv/logs/clinit.log").splitlines()

    for said in ("going to level 3", "level 3 FAILED"):
        assert [line for line in lines if "web" in line and said in line], (said, lines)
        assert said in plain.node.journal("clinitd.service")


def test_the_log_file_may_be_rotated(plain: Instance) -> None:
    """When logrotate moves the file away, the next line goes into a new one at the old place."""
    plain.write_table(f":::log:/srv/log\n{TABLE}")
    plain.clinit("-w", "web", "2")
    plain.node.run("mv", "/srv/log", "/srv/log.1")
    before = plain.node.read("/srv/log.1")
    plain.clinit("-w", "web", "1")

    assert "level 1" in plain.node.read("/srv/log")
    assert before == plain.node.read("/srv/log.1")


def test_a_log_file_that_cannot_be_written_does_no_harm(plain: Instance) -> None:
    """The daemon says so in the journal, and goes on."""
    plain.write_table(f":::log:/proc/nowhere/log\n{TABLE}")

    assert plain.clinit("-w", "web", "2").stdout == "web 2 DONE\n"
    assert "/proc/nowhere/log" in plain.node.journal("clinitd.service")


def test_a_log_file_in_the_table_at_the_start(fresh_node: Node) -> None:
    """A daemon whose table has `:::log:` from the beginning writes it from the beginning."""
    instance = start_with(fresh_node, f":::log:/srv/log\n{TABLE}")
    instance.clinit("-w", "web", "1")

    assert "going to level 1" in fresh_node.read("/srv/log")


def test_relative_paths_start_at_the_daemons_working_directory(fresh_node: Node) -> None:
    """Settings and options with relative paths mean files below the directory that the daemon was started in."""
    fresh_node.write("/srv/site/table", f":::socket:run/s\n:::log:run/log\n{TABLE}")
    daemon = fresh_node.popen("env", "-C", "/srv/site", "clinit", "-d", "-c", "table", "--clstat", "run/clstat")
    wait_until(lambda: fresh_node.exists("/srv/site/run/clstat"))
    inside = ("env", "-C", "/srv/site", "clinit", "-c", "table", "--clstat", "run/clstat")
    wait_until(lambda: fresh_node.run(*inside, check=False).returncode == 0)
    assert fresh_node.run(*inside, "-w", "web", "1").stdout == "web 1 DONE\n"

    assert fresh_node.run(*inside, "-v").stdout == "web 1 DONE\n"
    assert ask(fresh_node, "/srv/site/run/s", "web", "1") == "level transition started"
    assert "going to level 1" in fresh_node.read("/srv/site/run/log")
    kill(daemon)


def test_var_run_is_run(plain: Instance) -> None:
    """A table or an option that says /var/run means the files in /run, also where /var/run is no link."""
    node = plain.node
    node.shell("rm -rf /var/run; mkdir /var/run")
    plain.write_table(f":::socket:/var/run/clinit/clinit.s\n:::clstat:/var/run/clinit/clstat\n{TABLE}")

    assert plain.clinit("-w", "web", "2").stdout == "web 2 DONE\n"
    assert plain.clinit("-v").stdout == "web 2 DONE\n"
    plain.write_table(TABLE)
    options = ("-s", "/var/run/clinit/clinit.s", "--clstat", "/var/run/clinit/clstat")
    assert plain.clinit(*options, "-w", "web", "1").stdout == "web 1 DONE\n"
    assert plain.clinit(*options, "-v").stdout == "web 1 DONE\n"
    assert not node.run("ls", "/var/run").stdout


def test_a_changed_clstat_takes_effect_at_the_next_read(plain: Instance) -> None:
    """After the next read clstat is at the new place with all that it said, and no longer at the old one."""
    running = pids(plain)
    plain.write_table(f":::clstat:/srv/new/clstat\n{TABLE}")
    assert plain.node.exists(CLSTAT)
    assert plain.clinit().returncode == 0

    assert plain.node.read("/srv/new/clstat") == "Cluster::Init::Group web 1 DONE\n"
    assert not plain.node.exists(CLSTAT)
    assert plain.clinit("-w", "web", "2").returncode == 0
    assert plain.node.read("/srv/new/clstat") == "Cluster::Init::Group web 2 DONE\n"
    assert running[1] == pids(plain)[1]


def test_a_changed_clstat_while_the_daemon_is_down(plain: Instance) -> None:
    """A daemon that starts with another `:::clstat:` writes it with the groups' true states."""
    plain.kill("KILL")
    plain.write_table(f":::clstat:/srv/new/clstat\n{TABLE}")
    plain.start()

    assert plain.node.read("/srv/new/clstat") == "Cluster::Init::Group web 1 DONE\n"


def test_after_a_changed_socket_both_are_served(plain: Instance) -> None:
    """Until it is restarted the daemon answers at the new socket and at the old one, and no entry notices."""
    running = pids(plain)
    plain.write_table(f":::socket:/srv/new/s\n{TABLE}")
    assert ask(plain.node, SOCKET, "::ALL::", "::REREAD::") == "no such group: ::ALL::"

    assert ask(plain.node, SOCKET, "web", "1") == "level transition started"
    assert ask(plain.node, "/srv/new/s", "web", "1") == "level transition started"
    assert plain.clinit("-w", "web", "1").stdout == "web 1 DONE\n"
    assert running == pids(plain)
    assert "parameters" in varlink(plain.node, {"method": "org.clinit.Manager.Status"})[0]


def test_clinit_reaches_the_daemon_while_the_new_socket_is_not_there_yet(plain: Instance) -> None:
    """A pushed table that moves the socket does not lock the admin out: the very next `clinit` is served."""
    plain.write_table(f":::socket:/srv/new/s\n{TABLE}")

    assert plain.clinit("-w", "web", "2").stdout == "web 2 DONE\n"
    assert plain.node.exists("/srv/new/s")


def test_groups_survive_a_restart_with_a_moved_socket(plain: Instance) -> None:
    """The next daemon listens at the new socket only, and has the groups as they were."""
    running = pids(plain)
    plain.write_table(f":::socket:/srv/new/s\n{TABLE}")
    ask(plain.node, SOCKET, "web", "1")
    plain.kill("TERM")
    assert not plain.node.exists(SOCKET)
    assert not plain.node.exists("/srv/new/s")
    plain.start()

    assert not plain.node.exists(SOCKET)
    assert {"web": "1 DONE"} == plain.clstat()
    assert running == pids(plain)
    assert plain.clinit("-w", "web", "2").stdout == "web 2 DONE\n"
    assert running[1] == pids(plain)[1]


def test_groups_survive_a_moved_socket_of_another_instance(fresh_node: Node) -> None:
    """An instance with a table of its own keeps its groups too when that table moves its socket."""
    table = "web:a:1:respawn:echo $$ >/srv/pid; exec sleep 1000\nweb:w:2:wait:true\n"
    fresh_node.write("/srv/table", table)
    instance = Instance(fresh_node, "other.service", "-c", "/srv/table", "-s", "/srv/s", "--clstat", "/srv/clstat")

    def start() -> None:
        fresh_node.run(
            "systemd-run",
            "--quiet",
            "--collect",
            "--unit=other",
            "-p",
            "KillMode=process",
            "clinit",
            "-d",
            *instance.options,
        )
        wait_until(lambda: fresh_node.run("clinit", *instance.options, check=False).returncode == 0)

    start()
    assert fresh_node.run("clinit", *instance.options, "-w", "web", "1").returncode == 0
    wait_until(lambda: fresh_node.exists("/srv/pid"))
    pid = fresh_node.read("/srv/pid").strip()
    fresh_node.write("/srv/table", f":::socket:/srv/moved\n{table}")
    instance.kill("TERM")
    start()

    assert fresh_node.exists("/srv/moved")
    assert fresh_node.read("/srv/clstat") == "Cluster::Init::Group web 1 DONE\n"
    assert fresh_node.run("clinit", *instance.options, "-w", "web", "1").returncode == 0
    assert pid == fresh_node.read("/srv/pid").strip()
    assert fresh_node.exists(f"/proc/{pid}")
    assert fresh_node.run("clinit", *instance.options, "-w", "web", "2").returncode == 0
    assert not fresh_node.exists(f"/proc/{pid}")


def test_a_pushed_clstat_is_not_read_before_the_daemon_writes_it(plain: Instance) -> None:
    """Until the daemon has read the table, readers are shown what it writes; so they are while the table has errors."""
    plain.write_table(f":::clstat:/srv/clstat\n{TABLE}")
    assert plain.clinit("-v").stdout == "web 1 DONE\n"
    assert "runs on" in plain.node.run("cltab2systemd", "explain", "web", "1").stdout
    assert not plain.node.exists("/srv/clstat")
    plain.write_table(f":::clstat:/srv/clstat\n{TABLE}web:a:1:what:x\n")
    assert plain.clinit("web", "2").returncode == 1
    assert plain.clinit("-v").stdout == "web 1 DONE\n"

    plain.write_table(f":::clstat:/srv/clstat\n{TABLE}")
    assert plain.clinit("-v", "web", "2").returncode == 0
    assert plain.node.exists("/srv/clstat")
    assert plain.clinit("-k", "-w").returncode == 0
    assert plain.clinit("-v").stdout == ""


@pytest.mark.parametrize("signal", ["KILL", "TERM"])
def test_the_settings_of_a_bad_table_count_for_nothing(plain: Instance, signal: str) -> None:
    """A daemon that starts beside a table with errors is where the one before it was, and so are its groups."""
    running = pids(plain)
    plain.write_table(f":::clstat:/srv/clstat\n:::socket:/srv/s\n{TABLE}web:a:1:what:x\n")
    plain.kill(signal)
    plain.start()

    assert plain.clstat() == {"web": "1 DONE"}
    assert plain.clinit("-v").stdout == "web 1 DONE\n"
    assert plain.clinit("web", "1").stdout.startswith("entry has duplicate tag: a")
    assert not plain.node.exists("/srv") or plain.node.run("ls", "/srv").stdout == ""
    assert plain.node.exists(SOCKET)
    plain.write_table(f":::clstat:/srv/clstat\n:::socket:/srv/s\n{TABLE}")
    assert plain.clinit("-w", "web", "1").stdout == "web 1 DONE\n"
    assert plain.node.exists("/srv/clstat")
    assert plain.node.exists("/srv/s")
    assert not plain.node.exists(CLSTAT)
    assert running == pids(plain)


def test_a_refusal_ends_when_its_reason_does(plain: Instance) -> None:
    """What is wrong on the machine, and not in the table, is looked at again at each request."""
    plain.node.run("mkdir", "-p", "/srv/status")
    plain.write_table(f":::clstat:/srv/status\n{TABLE}")
    assert plain.clinit("web", "2").returncode == 1
    plain.node.run("rmdir", "/srv/status")
    assert plain.clinit("-w", "web", "2").stdout == "web 2 DONE\n"
    assert plain.node.read("/srv/status") == "Cluster::Init::Group web 2 DONE\n"


def test_after_a_halt_the_settings_of_a_bad_table_count_for_nothing_either(plain: Instance) -> None:
    """They are those of the last good table then."""
    plain.write_table(f":::clstat:/srv/good\n{TABLE}")
    assert plain.clinit("-w", "web", "2").returncode == 0
    assert plain.clinit("-k", "-w").returncode == 0
    plain.write_table(f":::clstat:/srv/bad\n{TABLE}web:a:1:what:x\n")
    wait_until(lambda: plain.properties(plain.unit, "ActiveState") == {"ActiveState": "inactive"})
    plain.start()

    wait_until(lambda: plain.node.exists("/srv/good"))
    assert not plain.node.exists("/srv/bad")


def test_after_a_boot_a_bad_table_gives_way_in_its_settings_too(plain: Instance) -> None:
    """Socket and clstat are then where the last good table has them, which the groups come up with as well."""
    plain.write_table(f":::initdefault.web:2\n:::clstat:/srv/good/clstat\n:::socket:/srv/good/s\n{TABLE}")
    assert plain.clinit().returncode == 0
    plain.write_table(f":::clstat:/srv/bad/clstat\n:::socket:/srv/bad/s\n{TABLE}web:a:1:what:x\n")
    plain.node.reboot()
    plain.start()

    wait_until(lambda: plain.clinit("-v").stdout == "web 2 DONE\n")
    assert plain.node.exists("/srv/good/s")
    assert not plain.node.exists("/srv/bad")


@pytest.mark.parametrize("setting", ["clstat:/etc/cltab", "clstat:/run/clinit/clinit.s", "log:/run/clinit/clstat"])
def test_no_setting_names_another_file_of_ours(plain: Instance, setting: str) -> None:
    """The daemon does not write over the table, or its own files: that is an error of the table."""
    plain.write_table(f":::{setting}\n{TABLE}")
    refused = plain.clinit("web", "2")
    answered(refused, code=1)
    assert "cannot be where" in refused.stderr
    assert plain.clstat() == {"web": "1 DONE"}
    assert plain.node.read("/etc/cltab") == f":::{setting}\n{TABLE}"


@pytest.mark.parametrize(
    ("name", "path", "reason"),
    [
        ("socket", "/srv/" + "s" * 150, "the name is too long for the socket"),
        ("clstat", "/srv/" + "c" * 300, "the name is too long for clstat"),
        ("log", "/srv" + "/l" * 3000, "the name is too long for the log"),
        ("clstat", "/srv", "/srv is a directory"),
        ("log", "/etc/cltab/log", "the daemon cannot write below /etc/cltab"),
    ],
)
def test_settings_that_no_file_can_have(plain: Instance, name: str, path: str, reason: str) -> None:
    """They are errors of the table, where they stand, and clients go on to find the daemon and clstat."""
    plain.write_table(f":::{name}:{path}\n{TABLE}")
    refused = plain.clinit("web", "2")
    answered(refused, code=1, out=reason + "\n")
    assert refused.stderr.startswith(f"/etc/cltab:1:1: error: {reason}")
    assert plain.clinit("-v").stdout == "web 1 DONE\n"


def test_the_longest_name_of_a_clstat(plain: Instance) -> None:
    """What the file system takes is fine, in whatever characters."""
    name = "\u96ea" * 85
    plain.write_table(f":::clstat:/srv/{name}\n{TABLE}")
    assert plain.clinit("-w", "web", "2").returncode == 0
    assert plain.node.read(f"/srv/{name}") == "Cluster::Init::Group web 2 DONE\n"


def test_unknown_settings_are_ignored(plain: Instance) -> None:
    """A setting that this version does not know is no error, whatever its value."""
    running = pids(plain)
    plain.write_table(f":::colour:red:green\n:::x:\n{TABLE}:::late:1\n")

    assert plain.clinit("-w", "web", "1").stdout == "web 1 DONE\n"
    assert running == pids(plain)


def test_settings_keep_their_last_value_when_they_leave_the_table(plain: Instance) -> None:
    """While the daemon runs, clstat, log and sockets stay where a setting last put them."""
    node = plain.node
    plain.write_table(f":::clstat:/srv/clstat\n:::log:/srv/log\n:::socket:/srv/s\n{TABLE}")
    ask(node, SOCKET, "web", "1")
    plain.write_table(TABLE)
    assert plain.clinit("-w", "web", "2").stdout == "web 2 DONE\n"

    assert node.read("/srv/clstat") == "Cluster::Init::Group web 2 DONE\n"
    assert not node.exists(CLSTAT)
    assert node.read("/srv/log").rstrip().endswith("level 2 DONE")
    assert ask(node, "/srv/s", "web", "2") == "level transition started"


def test_the_last_of_two_equal_settings_counts_for_everybody(fresh_node: Node) -> None:
    """When the table sets the same thing twice, daemon and client agree on where it is."""
    instance = start_with(
        fresh_node, f":::clstat:/srv/one\n:::socket:/srv/s1\n{TABLE}:::clstat:/srv/two\n:::socket:/srv/s2\n"
    )

    assert instance.clinit("-w", "web", "1").stdout == "web 1 DONE\n"
    assert instance.clinit("-v").stdout == "web 1 DONE\n"
