"""Users and groups that a table's commands and directives name, and that the machine may not have."""

from __future__ import annotations

import functools
import grp
import pwd
import re
from typing import TYPE_CHECKING

from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cltab2systemd.check.filesystem import Root
    from cltab2systemd.table.model import Table
    from cltab2systemd.table.settings import Directive

_TRUE = frozenset({"1", "yes", "y", "true", "t", "on"})
_USERS = ("User", "Group", "SupplementaryGroups")


# The files of another root that name its users and groups, and what makes more of them at boot: sysusers.d(5).
_FILES = {"user": "/etc/passwd", "group": "/etc/group"}
_MADE_AT_BOOT = ("/etc/sysusers.d", "/usr/lib/sysusers.d")


def findings(table: Table, root: Root) -> Iterator[Diagnostic]:
    """A warning for each user and group that a directive names, and that the machine does not have."""
    here = root.is_this_machine

    @functools.cache
    def is_known(what: str, name: str) -> bool:
        if name.isdigit() or "%" in name:
            return True
        return _is_known_here(what, name) if here else name in of_root(what)

    @functools.cache
    def of_root(what: str) -> frozenset[str]:
        return _names(root, what)

    for entry in table.entries:
        given = {directive.name: directive for directive in entry.directives}
        if not given or ("DynamicUser" in given and given["DynamicUser"].value.lower() in _TRUE):
            continue  # systemd makes the user
        for directive in _named(entry.directives):
            what, status = ("user", "217/USER") if directive.name == "User" else ("group", "216/GROUP")
            for match in re.finditer(r"[^ \t]+", directive.value):
                if is_known(what, match[0]):
                    continue
                setting = table.source_of(directive)
                start = len(setting.value) - len(setting.value.partition("=")[2].lstrip(" \t\r")) + match.start()
                yield Diagnostic.of(
                    "unknown-user",
                    setting.place_of_value.part(start, len(match[0])),
                    f"{root.name} has no {what} '{shortened(match[0])}', so systemd cannot start the entry ({status})",
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


def _is_known_here(what: str, name: str) -> bool:
    look_up = pwd.getpwnam if what == "user" else grp.getgrnam
    try:
        look_up(name)
    except (KeyError, ValueError):
        return False
    return True


def _names(root: Root, what: str) -> frozenset[str]:
    """The users or the groups of another root; those that its boot makes have a group of their name."""
    found = {line.partition(":")[0] for line in (root.content(_FILES[what]) or "").splitlines()}
    types = {"u", "u!", "g"} if what == "group" else {"u", "u!"}
    for directory in _MADE_AT_BOOT:
        for name in root.names(directory):
            lines = (line.split() for line in (root.content(f"{directory}/{name}") or "").splitlines())
            found |= {fields[1] for fields in lines if len(fields) > 1 and fields[0] in types}
    return frozenset(found)
