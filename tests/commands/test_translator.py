"""`cltab2systemd`: exit codes, and what is said where; what the units hold is test_compiler's."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from answers import answered
from translator import run

from cltab2systemd.check.loading import load
from cltab2systemd.disk.tables import LARGEST_TABLE, on_empty
from cltab2systemd.table.model import MOST_FINDINGS
from cltab2systemd.text import encoded
from cltab2systemd.units.compiler import compile_table

GOOD = "web:db:1:wait:true\n"
BAD = ":::y\nweb:db:1:what:x\nweb:db:1:wait:x\nword\n"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "cltab"
    path.write_text(GOOD)
    return path


def test_check_of_a_good_table(path: Path) -> None:
    """Nothing to say, exit code 0."""
    result = run("check", path)
    answered(result, code=0, out="", err="")


def test_check_of_a_bad_table(path: Path) -> None:
    """All findings in file order with the line and a caret, then their number, all to the standard error."""
    path.write_text(BAD)
    result = run("check", path)
    expected = f"""\
{path}:1:1: warning: setting without a name or a value [setting-form]
  :::y
  ^~~~
  hint: a setting is :::name:value; this line is ignored
{path}:2:10: error: unknown mode 'what' [unknown-mode]
  web:db:1:what:x
           ^~~~
  hint: did you mean 'wait'?
{path}:3:5: error: entry has duplicate tag: db (first on line 2) [duplicate-tag]
  web:db:1:wait:x
      ^~
  hint: a tag is unique in the whole file, not per group
{path}:4:1: error: 1 of 5 fields [field-count]
  word
  ^~~~
  hint: an entry is group:tag:levels:mode:command; a comment has '#' in the first column
cltab2systemd: {path}: 3 errors
"""
    answered(result, code=1, out="")
    assert expected == result.stderr


def test_a_warning_is_no_failure(path: Path) -> None:
    """A table with a warning can take effect, so it passes; the warning is told."""
    path.write_text(":::y\n" + GOOD)
    result = run("check", path)
    answered(result, code=0)
    assert result.stderr.count(": warning: ") == 1
    assert "cltab2systemd:" not in result.stderr


@pytest.mark.parametrize(
    ("table", "code", "told"), [(":::y\n" + GOOD, 1, "1 warning"), (BAD, 1, "3 errors, 1 warning"), (GOOD, 0, "")]
)
def test_a_strict_check(path: Path, table: str, code: int, told: str) -> None:
    """With --strict a warning counts as an error does."""
    path.write_text(table)
    result = run("check", "--strict", path)
    assert result.exit_code == code
    assert result.stderr.endswith(f"cltab2systemd: {path}: {told}\n" if told else "")


def test_check_as_json(path: Path) -> None:
    """All findings of all tables are one array of objects; nothing else is said, and the exit code is the same."""
    path.write_bytes(b"g:t:1:wiat:caf\xe9\n")
    good = path.with_name("good")
    good.write_text(GOOD)
    result = run("check", "--format", "json", path, good, path)
    expected = {
        "code": "unknown-mode", "severity": "error", "path": str(path), "line": 1, "column": 7, "width": 4,
        "message": "unknown mode 'wiat'", "hint": "did you mean 'wait'?", "source": "g:t:1:wiat:caf\\xe9",
    }  # fmt: skip
    answered(result, code=1, err="")
    assert json.loads(result.stdout) == [expected, expected]
    answered(run("check", "--format", "json", good), code=0, out="[]\n")


def test_json_of_a_missing_table(path: Path) -> None:
    """A file that cannot be read is a finding as well, besides those of the others; it is told as ever, too."""
    path.write_text("word\n")
    result = run("check", "--format", "json", "none", path)
    missing, other = json.loads(result.stdout)
    assert missing == {
        "code": "unreadable", "severity": "error", "path": f"{Path.cwd()}/none", "line": 0, "column": 0, "width": 0,
        "message": "file not found: none", "hint": "", "source": "",
    }  # fmt: skip
    answered(result, code=1)
    assert other["code"] == "field-count"
    assert result.stderr == "cltab2systemd: file not found: none\n"


def test_json_of_a_large_standard_input() -> None:
    """Its path is the one that other findings about the standard input have."""
    result = run("check", "--format", "json", "-", standard_input=b"#" * (LARGEST_TABLE + 1))
    assert [(finding["code"], finding["path"]) for finding in json.loads(result.stdout)] == [("unreadable", "<stdin>")]
    assert result.exit_code == 1


@contextmanager
def pipe_of(content: bytes) -> Iterator[str]:
    """What a shell makes of `<(command)`; `content` is written by a thread, as it may be more than a pipe holds."""
    reader, writer = os.pipe()

    def write() -> None:
        with suppress(BrokenPipeError), os.fdopen(writer, "wb") as stream:
            stream.write(content)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield f"/dev/fd/{reader}"
    finally:
        os.close(reader)
        thread.join()


@pytest.mark.parametrize("arguments", [["check"], ["show"], ["graph"], ["compile", "-o", "out"], ["diff", "cltab"]])
def test_pipes(path: Path, arguments: list[str]) -> None:
    """A pipe is as good as a file of its content, wherever a table is only looked at."""
    expected = run(*arguments, path)
    with pipe_of(GOOD.encode()) as pipe:
        result = run(*arguments, pipe)
    answered(result, code=0, out=expected.stdout, err="")
    with pipe_of(b"word\n") as pipe:
        result = run(*arguments, pipe)
        assert result.exit_code == (2 if "diff" in arguments else 1)
        assert result.stderr.startswith(f"{pipe}:1:1: error: 1 of 5 fields")


def test_a_named_pipe(path: Path) -> None:
    """Somebody who names one waits until it has a writer."""
    fifo = path.with_name("fifo")
    os.mkfifo(fifo)
    thread = threading.Thread(target=fifo.write_text, args=("word\n",))
    thread.start()
    result = run("check", fifo)
    thread.join()
    answered(result, code=1)
    assert result.stderr.count("[field-count]") == 1


def test_a_pipe_without_end(path: Path) -> None:
    """No more is read of a pipe than a table can have."""
    with pipe_of(b"#" * (LARGEST_TABLE + 100_000)) as pipe:
        result = run("check", path, pipe)
        answered(result, code=1, err=f"cltab2systemd: {pipe} is larger than {LARGEST_TABLE} bytes\n")


def test_no_file_and_no_pipe(path: Path) -> None:
    """A device without content is an empty table, and so is said to be one; a directory is none."""
    answered(run("check", "/dev/null"), code=1, err=f"cltab2systemd: {on_empty('/dev/null')}\n")
    result = run("check", path.parent)
    answered(result, code=1, err=f"cltab2systemd: {path.parent} is not a regular file\n")
    assert run("check", "/dev/fd/none").stderr == "cltab2systemd: file not found: /dev/fd/none\n"


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        (GOOD.encode(), 0, ""),
        (b"word\n", 1, "<stdin>:1:1: error: 1 of 5 fields"),
        (b"#" * (LARGEST_TABLE + 1), 1, "cltab2systemd: the standard input is larger than"),
    ],
    ids=["good", "bad", "large"],
)
def test_check_of_the_standard_input(data: bytes, code: int, message: str) -> None:
    """`-` is the standard input."""
    result = run("check", "-", standard_input=data)
    assert result.exit_code == code
    assert result.stderr.startswith(message)


def test_only_check_looks_for_what_is_probably_wrong(path: Path) -> None:
    """What is legal is told by check, and by nobody else."""
    path.write_text("web:db:start:wait:true\n")
    assert "[levels-without-comma]" in run("check", path).stderr
    assert run("compile", path, "-o", "out").stderr == ""


def test_a_bound_on_warnings(path: Path) -> None:
    """A table full of what is warned of does not bury its reader."""
    path.write_text("".join(f"g:t@{number}:1:wait:true\n" for number in range(3000)))
    result = run("check", path)
    assert result.exit_code == 0
    assert result.stderr.count(": warning: ") == MOST_FINDINGS + 1
    assert result.stderr.count("[too-many-warnings]") == 1


def test_what_the_daemon_does_not_trust(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is an error of its own table, told beside all others; of another file nobody knows who is to own it."""
    path.write_text("web:a:3:wait:true\n")
    path.chmod(0o666)
    assert run("check", path).exit_code == 0

    monkeypatch.setattr("cltab2systemd.commands.check.TABLE", str(path))
    told = f"{path} can be written by others than root (mode 0666), as whom its commands run: chmod go-w"
    for arguments in ([], [path]):
        found = run("check", *arguments)
        assert (found.exit_code, found.stderr) == (1, f"cltab2systemd: {told}\n")
    [finding] = json.loads(run("check", "--format", "json").stdout)
    assert (finding["code"], finding["message"]) == ("unreadable", told)
    assert run("check", "-", standard_input=path.read_bytes()).exit_code == 0
    path.chmod(0o644)
    assert run("check").exit_code == 0


def test_check_of_the_daemons_table(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file it is the table that the daemon has if nobody says otherwise, as with `show` and `graph`."""
    monkeypatch.setattr("cltab2systemd.commands.check.TABLE", str(path))
    assert run("check").exit_code == 0
    path.write_text(BAD)
    result = run("check")
    assert result.exit_code == 1
    assert f"{path}:2:10: error: " in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "-"], "db"),
        (["show", "-", "--format", "json"], '"path": "<stdin>"'),
        (["graph", "-"], "digraph"),
        (["diff", "/dev/null", "-"], "new group"),
        (["explain", "web", "1", "--from", "2", "--table", "-"], "to level 1"),
        (["compile", "-", "-o", "out"], ""),
    ],
)
def test_the_standard_input(path: Path, arguments: list[str], said: str) -> None:
    """Every command takes `-` for it."""
    result = run(*arguments, standard_input=b"web:db:1:wait:true\n")
    answered(result, code=1 if arguments[0] == "diff" else 0, err="")
    assert said in result.stdout
    bad = run(*arguments, standard_input=b"word\n")
    assert "<stdin>:1:1: error: 1 of 5 fields" in bad.stderr
    assert path.exists()


def test_check_of_several_tables(path: Path) -> None:
    """Each table is checked, also after a bad or missing one."""
    bad = path.with_name("bad")
    bad.write_text("word\n")
    result = run("check", path.with_name("none"), bad, path, bad)
    assert result.exit_code == 1
    assert result.stderr.count(f"{bad}:1:1: error: 1 of 5 fields [field-count]\n") == 2
    assert result.stderr.count(f"cltab2systemd: {bad}: 1 error\n") == 2
    assert f"cltab2systemd: file not found: {path.parent}/none\n" in result.stderr
    assert run("check", path, path).exit_code == 0


def test_places_are_absolute(path: Path) -> None:
    """A finding's place can be opened from anywhere, however the table was named."""
    path.write_text("word\n")
    assert run("check", "cltab").stderr.startswith(f"{Path.cwd()}/cltab:1:1: error: ")


@pytest.mark.parametrize("command", ["check", "compile"])
def test_bytes_in_a_path(path: Path, command: str) -> None:
    """A path that is not UTF-8 works, and is told byte for byte in the end."""
    odd = path.with_name("caf\udce9")
    odd.write_text("word\n")
    result = run(command, odd, *(["-o", "out"] if command == "compile" else []))
    assert result.exit_code == 1
    assert encoded(f"cltab2systemd: {odd}: 1 error\n") in (result.stderr_bytes or b"")


@pytest.mark.parametrize(
    "arguments",
    [["compile"], ["compile", "cltab"], ["compile", "-o", "out"], ["compile", "cltab", "cltab", "-o", "out"],
     ["check", "--what", "cltab"], ["check", "--format", "xml", "cltab"], ["what"]],
)  # fmt: skip
def test_usage(path: Path, arguments: list[str]) -> None:
    """A command line that makes no sense is exit code 2, with the usage."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: ")
    assert result.stdout == ""


@pytest.mark.parametrize("arguments", [["-h"], ["--help"], ["check", "-h"], ["compile", "--help"], ["--version"]])
def test_help(arguments: list[str]) -> None:
    """Help goes to the standard output and is no error."""
    result = run(*arguments)
    answered(result, code=0, err="")
    assert result.stdout


def test_compile(path: Path) -> None:
    """Units are written, and only they, into a directory that is made; nothing is said."""
    result = run("compile", "cltab", "-o", "a/b")
    answered(result, code=0, out="", err="")
    expected = compile_table(load(GOOD.encode(), str(path))[0])
    assert {file.name: file.read_bytes() for file in Path("a/b").iterdir()} == expected


def test_compile_again(path: Path) -> None:
    """A second run gives the same files, and leaves what else is in the directory."""
    run("compile", path, "--output", "out")
    before = {file.name: file.read_bytes() for file in Path("out").iterdir()}
    Path("out/other").write_text("kept")
    assert run("compile", path, "--output", "out").exit_code == 0
    assert {file.name: file.read_bytes() for file in Path("out").iterdir()} == {**before, "other": b"kept"}


@pytest.mark.parametrize("table", [BAD, None])
def test_compile_writes_nothing_on_errors(path: Path, table: str | None) -> None:
    """A table with errors, or none at all, leaves no file and no directory."""
    path.unlink()
    if table:
        path.write_text(table)
    result = run("compile", path, "-o", "out")
    answered(result, code=1, out="")
    assert "cltab2systemd: " in result.stderr
    assert not Path("out").exists()


@pytest.mark.parametrize("output", ["cltab", "cltab/below"])
def test_compile_into_a_file(path: Path, output: str) -> None:
    """An output that is no directory is told in one line, with its name."""
    result = run("compile", path, "-o", output)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: cltab")
    assert result.stderr.count("\n") == 1


def test_warnings_do_not_keep_from_compiling(path: Path) -> None:
    """A warning is told, and the units are written."""
    path.write_text(":::y\n" + GOOD)
    result = run("compile", path, "-o", "out")
    answered(result, code=0)
    assert result.stderr.count(": warning: ") == 1
    assert Path("out/clinit-web@db.service").is_file()
