"""Trees of files that stand for the root of a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.check import everything

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# What any machine has in its PATH, for commands that need no more.
USUAL = """
    sh bash sleep env nice ionice mkdir install cp mv ln rm touch test true false echo cat mount umount mountpoint ip
    sysctl chown chmod timeout flock setsid runuser su sudo systemctl logger nc curl pgrep find rsync tar
    ls date setpriv python3
"""
USERS = "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n"
ELF = "\x7fELF"


def make(root: Path, files: Mapping[str, str | None], *, usual: bool = True, base: bool = True) -> None:
    """Files below a directory, by their paths: a program for `!`, a directory for None, else a file with that text.

    Text with `!` before it is that of an executable script; with `->` before it, the target of a link.
    """
    everything_there = dict.fromkeys((f"/usr/bin/{name}" for name in USUAL.split()), "!") if usual else {}
    links = {"/bin": "->usr/bin", "/sbin": "->usr/sbin"}
    users = {"/etc/passwd": USERS, "/etc/group": "root:x:0:\nwww-data:x:33:\n"}
    for path, text in (everything_there | (links | users if base else {}) | dict(files)).items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            place.mkdir(exist_ok=True)
        elif text.startswith("->"):
            place.symlink_to(text.removeprefix("->"))
        else:
            place.write_text(text.removeprefix("!") or ELF, newline="")
            place.chmod(0o755 if text.startswith("!") else 0o644)


def found(root: Path, table: str) -> list[tuple[str, int, str]]:
    """Code, line and marked text of each finding of a table that is checked against a root."""
    findings = everything.findings(table.encode(), "cltab", str(root))
    return [(f.code, f.place.line, f.source[f.place.column - 1 : f.place.column - 1 + f.place.width]) for f in findings]
