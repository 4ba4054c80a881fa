"""Files that are moved aside: each has a number, and the last ten of each file are kept."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from cltab2systemd.disk.aside import MOST_ASIDE, link_aside, move_aside, place_aside

if TYPE_CHECKING:
    from pathlib import Path


def test_the_last_ten(tmp_path: Path) -> None:
    """Each has the next number; the oldest go; what others have put there stays."""
    file, strange = tmp_path / "team.cltab", ["team.cltab.before-rollback", "team.cltab.before-rollback.07", "a.1"]
    for name in strange:
        (tmp_path / name).write_text("mine")
    for number in range(1, MOST_ASIDE + 4):
        file.write_text(f"{number}")
        expected = f"{file}.before-rollback.{number}"
        assert [place_aside(str(file)), move_aside(str(file))] == [expected, expected]
    kept = {path.name.rpartition(".")[2]: path.read_text() for path in tmp_path.iterdir() if path.name not in strange}
    assert kept == {str(number): str(number) for number in range(4, MOST_ASIDE + 4)}
    assert all((tmp_path / name).read_text() == "mine" for name in strange)


def test_what_stays_in_its_place(tmp_path: Path) -> None:
    """It has two names until another file is renamed to the first; a link is kept as one."""
    file = tmp_path / "cltab"
    file.write_text("old")
    assert link_aside(str(file)) == f"{file}.before-rollback.1"
    assert [path.read_text() for path in sorted(tmp_path.iterdir())] == ["old", "old"]
    file.unlink()
    file.symlink_to("/nowhere")
    link_aside(str(file))
    assert str((tmp_path / "cltab.before-rollback.2").readlink()) == "/nowhere"


def test_a_name_that_gets_too_long(tmp_path: Path) -> None:
    """It is refused before anything is done; a byte less is fine."""
    file = tmp_path / ("x" * 238)
    file.write_text("mine")
    with pytest.raises(OSError, match="too long to be moved aside") as raised:
        move_aside(str(file))
    assert (raised.value.errno, raised.value.filename) == (errno.ENAMETOOLONG, str(file))
    assert [*tmp_path.iterdir()] == [file]
    file = file.rename(tmp_path / ("x" * 237))
    move_aside(str(file))
    assert [path.name for path in tmp_path.iterdir()] == [f"{file.name}.before-rollback.1"]


def test_what_cannot_be_removed(tmp_path: Path) -> None:
    """A directory by such a name is somebody else's, and is not in the way."""
    (tmp_path / "a.before-rollback.1").mkdir()
    for number in range(2, MOST_ASIDE + 3):
        (tmp_path / "a").write_text("mine")
        assert move_aside(str(tmp_path / "a")).endswith(f".{number}")
    assert len([*tmp_path.iterdir()]) == MOST_ASIDE + 1
