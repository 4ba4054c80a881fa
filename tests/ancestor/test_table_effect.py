"""When a table takes effect, and when it does not."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from answers import answered
from instance import Group, Instance, varlink
from programs import RUN

from cltab2systemd.node.command import kill
from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

OLD = f"web:a:1:respawn:{RUN}\nweb:b:12:respawn:{RUN}\nmail:q:1:respawn:{RUN}\n"
NEW = OLD.replace(f"web:a:1:respawn:{RUN}", "web:a:1:respawn:exec sleep 2000")
NAMES = ["web@a", "web@b", "mail@q"]


@pytest.fixture
def running(alone: Instance) -> Instance:
    """Run two groups at level 1."""
    alone.write_table(OLD)
    assert alone.clinit("-w", "web", "1").returncode == 0
    assert alone.clinit("-w", "mail", "1").returncode == 0
    return alone


def pids(instance: Instance) -> list[int]:
    """The pids of all entries."""
    return [instance.main_pid(f"clinit-{name}.service") for name in NAMES]


def commands(instance: Instance) -> list[str]:
    """What the entries run as."""
    return [instance.node.read(f"/proc/{pid}/cmdline").replace("\0", " ").strip() for pid in pids(instance)]


def start_unasked(instance: Instance) -> None:
    """Start the daemon without asking it for anything."""
    instance.node.run(
        "systemd-run", "--quiet", "--collect", f"--unit={instance.unit}", "--property=KillMode=process", "clinit", "-d"
    )


def touched(instance: Instance, table: str, time_ns: int) -> None:
    """Write the table in place, as a file of this time."""
    path = instance.node.path("/etc/cltab")
    path.write_text(table)
    os.utime(path, ns=(time_ns, time_ns))


def test_a_request_reads_the_table(running: Instance) -> None:
    """A pushed table takes effect at a request, for the group that is asked for."""
    before = pids(running)
    running.write_table(NEW)
    assert running.clinit("-w", "web", "1").stdout == "web 1 DONE\n"
    wait_until(lambda: commands(running)[0] == "sleep 2000")

    assert before[1:] == pids(running)[1:]


def test_another_groups_request_reads_it_too(running: Instance) -> None:
    """Any request makes a new group known; it changes no active group but its own, and stops none that left."""
    before = pids(running)
    running.write_table(NEW.replace("mail:", "post:"))
    assert running.clinit("-w", "post", "1").stdout == "post 1 DONE\n"

    assert "mail" in running.clstat()
    assert before[:2] == pids(running)[:2]


def test_a_bare_clinit_reads_the_table(running: Instance) -> None:
    """`clinit` alone has groups that left stopped, and changes no active group's entries."""
    before = pids(running)
    running.write_table("".join(NEW.splitlines(keepends=True)[:2]))
    assert running.clinit().returncode == 0
    wait_until(lambda: running.clstat() == {"web": "1 DONE"})

    assert [*before[:2], 0] == pids(running)


def test_the_daemons_start_reads_the_table(running: Instance) -> None:
    """A daemon that starts reads the table without being asked; a group that left meanwhile goes on."""
    before = pids(running)
    running.kill("KILL")
    running.write_table("".join(NEW.splitlines(keepends=True)[:2]))
    start_unasked(running)

    assert running.clstat() == {"web": "1 DONE", "mail": "1 DONE"}
    assert before == pids(running)


def test_nothing_else_reads_the_table(running: Instance) -> None:
    """Without a request, a pushed table has no effect at all: nobody watches the file, and no other call reads it."""
    before = pids(running)
    watches = running.node.run(
        "grep", "--files-with-matches", "inotify", "-r", f"/proc/{running.pid}/fdinfo", check=False
    )
    answered(watches, code=1, out="", err="")
    running.write_table(NEW.replace("mail:", "post:"))
    (status,) = varlink(running.node, {"method": "org.clinit.Manager.Status"})
    assert [group["group"] for group in status["parameters"]["groups"]] == ["web", "mail"]

    assert before == pids(running)
    assert {"web": "1 DONE", "mail": "1 DONE"} == running.clstat()


@pytest.mark.parametrize("daemon", ["running", "killed", "terminated"])
def test_a_daemon_reload_applies_nothing(running: Instance, daemon: str) -> None:
    """Somebody else's `systemctl daemon-reload`, or a daemon-reexec, changes nothing, daemon or not."""
    before = pids(running)
    running.write_table(NEW.replace("mail:", "post:"))
    if daemon != "running":
        running.kill({"killed": "KILL", "terminated": "TERM"}[daemon])
    for verb in ("daemon-reload", "daemon-reload", "daemon-reexec"):
        running.node.run("systemctl", verb)
    # What respawns is still what was applied.
    running.node.run("kill", "-KILL", str(before[0]))
    wait_until(lambda: pids(running)[0] not in {0, before[0]})
    wait_until(lambda: commands(running)[0] == "sleep 1000")

    assert before[1:] == pids(running)[1:]
    assert {"web": "1 DONE", "mail": "1 DONE"} == running.clstat()
    assert not [name for name in running.node.run("ls", "/run/systemd/system").stdout.split() if "post" in name]


def test_a_duplicate_tag(running: Instance) -> None:
    """A tag that stands twice, even in different groups, spoils the whole table; the answer is the ancestor's."""
    before = pids(running)
    running.write_table(NEW + "other:q:1:wait:true\n")
    refused = running.clinit("web", "2")

    answered(refused, code=1)
    assert refused.stdout.startswith("entry has duplicate tag: q")
    assert "/etc/cltab:4:7: error: entry has duplicate tag: q" in refused.stderr
    assert before == pids(running)
    assert "1 DONE" == running.clstat()["web"]


def test_all_errors_are_told_at_once(running: Instance) -> None:
    """Each error of the table is told with file, line and column, and none of the table takes effect."""
    before = pids(running)
    running.write_table("# a comment\n" + NEW + "web:x:1:wiat:true\nweb\nmail:q:1:once:true\nnew:n:1:wait:true\n")
    for words in (["web", "2"], ["mail", "1"], ["new", "1"], []):
        refused = running.clinit(*words)
        assert refused.returncode == 1
        for place in ("/etc/cltab:5:9:", "/etc/cltab:6:", "/etc/cltab:7:6:"):
            assert place in refused.stderr, (place, refused.stderr)

    assert before == pids(running)
    assert {"web": "1 DONE", "mail": "1 DONE"} == running.clstat()


def test_a_mended_table_takes_effect(running: Instance) -> None:
    """After an erroneous table, a good one serves at the next request, be it new or the old one put back."""
    before = pids(running)
    for good in (OLD, NEW):
        running.write_table("web:a:1:wiat:true\n")
        assert running.clinit("web", "1").returncode == 1
        running.write_table(good)
        assert running.clinit("-w", "web", "1").returncode == 0
        assert (before[0] == pids(running)[0]) is (good == OLD)

    assert before[1:] == pids(running)[1:]


def test_an_erroneous_table_at_the_daemons_start(running: Instance) -> None:
    """A daemon that starts with errors in the table says so, leaves what runs, and serves once it is mended."""
    before = pids(running)
    running.kill("KILL")
    running.write_table(NEW + "other:q:1:wait:true\n")
    start_unasked(running)
    wait_until(running.answers)
    assert "entry has duplicate tag: q" in running.node.journal("clinitd.service")
    assert before == pids(running)
    assert {"web": "1 DONE", "mail": "1 DONE"} == running.clstat()
    running.write_table(NEW)
    assert running.clinit("-w", "web", "1").returncode == 0

    assert before[0] != pids(running)[0]
    assert before[1:] == pids(running)[1:]


def test_a_missing_table(running: Instance) -> None:
    """Without its table the daemon says `file not found: PATH` and goes on; once it is back, requests are served."""
    before, daemon = pids(running), running.pid
    running.node.run("rm", "/etc/cltab")
    for words in (["web", "2"], []):
        refused = running.clinit(*words)
        answered(refused, code=1, out="file not found: /etc/cltab\n")
    running.write_table(NEW)
    assert running.clinit("-w", "web", "1").returncode == 0

    assert daemon == running.pid
    assert before[1:] == pids(running)[1:]


def test_a_missing_table_at_the_daemons_start(running: Instance) -> None:
    """A daemon that starts without a table leaves what runs, and serves when the table comes."""
    before = pids(running)
    running.kill("KILL")
    running.node.run("rm", "/etc/cltab")
    start_unasked(running)
    wait_until(running.answers)
    assert before == pids(running)
    assert {"web": "1 DONE", "mail": "1 DONE"} == running.clstat()
    running.write_table(OLD)
    assert running.clinit("-w", "web", "2").stdout == "web 2 DONE\n"

    assert [0, *before[1:]] == pids(running)


@pytest.mark.parametrize("content", ["", "\n\n", "# all is commented out\n", ":::colour:red\n"])
def test_a_table_without_entries_while_groups_are_active(running: Instance, content: str) -> None:
    """A table that was truncated to nothing does not stop everything: it is refused, in place or renamed there."""
    before = pids(running)
    running.node.path("/etc/cltab").write_text(content)
    assert running.clinit("web", "2").returncode == 1
    running.write_table(content)
    assert running.clinit().returncode == 1
    running.kill("KILL")
    running.start()

    assert before == pids(running)
    assert {"web": "1 DONE", "mail": "1 DONE"} == running.clstat()


def test_an_empty_table_without_active_groups(fresh_node: Node) -> None:
    """An empty table is a table: with nothing running it serves, and has no group."""
    instance = Instance(fresh_node)
    instance.write_table("")
    instance.start()

    assert instance.clinit("web", "1").stdout == "no such group: web\n"
    assert instance.clinit().returncode == 0


def test_a_table_that_changes_while_it_is_read(running: Instance) -> None:
    """A table that somebody keeps writing is refused with the reason, and nothing changes; later it serves."""
    before = pids(running)
    script = (
        "import os\nf = os.open('/etc/cltab', os.O_WRONLY | os.O_APPEND)\n"
        "while os.fstat(f).st_size < 60_000_000:\n  for i in range(100): os.write(f, b'#')\n"
    )
    running.node.path("/etc/cltab").write_text(NEW + "#" + "x" * 10_000_000 + "\n#")
    writer = running.node.popen("python3", "-c", script)
    refused = None
    for _ in range(20):
        answer = running.clinit("mail", "1")
        if answer.returncode:
            refused = answer
            break
    assert writer.poll() is None, "the writer was too quick for this test"
    kill(writer)

    assert refused is not None
    assert "changes while it is read" in refused.stdout
    assert before == pids(running)
    assert "1 DONE" == running.clstat()["web"]
    running.write_table(NEW)
    assert running.clinit("-w", "web", "1").returncode == 0
    assert before[0] != pids(running)[0]


def test_touch_restarts_nothing(running: Instance) -> None:
    """A table with a new time, a new inode, and the same content is no change."""
    before = pids(running)
    running.node.run("touch", "/etc/cltab")
    assert running.clinit("-w", "web", "1").returncode == 0
    running.write_table(OLD)
    assert running.clinit("-w", "web", "1").returncode == 0

    assert before == pids(running)


def test_a_change_within_the_same_second(running: Instance) -> None:
    """A table written in place, of the same size and in the same second, is another one by its nanoseconds."""
    now = time.time_ns() // 10**9 * 10**9
    touched(running, OLD, now)
    assert running.clinit("-w", "web", "1").returncode == 0
    touched(running, NEW, now + 1)
    assert running.clinit("-w", "web", "1").returncode == 0
    wait_until(lambda: commands(running)[0] == "sleep 2000")


def test_a_file_of_the_same_size_and_time(running: Instance) -> None:
    """A table that was replaced by one of the same size and time is another one by its inode."""
    now = time.time_ns()
    touched(running, OLD, now)
    assert running.clinit("-w", "web", "1").returncode == 0
    running.node.path("/etc/cltab").rename(running.node.path("/etc/cltab.old"))
    touched(running, NEW, now)
    assert running.clinit("-w", "web", "1").returncode == 0
    wait_until(lambda: commands(running)[0] == "sleep 2000")


def test_an_older_file(running: Instance) -> None:
    """A table from a backup, older than the one it replaces, takes effect as any other."""
    running.node.path("/etc/cltab").unlink()
    touched(running, NEW, 10**18)
    assert running.clinit("-w", "web", "1").returncode == 0
    wait_until(lambda: commands(running)[0] == "sleep 2000")


def test_a_linked_table(fresh_node: Node) -> None:
    """Where /etc/cltab is a link, the table is what it leads to, and a change there takes effect."""
    fresh_node.write("/srv/cltab", "web:a:1:wait:event web old\n")
    fresh_node.run("ln", "-sf", "/srv/cltab", "/etc/cltab")
    instance = Instance(fresh_node).start()
    web = Group(instance, "web")
    assert web.switch("1") == "DONE"
    fresh_node.write("/srv/cltab", "web:a:1:wait:event web new!\n")
    assert web.switch("1") == "DONE"

    assert web.events() == ["old", "new!"]
