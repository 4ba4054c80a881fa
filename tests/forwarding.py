"""Tests that ask for the fixture `controllers` see cgroup controllers at work; those with `machine_to_spoil` have one.

The first run here if this kernel gives controllers to nodes, else in a virtual machine, as the others always do: all of
a module in one, by a pytest in it, whose reports become those of the tests here.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cltab2systemd.node import cgroups, host
from lab import machine
from lab.errors import LabError
from lab.install import PROJECT
from lab.machine import REPORTS, Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIXTURE = "controllers"
MACHINE = "machine_to_spoil"
NEEDED = frozenset({"memory", "pids"})
PROPERTY = "sees limits at work"
"""Name of the property of a report that says where the test ran."""

# In the environment of the pytest in a machine: where it reports to, and the project's layer, as it was made outside.
REPORTS_VARIABLE = "LAB_REPORTS"
LAYER_VARIABLE = "LAB_LAYER"
_HANDED_ON = ("CI", "LAB_RELEASE", "LAB_ROOTS")


def shortcoming() -> str | None:
    """Why such tests can be run neither here nor in a machine; None if they can."""
    if cgroups.controllers() >= NEEDED:
        return None
    reason = no_machine()
    return reason and f"this kernel's cgroup2 has no controllers for nodes, and {reason}"


def no_machine() -> str | None:
    """Why there can be no virtual machine with nodes here; None if there can."""
    return host.shortcoming() or machine.shortcoming()


def _is_forwarded(item: pytest.Item) -> bool:
    """Whether a test has to run in a machine, and can."""
    fixtures = getattr(item, "fixturenames", ())
    if MACHINE in fixtures:
        return no_machine() is None
    return FIXTURE in fixtures and not cgroups.controllers() >= NEEDED and no_machine() is None


class Forwarder:
    """Runs tests of nodes with controllers where these are.

    Args:
        layer: makes the layer with the project.
    """

    def __init__(self, layer: Callable[[], Path]) -> None:
        self._layer = layer
        self._runs: dict[Path, _Run] = {}

    @pytest.hookimpl(tryfirst=True)  # type: ignore[untyped-decorator]
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """Run a test in the machine of its module, if it has to be; else leave it to pytest."""
        if not _is_forwarded(item):
            if FIXTURE in getattr(item, "fixturenames", ()) and not shortcoming():
                item.user_properties.append((PROPERTY, f"on this kernel, Linux {os.uname().release}"))
            return None
        if item.path not in self._runs:
            items = [other for other in item.session.items if other.path == item.path]
            self._runs[item.path] = _Run([*filter(_is_forwarded, items)], self._layer)
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self._runs[item.path].reports(item):
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def pytest_sessionfinish(self) -> None:
        """End the machines."""
        for run in self._runs.values():
            run.close()


class _Run:
    """The tests of a module in a machine, from the first that is asked for."""

    def __init__(self, items: list[pytest.Item], layer: Callable[[], Path]) -> None:
        self._nodeids = [item.nodeid for item in items]
        self._layer = layer
        self._machine: Machine | None = None
        self._lines: Iterator[str] = iter(())
        self._failure = ""

    def reports(self, item: pytest.Item) -> Iterator[pytest.TestReport]:
        """The reports of a test, as they come."""
        try:
            for line in self._output():
                report = item.config.hook.pytest_report_from_serializable(config=item.config, data=json.loads(line))
                assert isinstance(report, pytest.TestReport)
                assert item.nodeid == report.nodeid
                if FIXTURE in getattr(item, "fixturenames", ()):
                    report.user_properties.append((PROPERTY, f"in {self._machine}"))
                yield report
                if report.when == "teardown":
                    return
            self._failure = f"no report of this test; what was printed:\n{self._machine and self._machine.log()}"
        except LabError as error:
            self._failure = str(error)
        yield pytest.TestReport(item.nodeid, item.location, {}, "failed", self._failure, "call")

    def _output(self) -> Iterator[str]:
        """What is still to be read of the machine, which is booted if it was not; nothing if it has failed."""
        if self._machine is None and not self._failure:
            self._machine = self._boot()
            self._lines = self._machine.lines()
        return iter(()) if self._failure else self._lines

    def close(self) -> None:
        """End the machine."""
        if self._machine is not None:
            self._machine.close()

    def _boot(self) -> Machine:
        pytest_in_it = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *self._nodeids]
        environment = {
            **{name: os.environ[name] for name in _HANDED_ON if name in os.environ},
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # slow, and none is needed
            "LAB_PATIENCE": "6",
            REPORTS_VARIABLE: REPORTS,
            LAYER_VARIABLE: str(self._layer()),
        }
        return Machine(pytest_in_it, directory=PROJECT, environment=environment)


class Reporter:
    """Sends the reports of tests to the pytest outside of the machine."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Send one."""
        config: Any = self._config
        data = config.hook.pytest_report_to_serializable(config=config, report=report)
        with self._path.open("w", encoding="utf-8") as outside:
            outside.write(json.dumps(data) + "\n")

    def pytest_configure(self, config: pytest.Config) -> None:
        """Take note of pytest."""
        self._config = config


def where(stats: dict[str, list[Any]]) -> list[str]:
    """Of each test with controllers that ran, where it did, from all reports."""
    return [
        place
        for reports in stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, place in report.user_properties
        if name == PROPERTY
    ]
