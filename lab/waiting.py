"""Waiting for something to become true, for tests."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

INTERVAL = 0.01
"""Seconds between two looks at the predicate."""

PATIENCE = float(os.environ.get("LAB_PATIENCE", "1"))
"""How many times as long all timeouts are: more than 1 where the kernel is emulated."""


def wait_until(predicate: Callable[[], T], *, timeout: float = 10.0, what: str = "") -> T:
    """Call predicate every 10 ms until what it returns is true, and return that.

    timeout is in seconds, times PATIENCE. Raises TimeoutError, which names what (or the predicate) and its last value.
    """
    deadline = time.monotonic() + timeout * PATIENCE
    while True:
        # Before the call: a predicate slower than the timeout still has its result looked at.
        late = time.monotonic() >= deadline
        value = predicate()
        if value:
            return value
        if late:
            name = what or getattr(predicate, "__qualname__", repr(predicate))
            raise TimeoutError(f"still not after {timeout * PATIENCE:g} s: {name} (last value: {value!r})")
        time.sleep(INTERVAL)
