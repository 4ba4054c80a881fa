"""The client `clinit`: arguments, what is printed, exit codes; and varlink, for clients that somebody else wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from answers import answered
from instance import Instance, varlink

from cltab2systemd.client.outcome import TIMED_OUT
from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

TABLE = """\
web:a:1:respawn:sleep 1000
web:t:f:test:false
web:slow:s:wait:sleep 60
clinit:h:1:respawn:sleep 1000
"""
NO_DAEMON = "clinit: no daemon at /no/socket: No such file or directory; start it with 'clinit -d'\n"


@pytest.fixture(scope="module")
def instance(node: Node) -> Instance:
    """A daemon that all tests of this module share. The node's host name is a group."""
    instance = Instance(node)
    instance.write_table(TABLE)
    return instance.start()


@pytest.mark.parametrize(
    ("arguments", "code", "output", "errors"),
    [
        (["web", "1"], 0, "level transition started\n", ""),
        (["-w", "web", "1"], 0, "web 1 DONE\n", ""),
        (["web", "1", "--wait"], 0, "web 1 DONE\n", ""),
        (["--wait", "--timeout", "30", "web", "1"], 0, "web 1 DONE\n", ""),
        (["-w", "web", "f"], 4, "web f FAILED\n",
         "web: t (test) exited with 1: false\n  mend it, then 'clinit web f' runs it again\n"),
        (["--", "web", "1"], 0, "level transition started\n", ""),
        (["-w", "1"], 0, "clinit 1 DONE\n", ""),
        (["1"], 0, "level transition started\n", ""),
        ([], 0, "", ""),
        (["nobody", "1"], 1, "no such group: nobody\n", ""),
        (["-w", "nobody", "1"], 1, "no such group: nobody\n", ""),
        (["web", "a" * 70_000], 1, "the names are too long: a request has at most 65536 bytes\n", ""),
        (["web", "a b"], 1, "not a level: 'a b'; a level is a name without blanks\n", ""),
        (["-s", "/no/socket", "web", "1"], 3, "", NO_DAEMON),
        (["-s", "/no/socket"], 3, "", NO_DAEMON),
        (["-s", "/no/socket", "-k"], 3, "", NO_DAEMON),
    ],
)  # fmt: skip
def test_requests(instance: Instance, arguments: list[str], code: int, output: str, errors: str) -> None:
    """Each form of request prints its answer, or its error, and exits with the code for it."""
    done = instance.clinit(*arguments)

    answered(done, code=code, out=output, err=errors)


def test_a_level_that_is_no_text(instance: Instance) -> None:
    """Any bytes are a level, also one that no entry names, and come back as they went."""
    done = instance.node.run_bytes("clinit", "-w", "web", "caf\udce9")

    answered(done, code=0, out=b"web caf\xe9 DONE\n")


@pytest.mark.parametrize(
    "arguments",
    [["a", "b", "c"], ["--no-such-option"], ["-w"], ["--timeout", "5", "web", "1"], ["web", ""], ["-d", "web", "1"],
     ["-k", "web", "1"], ["-d", "-k"], ["-w", "--timeout", "0", "web", "1"], ["-w", "--timeout", "x", "web", "1"]],
)  # fmt: skip
def test_usage_errors(instance: Instance, arguments: list[str]) -> None:
    """What cannot be meant exits with 2 and says how it is meant, on the standard error."""
    done = instance.clinit(*arguments)

    answered(done, code=2, out="")
    assert "Usage: clinit" in done.stderr


@pytest.mark.parametrize("option", ["--try", "--timeout"])
@pytest.mark.parametrize("time", ["0", "0.0000001", "-1", "1e300", "nan", "10 parsecs", "", "100y", "1_0", "٣"])
def test_times_out_of_range(instance: Instance, option: str, time: str) -> None:
    """A time that is none, or too short or long, is refused by words that have the range, and examples."""
    done = instance.clinit("--wait", option, time, "web", "1")

    answered(done, code=2, out="")
    told = f"{time!r} is no time from 0.001 to 1000000000 seconds; write seconds, as 120 or 0.5, or with a unit, as 10m"
    assert told in done.stderr


@pytest.mark.parametrize("time", ["0.5", ".5", "5.", "+5", "10m", "1h 30min", "2y", "1e3", "1E-1"])
def test_times_with_and_without_units(instance: Instance, time: str) -> None:
    """Seconds are decimals; and a time span is what it is in the table. A short one may be over too early."""
    done = instance.clinit("--wait", "--timeout", time, "web", "1")
    assert done.returncode in {0, TIMED_OUT}


def test_apply_waits(instance: Instance) -> None:
    """`--apply --wait` is what `--apply` is, so it shows progress as well; what shows none says what does."""
    instance.clinit("-w", "web", "1")
    answered(instance.clinit("--apply", "--wait"), code=0, out="", err="")
    answered(instance.clinit("--apply", "--progress", "plain"), code=0, out="", err="")
    done = instance.clinit("--progress", "plain", "web", "1")
    answered(done, code=2, out="")
    assert "--progress goes with --wait or --apply" in done.stderr


def test_help(instance: Instance) -> None:
    """`-h` prints what there is, with the exit codes, and exits with 0."""
    done = instance.clinit("-h")

    answered(done, code=0, err="")
    assert all(option in done.stdout for option in ("-d", "-k", "-v", "-w", "--timeout", "-c", "-s", "Exit codes"))


def test_a_timeout_ends_the_waiting_and_not_the_switch(instance: Instance) -> None:
    """`--timeout` exits with 5 when the time is up; what was requested goes on."""
    done = instance.clinit("-w", "--timeout", "2", "web", "s")

    answered(done, code=5, out="")
    assert "timed out; what was requested goes on" in done.stderr
    assert instance.clstat()["web"] == "s STARTING"
    instance.clinit("-w", "web", "1")


def test_status_needs_no_daemon(instance: Instance) -> None:
    """A bare `-v` prints clstat's lines without the class, and asks nobody."""
    instance.clinit("-w", "web", "1")
    instance.clinit("-w", "clinit", "1")
    expected = "web 1 DONE\nclinit 1 DONE\n"

    answered(instance.clinit("-v"), code=0, out=expected)
    assert expected == instance.clinit("-v", "-s", "/no/socket").stdout
    done = instance.clinit("-v", "--clstat", "/no/clstat")
    answered(done, code=3, out="")


def test_status_after_a_request(instance: Instance) -> None:
    """`-v` with a request prints the answer, then the status as it is afterwards."""
    instance.clinit("-w", "web", "0")
    done = instance.clinit("-v", "web", "s")

    assert ["level transition started", "web s STARTING"] == done.stdout.splitlines()[:2]


def test_settings_in_the_table_name_socket_and_clstat(node: Node) -> None:
    """A client that knows only the table finds the daemon by the table's settings, which beat its options."""
    settings = ":::socket:/run/set/socket\n:::clstat:/run/set/clstat\n"
    node.write("/etc/settings", settings + TABLE)
    node.run("systemd-run", "--quiet", "--unit=settings", "clinit", "-d", "-c", "/etc/settings", "-s", "/run/not")
    wait_until(lambda: node.exists("/run/set/clstat"))

    assert node.run("clinit", "-c", "/etc/settings", "-s", "/no/socket", "-w", "web", "1").stdout == "web 1 DONE\n"
    assert node.run("clinit", "-c", "/etc/settings", "-v").stdout == "web 1 DONE\n"
    node.run("clinit", "-c", "/etc/settings", "-k")


def test_varlink_introspection(instance: Instance) -> None:
    """Anybody's varlink client can ask what the service offers."""
    service = "org.varlink.service"
    info, description, missing = varlink(
        instance.node,
        {"method": f"{service}.GetInfo"},
        {"method": f"{service}.GetInterfaceDescription", "parameters": {"interface": "org.clinit.Manager"}},
        {"method": f"{service}.GetInterfaceDescription", "parameters": {"interface": "org.example"}},
    )

    assert info["parameters"]["interfaces"] == [service, "org.clinit.Manager"]
    assert (
        "method Switch(group: string, level: string, strict: ?bool, known: ?bool, progress: ?bool)"
        in description["parameters"]["description"]
    )
    assert missing == {"error": f"{service}.InterfaceNotFound", "parameters": {"interface": "org.example"}}


def test_varlink_switch(instance: Instance) -> None:
    """A call is answered when the transition has started; with `more`, again with the end."""
    call: dict[str, object] = {"method": "org.clinit.Manager.Switch", "parameters": {"group": "web", "level": "1"}}
    plain, first, second = varlink(instance.node, call, {**call, "more": True})
    message = {"message": "level transition started"}

    assert plain == {"parameters": message}
    assert first == {"parameters": message, "continues": True}
    status = {"group": "web", "level": "1", "state": "DONE", "reasons": []}
    assert second == {"parameters": {**message, "status": status}}


@pytest.mark.parametrize(
    ("call", "error", "parameters"),
    [
        ({"method": "org.clinit.Manager.Nothing"}, "org.varlink.service.MethodNotFound",
         {"method": "org.clinit.Manager.Nothing"}),
        ({"method": "org.clinit.Manager.Switch", "parameters": {"group": "web"}},
         "org.varlink.service.InvalidParameter", {"parameter": "level"}),
        ({"method": "org.clinit.Manager.Switch", "parameters": {"group": 1, "level": "1"}},
         "org.varlink.service.InvalidParameter", {"parameter": "group"}),
        ({"method": "org.clinit.Manager.Switch", "parameters": {"group": "web", "level": "\ud800"}},
         "org.varlink.service.InvalidParameter", {"parameter": "level"}),
        ({"method": "org.clinit.Manager.Switch", "parameters": {"group": "nobody", "level": "1"}},
         "org.clinit.Manager.NoSuchGroup", {"message": "no such group: nobody", "group": "nobody", "hint": None}),
    ],
)  # fmt: skip
def test_varlink_errors(instance: Instance, call: dict[str, object], error: str, parameters: dict[str, object]) -> None:
    """A call that cannot be served is answered with an error that says what and where."""
    assert [{"error": error, "parameters": parameters}] == varlink(instance.node, call)


def test_varlink_table_findings(instance: Instance) -> None:
    """A refused table comes with all its findings as data."""
    instance.write_table("web:a:1:wiat:true\n")
    (reply,) = varlink(instance.node, {"method": "org.clinit.Manager.Reread"})
    instance.write_table(TABLE)

    assert reply["error"] == "org.clinit.Manager.TableRefused"
    (finding,) = reply["parameters"]["findings"]
    expected = {"code": "unknown-mode", "severity": "error", "path": "/etc/cltab", "line": 1, "column": 9}
    assert expected == {name: finding[name] for name in expected}


def test_varlink_status(instance: Instance) -> None:
    """Status is filtered by group and level."""
    instance.clinit("-w", "web", "1")
    call: dict[str, object] = {"method": "org.clinit.Manager.Status", "parameters": {"group": "web"}}
    other: dict[str, object] = {"method": "org.clinit.Manager.Status", "parameters": {"level": "nowhere"}}

    assert [
        {"parameters": {"groups": [{"group": "web", "level": "1", "state": "DONE", "reasons": []}]}},
        {"parameters": {"groups": []}},
    ] == varlink(instance.node, call, other)


@pytest.mark.parametrize("junk", [b"{\0", b"[1]\0", b'{"method": 1}\0', b"\xff\0", b"{" * 100_000 + b"\0", b"x" * 100])
def test_junk_on_the_socket_harms_nobody(instance: Instance, junk: bytes) -> None:
    """Who does not speak the protocol is cut off; the next client is served."""
    assert [] == varlink(instance.node, junk)
    assert instance.clinit("web", "1").returncode == 0


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("clinit web 1", 0),
        ("clinit -v", 0),
        ("clinit --help", 0),
        ("clinit nothing 1", 1),
        ("clinit -x", 2),
        ("cltab2systemd show /etc/cltab", 0),
        ("cltab2systemd check /nowhere", 1),
    ],
)
def test_closed_streams(instance: Instance, command: str, code: int, closed: str) -> None:
    """Whoever closes a standard stream wants nothing from it: the exit code is as ever, and there is no traceback."""
    done = instance.node.run("sh", "-c", f"{command} {closed}", check=False)
    answered(done, code=code)
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("command", "code"), [("clinit web 1", 0), ("clinit -w web f", 4), ("clinit -v", 1), ("clinit -v web 1", 0)]
)
def test_a_full_disk(instance: Instance, command: str, code: int) -> None:
    """What cannot be printed is told in one line; the exit code is the request's, if there was one."""
    done = instance.node.run("sh", "-c", f"{command} >/dev/full", check=False)
    told = "".join(line for line in done.stderr.splitlines(keepends=True) if not line.startswith(("web: ", "  ")))
    answered(done, code=code)
    assert "clinit: cannot write: No space left on device\n" == told


def test_a_reader_that_has_gone(instance: Instance) -> None:
    """Whoever reads no further has had enough: nobody complains."""
    done = instance.node.run("sh", "-c", "{ sleep 0.5; clinit -v; } | true", check=False)
    answered(done, code=0, err="")


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("clinit web 1", 0, ""),
        ("clinit -c table -s socket web 1", 3, "clinit: no daemon at socket: No such file or directory"),
        ("clinit -d -c table -s socket", 1, "clinit: cannot start: socket: No such file or directory"),
        ("clinit -d -c /srv/table -s /srv/socket", 1, "clinit: the working directory has been removed"),
        ("cltab2systemd check table", 1, "cltab2systemd: file not found: table"),
        ("cltab2systemd check --format json table", 1, "cltab2systemd: file not found: table"),
        ("cltab2systemd show table", 1, "cltab2systemd: file not found: table"),
        ("cltab2systemd diff table", 2, "cltab2systemd: file not found: table"),
    ],
)
def test_in_a_directory_that_has_been_removed(instance: Instance, command: str, code: int, said: str) -> None:
    """Relative paths lead nowhere, which is told; no path of another kind needs the directory."""
    script = f"mkdir /tmp/gone; cd /tmp/gone; rmdir /tmp/gone; {command}"
    done = instance.node.run("sh", "-c", script, check=False, timeout=20)
    answered(done, code=code)
    assert done.stderr.startswith(said)
    assert "Traceback" not in done.stderr
