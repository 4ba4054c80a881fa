"""Progress over varlink, on a node: what somebody is told who watches a switch, and that nobody else is told."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from instance import Group, Instance, varlink
from programs import RUN, RUN_NEW, deaf
from watching import progress_of, replies

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    Watched: TypeAlias = tuple[Future[list[dict[str, Any]]], Future[list[dict[str, Any]]]]

SECOND = 1_000_000
# Steps of a switch with all stages, by their place. `app` and `t` are started beside each other.
PLACES = {
    ("stopping", "old queued"): 0, ("stopping", "old SIGINT"): 1, ("stopping", "old SIGTERM"): 2,
    ("stopping", "old SIGKILL"): 3, ("starting", "init queued"): 4, ("starting", "init starting"): 5,
    ("starting", "app queued"): 6, ("starting", "app starting"): 6,
    ("starting", "t queued"): 6, ("starting", "t starting"): 6,
}  # fmt: skip
# The others are told only where they last.
LONG = {
    ("stopping", "old SIGINT"), ("stopping", "old SIGTERM"), ("starting", "init starting"), ("starting", "t starting")
}  # fmt: skip


def steps(found: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """The phases of some progress, with the tags that are waited for, and the last signals."""
    return [
        (seen["phase"], *(f"{e['tag'].rpartition('.')[2]} {e['signal'] or e['doing']}" for e in seen["awaited"]))
        for seen in found
    ]


@pytest.fixture(scope="module")
def watched(shared: Instance) -> Iterator[Watched]:
    """What is told of two slow switches, side by side: one with all stages, and one of a group that gets new lines."""
    stages, lines = Group(shared), Group(shared)
    stages.define(
        f"old:1:respawn:{deaf('INT', 'TERM')}", "init:2:wait:sleep 1", f"app:2:respawn:{RUN}", "t:2:test:sleep 1"
    )
    lines.define(f"app:1:respawn:{deaf('INT')}", "init:1:wait:true")
    for group in (stages, lines):
        group.switch("1")
    shared.await_deaf(stages.unit("old"), "INT", "TERM")
    shared.await_deaf(lines.unit("app"), "INT")
    lines.define(f"app:1:respawn:{RUN_NEW}", "init:1:wait:sleep 4")
    with ThreadPoolExecutor() as pool:
        yield (
            pool.submit(replies, shared.node, "Switch", group=stages.name, level="2", progress=True),
            pool.submit(replies, shared.node, "Switch", group=lines.name, level="1", progress=True),
        )


def test_a_switch_with_all_stages(watched: Watched) -> None:
    """Who watches is told of each stage of a slow stop, and of each entry that is waited for."""
    found = watched[0].result()
    seen = progress_of(found)

    said = [(phase, entry) for phase, *entries in steps(seen) for entry in entries if phase in {"stopping", "starting"}]
    assert said == sorted(said, key=PLACES.__getitem__)
    assert {*said} >= LONG
    first, second = (
        next(entry for step in seen for entry in step["awaited"] if entry["signal"] == name)
        for name in ("SIGINT", "SIGTERM")
    )
    assert (5 * SECOND, "SIGTERM", 10 * SECOND, "SIGKILL") == (
        first["limit_usec"], first["next_signal"], second["limit_usec"], second["next_signal"],
    )  # fmt: skip
    assert all(0 <= told["elapsed_usec"] < 4 * SECOND for told in (first, second))
    assert {("1", "2")} == {(step["origin"], step["level"]) for step in seen}
    assert "DONE" == found[-1]["parameters"]["status"]["state"]
    assert all(reply.get("continues") for reply in found[:-1])


def test_new_lines(watched: Watched) -> None:
    """A group that gets new lines is emptied, its units are loaded, and then it starts."""
    seen = progress_of(watched[1].result())

    phases = [step[0] for step in steps(seen)]
    assert ["stopping", "starting"] == [phase for phase in dict.fromkeys(phases) if phase in {"stopping", "starting"}]
    assert phases == sorted(phases, key=["waiting", "stopping", "loading", "starting", "settling"].index)


def test_what_a_service_says(group: Group) -> None:
    """STATUS= of a service that may notify is told, and a limit of its start is systemd's."""
    group.define("init:1:wait:systemd-notify --status=half; sleep 1; systemd-notify --status=most; sleep 1")
    unit = group.unit("init")
    group.node.write(f"/etc/systemd/system/{unit}.d/x.conf", "[Service]\nNotifyAccess=all\nTimeoutStartSec=40\n")
    seen = progress_of(replies(group.node, "Switch", group=group.name, level="1", progress=True))

    told = [entry for step in seen for entry in step["awaited"] if entry["doing"] == "starting"]
    assert ["half", "most"] == [says for says in dict.fromkeys(entry["says"] for entry in told) if says]
    assert {40 * SECOND} == {entry["limit_usec"] for entry in told}


def test_nobody_else_is_told(group: Group) -> None:
    """Without the flag, a client has two replies with `more`, and one without; the status has no progress."""
    group.define("init:1:wait:sleep 1")
    plain = replies(group.node, "Switch", group=group.name, level="1")
    group.switch("2")
    (single,) = varlink(
        group.node,
        {"method": "org.clinit.Manager.Switch", "parameters": {"group": group.name, "level": "1", "progress": True}},
    )
    status = replies(group.node, "Status", group=group.name, until="STARTING")[-1]["parameters"]["groups"]

    assert [["message"], ["message", "status"]] == [[*reply["parameters"]] for reply in plain]
    assert {"parameters": {"message": "level transition started"}} == single
    assert [["group", "level", "state", "reasons"]] == [[*line] for line in status]


def test_a_flag_that_is_none(group: Group) -> None:
    """`progress` is true or false; anything else is refused before anything is moved."""
    group.define("init:1:wait:true")
    (reply,) = replies(group.node, "Switch", group=group.name, level="1", progress="yes")

    assert {"error": "org.varlink.service.InvalidParameter", "parameters": {"parameter": "progress"}} == reply
    assert "" == group.status


def test_the_status_with_progress(group: Group) -> None:
    """Who follows the status has the progress in the groups that are on their way, until they are at rest."""
    group.define("init:1:wait:sleep 4", f"app:1:respawn:{RUN}")
    group.switch("2")
    group.request("1")
    found = replies(group.node, "Status", group=group.name, until='"DONE","reasons":[]}', progress=True)
    lines = [line for reply in found for line in reply["parameters"]["groups"] if line["group"] == group.name]

    assert ["starting"] == [*dict.fromkeys(line["progress"]["phase"] for line in lines if line["state"] == "STARTING")]
    assert ("DONE", False) == (lines[-1]["state"], "progress" in lines[-1])


def test_a_switch_by_hand(group: Group) -> None:
    """A level that somebody starts with systemctl has progress, too."""
    group.define("init:1:wait:sleep 2")
    group.switch("2")
    group.node.run("systemctl", "start", "--no-block", group.target("1"))
    found = replies(group.node, "Status", group=group.name, until='"phase"', progress=True)

    line = found[-1]["parameters"]["groups"][0]["progress"]
    assert ("2", "1", "starting") == (line["origin"], line["level"], line["phase"])
    group.wait_for("1 DONE")


def test_a_superseded_switch(group: Group) -> None:
    """Whoever watches a switch that another takes over is told that, as ever."""
    group.define("init:1:wait:sleep 30")
    is_starting = f'[ "$(systemctl is-active {group.unit("init")})" = activating ]'
    script = f"until {is_starting}; do sleep 0.1; done; sleep 1; clinit {group.name} 2"
    group.node.popen("sh", "-c", script)
    found = replies(group.node, "Switch", group=group.name, level="1", progress=True)

    assert ("starting", "init starting") in steps(progress_of(found))
    assert "org.clinit.Manager.Superseded" == found[-1]["error"]
    group.wait_for("2 DONE")


def test_descriptions_are_no_more_than_five_a_second(group: Group) -> None:
    """However much changes: who follows Describe gets what it is in the end."""
    group.define(f"app:1:respawn:{RUN}", f"b:2:respawn:{RUN}", "c:3:test:true")
    group.switch("1")
    name = group.name
    storm = f"for n in 1 2 3 4 5 6 7 8; do clinit -w {name} 2; clinit -w {name} 1; done; clinit -w {name} 3"
    process = group.node.popen("sh", "-c", f"sleep 0.5; {storm}")
    began = time.monotonic()
    found = replies(group.node, "Describe", groups=[name], until='"state":"PASSED"')
    passed = time.monotonic() - began
    process.wait(30)

    assert 3 <= len(found) <= passed * 5 + 2
    assert "PASSED" == found[-1]["parameters"]["groups"][0]["state"]
