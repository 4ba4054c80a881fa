"""LAST EXIT in `clinitctl status` of an entry that runs again; and that a new daemon knows what keeps ending."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from programs import RUN

from lab.waiting import wait_until

if TYPE_CHECKING:
    from instance import Group


def shown(group: Group) -> Any:
    return json.loads(group.node.run("clinitctl", "status", "--json", group.name, check=False).stdout)["groups"][0]


def last_exit(group: Group) -> str:
    """What the table of `status` has in its column; `-` if there is none."""
    lines = group.node.run("clinitctl", "status", group.name, check=False).stdout.splitlines()
    place = lines[1].find("LAST EXIT")
    return "-" if place < 0 else lines[2][place:].split()[0]


def kill(group: Group, tag: str) -> None:
    """Kill an entry, and wait until it runs again."""
    pid = group.pid(tag)
    group.node.run("kill", "-KILL", str(pid))
    wait_until(lambda: group.pid(tag) not in {0, pid}, what="it runs again")


def test_how_the_run_before_ended(group: Group) -> None:
    """Of one that systemd has started again by itself; not of one that somebody has started."""
    group.define(f"r:3:respawn:{RUN}")
    group.switch("3")
    assert last_exit(group) == "-"
    kill(group, "r")
    wait_until(lambda: last_exit(group) == "SIGKILL", what="how it ended")
    assert shown(group)["entries"][0]["ending"] is None
    assert shown(group)["entries"][0]["previous_ending"]["result"] == "signal"

    group.node.run("systemctl", "restart", group.unit("r"))
    assert last_exit(group) == "-"
    kill(group, "r")
    wait_until(lambda: last_exit(group) == "SIGKILL", what="how it ended")
    group.instance.kill()
    group.instance.start()
    assert last_exit(group) == "-"


def test_the_pause_is_no_run(group: Group) -> None:
    """What ends too fast shows its own exit status while it pauses, or none if its end was not seen; never another."""
    group.define("r:3:respawn:true; exit 9")
    group.switch("3")

    def is_seen() -> bool:
        wait_until(lambda: shown(group)["entries"][0]["state"] == "backing-off", timeout=20, what="it pauses")
        if (found := last_exit(group)) == "-":
            group.node.run("clinitctl", "restart", f"{group.name}:{group.name}.r", check=False)
        assert found in {"9", "-"}
        return found == "9"

    wait_until(is_seen, timeout=60, what="its exit status")


def test_what_dies_at_once(group: Group) -> None:
    """How it has ended is known as soon as it pauses, and not only after its next try; and never another's end."""
    right = {"a": 1, "b": 9, "c": 11}
    group.define("a:3:respawn:exec false", "b:3:respawn:true; exit 9", "c:3:respawn:kill -SEGV $$", "m:m:once:true")

    def are_seen() -> bool:
        group.switch("3")
        wait_until(
            lambda: [entry["state"] for entry in shown(group)["entries"]][:3] == ["backing-off"] * 3,
            timeout=20, what="all pause",
        )  # fmt: skip
        found = {entry["tag"].rpartition(".")[2]: entry["previous_ending"] for entry in shown(group)["entries"][:3]}
        assert all(ending is None or ending["status"] == right[tag] for tag, ending in found.items())
        group.switch("m")
        return None not in found.values()

    wait_until(are_seen, timeout=60, what="all three ends")


def reasons(group: Group) -> list[str]:
    return [reason["code"] for reason in shown(group)["reasons"]]


def test_a_new_daemon_knows_what_keeps_ending(group: Group) -> None:
    """It goes on with the note of the one before, as if that had lived on; the note goes with the remark."""
    group.define("r:3:respawn:[ ! -e /run/lives ] || exec sleep 1000; sleep 1.2; exit 5", f"well:3:respawn:{RUN}")
    group.switch("3")
    wait_until(lambda: reasons(group) == ["keeps-ending"], timeout=30, what="it keeps ending")
    note = f"/run/cltab2systemd/system/restless/{group.unit('r')}"
    assert group.node.exists(note)
    group.instance.kill()
    group.instance.start()
    assert shown(group)["health"] == "degraded"
    wait_until(lambda: reasons(group) == ["keeps-ending"], timeout=1, what="it still keeps ending")

    group.switch("0")
    assert not group.node.exists(note)
    group.node.write("/run/lives", "")
    group.switch("3")
    assert reasons(group) == []


def test_a_spoilt_note(group: Group) -> None:
    """It is no more than forgotten, also if it cannot be read."""
    group.define(f"r:3:respawn:{RUN}")
    group.switch("3")
    directory = "/run/cltab2systemd/system/restless"
    group.instance.kill()
    for number, text in enumerate(("", "x y", "1 2 3 4 5 6", "\\377", "1")):
        group.node.shell(f"printf '{text}' >{directory}/x{number}; mkdir -p {directory}/clinit-y@{number}.service")
    group.node.shell(f"printf 'x' >'{directory}/{group.unit('r')}'")
    group.instance.start()

    assert shown(group)["health"] == "well"
