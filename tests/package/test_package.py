"""The Debian package: how it is built, and what installing, upgrading and removing it does on each release.

RELEASES in the environment names the releases, bookworm if it does not; their roots are made when they are not there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from typing import TYPE_CHECKING

import pytest
from package.packaged import PACKAGES, RELEASES, install, version

from lab import roots
from lab.install import PROJECT
from lab.node import Node
from lab.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

TABLE = """\
web:setup:3:wait:true
web:server:3:respawn:trap 'trap "" INT; sleep 0.3; echo polite >>/run/said; exit' INT; while :; do sleep 0.02; done
mail:a-b\\c.d:1:respawn:exec sleep 1000
"""
SERVICES = ("clinit-web@server.service", r"clinit-mail@a-b\x5cc.d.service")
# What dpkg and systemd write about any package, and backups of the files of groups.
NOT_OURS = re.compile(
    r"/var/(lib/(dpkg|apt|systemd)|cache|log/(dpkg|apt|alternatives|journal))\b.*"
    r"|/etc/(group|gshadow|passwd|shadow)-|/etc/\.pwd\.lock|/run/(systemd|log|user|dbus|lock|mount|udev)\b.*"
    r"|/usr/lib/systemd/system-generators"  # which the lab has emptied
)


def run_groups(node: Node) -> list[str]:
    """Install, bring both groups of TABLE up, and return the main pids of their entries."""
    install(node)
    node.write("/etc/cltab", TABLE)
    node.run("clinit", "--wait", "web", "3")
    node.run("clinit", "--wait", "mail", "1")
    return pids(node)


def pids(node: Node) -> list[str]:
    """The main pid of each entry that runs on."""
    return node.run("systemctl", "show", "--property=MainPID", "--value", "--", *SERVICES).stdout.split()


def active_units(node: Node) -> list[str]:
    """Every unit of the product that systemd still knows, other than as a file."""
    shown = node.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "clinit*", "cltab2systemd*").stdout
    return [line.split()[0] for line in shown.splitlines() if line.split()[1:3] != ["not-found", "inactive"]]


def files(node: Node) -> set[str]:
    """Every file of the node that could be the package's."""
    skip = ["(", "-path", "/packages", "-o", "-path", "/tmp", ")", "-prune", "-o"]
    found = node.run("find", "/", "/run", "-xdev", *skip, "-print").stdout.splitlines()
    return {path for path in found if not NOT_OURS.fullmatch(path) and "__pycache__" not in path}


def test_two_builds_are_identical(snapshot: Path, packages: Path) -> None:
    """Whoever builds, wherever, with which umask and at what time of day: the same bytes."""
    copy = snapshot.parent / "elsewhere"
    subprocess.run(["cp", "-a", snapshot, copy], check=True)
    shutil.rmtree(copy / "dist")
    subprocess.run(["chown", "-R", "nobody", copy], check=True)
    # pytest's directories are for their owner only.
    script = "umask 077; packaging/build-deb dist"
    mount = 'mount --bind "$1" /mnt && cd /mnt && exec setpriv --reuid=nobody --clear-groups sh -ec "$2"'
    command = ["unshare", "--mount", "sh", "-ec", mount, "sh", str(copy), script]
    environment = {"PATH": os.environ["PATH"], "TZ": "Asia/Tokyo", "HOME": "/nonexistent"}
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)

    built = sorted((copy / "dist").glob("*.deb"))
    assert len(built) == 2
    assert [path.name for path in built if path.read_bytes() != (packages / path.name).read_bytes()] == []


def test_building_leaves_the_tree_clean(snapshot: Path, packages: Path) -> None:
    """Nothing is written outside of the directory that was asked for."""
    present = {path.relative_to(snapshot).parts[0] for path in snapshot.iterdir()}

    assert not (snapshot / "debian").exists()
    assert not {"build", ".pybuild"} & present
    assert not list(snapshot.glob("*.egg-info"))


def test_lintian_is_content(packages: Path) -> None:
    """No errors, no warnings, no overrides; docs/packaging.md explains what else it says."""
    # Until there are manual pages.
    options = [] if (PROJECT / "man").exists() else ["--suppress-tags=no-manual-page"]
    command = ["lintian", "--allow-root", "--fail-on=error,warning", "--pedantic", *options]
    done = subprocess.run(
        [*command, *(packages / "build").glob("*.changes")], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    told = set(re.findall(r"^[IP]: \S+: (\S+)", done.stdout, re.MULTILINE))
    assert told <= set(re.findall(r"`(\S+)`", (PROJECT / "docs/packaging.md").read_text()))


def test_versions_and_commands_are_those_of_the_project() -> None:
    """The changelog has the project's version, and the commands call what pyproject.toml says they call."""
    scripts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["scripts"]
    changelog = (PROJECT / "packaging/debian/changelog").read_text()

    assert changelog.startswith(f"cltab2systemd ({version()}) ")
    assert set(scripts) == {path.name for path in (PROJECT / "packaging/bin").iterdir()}
    for name, target in scripts.items():
        module, function = target.split(":")
        assert f"from {module} import {function}\n" in (PROJECT / "packaging/bin" / name).read_text()


def test_install(node: Node) -> None:
    """After apt the daemon runs, is enabled, and forces no table; a table and a request are all that is needed."""
    apt = f"apt install --yes --no-install-recommends ./cltab2systemd_{version()}_all.deb"
    node.shell(f"cd {PACKAGES}; DEBIAN_FRONTEND=noninteractive {apt}")

    assert not node.exists("/etc/cltab")
    units = ("clinit.service", "clinit.socket")
    assert node.run("systemctl", "is-active", *units).stdout.split() == ["active", "active"]
    assert node.run("systemctl", "is-enabled", *units).stdout.split() == ["enabled", "enabled"]
    assert node.run("stat", "--format=%a %U %G", "/run/clinit/clinit.s").stdout == "660 root clinit\n"
    for_some = ("clinit-metrics.timer", "clinit-keepalived.service", "clinit-publish.service")
    assert node.run("systemctl", "is-active", *for_some, check=False).stdout.split() == ["inactive"] * 3
    assert node.run("systemctl", "is-enabled", *for_some, check=False).stdout.split() == ["disabled"] * 3
    node.run("cltab2systemd", "check", "/usr/share/doc/cltab2systemd/examples/cltab")
    node.write("/etc/cltab", TABLE)
    assert node.run("clinit", "--wait", "web", "3").stdout == "web 3 DONE\n"
    assert list(node.path("/usr/lib/python3/dist-packages/cltab2systemd/client/__pycache__").glob("command.*.pyc"))


def test_bash_completes_groups_and_levels(node: Node) -> None:
    """With the files where the package has them, and the table of the node."""
    install(node)
    node.write("/etc/cltab", TABLE)
    script = 'COMP_WORDS=(clinit "$@") COMP_CWORD=$#; . "$0"; _clinit; echo "${COMPREPLY[*]}"'

    def offered(*words: str) -> str:
        return node.run("bash", "-c", script, "/usr/share/bash-completion/completions/clinit", *words).stdout

    assert offered("") == "web mail\n"
    assert offered("we") == "web\n"
    assert offered("web", "") == "3\n"
    assert offered("mail", "") == "1\n"


def test_man_shows_the_pages(node: Node) -> None:
    """Each page that the project has, without a complaint."""
    install(node)
    for page in (PROJECT / "man").glob("*.[1-9]"):
        done = node.run("man", "--warnings", page.suffix[1:], page.stem, env={"MANWIDTH": "120"})
        assert done.stderr == ""
        assert done.stdout.startswith(f"{page.stem.upper()}({page.suffix[1:]})")


def test_the_table_of_the_boot_is_kept(node: Node) -> None:
    """A boot takes units and their table from the generator, and groups to their levels; removing leaves neither."""
    install(node)
    table = TABLE + ":::initdefault.web:3\n"
    node.write("/etc/cltab", table)
    node.reboot()
    wait_until(lambda: node.run("clinit", "-v").stdout == "web 3 DONE\n")

    assert node.read("/run/cltab2systemd/boot.cltab") == table
    node.run("dpkg", "--remove", "cltab2systemd")
    assert not node.exists("/run/cltab2systemd/boot.cltab")
    assert [] == active_units(node)
    node.run("dpkg", "--purge", "cltab2systemd")
    assert not node.exists("/run/cltab2systemd")


def test_a_boot_without_a_table(node: Node) -> None:
    """Nothing fails for the want of one."""
    install(node)
    node.reboot()

    assert not node.run("systemctl", "--failed", "--plain", "--no-legend").stdout
    assert node.run("systemctl", "is-active", "clinit.service").stdout == "active\n"


def test_groups_run_on_through_restart_upgrade_and_downgrade(node: Node) -> None:
    """The daemon is another one each time, the processes of the groups are the same ones, and so is their state."""
    running = run_groups(node)
    daemon = ("systemctl", "show", "--property=MainPID", "--value", "clinit.service")
    daemons = [node.run(*daemon).stdout]
    for change in ("restart", "99", version()):
        if change == "restart":
            node.run("systemctl", "restart", "clinit.service")
        else:
            install(node, change)
        daemons.append(node.run(*daemon).stdout)
        assert running == pids(node)
        assert node.run("clinit", "-v").stdout == "web 3 DONE\nmail 1 DONE\n"

    assert len(set(daemons)) == 4
    assert "0" not in running
    assert node.run("clinit", "--wait", "web", "stop").stdout == "web stop DONE\n"


def test_an_upgrade_leaves_the_socket_alone(node: Node) -> None:
    """Who connects while the daemon is replaced waits in the socket, and is answered."""
    run_groups(node)
    inode = node.path("/run/clinit/clinit.s").stat().st_ino
    install(node, "99")

    assert inode == node.path("/run/clinit/clinit.s").stat().st_ino


def test_an_upgrade_does_not_enable_what_the_administrator_disabled(node: Node) -> None:
    """Units stay disabled."""
    install(node)
    node.run("systemctl", "disable", "--now", "clinit.service", "clinit.socket")
    install(node, "99")
    shown = node.run("systemctl", "is-enabled", "clinit.service", "clinit.socket", check=False).stdout

    assert shown.split() == ["disabled", "disabled"]


def test_what_the_administrator_started_runs_on_after_an_upgrade(node: Node) -> None:
    """What is for some machines only is restarted where it runs; a removal ends it."""
    install(node)
    node.write("/etc/default/clinit-keepalived", "FOLLOW=web=web:3:stop\n")
    units = ("clinit-keepalived.service", "clinit-metrics.timer")
    node.run("systemctl", "start", *units)
    reader = ("systemctl", "show", "--property=MainPID", "--value", units[0])
    before = node.run(*reader).stdout
    install(node, "99")

    assert node.run("systemctl", "is-active", *units).stdout.split() == ["active", "active"]
    assert node.run(*reader).stdout not in {before, "0\n"}
    node.run("dpkg", "--remove", "cltab2systemd")
    assert [] == active_units(node)
    assert not node.exists("/run/clinit-keepalived")


@pytest.mark.parametrize("daemon", ["up", "down"])
def test_remove_stops_groups_gracefully_and_leaves_the_table(node: Node, daemon: str) -> None:
    """Whether or not the daemon runs: every entry gets its SIGINT and its time, and no unit stays behind."""
    running = run_groups(node)
    if daemon == "down":
        node.run("systemctl", "stop", "clinit.socket", "clinit.service")
    assert running == pids(node)
    node.run("dpkg", "--remove", "cltab2systemd")

    assert node.read("/run/said") == "polite\n"
    assert [pid for pid in running if node.exists(f"/proc/{pid}")] == []
    assert [] == active_units(node)
    assert node.read("/etc/cltab") == TABLE
    assert not list(node.path("/run/systemd/system").glob("clinit*"))
    assert not node.run("systemctl", "--failed", "--plain", "--no-legend").stdout


def test_a_package_that_was_removed_can_be_installed_again(node: Node) -> None:
    """Groups come up as if for the first time."""
    run_groups(node)
    node.run("dpkg", "--remove", "cltab2systemd")

    assert "0" not in run_groups(node)


def test_installing_moves_no_group(node: Node) -> None:
    """Boot levels are for the boot, whether the package is installed for the first time, or once more."""
    node.write("/etc/cltab", ":::initdefault.web:3\n" + TABLE)
    for _ in range(2):
        install(node)
        assert node.run("clinit", "-v").stdout == ""
        assert "0" in pids(node)
        node.run("dpkg", "--remove", "cltab2systemd")


def test_purge_leaves_nothing(node: Node) -> None:
    """But the table, which was never the package's: every other file is gone, and the group."""
    before = files(node)
    run_groups(node)
    node.write("/var/log/clinit/clinit.log", "")
    node.run("dpkg", "--purge", "cltab2systemd")

    assert {"/etc/cltab", "/run/said"} == files(node) - before
    assert before <= files(node)
    assert node.run("getent", "group", "clinit", check=False).returncode == 2


def test_purge_keeps_a_group_that_has_members(node: Node) -> None:
    """Somebody put them in."""
    install(node)
    node.run("usermod", "--append", "--groups", "clinit", "daemon")
    node.run("dpkg", "--purge", "cltab2systemd")

    assert node.run("getent", "group", "clinit").stdout.endswith(":daemon\n")


def test_without_dbus_it_is_installed_all_the_same(node: Node) -> None:
    """The daemon then waits for a bus to come; it does not hold up the installation."""
    node.run("systemctl", "stop", "dbus.socket", "dbus.service", check=False)
    node.run("dpkg", "--purge", "--force-depends", "dbus", "dbus-daemon", check=False)
    assert not node.exists("/usr/bin/dbus-daemon")
    install(node)

    status = node.run("dpkg-query", "--show", "--showformat=${db:Status-Status}", "cltab2systemd").stdout
    assert status == "installed"


@pytest.mark.parametrize("release", RELEASES)
def test_it_is_installed_in_a_chroot(packages: Path, release: str) -> None:
    """Where no systemd runs, as when an image is built; a machine that boots from there has the daemon."""
    layer = roots.package_layer(release, packages / f"cltab2systemd_{version()}_all.deb")
    with Node("chroot", root=roots.root(release), layers=[layer]) as node:
        node.write("/etc/cltab", TABLE)
        assert node.run("getent", "group", "clinit").stdout
        node.run("systemctl", "enable", "--now", "clinit.service")
        assert node.run("clinit", "--wait", "web", "3").stdout == "web 3 DONE\n"
