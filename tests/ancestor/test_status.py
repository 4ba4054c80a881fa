"""Status: clstat and its readers, `clinit -v` and the Python API; and which state is shown when."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from answers import answered
from instance import EVENTS, Group, Instance
from programs import RUN, polite

from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

CLSTAT = "/run/clinit/clstat"
SITUATION = """\
# lines of another class are none of ours
Cluster::Init::Other web 9 DONE
Cluster::Init::Group web 3 DONE
Cluster::Init::Group mail 3 FAILED
Cluster::Init::Group db stop PASSED
"""


def python(node: Node, script: str, *arguments: str, timeout: float = 60.0) -> Any:
    """What a Python program in the node prints as JSON; `show` is its print."""
    prelude = "import json, sys, time\nfrom cltab2systemd.client import *\nfrom cltab2systemd import client\n"
    show = "def show(value): print(json.dumps(value))\n"
    return json.loads(node.run("python3", "-c", prelude + show + script, *arguments, timeout=timeout).stdout)


def test_neither_group_nor_level_gives_all_lines(node: Node) -> None:
    """Status without a filter: `GROUP LEVEL STATE` for each group, in the file's order."""
    node.write("/srv/clstat", SITUATION)

    assert python(node, "show(status(clstat='/srv/clstat'))") == "web 3 DONE\nmail 3 FAILED\ndb stop PASSED\n"


def test_a_group_gives_its_level_and_state(node: Node) -> None:
    """Status of a group: `LEVEL STATE`."""
    node.write("/srv/clstat", SITUATION)

    assert python(node, "show(status(group='mail', clstat='/srv/clstat'))") == "3 FAILED\n"


def test_a_level_gives_groups_and_states(node: Node) -> None:
    """Status of a level: `GROUP STATE` for each group at that level."""
    node.write("/srv/clstat", SITUATION)

    assert python(node, "show(status(level='3', clstat='/srv/clstat'))") == "web DONE\nmail FAILED\n"


def test_a_group_and_a_level_give_the_bare_state(node: Node) -> None:
    """Status of a group at a level: `STATE` alone, without a newline."""
    node.write("/srv/clstat", SITUATION)

    assert python(node, "show(status(group='db', level='stop', clstat='/srv/clstat'))") == "PASSED"


def test_nothing_that_matches_gives_an_empty_string(node: Node) -> None:
    """Status of an unknown group, a level where nobody is, or a group that is elsewhere: empty."""
    node.write("/srv/clstat", SITUATION)
    script = "show([status(clstat='/srv/clstat', **f) for f in json.loads(sys.argv[1])])"
    filters = [{"group": "web2"}, {"level": "9"}, {"group": "web", "level": "9"}, {"group": "we"}, {"level": "sto"}]

    assert python(node, script, json.dumps(filters)) == [""] * 5


def test_no_clstat_gives_an_empty_string(node: Node) -> None:
    """Status where there is no file is empty, and no error, for the API; `clinit -v` says that there is none."""
    assert python(node, "show([status(clstat='/no/file'), Client(clstat='/no/file').status(group='web')])") == ["", ""]
    done = node.run("clinit", "-v", "--clstat", "/no/file", check=False)

    answered(done, code=3, out="")
    assert done.stderr.startswith("clinit: /no/file: No such file")


def test_status_needs_no_daemon(alone: Instance) -> None:
    """After the daemon was killed, `clinit -v` and the API go on telling what clstat says."""
    web = Group(alone, "web")
    web.define(f"a:1:respawn:{RUN}")
    web.switch("1")
    alone.kill("KILL")

    assert alone.clinit("-v").stdout == "web 1 DONE\n"
    assert python(alone.node, "show([client.status(), Client().status('web'), Client().status('web', '1')])") == [
        "web 1 DONE\n", "1 DONE\n", "DONE",
    ]  # fmt: skip


def test_anybody_may_read_the_status(group: Group) -> None:
    """Another user than root reads clstat, by hand and with `clinit -v`."""
    group.define("t:1:test:true")
    group.switch("1")

    assert f"{group.name} 1 PASSED\n" in group.node.run("clinit", "-v", user="nobody").stdout
    assert f"Group {group.name} 1 PASSED\n" in group.node.run("cat", CLSTAT, user="nobody").stdout


def test_polling_the_status_changes_nothing(group: Group) -> None:
    """`clinit -v` without a level does not make the daemon read a table that was pushed."""
    group.define("a:1:respawn:" + RUN)
    group.switch("1")
    group.define()
    for _ in range(3):
        group.instance.clinit("-v")
    time.sleep(0.2)

    assert group.status == "1 DONE"
    assert group.pid("a") != 0


def test_status_after_a_request(group: Group) -> None:
    """`clinit -v GROUP LEVEL` prints the answer, and then the status as it is from now on."""
    group.define("w:1:wait:sleep 5")
    done = group.instance.clinit("-v", group.name, "1")

    assert done.stdout.startswith("level transition started\n")
    assert f"{group.name} 1 STARTING\n" in done.stdout


def test_only_groups_that_were_told_a_level_have_a_line(group: Group, other: Group) -> None:
    """A group of the table that nobody ever asked for is not in clstat."""
    group.define(f"a:1:respawn:{RUN}")
    other.define(f"a:1:respawn:{RUN}")
    group.switch("1")

    assert group.status == "1 DONE"
    assert other.status == ""
    assert "idle" not in group.instance.clstat()


def test_clstats_format(alone: Instance) -> None:
    """The file has one line `Cluster::Init::Group GROUP LEVEL STATE` for each group, and nothing else."""
    web, mail = Group(alone, "web"), Group(alone, "mail")
    web.define("a:1:wait:true")
    mail.define("b:lost,found:test:false")
    web.switch("1")
    mail.switch("lost", code=4)

    assert alone.node.read(CLSTAT) == "Cluster::Init::Group web 1 DONE\nCluster::Init::Group mail lost FAILED\n"


def test_clstat_is_replaced_whole(group: Group) -> None:
    """A reader never sees a part of clstat or none: each version is a file of its own, renamed into place."""
    group.define("a:1:wait:true", "b:2:wait:true")
    group.switch("1")
    script = """
import os
from pathlib import Path
own = Client()
inodes, lines = set(), set()
for turn in range(20):
    own.tell(sys.argv[1], str(turn % 2 + 1))
    end = time.monotonic() + 0.1
    while time.monotonic() < end:
        with open('/run/clinit/clstat') as file:
            inodes.add(os.fstat(file.fileno()).st_ino)
            text = file.read()
            lines.update(line.count(' ') for line in text.splitlines())
            assert text.endswith('\\n') and f'Group {sys.argv[1]} ' in text, text
show([len(inodes) > 1, sorted(lines)])
"""
    assert python(group.node, script, group.name) == [True, [3]]


def test_stopping_shows_the_old_level(group: Group) -> None:
    """While old entries go, clstat has the old level and STOPPING; then the new level and STARTING; then DONE."""
    group.define(f"a:1:respawn:{polite(group.name, 'a', 3)}", "w:2:wait:sleep 2")
    group.switch("1")
    wait_until(lambda: group.events() == ["a up"])
    group.request("2")
    seen: list[str] = []
    deadline = time.monotonic() + 20
    while (not seen or seen[-1] != "2 DONE") and time.monotonic() < deadline:
        if (status := group.status) not in seen[-1:]:
            seen.append(status)

    assert seen == ["1 STOPPING", "2 STARTING", "2 DONE"]


@pytest.mark.parametrize("mode", ["wait", "test"])
def test_starting_until_every_wait_and_test_has_ended(group: Group, mode: str) -> None:
    """STARTING lasts until the last `wait` or `test` has ended, also when a `test` before it has failed already."""
    last = f"EVENTS={EVENTS}/{group.name}; . event; sleep 0.6; say over"
    group.define("t:1:test:false", f"r:1:respawn:{RUN}", f"w:1:{mode}:{last}")
    group.request("1")
    wait_until(lambda: group.pid("r") != 0)
    while not group.events():
        before = group.status
        assert before == "1 STARTING" or group.events()
    group.wait_for("1 FAILED")


def test_once_and_respawn_do_not_hold_up_the_state(group: Group) -> None:
    """A group is DONE while its `once` and `respawn` entries run."""
    group.define("o:1:once:sleep 1000", f"r:1:respawn:{RUN}")

    assert group.switch("1") == "DONE"
    assert 0 not in {group.pid("o"), group.pid("r")}


def test_no_old_state_is_shown_after_a_reply(group: Group) -> None:
    """In 50 switches, clstat never shows the old level as settled after the reply, nor the new one too early."""
    log = f"/run/{group.name}.log"
    group.define(
        f"w1:1:wait:sleep 0.03; echo 1 >>{log}", f"r1:1:respawn:{RUN}", f"both:12:respawn:{RUN}",
        f"w2:2:wait:sleep 0.03; echo 2 >>{log}", f"r2:2:respawn:{RUN}",
    )  # fmt: skip
    group.switch("2")
    script = """
group, log = sys.argv[1:]
own, wrong = Client(), []
old = "2"
for turn in range(2, 52):
    new = "21"[turn % 2 == 0]
    own.tell(group, new)
    while True:
        seen = own.status(group).strip()
        ran = len(open(log).read().splitlines())
        if seen == f"{new} DONE":
            if ran != turn:
                wrong.append([turn, seen, ran])
            break
        if seen not in {f"{old} STOPPING", f"{new} STARTING", f"{new} CHECKING"}:
            wrong.append([turn, seen, ran])
            break
    old = new
show(wrong)
"""
    assert python(group.node, script, group.name, log, timeout=120) == []


def test_no_old_state_is_shown_for_the_same_level_with_changes(group: Group) -> None:
    """After the reply to a request that reruns something at the present level, that level's old DONE is not shown."""
    script = """
group, log, turn = sys.argv[1:]
own, wrong = Client(), []
own.tell(group, "1")
while True:
    seen = own.status(group).strip()
    ran = len(open(log).read().splitlines())
    if seen == "1 DONE":
        show([seen, ran]); break
    if seen not in {"1 STOPPING", "1 STARTING", "1 CHECKING"}:
        show([seen, ran]); break
"""
    log = f"/run/{group.name}.log"
    group.node.write(log, "")
    for turn in range(1, 11):
        group.define(f"w:1:wait:sleep 0.05; echo {turn} >>{log}", f"r:1:respawn:exec sleep {1000 + turn}")
        if turn == 1:
            group.switch("1")
        else:
            assert python(group.node, script, group.name, log, str(turn)) == ["1 DONE", turn]


def test_no_old_state_is_shown_between_levels_without_entries(group: Group) -> None:
    """Between levels that no entry names, and back, the level after the reply is never the old one as settled."""
    group.define(f"a:1:respawn:{RUN}", "t:2:test:false")
    group.switch("1")
    script = """
group, own, wrong, old = sys.argv[1], Client(), [], "1"
for new in ["998", "999", "2", "998", "1", "0", "stop", "1"] * 4:
    own.tell(group, new)
    end = "FAILED" if new == "2" else "DONE"
    while (seen := own.status(group).strip()) != f"{new} {end}":
        if seen not in {f"{old} STOPPING", f"{new} STARTING", f"{new} CHECKING"}:
            wrong.append([old, new, seen])
            break
    own.wait(group, new)
    old = new
show(wrong)
"""
    assert python(group.node, script, group.name) == []


@pytest.mark.parametrize(
    ("again", "settled"),
    [("w:1:wait:true", "1 DONE"), ("t:1:test:false", "1 FAILED")],
    ids=["nothing-is-rerun", "a-test-is-rerun"],
)
def test_asking_again_never_leaves_the_level(group: Group, again: str, settled: str) -> None:
    """The state may be STARTING: as long as the request is queued, or a failed test runs again. No other is between."""
    group.define(f"r:1:respawn:{RUN}", again)
    group.request("1")
    group.wait_for(settled)
    script = """
group, own, seen = sys.argv[1], Client(), set()
for _ in range(20):
    own.tell(group, "1")
    end = time.monotonic() + 0.1
    while (now := own.status(group).strip()) == "1 STARTING" or time.monotonic() < end:
        seen.add(now)
    seen.add(now)
show(sorted(seen))
"""
    assert set(python(group.node, script, group.name)) - {"1 STARTING"} == {settled}


def test_the_apis_tell(group: Group) -> None:
    """`Client.tell` returns the daemon's answer at once, and raises RefusedError with its words when it says no."""
    group.define("w:1:wait:sleep 5")
    script = """
began = time.monotonic()
said = Client().tell(sys.argv[1], "1")
took = time.monotonic() - began
try:
    Client().tell("nobody", "1")
except RefusedError as error:
    show([said, took < 3, str(error)])
"""
    assert python(group.node, script, group.name) == ["level transition started", True, "no such group: nobody"]


def test_the_apis_wait(group: Group) -> None:
    """`Client.wait` returns the state that the level settled in, or raises: time is up, another took over."""
    group.define("a:1:wait:true", "t:2:test:true", "f:3:test:false", "w:4:wait:sleep 60", "v:5:wait:sleep 60")
    script = """
import threading
group, own = sys.argv[1], Client()
def supersede():
    while own.status(group) != "5 STARTING\\n":
        time.sleep(0.02)
    Client().tell(group, "1")
states = [own.wait(group, level) for level in "123"]
try:
    own.wait(group, "4", timeout=3)
except TimedOutError:
    states.append(own.status(group))
threading.Thread(target=supersede, daemon=True).start()
try:
    own.wait(group, "5", timeout=20)
except SupersededError:
    states.append("superseded")
show(states)
"""
    assert python(group.node, script, group.name) == ["DONE", "PASSED", "FAILED", "4 STARTING\n", "superseded"]


def test_the_apis_shutdown(alone: Instance) -> None:
    """`Client.shutdown` answers at once; afterwards the daemon is gone, and clstat with it."""
    web = Group(alone, "web")
    web.define(f"a:1:respawn:{RUN}")
    web.switch("1")
    assert python(alone.node, "show(Client().shutdown())") == "all groups halting"
    wait_until(lambda: not alone.node.exists(CLSTAT))

    assert web.pid("a") == 0
    assert python(alone.node, "show(client.status())") == ""


def test_the_api_without_a_daemon(alone: Instance) -> None:
    """Without a daemon a request raises NoDaemonError, which says where nobody answered."""
    alone.kill("TERM")
    script = """
try:
    Client().tell("web", "1")
except NoDaemonError as error:
    show(str(error))
"""
    assert "/run/clinit/clinit.s" in python(alone.node, script)


def test_the_api_takes_the_tables_word_over_its_arguments(alone: Instance) -> None:
    """`Client(cltab=…)` finds socket and clstat in the table, whatever its other arguments say."""
    node = alone.node
    node.write("/srv/table", ":::socket:/srv/s\n:::clstat:/srv/clstat\nweb:a:1:wait:true\n")
    node.run("systemd-run", "--quiet", "--unit=other", "clinit", "-d", "-c", "/srv/table")
    wait_until(lambda: node.run("clinit", "-c", "/srv/table", check=False).returncode == 0)
    script = "c = Client(cltab='/srv/table', socket='/no/s', clstat='/no/c'); show([c.wait('web', '1'), c.status()])"

    assert python(node, script) == ["DONE", "web 1 DONE\n"]
