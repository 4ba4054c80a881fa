"""The resource agent knows names and paths as the daemon does, byte for byte, whatever the machine's locale is."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from answers import answered
from hypothesis import example, given, settings
from hypothesis import strategies as st
from locales import LOCALES, SINGLE_BYTE, compile_in_node, compile_single_byte
from ocf import DEGRADED, GENERIC, NOT_RUNNING, SUCCESS, Resource, agents_of_debian, no_daemon
from programs import RUN
from shipped import SERVICE, Shipped
from strategies import ANY_NAME

from cltab2systemd.locations import absolute
from cltab2systemd.text import escape
from lab.debs import unpacked
from lab.install import PROJECT
from lab.node import Node

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AGENT_TEXT = (PROJECT / "packaging/ocf/group").read_text()
NOTIFY_TEXT = (PROJECT / "packaging/examples/keepalived-notify").read_text()
# One function of each script, and what prints its answer to one word.
SPELL = (AGENT_TEXT, "spell", 'spell "$word"; printf "%s\\0" "$spelled"')
ESCAPES = {
    "agent": (AGENT_TEXT, "escape", 'escape "$word"; printf "%s\\0" "$escaped"'),
    "keepalived-notify": (NOTIFY_TEXT, "escape", 'printf "%s\\0" "$(escape "$word")"'),
}
# The shells that are /bin/sh on Debian and Fedora.
SHELLS = ["dash", "bash"]
KNOWN = ["web", "web-shop", "a/b-c", "数", "é", "\udcff", "caf\udce9", " x'\"$(y)\\", ".hidden", "..", "-", "-n",
         "--help", "\\x2d", "a\\x2fb-/", "%i", "*", "[a-z]", "Å\u2003\u0085\xa0"]  # fmt: skip
PARTS = ["a", "é", "数", "\udcff", ".", "..", "", "...", "-n", "a b", "var", "run"]
PATHS = st.lists(st.sampled_from(PARTS), max_size=8).map(lambda parts: "/" + "/".join(parts))
KNOWN_PATHS = [
    "/etc/cltab",
    "//etc/cltab",
    "/etc/",
    "/",
    "//",
    "/var/run/x",
    "/var/./run/x",
    "/var/run",
    "/../a",
    "/é/",
]


@pytest.fixture(scope="module")
def locpath(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the locale is that the machine does not have."""
    directory = tmp_path_factory.mktemp("locales")
    compile_single_byte(directory)
    return directory


def answers(function: tuple[str, str, str], words: list[str], shell: str, locale: str, locpath: Path) -> list[str]:
    """What a function of a shell script says to each word, in one process of a shell with a locale."""
    text, name, call = function
    found = re.search(rf"^{name}\(\) {{\n.*?^}}\n", text, re.DOTALL | re.MULTILINE)
    assert found is not None
    script = f"{found[0]}\nfor word; do {call}; done"
    environment = {"PATH": os.environ["PATH"], "LANG": locale}
    if locale == SINGLE_BYTE:
        environment["LOCPATH"] = str(locpath)
    command = [part.encode("utf-8", "surrogateescape") for part in (shell, "-euc", script, shell, *words)]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    answered(done, code=0, err=b"")
    return done.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("script", ESCAPES)
@settings(deadline=None, max_examples=10)
@example(names=KNOWN)
@given(names=st.lists(ANY_NAME, min_size=1, max_size=25))
def test_names_are_escaped_as_the_daemon_does(
    script: str, locale: str, shell: str, locpath: Path, names: list[str]
) -> None:
    """A name stands in the shell's unit names as it stands in the daemon's."""
    assert [escape(name) for name in names] == answers(ESCAPES[script], names, shell, locale, locpath)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("locale", LOCALES)
@settings(deadline=None, max_examples=10)
@example(paths=KNOWN_PATHS)
@given(paths=st.lists(PATHS, min_size=1, max_size=25))
def test_paths_are_spelled_as_the_daemon_does(locale: str, shell: str, locpath: Path, paths: list[str]) -> None:
    """A path is that of a daemon however the administrator of the cluster has spelled it."""
    assert [absolute(path) for path in paths] == answers(SPELL, paths, shell, locale, locpath)


GROUPS = ["数", "é", "\udcff", "Å-\udc85"]
TABLE = "".join(
    f"{group}:x{group}:l{group}:respawn:{RUN}\n{group}:s{group}:stop,:test:true\n" for group in GROUPS
).encode("utf-8", "surrogateescape")


@pytest.fixture(scope="module")
def shipped(project_layer: Path) -> Iterator[Shipped]:
    """The shipped units, started."""
    layers = [project_layer, agents_of_debian(), unpacked(None, "locales")]
    with Node("agent-names", layers=layers) as node:
        compile_in_node(node)
        node.write("/etc/cltab", TABLE)
        yield Shipped(node).start()


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("group", GROUPS, ids=ascii)
def test_a_group_is_the_same_in_each_locale(shipped: Shipped, group: str, locale: str) -> None:
    """It is started, seen and stopped by its bytes, with its daemon and without."""
    resource = Resource(shipped, group, f"l{group}", locale=locale)
    unit = f"clinit-{escape(group)}@{escape(f'x{group}')}.service"
    assert SUCCESS == resource.act("validate-all")
    assert NOT_RUNNING == resource.probe()
    assert SUCCESS == resource.act("stop")
    assert NOT_RUNNING == resource.monitor()
    assert SUCCESS == resource.act("start"), resource.said
    assert SUCCESS == resource.monitor(), resource.said
    assert runs(shipped, unit)
    assert shipped.node.exists(f"/run/cltab2systemd/system/of-cluster/{escape(group)}")
    assert shipped.node.exists(f"/run/systemd/system/clinit-{escape(group)}@.service.d/50-pacemaker.conf")
    shipped.node.run("systemctl", "stop", unit)
    assert resource.monitor() == GENERIC
    assert resource.act("start") == SUCCESS

    no_daemon(shipped)
    assert resource.monitor() == DEGRADED
    assert SUCCESS == resource.act("stop"), resource.said
    assert NOT_RUNNING == resource.monitor(), resource.said
    assert not shipped.node.exists(f"/run/cltab2systemd/system/of-cluster/{escape(group)}")
    shipped.node.run("systemctl", "start", SERVICE)
    assert SUCCESS == resource.act("start")
    assert SUCCESS == resource.monitor()
    assert SUCCESS == resource.act("stop")
    assert NOT_RUNNING == resource.monitor()
    assert not runs(shipped, unit)


def runs(shipped: Shipped, unit: str) -> bool:
    """Whether a unit is active; systemctl tells no more of one whose command has a byte that is not UTF-8."""
    return shipped.node.run("systemctl", "is-active", "--", unit, check=False).stdout == "active\n"
