"""Talking to the daemon: requests, their outcomes, and the status that anybody may read without it.

Imports nothing heavy, for `clinit` pays for it at each request (bench/client_start.py).
"""

from __future__ import annotations

import time

from cltab2systemd import varlink
from cltab2systemd.client.calls import Caller, RefusedError, TimedOutError
from cltab2systemd.locations import group_names, live_clstat, live_sockets, locate
from cltab2systemd.text import decoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any


class Answer(str):  # noqa: SLOT000 - few are made
    """The daemon's answer, with notes for whoever asked, and with what is wrong with the group.

    Attributes:
        notes: what else whoever asks should know.
        reasons: what is wrong, each as a line for a person.
        details: the same in parts, for programs: objects of the type Reason, as `varlink.DESCRIPTION` has it.
        level: where the group is; empty if the answer is not about that.
    """

    notes: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    details: tuple[dict[str, Any], ...] = ()
    level = ""


class Client:
    """A client of one instance.

    Args:
        cltab: the table, whose settings name the socket and clstat; None for /etc/cltab.
        socket: the socket, unless the table names one; None for /run/clinit/clinit.s.
        clstat: the clstat, unless the table names one; None for /run/clinit/clstat.

    Every request raises NoDaemonError if nobody answers at the socket or within 30 s, and RefusedError if the daemon
    says no.
    """

    def __init__(self, cltab: str | None = None, socket: str | None = None, clstat: str | None = None) -> None:
        self.locations = locate(cltab, socket, clstat)
        self._caller = Caller(self.locations)

    def tell(
        self, group: str, level: str, *, strict: bool = False, known: bool = False, trial: float | None = None
    ) -> Answer:
        """Move a group to a level. Returns the daemon's message when the transition has started.

        Args:
            group: the group.
            level: the level.
            strict: whether a level that no entry names is refused; else it stops everything.
            known: whether it is refused if the group does not declare it either. Daemons of older versions take it.
            trial: seconds after which the group goes back to where it is, unless `keep` comes before that; None for
                a move for good.
        """
        if trial is None:
            call = varlink.switch_call(group, level, strict=strict, known=known)
        else:
            call = varlink.try_call(group, level, trial, strict=strict, known=known)
        return _answer(next(self._caller.replies(call)))

    def keep(self, group: str) -> Answer:
        """Confirm the trial of a group. Returns the daemon's message; RefusedError `no-trial` if there is none."""
        return _answer(next(self._caller.replies(varlink.call("Keep", {"group": group}))))

    def wait(
        self,
        group: str,
        level: str,
        timeout: float | None = None,
        *,
        strict: bool = False,
        known: bool = False,
        trial: float | None = None,
        on_progress: Callable[[dict[str, Any]], object] | None = None,
        on_tick: Callable[[], object] | None = None,
    ) -> Answer:
        """Move a group to a level, and wait for its end.

        Args:
            group: the group.
            level: the level.
            timeout: seconds for the whole of it; None for ever.
            strict: whether a level that no entry names is refused.
            known: likewise, if the group does not declare it either.
            trial: as for `tell`.
            on_progress: called at each change of how far the switch has come, with an object of type Progress as
                `varlink.DESCRIPTION` has it. Its phase is `disconnected` while the daemon is away. A daemon of an
                older version does not tell any.
            on_tick: called some times a second meanwhile, for clocks.

        Returns:
            The state that the level settled in: DONE, PASSED or FAILED; with the reasons for it.

        Raises:
            TimedOutError: the time was up; the switch goes on.
            SupersededError: another request or a halt took the group elsewhere.

        A daemon may go away meanwhile and come back, as in an upgrade. Then it is asked how the switch went on.
        """
        from cltab2systemd.client.waiting import Wait  # noqa: PLC0415 - who does not wait has no use for it

        wait = Wait(self._caller, group, level, timeout, on_progress=on_progress, on_tick=on_tick)
        return _outcome(wait.switch(strict=strict, known=known, trial=trial))

    def describe(
        self,
        groups: Iterable[str] = (),
        timeout: float | None = None,
        *,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> dict[str, Any]:
        """All groups, or those that are named, with their entries, the table, and the daemon: see varlink's Describe.

        Args:
            groups: which groups; all, if there are none.
            timeout: seconds in which the daemon has to answer, or else TimedOutError is raised; None waits for 30.
            meanwhile: called while the daemon thinks of its answer, for what takes a moment too.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        call = varlink.describe_call([*groups])
        return next(self._caller.replies(call, deadline, meanwhile=meanwhile))

    def statuses(self) -> list[dict[str, Any]]:
        """How all groups are, as objects of the type GroupStatus, as `varlink.DESCRIPTION` has it."""
        groups: list[dict[str, Any]] = next(self._caller.replies(varlink.call("Status", {})))["groups"]
        return groups

    def answers_within(self, seconds: float) -> bool:
        """Whether the daemon answers a question that costs it nothing within so many seconds, if by a refusal."""
        return self._caller.answers_within(seconds)

    def act(
        self,
        group: str,
        action: str,
        tags: list[str],
        *,
        on_progress: Callable[[dict[str, Any]], object] | None = None,
        on_tick: Callable[[], object] | None = None,
    ) -> Answer:
        """Do something to single entries of a group, `restart` or `stop`, and wait for its end.

        Args:
            group: the group.
            action: what is done.
            tags: of the entries.
            on_progress: as for `wait`, but that a daemon that goes away is not waited for.
            on_tick: likewise.

        Returns:
            The state of the group afterwards; with the reasons for it. Its `level` is that of the group.

        Raises:
            SupersededError: a request for the group has taken over, or a halt.
        """
        parameters: dict[str, object] = {"group": group, "action": action, "tags": tags}
        parameters |= {"progress": True} if on_progress else {}
        reply: dict[str, Any] = {}
        for reply in self._caller.replies(varlink.call("Entries", parameters, more=True), on_tick=on_tick):
            if on_progress and "progress" in reply:
                on_progress(reply["progress"])
        return _outcome(reply)

    def reread(self) -> Answer:
        """Have the daemon read its table again. Returns its notes with an empty answer."""
        return _answer(next(self._caller.replies(varlink.call("Reread", {}))))

    def apply(
        self,
        timeout: float | None = None,
        *,
        on_progress: Callable[[dict[str, Any]], object] | None = None,
        on_tick: Callable[[], object] | None = None,
    ) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
        """Have all groups take the lines that the table has for them, each at its level, and wait for the end.

        Args:
            timeout: seconds for the whole of it; None for ever.
            on_progress: called at each change of how far it has come, with an object of type HaltProgress as
                `varlink.DESCRIPTION` has it, in which `action` is `apply`; or with one of type Progress, as for `wait`.
            on_tick: as for `wait`.

        Returns:
            What was done to each group, as objects of the type Update, as `varlink.DESCRIPTION` has it; none if nothing
            was to be done. And the daemon's notes.

        Raises:
            TimedOutError: the time was up; it goes on. It is an `UnfinishedError` once the daemon has answered.

        A daemon may go away meanwhile and come back, as for `wait`. Then it is asked again, and does what is left.
        """
        from cltab2systemd.client.updates import Updating  # noqa: PLC0415 - only this has use for it

        return Updating(self._caller, timeout, on_progress=on_progress, on_tick=on_tick).run()

    def shutdown(self) -> str:
        """Stop all groups, then the daemon. Returns its message at once."""
        return _message(next(self._caller.replies(varlink.call("Halt", {}))))

    def shutdown_and_wait(
        self,
        timeout: float | None = None,
        *,
        on_progress: Callable[[dict[str, Any]], object] | None = None,
        on_tick: Callable[[], object] | None = None,
    ) -> str:
        """Stop all groups, then the daemon. Returns when the daemon has gone, and nobody listens at its sockets.

        Args:
            timeout: seconds for the whole of it; None for ever.
            on_progress: called at each change of how far the halt has come, with an object of type HaltProgress as
                `varlink.DESCRIPTION` has it.
            on_tick: as for `wait`.

        TimedOutError as for `wait`. RefusedError if systemd still listens there.
        """
        from cltab2systemd.client.departure import Departure, StillThereError  # noqa: PLC0415 - slow to import

        deadline = None if timeout is None else time.monotonic() + timeout
        departure = Departure(live_sockets(self.locations))
        call = varlink.call("Halt", {"progress": True} if on_progress else {}, more=True)
        reply: dict[str, Any] = {}
        halt: dict[str, Any] = {}  # as it was told last
        for reply in self._caller.replies(call, deadline, departure.watch, on_tick):
            if on_progress and "halt" in reply:
                halt = reply["halt"]
                on_progress(halt)
        if on_progress and halt:
            on_progress({**halt, "done": halt["total"], "groups": []})
        try:
            departure.wait(deadline)
        except StillThereError as error:
            raise RefusedError(str(error), code="still-listening") from None
        except TimeoutError as error:
            raise TimedOutError(f"timed out; all groups are stopped, but {error}") from None
        return _message(reply)

    def groups(self) -> list[str]:
        """The groups of which the table on disk, in force or not, has entries."""
        return group_names(self.locations.table)

    def has_group(self, name: str) -> bool:
        """Whether the table on disk, in force or not, has an entry of a group."""
        return name in self.groups()

    def knows_group(self, name: str) -> bool:
        """Whether the table on disk has a group, or clstat does."""
        return self.has_group(name) or bool(self.status(name))

    def status(self, group: str | None = None, level: str | None = None) -> str:
        """What clstat says, by the rules of `cltab2systemd.clstat.select`; needs no daemon."""
        return status(group, level, live_clstat(self.locations))


def status(group: str | None = None, level: str | None = None, clstat: str | None = None) -> str:
    """What a clstat says, by the rules of `cltab2systemd.clstat.select`; an empty string if there is no such file."""
    from cltab2systemd import clstat as clstats  # noqa: PLC0415 - a switch has no use for it

    try:
        with open(clstat or live_clstat(locate()), "rb") as file:  # noqa: PTH123
            text = decoded(file.read())
    except (OSError, ValueError):  # no such file, or no name of one
        return ""
    return clstats.select(clstats.parse(text), group, level)


def _answer(parameters: dict[str, Any]) -> Answer:
    answer = Answer(_message(parameters))
    answer.notes = _notes(parameters)
    return answer


def _outcome(reply: dict[str, Any]) -> Answer:
    status: dict[str, Any] = reply["status"]
    outcome = Answer(status["state"])
    outcome.notes = _notes(reply)
    outcome.details = tuple(status.get("reasons", ()))
    outcome.reasons = tuple(str(reason["text"]) for reason in outcome.details)
    outcome.level = str(status.get("level", ""))
    return outcome


def _notes(parameters: dict[str, Any]) -> tuple[str, ...]:
    return tuple(map(str, parameters.get("notes", ())))


def _message(parameters: dict[str, Any]) -> str:
    return str(parameters.get("message", ""))
