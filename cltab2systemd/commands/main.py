"""`cltab2systemd`: what can be done with tables; each command is a module of its own, imported when it is run."""

from __future__ import annotations

import click

from cltab2systemd import __version__
from cltab2systemd.commands.lazy import Commands
from cltab2systemd.streams import go_on_in_utf8, stand_in_for_closed_streams

# The module of each command; it has the click command as `command`.
COMMANDS = {
    "check": "check",
    "compile": "compile",
    "diff": "diff",
    "explain": "explain",
    "graph": "graph",
    "import-inittab": "import_inittab",
    "pacemaker": "pacemaker",
    "rehearse": "rehearse",
    "rollback": "rollback",
    "show": "show",
    "tables": "kept",
}


@click.group(
    cls=Commands,
    package="cltab2systemd.commands",
    modules=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="cltab2systemd")
def group() -> None:
    """Translate /etc/cltab into systemd units, and tell beforehand what it means.

    Exit codes: 0 fine, 1 the table has errors or cannot be read, 2 usage.
    """


def main() -> None:
    """Run `cltab2systemd` with the process's arguments, and exit."""
    go_on_in_utf8()
    stand_in_for_closed_streams()
    group(prog_name="cltab2systemd")
