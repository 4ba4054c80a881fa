"""Groups, tags and levels with hyphens: what everybody types works for them, and drop-ins reach what they should."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from programs import RUN
from shipped import Shipped

from cltab2systemd.units.names import Names
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.node import Node

TABLE = f"""\
web:db:3-a,m,:respawn:{RUN}
web-shop:php-fpm:3-a,m,:respawn:echo served; {RUN}
web-shop:cron-job:3-a,:respawn:{RUN}
web-shop-eu:eu-db:3-a,:respawn:{RUN}
-web:-db:-,:respawn:{RUN}
a-unnamed:u:3-a,:respawn:{RUN}
a:plain:3-a,:respawn:{RUN}
self-wait:-asks:3-a,:wait:clinit --wait self-wait m >/root/said 2>&1 || true
"""
ENTRY = "clinit-web-shop@php-fpm.service"
UNITS = ["clinit-web@db.service", "clinit-web-shop-eu@eu-db.service", "clinit-web-shop@cron-job.service", ENTRY]


@pytest.fixture(scope="module")
def shipped(node: Node) -> Iterator[Shipped]:
    """The daemon, and all groups at level 3-a."""
    shipped = Shipped(node)
    shipped.write_table(TABLE)
    shipped.start()
    for group in ("web", "web-shop", "web-shop-eu", "a-unnamed", "a"):
        assert (shipped.clinit("--wait", group, "3-a").stdout) == f"{group} 3-a DONE\n"
    yield shipped
    shipped.clinit("-k", "--wait")


def said(shipped: Shipped, command: str) -> str:
    """What a command prints; it has to succeed."""
    return shipped.node.run("sh", "-c", command).stdout


def test_documented_commands(shipped: Shipped) -> None:
    """systemctl, journalctl and systemd-cgls know the group and the entry by the names that stand in the table."""
    status = said(shipped, "systemctl status --no-pager 'clinit-web-shop@*'")
    for unit in (ENTRY, "clinit-web-shop@cron-job.service", "clinit-web-shop@3-a.target"):
        assert unit in status
    assert "eu-db" not in status
    wait_until(lambda: "served" in said(shipped, "journalctl --quiet -u clinit-web-shop@php-fpm"))
    assert "served" in said(shipped, "journalctl --quiet -u 'clinit-web-shop@*'")
    pid = shipped.main_pid(ENTRY)
    assert f"─{pid} " in said(shipped, r"systemd-cgls --unit 'clinit-web\x2dshop.slice'")
    shipped.node.run("systemctl", "restart", "clinit-web-shop@php-fpm")
    assert shipped.main_pid(ENTRY) not in {0, pid}
    assert "clinit-web-shop@3-a.target" in said(shipped, "systemctl list-units --no-legend 'clinit-web-shop@*'")


def test_a_group_is_another_than_the_one_it_begins_like(shipped: Shipped) -> None:
    """A switch of web stops nothing of web-shop, nor one of web-shop anything of web-shop-eu; nor by systemd."""
    units = ["clinit-web-shop-eu@eu-db.service", "clinit-a-unnamed@u.service", "clinit-web@db.service", ENTRY]
    pids = [shipped.main_pid(unit) for unit in units]
    assert shipped.clinit("--wait", "web", "m").stdout == "web m DONE\n"
    assert shipped.clinit("--wait", "web-shop", "m").stdout == "web-shop m DONE\n"
    assert shipped.clinit("--wait", "a", "no-such-level").stdout == "a no-such-level DONE\n"
    assert pids == [shipped.main_pid(unit) for unit in units]
    assert shipped.main_pid("clinit-web-shop@cron-job.service") == 0
    shipped.node.run("systemctl", "start", "clinit-web@stop-it.target")
    assert [*pids[:2], 0, pids[3]] == [shipped.main_pid(unit) for unit in units]
    wait_until(lambda: shipped.clstat()["web"] == "stop-it DONE")
    for group in ("web-shop", "web", "a"):
        assert shipped.clinit("--wait", group, "3-a").stdout == f"{group} 3-a DONE\n"


def test_names_that_begin_with_a_hyphen(shipped: Shipped) -> None:
    """Behind `--`, as everywhere, they are names like any other."""
    assert shipped.clinit("--wait", "--", "-web", "-").stdout == "-web - DONE\n"
    assert shipped.main_pid("clinit--web@-db.service") > 0
    assert "clinit--web@-db.service" in said(shipped, "systemctl status --no-pager -- 'clinit--web@*'")
    assert shipped.clinit("--wait", "--", "-web", "-no").stdout == "-web -no DONE\n"
    assert shipped.main_pid("clinit--web@-db.service") == 0


def test_a_group_that_waits_for_itself(shipped: Shipped) -> None:
    """It is refused, though the name of its slice is another than that of its units."""
    assert shipped.clinit("--wait", "self-wait", "3-a").stdout == "self-wait 3-a DONE\n"
    assert "it would wait for itself" in shipped.node.read("/root/said")


@pytest.mark.parametrize(
    ("directory", "reached"),
    [
        ("clinit-web-shop@php-fpm.service.d", [ENTRY]),
        ("clinit-web-shop@.service.d", [ENTRY, "clinit-web-shop@cron-job.service"]),
        ("clinit-web@.service.d", ["clinit-web@db.service"]),
        ("clinit-web-@.service.d", [ENTRY, "clinit-web-shop@cron-job.service", "clinit-web-shop-eu@eu-db.service"]),
        ("clinit-web-.service.d", [ENTRY, "clinit-web-shop@cron-job.service", "clinit-web-shop-eu@eu-db.service"]),
        ("clinit-.service.d", UNITS),
        ("clinit-web-shop@php-.service.d", []),
        ("clinit-web.service.d", []),
    ],
)
def test_drop_ins(shipped: Shipped, directory: str, reached: list[str]) -> None:
    """A drop-in is for an entry, a group, or all; one for `web-` is for all groups whose names begin so."""
    path = f"/etc/systemd/system/{directory}/nice.conf"
    shipped.node.write(path, "[Service]\nNice=7\n")
    shipped.node.run("systemctl", "daemon-reload")
    gates = [Names().gate("web-shop", "php-fpm"), Names().first_gate("web-shop"), Names().barrier("web-shop", "3-a")]
    try:
        found = [unit for unit in [*UNITS, *gates] if path in shipped.properties(unit, "DropInPaths")["DropInPaths"]]
    finally:
        shipped.node.shell(f"rm -r /etc/systemd/system/{directory}; systemctl daemon-reload")

    assert sorted(reached) == sorted(found)


def test_slices(shipped: Shipped) -> None:
    """Each group's slice is under clinit.slice, and a drop-in for one reaches no other."""
    assert shipped.properties(r"clinit-web\x2dshop.slice", "Slice")["Slice"] == "clinit.slice"
    assert shipped.properties(ENTRY, "Slice")["Slice"] == r"clinit-web\x2dshop.slice"
    assert shipped.properties(ENTRY, "ControlGroup")["ControlGroup"].endswith(
        rf"/clinit.slice/clinit-web\x2dshop.slice/{ENTRY}"
    )


def test_units_are_shown_as_systemd_knows_them(shipped: Shipped) -> None:
    """What `show --units` prints is loaded, and a shell can hand it to systemctl."""
    units = [line.split()[-1] for line in said(shipped, "cltab2systemd show --units").splitlines()]
    assert ENTRY in units
    assert r"clinit-web\x2dshop.slice" in units
    loaded = said(
        shipped, "systemctl show --property=LoadState --value -- $(cltab2systemd show --units | awk '{print $NF}')"
    )
    assert ["loaded"] * len(units) == loaded.split()


def test_the_name_of_a_unit_by_systemd_escape(shipped: Shipped) -> None:
    """The command that the documents give says what a name becomes."""
    names = ["db@1", "web-shop", "a/b-c", r"back\slash", r"\x2d", ".hidden", "-", "é"]
    command = r"systemd-escape -- '{}' | sed 's|-|\\x2f|g; s|\\x2d|-|g'"
    expected = [Names().entry("g", name) for name in names]
    assert expected == [f"clinit-g@{said(shipped, command.format(name)).strip()}.service" for name in names]
