"""The tables of this project, those of its tests and documents among them: `check` finds what is true, and no more.

All are checked on one machine, which has what they name. Found is what `tests/tables/findings` lists, with why, and
what a table asserts itself, as those of tests/tables do (tests/table/test_tables.py).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from documents import blocks
from trees import make

from cltab2systemd.check import everything
from cltab2systemd.check.machine import directives
from lab.install import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

EXPECTED = PROJECT / "tests/tables/findings"
FOLDERS = ("tests/tables/*.cltab", "tests/golden/*.cltab", "demo/cltab*", "docs/*.cltab", "packaging/examples/cltab")
# Each example of a finding has a test of its own, tests/docs/test_diagnostics_documentation.py.
DOCUMENTS = [path for path in (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")))
             if path.name != "diagnostics.md"]  # fmt: skip
ENTRY = re.compile(r"^[\w-]+:[\w-]+:[\w,.-]*:(?:wait|respawn|once|test|off):", re.MULTILINE)

# What the tables name, and trees.USUAL does not have.
PROGRAMS = """
    :: a:b::c: a prog executor caf\udce9 x check start-web start-it front db cache dbserver webserver
    migrate grant app queue postgres nginx gunicorn witness redis-server redis-cli shopd noticed letters clinit store
    server notice podman docker virsh tail sort last x@y pg_isready pg_dump
"""
FILES = """
    /usr/sbin/db /usr/bin/early /usr/bin/check /usr/bin/save /usr/bin/app /usr/bin/other /usr/bin/shopd
    /usr/local/bin/check-disk /srv/app/migrate /srv/shop/load /srv/jail/bin/sh /srv/image /srv/bin/prog
    /in /srv/backup/shop.sql /var/log/syslog
    /srv/jail/usr/bin/true /srv/jail/usr/bin/prog /srv/jail/srv/bin/prog /etc/shop.env /etc/web.secret
"""
USERS = ("root", "games", "nobody", "postgres", "shop", "www-data")


def tables() -> dict[str, bytes]:
    """All of them, by their files; those of documents with a number behind it."""
    found = {path: path.read_bytes() for pattern in FOLDERS for path in sorted(PROJECT.glob(pattern))}
    named = {str(path.relative_to(PROJECT)): content for path, content in found.items()}
    for document in DOCUMENTS:
        texts = [block.text for block in blocks(document) if ENTRY.search(block.text)]
        name = document.relative_to(PROJECT)
        named |= {f"{name}#{number}": text.encode() for number, text in enumerate(texts, 1)}
    return named


def listed() -> dict[str, set[tuple[int, str]]]:
    """What is expected: line and code, by the name of the table."""
    found: dict[str, set[tuple[int, str]]] = {}
    for line in EXPECTED.read_text().splitlines():
        if line and not line.startswith("#"):
            name, code, *numbers = line.split()
            found.setdefault(name, set()).update((int(number), code) for number in numbers)
    return found


def asserted(content: bytes) -> set[tuple[int, str]]:
    """What a table says itself."""
    lines = re.findall(rb"^#@ (?:error|warning) (\d+):\d+ (\S+)", content, re.MULTILINE)
    return {(int(line), code.decode()) for line, code in lines}


TABLES = tables()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine that has what all tables name."""
    root = tmp_path_factory.mktemp("root")
    files = dict.fromkeys((*(f"/usr/bin/{name}" for name in PROGRAMS.split()), *FILES.split()), "!")
    files["/etc/passwd"] = "".join(f"{user}:x:{number}:1::/:/bin/sh\n" for number, user in enumerate(USERS))
    files["/etc/group"] = "".join(f"{user}:x:{number}:\n" for number, user in enumerate(USERS))
    make(root, files | {"/usr/bin/dash": "!", "/usr/bin/sh": "->dash", "/usr/bin/time": "!"})
    return root


@pytest.mark.parametrize("name", TABLES)
def test_what_is_found(name: str, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each finding is expected, and each that is expected is found."""
    monkeypatch.setattr(directives, "SYSTEMD", ())  # releases differ
    findings = everything.findings(TABLES[name], name, str(machine))
    expected = listed().get(name, set()) | asserted(TABLES[name])
    unexpected = [finding.summary for finding in findings if (finding.place.line, finding.code) not in expected]
    assert unexpected == []
    assert expected == {(finding.place.line, finding.code) for finding in findings}


def test_no_table_is_forgotten() -> None:
    """There are enough, and none is listed that is not there any more."""
    assert len(TABLES) >= 90
    assert listed().keys() <= TABLES.keys()
