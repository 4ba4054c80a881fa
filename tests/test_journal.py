"""The journal: its format however it is cut, what is of one run of a unit, what keeps lines from being read."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from instance import Instance

from cltab2systemd import exportformat, journal, journalctl
from cltab2systemd.exportformat import records
from cltab2systemd.journalctl import Kind
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab.node import Node

TABLE = """\
web:server:3:respawn:echo hello; exec sleep infinity
web:miss:3:once:exec /no/such/program
web:nowhere:3:once:exec sleep 1
web:test:3:test:echo it is wrong >&2; exit 3
web:binary:3:once:printf 'a\\000b\\377\\033[31mc\\nno newline'
web:long:3:once:head -c 100000 /dev/zero | tr '\\0' x; echo; echo behind
web:many:3:once:seq 10000
web:never:4:once:true
:::service.nowhere:WorkingDirectory=/nowhere
"""
ENTRIES = ["server", "miss", "nowhere", "test", "binary", "long", "many"]
# Prints what a function of the module returns, as JSON.
SCRIPT = """
import dataclasses, json, sys
from cltab2systemd import journal
def told(value):
    return value.decode("latin-1") if isinstance(value, bytes) else value
name, *arguments = json.loads(sys.argv[1])
print(json.dumps(dataclasses.asdict(getattr(journal, name)(*arguments)), default=told))
"""


def blocks(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_records_however_they_are_cut(size: int) -> None:
    """Text and binary fields, also of bytes that look like the end of a field or of an entry."""
    value = b"a\n\nMESSAGE=b\0\xff"
    data = b"A=1\nB=x=y\n\nMESSAGE\n" + len(value).to_bytes(8, "little") + value + b"\nA=2\nA=3\n\n\nC=\n\nhalf=an en"

    assert [{b"A": b"1", b"B": b"x=y"}, {b"MESSAGE": value, b"A": b"2"}, {b"C": b""}] == [*records(blocks(data, size))]


@pytest.mark.parametrize("end", [b"B\n", b"B\n\5\0\0\0\0\0\0\0abc", b"B\n\3\0\0\0\0\0\0\0abc", b"B=", b"B"])
def test_half_a_record_is_none(end: bytes) -> None:
    """What is not whole at the end is left out."""
    assert [{b"A": b"1"}] == [*records(iter([b"A=1\n\n" + end]))]


def test_long_values_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a value that is too long the beginning is kept, and what comes behind it is read all the same."""
    monkeypatch.setattr(exportformat, "LONGEST_VALUE", 10)
    value = b"x" * 100
    data = b"A=" + value + b"\nB\n" + len(value).to_bytes(8, "little") + value + b"\nC=1\n\n"

    assert [{b"A": b"x" * 8, b"B": b"x" * 10, b"C": b"1"}] == [*records(blocks(data, 7))]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A journalctl of our own, for what the real one cannot be brought to."""
    path = tmp_path / "journalctl"
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(journalctl, "access", lambda: None)
    return path


def read_with(program: Path, script: str, seconds: float = 20.0, most: int | None = None) -> tuple[int, Any]:
    program.write_text(f"#!{sys.executable} -IS\nimport sys, time\n{script}\n")
    program.chmod(0o755)
    reading = journal.Reading(journal.Selection(("a.service",)), seconds, most)
    return len([*reading]), reading.trouble


def test_a_journalctl_that_hangs_is_ended(program: Path) -> None:
    """What it has written so far counts."""
    script = "sys.stdout.write('MESSAGE=a\\n\\nMESSAGE=b'); sys.stdout.flush(); time.sleep(1000)"

    assert (1, journalctl.TIMED_OUT) == read_with(program, script, seconds=3)


def test_no_more_is_read_than_is_wanted(program: Path) -> None:
    """A journal without an end does not fill the memory."""
    found, trouble = read_with(program, "while True: sys.stdout.write('MESSAGE=abc\\n\\n' * 1000)", most=1_000_000)

    assert journalctl.TOO_MUCH == trouble
    assert 0 < found < 1_000_000


def test_what_journalctl_complains_of_is_told(program: Path) -> None:
    """Its last words are the reason."""
    assert (0, journalctl.Trouble(Kind.FAILED, "No such thing")) == read_with(
        program, "sys.stderr.write('Hint.\\nNo such thing\\n'); sys.exit(1)"
    )
    assert (0, journalctl.Trouble(Kind.FAILED, "journalctl exited with 7")) == read_with(program, "sys.exit(7)")


def test_words_that_come_first(program: Path) -> None:
    """Journald was late: a process that has ended is without its run there, and before what systemd says of it."""
    words = "_SYSTEMD_UNIT=a.service\n_PID=7\nMESSAGE=it is bad\n\n"
    ends = "_PID=1\nUNIT=a.service\nINVOCATION_ID=12\nMESSAGE=Failed\n\n"
    program.write_text(f"#!{sys.executable} -IS\nprint({words + ends!r})\n")
    program.chmod(0o755)

    found = journal.of_invocation("a.service", "12", seconds=20.0)

    assert [line.message for line in found.lines] == [b"it is bad", b"Failed"]


def test_no_journalctl(program: Path) -> None:
    """That there is none is a value, too."""
    reading = journal.Reading(journal.Selection(("a.service",)))

    assert [] == [*reading]
    assert reading.trouble is not None
    assert (Kind.NO_PROGRAM, "cannot run journalctl: No such file or directory") == (
        reading.trouble.kind,
        reading.trouble.text,
    )


@pytest.fixture(scope="module")
def instance(node: Node) -> Instance:
    """A daemon whose entries have all written what they will."""
    node.write("/etc/cltab", TABLE)
    daemon = Instance(node).start()
    daemon.clinit("--wait", "web", "3")
    wait_until(lambda: messages(of_run(daemon, "many"))[-1:] == ["10000"], what="all is written")
    return daemon


def asked(node: Node, *call: object, user: str | None = None) -> dict[str, Any]:
    """What a function of the module answers in the node."""
    answer = json.loads(node.run("python3", "-c", SCRIPT, json.dumps(call), user=user).stdout)
    assert isinstance(answer, dict)
    return answer


def of_run(instance: Instance, tag: str, lines: int = 5, user: str | None = None) -> dict[str, Any]:
    """The excerpt of the last run of an entry."""
    unit = f"clinit-web@{tag}.service"
    return asked(instance.node, "of_invocation", unit, run_of(instance, unit), lines, 20, user=user)


def run_of(instance: Instance, unit: str) -> str:
    return instance.properties(unit, "InvocationID")["InvocationID"]


def messages(answer: dict[str, Any]) -> list[str]:
    return [line["message"] for line in answer["lines"]]


def test_the_lines_of_a_run(instance: Instance) -> None:
    """What a program wrote, without systemd's routine; nothing keeps anything from being read."""
    answer = of_run(instance, "server")

    assert (["hello"], None) == (messages(answer), answer["trouble"])
    (line,) = answer["lines"]
    assert (line["identifier"], line["unit"], line["writer"]) == ("server", "clinit-web@server.service", "entry")
    assert ["it is wrong"] == messages(of_run(instance, "test"))


def test_what_systemd_says_of_a_run(instance: Instance) -> None:
    """Why a program could not be executed is told by systemd, by the child that would have become the program."""
    answer = of_run(instance, "nowhere", 10)  # systemd 262 has more to say where the kernel counts no tasks

    said = messages(answer)
    assert any("Changing to the requested working directory failed: No such file or directory" in text for text in said)
    assert any("status=200/CHDIR" in text for text in said)
    assert not any("Started" in text for text in said)
    assert all(line["writer"] == "systemd" for line in answer["lines"])


def test_a_run_that_ended_at_once(instance: Instance) -> None:
    """Journald does not know whose run a process was that is gone; its lines are of the run all the same."""
    assert any("/no/such/program: not found" in text for text in messages(of_run(instance, "miss")))


def test_what_a_child_of_systemd_wrote_that_was_gone(instance: Instance) -> None:
    """Journald does not know of which unit it was, if it comes to look late. It is systemd's all the same."""
    node, unit = instance.node, "clinit-web@nowhere.service"
    node.run("systemctl", "kill", "--signal=STOP", "systemd-journald.service")
    try:
        node.run("systemctl", "restart", unit, check=False)
        wait_until(lambda: instance.properties(unit, "SubState")["SubState"] == "failed", what="it has failed")
    finally:
        node.run("systemctl", "kill", "--signal=CONT", "systemd-journald.service")
    texts = (
        "Failed at step CHDIR spawning ",
        "Changing to the requested working directory failed: No such file or directory",
    )
    wait_until(
        lambda: [line["writer"] for line in of_run(instance, "nowhere")["lines"] if texts[0] in line["message"]],
        what="its line is found",
    )
    named = f"UNIT={unit}", f"INVOCATION_ID={run_of(instance, unit)}", "_UID=0"
    lines = [json.loads(line) for line in node.run("journalctl", "--output=json", *named).stdout.splitlines()]
    told = [text for text in texts if any(text in line["MESSAGE"] for line in lines)]
    assert texts[0] in told  # systemd 262 does not name the unit in the other one
    for text in told:
        assert [True] == ["_SYSTEMD_UNIT" not in line for line in lines if text in line["MESSAGE"]]
        found = of_run(instance, "nowhere", 10)["lines"]
        assert ["systemd"] == [line["writer"] for line in found if text in line["message"]]


UNKNOWN = {b"UNIT": b"a.service", b"INVOCATION_ID": b"1", b"_UID": b"0", b"_PID": b"7", b"SYSLOG_IDENTIFIER": b"(sh)"}
EXECUTOR = {b"_EXE": b"/usr/lib/systemd/systemd-executor"}


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, ["systemd"]),
        ({b"_COMM": b"(sh)"}, ["systemd"]),
        ({b"_UID": b"1000"}, []),
        ({b"_UID": b"1000", b"_SYSTEMD_UNIT": b"a.service", b"_COMM": b"(sh)"}, ["entry"]),
        ({b"UNIT": b"", b"_SYSTEMD_UNIT": b"a.service", b"_COMM": b"(sh)"}, ["systemd"]),  # systemd 262's
        ({b"UNIT": b"", b"_SYSTEMD_UNIT": b"a.service", b"_COMM": b"(sh)", b"INVOCATION_ID": b""}, ["entry"]),
        ({b"UNIT": b"", b"_SYSTEMD_UNIT": b"a.service", b"_COMM": b"sh"}, ["entry"]),
        ({b"UNIT": b"", b"_SYSTEMD_UNIT": b"a.service", b"_COMM": b"(sh)", b"_UID": b"1000"}, ["entry"]),
        ({b"UNIT": b"", b"_SYSTEMD_UNIT": b"a.service", b"_COMM": b"(sh)", b"_UID": b"1000", **EXECUTOR}, ["systemd"]),
        ({b"_SYSTEMD_UNIT": b"a.service", b"_COMM": b"(sh)", b"_UID": b"1000", **EXECUTOR}, ["systemd"]),
        ({b"_SYSTEMD_UNIT": b"b.service", b"_COMM": b"(sh)", b"_UID": b"1000", **EXECUTOR}, []),
        ({b"_COMM": b"sh"}, []),
        ({b"_SYSTEMD_UNIT": b"a.service", b"_COMM": b"sh"}, ["entry"]),
        ({b"_SYSTEMD_UNIT": b"ssh.service", b"_COMM": b"sh"}, []),
        ({b"SYSLOG_IDENTIFIER": b"sh"}, []),
        ({b"UNIT": b"b.service"}, []),
        ({b"INVOCATION_ID": b""}, []),
    ],
)
def test_who_may_name_a_unit(program: Path, known: dict[bytes, bytes], expected: list[str]) -> None:
    """What journald knows of a writer counts. Where it knows nothing, only root is taken for a child of systemd."""
    record = b"".join(name + b"=" + value + b"\n" for name, value in {**UNKNOWN, **known}.items())
    script = f"import sys\nsys.stdout.buffer.write({record + b'MESSAGE=x' + bytes([10, 10])!r})\n"
    program.write_text(f"#!{sys.executable} -IS\n{script}")
    program.chmod(0o755)

    assert expected == [str(line.writer) for line in journal.Reading(journal.Selection(("a.service",))).lines()]


def test_a_run_of_long_ago(instance: Instance) -> None:
    """A run is found if others have written a lot since; its last lines are meant."""
    unit = "clinit-web@many.service"
    run = run_of(instance, unit)
    instance.node.run("systemctl", "restart", unit)
    wait_until(lambda: len(messages(of_run(instance, "many"))) == 5, what="the new run has written")

    assert [str(number) for number in range(9998, 10001)] == messages(
        asked(instance.node, "of_invocation", unit, run, 3, 20)
    )


def test_bytes_are_as_they_were_written(instance: Instance) -> None:
    """NUL ends a line, as journald has it; other bytes stay; a last line needs no newline."""
    assert ["a", "b\xff\x1b[31mc", "no newline"] == messages(of_run(instance, "binary"))


def test_long_lines_come_in_parts(instance: Instance) -> None:
    """Of what journald has cut, all parts but the last go on."""
    lines = of_run(instance, "long", 10)["lines"]

    assert "x" * 100_000 + "behind" == "".join(line["message"] for line in lines)
    assert [False] * (len(lines) - 2) + [True, True] == [line["is_whole"] for line in lines]


def test_a_unit_that_never_ran(instance: Instance) -> None:
    """What systemd says of a unit's drop-in is of the unit."""
    unit = "clinit-web@never.service"
    instance.node.write(f"/etc/systemd/system/{unit}.d/bad.conf", "[Service]\nExecStart\n")
    instance.node.run("systemctl", "daemon-reload")
    instance.node.run("systemctl", "show", unit)
    instance.node.run("journalctl", "--sync")
    answer = asked(instance.node, "of_unit", unit, 5, 20)

    assert any("Missing '='" in text for text in messages(answer)), answer
    assert all(line["writer"] == "systemd" for line in answer["lines"])


def test_who_may_not_read_it(instance: Instance) -> None:
    """Nobody gets no lines, and is told why; a unit that has written nothing is no such case."""
    answer = asked(instance.node, "of_unit", "clinit-web@server.service", 5, 20, user="nobody")
    nothing = asked(instance.node, "of_unit", "clinit-web@never-heard-of.service", 5, 20)

    assert ([], "forbidden") == (answer["lines"], answer["trouble"]["kind"])
    assert {"lines": [], "trouble": None} == nothing


def test_no_journal(fresh_node: Node) -> None:
    """A machine that keeps none is told from one that has no lines."""
    fresh_node.write("/etc/systemd/journald.conf.d/none.conf", "[Journal]\nStorage=none\n")
    fresh_node.shell("systemctl restart systemd-journald; rm -rf /run/log/journal/* /var/log/journal/*")

    assert {"lines": [], "trouble": {"kind": "no-journal", "text": journalctl.NO_JOURNAL.text}} == asked(
        fresh_node, "of_unit", "clinit-web@server.service", 5, 20
    )
