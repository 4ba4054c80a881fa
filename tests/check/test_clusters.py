"""Debian's PostgreSQL clusters that a boot starts, and entries that run the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from trees import found as found_in
from trees import make

if TYPE_CHECKING:
    from pathlib import Path

UNITS = "/usr/lib/systemd/system"
MACHINE = {
    f"{UNITS}/postgresql.service": "[Service]\nType=oneshot\nExecStart=/bin/true\n",
    f"{UNITS}/postgresql@.service": "[Service]\nType=forking\nExecStart=-/usr/bin/pg_ctlcluster %i start\n",
    "/usr/lib/systemd/system-generators/postgresql-generator": "!#!/bin/sh\n",
    "/etc/systemd/system/multi-user.target.wants/postgresql.service": f"->{UNITS}/postgresql.service",
    "/usr/lib/postgresql/15/bin/postgres": "!", "/usr/lib/postgresql/15/bin/pg_ctl": "!",
    "/usr/bin/pg_ctlcluster": "!", "/usr/bin/nginx": "!",
    "/etc/postgresql/15/main/postgresql.conf": "#port = 1\ndata_directory = '/srv/pg/main'\t# here\nport = 5433\n",
    "/etc/postgresql/15/main/start.conf": "# a comment\n\n auto # and one more\n",
    "/etc/postgresql/15/hand/postgresql.conf": "data_directory = '/srv/pg/hand'\nport = 5434\n",
    "/etc/postgresql/15/hand/start.conf": "manual\n",
    "/etc/postgresql/15/plain/postgresql.conf": "listen_addresses = '*'\n",
    "/etc/postgresql/14/gone/postgresql.conf": "data_directory = '/srv/pg/gone'\n",
    "/srv/pg/main/PG_VERSION": "15\n", "/srv/pg/hand/PG_VERSION": "15\n", "/srv/link": "->/srv/pg/main",
}  # fmt: skip
POSTGRES = "/usr/lib/postgresql/15/bin/postgres"
ENABLED, TAKEN = "also-enabled", "port-taken"


def told(root: Path, command: str, *more: str) -> list[str]:
    """The codes of what is found about an entry, its stop aside."""
    table = f"g:t:1:respawn:{command}\n:::service.t:TimeoutStopSec=5min\n" + "".join(f"{line}\n" for line in more)
    return [code for code, *_ in found_in(root, table) if code in {ENABLED, TAKEN}]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (f"{POSTGRES} -D /srv/pg/main", [ENABLED]),
        (f"runuser -u www-data -- {POSTGRES} -D/srv/link", [ENABLED]),
        (f"{POSTGRES} -D /etc/postgresql/15/main", [ENABLED]),
        (f"{POSTGRES} -c config_file=/etc/postgresql/15/main/postgresql.conf", [ENABLED]),
        ("exec pg_ctlcluster --foreground 15 main start", [ENABLED]),
        ("pg_ctlcluster 15-main start --foreground", [ENABLED]),
        ("pg_ctlcluster 15 plain start --foreground", [ENABLED]),
        ("su - www-data -c '/usr/lib/postgresql/15/bin/pg_ctl -D /srv/pg/main start'", [ENABLED]),
        (f"{POSTGRES} -D /srv/pg/hand", []),
        (f"{POSTGRES} -D /srv/pg/other", []),
        ("pg_ctlcluster 15 hand start --foreground", []),
        ("pg_ctlcluster 14 gone start --foreground", []),
        ("pg_ctlcluster 15 main stop", []),
        (f"{POSTGRES} -D /srv/pg/other -p 5433", [TAKEN]),
        (f"{POSTGRES} -D /srv/pg/other -p 5432", [TAKEN]),
        (f"{POSTGRES} -D /srv/pg/other -p 5434", []),
    ],
)
def test_entries(tmp_path: Path, command: str, expected: list[str]) -> None:
    """An entry runs the cluster that a boot starts, or one on its port; not one that a boot leaves alone."""
    make(tmp_path, MACHINE)
    assert told(tmp_path, command) == expected
    assert told(tmp_path, command, "g:stop:1:wait:systemctl stop postgresql") == []
    assert told(tmp_path, command, "g:stop:1:wait:systemctl stop postgresql@15-main postgresql@15-plain") == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/etc/systemd/system/postgresql.service", "->/dev/null"),
        ("/etc/systemd/system/postgresql@15-main.service", "->/dev/null"),
        ("/etc/systemd/system-generators/postgresql-generator", "->/dev/null"),
        ("/etc/postgresql/15/main/start.conf", "disabled\n"),
    ],
)
def test_what_a_boot_does_not_start(tmp_path: Path, path: str, text: str) -> None:
    """A cluster is none of the boot's without the service, its unit, the generator, or `auto`."""
    make(tmp_path, MACHINE)
    make(tmp_path, {"/dev/null": ""}, usual=False, base=False)
    assert told(tmp_path, f"{POSTGRES} -D /srv/pg/main") == [ENABLED]
    make(tmp_path, {path: text}, usual=False, base=False)
    assert told(tmp_path, f"{POSTGRES} -D /srv/pg/main") == []


def test_a_port_that_cannot_be_told(tmp_path: Path) -> None:
    """An included file counts too, and of several addresses nothing is said."""
    make(tmp_path, MACHINE)
    command = f"{POSTGRES} -D /srv/pg/other -p 5433"
    assert told(tmp_path, command) == [TAKEN]
    make(tmp_path, {"/etc/postgresql/15/main/conf.d/more.conf": "port = 5439\n"}, usual=False, base=False)
    assert told(tmp_path, command) == []
    assert told(tmp_path, command.replace("5433", "5439")) == [TAKEN]
    addresses = {"/etc/postgresql/15/main/conf.d/more.conf": "listen_addresses = '10.0.0.1, 10.0.0.2'\n"}
    make(tmp_path, addresses, usual=False, base=False)
    assert told(tmp_path, command) == []
