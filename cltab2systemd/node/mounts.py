"""What is mounted where, as this process sees it: proc(5), /proc/self/mountinfo."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

# A blank in a path, and the like, is three octal digits.
_OCTAL = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mounted:
    """A mount: where, of which type of filesystem, and with which options of that filesystem."""

    point: Path
    fstype: str
    options: frozenset[str]


def mounted() -> list[Mounted]:
    """Return all mounts, in the order in which they were made."""
    found = []
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        fields, _, source = line.partition(b" - ")
        point = _OCTAL.sub(lambda match: bytes([int(match[1], 8)]), fields.split()[4])
        fstype, _, options = os.fsdecode(source).split(" ", 2)  # noqa: TID251 - with paths
        found.append(Mounted(Path(os.fsdecode(point)), fstype, frozenset(options.split(","))))  # noqa: TID251 - a path
    return found
