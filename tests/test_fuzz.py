"""The fuzzer: a few of its cases in every run of the tests, and that it would find something if there were any."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from cltab2systemd import varlink
from cltab2systemd.ancestor import messages as ldt
from cltab2systemd.ancestor import storable
from cltab2systemd.check import loading
from cltab2systemd.daemon import peers
from cltab2systemd.units import unitfile
from fuzz import cltab, connection, ldtmessages, runner, table, varlinkcalls
from fuzz.__main__ import TARGETS, main
from lab.install import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE = TARGETS["table"]
VARLINK = TARGETS["varlink"]
LDT = TARGETS["ldt"]


@pytest.fixture(autouse=True, scope="module")
def log_of_others() -> Iterator[None]:
    """Have other modules see the log, which a daemon of the fuzzer keeps to itself."""
    log = logging.getLogger("cltab2systemd")
    before = log.handlers, log.propagate, log.level
    yield
    log.handlers, log.propagate = before[:2]
    log.setLevel(before[2])


def target(error: Exception) -> runner.Target:
    """A target that raises an error for an input with two X."""

    def check(data: bytes) -> Iterator[str]:
        yield "begun"
        if data.count(b"X") > 1:
            raise error
        yield "ended"

    return runner.Target("test", lambda source: bytes(source.choices(b"XY", k=8)), check)


@pytest.mark.parametrize("name", TARGETS)
def test_a_few_cases(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The first cases of each target pass."""
    assert main([name, "--cases", "2000", "--seed", "4"]) == 0
    assert capsys.readouterr().out.startswith(f"{name}: 2,000 cases of seed 4 in ")


def test_tables_get_everywhere() -> None:
    """A good part of the tables compiles, a good part is refused, and it is for all the reasons there are."""
    figures = runner.run(TABLE, 4000, 1, 2)
    assert figures.failures == []
    assert figures.cases == 4000
    assert figures.counts["compiled to units"] > 1200
    assert figures.counts["refused"] > 1200
    kinds = {label.removeprefix("finding ") for label in figures.counts if label.startswith("finding ")}
    assert kinds >= {
        *(f"{problem}-{field}" for problem in ("empty", "long", "blank-in") for field in ("group", "tag", "levels")),
        *("field-count", "unknown-mode", "duplicate-tag", "nul-byte", "byte-order-mark", "setting-form"),
        *("directive-form", "directive-refused", "directive-value"),
    }


def test_big_tables() -> None:
    """Names, lines and lists of any length are in some of the cases, and are refused or compiled like others."""
    source = random.Random(1)  # noqa: S311 - the same in every run
    labels = {label for _ in range(40) for label in table.check(cltab.big(source))}
    assert labels >= {"compiled to units", "refused", "finding long-line", "finding too-many-findings"}


def test_the_same_seed_has_the_same_cases() -> None:
    """A case is that of its number, whatever ran before it, and another seed has others."""
    few, many, others = (runner.run(TABLE, cases, seed, 1).counts for cases, seed in ((50, 1), (50, 1), (50, 2)))
    assert few == many
    assert few != others


def test_failures_are_found_and_cut_down() -> None:
    """What check raises is reported with the input, without what does not matter; the run ends early."""
    figures = runner.run(target(ValueError("two X")), 100_000, 0, 2)
    assert len(figures.failures) == runner.MOST_FAILURES
    assert {failure.data for failure in figures.failures} == {b"XX"}
    assert "ValueError: two X" in figures.report()
    assert figures.cases < 100_000


def test_no_case_runs_in_the_process_that_forks() -> None:
    """Not even to cut a failure down: it may leave a thread that loads a name service, and a fork then kills its child.

    That child dies of SIGSEGV in its own getpwuid.
    """

    def check(data: bytes) -> Iterator[str]:
        yield "begun"
        raise ValueError(f"{os.getpid()} {len(data)}")

    [failure, *_] = runner.run(runner.Target("test", lambda source: source.randbytes(9), check), 5, 0, 1).failures
    assert failure.data == b""
    assert f"ValueError: {os.getpid()} " not in failure.error


def test_a_case_of_which_the_process_dies() -> None:
    """Its end is an error, not a run that waits for the process for ever."""

    def check(data: bytes) -> Iterator[str]:
        yield "begun"
        if data == b"x":
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(runner.ProcessDiedError, match=r"of one of the cases 0 to 999, 1000 to 1999 of seed 0"):
        runner.run(runner.Target("test", lambda source: source.choice([b"", b"x"]), check), 5000, 0, 2)


def test_no_case_starts_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Users have names without a name service: a thread that allocates while memory is measured may die of it.

    CPython's tracemalloc frees at its end what a thread uses that waits for the interpreter's lock (issue 128679).
    """
    started: list[threading.Thread] = []
    monkeypatch.setattr(threading.Thread, "start", lambda thread: started.append(thread))  # noqa: PLW0108 - bound to it
    calls = (
        {"method": f"{varlink.INTERFACE}.Entries", "parameters": {"group": "web", "action": "stop", "tags": [str(tag)]}}
        for tag in range(50)
    )
    labels = {label for call in calls for label in varlinkcalls.check(json.dumps(call).encode() + b"\0")}
    assert labels >= {"error SwitchRefused", "error NotPermitted"}  # of all users, then
    assert started == []


def test_a_case_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endless case is a failure, not an endless run."""
    monkeypatch.setattr(runner, "LONGEST_CASE", 0.05)

    def check(data: bytes) -> Iterator[str]:
        begin = time.process_time()
        while data and time.process_time() < begin + 5:
            pass
        yield "ended"

    figures = runner.run(runner.Target("test", lambda source: source.choice([b"", b"x"]), check), 8, 0, 1)
    assert figures.failures
    assert all("CaseTimeoutError" in failure.error for failure in figures.failures)


def test_a_case_that_takes_too_much_memory() -> None:
    """Memory without bounds is a failure, too."""

    def check(_data: bytes) -> Iterator[str]:
        yield str(len(bytearray(runner.MOST_MEMORY)))

    figures = runner.run(runner.Target("test", lambda source: source.randbytes(1), check), 1, 0, 1)
    assert "MemoryError" in figures.failures[0].error


def test_an_interrupt_ends_it() -> None:
    """Control-C ends all its processes at once, whatever is left to be run."""
    words = [sys.executable, "-m", "fuzz", "table", "--cases", "1000000"]
    with subprocess.Popen(words, cwd=PROJECT, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        time.sleep(2)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(10) != 0


@pytest.fixture
def _nothing_quoted() -> Iterator[None]:
    """Keep no argument from before that was quoted rightly, and none for later that was not."""
    unitfile.quote.cache_clear()
    yield
    unitfile.quote.cache_clear()


@pytest.mark.usefixtures("_nothing_quoted")
@pytest.mark.parametrize(("character", "escaped"), [("%", "%"), ("$", "$"), ("\\", "\\"), ('"', '"'), ("%", "%%%%")])
def test_a_compiler_that_forgets_an_escape(character: str, escaped: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fuzzer sees each character that gets into a command line unescaped, or as another."""
    monkeypatch.setitem(unitfile._SIMPLE_ESCAPES, character, escaped)
    assert runner.run(TABLE, 2000, 0, 1).failures


def test_a_compiler_that_lets_control_characters_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fuzzer sees a line end, or another control character, in a unit."""
    monkeypatch.setattr(unitfile, "comment", str)
    assert runner.run(TABLE, 2000, 0, 1).failures


def test_a_parser_that_forgets_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fuzzer sees a name that is too long for a unit."""
    monkeypatch.setattr(loading, "findings", lambda _names, _table: ())
    assert runner.run(TABLE, 5000, 0, 1).failures


def test_calls_get_everywhere() -> None:
    """A good part of the calls is answered, with all kinds of replies, and a good part is none."""
    figures = runner.run(VARLINK, 12000, 1, 2)
    assert figures.failures == []
    errors = {label.removeprefix("error ") for label in figures.counts if label.startswith("error ")}
    assert errors >= {
        "InterfaceNotFound", "InvalidParameter", "MethodNotFound", "NoSuchGroup", "NotPermitted", "Superseded",
        "SwitchRefused", "TableRefused",
    }  # fmt: skip
    assert figures.counts["heard to its end"] > 2000
    assert figures.counts["reply"] > 1000
    assert figures.counts["follows the status"] > 10
    closed = {label.removeprefix("closed: ") for label in figures.counts if label.startswith("closed: ")}
    assert closed >= {"ProtocolError", "IncompleteReadError", "LimitOverrunError"}


def test_messages_get_everywhere() -> None:
    """A good part of the ancestor's messages is answered, in all ways, and a good part is none."""
    figures = runner.run(LDT, 8000, 1, 2)
    assert figures.failures == []
    assert figures.counts["closed: LdtError"] > 2000
    assert figures.counts["closed: IncompleteReadError"] > 100
    answers = {label.removeprefix("answered: ") for label in figures.counts if label.startswith("answered: ")}
    assert answers >= {"level transition started", "result unknown", "all groups halting", "not permitted: only"}
    assert sum(figures.counts[f"answered: {answer}"] for answer in answers) > 2000


def test_a_parser_that_lets_its_errors_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fuzzer sees an error of json's that is not said to be varlink's."""

    def decode(message: bytes) -> dict[str, object]:
        value: dict[str, object] = json.loads(message)
        return value

    monkeypatch.setattr(varlink, "decode", decode)
    assert runner.run(VARLINK, 500, 0, 1).failures


def test_a_parser_that_believes_lengths(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fuzzer sees memory that is taken because a message says so."""
    checked = ldt.payload_length

    def payload_length(header: bytes) -> int:
        bytearray(int(header) if header.isdigit() else 0)
        return checked(header)

    monkeypatch.setattr(ldt, "payload_length", payload_length)
    monkeypatch.setattr(connection, "MEASURED", 1)
    failures = runner.run(LDT, 5000, 0, 2).failures
    assert failures
    assert all("bytes of memory" in failure.error for failure in failures)


def test_messages_that_are_read_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fuzzer sees text that would be another if it were written again."""
    monkeypatch.setattr(storable, "_number", lambda number: (number & 0x7F).to_bytes(4))
    assert runner.run(LDT, 5000, 0, 1).failures


def test_rights_that_are_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fuzzer sees a switch by somebody who has no right to it, in either protocol."""
    monkeypatch.setattr(peers.Peer, "may_switch", lambda _peer, _group_id: True)
    assert runner.run(VARLINK, 5000, 0, 1).failures
    assert runner.run(LDT, 5000, 0, 1).failures


def test_large_requests() -> None:
    """Requests of the largest size, and beyond, are in some of the cases, and are measured."""
    source = random.Random(1)  # noqa: S311 - the same in every run
    labels = {label for _ in range(60) for label in varlinkcalls.check(varlinkcalls.big(source))}
    assert labels >= {"closed: LimitOverrunError", "closed: ProtocolError", "heard to its end"}
    framed = (b"%08d" % len(payload) + payload for payload in (ldtmessages.big(source) for _ in range(60)))
    assert "closed: LdtError" in {label for data in framed for label in ldtmessages.check(data)}
