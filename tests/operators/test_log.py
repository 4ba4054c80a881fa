"""`clinitctl log`: what entries write, whose lines they are, and what a terminal and a pipe get."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from answers import answered
from instance import Instance

from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

# By this systemd says that a unit has been started.
STARTED = "MESSAGE_ID=39f53479d3a045ac8e11786248231fbf"
TABLE = f"""\
web:dirs:3:wait:echo made
web:server:3:respawn:echo one; echo two >&2; exec sleep infinity
web:odd:3:once:printf 'a\\033[31mb\\tc\\377\\nno newline'
web:miss:3:once:exec /no/such
web:long:3:once:head -c 100000 /dev/zero | tr '\\0' x; echo; echo behind
web:later:4:once:echo later
mail:queue:1:respawn:echo mail; exec sleep infinity
mail:web:1:once:echo of the tag
big:forge:1:once:exec /usr/bin/python3 -IS /srv/speak.py forge 'MESSAGE=it ends' UNIT=clinit-big@forge.service {STARTED}
big:mimic:1:once:exec /srv/systemd -IS /srv/speak.py '(sh)' 'MESSAGE=it is killed' UNIT=clinit-big@mimic.service
big:many:1:once:seq 10000
cut:parts:12:once:head -c 60000 /dev/zero | tr '\\0' y; until [ -e /run/said ]; do sleep 0.05; done; echo end
cut:said:2:once:echo said
:::service.forge:User=nobody
:::service.mimic:User=nobody
:::service.miss:WorkingDirectory=/nowhere
"""
# Speaks to the journal under another name, as the child of systemd that is to become the program of a unit does. It
# lives on, so that journald can see which unit's it is. /srv/systemd is a Python.
SPEAK = """\
import socket
import sys
import time

name, *fields = sys.argv[1:]
open("/proc/self/comm", "w").write(name)
line = "".join(f"{field}\\n" for field in fields).encode()
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(line, "/run/systemd/journal/socket")
time.sleep(1000)
"""
STAMP = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d "


@pytest.fixture(scope="module")
def instance(node: Node) -> Instance:
    """A daemon with groups at their levels, whose entries have written what they will."""
    node.write("/etc/cltab", TABLE)
    node.write("/srv/speak.py", SPEAK)
    node.shell('cp "$(readlink -f /usr/bin/python3)" /srv/systemd')
    daemon = Instance(node).start()
    for group, level in (("web", "3"), ("mail", "1"), ("big", "1")):
        daemon.clinit("--wait", group, level)
    ends = {
        "server": b"two", "odd": b"no newline", "long": b"behind", "queue": b"mail", "many": b"10000",
        "forge": b"it ends", "mimic": b"it is killed",
    }  # fmt: skip
    wait_until(lambda: all(raw(node, tag).endswith(end + b"\n") for tag, end in ends.items()), what="all have written")
    wait_until(lambda: "it is killed" in log(node, "mimic").stdout)
    return daemon


def raw(node: Node, *arguments: str) -> bytes:
    return node.run_bytes("clinitctl", "log", "--raw", *arguments).stdout


def log(node: Node, *arguments: str, user: str | None = None) -> subprocess.CompletedProcess[str]:
    done = node.run_bytes("clinitctl", "log", *arguments, check=False, user=user)
    out, err = (stream.decode(errors="replace") for stream in (done.stdout, done.stderr))
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines without their times and those of systemd, single blanks between the words."""
    lines = [re.sub(STAMP, "", line) for line in done.stdout.splitlines()]
    return [" ".join(line.split()) for line in lines if " systemd: " not in line]


def test_a_group(instance: Instance) -> None:
    """The lines of a group have the tags of its entries; those of another group are not among them."""
    done = log(instance.node, "mail")

    answered(done, code=0, err="")
    assert {"queue mail", "web of the tag"} == {*said(done)}
    assert re.search(STAMP + r"queue  mail$", done.stdout, re.MULTILINE)


def test_entries_of_several_groups(instance: Instance) -> None:
    """Each line has its group too; a tag is enough to name an entry, in any order."""
    done = log(instance.node, "queue", "dirs")

    answered(done, code=0, err="")
    assert ["web:dirs made", "mail:queue mail"] == said(done)


def test_all_groups_in_the_order_of_time(instance: Instance) -> None:
    """Without a name, all entries are meant."""
    done = log(instance.node, "--lines", "all")
    lines = said(done)

    answered(done, code=0, err="")
    assert lines.index("web:dirs made") < lines.index("web:server one") < lines.index("mail:queue mail")
    stamps = [re.match(STAMP, line) for line in done.stdout.splitlines() if " systemd: " in line]
    assert [found[0] for found in stamps if found] == sorted(found[0] for found in stamps if found)


def test_what_systemd_says(instance: Instance) -> None:
    """It is told apart from what entries write, and has no names of units in it."""
    done = log(instance.node, "miss")
    lines = [" ".join(re.sub(STAMP, "", line).split()) for line in done.stdout.splitlines()]

    assert "miss systemd: Started" in lines
    assert "miss systemd: Main process exited, code=exited, status=200/CHDIR" in lines


def test_what_our_daemon_says(instance: Instance) -> None:
    """It is told apart from both, and is nothing that the entry wrote."""
    done = log(instance.node, "miss")
    lines = [" ".join(re.sub(STAMP, "", line).split()) for line in done.stdout.splitlines()]

    assert [line for line in lines if "web: miss (once)" in line] == [
        "miss clinit: web: miss (once) could not be started: 200/CHDIR: WorkingDirectory=/nowhere: exec /no/such"
    ]
    assert b"web: miss" not in raw(instance.node, "miss")


def test_nobody_speaks_as_systemd(instance: Instance) -> None:
    """What a process says about its unit is its own, and no routine, whatever it calls that."""
    assert b"it ends\n" == raw(instance.node, "forge")
    assert ["forge it ends"] == said(log(instance.node, "forge"))
    assert ["mimic it is killed"] == said(log(instance.node, "mimic"))


def test_a_name_that_is_a_group_and_a_tag(instance: Instance) -> None:
    """The group is taken, and this is said; with the group before it, it is the entry."""
    done = log(instance.node, "web")

    answered(done, code=0, err="clinitctl: web is a group, and also the tag of mail:web; this is the group\n")
    assert "dirs made" in said(done)
    answered(log(instance.node, "web:dirs"), code=0, err="")
    assert ["web of the tag"] == said(log(instance.node, "mail:web"))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("servre", "no such group or tag: servre; did you mean 'server'?"),
        ("mial", "no such group or tag: mial; did you mean 'mail'?"),
        ("mail:server", "no such group or tag: mail:server"),
        ("x\x1by", r"no such group or tag: x\x1by"),
    ],
)
def test_an_unknown_name(instance: Instance, name: str, told: str) -> None:
    """It is said which, and what was probably meant."""
    answered(log(instance.node, "dirs", name), code=1, out="", err=f"clinitctl: {told}\n")


def test_numbers_and_times(instance: Instance) -> None:
    """The last 100 lines if nothing is said; all with a time; what is no number or time is refused."""
    node = instance.node

    assert 100 == len(log(node, "big").stdout.splitlines())
    assert 10_000 <= len(log(node, "big", "--boot").stdout.splitlines())
    assert 10_000 <= len(log(node, "big", "--since", "yesterday").stdout.splitlines())
    assert 3 == len(log(node, "-n", "3", "big").stdout.splitlines())
    answered(log(node, "--since", "tomorrow", "big"), code=0, out="", err="")
    answered(log(node, "--until", "yesterday", "big"), code=0, out="", err="")
    answered(log(node, "--since", "whenever"), code=1, out="", err="clinitctl: Failed to parse timestamp: whenever\n")
    answered(log(node, "-n", "-3"), code=2, out="")
    assert "neither a number nor 'all'" in log(node, "-n", "many").stderr


def test_raw_bytes(instance: Instance) -> None:
    """As they were written: colours, bytes that are no text, lines that journald has cut."""
    assert b"a\x1b[31mb\tc\xff\nno newline\n" == raw(instance.node, "odd")
    assert b"x" * 100_000 + b"\nbehind\n" == raw(instance.node, "long")
    assert b"".join(b"%d\n" % number for number in range(1, 10_001)) == raw(instance.node, "-n", "all", "many")


def test_a_pipe_gets_bytes_with_tags(instance: Instance) -> None:
    """The bytes stay as they are, also of lines that journald has cut."""
    odd, long = (instance.node.run_bytes("clinitctl", "log", f"web:{tag}").stdout for tag in ("odd", "long"))

    assert b" odd  a\x1b[31mb\tc\xff\n" in odd
    assert b" long  " + b"x" * 100_000 + b"\n" in long


def test_a_line_among_the_parts_of_another(instance: Instance) -> None:
    """It has a line of its own, and so has the rest of the line that journald has cut."""
    node = instance.node
    instance.clinit("--wait", "cut", "1")
    wait_until(lambda: raw(node, "cut:parts").startswith(b"yyy"), what="a part of the line is in the journal")
    instance.clinit("--wait", "cut", "2")
    wait_until(lambda: raw(node, "cut:said") == b"said\n", what="the line is there")
    node.write("/run/said", "")
    wait_until(lambda: raw(node, "cut:parts").endswith(b"end\n"), what="the rest is there")

    assert [f"parts {'y' * 49152}", "said said", f"parts {'y' * 10848}", "parts end"] == said(log(node, "cut"))


def on_terminal(node: Node, command: str, **environment: str) -> str:
    """What a command writes to a terminal of its own."""
    done = node.run("script", "--quiet", "--return", "--command", command, "/dev/null", env=environment)
    return done.stdout.replace("\r\n", "\n")


def test_a_terminal_obeys_nothing(instance: Instance) -> None:
    """Tags have colours, and what an entry wrote has none, nor any other control character but tabs."""
    shown = on_terminal(instance.node, "clinitctl log server odd", TERM="xterm")

    assert r"a\x1b[31mb" + "\t" + r"c\xff" in shown
    assert re.search(STAMP + "\x1b\\[36mserver\x1b\\[0m  one$", shown, re.MULTILINE)
    assert "\x1b[33modd   \x1b[0m  no newline" in shown
    assert "\x1b[2msystemd: Started\x1b[0m" in shown


@pytest.mark.parametrize("environment", [{"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours(instance: Instance, environment: dict[str, str]) -> None:
    """Who wants none, and who cannot show any, gets none."""
    shown = on_terminal(instance.node, "clinitctl log server odd", **environment)

    assert "\x1b" not in shown
    assert r"a\x1b[31mb" in shown


def test_a_reader_that_has_enough(instance: Instance) -> None:
    """`head` ends it quietly."""
    done = instance.node.shell("clinitctl log -n all big | head -1")

    answered(done, code=0, err="")
    assert 1 == len(done.stdout.splitlines())


def test_a_reader_that_has_enough_of_what_is_followed(instance: Instance) -> None:
    """That ends it too, at once, though nothing more is written."""
    script = "{ timeout 20 clinitctl log --follow big || echo $? >/run/ended; } | head -1"
    done = instance.node.shell(script)

    answered(done, code=0, err="")
    assert 1 == len(done.stdout.splitlines())
    wait_until(lambda: instance.node.exists("/run/ended"))
    assert "1\n" == instance.node.read("/run/ended")
    assert not instance.node.shell("pgrep -x journalctl", check=False).stdout


def test_a_full_disk(instance: Instance) -> None:
    """What cannot be written is told."""
    answered(
        instance.node.shell("clinitctl log >/dev/full", check=False),
        code=1, err="clinitctl: cannot write: No space left on device\n",
    )  # fmt: skip


def test_follow(fresh_node: Node) -> None:
    """What is written later comes at once, also of entries that start later; Ctrl-C ends it quietly."""
    node = fresh_node
    node.write("/etc/cltab", TABLE)
    daemon = Instance(node).start()
    daemon.clinit("--wait", "web", "3")
    with node.popen("sh", "-c", "exec clinitctl log --follow --raw later server >/run/followed 2>&1") as process:
        wait_until(lambda: node.exists("/run/followed") and "two" in node.read("/run/followed"), what="the past")
        daemon.clinit("--wait", "web", "4")
        wait_until(lambda: "later" in node.read("/run/followed"), what="what comes later")
        node.run("pkill", "-INT", "-o", "-x", "clinitctl")
        assert 130 == process.wait(20)
    assert "one\ntwo\nlater\n" == node.read("/run/followed")
    assert not node.shell("pgrep -x journalctl", check=False).stdout


def test_who_may_not_read_the_journal(instance: Instance) -> None:
    """That is said, with who may; a member of the group that may is told nothing."""
    node = instance.node
    node.shell("useradd --groups systemd-journal reader; useradd stranger")
    done = log(node, "mail", user="stranger")

    answered(done, code=1, out="")
    assert "clinitctl: not permitted to read the system's journal: only root and members of group" in done.stderr
    answered(log(node, "mail", user="reader"), code=0, err="")
    assert {"queue mail", "web of the tag"} == {*said(log(node, "mail", user="reader"))}


def test_another_instance(instance: Instance) -> None:
    """-c and -s find the units of another daemon, though its groups have the same names."""
    node = instance.node
    node.write("/etc/other", "web:dirs:3:wait:echo of the other\n")
    other = Instance(node, "other.service", "-c", "/etc/other", "-s", "/run/other.s", "--clstat", "/run/other.clstat")
    node.run("systemd-run", "--quiet", "--unit=other.service", "clinit", "-d", *other.options)
    wait_until(lambda: node.exists("/run/other.s"), what="the other daemon listens")
    node.run("clinit", "-w", *other.options, "web", "3")
    node.run("journalctl", "--sync")

    assert ["dirs of the other"] == said(log(node, "-c", "/etc/other", "-s", "/run/other.s"))


def test_a_table_that_cannot_be_read(fresh_node: Node) -> None:
    """Without a table, and without anything applied, there is nothing to name."""
    fresh_node.shell("rm -f /etc/cltab")
    answered(log(fresh_node), code=1, out="", err="clinitctl: file not found: /etc/cltab\n")
    fresh_node.write("/etc/cltab", "# nothing\n")
    answered(log(fresh_node), code=1, out="", err="clinitctl: /etc/cltab has no entries\n")
