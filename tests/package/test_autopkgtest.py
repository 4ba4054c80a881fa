"""The tests in packaging/debian/tests, as autopkgtest runs them: in a node, on the installed packages."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from answers import answered
from ocf import agents_of_debian
from package.packaged import PACKAGES, RELEASES, install, version

from cltab2systemd.commands import main as translator
from cltab2systemd.node.spec import Bind
from cltab2systemd.operators import program as operators
from lab import roots
from lab.install import PROJECT
from lab.node import Node

if TYPE_CHECKING:
    from collections.abc import Iterator

DIRECTORY = PROJECT / "packaging/debian/tests"
# The built source tree, which a test has as its working directory; for us, read-only.
TREE = f"{PACKAGES}/build/cltab2systemd"
KNOWN = {"needs-root", "isolation-container"}


def stanzas() -> dict[str, dict[str, str]]:
    """What the control file says, by the name of the test."""
    fields = (
        re.findall(r"^(\S+): (.*)$", text, re.MULTILINE) for text in (DIRECTORY / "control").read_text().split("\n\n")
    )
    return {found["Tests"]: found for found in map(dict, fields)}


TESTS = stanzas()


@pytest.fixture(params=RELEASES)
def testbed(request: pytest.FixtureRequest, packages: Path) -> Iterator[Node]:
    """A node of a release, with Debian's resource agents unpacked, since what they depend on is not in the root."""
    binds = [Bind(packages, Path(PACKAGES))]
    with Node("testbed", root=roots.root(request.param), layers=[agents_of_debian()], binds=binds) as node:
        node.run("mkdir", "-p", "/run/resource-agents")
        yield node


def test_the_control_file_names_what_is_there() -> None:
    """Every test is a program of the directory and the other way round; restrictions are those kept here."""
    assert set(TESTS) == {path.name for path in DIRECTORY.iterdir()} - {"control"}
    assert all(os.access(DIRECTORY / name, os.X_OK) for name in TESTS)
    assert all(set(found.get("Restrictions", "").split(", ")) - {""} <= KNOWN for found in TESTS.values())


def test_each_command_is_run() -> None:
    """The commands of clinitctl are all run on the installed package, and so are those of cltab2systemd."""
    for commands, name, call in (
        (operators.COMMANDS, "clinitctl", r"^(?:operate \d|clinitctl) (\S+)"),
        (translator.COMMANDS, "commands", r"^cltab2systemd (\S+)"),
    ):
        assert {*commands} <= {*re.findall(call, (DIRECTORY / name).read_text(), re.MULTILINE)}


@pytest.mark.parametrize("name", TESTS)
def test_it_passes(testbed: Node, name: str) -> None:
    """It ends with 0 and writes no errors, as root if it needs that, else as anybody."""
    install(testbed)
    if "@" in TESTS[name]["Depends"].split(", "):
        agent = f"{PACKAGES}/clinit-resource-agent_{version()}_all.deb"
        testbed.run("dpkg", "--force-depends", "--install", agent)
    root = "needs-root" in TESTS[name].get("Restrictions", "")
    user = "root" if root else "nobody"
    testbed.run("install", "--directory", f"--owner={user}", "/tmp/scratch")
    script = f"cd {TREE}; exec debian/tests/{name}"
    environment = {"AUTOPKGTEST_TMP": "/tmp/scratch"}
    done = testbed.run("sh", "-ec", script, env=environment, user=user, check=False, timeout=300)

    answered(done, code=0, err="")
    assert not testbed.exists("/etc/cltab")
