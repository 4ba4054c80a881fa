"""Runs the cases of a target, in several processes, and adds up what they say.

Each case has a random source of its own, made from the seed and the number of the case: so the cases of a seed are the
same with any number of processes, and the first thousand of a million are those of a run of a thousand.
"""

from __future__ import annotations

import multiprocessing
import random
import resource
import signal
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

# What a case may take at most: seconds of CPU time, and bytes of address space for the whole process.
LONGEST_CASE = 10.0
MOST_MEMORY = 1 << 30

# The run ends when so many cases have failed: one bug has many faces.
MOST_FAILURES = 5

# Cases that a process takes at a time.
_CHUNK = 1_000

# The target of this process of the pool. It comes by the fork, for not every target can be pickled.
_TARGET: list[Target] = []


class ProcessDiedError(Exception):
    """A process has died of a case. The text says which cases it may have been, for a person."""


class CaseTimeoutError(Exception):
    """A case has taken `LONGEST_CASE`."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something to fuzz.

    make gives the input of a case from a random source. check raises whatever it likes, AssertionError for one, if
    something does not hold, and gives labels that are counted: how far the input got, what was found.
    """

    name: str
    make: Callable[[random.Random], bytes]
    check: Callable[[bytes], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that failed: its number, its input, what was raised, and whether it was a limit that raised it."""

    number: int
    data: bytes
    error: str
    limit: bool


@dataclass(slots=True)
class Figures:
    """What came of a run, or of a part of it; times are seconds, memory is bytes."""

    target: str
    seed: int
    cases: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    slowest_case: int = 0
    memory: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    def add(self, part: Figures) -> None:
        """Add a part of the run, but for the seconds: the parts ran side by side."""
        self.cases += part.cases
        if part.slowest > self.slowest:
            self.slowest, self.slowest_case = part.slowest, part.slowest_case
        self.memory = max(self.memory, part.memory)
        self.counts += part.counts
        self.failures += part.failures

    def report(self) -> str:
        """The figures, and the failures, for a person."""
        width = max((len(label) for label in self.counts), default=0)
        lines = [
            f"{self.target}: {self.cases:,} cases of seed {self.seed} in {self.seconds:.0f} s",
            *(f"  {label:{width}}  {count:9,}" for label, count in sorted(self.counts.items())),
            f"  slowest case: number {self.slowest_case}, {self.slowest * 1000:.0f} ms of CPU time",
            f"  peak memory of a process: {self.memory / (1 << 20):.0f} MiB",
            f"  failures: {len(self.failures)}",
        ]
        for failure in self.failures:
            lines += ["", f"case {failure.number}: {failure.data!r}", failure.error]
        return "\n".join(lines)


def run(target: Target, cases: int, seed: int, processes: int) -> Figures:
    """Run the cases 0 to `cases` of a seed; the inputs of failures come cut down to what matters.

    This process runs none, not even to cut it down. A case may leave a thread that looks up a user: if there is a fork
    while that loads the name service's library, the child dies at its own first look.

    Raises:
        ProcessDiedError: a process has died of a case, by a signal, say.
    """
    begin = time.monotonic()
    figures = Figures(target.name, seed)
    chunks = [(seed, start, min(start + _CHUNK, cases)) for start in range(0, cases, _CHUNK)]
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(min(processes, len(chunks)), context, _prepare, (target,)) as executor:
        parts = {executor.submit(_run_chunk, chunk): chunk for chunk in chunks}
        try:
            for part in as_completed(parts):
                figures.add(part.result())
                if len(figures.failures) >= MOST_FAILURES:
                    break
        except BrokenProcessPool as error:
            lost = [f"{start} to {end - 1}" for part, (_, start, end) in parts.items() if part.exception()]
            begun = ", ".join(lost[:processes])  # the first ones, for they are run in order
            raise ProcessDiedError(f"a process has died of one of the cases {begun} of seed {seed}") from error
        finally:
            executor.shutdown(cancel_futures=True)
    figures.seconds = time.monotonic() - begin
    del figures.failures[MOST_FAILURES:]
    return figures


def _prepare(target: Target) -> None:
    """Prepare a process of the pool: its target, and the limits of a case."""
    _TARGET.append(target)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    signal.signal(signal.SIGPROF, _on_timeout)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # else it would go on with the next cases


def _on_timeout(_number: int, _frame: FrameType | None) -> None:
    raise CaseTimeoutError(f"more than {LONGEST_CASE:.0f} s of CPU time")


def _run_chunk(chunk: tuple[int, int, int]) -> Figures:
    seed, start, end = chunk
    (target,) = _TARGET
    figures = Figures(target.name, seed, cases=end - start)
    source = random.Random()  # noqa: S311 - the same cases for the same seed
    for number in range(start, end):
        source.seed((seed << 64) + number)
        data = target.make(source)
        begin = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, LONGEST_CASE)
        try:
            figures.counts.update(target.check(data))
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not be
            limit = isinstance(error, CaseTimeoutError | MemoryError)
            figures.failures.append(Failure(number, data, traceback.format_exc(), limit))
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        taken = time.process_time() - begin
        if taken > figures.slowest:
            figures.slowest, figures.slowest_case = taken, number
        if len(figures.failures) >= MOST_FAILURES:
            break
    figures.failures = [_cut_down(target, failure) for failure in figures.failures]
    figures.memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    return figures


def _cut_down(target: Target, failure: Failure) -> Failure:
    """The failure with as much of its input left out as can be while check raises the same kind of error."""
    if failure.limit:
        return failure  # nothing ends it here
    kind, error = _error(target, failure.data)
    if not kind:
        return failure  # it was not for the input alone
    data = failure.data
    size = len(data)
    while size:
        start = 0
        while start < len(data):
            less = data[:start] + data[start + size :]
            found = _error(target, less)
            if found[0] == kind:
                data, error = less, found[1]
            else:
                start += size
        size //= 2
    return Failure(failure.number, data, error, limit=False)


def _error(target: Target, data: bytes) -> tuple[str, str]:
    """What check raises for an input: kind and place, and all of it; empty if it raises nothing."""
    try:
        for _ in target.check(data):
            pass
    except Exception as error:  # noqa: BLE001 - whatever it is
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} {place.filename}:{place.lineno}", traceback.format_exc()
    return "", ""
