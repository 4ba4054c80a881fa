"""What this machine's shell and systemd say about a table; nothing of a table is ever run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cltab2systemd import machine
from cltab2systemd.table import parse

if TYPE_CHECKING:
    from cltab2systemd.diagnostics import Diagnostic

SHELLS = [shell for shell in ("/bin/dash", "/bin/bash") if Path(shell).exists()]
GOOD = "if test -e '/x y'; then echo \"$(date) ${A:-b}\" `id` & fi; ( sleep 1; exit 3 ) >/dev/null 2>&1; :"
SYSTEMD = "#!/bin/sh\ncase $1 in --version) echo 'systemd 299 (299.1)';; *) printf '%s';; esac\n"


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The shells that may be /bin/sh."""
    monkeypatch.setattr(machine, "SHELL", request.param)
    return str(request.param)


def found(text: str) -> list[Diagnostic]:
    table, findings = parse(text.encode("utf-8", "surrogateescape"), "cltab")
    assert findings == ()
    return [*machine.of_table(table)]


def marked(finding: Diagnostic) -> str:
    start = finding.place.column - 1
    return finding.source[start : start + finding.place.width]


def of_commands(*commands: str) -> list[str]:
    """Those of some commands that cannot be read, whatever rule sends them to the shell."""
    return sorted(machine._unreadable(commands))


WRONG = [
    "if", "echo 'a", 'echo "a', "echo a; fi", "( a", "a )", "case x in", "a | | b", "echo `x", "echo $(x", "echo ${x",
    "for i", "{ a; ", "while :; do", "a; done", "}", "f() {", "a &&", "a ;; b", "x; else y", "if x; then y; done",
    'echo "$(x"', "echo $((1+", "x; }; { y", "x; done; while :; do y", "[[ a",
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_command_among_others(shell: str, wrong: str) -> None:
    """It is found, and only it, wherever it stands among good ones."""
    expected = [] if wrong == "[[ a" and shell == "/bin/dash" else [wrong]  # there, a command like any other
    for place in (0, 7, 20):
        commands = [f"{GOOD} {number}" for number in range(20)]
        commands.insert(place, wrong)
        assert of_commands(*commands) == expected


@pytest.mark.parametrize(
    "commands",
    [("echo 'a", "b'"), ("{ a", "b; }"), ("if x; then y", "y; fi"), ("while :; do a", "b; done"), ("( a", "b )"),
     ("echo ${x:-${y", "echo }"), ("cat <<X; (", "X"), ("echo `a", "b`"), ("case x in a) b", "c ;; esac"),
     ("a \\", ")")],
)  # fmt: skip
def test_one_does_not_make_good_another(shell: str, commands: tuple[str, str]) -> None:
    """Commands that together were good are told each."""
    expected = sorted(command for command in commands if machine._complaint(command))
    assert expected
    assert expected == of_commands(*commands)
    assert expected == of_commands(GOOD, commands[0], GOOD + " 2", commands[1], GOOD + " 3")


_PIECES = (
    "' \" ` \\ $ ${ } { ( ) $( $(( )) << < > | || & && ; ;; # if then fi else while do done until for in case esac "
    "x a=b f() ! [[ ]] $x ${x} ${x:-a} 'a' \"b\" `c` $(d) é \udcff x) function time [ ] ~ @( do="
)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.lists(st.sampled_from(_PIECES.split()), min_size=1, max_size=6).map(" ".join),
        min_size=1,
        max_size=4,
        unique=True,
    )
)
def test_together_as_alone(commands: list[str]) -> None:
    """Read together, exactly those are found that the shell cannot read alone."""
    assert sorted(filter(machine._complaint, commands)) == of_commands(*commands)


@pytest.mark.parametrize(
    ("command", "expected", "column"),
    [
        ("echo a; fi", "fi", 9), ("echo fi 'fi'; if a; then b; fi; fi", "fi", 33), ("a ) b", ")", 3),
        ("echo 'a' it's", "'", 12), ("a | | b", "|", 5), ('echo "a\\"', '"', 6), ("if a; then b", "", 13),
        ("(a  ", "", 3), ("a > ;", ";", 5),
    ],
)  # fmt: skip
def test_places(monkeypatch: pytest.MonkeyPatch, command: str, expected: str, column: int) -> None:
    """The word that the shell did not expect is marked, the quote that is not closed, or the end of the command."""
    monkeypatch.setattr(machine, "SHELL", SHELLS[0])
    monkeypatch.setattr(machine, "command_words", lambda command: (SHELLS[0], "-c", command))
    (finding,) = found(f"g:t:1:wait:{command}\n")
    assert finding.code == "shell-syntax"
    assert (marked(finding).strip(), finding.place.column) == (expected, len("g:t:1:wait:") + column)


def test_nothing_is_run(tmp_path: Path, shell: str) -> None:
    """The shell reads commands, alone or together, and runs none of them."""
    touch = f"touch {tmp_path}/file"
    commands = [
        f"{touch};",
        f"$({touch})",
        f"`{touch}`",
        f"{touch}; fi",
        f"cat <<{touch};",
        f"; {touch}",
        f"+n; {touch}",
    ]
    of_commands(*commands)
    for command in commands:
        machine._complaint(command)
    assert list(tmp_path.iterdir()) == []


def test_only_what_goes_to_the_shell() -> None:
    """By the rule of Perl's exec, a command without metacharacters is none of the shell's business."""
    assert found("g:a:1:wait:if\ng:b:1:wait:fi then\ng:c:1:wait:\n") == []
    assert [f.place.line for f in found("g:a:1:wait:if;\ng:b:1:off:if;\n")] == [1, 2]


def test_bytes_and_blanks() -> None:
    """What is no UTF-8, and the carriage returns of another system, are no syntax."""
    assert found("g:a:1:wait:echo 'caf\udce9';\r\ng:b:1:wait:echo \udcff $x \r\n") == []


def test_many_wrong_ones() -> None:
    """Only so many are told: each costs time, and nobody reads them all."""
    findings = found("".join(f"g:t{number}:1:wait:echo {number}; fi\n" for number in range(1000)))
    assert len(findings) == machine.MOST_SYNTAX_ERRORS


def test_no_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a shell has nothing to say."""
    monkeypatch.setattr(machine, "SHELL", "/none")
    monkeypatch.setattr(machine, "command_words", lambda command: ("/none", "-c", command))
    assert found("g:a:1:wait:if;\n") == []


def with_systemd(monkeypatch: pytest.MonkeyPatch, path: Path, known: str) -> None:
    program = path / "systemd"
    program.write_text(SYSTEMD % known)
    program.chmod(0o755)
    monkeypatch.setattr(machine, "SYSTEMD", ("/none", str(program)))


def test_directives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What systemd does not know in that section is told with its release, and with what is like it."""
    with_systemd(monkeypatch, tmp_path, "[Service]\\nUser=OTHER\\nMemoryMax=LIMIT\\n\\n[Slice]\\nMemoryMax=LIMIT\\n")
    settings = (
        "service.t:User=0",
        "service.t: MemoryMx =1",
        "group.g:MemoryMax=1",
        "group.g:New=1",
        "service.none:New=1",
    )
    findings = found("g:t:1:wait:x\n" + "".join(f":::{setting}\n" for setting in settings))
    assert [(f.code, f.place.line, marked(f), f.hint) for f in findings] == [
        ("directive-unknown", 3, "MemoryMx", "did you mean 'MemoryMax='?"),
        ("directive-unknown", 5, "New", "another release may know it: a fleet is never on one release"),
        ("directive-unknown", 6, "New", "another release may know it: a fleet is never on one release"),
    ]
    assert findings[0].message.startswith("systemd 299 on this machine does not know MemoryMx= in [Service]")


def test_no_systemd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where no systemd is, or one that does not answer, nothing is known; nor is it asked without a directive."""
    broken = tmp_path / "systemd"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    for program in ("/none", str(tmp_path), str(broken)):
        monkeypatch.setattr(machine, "SYSTEMD", (program,))
        assert found("g:t:1:wait:x\n:::service.t:Mine=1\n") == []
    monkeypatch.setattr(machine, "SYSTEMD", None)
    assert found("g:t:1:wait:x\n:::socket:/x\n") == []


def test_users_and_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that this machine does not have is told where it stands, if it is one that counts."""
    monkeypatch.setattr(machine, "SYSTEMD", ())
    lines = (
        "service.a:User=nobody-here", "service.a:User= no-such-user ", "service.a:Group=no-such-group",
        "service.b:User=no-such-user", "service.b:User=root", "service.b:Group=0",
        "service.b:SupplementaryGroups=gone", "service.b:SupplementaryGroups=",
        "service.b:SupplementaryGroups=root no-1", "service.b:SupplementaryGroups=no-2",
        "service.c:DynamicUser=yes", "service.c:User=no-such-user", "service.d:User=%i", "service.d:Group=",
        "service.nobody:User=no-such-user",
    )  # fmt: skip
    entries = "".join(f"g:{tag}:1:respawn:x\n" for tag in "abcd")
    findings = found(entries + "".join(f":::{line}\n" for line in lines))
    assert {f.code for f in findings} == {"unknown-user"}
    assert [(f.place.line, marked(f)) for f in findings] == [
        (6, "no-such-user"), (7, "no-such-group"), (13, "no-1"), (14, "no-2"),
    ]  # fmt: skip
    assert findings[0].message == "this machine has no user 'no-such-user', so systemd cannot start the entry"
    assert findings[1].message == "this machine has no group 'no-such-group', so systemd cannot start the entry"


@pytest.mark.skipif(not any(Path(path).exists() for path in machine.SYSTEMD), reason="no systemd")
def test_the_systemd_of_this_machine() -> None:
    """It knows what people need, and not what nobody has invented."""
    known = "User Group Environment WorkingDirectory LimitNOFILE MemoryMax KillMode ProtectSystem TimeoutStopSec"
    lines = "".join(f":::service.t:{name}=1\n" for name in (*known.split(), "NotYetInvented"))
    (finding,) = found(f"g:t:1:wait:x\n:::group.g:CPUWeight=1\n{lines}")
    assert marked(finding) == "NotYetInvented"
    assert re.match(r"systemd \d+ on this machine", finding.message)
