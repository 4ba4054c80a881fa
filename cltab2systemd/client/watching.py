"""Whether, when and how progress is shown. Light: what shows it is imported only when it is shown."""

from __future__ import annotations

import os
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cltab2systemd.client.progressline import Writer

VARIABLE = "CLINIT_PROGRESS"
AUTO, TTY, PLAIN, NONE = FORMS = ("auto", "tty", "plain", "none")
# Seconds in which a switch is not worth a line on a terminal; and in a file or a pipe, if nobody asked for one.
_SILENCE = 0.5
_LONG_SILENCE = 2.0


def form_of(option: str | None, complain: Callable[[str], object]) -> str:
    """How progress is to be shown, by the option, else by the environment. A wrong variable is told, and left out."""
    if option is not None:
        return option
    form = os.environ.get(VARIABLE) or AUTO
    if form not in FORMS:
        complain(f"clinit: {VARIABLE} is not one of {', '.join(FORMS)}: {form!r}; it is taken as {AUTO}")
        return AUTO
    return form


class Showing:
    """Shows progress on the standard error. Whatever becomes of that, the waiting goes on.

    Args:
        form: one of FORMS but NONE.
    """

    def __init__(self, form: str) -> None:
        is_terminal = os.isatty(2) and os.environ.get("TERM", "") not in {"", "dumb"}
        self._in_place = form == TTY or (form == AUTO and is_terminal)
        silence = _SILENCE if self._in_place else _LONG_SILENCE if form == AUTO else 0.0
        self._begins = monotonic() + silence
        self._writer: Writer | None = None
        self._is_given_up = False
        self._last: dict[str, Any] | None = None
        self._came = 0.0

    def progress(self, progress: dict[str, Any]) -> None:
        """There is news: an object of type Progress."""
        self._last, self._came = progress, monotonic()
        self.tick()

    def tick(self) -> None:
        """Time has passed."""
        now = monotonic()
        if self._last is None or self._is_given_up or now < self._begins:
            return
        try:
            if self._writer is None:
                from cltab2systemd.client import progressline  # noqa: PLC0415 - most switches end before this

                progressline.never_be_stopped()
                self._writer = progressline.InPlace() if self._in_place else progressline.Plain()
            self._writer.show(self._last, now - self._came)
        except (OSError, LookupError, TypeError, ValueError, AttributeError):
            # Nobody reads it any more; or a later daemon tells it in another way.
            self._is_given_up = True

    def end(self) -> None:
        """Leave the standard error to others."""
        if self._writer is not None and not self._is_given_up:
            from contextlib import suppress  # noqa: PLC0415 - most switches end before this

            with suppress(OSError):
                self._writer.end()
        self._is_given_up = True
