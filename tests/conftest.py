"""Fixtures for tests that need a real systemd: nodes of the lab.

With LAB_RELEASE in the environment, all nodes are of that Debian release, with the project's package installed, and
only tests that use nodes are run (`make test-release`).
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import forwarding
import pytest

from cltab2systemd.node import host
from lab import roots
from lab.install import installed_layer
from lab.node import Node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instance import Group, Instance
    from support import NodeFactory

if not os.environ.get(forwarding.REPORTS_VARIABLE):  # in an emulated machine the import alone takes seconds
    from hypothesis import HealthCheck, settings

    # Machines may be slow, and busy with other tests. In CI the examples are the same in every run.
    settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("ci", settings.get_profile("project"), derandomize=True)
    settings.load_profile("ci" if os.environ.get("CI") else "project")

# The asserts of helpers say as much as those of tests.
pytest.register_assert_rewrite(*({path.stem for path in Path(__file__).parent.glob("*.py")} - sys.modules.keys()))

# A shell has what it starts in the background ignore SIGINT, and programs would take that over from the tests.
for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number is signal.SIGINT else signal.SIG_DFL)

_LEFT_OUT = pytest.StashKey[Counter[str | None]]()
_OF_WORKER = "left_out"

RELEASE = os.environ.get("LAB_RELEASE")
# Tests of nodes that say nothing of a release, by the start of their names, and why.
NOT_OF_A_RELEASE = {
    "tests/lab/test_lab.py": "they test the lab itself, with copies of what the running root has",
    "tests/node/": "they test nodes themselves, with copies of what the running root has",
    "tests/docs/test_demo.py": "the demo shows the project as pip installs it, on the running root",
    "tests/docs/test_screens.py": "tmux is on the running root only",
    "tests/daemon/test_ways_to_fail.py": "the programs that fail are installed over the running root",
    "tests/operators/test_nodes_over_ssh.py": "ClusterShell is installed over the running root",
    "tests/operators/test_nodes_switch.py": "ClusterShell is installed over the running root",
    "tests/rehearsal/test_controllers.py": "what rehearses there sees the running root",
    "tests/rehearsal/test_rehearsed_push.py": "what rehearses there sees the running root, with the servers beside it",
    "tests/daemon/test_real_pushes.py": "the servers are installed over the running root",
    "tests/daemon/test_real_servers.py": "the servers are installed over the running root",
    "tests/daemon/test_real_web_servers.py": "the servers are installed over the running root",
}


def pytest_configure(config: pytest.Config) -> None:
    """Have tests that need cgroup controllers run where these are."""
    if reports := os.environ.get(forwarding.REPORTS_VARIABLE):
        config.pluginmanager.register(forwarding.Reporter(reports))
    else:
        config.pluginmanager.register(forwarding.Forwarder(_layer))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On a release, leave out what needs no node, and NOT_OF_A_RELEASE."""
    if not RELEASE:
        return
    left_out = [item for item in items if _reason_against(item)]
    config.hook.pytest_deselected(items=left_out)
    config.stash[_LEFT_OUT] = Counter(_reason_against(item) for item in left_out)
    items[:] = [item for item in items if not _reason_against(item)]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that reports, if this is another one (pytest-xdist), what was left out."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_OF_WORKER] = dict(session.config.stash.get(_LEFT_OUT, {}))


@pytest.hookimpl(optionalhook=True)  # type: ignore[untyped-decorator]
def pytest_testnodedown(node: Any) -> None:
    """Take over what such a process tells; each leaves out the same."""
    node.config.stash[_LEFT_OUT] = Counter(getattr(node, "workeroutput", {}).get(_OF_WORKER))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was left out on a release, and why, and where limits were seen at work."""
    for reason, number in config.stash.get(_LEFT_OUT, {}).items():
        terminalreporter.write_line(f"{number} tests left out: {reason}")
    for place, number in Counter(forwarding.where(terminalreporter.stats)).items():
        terminalreporter.write_line(f"{number} tests with cgroup controllers: {place}")


def _reason_against(item: pytest.Item) -> str | None:
    if "lab" not in getattr(item, "fixturenames", ()):
        return "they need no node"
    return next((reason for start, reason in NOT_OF_A_RELEASE.items() if item.nodeid.startswith(start)), None)


@pytest.fixture(scope="session")
def lab() -> None:
    """Skip the test if nodes cannot be booted here; fail it where they must be, in CI."""
    if reason := host.shortcoming():
        if os.environ.get("CI"):
            pytest.fail(f"no lab: {reason}")
        pytest.skip(f"no lab: {reason}")
    if RELEASE:
        os.environ["LAB_ROOT"] = str(roots.root(RELEASE))


@pytest.fixture(scope="session")
def project_layer(lab: None) -> Path:
    """The project installed in an overlay layer, on a release by its package."""
    return _layer()


def _layer() -> Path:
    if made := os.environ.get(forwarding.LAYER_VARIABLE):
        return Path(made)
    return roots.installed_package(RELEASE) if RELEASE else installed_layer()


@pytest.fixture(scope="session")
def controllers(lab: None) -> None:
    """Nodes have cgroup controllers, if need be those of a virtual machine (see forwarding); else as for `lab`."""
    _need(forwarding.shortcoming())


@pytest.fixture(scope="session")
def machine_to_spoil(lab: None) -> None:
    """The test has a virtual machine, whose clock it may set; else as for `lab`."""
    _need(forwarding.no_machine())
    assert forwarding.REPORTS_VARIABLE in os.environ, "this is nobody's machine to spoil"


def _need(reason: str | None) -> None:
    """Skip the test for a reason, if there is one; fail it in CI."""
    if reason and os.environ.get("CI"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


@pytest.fixture
def node_factory(lab: None) -> Iterator[NodeFactory]:
    """Boot nodes (arguments as for Node), without the project; they end with the test."""
    nodes: list[Node] = []

    def boot(name: str, **options: Any) -> Node:
        node = Node(name, **options)
        nodes.append(node)
        node.boot()
        return node

    yield boot
    for node in nodes:
        node.stop()


@pytest.fixture(scope="module")
def node(request: pytest.FixtureRequest, project_layer: Path) -> Iterator[Node]:
    """Boot a node with the project installed, shared by all tests of a module."""
    with Node(_host_name(request.node.name), layers=[project_layer]) as booted:
        yield booted


@pytest.fixture(scope="module")
def shared(node: Node) -> Instance:
    """Run a daemon that all tests of a module share."""
    from instance import Instance  # noqa: PLC0415 - by now its asserts are rewritten

    return Instance(node).share()


@pytest.fixture
def group(shared: Instance) -> Group:
    """Give the test a group of its own, with the shared daemon."""
    from instance import Group  # noqa: PLC0415 - as above

    return Group(shared)


@pytest.fixture
def fresh_node(request: pytest.FixtureRequest, project_layer: Path) -> Iterator[Node]:
    """Boot a node with the project installed, for one test."""
    with Node(_host_name(request.node.name), layers=[project_layer]) as booted:
        yield booted


def _host_name(test: str) -> str:
    name = re.sub("[^a-z0-9]+", "-", test.removesuffix(".py").rpartition("/")[2].removeprefix("test_").lower())
    return name[:42].strip("-")
