"""`clinit --apply` while groups are on trial: what it ends, and what it leaves to go back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from answers import answered
from instance import Group
from ontrial import noted
from programs import RUN, RUN_NEW
from survivor import Survivor

from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.node import Node

LONG = "1000"
# Says that it is being stopped, and waits for leave to end; systemd's patience for that is not short then.
# systemd sends its signal also to what a process has begun by then, such as a `touch`.
STUBBORN = "trap ': >/run/asked; until [ -e /run/go ]; do sleep 0.05; done; exit' INT; while :; do sleep 0.05; done"


@pytest.fixture
def group(fresh_node: Node) -> Iterator[Group]:
    """The only group of a daemon as it is shipped, but for one that is at no level."""
    group = Group(Survivor(fresh_node).start(), "web")
    group.define(f"one:1:respawn:{RUN}", f"two:2:respawn:{RUN}", settings=("keeper:keeper:1:once:true",))
    group.switch("1")
    yield group
    group.node.write("/run/go", "")
    print(fresh_node.journal())  # seen if the test fails


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "json"])
def test_it_says_that_it_ends_a_trial(group: Group, options: tuple[str, ...]) -> None:
    """As any request for the group does: by the new lines it stays where it is."""
    answered(group.instance.clinit("--wait", "--try", LONG, "web", "2"), code=0)
    answered(group.instance.clinit("--apply", *options), code=0, err="")  # nothing has changed, and it goes on
    assert noted(group)["level"] == "2"
    group.define(f"one:1:respawn:{RUN}", f"two:2:respawn:{RUN_NEW}", settings=("keeper:keeper:1:once:true",))
    done = group.instance.clinit("--apply", *options)

    answered(done, code=0, err="clinit: level 2 of web was on trial: by this it stays\n")
    assert not noted(group)
    assert group.status == "2 DONE"


def test_a_trial_goes_on_where_nothing_is_taken(group: Group) -> None:
    """New lines that do not have the level on trial are refused, and the group goes back in its time."""
    answered(group.instance.clinit("--wait", "--try", LONG, "web", "2"), code=0)
    before = noted(group)
    group.define(f"one:1:respawn:{RUN}", f"two:4:respawn:{RUN}", settings=("keeper:keeper:1:once:true",))
    done = group.instance.clinit("--apply")

    answered(done, code=1, out="web 2 -\n")
    assert "no entry of web names level '2': refused, and the group stays as it is" in done.stderr
    assert noted(group) == before
    assert group.pid("two")


def test_a_group_on_its_way_back_has_not_left_the_table(group: Group) -> None:
    """One that is stopped again at the end of a trial is not said to be stopped for having left."""
    mail = Group(group.instance, "mail")
    mail.define(f"slow:3:respawn:{STUBBORN}", ":::service.slow:TimeoutStopSec=300")
    answered(mail.instance.clinit("--try", "1", "mail", "3"), code=0)
    wait_until(lambda: mail.node.exists("/run/asked"), what="it is on its way back")
    mail.wait_for("3 HALTING")

    answered(mail.instance.clinit("--apply", "--timeout", "20"), code=0, out="", err="")
    answered(mail.instance.clinit("--apply", "--json", "--timeout", "20"), code=0, out="[]\n", err="")
    mail.node.write("/run/go", "")
    mail.wait_for("3 CONFIGURED")


@pytest.mark.parametrize("options", [(), ("--apply",)], ids=["reread", "apply"])
def test_it_says_that_the_trial_of_a_group_ends_that_left_the_table(group: Group, options: tuple[str, ...]) -> None:
    """Such a group is stopped for good, and whoever asks is told that it does not go back."""
    answered(group.instance.clinit("--wait", "--try", LONG, "web", "2"), code=0)
    group.instance.write_table(f"other:o:1:respawn:{RUN}\n")
    done = group.instance.clinit(*options)

    left = "clinit: web has left the table, and is being stopped\n"
    ends = "clinit: this ends the trial of web at level 2: it does not go back by itself any more\n"
    answered(done, code=0, err=left + ends)
    wait_until(lambda: "web" not in group.instance.clstat(), what="it is gone")
    assert not noted(group)
