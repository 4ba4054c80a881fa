"""The recipes of docs/contributing.md: the places that each names, and those that the code has.

A place is a file. `named` reads the places, and the names in them, out of a recipe; the searches below find the files
that already know one thing of the kind, `graph` of the commands, say: whoever adds another has to touch these.
"""

from __future__ import annotations

import ast
import functools
import io
import re
import tokenize
from typing import TYPE_CHECKING

from generate.files import contents
from generate.model import programs
from lab.install import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FOLDERS = ("cltab2systemd", "templates", "packaging", "man", "generate", "fuzz", "simulation", "tests")
# Input and output of tests: a test that reads such a file says what a new one has to hold.
_DATA = ("tests/golden/", "tests/tables/", "tests/inittabs/", "packaging/examples/")
# A person's file, with a date and a name to each line.
_HISTORY = "packaging/debian/changelog"
# Prose is not searched but for what has a place for each thing of a kind. The man pages are searched.
_PROSE = ("README.md", "docs/diagnostics.md")

_SPAN = re.compile(rf"`((?:{'|'.join((*FOLDERS, 'docs'))})/[^`: ]+|README\.md)(?:: ([^`]+))?`")


def sections(document: str) -> dict[str, str]:
    """The recipes of a document by their headings."""
    _, _, recipes = document.partition("\n## How to add things\n")
    return dict(re.findall(r"^### (.*)\n((?:(?!##).*\n?)*)", recipes, re.MULTILINE))


def named(recipe: str) -> dict[str, set[str]]:
    """The places that a recipe names, and the names that it gives in each."""
    places: dict[str, set[str]] = {}
    for path, names in _SPAN.findall(recipe):
        places.setdefault(path, set()).update(filter(None, names.split(", ")))
    return places


def without(recipe: str, place: str) -> str:
    """A recipe that leaves a place out."""
    return _SPAN.sub(lambda span: "`somewhere`" if span[1] == place else span[0], recipe)


def has_name(place: str, name: str) -> bool:
    """Whether a module defines a name, as `Names.group_of`, or another file holds it as text."""
    text = (PROJECT / place).read_text()
    if not place.endswith(".py"):
        return name in text
    nodes: list[ast.AST] = [ast.parse(text)]
    for part in name.split("."):
        nodes = [found for node in nodes for found in ast.iter_child_nodes(node) if part in _defined(found)]
    return bool(nodes)


def _defined(node: ast.AST) -> set[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


# Searches


@functools.cache
def searched() -> tuple[str, ...]:
    """The files that are searched: the project's, but for prose, data of tests, and what `make generated` writes."""
    generated = {str(path.relative_to(PROJECT)) for path in contents(programs()) if path.parent.name == "completion"}
    found = (path for folder in FOLDERS for path in (PROJECT / folder).rglob("*") if _is_text(path))
    names = {str(path.relative_to(PROJECT)) for path in found} | {*_PROSE}
    return tuple(
        sorted(name for name in names - generated - {_HISTORY} if not name.startswith(_DATA) and _is_first(name))
    )


def _is_text(path: Path) -> bool:
    return path.is_file() and path.suffix != ".pyc" and "__pycache__" not in path.parts


def _is_first(name: str) -> bool:
    """The templates are found a second time, through a link; and this search, and its test, name everything."""
    return not name.startswith("cltab2systemd/templates/") and name not in {
        "tests/recipes.py",
        "tests/docs/test_contributing.py",
    }


@functools.cache
def code(name: str) -> str:
    """The text of a file without its comments; of Python, also without docstrings."""
    text = (PROJECT / name).read_text(encoding="utf-8")
    if name.endswith(".py"):
        return _without_words(text)
    if name.endswith((".md", ".5", ".8", ".j2")):
        return text
    return re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)


def _without_words(text: str) -> str:
    lines = text.splitlines()
    is_start = True
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        (first, start), (last, end) = token.start, token.end
        if token.type == tokenize.COMMENT or (is_start and token.type == tokenize.STRING):
            lines[first - 1] = lines[first - 1][:start] + (lines[last - 1][end:] if last == first else "")
            lines[first:last] = [""] * (last - first)
        if token.type not in {tokenize.COMMENT, tokenize.NL}:
            is_start = token.type in {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    return "\n".join(lines)


def files(pattern: str, *, where: Callable[[str], bool] = lambda _name: True) -> set[str]:
    """The files whose code has a match of a pattern."""
    wanted = re.compile(pattern)
    return {name for name in searched() if where(name) and wanted.search(code(name))}


def files_with_all(patterns: list[str], at_least: int) -> set[str]:
    """The files whose code has matches of so many of some patterns."""
    wanted = [re.compile(pattern) for pattern in patterns]
    return {name for name in searched() if sum(bool(one.search(code(name))) for one in wanted) >= at_least}


def is_product(name: str) -> bool:
    """Whether a file is none of the tests."""
    return not name.startswith("tests/")


def is_package(name: str) -> bool:
    """Whether a file is of the package, or one of its templates."""
    return name.startswith(("cltab2systemd/", "templates/"))
