"""Where the daemon listens."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from cltab2systemd.daemon import peers
from cltab2systemd.daemon.peers import Peer
from cltab2systemd.text import decoded

# Clients that have connected and are not accepted yet; see Backlog= in clinit.socket.
BACKLOG = 4096

_SYSTEMDS = (
    "systemd listens at {path}, for clinit.service: start that (systemctl start clinit.service), or stop systemd's "
    "listening first (systemctl stop clinit.socket clinit.service), or name another socket (-s) for another instance"
)


class SocketInUseError(Exception):
    """The socket's path is taken; the text says by whom."""


def listen(path: str) -> socket.socket:
    """A listening socket at a path; a stale one is replaced, a live one is SocketInUseError. OSError otherwise."""
    Path(path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        _remove_stale(path)
        # Not chmod after it: if others can write the directory, what is at the path then may be their doing.
        umask = os.umask(0o117)
        try:
            listener.bind(path)
        finally:
            os.umask(umask)
        if (group := peers.group_id()) is not None:
            os.chown(path, -1, group, follow_symlinks=False)
        listener.listen(BACKLOG)
    except BaseException as error:
        listener.close()
        if isinstance(error, OSError):
            error.filename = error.filename or path
        raise
    return listener


def _remove_stale(path: str) -> None:
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise SocketInUseError(f"{path} is there already, and is not a socket; move it away or name another socket")
    except FileNotFoundError:
        return
    if _is_systemds(path):  # which would start its service for our question
        raise SocketInUseError(_SYSTEMDS.format(path=path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(5.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            with suppress(FileNotFoundError):
                Path(path).unlink()
            return
        except FileNotFoundError:
            return
        pid = Peer.of(probe).pid
        if pid == 1:
            raise SocketInUseError(_SYSTEMDS.format(path=path))
        raise SocketInUseError(f"a daemon with pid {pid} already answers at {path}")


def _is_systemds(path: str) -> bool:
    """Whether systemd listens at a path; False if that cannot be told, as in a network namespace of our own."""
    try:
        lines = decoded(Path("/proc/net/unix").read_bytes()).splitlines()
        rows = [line.split(maxsplit=7) for line in lines]
        inodes = {f"socket:[{row[6]}]" for row in rows if len(row) == 8 and row[7] == path}
        return any(str(held.readlink()) in inodes for held in Path("/proc/1/fd").iterdir())
    except OSError:
        return False
