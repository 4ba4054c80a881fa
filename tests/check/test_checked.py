"""What `check` warns of, and what `import-inittab` makes of `su`, on real systemd."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from answers import answered
from shipped import Shipped

from cltab2systemd.check import everything
from cltab2systemd.importers.inittab.dialects import DIALECTS
from cltab2systemd.importers.inittab.importer import import_inittab
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.node import Node

USER = "shopper"
HOME = f"/home/{USER}"
# Lines as inittabs have them; each writes what it sees, `{}` is where.
AS_USERS = {
    "login": f"su - {USER} -c 'echo \"$(id -un) $PWD $HOME $USER\" >{{}}'",
    "plain": f"su {USER} -s /bin/sh -c \"{{{{ id -un; pwd; printf '<%s>' \\\"x y\\\" 'a;b' \\\\\\$HOME; }}}} >{{}}\"",
    "bash": f"su -l -s /bin/bash {USER} -c 'echo \"$(id -un) $PWD ${{{{BASH_VERSION:+bash}}}}\" >{{}}'",
    "words": f"runuser -u {USER} -- sh -c 'id -un; pwd; echo $HOME' >{{}} 2>&1",
    "more": f"runuser -u {USER} -- id -un >>{{}}",
}


@pytest.fixture(scope="module")
def shipped(node: Node) -> Iterator[Shipped]:
    """The daemon, without a table yet, and a user with a home."""
    shipped = Shipped(node)
    shipped.write_table("")
    shipped.start()
    node.run("useradd", "--create-home", "--shell=/bin/sh", USER)
    node.run("install", "-d", "-o", USER, f"{HOME}/said")
    yield shipped
    shipped.clinit("-k", "--wait")


def codes(table: str, root: str = "/") -> list[str]:
    return [finding.code for finding in everything.findings(table.encode(), "/etc/cltab", root)]


def test_other_users(shipped: Shipped) -> None:
    """A command that is run by User= sees the user, the directory and the words that it saw behind su."""
    node = shipped.node
    lines = "".join(f"{tag}:3:wait:{process.format(f'{HOME}/said/{tag}')}\n" for tag, process in AS_USERS.items())
    imported = import_inittab(lines.encode(), "/etc/inittab", "app", dialect=DIALECTS["sysv"])
    text = imported.content.decode()
    live = [line for line in text.splitlines() if not line.startswith("#")]
    assert not any("su " in line or "runuser" in line for line in live)
    shipped.write_table(text)
    done = shipped.clinit("--wait", "app", "3")
    answered(done, out="app 3 DONE\n", err="")
    by_directive = {tag: node.read(f"{HOME}/said/{tag}") for tag in AS_USERS}
    assert f"{USER} {HOME} {HOME} {USER}\n" == by_directive["login"]
    node.run("sh", "-c", f"rm {HOME}/said/*")
    for tag, process in AS_USERS.items():
        # As init does: behind `exec`, in the root directory.
        node.run("sh", "-c", f"cd /; exec {process.format(f'{HOME}/said/{tag}')}")
    assert {tag: node.read(f"{HOME}/said/{tag}") for tag in AS_USERS} == by_directive


@pytest.mark.parametrize(
    "command", ["cd /srv", "ulimit -n 4096", "umask 022", "export A=b", "exit 0", "source /etc/profile"]
)
def test_builtins_alone_do_nothing(shipped: Shipped, command: str) -> None:
    """There is no such program, so that the group is not what it should be; `check` tells beforehand."""
    table = f"app:x:3:wait:{command}\n"
    assert codes(table) == ["builtin-alone"]
    shipped.write_table(table)
    shipped.clinit("--wait", "app", "0")
    done = shipped.clinit("--wait", "app", "3")
    answered(done, out="app 3 FAILED\n", code=4)
    assert "203" in done.stderr


def test_relative_programs(shipped: Shipped) -> None:
    """They are not found, unless a directive says where they are."""
    shipped.node.write("/srv/there/run.sh", "#!/bin/sh\nexit 0\n", mode=0o755)
    table = "app:x:3:test:./run.sh\n"
    assert codes(table) == ["relative-program"]
    for more, state in (("", "FAILED"), (":::service.x:WorkingDirectory=/srv/there\n", "DONE")):
        shipped.write_table(f"app:y:3:wait:true\n{table}{more}")
        shipped.clinit("--wait", "app", "0")
        assert shipped.clinit("--wait", "app", "3").stdout == f"app 3 {state}\n"
        assert codes(f"{table}{more}", f"/proc/{shipped.node.pid}/root") == ([] if more else ["relative-program"])


def test_what_systemd_runs_elsewhere(shipped: Shipped) -> None:
    """It goes on when its level is left; the same without systemd-run does not."""
    node = shipped.node
    for command, survives in (("systemd-run --quiet --unit=stray sleep 4711", True), ("sh -c 'sleep 4711 &'", False)):
        table = f"app:x:3:wait:{command}\n"
        assert codes(table) == ["outside-the-group"] * survives
        shipped.write_table(table)
        assert shipped.clinit("--wait", "app", "3").stdout == "app 3 DONE\n"
        wait_until(lambda: node.run("pgrep", "-f", "(^|/)sleep 4711$", check=False).returncode == 0, what="it runs")
        assert shipped.clinit("--wait", "app", "stop").stdout == "app stop DONE\n"
        assert (node.run("pgrep", "-f", "(^|/)sleep 4711$", check=False).returncode == 0) is survives
        node.run("systemctl", "stop", "stray.service", check=False)


def test_the_drop_in_that_a_hint_names(shipped: Shipped) -> None:
    """What a table cannot say of other units, the drop-in says for all entries of the group, and goes on saying it."""
    node = shipped.node
    line = ":::service.x:RequiresMountsFor=/srv/late"
    (finding,) = everything.findings(f"app:x:3:wait:true\n{line}\n".encode(), "/etc/cltab")
    (path,) = re.findall(r"/etc/\S+\.conf", finding.hint)
    node.write(path.replace("GROUP", "app"), "[Unit]\nRequiresMountsFor=/srv/late\n")
    node.run("systemctl", "daemon-reload")
    for table in ("app:x:3:wait:true\n", "app:x:3:wait:true\napp:y:3:wait:true\n"):
        shipped.write_table(table)
        assert shipped.clinit("--wait", "app", "3").stdout == "app 3 DONE\n"
        for tag in re.findall("app:(.)", table):
            shown = node.run("systemctl", "show", "--property=RequiresMountsFor", f"clinit-app@{tag}.service").stdout
            assert "/srv/late" in shown


def test_what_only_bash_knows(shipped: Shipped) -> None:
    """The entry is not what it should be where /bin/sh is dash; `check` tells beforehand."""
    shipped.node.write("/root/app.sh", "#!/bin/sh\nexit 0\n", mode=0o755)
    for command, code in (
        ("[[ -d /srv ]] && true", "missing-program"), ("source /dev/null && true", "missing-program"),
        ("[ a == a ]", "other-shell"), ("~/app.sh", "other-shell"),
    ):  # fmt: skip
        table = f"app:x:3:test:{command}\n"
        assert codes(table, f"/proc/{shipped.node.pid}/root") == [code]
        shipped.write_table(table)
        shipped.clinit("--wait", "app", "0")
        assert shipped.clinit("--wait", "app", "3").stdout == "app 3 FAILED\n"
    for directive in ("User=root", "Environment=HOME=/root"):
        shipped.write_table(f"app:x:3:test:~/app.sh\n:::service.x:{directive}\n")
        shipped.clinit("--wait", "app", "0")
        assert shipped.clinit("--wait", "app", "3").stdout == "app 3 PASSED\n"
