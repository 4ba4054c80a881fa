"""A stop that only SIGKILL has brought to its end is told: by the daemon's log, and by `clinitctl history`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from programs import RUN, deaf

from cltab2systemd import events
from lab.waiting import wait_until

if TYPE_CHECKING:
    from instance import Group

DEAF = deaf("INT", "TERM", then="@ up")
# It ends at SIGINT, and leaves behind what does not end.
LEAVES_DEAF = f"({DEAF}) & wait"
# What needs SIGTERM, and no more.
HALF_DEAF = deaf("INT", then="@ up")
SOON = "".join(
    f":::service.GROUP.{tag}:{setting}=1\n"
    for tag in ("main", "child", "half", "once")
    for setting in ("TimeoutStopSec", "TimeoutAbortSec")
)


def killed(group: Group) -> list[dict[str, Any]]:
    """The daemon's lines that an entry of the group had to be killed."""
    matches = [f"MESSAGE_ID={events.KILLED.message_id}", f"CLINIT_GROUP={group.name}"]
    done = group.node.run("journalctl", "--output=json", *matches)
    return [json.loads(line) for line in done.stdout.splitlines()]


def history(group: Group, *arguments: str) -> str:
    return group.node.run("clinitctl", "history", *arguments, group.name).stdout


def define(group: Group) -> None:
    """A group whose entries end at SIGINT, at SIGTERM, or not before SIGKILL."""
    group.define(
        f"main:1:respawn:{DEAF}", f"child:1:respawn:{LEAVES_DEAF}", f"half:1:respawn:{HALF_DEAF}",
        f"once:1:once:{DEAF}", f"polite:1:respawn:{RUN}",
    )  # fmt: skip
    group.instance.table += SOON.replace("GROUP", group.name)
    group.instance.write_table(group.instance.table)
    group.switch("1")
    wait_until(lambda: group.events() == 4 * ["up"], what="the shells have set their traps")


def test_a_switch(group: Group) -> None:
    """Each entry that had to be killed is a warning with its fields, and stands in the row of the request."""
    define(group)
    group.switch("2")
    main, child, once = (f"{group.name}.{tag}" for tag in ("main", "child", "once"))
    wait_until(lambda: {main, once} <= {line["CLINIT_ENTRY"] for line in killed(group)}, what="the journal has both")
    wait_until(lambda: "2 " in history(group).splitlines()[-2], what="the journal has the request")
    lines = {line["CLINIT_ENTRY"]: line for line in killed(group)}
    request = json.loads(history(group, "--json"))["requests"][-1]

    # systemd may not tell of what a main process leaves behind.
    assert {main, once} <= lines.keys() <= {main, child, once}
    first = lines[main]
    assert first["MESSAGE"] == f"{group.name}: processes of {main} did not end in time, and were killed"
    assert "4" == first["PRIORITY"]
    assert (group.name, "respawn", group.unit("main"), request["id"]) == tuple(
        first[f"CLINIT_{name}"] for name in ("GROUP", "MODE", "UNIT", "REQUEST")
    )
    assert lines.keys() == {*request["killed"]}
    told, _, tags = history(group).splitlines()[-1].rpartition(": ")
    assert "  had to be killed, for it did not end in time" == told
    assert lines.keys() == {*tags.split(", ")}


def test_by_hand(group: Group) -> None:
    """A stop by clinitctl is a request, too; one by systemctl is none. systemd may not tell of a restart."""
    define(group)
    group.node.run("clinitctl", "restart", f"{group.name}:{group.name}.main")
    wait_until(lambda: group.events() == 5 * ["up"], what="it has set its trap again")
    group.node.run("clinitctl", "stop", f"{group.name}:{group.name}.half", f"{group.name}:{group.name}.main")
    group.node.run("systemctl", "stop", group.unit("once"))
    wait_until(lambda: (lines := killed(group)) and "CLINIT_REQUEST" not in lines[-1], what="the journal has the last")
    requests = json.loads(history(group, "--json"))["requests"][-2:]

    main, told = f"{group.name}.main", [line.get("CLINIT_REQUEST") for line in killed(group)]
    assert [[main] if requests[0]["id"] in told else [], [main]] == [request["killed"] for request in requests]
    assert [requests[1]["id"], None] == told[-2:]
