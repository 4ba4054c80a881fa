"""The architecture: folders import downwards only, what is pure does no input or output, each library has its place."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lab.install import PROJECT

PACKAGE = "cltab2systemd"
TOP = PROJECT / PACKAGE

# The rooms, which are folders and the modules beside them, from the lowest floor up. A room imports from the floors
# below it, and of its own floor only from itself.
FLOORS = (
    "text terminal streams clstat varlink exportformat crmxml pausing",
    "locations oserrors journalctl outputs probing events node",
    "table ancestor journal",
    "units",
    "groups",
    "disk systemd reports cluster pacemaker",
    "check",
    "core importers",
    "daemon rehearsal",
    "commands generator",
    "operators keepalived",
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms.split()}
# What both ends of the socket know. A client knows no more, but for the daemon that its option -d runs, and a
# terminal on which it shows progress, what bears out a reason, and what is told of a cluster.
LIGHT = "text streams clstat varlink locations oserrors journal journalctl outputs exportformat crmxml pausing"
EXCEPTIONS = {
    "client.options": {"daemon.main"},
    "client.applying": {"reports.asjson"},
    "client.seconds": {"table.timespans"},
    "client.oneword": {"table.spelling", "terminal"},
    "client.progress": {"terminal"},
    "client.progresstext": {"terminal"},
    "client.evidence": {"terminal"},
    "client.ownerwords": {"terminal"},
}
# Commands for people, of which some ask the daemon; keepalived's reader, rehearsals and a rollback, which ask it too.
KNOW_THE_CLIENT = "operators keepalived rehearsal commands.rollback"
# What keepalived's reader is made of.
READER = "keepalived client systemd disk units outputs oserrors locations varlink terminal text"

# Rooms without input and output. Elsewhere, a module is pure whose docstring says so.
PURE = "text terminal exportformat table units groups ancestor reports importers cluster pacemaker"
NOT_PURE = {"units.compiler"}  # reads templates
IO = "os io socket pathlib subprocess asyncio select selectors signal shutil tempfile fcntl mmap glob logging sys time"

# Libraries, and the rooms or modules that may import them.
LIBRARIES = {
    "click": "commands operators client.options client.seconds",
    "jinja2": "units.compiler",
    "ClusterShell": "operators.fanout",
    "pystemd": "systemd.bus systemd.opening systemd.manager systemd.activation",
}

# Where a plain request starts, and what costs CPU time to import.
COMMAND = "client.command"
HEAVY = "click jinja2 pystemd asyncio dataclasses typing enum re json socket pathlib subprocess logging contextlib"


def path_of(module: str) -> Path:
    path = TOP / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def modules() -> list[str]:
    """All modules of the package, but for the package itself, which imports nothing."""
    names = (".".join(path.relative_to(TOP).with_suffix("").parts) for path in TOP.rglob("*.py"))
    return sorted(name.removesuffix(".__init__") for name in names if name != "__init__")


MODULES = frozenset(modules())


def room_of(module: str) -> str:
    return module.partition(".")[0]


def imports(module: str, *, at_start: bool = False) -> set[str]:
    """What a module imports for more than type checking: own modules without the package's name, else top names.

    Args:
        module: the module.
        at_start: leave out what is imported within functions.
    """
    found: set[str] = set()
    pending: list[ast.AST] = [ast.parse(path_of(module).read_text())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += node.orelse
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            own = [name for name in names if name.removeprefix(f"{PACKAGE}.") in MODULES]
            found |= set(own) or {str(node.module)}
        elif not (at_start and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)):
            pending += ast.iter_child_nodes(node)
    return {
        name.removeprefix(f"{PACKAGE}.") if name.startswith(f"{PACKAGE}.") else name.partition(".")[0] for name in found
    }


def test_every_room_has_a_floor() -> None:
    """The floors, and the client, hold all folders and modules, each once; an empty one is none."""
    assert sorted([*FLOOR_OF, "client"]) == sorted({room_of(module) for module in MODULES})
    assert len(FLOOR_OF) == sum(len(rooms.split()) for rooms in FLOORS)


def test_the_documentation_has_the_floors() -> None:
    """docs/architecture.md has each room on its floor, from the lowest up."""
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", (PROJECT / "docs/architecture.md").read_text(), re.MULTILINE)

    assert [(int(floor), room) for floor, room in rows] == [
        (floor, room) for floor, rooms in enumerate(FLOORS) for room in rooms.split()
    ]


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_downwards(module: str) -> None:
    """A module imports nothing of a floor above, also not within a function; clients and operators know the client."""
    room = room_of(module)
    others = {name for name in imports(module) & MODULES if room_of(name) != room}
    if room == "client":
        assert others - EXCEPTIONS.get(module, set()) <= set(LIGHT.split())
    else:
        known = {"client"} if {room, module} & {*KNOW_THE_CLIENT.split()} else set()
        above = {name for name in others if FLOOR_OF.get(room_of(name), len(FLOORS)) >= FLOOR_OF[room]}
        assert {name for name in above if room_of(name) not in known} == set()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_libraries_have_their_place(module: str) -> None:
    """Beside the standard library and the package, a module imports only a library that is its own."""
    foreign = imports(module) - MODULES - sys.stdlib_module_names - {PACKAGE}
    assert foreign <= {
        library for library, places in LIBRARIES.items() if {module, room_of(module)} & {*places.split()}
    }


def is_pure(module: str) -> bool:
    said = ast.get_docstring(ast.parse(path_of(module).read_text())) or ""
    return module not in NOT_PURE and (room_of(module) in PURE.split() or "Pure" in said)


@pytest.mark.parametrize("module", sorted(filter(is_pure, MODULES)))
def test_what_is_pure_does_no_input_or_output(module: str) -> None:
    """A pure module imports nothing that does input or output, and only modules that are pure as well."""
    found = imports(module)
    assert found & set(IO.split()) == set()
    assert {name for name in found & MODULES if not is_pure(name)} == set()


def started(first: str = COMMAND) -> set[str]:
    """The modules of the package that a module imports as it starts; that of a plain request, before it is sent."""
    found: set[str] = set()
    pending = [first]
    while pending:
        module = pending.pop()
        if module not in found:
            found.add(module)
            pending += imports(module, at_start=True) & MODULES
            pending += {room_of(module)} & MODULES
    return found


def test_a_plain_request_starts_light() -> None:
    """What a plain request imports is of two packages, and imports nothing heavy."""
    assert {room_of(module) for module in started()} <= {"client", *LIGHT.split()}
    for module in started():
        assert imports(module, at_start=True) & set(HEAVY.split()) == set(), module


def loaded_by(*modules: str) -> set[str]:
    """What an interpreter has loaded that has imported modules of the package."""
    code = f"import sys; sys.path.insert(0, {str(PROJECT)!r})\n"
    code += "".join(f"import {PACKAGE}.{module}\n" for module in modules) + "print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_started_client_has_nothing_heavy() -> None:
    """What the interpreter has loaded before a plain request is sent bears it out."""
    loaded = loaded_by(COMMAND)

    assert {f"{PACKAGE}.{module}" for module in started()} == {
        name for name in loaded if name.startswith(f"{PACKAGE}.")
    }
    assert loaded & set(HEAVY.split()) == set()


def test_a_status_starts_without_what_is_heavy() -> None:
    """`clinitctl status`, answered by the daemon, needs enum and JSON, and nothing that is slower to import."""
    loaded = loaded_by("operators.main", "operators.statusview", "reports.statustext")
    assert loaded & (set(HEAVY.split()) - {"enum", "re", "json"}) == set()


def test_the_reader_of_keepalived_starts_light() -> None:
    """It starts while the machine boots, and follows without the daemon: it loads nothing of that, and no loop."""
    found = started("keepalived.main")
    assert {room_of(module) for module in found} == {*READER.split()}
    for module in found:
        assert imports(module, at_start=True) & {"asyncio", "click", "jinja2", "logging"} == set(), module
