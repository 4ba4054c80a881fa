"""Rehearsals for tests: of two tables, on this machine, with a directory that all of its users see."""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cltab2systemd.check import loading
from cltab2systemd.node.spec import Bind
from cltab2systemd.rehearsal import performance
from cltab2systemd.rehearsal.direction import Rehearsal, Wishes, planned
from cltab2systemd.rehearsal.machineunits import manager_files, unit_files
from lab.install import PROJECT
from lab.node import Node

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from cltab2systemd.rehearsal.report import Report
    from cltab2systemd.table.model import Table

# The root of a node is an overlay, which no other users can be shown. So a command that rehearses sees the running root
# in its place; what the daemon of the node has applied is in its /run.
_MACHINE = Path("/machine")
_ON_MACHINE = f"""\
#!/usr/bin/env -S unshare --mount /bin/sh -e
for directory in run root proc sys dev; do mount --rbind /$directory {_MACHINE}/$directory; done
for directory in tmp mnt; do mount -t tmpfs tmpfs {_MACHINE}/$directory; done
[ -d {_MACHINE}{PROJECT} ] || {{ mkdir -p {_MACHINE}{PROJECT}; mount --rbind {PROJECT} {_MACHINE}{PROJECT}; }}
for controller in memory pids; do # where they are those of version 1
    mkdir {_MACHINE}/mnt/$controller
    mount -t cgroup -o $controller cgroup {_MACHINE}/mnt/$controller 2>/dev/null || rmdir {_MACHINE}/mnt/$controller
done
cd {_MACHINE}
pivot_root . .
umount --lazy .
cd /root
export PYTHONPATH={PROJECT}
exec {shlex.join((sys.executable, "-c", "from cltab2systemd.commands.main import main; main()"))} "$@"
"""
# Those that run nothing for real need no limits, which not every kernel has.
UNLIMITED = Wishes()


def rehearsed(old: str, new: str, wishes: Wishes = UNLIMITED) -> Report:
    """What a rehearsal of two tables comes to; of one table, if both are the same."""
    before, after = (_table(text) for text in (old, new))
    if old == new:
        wishes = Wishes(wishes.groups, True, wishes.pairs, wishes.choice, wishes.binds, wishes.limits, wishes.seconds)
    plan = planned(before.groups, after.groups, {}, wishes)
    return Rehearsal(plan, old, (after, new), before.groups, wishes).perform()


def _table(text: str) -> Table:
    table, findings = loading.load(text.encode(), "/etc/cltab")
    assert [finding for finding in findings if finding.severity.value == "error"] == []
    return table


def faults(report: Report) -> dict[str, str]:
    """The text of the faults of a report, with what bears each out, by tag; of a group without one, by its name."""
    found: dict[str, str] = {}
    for seen in report.moves:
        for finding in seen.findings:
            found.setdefault(finding.tag or finding.group, " | ".join((finding.text, *finding.lines)))
    for finding, _ in report.others:
        found.setdefault(finding.tag, finding.text)
    return found


@contextmanager
def seen_by_all() -> Iterator[Path]:
    """Give a directory that every user may enter, that a node sees, and into which `check` looks: not below /tmp."""
    directory = Path(tempfile.mkdtemp(dir="/srv", prefix="cltab-rehearsal-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def have_units(monkeypatch: pytest.MonkeyPatch, root: Path, files: dict[str, str | None]) -> None:
    """Have the machine's own units be those below a root: by their paths, each with its text; None for a mask."""
    for path, text in files.items():
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            file.symlink_to("/dev/null")
        else:
            file.write_text(text)
    monkeypatch.setattr(performance, "unit_files", lambda: unit_files(root))
    monkeypatch.setattr(performance, "manager_files", lambda: manager_files(root))


@contextmanager
def machine(name: str, project_layer: Path, *shown: Path) -> Iterator[Node]:
    """Boot a node in which `cltab2systemd` can rehearse: over the running root, but for /run and /root.

    A checkout may be below /tmp, of which a node has one of its own. It sees the project there, and what else is shown.
    """
    project = [Bind(PROJECT, PROJECT)] if PROJECT.is_relative_to("/tmp") else []
    seen = [Bind(path, path) for path in shown]
    with Node(name, layers=[project_layer], binds=[Bind(Path("/"), _MACHINE), *project, *seen]) as node:
        node.write("/usr/local/bin/cltab2systemd", _ON_MACHINE, mode=0o755)
        yield node
