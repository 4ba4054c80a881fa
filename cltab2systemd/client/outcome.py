"""Switches as `clinit` makes them: what it prints, and what it exits with. Imports nothing heavy."""

from __future__ import annotations

import os
import sys
import time

from cltab2systemd.client import calls
from cltab2systemd.locations import resource_of
from cltab2systemd.streams import give_up_output
from cltab2systemd.text import encoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from cltab2systemd.client.requests import Answer, Client

FINE = 0
REFUSED = 1
USAGE = 2
NO_DAEMON = 3
FAILED = 4
TIMED_OUT = 5
SUPERSEDED = 6
INTERRUPTED = 130  # as a shell has it for SIGINT
MOVED = (FINE, FAILED, TIMED_OUT, SUPERSEDED)
"""With these what was asked for has begun."""
# One word may have been meant otherwise then; and two words.
_MISTAKEN = ("NoSuchGroup", "unnamed-level", "undeclared-level")
_TWO_MISTAKEN = ("unnamed-level", "undeclared-level")
# Pacemaker sets it for its agents.
_AGENT = "OCF_RESOURCE_INSTANCE"

_CODES = {
    calls.RefusedError: REFUSED,
    calls.NoDaemonError: NO_DAEMON,
    calls.TimedOutError: TIMED_OUT,
    calls.SupersededError: SUPERSEDED,
}


def is_agent() -> bool:
    """Whether it is an agent of Pacemaker's that asks."""
    return _AGENT in os.environ


def code_of(error: calls.ClientError) -> int:
    """The exit code that an error stands for."""
    return next(code for kind, code in _CODES.items() if isinstance(error, kind))


class Reported:
    """A context in which a client's error is printed and becomes `code`, instead of a traceback."""

    code = FINE
    reason = ""
    """Of a refusal, as `RefusedError.code`."""

    def __enter__(self) -> Reported:  # noqa: PYI034 - Self is in typing, which is heavy
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if isinstance(error, KeyboardInterrupt):
            complain("clinit: interrupted; a switch that has begun goes on (see 'clinitctl status')")
            self.code = INTERRUPTED
            return True
        if not isinstance(error, calls.ClientError):
            return False
        self.code = code_of(error)
        if isinstance(error, calls.RefusedError):
            self.reason = error.code
            # As with the ancestor, a request prints the daemon's answer, whatever it is.
            for finding in error.findings:
                complain(finding)
            say(str(error))
            for line in error.output:
                complain(f"  {line}")
            complain_of_table(error)
        else:
            complain(f"clinit: {error}")
        return True


def say(text: str, end: str = "\n", program: str = "clinit") -> bool:
    """Print a line; bytes of names that are not UTF-8 come out as they came in.

    Args:
        text: the line.
        end: what stands behind it.
        program: which program complains if that fails.

    Returns:
        Whether it could be written. If not, a line on the standard error says so. The request has its outcome all the
        same. If the reader has gone, there is no such line: it has read enough.
    """
    try:
        sys.stdout.buffer.write(encoded(text + end))
        sys.stdout.buffer.flush()
    except OSError as error:
        give_up_output()
        if not isinstance(error, BrokenPipeError):
            complain(f"{program}: cannot write: {error.strerror}")
        return False
    return True


def note(
    answer: Answer,
    asked: float = 0,
    end: float | None = None,
    program: str = "clinit",
    but: frozenset[tuple[str, str]] = frozenset(),
) -> None:
    """Print to the standard error what the daemon says besides its answer, and below each reason what bears it out.

    Args:
        answer: the daemon's.
        asked: when the request was made, in seconds since 1970.
        end: by the clock that nobody sets (CLOCK_MONOTONIC), in seconds, the end of what is told below the reasons;
            None if nobody has set one.
        program: which program it is that prints.
        but: reasons that are left out, each as its code and tag.
    """
    for text in answer.notes:
        complain(f"{program}: {text}")
    if not answer.details:
        return
    from cltab2systemd.client.evidence import Evidence  # noqa: PLC0415 - who hears of nothing wrong has no use for it

    told = [
        (text, reason)
        for text, reason in zip(answer.reasons, answer.details, strict=True)
        if (reason.get("code"), reason.get("tag")) not in but
    ]
    reasons = [reason for _, reason in told]
    evidence = Evidence(reasons, asked) if end is None else Evidence(reasons, asked, end - time.monotonic())
    for text, reason in told:
        complain(text)
        try:
            for line in evidence.of(reason):
                complain(f"  {line}")
        except KeyboardInterrupt:  # that changes nothing of the outcome, which is known
            return


def complain(text: str) -> None:
    """Print a line to the standard error. If nobody reads it, the exit code still tells the outcome."""
    try:
        sys.stderr.buffer.write(encoded(text) + b"\n")
        sys.stderr.buffer.flush()
    except OSError:
        give_up_output(sys.stderr)


def complain_of_table(error: calls.ClientError) -> None:
    """Print what it means if the table is refused. Pacemaker's agent is not told: it goes by the last line."""
    if isinstance(error, calls.RefusedError) and error.code == "TableRefused" and not is_agent():
        complain("clinit: the table is refused, and all groups stay as they are")


def switch(
    client: Client,
    words: list[str],
    *,
    wait: bool = False,
    timeout: float | None = None,
    strict: bool = False,
    trial: float | None = None,
    progress: str | None = None,
    is_shown: bool = False,
) -> int:
    """Carry out `[GROUP] LEVEL`: print the outcome, and return the exit code. Without GROUP, it is the host's name.

    Args:
        client: of the instance.
        words: the group, if it is named, and the level.
        wait: whether to wait for the end.
        timeout: seconds to wait at most.
        strict: whether a level that no entry names is refused.
        trial: seconds after which the group goes back, unless it is confirmed before that; None for a move for good.
        progress: how progress is shown while it waits, as `watching.FORMS`; None is what the environment says.
        is_shown: whether the status is printed behind it, so that two groups may have been meant.
    """
    *named, level = words
    group = named[0] if named else os.uname().nodename
    if not named and client.has_group(level):
        complain(
            f"clinit: {level} is a group; 'clinit {level} LEVEL' moves it, 'clinit -v {level}' shows how it is. To "
            f"move group {group}, which is named like this host, to level {level}, name both"
        )
        return USAGE
    end = None if timeout is None else time.monotonic() + timeout
    known = not named or (is_shown and client.knows_group(level))
    with Reported() as reported:
        if wait:
            asked = time.time()
            state = _watched(client, group, level, timeout, strict=strict, known=known, trial=trial, progress=progress)
            say(f"{group} {level} {state}")
            note(state, asked, end)
            reported.code = FAILED if state == "FAILED" else FINE
        else:
            answer = client.tell(group, level, strict=strict, known=known, trial=trial)
            say(answer)
            note(answer)
    if known and reported.reason in (_TWO_MISTAKEN if named else _MISTAKEN):
        _complain_of_words(client, named, level, is_declared=reported.reason == "undeclared-level")
    if reported.code in MOVED:
        _tell_owner(client, group, level, end)
    return reported.code


def _complain_of_words(client: Client, named: list[str], level: str, *, is_declared: bool) -> None:
    from cltab2systemd.client import oneword  # noqa: PLC0415 - seldom needed

    if named:
        lines = oneword.on_two(named[0], level, is_declared=is_declared)
    else:
        lines = oneword.advice(os.uname().nodename, level, client.groups())
    for line in lines:
        complain(f"clinit: {line}")


def keep(client: Client, group: str) -> int:
    """Carry out `--keep [GROUP]`: print the answer, and return the exit code. Without GROUP, it is the host's name."""
    with Reported() as reported:
        say(client.keep(group or os.uname().nodename))
    return reported.code


def _tell_owner(client: Client, group: str, level: str, end: float | None) -> None:
    """Tell who has moved a group that Pacemaker has what comes of it. Its agent is told nothing.

    Args:
        client: of the instance.
        group: the group.
        level: where it was to go.
        end: of what is asked about that, by the clock that nobody sets, in seconds; None if nobody has set one.
    """
    resource = "" if is_agent() else resource_of(client.locations, group)
    if not resource:
        return
    from cltab2systemd.client.owner import remarks  # noqa: PLC0415 - only of a group that is in a cluster

    tell_remarks(lambda left: remarks(group, level, resource, left), end)


def tell_remarks(remarks: Callable[[float], Iterable[str]], end: float | None) -> None:
    """Print to the standard error what Pacemaker makes of what was done.

    Args:
        remarks: tells that, in printable lines, within so many seconds.
        end: of what is asked about that, by the clock that nobody sets, in seconds; None if nobody has set one.
    """
    try:
        for line in remarks(float("inf") if end is None else end - time.monotonic()):
            complain(f"clinit: {line}")
    except KeyboardInterrupt:  # that changes nothing of the outcome, which is known
        return


def _watched(
    client: Client,
    group: str,
    level: str,
    timeout: float | None,
    *,
    strict: bool,
    known: bool,
    trial: float | None,
    progress: str | None,
) -> Answer:
    """`Client.wait`, with progress on the standard error."""
    from cltab2systemd.client.watching import watched  # noqa: PLC0415 - who does not wait has no use for it

    return watched(
        lambda news, tick: client.wait(
            group, level, timeout, strict=strict, known=known, trial=trial, on_progress=news, on_tick=tick
        ),
        progress, "clinit", complain,
    )  # fmt: skip
