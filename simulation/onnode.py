"""The stand-in held against the real systemd: the same history on both, and what each step came to, compared.

Such a history has only steps that can be had on a machine as they are had here: each is let come to its end.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unittest import mock

from lab.install import installed_layer
from lab.node import Node
from lab.waiting import wait_until
from simulation import prober, services, tables
from simulation.caches import warm
from simulation.clock import SECOND
from simulation.history import systemctl
from simulation.truth import entries
from simulation.world import World

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

STEPS = 8
# Kinds of lines whose groups do not come to rest, or not soon.
_RESTLESS = frozenset({"never", "fast", "missing", "vain", "hasty", "mute"})
# Whose time is short for a machine that is busy.
_HASTY = frozenset({"herald"})
# What systemd 257 does otherwise than 252, which the stand-in is, where entries are asked, or wait for required ones.
_OTHERWISE = frozenset({"restart", "kill"})
_SETTLED = frozenset({"DONE", "PASSED", "FAILED", "CONFIGURED"})
# Seconds without a change after which all has come to its end, and at most; and between two looks.
_CALM, _PATIENCE, _PAUSE = 0.6, 20.0, 0.05
_UNIT = "clinitd.service"


@dataclass(frozen=True)
class Step:
    """A step: what is done, and with what."""

    what: str
    group: str = ""
    level: str = ""
    number: int = 0
    unit: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.what, self.group, self.level, self.unit, str(self.number or ""))))


@dataclass(frozen=True)
class Seen:
    """What a step came to: what was answered, level and state of each group, and the state of each entry's unit."""

    answer: str
    clstat: dict[str, tuple[str, str]]
    units: dict[str, str]

    def differences(self, other: Seen) -> list[str]:
        """What is otherwise there, for a person."""
        found = [] if self.answer == other.answer else [f"answer: {self.answer} and {other.answer}"]
        for one, two in ((self.clstat, other.clstat), (self.units, other.units)):
            mine, theirs = dict[str, object](one), dict[str, object](two)
            names = sorted({*mine, *theirs})
            found += [f"{n}: {mine.get(n)} and {theirs.get(n)}" for n in names if mine.get(n) != theirs.get(n)]
        return found


def steps_of(seed: int) -> list[Step]:
    """The steps of a seed."""
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    calm = [n for n in range(tables.TABLES) if not any(line.kind in _RESTLESS | _HASTY for line in tables.table(n))]
    lines: tuple[tables.Line, ...] = tables.BASE
    steps: list[Step] = []
    for _ in range(STEPS):
        what = chance.choices(
            ("switch", "push", "stop", "start", "restart", "kill", "daemon", "reload", "toggle", "target"),
            (30, 12, 3, 3, 3, 3, 4, 2, 4, 2),
        )[0]  # fmt: skip
        line = chance.choice(lines)
        if what in _OTHERWISE and any(other.kind in tables.CHECKED for other in lines):
            what = "stop"
        number = chance.choice(calm)
        group, level = chance.choice(tables.GROUPS), chance.choice(tables.LEVELS)
        unit = f"clinit-{line.group}@{line.tag}.service"
        if what in {"switch", "target"}:
            steps.append(Step(what, group, level))
        elif what == "push":
            lines = tables.table(number)
            steps.append(Step(what, number=number))
        elif what == "toggle":
            steps.append(Step(what, unit=chance.choice(("wt", "jt"))))
        else:
            steps.append(Step(what, unit=unit if what in {"stop", "start", "restart", "kill"} else ""))
    return steps


class Simulated:
    """The stand-in, for a list of steps."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed)
        self.world.run(SECOND)

    def perform(self, step: Step) -> Seen:
        """Do a step, and let all come to its end."""
        world, answer = self.world, ""
        client = world.ask("switch", step.group, step.level) if step.what == "switch" else None
        if step.what == "push":
            world.table = step.number
        elif step.what == "daemon":
            world.kill(0)
        elif step.what == "reload":
            world.systemd.reload()
        elif step.what == "toggle":
            world.systemd.services.missing ^= {step.unit}
        elif step.what == "kill":
            if (unit := world.systemd.units.get(step.unit)) is not None:
                world.systemd.services.kill(unit, 9)
        elif step.what == "target":
            systemctl(world, f"clinit-{step.group}@{step.level}.target", "start")
        elif client is None:
            systemctl(world, step.unit, step.what)
        world.judge.hinder()
        world.settle()
        if client is not None:
            answer = client.said[-1][0] if client.said else "nothing"
        assert world.daemon is not None
        units = {
            unit.name: f"{unit.active}/{unit.sub}"
            for group in tables.GROUPS
            for unit in entries(world.systemd, group)
            if unit.active != "inactive"
        }
        return Seen(answer, world.daemon.told, units)


class Real:
    """The real thing: a daemon in a node that is booted.

    Args:
        node: it.
    """

    def __init__(self, node: Node) -> None:
        self.node = node

    def begin(self) -> None:
        """Leave nothing of the history before, and start a daemon with the first table."""
        tags = " ".join(line.tag for line in tables.BASE)
        self.node.run("clinit", "-k", "--wait", check=False)
        self.node.shell(
            "systemctl stop clinit.socket clinit.service clinitd.service 2>/dev/null || true;"
            " systemctl stop 'clinit-*' 2>/dev/null || true;"
            " rm -rf /run/cltab2systemd /run/clinit /run/systemd/system/clinit*; systemctl daemon-reload;"
            f" systemctl reset-failed; mkdir -p {tables.FILES}; cd {tables.FILES}; touch {tags}"
        )
        self._push(0)
        self._start()

    def _start(self) -> None:
        self.node.run("systemctl", "reset-failed", _UNIT, check=False)
        properties = ("--property=IgnoreOnIsolate=yes", "--property=KillMode=process")
        self.node.run("systemd-run", "--quiet", "--collect", f"--unit={_UNIT}", *properties, "clinit", "-d")
        wait_until(lambda: self.node.run("clinit", "no-such-group", "1", check=False).returncode == 1)

    def _push(self, number: int) -> None:
        self.node.write("/etc/cltab.new", tables.text(number))
        self.node.path("/etc/cltab.new").rename(self.node.path("/etc/cltab"))

    def perform(self, step: Step) -> Seen:
        """Do a step, and let all come to its end."""
        answer = ""
        if step.what == "switch":
            answer = _answer(self.node.run("clinit", "--wait", step.group, step.level, check=False))
        elif step.what == "push":
            self._push(step.number)
        elif step.what == "daemon":
            self.node.run("systemctl", "kill", "--signal=KILL", _UNIT, check=False)
            wait_until(lambda: self.node.run("systemctl", "is-active", _UNIT, check=False).stdout.strip() != "active")
            self._start()
        elif step.what == "reload":
            self.node.run("systemctl", "daemon-reload")
        elif step.what == "toggle":
            file = f"{tables.FILES}/{step.unit}"
            self.node.shell(f"if [ -e {file} ]; then rm {file}; else touch {file}; fi")
        elif step.what == "kill":
            self.node.run("systemctl", "kill", "--signal=KILL", step.unit, check=False)
        elif step.what == "target":
            self.node.run("systemctl", "start", f"clinit-{step.group}@{step.level}.target", check=False)
        else:
            self.node.run("systemctl", step.what, step.unit, check=False)
        self._settle()
        return Seen(answer, self._clstat(), self._units())

    def _settle(self) -> None:
        deadline, since, before = time.monotonic() + _PATIENCE, time.monotonic(), ""
        while time.monotonic() < min(deadline, since + _CALM):
            time.sleep(_PAUSE)
            clstat = self._clstat()
            now = f"{clstat} {self.node.run('systemctl', 'list-jobs', '--no-legend').stdout}"
            if now != before or any(state not in _SETTLED for _, state in clstat.values()):
                before, since = now, time.monotonic()

    def _clstat(self) -> dict[str, tuple[str, str]]:
        if not self.node.exists("/run/clinit/clstat"):
            return {}
        lines = (line.split() for line in self.node.read("/run/clinit/clstat").splitlines())
        return {group: (level, state) for _, group, level, state in lines}

    def _units(self) -> dict[str, str]:
        shown = self.node.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "clinit-*.service").stdout
        fields = (line.split() for line in shown.splitlines())
        return {name: f"{active}/{sub}" for name, _, active, sub, *_ in fields if active != "inactive"}


def _answer(done: subprocess.CompletedProcess[str]) -> str:
    last = done.stdout.split()[-1:] or [""]
    return last[0] if last[0] in _SETTLED else "refused"


def compare(real: Real, seed: int, say: Callable[[str], None] = lambda text: None) -> list[str]:  # noqa: ARG005
    """Perform the history of a seed on both; the differences, until the first step that has any."""
    real.begin()
    done: list[str] = []
    # What is slow or stuck only on the stand-in is no difference.
    quick = mock.patch.object(services, "_SET_UPS", (300,)), mock.patch.object(prober, "_IS_STUCK", 0.0)
    with warm(), quick[0], quick[1]:
        simulated = Simulated(seed)
        for step in steps_of(seed):
            expected, seen = simulated.perform(step), real.perform(step)
            say(f"  {step}: {seen.answer} {seen.clstat}")
            done.append(str(step))
            if found := expected.differences(seen):
                return [f"seed {seed}, after {'; '.join(done)}: simulated and real differ in", *found]
        simulated.world.close()
    return []


def booted() -> Node:
    """A node with the project, as a context manager."""
    return Node("simulated", layers=[installed_layer()])


def main(seeds: range, *, is_verbose: bool) -> int:
    """Compare for some seeds, and print the differences; 1 if there are any."""
    different = 0
    with booted() as node:
        real = Real(node)
        for seed in seeds:
            if found := compare(real, seed, print if is_verbose else lambda text: None):  # noqa: ARG005
                different += 1
                print("\n    ".join(found), flush=True)
    print(f"{len(seeds)} histories on both, {different} differ")
    return 1 if different else 0
