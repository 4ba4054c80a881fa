"""Talking to the daemon, for programs: `Client` makes requests, and `status` reads the status file without a daemon.

Light, for `clinit` pays for it at each request.
"""

from cltab2systemd.client.calls import ClientError, NoDaemonError, RefusedError, SupersededError, TimedOutError
from cltab2systemd.client.requests import Answer, Client, status

__all__ = [
    "Answer", "Client", "ClientError", "NoDaemonError", "RefusedError", "SupersededError", "TimedOutError", "status",
]  # fmt: skip
