"""Nodes keep their promises: real systemd nodes, apart from each other and from the host, gone without a trace."""

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from answers import answered
from support import NodeFactory, alive, cgroups_of, host_state, namespaces, processes_in

from cltab2systemd.node import cgroups, command
from cltab2systemd.node.command import CommandError
from cltab2systemd.node.errors import NodeError
from cltab2systemd.node.link import Link
from cltab2systemd.node.paths import inside
from cltab2systemd.node.spec import Bind, NodeSpec
from lab.install import PROJECT
from lab.node import Node
from lab.waiting import wait_until


@pytest.fixture(scope="module")
def bare(lab: None) -> Iterator[Node]:
    """Boot a node without the project, for the tests that leave it as it is."""
    with Node("bare") as node:
        yield node


def unique_name() -> str:
    return f"t{uuid.uuid4().hex[:12]}"


def test_boots_to_running(node_factory: NodeFactory, capsys: pytest.CaptureFixture[str]) -> None:
    """A booted node is "running", not just on its way, and says how long it took."""
    start = time.monotonic()
    node = node_factory("quick")
    seconds = time.monotonic() - start
    with capsys.disabled():
        print(f" [boot: {seconds:.2f} s] ", end="")
    assert node.run("systemctl", "is-system-running").stdout == "running\n"


def test_starts_nothing_of_the_host(bare: Node) -> None:
    """Only the journal and D-Bus run, whatever the host has enabled."""
    units = bare.run("systemctl", "list-units", "--type=service", "--state=running", "--output=json").stdout
    assert units.count('"unit"') == 2
    assert "dbus.service" in units
    assert "systemd-journald.service" in units


def test_controllers(bare: Node) -> None:
    """A node has the cgroup controllers that it is said to have here, and no others."""
    assert cgroups.controllers() == set(bare.read("/sys/fs/cgroup/cgroup.controllers").split())


def test_run_returns_output_and_exit_code(bare: Node) -> None:
    """Standard output, standard error and the exit code come back separately."""
    done = bare.run("sh", "-c", "echo out; echo err >&2; exit 7", check=False)
    answered(done, out="out\n", err="err\n", code=7)


def test_run_passes_input_and_environment(bare: Node) -> None:
    """A command reads what it is given, in an environment of its own and nothing of ours."""
    assert bare.run("cat", input="täxt").stdout == "täxt"
    assert bare.run_bytes("cat", input=b"\xff\0").stdout == b"\xff\0"
    assert bare.run("cat").stdout == ""
    names = {line.partition("=")[0] for line in bare.run("env", env={"EXTRA": "1"}).stdout.splitlines()}
    assert names == {"PATH", "HOME", "USER", "LANG", "EXTRA"}


def test_run_as_another_user(bare: Node) -> None:
    """A command of another user has that user's ids and home."""
    done = bare.run("sh", "-c", "id -un; id -gn; echo $HOME", user="nobody")
    assert done.stdout.split() == ["nobody", "nogroup", "/nonexistent"]
    with pytest.raises(NodeError, match="no user 'nemo'"):
        bare.run("true", user="nemo")


def test_failed_run_shows_its_output(bare: Node) -> None:
    """The error of a failed command shows all it wrote."""
    with pytest.raises(CommandError, match="exit status 3") as raised:
        bare.shell("echo this; echo that >&2; exit 3")
    assert "--- stdout\nthis\n--- stderr\nthat" in str(raised.value)


def test_run_is_killed_at_its_timeout(bare: Node) -> None:
    """A command that takes too long is killed, with its children."""
    with pytest.raises(subprocess.TimeoutExpired):
        bare.run("sh", "-c", "sleep 4321 & wait", timeout=0.2)
    wait_until(lambda: bare.run("pgrep", "-f", "^sleep 4321", check=False).returncode == 1)


def test_what_is_killed_is_gone(bare: Node) -> None:
    """A command that is killed is not left to the machine's PID 1: the end of the node would wait for that, too."""
    with bare.popen("sh", "-c", "sleep 4322 & echo begun; wait", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        command.kill(process)
        assert process.wait() != 0
    assert not Path("/proc", child).exists()
    wait_until(lambda: bare.run("pgrep", "-f", "^sleep 4322", check=False).returncode == 1)


def test_popen_starts_a_long_command(bare: Node) -> None:
    """A command started with popen runs beside others and its output can be read."""
    with bare.popen("sh", "-c", "read line; echo got $line", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.poll() is None
        assert process.communicate(b"it\n")[0] == b"got it\n"


def test_a_long_command_ends_with_what_uses_it(bare: Node) -> None:
    """What fails beside it does not wait for its end."""
    with pytest.raises(RuntimeError), bare.popen("sleep", "4323") as process:
        raise RuntimeError

    assert process.returncode
    assert not bare.shell("pgrep -f 'sleep 4323' | grep -vx $$", check=False).stdout


def test_files_stay_in_the_node(bare: Node) -> None:
    """Files written to a node are read back from it and not seen on the host."""
    for directory in ("/etc", "/var/lib/lab", "/run", "/tmp", "/dev/shm", "/usr/local/bin"):
        path = Path(directory, unique_name())
        bare.write(path, "text\n", mode=0o755)
        assert bare.read(path) == "text\n"
        assert bare.shell(f"stat -c %a {path}; cat {path}").stdout == "755\ntext\n"
        assert not path.exists()
    assert not bare.exists("/etc/no-such-file")


def test_paths_follow_the_links_of_the_node(bare: Node) -> None:
    """An absolute link in the node leads to the node's file, not to the host's."""
    bare.shell("ln -s /run/lab-target /etc/lab-link; ln -s ../../../run /var/lab-dir; ln -s loop /etc/loop")
    bare.write("/etc/lab-link", b"through")
    assert bare.read("/var/lab-dir/lab-target") == "through"
    assert not Path("/run/lab-target").exists()
    with pytest.raises(OSError, match="Too many levels"):
        bare.read("/etc/loop")
    with pytest.raises(ValueError, match="not an absolute path"):
        inside(Path("/"), Path("etc"))


def test_host_is_out_of_reach(bare: Node) -> None:
    """A node can neither set the host's kernel parameters nor see its processes, yet has a network of its own."""
    assert bare.shell("echo 1 >/proc/sys/kernel/panic", check=False).returncode != 0
    bare.shell("echo 1 >/proc/sys/net/ipv4/ip_forward")
    assert bare.read("/proc/1/comm") != ""
    assert bare.run("ls", "/sys/class/net").stdout == "lo\n"
    assert int(bare.shell("ls -d /proc/[0-9]* | wc -l").stdout) < 20


def test_two_nodes_side_by_side(node_factory: NodeFactory) -> None:
    """Two nodes have host names, machine ids and units of the same name of their own."""
    nodes = [node_factory("left"), node_factory("right")]
    for node in nodes:
        unit = f"[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=sh -c 'echo {node.name} >/run/who'\n"
        node.write("/etc/systemd/system/who.service", unit)
        node.run("systemctl", "start", "who.service")
    assert [node.read("/run/who") for node in nodes] == ["left\n", "right\n"]
    assert [node.run("hostname").stdout for node in nodes] == ["left\n", "right\n"]
    assert nodes[0].read("/etc/machine-id") != nodes[1].read("/etc/machine-id")
    nodes[0].stop()
    assert nodes[1].run("systemctl", "is-active", "who.service").stdout == "active\n"


def test_layers_and_binds(node_factory: NodeFactory, tmp_path: Path) -> None:
    """Layers lie over the root, the first on top; binds show the host's files, writable only if asked for."""
    for name in ("upper", "lower"):
        (tmp_path / name / "etc").mkdir(parents=True)
        (tmp_path / name / "etc/layer").write_text(name)
        (tmp_path / name / f"etc/{name}").touch()
    fixed, loose = tmp_path / "fixed", tmp_path / "loose"
    fixed.write_text("fixed")
    loose.mkdir()
    node = node_factory(
        "layered",
        layers=[tmp_path / "upper", tmp_path / "lower"],
        binds=[Bind(fixed, Path("/srv/fixed")), Bind(loose, Path("/srv/loose"), read_only=False)],
    )
    assert node.read("/etc/layer") == "upper"
    assert node.exists("/etc/lower")
    assert node.run("cat", "/srv/fixed").stdout == "fixed"
    assert node.shell("echo >/srv/fixed", check=False).returncode != 0
    node.run("touch", "/srv/loose/seen")
    assert (loose / "seen").exists()


def test_journal_is_of_this_node(bare: Node) -> None:
    """The journal has what a unit wrote, whole or by unit, and nothing of the host."""
    bare.run("systemd-run", "--wait", "--unit=talker", "echo", "said by talker")
    assert "said by talker\n" in bare.journal()
    assert "said by talker\n" in bare.journal("talker.service")
    assert "said by talker\n" not in bare.journal("dbus.service")
    assert not bare.exists("/var/log/journal/" + bare.read("/etc/machine-id").strip())


def test_reboot_keeps_files_but_not_run(node_factory: NodeFactory) -> None:
    """After a reboot /etc and /var are as they were, enabled units start, /run and /tmp are empty."""
    node = node_factory("again")
    unit = "[Service]\nExecStart=sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
    node.write("/etc/systemd/system/lasting.service", unit)
    node.run("systemctl", "enable", "lasting.service")
    for directory in ("/etc", "/var/lib", "/run", "/tmp"):
        node.write(f"{directory}/before", "")
    boot_id = node.run("systemctl", "show", "--property=UserspaceTimestampMonotonic").stdout
    node.reboot()
    kept = [node.exists(f"{directory}/before") for directory in ("/etc", "/var/lib", "/run", "/tmp")]
    assert kept == [True, True, False, False]
    assert node.run("systemctl", "is-active", "lasting.service").stdout == "active\n"
    assert node.run("systemctl", "show", "--property=UserspaceTimestampMonotonic").stdout != boot_id
    assert node.run("systemctl", "is-system-running").stdout == "running\n"


def test_poweroff_stops_services(node_factory: NodeFactory, tmp_path: Path) -> None:
    """An orderly shutdown runs the ExecStop of services, pulling the plug does not."""
    unit = "[Service]\nExecStart=sleep infinity\nExecStop=touch /srv/%H\n"
    for name, end in (("orderly", Node.poweroff), ("unplugged", Node.stop)):
        node = node_factory(name, binds=[Bind(tmp_path, Path("/srv"), read_only=False)])
        node.write("/etc/systemd/system/witness.service", unit)
        node.run("systemctl", "start", "witness.service")
        end(node)
    assert [path.name for path in tmp_path.iterdir()] == ["orderly"]


def test_node_that_ended_by_itself_can_be_stopped(node_factory: NodeFactory) -> None:
    """A node that was powered off from inside is still stopped without an error."""
    node = node_factory(unique_name())
    pid = node.pid
    node.run("systemctl", "poweroff", check=False)
    wait_until(lambda: not alive(pid), what="the node ended")
    node.stop()
    assert cgroups_of(node.name) == []


def test_failed_boot_says_why(lab: None, tmp_path: Path) -> None:
    """A node that cannot boot raises NodeError with the reason and leaves nothing."""
    name = unique_name()
    with pytest.raises(NodeError, match=rf"(?s)node {name} did not boot.*No such file"):
        Node(name, root=tmp_path).boot()
    with pytest.raises(NodeError, match="is not running"):
        Node("off").run("true")
    assert cgroups_of(name) == []


def test_stuck_boot_says_where(node_factory: NodeFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that does not finish booting raises NodeError with the jobs it waits for and its journal, and is ended."""
    name = unique_name()
    monkeypatch.setattr("cltab2systemd.node.node.BOOT_TIMEOUT", 5.0)
    units = tmp_path / "layer/etc/systemd/system"
    (units / "multi-user.target.wants").mkdir(parents=True)
    (units / "stuck.service").write_text("[Service]\nType=oneshot\nExecStart=sleep infinity\n")
    (units / "multi-user.target.wants/stuck.service").symlink_to("../stuck.service")
    with pytest.raises(NodeError, match=r"(?s)still not up after 5 s.*stuck.service\s+start running.*Starting stuck"):
        node_factory(name, layers=[tmp_path / "layer"])
    assert cgroups_of(name) == []


@pytest.mark.parametrize("name", ["", "Big", "a b", "-a", "a/b", "a" * 43])
def test_bad_names_are_refused(name: str) -> None:
    """A name that is no host name is refused at once."""
    with pytest.raises(ValueError, match="not a node name"):
        Node(name)


@pytest.mark.parametrize("victim", ["parent", "supervisor"])
def test_node_dies_with_what_holds_it(lab: None, victim: str) -> None:
    """A node is gone when what booted it is killed, or even its supervisor: then its cgroup goes at the next boot."""
    name = unique_name()
    script = f"""\
import sys, time
from lab.node import Node
node = Node({name!r})
node.boot()
print(node.pid, node._link.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", script], cwd=PROJECT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, supervisor = map(int, parent.stdout.readline().split())
        assert Path(f"/proc/{pid}/comm").read_text() == "systemd\n"
        assert cgroups_of(name)
        os.kill(parent.pid if victim == "parent" else supervisor, signal.SIGKILL)
        wait_until(lambda: not alive(pid), what="the node is gone")
        if victim == "supervisor":
            parent.kill()
            wait_until(lambda: not alive(supervisor), what="the supervisor is gone")
            with Node("sweeper"):
                pass
    wait_until(lambda: not alive(supervisor), what="the supervisor is gone")
    wait_until(lambda: not cgroups_of(name), what="the cgroup is gone")


# Other nodes come and go meanwhile; of ours, both are looked for by name.
CGROUP = """
import pathlib, sys
from cltab2systemd.node.cgroups import Cgroups
cgroups = Cgroups("orphan", None, pathlib.Path("/tmp"))
cgroups.make(None)
print(cgroups.path, flush=True)
sys.stdin.read()
"""


def test_who_has_a_cgroup_that_is_empty_yet(node: Node) -> None:
    """Its supervisor has it, also if that is in another pid namespace; when that has ended, another removes it."""
    supervisor = node.popen("python3", "-c", CGROUP, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert supervisor.stdin is not None
    assert supervisor.stdout is not None
    cgroup = supervisor.stdout.readline().decode().strip()
    other = ("unshare", "--pid", "--fork", "--mount-proc", "python3", "-c", CGROUP)

    node.run(*other)
    assert node.exists(cgroup)
    supervisor.stdin.close()
    supervisor.wait(30)
    assert node.exists(cgroup)
    node.run(*other)
    assert not node.exists(cgroup)


OTHER_NODES = re.compile(r".(cgroups: .*/cltab-node-|sockets: /run/host/notify$)")


@pytest.mark.parametrize("end", [Node.stop, Node.poweroff, Node.reboot], ids=lambda end: end.__name__)
def test_leaves_no_trace(lab: None, end: Callable[[Node], None]) -> None:
    """The host is the same after a node as before: mounts, cgroups, processes, sockets, sysctls, files, interfaces."""
    # Other programs change the host, too, but hardly during each of many rounds; a trace of ours shows in all of them.
    for _ in range(12):
        name = unique_name()
        before = host_state()
        with ExitStack() as stack, Node(name) as node:
            spaces = stack.enter_context(namespaces(node))
            assert node.pid in processes_in(spaces)
            assert cgroups_of(name)
            node.run("systemd-run", "--quiet", "sleep", "infinity")
            node.shell("touch /etc/x /tmp/x /run/x /dev/x; mount -t tmpfs tmpfs /mnt")
            node.shell("echo 1 >/proc/sys/net/ipv4/ip_forward")
            end(node)
            node.stop()
            # What is certainly ours must be gone at once, in every round.
            assert not processes_in(spaces)
        assert cgroups_of(name) == []
        after = host_state()
        assert not [entry for entry in after.files | after.mounts | after.descendants if name in entry]
        differences = [line for line in before.differences(after) if not OTHER_NODES.match(line)]
        # A kernel parameter that a node sets differs in the first round only, and nobody else sets any meanwhile.
        assert not [line for line in differences if re.match(r".sysctls: /proc/sys/(?!net)", line)]
        if not differences:
            return
    pytest.fail("the host has changed in every round, in the last one:\n" + "\n".join(differences))


def test_spec_survives_the_way_to_the_supervisor() -> None:
    """A node's description is the same after the way through JSON."""
    spec = NodeSpec("a", Path("/r"), (Path("/l"),), (Bind(Path("/s"), Path("/t"), read_only=False),))
    assert NodeSpec.from_json(spec.to_json()) == spec


def test_link_reports_a_supervisor_that_fails(lab: None, tmp_path: Path) -> None:
    """A supervisor that cannot start its work is reported with what it said."""
    link = Link(NodeSpec("lost", layers=(tmp_path / "nowhere",)))
    with pytest.raises(NodeError, match=r"supervisor is gone\nnode: .*No such file.*nowhere"):
        link.expect("pid", 10)
    with pytest.raises(NodeError, match="ended with status 1"):
        link.close()
