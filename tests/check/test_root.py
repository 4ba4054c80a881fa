"""The files of a root: where links lead, and what is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from trees import make

from cltab2systemd.check.filesystem import Root, What

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Root:
    make(
        tmp_path,
        {
            "/usr/bin/x": "!", "/usr/sbin/y": "text", "/srv/up": "->../usr/bin/x", "/srv/away": "->/usr/sbin",
            "/srv/loop": "->loop", "/srv/gone": "->/usr/none", "/opt/app": None, "/opt/full/x": "!", "/run": None,
        },
    )  # fmt: skip
    return Root(str(tmp_path))


@pytest.mark.parametrize(
    ("path", "what", "real"),
    [
        ("/bin/x", What.PROGRAM, "/usr/bin/x"),
        ("/srv/up", What.PROGRAM, "/usr/bin/x"),
        ("/srv/away/y", What.FILE, "/usr/sbin/y"),
        ("/srv/../../../srv", What.DIRECTORY, "/srv"),
        ("/srv/gone", What.MISSING, "/usr/none"),
        ("/usr/bin/x/y", What.MISSING, "/usr/bin/x/y"),
        ("/none/at/all", What.MISSING, "/none/at/all"),
        ("/srv/loop", What.UNKNOWN, "/srv/loop"),
        ("/run/none", What.UNKNOWN, "/run/none"),
        ("/tmp/none", What.UNKNOWN, "/tmp/none"),
        ("/", What.DIRECTORY, "/"),
        ("/a\0b", What.MISSING, "/a\0b"),
        ("/" + "a" * 300, What.UNKNOWN, "/" + "a" * 300),
    ],
)
def test_find(root: Root, path: str, what: What, real: str) -> None:
    """Links lead where they would if the tree were the root, and never out of it."""
    found = root.find(path)
    assert (found.what, found.path) == (what, real)


def test_search(root: Root) -> None:
    """The first program of a name; a file that nobody may execute is better than none."""
    assert root.search("x", ("/usr/sbin", "/bin")).path == "/usr/bin/x"
    assert root.search("y", ("/usr/sbin", "/bin")).what is What.FILE
    assert root.search("z", ("/usr/sbin", "/bin")).is_missing


def test_what_may_be_mounted_later(root: Root) -> None:
    """An empty directory may wait for a mount; one of the standard's directories need not."""
    assert root.may_be_mounted_over("/opt/app/bin/x")
    assert not root.may_be_mounted_over("/opt/full/bin/x")
    assert not root.may_be_mounted_over("/home/x")


def test_this_machine() -> None:
    """Its root needs no prefix."""
    assert Root().find("/bin/sh").what is What.PROGRAM
    assert Root().content("/etc/passwd")
    assert Root().content("/none") is None
    assert Root().names("/etc/passwd") == []
