"""News of a group as a file for `EnvironmentFile=` of systemd.exec(5). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd.groups.cures import cure
from cltab2systemd.terminal import printable

if TYPE_CHECKING:
    from cltab2systemd.groups.news import News

# Characters of a value, at most. No name is as long.
_LONGEST = 2000
# Within double quotes, a backslash before any of these stands for it (systemd.exec(5)).
_QUOTED = str.maketrans({character: f"\\{character}" for character in '"\\`$'})


def environment(news: News, *, since: int, node: str) -> dict[str, str]:
    """The variables of news, in their order. Each is there, and one that nothing is known of is empty.

    Args:
        news: what is told.
        since: since when it is so, in seconds since 1970.
        node: what this machine is called.
    """
    status, reason = news.status, news.reason
    return {
        "CLINIT_EVENT": news.kind.value,
        "CLINIT_GROUP": status.group,
        "CLINIT_LEVEL": status.level,
        "CLINIT_STATE": status.state.value,
        "CLINIT_ENTRY": reason.tag if reason else "",
        "CLINIT_UNIT": reason.unit if reason else "",
        "CLINIT_REASON": reason.cause.value if reason else "",
        "CLINIT_TEXT": reason.text if reason else f"{status.group}: level {status.level} {status.state}",
        "CLINIT_CURE": cure(reason, status.group, status.level) if reason else "",
        "CLINIT_SINCE": str(since),
        "CLINIT_NODE": node,
    }


def file_text(variables: dict[str, str]) -> str:
    r"""A file that gives exactly these variables. Control characters, and bytes that are not UTF-8, become `\xNN`."""
    values = {name: printable(value)[:_LONGEST].translate(_QUOTED) for name, value in variables.items()}
    return "".join(f'{name}="{value}"\n' for name, value in values.items())
