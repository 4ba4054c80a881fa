"""Names are bytes, the same in every locale: client, daemon, clstat, varlink, commands and generator."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from locales import LOCALES, SINGLE_BYTE, compile_in_node, environment_in_node
from shipped import SERVICE, Shipped

from cltab2systemd.text import decoded
from lab.node import Node

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The last one is the `é` of ISO 8859-1, which is no UTF-8.
GROUPS = ("数".encode(), "é".encode(), b"\xe9")
STATUS_FILE = "/run/clinit/é.stat".encode()
SOCKET = "/run/clinit/数.s".encode()
LOG = "/var/log/clinit/é.log".encode()
TABLE = b"".join(b"%b:%b.tag:1:respawn:exec sleep 1000\n" % (group, group) for group in GROUPS)
SETTINGS = b":::clstat:%b\n:::socket:%b\n:::log:%b\n" % (STATUS_FILE, SOCKET, LOG)


class Speaker:
    """A node whose daemon and commands have one locale."""

    def __init__(self, node: Node, locale: str) -> None:
        self.node = node
        self.environment = {**environment_in_node(locale), "LC_ALL": locale}

    def run(self, *words: str | bytes) -> bytes:
        """What a command prints; it has to succeed. Words of bytes arrive as they are."""
        program = f"import subprocess, sys; sys.exit(subprocess.run({list(words)!r}).returncode)"
        return self.node.run_bytes("python3", "-c", program, env=self.environment).stdout


@pytest.fixture(scope="module", params=LOCALES)
def speaker(request: pytest.FixtureRequest, project_layer: Path) -> Iterator[Speaker]:
    """A node whose service has a locale, and whose groups are up."""
    locale = request.param
    with Node(f"locale-{LOCALES.index(locale)}", layers=[project_layer]) as node:
        compile_in_node(node)
        shipped = Shipped(node)
        speaker = Speaker(node, locale)
        shipped.drop_in(
            SERVICE, "[Service]", *(f"Environment={name}={value}" for name, value in speaker.environment.items())
        )
        shipped.write_table(SETTINGS + TABLE)
        shipped.start()
        for group in GROUPS:
            assert speaker.run("clinit", "--wait", group, "1") == group + b" 1 DONE\n"
        yield speaker


def test_the_locale_is_the_machines(speaker: Speaker) -> None:
    """The locale is one that the node has, and in the single-byte one Python's own idea of bytes is another."""
    said = speaker.run("python3", "-c", "import sys; print(sys.getfilesystemencoding())")

    assert said == (b"iso8859-1\n" if speaker.environment["LANG"] == SINGLE_BYTE else b"utf-8\n")


def test_status_file(speaker: Speaker) -> None:
    """Clstat lies where the table says, and has the table's bytes; `clinit -v` and the library hand them on."""
    lines = b"".join(b"%b 1 DONE\n" % group for group in GROUPS)
    library = (
        "import sys; from cltab2systemd import client, text; sys.stdout.buffer.write(text.encoded(client.status()))"
    )

    assert speaker.run("cat", STATUS_FILE) == b"".join(b"Cluster::Init::Group %b 1 DONE\n" % group for group in GROUPS)
    assert speaker.run("clinit", "-v") == lines
    assert speaker.run("python3", "-c", library) == lines


def test_wire(speaker: Speaker) -> None:
    """The daemon listens where the table says, and says names as JSON has them."""
    ask = (
        f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({SOCKET!r});"
        's.send(b\'{"method":"org.clinit.Manager.Status","parameters":{}}\\0\'); print(s.recv(65536).decode())'
    )
    reply = json.loads(speaker.run("python3", "-c", ask).rstrip(b"\0\n"))

    assert [status["group"] for status in reply["parameters"]["groups"]] == [decoded(group) for group in GROUPS]


def test_log(speaker: Speaker) -> None:
    """The log file lies where the table says, and names groups by their bytes."""
    log = speaker.run("cat", LOG)

    assert all(b"%b: going to level 1\n" % group in log for group in GROUPS)


def test_commands_and_generator(speaker: Speaker) -> None:
    """The same bytes come out of the commands and the generator as in a locale of UTF-8."""
    by_locale, by_utf8 = speaker, Speaker(speaker.node, "C.UTF-8")
    commands: tuple[tuple[str | bytes, ...], ...] = (
        ("cltab2systemd", "show"),
        ("cltab2systemd", "show", "--format=json"),
        *(("cltab2systemd", "explain", group, "1") for group in GROUPS),
    )
    for words in commands:
        assert by_locale.run(*words) == by_utf8.run(*words) != b""
    compiled = (
        "cltab2systemd compile /etc/cltab -o /run/compiled; cd /run/compiled; export LC_ALL=C; cat *; ls; "
        "rm -r /run/compiled"
    )
    assert by_locale.run("sh", "-ec", compiled) == by_utf8.run("sh", "-ec", compiled)
    generator = "/usr/lib/systemd/system-generators/cltab2systemd-generator"
    make = (
        "rm -f /run/cltab2systemd/system/taken-over; mkdir /run/made; "
        f"{generator} /run/made /run/made /run/made; cd /run/made; tar --sort=name --mtime=@0 -c . | sha256sum; "
        "ls | wc -l; touch /run/cltab2systemd/system/taken-over; rm -r /run/made"
    )
    made = by_locale.run("sh", "-ec", make)

    assert made == by_utf8.run("sh", "-ec", make)
    assert int(made.split()[-1]) > 3 * len(GROUPS)
