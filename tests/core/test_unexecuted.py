"""What systemd has forked, and does not bring to its command: nobody says that it runs, however long that takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from answers import reasons_of
from programs import RUN

from lab.waiting import wait_until

if TYPE_CHECKING:
    from instance import Group

# Seconds for which a process is held before its command. As long as there were limits for that, they were shorter.
HELD = 6.0


def hold(group: Group, *lines: str) -> None:
    """Have systemd hold each process of an entry before its command, until `release`, and then do what lines say."""
    fifo = f"/run/{group.name}"
    settings = "".join(f"{line}\n" for line in ("[Service]", f"StandardOutput=file:{fifo}", *lines))
    group.node.run("mkfifo", fifo)
    group.node.write(f"/etc/systemd/system/{group.unit('app')}.d/hold.conf", settings)


def release(group: Group) -> None:
    """Have systemd go on, with each process."""
    group.node.run("systemd-run", "--quiet", "sh", "-c", f"exec 3<>/run/{group.name}; exec sleep 1000")


def shown(group: Group) -> tuple[int, bool]:
    """What `clinitctl status` comes to, and whether it says that an entry is being started."""
    done = group.node.run("clinitctl", "status", group.name, check=False)
    return done.returncode, f"{group.name}.app  starting" in done.stdout


@pytest.mark.parametrize("mode", ["respawn", "once"])
def test_what_cannot_be_executed_after_a_while(group: Group, mode: str) -> None:
    """It is STARTING, for whoever asks, with a new daemon and without one, until it has failed. Then it is FAILED."""
    group.define(f"app:1:{mode}:{RUN}")
    hold(group, "WorkingDirectory=/nonexistent")
    client = group.node.popen("clinit", "--wait", group.name, "1")
    wait_until(lambda: group.pid("app") != 0)
    time.sleep(HELD)

    assert client.poll() is None
    assert group.status == "1 STARTING"
    assert shown(group) == (0, True)
    group.instance.kill()
    assert shown(group) == (3, True)
    group.instance.start()
    assert group.status == "1 STARTING"
    release(group)
    assert client.wait(20) == 4
    assert group.status == "1 FAILED"
    assert " DONE" not in group.node.run("clinitctl", "history", group.name).stdout


def test_what_is_executed_after_a_while(group: Group) -> None:
    """Who waits is answered then, and not before."""
    group.define(f"app:1:respawn:{RUN}")
    hold(group)
    client = group.node.popen("clinit", "--wait", group.name, "1")
    wait_until(lambda: group.pid("app") != 0)
    time.sleep(HELD)
    assert client.poll() is None
    release(group)

    assert client.wait(20) == 0
    assert group.status == "1 DONE"


def test_one_that_is_restarted_is_well(group: Group) -> None:
    """A respawn entry that was its command, and ends, leaves its group as it is; who asks waits until it is back."""
    group.define(f"app:1:respawn:{RUN}")
    hold(group)
    release(group)
    group.switch("1")
    group.node.run("rm", f"/run/{group.name}")
    group.node.run("mkfifo", f"/run/{group.name}")
    pid = group.pid("app")
    group.node.run("kill", str(pid))
    wait_until(lambda: group.pid("app") not in {0, pid})
    client = group.node.popen("clinit", "--wait", group.name, "1")
    time.sleep(HELD)

    assert group.status == "1 DONE"
    assert client.poll() is None
    assert "has ended, and is started again" in group.node.run("clinitctl", "status", group.name, check=False).stdout
    release(group)
    assert client.wait(20) == 0


def test_one_that_fails_when_it_is_restarted(group: Group) -> None:
    """A respawn entry that was its command, and cannot be executed again, is FAILED as soon as that is known."""
    group.define(f"app:1:respawn:{RUN}")
    hold(group)
    release(group)
    group.switch("1")
    settings = f"[Service]\nWorkingDirectory=/nonexistent\nStandardOutput=file:/run/{group.name}\n"
    group.node.write(f"/etc/systemd/system/{group.unit('app')}.d/hold.conf", settings)
    group.node.run("systemctl", "daemon-reload")
    group.node.run("kill", str(group.pid("app")))
    done = group.instance.clinit("--wait", group.name, "1")

    assert (4, [f"{group.name}: {group.name}.app (respawn) could not be started: 200/CHDIR"]) == (
        done.returncode, [line[:line.index("CHDIR") + 5] for line in reasons_of(done.stderr) if "CHDIR" in line]
    )  # fmt: skip
    group.wait_for("1 FAILED")
