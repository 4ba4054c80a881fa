"""Stops with sudo, of which the journal knows by whom they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.waiting import wait_until

if TYPE_CHECKING:
    from instance import Group


def stop_with_sudo(group: Group, tag: str, file: str, unit: str) -> None:
    """Have tess stop an entry. It ends when journald knows that: sudo must not be gone before journald looks at it.

    Args:
        group: the entry's.
        tag: the entry.
        file: what holds it up, as of `programs.held`.
        unit: what tess calls it.
    """
    wait_until(lambda: group.node.exists(file), what="it runs")
    with group.node.popen("sudo", "systemctl", "stop", unit, user="tess") as sudo:
        wait_until(lambda: group.property(tag, "ActiveState") == "deactivating", what="it is being stopped")
        group.node.run("journalctl", "--sync")
        group.node.path(file).unlink()
        assert sudo.wait(20) == 0
