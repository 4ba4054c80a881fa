"""What the core computes from content alone, computed once: compiling and parsing are most of what a history costs."""

from __future__ import annotations

import functools
import itertools
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

from cltab2systemd import events
from cltab2systemd.core import applier, preflights
from cltab2systemd.disk import unitstore
from cltab2systemd.table import grammar
from cltab2systemd.units import compiler
from cltab2systemd.units.names import Names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_compile_group = functools.lru_cache(maxsize=4096)(compiler.compile_group)
_parse = functools.lru_cache(maxsize=4096)(grammar.parse)


def _by_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """A method of Names, which is pure, remembered."""
    return functools.lru_cache(maxsize=1 << 16)(function)


async def _no_words(*_arguments: object) -> tuple[str, ...]:
    """There is no journal."""
    return ()


class _Numbers:
    """What requests and preflights are called by, so that a history is the same each time."""

    of_history = itertools.count(1)


def begin() -> None:
    """A history begins."""
    _Numbers.of_history = itertools.count(1)


def _new_request() -> str:
    return f"{next(_Numbers.of_history):032x}"


@contextmanager
def warm() -> Iterator[None]:
    """Within this, the core looks up what it has computed before, and logs nothing."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    with (
        mock.patch.object(applier, "compile_group", _compile_group),
        mock.patch.object(unitstore, "parse", _parse),
        mock.patch.object(preflights, "last_words", _no_words),
        mock.patch.object(events, "new_request", _new_request),
        mock.patch.object(Names, "group_of", _GROUP_OF),
        mock.patch.object(Names, "entry", _ENTRY),
        mock.patch.object(Names, "gate", _GATE),
        mock.patch.object(Names, "level_of", _LEVEL_OF),
        mock.patch.object(Names, "level", _LEVEL),
        mock.patch.object(Names, "barrier", _BARRIER),
        mock.patch.object(Names, "patterns", _PATTERNS),
    ):
        try:
            yield
        finally:
            logging.disable(before)


_GROUP_OF, _ENTRY, _GATE = _by_text(Names.group_of), _by_text(Names.entry), _by_text(Names.gate)
_LEVEL_OF, _LEVEL, _BARRIER = _by_text(Names.level_of), _by_text(Names.level), _by_text(Names.barrier)
_PATTERNS = _by_text(Names.patterns)
