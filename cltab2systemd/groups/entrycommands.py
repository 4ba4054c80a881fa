"""Commands about one entry, to be copied into a shell: of the system's instance ours, else systemd's own. Pure."""

from __future__ import annotations

import shlex

from cltab2systemd.units.names import Names


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
