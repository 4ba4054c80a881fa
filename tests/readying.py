"""Entries that say by a file when they are ready, and what is told of their readiness."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lab.waiting import wait_until

if TYPE_CHECKING:
    from instance import Group

# An entry that says when it is ready, by a file.
READY_FILE = "/run/{}.ready"


def listen(port: int) -> str:
    """A command that accepts connections at a port, and answers HTTP."""
    return f"exec python3 -m http.server --bind 127.0.0.1 {port} --directory /srv"


def file_of(group: Group) -> str:
    """The file that says that an entry of the group is ready."""
    return READY_FILE.format(group.name)


def readiness(group: Group, tag: str = "db") -> str:
    """The unit of the readiness of an entry."""
    return group.unit(f"{tag}:ready")


def touch(group: Group) -> None:
    """Have the entry be ready."""
    group.node.write(file_of(group), "")


def remove(group: Group) -> None:
    """Have the entry not be ready."""
    group.node.path(file_of(group)).unlink(missing_ok=True)


def asks(group: Group, tag: str = "db") -> None:
    """Wait until the readiness of an entry is being asked for."""
    unit = readiness(group, tag)
    properties = ("ActiveState", "StatusText")
    wait_until(
        lambda: (
            (found := group.instance.properties(unit, *properties))["ActiveState"] == "activating"
            and found["StatusText"]
        ),
        what=f"{unit} has been asked",
    )


def reasons(group: Group) -> list[str]:
    """The reasons that are told of the group."""
    lines = (line.split(" ", 2) for line in group.node.read("/run/cltab2systemd/system/reasons").splitlines())
    return [text for name, _, text in lines if name == group.name]


def kill_main(group: Group, tag: str = "db") -> None:
    """Kill the main process of an entry, and wait for the next one."""
    pid = group.pid(tag)
    group.node.run("kill", "-KILL", str(pid))
    wait_until(lambda: group.pid(tag) not in {0, pid}, what=f"{tag} is started again")


def described(group: Group) -> dict[str, Any]:
    """The entries of the group as clinitctl tells of them, by tag."""
    found = json.loads(group.node.run("clinitctl", "status", "--json", group.name, check=False).stdout)
    entries: dict[str, Any] = {
        entry["tag"].removeprefix(f"{group.name}."): entry for entry in found["groups"][0]["entries"]
    }
    return entries
