"""What stands before the command of a respawn entry, in each shell of this machine: /bin/sh is one or another."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from cltab2systemd.units.commands import PAUSED, throttle, throttled
from fuzz.unitrules import unquote
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHELLS = [words for words in (["sh"], ["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(words[0])]


class Entry:
    """A respawn entry without systemd."""

    def __init__(self, shell: list[str], directory: Path) -> None:
        self.shell = shell
        self.directory = directory
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, command: str, **environment: str) -> subprocess.Popen[bytes]:
        """What systemd does at each start."""
        # In Environment= a dollar is one; unquote reads what ExecStart= has.
        (setting,) = unquote(throttle("DIRECTORY").replace("$", "$$"))
        name, _, script = setting.decode().replace("/run/DIRECTORY", str(self.directory)).partition("=")
        process = subprocess.Popen(
            [*self.shell, *throttled("tag", command)[1:]],
            env={"PATH": "/usr/bin:/bin", name: script, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.processes.append(process)
        return process

    def run(self, command: str, **environment: str) -> tuple[int, str]:
        """The exit code and the output of a start."""
        process = self.start(command, **environment)
        output, _ = process.communicate(timeout=20)
        return process.returncode, output.decode()

    def fail(self) -> list[str]:
        """Have it fail six times; the words of the process that pauses then."""
        assert [(1, "")] * 6 == [self.run("false") for _ in range(6)]
        process = self.start("false")
        words: list[str] = []

        def sleeps() -> bool:
            with open(f"/proc/{process.pid}/cmdline") as file:  # noqa: PTH123
                words[:] = file.read().split("\0")[:-1]
            return words[-1:] == ["60"]

        wait_until(sleeps, what="it pauses")
        return words


@pytest.fixture(params=SHELLS, ids=" ".join)
def entry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Entry]:
    """An entry for each shell."""
    found = Entry(request.param, tmp_path)
    yield found
    for process in found.processes:
        process.kill()
        process.communicate()


def test_six_starts_and_a_pause(entry: Entry) -> None:
    """After six fast starts it becomes sleep, by a link that says why, if the shell has no sleep of its own."""
    words = entry.fail()
    expected = "sleep" if entry.shell[0] == "busybox" else f"{entry.directory}/{PAUSED}/sleep"
    assert [expected, "60"] == words
    # The next start goes straight to the command.
    assert entry.run("false") == (1, "")


def test_a_pause_without_a_link(entry: Entry) -> None:
    """Where the link cannot be made, it pauses all the same."""
    (entry.directory / PAUSED).write_text("in the way")
    assert ["sleep", "60"] == entry.fail()


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("nosuch a", (203, "")),
        ("", (203, "")),
        ("echo a #b", (0, "a #b\n")),
        ("grep x /nosuch 2>&1", (2, "grep: ")),
        ("exit 7;", (7, "")),
        ("nosuch; exit 9", (9, "")),
    ],
)
def test_the_command_in_the_end(entry: Entry, command: str, expected: tuple[int, str]) -> None:
    """It is the command in the end, or 203 for words that cannot be executed."""
    status, output = entry.run(command)
    assert (status, output[: len(expected[1])]) == expected


def test_nothing_is_left_in_the_environment(entry: Entry) -> None:
    """The command finds its own environment, and no trap and no ignored signal."""
    _, output = entry.run("env", COLOUR="red")
    found = dict(line.split("=", 1) for line in output.splitlines())
    of_the_shell = {"PWD", "SHLVL", "OLDPWD", "_"}
    assert {"PATH": "/usr/bin:/bin", "COLOUR": "red"} == {k: v for k, v in found.items() if k not in of_the_shell}
    ignored = subprocess.run(["grep", "SigIgn", "/proc/self/status"], capture_output=True, text=True, check=True).stdout
    assert (0, ignored) == entry.run("grep SigIgn /proc/self/status")
