"""What has to hold before anything is stopped: it runs first, and refuses the switch if it does not hold."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from ancestorclient import PERL_CLIENT
from answers import answered
from instance import Instance, varlink
from underway import held

from cltab2systemd import events
from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

# The check passes while /root/good is there; what it says goes to the journal.
CHECK = r"""#!/bin/sh
echo "$0 as $(id -un) in $(pwd)" >>/run/checks
[ -e /root/good ] && exit 0
echo "the configuration is bad" >&2
exit 3
"""
TABLE = """\
web:db:12:respawn:sleep 1000
web:nginx:23:respawn:sleep 2000
:::preflight.nginx:/root/check
data:disk:1:respawn:sleep 3000
:::preflight.disk:/root/check
"""


@pytest.fixture(scope="module")
def shared(node: Node) -> Instance:
    """A daemon, and a check that can be had pass or fail."""
    node.write("/root/check", CHECK, mode=0o755)
    instance = Instance(node)
    instance.write_table(TABLE)
    return instance.start()


@pytest.fixture
def web(shared: Instance) -> Instance:
    """The daemon, with group web at level 2, and a check that fails from now on; nothing of a check is left."""
    shared.node.write("/root/good", "")
    shared.write_table(TABLE)
    answered(shared.clinit("--wait", "web", "2"), code=0, out="web 2 DONE\n", err="")
    shared.node.path("/root/good").unlink()
    shared.node.write("/run/checks", "")
    return shared


def nothing_is_left(instance: Instance) -> None:
    """Wait until there is no unit of a preflight, and no file of one."""

    def left() -> str:
        units = instance.node.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "clinitpreflight*")
        return units.stdout + instance.node.shell("ls /run/systemd/system | grep clinitpreflight || true").stdout

    wait_until(lambda: not left(), what="no unit of a preflight is left")


def pids(instance: Instance) -> list[int]:
    return [instance.main_pid(f"clinit-web@{tag}.service") for tag in ("db", "nginx")]


@pytest.mark.parametrize("wait", [(), ("--wait",)])
def test_a_bad_one_refuses(web: Instance, wait: tuple[str, ...]) -> None:
    """The old processes run on, clstat says the same, and the answer has what the check has written."""
    web.write_table(TABLE.replace("sleep 2000", "sleep 2001"))
    before, shown = pids(web), web.clstat()

    done = web.clinit(*wait, "web", "2")

    said = "the preflight of nginx exited with 3, so web stays as it is: /root/check\n"
    answered(done, code=1, out=said, err="  the configuration is bad\n")
    assert pids(web) == before
    assert web.clstat() == shown
    nothing_is_left(web)
    told = web.told(events.REFUSED, group="web")
    assert (told["CLINIT_REASON"], told["CLINIT_LEVEL"]) == ("preflight-failed", "2")
    web.node.run("journalctl", "--sync")
    lines = web.node.run("journalctl", "--identifier=nginx", "--output=cat").stdout.splitlines()
    assert lines[-1] == "the configuration is bad"


def test_a_good_one_goes_on(web: Instance) -> None:
    web.node.write("/root/good", "")
    web.write_table(TABLE.replace("sleep 2000", "sleep 2001"))

    answered(web.clinit("--wait", "web", "2"), code=0, out="web 2 DONE\n", err="")

    assert len(web.node.read("/run/checks").splitlines()) == 1
    nothing_is_left(web)


@pytest.mark.parametrize("level", ["2", "1", "3", "nowhere"])
def test_only_what_starts_is_checked(web: Instance, level: str) -> None:
    """Not what is left alone, or stopped."""
    assert web.clinit("--wait", "web", level).returncode == 0
    assert web.node.read("/run/checks") == ""


def pending(instance: Instance, command: str, *lines: str) -> None:
    """Push a table in which nginx is another command, with this preflight, and more lines."""
    text = TABLE.replace("sleep 2000", "sleep 2001").replace("nginx:/root/check", f"nginx:{command}")
    instance.write_table(text + "".join(f"{line}\n" for line in lines))


def await_check(instance: Instance) -> str:
    """Wait until a preflight of web runs; its unit."""

    def unit() -> str:
        call: dict[str, object] = {
            "method": "org.clinit.Manager.Status",
            "parameters": {"group": "web", "progress": True},
        }
        [reply] = varlink(instance.node, call)
        progress = reply["parameters"]["groups"][0].get("progress") or {"phase": "", "awaited": []}
        return "".join(entry["unit"] for entry in progress["awaited"] if progress["phase"] == "checking")

    return wait_until(unit, what="the preflight runs")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("timeout=1500ms sleep 1000", "took longer than 1.5 s"),
        ("timeout=500ms trap '' TERM INT; sleep 1000", "took longer than 0.5 s"),
        ("/root/none", "could not be started: 203/EXEC: the program /root/none"),
        ("no-such-program; exit", "exited with 127 (there is no such program)"),
        ("kill -9 $$", "was killed by SIGKILL"),
        ("kill -TERM $$", "was killed by SIGTERM"),
        ("sleep 1000 & exit 7", "exited with 7"),
    ],
)
def test_what_is_wrong(web: Instance, command: str, words: str) -> None:
    """The answer says how it ended, and nothing of it is left."""
    before = pids(web)
    pending(web, command)

    done = web.clinit("--wait", "web", "2")

    shown = command.removeprefix("timeout=500ms ").removeprefix("timeout=1500ms ")
    answered(done, code=1, out=f"the preflight of nginx {words}, so web stays as it is: {shown}\n")
    assert pids(web) == before
    nothing_is_left(web)


def test_one_that_is_stopped_by_hand(web: Instance) -> None:
    """It has said nothing, and the switch is refused."""
    pending(web, "sleep 1000")
    client = web.node.popen("clinit", "--wait", "web", "2", stdout=subprocess.PIPE)
    unit = await_check(web)
    wait_until(lambda: web.main_pid(unit), what="it has a process")

    web.node.run("systemctl", "stop", unit)

    out, _ = client.communicate(timeout=60)
    assert client.returncode == 1
    assert out.startswith(b"the preflight of nginx was killed by SIGTERM, so web stays as it is")
    nothing_is_left(web)


CHECKING = b"web 2: checking, 0 of 1 done: nginx (respawn), at most 1min"


def test_a_later_request(web: Instance) -> None:
    """It takes over, and ends the check; the level before runs on until then."""
    pending(web, "sleep 1000")
    before, shown = pids(web), web.clstat()
    client = web.node.popen("clinit", "--wait", "--progress=plain", "web", "2", stderr=subprocess.PIPE)
    await_check(web)
    assert client.stderr is not None
    assert any(CHECKING in line for line in iter(client.stderr.readline, b""))
    assert (pids(web), web.clstat()) == (before, shown)

    answered(web.clinit("--wait", "web", "1"), code=0, out="web 1 DONE\n")

    client.communicate(timeout=60)
    assert client.returncode == 6
    assert pids(web) == [before[0], 0]
    nothing_is_left(web)


def test_a_daemon_that_is_killed(web: Instance) -> None:
    """Nothing has been touched. The next daemon goes on with nothing, and ends the check."""
    pending(web, "sleep 1000")
    before = pids(web)
    client = web.node.popen("clinit", "web", "2")
    await_check(web)

    web.kill()
    web.start()

    assert client.wait(60) != 0
    assert pids(web) == before
    assert web.clstat()["web"] == "2 DONE"
    nothing_is_left(web)


def test_a_halt(web: Instance) -> None:
    """It waits for no check, and ends it."""
    pending(web, "sleep 1000")
    client = web.node.popen("clinit", "--wait", "web", "2")
    await_check(web)

    assert web.clinit("-k", "--wait").returncode == 0

    assert client.wait(60) == 6
    web.start()
    nothing_is_left(web)


def test_restart_of_an_entry(web: Instance) -> None:
    """By hand, too, it comes first. Other entries are restarted without one."""
    before, shown = pids(web), web.clstat()

    done = web.node.run("clinitctl", "restart", "nginx", check=False)

    said = "clinitctl: the preflight of nginx exited with 3, so web stays as it is: /root/check\n"
    answered(done, code=1, out="", err=f"{said}  the configuration is bad\n")
    assert (pids(web), web.clstat()) == (before, shown)
    answered(web.node.run("clinitctl", "restart", "db", check=False), code=0)
    web.node.write("/root/good", "")
    answered(web.node.run("clinitctl", "restart", "nginx", check=False), code=0, out="web 2 DONE\n")
    assert all(now != then for now, then in zip(pids(web), before, strict=True))
    nothing_is_left(web)


def test_two_groups_at_once(web: Instance) -> None:
    """None waits for the other's check, and each gets its own answer."""
    pending(web, "sleep 1000")
    client = web.node.popen("clinit", "--wait", "web", "2")
    await_check(web)

    done = web.clinit("--wait", "data", "1")

    answered(done, code=1, out="the preflight of disk exited with 3, so data stays as it is: /root/check\n")
    assert web.clinit("--wait", "web", "1").returncode == 0
    client.wait(60)


def test_surroundings(web: Instance) -> None:
    """It runs as the user of the entry, with its environment, in its directory; nothing of the daemon's is there."""
    text = r"""env | sort >&2; printf '%s|' "$(pwd)" "$(id -un)" "a  b" '$$HOME %%n %n \t "' >&2; false"""
    pending(
        web, text, ":::service.nginx:User=nobody", ":::service.nginx:WorkingDirectory=/tmp",
        ":::service.nginx:Environment=COLOUR=%%red", ":::service.nginx:ReadOnlyPaths=/nowhere",
    )  # fmt: skip

    lines = web.clinit("web", "2").stderr.splitlines()

    assert r"""  /tmp|nobody|a  b|$$HOME %%n %n \t "|""" in lines
    assert "  COLOUR=%red" in lines
    names = {line.strip().partition("=")[0] for line in lines}
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS", "RUNTIME_DIRECTORY"} & names


def test_a_user_that_systemd_makes(web: Instance) -> None:
    """A preflight of an entry that is not to run as root does not either."""
    check = "[ $(id -u) = 0 ] && echo root >&2 || echo nobody of note >&2; false"
    pending(web, check, ":::service.nginx:DynamicUser=1")
    assert web.clinit("web", "2").stderr == "  nobody of note\n"


def test_much_output(web: Instance) -> None:
    """The last lines are in the answer, cut, and printable."""
    pending(web, r"""seq 1 10000; printf 'bad \033[31m byte \377\n%s\n' "$(seq -s x 10000)"; false""")

    lines = web.clinit("web", "2").stderr.splitlines()

    assert len(lines) == 20
    assert lines[-2:-1] == [r"  bad \x1b[31m byte \xff"]
    assert lines[0] == "  9983"
    assert max(map(len, lines)) < 600


def test_what_moves_is_checked_first(web: Instance) -> None:
    """It runs on in the group that it has left, if it is not to start in the other."""
    before = pids(web)
    web.write_table(TABLE.replace("web:nginx", "data:nginx"))

    answered(web.clinit("--wait", "data", "2"), code=1)

    assert pids(web) == before
    assert web.clstat()["web"] == "2 DONE"


def test_while_systemd_reloads_again_and_again(web: Instance) -> None:
    """A switch is neither refused for that, nor held up for long."""
    pending(web, "sleep 1; test -e /root/good")
    web.node.write("/root/good", "")
    web.node.write("/root/storm", "while [ -e /root/good ]; do systemctl daemon-reload; done\n")
    storm = web.node.popen("sh", "/root/storm")

    try:
        answered(web.clinit("--wait", "web", "2"), code=0, out="web 2 DONE\n")
    finally:
        web.node.path("/root/good").unlink()
        storm.wait(60)
    nothing_is_left(web)


def test_a_client_waits_longer_than_for_another_answer(web: Instance) -> None:
    """The daemon is asked whether it is there, and is waited for if it is."""
    script = (
        "from cltab2systemd.client import Client, RefusedError, transport\n"
        "transport.ANSWER_TIMEOUT = 0.5\n"
        "try:\n    Client().tell('web', '2')\n"
        "except RefusedError as error:\n    print(error.code, *error.output)\n"
    )
    pending(web, "sleep 3; echo no; false")

    assert web.node.run("python3", "-c", script).stdout == "preflight-failed no\n"


def test_the_ancestors_client(web: Instance) -> None:
    """Its answer has the output below the message."""
    web.node.write("/usr/local/bin/ldt_client", PERL_CLIENT.read_bytes(), mode=0o755)
    pending(web, "echo 'it is bad'; false")

    done = web.node.run("ldt_client", "/run/clinit/clinit.s", "web", "2")

    message = "the preflight of nginx exited with 1, so web stays as it is: echo 'it is bad'; false"
    answered(done, code=0, out=f"{message}\n  it is bad\n")


@pytest.mark.parametrize(
    ("command", "words"), [("echo it is bad; false", "it is bad"), ("/root/check", "the configuration is bad")]
)
def test_a_journal_that_is_late(web: Instance, command: str, words: str) -> None:
    """Once the check has ended, journald cannot tell which run has written that. It is told all the same."""
    pending(web, command)

    with held(web.node, "systemd-journald.service"):
        client = web.node.popen("clinit", "--wait", "web", "2", stderr=subprocess.PIPE)
        wait_until(lambda: _state(web, await_check(web)) == "failed", what="the check has failed")
    _, said = client.communicate(timeout=60)

    assert said == f"  {words}\n".encode()


def _state(instance: Instance, unit: str) -> str:
    return instance.properties(unit, "ActiveState")["ActiveState"]


def test_why_at_no_level(web: Instance) -> None:
    """A group whose first request is at its preflight is on its way, and nobody is told to ask for one."""
    web.write_table(TABLE.replace("disk:/root/check", "disk:sleep 1000"))
    client = web.node.popen("clinit", "--wait", "data", "1")

    def told() -> str:
        said = web.node.run("clinitctl", "why", "data", check=False).stdout
        return said if "checking, 0 of 1 done: disk (respawn)" in said else ""

    assert "nothing is wrong" not in wait_until(told, what="the preflight runs")
    assert web.clinit("--wait", "data", "2").returncode == 0
    client.wait(60)
