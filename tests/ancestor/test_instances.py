"""Several daemons on one machine, and daemons started by hand: what belongs to whom, and what entries inherit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from answers import answered
from instance import Instance

from cltab2systemd.node.command import kill
from lab.waiting import wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from lab.node import Node

# Prints what an entry inherited: as JSON, bytes that are not text and all.
INHERITED = """\
#!/usr/bin/python3
import json, os, sys
with open(sys.argv[1] + ".new", "w") as file:
    of_process = {"directory": os.getcwd(), "uid": os.getuid(), "umask": os.umask(0)}
    json.dump({**of_process, "environment": dict(os.environ)}, file)
os.rename(sys.argv[1] + ".new", sys.argv[1])
"""


class Site:
    """An instance whose daemon is started by hand, in a directory of its own; entries leave their pids there."""

    def __init__(self, node: Node, name: str) -> None:
        self.node = node
        self.directory = f"/srv/{name}"
        self.options: tuple[str, ...] = (
            "-c",
            f"{self.directory}/table",
            "-s",
            f"{self.directory}/s",
            "--clstat",
            f"{self.directory}/clstat",
        )
        self.process: subprocess.Popen[bytes] | None = None
        node.write("/usr/local/bin/inherited", INHERITED, mode=0o755)
        self.write_table("")

    def write_table(self, text: str) -> None:
        """Push the table; `@` stands for the site's directory."""
        self.node.write(f"{self.directory}/table.new", text.replace("@", self.directory))
        self.node.run("mv", f"{self.directory}/table.new", f"{self.directory}/table")

    def start(self, **environment: str) -> Site:
        """Start the daemon by hand, and return when it serves."""
        self.process = self.node.popen("env", "-C", self.directory, "clinit", "-d", *self.options, env=environment)
        wait_until(lambda: self.clinit("no-such-group", "1").returncode == 1, what="the daemon answers")
        return self

    def stop(self) -> None:
        """Kill the daemon, and return when it is gone."""
        if self.process is not None:
            kill(self.process)
            self.process.wait(10)

    def clinit(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the client."""
        return self.node.run("clinit", *self.options, *arguments, check=False)

    def switch(self, group: str, level: str) -> None:
        """Take a group to a level, which has to end DONE."""
        done = self.clinit("-w", group, level)
        answered(done, out=f"{group} {level} DONE\n")

    def pid(self, tag: str) -> str:
        """The pid that an entry left in the site's directory, if that process runs; else empty."""
        path = f"{self.directory}/{tag}.pid"
        pid = self.node.read(path).strip() if self.node.exists(path) else ""
        return pid if pid and self.node.exists(f"/proc/{pid}") else ""

    def inherited(self) -> dict[str, object]:
        """What an entry that runs `inherited inherited` inherited."""
        found: dict[str, object] = json.loads(self.node.read(f"{self.directory}/inherited"))
        return found

    def environment(self) -> dict[str, str]:
        """The environment of such an entry."""
        environment = self.inherited()["environment"]
        assert isinstance(environment, dict)
        return environment


TABLE = """\
web:db:1:respawn:echo $$ >db.pid; exec sleep 1000
web:app:12:respawn:echo $$ >app.pid; exec sleep 1000
mail:q:1:respawn:echo $$ >q.pid; exec sleep 1000
env:env:1:wait:inherited inherited
"""


@pytest.fixture(scope="module")
def sites(node: Node) -> Iterator[list[Site]]:
    """Run three daemons by hand, all of whose tables have the same groups and tags, on one node."""
    sites = [Site(node, name) for name in ("one", "two", "three")]
    for site in sites:
        site.write_table(TABLE)
        site.start()
    yield sites
    for site in sites:
        site.stop()


@pytest.fixture
def running(sites: list[Site]) -> list[Site]:
    """Give the test three instances with both groups at level 1."""
    for site in sites:
        site.switch("web", "1")
        site.switch("mail", "1")
        wait_until(lambda site=site: site.pid("db") and site.pid("app") and site.pid("q"))  # type: ignore[misc]
    return sites


@pytest.fixture
def system(fresh_node: Node) -> Instance:
    """Run the system's daemon, with the group web at level 1."""
    instance = Instance(fresh_node)
    instance.write_table(TABLE)
    instance.start()
    assert instance.clinit("-w", "web", "1").returncode == 0
    return instance


def pids(*sites: Site) -> list[str]:
    """The pids of all entries of sites."""
    return [site.pid(tag) for site in sites for tag in ("db", "app", "q")]


def test_instances_run_the_same_groups_side_by_side(running: list[Site]) -> None:
    """Three daemons run the same tags of the same groups, each its own processes."""
    everything = pids(*running)

    assert "" not in everything
    assert len(set(everything)) == 9


def test_a_switch_touches_its_own_instance_only(running: list[Site]) -> None:
    """Clstat and pids of other instances do not change by a switch of the group of the same name."""
    one, two, three = running
    before = pids(one, three)
    two.switch("web", "2")

    assert before == pids(one, three)
    assert "" == two.pid("db")
    assert two.clinit("-v").stdout == "web 2 DONE\nmail 1 DONE\n"
    for site in (one, three):
        assert site.clinit("-v").stdout == "web 1 DONE\nmail 1 DONE\n"


def test_a_changed_table_touches_its_own_instance_only(running: list[Site]) -> None:
    """A changed command, a deleted group and the reload that they need are nothing to other instances."""
    one, two, three = running
    before, restarted = pids(one, three), two.pid("db")
    two.write_table(TABLE.replace(">db.pid; exec", ">db.pid; A=new exec").replace("mail:", "post:"))
    two.switch("web", "1")
    assert two.clinit().returncode == 0
    wait_until(lambda: two.pid("q") == "")

    assert before == pids(one, three)
    assert two.pid("db") != restarted
    two.write_table(TABLE)


def test_a_killed_daemon_is_started_again_alone(running: list[Site]) -> None:
    """One daemon is killed: its entries and the other daemons do not care, and a new one carries on."""
    one, two, three = running
    before = pids(*running)
    two.stop()
    assert two.clinit("web", "1").returncode == 3
    one.switch("web", "1")
    two.start()

    assert before == pids(*running)
    assert two.clinit("-v").stdout == "web 1 DONE\nmail 1 DONE\n"
    two.switch("web", "2")
    assert before[:3] + before[6:] == pids(one, three)


def test_a_halt_ends_its_own_instance_only(running: list[Site]) -> None:
    """`clinit -k` stops the groups of its own instance, and no other's."""
    one, two, three = running
    before = pids(one, two)
    assert three.clinit("-k", "-w").returncode == 0

    assert before == pids(one, two)
    assert ["", "", ""] == pids(three)
    assert not three.node.exists(f"{three.directory}/clstat")
    assert one.clinit("-v").stdout == "web 1 DONE\nmail 1 DONE\n"
    three.start()


def test_the_system_instance_is_one_among_others(running: list[Site]) -> None:
    """A daemon with the default files has groups of the same names too, and neither side sees the other's."""
    before = pids(*running)
    system = Instance(running[0].node)
    system.write_table("web:db:1:respawn:exec sleep 1000\nweb:new:2:wait:true\n")
    system.start()
    assert system.clinit("-w", "web", "1").stdout == "web 1 DONE\n"
    assert system.main_pid("clinit-web@db.service") != 0
    running[0].switch("web", "2")
    running[0].switch("web", "1")

    assert system.clstat() == {"web": "1 DONE"}
    assert system.clinit("-k", "-w").returncode == 0
    assert before[3:] == pids(*running[1:])
    assert running[0].clinit("-v").stdout == "web 1 DONE\nmail 1 DONE\n"


def test_one_table_for_two_instances(running: list[Site]) -> None:
    """Two daemons may have the same table, and differ by socket and clstat only."""
    one = running[0]
    before = pids(one)
    twin = Site(one.node, "twin")
    twin.options = ("-c", f"{one.directory}/table", *twin.options[2:])
    twin.start()
    twin.switch("web", "2")

    assert twin.clinit("-v").stdout == "web 2 DONE\n"
    assert one.clinit("-v").stdout == "web 1 DONE\nmail 1 DONE\n"
    twin.clinit("-k", "-w")
    assert before[0] == pids(one)[0]
    twin.stop()


def test_instances_told_apart_by_their_tables_settings(fresh_node: Node) -> None:
    """Daemons started with -c alone, whose tables name socket and clstat, do not see each other either."""
    sites = [Site(fresh_node, name) for name in ("red", "blue")]
    for site in sites:
        site.options = ("-c", f"{site.directory}/table")
        site.write_table(f":::socket:@/s\n:::clstat:@/clstat\n{TABLE}")
        site.start()
        site.switch("web", "1")
    sites[0].switch("web", "2")

    assert [site.clinit("-v").stdout for site in sites] == ["web 2 DONE\n", "web 1 DONE\n"]
    wait_until(lambda: sites[1].pid("db"))
    assert sites[0].pid("db") == ""


def test_the_systems_clstat_is_not_another_daemons(system: Instance) -> None:
    """A daemon whose table names a clstat of its own, or has errors, neither writes nor removes the system's."""
    before = system.node.read("/run/clinit/clstat")
    identity = system.node.path("/run/clinit/clstat").stat().st_ino
    for name, table in {"fine": TABLE, "bad": "web:x:1:frob:x\n"}.items():
        site = Site(system.node, name)
        site.options = ("-c", f"{site.directory}/table")
        site.write_table(f":::socket:@/s\n:::clstat:@/clstat\n{table}")
        site.start()
        site.write_table(f":::socket:@/s\n:::clstat:@/other\n{TABLE}")
        site.switch("web", "1")
        assert system.node.exists(f"{site.directory}/other")
        site.stop()

    assert before == system.node.read("/run/clinit/clstat")
    assert identity == system.node.path("/run/clinit/clstat").stat().st_ino


def test_a_table_that_names_no_socket_is_not_the_systems(system: Instance) -> None:
    """Whoever mistypes -c, or whose table loses its settings, does not move or halt the system's groups."""
    assert system.clinit("-w", "web", "1").returncode == 0
    before = system.clstat()
    for arguments in (("-w", "web", "2"), ("-k", "-w"), ()):
        refused = system.clinit("-c", "/srv/typo", *arguments)
        answered(refused, code=3)
        assert "no daemon has the table /srv/typo" in refused.stderr
    site = Site(system.node, "silent")
    site.options = ("-c", f"{site.directory}/table")
    site.write_table(f":::socket:@/s\n:::clstat:@/clstat\n{TABLE}")
    site.start()
    for table in (TABLE, "", None):
        if table is None:
            system.node.run("rm", f"{site.directory}/table")
        else:
            site.write_table(table)
        site.clinit("-w", "web", "2")
        assert before == system.clstat()
        assert system.clinit("-v").stdout == "web 1 DONE\n"
    site.stop()
    site.start()

    assert before == system.clstat()
    assert site.clinit("web", "1").stdout.startswith("file not found")
    site.write_table(TABLE)
    assert site.clinit("-w", "web", "1").stdout == "web 1 DONE\n"
    assert before == system.clstat()
    site.clinit("-k", "-w")


def test_another_table_while_the_systems_daemon_is_down(system: Instance) -> None:
    """A daemon by hand does not end groups that its table does not have, as long as any is at a level."""
    site = Site(system.node, "trial")
    site.options = ("-c", f"{site.directory}/table")
    site.write_table("other:tag:1:respawn:sleep 1000\n")
    system.kill("TERM")
    before = system.node.run("pgrep", "-f", "sleep 1000").stdout
    refused = system.node.run("clinit", "-d", *site.options, check=False, timeout=20)
    answered(refused, code=1)
    assert "groups of /etc/cltab run under this socket" in refused.stderr

    system.start()
    assert system.clinit("-v").stdout == "web 1 DONE\n"
    assert before == system.node.run("pgrep", "-f", "sleep 1000").stdout
    assert system.clinit("-k", "-w").returncode == 0
    site.options = (*site.options, "-s", "/run/clinit/clinit.s")
    site.start()
    site.switch("other", "1")
    site.stop()


@pytest.mark.parametrize("clstat", ["table", "s", ""])
def test_a_clstat_on_the_command_line_that_is_something_else(fresh_node: Node, clstat: str) -> None:
    """The daemon does not start, and the table, the socket or the directory is as it was."""
    site = Site(fresh_node, "odd")
    site.write_table(TABLE)
    options = ("-c", f"{site.directory}/table", "-s", f"{site.directory}/s", "--clstat", f"{site.directory}/{clstat}")
    refused = fresh_node.run("clinit", "-d", *options, check=False, timeout=10)

    answered(refused, code=1)
    assert "name another file" in refused.stderr
    assert fresh_node.read(f"{site.directory}/table") == TABLE


def test_entries_run_where_the_daemon_was_started(running: list[Site]) -> None:
    """An entry of a daemon that was started by hand has the daemon's working directory, as its child would."""
    one = running[0]
    one.switch("env", "0")
    one.switch("env", "1")

    assert one.directory == one.inherited()["directory"]
    assert 0 == one.inherited()["uid"]


def test_a_working_directory_with_blanks_and_specifiers(fresh_node: Node) -> None:
    """Whatever the directory's name, entries run in it."""
    for name in ("a b", "50%i", "quo'te\"s", "dollar$HOME", "ünï"):
        site = Site(fresh_node, name)
        site.write_table("env:env:1:wait:inherited inherited\n")
        site.start()
        site.switch("env", "1")
        assert site.inherited()["directory"] == f"/srv/{name}"
        site.stop()


NASTY = {
    "PLAIN": "value",
    "EMPTY": "",
    "QUOTES": 'it\'s "quoted"',
    "DOLLAR": "$HOME ${HOME} $$ `id`",
    "LINES": "one\ntwo\n\nthree\n",
    "BACKSLASHES": "\\ \\\\ \\n end\\",
    "SPACES": "  around  ",
    "PERCENT": "%n %% %i",
    "COMMENT": "# none ; of that",
    "UNICODE": "grüße 日本",
    "TABS": "a\tb\r",
    "lower_case": "too",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/own",
}


def test_entries_inherit_the_daemons_environment(fresh_node: Node) -> None:
    """Every variable that a hand-started daemon has arrives in its entries, byte for byte, whatever its value."""
    site = Site(fresh_node, "site")
    site.write_table(TABLE)
    site.start(**NASTY)
    site.switch("env", "1")
    environment = site.environment()

    assert {name: environment.get(name) for name in NASTY} == NASTY


def test_entries_inherit_nothing_else(fresh_node: Node) -> None:
    """What Python adds to the daemon's environment is not handed on, nor is the class of a login's session."""
    site = Site(fresh_node, "site")
    site.write_table("env:env:1:wait:cat /proc/self/environ >env\n")
    given = {"PATH": "/usr/local/bin:/usr/bin:/bin", "COLOUR": "red"}
    words = [f"{name}={value}" for name, value in {**given, "XDG_SESSION_CLASS": "user"}.items()]
    site.process = fresh_node.popen("env", "-i", "-C", site.directory, *words, "clinit", "-d", *site.options)
    wait_until(lambda: site.clinit("no-such-group", "1").returncode == 1, what="the daemon answers")
    site.switch("env", "1")
    environment = dict(text.split("=", 1) for text in fresh_node.read(f"{site.directory}/env").split("\0") if text)
    of_systemd = ("INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "LANG", "PWD", "USER", "MEMORY_PRESSURE_")
    found = {name: value for name, value in environment.items() if not name.startswith(of_systemd)}

    assert {**given, "XDG_SESSION_CLASS": "none"} == found


def test_the_environment_outlives_the_daemon(fresh_node: Node) -> None:
    """An entry that is respawned while no daemon runs still has the environment of the one that started it."""
    site = Site(fresh_node, "site")
    site.write_table("env:env:1:respawn:inherited @/inherited; echo $$ >@/env.pid; exec sleep 1000\n")
    site.start(COLOUR="red")
    site.switch("env", "1")
    wait_until(lambda: site.pid("env"))
    site.stop()
    first = site.pid("env")
    fresh_node.run("rm", f"{site.directory}/inherited")
    fresh_node.run("kill", first)
    wait_until(lambda: site.pid("env") not in {"", first})

    assert site.environment()["COLOUR"] == "red"


def test_a_new_daemon_hands_on_its_own_environment(fresh_node: Node) -> None:
    """A daemon that is started anew with another environment gives that to what it starts, and restarts nothing."""
    site = Site(fresh_node, "site")
    site.write_table(TABLE)
    site.start(COLOUR="red")
    site.switch("web", "1")
    wait_until(lambda: site.pid("db"))
    before = site.pid("db")
    site.stop()
    site.start(COLOUR="blue")
    site.switch("web", "1")
    site.switch("env", "1")

    assert before == site.pid("db")
    assert site.environment()["COLOUR"] == "blue"


def test_systemds_own_variables_stay_behind(fresh_node: Node) -> None:
    """What systemd told the daemon about itself is not handed on to entries as if it were theirs."""
    site = Site(fresh_node, "site")
    site.write_table(TABLE)
    own = {
        "NOTIFY_SOCKET": "/run/not/theirs", "LISTEN_FDS": "3", "LISTEN_PID": "1", "WATCHDOG_USEC": "1000",
        "INVOCATION_ID": "0" * 32, "JOURNAL_STREAM": "1:2", "RUNTIME_DIRECTORY": "/run/not/theirs",
    }  # fmt: skip
    site.start(COLOUR="red", **own)
    site.switch("env", "1")
    environment = site.environment()

    assert environment["COLOUR"] == "red"
    assert not [name for name, value in own.items() if environment.get(name) == value]
    assert not {"NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "WATCHDOG_USEC", "RUNTIME_DIRECTORY"} & set(environment)


def test_nobody_else_can_read_the_environment(fresh_node: Node) -> None:
    """A secret in the environment is in no file, unit or property that another user may read."""
    site = Site(fresh_node, "site")
    site.write_table(TABLE)
    site.start(COLOUR="hush-hush-4711")
    site.switch("env", "1")
    site.switch("web", "1")
    assert site.environment()["COLOUR"] == "hush-hush-4711"
    fresh_node.run("rm", f"{site.directory}/inherited")
    readable = fresh_node.run(
        "grep", "-rlsI", "-D", "skip", "hush-hush-4711", "/run", "/etc", "/srv", "/tmp", user="nobody", check=False
    )
    units = fresh_node.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "clinit*").stdout
    names = [line.split()[0] for line in units.splitlines()]
    shown = fresh_node.run("systemctl", "show", *names, user="nobody", check=False).stdout
    processes = fresh_node.run("ps", "axewww", user="nobody").stdout

    assert names
    assert readable.stdout == ""
    assert "hush-hush" not in shown
    assert "hush-hush" not in processes


def test_the_system_instance_runs_entries_in_the_root(alone: Instance) -> None:
    """Entries of the system instance run in `/`, as root, with the environment that systemd gives to services."""
    alone.node.write("/usr/local/bin/inherited", INHERITED, mode=0o755)
    alone.write_table("env:env:1:wait:inherited /srv/inherited\n")
    assert alone.clinit("-w", "env", "1").returncode == 0
    inherited = json.loads(alone.node.read("/srv/inherited"))

    assert inherited["directory"] == "/"
    assert inherited["uid"] == 0
    assert inherited["umask"] == 0o022
    assert inherited["environment"]["PATH"].split(":")[-1] in {"/bin", "/sbin", "/usr/bin", "/usr/sbin"}
    assert "NOTIFY_SOCKET" not in inherited["environment"]


def test_another_user_than_root_is_refused(fresh_node: Node) -> None:
    """`clinit -d` as somebody else ends at once and says why."""
    fresh_node.write("/etc/cltab", TABLE)
    done = fresh_node.run("clinit", "-d", "-s", "/tmp/s", "--clstat", "/tmp/clstat", user="nobody", check=False)

    answered(done, code=1)
    assert "root" in done.stderr
    assert not fresh_node.exists("/tmp/s")


def test_a_second_daemon_on_a_live_socket_is_refused(running: list[Site]) -> None:
    """The second daemon names the pid of the first one, also with another table, and the first goes on undisturbed."""
    one = running[0]
    before = pids(one)
    pid = one.node.run("pgrep", "-f", f"clinit -d -c {one.directory}/table").stdout.split()[0]
    one.node.write("/srv/else", "other:tag:1:wait:true\n")
    for options in (one.options, ("-c", "/srv/else", *one.options[2:])):
        done = one.node.run("clinit", "-d", *options, check=False, timeout=20)
        answered(done, code=1)
        assert f"pid {pid}" in done.stderr

    one.switch("web", "1")
    assert before == pids(one)


def test_a_stale_socket_is_replaced(running: list[Site]) -> None:
    """The socket that a killed daemon left behind does not keep the next one from starting."""
    one = running[0]
    one.stop()
    assert one.node.exists(f"{one.directory}/s")
    one.start()
    one.switch("web", "1")


def test_a_file_that_is_no_socket_is_left_alone(fresh_node: Node) -> None:
    """A daemon does not remove what stands at its socket's path and is something else; it says so and ends."""
    site = Site(fresh_node, "site")
    fresh_node.write(f"{site.directory}/s", "precious")
    done = fresh_node.run("clinit", "-d", *site.options, check=False, timeout=20)

    answered(done, code=1)
    assert f"{site.directory}/s" in done.stderr
    assert fresh_node.read(f"{site.directory}/s") == "precious"


def test_units_of_hand_started_instances_are_gone_after_a_reboot(fresh_node: Node) -> None:
    """What was started by hand does not come back by itself: no unit, no process, no state is left."""
    site = Site(fresh_node, "site")
    site.write_table(TABLE)
    site.start()
    site.switch("web", "1")
    site.stop()  # nsenter, which holds what the lab runs, does not outlive systemd-shutdown's SIGSTOP
    fresh_node.reboot()

    files = fresh_node.run("systemctl", "list-unit-files", "--no-legend", "clinit-*", check=False).stdout.splitlines()
    shipped = ("clinit-keepalived.", "clinit-metrics.", "clinit-publish.")
    assert [] == [line for line in files if not line.startswith(shipped)]
    assert not fresh_node.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "clinit-*").stdout
    assert site.pid("db") == ""
    site.start()
    site.switch("web", "1")
    wait_until(lambda: site.pid("db"))
