"""The house rules, as tests: linters, formatting, types."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.install import PROJECT


@pytest.mark.parametrize("command", ["ruff check", "ruff format --check", "mypy"])
def test_linters_are_content(command: str) -> None:
    """The linters have nothing to say about any file."""
    program, *arguments = command.split()
    found = shutil.which(program, path=f"{PROJECT}/.venv/bin:{Path(sys.executable).parent}")
    if found is None:
        assert not os.environ.get("CI"), f"no {program}; run 'make test'"
        pytest.skip(f"no {program}; run 'make test'")
    done = subprocess.run([found, *arguments], cwd=PROJECT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


# Modules that say by themselves how bytes become text: the one way, unit names (ASCII), the ancestor's wire, and a log.
SURROGATES = {"text.py", "names.py", "storable.py", "logs.py"}


def test_one_module_turns_text_into_bytes() -> None:
    """Text becomes bytes by `cltab2systemd.text`, the same in every locale."""
    package = PROJECT / "cltab2systemd"
    found = {path.name for path in package.rglob("*.py") if '"surrogateescape"' in path.read_text()}

    assert found == SURROGATES


TESTS = sorted((PROJECT / "tests").rglob("*.py"))
BESIDE_THE_ROOMS = {"agent", "cluster", "docs", "histories", "lab", "package"}
# Where tests are named by their paths: what is proved by which, what is left out, and what runs some.
NAMING = [
    "docs/reliability.md", "docs/architecture.md", "docs/unit-scheme.md", "docs/contributing.md", "fuzz/README.md",
    ".ci/run", "tests/conftest.py",
]  # fmt: skip


def imported(path: Path) -> set[str]:
    """The modules that a module imports, by the last part of their names, also those that are not at its top."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {str(node.module), *(alias.name for alias in node.names)}
    return {name.rpartition(".")[2] for name in found}


def test_no_test_module_imports_another() -> None:
    """What several test modules share has a module of its own, or is a fixture of a conftest."""
    modules = {path.stem for path in TESTS if path.name.startswith("test_")}

    assert len(modules) > 90
    assert {path.name: shared for path in TESTS if (shared := imported(path) & modules)} == {}


def test_names_of_modules_are_unique() -> None:
    """Test modules and helpers are known to pytest by their names, without their folders."""
    names = [path.name for path in TESTS if path.name != "conftest.py"]

    assert sorted(set(names)) == sorted(names)


def test_the_folders_are_the_rooms_of_the_package() -> None:
    """Each room has its tests in a folder of its name; other folders are about what is beside the package."""
    folders = {path.parent.relative_to(PROJECT / "tests").name for path in TESTS if path.name.startswith("test_")}
    rooms = {path.parent.name for path in (PROJECT / "cltab2systemd").glob("*/__init__.py")}

    assert folders - {""} == rooms | BESIDE_THE_ROOMS


@pytest.mark.parametrize("document", NAMING)
def test_tests_are_where_they_are_named(document: str) -> None:
    """A test that has moved is not looked for at its old place."""
    named = set(re.findall(r"tests/[\w/]*\w\.py", (PROJECT / document).read_text()))

    assert named
    assert {name for name in named if not (PROJECT / name).is_file()} == set()


MOST_LINES, LONGEST_FUNCTION = 400, 50
CODE = ["cltab2systemd", "generate", "lab", "simulation", "fuzz", "bench", "demo"]


@pytest.mark.parametrize("folder", [*CODE, "tests"])
def test_what_is_long_is_parted(folder: str) -> None:
    """No function has more than 50 lines, and no module more than 400, but for lists of cases in tests."""
    long = set()
    for path in (PROJECT / folder).rglob("*.py"):
        text = path.read_text()
        if folder in CODE and len(text.splitlines()) > MOST_LINES:
            long.add(path.name)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                if node.end_lineno - node.lineno >= LONGEST_FUNCTION:
                    long.add(f"{path.name}: {node.name}")

    assert long == set()
