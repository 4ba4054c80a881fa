"""Many histories, side by side."""

from __future__ import annotations

import gc
import multiprocessing
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from simulation import history
from simulation.caches import warm

# Histories that a process performs at a time.
_CHUNK = 250


@dataclass
class Figures:
    """What many histories came to: how many, in how many seconds, and what failed, by seed."""

    histories: int = 0
    seconds: float = 0.0
    failures: dict[int, list[tuple[str, str]]] = field(default_factory=dict)

    def report(self) -> str:
        """The figures and the failures, for a person."""
        lines = []
        for seed, violations in sorted(self.failures.items()):
            lines += [f"seed {seed}: [{rule}] {text}" for rule, text in violations]
            lines.append(f"  replay it with: python3 -m simulation --seed {seed} --verbose")
        rate = self.histories / self.seconds if self.seconds else 0.0
        failed = f"{len(self.failures)} failed"
        return "\n".join([*lines, f"{self.histories} histories in {self.seconds:.1f} s, {rate:.0f} a second, {failed}"])


def perform(seeds: range) -> dict[int, list[tuple[str, str]]]:
    """Perform the histories of some seeds in this process; what failed, by seed."""
    failures = {}
    was_enabled = gc.isenabled()
    gc.disable()  # a history leaves its garbage all at once
    try:
        with warm():
            for seed in seeds:
                if violations := history.run(seed):
                    failures[seed] = violations
    finally:
        gc.collect()
        if was_enabled:
            gc.enable()
    return failures


def run(seeds: range, jobs: int = 2) -> Figures:
    """Perform the histories of some seeds in some processes.

    Raises:
        concurrent.futures.process.BrokenProcessPool: one of the processes has died.
    """
    begin = time.monotonic()
    figures = Figures(len(seeds))
    chunks = [seeds[start : start + _CHUNK] for start in range(0, len(seeds), _CHUNK)]
    if jobs < 2 or len(chunks) < 2:
        for chunk in chunks:
            figures.failures |= perform(chunk)
    else:
        # Each ends at once if somebody interrupts all.
        context, on_interrupt = multiprocessing.get_context("spawn"), (signal.SIGINT, signal.SIG_DFL)
        with ProcessPoolExecutor(jobs, context, signal.signal, on_interrupt) as executor:
            for failures in executor.map(perform, chunks):
                figures.failures |= failures
    figures.seconds = time.monotonic() - begin
    return figures


def trace(seed: int) -> str:
    """All that happens in the history of a seed, a line each."""
    lines: list[str] = []
    with warm():
        history.run(seed, lines.append)
    return "".join(f"{line}\n" for line in lines)
