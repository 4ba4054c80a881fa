"""What a try leaves behind in its control group, which is a file of the test's."""

import subprocess
from pathlib import Path

from cltab2systemd.probing.leftovers import Leftovers

GROUP = "sys/fs/cgroup/clinit.slice/clinit-web@db:ready.service"


def test_who_was_there_is_spared(tmp_path: Path) -> None:
    """All others are killed; what does not go, or is not there any more, is not waited for without end."""
    for directory in ("proc/self", GROUP):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/clinit.slice/clinit-web@db:ready.service\n")
    processes = tmp_path / GROUP / "cgroup.procs"
    with (
        subprocess.Popen(["sleep", "1000"]) as own,
        subprocess.Popen(["sleep", "1000"], start_new_session=True) as left,
    ):
        try:
            processes.write_text(f"{own.pid}\n")
            leftovers = Leftovers(str(tmp_path))
            leftovers.end()
            processes.write_text(f"{own.pid}\n{left.pid}\n{2**22 + 1}\n")
            leftovers.end()
            assert left.wait(20) == -9
            assert own.poll() is None
        finally:
            own.kill()
            left.kill()


def test_without_a_control_group_nothing_is_killed(tmp_path: Path) -> None:
    """Where nothing tells who is there."""
    Leftovers(str(tmp_path)).end()
