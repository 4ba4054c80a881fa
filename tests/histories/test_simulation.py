"""The core without a machine: thousands of histories, each of which leaves nothing untrue, and can be had again."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cltab2systemd.disk.files import Disk
from cltab2systemd.systemd.bus import Bus
from cltab2systemd.systemd.kernel import Kernel
from lab.install import PROJECT
from simulation import history, runner
from simulation.bus import StandInBus, StandInKernel
from simulation.caches import warm
from simulation.disk import MemoryDisk
from simulation.mutations import MUTATIONS, mutated
from simulation.rules import RULES

HISTORIES = 20_000
# Within so many seeds a fault is found that is put into the core on purpose.
SOON = 4_000


def simulate(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python3 -m simulation`."""
    return subprocess.run(
        [sys.executable, "-m", "simulation", *arguments],
        cwd=PROJECT, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip


def test_histories() -> None:
    """No history, whatever is done in it, shows anything untrue."""
    done = simulate("--seeds", f"0:{HISTORIES}", "--jobs", "2")

    assert done.returncode == 0, done.stdout


def test_a_history_can_be_had_again() -> None:
    """A seed gives the same trace byte for byte, in this process and in others."""
    traces = [
        simulate("--seed", "7", "--verbose", PYTHONHASHSEED=hash_seed).stdout.rpartition("1 histories")[0]
        for hash_seed in ("1", "2")
    ]

    assert len(traces[0].splitlines()) > 20
    assert traces[0] == traces[1] == runner.trace(7) == runner.trace(7)
    assert runner.trace(7) != runner.trace(8)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_fault_is_found(name: str) -> None:
    """A core with a fault is found out soon, by the invariant that is there for it."""
    rule = MUTATIONS[name][0]
    seen: set[str] = set()
    with warm(), mutated(name):
        for seed in range(SOON):
            seen |= {violated for violated, _ in history.run(seed)}
            if rule in seen:
                break

    assert rule in RULES
    assert rule in seen


@pytest.mark.parametrize(("stand_in", "real"), [(StandInBus, Bus), (StandInKernel, Kernel), (MemoryDisk, Disk)])
def test_a_stand_in_leaves_nothing_to_the_machine(stand_in: type, real: type) -> None:
    """Whatever the core can call is the stand-in's own, but for what only calls that."""
    on_its_own = {"follow", "follow_reloads", "follow_runs", "quiet", "persist", "order", "was_not_executed"}
    classes = [kind for kind in real.__mro__ if kind.__module__.startswith("cltab2systemd.")]
    public = {name for kind in classes for name in vars(kind) if not name.startswith("_")} - on_its_own

    assert public <= vars(stand_in).keys()
