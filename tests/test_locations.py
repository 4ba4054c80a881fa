"""Where an instance has its files: the table beats the command line, which beats the default."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from answers import answered

from cltab2systemd.locations import absolute, locate
from lab.install import PROJECT


def located(table: Path, **options: Any) -> tuple[str, str, str]:
    found = locate(str(table), **options)
    return found.table, found.socket, found.clstat


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "cltab"


def test_defaults(table: Path) -> None:
    """Without settings and options, the well-known places."""
    assert located(table) == (str(table), "/run/clinit/clinit.s", "/run/clinit/clstat")
    assert locate(str(table)).is_system_instance
    assert locate().table == "/etc/cltab"


def test_settings_beat_options(table: Path) -> None:
    """A setting counts more than the option, the last one of a name most; an empty one says nothing."""
    options = {"socket": "/opt/s", "clstat": "/opt/c"}
    assert located(table, **options) == (str(table), "/opt/s", "/opt/c")
    table.write_bytes(
        b":::socket:/one\nweb:t:1:wait:echo :::clstat:/no\n :::clstat:/no\n:::socket:/two:x\r\n:::clstat:\n"
    )
    assert located(table, **options) == (str(table), "/two:x", "/opt/c")
    assert not locate(str(table)).is_system_instance


def test_relative_paths(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths, in a setting too, start at the working directory."""
    monkeypatch.chdir(table.parent)
    table.write_text(":::socket:x/../s\n")
    here = Path.cwd()
    assert located(Path("cltab"), clstat="./c") == (f"{here}/cltab", f"{here}/s", f"{here}/c")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/run/clinit/clinit.s", "/run/clinit/clinit.s"),
        ("/var/run/../run/x", "/run/x"),
        ("/var/runner/x", "/var/runner/x"),
        ("/var/lib/x", "/var/lib/x"),
        ("/run/./a//b/", "/run/a/b"),
        ("//run/clinit/clinit.s", "/run/clinit/clinit.s"),
        ("//var/run/x", "/run/x"),
    ],
)
def test_absolute(path: str, expected: str) -> None:
    """One file has one name, so that one instance has one: /var/run is /run, however many slashes there are."""
    assert expected == absolute(path)


def test_the_default_in_other_words(table: Path) -> None:
    """The ancestor's default socket is the system instance's."""
    table.write_text(":::socket:/var/run/clinit/clinit.s\n")
    assert locate(str(table)).is_system_instance


def test_a_working_directory_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absolute paths need no working directory: a request from one that was removed is like any other."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert absolute("/etc/cltab") == "/etc/cltab"


def test_unreadable_tables_have_no_settings(table: Path) -> None:
    """A table that is missing or no file says nothing about places; that it is so, the daemon says."""
    defaults = ("/run/clinit/clinit.s", "/run/clinit/clstat")
    assert defaults == located(table)[1:]
    table.mkdir()
    assert defaults == located(table)[1:]


@pytest.mark.parametrize("has_writer", [False, True])
def test_a_fifo_has_no_settings(table: Path, *, has_writer: bool) -> None:
    """A request does not hang on a FIFO in the table's place, nor fail, for the daemon tells what is wrong."""
    os.mkfifo(table)
    writer = os.open(table, os.O_RDWR) if has_writer else os.open(table.parent, os.O_RDONLY)
    # The alarm ends it if it hangs.
    code = (
        "import signal; from cltab2systemd.locations import locate; signal.alarm(2);"
        f" print(locate({str(table)!r}).socket)"
    )
    try:
        done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=False)
    finally:
        os.close(writer)
    answered(done, code=0, out="/run/clinit/clinit.s\n", err="")


def test_bytes_in_paths(table: Path) -> None:
    """A path that is not UTF-8 arrives as the file system takes it."""
    table.write_bytes(b":::clstat:/run/\xff\n")
    assert os.fsencode(locate(str(table)).clstat) == b"/run/\xff"  # noqa: TID251 - a path
