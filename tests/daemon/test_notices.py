"""Notices: an administrator's unit is started for what happens, and knows what it was."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from instance import Instance, varlink
from programs import slow_to_stop, until_there
from shipped import Shipped

from cltab2systemd.daemon.notices import AT_ONCE
from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

DIRECTORY = "/run/cltab2systemd/system/notices"
TEMPLATE = "/etc/systemd/system/clinitnotify@.service"
UNIT = f"""\
[Unit]
CollectMode=inactive-or-failed
[Service]
Type=oneshot
EnvironmentFile={DIRECTORY}/%i
ExecStart=/bin/sh -c 'env | grep ^CLINIT_ >/var/told/%i.new; mv /var/told/%i.new /var/told/%i'
"""
TABLE = """\
web:config:3:test:test -e /root/good
web:server:3:respawn:sleep infinity
bad:ends:3:respawn:false
notify:n:3:respawn:sleep infinity
"""


def set_up(node: Node) -> Instance:
    """A daemon, with a template that keeps what it is told."""
    put_template(node)
    instance = Instance(node)
    instance.write_table(TABLE)
    return instance.start()


def put_template(node: Node) -> None:
    """The template."""
    node.run("mkdir", "/var/told")
    node.write(TEMPLATE, UNIT)
    node.run("systemctl", "daemon-reload")


def told(node: Node) -> list[dict[str, str]]:
    """The variables of all that was told."""
    numbers = sorted(int(name) for name in node.run("ls", "/var/told").stdout.split() if name.isdigit())
    texts = [node.read(f"/var/told/{number}") for number in numbers]
    return [dict(line.split("=", 1) for line in text.splitlines()) for text in texts]


def events(node: Node) -> list[str]:
    """What of all that was told, as `EVENT GROUP ENTRY`."""
    return [" ".join(each[f"CLINIT_{name}"] for name in ("EVENT", "GROUP", "ENTRY")).strip() for each in told(node)]


def test_a_failure_and_its_end(fresh_node: Node) -> None:
    """Also if another daemon sees the end; the unit knows which entry it was, and what to do."""
    instance = set_up(fresh_node)
    fresh_node.run("touch", "/root/good")
    instance.clinit("--wait", "web", "3")
    fresh_node.run("rm", "/root/good")
    instance.clinit("--wait", "notify", "3")
    assert instance.clinit("--wait", "web", "3").returncode == 0  # it has passed, and is not run again
    instance.clinit("--wait", "web", "stop")
    assert instance.clinit("--wait", "web", "3").returncode == 4

    wait_until(lambda: events(fresh_node) == ["failed web config"])
    (failed,) = told(fresh_node)
    assert failed["CLINIT_LEVEL"] == "3"
    assert failed["CLINIT_REASON"] == "test-failed"
    assert failed["CLINIT_UNIT"] == "clinit-web@config.service"
    assert failed["CLINIT_TEXT"] == "web: config (test) exited with 1: test -e /root/good"
    assert "clinit web 3" in failed["CLINIT_CURE"]
    assert failed["CLINIT_NODE"] == fresh_node.run("uname", "-n").stdout.strip()
    now = int(fresh_node.run("date", "+%s").stdout)
    assert now - 120 < int(failed["CLINIT_SINCE"]) <= now
    assert fresh_node.run("stat", "--format=%a %U", f"{DIRECTORY}/1").stdout == "600 root\n"

    instance.kill()
    instance.start()
    fresh_node.run("touch", "/root/good")
    assert instance.clinit("--wait", "web", "3").returncode == 0
    wait_until(lambda: events(fresh_node) == ["failed web config", "recovered web"], timeout=30)
    assert told(fresh_node)[1]["CLINIT_TEXT"] == "web: level 3 DONE"
    # No trace is left, and the group of nearly the same name is as it was.
    wait_until(lambda: fresh_node.run("systemctl", "list-units", "--all", "--no-legend", "clinitnotify@*").stdout == "")
    assert instance.clstat()["notify"] == "3 DONE"


def test_the_words_of_a_reason(fresh_node: Node) -> None:
    """They name what is missing, as everywhere."""
    instance = set_up(fresh_node)
    instance.write_table(f":::service.b:User=nosuchuser\n{TABLE}own:b:3:once:sleep 1000\n")
    assert instance.clinit("--wait", "own", "3").returncode == 4

    wait_until(lambda: events(fresh_node) == ["failed own b"])
    assert "could not be started: 217/USER: User=nosuchuser: " in told(fresh_node)[0]["CLINIT_TEXT"]


def test_many_at_once(fresh_node: Node) -> None:
    """A few units run at a time, and all are told."""
    number = 3 * AT_ONCE
    put_template(fresh_node)
    begin = "[Service]\nExecStartPre=touch /var/told/%i.began"
    hold = f"{until_there('/run/go')}; sleep 1; env |"
    fresh_node.write(TEMPLATE, UNIT.replace("env |", hold).replace("[Service]", begin))
    fresh_node.run("systemctl", "daemon-reload")
    instance = Instance(fresh_node)
    instance.write_table("".join(f"g{each}:t{each}:3:test:false\n" for each in range(number)))
    instance.start()
    calls: list[dict[str, object]] = [
        {"method": "org.clinit.Manager.Switch", "parameters": {"group": f"g{each}", "level": "3"}}
        for each in range(number)
    ]
    varlink(fresh_node, *calls)
    running: list[int] = []

    def look() -> int:
        names = fresh_node.run("ls", "/var/told").stdout.split()
        running.append(sum(name.endswith(".began") and name.removesuffix(".began") not in names for name in names))
        return len([name for name in names if name.isdigit()])

    wait_until(lambda: look() == 0 and running[-1] >= AT_ONCE, what="as many run as may")
    time.sleep(1)  # in which one more would begin
    fresh_node.write("/run/go", "")
    wait_until(lambda: look() == number, what="all are told", timeout=60)
    assert max(running) == AT_ONCE
    assert {f"failed g{each} t{each}" for each in range(number)} == {*events(fresh_node)}


def test_an_entry_that_backs_off(fresh_node: Node) -> None:
    """It is told once, with what it is called; a halt is no news."""
    instance = set_up(fresh_node)
    instance.clinit("--wait", "bad", "3")
    wait_until(lambda: "backing-off bad ends" in events(fresh_node), timeout=30)
    before = events(fresh_node)
    assert told(fresh_node)[-1]["CLINIT_REASON"] == "paused"
    assert before.count("backing-off bad ends") == 1
    # On a slow machine one sees that it ends before it pauses.
    assert set(before) <= {"backing-off bad ends", "keeps-ending bad ends"}
    instance.clinit("-k", "--wait")

    assert events(fresh_node) == before


def test_a_group_that_does_not_recover(fresh_node: Node) -> None:
    """Its entry runs for a moment at each try, as systemd sees it: that is no recovery, nor does it keep ending."""
    instance = set_up(fresh_node)
    instance.write_table(TABLE + "user:u:3:respawn:sleep infinity\n:::service.u:User=nosuchuser\n")
    for _ in range(4):
        assert instance.clinit("--wait", "user", "3").returncode == 4
    instance.clinit("--wait", "web", "3")
    wait_until(lambda: "failed web config" in events(fresh_node))

    assert events(fresh_node) == ["failed user u", "failed web config"]


def test_a_template_that_is_an_alias(fresh_node: Node) -> None:
    """The unit that it stands for is told."""
    instance = set_up(fresh_node)
    fresh_node.run("mv", TEMPLATE, "/etc/systemd/system/mailer@.service")
    fresh_node.run("ln", "-s", "mailer@.service", TEMPLATE)
    fresh_node.run("systemctl", "daemon-reload")
    instance.clinit("--wait", "web", "3")

    wait_until(lambda: events(fresh_node) == ["failed web config"])


def test_without_a_template(fresh_node: Node) -> None:
    """Nobody is told, nothing is written, and nothing is said of it."""
    instance = Instance(fresh_node)
    instance.write_table(TABLE)
    instance.start()
    assert instance.clinit("--wait", "web", "3").returncode == 4

    assert instance.clinit("--wait", "notify", "3").returncode == 0
    assert not fresh_node.exists(DIRECTORY)
    assert "clinitnotify" not in fresh_node.journal(instance.unit)
    assert "cannot be started" not in fresh_node.journal(instance.unit)


@pytest.mark.parametrize("spoil", ["systemctl mask clinitnotify@1.service", f"echo [Service >{TEMPLATE}"])
def test_a_unit_that_cannot_be_started(fresh_node: Node, spoil: str) -> None:
    """The log says so in one line, and groups go on."""
    instance = set_up(fresh_node)
    fresh_node.shell(spoil)
    fresh_node.run("systemctl", "daemon-reload")
    assert instance.clinit("--wait", "web", "3").returncode == 4

    said = "web: the unit that tells of it cannot be started: "
    wait_until(lambda: said in fresh_node.journal(instance.unit))
    assert fresh_node.journal(instance.unit).count(said) == 1
    assert instance.clinit("--wait", "notify", "3").returncode == 0


def test_a_directory_that_cannot_be_written(fresh_node: Node) -> None:
    """Likewise."""
    instance = set_up(fresh_node)
    fresh_node.write(DIRECTORY, "")
    assert instance.clinit("--wait", "web", "3").returncode == 4

    wait_until(lambda: "web: the unit that tells of it cannot be started: " in fresh_node.journal(instance.unit))
    assert instance.clinit("--wait", "notify", "3").returncode == 0


def test_the_oldest_go(fresh_node: Node) -> None:
    """A thousand are kept; the numbers go on, also with another daemon. What has no number as a name stays."""
    instance = set_up(fresh_node)
    fresh_node.shell(f"mkdir -p {DIRECTORY}; cd {DIRECTORY}; seq 1 1004 | xargs touch 007 2000x")
    instance.clinit("--wait", "web", "3")
    wait_until(lambda: fresh_node.exists("/var/told/1005"))

    names = {*fresh_node.run("ls", DIRECTORY).stdout.split()}
    assert names == {"007", "2000x", *map(str, range(6, 1006))}


@pytest.mark.parametrize("daemon", ["goes-first", "goes-last"])
def test_a_shutdown_is_no_news(fresh_node: Node, daemon: str) -> None:
    """Groups go, and nobody is told of that, nor held up by it; also if the daemon is there to see it."""
    put_template(fresh_node)
    shipped = Shipped(fresh_node)
    shipped.write_table(TABLE.replace("sleep infinity", slow_to_stop(1)))
    if daemon == "goes-last":
        shipped.drop_in("clinit.service", "[Unit]", "DefaultDependencies=no")
    shipped.start()
    shipped.clinit("--wait", "notify", "3")
    fresh_node.run("touch", "/root/good")
    shipped.clinit("--wait", "web", "3")
    assert shipped.clinit("-v").returncode == 0
    fresh_node.reboot()

    assert fresh_node.run("ls", "/var/told").stdout == ""
    assert fresh_node.run("systemctl", "is-active", "clinit.service").stdout == "active\n"
