"""How entries are stopped: SIGINT at once, SIGTERM 5 s later, SIGKILL 10 s after that, to all of an entry's processes.

What takes its time happens once, side by side, in the fixture `stopped`; each test looks at one side of it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from instance import Group, Instance
from programs import RUN, saying

from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


def deaf(group: Group, tag: str, signals: str) -> str:
    """A command that logs each SIGINT and SIGTERM; it ends by those that are not in `signals`."""
    traps = "; ".join(
        f"trap 'say {tag} {name}{'' if name in signals.split() else '; exit 1'}' {name}" for name in ("INT", "TERM")
    )
    return f"{saying(group.name)} {traps}; say {tag} up; while :; do sleep 0.05; done"


@dataclass
class Stopped:
    """What happened when the groups went from level 1 to level 2."""

    staged: Group
    tree: Group
    replaced: Group
    bystander: float = 0.0  # seconds that a switch of another group took meanwhile
    shown: set[str] = field(default_factory=set)  # what clstat said of `staged` until it was there
    outcomes: dict[str, str] = field(default_factory=dict)
    began: float = 0.0  # uptime of the request

    def after(self, group: Group, event: str) -> float:
        """How many seconds after the request an event was logged."""
        return group.event_time(event) - self.began

    def gone_after(self, group: Group, tag: str) -> float:
        """How many seconds after the request an entry's unit was inactive."""
        stamp = int(group.property(tag, "InactiveEnterTimestampMonotonic"))
        return stamp / 1e6 - self.began


@pytest.fixture(scope="module")
def stopped(instance: Instance) -> Iterator[Stopped]:
    """Stop entries that ignore signals, all at the same time, and tell what happened."""
    staged, tree, replaced, bystander = (Group(instance) for _ in range(4))
    staged.define(
        "int:1:respawn:" + deaf(staged, "int", ""),
        "term:1:respawn:" + deaf(staged, "term", "INT"),
        "kill:1:respawn:" + deaf(staged, "kill", "INT TERM"),
        "kill2:1:once:" + deaf(staged, "kill2", "INT TERM"),
        f"next:2:respawn:@ next up; {RUN}",
    )
    tree.define(
        # The main process ends at SIGINT; what it left behind does not.
        f"t:1:respawn:( {deaf(tree, 'child', 'INT TERM')} ) & setsid sh -c 'trap \"\" INT; exec sleep 7654' & {RUN}",
        "next:2:wait:@ next ran",
    )
    replaced.define(
        "kill:1:respawn:" + deaf(replaced, "kill", "INT TERM"), "two:2:wait:@ two ran", "three:3:wait:@ three ran"
    )
    bystander.define(f"a:1:respawn:{RUN}", f"b:2:respawn:{RUN}")
    for group in (staged, tree, replaced, bystander):
        group.switch("1")
    wait_until(lambda: (4, 1, 1) == (len(staged.events()), len(tree.events()), len(replaced.events())))
    wait_until(lambda: staged.node.run("pgrep", "-f", "^sleep 7654", check=False).returncode == 0)

    seen = Stopped(staged, tree, replaced)
    seen.began = float(staged.node.read("/proc/uptime").split()[0])
    for group in (staged, tree, replaced):
        group.request("2")
    began = time.monotonic()
    bystander.switch("2")
    seen.bystander = time.monotonic() - began
    replaced.request("3")
    while (status := staged.status) != "2 DONE" and time.monotonic() < began + 25:
        seen.shown.add(status)
        time.sleep(0.05)
    for group, level in ((staged, "2"), (tree, "2"), (replaced, "3")):
        wait_until(lambda group=group: "STOPPING" not in group.status, timeout=10)  # type: ignore[misc]
        seen.outcomes[group.name] = group.switch(level)
    yield seen
    for group in (staged, tree, replaced, bystander):
        group.define()
    instance.clinit()


def test_sigint_comes_at_once(stopped: Stopped) -> None:
    """Every entry that goes gets SIGINT right after the request, and one that ends by it is gone at once."""
    for tag in ("int", "term", "kill", "kill2"):
        assert stopped.after(stopped.staged, f"{tag} INT") < 1.5

    assert stopped.gone_after(stopped.staged, "int") < 2
    assert "int TERM" not in stopped.staged.events()


def test_sigterm_comes_5_s_later(stopped: Stopped) -> None:
    """An entry that ignores SIGINT gets SIGTERM 5 s after it, and ends by that."""
    for tag in ("term", "kill", "kill2"):
        waited = stopped.after(stopped.staged, f"{tag} TERM") - stopped.after(stopped.staged, f"{tag} INT")
        assert 4.5 < waited < 6.5

    assert 4.5 < stopped.gone_after(stopped.staged, "term") < 7


def test_sigkill_comes_10_s_after_that(stopped: Stopped) -> None:
    """An entry that ignores both is killed 15 s after the request."""
    assert 14 < stopped.gone_after(stopped.staged, "kill") < 17.5


def test_several_that_ignore_everything_take_no_longer_than_one(stopped: Stopped) -> None:
    """Entries are stopped at the same time: two that need SIGKILL are gone together."""
    one, two = (stopped.gone_after(stopped.staged, tag) for tag in ("kill", "kill2"))

    assert abs(one - two) < 1
    assert max(one, two) < 17.5


def test_nothing_new_is_started_before_the_last_is_gone(stopped: Stopped) -> None:
    """The new level begins when the entry that needed SIGKILL is gone, and right then."""
    up = stopped.after(stopped.staged, "next up")

    assert stopped.staged.events()[-1] == "next up"
    assert -0.1 < up - max(stopped.gone_after(stopped.staged, tag) for tag in ("kill", "kill2")) < 2


def test_an_entry_that_needed_sigkill_does_not_fail_the_group(stopped: Stopped) -> None:
    """The group is DONE at the new level, and neither its units nor the machine count as failed."""
    failed = stopped.staged.node.run("systemctl", "--failed", "--plain", "--no-legend").stdout

    assert {stopped.staged.name: "DONE", stopped.tree.name: "DONE", stopped.replaced.name: "DONE"} == stopped.outcomes
    assert not failed


def test_a_stopped_entry_is_not_respawned(stopped: Stopped) -> None:
    """While it is being stopped and afterwards, a `respawn` entry is not started again."""
    events = stopped.staged.events()

    assert [events.count(f"{tag} up") for tag in ("int", "term", "kill", "kill2")] == [1, 1, 1, 1]
    assert stopped.staged.property("kill", "ActiveState") == "inactive"


def test_clstat_shows_the_old_level_stopping_all_the_time(stopped: Stopped) -> None:
    """For 15 s clstat says STOPPING with the old level, and nothing of the new one."""
    assert "1 STOPPING" in stopped.shown
    assert stopped.shown <= {"1 STOPPING", "2 STARTING"}


def test_grandchildren_are_stopped_as_well(stopped: Stopped) -> None:
    """What an entry forked is signalled too, in other sessions as well, when its main process is long gone."""
    assert 4.5 < stopped.after(stopped.tree, "child TERM") < 7
    assert 14 < stopped.after(stopped.tree, "next ran") < 17.5
    assert stopped.tree.node.run("pgrep", "-f", "^sleep 7654", check=False).returncode == 1


def test_other_groups_do_not_wait(stopped: Stopped) -> None:
    """A switch of another group is not held up by the one that takes 15 s."""
    assert stopped.bystander < 3


def test_a_request_during_the_stop_replaces_it(stopped: Stopped) -> None:
    """A later request counts from where the stop is: no second wait, and nothing of the replaced level."""
    assert stopped.replaced.events() == ["kill up", "kill INT", "kill TERM", "three ran"]
    assert 14 < stopped.after(stopped.replaced, "three ran") < 17.5


@pytest.mark.parametrize("mode", ["wait", "test", "once", "respawn"])
def test_entries_of_every_mode_are_stopped_by_sigint(group: Group, mode: str) -> None:
    """An entry of any mode that runs when its level is left gets SIGINT."""
    group.define(f"a:1:{mode}:" + deaf(group, "a", ""))
    group.request("1")
    wait_until(lambda: group.events() == ["a up"])
    assert group.switch("2") == "DONE"

    assert group.events() == ["a up", "a INT"]


def test_an_entry_may_take_its_time_after_sigint(group: Group) -> None:
    """What an entry does between SIGINT and its end is let finish, within 5 s."""
    trap = "trap 'trap \"\" INT; say begin; sleep 0.8; say end; exit' INT"
    group.define(f"a:1:respawn:{saying(group.name)} {trap}; say up; while :; do sleep 0.02; done")
    group.switch("1")
    wait_until(lambda: group.events() == ["up"])
    group.switch("2")

    assert group.events() == ["up", "begin", "end"]
