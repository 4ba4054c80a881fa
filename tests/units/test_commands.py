"""Commands arrive byte for byte: table → unit → systemd → `/bin/sh`, with Perl's own exec as the measure."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest
from answers import answered
from instance import Instance

from cltab2systemd.table.model import LONGEST_COMMAND
from cltab2systemd.text import decoded

if TYPE_CHECKING:
    from pathlib import Path

    from lab.node import Node

GROUPS = 8
ENTRIES = 256
RECORDER = "/run/recorder"
ARRIVED = "/run/arrived"

# Stands in for the programs and for /bin/sh: writes the arguments that it was started with into a file named after the
# entry that it runs for. What we put before a command is carried out by the real shell.
SHELL_SCRIPT = f"""\
#!/bin/dash
case "$0:$2" in */bin/sh:"trap 'exit 203' 0; "* | */bin/sh:'eval "${{CLINIT_THROTTLE-'*) exec /bin/dash "$@" ;; esac
case "$1" in */cltab2systemd-generator) exec /bin/dash "$@" ;; esac
name=${{TAG:-$(sed -n 's|.*@\\(.*\\)[.]service$|\\1|p' /proc/$$/cgroup)}}
cat /proc/$$/cmdline > {ARRIVED}/new.$$
mv {ARRIVED}/new.$$ "{ARRIVED}/$name"
"""

# What the ancestor did: Perl's exec of the same bytes.
ORACLE = """\
local $/ = "\\0";
while (my $line = <STDIN>) {
    chomp $line;
    my ($tag, $command) = split /:/, $line, 2;
    my $pid = fork // die;
    if (!$pid) { $ENV{TAG} = $tag; open STDIN, '<', '/dev/null'; exec $command; exit 127 }
    waitpid $pid, 0;
}
"""

PIECES = [
    *(bytes([byte]) for byte in range(1, 256) if byte != ord("\n")),
    *b"$ % \\ \" ' ; | & < > ( ) { } [ ] * ? ~ ` # ! @ + - : , = ^".split(),
    b" ", b"  ", b"\t", b"\r", b"$$", b"${X}", b"$(id)", b"%%", b"%i", b"%H", b"%n", b"\\n", b"\\\\", b"\\x41",
    b"\\u00e9", b"\\", b"\\ ", b'\\"', b"''", b'""',
    b"2>&1", b" 2>&1", b">/dev/null", b"<x", b"a|b", b"&&", b";;", b"a b", b"#c",
    "é".encode(), "日本".encode(), "\u2028".encode(), "\ufffe".encode(), "\ufdd0".encode(), "\U0001ffff".encode(),
    "\u0085".encode(), b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"\x7f", b"\x1b[0m", b"A=1", b"exec ", b". ", b"word",
]  # fmt: skip
SHELL = b"$&*(){}[]'\";\\|?<>~`"
SHELL_STARTS = [b"", b" ", b"A=1 ", b"exec ", b". ", b"\t", b"-", b"@", b"+", b"!", b":", b"|", b"%", RECORDER.encode()]
PLAIN_STARTS = [RECORDER.encode() + b" ", b" " + RECORDER.encode() + b"\t"]


def generated(seed: int) -> list[bytes]:
    """Command lines: each a start that matters to Perl or to systemd, and pieces that matter to either.

    Half of them have nothing that needs a shell, so that both ways are taken often; those run the recorder.
    """
    source = random.Random(seed)  # noqa: S311 - the same commands in every run
    plain_pieces = [piece for piece in PIECES if not set(piece) & set(SHELL)]
    commands = []
    for number in range(ENTRIES):
        plain = number % 2 == 0
        pieces = source.choices(plain_pieces if plain else PIECES, k=source.randint(0, 12))
        start = source.choice(PLAIN_STARTS if plain else SHELL_STARTS)
        # Without anything for the shell, Perl would look for a program of a random name.
        commands.append(start + b"".join(pieces) + (b"" if plain else source.choice([b";", b" $x", b"'", b"|cat"])))
    return commands


@pytest.fixture
def instance(fresh_node: Node) -> Instance:
    """A daemon in a node of which /bin/sh is the recorder."""
    instance = Instance(fresh_node)
    instance.write_table("")
    instance.start()
    fresh_node.write(RECORDER, SHELL_SCRIPT, mode=0o755)
    fresh_node.run("ln", "-sf", RECORDER, "/usr/bin/sh")
    fresh_node.path(ARRIVED).mkdir()
    return instance


def arrived(node: Node) -> dict[str, list[bytes]]:
    """The arguments that each entry's process was started with, by tag; takes them away."""
    found = {}
    directory: Path = node.path(ARRIVED)
    for path in directory.iterdir():
        found[path.name] = path.read_bytes().split(b"\0")[1:-1]
        path.unlink()
    return found


@pytest.mark.parametrize("seed", range(GROUPS))
def test_commands_arrive_byte_for_byte(instance: Instance, seed: int) -> None:
    """Whatever Perl would have started for the line, systemd starts: the same words, or the same text for the shell."""
    commands = {f"t{number}": command for number, command in enumerate(generated(seed))}
    # Few respawns: the recorder ends at once, and then they all come back.
    modes = [b"respawn" if number % 32 < 2 else b"once" for number in range(ENTRIES)]
    lines = zip(commands.items(), modes, strict=True)
    instance.write_table(b"".join(b"g:%s:1:%s:%s\n" % (tag.encode(), mode, text) for (tag, text), mode in lines))
    done = instance.clinit("-w", "g", "1")
    answered(done, code=0, out="g 1 DONE\n")
    instance.clinit("-w", "g", "0")
    by_systemd = arrived(instance.node)
    asked = b"".join(b"%s:%s\0" % (tag.encode(), text) for tag, text in commands.items())
    instance.node.run_bytes("perl", "-e", ORACLE, input=asked, check=False)
    by_perl = arrived(instance.node)

    assert ENTRIES == len(by_perl)
    for tag, command in commands.items():
        if by_perl[tag][:2] == [b"/bin/sh", b"-c"]:
            # Perl drops blanks before the command, which mean nothing to a shell.
            assert command.lstrip(b" \t\r\f\v") == by_perl[tag][2]
            by_perl[tag][2] = command
    assert by_perl == by_systemd


def test_the_longest_command_arrives(instance: Instance) -> None:
    """A command as long as the kernel takes, of bytes that all need escaping, arrives whole."""
    command = b"\xff;" * (LONGEST_COMMAND // 2) + b";"
    assert LONGEST_COMMAND == len(command)
    instance.write_table(b"g:long:1:wait:" + command + b"\n")
    assert instance.clinit("-w", "g", "1").returncode == 0

    assert {"long": [b"/bin/sh", b"-c", command]} == arrived(instance.node)


def test_names_that_are_not_utf8(fresh_node: Node) -> None:
    """A group of bytes that are no text can be defined, switched and read back."""
    instance = Instance(fresh_node)
    instance.write_table(b"g\xff:t\xfe:1:respawn:sleep 1000\n")
    instance.start()
    switch = "import subprocess, sys; sys.exit(subprocess.run(['clinit', '-w', b'g\\xff', '1']).returncode)"
    done = fresh_node.run_bytes("python3", "-c", switch)

    assert b"g\xff 1 DONE\n" == done.stdout
    assert b"Cluster::Init::Group g\xff 1 DONE\n" == fresh_node.read_bytes("/run/clinit/clstat")
    assert json.loads(json.dumps(decoded(b"g\xff"))) == decoded(b"g\xff")
