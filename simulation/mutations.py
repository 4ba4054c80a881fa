"""Faults that are put into the core on purpose: invariants that see none of them would be worth nothing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

from cltab2systemd.core import applier, observer, probe, trials
from cltab2systemd.daemon import statusfile
from cltab2systemd.disk import marks, unitstore
from cltab2systemd.groups import changes
from cltab2systemd.groups.state import GroupStatus, State, group_status
from cltab2systemd.groups.units import GroupUnits
from cltab2systemd.units import compiler
from simulation import bus
from simulation.tables import GROUPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


def _nothing(*_arguments: object, **_options: object) -> None:
    """What is not done."""


async def _nothing_async(*_arguments: object) -> None:
    """Likewise."""


def _hasty(*arguments: Any) -> GroupStatus | None:
    status = group_status(*arguments)
    if status is None or status.state is not State.STARTING:
        return status
    return GroupStatus(status.group, status.level, State.DONE)


def _compiled_without(
    what: str, prefix: str, without: Callable[[str, bytes], bytes] | None = None
) -> Callable[..., Mapping[str, bytes]]:
    compile_group = compiler.compile_group
    kept: dict[object, Mapping[str, bytes]] = {}

    def compiled(*arguments: Any) -> Mapping[str, bytes]:
        if arguments not in kept:
            kept[arguments] = {
                name: (without or _without)(what, content) if name.startswith(prefix) else content
                for name, content in compile_group(*arguments).items()
            }
        return kept[arguments]

    return compiled


def _with_readiness_for_ever(what: str, content: bytes) -> bytes:
    is_readiness = b" is ready\n" in content
    return content.replace(what.encode(), b"#") + b"TimeoutStartSec=infinity\n" if is_readiness else content


def _without(what: str, content: bytes) -> bytes:
    return b"\n".join(line for line in content.split(b"\n") if not line.startswith(what.encode()))


def _of_nobody(*_arguments: object) -> frozenset[str]:
    return frozenset()


@contextmanager
def _new_lines_stop_nothing() -> Iterator[None]:
    """What the lines do not have any more is stopped as theirs, and else as a stranger. So both are taken away."""
    with (
        mock.patch.object(changes, "tags_to_stop", _of_nobody),
        mock.patch.object(GroupUnits, "strangers", return_value=[]),
    ):
        yield


MUTATIONS: Mapping[str, tuple[str, Callable[[], Any]]] = {
    "a switch leaves its mark": ("mark", lambda: mock.patch.object(marks.Destinations, "forget", _nothing)),
    "what is held stays held": ("mark", lambda: mock.patch.object(marks.Marks, "discard", _nothing)),
    "a reload leaves its mark": ("mark", lambda: mock.patch.object(unitstore.UnitStore, "reloaded", _nothing)),
    "whoever waits is answered early": ("answer", lambda: mock.patch.object(observer, "group_status", _hasty)),
    "new lines stop nothing": ("beside", _new_lines_stop_nothing),
    "a command outlives its line": (
        "definition",
        lambda: mock.patch.object(changes, "definition", lambda entry: (entry.tag, entry.mode)),
    ),
    "what is forked counts as executed": (
        "executed",
        lambda: mock.patch.object(probe, "is_being_executed", return_value=False),
    ),
    "what has moved runs on": ("beside", lambda: mock.patch.object(changes, "tags_moved_here", _of_nobody)),
    "a level stops nothing": (
        "beside",
        lambda: mock.patch.object(applier, "compile_group", _compiled_without("Conflicts=clinit", "clinitbarrier-")),
    ),
    "a readiness may take for ever": (
        "hangs",
        lambda: mock.patch.object(
            applier, "compile_group", _compiled_without("TimeoutStartSec", "clinit-", _with_readiness_for_ever)
        ),
    ),
    "what is required keeps nothing back": (
        "kept",
        lambda: mock.patch.object(applier, "compile_group", _compiled_without("ConditionPathExists=/run", "clinit-")),
    ),
    "a trial has no end": ("trial", lambda: mock.patch.object(trials.Trials, "_is_over", _nothing)),
    "the next daemon knows of no trial": ("trial", lambda: mock.patch.object(trials.Trials, "load", _nothing)),
    "systemd does not reload": ("clstat", lambda: mock.patch.object(bus.StandInBus, "daemon_reload", _nothing_async)),
    "clstat is not written": ("clstat", lambda: mock.patch.object(statusfile.StatusFile, "show", _nothing)),
    "an old switch is gone on with": (
        "unasked",
        lambda: mock.patch.object(marks.Destinations, "all", side_effect=lambda: dict.fromkeys(GROUPS, "2")),
    ),
}
"""Each fault by its name: a rule that has to see it, and what puts it in."""


@contextmanager
def mutated(name: str) -> Iterator[None]:
    """Within this, the core has a fault; `simulation.caches.warm` is around it."""
    with MUTATIONS[name][1]():
        yield
