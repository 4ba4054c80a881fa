"""A table with Debian's nginx, redis and PostgreSQL is pushed: checked, applied, tried and taken back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from answers import answered
from shipped import Shipped
from waystofail import PACKAGES

from lab.node import Node
from lab.programs import installed
from lab.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PORT = 7080
# The cluster of Debian's package is of no use here: one of the table's own.
DATA = "/var/lib/postgresql/shop"
SET_UP = f"""
    for unit in nginx redis-server postgresql; do systemctl disable --now --quiet $unit 2>/dev/null || :; done
    ln -sf /usr/lib/postgresql/*/bin/initdb /usr/lib/postgresql/*/bin/postgres /usr/local/bin/
    install -d -o postgres -g postgres /run/postgresql
    install -d /srv/cache
    runuser -u postgres -- initdb --no-sync -A trust -D {DATA} >/dev/null
"""
TABLE = f"""\
shop:shop.db:23:respawn:exec postgres -D {DATA} -c listen_addresses= -c fsync=off -c shared_buffers=1MB
:::service.shop.db:User=postgres
:::service.shop.db:KillSignal=SIGINT
:::service.shop.db:TimeoutStopSec=60
:::ready.shop.db:pg_isready -q
shop:shop.cache:23:respawn:exec redis-server --port 0 --unixsocket /run/cache.socket --dir /srv/cache --save ''
:::ready.shop.cache:redis-cli -e -s /run/cache.socket ping
shop:shop.web:3:respawn:exec nginx -c /srv/old.conf -g 'daemon off;'
:::service.shop.web:KillSignal=SIGQUIT
:::levels.shop:stop
"""
NEW = TABLE.replace("old.conf", "new.conf")
LONG = "1000"


def web(says: str) -> str:
    return (
        "error_log stderr; pid /run/nginx-shop.pid; events {}\n"
        f'http {{ access_log off; server {{ listen 127.0.0.1:{PORT}; location / {{ return 200 "{says}"; }} }} }}\n'
    )


@pytest.fixture(scope="module")
def running(project_layer: Path) -> Iterator[Shipped]:
    """The shipped daemon, in a node with real programs, that runs the shop."""
    with Node("real-pushes", layers=[project_layer, installed(*PACKAGES)]) as node:
        node.shell(SET_UP)
        for says in ("old", "new"):
            node.write(f"/srv/{says}.conf", web(says))
        yield Shipped(node).start()


@pytest.fixture
def shop(running: Shipped) -> Shipped:
    """The shop at its level with the first table, and something that only its processes remember."""
    running.write_table(TABLE)
    answered(running.clinit("--wait", "shop", "3"), code=0, out="shop 3 DONE\n")
    running.node.run("redis-cli", "-s", "/run/cache.socket", "set", "basket", "full")
    assert says(running) == "old"
    return running


def says(shop: Shipped) -> str:
    """What the web server answers; empty if it does not."""
    return shop.node.run("curl", "--silent", f"http://127.0.0.1:{PORT}", check=False).stdout


def basket(shop: Shipped) -> str:
    """What redis remembers; nothing, if it is another process than before."""
    return shop.node.run("redis-cli", "-s", "/run/cache.socket", "get", "basket", check=False).stdout.strip()


def servers(shop: Shipped) -> list[int]:
    """The processes of database and cache."""
    return [shop.main_pid(f"clinit-shop@shop.{tag}.service") for tag in ("db", "cache")]


def test_checked(shop: Shipped) -> None:
    """There is nothing to say of the table, on this machine; and what is wrong with it for this machine is said."""
    answered(shop.node.run("cltab2systemd", "check", check=False), code=0, out="", err="")
    shop.node.run("systemctl", "enable", "--quiet", "nginx")
    wrong = TABLE
    for right, instead in (("redis-server", "redis-sever"), ("=postgres", "=postgrse"), (" -c /srv/old.conf", "")):
        wrong = wrong.replace(right, instead)
    shop.node.write("/root/wrong", wrong)
    found = shop.node.run("cltab2systemd", "check", "/root/wrong", check=False)
    shop.node.run("systemctl", "disable", "--quiet", "nginx")

    assert sorted(re.findall(r"\[([a-z-]+)\]$", found.stderr, re.MULTILINE)) == [
        "also-enabled", "missing-program", "unknown-user",
    ]  # fmt: skip


def test_a_bad_push_and_the_mended_one(shop: Shipped) -> None:
    """A table with an error changes nothing. What the mended one changes is changed, and nothing else."""
    before = servers(shop)
    shop.write_table(NEW.replace("respawn", "respwan", 1))
    assert shop.clinit("--apply").returncode == 1
    assert (says(shop), basket(shop), servers(shop)) == ("old", "full", before)

    shop.write_table(NEW)
    answered(shop.clinit("--apply"), code=0, out="shop 3 DONE\n  shop.web  restarted\n")
    assert (says(shop), basket(shop), servers(shop)) == ("new", "full", before)
    answered(shop.clinit("--apply"), code=0, out="")


@pytest.mark.parametrize("is_killed", [False, True], ids=["", "the daemon is killed"])
def test_tried_and_not_kept(shop: Shipped, *, is_killed: bool) -> None:
    """The web server comes back, with its old lines; database and cache have noticed nothing."""
    before = servers(shop)
    shop.write_table(NEW)
    answered(shop.clinit("--wait", "--try", f"{3 * PATIENCE:g}", "shop", "2"), code=0)
    assert (says(shop), basket(shop)) == ("", "full")
    if is_killed:
        pid = shop.pid
        shop.node.run("kill", "-KILL", str(pid))
        shop.await_restart(pid)
    wait_until(lambda: says(shop) == "old", what="the trial is over")
    wait_until(lambda: shop.clstat() == {"shop": "3 DONE"})
    assert (basket(shop), servers(shop)) == ("full", before)


def test_tried_and_kept(shop: Shipped) -> None:
    """Nothing comes back."""
    answered(shop.clinit("--wait", "--try", LONG, "shop", "stop"), code=0)
    assert servers(shop) == [0, 0]
    answered(shop.clinit("--keep", "shop"), code=0)
    assert shop.clstat() == {"shop": "stop DONE"}
    assert not shop.node.exists("/run/cltab2systemd/system/trials/shop")


def test_rolled_back(shop: Shipped) -> None:
    """The web server runs by the lines before again, and nothing else is touched."""
    before = servers(shop)
    shop.write_table(NEW)
    answered(shop.clinit("--apply"), code=0)
    assert says(shop) == "new"
    tables = shop.node.run("cltab2systemd", "tables").stdout.splitlines()
    earlier = tables[2].split()[0]
    answered(shop.node.run("cltab2systemd", "rollback", earlier, check=False), code=0)
    assert (says(shop), basket(shop), servers(shop)) == ("old", "full", before)
    assert shop.node.read("/etc/cltab") == TABLE
