"""`clinit --try`: a group goes to a level, and back to where it was, unless `clinit --keep` comes in time."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from answers import answered
from instance import Group
from ontrial import noted, units
from programs import RUN, RUN_NEW, slow_to_stop
from survivor import Survivor

from cltab2systemd import events
from lab.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.node import Node

# Seconds of a trial that is to end, and of one that is not.
SHORT, LONG = f"{2 * PATIENCE:g}", "1000"
ENTRIES = (
    f"shared:12:respawn:{RUN}",
    f"one:1:respawn:{RUN}",
    f"two:2:respawn:{RUN}",
    "wrong:3:test:false",
)


@pytest.fixture(scope="module")
def instance(node: Node) -> Survivor:
    """A daemon as it is shipped, which all tests of this module share; each test has a group of its own."""
    return Survivor(node).start()


@pytest.fixture
def make(instance: Survivor) -> Iterator[Any]:
    """Make groups at level 1 that are stopped at the end of the test."""
    made: list[Group] = []

    def group(*lines: str, level: str = "1") -> Group:
        made.append(Group(instance))
        made[-1].define(*(lines or ENTRIES))
        if level:
            made[-1].switch(level)
        return made[-1]

    yield group
    for each in made:
        each.define()
    instance.clinit()


@pytest.fixture
def group(make: Any) -> Group:
    """A group at level 1."""
    found: Group = make()
    return found


def try_(group: Group, level: str, seconds: str = SHORT) -> None:
    """`clinit --try SECONDS GROUP LEVEL`, which has to be accepted, and says until when."""
    done = group.instance.clinit("--try", seconds, group.name, level)
    answered(done, code=0, out="level transition started\n")
    assert "on trial until " in done.stderr
    assert f"'clinit --keep {group.name}' has it stay" in done.stderr


def keep(group: Group, *, code: int = 0) -> str:
    """`clinit --keep GROUP`; what it says."""
    done = group.instance.clinit("--keep", group.name)
    answered(done, code=code, err="")
    return done.stdout.strip()


def described(group: Group) -> dict[str, Any]:
    """The group as `clinitctl status --json` has it."""
    found: dict[str, Any] = json.loads(group.instance.node.run("clinitctl", "status", "--json", check=False).stdout)
    return next(each for each in found["groups"] if each["group"] == group.name)


def timers(group: Group) -> list[str]:
    """The timers of a group's trials."""
    listed = group.node.run("systemctl", "list-units", "--plain", "--no-legend", f"clinittrial-{group.name}-*").stdout
    return [line.split()[0] for line in listed.splitlines()]


def await_end_of_another(make: Any) -> None:
    """Return when another trial that is no longer, and was begun later, has ended."""
    other = make()
    try_(other, "2")
    other.wait_for("2 DONE")
    other.wait_for("1 DONE")


def test_a_trial_that_nobody_confirms_goes_back(group: Group) -> None:
    """To the level before: what both levels have runs on, and no note, mark or timer is left."""
    before, shared = units(group), group.pid("shared")

    try_(group, "2")

    group.wait_for("2 DONE")
    group.wait_for("1 DONE")
    assert (group.pid("shared"), group.pid("two")) == (shared, 0)
    assert group.pid("one")
    assert units(group) == before
    assert not noted(group)
    assert described(group)["trial"] is None
    wait_until(lambda: timers(group) == [], what="the timer is gone")
    history = group.node.run("clinitctl", "history", "--lines=1", group.name).stdout
    assert "end of the trial of root[" in history
    told = group.instance.told(events.TAKEN_BACK, group=group.name)
    assert told["CLINIT_ASKED_BY"] == "trial"
    assert f"--try {SHORT} {group.name} 2" in told["CLINIT_ASKED_COMMAND"]


def test_a_trial_that_is_confirmed_stays(group: Group, make: Any) -> None:
    """`--keep` is enough; then the time means nothing."""
    try_(group, "2")
    group.wait_for("2 DONE")

    assert keep(group) == f"{group.name} stays at level 2, which is DONE"
    assert not noted(group)
    await_end_of_another(make)
    assert group.status == "2 DONE"
    assert keep(group, code=1).startswith(f"{group.name} is not on trial: that of level 2 was confirmed")


def test_a_trial_that_a_later_request_has_ended(group: Group) -> None:
    """It cannot be confirmed, and it is said which request took over, and when."""
    try_(group, "2")
    group.wait_for("2 DONE")
    assert group.switch("1") == "DONE"
    told = re.escape(f"{group.name} is not on trial: a later request for level 1 took over ")
    assert re.fullmatch(told + r"[0-9.]+ ?[a-z]+ ago", keep(group, code=1))


def test_a_trial_is_kept_on_its_way(make: Any) -> None:
    """Nobody has to wait for the level to be reached."""
    group = make(f"one:1:respawn:{RUN}", "slow:2:wait:until [ -e /run/go ]; do sleep 0.02; done")
    try_(group, "2", LONG)

    assert keep(group) == f"{group.name} stays at level 2, when it gets there"
    group.node.write("/run/go", "")
    group.wait_for("2 DONE")


def test_what_waits_is_told_both_ends(group: Group) -> None:
    """`--wait` prints the outcome of the level, or that the group has gone back before."""
    done = group.instance.clinit("--wait", "--try", LONG, group.name, "2")

    answered(done, code=0, out=f"{group.name} 2 DONE\n")
    assert "clinit: on trial until " in done.stderr
    assert "then it goes back to level 1" in done.stderr


def test_a_switch_that_hangs_is_taken_back(make: Any) -> None:
    """A test entry that does not end is stopped with the level; whoever waits is told that the time was over."""
    group = make(f"one:1:respawn:{RUN}", "hangs:2:test:exec sleep 1000")

    done = group.instance.clinit("--wait", "--try", SHORT, group.name, "2")

    answered(done, code=6, out="")
    assert f"the trial of {group.name} is over, and nobody has confirmed it" in done.stderr
    group.wait_for("1 DONE")
    assert group.pid("hangs") == 0


def test_a_level_that_fails_goes_back_in_its_time(group: Group) -> None:
    """Somebody may want to look at it, and even keep it."""
    done = group.instance.clinit("--wait", "--try", LONG, group.name, "3")
    answered(done, code=4, out=f"{group.name} 3 FAILED\n")
    assert described(group)["trial"]["back"] == "1"

    assert keep(group) == f"{group.name} stays at level 3, which is FAILED"

    try_(group, "1", SHORT)
    group.wait_for("1 DONE")
    group.wait_for("3 FAILED")


def test_a_group_at_no_level_is_stopped_again(make: Any) -> None:
    """That is where it was."""
    group = make(level="")

    done = group.instance.clinit("--try", SHORT, group.name, "2")

    assert "then it is stopped again" in done.stderr
    group.wait_for("2 DONE")
    group.wait_for("2 CONFIGURED")  # clstat has the last level
    assert group.pid("shared") == 0
    shown = described(group)
    assert (shown["level"], shown["state"], shown["health"]) == (None, "CONFIGURED", "at-rest")
    shown_lines = group.node.run("clinitctl", "status", group.name).stdout.splitlines()
    assert shown_lines[0].startswith(f"{group.name}: at no level for ")
    assert shown_lines[1] == "  4 entries are not started"
    metrics = group.node.run("clinitctl", "metrics").stdout
    assert f'clinit_group_level_info{{group="{group.name}"' not in metrics
    assert f'clinit_group_state{{group="{group.name}",state="CONFIGURED"}} 1' in metrics
    assert "was not confirmed, and it was stopped again" in keep(group, code=1)
    assert group.switch("1") == "DONE"


def test_new_lines_go_as_they_came(group: Group) -> None:
    """The way back is to the lines of before as well, byte for byte; those of the table show as pending."""
    before = units(group)
    group.define(f"shared:12:respawn:{RUN_NEW}", f"three:2:respawn:{RUN}", settings=())

    try_(group, "2")

    group.wait_for("2 DONE")
    assert group.property("shared", "ExecStart").count("2000")
    group.wait_for("1 DONE")
    wait_until(lambda: units(group) == before, what="the units are those of before")
    assert set(described(group)["pending"]) == {
        f"{group.name}.{tag}" for tag in ("shared", "one", "two", "wrong", "three")
    }
    group.instance.clinit()
    assert units(group) == before
    assert group.switch("2") == "DONE"
    assert described(group)["pending"] == []


def test_the_same_level_with_new_lines(group: Group) -> None:
    """A trial may be of the lines alone."""
    before = units(group)
    group.define(f"shared:12:respawn:{RUN_NEW}")

    try_(group, "1")

    wait_until(lambda: units(group) != before, what="the new lines")
    wait_until(lambda: units(group) == before, what="the old lines")
    group.wait_for("1 DONE")
    assert group.pid("one")


def test_an_entry_that_has_moved_is_not_run_twice(make: Any) -> None:
    """What another group has by now stays there, and the log says so."""
    group, other = make(), make(f"own:1:respawn:{RUN}")
    group.define(*ENTRIES[:1], *ENTRIES[2:])
    moved = f"{other.name}:{group.name}.one:1:respawn:{RUN}"
    other.define(f"own:1:respawn:{RUN}", settings=(moved,))
    try_(group, "2", f"{3 * PATIENCE:g}")
    other.switch("1")

    group.wait_for("1 DONE")

    assert group.pid("one") == 0
    assert group.instance.main_pid(f"clinit-{other.name}@{group.name}.one.service")
    assert group.name in group.instance.told(events.TRIAL_WITHOUT, group=group.name)["MESSAGE"]


@pytest.mark.parametrize("level", ["1", "2", "3"])
def test_a_later_request_ends_the_trial(group: Group, make: Any, level: str) -> None:
    """Whatever level it is for; and whoever asks is told so."""
    try_(group, "2")
    group.wait_for("2 DONE")

    done = group.instance.clinit("--wait", group.name, level)

    assert (f"ends the trial of {group.name}" in done.stderr) == (level != "2")
    assert ("by this it stays" in done.stderr) == (level == "2")
    at = group.status
    await_end_of_another(make)
    assert group.status == at
    assert at.startswith(level)


def test_a_request_that_is_refused_does_not(make: Any) -> None:
    """The trial goes on, and ends in its time."""
    group = make(f"one:1:respawn:{RUN}", f"two:2:respawn:{RUN}", f"three:3:respawn:{RUN}", ":::preflight.three:false")
    try_(group, "2")
    group.wait_for("2 DONE")

    answered(group.instance.clinit(group.name, "3"), code=1)

    assert described(group)["trial"]["back"] == "1"
    group.wait_for("1 DONE")


def test_a_request_that_is_refused_does_not_end_a_halt(make: Any) -> None:
    """A group that is stopped for good after its trial, and is asked for a level meanwhile in vain, goes on its way."""
    group = make(f"two:2:respawn:{slow_to_stop(2)}", f"three:3:respawn:{RUN}", ":::preflight.three:false", level="")
    try_(group, "2")
    group.wait_for("2 HALTING")

    answered(group.instance.clinit(group.name, "3"), code=1)

    assert group.status == "2 HALTING"
    group.wait_for("2 CONFIGURED")


def test_a_trial_that_is_refused_changes_nothing(make: Any) -> None:
    """Neither the group, nor a trial that goes on already."""
    group = make(f"one:1:respawn:{RUN}", f"two:2:respawn:{RUN}", f"three:3:respawn:{RUN}", ":::preflight.three:false")
    answered(group.instance.clinit("--try", LONG, group.name, "3"), code=1)
    assert not noted(group)
    try_(group, "2", LONG)
    group.wait_for("2 DONE")
    before = noted(group)

    answered(group.instance.clinit("--try", SHORT, group.name, "3"), code=1)

    wait_until(lambda: noted(group) == before, what="the earlier trial goes on")
    assert described(group)["trial"]["level"] == "2"
    keep(group)


def test_a_second_trial_goes_back_to_where_the_first_began(group: Group) -> None:
    """Nobody has confirmed the level between."""
    try_(group, "2", LONG)
    group.wait_for("2 DONE")

    try_(group, "3")

    group.wait_for("3 FAILED")
    group.wait_for("1 DONE")
    assert keep(group, code=1).startswith(
        f"{group.name} is not on trial: that of level 3 was not confirmed, and it went"
    )


def test_what_is_no_request_does_not_end_it(group: Group) -> None:
    """The table is read again, and an entry is restarted and stopped: the trial goes on."""
    try_(group, "2", LONG)
    group.wait_for("2 DONE")

    group.instance.clinit()
    group.node.run("clinitctl", "restart", f"{group.name}.two")
    group.node.run("clinitctl", "stop", f"{group.name}.two", check=False)

    assert described(group)["trial"]["level"] == "2"
    keep(group)


def test_a_level_that_is_started_by_hand_ends_it(group: Group) -> None:
    """As any switch by somebody else."""
    try_(group, "2", LONG)
    group.wait_for("2 DONE")

    group.node.run("systemctl", "start", group.target("3"))

    group.wait_for("3 FAILED")
    wait_until(lambda: not noted(group), what="the trial has ended")
    assert "somebody took it to level 3" in keep(group, code=1)


def test_a_group_that_leaves_the_table_ends_it(make: Any) -> None:
    """It is stopped, as ever."""
    group = make()
    try_(group, "2", LONG)
    group.wait_for("2 DONE")

    group.define()
    group.instance.clinit()

    wait_until(lambda: group.status == "", what="it is gone")
    assert not noted(group)
    assert timers(group) == []


def test_two_groups_at_once(make: Any) -> None:
    """Each goes its way."""
    first, second = make(), make()
    try_(first, "2")
    try_(second, "2", LONG)

    first.wait_for("1 DONE")

    assert second.status == "2 DONE"
    assert described(second)["trial"]["level"] == "2"
    keep(second)


def test_a_preflight_does_not_keep_it_from_going_back(make: Any) -> None:
    """It protects what runs: here that is what nobody has confirmed."""
    group = make(f"one:1:respawn:{RUN}", f"two:2:respawn:{RUN}", ":::preflight.one:test ! -e /run/bad")
    try_(group, "2")
    group.node.write("/run/bad", "")
    group.wait_for("2 DONE")

    group.wait_for("1 DONE")


def test_a_way_back_that_fails_is_an_error(group: Group) -> None:
    """The group says why, as ever, and the trial is over."""
    try_(group, "2")
    group.wait_for("2 DONE")
    group.node.run("systemctl", "mask", group.target("1"))

    told = wait_until(
        lambda: group.node.run("journalctl", f"MESSAGE_ID={events.TRIAL_FAILED.message_id}").stdout.count(group.name)
    )

    assert told
    assert not noted(group)
    assert "it could not go back" in keep(group, code=1)
    group.node.run("systemctl", "unmask", group.target("1"))


def test_the_status_tells(group: Group) -> None:
    """For people and programs; clstat has its three columns, as ever."""
    try_(group, "2", LONG)
    group.wait_for("2 DONE")

    lines = group.node.run("clinitctl", "status", group.name, check=False).stdout.splitlines()

    assert f"{group.name}: level 2 DONE" in lines[0]
    assert ", on trial until " in lines[0]
    assert lines[0].endswith(", then it goes back to level 1")
    trial = described(group)["trial"]
    assert (trial["level"], trial["back"]) == ("2", "1")
    assert trial["until_usec"] > 0
    answered(group.instance.clinit("-v"), code=0)
    assert group.status == "2 DONE"
    keep(group)


@pytest.mark.parametrize(
    "arguments",
    ["--try 0 g 1", "--try x g 1", "--try 1e300 g 1", "--try nan g 1", "--try 1 -k", "--try 1", "--keep g 1",
     "--keep --wait g", "--keep -k", "--keep --try 1 g"],
)  # fmt: skip
def test_usage(instance: Survivor, arguments: str) -> None:
    """What makes no sense is refused, and nothing is asked."""
    answered(instance.clinit(*arguments.split()), code=2, out="")


def test_minutes(group: Group) -> None:
    """A trial may last for a time with a unit."""
    done = group.instance.clinit("--wait", "--try", "10m", group.name, "2")

    answered(done, code=0)
    left = described(group)["trial"]["until_usec"] / 1e6 - time.time()
    assert 500 < left <= 600
    keep(group)


def test_nothing_to_keep(group: Group) -> None:
    """A clear answer, and exit code 1."""
    assert keep(group, code=1) == f"{group.name} is not on trial"
    done = group.instance.clinit("--keep", "no-such-group")
    answered(done, code=1, out="no such group: no-such-group\n")


def test_trials_whose_switches_do_not_begin(make: Any) -> None:
    """The one before goes on, whoever asks for what meanwhile: nobody has confirmed it."""
    group: Group = make(
        f"one:1:respawn:{RUN}", f"two:2:respawn:{RUN}", f"three:3:respawn:{RUN}", f"four:4:respawn:{RUN}",
        ":::preflight.three:until false; do sleep 1; done", ":::preflight.four:false",
    )  # fmt: skip
    answered(group.instance.clinit("--wait", "--try", LONG, group.name, "2"), code=0, out=f"{group.name} 2 DONE\n")
    third = group.node.popen("clinit", "--try", LONG, group.name, "3")
    wait_until(lambda: noted(group)["level"] == "3")
    kept = group.instance.clinit("--keep", group.name)
    answered(kept, code=1)
    assert "level 3 has not begun; 2 is on trial still" in kept.stdout + kept.stderr
    assert group.instance.clinit("--try", LONG, group.name, "4").returncode == 1
    third.wait(timeout=30)

    pid = group.pid("two")
    group.node.run("kill", "-KILL", str(pid))  # so that it is looked at
    wait_until(lambda: group.pid("two") not in {0, pid})
    wait_until(lambda: group.status == "2 DONE")
    assert (noted(group)["level"], noted(group)["back"]) == ("2", "1")
    answered(group.instance.clinit("--wait", group.name, "1"), code=0, out=f"{group.name} 1 DONE\n")
