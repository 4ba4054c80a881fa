"""The generator: the table's units at boot, the last good one's if it has errors, and never a boot that fails."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from answers import answered
from instance import Instance

from cltab2systemd.check.loading import load
from cltab2systemd.disk.tables import LARGEST_TABLE, keep_good_table
from cltab2systemd.generator import generate
from cltab2systemd.locations import GENERATED_MESSAGES, GENERATED_TABLE
from cltab2systemd.node.command import kill
from cltab2systemd.units.compiler import compile_table
from lab.node import Node
from lab.waiting import wait_until

GENERATOR = "/usr/lib/systemd/system-generators/cltab2systemd-generator"
GOOD = ":::initdefault.web:3\nweb:db:3:respawn:exec sleep 1000\nweb:app:23:once:true\nmail:q:1:wait:true\n"
OLD = "web:old:3:respawn:exec sleep 1000\n"
BAD = GOOD + "web:db:3:wat:x\n"


class Root:
    """A root with tables, and a directory for units."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.table, self.good = path / "etc/cltab", path / "var/lib/cltab2systemd/cltab"
        self.units = path / "units"
        self.messages: list[str] = []
        for directory in (self.table.parent, self.good.parent, self.units):
            directory.mkdir(parents=True)

    def generate(self) -> dict[str, bytes]:
        """Run the generator; what it made, without the copies of the table and of what it said."""
        generate(self.units, lambda priority, message: self.messages.append(f"<{priority}>{message}"), str(self.path))
        files = {
            str(path.relative_to(self.units)): path.read_bytes() for path in self.units.rglob("*") if path.is_file()
        }
        files.pop(GENERATED_TABLE, None)
        said = "".join(f"{message[3:]}\n" for message in self.messages if "cannot write" not in message)
        assert said.encode() == files.pop(GENERATED_MESSAGES, b"")
        return files


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


def units_of(text: str) -> dict[str, bytes]:
    """What the daemon's compiler makes of a table."""
    return dict(compile_table(load(text.encode(), "/etc/cltab")[0]))


def test_the_units_are_the_daemons(root: Root) -> None:
    """The same files with the same bytes as the daemon's, and the table that they were made from."""
    root.table.write_text(GOOD)
    assert units_of(GOOD) == root.generate()
    assert (root.units / GENERATED_TABLE).read_text() == GOOD
    assert root.messages == []


def test_a_bad_table_gives_way_to_the_last_good_one(root: Root) -> None:
    """Its errors are told with file and line; the units are those of the last good table, as they were."""
    root.table.write_text(BAD)
    root.good.write_text(OLD)
    assert units_of(OLD) == root.generate()
    assert (root.units / GENERATED_TABLE).read_text() == OLD
    assert root.messages == [
        "<3>/etc/cltab:5:5: error: entry has duplicate tag: db (first on line 2)",
        "<3>/etc/cltab:5:10: error: unknown mode 'wat'",
        "<4>using the last good table, /var/lib/cltab2systemd/cltab",
    ]


def test_many_errors_are_few_messages(root: Root) -> None:
    """A file of errors does not flood the log."""
    root.table.write_text("word\n" * 100)
    assert root.generate() == {}
    assert len(root.messages) == 7
    assert root.messages[5] == "<3>/etc/cltab: and 95 more; see: cltab2systemd check"
    assert root.messages[6].startswith("<4>no group can be started: there is no last good table either")


def test_no_table(root: Root) -> None:
    """Who removes the table wants no groups; there is nothing to tell, and the last good table is not for this."""
    root.good.write_text(OLD)
    assert root.generate() == {}
    assert root.messages == []


def test_a_table_of_comments(root: Root) -> None:
    """A table without entries is a table."""
    root.table.write_text("# nothing yet\n")
    root.good.write_text(OLD)
    assert root.generate() == {}
    assert root.messages == []


def test_a_table_without_a_byte(root: Root) -> None:
    """An empty file is what a power cut leaves of a write: the last good table is the better one."""
    root.table.touch()
    root.good.write_text(OLD)
    assert units_of(OLD) == root.generate()
    assert root.messages[0].startswith("<3>/etc/cltab is empty: perhaps the machine went down while it was written")


def test_a_last_good_table_with_errors(root: Root) -> None:
    """Then there is nothing that could be started, and the messages say so."""
    root.table.write_text("word\n")
    root.good.write_text("word\n")
    assert root.generate() == {}
    assert root.messages[-1].startswith("<3>/var/lib/cltab2systemd/cltab has errors as well")


@pytest.mark.parametrize("kind", ["directory", "fifo", "loop", "huge", "binary"])
def test_what_is_no_table(root: Root, kind: str) -> None:
    """Whatever lies in the table's place, it is told and the last good table is used."""
    root.good.write_text(OLD)
    match kind:
        case "directory":
            root.table.mkdir()
        case "fifo":
            os.mkfifo(root.table)
        case "loop":
            root.table.symlink_to(root.table)
        case "huge":
            root.table.write_bytes(b"")
            os.truncate(root.table, 100 * 1024 * 1024)
        case "binary":
            root.table.write_bytes(bytes(range(256)) * 64)
    assert units_of(OLD) == root.generate()
    assert root.messages[-1] == "<4>using the last good table, /var/lib/cltab2systemd/cltab"
    assert len(root.messages) in {2, 7}


def test_a_link_to_a_table(root: Root) -> None:
    """Config management may link the table from elsewhere; a link to nothing is no table yet, and that is told."""
    root.good.write_text(OLD)
    root.table.symlink_to("other")
    assert root.generate() == {}
    assert root.messages == [
        "<4>/etc/cltab is a link to nowhere yet (other): the daemon looks again when it starts",
    ]
    root.messages.clear()
    (root.units / GENERATED_MESSAGES).unlink(missing_ok=True)
    root.table.with_name("other").write_text(GOOD)
    assert units_of(GOOD) == root.generate()
    assert root.messages == []


def test_fragments(root: Root) -> None:
    """They are of the table, and so is the copy; a bad one gives way to the last good table, as the table would."""
    root.table.write_text(GOOD)
    beside = root.table.with_name("cltab.d")
    beside.mkdir()
    (beside / "more.cltab").write_text("new:x:1:wait:true")
    assert units_of(GOOD + "new:x:1:wait:true\n") == root.generate()
    assert (root.units / GENERATED_TABLE).read_text() == GOOD + "new:x:1:wait:true\n"
    root.good.write_text(OLD)
    (beside / "bad.cltab").write_text("# bad\nweb:db:3:wait:x\n")
    for path in root.units.iterdir():
        path.unlink() if path.is_file() else (path / "clinit-web.conf").unlink()
    assert units_of(OLD) == root.generate()
    assert root.messages == [
        "<3>/etc/cltab.d/bad.cltab:2:5: error: entry has duplicate tag: db (first in /etc/cltab:2)",
        "<4>using the last good table, /var/lib/cltab2systemd/cltab",
    ]


def test_a_fragment_that_is_not_there_yet(root: Root) -> None:
    """A link to nowhere is for the daemon, as the table's own; a file without a byte is what a power cut leaves."""
    root.table.write_text(GOOD)
    root.good.write_text(OLD)
    beside = root.table.with_name("cltab.d")
    beside.mkdir()
    (beside / "a.cltab").symlink_to("/srv/none")
    assert root.generate() == {}
    assert root.messages == [
        "<4>/etc/cltab.d/a.cltab is a link to nowhere yet (/srv/none): the daemon looks again when it starts"
    ]
    root.messages.clear()
    (root.units / GENERATED_MESSAGES).unlink()
    (beside / "a.cltab").unlink()
    (beside / "a.cltab").touch()
    assert units_of(OLD) == root.generate()
    assert root.messages[0].startswith("<3>/etc/cltab.d/a.cltab is empty: perhaps the machine went down")


def test_an_empty_table_that_was_good(root: Root) -> None:
    """With fragments, the table may be empty; the last good one was so, too."""
    root.table.touch()
    beside = root.table.with_name("cltab.d")
    beside.mkdir()
    (beside / "a.cltab").write_text(GOOD)
    root.good.write_text(GOOD)
    assert units_of(GOOD) == root.generate()
    assert root.messages == []


def test_an_empty_file_and_no_last_good_table_yet(root: Root) -> None:
    """The last good one may be on a disk that is mounted later, so the daemon is to look."""
    root.table.touch()
    assert root.generate() == {}
    assert not (root.units / GENERATED_TABLE).exists()
    assert [message[:30] for message in root.messages] == [
        "<3>/etc/cltab is empty: perhap", "<4>no group can be started: th",
    ]  # fmt: skip


def test_nothing_is_said_twice(root: Root) -> None:
    """What was said at first in this boot is kept, and then nothing is said any more."""
    root.table.write_text("word\n")
    assert root.generate() == {}
    assert len(root.messages) == 2
    kept = root.path / "run/cltab2systemd/boot.messages"
    kept.parent.mkdir(parents=True)
    (root.units / GENERATED_MESSAGES).rename(kept)
    generate(root.units, lambda _, message: root.messages.append(message), str(root.path))
    assert len(root.messages) == 2


def test_the_largest_table(root: Root) -> None:
    """Just below the limit a table of comments is read."""
    root.table.write_bytes(b"#" * LARGEST_TABLE)
    assert root.generate() == {}
    assert root.messages == []


def test_all_units_or_none(root: Root) -> None:
    """If a unit cannot be written, none is left: half a group would be switched out of order."""
    root.table.write_text(GOOD)
    last = [*units_of(GOOD)][-1]
    (root.units / last).mkdir(parents=True)
    assert root.generate() == {}
    assert root.messages == [
        f"<3>cannot write units to {root.units}: File exists; there are none until the daemon starts"
    ]


def test_keeping_a_good_table(tmp_path: Path) -> None:
    """The last good table is written when it is another one that has any byte, and only then."""
    path = tmp_path / "lib/cltab"
    keep_good_table(b"one", path)
    first = path.stat()
    keep_good_table(b"one", path)
    assert first.st_ino == path.stat().st_ino
    assert b"one" == path.read_bytes()
    keep_good_table(b"two", path)
    assert path.read_bytes() == b"two"
    keep_good_table(b"", path)
    assert path.read_bytes() == b"two"


# On a node: the program as it is installed.


@pytest.fixture
def run(node: Node) -> Iterator[Node]:
    """A node in which the generator can be run by hand."""
    yield node
    node.run("sh", "-c", "umount /etc/cltab /units; rm -rf /units /etc/cltab /var/lib/cltab2systemd; true")


def by_hand(node: Node) -> list[str]:
    """Run the generator as systemd does; the names of the units that are there then."""
    node.run("mkdir", "-p", "/units")
    done = node.run(GENERATOR, "/units", "/units.early", "/units.late")
    answered(done, out="", err="")
    return sorted(name for name in node.run("ls", "/units").stdout.split() if name.startswith("clinit-"))


def test_by_hand(run: Node) -> None:
    """The installed program finds its package, and reports to the journal with file and line."""
    run.write("/etc/cltab", OLD)
    assert "clinit-web@old.service" in by_hand(run)
    run.run("rm", "-rf", "/units")
    run.write("/etc/cltab", "word\n")
    assert by_hand(run) == []
    wait_until(lambda: "/etc/cltab:1:1: error: 1 of 5 fields" in run.run("journalctl", "-t", SYSLOG, "-p3").stdout)


SYSLOG = "cltab2systemd-generator"


def test_a_full_disk(run: Node) -> None:
    """If not all units fit, there are none, and it is told."""
    run.write("/etc/cltab", "".join(f"g{n}:t{n}:1:wait:true\n" for n in range(50)))
    run.run("sh", "-c", "mkdir /units && mount -t tmpfs -o size=64k none /units")
    assert by_hand(run) == []
    wait_until(lambda: "No space left on device" in run.run("journalctl", "-t", SYSLOG).stdout)


def test_a_read_only_disk(run: Node) -> None:
    """Neither a read-only directory nor one that is not there is the end of a boot."""
    run.write("/etc/cltab", OLD)
    run.run("sh", "-c", "mkdir /units && mount -t tmpfs -o ro none /units")
    assert by_hand(run) == []
    assert run.run(GENERATOR, "/no/such/directory", check=False).returncode == 0
    assert run.run(GENERATOR, check=False).returncode == 0
    wait_until(lambda: "Read-only file system" in run.run("journalctl", "-t", SYSLOG).stdout)


def test_a_table_that_is_replaced_all_the_time(run: Node) -> None:
    """Each run makes the units of one version of the table, whole, or none."""
    for name in ("one", "two"):
        lines = "".join(f"{name}:{name}{n}:1:wait:{name}\n" for n in range(40))
        run.write(f"/{name}", lines)
    pusher = run.popen("sh", "-c", "while cp /one /n && mv /n /etc/cltab && cp /two /n && mv /n /etc/cltab; do :; done")
    wait_until(lambda: run.exists("/etc/cltab"))
    seen = set()
    for _ in range(20):
        seen.add(" ".join(by_hand(run)))
        run.run("rm", "-rf", "/units")
    kill(pusher)
    pusher.wait()
    whole = {text: sorted(n for n in units_of(run.read(text)) if n.startswith("clinit-")) for text in ("/one", "/two")}
    assert seen <= {"", *(" ".join(names) for names in whole.values())}
    assert seen != {""}


def test_it_asks_nobody(run: Node) -> None:
    """No socket but the journal's, no user database, no process but Python itself."""
    run.write("/etc/cltab", "word\n" + OLD)
    run.run("mkdir", "-p", "/units")
    script = "import sys; sys.addaudithook(lambda event, args: sys.stderr.write(f'{event} '"
    script += "f'{args[0] if event == \"open\" else str()}\\n')); "
    script += "sys.argv[1:] = ['/units']; import cltab2systemd.generator as g; g.main()"
    said = run.run("python3", "-I", "-c", script).stderr.splitlines()
    asked = {
        line.split()[0] for line in said if line.startswith(("socket.", "subprocess.", "os.exec", "os.fork", "os.p"))
    }
    assert asked == {"socket.__new__", "socket.sendto"}
    assert not [line for line in said if "passwd" in line or "nsswitch" in line]


# Boots.


def boot(node: Node, table: str | None, good: str | None = None) -> None:
    """Reboot a node with a table, and a last good one."""
    node.run("rm", "-rf", "/etc/cltab", "/var/lib/cltab2systemd")
    if table is not None:
        node.write("/etc/cltab", table)
    if good is not None:
        node.run("mkdir", "-p", "/var/lib/cltab2systemd")
        node.write("/var/lib/cltab2systemd/cltab", good)
    node.reboot()


def active(node: Node) -> set[str]:
    """The entries and level targets that are active."""
    shown = node.run(
        "systemctl", "list-units", "--output=json", "--state=active", "clinit-*.service", "clinit-*.target"
    )
    return {unit["unit"] for unit in json.loads(shown.stdout)}


def test_boots(fresh_node: Node) -> None:
    """A good table brings the group to its boot level; a bad one the last good table's; without one nothing fails."""
    boot(fresh_node, GOOD)
    wait_until(
        lambda: active(fresh_node) == {f"clinit-web@{name}" for name in ("3.target", "db.service", "app.service")}
    )
    shown = fresh_node.run("systemctl", "list-dependencies", "--plain", "multi-user.target").stdout
    assert "clinit-web@3.target" in shown.split()
    assert fresh_node.run("systemctl", "--failed", "--plain", "--no-legend").stdout == ""

    boot(fresh_node, BAD, ":::initdefault.web:3\n" + OLD)
    wait_until(lambda: active(fresh_node) == {"clinit-web@3.target", "clinit-web@old.service"})

    boot(fresh_node, BAD)
    assert active(fresh_node) == set()
    boot(fresh_node, None, ":::initdefault.web:3\n" + OLD)
    assert active(fresh_node) == set()
    fresh_node.run("sh", "-c", "head -c 100M /dev/zero >/etc/cltab; rm -rf /var/lib/cltab2systemd")
    fresh_node.reboot()
    assert active(fresh_node) == set()
    assert fresh_node.run("systemctl", "is-system-running").stdout == "running\n"


def test_a_long_wait_holds_up_no_login(fresh_node: Node) -> None:
    """While a `wait` of the boot level runs, people can log in; only the entries behind it wait for it."""
    long = "until systemctl --quiet is-active multi-user.target; do sleep 0.1; done; sleep 2"
    boot(fresh_node, f":::initdefault.web:3\nweb:long:3:wait:{long}\nweb:db:3:respawn:exec sleep 1000\n")

    def time(unit: str, name: str) -> int:
        return int(fresh_node.run("systemctl", "show", "--value", f"--property={name}Monotonic", unit).stdout)

    began = time("clinit-web@long.service", "ExecMainStartTimestamp")
    ended = time("clinit-web@long.service", "ExecMainExitTimestamp")
    assert ended - began > 1_900_000
    assert time("systemd-user-sessions.service", "ActiveEnterTimestamp") < ended
    assert time("multi-user.target", "ActiveEnterTimestamp") < ended
    assert time("clinit-web@db.service", "ExecMainStartTimestamp") >= ended


def test_the_daemon_takes_over(fresh_node: Node) -> None:
    """What came up at boot goes on under the daemon; from then on a daemon-reload changes nothing of it."""
    boot(fresh_node, GOOD)
    wait_until(lambda: "clinit-web@3.target" in active(fresh_node))
    instance = Instance(fresh_node)
    pid = instance.main_pid("clinit-web@db.service")
    instance.start()
    assert instance.clstat() == {"web": "3 DONE"}
    fresh_node.write("/etc/cltab", OLD)
    fresh_node.run("systemctl", "daemon-reload")
    shown = fresh_node.run("systemctl", "list-dependencies", "--plain", "multi-user.target").stdout

    assert not fresh_node.exists("/run/systemd/generator/clinit-web@old.service")
    assert "clinit-web@3.target" in shown.split()
    assert pid == instance.main_pid("clinit-web@db.service")
    assert instance.properties("clinit-web@db.service", "FragmentPath") == {
        "FragmentPath": "/run/systemd/system/clinit-web@db.service"
    }
    # Taken over, it is a group like any other: the next request takes it to the new table.
    assert instance.clinit("-w", "web", "3").stdout == "web 3 DONE\n"
    wait_until(lambda: active(fresh_node) - {"clinitd.service"} == {"clinit-web@3.target", "clinit-web@old.service"})
    assert not fresh_node.exists(f"/proc/{pid}")


def test_no_daemon_reload_changes_anything_before_the_daemon_is_there(fresh_node: Node) -> None:
    """Between the boot and the daemon's first start a new table waits as it does later: for a request."""
    boot(fresh_node, GOOD)
    wait_until(lambda: "clinit-web@3.target" in active(fresh_node))
    instance = Instance(fresh_node)
    before = active(fresh_node), instance.main_pid("clinit-web@db.service")
    fresh_node.write("/etc/cltab", "web:db:3:respawn:exec sleep 2000\nmail:app:23:wait:true\n")
    fresh_node.run("systemctl", "daemon-reload")
    fresh_node.run("rm", "/etc/cltab")
    fresh_node.run("systemctl", "daemon-reload")
    assert "exec sleep 1000" in fresh_node.read("/run/systemd/generator/clinit-web@db.service")

    fresh_node.write("/etc/cltab", "web:db:3:respawn:exec sleep 2000\nmail:app:23:wait:true\n")
    instance.start()
    assert before == (active(fresh_node) - {"clinitd.service"}, instance.main_pid("clinit-web@db.service"))
    assert instance.clinit("-w", "web", "3").stdout == "web 3 DONE\n"
    command = f"/proc/{instance.main_pid('clinit-web@db.service')}/cmdline"
    wait_until(lambda: fresh_node.read(command) == "sleep\x002000\x00")
    assert "clinit-web@app.service" not in active(fresh_node)


def test_the_daemon_keeps_the_last_good_table(fresh_node: Node) -> None:
    """A table that took effect is kept; one with errors is not, and the next boot uses what was kept."""
    instance = Instance(fresh_node)
    instance.write_table(":::initdefault.web:3\n" + OLD)
    instance.start()
    kept = "/var/lib/cltab2systemd/cltab"
    assert fresh_node.read(kept) == ":::initdefault.web:3\n" + OLD
    instance.write_table(BAD)
    assert instance.clinit("web", "3").returncode == 1
    assert fresh_node.read(kept) == ":::initdefault.web:3\n" + OLD
    fresh_node.reboot()
    wait_until(lambda: "clinit-web@old.service" in active(fresh_node))
    instance.start()

    assert instance.clstat() == {"web": "3 DONE"}
    assert instance.clinit("web", "3").returncode == 1
    assert "clinit-web@old.service" in active(fresh_node)


def test_python_is_not_started_after_the_take_over(fresh_node: Node) -> None:
    """The mark of the daemon is all that the generator looks at."""
    fresh_node.write("/etc/cltab", OLD)
    Instance(fresh_node).start()
    fresh_node.write("/python", "#!/bin/sh\necho started >/python-was-started\n", mode=0o755)
    mark = "/run/cltab2systemd/system/taken-over"
    script = f"mount --bind /python $(realpath /usr/bin/python3); {GENERATOR} /tmp /tmp /tmp; systemctl daemon-reload"
    fresh_node.run("sh", "-c", script)
    assert not fresh_node.exists("/python-was-started")
    fresh_node.run("sh", "-c", f"rm {mark}; {GENERATOR} /tmp /tmp /tmp")
    assert fresh_node.exists("/python-was-started")
