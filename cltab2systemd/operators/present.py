"""How an instance is at present: asked of its daemon or, if that is gone or silent, of systemd itself."""

from __future__ import annotations

import enum
import os
from typing import TYPE_CHECKING, Any

from cltab2systemd.client.calls import NoDaemonError, RefusedError, TimedOutError
from cltab2systemd.client.status import doubt
from cltab2systemd.locations import is_served, live_clstat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cltab2systemd.client.requests import Client

Object = dict[str, Any]

# Seconds in which a daemon has to answer. If it does not, it has some more to say that it lives: after anybody's
# daemon-reload it has to ask systemd about every entry. systemd is asked after that, and all is to be there within two.
PATIENCE = 0.4
_SIGN_OF_LIFE = 0.8
_WORK = 10.0


class NoAnswerError(Exception):
    """Nobody can tell how the groups are; the text says why and what to do."""


class Daemon(enum.StrEnum):
    """What there is of the daemon."""

    ANSWERS = "answers"
    GONE = "gone"
    SILENT = "silent"  # it runs, and gives no answer in time
    CLOSED = "closed"  # it runs, and this user may not connect to it
    OLD = "old"  # it runs, and does not know the question


def present(client: Client, groups: Sequence[str], patience: float = PATIENCE) -> Object:
    """The value that `clinitctl status --json` prints; docs/json.md describes it.

    Args:
        client: of the instance.
        groups: which groups; all, if there are none.
        patience: seconds in which the daemon has to answer, or to say that it is at work.

    Raises:
        RefusedError: there is no such group.
        NoAnswerError: neither the daemon nor systemd tells anything.
    """
    daemon, described = _asked(client, groups, patience)
    status_file = _status_file(client, daemon)
    if not described:
        # Slow to import, and seldom needed.
        from cltab2systemd.operators.standalone import describe  # noqa: PLC0415

        is_kept = daemon is not Daemon.GONE and not status_file["problem"]
        described = describe(client.locations, groups, daemon if is_kept else None)
    return {
        "daemon": {"state": str(daemon), "version": described.get("version"), "pid": described.get("pid")},
        "clstat": status_file,
        "table": described["table"],
        "groups": described["groups"],
    }


def _asked(client: Client, groups: Sequence[str], patience: float) -> tuple[Daemon, Object]:
    """What the daemon is like, and its answer, which is empty if it gives none."""
    if is_served(client.locations) is False:  # to connect would start it
        return Daemon.GONE, {}
    try:
        try:
            return Daemon.ANSWERS, client.describe(groups, patience)
        except TimedOutError:
            if not client.answers_within(_SIGN_OF_LIFE):
                raise
            return Daemon.ANSWERS, client.describe(groups, _WORK)
    except TimedOutError:
        return Daemon.SILENT, {}
    except NoDaemonError:
        return Daemon.GONE, {}
    except RefusedError as error:
        if error.code == "NoSuchGroup":
            raise
        return _refusing(error), {}


def _refusing(error: RefusedError) -> Daemon:
    """What a daemon is like that refuses to describe its groups."""
    if isinstance(error.__cause__, PermissionError):
        return Daemon.CLOSED
    # Or it has too many clients, or systemd has not answered it.
    return Daemon.OLD if error.code == "MethodNotFound" else Daemon.SILENT


def _status_file(client: Client, daemon: Daemon) -> Object:
    path = live_clstat(client.locations)
    try:
        written: int | None = os.stat(path).st_mtime_ns // 1000  # noqa: PTH116
    except (OSError, ValueError):
        written = None
    problem = doubt(client) if daemon is not Daemon.GONE or written is None else ""
    return {"path": path, "written_usec": written, "problem": problem or None}
