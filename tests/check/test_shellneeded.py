"""Entries that need a shell which their directives take away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cltab2systemd.check.filesystem import Root
from cltab2systemd.check.machine import shellneeded
from cltab2systemd.table.grammar import parse

if TYPE_CHECKING:
    from pathlib import Path


def found(command: str, *directives: str) -> list[tuple[str, str]]:
    """Code and directive of each finding about an entry."""
    text = f"g:t:1:respawn:{command}\n" + "".join(f":::service.t:{line}\n" for line in directives)
    table, findings = parse(text.encode(), "cltab")
    assert findings == ()
    return [
        (finding.code, finding.source[finding.place.column - 1 :][: finding.place.width])
        for finding in shellneeded.findings(table, Root())
    ]


@pytest.mark.parametrize(
    "directive",
    ["RootDirectory=/srv/none", "RootImage=/srv/x.raw", "NoExecPaths=/", "NoExecPaths=/usr /bin",
     "InaccessiblePaths=-/bin",
     "TemporaryFileSystem=/usr:ro", "NoExecPaths=/bin/sh"],
)  # fmt: skip
@pytest.mark.parametrize("command", ["exec x", "x; y", "A=b x", "x >/y"])
def test_a_shell_that_may_be_missing(command: str, directive: str) -> None:
    """A command that goes to the shell, and a directive that takes it away."""
    assert found(command, directive) == [("shell-needed", directive)]
    assert found(f"{command} $A", "Nice=1", directive) == [("shell-needed", directive)]


@pytest.mark.parametrize(
    "directives",
    [
        ["RootDirectory=/"],
        ["RootDirectory="],
        ["RootDirectory=/srv/none", "RootDirectory="],
        ["RootImage=/x", "BindReadOnlyPaths=/bin /lib"],
        ["RootDirectory=/srv/none", "BindPaths=/srv/busybox:/bin/sh"],
        ["NoExecPaths=/", "ExecPaths=/usr /bin"],
        ["NoExecPaths=/srv"],
        ["NoExecPaths=/", "NoExecPaths="],
        ["InaccessiblePaths=/home"],
        ["Nice=1"],
    ],
)
def test_a_shell_that_is_there(directives: list[str]) -> None:
    """What leaves the shell where it is, or brings it."""
    assert found("x; y", *directives) == []


def test_plain_commands() -> None:
    """Words that need no shell are executed as they are."""
    for directive in ("RootDirectory=/srv/none", "NoExecPaths=/"):
        assert found("/srv/x -a", directive) == []
        assert found("./x", directive) == [("shell-needed", directive)]
        assert found("x", directive, "EnvironmentFile=/srv/x") == [("shell-needed", directive)]


def test_a_root_of_this_machine(tmp_path: Path) -> None:
    """This machine tells whether a directory has a shell."""
    assert found("exec x", f"RootDirectory={tmp_path}") == [("shell-needed", f"RootDirectory={tmp_path}")]
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/sh").symlink_to("dash")
    assert found("exec x", f"RootDirectory={tmp_path}") == []
