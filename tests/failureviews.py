"""What is said of an entry that has failed, wherever a state is told: a view each."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from instance import Group, Instance, varlink
from ocf import DEGRADED as OCF_DEGRADED
from ocf import GENERIC, Resource
from shipped import Shipped

from cltab2systemd.client.outcome import FAILED
from cltab2systemd.groups.reasons import REMARKS
from cltab2systemd.operators.statusview import DEGRADED
from lab.waiting import wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from waystofail import Way

LEVEL = "3"
# Seconds for which a client reads the journal. On a busy machine it may have no last words then.
READING = 2.0


@dataclass
class Failed:
    """A group that has failed in one way."""

    way: Way
    instance: Instance
    group: Group
    answer: subprocess.CompletedProcess[str] | None = None  # what the request said that was waited for

    @property
    def tag(self) -> str:
        """The entry that has to be named."""
        return f"{self.group.name}.{self.way.tag}"

    @property
    def is_failure(self) -> bool:
        """Whether it makes its group FAILED."""
        return self.way.cause not in REMARKS

    def status(self) -> list[dict[str, object]]:
        """What the daemon tells programs."""
        [reply] = varlink(
            self.group.node, {"method": "org.clinit.Manager.Status", "parameters": {"group": self.group.name}}
        )
        found: list[dict[str, object]] = reply["parameters"]["groups"][0]["reasons"]
        return found

    def lines(self, said: str) -> list[str]:
        """Those lines of what was said that give a reason of the entry; none that tells how far a switch has come."""
        told = (line for line in said.splitlines() if not line.startswith("clinit: "))
        return [line for line in told if f"{self.tag} (" in line]

    # How each view tells of the failure: its lines about the entry.

    def by_request(self) -> list[str]:
        """`clinit --wait`, as the group came to its level, else as that is asked for again.

        Indented below are the last words of the program.
        """
        if self.answer is None:
            self.answer = self.instance.clinit("--wait", self.group.name, LEVEL)
        reason = re.escape(f"{self.group.name}: {self.tag} (")
        told = re.findall(rf"^{reason}.*\n(?:  .*\n)*", self.answer.stderr, re.MULTILINE)
        assert all(word in said for said in told for word in self.way.last_words), told
        return told

    def by_journal(self) -> list[str]:
        """The daemon's latest line in the journal: a failure is an error, all else at least a warning.

        There is another one when systemd tells more, as of a process that it stops.
        """
        priority = "err" if self.is_failure else "warning"
        command = ("journalctl", f"--unit={self.instance.unit}", f"--priority={priority}..{priority}", "--output=cat")

        def latest() -> list[str]:
            self.group.node.run("journalctl", "--sync")
            return self.lines(self.group.node.run(*command).stdout)[-1:]

        with suppress(TimeoutError):
            wait_until(lambda: all(word in "".join(latest()) for word in self.way.words))
        return latest()

    def by_overview(self) -> list[str]:
        """`clinit -v`."""
        return self.lines(self.instance.clinit("-v").stderr)

    def by_varlink(self) -> list[str]:
        """The daemon's answer to programs, which has to have the code, too."""
        found = [reason for reason in self.status() if reason["tag"] == self.tag]
        told = {"code": str(self.way.cause), "failure": self.is_failure, "unit": self.group.unit(self.way.tag)}
        assert [told] == [{name: reason[name] for name in told} for reason in found]
        return [str(reason["text"]) for reason in found]

    def by_agent(self) -> list[str]:
        """The exit reason of the resource agent, which is one line; what does not fail a group has it degraded."""
        assert isinstance(self.instance, Shipped)
        resource = Resource(self.instance, self.group.name, LEVEL)
        assert resource.monitor() == (GENERIC if self.is_failure else OCF_DEGRADED)
        return [resource.reason]

    def by_file(self) -> list[str]:
        """The file that the agent reads, where the agent itself is not installed; a remark is none of its business."""
        return self.lines(self.group.node.read("/run/cltab2systemd/system/reasons"))

    def by_status(self) -> list[str]:
        """`clinitctl status`: the entry's line, and those indented below it. The exit code says how bad it is."""
        done = self.instance.node.run("clinitctl", "status", self.group.name, check=False)
        assert done.returncode == (FAILED if self.is_failure else DEGRADED)
        return re.findall(rf"^  {re.escape(self.tag)} .*\n(?:    .*\n)+", done.stdout, re.MULTILINE)

    def by_why(self) -> list[str]:
        """`clinitctl why`: the entry's paragraph, which has the last words of the program, and what to do."""

        def whole() -> list[str]:
            began = time.monotonic()
            done = self.instance.node.run("clinitctl", "why", self.group.name, check=False)
            is_late = time.monotonic() - began > READING
            assert done.returncode == (FAILED if self.is_failure else DEGRADED)
            told: list[str] = re.findall(rf"^{re.escape(self.tag)} \(.*\n(?:  .*\n)+", done.stdout, re.MULTILINE)
            words = (*self.way.last_words, "  to do  ")
            is_whole = bool(told) and all(word in said for said in told for word in words)
            assert is_whole or is_late, told
            return told if is_whole else []

        return wait_until(whole, what="the last words are read in time", timeout=30)


# The request is the last one, for it may mend what has failed later.
VIEWS: dict[str, Callable[[Failed], list[str]]] = {
    "journal": Failed.by_journal,
    "overview": Failed.by_overview,
    "varlink": Failed.by_varlink,
    "agent": Failed.by_agent,
    "status": Failed.by_status,
    "why": Failed.by_why,
    "wait": Failed.by_request,
}


def assert_told(failed: Failed, told: list[str]) -> None:
    """A view names the entry once, and says what is wrong with it."""
    [said] = told
    assert f"{failed.tag} " in said
    assert [] == [word for word in failed.way.words if word not in said], said
    assert [] == [word for word in failed.way.unsaid if word in said], said
