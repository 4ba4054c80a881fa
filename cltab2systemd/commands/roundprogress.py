"""How far a rehearsal has come: a line on a terminal, which is gone when it is over."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from cltab2systemd import terminal
from cltab2systemd.text import encoded

if TYPE_CHECKING:
    from cltab2systemd.rehearsal.rounds import Round

_ERASE = "\x1b[K"
_MOST = 4


class RoundProgress:
    """Shows each round on the standard error, if that is a terminal."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty() and os.environ.get("TERM") not in {None, "", "dumb"}

    def show(self, number: int, count: int, each: Round) -> None:
        """Show a round that begins.

        Args:
            number: of the round, from 1.
            count: how many there are.
            each: the round.
        """
        levels = ["nothing" if move.target.level is None else move.target.level for move in each.moves]
        groups = [move.group for move in each.moves]
        moves = [terminal.shortened(f"{group} {level}") for group, level in zip(groups, levels, strict=True)]
        more = f" and {len(moves) - _MOST} more" if len(moves) > _MOST else ""
        self._write(f"round {number} of {count}, {each.side} table: {', '.join(moves[:_MOST])}{more}")

    def end(self) -> None:
        """Leave nothing behind."""
        self._write("")

    def _write(self, text: str) -> None:
        if not self._is_terminal:
            return
        try:
            width = os.get_terminal_size(sys.stderr.fileno()).columns or 80
            os.write(sys.stderr.fileno(), encoded(f"\r{terminal.cut(text, width - 1)}{_ERASE}\r"))
        except OSError:  # nobody looks any more
            self._is_terminal = False
