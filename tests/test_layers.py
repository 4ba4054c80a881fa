"""The architecture: imports point inwards only, and each library has one place."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "cltab2systemd"

# The rings, from the inside. A module imports from its own ring and from those before it; a new one has to be put here.
RINGS = {
    "pure": "text diagnostics directives table names unitfile surroundings plan failure changes groupunits groupstate "
    "clstat storable ldt spelling advice oserrors programs outside commandlint oddtext lint asjson columns matrix "
    "difference explanation graph inittab inittabcommands inittabdialects inittablines inittabusers",
    "edges": "activation child bus compiler machine peers rootshell settings shellsyntax locations store tablesource "
    "transport varlink departure",
    "sides": "logs goodtable ending summary statusfile group slices boot applier probe pacer observer switcher "
    "controller service ancestor server daemon client generator",
    "commands": "cli cli.clinit cli.options cli.outcome cli.status cli.translator cli.tables cli.check cli.compile "
    "cli.printing cli.seen cli.instance cli.diff cli.show cli.explain cli.graph cli.import_inittab",
}
# Libraries, and the modules that may import them.
LIBRARIES = {
    "click": "cli.options cli.translator cli.tables cli.check cli.compile "
    "cli.printing cli.instance cli.diff cli.show cli.explain cli.graph cli.import_inittab",
    "jinja2": "compiler",
    "pystemd": "activation bus",
}
# What the pure ring may not import: input and output.
IO = "os io socket pathlib subprocess asyncio select selectors signal shutil tempfile fcntl mmap glob logging sys time"
# What starts a plain request: only such modules, with nothing that costs CPU time to import.
CLIENT = "text locations transport varlink clstat oserrors client cli cli.clinit cli.outcome"
HEAVY = "click jinja2 pystemd asyncio dataclasses typing enum re json socket pathlib subprocess logging contextlib"

RING_OF = {module: number for number, ring in enumerate(RINGS.values()) for module in ring.split()}


def source_of(module: str) -> Path:
    path = ROOT / PACKAGE / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def modules() -> list[str]:
    """All modules of the package, but for the package itself, which imports nothing."""
    top = ROOT / PACKAGE
    names = (".".join(path.relative_to(top).with_suffix("").parts) for path in top.rglob("*.py"))
    return sorted(name.removesuffix(".__init__") for name in names if name != "__init__")


def imports(module: str, *, at_start: bool = False) -> set[str]:
    """What a module imports for more than type checking: own modules without the package's name, else top names.

    Args:
        module: the module.
        at_start: leave out what is imported within functions.
    """
    found: set[str] = set()
    pending: list[ast.AST] = [ast.parse(source_of(module).read_text())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += node.orelse
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            own = [name for name in names if name.removeprefix(f"{PACKAGE}.") in RING_OF]
            found |= set(own) or {str(node.module)}
        elif not (at_start and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)):
            pending += ast.iter_child_nodes(node)
    return {
        name.removeprefix(f"{PACKAGE}.") if name.startswith(f"{PACKAGE}.") else name.partition(".")[0] for name in found
    }


def test_every_module_has_a_ring() -> None:
    """The rings hold all modules, each once, and no other."""
    assert sorted(name for ring in RINGS.values() for name in ring.split()) == modules()


@pytest.mark.parametrize("module", modules())
def test_imports_point_inwards(module: str) -> None:
    """A module imports nothing of a ring further out, also not within a function."""
    outside = {name for name in imports(module) & RING_OF.keys() if RING_OF[name] > RING_OF[module]}
    assert outside == set()


@pytest.mark.parametrize("module", modules())
def test_libraries_have_their_place(module: str) -> None:
    """Beside the standard library and the package, a module imports only a library that is its own."""
    foreign = imports(module) - RING_OF.keys() - sys.stdlib_module_names - {PACKAGE}
    assert foreign <= {library for library, places in LIBRARIES.items() if module in places.split()}


@pytest.mark.parametrize("module", RINGS["pure"].split())
def test_the_inner_ring_is_pure(module: str) -> None:
    """The inner ring imports no other ring, no library, and nothing that does input or output."""
    found = imports(module)
    assert found & set(IO.split()) == set()
    assert found <= sys.stdlib_module_names | set(RINGS["pure"].split())


@pytest.mark.parametrize("module", CLIENT.split())
def test_the_client_starts_light(module: str) -> None:
    """A module on the way of a plain request imports nothing heavy, and only modules that do not either."""
    found = imports(module, at_start=True)
    assert found & set(HEAVY.split()) == set()
    assert found & RING_OF.keys() <= set(CLIENT.split())


def test_a_started_client_has_nothing_heavy() -> None:
    """What the interpreter has loaded before a plain request is sent bears it out."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {PACKAGE}.cli.clinit; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert f"{PACKAGE}.client" in loaded
    assert loaded & set(HEAVY.split()) == set()
