"""The files that are written, whole or in part."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from generate import lifecycle, manpages, schemas, shells

if TYPE_CHECKING:
    from collections.abc import Iterable

    from generate.model import Command

PROJECT = Path(__file__).parent.parent
COMPLETION = PROJECT / "packaging/completion"
MAN = PROJECT / "man"
JSON = PROJECT / "docs/json.md"
SCHEMAS = PROJECT / "docs/schemas"
LIFECYCLE = PROJECT / "docs/lifecycle.md"


def contents(programs: tuple[Command, ...]) -> dict[Path, str]:
    """Each file as it should be, made of what it is: clinit is the first of the programs."""
    clinit, *others = programs
    bash, zsh, fish = COMPLETION / "clinit", COMPLETION / "_clinit", COMPLETION / "clinit.fish"
    page = MAN / "clinit.8"
    files = {
        bash: _with_part(bash.read_text(), "commands", shells.bash(programs)),
        zsh: _with_part(zsh.read_text(), "commands", shells.zsh(programs)),
        fish: _with_part(
            _with_part(fish.read_text(), "values", shells.fish_values(programs)), "commands", shells.fish(clinit)
        ),
        page: manpages.with_forms(manpages.with_options(page.read_text(), clinit), clinit),
        LIFECYCLE: _with_lifecycle(LIFECYCLE.read_text()),
    }
    for program in others:  # which have commands
        more_fish, page = COMPLETION / f"{program.name}.fish", MAN / f"{program.name}.8"
        files[more_fish] = _with_part(more_fish.read_text(), "commands", shells.fish(program))
        files[page] = manpages.with_commands(manpages.with_options(page.read_text(), program), program)
    for name in schemas.SCHEMAS:
        files[SCHEMAS / f"{name}.schema.json"] = schemas.text(name, JSON.read_text())
    return files


def _with_lifecycle(text: str) -> str:
    parts = {"picture": lifecycle.picture(), "rows": lifecycle.table(), "halt": lifecycle.halt_picture()}
    for name, lines in parts.items():
        text = _with_part(text, name, ("", *lines, ""))
    return text


def _with_part(text: str, name: str, lines: Iterable[str]) -> str:
    """A text with other lines between its comments `# begin NAME:` and `# end NAME`, or HTML's."""
    before, begin, rest = re.split(rf"^((?:#|<!--) begin {name}: .*\n)", text, maxsplit=1, flags=re.MULTILINE)
    _, end, behind = re.split(rf"^((?:#|<!--) end {name}(?: -->)?\n)", rest, maxsplit=1, flags=re.MULTILINE)
    return "".join((before, begin, *(f"{line}\n" for line in lines), end, behind))
