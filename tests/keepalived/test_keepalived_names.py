"""keepalived-follow gets names right whatever the locale is that keepalived hands on; a FIFO stands for keepalived."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from locales import LOCALES, compile_in_node, environment_in_node
from ocf import no_daemon
from programs import RUN
from shipped import SERVICE, Shipped

from cltab2systemd.units.names import Names
from lab.debs import unpacked
from lab.node import Node
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLLOW = "/usr/libexec/cltab2systemd/keepalived-follow"
# Each follows an instance of its own name.
GROUPS = ["数", "é", "\udcff"]
TABLE = "".join(f"{group}:x{group}:l{group}:respawn:{RUN}\n" for group in GROUPS)
FIFO, UNIT = "/run/fifo", "follow"


@pytest.fixture(scope="module")
def shipped(project_layer: Path) -> Iterator[Shipped]:
    """The shipped units, started."""
    with Node("keepalived-names", layers=[project_layer, unpacked(None, "locales")]) as node:
        compile_in_node(node)
        node.run("mkfifo", FIFO)
        shipped = Shipped(node)
        shipped.write_table(TABLE.encode("utf-8", "surrogateescape"))
        yield shipped.start()


def tell(shipped: Shipped, state: str) -> None:
    """All instances come to a state."""
    text = "".join(f'INSTANCE "{group}" {state} 100\n' for group in GROUPS)
    shipped.node.path(FIFO).write_bytes(text.encode("utf-8", "surrogateescape"))


def states(shipped: Shipped) -> set[str]:
    """How the targets of the groups' levels are."""
    targets = [Names().level(group, f"l{group}") for group in GROUPS]
    return set(shipped.node.run("systemctl", "is-active", "--", *targets, check=False).stdout.split())


@pytest.mark.parametrize("locale", LOCALES)
def test_a_group_follows_in_each_locale(shipped: Shipped, locale: str) -> None:
    """Groups, levels and instances are what their bytes are, with the daemon and without; the log shows them all."""
    words = [f"{group}={group}:l{group}:s{group}" for group in GROUPS]
    variables = [f"--setenv={name}={value}" for name, value in environment_in_node(locale).items()]
    # systemd takes no argument that is not UTF-8.
    script = "".join(f"'{word}' " for word in words)
    shipped.node.write("/run/follow", f"exec {FOLLOW} {script} {FIFO}\n".encode("utf-8", "surrogateescape"))
    shipped.node.run("systemd-run", "--quiet", f"--unit={UNIT}", *variables, "sh", "/run/follow")
    try:
        for _ in range(2):
            tell(shipped, "MASTER")
            wait_until(lambda: states(shipped) == {"active"}, what="all are at their levels")
            tell(shipped, "BACKUP")
            wait_until(lambda: states(shipped) == {"inactive"}, what="all are stopped")
            no_daemon(shipped)
        said = shipped.node.journal(f"{UNIT}.service")
        assert [] == [shown for shown in ("数", "é", r"\xff") if f"BACKUP: {shown} to level s{shown}: " not in said]
    finally:
        shipped.node.run("systemctl", "stop", UNIT)
        shipped.node.run("systemctl", "start", SERVICE)
