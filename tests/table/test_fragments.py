"""A table of several files: what its fragments say stands behind what it says itself, and findings name the file."""

from __future__ import annotations

from cltab2systemd.check.loading import load_files
from cltab2systemd.check.settinglint import findings as lint
from cltab2systemd.table.grammar import parse, parse_files
from cltab2systemd.table.model import MOST_FINDINGS
from cltab2systemd.table.tablefiles import TableFile, TableFiles

MAIN = ":::log:/run/a\nweb:db:3:respawn:exec db\nmail:queue:1:once:true"
MORE = ":::log:/run/b\nweb:app:3:respawn:exec app\n:::service.db:Nice=5\nnew:one:1:wait:true\n"


def files(main: str, **fragments: str) -> TableFiles:
    """The table at /etc/cltab with its fragments."""
    beside = (TableFile(f"/etc/cltab.d/{name}.cltab", text.encode()) for name, text in fragments.items())
    return TableFiles(TableFile("/etc/cltab", main.encode()), tuple(beside))


def summaries(found: TableFiles) -> list[str]:
    return [finding.summary for finding in load_files(found)[1]]


def test_one_table() -> None:
    """Groups may have entries of several files, in their order; the last setting counts, wherever it stands."""
    table, findings = parse_files(files(MAIN, a=MORE))
    assert findings == ()
    assert [*table.groups] == ["web", "mail", "new"]
    assert [entry.tag for entry in table.groups["web"].entries] == ["db", "app"]
    assert [directive.line for directive in table.groups["web"].entries[0].directives] == ["Nice=5"]
    assert table.setting("log") == "/run/b"
    assert table.entries[2].place.path == "/etc/cltab.d/a.cltab"
    assert table.entries[2].place.line == 2
    assert table.path == "/etc/cltab"


def test_as_one_file() -> None:
    """The same table as one file parses to the same; a table of one file is that file."""
    found = files(MAIN, a=MORE, b="# none\n", c="")
    joined = found.joined
    assert joined.decode() == MAIN + "\n" + MORE + "# none\n"
    table, findings = parse(joined, "/etc/cltab")
    assert findings == ()
    assert table == parse_files(found)[0]
    assert files(MAIN).joined == MAIN.encode()
    assert found.empty == "/etc/cltab.d/c.cltab"
    assert [file.path for file in found.at("/srv/t")][:2] == ["/srv/t", "/srv/t.d/a.cltab"]


def test_the_same_tag_in_two_files() -> None:
    """A tag is unique in the whole table, and the finding says where it was first."""
    twice = "web:db:m:wait:true\nweb:x:1:wait:true\nweb:x:2:wait:true\n"
    assert summaries(files(MAIN, a=twice)) == [
        "/etc/cltab.d/a.cltab:1:5: error: entry has duplicate tag: db (first in /etc/cltab:2)",
        "/etc/cltab.d/a.cltab:3:5: error: entry has duplicate tag: x (first on line 2)",
    ]
    assert parse_files(files(MAIN, a=twice))[1][0].hint == "a tag is unique in the whole table, not per file"


def test_findings_are_in_the_order_of_the_files() -> None:
    """All files are read to their end, and one that cannot be hides no other's findings."""
    found = files("word\n", a="web:a:1:what:x\n", b="x".encode("utf-16").decode("latin-1"), c=":::x\n\ufeffweb\n")
    found = TableFiles(found.main, (*found.fragments[:1], TableFile("/etc/cltab.d/b.cltab", b"\xff\xfex\0"),
                                    *found.fragments[2:]))  # fmt: skip
    assert [(finding.place.path.rpartition("/")[2], finding.code) for finding in load_files(found)[1]] == [
        ("cltab", "field-count"),
        ("a.cltab", "unknown-mode"),
        ("b.cltab", "wide-encoding"),
        ("c.cltab", "setting-form"),
        ("c.cltab", "byte-order-mark-inside"),
        ("c.cltab", "field-count"),
    ]


def test_too_many_findings() -> None:
    """They are counted over all files, and no file behind is read."""
    found = load_files(files("word\n" * (MOST_FINDINGS - 1), a="word\nword\n", b="word\n"))[1]
    assert len(found) == MOST_FINDINGS + 1
    assert found[-1].summary.startswith("/etc/cltab.d/a.cltab:2:1: error: too many findings")


def test_other_findings_that_name_a_line() -> None:
    """A setting that is given again, and groups that wait for each other, are told with the file if it is another."""
    table, _ = parse_files(files(MAIN, a=MORE))
    assert [finding.summary for finding in lint(table)] == [
        "/etc/cltab.d/a.cltab:1:4: warning: setting 'log' is given again (first in /etc/cltab:1)"
    ]
    waiting = files("a:a:1:respawn:x\n:::ready.a:group:b:1\n", z="b:b:1:respawn:x\n:::ready.b:group:a:1\n")
    [told] = summaries(waiting)
    assert told.startswith("/etc/cltab:2:")
    assert "(line 2)" in told
    assert "(in /etc/cltab.d/z.cltab:2)" in told
