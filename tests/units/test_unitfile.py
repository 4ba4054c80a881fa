"""Text that reaches a unit file: how a command is run, and that nothing in it becomes syntax."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cltab2systemd.text import decoded, encoded
from cltab2systemd.units.commands import command_words
from cltab2systemd.units.unitfile import command_line, comment, path, quote, text
from fuzz.unitrules import unquote

PERL = shutil.which("perl")

# What a table's line can hold: anything but NUL and newline.
LINE_TEXT = st.one_of(
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\n")),
    st.binary().map(lambda data: decoded(re.sub(rb"[\x00\n]", b"", data))),
    st.text("a\\\"'%$ \t\r\x01\x7f\x85\u2028\ufffe\U0010ffff\udcff\udcc3é#;[]{}=", max_size=12),
)

# What executes words, and tells that it cannot as systemd does.
EXECUTE = "trap 'exit 203' 0; exec \"$@\""
SHELL_COMMANDS = [
    "echo $A", "prog a; prog b", "prog a|cat", "prog a >f 2>&1 b; cat f",
    "prog 'a b'", 'prog "a #b"', "echo f*", "prog ~",
    "A=1 prog", "A=", "=x", "  A=1 prog", "1=2", "A=é prog", "exec prog", "exec\tprog", " exec prog", ". ./file",
    ".\t./file", "prog 2>&1 >f", "prog 2>f", "prog >&1", "prog2>&1", "prog 2>&1x", "prog 3>&1", "prog >f 2>&1",
    "prog 2>&1 2>&1", "A=1 prog 2>&1", "prog 2>&1 #", "exec 2>&1", ". 2>&1", "exec prog 2>&1",
]  # fmt: skip
WORDS_OF_COMMANDS = {
    "prog": ["prog"],
    "prog a b": ["prog", "a", "b"],
    "  prog \t a  ": ["prog", "a"],
    "prog\r": ["prog"],
    "prog\va\fb": ["prog", "a", "b"],
    "prog a #b": ["prog", "a", "#b"],
    "prog -x=1 a=b": ["prog", "-x=1", "a=b"],
    "-=x": ["-=x"],
    "%n %% @x !y ^z": ["%n", "%%", "@x", "!y", "^z"],
    "executor x": ["executor", "x"],
    "prog exec x": ["prog", "exec", "x"],
    "./prog": ["./prog"],
    ".prog x": [".prog", "x"],
    "é\u00a0数 \udcff": ["é\u00a0数", "\udcff"],
    "": [],
    " \t\r": [],
}


@pytest.mark.parametrize("command", [*SHELL_COMMANDS, *(f"a {c} b" for c in "$&*(){}[]'\";\\|?<>~`")])
def test_commands_for_the_shell(command: str) -> None:
    """A metacharacter, a leading assignment, `exec` or `.` sends a command to the shell as it is."""
    assert command_words(command) == ("/bin/sh", "-c", command)


@pytest.mark.parametrize(("command", "words"), WORDS_OF_COMMANDS.items())
def test_commands_without_a_shell(command: str, words: list[str]) -> None:
    """Any other command is its words, split on ASCII blanks; the shell that finds it in PATH reads none of them."""
    assert command_words(command) == ("/bin/sh", "-c", EXECUTE, "sh", *words)


@pytest.mark.parametrize("command", ["prog a #b 2>&1", "prog a #b\t2>&1 ", "prog a #b 2>&1\r"])
def test_errors_to_the_output_at_the_end(command: str) -> None:
    """A `2>&1` at the very end is no reason for a shell, as in Perl."""
    assert command_words(command) == ("/bin/sh", "-c", f"{EXECUTE} 2>&1", "sh", "prog", "a", "#b")


@pytest.mark.skipif(PERL is None, reason="no perl")
@pytest.mark.parametrize(
    "command", [*SHELL_COMMANDS, *filter(str.strip, WORDS_OF_COMMANDS), "prog a #b 2>&1", "prog '#' $A \\", "nothing x"]
)
def test_commands_run_as_perl_runs_them(command: str, tmp_path: Path) -> None:
    """What a command writes and how it ends is what it does under Perl's exec, the ancestor's."""
    (tmp_path / "file").write_text("echo sourced\n")
    program = tmp_path / "prog"
    program.write_text('#!/bin/sh\nprintf \'<%s>\' "$0" "$A" "$@"; exit $#\n')
    program.chmod(0o755)
    for name in ("executor", ".prog"):
        (tmp_path / name).symlink_to("prog")
    assert _outcome([str(PERL), "-e", "exec $ARGV[0]; exit 127", command], tmp_path) == _outcome(
        command_words(command), tmp_path
    )


def _outcome(words: Sequence[str], directory: Path) -> tuple[bytes, bool]:
    done = subprocess.run(
        [encoded(word) for word in words],
        cwd=directory,
        env={"PATH": f"{directory}:/usr/bin:/bin", "A": "from outside", "HOME": "/home"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return done.stdout.replace(b"/bin/sh: ", b"sh: "), done.returncode == 0


@pytest.mark.parametrize(
    ("argument", "quoted"),
    [
        ("", '""'),
        ("a b", '"a b"'),
        ("it's", '"it\'s"'),
        ('say "x"', '"say \\"x\\""'),
        ("a\\", '"a\\\\"'),
        ("100%n", '"100%%n"'),
        ("$HOME ${A} $$", '"$$HOME $${A} $$$$"'),
        ("a\tb\r\x7f", '"a\\x09b\\x0d\\x7f"'),
        ("é\udcff数", '"é\\xff数"'),
        ("\ufffe\U0010ffff", '"\\xef\\xbf\\xbe\\xf4\\x8f\\xbf\\xbf"'),
        ("; # [x]", '"; # [x]"'),
    ],
)
def test_quote(argument: str, quoted: str) -> None:
    """An argument is one double-quoted word; only what systemd would read differently is escaped."""
    assert quoted == quote(argument)


@settings(deadline=None)
@given(LINE_TEXT)
def test_quoted_bytes_arrive(argument: str) -> None:
    """Exactly the bytes of an argument come out again, and systemd takes the line: printable UTF-8 without a break."""
    quoted = quote(argument)
    assert [encoded(argument)] == unquote(quoted)
    assert not re.search("[\x00-\x1f\x7f\ufdd0-\ufdef]", quoted)
    assert not any(ord(character) & 0xFFFE == 0xFFFE for character in quoted)
    assert not re.search("[%$]", quoted.replace("%%", "").replace("$$", ""))


@settings(deadline=None)
@given(LINE_TEXT)
def test_a_command_line_is_its_words(command: str) -> None:
    """A whole command line gives back the words, the first unquoted."""
    words = command_words(command)
    assert [encoded(word) for word in words] == unquote(command_line(words))


@pytest.mark.parametrize(("size", "piece"), [(1, "\x01"), (1, "\udcff"), (1, "$"), (2, "\x01 "), (2, "\udcff ")])
def test_the_longest_command_fits_into_a_line(size: int, piece: str) -> None:
    """Whatever the longest command consists of, its escaped form stays below what systemd reads as one line."""
    command = piece * (131_071 // size)
    assert len(command_line(command_words(command))) < 1024 * 1024 - len("ExecStart=")  # LONG_LINE_MAX of systemd


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("web:db é 数", "web:db é 数"),
        ("100%", "100%%"),
        ("%n", "%%n"),
        ("a\nExecStart=b", "a\\x0aExecStart=b"),
        ("a\r\t\udcff", "a\\x0d\\x09\\xff"),
        ("ends with \\", "ends with \\x5c"),
        ("two \\\\", "two \\\\x5c"),
    ],
)
def test_text(value: str, expected: str) -> None:
    """Free text is readable and has neither a specifier nor a line's end."""
    assert expected == text(value)


_HOSTILE = st.one_of(LINE_TEXT, st.text("a\n\r\\%\0", max_size=6))


@settings(deadline=None)
@given(_HOSTILE)
def test_text_and_comments_stay_on_their_line(value: str) -> None:
    """Not even a newline or a NUL, which no table's line has, can get out of free text or a comment."""
    for shown in (text(value), comment(value)):
        assert shown.isprintable()
        shown.encode("utf-8")
    assert not text(value).endswith("\\")
    assert "%" not in text(value).replace("%%", "")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/etc/cltab", "/etc/cltab"),
        ("/srv/100%/é 数", "/srv/100%%/é 数"),
        ("relative", None),
        ("", None),
        ("/a\nb", None),
        ("/a\udcff", None),
        ("/a ", None),
        ("/a\\", None),
    ],
)
def test_path(value: str, expected: str | None) -> None:
    """A path stands as it is, but for specifiers; one that systemd could not read back is left out."""
    assert expected == path(value)


@settings(deadline=None)
@given(_HOSTILE.map(lambda value: "/" + value))
def test_a_path_stays_on_its_line(value: str) -> None:
    """A path that is not left out is one line, and names the same file."""
    shown = path(value)
    if shown is not None:
        assert shown.isprintable()
        assert not shown.endswith("\\")
        assert value == shown.replace("%%", "%")
