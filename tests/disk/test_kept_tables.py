"""The last good tables: the last ten are kept, each whole, and one that is not what was kept is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cltab2systemd.disk import kepttables
from cltab2systemd.disk.kepttables import MOST_KEPT, keep_earlier, keep_table, kept_tables
from cltab2systemd.events import Asker, By
from cltab2systemd.table.tablefiles import TableFile, TableFiles

if TYPE_CHECKING:
    from pathlib import Path

ASKER = Asker(By.CLIENT, 1000, 42, "clinit web 3")


def table(text: str, **fragments: str) -> TableFiles:
    beside = (TableFile(f"/etc/cltab.d/{name}.cltab", content.encode()) for name, content in fragments.items())
    return TableFiles(TableFile("/etc/cltab", text.encode()), tuple(beside))


def test_what_is_kept(tmp_path: Path) -> None:
    """Each table with its files, when it came and who asked; the same again is not kept, one of before is."""
    first, second = table("web:a:1:wait:x\n"), table("web:a:1:wait:x\n", more="web:b:1:wait:x")
    assert kept_tables(tmp_path / "tables") == []
    for files, asker in ((first, None), (first, ASKER), (second, ASKER), (first, ASKER)):
        keep_table(files, asker, tmp_path / "tables")
    found = kept_tables(tmp_path / "tables")
    assert [(kept.number, kept.files, kept.fault) for kept in found] == [
        (3, first, ""),
        (2, second, ""),
        (1, first, ""),
    ]
    assert [(kept.by, kept.uid, kept.command) for kept in found[1:]] == [
        ("client", 1000, "clinit web 3"), ("daemon", None, ""),
    ]  # fmt: skip
    assert all(kept.time for kept in found)
    keep_table(table(""), None, tmp_path / "tables")
    assert len(kept_tables(tmp_path / "tables")) == 3


def test_the_last_ten(tmp_path: Path) -> None:
    """Older ones go, and nothing is left of them; the numbers go on."""
    for number in range(MOST_KEPT + 5):
        keep_table(table(f"# {number}\n"), None, tmp_path)
    assert [kept.number for kept in kept_tables(tmp_path)] == [*range(MOST_KEPT + 5, 5, -1)]
    assert len([*tmp_path.iterdir()]) == MOST_KEPT


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: (path / "cltab").write_text("web:a:1:wait:y\n"),
        lambda path: (path / "cltab").write_text(""),
        lambda path: (path / "cltab").unlink(),
        lambda path: (path / "cltab.d/more.cltab").unlink(),
        lambda path: (path / "cltab.d/other.cltab").write_text(""),
        lambda path: (path / "about").write_text("{"),
        lambda path: (path / "about").write_text("[1]"),
        lambda path: (path / "about").write_text('{"files": 1, "uid": "x"}'),
        lambda path: (path / "about").unlink(),
        lambda path: (path / "cltab").chmod(0o666),
    ],
)
def test_what_is_not_what_was_kept(tmp_path: Path, spoil: object) -> None:
    """A table that somebody has edited, or that lost a file, cannot be used; and the same table is kept anew."""
    files = table("web:a:1:wait:x\n", more="web:b:1:wait:x\n")
    keep_table(files, ASKER, tmp_path)
    assert callable(spoil)
    spoil(tmp_path / "1")
    [kept] = kept_tables(tmp_path)
    assert kept.fault
    keep_table(files, ASKER, tmp_path)
    assert [bool(kept.fault) for kept in kept_tables(tmp_path)] == [False, True]


def test_what_a_power_cut_leaves(tmp_path: Path) -> None:
    """A table that was not whole is none, and is no obstacle."""
    (tmp_path / ".1.new/cltab.d").mkdir(parents=True)
    (tmp_path / ".1.new/cltab").write_text("web:")
    assert kept_tables(tmp_path) == []
    keep_table(table("# one\n"), None, tmp_path)
    assert [kept.number for kept in kept_tables(tmp_path)] == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_what_a_killed_daemon_leaves(tmp_path: Path) -> None:
    """What was half removed, or half written, goes when a table is kept, or was there already."""
    for text in ("# one\n", "# one\n", "# two\n"):
        for left in (".1.gone/cltab.d", ".7.new/cltab.d"):
            (tmp_path / left).mkdir(parents=True)
        keep_table(table(text), None, tmp_path)
        assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert [kept.number for kept in kept_tables(tmp_path)] == [2, 1]


def test_a_number_that_comes_again(tmp_path: Path) -> None:
    """What is left of an older table by the same number is not in the way."""
    for number in range(MOST_KEPT):
        keep_table(table(f"# {number}\n"), None, tmp_path)
    (tmp_path / ".1.gone/cltab.d").mkdir(parents=True)
    keep_table(table("# last\n"), None, tmp_path)
    assert [found.number for found in kept_tables(tmp_path)] == [*range(MOST_KEPT + 1, 1, -1)]
    assert not (tmp_path / ".1.gone").exists()


def test_what_is_not_ours(tmp_path: Path) -> None:
    """Files and directories that somebody else has put there are no tables, stay, and are not in the way."""
    keep_table(table("# one\n"), None, tmp_path)
    strange = ["007", "2", "notes", "٣", ".hidden", ".x.gone"]
    for name in strange:
        (tmp_path / name).write_text("mine\n")
    (tmp_path / "011").mkdir()
    for number in range(MOST_KEPT):
        keep_table(table(f"# {number}\n"), None, tmp_path)
    found = kept_tables(tmp_path)
    assert [(kept.number, kept.fault) for kept in found] == [(number, "") for number in range(MOST_KEPT + 2, 2, -1)]
    assert {path.name for path in tmp_path.iterdir()} >= {*strange, "011"}


def test_a_write_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full: those that are kept are as they were, and nothing else is there."""
    keep_table(table("# one\n"), None, tmp_path)

    def full(path: Path, *_arguments: object, **_named: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(kepttables, "write_whole", full)
    with pytest.raises(OSError, match="No space"):
        keep_table(table("# two\n"), None, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
    assert json.loads((tmp_path / "1/about").read_text())["by"] == "daemon"


def test_the_table_of_a_version_that_kept_no_others(tmp_path: Path) -> None:
    """It is the first one, with the time of its file."""
    keep_earlier(b"# old\n", 5_000_000, tmp_path)
    keep_earlier(b"# not any more\n", 6_000_000, tmp_path)
    keep_table(table("# new\n"), ASKER, tmp_path)
    new, old = kept_tables(tmp_path)
    assert (old.files, old.time, old.by) == (table("# old\n"), 5_000_000, "")
    assert new.files == table("# new\n")
    (tmp_path / "none").mkdir()
    keep_earlier(None, None, tmp_path / "none")
    assert kept_tables(tmp_path / "none") == []
