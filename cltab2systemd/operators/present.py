"""How an instance is at present: asked of its daemon or, if that is gone or silent, of systemd itself."""

from __future__ import annotations

import os
import time

from cltab2systemd.client.calls import NoDaemonError, RefusedError, TimedOutError
from cltab2systemd.client.status import doubt
from cltab2systemd.locations import is_served, is_unknown, live_clstat, resource_of, unknown
from cltab2systemd.operators.askable import Daemon, NoAnswerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, TypeAlias

    from cltab2systemd.client.requests import Client

    Object: TypeAlias = dict[str, Any]

# Seconds in which a daemon has to answer. If it does not, it has some more to say that it lives: after anybody's
# daemon-reload it has to ask systemd about every entry. If it does not say so in a moment, systemd is asked meanwhile,
# for all is to be there within two seconds.
_PATIENCE = 0.4
_MOMENT = 0.1
_SIGN_OF_LIFE = 0.8
_WORK = 10.0
_BUSY = (
    "the daemon lives, and is busy or waits for systemd, as during a long daemon-reload; 'clinit -v' shows the groups "
    "meanwhile, and this does when it is over"
)
# Seconds from the beginning after which systemd is asked no more; the rest is for the program's start, and to print.
WITHIN = 1.5


def present(client: Client, groups: Sequence[str], patience: float | None = None) -> Object:
    """The value that `clinitctl status --json` prints; docs/json.md describes it.

    Args:
        client: of the instance.
        groups: which groups; all, if there are none.
        patience: seconds in which the daemon has to answer, or else systemd; None is for a person who waits.

    Raises:
        RefusedError: there is no such group.
        NoAnswerError: neither the daemon nor systemd tells anything.
    """
    if is_unknown(client.locations):
        raise NoAnswerError(unknown(client.locations))
    until = time.monotonic() + (WITHIN if patience is None else 2 * patience)
    daemon, described = _asked(client, groups, patience, until)
    described = described or _of_systemd(client, groups, daemon, until)
    described["table"].setdefault("digest", None)  # a daemon of an older version does not tell what is set here
    for group in described["groups"]:
        group.setdefault("progress", None)
        group.setdefault("digest", None)
        for entry in group["entries"]:
            entry.setdefault("says", None)
        group["resource"] = resource_of(client.locations, group["group"]) or None
    return {
        "daemon": {"state": str(daemon), "version": described.get("version"), "pid": described.get("pid")},
        "clstat": _status_file(client, daemon),
        "table": described["table"],
        "missing": described.get("missing", []),
        "groups": described["groups"],
    }


def _asked(client: Client, groups: Sequence[str], patience: float | None, until: float) -> tuple[Daemon, Object]:
    """What the daemon is like, and its answer, or that of systemd; it is empty if none of them has been asked."""
    if is_served(client.locations) is False:  # to connect would start it
        return Daemon.GONE, {}
    try:
        try:
            return Daemon.ANSWERS, client.describe(groups, patience or _PATIENCE, meanwhile=_prepare)
        except TimedOutError:
            return _asked_again(client, groups, until)
    except TimedOutError:
        return Daemon.SILENT, {}
    except NoDaemonError:
        return Daemon.GONE, {}
    except RefusedError as error:
        if error.code == "NoSuchGroup":
            raise
        return _refusing(error), {}


def _prepare() -> None:
    """Import what the answer takes, while the daemon thinks of it: that takes half as long as to start Python."""
    import json  # noqa: F401, PLC0415


def _asked_again(client: Client, groups: Sequence[str], until: float) -> tuple[Daemon, Object]:
    """`_asked`, of a daemon that has not answered in time. NoAnswerError if it lives, and takes still longer."""
    from concurrent.futures import ThreadPoolExecutor, wait  # noqa: PLC0415 - slow to import, and seldom needed

    described: Object = {}
    with ThreadPoolExecutor() as other:
        sign = other.submit(client.answers_within, _SIGN_OF_LIFE)
        if wait([sign], _MOMENT).not_done:
            try:
                described = _of_systemd(client, groups, Daemon.SILENT, until)
            except (NoAnswerError, RefusedError):
                if not sign.result():
                    raise
        if not sign.result():
            return Daemon.SILENT, described
    try:
        return Daemon.ANSWERS, client.describe(groups, _WORK)
    except TimedOutError:
        raise NoAnswerError(_BUSY) from None


def _of_systemd(client: Client, groups: Sequence[str], daemon: Daemon, until: float) -> Object:
    from cltab2systemd.operators.standalone import describe  # noqa: PLC0415 - slow to import, and seldom needed

    is_kept = daemon is not Daemon.GONE and not _status_file(client, daemon)["problem"]
    return describe(client.locations, groups, until, daemon if is_kept else None)


def _refusing(error: RefusedError) -> Daemon:
    """What a daemon is like that refuses to describe its groups."""
    if isinstance(error.__cause__, PermissionError):
        return Daemon.CLOSED
    # Or systemd has not answered it.
    return {"MethodNotFound": Daemon.OLD, "TooManyConnections": Daemon.BUSY}.get(error.code, Daemon.SILENT)


def _status_file(client: Client, daemon: Daemon) -> Object:
    path = live_clstat(client.locations)
    try:
        written: int | None = os.stat(path).st_mtime_ns // 1000  # noqa: PTH116
    except (OSError, ValueError):
        written = None
    problem = doubt(client) if daemon is not Daemon.GONE or written is None else ""
    return {"path": path, "written_usec": written, "problem": problem or None}
