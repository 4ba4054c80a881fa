"""`clinitctl metrics`: for Prometheus, by way of a file."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import click

from cltab2systemd import __version__, oserrors
from cltab2systemd.client import outcome
from cltab2systemd.client.calls import RefusedError
from cltab2systemd.client.requests import Client
from cltab2systemd.commands import options
from cltab2systemd.commands.printing import complain, say
from cltab2systemd.disk.files import write_whole
from cltab2systemd.operators.askable import Daemon, NoAnswerError
from cltab2systemd.operators.present import present
from cltab2systemd.reports import prometheus
from cltab2systemd.terminal import shortened

# Seconds. Nobody sits and waits, and a daemon that is busy for a moment is not gone.
_PATIENCE = 10.0
# Whoever may not ask the daemon does not know whether it answers.
_REFUSED = {
    Daemon.CLOSED: "only root and members of group clinit may ask the daemon",
    Daemon.BUSY: "this user has too many connections to the daemon",
}


@click.command(name="metrics")
@click.option("-o", "--output", metavar="FILE", help="Write to this file, whole, and only if all went well.")
@options.of_daemon
@click.option("--clstat", metavar="PATH", help="The status file.")
def command(output: str | None, cltab: str | None, socket: str | None, clstat: str | None) -> None:
    """Print how groups and entries are in Prometheus' text format, for node_exporter's textfile collector.

    If the daemon gives no answer, `clinit_up` is 0, and the groups are as systemd has them. That is no error.
    """
    client = Client(cltab, socket, clstat)
    try:
        found = present(client, (), _PATIENCE)
    except (NoAnswerError, RefusedError) as error:
        complain(f"clinitctl: {shortened(str(error))}")
        raise SystemExit(outcome.NO_DAEMON) from error
    if why := _REFUSED.get(found["daemon"]["state"]):
        complain(f"clinitctl: {why}; so it is not known how it is")
        raise SystemExit(outcome.REFUSED)
    lines = prometheus.lines(found, version=__version__, now=time.time_ns() // 1000)
    if output is None:
        say(lines)
        return
    try:
        _write(Path(output), "".join(f"{line}\n" for line in lines).encode())
    except OSError as error:
        complain(f"clinitctl: cannot write {oserrors.worded(error, output)}")
        raise SystemExit(outcome.REFUSED) from error


def _write(path: Path, content: bytes) -> None:
    if os.path.lexists(path) and not path.is_file():  # a rename would put the file in the place of a device
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    write_whole(path, content)
