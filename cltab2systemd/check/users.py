"""Users and groups that a table's commands and directives name, and that this machine may not have."""

from __future__ import annotations

import functools
import grp
import pwd
import re
from typing import TYPE_CHECKING

from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cltab2systemd.table.model import Table
    from cltab2systemd.table.settings import Directive

_TRUE = frozenset({"1", "yes", "y", "true", "t", "on"})
_USERS = ("User", "Group", "SupplementaryGroups")


def findings(table: Table) -> Iterator[Diagnostic]:
    """A warning for each user and group that a directive names, and that this machine does not have."""
    is_known = functools.cache(_is_known)
    for entry in table.entries:
        given = {directive.name: directive for directive in entry.directives}
        if not given or ("DynamicUser" in given and given["DynamicUser"].value.lower() in _TRUE):
            continue  # systemd makes the user
        for directive in _named(entry.directives):
            what = "user" if directive.name == "User" else "group"
            for match in re.finditer(r"[^ \t]+", directive.value):
                if is_known(pwd.getpwnam if what == "user" else grp.getgrnam, match[0]):
                    continue
                setting = table.source_of(directive)
                start = len(setting.value) - len(setting.value.partition("=")[2].lstrip(" \t\r")) + match.start()
                yield Diagnostic.of(
                    "unknown-user",
                    setting.place_of_value.part(start, len(match[0])),
                    f"this machine has no {what} '{shortened(match[0])}', so systemd cannot start the entry",
                    source=setting.line,
                    hint=f"a fleet may have the {what}; here its group is FAILED until there is one",
                )


def _named(directives: Sequence[Directive]) -> Iterator[Directive]:
    """Those that name users and groups, and count: of most the last one, of a list what is behind its last reset."""
    for name in _USERS:
        found = [directive for directive in directives if directive.name == name]
        if name == "SupplementaryGroups":
            resets = [index for index, directive in enumerate(found) if not directive.value]
            yield from found[resets[-1] + 1 if resets else 0 :]
        else:
            yield from found[-1:]


def _is_known(look_up: Callable[[str], object], name: str) -> bool:
    """Whether this machine has a user or group, as far as it can be told from a name in a unit."""
    if name.isdigit() or "%" in name:
        return True
    try:
        look_up(name)
    except (KeyError, ValueError):
        return False
    return True
