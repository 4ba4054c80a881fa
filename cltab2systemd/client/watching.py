"""Whether, when and how progress is shown. Light: what shows it is imported only when it is shown."""

from __future__ import annotations

import os
from time import monotonic

from cltab2systemd.client.calls import TimedOutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from cltab2systemd.client.progressline import Writer

    Outcome = TypeVar("Outcome")

VARIABLE = "CLINIT_PROGRESS"
AUTO, TTY, PLAIN, NONE = FORMS = ("auto", "tty", "plain", "none")
# Seconds in which a switch is not worth a line on a terminal; and in a file or a pipe, if nobody asked for one.
_SILENCE = 0.5
_LONG_SILENCE = 2.0
# Of a later daemon, which tells progress in another way.
_ODD = (LookupError, TypeError, ValueError, AttributeError)


def watched(
    wait: Callable[[Callable[[dict[str, Any]], None], Callable[[], None]], Outcome],
    option: str | None,
    program: str,
    complain: Callable[[str], object],
) -> Outcome:
    """Wait with progress on the standard error. It is gone before anything else is printed.

    If the time is up, or somebody interrupts it, what was still waited for is told.

    Args:
        wait: waits, and calls the first of the two at each change of how far it has come, the other now and then.
        option: how progress is shown, as FORMS; None is what the environment says.
        program: whose lines these are.
        complain: prints one.
    """
    showing = Showing(form_of(option, program, complain), program)
    try:
        return wait(showing.progress, showing.tick)
    except (TimedOutError, KeyboardInterrupt):
        showing.end()
        if last := showing.last():
            complain(f"{program}: not there yet: {last}")
        raise
    finally:
        showing.end()


def form_of(option: str | None, program: str, complain: Callable[[str], object]) -> str:
    """How progress is to be shown, by the option, else by the environment. A wrong variable is told, and left out."""
    if option is not None:
        return option
    form = os.environ.get(VARIABLE) or AUTO
    if form not in FORMS:
        complain(f"{program}: {VARIABLE} is not one of {', '.join(FORMS)}: {form!r}; it is taken as {AUTO}")
        return AUTO
    return form


class Showing:
    """Shows progress on the standard error. Whatever becomes of that, the waiting goes on.

    Args:
        form: one of FORMS.
        program: whose lines these are.
    """

    def __init__(self, form: str, program: str) -> None:
        is_terminal = os.isatty(2) and os.environ.get("TERM", "") not in {"", "dumb"}
        self._in_place = form == TTY or (form == AUTO and is_terminal)
        silence = _SILENCE if self._in_place else _LONG_SILENCE if form == AUTO else 0.0
        self._begins = monotonic() + silence
        self._writer: Writer | None = None
        self._program = program
        self._is_given_up = form == NONE
        self._last: dict[str, Any] | None = None
        self._came = 0.0

    def progress(self, progress: dict[str, Any]) -> None:
        """There is news: an object of type Progress, or of type HaltProgress."""
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
                self._writer = progressline.InPlace() if self._in_place else progressline.Plain(self._program)
            self._writer.show(self._last, now - self._came)
        except (OSError, *_ODD):  # nobody reads it any more, or it cannot be read
            self._is_given_up = True

    def last(self) -> str:
        """What was heard last, as it is by now; empty if nothing was."""
        if self._last is None:
            return ""
        from cltab2systemd.client.progresstext import line  # noqa: PLC0415 - seldom needed

        try:
            return line(self._last, monotonic() - self._came)
        except _ODD:
            return ""

    def end(self) -> None:
        """Leave the standard error to others."""
        if self._writer is not None and not self._is_given_up:
            from contextlib import suppress  # noqa: PLC0415 - most switches end before this

            with suppress(OSError):
                self._writer.end()
        self._is_given_up = True
