"""What tells that an entry has run on: systemd's link to its run, and its control group, as files of the test's."""

import os
import time
from pathlib import Path

import pytest

from cltab2systemd.probing.subject import ENDED, PAUSES, Subject

UNIT, PAUSE = "clinit-web@db.service", "/run/clinit-respawn/x/paused/sleep"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An entry that runs, with the readiness beside it."""
    for name, text in {
        "proc/self/cgroup": "0::/clinit.slice/clinit-web.slice/clinit-web@db:ready.service\n",
        "proc/7/cmdline": "/usr/bin/db\0--foreground\0",
        "sys/fs/cgroup/clinit.slice/clinit-web.slice/clinit-web@db:ready.service/cgroup.procs": "9\n",
        f"sys/fs/cgroup/clinit.slice/clinit-web.slice/{UNIT}/cgroup.procs": "7\n",
        f"sys/fs/cgroup/clinit.slice/clinit-web.slice/{UNIT}/cgroup.events": "populated 1\nfrozen 0\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "run/systemd/units").mkdir(parents=True)
    (tmp_path / f"run/systemd/units/invocation:{UNIT}").symlink_to("a" * 32)
    return tmp_path


def group(root: Path) -> Path:
    return root / f"sys/fs/cgroup/clinit.slice/clinit-web.slice/{UNIT}"


def link(root: Path) -> Path:
    return root / f"run/systemd/units/invocation:{UNIT}"


def test_it_runs_on(root: Path) -> None:
    """Nothing has changed."""
    assert not Subject(UNIT, PAUSE, str(root)).ending()


def test_another_run(root: Path) -> None:
    """It has been restarted, or stopped."""
    subject = Subject(UNIT, PAUSE, str(root))
    link(root).unlink()
    assert subject.ending() == ENDED
    link(root).symlink_to("b" * 32)
    assert subject.ending() == ENDED


def test_no_process_is_left(root: Path) -> None:
    """Its control group is empty, or gone."""
    subject = Subject(UNIT, PAUSE, str(root))
    (group(root) / "cgroup.events").write_text("populated 0\nfrozen 0\n")
    assert subject.ending() == ENDED
    (group(root) / "cgroup.events").unlink()
    assert subject.ending() == ENDED


def test_it_pauses(root: Path) -> None:
    """One of its processes is the program of the pause."""
    subject = Subject(UNIT, PAUSE, str(root))
    (group(root) / "cgroup.procs").write_text("5\n7\n")
    (root / "proc/7/cmdline").write_bytes(f"{PAUSE}\0".encode() + b"60\0")
    assert subject.ending() == PAUSES
    assert not Subject(UNIT, "", str(root)).ending()


def test_its_age(root: Path) -> None:
    """It is that of systemd's link."""
    subject = Subject(UNIT, PAUSE, str(root))
    set_age(root, 5)
    assert 5 <= subject.age() < 60
    link(root).unlink()
    assert subject.age() == 0


@pytest.mark.parametrize("age", [-3600, 10**9])
def test_a_clock_that_was_set(root: Path, age: int) -> None:
    """If the link is of a time that cannot be, the run is old enough for anything."""
    set_age(root, age)
    before = time.monotonic()
    assert before <= Subject(UNIT, PAUSE, str(root)).age() <= time.monotonic()


def set_age(root: Path, age: int) -> None:
    os.utime(link(root), (time.time() - age,) * 2, follow_symlinks=False)


def test_where_nothing_tells(tmp_path: Path) -> None:
    """Outside of such a control group, and without links, an entry is not taken for ended."""
    assert not Subject(UNIT, PAUSE, str(tmp_path)).ending()
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    assert not Subject(UNIT, PAUSE, str(tmp_path)).ending()
