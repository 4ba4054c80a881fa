"""The grammar of cltab: what each line means, and what is said about a bad one, where."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import tables

import cltab2systemd
from cltab2systemd.table.diagnostics import Diagnostic, Place, Severity, has_errors
from cltab2systemd.table.grammar import parse
from cltab2systemd.table.model import (
    FIELDS,
    LONGEST_COMMAND,
    LONGEST_LINE,
    LONGEST_NAME,
    MOST_FINDINGS,
    Entry,
    Levels,
    Mode,
    Table,
    level_names,
)
from cltab2systemd.table.settings import Kind, Setting
from cltab2systemd.text import decoded, encoded


def parsed(text: str | bytes) -> tuple[Table, tuple[Diagnostic, ...]]:
    return parse(text if isinstance(text, bytes) else text.encode(), "cltab")


def entry(line: str) -> Entry:
    table, findings = parsed(line)
    assert findings == ()
    (found,) = table.entries
    return found


def seen(text: str | bytes) -> list[tuple[str, int, int, int]]:
    return [(f.code, f.place.line, f.place.column, f.place.width) for f in parsed(text)[1]]


def test_an_entry_has_five_fields() -> None:
    """Group, tag, levels, mode and command are what stands between the first four colons."""
    expected = Entry("web", "db", Levels("12"), Mode.WAIT, "run it", Place("cltab", 1, 1, 21))
    found = entry("web:db:12:wait:run it")
    assert expected == found
    assert expected.place == found.place


def test_a_command_may_hold_colons() -> None:
    """Only the first four colons separate."""
    assert entry("g:t:1:once:a:b::c:").command == "a:b::c:"


def test_a_command_may_be_empty_and_keeps_its_blanks() -> None:
    """Nothing is trimmed; whether a command makes sense is the shell's business."""
    assert entry("g:t:1:once:").command == ""
    assert entry("g:t:1:once:  a\t ").command == "  a\t "


@pytest.mark.parametrize("mode", ["wait", "respawn", "once", "test", "off"])
def test_modes(mode: str) -> None:
    """There are five modes, and only off is never started."""
    found = entry(f"g:t:1:{mode}:true")
    assert found.mode == mode
    assert found.runnable == (mode != "off")


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("1", ["1"]),
        ("12", ["12", "1", "2"]),
        ("11", ["11", "1"]),
        ("start", ["start", "s", "t", "a", "r"]),
        ("long1,long2,5", ["long1,long2,5", "long1", "long2", "5"]),
        ("long3,", ["long3,", "long3"]),
        (",", [","]),
        ("1,,2", ["1,,2", "1", "2"]),
        ("é数", ["é数", "é", "数"]),
        ("0", ["0"]),
    ],
)
def test_levels_have_three_readings(field: str, names: list[str]) -> None:
    """The whole field, each part of one with a comma, and each character of one without."""
    levels = entry(f"g:t:{field}:once:true").levels
    assert names == list(levels.names)
    assert all(name in levels for name in names)


@pytest.mark.parametrize(
    ("field", "level"),
    [("12", "3"), ("start", "star"), ("long1,long2", "l"), ("long3,", "3"), ("a,", ","), ("abc", "."), ("12", "")],
)
def test_levels_match_literally(field: str, level: str) -> None:
    """No other text names a level; there are no patterns."""
    assert level not in Levels(field)


def test_level_names_of_several_entries() -> None:
    """Levels are listed in order of first appearance, each once."""
    table, _ = parsed("g:a:21:once:x\ng:b:13:once:x\n")
    assert level_names(table.entries) == ("21", "2", "1", "13", "3")


def test_comments_only_in_column_0() -> None:
    """A '#' elsewhere is part of a field."""
    table, findings = parsed("#g:a:1:once:x\n##\n #g:b:1:once:x\ng:c:1:once:#x\n")
    assert [e.tag for e in table.entries] == ["c"]
    assert [(f.code, f.place.line, f.place.column) for f in findings] == [("blank-in-group", 3, 1)]


def test_blank_lines_are_skipped() -> None:
    """A line of blanks is nothing, also with a carriage return; so is a missing last newline."""
    table, findings = parsed("\n \t\n\r\n\ng:a:1:once:x\n\ng:b:1:once:y")
    assert findings == ()
    assert [(e.tag, e.command, e.place.line) for e in table.entries] == [("a", "x", 5), ("b", "y", 7)]


def test_an_empty_table_is_fine() -> None:
    """No bytes, no entries, no findings."""
    assert parsed("") == (Table("cltab"), ())


def test_crlf() -> None:
    """A carriage return stays at the end of a command, where it is a blank; it is no part of a setting."""
    table, findings = parsed("#x\r\n:::socket:/s\r\ng:a:1:once:x\r\n")
    assert findings == ()
    assert table.entries[0].command == "x\r"
    assert table.setting("socket") == "/s"


def test_only_newlines_end_lines() -> None:
    """What other readers take for line ends is text here."""
    command = "a\vb\fc\x1cd\x85e\u2028f\rg"
    assert entry(f"g:t:1:once:{command}").command == command


def test_bytes_that_are_not_utf_8_survive() -> None:
    """A command arrives byte for byte."""
    table, findings = parsed(b"g:t:1:once:caf\xe9 \xff\xfe \xc3\xa9\n")
    assert findings == ()
    assert encoded(table.entries[0].command) == b"caf\xe9 \xff\xfe \xc3\xa9"


def test_settings() -> None:
    """A setting's value may hold colons; the last one of a name counts; unknown ones are stored."""
    table, findings = parsed(":::clstat:/a:b\n:::x:1\n:::x:2\n:::empty:\n")
    assert findings == ()
    assert Setting("clstat", "/a:b", Place("cltab", 1), Kind.PLAIN, "") == table.settings[0]
    assert [table.setting(name) for name in ("clstat", "x", "empty", "none")] == ["/a:b", "2", "", None]


KINDS = {
    "service.web:User=x": (Kind.SERVICE, "web"),
    "service.a.b:User=x": (Kind.SERVICE, "a.b"),
    "service.:User=x": (Kind.SERVICE, ""),
    "group.web:MemoryMax=1G": (Kind.SLICE, "web"),
    "initdefault.web:3": (Kind.BOOT_LEVEL, "web"),
    "services.web:User=x": (Kind.SERVICES, "web"),
    "ready.db:tcp:5432": (Kind.READY, "db"),
    "required.db:yes": (Kind.REQUIRED, "db"),
    "preflight.db:true": (Kind.PREFLIGHT, "db"),
    "health.db:10s true": (Kind.HEALTH, "db"),
    "stop.web:ordered": (Kind.STOP, "web"),
    "levels.web:stop,999": (Kind.LEVELS, "web"),
    "pacemaker.web:level=3": (Kind.PACEMAKER, "web"),
    "publish:pacemaker": (Kind.PUBLISH, ""),
    "publish.web:pacemaker": (Kind.UNKNOWN, ""),
    "socket:/x": (Kind.PLAIN, ""),
    "clstat:/x": (Kind.PLAIN, ""),
    "log:/x": (Kind.PLAIN, ""),
    "log.web:/x": (Kind.UNKNOWN, ""),
    "service:x": (Kind.UNKNOWN, ""),
    "Service.web:x": (Kind.UNKNOWN, ""),
    "plain:x": (Kind.UNKNOWN, ""),
}


@pytest.mark.parametrize(("line", "expected"), KINDS.items(), ids=KINDS)
def test_kinds(line: str, expected: tuple[Kind, str]) -> None:
    """What a setting is about, and the tag or the group in its name."""
    (setting,) = parsed(f":::{line}\n".encode())[0].settings
    assert (setting.kind, setting.subject) == expected


def test_declared_levels() -> None:
    """Levels without entries, parted by commas; the last setting counts, and the words are no characters."""
    table, findings = parsed(":::levels.web:x\n:::levels.web:stop,,999,stop,\nweb:a:3m:wait:x\n")
    assert findings == ()
    group = table.group("web")
    assert group.declared == ("stop", "999")
    assert group.levels == ("3m", "3", "m", "stop", "999")
    assert group.running_levels == ("3m", "3", "m")
    assert ":::levels.web:stop,999" in group.lines


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        (":::levels.web:\n", ["empty-levels"]),
        (":::levels.web:,,\n", ["empty-levels"]),
        (":::levels.web:a, b\n", ["blank-in-levels"]),
        (f":::levels.web:a,{'x' * 256}\n", ["long-levels"]),
        (":::levels.web:stop\n:::initdefault.web:3\n", []),
        (":::levels.web:stop\n:::initdefault.web:stop\n", []),
        (":::levels.web:stop\n:::initdefault.web:4\n", ["undeclared-level"]),
        (":::levels.web:stop\n:::initdefault.mail:4\n", []),
    ],
)
def test_wrong_levels(lines: str, codes: list[str]) -> None:
    """What is declared is a name each; a boot level that requests are refused for is an error."""
    _, findings = parsed(f"{lines}web:a:3:wait:x\n")
    assert [finding.code for finding in findings] == codes


def test_each_kind_is_tried() -> None:
    """No kind of setting is without an example above."""
    assert {kind for kind, _ in KINDS.values()} == {*Kind}


def test_place_of_subject() -> None:
    """A finding about the subject points at it, not at the word before it."""
    (setting,) = parsed(b":::service.web:User=x\n")[0].settings
    assert setting.place_of_subject == Place("cltab", 1, 12, 3)


def test_source_of_directive() -> None:
    """The line that gave an entry a directive is found again, also if another says the same."""
    table, _ = parsed(b":::service.a:Nice=1\n:::service.b:Nice=1\ng:a:1:once:x\ng:b:1:once:x\n")
    sources = [table.source_of(directive) for entry in table.entries for directive in entry.directives]
    assert sources == [*table.settings]


# A new mode is a row in `Mode` and one here. What else it needs are words: in cltab(5), README.md, docs/migrating.md.
MODES = {
    # mode:       started, waited for, restarted, judged, may run on
    Mode.WAIT:    (True,   True,       False,     False,  False),
    Mode.TEST:    (True,   True,       False,     True,   False),
    Mode.ONCE:    (True,   False,      False,     False,  True),
    Mode.RESPAWN: (True,   False,      True,      False,  True),
    Mode.OFF:     (False,  False,      False,     False,  False),
}  # fmt: skip


def test_what_modes_mean() -> None:
    """What each mode says of itself, and that is all that the other modules ask it."""
    properties = [name for name, value in vars(Mode).items() if isinstance(value, property)]
    assert properties == ["is_started", "is_waited_for", "is_restarted", "is_judged", "may_run_on"]
    assert {mode: tuple(getattr(mode, name) for name in properties) for mode in Mode} == MODES


PACKAGE = Path(cltab2systemd.__file__).parent


def test_nobody_asks_which_mode_it_is() -> None:
    """A new mode is one row: the other modules and the templates ask what it means, and never which one it is."""
    asking = re.compile(rf"\bMode\.({'|'.join(Mode.__members__)})\b|\bmode [!=]= ")
    files = [*PACKAGE.rglob("*.py"), *(PACKAGE / "templates").glob("*.j2")]
    found = {str(path.relative_to(PACKAGE)) for path in files if asking.search(path.read_text())}
    assert found == {"importers/inittab/dialects.py"}  # which says what becomes of the words of inittabs


def test_nobody_asks_how_a_setting_is_called() -> None:
    """The grammar says what a setting is about: nobody else looks at how its name begins."""
    asking = re.compile(r"\bsetting\.name[.\[]")
    found = {str(p.relative_to(PACKAGE)) for p in PACKAGE.rglob("*.py") if asking.search(p.read_text())}
    assert found == {"check/settinglint.py"}  # guesses what an unknown one may have been meant for


def test_groups_in_file_order() -> None:
    """Groups, and the entries of each, come in the order of the file, however they are mixed."""
    table, _ = parsed("b:1:1:once:x\na:2:1:once:x\nb:3:1:once:x\n")
    assert [(name, [e.tag for e in group.entries]) for name, group in table.groups.items()] == [
        ("b", ["1", "3"]),
        ("a", ["2"]),
    ]


def test_equality_ignores_the_place() -> None:
    """An entry that only moved within the file is the same entry."""
    assert entry("g:t:1:once:x") == entry("\n\ng:t:1:once:x")
    assert entry("g:t:1:once:x") != entry("g:t:1:once:y")


# A comment `#= COLUMN WIDTH CODE` says what is found in the next line that is none; a line without any has no finding.
FINDINGS = """
g:good1:1:wait:true
#= 1 12 field-count
g:few:1:wait
#= 1 4 field-count
word
#= 1 7 setting-form
:::name
#= 1 3 setting-form
:::
#= 1 9 setting-form
::::value
g:good2:1:wait:true
#= 1 1 empty-group
:t1:1:wait:true
#= 3 1 empty-tag
g::1:wait:true
#= 6 1 empty-levels
g:t2::wait:true
#= 2 1 blank-in-group
g :t3:1:wait:true
#= 4 1 blank-in-tag
g:a b c:1:wait:true
#= 7 1 blank-in-levels
g:t5:1\t2:wait:true
#= 1 1 blank-in-group
 # no comment:t6:1:wait:true
#= 4 1 blank-in-tag
g:t\x01:1:wait:true
#= 8 6 unknown-mode
g:t8:1:always:true
#= 8 5 unknown-mode
g:t9:1:wait :true
#= 8 4 unknown-mode
g:tA:1:WAIT:true
#= 8 1 unknown-mode
g:tB:1::true
#= 3 5 duplicate-tag
h:good1:2:once:true
#= 1 1 empty-group
#= 2 1 empty-tag
#= 5 4 unknown-mode
::1:what:true
#= 4 1 blank-in-tag
#= 4 1 nul-byte
g:t\0C:1:wait:true
#= 15 1 nul-byte
g:tD:1:wait:tr\0ue
#= 2 1 blank-in-group
#= 5 1 empty-tag
#= 6 1 empty-levels
#= 7 7 unknown-mode
g x::: always:true
g:good3:1:wait:true
"""


def test_findings() -> None:
    """Each kind of error has its code and exact place, all in one go; no bad line hides its neighbours."""
    expected, pending = [], []
    for number, line in enumerate(FINDINGS.split("\n"), 1):
        if line.startswith("#="):
            pending.append(line.split()[1:])
        else:
            expected += [(code, number, int(column), int(width)) for column, width, code in pending]
            pending = []
    assert expected == seen(FINDINGS)
    assert [e.tag for e in parsed(FINDINGS)[0].entries] == ["good1", "good2", "good3"]


def test_errors_and_warnings() -> None:
    """A line that cannot be an entry is an error; a setting that says nothing is a warning and is ignored."""
    table, (finding,) = parsed(":::socket\n")
    assert finding.severity is Severity.WARNING
    assert table.settings == ()
    assert not has_errors([finding])
    assert has_errors(parsed("word\n")[1])


def test_a_finding_carries_its_line() -> None:
    """A finding knows the source line, the path, and a way out."""
    (finding,) = parsed("\ng:t:1:wiat:true\r\n")[1]
    expected = Diagnostic(
        "unknown-mode", Severity.ERROR, Place("cltab", 2, 7, 4), "unknown mode 'wiat'", "g:t:1:wiat:true\r",
        "did you mean 'wait'?",
    )  # fmt: skip
    assert expected == finding


def test_duplicate_tag_in_the_words_of_the_ancestor() -> None:
    """A tag is unique in the file; the message begins as scripts know it, and names the first line every time."""
    table, findings = parsed("g:t:1:wait:a\n\nh:t:1:wait:b\ng:t:1:wait:a\n")
    assert [f.message for f in findings] == ["entry has duplicate tag: t (first on line 1)"] * 2
    assert [f.place.line for f in findings] == [3, 4]
    assert [e.group for e in table.entries] == ["g"]


def test_a_bad_line_has_its_tag_all_the_same() -> None:
    """A duplicate of a tag on a bad line is found, too: fixing the one line would only bring it up."""
    assert seen("g:t:1:what:a\ng:t:1:wait:b\n") == [("unknown-mode", 1, 7, 4), ("duplicate-tag", 2, 3, 1)]


def test_a_nul_spoils_a_setting() -> None:
    """A setting with a NUL byte is an error and not in the table: no path can hold one."""
    table, findings = parsed(":::socket:/a\0b\n")
    assert [f.code for f in findings] == ["nul-byte"]
    assert table.settings == ()


def test_a_nul_in_a_comment_is_harmless() -> None:
    """A comment may hold anything."""
    assert seen("# \0\n#\ufeff\n") == []


def test_byte_order_mark() -> None:
    """A byte order mark before the file is one error, and nothing follows from it."""
    for line in ("g:t:1:wait:a", "# comment", ":::socket:/a", "", ":::service.t:User=x"):
        assert seen(f"\ufeff{line}\n") == [("byte-order-mark", 1, 1, 1)]
    assert seen("\ufeffg:t:1:wiat:a\n") == [("byte-order-mark", 1, 1, 1), ("unknown-mode", 1, 7, 4)]
    table, _ = parsed("\ufeff:::socket:/a\ng:t:1:wait:a\n")
    assert table.setting("socket") == "/a"


def test_byte_order_mark_inside() -> None:
    """Where two files were joined, one warning says so, and all lines are read as if there were no mark."""
    table, findings = parsed("g:t:1:wait:a\n\ufeff# b\n\ufeff:::socket:/a\n\ufeffg:u:1:wait:b\n")
    assert [(f.code, f.severity, f.place.line) for f in findings] == [("byte-order-mark-inside", Severity.WARNING, 2)]
    assert [(e.group, e.tag) for e in table.entries] == [("g", "t"), ("g", "u")]
    assert table.setting("socket") == "/a"
    assert seen("\ufeffg:t:1:wait:a\n\ufeffg:u:1:wait:b\n") == [
        ("byte-order-mark", 1, 1, 1), ("byte-order-mark-inside", 2, 1, 1),
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16(encoding: str) -> None:
    """A file of another encoding is one error, not several for each of its lines, with a mark or without."""
    text = "# groups\n:::socket:/a\nweb:db:3:wait:true\n" * 50
    mark = "\ufeff" if encoding == "utf-32" else ""
    table, findings = parsed((mark + text).encode(encoding))
    assert [(f.code, f.place.line, f.place.column) for f in findings] == [("wide-encoding", 1, 1)]
    assert table.entries == ()


@pytest.mark.parametrize(
    "data", [b"\0\0\0\0\0\0", b"web:a\0:1:wait:x\n", b"\0", b"g\0", b"\xff", b"\xffx:t:1:wait:a\n"]
)
def test_not_utf_16(data: bytes) -> None:
    """NULs of a crash, and a byte that is not UTF-8, are what they were."""
    assert "wide-encoding" not in [code for code, *_ in seen(data)]


@pytest.mark.parametrize(
    "text",
    ["g:t:1:wait:a\rg:u:1:wait:b\r", "# groups\rg:t:1:wait:a\r", "g:t:1:wait:a\r\r# end", ":::socket:/a\r:::log:/b"],
)
def test_old_line_ends(text: str) -> None:
    """A file of an old Mac is one line to everybody else: one error, and no entry with all the rest for a command."""
    table, findings = parsed(text)
    assert [(f.code, f.place.line, f.place.column) for f in findings] == [("old-line-ends", 1, text.index("\r") + 1)]
    assert table.entries == ()
    assert table.settings == ()


@pytest.mark.parametrize(
    "text", ["g:t:1:wait:a\r", "g:t:1:wait:printf 'a\rb'", "g:t:1:wait:a\r\nb:u:1:wait:c\r\n", "\r"]
)
def test_other_carriage_returns(text: str) -> None:
    """One line with a carriage return in it or at its end, and files of Windows, are tables."""
    assert seen(text) == []


@pytest.mark.parametrize(("field", "column"), [("group", 1), ("tag", 3), ("levels", 5)])
@pytest.mark.parametrize("character", ["x", "é", "数"])
def test_long_names(field: str, column: int, character: str) -> None:
    """A name has at most 255 bytes, however many characters these are."""
    size = len(character.encode())
    for length in (LONGEST_NAME // size, LONGEST_NAME // size + 1):
        values = {"group": "g", "tag": "t", "levels": "1", field: character * length}
        expected = [(f"long-{field}", 1, column, length)] if length * size > LONGEST_NAME else []
        assert expected == seen("{group}:{tag}:{levels}:wait:a".format(**values))


def test_long_commands() -> None:
    """A command is at most what the kernel passes as one argument, in bytes."""
    assert seen(b"g:t:1:wait:" + b"x" * LONGEST_COMMAND) == []
    assert seen(b"g:t:1:wait:" + b"\xff" * (LONGEST_COMMAND + 1)) == [("long-command", 1, 12, 1)]
    assert seen("g:t:1:wait:" + "é" * (LONGEST_COMMAND // 2 + 1)) == [("long-command", 1, 12, 1)]


def test_long_lines() -> None:
    """A line that no entry can need is an error, whatever it says, but for a comment."""
    assert ("long-line", 1, 1, 1) in seen("x" * (LONGEST_LINE + 1))
    assert seen(":::x:" + "y" * LONGEST_LINE) == [("long-line", 1, 1, 1)]
    assert seen("#" + "y" * LONGEST_LINE) == []


@pytest.mark.parametrize("line", ["word", ":::service.t:x", "g:t:1:what:x"])
def test_a_bound_on_errors(line: str) -> None:
    """After 1,000 errors the file is not read further, and an error says so."""
    fine = "g:t0:1:wait:x\n"
    table, findings = parsed(fine + f"{line}\n" * 5_000 + "g:t1:1:wait:x\n")
    last = findings[-1]
    assert last.code == "too-many-findings"
    assert last.severity == Severity.ERROR
    assert last.source == line
    assert MOST_FINDINGS < len(findings) <= MOST_FINDINGS + 3
    assert [found.tag for found in table.entries] == ["t0"]


def test_a_bound_on_warnings() -> None:
    """Lines that are passed over are passed over in any number; so many findings are kept, and the table is good."""
    table, findings = parsed(":::x\n" * 5_000 + "g:t1:1:wait:x\n")
    assert len(findings) == MOST_FINDINGS
    assert not has_errors(findings)
    assert [found.tag for found in table.entries] == ["t1"]


def test_the_last_finding_in_bounds() -> None:
    """If the file ends there, there is nothing that is not read."""
    assert {code for code, *_ in seen("word\n" * MOST_FINDINGS)} == {"field-count"}


def test_places_of_fields() -> None:
    """An entry and a setting know where their fields stand."""
    found = entry("web:db:12:wait:run it")
    assert [found.place_of(name) for name in FIELDS] == [
        Place("cltab", 1, 1, 3), Place("cltab", 1, 5, 2), Place("cltab", 1, 8, 2), Place("cltab", 1, 11, 4),
        Place("cltab", 1, 16, 6),
    ]  # fmt: skip
    (setting,) = parsed(":::socket:/s\r\n")[0].settings
    assert setting.place_of_name == Place("cltab", 1, 4, 6)
    assert setting.place_of_value == Place("cltab", 1, 11, 2)
    assert setting.line == ":::socket:/s"


_TABLE_LIKE = st.lists(
    st.sampled_from([b":", b"\n", b"#", b"\0", b"web", b"wait", b"off", b",", b" ", b"\r", b"\xff", b"\xef\xbb\xbf"]),
    max_size=40,
).map(b"".join)


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=60), _TABLE_LIKE))
def test_parse_never_raises(data: bytes) -> None:
    """Any bytes give a table and findings, in order, each with a place in the file and its line."""
    table, findings = parse(data, "cltab")
    lines = decoded(data).split("\n")
    if [finding.code for finding in findings] == ["wide-encoding"]:
        return
    assert all(
        finding.source.lstrip("\ufeff") == lines[finding.place.line - 1].lstrip("\ufeff") for finding in findings
    )
    assert all(finding.place.column <= len(finding.source) or not finding.source for finding in findings)
    assert sorted(f.place.line for f in findings) == [f.place.line for f in findings]
    wrong = {finding.place.line for finding in findings if not finding.code.startswith("byte-order-mark")}
    assert wrong.isdisjoint(found.place.line for found in table.entries)
    assert wrong.isdisjoint(found.place.line for found in table.settings)


@settings(deadline=None)
@given(tables())
def test_entries_round_trip(table: Table) -> None:
    """The lines of a table's groups are a table with the same groups."""
    text = "".join(f"{line}\n" for group in table.groups.values() for line in group.lines)
    again, findings = parse(encoded(text), table.path)
    assert findings == ()
    assert table.groups == again.groups


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=60), _TABLE_LIKE).map(lambda data: data.replace(b"\n", b"")))
def test_neighbours_stay(line: bytes) -> None:
    """Whatever a line holds, the lines before and after it mean what they mean without it."""
    table, _ = parse(b"g:neighbour-before:1:wait:a\n" + line + b"\ng:neighbour-after:1:wait:b\n", "cltab")
    around = [(found.tag, found.place.line) for found in table.entries if found.place.line != 2]
    assert around == [("neighbour-before", 1), ("neighbour-after", 3)]
