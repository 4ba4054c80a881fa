"""Faults that `check` cannot see: each is found with its place and its reason, and without them nothing is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from rehearsing import faults, have_units, rehearsed, seen_by_all

from cltab2systemd.node import cgroups, host
from cltab2systemd.node.spec import NodeSpec
from cltab2systemd.rehearsal import direction
from cltab2systemd.rehearsal.direction import Wishes
from cltab2systemd.rehearsal.standin import Choice
from lab.install import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNITS = "/etc/systemd/system"
CHECK = (sys.executable, "-c", "from cltab2systemd.commands.main import main; main()", "check", "--format", "json")


@pytest.fixture
def place(lab: None) -> Iterator[Path]:
    """Give a directory of the machine with programs, one of them where root alone may go."""
    if reason := host.shortcoming(NodeSpec("rehearsal", own_users=True)):
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    with seen_by_all() as directory:
        files = {
            "open/run": "#!/bin/sh\n", "private/run": "#!/bin/sh\n", "mine": ":\n",
            "strange": f"#!{directory}/private/run\n",
            "open/serve": "#!/bin/sh\nexec python3 -m http.server 8080 --bind 127.0.0.1\n",
        }  # fmt: skip
        for name, text in files.items():
            (directory / name).parent.mkdir(exist_ok=True)
            (directory / name).write_text(text)
            (directory / name).chmod(0o755)
        (directory / "private").chmod(0o700)
        (directory / "mine").chmod(0o600)
        yield directory


def checked(place: Path, table: str) -> list[str]:
    """What `check` has to say about a table, on this machine with the units that `have_units` has put below `place`."""
    path, units = place / "cltab", place / f"root{UNITS}"
    path.write_text(table)
    units.mkdir(parents=True, exist_ok=True)
    script = f'mount --bind "$0" {UNITS}; exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", script, units, *CHECK, path],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return [f"{finding['source']}: {finding['message']}" for finding in json.loads(done.stdout)]


def sound(place: Path) -> str:
    """A table with which nothing is wrong."""
    return (
        f"web:private:3:wait:{place}/open/run\n"
        f"web:hidden:3:respawn:exec {place}/open/run\n"
        f"web:noexec:3:wait:{place}/open/run\n"
        "web:directory:3:once:true\n"
        "web:state:3:respawn:sleep 5\n"
        "web:filter:3:test:true\n"
        "web:memory:3:test:true\n"
        f"web:script:3:once:sh {place}/open/run\n"
        f"web:strange:3:test:{place}/open/run\n"
        "web:dropped:3:respawn:sleep 5\n"
        "web:masked:3:wait:true\n"
        "web:broken:3:wait:true\n"
        "web:skipped:3:respawn:sleep 5\n"
        f"web:shell:3:test:cd {place}/open && exec ./run\n"
        f"web:logs:3:once:exec {place}/open/run >>{place}/new/log <{place}/new/queue\n"
        f"web:made:3:test:mkdir -p {place}/new && cd {place}/new && exec ../open/run\n"
        ":::service.private:User=daemon\n"
        f":::service.hidden:InaccessiblePaths={place}/private\n"
        f":::service.noexec:NoExecPaths={place}/private\n"
        f":::service.directory:WorkingDirectory={place}/open\n"
        ":::service.directory:User=daemon\n"
        ":::service.state:StateDirectory=rehearsed\n"
        ":::service.filter:SystemCallFilter=@system-service\n"
        ":::service.memory:LimitAS=1G\n"
        ":::service.script:User=daemon\n"
        ":::service.strange:User=daemon\n"
        ":::service.shell:User=daemon\n"
    )


def sends_nobody_away(told: dict[str, str]) -> list[str]:
    """The faults that name a command for a daemon or a unit that there is in the rehearsal only, and is gone with it.

    A mask is one of the machine.
    """
    return [text for text in told.values() if re.search(r"'clinit |clinitctl|systemctl [^u]|journalctl", text)]


def test_a_sound_table(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to tell of it."""
    have_units(monkeypatch, place / "root", {})
    found = rehearsed(sound(place), sound(place))
    assert faults(found) == {}
    assert found.is_fine
    assert [seen.state for seen in found.moves] == ["DONE"]


def test_faults_that_check_cannot_see(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is found with the entry that has it, and why; `check` knows of none, on the same machine."""
    have_units(monkeypatch, place / "root", {
        f"{UNITS}/clinit-web@dropped.service.d/site.conf": "[Service]\nUser=no-such-user\n",
        f"{UNITS}/clinit-web@skipped.service.d/site.conf": "[Unit]\nConditionPathExists=/no/such/path\n",
        f"{UNITS}/clinit-web@broken.service.d/site.conf": "[Service]\nRestart=always\n",
        f"{UNITS}/clinit-web@masked.service": None,
    })  # fmt: skip
    table = sound(place)
    for old, new in (
        (f"private:3:wait:{place}/open/run", f"private:3:wait:{place}/private/run"),
        (f"hidden:InaccessiblePaths={place}/private", f"hidden:InaccessiblePaths={place}/open"),
        (f"noexec:NoExecPaths={place}/private", f"noexec:NoExecPaths={place}/open"),
        (f"directory:WorkingDirectory={place}/open", f"directory:WorkingDirectory={place}/private"),
        ("StateDirectory=rehearsed", "StateDirectory=dpkg/status"),  # a file on every Debian
        ("@system-service", "read"),
        ("LimitAS=1G", "LimitAS=1M"),
        (f"sh {place}/open/run", f"sh {place}/mine"),
        (f"strange:3:test:{place}/open/run", f"strange:3:test:{place}/strange"),
        (f"cd {place}/open", f"cd {place}/private"),
    ):
        assert old in table
        table = table.replace(old, new)

    assert checked(place, table) == []
    found = rehearsed(sound(place), table)

    reasons = {
        "private": f"daemon may not enter {place}/private",
        "hidden": f"{place}/open",
        "noexec": f"may not execute {place}/open/run",
        "directory": "200/CHDIR",
        "state": "238/STATE_DIRECTORY",
        "filter": "SIGSYS",
        "memory": "127",
        "script": f"daemon may not read {place}/mine",
        "strange": f"its interpreter: daemon may not enter {place}/private",
        "shell": f"cannot enter {place}/private",
        "dropped": "217/USER",
        "masked": "is masked; 'systemctl unmask clinit-web@masked.service' undoes that",
        "broken": "cannot be loaded (bad-setting)",
        "skipped": "ConditionPathExists=/no/such/path does not hold",
    }
    told = faults(found)
    assert {*reasons} == {*told}
    for tag, reason in reasons.items():
        assert reason in told[tag], told[tag]
    assert not found.is_fine
    assert sends_nobody_away(told) == []


def test_a_drop_in_that_ties_groups_together(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it does is not what explain foretells: that is told, of a group that moves and of one that stays."""
    tied = "[Unit]\nPartOf=clinit-web@moved.service\n"
    have_units(monkeypatch, place / "root", {
        "/etc/systemd/system/clinit-web@stays.service.d/site.conf": tied,
        "/etc/systemd/system/clinit-mail@queue.service.d/site.conf": tied,
    })  # fmt: skip
    old = "web:stays:3:respawn:sleep 5\nweb:moved:3:respawn:sleep 6\nmail:queue:1:respawn:sleep 5\n"
    new = old.replace("sleep 6", "sleep 7")
    assert checked(place, new) == []
    found = rehearsed(old, new)
    told = faults(found)
    assert "foretold was to leave it alone" in told["stays"]
    assert "only other groups were asked for" in told["queue"]


def test_commands_for_real(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they do is seen: a test that fails, a port that is taken, and a program that only SIGKILL ends.

    What the machine's systemd has as defaults is there.
    """
    monkeypatch.setattr(direction, "_LINGER", 1.5)  # none of these takes longer to end
    have_units(monkeypatch, place / "root", {
        "/etc/systemd/system.conf": "[Manager]\nDefaultEnvironment=SITE=here\nDefaultLimitNOFILE=99\nLogLevel=debug\n",
        "/etc/systemd/system.conf.d/limit.conf": "[Manager]\nDefaultLimitNOFILE=777\nDefaultStandardOutput=tty\n",
    })  # fmt: skip
    serve = f"exec {place}/open/serve"
    table = (
        "web:config:3:test:test -d /no/such/directory\n"
        f"web:first:3:respawn:{serve}\n"
        f"web:second:3:respawn:sleep 0.3; {serve}\n"
        "deaf:deaf:3:respawn:trap '' INT TERM; while :; do sleep 1; done\n"
        "deaf:other:m:wait:true\n"
        "other:foreground:3:respawn:exec true\n"
        'told:told:3:test:test "$CLINIT_REHEARSAL" = 1\n'
        'told:site:3:test:test "$SITE $(ulimit -n)" = "here 777"\n'
        ":::service.deaf:TimeoutStopSec=200ms\n"
        ":::service.deaf:TimeoutAbortSec=200ms\n"
    )
    assert checked(place, table) == []
    found = rehearsed(table, table, Wishes(choice=Choice(all_real=True)))
    told = faults(found)
    assert "exited with 1" in told["config"]
    assert "second" in told
    assert "SIGKILL ended it" in told["deaf"]
    assert "a respawn has to stay in the foreground, so have its program do that" in told["foreground"]
    assert sends_nobody_away(told) == []
    assert {"told", "site"}.isdisjoint(told)
    assert "first" not in told


def test_what_only_stand_ins_make(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What needs a file of an entry before it is told which were stand-ins, and is well once these run for real."""
    monkeypatch.setattr(direction, "_LINGER", 1.5)
    have_units(monkeypatch, place / "root", {})
    table = (
        f"web:make:3:wait:mkdir -p {place}/made\n"
        "web:other:3:once:true\n"
        f"web:check:3:test:test -d {place}/made\n"
        f"web:inside:3:respawn:cd {place}/made && exec sleep 5\n"
        f"mail:first:3:test:test -d {place}/made\n"
        "mail:late:3:wait:true\n"
    )
    told = faults(rehearsed(table, table, Wishes(choice=Choice({"check", "first"}))))
    assert {*told} == {"check", "inside", "first"}
    assert told["check"].endswith(
        " | it may need what make, other make, which were stand-ins: --real make --real other runs these, too"
    )
    assert told["inside"].endswith(" | it may need what make makes, which was a stand-in: --real make runs that, too")
    assert "stand-in" not in told["first"]
    mended = rehearsed(table, table, Wishes(("web",), choice=Choice({"make", "check"})))
    assert faults(mended) == {}


def test_an_entry_that_is_to_fail(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails, and what is required of it is not started; that is as asked, and no fault."""
    have_units(monkeypatch, place / "root", {})
    table = "web:mount:3:wait:true\nweb:app:3:respawn:sleep 5\n:::required.mount:yes\n"
    found = rehearsed(table, table, Wishes(choice=Choice(failing={"mount"})))
    assert [seen.state for seen in found.moves] == ["FAILED"]
    assert found.is_fine
    assert "exited with 1" in faults(found)["mount"]
    assert "was not started" in faults(found)["app"]


@pytest.mark.parametrize("required", ["", ":::required.server:yes\n"])
@pytest.mark.parametrize("mode", ["respawn", "once", "wait"])
def test_an_entry_that_is_to_fail_is_not_ready(
    place: Path, monkeypatch: pytest.MonkeyPatch, mode: str, required: str
) -> None:
    """Its readiness fails with it, whichever is seen first; what is behind it is not blamed on anything else."""
    have_units(monkeypatch, place / "root", {})
    table = f"web:server:34:{mode}:exec sleep 5\nweb:app:34:respawn:sleep 5\n:::ready.server:tcp:5432\n{required}"
    found = rehearsed(table, table, Wishes(choice=Choice(failing={"server"})))
    told = {(str(finding.kind), finding.tag) for seen in found.moves for finding in seen.findings}
    assert {kind for kind, _ in told} == {"asked"}, faults(found)
    assert ("asked", "server:ready") in told
    assert (("asked", "app") in told) is bool(required)
    assert {seen.state for seen in found.moves if seen.move.target.level} == {"FAILED"}
    assert found.is_fine


def test_what_is_kept_back_with_its_readiness(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither is started, and the entry alone is told of: as asked."""
    have_units(monkeypatch, place / "root", {})
    table = "web:mount:34:wait:true\nweb:app:34:respawn:sleep 5\n:::required.mount:yes\n:::ready.app:tcp:5432\n"
    found = rehearsed(table, table, Wishes(choice=Choice(failing={"mount"})))
    assert {(str(finding.kind), finding.tag) for seen in found.moves for finding in seen.findings} == {
        ("asked", "mount"), ("asked", "app"),
    }, faults(found)  # fmt: skip
    assert found.is_fine


def test_what_a_rehearsal_has_no_means_for(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What only the machine can give is told as such, and is no fault; a value that no kernel takes is one."""
    have_units(monkeypatch, place / "root", {})
    (place / "jail").mkdir()
    (place / "jail/marker").touch()
    table = (
        "a:io:3:wait:true\nb:fifo:3:wait:true\nc:priority:3:wait:true\nd:tty:3:wait:true\ne:address:3:wait:true\n"
        "f:jail:3:test:test -e /marker && test ! -e /srv\ng:outside:3:wait:no-such-program\nh:large:3:wait:true\n"
        ":::service.io:IOSchedulingClass=realtime\n"
        ":::service.fifo:CPUSchedulingPolicy=fifo\n"
        ":::service.priority:CPUSchedulingPriority=5\n"
        ":::service.tty:StandardOutput=tty\n"
        ":::service.address:IPAddressDeny=any\n"
        f":::service.jail:RootDirectory={place}/jail\n"
        ":::service.jail:BindReadOnlyPaths=/usr /bin /lib /lib64\n"
        f":::service.outside:RootDirectory={place}/jail\n"
        ":::service.large:MemoryMax=1G\n"
    )
    found = rehearsed(table, table, Wishes(choice=Choice(real={"io", "fifo", "priority", "tty", "address", "jail"})))

    kinds = {finding.tag: str(finding.kind) for seen in found.moves for finding in seen.findings}
    assert kinds == {"io": "unseen", "fifo": "unseen", "tty": "unseen", "priority": "failed", "outside": "failed"}
    told = faults(found)
    assert "nobody may have that in a rehearsal" in told["io"]
    assert "has no terminal of the machine" in told["tty"]
    unseen = "\n".join(found.unseen)
    assert "IPAddressDeny= of address: it is not kept here, for that takes BPF" in unseen
    assert f"outside: RootDirectory={place}/jail: its stand-in runs outside of that" in unseen
    assert not any(line.startswith("jail: ") for line in found.unseen)
    has_memory = "memory" in cgroups.controllers()
    assert ("MemoryMax= of large: it is not kept here" in unseen) is not has_memory
