"""The table as the daemon follows it: another file is read, a bad one is refused and the last good one kept."""

import os
import time
from pathlib import Path

import pytest

from cltab2systemd.core import tablesource
from cltab2systemd.core.tablesource import SETTLED, TableRefusedError, TableSource
from cltab2systemd.disk import tables
from cltab2systemd.disk.files import FileIdentity
from cltab2systemd.disk.tables import TableIdentity, identify_table
from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.table.model import Table
from cltab2systemd.units.names import Names

GOOD = "web:db:1:wait:x\n"
BAD = "web:db:1:what:x\nweb:db:2:wait:y\n"


def no_findings(_table: Table) -> tuple[Diagnostic, ...]:
    """A machine that has nothing to say about a table."""
    return ()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cltab"


@pytest.fixture
def source(path: Path) -> TableSource:
    path.write_text(GOOD)
    found = TableSource(str(path), Names(), no_findings)
    assert found.refresh(may_be_empty=False)
    settle(found)
    return found


def settle(source: TableSource) -> None:
    """Read what has been read before once more, when the file is old enough for its times to tell all changes."""
    time.sleep(SETTLED)
    try:
        source.refresh(may_be_empty=True)
    except TableRefusedError:
        return


def tags(source: TableSource) -> list[str]:
    return [entry.tag for entry in source.table.entries]


def refusal(source: TableSource, *, may_be_empty: bool = True) -> TableRefusedError:
    with pytest.raises(TableRefusedError) as raised:
        source.refresh(may_be_empty=may_be_empty)
    return raised.value


def test_an_unchanged_file_is_not_read(source: TableSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same file is the same table, without a read."""
    monkeypatch.setattr(tables, "read_table", None)
    assert not source.refresh(may_be_empty=False)


def test_a_changed_file_is_read(source: TableSource, path: Path) -> None:
    """Another content is another table, also when size and mtime in whole seconds are the same."""
    before = path.stat()
    path.write_text(GOOD.replace("db", "dc"))
    os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns + 1))
    assert source.refresh(may_be_empty=False)
    assert tags(source) == ["dc"]


def test_a_file_whose_time_was_set_back_is_read(source: TableSource, path: Path) -> None:
    """What `rsync --inplace --times` writes is another version, also if it has the size and the mtime of before."""
    before = path.stat()
    time.sleep(0.02)
    path.write_text(GOOD.replace("db", "dc"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert source.refresh(may_be_empty=False)
    assert tags(source) == ["dc"]


def test_who_asks_for_a_read_gets_one(source: TableSource, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request for nothing but a read reads, whatever the file's times say."""
    source._seen = known = TableIdentity(FileIdentity(0, 0, 0, 0, 0))
    monkeypatch.setattr(tablesource, "identify_table", lambda _path: known)
    path.write_text(GOOD.replace("db", "dc"))
    assert not source.refresh(may_be_empty=False)
    monkeypatch.undo()
    assert source.refresh(may_be_empty=False, always=True)
    assert tags(source) == ["dc"]


def test_a_file_that_has_just_changed_is_read_twice(path: Path) -> None:
    """Two writes between two ticks of the file system's clock are told apart, though their times are the same."""
    path.write_text(GOOD)
    found = TableSource(str(path), Names(), no_findings)
    assert found.refresh(may_be_empty=False)
    status = path.stat()
    path.write_text(GOOD.replace("db", "dc"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert found._seen is not None
    found._seen = identify_table(str(path))  # as if the clock had stood still
    assert found.refresh(may_be_empty=False)
    assert tags(found) == ["dc"]


def test_a_replaced_file_is_read(source: TableSource, path: Path) -> None:
    """A file renamed into place is another, even with the size and mtime of the old."""
    before = path.stat()
    new = path.with_name("new")
    new.write_text(GOOD.replace("db", "dc"))
    os.utime(new, ns=(before.st_mtime_ns, before.st_mtime_ns))
    new.rename(path)
    assert source.refresh(may_be_empty=False)
    assert tags(source) == ["dc"]


def test_a_new_comment_changes_nothing(source: TableSource, path: Path) -> None:
    """A file that says the same is the same table; its findings' lines are the new file's."""
    path.write_text("# new\n" + GOOD)
    assert not source.refresh(may_be_empty=False)
    assert source.table.entries[0].place.line == 2


def test_a_bad_table_is_refused(source: TableSource, path: Path) -> None:
    """All errors are told, the first in the message, and the last good table stays."""
    path.write_text(BAD)
    error = refusal(source)
    assert str(error) == "unknown mode 'what'"
    assert [finding.code for finding in error.findings] == ["unknown-mode", "duplicate-tag"]
    assert tags(source) == ["db"]


def test_a_bad_table_is_read_once(source: TableSource, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request gets the errors, but the file is read again only when it changed."""
    path.write_text(BAD)
    first = refusal(source)
    settle(source)
    monkeypatch.setattr(tables, "read_table", None)
    second = refusal(source)
    assert str(first) == str(second)
    assert first.findings == second.findings


def test_a_bad_table_costs_no_memory(source: TableSource, path: Path) -> None:
    """Requests against a bad table leave nothing behind: not a longer traceback, with its frames, for each."""
    path.write_text(BAD)
    traceback = [refusal(source) for _ in range(20)][-1].__traceback__
    depth = 0
    while traceback is not None:
        depth, traceback = depth + 1, traceback.tb_next
    assert depth < 10


def test_a_repaired_table_is_read(source: TableSource, path: Path) -> None:
    """After a bad table and a missing one, a good one takes effect at the next request."""
    path.write_text(BAD)
    refusal(source)
    path.unlink()
    assert str(refusal(source)) == f"file not found: {path}"
    path.write_text(GOOD)
    assert not source.refresh(may_be_empty=False)
    path.write_text(GOOD + "web:app:1:wait:x\n")
    assert source.refresh(may_be_empty=False)
    assert tags(source) == ["db", "app"]


def test_warnings_do_not_refuse(source: TableSource, path: Path) -> None:
    """A table with nothing worse than a warning takes effect."""
    path.write_text(":::x\nweb:app:1:wait:x\n")
    assert source.refresh(may_be_empty=False)
    assert tags(source) == ["app"]


def test_an_empty_table(source: TableSource, path: Path) -> None:
    """A table without entries is refused while it must not be empty, and taken as soon as it may."""
    path.write_text("# all gone\n:::x:y\n")
    assert "has no entry, and groups are active" in str(refusal(source, may_be_empty=False))
    assert tags(source) == ["db"]
    assert source.refresh(may_be_empty=True)
    assert tags(source) == []


def test_the_first_table_may_be_missing(path: Path) -> None:
    """Without a file there is an empty table, and the reason is told at each request."""
    source = TableSource(str(path), Names(), no_findings)
    assert [str(refusal(source)), str(refusal(source))] == [f"file not found: {path}"] * 2
    assert tags(source) == []


def test_names_too_long_for_this_instance(source: TableSource, path: Path) -> None:
    """What no unit name of the instance can hold is refused like any other error."""
    path.write_text(f"web:{'t' * 250}:1:wait:x\n")
    assert [finding.code for finding in refusal(source).findings] == ["long-tag"]


def test_verdicts(path: Path) -> None:
    """Each new refusal is told once, whatever its reason, and then that the table is accepted again."""
    told: list[str] = []
    found = TableSource(str(path), Names(), no_findings, lambda error: told.append(error.summary if error else "fine"))

    def ask(text: str | None, *, may_be_empty: bool = True, mode: int = 0o644) -> list[str]:
        if text is None:
            path.unlink()
        else:
            path.write_text(text)
            path.chmod(mode)
        for _ in range(3):
            try:
                found.refresh(may_be_empty=may_be_empty)
            except TableRefusedError:
                continue
        said, told[:] = told[:], []
        return said

    assert ["fine"] == ask(GOOD)
    assert [] == ask(GOOD + "# a comment\n")
    assert [f"{path}:1:10: error: unknown mode 'what'"] == ask(BAD)
    assert [f"{path}:2:10: error: unknown mode 'what'"] == ask("# another version\n" + BAD)
    assert [f"file not found: {path}"] == ask(None)
    assert [f"{path} can be written by others than root (mode 0666), as whom its commands run: chmod go-w"] == ask(
        GOOD, mode=0o666
    )
    assert ["has no entry" in text for text in ask("# none\n", may_be_empty=False)] == [True]
    assert ["fine"] == ask(GOOD)
    assert [] == ask(GOOD)


def test_what_is_in_force_is_not_judged_again(path: Path) -> None:
    """A table that was accepted stays so when the machine would now refuse it: its log's directory is gone, say."""
    found = TableSource(str(path), Names(), no_findings)
    path.write_text(GOOD)
    assert found.refresh(may_be_empty=False)
    found._check = lambda table: (Diagnostic.of("setting-unwritable", table.entries[0].place, "cannot write"),)
    assert not found.refresh(may_be_empty=False, always=True)
    path.write_text(GOOD + "# new\n")
    assert str(refusal(found)) == "cannot write"


def test_an_empty_file_beside_a_last_good_table(tmp_path: Path) -> None:
    """At a start it is what a power cut has left of the table; later it is what somebody wants."""
    path, good = tmp_path / "cltab", tmp_path / "good"
    path.touch()
    assert TableSource(str(path), Names(), no_findings, last_good=str(good)).refresh(may_be_empty=True)
    good.write_text("web:a:1:wait:true\n")
    found = TableSource(str(path), Names(), no_findings, last_good=str(good))
    with pytest.raises(TableRefusedError, match="is empty: perhaps the machine went down while it was written"):
        found.refresh(may_be_empty=True)
    path.write_text("web:a:1:wait:true\n")
    assert found.refresh(may_be_empty=True)
    path.write_text("")
    assert found.refresh(may_be_empty=True)
