"""Fixtures for tests of the Debian package: the packages as they are built, and nodes of each release without them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from package.packaged import PACKAGES, RELEASES, version

from cltab2systemd.node.spec import Bind
from lab import roots
from lab.install import PROJECT
from lab.node import Node

if TYPE_CHECKING:
    from collections.abc import Iterator

NEEDED = ("debhelper", "dh-python", "pybuild-plugin-pyproject", "lintian", "mmdebstrap")


@pytest.fixture(scope="session")
def snapshot(lab: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree as git would clone it, that anybody may read."""
    show = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *NEEDED]
    shown = subprocess.run(show, capture_output=True, text=True, check=False).stdout
    if missing := [package for package in NEEDED if f"{package} installed\n" not in shown]:
        assert not os.environ.get("CI"), f"make root-packages deb-packages: no {missing}"
        pytest.skip(f"make root-packages deb-packages: no {missing}")
    top = tmp_path_factory.mktemp("snapshot")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.split("\0")[:-1]
    present = [name for name in names if os.path.lexists(PROJECT / name)]
    subprocess.run(["cp", "--archive", "--parents", *present, str(top)], cwd=PROJECT, check=True)
    return top


@pytest.fixture(scope="session")
def packages(snapshot: Path) -> Path:
    """The directory of the packages that root builds: of this version, and the main one as a later version too."""
    directory = snapshot / "dist"
    subprocess.run([snapshot / "packaging/build-deb", str(directory)], stdout=subprocess.DEVNULL, check=True)
    content = directory / "later"
    package = directory / f"cltab2systemd_{version()}_all.deb"
    subprocess.run(["dpkg-deb", "--raw-extract", package, content], check=True)
    control = content / "DEBIAN/control"
    control.write_text(control.read_text().replace(f"Version: {version()}\n", "Version: 99\n"))
    build = ["dpkg-deb", "--root-owner-group", "--build", str(content), f"{directory}/cltab2systemd_99_all.deb"]
    subprocess.run(build, stdout=subprocess.DEVNULL, check=True)
    return directory


@pytest.fixture(params=RELEASES)
def node(request: pytest.FixtureRequest, packages: Path) -> Iterator[Node]:
    """Boot a release without the package; the packages are in /packages."""
    binds = [Bind(packages, Path(PACKAGES))]
    with Node("package", root=roots.root(request.param), binds=binds) as booted:
        yield booted
