"""Tables of real programs, well written: `check` finds nothing in them, on the machine that each is for.

A table says itself what its machine has, beside what any has, in comments:

    #@ there PATH...    programs; `PATH/` is a directory, `PATH=text` a file, `PATH=!#!/bin/sh` a script
    #@ users NAME...    users, each with a group of its name
"""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import make

from cltab2systemd.check import everything
from cltab2systemd.check.machine import directives
from lab.install import PROJECT

TABLES = sorted((PROJECT / "tests/tables/real").glob("*.cltab"))
SHIPPED = [PROJECT / "packaging/examples/cltab", PROJECT / "docs/graph.cltab"]
MADE_UP = ("graph.cltab", "missing-path", "this machine has no directory '/srv/backup'")


def said(path: Path, verb: str) -> list[str]:
    lines = (line.split() for line in path.read_text().splitlines())
    return [word for words in lines if words[:2] == ["#@", verb] for word in words[2:]]


def machine(path: Path, root: Path) -> None:
    """The machine that a table is for."""
    files: dict[str, str | None] = {}
    for word in said(path, "there"):
        name, equals, text = word.partition("=")
        files[name.rstrip("/")] = None if name.endswith("/") else text if equals else "!"
    users = ["root", "www-data", *said(path, "users")]
    files["/etc/passwd"] = "".join(f"{user}:x:1:1::/:/bin/sh\n" for user in users)
    files["/etc/group"] = "".join(f"{user}:x:1:\n" for user in users)
    make(root, {"/usr/bin/dash": "!", "/usr/bin/sh": "->dash", **files})


def test_there_are_enough() -> None:
    """Forty and more."""
    assert len(TABLES) >= 40


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_no_false_alarm(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is found in a good table; without its programs and files, some are missing."""
    monkeypatch.setattr(directives, "SYSTEMD", ())  # releases differ
    machine(path, tmp_path / "root")
    findings = everything.findings(path.read_bytes(), path.name, str(tmp_path / "root"))
    assert [finding.summary for finding in findings] == []

    make(tmp_path / "bare", {})
    codes = {finding.code for finding in everything.findings(path.read_bytes(), path.name, str(tmp_path / "bare"))}
    assert not codes.isdisjoint({"missing-program", "missing-path"})


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_tables(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is found in the tables that the project ships, on this very machine, but that it has not all programs."""
    monkeypatch.setattr(directives, "SYSTEMD", ())
    found = everything.findings(path.read_bytes(), path.name)
    told = [(path.name, finding.code, finding.message) for finding in found if finding.code != "missing-program"]
    assert [finding for finding in told if finding != MADE_UP] == []


INSTALLED = """\
db:run:3:wait:install -d /run/app && ulimit -n 1024 && date >/run/app/started
db:server:3:respawn:exec {postgres}/postgres -D /srv/none/that/postgres/makes
:::service.server:TimeoutStopSec=5min
web:http:3:respawn:cd /usr/share && exec nice -n 5 python3 -m http.server 18080
web:script:3:wait:runuser -u nobody -- sh -c 'cd /tmp && exec env A=b timeout 5 sleep 0'
web:job:3:once:su nobody -s /bin/sh -c 'exec sleep 1' 2>&1 | logger -t job
web:lock:3:test:flock -n /run/lock/app -c true
:::services.web:Environment=PATH=/usr/sbin:/usr/bin:/bin
"""


def test_programs_that_are_installed() -> None:
    """This machine has the programs of these commands, and nothing is said of any."""
    programs = next(Path("/usr/lib/postgresql").glob("*/bin"), None)
    if programs is None:
        pytest.skip("no PostgreSQL")
    table = INSTALLED.format(postgres=programs)
    told = everything.findings(table.encode(), "cltab")
    assert [finding.summary for finding in told if finding.code not in {"also-enabled", "unknown-user"}] == []
    spoilt = table.replace("python3", "pyhton3").replace("/postgres -D", "/postgers -D")
    lines = [(f.place.line, f.code) for f in everything.findings(spoilt.encode(), "cltab")]
    assert [line for line in lines if line[1] == "missing-program"] == [
        (number, "missing-program") for number in (2, 4)
    ]
