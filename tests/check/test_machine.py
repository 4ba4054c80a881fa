"""What this machine's systemd says about directives, and which users it has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cltab2systemd.check import everything, machine
from cltab2systemd.check.filesystem import Root
from cltab2systemd.check.machine import directives
from cltab2systemd.table.grammar import parse
from cltab2systemd.text import encoded

if TYPE_CHECKING:
    from cltab2systemd.table.diagnostics import Diagnostic

SYSTEMD = "#!/bin/sh\ncase $1 in --version) echo 'systemd 299 (299.1)';; *) printf '%s';; esac\n"

with_real_systemd = pytest.mark.skipif(not Path(directives.ANALYZE).exists(), reason="no systemd")


def found(text: str) -> list[Diagnostic]:
    table, findings = parse(encoded(text), "cltab")
    assert {finding.code for finding in findings} <= {"directive-refused"}
    # The programs and files of these tables are made up.
    return [finding for finding in machine.findings(table, Root()) if not finding.code.startswith("missing-")]


def marked(finding: Diagnostic) -> str:
    start = finding.place.column - 1
    return finding.source[start : start + finding.place.width]


def with_systemd(monkeypatch: pytest.MonkeyPatch, path: Path, known: str) -> None:
    program = path / "systemd"
    program.write_text(SYSTEMD % known)
    program.chmod(0o755)
    monkeypatch.setattr(directives, "SYSTEMD", ("/none", str(program)))
    monkeypatch.setattr(directives, "ANALYZE", "/none")


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
        monkeypatch.setattr(directives, "SYSTEMD", (program,))
        assert found("g:t:1:wait:x\n:::service.t:Mine=1\n") == []
    monkeypatch.setattr(directives, "SYSTEMD", None)
    assert found("g:t:1:wait:x\n:::socket:/x\n") == []


def test_users_and_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that this machine does not have is told where it stands, if it is one that counts."""
    monkeypatch.setattr(directives, "SYSTEMD", ())
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
    assert (
        findings[0].message == "this machine has no user 'no-such-user', so systemd cannot start the entry (217/USER)"
    )
    assert (
        findings[1].message
        == "this machine has no group 'no-such-group', so systemd cannot start the entry (216/GROUP)"
    )


def test_what_all_entries_have_is_told_once() -> None:
    """A directive of a group is found for each entry, and told at its own line, unless an entry's own counts."""
    entries = "g:a:1:wait:x; y\ng:b:1:wait:x; y\nh:c:1:wait:x; y\n"
    table = f"{entries}:::services.g:User=nobody-here\n:::services.g:RootDirectory=/nonexistent\n"
    codes = [(f.code, f.place.line) for f in everything.findings(table.encode(), "cltab")]
    assert [code for code in codes if code[0] in {"unknown-user", "shell-needed"}] == [
        ("unknown-user", 4), ("shell-needed", 5)
    ]  # fmt: skip
    own = f"{entries}:::services.g:User=nobody-here\n:::service.a:User=root\n:::service.b:User=root\n"
    assert "unknown-user" not in {finding.code for finding in everything.findings(own.encode(), "cltab")}


@with_real_systemd
def test_the_systemd_of_this_machine() -> None:
    """It knows what people need, and not what nobody has invented."""
    known = "User Group Environment WorkingDirectory LimitNOFILE MemoryMax KillMode ProtectSystem TimeoutStopSec"
    lines = "".join(f":::service.t:{name}=\n" for name in (*known.split(), "NotYetInvented"))
    findings = found(f"g:t:1:wait:x\n:::group.g:CPUWeight=1\n{lines}")
    (finding,) = (finding for finding in findings if finding.code == "directive-unknown")
    assert marked(finding) == "NotYetInvented"
    assert re.match(r"systemd \d+ on this machine", finding.message)


@with_real_systemd
def test_values() -> None:
    """What systemd does not take is told where it stands, for each line that has it; what is fine is not."""
    lines = (
        "service.a:Nice=99", "service.b:Nice= 99 ", "service.a:Nice=5", "service.a:WorkingDirectory=rel",
        "service.a:Environment=A=%i", "service.a:ProtectSystem=maybe", "service.b:StandardOutput=file:rel",
        "service.a:LimitCORE=many", "group.g:MemoryMax=lots", "group.g:CPUQuota=", "group.g:Nonsense=lots",
        "service.a:TimeoutStopSec=90s", "service.a:EnvironmentFile=-/etc/none", "service.none:Nice=-99",
    )  # fmt: skip
    findings = found("g:a:1:wait:x\ng:b:1:wait:x\n" + "".join(f":::{line}\n" for line in lines))
    told = {(f.place.line, marked(f)): f for f in findings if f.code == "directive-doubtful"}
    assert sorted(told) == [
        (3, "99"), (4, "99"), (6, "rel"), (8, "maybe"), (9, "file:rel"), (10, "many"), (11, "lots"), (16, "-99"),
    ]  # fmt: skip
    assert re.match(r"systemd \d+ on this machine says: .*99", told[3, "99"].message)
    fatal = [line for (line, _), finding in told.items() if "nothing of it can be started" in finding.hint]
    assert fatal == [6]


@with_real_systemd
def test_many_fatal_values() -> None:
    """Only so many are told: each costs a process."""
    lines = "".join(
        f":::service.a:WorkingDirectory=rel{number}\n" for number in range(directives.MOST_FATAL_VALUES + 9)
    )
    assert len(found(f"g:a:1:wait:x\n{lines}")) == directives.MOST_FATAL_VALUES


@with_real_systemd
def test_values_without_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where systemd cannot be asked about values, they count as good."""
    monkeypatch.setattr(directives, "ANALYZE", "/none")
    assert found("g:a:1:wait:x\n:::service.a:Nice=99\n") == []


@with_real_systemd
@pytest.mark.parametrize("value", ["unlimited", "1024:unlimited", "-1"])
def test_no_limit(value: str) -> None:
    """What the shell calls unlimited has another name."""
    (finding,) = found(f"g:t:1:wait:x\n:::service.t:LimitNOFILE={value}\n")
    assert finding.code == "directive-doubtful"
    assert finding.hint == "systemd's word for no limit is 'infinity'"


@pytest.mark.parametrize(
    ("content", "is_told"),
    [("A=b\nXDG_SESSION_CLASS=user\n", True), ('XDG_SESSION_CLASS="background"\n', True), ("A=b\n", False),
     ("XDG_SESSION_CLASS=none\n", False), ("#XDG_SESSION_CLASS=user\n", False)],
)  # fmt: skip
def test_the_class_of_sessions_in_a_file(tmp_path: Path, content: str, *, is_told: bool) -> None:
    """A file of the environment may set it as well; it counts only for who opens a session."""
    path = tmp_path / "environment"
    path.write_text(content)
    line = f":::service.t:EnvironmentFile={path}\n"
    for entry in ("g:t:1:wait:su - x -c y\n", "g:t:1:wait:y\n:::service.t:PAMName=login\n"):
        findings = found(entry + line)
        assert [finding.code for finding in findings] == ["outside-the-group"] * is_told
        assert [marked(finding) for finding in findings] == [f"EnvironmentFile={path}"] * is_told
    assert found(f"g:t:1:wait:y\n{line}") == []
    assert found("g:t:1:wait:su - x -c y\n:::service.t:EnvironmentFile=-/none/x\n") == []
