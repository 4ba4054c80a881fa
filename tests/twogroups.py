"""A table of two groups, for daemons that a test has for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from programs import RUN

if TYPE_CHECKING:
    from instance import Instance

TABLE = f"""\
web:init:12:wait:event web init ran
web:db:12:respawn:{RUN}
web:app:1:respawn:{RUN}
web:chk:2:test:false
mail:q:1:respawn:{RUN}
mail:once:1:once:{RUN}
"""
ENTRIES = {"web": ["init", "db", "app", "chk"], "mail": ["q", "once"]}


def pids(instance: Instance) -> dict[str, int]:
    """The main pid of every entry of the table."""
    return {
        f"{group}:{tag}": instance.main_pid(f"clinit-{group}@{tag}.service")
        for group, tags in ENTRIES.items()
        for tag in tags
    }
