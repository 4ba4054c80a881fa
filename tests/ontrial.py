"""What a trial leaves of a group on disk: its unit files, and the note of the trial."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from instance import Group

NOTES = "/run/cltab2systemd/system/trials"


def units(group: Group) -> dict[str, bytes]:
    """The unit files of a group with their bytes."""
    directory = group.node.path("/run/systemd/system")
    found = (path for path in directory.rglob("*") if path.is_file() and re.search(rf"-{group.name}[@.-]", path.name))
    return {str(path.relative_to(directory)): path.read_bytes() for path in found}


def noted(group: Group) -> dict[str, Any]:
    """The head of the note of a group's trial; empty if there is none."""
    with suppress(FileNotFoundError):
        found: dict[str, Any] = json.loads(group.node.read(f"{NOTES}/{group.name}").splitlines()[0])
        return found
    return {}
