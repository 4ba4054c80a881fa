"""What can be done at random to the daemon, the agent, the table, systemd and the entries: each step by its name."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drivingtables import BAD, BASE, GROUPS, LEVELS, MARKS, STARTED, STOP, Table, spoilt, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from driving import Driver

Step = tuple[str, dict[str, Any]]
"""The name of a step, and what it is done with: JSON."""

QUIET_EVERY = 7
"""After so many steps everything is let come to its end, and looked at."""

# Seconds for `clinit -k`.
_PATIENCE = 25


@dataclass(frozen=True)
class StepKind:
    """What can be done: how often, what with, and how."""

    weight: int
    arguments: Callable[[random.Random], dict[str, Any]]
    act: Callable[..., None]


STEPS: dict[str, StepKind] = {}
"""All that is done at random, by name."""


def step(
    weight: int, **arguments: Callable[[random.Random], object]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function of a driver and some arguments a step, with a weight, and a way to choose each argument."""

    def register(act: Callable[..., None]) -> Callable[..., None]:
        def choose(chance: random.Random) -> dict[str, Any]:
            return {name: choice(chance) for name, choice in arguments.items()}

        STEPS[act.__name__] = StepKind(weight, choose, act)
        return act

    return register


def _one_of(*values: object) -> Callable[[random.Random], object]:
    return lambda chance: chance.choice(values)


def _moment(chance: random.Random) -> int:
    """Milliseconds, rather few: a switch without a slow stop takes some 100."""
    return int(600 * chance.random() ** 2)


def _number(end: int) -> Callable[[random.Random], int]:
    return lambda chance: chance.randrange(end)


_GROUP = _one_of(*GROUPS)
_LEVEL = _one_of(STARTED, STARTED, STARTED, *LEVELS)
_INDEX = _number(100)


@step(16, group=_GROUP, level=_LEVEL)
def wait(driver: Driver, group: str, level: str) -> None:
    """A request that is waited for."""
    driver.request(group, level, wait=True)


@step(6, group=_GROUP, level=_LEVEL)
def tell(driver: Driver, group: str, level: str) -> None:
    """A request that is not waited for."""
    driver.request(group, level, wait=False)


@step(10, group=_GROUP, level=_LEVEL, waits=_one_of(True, True, False))
def meanwhile(driver: Driver, group: str, level: str, *, waits: bool) -> None:
    """A request while other things are done."""
    driver.background(group, level, wait=waits)


@step(4, level=_LEVEL)
def all_at_once(driver: Driver, level: str) -> None:
    """Requests for all groups at a time."""
    for group in GROUPS:
        driver.background(group, level, wait=True)


@step(3)
def reread(driver: Driver) -> None:
    """A request for nothing but the table."""
    # It may stop groups that left the table.
    driver.model.touch("")
    driver.do("clinit")


@step(14, group=_GROUP, probe=_one_of(False, False, True))
def monitor(driver: Driver, group: str, *, probe: bool) -> None:
    """The agent looks."""
    driver.monitor(group, probe=probe)


@step(4)
def monitor_all(driver: Driver) -> None:
    """The agent looks at each group."""
    for group in GROUPS:
        driver.monitor(group)


@step(7, group=_GROUP)
def agent_start(driver: Driver, group: str) -> None:
    """The agent starts a group."""
    driver.agent_start(group)


@step(8, group=_GROUP)
def agent_stop(driver: Driver, group: str) -> None:
    """The agent stops a group, and looks."""
    stopped = driver.agent_stop(group)[0] == 0
    request = driver.model.groups[group].touched
    code, reason = driver.monitor(group)
    if stopped and driver.model.groups[group].in_flight == 0 and driver.model.groups[group].touched == request:
        driver.check("7 after a stop", group, holds=code == 7, text=f"stop: 0, then monitor: {code}, {reason}")


@step(6)
def kill_daemon(driver: Driver) -> None:
    """The daemon is killed; systemd starts another one."""
    driver.model.lose_requests()
    driver.do("systemctl", "kill", "--signal=KILL", "clinit.service")
    driver.model.lose_requests()


@step(5)
def restart_daemon(driver: Driver) -> None:
    """An upgrade."""
    driver.end_daemon("systemctl", "restart", "clinit.service")


@step(3)
def stop_daemon(driver: Driver) -> None:
    """The daemon is stopped; the next client starts it."""
    driver.end_daemon("systemctl", "stop", "clinit.service")


@step(3)
def stop_socket(driver: Driver) -> None:
    """Daemon and socket are stopped: nobody answers."""
    driver.end_daemon("systemctl", "stop", "clinit.socket", "clinit.service")


@step(9)
def start_daemon(driver: Driver) -> None:
    """Both are started."""
    driver.do("systemctl", "start", "clinit.socket", "clinit.service", timeout=30)


@step(3, gone=lambda chance: chance.sample(GROUPS, chance.randint(1, 3)), delay=_number(100))
def leave_and_restart(driver: Driver, gone: list[str], delay: int) -> None:
    """Groups leave the table, which is read again, and at a moment of that the daemon is restarted."""
    _put(driver, driver.model.tables[-1].without(gone))
    driver.model.touch("")
    driver.beside(lambda: driver.do("clinit"))
    time.sleep(delay / 1000)
    driver.end_daemon("systemctl", "restart", "clinit.service")


def _put(driver: Driver, new: Table) -> None:
    driver.model.push(new)
    driver.text = str(new)
    driver.write(driver.text)


_MEANWHILE = {
    "kill": kill_daemon,
    "restart": restart_daemon,
    "stop": stop_daemon,
    "stop socket": stop_socket,
}


@step(8, group=_GROUP, level=_LEVEL, delay=_moment, what=_one_of(*_MEANWHILE))
def end_daemon_during(driver: Driver, group: str, level: str, delay: int, what: str) -> None:
    """At a moment of a switch the daemon ends."""
    driver.background(group, level, wait=True)
    time.sleep(delay / 1000)
    _MEANWHILE[what](driver)


@step(6, number=_number(1_000_000), group=_GROUP, level=_LEVEL, delay=_moment, what=_one_of(*_MEANWHILE))
def end_daemon_during_change(driver: Driver, *, number: int, group: str, level: str, delay: int, what: str) -> None:
    """At a moment at which a group is emptied for new lines the daemon ends."""
    _put(driver, table(number))
    end_daemon_during(driver, group, level, delay, what)


@step(5, group=_GROUP, levels=lambda chance: chance.choices(LEVELS, k=5), gap=_number(60))
def burst(driver: Driver, group: str, levels: list[str], gap: int) -> None:
    """Requests for a group, one directly behind the other; the last one counts."""
    for level in levels:
        driver.request(group, level, wait=False)
        time.sleep(gap / 1000)


@step(5, group=_GROUP, number=_number(5))
def watch(driver: Driver, group: str, number: int) -> None:
    """The agent looks again and again while other things are done."""

    def look() -> None:
        for _ in range(number + 3):
            driver.monitor(group)

    driver.beside(look)


@step(1)
def halt(driver: Driver) -> None:
    """`clinit -k`: all groups and the daemon are stopped."""
    driver.model.touch("")
    for standing in driver.model.groups.values():
        standing.asked = None
    driver.do("clinit", "-k", "--wait", "--timeout", str(_PATIENCE), timeout=_PATIENCE + 5)


@step(8, number=_number(1_000_000))
def push(driver: Driver, number: int) -> None:
    """Another table."""
    _put(driver, table(number))


@step(6)
def push_first(driver: Driver) -> None:
    """The table as it was first."""
    _put(driver, BASE)


@step(3, how=_one_of(*BAD))
def spoil(driver: Driver, how: str) -> None:
    """A table with an error."""
    driver.write(spoilt(driver.text, how))


@step(2, how=_one_of("empty", "unlinked", "link", "directory"))
def lose(driver: Driver, how: str) -> None:
    """The table is lost; an empty one is only taken while nothing runs."""
    script = {
        "empty": "rm -rf /etc/cltab; : >/etc/cltab",
        "unlinked": "rm -rf /etc/cltab",
        "link": "rm -rf /etc/cltab; ln -s /nowhere/cltab /etc/cltab",
        "directory": "rm -rf /etc/cltab; mkdir /etc/cltab",
    }
    if how == "empty":
        driver.model.push(Table(()))
    driver.do("sh", "-c", script[how])


@step(5)
def find(driver: Driver) -> None:
    """The last good table is there again."""
    if not driver.model.tables[-1].lines:
        driver.model.push(next(table for table in reversed(driver.model.tables) if table.lines))
    driver.write(driver.text)


@step(6, verb=_one_of("stop", "start", "restart", "reset-failed"), group=_GROUP, index=_INDEX)
def by_hand(driver: Driver, verb: str, group: str, index: int) -> None:
    """Systemctl on an entry."""
    tag = driver.tag(group, index)
    if verb in {"start", "restart"}:
        driver.model.start_by_hand(group, tag)
    driver.model.touch(group)
    driver.do("systemctl", verb, driver.unit(group, tag))


@step(5, group=_GROUP, index=_INDEX, signal=_one_of("KILL", "TERM", "SEGV", "INT"))
def kill(driver: Driver, group: str, index: int, signal: str) -> None:
    """An entry dies."""
    driver.model.touch(group)
    driver.do("systemctl", "kill", f"--signal={signal}", driver.unit(group, driver.tag(group, index)))


@step(2, group=_GROUP)
def stop_slice(driver: Driver, group: str) -> None:
    """Systemctl on all of a group."""
    driver.model.touch(group)
    driver.do("systemctl", "stop", f"clinit-{group}.slice")


@step(3, group=_GROUP, level=_LEVEL)
def start_target(driver: Driver, group: str, level: str) -> None:
    """A switch without the daemon."""
    request = driver.model.begin(group, level)
    if driver.do("systemctl", "start", f"clinit-{group}@{level}.target") == 0:
        driver.model.reach(request, reread=False)
    else:
        driver.model.groups[group].asked = None
    driver.model.end(request)


@step(3)
def reload(driver: Driver) -> None:
    """daemon-reload."""
    driver.do("systemctl", "daemon-reload", timeout=30)


@step(2)
def reexec(driver: Driver) -> None:
    """daemon-reexec."""
    driver.do("systemctl", "daemon-reexec", timeout=30)


@step(2, how=_one_of("restart", "kill"))
def dbus(driver: Driver, how: str) -> None:
    """The bus goes and comes."""
    if how == "kill":
        driver.do("systemctl", "kill", "--signal=KILL", "dbus.service")
    driver.do("systemctl", "restart", "dbus.service")


@step(3, group=_GROUP, index=_INDEX)
def freeze(driver: Driver, group: str, index: int) -> None:
    """An entry is frozen, or the group's slice."""
    tag = driver.tag(group, index)
    driver.model.touch(group)
    unit = driver.unit(group, tag) if index % 5 else f"clinit-{group}.slice"
    driver.model.groups[group].frozen.add(unit)
    driver.do("systemctl", "freeze", unit)


@step(2, group=_GROUP)
def cancel(driver: Driver, group: str) -> None:
    """Somebody cancels what systemd is to do for a group."""
    driver.model.touch(group)
    driver.model.groups[group].asked = None
    jobs = f"systemctl list-jobs --no-legend | awk '$2 ~ /^clinit(gate|barrier)?-{group}[@.]/ {{ print $1 }}'"
    driver.do("sh", "-c", f'jobs=$({jobs}); [ -z "$jobs" ] || systemctl cancel $jobs')


@step(3)
def thaw(driver: Driver) -> None:
    """All that was frozen is thawed."""
    for group, standing in driver.model.groups.items():
        for unit in sorted(standing.frozen):
            driver.model.touch(group)
            driver.do("systemctl", "thaw", unit)
        standing.frozen.clear()


@step(2, group=_GROUP, index=_INDEX)
def mask(driver: Driver, group: str, index: int) -> None:
    """An entry is masked, or the group's slice."""
    tag = driver.tag(group, index)
    driver.model.touch(group)
    driver.model.groups[group].masked.add(tag)
    unit = driver.unit(group, tag) if index % 5 else f"clinit-{group}.slice"
    driver.do("systemctl", "mask", "--quiet", unit)


@step(4)
def unmask(driver: Driver) -> None:
    """Nothing is masked any more."""
    for group, standing in driver.model.groups.items():
        for tag in sorted(standing.masked):
            driver.model.touch(group)
            driver.do("systemctl", "unmask", "--quiet", driver.unit(group, tag), f"clinit-{group}.slice")
        standing.masked.clear()


@step(4, tag=_one_of("wt", "mu"))
def toggle(driver: Driver, tag: str) -> None:
    """What a test looks for goes, or comes."""
    if tag in driver.model.missing_files:
        driver.model.missing_files.remove(tag)
        driver.do("touch", f"{MARKS}/{tag}")
    else:
        driver.model.missing_files.add(tag)
        driver.do("rm", "-f", f"{MARKS}/{tag}")
    # A request that runs meanwhile may see either.
    driver.model.touch("")


@step(3, number=_number(3))
def fail_to_stop(driver: Driver, number: int) -> None:
    """The agent stops, some times, a group whose stop level cannot be had: its file system is busy."""
    if "mu" not in driver.model.missing_files:
        toggle(driver, "mu")
    mail = driver.model.groups["mail"]
    started = driver.agent_start("mail")[0] == 0
    for _ in range(number + 1):
        code, _ = driver.agent_stop("mail")
        if started and not mail.in_flight and driver.failing_tests("mail", STOP):
            driver.check("a failed stop level", "mail", holds=code != 0, text="stop: 0, and mu fails")
    toggle(driver, "mu")


@step(8, milliseconds=_number(1000))
def pause(driver: Driver, milliseconds: int) -> None:
    """Nothing."""
    time.sleep(milliseconds / 1000)


@step(0)
def quiet(driver: Driver) -> None:
    """All comes to its end, and is looked at."""
    driver.quiet()


def steps_of(seed: int, number: int) -> list[Step]:
    """The steps of a seed; the groups are up at first."""
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    names = list(STEPS)
    weights = [STEPS[name].weight for name in names]
    steps: list[Step] = [("all_at_once", {"level": STARTED}), ("quiet", {})]
    for count in range(number):
        name = chance.choices(names, weights)[0]
        steps.append((name, STEPS[name].arguments(chance)))
        if count % QUIET_EVERY == QUIET_EVERY - 1:
            steps.append(("quiet", {}))
    return steps
