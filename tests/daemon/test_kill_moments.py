"""The daemon is killed at random moments of switches: nothing is lost, and nothing happens that would not have.

`CLTAB_KILL_MOMENTS=400 pytest tests/daemon/test_kill_moments.py` takes more moments, `CLTAB_KILL_SEED=7` other ones.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import time
from dataclasses import dataclass
from subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING

import pytest
from instance import Group
from programs import RUN, polite
from survivor import Survivor

from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import Popen

    from lab.node import Node

MOMENTS = int(os.environ.get("CLTAB_KILL_MOMENTS", "40"))
SEED = int(os.environ.get("CLTAB_KILL_SEED", "5"))
# Groups that switch at the same time, so that a kill finds them in different places.
GROUPS = 4
# Seconds from when a daemon is there to its end, at most: it takes some 0.3 s to serve, a switch some 0.6 s.
LONGEST_LIFE = 0.5
# Kills during one request at most, so that it comes to its end.
KILLS_OF_A_REQUEST = 4
# Seconds after the end of a fault in which clstat has to be true again.
PROMPT = 2.0
OUTCOMES = {"1": (0, "DONE"), "2": (4, "FAILED"), "3": (0, "DONE"), "0": (0, "DONE")}
# A round of requests for each group; `+` is a new table before it, with another line for `b`.
ROUND = ("2", "1", "3", "+2", "1", "+1", "0", "1")
TAGS = ("shared", "a", "w", "b", "t", "p")
# The entries that say when they are up and gone, and their levels.
POLITE = {"a": "1", "b": "12"}


@dataclass(frozen=True)
class Seen:
    """What a request came to: exit code, clstat, the units of the group, and what its entries said meanwhile."""

    code: int
    status: str
    units: tuple[str, ...]
    events: tuple[str, ...]
    said: tuple[str, ...]


class Subject(Group):
    """A group with an entry of each kind."""

    def __init__(self, instance: Survivor) -> None:
        super().__init__(instance)
        self.version = 0
        self.read = 0
        self.renew()

    def renew(self) -> None:
        """Another line for the entry `b`."""
        self.version += 1
        b = polite(self.name, "b", 0.2)
        self.define(
            f"shared:0123:respawn:@ shared; {RUN}",
            "a:1:respawn:" + polite(self.name, "a", 0.3),
            "w:2:wait:@ w; sleep 0.1; @ w ran",
            f"b:12:respawn:: {self.version}; {b}",
            "t:2:test:@ t; sleep 0.1; @ t ran; false",
            "p:3:test:@ p",
        )

    def all_said(self, level: str) -> bool:
        """Whether its entries have come to say all that they do at a level; starting one does not wait for that."""
        last = {event.split()[0]: event.split()[1] for event in self.events() if event.split()[1:]}
        return all((last.get(tag) == "up") == (level in levels) for tag, levels in POLITE.items())

    def news(self) -> list[str]:
        """What its entries said since the last time."""
        events = self.events()
        found, self.read = events[self.read :], len(events)
        return found

    def seen(self, level: str, code: int) -> Seen:
        """How it is after a request."""
        status = f"{level} {OUTCOMES[level][1]}"
        wait_until(lambda: self.status == status, timeout=PROMPT, what=f"{self.name} at {status}, not {self.status}")
        wait_until(lambda: self.all_said(level), what="the entries are up and gone")
        properties = "--property=ActiveState,SubState,MainPID"
        shown = self.node.run("systemctl", "show", properties, *map(self.unit, TAGS)).stdout
        units = tuple(re.sub(r"MainPID=[1-9]\d*", "MainPID", text) for text in shown.split("\n\n"))
        news = without_repeats(self.news())
        return Seen(code, status, units, in_order(news), tuple(sorted(news)))


def without_repeats(events: list[str]) -> list[str]:
    """Events with one run of the test that fails: who lost an answer with the daemon asks again, which repeats it."""
    return [event for number, event in enumerate(events) if event not in {"t", "t ran"} or event not in events[:number]]


def in_order(events: list[str]) -> tuple[str, ...]:
    """Events without what has no order: entries stop beside each other, and come up beside those after them."""
    ordered = [event for event in events if not event.endswith((" up", " stopping"))]
    runs = itertools.groupby(ordered, key=lambda event: event.endswith(" gone"))
    return tuple(event for gone, run in runs for event in (sorted(run) if gone else run))


@pytest.fixture(scope="module")
def instance(node: Node) -> Survivor:
    """A daemon as it is shipped."""
    return Survivor(node).start()


class Killer:
    """Kills the daemon at random moments of its life."""

    def __init__(self, instance: Survivor) -> None:
        self._instance = instance
        self._random = random.Random(SEED)  # noqa: S311 - no secret
        self.kills = 0

    def kill_while(self, going: Callable[[], bool]) -> None:
        """Kill the daemon a few times as long as something is going on, each one at a moment of its own."""
        for _ in range(self._random.randint(1, KILLS_OF_A_REQUEST)):
            pid = wait_until(lambda: self._instance.pid)
            moment = time.monotonic() + self._random.uniform(0, LONGEST_LIFE)
            while time.monotonic() < moment:
                if not going():
                    return
                time.sleep(0.005)
            self._instance.node.run("kill", "-KILL", str(pid))
            wait_until(lambda pid=pid: self._instance.pid != pid)  # type: ignore[misc]
            self.kills += 1


def request_all(subjects: list[Subject], level: str) -> list[Popen[bytes]]:
    """`clinit --wait` for every group at the same time."""
    return [
        subject.node.popen("clinit", "--wait", subject.name, level, stdout=DEVNULL, stderr=PIPE) for subject in subjects
    ]


def settle(clients: list[Popen[bytes]]) -> list[int]:
    """The exit codes of clients."""
    return [client.wait(30) for client in clients]


def one_round(subjects: list[Subject], killer: Killer | None) -> list[list[Seen]]:
    """Each request of a round for every group, and what was seen after it."""
    results = []
    for step in ROUND:
        if step.startswith("+"):
            for subject in subjects:
                subject.renew()
        level = step.removeprefix("+")
        clients = request_all(subjects, level)
        if killer is not None:
            killer.kill_while(lambda clients=clients: any(client.poll() is None for client in clients))  # type: ignore[misc]
        codes = settle(clients)
        results.append([subject.seen(level, code) for subject, code in zip(subjects, codes, strict=True)])
    return results


def test_killed_at_any_moment(instance: Survivor) -> None:
    """SIGKILL at random moments of switches: ends, order of events, exit codes and pids as in a run without."""
    subjects = [Subject(instance) for _ in range(GROUPS)]
    for subject in subjects:
        assert subject.switch("1") == "DONE"
        wait_until(lambda subject=subject: subject.all_said("1") and "shared" in subject.events())  # type: ignore[misc]
        subject.news()
    shared = [subject.pid("shared") for subject in subjects]
    undisturbed = one_round(subjects, None)
    for request, seen in zip(ROUND, undisturbed, strict=True):
        assert {OUTCOMES[request.removeprefix("+")]} == {(each.code, each.status.split()[1]) for each in seen}, request
    killer = Killer(instance)
    rounds = 0
    while killer.kills < MOMENTS:
        for request, seen, expected in zip(ROUND, one_round(subjects, killer), undisturbed, strict=True):
            assert seen == expected, request
        rounds += 1

    print(f"{killer.kills} kills in {rounds} rounds of {len(ROUND)} switches of {GROUPS} groups")
    assert shared == [subject.pid("shared") for subject in subjects]
    assert killer.kills <= instance.restarts
