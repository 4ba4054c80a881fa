"""Commands to be copied into a shell. Those about one entry are ours in the system's instance, else systemd's. Pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from cltab2systemd.terminal import printable
from cltab2systemd.units.names import Names

if TYPE_CHECKING:
    from collections.abc import Sequence

# More levels of a group help nobody.
_MOST_LEVELS = 5


def move_command(group: str, levels: Sequence[str]) -> str:
    """What brings a group to one of its levels, in quotes, such as `'clinit web 3' (or 5, m)`; printable.

    Args:
        group: its name.
        levels: of which the first one is in the command, `LEVEL` if there is none.
    """
    first, *others = [shlex.quote(level) for level in levels] or ["LEVEL"]
    told = ", ".join([*others[:_MOST_LEVELS], *(["…"] if others[_MOST_LEVELS:] else [])])
    return printable(f"'clinit {shlex.quote(group)} {first}'" + (f" (or {told})" if told else ""))


def restart_command(unit: str, group: str, tag: str) -> str:
    """What restarts an entry, to be copied into a shell; of another instance it is systemctl, which needs no options.

    Args:
        unit: the entry's unit.
        group: its group.
        tag: its tag.
    """
    if unit.startswith(Names().entry_prefix):
        return f"clinitctl restart {shlex.quote(f'{group}:{tag}')}"
    return f"systemctl restart {shlex.quote(unit)}"


def log_command(unit: str, group: str, tag: str) -> str:
    """What shows the lines that an entry wrote; as for `restart_command`."""
    if unit.startswith(Names().entry_prefix):
        return f"clinitctl log {shlex.quote(f'{group}:{tag}')}"
    return f"journalctl --unit={shlex.quote(unit)}"
