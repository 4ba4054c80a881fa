"""A control daemon in a node, and groups of its table, for tests to act on."""

from __future__ import annotations

import itertools
import json
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from answers import answered

from cltab2systemd import events
from lab.waiting import wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable, Iterator

    from lab.node import Node

# As long as the table has an entry, it may take effect while groups are active; nobody asks for this one.
IDLE = "idle:idle:1:wait:true\n"

EVENTS = "/run/events"
# Written into the node: `event GROUP WHAT…` logs with the time, one line for each call, and forks nothing. With a log's
# path in EVENTS it can be read into a shell, as `say WHAT…`: for traps, in which a program would be stopped too.
EVENT_SCRIPT = f"""\
say() {{ read -r now rest </proc/uptime; echo "$now $*" >>"$EVENTS"; }}
[ "$EVENTS" ] || {{ EVENTS={EVENTS}/$1; shift; say "$@"; }}
"""


def in_order(log: Iterable[str], *events: str) -> bool:
    """Whether a log has these events in this order. Its times, of 0.01 s, are too coarse to tell."""
    said = list(log)
    places = [said.index(event) for event in events]
    return places == sorted(places)


class Instance:
    """The system instance's daemon in a node."""

    def __init__(self, node: Node, unit: str = "clinitd.service", *options: str) -> None:
        self.node = node
        self.unit = unit
        self.options = options
        self.table = ""
        node.write("/usr/local/bin/event", "#!/bin/sh\n" + EVENT_SCRIPT, mode=0o755)
        node.path(EVENTS).mkdir(exist_ok=True)

    def start(self) -> Instance:
        """Start the daemon, if need be when the one before is gone, and return when it serves."""
        self._wait_for_end()
        # Type and IgnoreOnIsolate are what the shipped unit has; a transient one is nobody's dependency.
        properties = ("--property=Type=notify", "--property=IgnoreOnIsolate=yes", "--property=KillMode=process")
        self.node.run(
            "systemd-run", "--quiet", "--collect", f"--unit={self.unit}", *properties, "clinit", "-d", *self.options
        )  # fmt: skip
        wait_until(self.answers, what="the daemon answers")
        return self

    def share(self, table: str = IDLE) -> Self:
        """Start the daemon for tests that each put a group of their own into its table."""
        self.table = table
        self.write_table(table)
        self.start()
        return self

    def answers(self) -> bool:
        """Whether the daemon answers a request for a group that no table has."""
        return self.clinit("no-such-group", "1").returncode == 1

    @property
    def pid(self) -> int:
        """The daemon's pid in the node."""
        return self.main_pid(self.unit)

    def kill(self, signal: str = "KILL") -> None:
        """Kill the daemon, and return when it is gone."""
        pid = self.pid
        self.node.run("kill", f"-{signal}", str(pid))
        wait_until(lambda: not self.node.exists(f"/proc/{pid}"), what="the daemon is gone")
        self._wait_for_end()

    def _wait_for_end(self) -> None:
        """Wait until systemd has seen that the daemon is gone, and its unit may be started again."""
        wait_until(lambda: self.properties(self.unit, "ActiveState") == {"ActiveState": "inactive"})

    def write_table(self, text: str | bytes) -> None:
        """Push a table, as config management does: written aside, then renamed."""
        self.node.write("/etc/cltab.new", text)
        self.node.path("/etc/cltab.new").rename(self.node.path("/etc/cltab"))

    def clinit(self, *arguments: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run the client."""
        return self.node.run("clinit", *arguments, check=False, timeout=timeout)

    def clstat(self) -> dict[str, str]:
        """What the status file says: `LEVEL STATE` by group."""
        lines = (line.split() for line in self.node.read("/run/clinit/clstat").splitlines())
        return {group: f"{level} {state}" for _, group, level, state in lines}

    def properties(self, unit: str, *names: str) -> dict[str, str]:
        """Properties of a unit."""
        shown = self.node.run("systemctl", "show", *(f"--property={name}" for name in names), "--", unit).stdout
        return dict(line.split("=", 1) for line in shown.splitlines())

    def main_pid(self, unit: str) -> int:
        """The pid of a service's main process in the node; 0 if it has none."""
        return int(self.properties(unit, "MainPID")["MainPID"])

    def told(self, event: events.Event, **values: str) -> dict[str, str]:
        """The daemon's latest line of a kind, as its fields in the journal.

        Args:
            event: the kind.
            values: what it has to tell, by the names of `events.FIELDS`.
        """
        self.node.run("journalctl", "--sync")
        matches = (f"{events.FIELDS[name]}={value}" for name, value in values.items())
        command = ("journalctl", "--output=json", "--lines=1", f"MESSAGE_ID={event.message_id}", *matches)
        found: dict[str, str] = json.loads(self.node.run(*command).stdout)
        return found

    def told_at(self, event: events.Event, **values: str) -> float:
        """When the daemon said that, in seconds since 1970."""
        return int(self.told(event, **values)["_SOURCE_REALTIME_TIMESTAMP"]) / 1e6

    def await_deaf(self, unit: str, *signals: str) -> None:
        """Return when the main process of a service ignores these signals: its shell has set the trap."""

        def is_deaf() -> bool:
            with suppress(OSError):  # there is no such process yet, or it has just gone
                lines = self.node.read(f"/proc/{self.main_pid(unit)}/status").splitlines()
                [ignored] = [int(line.split()[1], 16) for line in lines if line.startswith("SigIgn:")]
                return all(ignored >> signal.Signals[f"SIG{name}"] - 1 & 1 for name in signals)
            return False

        wait_until(is_deaf, what=f"{unit} ignores {signals}")


class Group:
    """A group that only one test uses, in the table of an instance that other tests use too."""

    _numbers = itertools.count(1)

    def __init__(self, instance: Instance, name: str | None = None) -> None:
        self.instance = instance
        self.node = instance.node
        self.name = name or f"g{next(self._numbers)}"
        self._lines = ""

    def define(self, *lines: str, settings: tuple[str, ...] = ()) -> None:
        """Put entries, as `tag:levels:mode:command`, into the table; a `@` in a command logs an event.

        Tags are unique in a whole table, so in it each is preceded by the group's name and a dot. So is what stands
        behind the dot of a setting among them, as in `:::ready.tag:tcp:80`; `settings` are lines as they are.
        """
        fields = (line.split(":", 3) for line in lines if not line.startswith(":::"))
        of_entries = (line.partition(".") for line in lines if line.startswith(":::"))
        text = "".join(f"{kind}.{self.name}.{rest}\n" for kind, _, rest in of_entries)
        text += "".join(
            f"{self.name}:{self.name}.{tag}:{levels}:{mode}:{command.replace('@', f'event {self.name}')}\n"
            for tag, levels, mode, command in fields
        ) + "".join(f"{setting}\n" for setting in settings)
        others = self.instance.table.replace(self._lines, "") if self._lines else self.instance.table
        self.instance.table, self._lines = others + text, text
        self.instance.write_table(self.instance.table)

    def request(self, level: str) -> None:
        """`clinit GROUP LEVEL`, which has to be accepted."""
        done = self.instance.clinit(self.name, level)
        # An empty table is refused while groups are active, so the group of the test before may be told of.
        told = [line for line in done.stderr.splitlines() if "has left the table" not in line]
        answered(done, code=0, out="level transition started\n")
        assert [] == told

    def switch(self, level: str, *, code: int = 0) -> str:
        """`clinit --wait GROUP LEVEL`, which has to end with the exit code; the state that it ended in."""
        done = self.instance.clinit("--wait", self.name, level)
        answered(done, code=code)
        return done.stdout.removeprefix(f"{self.name} {level} ").strip()

    def took(self, level: str) -> float:
        """How many seconds the latest request for a level took that ended well, by the daemon's own clock."""
        return int(self.instance.told(events.DONE, group=self.name, level=level)["CLINIT_DURATION_USEC"]) / 1e6

    @property
    def status(self) -> str:
        """`LEVEL STATE` from clstat; empty if it does not have the group."""
        return self.instance.clstat().get(self.name, "")

    def wait_for(self, status: str) -> None:
        """Wait until clstat says `LEVEL STATE`."""
        wait_until(lambda: self.status == status, what=f"{self.name} is {status}, not {self.status}")

    def unit(self, tag: str) -> str:
        """The unit of an entry."""
        return f"clinit-{self.name}@{self.name}.{tag}.service"

    def target(self, level: str) -> str:
        """The target of a level."""
        return f"clinit-{self.name}@{level}.target"

    def pid(self, tag: str) -> int:
        """The main pid of an entry in the node; 0 if nothing runs."""
        return self.instance.main_pid(self.unit(tag))

    def property(self, tag: str, name: str) -> str:
        """A property of an entry's unit."""
        return self.instance.properties(self.unit(tag), name)[name]

    def events(self) -> list[str]:
        """What the entries logged, as `TAG WHAT`, in order."""
        return [line.split(" ", 1)[1] for line in self._event_lines()]

    def event_time(self, event: str) -> float:
        """When an event was logged first, in seconds."""
        return self.event_times(event)[0]

    def event_times(self, event: str) -> list[float]:
        """When an event was logged each time, in seconds."""
        return [float(line.split()[0]) for line in self._event_lines() if line.split(" ", 1)[1] == event]

    def _event_lines(self) -> list[str]:
        path = f"{EVENTS}/{self.name}"
        return self.node.read(path).splitlines() if self.node.exists(path) else []

    def when_awaited(self, *awaited: str) -> dict[str, Any]:
        """Wait until the daemon knows that these are waited for, each as `TAG DOING`; its status of the group then."""
        call: dict[str, object] = {
            "method": "org.clinit.Manager.Status", "parameters": {"group": self.name, "progress": True},
        }  # fmt: skip

        def status() -> dict[str, Any]:
            [reply] = varlink(self.node, call)
            found: dict[str, Any] = reply["parameters"]["groups"][0]
            entries = (found.get("progress") or {"awaited": []})["awaited"]
            told = [f"{entry['tag'].removeprefix(f'{self.name}.')} {entry['doing']}" for entry in entries]
            return found if told == [*awaited] else {}

        return wait_until(status, what=f"the daemon knows that {awaited} are waited for")

    def starts(self) -> Iterator[tuple[int, str]]:
        """When each entry that ran was started last, CLOCK_MONOTONIC in µs, and its tag; in file order."""
        entries = (line for line in self._lines.splitlines() if not line.startswith(":::"))
        for line in entries:
            tag = line.split(":")[1].removeprefix(f"{self.name}.")
            yield int(self.property(tag, "ExecMainStartTimestampMonotonic")), tag


def varlink(node: Node, *calls: dict[str, object] | bytes, socket: str = "/run/clinit/clinit.s") -> list[Any]:
    """Send calls over one connection, as a program of somebody else's would; the replies until the daemon closes."""
    script = (
        "import socket, sys\n"
        "s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(sys.argv[1])\n"
        "s.sendall(sys.stdin.buffer.read()); s.shutdown(socket.SHUT_WR)\n"
        "while data := s.recv(65536): sys.stdout.buffer.write(data)\n"
    )
    sent = b"".join(call if isinstance(call, bytes) else json.dumps(call).encode() + b"\0" for call in calls)
    received = node.run_bytes("python3", "-c", script, socket, input=sent).stdout
    return [json.loads(message) for message in received.split(b"\0") if message]
