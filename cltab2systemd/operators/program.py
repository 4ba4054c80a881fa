"""`clinitctl` with all its commands; each is a module of its own, imported when it is run."""

from __future__ import annotations

from typing import Any

import click

from cltab2systemd import __version__
from cltab2systemd.client import outcome
from cltab2systemd.commands.lazy import Commands

# The module of each command; it has the click command as `command`.
COMMANDS = {
    "history": "history",
    "log": "log",
    "metrics": "metrics",
    "nodes": "nodes",
    "publish": "publish",
    "restart": "restart",
    "status": "status",
    "stop": "stop",
    "watch": "watch",
    "why": "why",
}


class _Interruptible(Commands):
    """Commands that Ctrl-C ends without a word."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that the words name."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise SystemExit(outcome.INTERRUPTED) from None


@click.group(
    cls=_Interruptible,
    package="cltab2systemd.operators",
    modules=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="clinitctl")
def group() -> None:
    """Look after the groups of /etc/cltab on this machine, and after each of their entries.

    `clinit` moves groups. Exit codes are those of `clinit`: 0 fine, 1 refused, 2 usage, 3 no daemon, 4 a group is
    FAILED, 130 interrupted; 7 of `status`, `why` and `nodes`: something is worth a look; and 8 of `nodes`: a group is
    active on several nodes that is for one.
    """
