"""Files of the environment that change the class of sessions, of entries that open one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cltab2systemd.check import outside
from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.check.filesystem import Root
    from cltab2systemd.table.model import Table

_OF_CLASS = re.compile(rf"^\s*{outside.CLASS}=[\"']?([^\s\"']*)", re.MULTILINE)


def findings(table: Table, root: Root) -> Iterator[Diagnostic]:
    """A file of the environment that changes the class of sessions, of an entry that opens one."""
    for entry in table.entries:
        given = [directive for directive in entry.directives if directive.name == "EnvironmentFile"]
        opens = given and (
            outside.opens_session(entry.command) or any(directive.name == "PAMName" for directive in entry.directives)
        )
        for directive in given if opens else ():
            path = directive.value.removeprefix("-")
            found = _OF_CLASS.findall((root.content(path) if path.startswith("/") else None) or "")
            if found and found[-1] != outside.NO_SESSION:
                setting = table.source_of(directive)
                yield Diagnostic.of(
                    "outside-the-group",
                    setting.place_of_value,
                    f"{shortened(path)} sets {outside.CLASS}, so that '{shortened(entry.tag)}' opens a session of "
                    "its own, outside of the group, and what it leaves there goes on after the level",
                    source=setting.line,
                    hint=f"leave {outside.CLASS}={outside.NO_SESSION} in the environment, which every entry has",
                )
