"""What stands before a configuration, for whoever applies it, as printable lines of a comment. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cltab2systemd.pacemaker.configuration import Configuration

_FENCING = (
    "Fencing comes first: without it Pacemaker starts no resource, and a failed stop looks like a group that runs on.",
)
_LEFTOVERS = (
    "Nothing is removed: what has left the table stays in the cluster, with its constraints. This tells what is there:",
    "  cibadmin -Q -A \"//primitive[@provider='clinit']\"",
)


def heading(configuration: Configuration, path: str, usage: Iterable[str]) -> list[str]:
    """The lines; an empty one stands between two things.

    Args:
        configuration: what follows.
        path: of the table.
        usage: how to apply it.
    """
    lines = [f"The groups of {printable(path)} for Pacemaker, by: cltab2systemd pacemaker", "", *usage, ""]
    return [*lines, *_FENCING, *_LEFTOVERS, *(["", *configuration.remarks] if configuration.remarks else [])]


def as_comment(lines: Iterable[str]) -> list[str]:
    """Lines behind `#`, as shell, crmsh and YAML have comments."""
    return [f"# {line}".rstrip() for line in lines]
