"""README.md, and docs/packaging.md by hand: examples do what they say, and everything that is named is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from documents import block, play
from shipped import Shipped

from cltab2systemd.commands.main import COMMANDS
from cltab2systemd.node.spec import Bind
from cltab2systemd.table.grammar import parse
from lab.install import PROJECT

if TYPE_CHECKING:
    from support import NodeFactory

    from lab.node import Node

README = PROJECT / "README.md"
PACKAGING = PROJECT / "docs/packaging.md"
DOCUMENTS = [README, PACKAGING]
DOCUMENTS += [PROJECT / "docs" / name for name in ("migrating.md", "operations.md", "reliability.md")]


def slug(heading: str) -> str:
    """What a heading is called in a link."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_it_opens_with_demo_and_test() -> None:
    """A title, a line, and the two commands that show and prove it; the makefile has both, with their set-up."""
    title, _, opening, *_ = README.read_text().split("\n\n")
    commands = [line.split("#")[0].strip() for line in opening.splitlines()] if opening.startswith("    ") else []
    makefile = (PROJECT / "Makefile").read_text()

    assert "# cltab2systemd" == title
    assert ["make demo", "make test"] == commands
    assert "\ndemo: packages\n" in makefile
    assert "\ntest: $(VENV)/installed\n" in makefile
    assert "\n$(VENV)/installed: pyproject.toml | packages\n" in makefile


def test_it_is_read_in_two_minutes() -> None:
    """It stays short."""
    assert len(README.read_text().splitlines()) <= 180


def test_the_30_second_example(fresh_node: Node) -> None:
    """Typed as printed, on a machine that has the package's units, every command answers as printed."""
    fresh_node.write("/etc/cltab", block(README, "example", "table"))
    Shipped(fresh_node).start()

    play(fresh_node, block(README, "example", "session"))


def test_the_levels_field() -> None:
    """Each reading of the field, in the table of examples, is the parser's."""
    text = README.read_text().split("<!-- example: levels -->\n")[1].split("\n\n")[0]
    rows = [row.strip("| ").split(" | ") for row in text.splitlines()[2:]]
    assert len(rows) == 4
    for field, levels in rows:
        listed = re.findall("`(.*?)`", levels.partition(":")[0])
        table, findings = parse(f"g:t:{field.strip('`')}:once:true\n".encode(), "cltab")
        (entry,) = table.entries
        names = {name for name in entry.levels.names if not name.endswith(",") and "," not in name}
        assert set(listed) == names
        assert () == findings


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Every link to a file of the project finds it, and the heading in it."""
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", document.read_text())
    assert links or document == PACKAGING
    for path, anchor in links:
        target = document.parent / path if path else document
        assert target.exists(), path
        if anchor:
            assert anchor in map(slug, re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)), anchor


def test_what_it_names_is_there() -> None:
    """Every manual page is pointed to, and there is no page, command or make target but those that exist."""
    text = README.read_text()
    pages = {f"{path.stem}({path.suffix[1:]})" for path in (PROJECT / "man").iterdir()}
    documents = {path.name for path in (PROJECT / "docs").glob("*.md")}
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))

    assert pages == set(re.findall(r"`([a-z0-9-]+\([58]\))`", text))
    assert documents == set(re.findall(r"\(docs/([a-z-]+\.md)\)", text))
    assert set(re.findall(r"cltab2systemd ([a-z][a-z-]*)", text)) <= set(COMMANDS)
    assert set(re.findall(r"make ([a-z]+)", text)) <= targets


def test_by_pip_and_by_hand(node_factory: NodeFactory, tmp_path: Path) -> None:
    """What docs/packaging.md has an administrator type gives a daemon, and a group that comes up at boot."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listing, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.split("\0")[:-1]
    present = [name for name in files if (PROJECT / name).exists()]
    subprocess.run(["cp", "--archive", "--parents", *present, str(tmp_path)], cwd=PROJECT, check=True)
    # The running root has pip; those of releases have not.
    node = node_factory("pip", root=Path("/"), binds=[Bind(tmp_path, Path("/mnt"))])
    # pip writes beside the sources, which in the node are read-only.
    node.shell("cp -R /mnt /root/project")
    node.write("/etc/pip.conf", "[global]\nno-index = true\n")
    node.write("/etc/cltab", "web:server:3:respawn:exec sleep 1000\n:::initdefault.web:3\n")

    node.shell(f"cd /root/project\n{block(PACKAGING, 'example', 'pip')}")
    assert node.run("clinit", "--version").stdout.startswith("clinit, version ")
    node.shell(f"cd /root/project\n{block(PACKAGING, 'example', 'by hand')}")
    assert node.run("clinit", "--wait", "web", "3").stdout == "web 3 DONE\n"
    assert node.run("cltab2systemd", "check", "/etc/cltab").stderr == ""

    node.reboot()
    assert node.exists("/run/systemd/generator/clinit-web@3.target")
    play(node, "# clinit -v\nweb 3 DONE\n")
