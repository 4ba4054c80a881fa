"""A group that leaves the table in the middle of something: nothing more of it is started, and clstat tells the end."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from answers import answered
from instance import IDLE
from programs import RUN, RUN_NEW, held

from cltab2systemd import events
from cltab2systemd.units.names import HALT_LEVEL
from lab.waiting import wait_until

if TYPE_CHECKING:
    from instance import Instance

HELD = held("/run/held")
OTHER = f"other:o:1:respawn:{RUN}\n"
LEFT = "clinit: gone has left the table, and still runs at level 1; 'clinit --apply' stops it\n"
REFUSED = "gone has left the table in the meantime; 'clinit --apply' stops what still runs of it"
STOPPED = "clinit: gone has left the table, and is being stopped\n"


@pytest.fixture
def gone(shared: Instance) -> Instance:
    """A group `gone` at level 1. Its entry g is about to get another line, and does not stop while /run/held is there.

    Its other entries run, or are only in the new lines.
    """
    shared.node.run("rm", "-f", "/run/held")  # of a test that has failed
    lines = f"gone:g:1:respawn:{{}}\ngone:k:1:respawn:{RUN}\n"
    shared.write_table(IDLE + OTHER + lines.format(HELD))
    answered(shared.clinit("-w", "gone", "1"), code=0, out="gone 1 DONE\n")
    wait_until(lambda: shared.node.exists("/run/held"))
    shared.write_table(IDLE + OTHER + lines.format(RUN_NEW) + f"gone:n:1:respawn:{RUN}\n")
    return shared


def is_stopped_by_apply(daemon: Instance) -> None:
    applied = daemon.clinit("--apply")
    answered(applied, code=0, out="gone has left the table: stopped\n  k  stopped\n", err=STOPPED)
    wait_until(lambda: "gone" not in daemon.clstat())
    assert daemon.main_pid("clinit-gone@k.service") == 0
    assert not [file for file in daemon.node.path("/run/systemd/system").iterdir() if "gone" in file.name]


def test_under_way(gone: Instance) -> None:
    """The request is refused when it would begin with lines that are not there any more; what is up stays up."""
    request = gone.node.popen("clinit", "-w", "gone", "1", stdout=subprocess.PIPE)
    wait_until(lambda: gone.clstat()["gone"] == "1 STOPPING")
    kept = gone.main_pid("clinit-gone@k.service")
    gone.write_table(IDLE + OTHER)
    answered(gone.clinit("-w", "other", "1"), code=0, out="other 1 DONE\n", err=LEFT)
    gone.node.run("rm", "/run/held")
    out, _ = request.communicate(timeout=30)

    assert (request.returncode, out) == (1, (REFUSED + "\n").encode())
    assert gone.clstat()["gone"] == "1 FAILED"
    assert REFUSED in gone.node.run("clinitctl", "status", "gone", check=False).stdout
    assert [gone.main_pid(f"clinit-gone@{tag}.service") for tag in "gkn"] == [0, kept, 0]
    is_stopped_by_apply(gone)


def test_a_level_lost_under_way(gone: Instance) -> None:
    """So it is if the lines that it would begin with declare levels, and its own is none of these."""
    request = gone.node.popen("clinit", "-w", "gone", "1", stdout=subprocess.PIPE)
    wait_until(lambda: gone.clstat()["gone"] == "1 STOPPING")
    kept = gone.main_pid("clinit-gone@k.service")
    lines = f"gone:k:2:respawn:{RUN}\n:::levels.gone:stop\n"
    gone.write_table(IDLE + OTHER + lines)
    assert gone.clinit().returncode == 0
    gone.node.run("rm", "/run/held")
    out, _ = request.communicate(timeout=30)

    told = "no entry of gone names level '1', and :::levels.gone: does not declare it"
    assert (request.returncode, told.encode() in out) == (1, True)
    assert gone.clstat()["gone"] == "1 FAILED"
    assert gone.main_pid("clinit-gone@k.service") == kept
    answered(gone.clinit("-w", "gone", "2"), code=0, out="gone 2 DONE\n")
    gone.write_table(IDLE + OTHER)
    gone.clinit()


def test_a_daemon_killed_under_way(gone: Instance) -> None:
    """The next daemon does not go on with the request, and does not say for ever that it is under way."""
    assert gone.clinit("gone", "1").returncode == 0
    gone.kill()
    kept = gone.main_pid("clinit-gone@k.service")
    gone.write_table(IDLE + OTHER)
    gone.node.run("rm", "/run/held")
    gone.start()

    wait_until(lambda: gone.clstat()["gone"] == "1 FAILED")
    assert gone.main_pid("clinit-gone@k.service") == kept
    is_stopped_by_apply(gone)


def test_a_stop_that_goes_on(gone: Instance) -> None:
    """The log says so in words, after a refused request and after a restart; the field has the level as it is."""
    table = gone.node.read("/etc/cltab")
    resumed = {"MESSAGE": "gone: going on with its stop", "CLINIT_LEVEL": HALT_LEVEL, "CLINIT_ASKED_BY": "resumed"}
    gone.write_table(IDLE + OTHER)
    answered(gone.clinit(), code=0, err=STOPPED)
    gone.write_table(f"{table}:::preflight.g:false\n")
    assert "so gone is being stopped as before: " in gone.clinit("-w", "gone", "1").stdout
    wait_until(lambda: resumed.items() <= gone.told(events.RESUMED, group="gone").items())
    first = gone.told(events.RESUMED, group="gone")
    gone.kill()
    gone.start()

    assert gone.clstat()["gone"] == "1 HALTING"
    second = gone.told(events.RESUMED, group="gone")
    assert resumed.items() <= second.items()
    assert first["CLINIT_REQUEST"] != second["CLINIT_REQUEST"]
    gone.node.run("rm", "/run/held")
    wait_until(lambda: gone.clstat()["gone"] == "1 CONFIGURED")


def test_units_that_a_killed_daemon_has_left(shared: Instance) -> None:
    """Units without lines are those of a group that was being installed. Nobody starts them by an old name."""
    for name in ("clinit-half@h.service", "clinitbarrier-half@1.service"):
        shared.node.write(f"/run/systemd/system/{name}", f"[Service]\nExecStart=/bin/sh -c '{RUN}'\n")
    shared.kill()
    shared.start()

    wait_until(lambda: not [f for f in shared.node.path("/run/systemd/system").iterdir() if "half" in f.name])
    assert "half" not in shared.clstat()
    shown = shared.properties("clinit-half@h.service", "LoadState")
    assert shown == {"LoadState": "not-found"}
