"""systemd's own opinion of the units: `systemd-analyze verify` on everything that is compiled."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from answers import answered
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import tables

from cltab2systemd.check.loading import load
from cltab2systemd.table.diagnostics import has_errors
from cltab2systemd.text import encoded
from cltab2systemd.units.compiler import compile_table
from cltab2systemd.units.names import Names
from lab.install import PROJECT

if TYPE_CHECKING:
    from cltab2systemd.table.model import Table
    from lab.node import Node

SHOWN = PROJECT / "tests/tables"
UNITS = "/etc/systemd/system"
# Whether the man pages that units name are installed is the machine's business, and takes a process for each.
VERIFY = "systemd-analyze verify --man=no --recursive-errors=yes"

NASTY = [
    "%i",
    "a-b",
    "a/b",
    "ü",
    "back\\slash",
    "x@y",
    "$HOME",
    ".dot",
    "end\\",
    '"q"',
    "#c",
    "[Unit]",
    "\udcff",
    "\ufdd0",
]
COMMANDS = [
    "true", "sleep 5; echo %n %% $HOME ${X} $$", "prog a #b", "trailing \\", "'quote\" `x` \\x41", "\t tab \x01 \x7f",
    "é日本 \udcff\udcc3 \ufffe \u2028", "[Service] ExecStart=/bin/false", "-/bin/false", "@x y", "", " ",
]  # fmt: skip
MODES = ["wait", "respawn", "once", "test", "off"]

# Directives that systemd 252 knows, with values that it takes: what others mean is for their writer to say.
OF_GROUP = st.sampled_from(["MemoryMax=1G", "CPUWeight = 50", "TasksMax=10", "IOWeight=", "AllowedCPUs=0"])
OF_SERVICE = OF_GROUP | st.sampled_from([
    "User=root", 'Environment="A=%i" B=$C', "WorkingDirectory=-/srv", "LimitNOFILE=1024:4096", "UMask=0027", "Nice=5",
    "ProtectSystem=strict", "PrivateTmp=yes", "KillMode=process", "TimeoutStopSec=90", "TimeoutStartSec=infinity",
    "CapabilityBoundingSet=", "SyslogIdentifier=x y", "RuntimeDirectory=other", "StateDirectory=a/b",
])  # fmt: skip
TABLES = 250
BATCHES = 5


def nasty_table(seed: int) -> str:
    """A table of names and commands that would break a careless generator."""
    source = random.Random(seed)  # noqa: S311 - the same tables in every run
    groups = source.sample(NASTY, 4)
    lines = []
    for number in range(40):
        levels = source.choice([source.choice(NASTY), ",".join(source.sample(NASTY, 3)), "12", "1"])
        tag = source.choice(NASTY) + str(number)
        lines.append(f"{source.choice(groups)}:{tag}:{levels}:{source.choice(MODES)}:{source.choice(COMMANDS)}")
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("names", [Names(), Names("_0123abcd")], ids=["system", "other"])
def test_systemd_accepts_every_unit(fresh_node: Node, seed: int, names: Names) -> None:
    """No unit of a table full of nasty names and commands gives systemd-analyze anything to say."""
    table, findings = load(encoded(nasty_table(seed)), "/etc/cl%tab", names)
    files = compile_table(table, names)
    assert not findings
    assert len(files) > 80
    for name, content in files.items():
        fresh_node.write(f"{UNITS}/{name}", content)
    prefix = f"{UNITS}/clinit"
    done = fresh_node.run("sh", "-c", f"exec {VERIFY} {prefix}*", check=False)

    answered(done, code=0, out="", err="")


def generated_tables() -> list[Table]:
    """The tables that hypothesis thinks of, the same in every run, as a list: for systemd looks at many at a time."""
    found: list[Table] = []

    @settings(derandomize=True, database=None, deadline=None, max_examples=TABLES)
    @given(tables(OF_SERVICE, OF_GROUP))
    def collect(table: Table) -> None:
        found.append(table)

    collect()
    return found


def verified(node: Node, batch: list[Table]) -> str:
    """What systemd says about tables that are there at a time, each as an instance but for the first, which boots."""
    node.shell(f"rm -rf {UNITS}/clinit* {UNITS}/multi-user.target.d")
    for number, table in enumerate(batch):
        for name, content in compile_table(table, Names(f"_{number:08x}" if number else "")).items():
            node.write(f"{UNITS}/{name}", content)
    # In the name of a file, systemd-analyze takes a colon for its own; other units have it load these, too.
    files = f"find {UNITS} -maxdepth 1 -name 'clinit*' ! -name '*:*'"
    done = node.run("sh", "-c", f"{files} -exec {VERIFY} multi-user.target {{}} +", check=False)
    return f"exit code {done.returncode}: {done.stdout}{done.stderr}" if done.returncode or done.stderr else ""


def test_systemd_accepts_any_table_that_parses(fresh_node: Node) -> None:
    """Whatever table parses without an error, systemd has nothing to say about its units."""
    # Tables with a boot level come first, so that each batch begins with one.
    found = sorted(generated_tables(), key=lambda table: not any(g.boot_level for g in table.groups.values()))
    assert len(found) >= TABLES
    for number in range(BATCHES):
        batch = found[number::BATCHES]
        assert any(group.boot_level for group in batch[0].groups.values())
        if said := verified(fresh_node, batch):
            # Which one was it, and what does systemd say of it alone?
            each = ((table, verified(fresh_node, [table])) for table in batch)
            alone = [
                "\n".join([*(line for g in t.groups.values() for line in g.lines), text]) for t, text in each if text
            ]
            pytest.fail("\n\n".join(alone[:3]) or said)


def test_systemd_accepts_the_tables_that_tell_what_they_show(fresh_node: Node) -> None:
    """The same for tests/tables, which have what hypothesis would take long to think of."""
    loaded = (load(path.read_bytes(), "/etc/cltab") for path in sorted(SHOWN.glob("*.cltab")))
    found = [table for table, findings in loaded if not has_errors(findings)]
    assert len(found) > 30
    assert verified(fresh_node, found) == ""


def test_verify_would_find_an_error(fresh_node: Node) -> None:
    """The check above is one: a unit with an unknown directive does not pass."""
    fresh_node.write(f"{UNITS}/clinit-x@y.service", "[Service]\nExecStart=/bin/true\nNoSuchDirective=yes\n")
    done = fresh_node.run("sh", "-c", f"exec {VERIFY} {UNITS}/clinit*", check=False)

    assert done.returncode != 0


def test_the_demo_table_compiles_and_verifies(fresh_node: Node) -> None:
    """`cltab2systemd compile` as a user runs it, on the demo's table."""
    fresh_node.write("/etc/cltab", (PROJECT / "demo/cltab").read_bytes())
    fresh_node.run("cltab2systemd", "compile", "/etc/cltab", "--output", UNITS)
    done = fresh_node.shell(f"{VERIFY} {UNITS}/clinit*")

    answered(done, out="", err="")
