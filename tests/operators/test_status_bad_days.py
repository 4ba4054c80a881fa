"""`clinitctl status` on bad days: no daemon, one that hangs or is old, doubtful files, tables under way, odd names."""

from __future__ import annotations

import json
import shlex
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from answers import answered
from instance import Instance
from programs import RUN
from terminals import on_terminal

from cltab2systemd.operators import present
from cltab2systemd.terminal import columns
from lab.waiting import wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from lab.node import Node

TABLE = f"web:a:1:respawn:{RUN}\nweb:b:1:wait:true\nmail:c:1:respawn:{RUN}\n"
CLSTAT = "/run/clinit/clstat"
CLINITCTL = "from cltab2systemd.operators.main import main; sys.argv[0] = 'clinitctl'; main()"
# It if there is no time at all for questions to systemd; and, as words of a shell, if there is enough on any machine.
HASTY = (
    "import sys; from cltab2systemd.operators import present, standalone; present.WITHIN = standalone.LEAST = 0\n"
    f"{CLINITCTL}"
)
PATIENT = shlex.join(
    ["python3", "-c", f"import sys; from cltab2systemd.operators import present; present.WITHIN = 60\n{CLINITCTL}"]
)
GONE = "the daemon is gone; this is what systemd says. Start it with 'systemctl start clinit.service'"
# A stand-in for a daemon: it holds the lock, and replies to all with its argument; to Describe, if it can, late. Its
# second argument is how late all replies are, in seconds.
STAND_IN = """\
import fcntl, glob, json, os, socket, sys, threading, time
lock = open(glob.glob("/run/cltab2systemd/*/lock")[0], "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
s = socket.socket(socket.AF_UNIX)
os.path.exists("/run/clinit/clinit.s") and os.unlink("/run/clinit/clinit.s")
s.bind("/run/clinit/clinit.s"); s.listen(); open("/run/stands-in", "w")
def answer(c):
    asked = c.recv(65536)
    reply = json.loads(sys.argv[1])
    if "error" not in reply and b"Describe" in asked:
        time.sleep(1.5)
    time.sleep(float(sys.argv[2]))
    c.sendall(json.dumps(reply).encode() + b"\\0"); c.close()
while True:
    threading.Thread(target=answer, args=s.accept()[:1]).start()
"""


def status(node: Node, *arguments: str, user: str | None = None) -> subprocess.CompletedProcess[str]:
    return node.run("clinitctl", "status", *arguments, check=False, user=user)


def value(node: Node, *arguments: str, user: str | None = None) -> Any:
    return json.loads(status(node, "--json", *arguments, user=user).stdout)


def states(found: Any) -> dict[str, str]:
    """The state of each entry by its tag."""
    return {entry["tag"]: entry["state"] for group in found["groups"] for entry in group["entries"]}


WELL = {"a": "running", "b": "ended", "c": "running"}


@pytest.fixture(scope="module")
def module_instance(node: Node) -> Instance:
    daemon = Instance(node)
    daemon.write_table(TABLE)
    return daemon


@pytest.fixture
def instance(module_instance: Instance) -> Instance:
    """A daemon whose groups are well, whatever the test before did."""
    daemon = module_instance
    if not daemon.pid:
        daemon.start()
    daemon.write_table(TABLE)
    for group in ("web", "mail"):
        assert daemon.clinit("--wait", group, "1").returncode == 0
    answered(status(daemon.node), code=0, err="")
    return daemon


def test_a_daemon_that_hangs(instance: Instance) -> None:
    """Systemd is asked, and that is said."""
    node, pid = instance.node, str(instance.pid)
    node.run("kill", "-STOP", pid)
    try:
        found, done = value(node), status(node)
    finally:
        node.run("kill", "-CONT", pid)

    assert ("silent", WELL) == (found["daemon"]["state"], states(found))
    answered(done, code=3, err="")
    assert done.stdout.startswith(
        "the daemon gives no answer; this is what systemd says. If it hangs, its watchdog restarts it, and "
        "'systemctl restart clinit' does at once; what runs goes on\n"
    )


def test_a_table_that_is_gone(instance: Instance) -> None:
    """Of one that is not there, nothing tells what it changes."""
    table = instance.node.path("/etc/cltab")
    table.rename(table.with_name("cltab.away"))
    done = status(instance.node)
    table.with_name("cltab.away").rename(table)

    answered(done, code=0, err="")
    told = "/etc/cltab is not there; the groups stay as they are until it is, and 'clinit' has read it"
    assert done.stdout.splitlines()[0] == told


def test_a_daemon_that_is_gone_is_not_started(instance: Instance) -> None:
    """Nobody listens, and nobody does afterwards; how old clstat is is no news then."""
    instance.kill()
    done = status(instance.node)

    answered(done, code=3, err="")
    assert GONE == done.stdout.splitlines()[0]
    assert "web: level 1 DONE" in done.stdout
    assert 0 == instance.pid


def test_time_that_runs_out(instance: Instance) -> None:
    """What does not look well is asked for, and who else is missing is told."""
    node = instance.node
    node.run("systemctl", "stop", "clinit-mail@c.service")
    wait_until(lambda: value(node, "mail")["groups"][0]["state"] == "FAILED", what="the daemon has seen it")
    instance.kill()
    done = node.run("python3", "-c", HASTY, "status", check=False)
    found = json.loads(node.run("python3", "-c", HASTY, "status", "--json", check=False).stdout)

    assert (["mail"], ["web"]) == ([group["group"] for group in found["groups"]], found["missing"])
    answered(done, code=4, err="")
    assert "there was no time to ask systemd how 1 group is; ask for them by name: web\n" in done.stdout
    assert [] == value(node)["missing"]


OLD = {"error": "org.varlink.service.MethodNotFound", "parameters": {"method": "Describe"}}
BUSY = {"version": "busy", "pid": 1, "table": {"path": "/etc/cltab", "refusal": None, "unread": False}, "groups": []}


@contextmanager
def standing_in(instance: Instance, reply: dict[str, Any], late: float = 0) -> Iterator[None]:
    """Have the stand-in instead of the daemon."""
    instance.kill()
    daemon = instance.node.popen("python3", "-c", STAND_IN, json.dumps(reply), str(late))
    try:
        wait_until(lambda: instance.node.exists("/run/stands-in"), what="it listens")
        yield
    finally:
        instance.node.run("pkill", "-f", "fcntl.lockf")
        daemon.wait(10)
        instance.node.run("rm", "-f", "/run/stands-in")


def test_a_daemon_that_is_at_work(instance: Instance) -> None:
    """It is waited for longer, as long as it answers what costs nothing."""
    with standing_in(instance, {"parameters": BUSY}):
        found = value(instance.node)

    assert {"state": "answers", "version": "busy", "pid": 1} == found["daemon"]
    assert found["table"]["digest"] is None  # it is of a version that does not tell


def test_a_daemon_that_refuses_late(instance: Instance) -> None:
    """A refusal is an answer, too: it is told what it is, not that the daemon gives none."""
    refusal = {"error": "org.clinit.Manager.TooManyConnections", "parameters": {"message": "too many connections"}}

    def refused() -> Any:
        began = time.monotonic()
        found = value(instance.node)
        is_late = time.monotonic() - began > present._PATIENCE + present._SIGN_OF_LIFE
        assert found["daemon"]["state"] == "busy" or is_late, found
        return found["daemon"]["state"] == "busy" and found

    with standing_in(instance, refusal, late=0.6):
        found = wait_until(refused, what="it refuses in time")

    assert WELL == states(found)


def test_a_daemon_of_an_older_version(instance: Instance) -> None:
    """It cannot be asked; it is said that it is to be restarted."""
    with standing_in(instance, OLD):
        found, done = value(instance.node), status(instance.node)

    assert ("old", WELL) == (found["daemon"]["state"], states(found))
    answered(done, code=0, err="")
    assert done.stdout.startswith("the daemon is of an older version; this is what systemd says. Restart it: ")


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (f"rm {CLSTAT}", f"{CLSTAT}: No such file or directory; no daemon has told how the groups are"),
        (f"touch -d '2 minutes ago' {CLSTAT}", "the daemon does not keep it true"),
        (f"touch -d 'tomorrow' {CLSTAT}", f"{CLSTAT} is of the future: the clock was set back"),
    ],
)
def test_clstat_that_cannot_be_trusted(instance: Instance, harm: str, told: str) -> None:
    """That is said, and is in the exit code; the groups are shown all the same."""
    instance.node.shell(harm)
    done = status(instance.node)
    instance.clinit("--wait", "web", "stop")  # has it written

    answered(done, code=3, err="")
    assert told in done.stdout.splitlines()[0]
    assert "web: level 1 DONE" in done.stdout


def test_without_clstat_and_daemon(instance: Instance) -> None:
    """The level is known from the units."""
    instance.kill()
    instance.node.shell(f"rm {CLSTAT}")
    found = value(instance.node)

    assert WELL == states(found)
    assert ["1", "1"] == [group["level"] for group in found["groups"]]
    assert found["clstat"]["written_usec"] is None


def test_changes_of_the_table(instance: Instance) -> None:
    """A table that was not read is told, then what it changes; both without the daemon."""
    node = instance.node
    instance.write_table(TABLE.replace("b:1:wait:true", "b:1:wait:true now\nweb:d:1:wait:true"))
    unread = value(node)
    assert unread["table"]["unread"]
    assert "/etc/cltab has changed; 'clinit' has it read" in status(node).stdout
    assert 0 == instance.clinit().returncode
    done = status(node)

    answered(done, code=0, err="")
    assert "  2 entries change at its next request: b, d\n" in done.stdout
    instance.kill()
    assert "  2 entries change at its next request: b, d\n" in status(node).stdout


def test_a_refused_table(instance: Instance) -> None:
    """Why it is refused; the groups are shown with the lines that they have."""
    node = instance.node
    instance.write_table("web:a:1:nonsense:x\nnew:n:1:wait:true\n")
    assert 1 == instance.clinit().returncode
    found, done = value(node), status(node)
    instance.kill()
    without = value(node)

    answered(done, code=7, err="")
    assert done.stdout.startswith("the table is refused, and the groups stay as they are: /etc/cltab:1:")
    assert (WELL, found["table"]) == (states(found), without["table"])
    assert WELL == states(without)
    answered(status(node, "new"), code=1, out="")  # no daemon has ever taken it


def test_names_while_the_table_is_refused(instance: Instance) -> None:
    """One that is in force is shown; one that is only in the refused table is none yet, and that is said."""
    node = instance.node
    instance.write_table(TABLE + "new:d:1:wait:true\nweb:e:1:nonsense:x\n")
    assert 1 == instance.clinit().returncode
    why = "the table is refused, and the groups stay as they are: /etc/cltab:5:"
    new = "clinitctl: new is new in /etc/cltab, which is refused; it is a group when that is mended, "

    def told(code: int, refused: str) -> None:
        known, fresh, unknown = (status(node, name) for name in ("mail", "new", "ne"))
        answered(known, code=code, err="")
        assert why in known.stdout
        assert "mail: level 1 DONE" in known.stdout
        for done in (fresh, unknown):
            answered(done, code=1, out="")
            assert f"\nclinitctl: {why}" in done.stderr
        assert f"clinitctl: no such group: new\n{new}" in fresh.stderr
        assert "clinitctl: no such group: ne\n" in unknown.stderr
        assert " is new in " not in unknown.stderr
        assert refused in fresh.stderr
        assert ["web", "mail"] == [group["group"] for group in value(node)["groups"]]

    told(7, "")
    instance.kill()
    told(3, GONE)


def test_a_group_that_is_new_in_a_table_that_was_not_read(instance: Instance) -> None:
    """It is none for the daemon yet; that is said, and what to do. Without a daemon the table counts."""
    node = instance.node
    instance.write_table(TABLE + "new:d:1:wait:true\n")
    done = status(node, "new")
    instance.kill()

    told = "clinitctl: new is new in /etc/cltab, which has not been read since; 'clinit' has it read\n"
    answered(done, code=1, out="")
    assert told in done.stderr
    assert "new: at no level" in status(node, "new").stdout


@pytest.mark.parametrize("command", ["status", "why web", "metrics", "log", "history", "restart a"])
def test_a_table_that_no_daemon_has(instance: Instance, command: str) -> None:
    """Its groups are not taken for those of the system's daemon, which has other lines of the same names, perhaps."""
    told = "no daemon has the table /etc/cltab.mine, which names no socket; name the daemon's with -s"
    for content in ("", "web:a:1:wait:true\n"):
        instance.node.write("/etc/cltab.mine", content)
        done = instance.node.run("clinitctl", *command.split(), "--cltab", "/etc/cltab.mine", check=False)
        answered(done, code=3, out="", err=f"clinitctl: {told}\n")


def test_no_group(instance: Instance) -> None:
    """That is worth a line."""
    instance.clinit("-k", "-w")
    instance.write_table("# nothing\n")
    instance.start()

    answered(status(instance.node), code=0, out="/etc/cltab has no group\n", err="")


def test_who_has_no_rights(instance: Instance) -> None:
    """Anybody may see how the groups are, by the daemon or by systemd, and changes nothing."""
    node = instance.node
    node.shell("id stranger 2>/dev/null || useradd stranger")
    socket_mode = node.path("/run/clinit/clinit.s").stat().st_mode & 0o777
    try:
        for mode in (0o666, 0o600):
            node.path("/run/clinit/clinit.s").chmod(mode)
            found = value(node, user="stranger")
            assert ("answers" if mode == 0o666 else "closed") == found["daemon"]["state"]
            assert WELL == states(found)
            answered(status(node, user="stranger"), code=0, err="")
            assert 1 == node.run("clinit", "web", "2", check=False, user="stranger").returncode
    finally:
        node.path("/run/clinit/clinit.s").chmod(socket_mode)


LONG = "n" * 200
ODD = f"{LONG}:long:1:respawn:{RUN}\n数据库:数据:1:respawn:{RUN}\n".encode() + b"b\xff:t\xfe:1:wait:true \xfd\n"


def test_odd_names(instance: Instance) -> None:
    """Long ones, those of two columns a character, and bytes that are no text: the same with and without the daemon."""
    node = instance.node
    instance.write_table(TABLE.encode() + ODD)
    for group in (LONG, "数据库", b"b\xff"):
        done = node.run_bytes("clinit", "-w", group, "1", check=False)  # type: ignore[arg-type]
        assert 0 == done.returncode, done
    found = value(node)
    lines = status(node).stdout.splitlines()
    shown = narrow(node)
    instance.kill()
    alone = narrow(node)

    for screen in (shown, alone):
        assert f"{'n' * 19}…" in screen
        assert any(line.startswith("数据库: level 1") for line in screen)
    assert [LONG, "数据库", [*b"b\xff"]] == [group["group"] for group in found["groups"]][2:]
    assert [[*b"t\xfe"]] == [entry["tag"] for entry in found["groups"][-1]["entries"]]
    assert r"b\xff: level 1 DONE" in "\n".join(lines)
    assert found["groups"][-1]["entries"][0]["unit"] == value(node)["groups"][-1]["entries"][0]["unit"]
    row = next(line for line in lines if line.startswith("  数据"))
    head = lines[lines.index(row) - 1]
    assert columns(head[: head.index("STATE")]) == columns(row[: row.index("running")])


def narrow(node: Node, program: str = "clinitctl") -> list[str]:
    """What a terminal of 20 columns and 24 rows shows."""
    shown = on_terminal(node, f"{program} status", {"NO_COLOR": "1"}, 20)
    assert max(map(columns, shown)) <= 20
    return shown


def of_a_thousand(node: Node) -> None:
    """What is to be seen of a thousand groups: what is wrong, whoever looks, and all of them in a pipe."""
    summary = "1000 groups: 1 FAILED, 1 well, 998 at no level"
    lines = node.shell(f"{PATIENT} status", check=False).stdout.splitlines()
    head = node.shell(f"{PATIENT} status | head -1")
    shown = narrow(node, PATIENT)

    first = lines.index(summary)
    assert lines[first + 1 : first + 3] == ["", next(line for line in lines if line.startswith("g500: level 1 FAILED"))]
    assert {f"g{number}" for number in range(1000)} <= {line.partition(":")[0] for line in lines}
    answered(head, code=0, out=f"{lines[0]}\n", err="")
    assert len(shown) < 24
    assert "1000 groups: 1 FAILED, 1 well, 998 at no level" in " ".join(shown)
    assert any(line.startswith("g500: level 1") for line in shown)
    assert any(line.startswith("… and ") for line in shown)


def test_a_thousand_groups(fresh_node: Node) -> None:
    """All of them, with and without the daemon, for a reader that has enough, and for a narrow terminal."""
    entries = [f"t{number}:1:respawn:{RUN}" for number in range(1000)]
    entries[500] = "t500:1:test:false"
    daemon = Instance(fresh_node)
    daemon.write_table("".join(f"g{number}:{entry}\n" for number, entry in enumerate(entries)))
    daemon.start()
    daemon.clinit("--wait", "g777", "1")
    daemon.clinit("--wait", "g500", "1")
    found = value(fresh_node)

    assert [f"g{number}" for number in range(1000)] == [group["group"] for group in found["groups"]]
    of_a_thousand(fresh_node)
    daemon.kill()
    wait_until(lambda: states(found) == states(value(fresh_node)), what="systemd tells the same in time")
    of_a_thousand(fresh_node)
