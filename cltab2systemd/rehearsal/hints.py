"""What to do about a fault of a rehearsal: what a daemon advises does not hold in one, and other things do. Pure."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from cltab2systemd.check.provided import Provided
from cltab2systemd.groups.endings import EXITED_WELL
from cltab2systemd.groups.reasons import Cause
from cltab2systemd.terminal import printable, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cltab2systemd.rehearsal.comparison import Finding
    from cltab2systemd.rehearsal.standin import Choice
    from cltab2systemd.table.model import Entry

# What says where to look: at units that are gone with the rehearsal.
_SEE = re.compile(r"(?:;| \() ?see '(?:systemctl status|journalctl -u|clinitctl status)(?: '[^']*'| [^' ]+)?'\)?")
# What an entry may be wrong with because of what others have not done before it.
_OF_OTHERS = frozenset(
    {
        Cause.TEST_FAILED, Cause.NOT_EXECUTED, Cause.TIMED_OUT, Cause.NOT_READY, Cause.BROKEN_OFF, Cause.DOWN,
        Cause.REQUIRED_FAILED, Cause.PAUSED, Cause.RESTARTING, Cause.KEEPS_ENDING, Cause.ENDED_BADLY, Cause.NOT_RUN,
        Cause.UNHEALTHY,
    }
)  # fmt: skip
_PATH = re.compile(r"/[^\s:;,'\"]+")
# More names help nobody.
_MOST_NAMES = 5


def here(text: str) -> str:
    """What a daemon says, without where to look: its units are gone with the rehearsal."""
    return _SEE.sub("", text)


def of_mounts(finding: Finding, mounts: Iterable[str]) -> Finding:
    """A finding that names a path on another file system, with how that can be shown.

    Args:
        finding: any one.
        mounts: where the other file systems are.
    """
    text = "\n".join((finding.text, *finding.lines))
    for mount in mounts:
        if re.search(rf"(?<![\w/.-]){re.escape(mount)}(?![\w.-])", text):
            hint = f"{mount} is a file system of its own, which is not seen here: --bind-ro {mount} shows it"
            return replace(finding, lines=(*finding.lines, hint))
    return finding


def of_stand_ins(finding: Finding, entries: Sequence[Entry], choice: Choice) -> Finding:
    """A finding about an entry that may lack what entries before it make, which were stand-ins, with which these are.

    What runs for real may need anything of them. A stand-in only looks for files: there it is those whose commands may
    make one that the finding names.

    Args:
        finding: any one.
        entries: those of the level, in their order.
        choice: which of them ran for real.
    """
    index = next((index for index, entry in enumerate(entries) if entry.tag == finding.tag), None)
    if index is None or finding.code not in _OF_OTHERS or EXITED_WELL in finding.text:
        return finding
    entry = entries[index]
    before = [
        other for other in entries[:index]
        if other.runnable and not other.ready_of and not choice.is_real(other) and other.tag not in choice.failing
    ]  # fmt: skip
    if not choice.is_real(entry):
        paths = _PATH.findall("\n".join(finding.lines or (finding.text,)))
        before = [other for other in before if any(map(Provided([other]).brings, paths))]
    if not before:
        return finding
    tags = [other.tag for other in before]
    more = f" and {len(tags) - _MOST_NAMES} more" if tags[_MOST_NAMES:] else ""
    options = " ".join(f"--real {shlex.quote(tag)}" for tag in tags) if not more else "--real all"
    names = f"{', '.join(map(shortened, tags[:_MOST_NAMES]))}{more}"
    what = "makes, which was a stand-in" if len(tags) == 1 else "make, which were stand-ins"
    hint = f"it may need what {names} {what}: {options} runs {'that' if len(tags) == 1 else 'these'}, too"
    return replace(finding, lines=(*finding.lines, printable(hint)))
