"""The node in which a rehearsal is performed: its files, its daemon, and the process on stage.

What runs there is the very code that runs here, by the same interpreter, whatever the machine has installed.
"""

from __future__ import annotations

import io
import json
import os
import select
import subprocess
import sys
import tarfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import cltab2systemd
from cltab2systemd.locations import TABLE
from cltab2systemd.node import command
from cltab2systemd.node.errors import NodeError
from cltab2systemd.node.node import Node
from cltab2systemd.node.spec import Bind, Limits, NodeSpec
from cltab2systemd.rehearsal.machineunits import UnitFile, manager_files, unit_files
from cltab2systemd.rehearsal.seen import LONGEST_MESSAGE, MessageError, Scene, of_message
from cltab2systemd.rehearsal.standin import (
    DIRECTORY,
    DROP_IN,
    PREFLIGHTS,
    VARIABLE,
    StandIns,
    preflight_drop_in,
    preflight_script,
)
from cltab2systemd.terminal import printable
from cltab2systemd.text import decoded, encoded
from cltab2systemd.units import unitfile
from cltab2systemd.units.asking import PROBER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import TracebackType

    from cltab2systemd.rehearsal.rounds import Round

_CODE = f"{DIRECTORY}-code"  # a bind makes the directory, which is not the node's then
_UNITS = "/run/systemd/system"
_DAEMON = "clinit.service"
# Of the machine's package, and of no use here.
_MASKED = ("clinit.socket", "clinit-publish.service", "clinit-keepalived.service", "clinit-metrics.timer")
# Until there is a table, the daemon has one without groups to speak of: the system's daemon is to begin with something
# that is read, and not with what the machine has kept of the last table that was good.
IDLE = "rehearsal-idle:rehearsal-idle:1:off:true\n"
_MAIN = "from cltab2systemd.client.command import main; main()"
_BEGIN_TIME = 60.0
# Bytes and lines of its last words.
_MOST_WORDS, _LAST_LINES = 1 << 14, 5
# Seconds beyond those that moves may take, for all that is around them.
_GRACE = 30.0


class PerformanceError(Exception):
    """The rehearsal cannot go on; the text says why."""


class Performance:
    """A node in which rounds are performed. Also a context manager.

    Args:
        tables: the text of the table of each side.
        stand_ins: what stands in for commands, by side.
        binds: directories of the machine that the node sees, read-only.
        limits: what the node may use; None for all that the machine has.
        seconds: after which it is over.
    """

    def __init__(
        self,
        tables: Mapping[str, str],
        stand_ins: Mapping[str, StandIns],
        *,
        binds: Iterable[Path] = (),
        limits: Limits | None = None,
        seconds: float,
    ) -> None:
        self._tables = tables
        self._stand_ins = stand_ins
        self._deadline = time.monotonic() + seconds
        shown = [Bind(path, path) for path in binds]
        self._node = Node(
            NodeSpec(
                "rehearsal", binds=(*_code_binds(), *shown), own_users=True, limits=limits, seconds=seconds + _GRACE
            )
        )
        self._stage: subprocess.Popen[bytes] | None = None
        self._received = b""

    def __enter__(self) -> Self:
        """Boot, and begin. NodeError, PerformanceError if that fails."""
        self._node.boot()
        try:
            self._begin()
        except BaseException:
            self._node.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it all."""
        if self._stage is not None:
            command.kill(self._stage)
            self._stage.wait()
        with suppress(NodeError):
            self._node.stop()

    def perform(self, each: Round, seconds: float, linger: float) -> Scene:
        """Perform a round.

        Args:
            each: the round.
            seconds: for each move.
            linger: seconds for which programs are watched that were started, and not waited for.

        Raises:
            PerformanceError: the process on stage has ended, or says what it should not.
            TimeoutError: the time of the rehearsal is up.
        """
        moves = [[move.group, move.target.level] for move in each.moves]
        self._send({"side": str(each.side), "moves": moves, "seconds": seconds, "linger": linger})
        try:
            return of_message(self._receive(seconds + linger + _GRACE))
        except MessageError as error:
            raise PerformanceError(f"the node tells what makes no sense: {error}") from error

    def _begin(self) -> None:
        node = self._node
        node.run("rm", "-rf", TABLE, "/etc/cltab.d", "/var/lib/cltab2systemd")
        defaults = [*manager_files()]
        node.run_bytes("tar", "-xpf", "-", "-C", "/", input=_archive((*self._files(), *defaults)))
        node.run("systemctl", "set-environment", f"{VARIABLE}=1")
        # systemd reads its own configuration only when it begins.
        node.run("systemctl", "daemon-reexec" if defaults else "daemon-reload")
        node.run("systemctl", "start", _DAEMON, timeout=_BEGIN_TIME)
        self._stage = node.popen(
            sys.executable, "-P", "-m", "cltab2systemd.rehearsal.stage", env=_environment(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            # Not ours: what runs there would have our terminal.
            stderr=subprocess.PIPE,
        )  # fmt: skip
        drop_ins = {side: found.drop_ins for side, found in self._stand_ins.items()}
        self._send({"tables": dict(self._tables), "drop_ins": drop_ins})
        self._receive(_BEGIN_TIME)

    def _files(self) -> Iterator[UnitFile]:
        """All that is put into the node before its daemon starts."""
        yield from (UnitFile(f"/etc/systemd/system/{name}", link="/dev/null") for name in _MASKED)
        yield from unit_files()
        yield UnitFile(TABLE, IDLE.encode())
        for found in self._stand_ins.values():
            for name, text in found.scripts.items():
                yield UnitFile(f"{DIRECTORY}/{name}", encoded(text), mode=0o755)
        script = encoded(preflight_script(self._stand_ins.values()))
        yield UnitFile(f"{DIRECTORY}/preflight", script, mode=0o755)
        yield UnitFile(f"{_UNITS}/{PREFLIGHTS}.d/{DROP_IN}", preflight_drop_in().encode())
        yield UnitFile(PROBER, _prober().encode(), mode=0o755)
        yield UnitFile(f"{_UNITS}/{_DAEMON}", _daemon_unit().encode())

    def _send(self, message: dict[str, Any]) -> None:
        assert self._stage is not None
        assert self._stage.stdin is not None
        try:
            self._stage.stdin.write(json.dumps(message).encode() + b"\n")
            self._stage.stdin.flush()
        except OSError as error:
            ended = f"the process that performs the rehearsal has ended{self._last_words()}"
            raise PerformanceError(ended) from error

    def _last_words(self) -> str:
        """What that process has written to its standard error, as far as it is there, in a line."""
        assert self._stage is not None
        assert self._stage.stderr is not None
        descriptor = self._stage.stderr.fileno()
        if not select.select([descriptor], [], [], 0)[0]:
            return ""
        lines = decoded(os.read(descriptor, _MOST_WORDS)).split("\n")
        return printable(": " + " | ".join(filter(None, lines[-_LAST_LINES:])))

    def _receive(self, seconds: float) -> Any:
        """The next message. PerformanceError if there is none, TimeoutError if the time of the rehearsal is up."""
        assert self._stage is not None
        assert self._stage.stdout is not None
        end = time.monotonic() + seconds
        descriptor = self._stage.stdout.fileno()
        while b"\n" not in self._received:
            left = min(end, self._deadline) - time.monotonic()
            if left <= 0 and end >= self._deadline:
                raise TimeoutError("the time was up before it had begun")
            if left <= 0:
                raise PerformanceError("the process that performs the rehearsal does not answer")
            if not select.select([descriptor], [], [], left)[0]:
                continue
            data = os.read(descriptor, 1 << 16)
            if not data or len(self._received) > LONGEST_MESSAGE:
                what = "has ended" if not data else "tells more than there can be"
                raise PerformanceError(f"the process that performs the rehearsal {what}{self._last_words()}")
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        try:
            return json.loads(line)
        except (ValueError, RecursionError) as error:
            raise PerformanceError("the process that performs the rehearsal tells what makes no sense") from error


def _archive(files: Iterable[UnitFile]) -> bytes:
    """Files as an archive of tar(1): it is root in the node who makes them, and that is nobody here."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for file in files:
            member = tarfile.TarInfo(file.path.lstrip("/"))
            member.mode = file.mode
            if file.link is not None:
                member.type, member.linkname = tarfile.SYMTYPE, file.link
            else:
                member.size = len(file.content)
            archive.addfile(member, io.BytesIO(file.content))
    return stream.getvalue()


def _code_binds() -> Iterable[Bind]:
    """What has to be seen in the node for this code to run there."""
    package = Path(cltab2systemd.__file__).resolve().parent
    yield Bind(package, Path(_CODE) / package.name)
    templates = package / "templates"
    if templates.is_symlink():  # in a checkout
        yield Bind(templates.resolve(), Path(_CODE) / templates.readlink().name)
    if sys.prefix != sys.base_prefix:  # a virtual environment, which may be on another file system
        environment = Path(sys.prefix).resolve()
        yield Bind(environment, environment)


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": _CODE, "PYTHONDONTWRITEBYTECODE": "1"}


def _daemon_unit() -> str:
    """The daemon as the machine's own unit has it, but for its sandbox: it is in one."""
    line = unitfile.command_line((sys.executable, "-P", "-c", _MAIN, "-d"))
    variables = "".join(f"Environment={name}={value}\n" for name, value in _environment().items())
    return (
        "[Unit]\nIgnoreOnIsolate=yes\nStartLimitIntervalSec=0\n"
        f"[Service]\nType=notify\nNotifyAccess=main\nKillMode=process\nLimitNOFILE=16384\n{variables}ExecStart={line}\n"
    )


def _prober() -> str:
    return (
        f"#!{sys.executable} -ISXutf8\n"
        f"import sys\nsys.path.append({_CODE!r})\nfrom cltab2systemd.probing.prober import main\nmain()\n"
    )
