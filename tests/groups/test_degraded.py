"""When a group is degraded: from the third time on that an entry ends, until it has run for long enough."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from answers import reasons_of
from programs import RUN, until_there

from lab.waiting import wait_until

if TYPE_CHECKING:
    from instance import Group


def shown(group: Group) -> Any:
    """The group, as `clinitctl status --json` has it."""
    return json.loads(group.node.run("clinitctl", "status", "--json", group.name, check=False).stdout)["groups"][0]


def how(group: Group) -> tuple[str, str, list[str]]:
    """Its state, its health, and the codes of its reasons."""
    found = shown(group)
    return found["state"], found["health"], [reason["code"] for reason in found["reasons"]]


def metric(group: Group, name: str) -> list[str]:
    """The values of a metric of the group."""
    text = group.node.run("clinitctl", "metrics", check=False).stdout
    return re.findall(rf'^{name}{{group="{group.name}".*}} (\S+)$', text, re.MULTILINE)


def ends_three_times(group: Group, then: str, how_it_ends: str) -> str:
    """A command that ends three times, the third time when there is a file `third`, and then does something else."""
    count, third = f"/run/{group.name}.count", f"/run/{group.name}.third"
    group.node.write(count, "")
    number = f"echo >>{count}; set -- $(wc -l <{count});"
    return f"{number} case $1 in 1|2) sleep 1.2; {how_it_ends};; 3) {until_there(third)}; {how_it_ends};; esac; {then}"


@pytest.mark.parametrize("how_it_ends", ["exit 5", "exit 0", "kill -SEGV $$", "kill -KILL $$"])
@pytest.mark.parametrize("is_new", [False, True], ids=["", "daemon-restarted"])
def test_from_the_third_time_on(group: Group, how_it_ends: str, *, is_new: bool) -> None:
    """Whoever asks is told, with a new daemon and without one; and the group is DONE."""
    group.define(f"r:3:respawn:{ends_three_times(group, RUN, how_it_ends)}", f"well:3:respawn:{RUN}")
    group.switch("3")
    wait_until(lambda: group.property("r", "NRestarts") == "2" and how(group) == ("DONE", "well", []), timeout=30)
    assert metric(group, "clinit_group_degraded") == ["0"]
    if is_new:
        group.instance.kill()
        group.instance.start()
        assert how(group) == ("DONE", "well", [])
    group.node.write(f"/run/{group.name}.third", "")
    wait_until(lambda: how(group) == ("DONE", "degraded", ["keeps-ending"]), timeout=30, what="it is degraded")
    assert group.property("r", "NRestarts") == "3"
    assert metric(group, "clinit_group_degraded") == ["1"]

    # It is known by now, so the next request says so, and comes to its end as ever.
    done = group.instance.clinit("--wait", group.name, "3")
    [said] = reasons_of(done.stderr)
    assert (0, f"{group.name} 3 DONE\n") == (done.returncode, done.stdout)
    assert said.startswith(f"{group.name}: {group.name}.r (respawn) ends again and again, each time within a minute")
    group.instance.kill()
    assert how(group) == ("DONE", "degraded", ["keeps-ending"])
    assert metric(group, "clinit_group_degraded") == ["1"]
    group.instance.start()
    assert how(group) == ("DONE", "degraded", ["keeps-ending"])


def test_one_that_has_paused(group: Group) -> None:
    """It is not well when it runs again, but when it has run for long enough."""
    group.define(f"r:3:respawn:[ ! -e /run/{group.name} ] || {RUN}; exit 1")
    group.switch("3")
    wait_until(lambda: how(group) == ("DONE", "degraded", ["paused"]), timeout=30, what="it pauses")
    pid = group.pid("r")
    group.node.write(f"/run/{group.name}", "")
    group.node.run("kill", str(pid))
    wait_until(lambda: how(group)[2] == ["keeps-ending"], timeout=30, what="it runs, and has not for long")

    assert how(group) == ("DONE", "degraded", ["keeps-ending"])
    group.instance.kill()
    assert how(group) == ("DONE", "degraded", ["keeps-ending"])
    group.instance.start()
    assert how(group) == ("DONE", "degraded", ["keeps-ending"])
    group.switch("0")
    group.switch("3")
    assert how(group) == ("DONE", "well", [])


@pytest.mark.parametrize(("mode", "code"), [("wait", "ended-badly"), ("once", "ended-badly")])
@pytest.mark.parametrize("end", ["false", "kill -KILL $$"])
def test_what_ended_badly(group: Group, mode: str, code: str, end: str) -> None:
    """Once is enough; the request that started it says so, and has succeeded."""
    group.define(f"bad:3:{mode}:{end}", f"well:3:respawn:{RUN}")
    done = group.instance.clinit("--wait", group.name, "3")
    assert (0, f"{group.name} 3 DONE\n") == (done.returncode, done.stdout)
    if mode == "wait":  # nobody waits for a `once`
        assert [True] == [f"which is no failure of a {mode}" in line for line in reasons_of(done.stderr)]
    wait_until(lambda: how(group) == ("DONE", "degraded", [code]), timeout=20, what="it is degraded")
    group.instance.kill()
    assert how(group) == ("DONE", "degraded", [code])
    group.instance.start()
    assert how(group) == ("DONE", "degraded", [code])


@pytest.mark.parametrize("mode", ["respawn", "wait", "once"])
def test_what_cannot_be_executed(group: Group, mode: str) -> None:
    """Its group is FAILED, which is more than degraded; the health says no less than clstat."""
    group.define(f"bad:3:{mode}:{RUN}", f"well:3:respawn:{RUN}")
    group.instance.table += f":::service.{group.name}.bad:WorkingDirectory=/srv/nowhere\n"
    group.instance.write_table(group.instance.table)
    group.switch("3", code=4)
    assert how(group) == ("FAILED", "failed", ["not-executed"])
    assert metric(group, "clinit_group_degraded") == ["0"]
    group.instance.kill()
    try:
        # Without a daemon systemd tries a respawn several times a second, and it is starting at that moment.
        wait_until(lambda: how(group) == ("FAILED", "failed", ["not-executed"]))
    finally:
        group.instance.start()
    wait_until(lambda: how(group) == ("FAILED", "failed", ["not-executed"]))
