"""A rehearsal on a machine whose daemon runs nginx and redis: what it says of a push comes true."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from answers import answered
from rehearsing import machine, seen_by_all
from shipped import Shipped
from terminals import Terminal
from waystofail import PACKAGES

from lab.programs import installed
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


REHEARSE = ("cltab2systemd", "rehearse", "--bind-ro")


def conf(port: int) -> str:
    """A configuration of nginx."""
    return (
        "daemon off; error_log stderr; pid /tmp/nginx.pid; events {}\n"
        "http { access_log off; client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy;\n"
        "    fastcgi_temp_path /tmp/fastcgi; uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;\n"
        f"    server {{ listen 127.0.0.1:{port}; location / {{ return 200 hello; }} }} }}\n"
    )


def table(place: Path, configuration: str, level: str = "3") -> str:
    """A cache with a key in it and a web server, both of them Debian's; and something else."""
    layer = installed(*PACKAGES)
    libraries = f"LD_LIBRARY_PATH={layer}/usr/lib/x86_64-linux-gnu"
    return (
        f"shop:redis:{level}:respawn:exec {layer}/usr/bin/redis-server --port 7002 --save '' --dir /tmp\n"
        f"shop:key:{level}:test:{layer}/usr/bin/redis-cli -e -p 7002 set key value\n"
        f"shop:nginx:{level}:respawn:exec {layer}/usr/sbin/nginx -c {place}/{configuration}\n"
        "mail:queue:1:respawn:sleep 1000\n"
        ":::ready.redis:tcp:7002\n"
        f":::service.redis:Environment={libraries}\n"
        f":::service.key:Environment={libraries}\n"
    )


@pytest.fixture(scope="module")
def place(lab: None) -> Iterator[Path]:
    """A directory of the machine with configurations: with a port of its own, and with that of redis."""
    with seen_by_all() as directory:
        for name, port in {"own": 7001, "other": 7003, "taken": 7002}.items():
            (directory / name).write_text(conf(port))
        yield directory


@pytest.fixture(scope="module")
def shipped(place: Path, project_layer: Path) -> Iterator[Shipped]:
    """The daemon, which has both servers run."""
    with machine("rehearsing", project_layer, installed(*PACKAGES)) as node:
        node.write("/etc/cltab", table(place, "own"))
        shipped = Shipped(node).start()
        answered(shipped.clinit("--wait", "shop", "3"), code=0, out="shop 3 DONE\n", err="")
        yield shipped


def test_a_push_that_is_bad(shipped: Shipped, place: Path) -> None:
    """It tells the very words that nginx says when the table is pushed; redis is left alone in both."""
    shipped.node.write("/root/new", table(place, "taken", "4"))
    command = (
        *REHEARSE,
        str(installed(*PACKAGES)),
        "--real",
        "all",
        "--from",
        "3",
        "--to",
        "4",
        "--format",
        "json",
        "/root/new",
    )
    done = shipped.node.run(*command, check=False)
    assert done.returncode == 1
    report = json.loads(done.stdout)
    (shop,) = report["groups"]
    (finding,) = shop["findings"]
    bad = [move for move in shop["moves"] if move["to"] == {"table": "new", "level": "4"}]
    (move,) = [move for move in bad if move["from"] == {"table": "old", "level": "3"}]
    words = "127.0.0.1:7002 failed (98: Address already in use)"
    assert (shop["change"], finding["tag"], report["standing_by"]) == ("changed", "nginx", ["mail"])
    assert finding["moves"] == [*map(move_of, bad)]
    assert any(words in line for line in finding["lines"])
    assert {entry["tag"]: entry["seen"] for entry in move["entries"]}["redis"] == "leave"

    pid = shipped.main_pid("clinit-shop@redis.service")
    shipped.write_table(shipped.node.read("/root/new"))
    shipped.clinit("--wait", "shop", "4")
    wait_until(lambda: words in shipped.node.journal("clinit-shop@nginx.service"))
    assert shipped.main_pid("clinit-shop@redis.service") == pid
    shipped.write_table(table(place, "own"))
    answered(shipped.clinit("--wait", "shop", "3"), code=0, out="shop 3 DONE\n")


def move_of(move: dict[str, object]) -> dict[str, object]:
    """A move as a finding names it."""
    return {name: move[name] for name in ("group", "from", "to")}


def test_the_picture_of_progress(shipped: Shipped, place: Path) -> None:
    """On a terminal each round is shown in a line, which is gone at the end; the report comes behind it."""
    shipped.node.write("/root/new", table(place, "other"))
    with Terminal(shipped.node, *REHEARSE, str(installed(*PACKAGES)), "/root/new", columns=30) as terminal:
        code = terminal.ended()
    assert code == 0
    lines = terminal.output.split("\r")
    shown = [line.removesuffix("\x1b[K") for line in lines if line.endswith("\x1b[K")]
    rounds = [line for line in shown if line]
    assert all(len(line) <= 29 for line in rounds)
    numbers = [line.split()[1] for line in rounds]
    assert numbers == [*map(str, range(1, len(rounds) + 1))]
    assert rounds[0].startswith(f"round 1 of {len(rounds)}, ")
    assert any(f"of {len(rounds)}, old table: s" in line for line in rounds)
    assert shown[-1] == ""
    assert "shop: " in terminal.output.rpartition("\x1b[K")[2]
