"""What tests lay into nodes, and how they wait."""

from pathlib import Path

import pytest
from support import NodeFactory

from lab.install import installed_layer
from lab.waiting import wait_until

STUB_PROJECT = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "cltab2systemd"
version = "0"

[project.scripts]
stub = "cltab2systemd:main"

[tool.setuptools]
packages = ["cltab2systemd"]
""",
    "cltab2systemd/__init__.py": "def main() -> None:\n    print('installed')\n",
}


def test_installed_layer(node_factory: NodeFactory, tmp_path: Path) -> None:
    """The project is installed once per state of its sources, byte-compiled, and the sources stay clean."""
    project = tmp_path / "project"
    for name, text in STUB_PROJECT.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    layer = installed_layer(project)
    assert installed_layer(project) == layer
    assert sorted(path.name for path in project.iterdir()) == ["build", "cltab2systemd", "pyproject.toml"]
    assert list(layer.rglob("__pycache__/__init__.cpython-*.pyc"))
    assert node_factory("installed", layers=[layer]).run("stub").stdout == "installed\n"
    (project / "cltab2systemd/__init__.py").write_text("def main() -> None:\n    print('changed')\n")
    changed = installed_layer(project)
    assert changed != layer
    # Still locked by this very process.
    assert layer.exists()


def test_wait_until_names_what_it_waited_for() -> None:
    """A wait in vain says for what; one that is over returns what it saw."""
    assert wait_until(lambda: "value") == "value"
    with pytest.raises(TimeoutError, match=r"still not after 0.05 s: pigs fly \(last value: False\)"):
        wait_until(lambda: False, timeout=0.05, what="pigs fly")
