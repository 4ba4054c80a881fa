"""A table and its fragments as they are read: which files count, as one version, and by whom they may be written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from cltab2systemd import locations
from cltab2systemd.core.tablesource import SETTLED, TableRefusedError, TableSource
from cltab2systemd.disk import tables
from cltab2systemd.disk.tables import TableIdentity, TableUnreadableError, distrust, identify_table, read_table
from cltab2systemd.locations import group_names, locate
from cltab2systemd.units.names import Names
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "cltab"
    path.write_text("web:db:1:wait:x\n")
    path.with_name("cltab.d").mkdir()
    return path


def fragment(table: Path, name: str, text: str) -> Path:
    path = table.with_name("cltab.d") / name
    path.write_text(text)
    return path


def read(table: Path, *, trusted: bool = False) -> list[str]:
    return [os.path.basename(file.path) for file in read_table(str(table), trusted=trusted)[0]]  # noqa: PTH119


def why(table: Path) -> str:
    with pytest.raises(TableUnreadableError) as raised:
        read_table(str(table), trusted=True)
    return str(raised.value).replace(str(table.parent), "")


def test_which_files_count(table: Path) -> None:
    """Those with the suffix that are not hidden, by the bytes of their names; nothing else is looked into."""
    for name in ("b.cltab", "10.cltab", "9.cltab", "B.cltab", "é.cltab"):
        fragment(table, name, f"web:{name}:1:wait:x\n")
    for name in (".hidden.cltab", "c.cltab~", "c.cltab.dpkg-new", "c.cltab.rpmsave", "README", ".cltab"):
        fragment(table, name, "junk\n")
    (table.with_name("cltab.d") / "x").mkdir()
    assert read(table) == ["cltab", "10.cltab", "9.cltab", "B.cltab", "b.cltab", "é.cltab"]
    (table.with_name("cltab.d") / "\udcff.cltab").touch()
    assert read(table)[-1] == "\udcff.cltab"


def test_an_empty_table_with_fragments(table: Path) -> None:
    """The table itself need not say anything; but it has to be there."""
    fragment(table, "a.cltab", "web:a:1:wait:x\n")
    table.write_text("")
    assert read_table(str(table))[0].joined == b"web:a:1:wait:x\n"
    table.unlink()
    assert why(table) == "file not found: /cltab; for /cltab.d to count it has to be there: a comment will do"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda d: os.mkfifo(d / "a.cltab"), "/cltab.d/a.cltab is not a regular file"),
        (lambda d: (d / "a.cltab").mkdir(), "/cltab.d/a.cltab is not a regular file"),
        (lambda d: (d / "a.cltab").symlink_to("none"), "file not found: /cltab.d/a.cltab"),
        (
            lambda d: os.chown(d / "b.cltab", 65534, -1),
            "/cltab.d/b.cltab belongs to uid 65534, and its commands would run as root: make it root's (chown root)",
        ),
        (
            lambda d: (d / "b.cltab").chmod(0o664),
            "/cltab.d/b.cltab can be written by others than root (mode 0664), as whom its commands run: chmod go-w",
        ),
        (
            lambda d: os.chown(d, 65534, -1),
            "/cltab.d belongs to uid 65534, and its commands would run as root: make it root's (chown root)",
        ),
        (
            lambda d: d.chmod(0o777),
            "/cltab.d can be written by others than root (mode 0777), as whom its commands run: chmod go-w",
        ),
        (
            lambda d: os.truncate(d / "b.cltab", tables.LARGEST_TABLE),
            f"/cltab and its fragments are larger than {tables.LARGEST_TABLE} bytes",
        ),
    ],
    ids=["fifo", "directory", "link", "owner", "mode", "directory's owner", "directory's mode", "large"],
)
def test_a_bad_fragment(table: Path, spoil: Callable[[Path], object], reason: str) -> None:
    """One bad file has the whole table refused, in words that name it; another version of it is another one."""
    fragment(table, "b.cltab", "web:b:1:wait:x\n")
    before = identify_table(str(table))
    spoil(table.with_name("cltab.d"))
    assert why(table) == reason
    assert identify_table(str(table)) != before


def test_who_is_not_trusted_is_told_to_check(table: Path) -> None:
    """`check` says of the system's table what the daemon would."""
    path = fragment(table, "b.cltab", "web:b:1:wait:x\n")
    assert distrust(str(table)) == ""
    path.chmod(0o666)
    assert "b.cltab can be written" in distrust(str(table))
    path.chmod(0o644)
    path.parent.chmod(0o777)
    assert "cltab.d can be written" in distrust(str(table))


def test_what_is_no_directory(table: Path) -> None:
    """A file, or a link to nothing, in the directory's place is refused: its fragments may be there in a moment."""
    directory = table.with_name("cltab.d")
    directory.rmdir()
    assert read(table) == ["cltab"]
    directory.touch()
    assert why(table) == "cannot read /cltab.d: Not a directory"
    directory.unlink()
    directory.symlink_to("elsewhere")
    assert why(table) == "file not found: /cltab.d"
    table.with_name("elsewhere").mkdir()
    table.with_name("elsewhere").joinpath("a.cltab").touch()
    assert read(table) == ["cltab", "a.cltab"]


def test_too_many_files(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a limit, for all of them are looked at for each request."""
    monkeypatch.setattr(locations, "MOST_FRAGMENTS", 2)
    for name in ("a.cltab", "b.cltab"):
        fragment(table, name, "")
    assert len(read(table)) == 3
    fragment(table, "README", "")
    assert why(table) == "cannot read /cltab.d: more than 2 files in it"


@pytest.mark.parametrize("changes", [1, 2])
@pytest.mark.parametrize("what", ["written", "added", "removed"])
def test_a_set_that_changes_while_it_is_read(
    table: Path, monkeypatch: pytest.MonkeyPatch, changes: int, what: str
) -> None:
    """It is read again, once, so that what is taken was there at one time."""
    path = fragment(table, "b.cltab", "0")
    if what == "removed":
        fragment(table, "c.cltab", "0")
    left = list(range(changes))
    others = iter(["c.cltab", "b.cltab"] if what == "removed" else ["c.cltab", "d.cltab"])

    def disturbed(name: str) -> TableIdentity | None:
        if left:
            left.pop()
            if what == "written":
                path.write_text(path.read_text() + "x")
            elif what == "added":
                fragment(table, next(others), "")
            else:
                (path.parent / next(others)).unlink()
        return identify_table(name)

    monkeypatch.setattr(tables, "identify_table", disturbed)
    if changes == 1:
        files = read_table(str(table))[0]
        assert [file.content for file in files][1:] == {
            "written": [b"0x"], "added": [b"0", b""], "removed": [b"0"],
        }[what]  # fmt: skip
    else:
        with pytest.raises(TableUnreadableError, match="changes while it is read"):
            read_table(str(table))


def test_a_fragment_that_is_removed_between_the_look_and_the_read(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the table is read without it."""
    path = fragment(table, "b.cltab", "0")
    listed = locations.fragments

    def late(name: str) -> list[str]:
        found = listed(name)
        path.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(tables, "fragments", late)
    assert read(table) == ["cltab"]


# What the daemon follows.


@pytest.fixture
def source(table: Path) -> TableSource:
    fragment(table, "b.cltab", "web:b:1:wait:x\n")
    found = TableSource(str(table), Names(), lambda _table: ())
    assert found.refresh(may_be_empty=False)
    settle(found)
    return found


def settle(source: TableSource) -> None:
    """Read what has been read before until it is old enough for its times to tell all changes."""

    def is_settled() -> bool:
        source.refresh(may_be_empty=False)
        return source._is_settled()

    wait_until(is_settled, what=f"{SETTLED} s have passed")


def tags(source: TableSource) -> list[str]:
    return [entry.tag for entry in source.table.entries]


def _replaced(path: Path) -> None:
    before = path.stat()
    new = path.with_name("new")
    new.write_text(path.read_text().replace(":b:", ":c:"))
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    new.rename(path)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda path: path.with_name("a.cltab").write_text("web:a:1:wait:x\n"), ["db", "a", "b"]),
        (lambda path: path.unlink(), ["db"]),
        (lambda path: path.write_text("web:c:1:wait:x\n"), ["db", "c"]),
        (lambda path: path.rename(path.with_name("b.cltab.off")), ["db"]),
        (_replaced, ["db", "c"]),
    ],
    ids=["added", "removed", "written", "renamed away", "replaced, with size and mtime"],
)
def test_another_set_is_read(
    source: TableSource, table: Path, change: Callable[[Path], object], expected: object
) -> None:
    """Whatever happens to a fragment is seen without a word to the daemon."""
    change(table.with_name("cltab.d") / "b.cltab")
    assert [source.is_unread, source.refresh(may_be_empty=False), source.is_unread] == [True, True, False]
    assert tags(source) == expected


def test_what_is_not_read(source: TableSource, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is opened while no file changes; what lies beside the fragments, as they are written, is no change."""
    monkeypatch.setattr(tables, "read_table", None)
    assert not source.refresh(may_be_empty=False)
    fragment(table, ".b.cltab.x1y2", "web:b")
    assert not source.refresh(may_be_empty=False)
    assert not source.is_unread


def test_another_name_in_the_same_place(source: TableSource, table: Path) -> None:
    """The table is the same, and what is kept of it has the new name."""
    path = table.with_name("cltab.d") / "b.cltab"
    path.rename(path.with_name("c.cltab"))
    assert not source.refresh(may_be_empty=False)
    assert [file.path for file in source.files.fragments] == [f"{table}.d/c.cltab"]
    assert source.table.entries[1].place.path == f"{table}.d/c.cltab"


def test_a_directory_that_is_gone(source: TableSource, table: Path) -> None:
    """Who replaces it in two steps loses no group; without fragments it may be removed."""
    directory = table.with_name("cltab.d")
    directory.rename(table.with_name("aside"))
    with pytest.raises(TableRefusedError, match=r"cltab\.d is gone, and the table in force has lines of there"):
        source.refresh(may_be_empty=True)
    assert tags(source) == ["db", "b"]
    directory.mkdir()
    assert source.refresh(may_be_empty=True)
    directory.rmdir()
    assert not source.refresh(may_be_empty=True)
    assert tags(source) == ["db"]


def test_an_empty_file_at_a_start(table: Path, tmp_path: Path) -> None:
    """It may be what a power cut has left, unless the last good table had it so."""
    good = tmp_path / "good"
    path = fragment(table, "b.cltab", "")
    good.write_text("web:db:1:wait:x\nweb:b:1:wait:x\n")
    found = TableSource(str(table), Names(), lambda _table: (), last_good=str(good))
    with pytest.raises(TableRefusedError, match=rf"{path} is empty: perhaps the machine went down"):
        found.refresh(may_be_empty=False)
    path.write_text("# meant\n")
    assert found.refresh(may_be_empty=False)
    path.write_text("")
    good.write_text(table.read_text())
    assert TableSource(str(table), Names(), lambda _table: (), last_good=str(good)).refresh(may_be_empty=False)


# The light client.


def test_settings_of_fragments(table: Path) -> None:
    """They count, the last one of all files; of whom root does not trust only for those who do not write."""
    table.write_text(":::socket:/run/a\n:::clstat:/run/c")
    path = fragment(table, "b.cltab", ":::socket:/run/b\nnew:x:1:wait:true")
    fragment(table, "c.cltab", "last:y:1:wait:true\n")
    assert (locate(str(table)).socket, locate(str(table)).clstat) == ("/run/b", "/run/c")
    assert {"new", "last"} <= {*group_names(str(table))}
    path.chmod(0o666)
    assert locate(str(table), trusted=True).socket == "/run/a"
    path.chmod(0o644)
    path.parent.chmod(0o777)
    assert locate(str(table), trusted=True).socket == "/run/a"
    assert locate(str(table)).socket == "/run/b"
