"""The OCF resource agent as a cluster acts on it, and packages of Debian's that tests of it need."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from shipped import SERVICE, SOCKET

from lab.install import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

    from shipped import Shipped

AGENT = "/usr/lib/ocf/resource.d/clinit/group"
SUCCESS, GENERIC, UNIMPLEMENTED, INSTALLED, CONFIGURED, NOT_RUNNING, DEGRADED = 0, 1, 3, 5, 6, 7, 190


def agents_of_debian() -> Path:
    """A layer with Debian's package of resource agents, of which ours needs the shell functions."""
    # Not its unit in /lib: that would hide the link there.
    return packages_of_debian("resource-agents", "resource-agents", only="./usr")


def packages_of_debian(layer: str, *packages: str, only: str = "./usr", below: str = "") -> Path:
    """A layer with what Debian's packages have below a directory, put below another one.

    They are unpacked and not installed: what they depend on, or their scripts, start daemons on the machine.
    """
    store = PROJECT / "build/ocf"
    store.mkdir(parents=True, exist_ok=True)
    # The workers of one run share the store: one unpacks, the others find it done.
    with (store / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        directory = store / layer
        if not directory.exists():
            try:
                _unpack(packages, only, below, store / f"{layer}.new").rename(directory)
            except (OSError, subprocess.SubprocessError) as error:
                if os.environ.get("CI"):
                    pytest.fail(f"no {packages}: {error}")
                pytest.skip(f"no {packages}: {error}")
    return directory


def _unpack(packages: tuple[str, ...], only: str, below: str, new: Path) -> Path:
    store = new.parent
    # What an interrupted run has left is not taken for a part of this one.
    shutil.rmtree(new, ignore_errors=True)
    (new / below).mkdir(mode=0o755, parents=True)
    for package in packages:
        if not list(store.glob(f"{package}_*.deb")):
            download = f"apt-get --quiet download {package}"
            _run("sh", "-c", f"{download} || {{ apt-get --quiet update && {download}; }}", cwd=store)
        archive = max(store.glob(f"{package}_*.deb"))
        unpacked = subprocess.run(["dpkg-deb", "--fsys-tarfile", archive], capture_output=True, check=True)
        subprocess.run(["tar", "-x", "-C", new / below, only], input=unpacked.stdout, check=True)
    return new


def _run(*argv: str, cwd: Path) -> None:
    subprocess.run(argv, cwd=cwd, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=120)


class Resource:
    """A resource of the agent's, as the cluster acts on it."""

    def __init__(self, shipped: Shipped, group: str = "web", level: str = "3", **parameters: str) -> None:
        self.shipped = shipped
        self.parameters = {"group": group, "level": level, **parameters}
        self.reason = ""
        self.said = ""

    def act(self, action: str, timeout: int = 20, **meta: str) -> int:
        """Have the agent do something; its exit code. `reason` is what it says about it, `said` also what it logs."""
        done = self.shipped.node.run(
            AGENT, action, check=False, env=self.environment(timeout, **meta), timeout=timeout + 5
        )
        self.said = done.stderr
        self.reason = "\n".join(re.findall("ocf-exit-reason:(.*)", done.stderr))
        return done.returncode

    def environment(self, timeout: int = 20, **meta: str) -> dict[str, str]:
        """What the cluster says to the agent."""
        return {
            "OCF_ROOT": "/usr/lib/ocf",
            "OCF_RA_VERSION_MAJOR": "1",
            "OCF_RESOURCE_INSTANCE": "it",
            "OCF_RESOURCE_TYPE": "group",
            "OCF_RESKEY_CRM_meta_timeout": str(timeout * 1000),
            "OCF_RESKEY_CRM_meta_interval": meta.get("interval", "10000"),
            **{f"OCF_RESKEY_{name}": value for name, value in self.parameters.items()},
        }

    def monitor(self) -> int:
        return self.act("monitor")

    def probe(self) -> int:
        return self.act("monitor", interval="0")


def no_daemon(shipped: Shipped, *, stale: bool = True) -> None:
    """Stop daemon and socket; its clstat is two minutes old."""
    shipped.node.shell(f"until systemctl stop {SOCKET} {SERVICE}; do sleep 0.1; done")  # systemd may be restarting
    if stale:
        shipped.node.run("touch", "--date=2 minutes ago", "/run/clinit/clstat")
