"""What this machine's shell says about commands; none is ever run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cltab2systemd.check import shell
from cltab2systemd.check.judged import of_checks, of_entry
from cltab2systemd.table.grammar import parse
from cltab2systemd.text import encoded

if TYPE_CHECKING:
    from cltab2systemd.table.diagnostics import Diagnostic

SHELLS = [path for path in ("/bin/dash", "/bin/bash") if Path(path).exists()]
GOOD = "if test -e '/x y'; then echo \"$(date) ${A:-b}\" `id` & fi; ( sleep 1; exit 3 ) >/dev/null 2>&1; :"


@pytest.fixture(params=SHELLS)
def sh(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The shells that may be /bin/sh."""
    monkeypatch.setattr(shell, "SHELL", request.param)
    return str(request.param)


def found(text: str) -> list[Diagnostic]:
    table, findings = parse(encoded(text), "cltab")
    assert findings == ()
    return [*shell.findings([*map(of_entry, table.entries)])]


def marked(finding: Diagnostic) -> str:
    start = finding.place.column - 1
    return finding.source[start : start + finding.place.width]


def of_commands(*commands: str) -> list[str]:
    """Those of some commands that cannot be read, whatever rule sends them to the shell."""
    return sorted(shell._unreadable(commands))


WRONG = [
    "if", "echo 'a", 'echo "a', "echo a; fi", "( a", "a )", "case x in", "a | | b", "echo `x", "echo $(x", "echo ${x",
    "for i", "{ a; ", "while :; do", "a; done", "}", "f() {", "a &&", "a ;; b", "x; else y", "if x; then y; done",
    'echo "$(x"', "echo $((1+", "x; }; { y", "x; done; while :; do y", "[[ a",
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_command_among_others(sh: str, wrong: str) -> None:
    """It is found, and only it, wherever it stands among good ones."""
    expected = [] if wrong == "[[ a" and sh == "/bin/dash" else [wrong]  # there, a command like any other
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
def test_one_does_not_make_good_another(sh: str, commands: tuple[str, str]) -> None:
    """Commands that together were good are told each."""
    expected = sorted(command for command in commands if shell._complaint(command))
    assert expected
    assert expected == of_commands(*commands)
    assert expected == of_commands(GOOD, commands[0], GOOD + " 2", commands[1], GOOD + " 3")


_PIECES = (
    "' \" ` \\ $ ${ } { ( ) $( $(( )) << < > | || & && ; ;; # if then fi else while do done until for in case esac "
    "x a=b f() ! [[ ]] $x ${x} ${x:-a} 'a' \"b\" `c` $(d) é \udcff x) function time [ ] ~ @( do= # #x"
)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from(_PIECES.split()), st.sampled_from([" ", ""])).map("".join), min_size=1, max_size=6
        ).map("".join),
        min_size=1,
        max_size=4,
        unique=True,
    )
)
def test_together_as_alone(commands: list[str]) -> None:
    """Read together, exactly those are found that the shell cannot read alone."""
    assert sorted(filter(shell._complaint, commands)) == of_commands(*commands)


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
    monkeypatch.setattr(shell, "SHELL", SHELLS[0])
    monkeypatch.setattr(shell, "command_words", lambda command: (SHELLS[0], "-c", command))
    (finding,) = found(f"g:t:1:wait:{command}\n")
    assert finding.code == "shell-syntax"
    assert marked(finding).strip() == expected
    assert finding.place.column == len("g:t:1:wait:") + column


def test_nothing_is_run(tmp_path: Path, sh: str) -> None:
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
        shell._complaint(command)
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
    assert len(findings) == shell.MOST_SYNTAX_ERRORS


def test_no_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a shell has nothing to say."""
    monkeypatch.setattr(shell, "SHELL", "/none")
    monkeypatch.setattr(shell, "command_words", lambda command: ("/none", "-c", command))
    assert found("g:a:1:wait:if;\n") == []


def test_commands_of_checks() -> None:
    """Those of settings are read as well, and marked where they stand."""
    table, findings = parse(b"g:t:1:once:x\n:::preflight.t:timeout=5s (x\n:::health.t:5s tcp:80\n", "cltab")
    assert findings == ()
    [finding] = shell.findings([*of_checks(table)])
    assert (finding.code, finding.place.line, finding.source) == ("shell-syntax", 2, ":::preflight.t:timeout=5s (x")
