"""The daemon and the resource agent, driven at random: what is said of a group has to be true all the while.

A run is a list of steps, made from a seed alone. The truth is what /proc shows (drivingtruth); what may be expected is
the model's (drivingmodel). From the project's root:

    PYTHONPATH=tests .venv/bin/python -m driving --minutes 10 --release trixie
    PYTHONPATH=tests .venv/bin/python -m driving --seed 7 --steps 60
    PYTHONPATH=tests .venv/bin/python -m driving --replay STEPS    # a file: what a violation printed
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from drivingmodel import SETTLED, Model, Request, Violation
from drivingsteps import STEPS, Step, steps_of
from drivingtables import BASE, GROUPS, MARKS, STARTED, STOP, Kind
from drivingtruth import CLSTAT, Look, Watcher
from ocf import DEGRADED, NOT_RUNNING, SUCCESS, Resource, agents_of_debian
from survivor import Survivor

from lab import roots
from lab.install import installed_layer
from lab.node import Node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# Seconds. How long nobody may tell anything untrue after something changed, on a busy machine.
GRACE = 3.0
# Seconds in which a process that died is there again.
MOMENT = 1.5
# Seconds in which nothing changes when the groups have settled.
CALM = 1.2
# Seconds until each group has settled, whatever was done.
SETTLES_IN = 30.0
# Seconds for a request to end, and for an action of the agent; all stops of BASE are short. Where a client waits for a
# daemon that nobody starts, it waits in vain.
REQUEST_PATIENCE = 14
PATIENCE = 25
MONITOR_PATIENCE = 10
# Seconds from the daemon's SIGTERM to its end.
ENDS_IN = 3.0
# What the journal of the daemon never has.
_BUGS = re.compile(r"Traceback|internal error|never retrieved|never awaited|timed out\. Killing|core-dump")


RULES = (
    "not 7 of what lives",
    "not 0 of nothing",
    "not 0 of a part",
    "a code of a monitor",
    "a stop is a stop",
    "7 after a stop",
    "a failed stop level",
    "done means done",
    "done means done, outside",
    "clstat agrees: runs",
    "clstat agrees: outside",
    "clstat agrees: nothing",
    "the level asked for",
    "0 of what was done",
    "done stays done",
    "a failure has a reason",
    "FAILED has a reason",
    "the daemon ends",
    "no internal error",
    "all is well again",
)
"""What is checked, whenever there is something to check; besides, that nothing hangs, and that clstat does not grow old
while the daemon runs for longer than it may."""


@dataclass
class Report:
    """What a run came to."""

    seed: int | None
    steps: list[Step]
    violations: list[Violation] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    journal: str = ""
    slowest_end: float = 0.0
    model: Model = field(default_factory=Model)

    def __str__(self) -> str:
        """All that is needed to see it again."""
        steps = "\n".join(json.dumps(step) for step in self.steps)
        parts = [
            f"seed {self.seed}, {len(self.violations)} violations",
            *map(str, self.violations),
            "--- steps",
            steps,
            "--- log",
            *self.log,
            "--- journal",
            self.journal,
        ]
        return "\n".join(parts)

    def short(self) -> str:
        """What a person wants to see first: the same, and of the log and the journal the ends."""
        ends = replace(self, log=self.log[-100:], journal="\n".join(self.journal.splitlines()[-100:]))
        return str(ends)


class Driver:
    """Does steps in a node, and checks what is said."""

    def __init__(self, node: Node, *, chatty: bool = False) -> None:
        self.node = node
        self.shipped = Survivor(node, str(BASE))
        self.chatty = chatty
        node.write("/etc/systemd/journald.conf.d/driven.conf", "[Journal]\nRateLimitIntervalSec=0\n")
        node.run("systemctl", "restart", "systemd-journald.service")

    def run(self, steps: list[Step], seed: int | None = None, *, finish: bool = True) -> Report:
        """Restore everything, do the steps, check; then restore everything, and check that all works; a report."""
        self.report = Report(seed, steps)
        self.model = self.report.model
        self.step = 0
        self.cursor = ""
        self.begun = time.monotonic()
        self.threads: list[threading.Thread] = []
        self._lock = threading.RLock()
        self.text = str(BASE)
        self._restore()
        start = self._cursor()
        self._daemon_says()
        with Watcher(self.node) as watcher:
            self.watcher = watcher
            for self.step, (name, arguments) in enumerate(steps, 1):
                self.say(f"{self.step}: {name} {arguments}")
                STEPS[name].act(self, **arguments)
            self.step += 1
            self.quiet()
            if finish:
                self._finish()
            for text in watcher.stale[:1]:
                self.violate("clstat is never old", "", text)
            self.model.checked["clstat is never old"] += watcher.clstat_looks
        if self.report.violations:
            options = ("-b", "-q", "--no-pager", "-o", "short-monotonic", f"--after-cursor={start}")
            self.report.journal = self.node.run("journalctl", *options, check=False).stdout
        return self.report

    # For the steps.

    def say(self, text: str) -> None:
        """Note what happens."""
        line = f"{time.monotonic() - self.begun:7.2f} {text}"
        self.report.log.append(line)
        if self.chatty:
            print(line, flush=True)

    def violate(self, rule: str, group: str, text: str) -> None:
        """Note that something was untrue; the same thing once."""
        with self._lock:
            if not any((seen.rule, seen.group) == (rule, group) for seen in self.report.violations):
                self.say(f"!!! [{rule}] {group}: {text}")
                self.report.violations.append(Violation(rule, group, self.step, text))

    def check(self, rule: str, group: str, *, holds: bool, text: str) -> None:
        """Count that a rule was looked at, and note if it does not hold."""
        self.model.checked[rule] += 1
        if not holds:
            self.violate(rule, group, text)

    def do(self, *argv: str, timeout: float = 20.0) -> int:
        """Run a command in the node, whatever comes of it; its exit code, or -1 if it takes too long."""
        try:
            done = self.node.run(*argv, check=False, timeout=timeout)
        except subprocess.TimeoutExpired:
            self.say(f"   {' '.join(argv)} takes longer than {timeout:g} s")
            return -1
        if done.returncode:
            self.say(f"   {done.returncode}: {(done.stderr or done.stdout).strip()[:200]}")
        return done.returncode

    def tag(self, group: str, index: int) -> str:
        """An entry of a group in the table of now, by a number; one that was there if it has none."""
        lines = self.model.tables[-1].of(group) or BASE.of(group)
        return lines[index % len(lines)].tag

    def unit(self, group: str, tag: str) -> str:
        """Its unit."""
        return f"clinit-{group}@{tag}.service"

    def write(self, text: str) -> None:
        """Put a text in place of the table, whatever is there: a link, a directory."""
        etc = self.node.path("/etc")
        (etc / "cltab.new").write_text(text)
        if (etc / "cltab").is_dir() and not (etc / "cltab").is_symlink():
            (etc / "cltab").rmdir()
        (etc / "cltab.new").rename(etc / "cltab")

    def clstat(self) -> dict[str, tuple[str, str]]:
        """Level and state by group."""
        try:
            text = self.node.read(CLSTAT)
        except FileNotFoundError:
            return {}
        return {group: (level, state) for _, group, level, state in map(str.split, text.splitlines())}

    # Requests.

    def request(self, group: str, level: str, *, wait: bool) -> None:
        """`clinit GROUP LEVEL`, and what it says."""
        request = self._begin(group, level)
        try:
            self._request(request, wait=wait)
        finally:
            with self._lock:
                self.model.end(request)

    def background(self, group: str, level: str, *, wait: bool) -> None:
        """The same while other things are done."""
        request = self._begin(group, level)

        def run() -> None:
            try:
                self._request(request, wait=wait)
            finally:
                with self._lock:
                    self.model.end(request)

        self.beside(run)

    def beside(self, act: Callable[[], object]) -> None:
        """Do something while other things are done."""
        thread = threading.Thread(target=act)
        self.threads.append(thread)
        thread.start()

    def _begin(self, group: str, level: str) -> Request:
        with self._lock:
            return self.model.begin(group, level)

    def _request(self, request: Request, *, wait: bool) -> None:
        group, level = request.group, request.level
        options = ("--wait", "--timeout", str(REQUEST_PATIENCE)) if wait else ()
        try:
            done = self.node.run("clinit", *options, group, level, check=False, timeout=PATIENCE + 10)
        except subprocess.TimeoutExpired:
            self.violate("a request ends", group, f"clinit {group} {level} hangs")
            return
        look = self.watcher.look()
        with self._lock:
            self.say(f"   clinit {group} {level}: {done.returncode} {done.stdout.strip()} {done.stderr.strip()[:300]}")
            self.model.outcomes[f"clinit{' --wait' if wait else ''} {done.returncode}"] += 1
            said = (done.stdout + done.stderr).strip()
            if "Traceback" in said:
                self.violate("no traceback", group, said)
            if done.returncode == 0 and not wait:
                self.model.accept(request)
            elif done.returncode == 0:
                self._reached(request, look, f"clinit --wait {group} {level}")
            elif done.returncode == 4:
                self.model.reach(request, reread=False)
                self.check("a failure has a reason", group, holds=bool(done.stderr.strip()), text=f"4, {said}")
            else:
                # Whether it was accepted is not known; and one that is refused may have begun.
                self.model.groups[group].asked = None
                self.check("a failure has a reason", group, holds=bool(said), text=f"{done.returncode} without a word")
            looks = self.watcher.between(time.monotonic() - REQUEST_PATIENCE, time.monotonic())
            # A client waits for a daemon that went away.
            if done.returncode == 5 and self.model.is_undisturbed(request) and all(look.daemon for look in looks):
                hindered = self.model.groups[group].hindered
                self.check("a request ends", group, holds=hindered, text=f"{level} not reached in {REQUEST_PATIENCE} s")

    def _reached(self, request: Request, look: Look, who: str) -> None:
        """Check what an answer of "done" says, at the moment it was said."""
        group, level = request.group, request.level
        self.model.reach(request)
        if not self.model.is_undisturbed(request) or not all(self.model.lines(group)):
            return
        self.model.groups[group].done = request.touched
        missing = self.model.missing(group, level, [look])
        if missing:  # between two restarts, if somebody killed it just before
            missing = self.model.missing(group, level, [look, *self._looks_for(0.5)])
        strangers = self.model.strangers(group, level, [look])
        rule = "done means done"
        if self.model.lasting(group, level):
            self.check(rule, group, holds=not missing, text=f"{who}: 0, without {missing}")
        self.check(f"{rule}, outside", group, holds=not strangers, text=f"{who}: 0, beside {strangers}")

    def _looks_for(self, seconds: float) -> list[Look]:
        start = time.monotonic()
        time.sleep(seconds)
        self.watcher.look()
        return self.watcher.between(start, time.monotonic())

    # The agent.

    def monitor(self, group: str, *, probe: bool = False) -> tuple[int, str]:
        """Have the agent look, and check what it says; its code and its reason."""
        before = self.watcher.look()
        pid = before.daemon
        with self._lock:
            stays_done = self.model.stays_done(group, STARTED)
        code, reason = self._act(group, "monitor", MONITOR_PATIENCE, interval="0" if probe else "10000")
        after = self.watcher.look()
        with self._lock:
            stays = self.model.stays(group)
            lived = [p for p in before.of(group) & after.of(group) if p.tag not in stays]
            if lived:
                self.check("not 7 of what lives", group, holds=code != NOT_RUNNING, text=f"7, and there are {lived}")
            looks = self.watcher.between(before.time - MOMENT, after.time)
            if code == SUCCESS and self.model.lasting(group, STARTED):
                nothing = not any(look.of(group) or _paused(look, group) for look in looks)
                self.check("not 0 of nothing", group, holds=not nothing, text="0, and nothing of it runs")
                looks = self.watcher.between(before.time - GRACE, after.time)
                if pid and all(look.daemon == pid for look in looks):
                    missing = self.model.missing(group, STARTED, looks)
                    self.check("not 0 of a part", group, holds=not missing, text=f"0, without {missing}")
            if stays_done and self.model.stays_done(group, STARTED):
                text = f"monitor: {code}, {reason}"
                self.check("0 of what was done", group, holds=code in {SUCCESS, DEGRADED}, text=text)
            known = {SUCCESS, 1, NOT_RUNNING, DEGRADED}
            self.check("a code of a monitor", group, holds=code in known, text=f"monitor: {code}, {reason}")
        return code, reason

    def agent_start(self, group: str) -> tuple[int, str]:
        """Have the agent start a group, and check; its code and its reason."""
        request = self._begin(group, STARTED)
        code, reason = self._act(group, "start", PATIENCE)
        look = self.watcher.look()
        with self._lock:
            if code == SUCCESS:
                self._reached(request, look, "agent start")
            else:
                self.model.groups[group].asked = None
                self.check("a failure has a reason", group, holds=bool(reason), text=f"agent start: {code}")
            self.model.end(request)
        return code, reason

    def agent_stop(self, group: str) -> tuple[int, str]:
        """Have the agent stop a group, and check; its code and its reason."""
        standing = self.model.groups[group]
        was = standing.asked
        request = self._begin(group, STOP)
        before = self.watcher.look()
        code, reason = self._act(group, "stop", PATIENCE)
        look = self.watcher.look()
        with self._lock:
            if code == SUCCESS and self.model.is_undisturbed(request):
                stays = self.model.stays(group)
                left = sorted(str(p) for p in look.of(group) if p.tag not in stays)
                self.check("a stop is a stop", group, holds=not left, text=f"stop: 0, and there are {left}")
                tests = self.failing_tests(group, STOP)
                if was not in {None, STOP} and before.of(group) and tests:
                    self.check("a failed stop level", group, holds=False, text=f"stop: 0, though {tests} fail")
            elif code != SUCCESS:
                self.check("a failure has a reason", group, holds=bool(reason), text=f"agent stop: {code}")
            if code == SUCCESS:
                self.model.reach(request, reread=False)
            if code != SUCCESS or self.clstat().get(group, ("", ""))[0] != STOP:
                # It may have been refused; and where nothing runs, the agent leaves it at that.
                standing.asked = None
            self.model.end(request)
        return code, reason

    def failing_tests(self, group: str, level: str) -> list[str]:
        """The tests of a level that are sure to fail, whichever lines the group has."""
        first, *others = self.model.lines(group)
        tests = [line for line in first if line.kind is Kind.TEST and level in line.levels]
        sure = [line for line in tests if all(line in other for other in others)]
        return [line.tag for line in sure if line.tag in self.model.missing_files]

    def _act(self, group: str, action: str, timeout: int, **meta: str) -> tuple[int, str]:
        resource = Resource(self.shipped, group, STARTED)
        try:
            code = resource.act(action, timeout=timeout, **meta)
        except subprocess.TimeoutExpired:
            code = -1
            self.violate("an agent ends in time", group, f"{action} takes longer than {timeout} s and 5")
        with self._lock:
            self.say(f"   agent {group} {action}: {code} {resource.reason}")
            self.model.outcomes[f"agent {action} {code}"] += 1
        return code, resource.reason

    # The daemon.

    def end_daemon(self, *argv: str) -> None:
        """Do something that ends the daemon by SIGTERM, and see how long it takes."""
        pid = self.watcher.look().daemon
        self.model.lose_requests()
        begin = time.monotonic()
        code = self.do(*argv)
        while pid and self.watcher.look().daemon == pid and time.monotonic() < begin + 10:
            time.sleep(0.02)
        took = time.monotonic() - begin
        self.model.lose_requests()
        if pid and code <= 0:
            # A restart is longer: until the new one is up.
            looks = self.watcher.between(begin, time.monotonic())
            gone = next((look.time for look in looks if look.daemon != pid), begin + took)
            self.report.slowest_end = max(self.report.slowest_end, gone - begin)
            text = f"{gone - begin:.1f} s to end ({' '.join(argv)})"
            self.check("the daemon ends", "", holds=gone - begin <= ENDS_IN, text=text)

    def _cursor(self) -> str:
        """Where the journal ends."""
        self.do("journalctl", "--sync")
        options = ("-b", "-q", "-n", "1", "-o", "cat", "--show-cursor")
        return self.node.run("journalctl", *options).stdout.rpartition("-- cursor: ")[2].strip()

    def _daemon_says(self) -> list[str]:
        """What is new in the daemon's journal."""
        before, self.cursor = self.cursor, self._cursor()
        if not before:
            return []
        options = ("-b", "-q", "-o", "cat", "-u", "clinit.service", f"--after-cursor={before}")
        return self.node.run("journalctl", *options, check=False).stdout.splitlines()

    # Quiet.

    def quiet(self) -> None:
        """Let everything come to its end; then clstat has to agree with the processes."""
        for thread in self.threads:
            thread.join()
        self.threads.clear()
        status = self._settled()
        said = self._daemon_says()
        if bugs := [number for number, line in enumerate(said) if _BUGS.search(line)]:
            self.violate("no internal error", "", "\n".join(said[max(bugs[0] - 3, 0) : bugs[0] + 40]))
        self.model.checked["no internal error"] += 1
        if status is None:
            return
        with self._lock:
            self.model.settle()
        looks = self.watcher.between(time.monotonic() - CALM, time.monotonic())
        longer = self.watcher.between(time.monotonic() - GRACE, time.monotonic())
        for group in GROUPS:
            self._agree(group, status.get(group), looks, longer)
        self._reasons(status)

    def _settled(self) -> dict[str, tuple[str, str]] | None:
        """Clstat when nothing has changed for a moment; None if there is no daemon to keep it true."""
        deadline = time.monotonic() + SETTLES_IN
        status, since, pid = self.clstat(), time.monotonic(), self.watcher.look().daemon
        while time.monotonic() < since + CALM or self._is_moving(status):
            if time.monotonic() > deadline:
                jobs = self.node.run("systemctl", "list-jobs", "--no-legend", "--no-pager", check=False).stdout
                for group in GROUPS:
                    if not self.model.groups[group].hindered:
                        level, state = status.get(group, ("", ""))
                        settled = state in {*SETTLED, "CONFIGURED", ""}
                        text = f"{level} {state}, after {SETTLES_IN:g} s, jobs: {jobs}"
                        self.check("groups settle", group, holds=settled, text=text)
                return None
            time.sleep(0.1)
            new, running = self.clstat(), self.watcher.look().daemon
            if (new, running) != (status, pid):
                status, since, pid = new, time.monotonic(), running
            if not pid and time.monotonic() > since + CALM:
                self.say("   no daemon")
                return None
        self.say(f"   clstat: {' '.join(f'{g}={v[0]}:{v[1]}' for g, v in status.items())}")
        return status if pid else None

    def _is_moving(self, status: dict[str, tuple[str, str]]) -> bool:
        return any(state not in {*SETTLED, "CONFIGURED"} for _, state in status.values())

    def _agree(self, group: str, shown: tuple[str, str] | None, looks: list[Look], longer: list[Look]) -> None:
        """Check a settled line of clstat against what runs."""
        level, state = shown or ("", "")
        standing = self.model.groups[group]
        if state in {"DONE", "PASSED"}:
            missing = self.model.missing(group, level, longer)
            if self.model.lasting(group, level):
                self.check("clstat agrees: runs", group, holds=not missing, text=f"{level} {state} without {missing}")
            strangers = self.model.strangers(group, level, looks)
            self.check("clstat agrees: outside", group, holds=not strangers, text=f"{level} {state} and {strangers}")
        elif state != "FAILED":
            strangers = self.model.strangers(group, None, looks)
            self.check("clstat agrees: nothing", group, holds=not strangers, text=f"{state or 'no line'}: {strangers}")
        if self.model.stays_done(group, level):
            self.check("done stays done", group, holds=state in {"DONE", "PASSED"}, text=f"{level} {state}")
        if standing.asked is not None and not standing.hindered and state in SETTLED:
            text = f"{standing.asked} was asked for, and it is {level} {state}"
            self.check("the level asked for", group, holds=level == standing.asked, text=text)

    def _reasons(self, status: dict[str, tuple[str, str]]) -> None:
        path = "/run/cltab2systemd/system/reasons"
        failed = {group: level for group, (level, state) in status.items() if state == "FAILED"}
        if not failed or not self.node.exists("/run/cltab2systemd/system"):
            return
        lines = self.node.read(path).splitlines() if self.node.exists(path) else []
        for group, level in failed.items():
            told = any(line.startswith(f"{group} {level} ") and line.split(" ", 2)[2].strip() for line in lines)
            self.check("FAILED has a reason", group, holds=told, text=f"{level} FAILED; reasons: {lines}")

    # Before and behind the steps.

    def _restore(self) -> None:
        """Everything as it should be, but for the levels of the groups."""
        self.node.shell(
            "find /etc/systemd/system -name 'clinit-*' -type l -lname /dev/null -delete;"
            " rm -rf /run/systemd/system.control; systemctl daemon-reload;"
            # Which a masked unit does not take.
            " for unit in $(systemctl show --property=Id,FreezerState 'clinit-*' | tr '\\n' ' ' | sed 's/Id=/\\n/g' |"
            " sed -n 's/ FreezerState=fr.*//p'); do timeout 10 systemctl thaw $unit || true; done;"
            f" mkdir -p {MARKS}; touch {' '.join(line.file for line in BASE.lines if line.kind is Kind.TEST)};"
            " systemctl is-active --quiet dbus || systemctl start dbus",
            timeout=120,
        )
        self.text = str(BASE)
        self.write(self.text)
        self.node.shell("systemctl start clinit.socket; systemctl start clinit.service", timeout=60)

    def _finish(self) -> None:
        """Restore everything; then each group does as it is told."""
        self.say("restored")
        try:
            self._restore()
        except subprocess.SubprocessError as error:
            self.violate("all is well again", "", f"cannot restore: {error}")
            return
        self.model.missing_files.clear()
        self.model.push(BASE)
        for standing in self.model.groups.values():
            standing.frozen.clear()
            standing.masked.clear()
        for group in GROUPS:
            self._all_is_well(group)
        failed = self.node.run(
            "systemctl", "list-units", "--failed", "--plain", "--no-legend", "clinit*", check=False
        ).stdout
        self.check("all is well again", "", holds=not failed, text=f"failed units: {failed}")
        for group in GROUPS:
            code, reason = self.agent_stop(group)
            self.check("all is well again", group, holds=code == SUCCESS, text=f"stop: {code}, {reason}")
            code, reason = self.monitor(group)
            self.check("all is well again", group, holds=code == NOT_RUNNING, text=f"then: {code}, {reason}")
        left = self.watcher.look().processes
        self.check("all is well again", "", holds=not left, text=f"stopped, and there are {left}")
        self.quiet()

    def _all_is_well(self, group: str) -> None:
        rule = "all is well again"
        done = self._run_wait(group, STARTED)
        if done and done.returncode == 4 and re.search(r"\((wait|once)\)", done.stderr):
            # What was broken off is not repeated below what runs; the way out is another level.
            self.say(f"   {done.stderr.strip()}")
            self._run_wait(group, STOP)
            done = self._run_wait(group, STARTED)
        said = f"{done.returncode}: {done.stdout.strip()} {done.stderr.strip()}" if done else "hangs"
        self.check(rule, group, holds=bool(done) and done is not None and done.returncode == 0, text=f"3: {said}")
        code, reason = self.monitor(group)
        self.check(rule, group, holds=code == SUCCESS, text=f"monitor: {code}, {reason}")

    def _run_wait(self, group: str, level: str) -> subprocess.CompletedProcess[str] | None:
        request = self._begin(group, level)
        try:
            done = self.shipped.clinit("-w", "--timeout", str(PATIENCE), group, level, timeout=PATIENCE + 10)
        except subprocess.TimeoutExpired:
            return None
        else:
            if done.returncode == 0:
                self._reached(request, self.watcher.look(), f"clinit --wait {group} {level}, restored")
            return done
        finally:
            self.model.end(request)


def _paused(look: Look, group: str) -> bool:
    return any(name == group for name, _ in look.pauses)


@contextlib.contextmanager
def driven_node(release: str | None = None, layer: Path | None = None) -> Iterator[Node]:
    """A node with the project and what the agent needs, on a release or the running root."""
    layer = layer or (roots.installed_package(release) if release else installed_layer())
    root = roots.root(release) if release else None
    with Node("driven", layers=[layer, agents_of_debian()], root=root) as node:
        yield node


def main(argv: Sequence[str] | None = None) -> int:
    """Drive until the time is up, print each violation and what was checked; 1 if anything was untrue."""
    parser = argparse.ArgumentParser(prog="driving", description="The daemon and the agent, driven at random.")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="the first seed (default: 1)")
    parser.add_argument("--steps", type=int, default=60, metavar="N", help="steps of each seed (default: 60)")
    parser.add_argument("--minutes", type=float, default=0, metavar="M", help="go on with the next seeds")
    parser.add_argument("--release", choices=roots.RELEASES, help="of the node; else the running root")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="steps, one in a line, as they are printed")
    parser.add_argument("--reports", type=Path, metavar="DIRECTORY", help="write each report there")
    parser.add_argument("--chatty", action="store_true", help="print all that happens")
    options = parser.parse_args(argv)
    total = Model()
    failures = 0
    with driven_node(options.release) as node:
        driver = Driver(node, chatty=options.chatty)
        driver.shipped.start()
        end = time.monotonic() + options.minutes * 60
        seed = options.seed
        while True:
            steps = _read(options.replay) if options.replay else steps_of(seed, options.steps)
            report = driver.run(steps, seed)
            total.checked += report.model.checked
            total.outcomes += report.model.outcomes
            print(
                f"seed {seed}: {len(report.violations)} violations, slowest end {report.slowest_end:.1f} s", flush=True
            )
            for violation in report.violations:
                print(f"   {violation}", flush=True)
            failures += len(report.violations)
            if report.violations and options.reports:
                options.reports.mkdir(parents=True, exist_ok=True)
                (options.reports / f"seed-{seed}").write_text(str(report))
            elif report.violations and not options.minutes:
                print(report.short())
            seed += 1
            if time.monotonic() >= end or options.replay:
                break
    rules = sorted({*RULES, *total.checked})
    print("checked:", *(f"{total.checked[rule]:6} {rule}" for rule in rules), sep="\n  ")
    print("answers:", *(f"{number:6} {answer}" for answer, number in sorted(total.outcomes.items())), sep="\n  ")
    return 1 if failures else 0


def _read(path: Path) -> list[Step]:
    return [(name, arguments) for name, arguments in map(json.loads, path.read_text().splitlines())]


if __name__ == "__main__":
    sys.exit(main())
