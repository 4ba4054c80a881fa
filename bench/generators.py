"""Other programs' systemd generators, as yardsticks, and a node that has them beside ours.

systemd's own come from the machine; a node does not see those unless they are bound. systemd-cron's is taken out of
Debian's package.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import inputs
from bench.packages import unpacked
from cltab2systemd.node.spec import Bind
from lab.install import installed_layer
from lab.node import Node

OURS = "/usr/lib/systemd/system-generators/cltab2systemd-generator"
SYSV = "/yardsticks/systemd/systemd-sysv-generator"
CRON = "/yardsticks/cron/systemd-crontab-generator"

_OUT = "/run/out"
_USE = "/run/use"
# What a generator finds is what /run/now points at: one of the trees below /run/trees. All is on a tmpfs.
_SWITCH = f"""\
#!/bin/sh -e
ln -sfn /run/trees/$1 /run/now
rm -rf {_OUT}
mkdir {_OUT} {_OUT}/normal {_OUT}/early {_OUT}/late
"""
_LINKS = ("cltab", "crontab", "init.d", *(f"rc{level}.d" for level in range(7)))
_PACKAGE = "systemd-cron"


@contextmanager
def generator_node() -> Iterator[Node]:
    """Boot a node with the project and the other generators, which systemd does not run there by itself."""
    binds = [Bind(Path("/usr/lib/systemd/system-generators"), Path(SYSV).parent)]
    if (cron := _systemd_cron()) is not None:
        binds.append(Bind(cron, Path(CRON).parent))
    with Node("bench", layers=[installed_layer()], binds=binds) as node:
        links = "".join(f"rm -rf /etc/{name}; ln -s /run/now/{name} /etc/{name}\n" for name in _LINKS)
        node.shell(f"{links}mkdir /run/trees\n")
        node.write(_USE, _SWITCH, mode=0o755)
        yield node


def add_tree(node: Node, name: str, table: str, crontab: str = "", scripts: dict[str, str] | None = None) -> None:
    """Lay down what generators can find, to be used by name."""
    # Straight through /proc: a Node.write for each of thousands of files would take its time.
    tree = node.path("/run/trees") / name
    for link in _LINKS:
        if "." in link:
            (tree / link).mkdir(parents=True)
    (tree / "cltab").write_text(table)
    (tree / "crontab").write_text(crontab)
    for script, text in (scripts or {}).items():
        path = tree / "init.d" / script
        path.write_text(text)
        path.chmod(0o755)
        # As update-rc.d does.
        for level in range(7):
            link = ("S01" if level in {2, 3, 4, 5} else "K01") + script
            (tree / f"rc{level}.d" / link).symlink_to(f"../init.d/{script}")


def add_full_tree(node: Node, lines: int) -> None:
    """Lay down a table, a crontab and init scripts of so many lines, to be used by this number."""
    add_tree(node, str(lines), inputs.table(lines), inputs.crontab(lines), inputs.scripts(lines))


def use(name: str) -> tuple[str, ...]:
    """The command that makes a tree what generators find, and empties the directories that they write to."""
    return (_USE, name)


def call(generator: str) -> tuple[str, ...]:
    """A generator's command line, as systemd has it."""
    return (generator, f"{_OUT}/normal", f"{_OUT}/early", f"{_OUT}/late")


def has_cron(node: Node) -> bool:
    """Whether systemd-cron's generator could be had."""
    return node.exists(CRON)


def written(node: Node, generator: str, tree: str) -> tuple[int, int]:
    """How many files, and how many bytes, a generator makes of a tree."""
    node.run(*use(tree))
    node.run(*call(generator), timeout=300)
    files = [path for path in node.path(_OUT).rglob("*") if path.is_file() and not path.is_symlink()]
    return len(files), sum(path.stat().st_size for path in files)


def _systemd_cron() -> Path | None:
    """The directory with systemd-cron's generator, from Debian's package; None if it cannot be had."""
    try:
        return unpacked(_PACKAGE) / "lib/systemd/system-generators"
    except (OSError, subprocess.SubprocessError) as error:
        print(f"bench: without systemd-cron: {error}", file=sys.stderr)
        return None
