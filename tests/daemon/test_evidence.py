"""What `clinit --wait` tells below the reason why a group is FAILED: the entry's last words, since when, what to do."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from answers import evidence_of, reasons_of
from programs import RUN
from respawns import were_fast
from shipped import Shipped
from underway import held

from cltab2systemd.units.commands import PAUSED
from lab.node import Node
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from instance import Group


# Seconds that journald has to store what it was given; and that all reading of the journal may take.
STORING, READING = 1.0, 2.0


@pytest.fixture(scope="module")
def shared(project_layer: Path) -> Iterator[Shipped]:
    """The shipped daemon."""
    with Node("evidence", layers=[project_layer]) as node:
        node.shell("getent group clinit >/dev/null || groupadd --system clinit; useradd --system --groups=clinit tess")
        yield Shipped(node).share()


def fail(group: Group, *lines: str, directives: tuple[str, ...] = ()) -> str:
    """Define a group that fails at level 3, and ask for that; the standard error."""
    group.define(*lines)
    group.instance.table += "".join(f":::service.{group.name}.{line}\n" for line in directives)
    group.instance.write_table(group.instance.table)
    return asked(group)


def shown(group: Group) -> tuple[dict[str, Any], dict[str, Any]]:
    """The one entry of a group, and the one reason, as `clinitctl status --json` has them."""
    done = group.node.run("clinitctl", "status", "--json", group.name, check=False)
    [found] = json.loads(done.stdout)["groups"]
    return found["entries"][0], found["reasons"][0]


def asked(group: Group, command: str = "clinit") -> str:
    """What `clinit --wait` says besides."""
    done = group.node.shell(f"{command} --wait --progress none {group.name} 3", check=False)
    assert (done.returncode, done.stdout) == (4, f"{group.name} 3 FAILED\n")
    return str(done.stderr)


def assert_told(ask: Callable[[], object], expected: object, limit: float = STORING) -> None:
    """What is asked for is as expected, if the journal was not too slow for that; then it is asked for again.

    Args:
        ask: asks for it.
        expected: what it gives.
        limit: seconds; if it takes less, the journal was not too slow.
    """

    def is_told() -> bool:
        began = time.monotonic()
        found = ask()
        is_late = time.monotonic() - began >= limit
        assert is_late or found == expected
        return found == expected

    wait_until(is_told, timeout=30)


def test_the_last_words_and_the_next_step(group: Group) -> None:
    """At most five lines of the attempt, exact and harmless to a terminal, below the reason's line as it always was."""

    def words() -> list[str]:
        said = fail(group, r"t:3:test:seq 10; printf '\033[31mred\n\302\377\n' >&2; exit 3", f"r:3:respawn:{RUN}")
        [reason] = reasons_of(said)
        assert reason.startswith(f"{group.name}: {group.name}.t (test) exited with 3: ")
        return evidence_of(said)

    cure = f"mend it, then 'clinit {group.name} 3' runs it again"
    assert_told(words, ["8", "9", "10", r"\x1b[31mred", r"\xc2\xff", cure])


def test_only_of_that_attempt(group: Group) -> None:
    """What an earlier attempt wrote is not told again."""
    fail(group, "t:3:test:echo attempt >>/run/attempts; wc -l </run/attempts; false")

    assert evidence_of(asked(group))[0] == "2"


def test_what_systemd_says(group: Group) -> None:
    """Of an entry that could not be started, and wrote nothing, systemd's own reason is told."""
    said = fail(group, f"a:3:respawn:{RUN}", directives=("a:EnvironmentFile=/etc/nowhere.env",))
    assert "systemd: Failed to load environment files: No such file or directory" in evidence_of(said)


@pytest.mark.parametrize("mode", ["test", "wait", "once"])
def test_since_when_without_a_process(group: Group, mode: str) -> None:
    """It is told since when an entry is wrong of which systemd has made no process: since the latest attempt."""
    fail(group, f"a:3:{mode}:true", directives=("a:EnvironmentFile=/etc/nowhere.env",))
    found = [shown(group)]
    asked(group)
    found.append(shown(group))

    assert [entry["since_usec"] for entry, _ in found] == [reason["since_usec"] for _, reason in found]
    assert (found[0][1]["since_usec"] or 0) < found[1][1]["since_usec"]


@pytest.mark.parametrize("mode", ["respawn", "once"])
@pytest.mark.parametrize(
    ("command", "directive", "expected"),
    [
        ("/srv/nowhere/program", "Nice=1", r"/srv/nowhere/program: (No such file or directory|not found)"),  # 203/EXEC
        ("sleep 1000", "StandardOutput=append:/srv/nowhere/log",
         "systemd: Failed to set up standard output: No such file or directory"),  # 209/STDOUT
        ("sleep 1000", "User=nosuchuser",  # 217/USER; the second is systemd 262's
         ("systemd: Failed to determine "
         "(user credentials: No such process|credentials for user 'nosuchuser': Unknown user)")),
        ("sleep 1000", "ReadWritePaths=/srv/nowhere", r"systemd: .*/srv/nowhere: No such file"),  # 226/NAMESPACE
        ("sleep 1000", "EnvironmentFile=/etc/nowhere.env", "systemd: Failed to load environment files: No such file"),
    ],
)  # fmt: skip
def test_systemds_own_line(group: Group, mode: str, command: str, directive: str, expected: str) -> None:
    """Why the command could not be executed, by systemd or the shell before it, below the request and in `why`.

    Of a process that is gone before journald has looked at it, journald does not know the unit. So it is tried again.
    """
    fail(group, f"a:3:{mode}:{command}", directives=(f"a:{directive}",))

    def is_told() -> bool:
        said = evidence_of(asked(group))
        why = group.node.run("clinitctl", "why", group.name, check=False).stdout
        return bool(re.search(expected, why)) and any(re.search(expected, line) for line in said)

    wait_until(is_told, timeout=90, what=expected)


def pauses(group: Group) -> str:
    """The process of entry `a` as long as it pauses; else empty."""
    pid = str(group.pid("a"))
    return pid if PAUSED in group.node.run("cat", f"/proc/{pid}/cmdline", check=False).stdout else ""


def test_what_cannot_be_executed_and_pauses(group: Group) -> None:
    """Its lines are of the last try, and not of the pause after it, which begins with the sixth fast restart."""
    fail(group, "a:3:respawn:/srv/nowhere/program")
    wait_until(lambda: pauses(group), timeout=20)
    restarts = int(group.property("a", "NRestarts"))
    assert restarts >= 6
    assert restarts == 6 or not were_fast(group, "a")

    def told() -> list[str]:
        why = group.node.run("clinitctl", "why", group.name, check=False).stdout
        return [words for words in ("/srv/nowhere/program: ", "rapidly") if words in why]

    assert_told(told, ["/srv/nowhere/program: "])


def test_a_journal_that_is_late(group: Group) -> None:
    """So are they if journald comes to them when it pauses: then journald takes all of them for lines of the pause."""
    group.define("a:3:respawn:/srv/nowhere/program")
    with held(group.node, "systemd-journald.service"):
        group.request("3")
        wait_until(lambda: pauses(group), timeout=20)
    group.node.run("journalctl", "--sync")
    why = group.node.run("clinitctl", "why", group.name, check=False).stdout

    assert why.count("/srv/nowhere/program: not found") == 1
    assert "rapidly" not in why


def test_the_first_words_to_a_journal_that_is_late(group: Group) -> None:
    """A process has ended before journald looks, and its words come before all that systemd says of its run."""
    group.define("a:3:test:echo it is bad; exit 1")
    with held(group.node, "systemd-journald.service"):
        group.request("3")
        wait_until(lambda: group.instance.clstat()[group.name] == "3 FAILED", what="it has failed")
    group.node.run("journalctl", "--sync")
    why = group.node.run("clinitctl", "why", group.name, check=False).stdout

    assert why.count("  it is bad\n") == 1


def test_what_systemd_says_of_a_unit(group: Group) -> None:
    """A mistake in a drop-in is told, and that a start was refused for what it needs."""
    unit = group.unit("a")
    group.node.write(f"/etc/systemd/system/{unit}.d/my.conf", "[Service]\nExecStart=\n")
    said = evidence_of(fail(group, f"a:3:respawn:{RUN}"))
    assert [True] == [line.startswith("systemd: Service has no ExecStart=") for line in said if "ExecStart" in line]
    why = group.node.run("clinitctl", "why", group.name, check=False).stdout
    assert f"cannot be loaded (bad-setting), with /etc/systemd/system/{unit}.d/my.conf; see " in why
    assert "systemd: Service has no ExecStart=" in why

    group.node.write("/etc/systemd/system/failing.service", "[Service]\nType=oneshot\nExecStart=false\n")
    group.node.write(
        f"/etc/systemd/system/{unit}.d/my.conf", "[Unit]\nRequires=failing.service\nAfter=failing.service\n"
    )
    group.node.run("systemctl", "daemon-reload")
    said = evidence_of(asked(group))
    assert [True] == [line.startswith("systemd: Dependency failed for ") for line in said if "Dependency" in line]
    assert said[-1] == f"'clinit {group.name} 3' starts it"


def test_the_last_words_of_what_pauses(group: Group) -> None:
    """They are the program's own, of its last run, and not what is said of the pause."""
    group.define("r:3:respawn:echo it cannot go on; journalctl --sync; exit 1")
    group.switch("3")
    wait_until(lambda: "pauses" in group.instance.clinit("-v").stderr, timeout=60)  # a slow run does not count
    done = group.instance.clinit("--wait", "--progress", "none", group.name, "3")

    assert "ends too fast, and pauses" in reasons_of(done.stderr)[0]
    assert evidence_of(done.stderr)[:2] == [
        "it cannot go on", "systemd: Main process exited, code=exited, status=1/FAILURE"
    ]  # fmt: skip
    assert "rapidly" not in done.stderr
    why = group.node.run("clinitctl", "why", group.name, check=False).stdout
    assert "  it cannot go on\n" in why
    assert "rapidly" not in why


def test_how_it_ends_again_and_again(group: Group) -> None:
    """The reason does not say that. So systemd's line of the run before the present one does."""
    group.define("r:3:respawn:sleep 1.2; exit 7")
    group.switch("3")
    asked = ("clinit", "--wait", group.name, "3")
    wait_until(lambda: "again and again" in group.node.run(*asked).stderr, what="it keeps ending", timeout=20)

    assert "systemd: Main process exited, code=exited, status=7/NOTRUNNING" in evidence_of(
        group.node.run(*asked).stderr
    )


def test_since_when(group: Group) -> None:
    """What was wrong before the request says since when; what has just failed does not."""
    first = fail(group, "w:3:wait:exec sleep 30", directives=("w:TimeoutStartSec=500ms",))
    assert not re.search("^  since ", first, re.MULTILINE)
    time.sleep(2)
    assert re.match(r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$", evidence_of(asked(group))[0])


def test_what_to_do_about_several(group: Group) -> None:
    """It is told once, behind the last of these, with their names; what is to be done about one stands by itself."""
    cure = f"mend it, then 'clinit {group.name} 3' runs it again"
    both = f"{group.name}.t, {group.name}.u: {cure}"

    def ends() -> tuple[str, list[str]]:
        said = evidence_of(
            fail(group, "t:3:test:echo no; exit 1", "a:3:respawn:exec /srv/none", "u:3:test:echo not that; exit 1")
        )
        assert [line for line in said if cure in line] == [both]
        assert any(line.startswith("mend it; it is tried again by itself") for line in said)
        return said[0], said[-2:]

    assert_told(ends, ("no", ["not that", both]))


def test_who_may_not_read_the_journal_is_told_once(group: Group) -> None:
    """A member of group clinit gets the reasons, and what to do."""
    fail(group, "t:3:test:echo one; false", "u:3:test:echo two; false")

    def told() -> int:
        said = asked(group, "runuser -u tess -- clinit")
        assert 2 == len(reasons_of(said))
        assert 1 == said.count(f"mend it, then 'clinit {group.name} 3' runs it again")
        assert "one" not in evidence_of(said)
        told = said.count("not permitted to read the system's journal")
        assert told <= 1
        return told

    assert_told(told, 1, READING)


def test_many_reasons(group: Group) -> None:
    """Three of them have lines; all are named."""

    def words() -> list[str]:
        said = fail(group, *(f"t{n}:3:test:echo word{n}; false" for n in range(6)))
        assert 6 == len(reasons_of(said))
        return [line for line in evidence_of(said) if line.startswith("word")]

    assert_told(words, ["word0", "word1", "word2"])


def test_a_journalctl_that_hangs(group: Group) -> None:
    """It is left out, and holds nobody up for more than two seconds."""
    group.node.write("/usr/local/bin/journalctl", "#!/bin/sh\nexec sleep 1000\n", mode=0o755)
    try:
        began = time.monotonic()
        said = fail(group, "t:3:test:echo word; false")
        assert time.monotonic() - began < 30
    finally:
        group.node.path("/usr/local/bin/journalctl").unlink()
    assert evidence_of(said) == [f"mend it, then 'clinit {group.name} 3' runs it again"]


def test_done_with_remarks(group: Group) -> None:
    """What is no failure is borne out as well, and the exit code stays 0."""
    group.define("o:3:once:exec nosuchprog", f"r:3:respawn:{RUN}")
    group.switch("3")
    wait_until(lambda: group.instance.clinit("-v").stderr.count(f"{group.name}.o (once)") == 1)
    done = group.instance.clinit("--wait", group.name, "3")

    assert (0, f"{group.name} 3 DONE\n") == (done.returncode, done.stdout)
    assert any("nosuchprog" in line and "not found" in line for line in evidence_of(done.stderr))
