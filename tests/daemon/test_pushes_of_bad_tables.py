"""A bad table is pushed to a running node in each way that config management does it; then the mended one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from answers import answered
from programs import RUN
from shipped import Shipped

if TYPE_CHECKING:
    from lab.node import Node

GOOD = f"web:a:3:respawn:{RUN}\n"
BAD = GOOD.replace("respawn", "respwan")
OF_FRAGMENT = f"web:b:3:respawn:{RUN}\n"
BAD_FRAGMENT = OF_FRAGMENT.replace("respawn", "respwan")
MAIN, FRAGMENT = "/etc/cltab", "/etc/cltab.d/team.cltab"

# How $NEW comes to be the file $TO.
PUSHES = {
    "renamed": 'printf %s "$NEW" >$TO.new; mv $TO.new $TO',
    "in place": 'printf %s "$NEW" >$TO',
    "truncated first": ': >$TO; printf %s "$NEW" >>$TO',
    "a link that is switched": 'd=$(mktemp -d /srv/v.XXXX); printf %s "$NEW" >$d/t; ln -s $d/t $TO.l; mv -T $TO.l $TO',
    "from another file system": 'printf %s "$NEW" >/dev/shm/new; mv -f /dev/shm/new $TO',
    "copied": 'printf %s "$NEW" >/dev/shm/new; cp /dev/shm/new $TO',
    "removed and made": 'rm -f $TO; printf %s "$NEW" >$TO',
    "with the times of before": 'touch -r $TO /run/t; printf %s "$NEW" >$TO; touch -r /run/t $TO',
    "renamed, with the times of before": 'printf %s "$NEW" >$TO.new; touch -r $TO $TO.new; mv $TO.new $TO',
}  # fmt: skip


@pytest.fixture(scope="module")
def shipped(node: Node) -> Shipped:
    """The daemon as it is shipped, with a table of two files, and group web at level 3."""
    shipped = Shipped(node)
    node.path("/etc/cltab.d").mkdir(mode=0o755, exist_ok=True)
    node.write(FRAGMENT, OF_FRAGMENT)
    shipped.write_table(GOOD)
    shipped.start()
    answered(shipped.clinit("--wait", "web", "3"), code=0, out="web 3 DONE\n")
    return shipped


def pids(shipped: Shipped) -> list[int]:
    return [shipped.main_pid(f"clinit-web@{tag}.service") for tag in ("a", "b")]


def push(shipped: Shipped, how: str, to: str, new: str) -> None:
    shipped.node.run("sh", "-ec", how, env={"NEW": new, "TO": to})


def refused(shipped: Shipped, told: str) -> None:
    """Both a request and a mere read are refused, with the place, and whatever runs goes on."""
    before = pids(shipped)
    assert all(before)
    for arguments in (("web", "3"), ()):
        done = shipped.clinit(*arguments)
        assert done.returncode == 1, (arguments, done)
        assert told in done.stdout + done.stderr
    assert before == pids(shipped)
    assert shipped.clstat()["web"] == "3 DONE"
    assert shipped.node.read("/var/lib/cltab2systemd/cltab") == GOOD + OF_FRAGMENT


@pytest.mark.parametrize("to", [MAIN, FRAGMENT])
@pytest.mark.parametrize("how", PUSHES.values(), ids=PUSHES)
def test_a_bad_file(shipped: Shipped, how: str, to: str) -> None:
    """It is refused, with file and line; the mended one, pushed in the same way, takes effect."""
    good, bad = (GOOD, BAD) if to == MAIN else (OF_FRAGMENT, BAD_FRAGMENT)
    push(shipped, how, to, bad)
    refused(shipped, f"{to}:1:{bad.index('respwan') + 1}: error: unknown mode 'respwan'")
    push(shipped, how, to, good)
    answered(shipped.clinit("--wait", "web", "3"), code=0, out="web 3 DONE\n")
    push(shipped, how, to, good.replace(":3:", ":3m:"))
    before = pids(shipped)
    answered(shipped.clinit("--wait", "web", "m"), code=0, out="web m DONE\n")
    left = pids(shipped)[0 if to == MAIN else 1]
    assert left == before[0 if to == MAIN else 1]
    push(shipped, how, to, good)
    answered(shipped.clinit("--wait", "web", "3"), code=0, out="web 3 DONE\n")


@pytest.mark.parametrize("to", [MAIN, FRAGMENT])
@pytest.mark.parametrize(
    ("spoil", "mend", "told"),
    [
        ("chown 65534 $TO", "chown root $TO", "belongs to uid 65534"),
        ("chmod 0666 $TO", "chmod 0644 $TO", "can be written by others than root (mode 0666)"),
        ("mv $TO /srv/aside; mkfifo $TO", "rm $TO; mv /srv/aside $TO", "is not a regular file"),
        ("mv $TO /srv/aside; ln -s none $TO", "rm $TO; mv /srv/aside $TO", "file not found: "),
        ("mv $TO /srv/aside; head -c 12 /srv/aside >$TO", "mv /srv/aside $TO", ":1:1: error: "),
    ],
    ids=["owner", "mode", "fifo", "a link to nothing", "caught in the middle"],
)
def test_what_is_not_a_table(shipped: Shipped, to: str, spoil: str, mend: str, told: str) -> None:
    """Another owner, mode or kind of file, or half of it, is refused with the name of the file; mended, all is well."""
    push(shipped, spoil, to, "")
    refused(shipped, told)
    refused(shipped, to)
    push(shipped, mend, to, "")
    answered(shipped.clinit("--wait", "web", "3"), code=0, out="web 3 DONE\n")


@pytest.mark.parametrize("to", [MAIN, FRAGMENT])
def test_twice_in_a_moment(shipped: Shipped, to: str) -> None:
    """The second of two pushes counts, also if it has the size and the times of the first, and comes at once."""
    good, bad = (GOOD, BAD) if to == MAIN else (OF_FRAGMENT, BAD_FRAGMENT)
    assert len(bad) == len(good)
    for first, second in ((good, bad), (bad, good), (good, bad)):
        script = """
            printf %s "$FIRST" >$TO.new; mv $TO.new $TO; clinit >/dev/null 2>&1 || true
            touch -r $TO /run/t; printf %s "$SECOND" >$TO; touch -r /run/t $TO
        """
        shipped.node.run("sh", "-ec", script, env={"FIRST": first, "SECOND": second, "TO": to})
        if second == bad:
            refused(shipped, "unknown mode 'respwan'")
        else:
            answered(shipped.clinit("--wait", "web", "3"), code=0, out="web 3 DONE\n")
    push(shipped, PUSHES["renamed"], to, good)
    answered(shipped.clinit("--wait", "web", "3"), code=0, out="web 3 DONE\n")
