"""`clinit -k`: a halt of all groups, what is printed, and what it exits with."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cltab2systemd.client import outcome, watching
from cltab2systemd.locations import started_by_cluster

if TYPE_CHECKING:
    from cltab2systemd.client.requests import Client


def halt(client: Client, *, wait: bool, timeout: float | None, progress: str | None) -> int:
    """Stop all groups, then the daemon; the exit code.

    Args:
        client: of the instance.
        wait: whether to wait for the end.
        timeout: seconds to wait at most.
        progress: how progress is shown while it waits, as `watching.FORMS`; None is what the environment says.
    """
    end = None if timeout is None else time.monotonic() + timeout
    resources = _resources(client)  # while the groups are there
    with outcome.Reported() as reported:
        if wait:
            watching.watched(
                lambda news, tick: client.shutdown_and_wait(timeout, on_progress=news, on_tick=tick),
                progress, "clinit", outcome.complain,
            )  # fmt: skip
        else:
            client.shutdown()
    if resources and reported.code in outcome.MOVED:
        from cltab2systemd.client.owner import remarks_on_halt  # noqa: PLC0415 - only of groups that are in a cluster

        outcome.tell_remarks(lambda left: remarks_on_halt(resources, left), end)
    return reported.code


def _resources(client: Client) -> dict[str, str]:
    """Those groups that Pacemaker has started here, each with its resource. Its agent is told nothing."""
    if outcome.is_agent():
        return {}
    return started_by_cluster(client.locations, [line.split()[0] for line in client.status().splitlines()])
