"""Programs that become a user by PAM stay in their entry, where pam_systemd would take them out of it.

A login gets a session of logind's, and with it a control group of its own. `su -` and `sudo -i` are logins for PAM.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from answers import answered
from instance import Instance

from lab.debs import unpacked
from lab.node import Node
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RELEASE = os.environ.get("LAB_RELEASE")

# What each distribution has all services include, and what its services say besides.
PAM = {
    "debian": {
        "common-session": """\
session [default=1] pam_permit.so
session requisite pam_deny.so
session required pam_permit.so
session required pam_unix.so
session optional pam_systemd.so
""",
    },
    "fedora": {
        "common-session": """\
session optional pam_keyinit.so revoke
session required pam_limits.so
-session optional pam_systemd.so
session [success=1 default=ignore] pam_succeed_if.so service in crond quiet use_uid
session required pam_unix.so
""",
        "runuser-l": """\
auth sufficient pam_rootok.so
session optional pam_keyinit.so force revoke
-session optional pam_systemd.so
session required pam_limits.so
session required pam_unix.so
""",
        "su-l": """\
auth sufficient pam_rootok.so
account sufficient pam_rootok.so
session optional pam_keyinit.so force revoke
@include common-session
session optional pam_xauth.so
""",
        "sudo-i": """\
auth sufficient pam_rootok.so
account required pam_unix.so
session optional pam_keyinit.so force revoke
session required pam_limits.so
@include common-session
""",
    },
}
# How an entry becomes another user; what a shell gets stands in the middle.
STARTERS = {
    "su": "su op -c '{}'",
    "sul": "su - op -c '{}'",
    "runuser": "runuser -u op -- sh -c '{}'",
    "runuserl": "runuser -l op -c '{}'",
    "sudo": "sudo -u op sh -c '{}'",
    "sudoi": "sudo -i -u op sh -c '{}'",
    "pam": "{}",
    "shell": "{}",
}
WITH_PAM = {"pam": ("User=op", "PAMName=login"), "shell": ("User=op", "PAMName=su-l")}
# What an entry of a mode has the user run: a daemon that is left behind, or a program.
WORK = {"wait": "nohup sleep {} >/dev/null 2>&1 &", "respawn": "exec sleep {}", "once": "sleep {} & wait"}


@pytest.fixture(scope="module")
def instance(project_layer: Path) -> Iterator[Instance]:
    """A daemon on a node with logind, PAM's module of it, and sudo."""
    layer = unpacked(RELEASE, "libpam-systemd", "sudo")
    with Node("sessions", layers=[project_layer, layer]) as node:
        node.run("useradd", "--create-home", "--shell", "/bin/sh", "op")
        node.run("systemctl", "start", "systemd-logind.service")
        found = Instance(node)
        found.write_table("")
        yield found.start()


def numbered(*settings: str) -> tuple[str, dict[str, str]]:
    """A table of every starter in every mode, at level 1 of group g, and the tag of each `sleep` by its number."""
    tags = {f"{4000 + number}": f"{mode}.{name}" for number, (mode, name) in enumerate(
        (mode, name) for mode in WORK for name in STARTERS
    )}  # fmt: skip
    lines = []
    for number, tag in tags.items():
        mode, name = tag.split(".")
        lines.append(f"g:{tag}:1:{mode}:{STARTERS[name].format(WORK[mode].format(number))}\n")
        lines += [f":::service.{tag}:{line}\n" for line in (*WITH_PAM.get(name, ()), *settings)]
    return "".join(lines), tags


def groups_of_sleeps(node: Node) -> dict[str, str]:
    """The control group of each `sleep` in the node, by its number."""
    each = "tr '\\0' ' ' </proc/$pid/cmdline; sed -n s/^0:://p /proc/$pid/cgroup"
    script = f"for pid in $(pgrep -x sleep); do {each}; done"
    lines = node.run("sh", "-c", script, check=False).stdout.splitlines()
    return {words[1]: words[2] for line in lines if len(words := line.split()) == 3}


@pytest.mark.parametrize("distribution", PAM)
def test_programs_of_other_users_end_with_the_level(instance: Instance, distribution: str) -> None:
    """Whatever PAM starts, in every mode, is in the control group of its entry, and gone when the level is left."""
    node = instance.node
    for service, text in PAM[distribution].items():
        node.write(f"/etc/pam.d/{service}", text)
    table, tags = numbered()
    instance.write_table(table)
    done = instance.clinit("--wait", "g", "1")
    answered(done, code=0, out="g 1 DONE\n")
    wait_until(lambda: groups_of_sleeps(node).keys() == tags.keys(), what="all run")

    assert groups_of_sleeps(node) == {
        number: f"/clinit.slice/clinit-g.slice/clinit-g@{tag}.service" for number, tag in tags.items()
    }
    done = instance.clinit("--wait", "g", "0")
    answered(done, code=0, out="g 0 DONE\n")
    assert groups_of_sleeps(node) == {}


def test_without_the_variable_they_would_not(instance: Instance) -> None:
    """The test above sees what it is about: who takes the variable away has sessions, which outlive the level."""
    node = instance.node
    for service, text in PAM["debian"].items():
        node.write(f"/etc/pam.d/{service}", text)
    table, _ = numbered("UnsetEnvironment=XDG_SESSION_CLASS")
    instance.write_table(table)
    instance.clinit("--wait", "g", "1")
    wait_until(lambda: "/user.slice/" in "".join(groups_of_sleeps(node).values()), what="a session")
    instance.clinit("--wait", "g", "0")
    left = groups_of_sleeps(node)
    node.run("pkill", "-KILL", "-x", "sleep")

    assert left
    assert all(group.startswith("/user.slice/") for group in left.values())


def test_the_table_keeps_its_environment(instance: Instance) -> None:
    """What the table says of the environment counts, and takes nothing from what keeps sessions away."""
    given = ("Environment=A=1", "Environment=", "Environment=B=2 XDG_SESSION_CLASS=user", "EnvironmentFile=/etc/env")
    instance.node.write("/etc/env", "C=3\n")
    settings = "".join(f":::service.t:{line}\n" for line in given)
    instance.write_table("g:t:1:wait:env >/run/environment\n" + settings)
    assert instance.clinit("--wait", "g", "1").returncode == 0
    found = instance.node.read("/run/environment").splitlines()

    assert {"B=2", "C=3", "XDG_SESSION_CLASS=none"} <= {*found}
    assert "A=1" not in found
