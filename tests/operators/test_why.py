"""`clinitctl why`: each reason with its lines, who did it, and the commands that cure it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from answers import answered
from jsonschema import Draft202012Validator
from programs import RUN, held
from shipped import Shipped
from sudoers import stop_with_sudo

from lab.install import PROJECT
from lab.node import Node
from lab.programs import installed
from lab.waiting import wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from instance import Group


@pytest.fixture(scope="module")
def shared(project_layer: Path) -> Iterator[Shipped]:
    """The shipped daemon."""
    with Node("why", layers=[project_layer, installed("sudo")]) as node:
        node.shell("useradd tess; echo 'tess ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/tess")
        yield Shipped(node).share()


def why(group: Group, *options: str, user: str | None = None) -> subprocess.CompletedProcess[str]:
    return group.node.run("clinitctl", "why", *options, group.name, check=False, user=user)


def value(group: Group, user: str | None = None) -> Any:
    return json.loads(why(group, "--json", user=user).stdout)


def facts(said: str) -> dict[str, str]:
    """What stands behind the names of facts."""
    return dict(re.findall(r"^  (\w[\w ]{,7}\S) +(.*)$", said, re.MULTILINE))


def test_a_test_that_failed(group: Group) -> None:
    """What, how it ended, since when, its command, the lines of this attempt, and what to do."""
    group.define(
        r"t:3:test:echo attempt >>/run/tries; wc -l </run/tries; printf '\033[31mred\tx\n'; exit 3",
        f"r:3:respawn:{RUN}",
    )
    group.switch("3", code=4)
    group.switch("3", code=4)
    done = why(group)

    answered(done, code=4, err="")
    said = done.stdout
    assert said.startswith(f"{group.name}: level 3 FAILED for ")
    assert f"\n{group.name}.t (test) exited with 3\n" in said
    found = facts(said)
    assert found["ended"] == "exit status 3"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d, .* ago", found["since"])
    assert found["unit"] == group.unit("t")
    assert found["to do"] == f"mend it, then 'clinit {group.name} 3' runs it again"
    assert said.endswith(f"\n    clinit {group.name} 3\n")
    written = re.findall(r"^    \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  (.*)$", said, re.MULTILINE)
    assert [line for line in written if not line.startswith("systemd: ")] == ["2", "\\x1b[31mred\tx"]


def test_json(group: Group) -> None:
    """The same for programs, beside what varlink says of a reason."""
    group.define("t:3:test:echo word; exit 3", f"r:3:respawn:{RUN}")
    group.switch("3", code=4)
    found = value(group)

    assert (found["group"], found["level"], found["state"]) == (group.name, "3", "FAILED")
    [reason] = found["reasons"]
    assert (reason["code"], reason["by"], reason["trouble"]) == ("test-failed", None, None)
    assert [line["text"] for line in reason["lines"] if line["systemd"] is False] == ["word"]
    assert reason["commands"] == [f"clinit {group.name} 3"]


def test_stopped_by_somebody(group: Group) -> None:
    """Who stopped an entry is told if that is known, as of `clinitctl stop`; else nothing is claimed."""
    group.define(f"r:3:respawn:{RUN}")
    group.switch("3")
    group.node.run("systemctl", "stop", group.unit("r"))
    group.wait_for("3 FAILED")
    assert "by" not in facts(why(group).stdout)

    group.switch("3")
    group.node.run("clinitctl", "stop", f"{group.name}.r")
    wait_until(lambda: "clinitctl" in facts(why(group).stdout).get("by", ""), what="the journal has the daemon's line")
    assert re.match(r"root\[\d+\]: clinitctl stop ", facts(why(group).stdout)["by"])


def test_stopped_with_sudo(group: Group) -> None:
    """The journal knows who it was."""
    file = f"/run/{group.name}.held"
    group.define(f"r:3:respawn:{held(file)}")
    group.switch("3")
    unit = group.unit("r").removesuffix(".service")
    stop_with_sudo(group, "r", file, unit)
    group.wait_for("3 FAILED")
    wait_until(lambda: "by" in facts(why(group).stdout), what="the journal has sudo's line")
    assert f"tess: /usr/bin/systemctl stop {unit}, " in facts(why(group).stdout)["by"]


def test_what_was_stopped_has_no_last_words(group: Group) -> None:
    """What a program wrote before it was stopped says nothing of that. One that fails when it is stopped has some."""
    fails = "trap 'echo broken; exit 1' INT TERM; @ up; while :; do sleep 0.1; done"
    group.define("r:3:respawn:echo tick; exec sleep infinity", f"s:3:respawn:{fails}")
    group.switch("3")
    wait_until(lambda: group.events() == ["up"], what="its shell has set the traps")
    group.node.run("systemctl", "stop", group.unit("r"), group.unit("s"))
    group.wait_for("3 FAILED")
    wait_until(lambda: "broken" in why(group).stdout, what="the last words of what failed")
    stopped, failed = value(group)["reasons"]

    assert "was stopped" in stopped["words"]
    assert [] == [line for line in stopped["lines"] if not line["systemd"]]
    assert "broken" in [line["text"] for line in failed["lines"]]


def test_nobody_is_blamed_for_what_fails_by_itself(group: Group) -> None:
    """Who has a test run again has not made it fail."""
    group.define("t:3:test:false", f"r:3:respawn:{RUN}")
    group.switch("3", code=4)
    group.node.run("clinitctl", "restart", f"{group.name}:t", check=False)
    found = value(group)["reasons"]

    assert [("test-failed", None)] == [(reason["code"], reason["by"]) for reason in found]


def test_a_group_that_is_well(group: Group) -> None:
    """That is said, and so is that one is at no level, with what brings it to one."""
    group.define(f"r:3:respawn:{RUN}")
    group.instance.clinit()
    answered(why(group), code=0, err="")
    assert f"nothing is wrong with it: it is at no level; 'clinit {group.name} 3' brings it to one" in why(group).stdout
    group.switch("3")
    assert re.fullmatch(f"{group.name}: level 3 DONE for .*\n  all is well\n", why(group).stdout)


def test_all_groups(shared: Shipped) -> None:
    """Without a name, each that is not well is told of, what is worst first; several names are these, well or not."""
    node, table = shared.node, shared.table
    more = (
        f"bad:b1:3:test:false\nodd:o1:3:wait:false\nodd:o2:3:respawn:{RUN}\nfine:f1:3:respawn:{RUN}\n"
        f"typo:t1:3,prod:respawn:{RUN}\ncold:c1:3,m:respawn:{RUN}\n"
    )
    groups = (("fine", "3"), ("typo", "4"), ("odd", "3"), ("bad", "3"))
    shared.write_table(more)

    def value(*names: str) -> Any:
        text = node.run("clinitctl", "why", "--json", *names, check=False).stdout
        return json.loads(re.sub(r'(?<=_usec": )\d+', "1", text))  # times of two answers may differ by 1 µs

    shared.clinit()  # the groups of other tests are stopped
    try:
        for name, level in groups:
            shared.clinit("--wait", name, level)
        done = node.run("clinitctl", "why", check=False)
        answered(done, code=4, err="")
        assert re.findall("^([a-z]+): ", done.stdout, re.MULTILINE) == ["bad", "odd", "typo"]
        assert ["bad", "odd", "typo"] == [group["group"] for group in value()["groups"]]
        assert value()["groups"][1] == value("odd")

        done = node.run("clinitctl", "why", "cold", "odd", check=False)
        assert done.returncode == 7
        told = r"odd: .*\n\no1 \(wait\) (.*\n)+?\ncold: at no level\n  nothing is wrong with it: it is at no level; "
        assert re.match(rf"{told}'clinit cold 3' \(or m\) brings it to one\n$", done.stdout), done.stdout
        schema = json.loads((PROJECT / "docs/schemas/clinitctl-why-several.schema.json").read_text())
        Draft202012Validator(schema).validate(value("cold", "odd"))
        answered(node.run("clinitctl", "why", "odd", "nobody", check=False), code=1, out="")
    finally:
        for name, _ in groups:
            shared.clinit("--wait", name, "stop")
        shared.write_table(table)


def test_all_is_well(fresh_node: Node) -> None:
    """It is said so; but what is wrong with the table is told also of a group that is well itself."""
    fresh_node.write("/etc/cltab", f"web:r:3:respawn:{RUN}\n")
    shipped = Shipped(fresh_node).share(f"web:r:3:respawn:{RUN}\n")
    run = fresh_node.run
    answered(run("clinitctl", "why"), code=0, out="all is well\n", err="")
    shipped.clinit("--wait", "web", "3")
    answered(run("clinitctl", "why"), code=0, out="all is well\n", err="")

    shipped.write_table("web:r:3:respwan:true\n")
    shipped.clinit()
    for names, said in (([], "the groups that are known are well\n"), (["web"], "\n  the group itself is well\n")):
        done = run("clinitctl", "why", *names, check=False)
        answered(done, code=7, err="")
        assert "the table is refused" in done.stdout
        assert done.stdout.endswith(said)
        assert "all is well" not in done.stdout


def test_a_level_that_no_entry_names(group: Group) -> None:
    """That is why nothing runs: perhaps somebody has mistyped it."""
    group.define(f"r:3:respawn:{RUN}", f"s:3,b:respawn:{RUN}")
    group.switch("3")
    group.switch("m")

    answered(why(group), code=0, err="")
    assert "\n  no entry names level m, so none is to run; they name 3, 3,b\n" in why(group).stdout
    assert "all is well" not in why(group).stdout


def test_a_group_that_begins_badly(group: Group) -> None:
    """What has failed is worth a look, though the group is on its way."""
    group.define("t:3:test:false", "w:3:wait:sleep 1000")
    group.request("3")
    wait_until(lambda: why(group).returncode == 7, what="the test has failed")
    assert 0 == why(group, "--json").stdout.count('"state": "FAILED"')
    group.switch("stop")


def test_a_group_that_is_on_its_way(group: Group) -> None:
    """What it waits for."""
    group.define("w:3:wait:exec sleep 1000", f"r:3:respawn:{RUN}")
    group.request("3")
    group.wait_for("3 STARTING")
    group.when_awaited("w starting")
    said = why(group)
    answered(said, code=0, err="")
    so_far = rf"^  {group.name} -> 3: starting, 0 of 2 done: {group.name}\.w \(wait\) \d+s$"
    assert re.search(so_far, said.stdout, re.MULTILINE)
    assert f"  {group.name}.r (respawn) is waiting" in said.stdout
    group.node.run("systemctl", "stop", group.unit("w"))


def test_what_systemd_says(group: Group) -> None:
    """Of a unit that it could not load or start, and how each is cured."""
    unit = group.unit("a")
    group.node.write(f"/etc/systemd/system/{unit}.d/my.conf", "[Service]\nExecStart=\n")
    group.define(f"a:3:respawn:{RUN}", "c:3:test:kill -SEGV $$")
    group.switch("3", code=4)
    said = why(group).stdout

    assert "systemd: Service has no ExecStart=" in said
    assert f"    systemctl status {unit}\n    systemctl daemon-reload\n    clinit {group.name} 3\n" in said
    assert re.search(r"^  ended +signal SIGSEGV", said, re.MULTILINE)


def test_without_rights_and_without_a_daemon(group: Group, shared: Shipped) -> None:
    """Any user gets the reasons and the cure, and hears once that he may not read the journal."""
    group.define("t:3:test:echo word; exit 3", "u:3:test:false")
    group.switch("3", code=4)
    done = why(group, user="tess")
    assert done.returncode == 4
    assert 1 == done.stdout.count("not permitted to read the system's journal")
    assert "exited with 3" in done.stdout
    assert f"    clinit {group.name} 3\n" in done.stdout

    shared.node.run("systemctl", "stop", "clinit.socket", "clinit.service")
    try:
        done = why(group)
        assert done.returncode == 4
        assert "the daemon is gone" in done.stdout
        assert "word" in done.stdout
    finally:
        shared.node.run("systemctl", "start", "clinit.socket", "clinit.service")


def test_no_such_group(shared: Shipped) -> None:
    """Is refused, with a hint."""
    done = shared.node.run("clinitctl", "why", "nobody", check=False)
    answered(done, code=1, out="", err="clinitctl: no such group: nobody\n")


NOTIFIES = ("[Service]", "Type=notify", "RestartSec=1h", "Restart=always")


@pytest.mark.parametrize(
    ("command", "more", "told", "ended"),
    [
        ("systemd-notify --ready; exec sleep 1000", ("WatchdogSec=1",),
         "it gave no sign of life for 1 s (WatchdogSec=)",
         r"signal SIG\w+.*; it did not tell its watchdog in time \(Result=watchdog\)"),
        ("true; exit 0", (), "exited with 0, and had not said that it is ready",
         r"exit status 0; it did not say that it is ready, as its type asks for \(Result=protocol\)"),
        ("exec sleep 1000", ("TimeoutStartSec=1",), "it did not start within 1 s (TimeoutStartSec=)",
         r"signal SIG\w+; a time limit was over \(Result=timeout\)"),
    ],
)  # fmt: skip
def test_results_of_systemd(group: Group, command: str, more: tuple[str, ...], told: str, ended: str) -> None:
    """What a drop-in asks of a program is named when it does not do so."""
    group.node.write(f"/etc/systemd/system/{group.unit('r')}.d/my.conf", "".join(f"{x}\n" for x in (*NOTIFIES, *more)))
    group.define(f"r:3:respawn:{command}")
    group.request("3")
    wait_until(lambda: group.property("r", "SubState") == "auto-restart", what="it has ended")
    wait_until(lambda: told in why(group).stdout, what=told)

    assert re.fullmatch(ended, facts(why(group).stdout)["ended"])
    group.node.run("systemctl", "stop", group.unit("r"))
