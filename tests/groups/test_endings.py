"""What systemd says of an entry that has ended, or could not be executed: the table in docs/unit-scheme.md.

The daemon judges groups by these properties, so that they are to be the same on every release.
"""

from __future__ import annotations

import itertools
import re
import time
from typing import TYPE_CHECKING

import pytest
from instance import Group, Instance
from programs import deaf

from cltab2systemd.groups import endings
from cltab2systemd.units.commands import PAUSED
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.node import Node

PROPERTIES = ("ActiveState", "SubState", "Result", "ExecMainPID", "ExecMainCode", "ExecMainStatus")
RAN = "active exited success pid"
NOT_EXECUTED = "failed failed exit-code pid exited"
# By what happens: the command, the directives, and the values of PROPERTIES, with codes by their names.
ENDINGS = {
    "exits with 0": ("true", (), f"{RAN} exited 0"),
    "exits with 3": ("exit 3;", (), f"{RAN} exited 3"),
    "exits with 3, as words": ("sh /srv/exits 3", (), f"{RAN} exited 3"),
    "exits with 127": ("nosuch;", (), f"{RAN} exited 127"),
    "exits with 199": ("exit 199;", (), f"{RAN} exited 199"),
    "exits with 255": ("exit 255;", (), f"{RAN} exited 255"),
    "is a script without #!": ("/srv/exits 5", (), f"{RAN} exited 5"),
    "kills itself, SIGTERM": ("kill -TERM $$", (), f"{RAN} killed 15"),
    "kills itself, SIGKILL": ("kill -KILL $$", (), f"{RAN} killed 9"),
    "kills itself, SIGRTMIN+6": ("kill -40 $$", (), f"{RAN} killed 40"),
    "kills itself, SIGSEGV": ("kill -SEGV $$", ("LimitCORE=0",), f"{RAN} killed 11"),
    "writes to nobody": ("echo $$; kill -PIPE $$", (), f"{RAN} killed 13"),
    # As systemd itself shows it, for these are its own.
    "exits with 203": ("exit 203;", (), f"{NOT_EXECUTED} 203"),
    "no such program": ("nosuch", (), f"{NOT_EXECUTED} 203"),
    "no such program, 2>&1": ("nosuch 2>&1", (), f"{NOT_EXECUTED} 203"),
    "no such path": ("/srv/nosuch a", (), f"{NOT_EXECUTED} 203"),
    "not executable": ("/srv/data", (), f"{NOT_EXECUTED} 203"),
    "no such interpreter": ("/srv/interpreter", (), f"{NOT_EXECUTED} 203"),
    "no command": ("", (), f"{NOT_EXECUTED} 203"),
    "no such program in a root": ("nosuch", ("RootDirectory=/srv/jail",), f"{NOT_EXECUTED} 203"),
    "no shell in a root": ("true;", ("RootDirectory=/srv/jail",), f"{NOT_EXECUTED} 203"),
    "forbidden": ("/bin/true", ("NoExecPaths=/",), f"{NOT_EXECUTED} 203"),
    "forbidden to the shell": ("true;", ("NoExecPaths=/",), f"{NOT_EXECUTED} 203"),
    "hidden": ("/bin/true", ("InaccessiblePaths=/bin/true /bin/sh",), f"{NOT_EXECUTED} 203"),
    "in a root": ("/bin/true", ("RootDirectory=/srv/jail",), f"{RAN} exited 0"),
    "in a root, by name": ("false a", ("RootDirectory=/srv/jail",), f"{RAN} exited 1"),
    "all but it forbidden": ("/srv/jail/bin/false", ("NoExecPaths=/", "ExecPaths=/srv/jail /lib /lib64 /usr/lib"),
                             f"{RAN} exited 1"),
    "no such directory": ("true", ("WorkingDirectory=/srv/nosuch",), f"{NOT_EXECUTED} 200"),
    "no such log": ("true", ("StandardOutput=append:/srv/nosuch/log",), f"{NOT_EXECUTED} 209"),
    "no such user": ("true", ("User=nosuch",), f"{NOT_EXECUTED} 217"),
    "no such place": ("true", ("ReadWritePaths=/srv/nosuch",), f"{NOT_EXECUTED} 226"),
    "no such environment": ("true", ("EnvironmentFile=/srv/nosuch",), "failed failed resources none none 0"),
    "takes too long": ("exec sleep 1000", ("TimeoutStartSec=1", "RuntimeMaxSec=1"),
                       "failed failed timeout pid killed 2"),
}  # fmt: skip
CODES = {"0": "none", "1": "exited", "2": "killed", "3": "dumped"}
TAGS = {what: f"t{number}" for number, what in enumerate(ENDINGS)}


@pytest.fixture(scope="module")
def instance(node: Node) -> Iterator[Instance]:
    """A daemon, and a root with two programs and no shell."""
    node.shell("""
        mkdir -p /srv/jail/bin /srv/jail/usr
        ln -s ../bin /srv/jail/usr/bin
        cp /bin/true /bin/false /bin/sleep /srv/jail/bin
        for library in $(ldd /bin/sleep | grep -o '/[^ ]*'); do
            mkdir -p "/srv/jail${library%/*}"
            cp -L "$library" "/srv/jail$library"
        done
        touch /srv/data
    """)
    node.write("/srv/exits", "exit $1\n", mode=0o755)
    node.write("/srv/interpreter", "#!/srv/nosuch\n", mode=0o755)
    found = Instance(node)
    found.write_table("")
    yield found.start()
    node.run("systemctl", "stop", found.unit)


@pytest.fixture
def group(instance: Instance) -> Iterator[Group]:
    """A group of the test's own, which is stopped at its end."""
    found = Group(instance)
    yield found
    found.switch("0")


def directives(group: Group, given: dict[str, tuple[str, ...]]) -> None:
    """Push the table with directives of entries."""
    lines = [f":::service.{group.name}.{tag}:{line}\n" for tag, each in given.items() for line in each]
    group.instance.write_table("".join(lines) + group.instance.table)


def ending(group: Group, tag: str) -> str:
    """The values of PROPERTIES of an entry's unit."""
    found = group.instance.properties(group.unit(tag), *PROPERTIES)
    found["ExecMainPID"] = "none" if found["ExecMainPID"] == "0" else "pid"
    found["ExecMainCode"] = CODES[found["ExecMainCode"]]
    return " ".join(found[name] for name in PROPERTIES)


def end(group: Group) -> None:
    """Bring the group to its level, and wait until nothing of it runs or is stopped."""
    group.request("1")
    group.node.shell(f"""
        for i in $(seq 300); do
            [ -n "$(systemctl list-jobs --plain --no-legend 'clinit*')" ] ||
            [ -n "$(systemctl list-units --plain --no-legend --state=running,start,stop-sigterm,stop-watchdog \
                'clinit-{group.name}@*')" ] || exit 0
            sleep 0.1
        done
        exit 1
    """)


@pytest.mark.parametrize("mode", ["wait", "test", "once"])
def test_endings(group: Group, mode: str) -> None:
    """A unit is active if its program ran and ended, however; failed if it could not be executed or was broken off."""
    group.define(*(f"{TAGS[what]}:1:{mode}:{command}" for what, (command, _, _) in ENDINGS.items()))
    directives(group, {TAGS[what]: given for what, (_, given, _) in ENDINGS.items()})
    end(group)
    found = {what: ending(group, tag) for what, tag in TAGS.items()}

    assert {what: expected for what, (_, _, expected) in ENDINGS.items()} == found


def test_systemds_own_statuses(instance: Instance) -> None:
    """There are words for all that each release has; 255 is a program's own as well."""
    shown = instance.node.run("systemd-analyze", "--no-pager", "exit-status").stdout
    own = {int(number): name for name, number in re.findall(r"^(\w+) +(\d+) +systemd$", shown, re.MULTILINE)}
    told = {number: words.partition(":")[0] for number, words in endings.NOT_EXECUTED.items()}

    assert own.pop(255) == "EXCEPTION"
    # Later releases have more, which on others are a program's own.
    assert {number: name for number, name in own.items() if number < 245} == told


def test_a_core_dump(group: Group) -> None:
    """The one ending of a program's own that systemd takes for a failure, whatever it is told."""
    group.define("t:1:once:kill -SEGV $$")
    directives(group, {"t": ("LimitCORE=infinity", "WorkingDirectory=/tmp")})
    end(group)

    assert ending(group, "t") in {
        "failed failed core-dump pid dumped 11",
        f"{RAN} killed 11",  # where the kernel writes none
    }


def test_what_ran_is_not_run_again(group: Group) -> None:
    """Starting the level once more runs what could not be executed, and nothing that ran."""
    group.define("bad:1:wait:@ bad; exit 7", "gone:1:once:@ gone; kill -KILL $$", "late:1:wait:/srv/late")
    end(group)
    group.node.write("/srv/late", f"#!/bin/sh\nexec event {group.name} late\n", mode=0o755)
    group.node.run("systemctl", "start", group.target("1"))
    wait_until(lambda: "late" in group.events(), what="it is executed")
    group.node.run("systemctl", "start", group.target("1"))

    assert ["bad", "gone", "late"] == sorted(group.events())


# What a program does about a stop. The second stage has systemd call it a timeout, and there is no way around it. If a
# respawn might end with 1 and be called successful, nobody would hear of it when it does so by itself.
@pytest.mark.parametrize(
    ("command", "mode", "state"),
    [
        ("trap 'exit 130' INT; while :; do sleep 0.1; done", "respawn", "inactive"),
        ("trap 'exit 143' INT; while :; do sleep 0.1; done", "respawn", "inactive"),
        ("trap 'exit 1' INT; while :; do sleep 0.1; done", "respawn", "failed"),
        ("trap 'exit 255' INT; while :; do sleep 0.1; done", "once", "inactive"),
        ("trap 'exit 143' INT; while :; do sleep 0.1; done", "wait", "inactive"),
        ("exec sleep 1000", "respawn", "inactive"),
        ("sleep 1000", "once", "inactive"),
        ("false", "respawn", "inactive"),
        ("nosuch", "respawn", "inactive"),
        (deaf(), "respawn", "failed"),
    ],
)
@pytest.mark.parametrize("by", ["unit", "pattern", "slice"])
def test_a_stop_by_hand(group: Group, command: str, mode: str, state: str, by: str) -> None:
    """A stop of the unit, of all of them, or of the slice, leaves none failed that did what it was told."""
    group.define(f"t:1:{mode}:{command}")
    directives(group, {"t": ("TimeoutStopSec=1",)})
    group.request("1")
    wait_until(lambda: group.property("t", "ActiveState") in {"active", "activating"}, what="it runs")
    time.sleep(0.3)
    if command in {"false", "nosuch"}:  # between two of its starts it has failed
        wait_until(lambda: group.property("t", "NRestarts") == "6" and group.pid("t") != 0, what="it pauses")
    what = {"unit": group.unit("t"), "pattern": f"clinit-{group.name}@*.service", "slice": f"clinit-{group.name}.slice"}
    group.node.run("systemctl", "stop", what[by])

    assert state == group.property("t", "ActiveState")
    group.node.run("systemctl", "reset-failed", group.unit("t"), check=False)


def test_the_journal_says_how_a_respawn_ended(group: Group) -> None:
    """Whoever asks why a program is started again and again finds its exit status."""
    group.define("t:1:respawn:exit 7;")
    group.switch("1")
    wait_until(lambda: "code=exited, status=7" in group.node.journal(group.unit("t")), what="systemd says so")


def test_a_program_in_a_root_without_a_shell(group: Group) -> None:
    """Plain words need nothing but themselves in a root of their own, in each mode; a respawn is started again."""
    group.define("r:1:respawn:sleep 1000", "o:1:once:/bin/sleep 1000 2>&1", "w:1:wait:/bin/true")
    directives(group, dict.fromkeys("row", ("RootDirectory=/srv/jail",)))
    assert group.switch("1") == "DONE"
    pid = group.pid("r")
    assert ["sleep\n"] * 2 == [group.node.read(f"/proc/{group.pid(tag)}/comm") for tag in "ro"]
    group.node.run("kill", "-KILL", str(pid))

    wait_until(lambda: group.pid("r") not in {0, pid}, what="it is started again")


def pause(group: Group, *given: str) -> list[str]:
    """Have an entry fail until it pauses; the words of the process that it is then."""
    group.define("t:1:respawn:false")
    directives(group, {"t": given})
    assert group.switch("1") == "DONE"

    def words() -> list[str]:
        pid = group.pid("t")
        path = f"/proc/{pid}/cmdline"
        return group.node.read(path).split("\0")[:-1] if pid and group.node.exists(path) else []

    wait_until(lambda: words()[-1:] == ["60"], what="it pauses", timeout=20)
    return words()


@pytest.mark.parametrize(
    "given",
    [(), ("User=nobody",), ("DynamicUser=yes",), ("ProtectSystem=strict", "PrivateTmp=yes"), ("KillMode=process",)],
    ids=" ".join,
)
def test_the_pause_says_what_it_is(group: Group, given: tuple[str, ...]) -> None:
    """In `systemctl status` a pause is told from the program, in short lines; a stop leaves nothing."""
    directory = f"/run/clinit-respawn/{group.unit('t')}"
    assert [f"{directory}/{PAUSED}/sleep", "60"] == pause(group, *given)
    pid = group.pid("t")
    assert group.node.read(f"/proc/{pid}/comm") == "sleep\n"
    assert group.node.read(f"{directory}/respawns").split()[2] == "1"
    status = group.node.run("systemctl", "status", "--no-pager", "--full", group.unit("t")).stdout
    assert f"{PAUSED}/sleep 60\n" in status
    assert max(map(len, status.splitlines())) < 250
    group.switch("0")
    assert not group.node.exists(f"/proc/{pid}")
    assert not group.node.exists(directory)


def test_a_pause_without_a_link(group: Group) -> None:
    """Where no process can be had to make the link, the entry pauses all the same, by the name of the program."""
    assert ["sleep", "60"] == pause(group, "LimitNPROC=1", "User=daemon")


def test_an_environment_that_is_taken_away(group: Group) -> None:
    """A drop-in that empties the environment takes away the count: each start is a second late then."""
    group.define("t:1:respawn:@ up")
    drop_in = f"/etc/systemd/system/{group.unit('t')}.d/empty.conf"
    group.node.write(drop_in, "[Service]\nEnvironment=\n")
    group.node.run("systemctl", "daemon-reload")
    group.request("1")
    wait_until(lambda: len(group.events()) >= 3, what="it is started again")
    times = group.event_times("up")
    group.node.path(drop_in).unlink()
    group.node.run("systemctl", "daemon-reload")

    assert all(later - earlier > 0.9 for earlier, later in itertools.pairwise(times))
