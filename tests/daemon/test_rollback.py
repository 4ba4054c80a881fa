"""An earlier table comes back, on a node: what is kept, listed, compared and written, and who may not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from answers import answered
from programs import RUN
from shipped import Shipped

if TYPE_CHECKING:
    import subprocess

    from lab.node import Node

FIRST = f"web:a:3:respawn:{RUN}\n"
SECOND = FIRST + "web:b:3:once:true\n"
MANAGED = "# Ansible managed\n"


@pytest.fixture
def shipped(fresh_node: Node) -> Shipped:
    """The daemon as it is shipped, which has had two tables: the second has a fragment."""
    shipped = Shipped(fresh_node)
    fresh_node.path("/etc/cltab.d").mkdir(mode=0o755, exist_ok=True)
    shipped.write_table(FIRST)
    shipped.start()
    answered(shipped.clinit("--wait", "web", "3"), code=0)
    shipped.write_table(SECOND)
    fresh_node.write("/etc/cltab.d/team.cltab", "mail:m:1:once:true\n")
    answered(shipped.clinit("--wait", "web", "3"), code=0)
    return shipped


def rollback(shipped: Shipped, *arguments: str) -> subprocess.CompletedProcess[str]:
    return shipped.node.run("cltab2systemd", "rollback", *arguments, check=False)


def listed(shipped: Shipped) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(shipped.node.run("cltab2systemd", "tables", "--format=json").stdout)[
        "tables"
    ]
    return found


def test_back_and_forth(shipped: Shipped) -> None:
    """The first table comes back, its fragments with it; and since that is a new one, the second does, too."""
    node = shipped.node
    found = listed(shipped)
    assert [(kept["number"], kept["groups"], kept["entries"], kept["in_force"]) for kept in found] == [
        (2, 2, 3, True),
        (1, 1, 1, False),
    ]
    assert [(kept["by"], kept["uid"], kept["command"]) for kept in found] == [
        ("client", 0, "clinit --wait web 3"), ("daemon", None, None),
    ]  # fmt: skip
    shown = node.run("cltab2systemd", "tables").stdout.splitlines()
    assert shown[1].startswith("2 ")
    assert shown[1].endswith("root: clinit --wait web 3  (in force)")
    assert shown[2].endswith("nobody: the daemon found it when it started")
    compared = node.run("cltab2systemd", "diff", "--against", "1", check=False)
    answered(compared, code=1)
    assert compared.stdout.startswith("web: 1 added\n")
    answered(node.run("cltab2systemd", "diff", "--against", "2", check=False), code=0, out="")

    node.run("chmod", "0600", "/etc/cltab")
    node.run("chgrp", "adm", "/etc/cltab")
    done = rollback(shipped, "1")
    answered(done, code=0)
    assert "web (at level 3): 1 stop, 1 left alone" in done.stdout
    assert "cltab2systemd: wrote /etc/cltab\n" in done.stderr
    assert "moved /etc/cltab.d/team.cltab aside, to /etc/cltab.d/team.cltab.before-rollback.1\n" in done.stderr
    assert "if config management writes these files, take the change back there as well, or its next run" in done.stderr
    assert node.read("/etc/cltab") == FIRST
    assert node.shell("stat -c '%a %G' /etc/cltab").stdout == "600 adm\n"
    assert node.shell("ls /etc/cltab.d").stdout == "team.cltab.before-rollback.1\n"
    assert [*shipped.clstat()] == ["web"]
    assert [(kept["number"], kept["in_force"]) for kept in listed(shipped)] == [(3, True), (2, False), (1, True)]
    assert (listed(shipped)[0]["uid"], listed(shipped)[0]["command"]) == (0, "cltab2systemd rollback 1")
    assert (
        node.run("cltab2systemd", "tables")
        .stdout.splitlines()[1]
        .endswith("root: cltab2systemd rollback 1  (in force)")
    )
    assert "cltab2systemd rollback 1" in node.run("clinitctl", "history", "web").stdout

    answered(rollback(shipped, "2"), code=0)
    assert node.read("/etc/cltab") == SECOND
    assert node.read("/etc/cltab.d/team.cltab") == "mail:m:1:once:true\n"
    assert listed(shipped)[0]["number"] == 4
    again = rollback(shipped, "4")
    answered(again, code=0)
    assert "the files are those of table 4 already" in again.stderr


def test_two_in_a_row(shipped: Shipped) -> None:
    """Whatever a rollback moves aside is kept beside what one before has, also if it was never in a good table."""
    node, fragment = shipped.node, "/etc/cltab.d/team.cltab"
    node.write(f"{fragment}.before-rollback", "of an earlier version\n")
    answered(rollback(shipped, "1"), code=0)
    for text in ("no good table\n", "another\n"):
        node.write(fragment, text)
        answered(rollback(shipped, "--no-apply", "1"), code=0)
    asides = {name: node.read(f"/etc/cltab.d/{name}") for name in node.shell("ls /etc/cltab.d").stdout.split()}
    assert asides == {
        "team.cltab.before-rollback": "of an earlier version\n",
        "team.cltab.before-rollback.1": "mail:m:1:once:true\n",
        "team.cltab.before-rollback.2": "no good table\n",
        "team.cltab.before-rollback.3": "another\n",
    }


def test_a_dry_run(shipped: Shipped) -> None:
    """What would be done is told, with the lines that differ; nothing is written, and no group is touched."""
    node = shipped.node
    before = node.shell("stat -c '%n %Z' /etc /etc/cltab /etc/cltab.d /etc/cltab.d/*; ls -A /etc/cltab.d").stdout
    done = rollback(shipped, "--dry-run", "1")
    answered(done, code=0)
    assert "web (at level 3): 1 stop, 1 left alone" in done.stdout
    changed = f"--- /etc/cltab\n+++ /etc/cltab\n@@ -1,2 +1 @@\n {FIRST}-web:b:3:once:true\n"
    removed = "--- /etc/cltab.d/team.cltab\n+++ /dev/null\n@@ -1 +0,0 @@\n-mail:m:1:once:true\n"
    assert done.stdout.endswith(changed + removed)
    assert done.stderr.splitlines() == [
        "cltab2systemd: would write /etc/cltab",
        "cltab2systemd: would move /etc/cltab.d/team.cltab aside, to /etc/cltab.d/team.cltab.before-rollback.1",
        "cltab2systemd: nothing was written (--dry-run)",
    ]
    assert (
        before == node.shell("stat -c '%n %Z' /etc /etc/cltab /etc/cltab.d /etc/cltab.d/*; ls -A /etc/cltab.d").stdout
    )
    assert listed(shipped)[0]["number"] == 2
    answered(rollback(shipped, "--dry-run", "2"), code=0, out="")
    with_others = FIRST.replace("\n", "\r\n").rstrip("\n")
    node.write("/etc/cltab", with_others)
    said = rollback(shipped, "--dry-run", "1").stdout
    old, new = with_others.replace("\r", "\\x0d"), FIRST
    assert f"@@ -1 +1 @@\n-{old}\n\\ No newline at end of file\n+{new}" in said


def test_a_name_that_gets_too_long(shipped: Shipped) -> None:
    """Then nothing is written, /etc/cltab as little as the fragments."""
    node, name = shipped.node, f"/etc/cltab.d/{'x' * 240}.cltab"
    node.write(name, "mail:n:1:once:true\n")
    before = node.read("/etc/cltab")
    done = rollback(shipped, "--force", "1")
    assert (done.returncode, node.read("/etc/cltab")) == (1, before)
    assert f"{name}: its name is too long to be moved aside" in done.stderr
    assert node.path("/etc/cltab.d/team.cltab").exists()


def test_with_a_bad_table_in_place(shipped: Shipped) -> None:
    """That is what it is for; without the daemon's part it is only written."""
    bad = "web:a:3:respwan:x\n"
    shipped.write_table(bad)
    assert shipped.clinit("web", "3").returncode == 1
    told = "keep /etc/cltab, which no kept table has as it is, as /etc/cltab.before-rollback.1\n"
    assert f"would {told}" in rollback(shipped, "--dry-run", "2").stderr
    assert shipped.node.read("/etc/cltab") == bad
    done = rollback(shipped, "--no-apply", "2")
    answered(done, code=0)
    assert told.replace("keep", "kept", 1) in done.stderr
    assert shipped.node.read("/etc/cltab.before-rollback.1") == bad
    assert shipped.node.read("/etc/cltab") == SECOND
    assert len(listed(shipped)) == 2
    shipped.node.run("rm", "/etc/cltab")
    answered(rollback(shipped, "2"), code=0)
    answered(shipped.clinit("--wait", "web", "3"), code=0)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (f"printf '{MANAGED.rstrip()}\\nweb:a:3:once:true\\n' >/etc/cltab", "/etc/cltab says that config management"),
        ("mv /etc/cltab /srv/cltab; ln -s /srv/cltab /etc/cltab", "/etc/cltab is a link to /srv/cltab"),
        (
            "echo '# Managed by Puppet' >>/etc/cltab.d/team.cltab",
            "/etc/cltab.d/team.cltab says that config management",
        ),
        ("mv /etc/cltab.d /srv/d; ln -s /srv/d /etc/cltab.d", "/etc/cltab.d is a link to /srv/d"),
    ],
)
def test_what_is_somebody_elses(shipped: Shipped, spoil: str, why: str) -> None:
    """Nothing is written, and the reason is told; --force writes all the same."""
    node = shipped.node
    node.shell(spoil)
    before = node.shell("cat /etc/cltab /etc/cltab.d/*").stdout
    refused = rollback(shipped, "1")
    answered(refused, code=1)
    assert why in refused.stderr
    assert "nothing was written (--force" in refused.stderr
    assert before == node.shell("cat /etc/cltab /etc/cltab.d/*").stdout
    answered(rollback(shipped, "--force", "1"), code=0)
    assert node.read("/etc/cltab") == FIRST
    assert [*shipped.clstat()] == ["web"]


def test_what_cannot_be_taken_back(shipped: Shipped) -> None:
    """A number that is not there, a table that was edited, one with errors by now, somebody else than root."""
    node = shipped.node
    refused = rollback(shipped, "7")
    answered(refused, code=1, err="cltab2systemd: no table 7 is kept; there are: 2, 1\n")
    node.shell("echo '# edited' >>/var/lib/cltab2systemd/tables/1/cltab")
    refused = rollback(shipped, "1")
    answered(refused, code=1)
    assert "table 1 cannot be used: it is not what was kept" in refused.stderr
    assert "cannot be used" in node.run("cltab2systemd", "tables").stdout
    answered(node.run("cltab2systemd", "diff", "--against", "1", check=False), code=2)
    refused = node.run("setpriv", "--reuid=65534", "cltab2systemd", "rollback", "2", check=False)
    answered(refused, code=1, err="cltab2systemd: only root can take a table back\n")
    shipped.write_table(FIRST)
    node.shell("mount --bind /etc /etc && mount -o remount,bind,ro /etc")
    told = "no file of the table was changed; mount the file system read-write, then ask again\n"
    answered(rollback(shipped, "2"), code=1, err=f"cltab2systemd: /etc/cltab: Read-only file system; {told}")
    assert node.read("/etc/cltab") == FIRST


def test_exit_codes(shipped: Shipped) -> None:
    """Once the files are in place, they are those of `clinit --apply`."""
    node, flag = shipped.node, "/srv/flag"
    node.write(flag, "")
    shipped.write_table(f"{FIRST}web:t:3:test:test -e {flag}\n:::preflight.t:test ! -e {flag}.not\n")
    answered(shipped.clinit("--wait", "web", "3"), code=0)
    shipped.write_table(FIRST)
    answered(shipped.clinit("--wait", "web", "3"), code=0)
    in_place = "cltab2systemd: the table is in place; what became of the groups stands above\n"
    node.shell(f"rm {flag} && touch {flag}.not")
    refused = rollback(shipped, "3")
    assert refused.returncode == 1
    assert refused.stderr.endswith(in_place)
    assert "preflight" in refused.stdout + refused.stderr
    node.run("rm", f"{flag}.not")
    failed = rollback(shipped, "3")
    answered(failed, code=4)
    assert "web 3 FAILED\n" in failed.stdout
    assert failed.stderr.endswith(in_place)
    node.shell(f"touch {flag}; systemctl stop clinit.socket clinit.service")
    without = rollback(shipped, "4")
    answered(without, code=3)
    assert without.stderr.endswith(in_place)
    assert node.read("/etc/cltab") == FIRST
    answered(rollback(shipped, "9"), code=1)
    answered(rollback(shipped, "x"), code=2)


def test_what_cannot_be_written(shipped: Shipped) -> None:
    """Whether anything is other than before is told, and what to do; nobody is asked to take what is half there."""
    node, fragment = shipped.node, "/etc/cltab.d/team.cltab"
    node.shell("cp /etc/cltab /srv/cltab && mount --bind /srv/cltab /etc/cltab")
    cure = "something is mounted there, so change what is mounted, or unmount it, then ask again"
    busy = "cltab2systemd: /etc/cltab: Device or resource busy;"
    answered(rollback(shipped, "1"), code=1, err=f"{busy} no file of the table was changed; {cure}\n")
    assert (node.read("/etc/cltab"), node.path(fragment).exists()) == (SECOND, True)
    node.shell(f"umount /etc/cltab && mv {fragment} /srv/team && mount --bind /srv/cltab /etc/cltab")
    node.write("/srv/cltab", FIRST)
    before = shipped.clstat()
    done = rollback(shipped, "2")
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"cltab2systemd: wrote {fragment}\n{busy} written in part only: as before are /etc/cltab. "
    )
    assert f"The next request of any group reads that: {cure.removesuffix(', then ask again')}" in done.stderr
    assert done.stderr.endswith("or take the table back that is in force, by 'cltab2systemd tables'\n")
    assert (node.read("/etc/cltab"), node.path(fragment).exists(), shipped.clstat()) == (FIRST, True, before)
    node.run("umount", "/etc/cltab")
    answered(rollback(shipped, "2"), code=0)
    assert node.read("/etc/cltab") == SECOND


def test_links(shipped: Shipped) -> None:
    """That a link goes is told before and after; what it led to stays as it was, but for the files of a directory."""
    node, team = shipped.node, "/etc/cltab.d/team.cltab"
    node.shell(f"mv /etc/cltab /srv/cltab; ln -s ../srv/cltab /etc/cltab; mv {team} /srv/team; ln -s /srv/team {team}")
    stays = "and what it leads to stays as it is"
    told = [
        f"{{}} /etc/cltab; the link to ../srv/cltab goes, {stays}",
        f"{{}} {team} aside, to {team}.before-rollback.1; the link to /srv/team goes, {stays}",
    ]
    refused = rollback(shipped, "1", "--dry-run")
    assert (refused.returncode, refused.stdout) == (1, "")
    foretold = rollback(shipped, "1", "--dry-run", "--force").stderr
    done = rollback(shipped, "1", "--force")
    for text, verbs in zip(told, (("would write", "wrote"), ("would move", "moved")), strict=True):
        assert f"cltab2systemd: {text.format(verbs[0])}\n" in foretold
        assert f"cltab2systemd: {text.format(verbs[1])}\n" in done.stderr
    assert (node.read("/etc/cltab"), node.read("/srv/cltab"), node.read("/srv/team")) == (
        FIRST, SECOND, "mail:m:1:once:true\n",
    )  # fmt: skip
    assert not node.path("/etc/cltab").is_symlink()
    node.shell("mv /etc/cltab.d /srv/d; ln -s /srv/d /etc/cltab.d")
    told[0] = f"wrote {team}; /etc/cltab.d is a link to /srv/d, and stays one\n"
    assert told[0] in rollback(shipped, "2", "--force").stderr
    assert node.read("/srv/d/team.cltab") == "mail:m:1:once:true\n"


def test_a_full_disk(shipped: Shipped) -> None:
    """The request is carried out, the log tells, what was kept stays; when there is room, the next table is kept."""
    node = shipped.node
    state = "/var/lib/cltab2systemd"
    node.shell(f"mkdir /srv/kept && cp -a {state}/. /srv/kept && mount -t tmpfs -o size=256k tmpfs {state}")
    node.shell(f"cp -a /srv/kept/. {state} && cat /dev/zero >{state}/ballast 2>/dev/null || true")
    before = [(kept["number"], kept["digest"]) for kept in listed(shipped)]
    shipped.write_table(FIRST + "# " + "x" * 8192 + "\n")
    answered(shipped.clinit("--wait", "web", "3"), code=0, out="web 3 DONE\n")
    said = node.journal(shipped.unit)
    assert "cannot keep a copy of the table, for a boot with a bad one: " in said
    assert "cannot keep the table for a rollback: " in said
    assert before == [(kept["number"], kept["digest"]) for kept in listed(shipped)]
    assert not node.shell(f"find {state} -name '.*' -type d").stdout.strip()
    node.run("rm", f"{state}/ballast")
    shipped.write_table(FIRST + "# last\n")
    answered(shipped.clinit("--wait", "web", "3"), code=0, out="web 3 DONE\n")
    assert listed(shipped)[0]["number"] == 3
    assert listed(shipped)[0]["in_force"]
