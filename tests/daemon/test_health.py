"""Health checks: what asks whether entries are well while they run, and what is told and done if they are not."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from programs import RUN
from underway import held

from cltab2systemd import events
from lab.waiting import wait_until

if TYPE_CHECKING:
    from instance import Group

    from lab.node import Node

# Often enough for a test.
FAST = "200ms failures=2"


@pytest.fixture
def asked(group: Group) -> Group:
    """A group with an entry `a`, which is well while there is a file, and one `b` that nobody asks."""
    group.define(f"a:3:respawn:{RUN}", f"b:3:respawn:{RUN}")
    set_health(group, "a", f"{FAST} file:/run/{group.name}.well")
    group.node.write(f"/run/{group.name}.well", "")
    assert group.switch("3") == "DONE"
    return group


def set_health(group: Group, tag: str, value: str) -> None:
    """Give an entry of the table a health check, instead of the one that it has; none if there is no value."""
    start = f":::health.{group.name}.{tag}:"
    lines = [line for line in group.instance.table.splitlines(keepends=True) if not line.startswith(start)]
    group.instance.table = "".join([*lines, *([f"{start}{value}\n"] if value else [])])
    group.instance.write_table(group.instance.table)


def sicken(group: Group) -> None:
    group.node.path(f"/run/{group.name}.well").unlink()


def unit(group: Group, tag: str, kind: str = "service") -> str:
    """What asks about an entry."""
    return f"clinithealth-{group.name}@{group.name}.{tag}.{kind}"


def is_active(group: Group, name: str) -> bool:
    return group.instance.properties(name, "ActiveState")["ActiveState"] not in {"inactive", "failed"}


def shown(group: Group) -> Any:
    """What `clinitctl status --json` has of the group."""
    return json.loads(group.node.run("clinitctl", "status", "--json", group.name, check=False).stdout)["groups"][0]


def entry(group: Group, tag: str) -> Any:
    [found] = [one for one in shown(group)["entries"] if one["tag"] == f"{group.name}.{tag}"]
    return found


def await_state(group: Group, tag: str, state: str) -> None:
    wait_until(lambda: entry(group, tag)["state"] == state, timeout=30, what=f"{tag} is {state}")


def asks_again(group: Group, tag: str) -> None:
    """Return when an entry has been asked once more, from beginning to end."""
    name = unit(group, tag)

    def ended() -> int:
        return int(
            group.instance.properties(name, "InactiveEnterTimestampMonotonic")["InactiveEnterTimestampMonotonic"]
        )

    for _ in range(2):
        before = ended()
        wait_until(lambda before=before: ended() > before, timeout=30, what=f"{name} runs again")  # type: ignore[misc]


def count_of(group: Group, event: events.Event) -> int:
    """How often the daemon has said something of the group."""
    group.node.run("journalctl", "--sync")
    matches = (f"MESSAGE_ID={event.message_id}", f"CLINIT_GROUP={group.name}")
    return len(group.node.run("journalctl", "--output=cat", "--quiet", *matches).stdout.splitlines())


def test_unhealthy_and_well_again(asked: Group) -> None:
    """The group is degraded with the reason, and not FAILED, until the entry is found to be well."""
    asks_again(asked, "a")
    assert (shown(asked)["health"], entry(asked, "a")["healthy"], entry(asked, "b")["healthy"]) == ("well", True, None)
    pid = asked.pid("a")
    sicken(asked)
    await_state(asked, "a", "unhealthy")
    found = shown(asked)
    assert (found["state"], found["health"]) == ("DONE", "degraded")
    [reason] = found["reasons"]
    assert (reason["code"], reason["failure"]) == ("unhealthy", False)
    assert reason["words"] == "is unhealthy: no such file or directory (2 in a row)"
    assert reason["since_usec"] > entry(asked, "a")["since_usec"]
    assert asked.status == "3 DONE"
    assert asked.node.run("clinitctl", "status", asked.name, check=False).returncode == 7
    healthy = f'clinit_entry_healthy{{group="{asked.name}",tag="{asked.name}.a"}}'
    assert f"{healthy} 0" in asked.node.run("clinitctl", "metrics").stdout
    told = asked.instance.told(events.REMARK, group=asked.name, reason="unhealthy")
    assert told["CLINIT_ENTRY"] == f"{asked.name}.a"
    # What is known already is not said each time.
    asks_again(asked, "a")
    assert count_of(asked, events.REMARK) == 1
    log = asked.node.run("journalctl", "--output=cat", "--unit", unit(asked, "a")).stdout.splitlines()
    assert log == [
        "no such file or directory (1 in a row)",
        "unhealthy: no such file or directory (2 in a row)",
    ]

    shown_log = asked.node.run("clinitctl", "log", asked.name).stdout
    assert re.search(rf" {asked.name}\.a:health +unhealthy: no such file or directory \(2 in a row\)\n", shown_log)
    assert ":health" in asked.node.run("clinitctl", "log", f"{asked.name}.a").stdout
    assert ":health" not in asked.node.run("clinitctl", "log", f"{asked.name}.b").stdout
    assert "unhealthy" not in asked.node.run("clinitctl", "log", "--raw", asked.name).stdout

    asked.node.write(f"/run/{asked.name}.well", "")
    await_state(asked, "a", "running")
    assert shown(asked)["health"] == "well"
    assert f"{healthy} 1" in asked.node.run("clinitctl", "metrics").stdout
    assert asked.instance.told(events.WELL_AGAIN, group=asked.name)["CLINIT_ENTRY"] == f"{asked.name}.a"
    assert asked.pid("a") == pid


def test_a_clock_that_was_set_back(asked: Group) -> None:
    """It asks all the same, though the entry has begun in the future by now."""
    link = f"/run/systemd/units/invocation:{asked.unit('a')}"
    asked.node.run("touch", "--no-dereference", "--date=1 hour", link)
    sicken(asked)
    await_state(asked, "a", "unhealthy")


def test_restart(group: Group) -> None:
    """An unhealthy entry is restarted, and nothing else is. The group is DONE all the time; nobody has stopped it."""
    group.define(f"a:3:respawn:{RUN}", f"b:3:respawn:{RUN}")
    set_health(group, "a", f"{FAST} action=restart test ! -e /run/{group.name}.ill")
    assert group.switch("3") == "DONE"
    done, a, b = count_of(group, events.DONE), group.pid("a"), group.pid("b")
    ill = group.node.path(f"/run/{group.name}.ill")
    ill.touch()
    wait_until(lambda: group.pid("a") not in {0, a}, timeout=30, what="it is restarted")
    # What the daemon has not seen to be unhealthy is not told to be well again.
    wait_until(lambda: count_of(group, events.REMARK), timeout=30, what="the daemon sees that it is unhealthy")
    ill.unlink()
    asks_again(group, "a")
    asks_again(group, "a")
    assert shown(group)["reasons"] == []
    assert (group.status, group.pid("b")) == ("3 DONE", b)
    assert (count_of(group, events.DONE), count_of(group, events.FAILED)) == (done, 0)
    told = group.instance.told(events.RESTARTED_UNHEALTHY, group=group.name, entry=f"{group.name}.a")["MESSAGE"]
    assert told == f"{group.name}: {group.name}.a is unhealthy, and is restarted: exited with 1 (2 in a row)"
    assert count_of(group, events.WELL_AGAIN) == 1
    history = group.node.run("clinitctl", "history", group.name).stdout
    assert "stopped by" not in history


def test_a_restart_of_which_the_daemon_hears_late(group: Group) -> None:
    """It is told once, also if the next run has been found to be well by then, and the note of this one is gone."""
    group.define(f"a:3:respawn:{RUN}")
    set_health(group, "a", f"{FAST} action=restart test ! -e /run/{group.name}.ill")
    assert group.switch("3") == "DONE"
    a, ill = group.pid("a"), group.node.path(f"/run/{group.name}.ill")
    note = group.node.path(f"/run/clinit-health/{group.unit('a')}/note")
    with held(group.node, group.instance.unit):
        ill.touch()
        wait_until(lambda: group.pid("a") not in {0, a}, timeout=30, what="it is restarted")
        ill.unlink()
        wait_until(lambda: not note.exists(), timeout=30, what="it is well")
        asks_again(group, "a")
    wait_until(lambda: count_of(group, events.RESTARTED_UNHEALTHY), timeout=30, what="it is told")
    tag = f"{group.name}.a"
    assert group.instance.told(events.RESTARTED_UNHEALTHY, group=group.name)["MESSAGE"] == (
        f"{group.name}: {tag} is unhealthy, and is restarted: it was asked again since; "
        f"'clinitctl log {group.name}:{tag}' shows its answer"
    )
    asks_again(group, "a")
    assert count_of(group, events.RESTARTED_UNHEALTHY) == 1
    assert shown(group)["reasons"] == []


def test_restarted_in_vain(group: Group) -> None:
    """One that is restarted again and again is not told to be well until a check holds."""
    group.define(f"a:3:respawn:{RUN}")
    set_health(group, "a", f"{FAST} action=restart test ! -e /run/{group.name}.ill")
    group.node.write(f"/run/{group.name}.ill", "")
    assert group.switch("3") == "DONE"
    first = group.pid("a")
    wait_until(lambda: group.pid("a") not in {0, first}, timeout=30, what="it is restarted")
    second, seen = group.pid("a"), set[tuple[str, str]]()

    def restarted_again() -> bool:
        found = shown(group)
        seen.update((found["health"], reason["code"]) for reason in found["reasons"] or [{"code": ""}])
        return group.pid("a") not in {0, second}

    wait_until(restarted_again, timeout=30, what="it is restarted again")
    assert seen <= {("degraded", "unhealthy"), ("degraded", "restarting")}
    assert count_of(group, events.WELL_AGAIN) == 0
    group.node.path(f"/run/{group.name}.ill").unlink()
    wait_until(lambda: shown(group)["health"] == "well", timeout=30, what="it is well")
    assert entry(group, "a")["healthy"] is True


def test_a_restart_without_a_daemon(asked: Group) -> None:
    """The entry is restarted by systemd, also when no daemon runs."""
    set_health(asked, "a", f"{FAST} action=restart file:/run/{asked.name}.well")
    asked.switch("3")
    pid = asked.pid("a")
    asked.instance.kill()
    try:
        sicken(asked)
        wait_until(lambda: asked.pid("a") not in {0, pid}, timeout=30, what="it is restarted")
    finally:
        asked.instance.start()


def test_the_user(group: Group) -> None:
    """A check runs as its entry does, and the last line that it writes is told."""
    group.instance.table += f":::service.{group.name}.a:User=daemon\n"
    group.define(f"a:3:respawn:{RUN}")
    set_health(group, "a", f"{FAST} seq 100000; id -un >&2; false")
    group.switch("3")
    await_state(group, "a", "unhealthy")
    [reason] = shown(group)["reasons"]
    assert reason["words"] == "is unhealthy: exited with 1: daemon (2 in a row)"


def test_a_user_that_systemd_makes(group: Group) -> None:
    """A check of an entry that is not to run as root does not either, and what it finds is known from run to run."""
    group.instance.table += f":::service.{group.name}.a:DynamicUser=yes\n"
    group.define(f"a:3:respawn:{RUN}")
    set_health(group, "a", f"{FAST} [ $(id -u) = 0 ] && echo root || echo nobody of note; false")
    group.switch("3")
    await_state(group, "a", "unhealthy")
    [reason] = shown(group)["reasons"]
    assert reason["words"] == "is unhealthy: exited with 1: nobody of note (2 in a row)"


def test_a_check_that_hangs(group: Group) -> None:
    """It is ended at its timeout, with all that it has started, and counts as one that failed."""
    group.define(f"a:3:respawn:{RUN}")
    set_health(group, "a", "200ms failures=1 timeout=300ms trap '' INT TERM; sleep 5000; sleep 5000")
    group.switch("3")
    await_state(group, "a", "unhealthy")
    [reason] = shown(group)["reasons"]
    assert reason["words"] == "is unhealthy: no answer within 0.3 s (1 in a row)"


def test_a_stop_does_not_wait(group: Group) -> None:
    """A switch holds nothing up for a check that is at work; the check goes with its entry, and comes back with it."""
    group.define(f"a:3:respawn:{RUN}", f"b:34:respawn:{RUN}")
    set_health(group, "a", f"200ms failures=1 timeout=1h trap '' INT TERM; : >/run/{group.name}.up; sleep 5000; :")
    group.switch("3")
    wait_until(lambda: group.node.exists(f"/run/{group.name}.up"), what="the check is at work")
    assert group.switch("4") == "DONE"
    assert not is_active(group, unit(group, "a", "timer"))
    wait_until(lambda: not is_active(group, unit(group, "a")), what="the check is gone")
    failed = group.node.run("systemctl", "list-units", "--failed", "--plain", "--no-legend").stdout
    assert group.name not in failed
    assert group.switch("3") == "DONE"
    assert is_active(group, unit(group, "a", "timer"))


def test_what_is_stopped_is_not_unhealthy(asked: Group) -> None:
    """With the level, or by hand, all that was found is forgotten: also by systemd."""
    sicken(asked)
    await_state(asked, "a", "unhealthy")
    asked.node.run("systemctl", "stop", asked.unit("a"))
    wait_until(lambda: shown(asked)["state"] == "FAILED", what="it is down")
    assert [reason["code"] for reason in shown(asked)["reasons"]] == ["down"]

    def failed() -> str:
        return asked.node.run("systemctl", "list-units", "--failed", "--plain", "--no-legend").stdout

    wait_until(lambda: unit(asked, "a") not in failed(), what="the check has not failed any more")
    assert not is_active(asked, unit(asked, "a", "timer"))
    assert asked.switch("3") == "DONE"
    assert is_active(asked, unit(asked, "a", "timer"))
    await_state(asked, "a", "unhealthy")
    assert asked.switch("stop") == "DONE"
    wait_until(lambda: unit(asked, "a") not in failed(), what="the check has not failed any more")


def test_another_run_begins_anew(asked: Group) -> None:
    """An entry that was restarted by hand is not unhealthy until it was asked again, often enough."""
    sicken(asked)
    await_state(asked, "a", "unhealthy")
    asked.node.write(f"/run/{asked.name}.well", "")
    asked.node.run("systemctl", "restart", asked.unit("a"))
    assert entry(asked, "a")["healthy"] is not False


def test_daemons_come_and_go(asked: Group) -> None:
    """Without a daemon it goes on, and status tells it; the next daemon knows at once."""
    sicken(asked)
    await_state(asked, "a", "unhealthy")
    asked.instance.kill()
    try:
        found = shown(asked)
        assert (found["health"], [reason["code"] for reason in found["reasons"]]) == ("degraded", ["unhealthy"])
    finally:
        asked.instance.start()
    assert [reason["code"] for reason in shown(asked)["reasons"]] == ["unhealthy"]
    asked.node.write(f"/run/{asked.name}.well", "")
    await_state(asked, "a", "running")


def test_new_lines(asked: Group) -> None:
    """What changes of a check takes effect at the next request, and touches no entry."""
    pids = asked.pid("a"), asked.pid("b")
    set_health(asked, "a", "1h false")
    set_health(asked, "b", "200ms failures=1 false")
    asked.switch("3")
    await_state(asked, "b", "unhealthy")
    assert "OnUnitInactiveUSec=1h" in asked.node.run("systemctl", "show", unit(asked, "a", "timer")).stdout
    assert shown(asked)["pending"] == []

    set_health(asked, "a", "")
    set_health(asked, "b", "")
    asked.switch("3")
    assert shown(asked)["health"] == "well"
    loaded = asked.node.run(
        "systemctl", "list-units", "--all", "--plain", "--no-legend", f"clinithealth-{asked.name}@*"
    )
    assert loaded.stdout == ""
    set_health(asked, "a", "200ms failures=1 false")
    asked.switch("3")
    await_state(asked, "a", "unhealthy")
    assert pids == (asked.pid("a"), asked.pid("b"))


def test_a_check_that_goes_slowly(asked: Group) -> None:
    """A switch waits until what asks has stopped, and then goes on: no entry tells of that."""
    timer, slow = unit(asked, "a", "timer"), f"slow-{asked.name}.service"
    asked.node.write(f"/run/systemd/system/{slow}", "[Service]\nExecStart=sleep infinity\nExecStop=sleep 1\n")
    asked.node.write(f"/run/systemd/system/{timer}.d/slow.conf", f"[Unit]\nBefore={slow}\n")
    asked.node.run("systemctl", "daemon-reload")
    asked.node.run("systemctl", "start", slow)
    set_health(asked, "a", "")

    asked.node.run("systemctl", "stop", "--no-block", slow)
    assert asked.switch("3") == "DONE"
    assert not is_active(asked, timer)


def test_once(group: Group) -> None:
    """A `once` is asked while it runs. What has ended is neither healthy nor unhealthy."""
    group.define(f"a:3:once:until [ -e /run/{group.name}.end ]; do sleep 0.02; done")
    set_health(group, "a", "200ms failures=1 false")
    group.switch("3")
    await_state(group, "a", "unhealthy")
    group.node.write(f"/run/{group.name}.end", "")
    await_state(group, "a", "ended")
    assert (shown(group)["health"], entry(group, "a")["healthy"]) == ("well", None)
    asks_again(group, "a")
    assert (shown(group)["health"], count_of(group, events.WELL_AGAIN)) == ("well", 0)


def test_plain_systemd(asked: Group) -> None:
    """A level that systemd is asked for has its entries asked about, too."""
    asked.switch("stop")
    asked.instance.kill()
    try:
        asked.node.run("systemctl", "start", asked.target("3"))
        asks_again(asked, "a")
        sicken(asked)
        wait_until(lambda: shown(asked)["health"] == "degraded", timeout=30, what="it is unhealthy")
        asked.node.run("systemctl", "start", asked.target("stop"))
        assert not is_active(asked, unit(asked, "a", "timer"))
    finally:
        asked.instance.start()


def test_a_check_that_cannot_be_run(asked: Group) -> None:
    """Then nobody knows that the entry is well, so it is told, with what is wrong with the check."""
    prober = asked.node.path("/usr/libexec/cltab2systemd/prober")
    prober.rename(prober.with_name("away"))
    try:
        words = "may be unhealthy, for its health check could not be started: 203/EXEC"
        # Python itself says so of a check that was just being started.
        wait_until(lambda: any(reason["words"].startswith(words) for reason in shown(asked)["reasons"]), what=words)
        assert entry(asked, "a")["state"] == "unhealthy"
    finally:
        prober.with_name("away").rename(prober)
    await_state(asked, "a", "running")


def test_boot(fresh_node: Node) -> None:
    """At boot, too, an entry is asked when it is up; what asks is in no circle of what waits for each other."""
    fresh_node.write("/etc/cltab", f"web:a:3:respawn:{RUN}\n:::initdefault.web:3\n:::health.a:{FAST} false\n")
    fresh_node.reboot()
    is_failed = ("systemctl", "is-failed", "clinithealth-web@a.service")
    wait_until(lambda: fresh_node.run(*is_failed, check=False).returncode == 0, timeout=30, what="it is unhealthy")
    assert "ordering cycle" not in fresh_node.journal()
    fresh_node.run("systemctl", "isolate", "rescue.target")
    timer = fresh_node.run("systemctl", "is-active", "clinithealth-web@a.timer", check=False)
    assert timer.stdout == "inactive\n"
