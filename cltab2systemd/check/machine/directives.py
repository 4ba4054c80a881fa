"""What this machine's systemd says about directives: which it does not know, and which values it does not take.

It only reads them; nothing of the table is run. Another root has a systemd of its own, which cannot be asked.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cltab2systemd.table.diagnostics import Diagnostic
from cltab2systemd.table.directives import SERVICE_SECTION, SLICE_SECTION
from cltab2systemd.table.spelling import Spellings
from cltab2systemd.terminal import shortened
from cltab2systemd.text import decoded
from cltab2systemd.units.commands import SHELL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cltab2systemd.table.settings import Directive, Setting

# After so many directives that keep a unit from being loaded, the others are not looked at: each takes a process.
MOST_FATAL_VALUES = 100

ANALYZE = "/usr/bin/systemd-analyze"
SYSTEMD = ("/usr/lib/systemd/systemd", "/lib/systemd/systemd")
_ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def findings(settings: Sequence[Setting]) -> Iterator[Diagnostic]:
    """Findings about settings that are directives."""
    given = [setting for setting in settings if setting.kind.section]
    known = _known_directives() if given else {}
    if not known:
        return
    release = _release()
    spellings: dict[str, Spellings] = {}
    to_judge: dict[str, list[Setting]] = {}
    for setting in given:
        section, name = setting.kind.section, setting.directive.name
        if section not in known:
            continue
        if name in known[section]:
            to_judge.setdefault(section, []).append(setting)
            continue
        close = spellings.setdefault(section, Spellings(known[section])).like(name)
        start = len(setting.value) - len(setting.value.lstrip())
        yield Diagnostic.of(
            "directive-unknown",
            setting.place_of_value.part(start, len(name)),
            f"{release} on this machine does not know {shortened(name)}= in [{section}], and ignores it",
            source=setting.line,
            hint=f"did you mean '{close}='?" if close else _OTHER_RELEASES,
        )

    for section, judged in to_judge.items():
        yield from _doubtful_values(section, judged, release)


def _doubtful_values(section: str, settings: Sequence[Setting], release: str) -> Iterator[Diagnostic]:
    said = _said_about(section, dict.fromkeys(setting.directive.line for setting in settings))
    for setting in settings:
        directive = setting.directive
        if verdict := said.get(directive.line):
            judged = directive.value or setting.value
            start = setting.value.index(judged, setting.value.index("=") + 1 if directive.value else 0)
            yield Diagnostic.of(
                "directive-doubtful",
                setting.place_of_value.part(start, len(judged)),
                f"{release} on this machine says: {shortened(verdict.text)}",
                source=setting.line,
                hint=_advice(directive, is_fatal=verdict.is_fatal),
            )


def _advice(directive: Directive, *, is_fatal: bool) -> str:
    if directive.name.startswith("Limit") and {"unlimited", "-1"} & {*directive.value.lower().split(":")}:
        return "systemd's word for no limit is 'infinity'"
    return f"with this line nothing of it can be started; {_MANUAL}" if is_fatal else _MANUAL


class _Verdict(NamedTuple):
    """What systemd says about a directive, and whether it loads no unit that has it."""

    text: str
    is_fatal: bool


_OTHER_RELEASES = "another release may know it: a fleet is never on one release"
_MANUAL = "systemd.directives(7) names the manual page that tells what it may be"
# What a unit to be judged starts with, by its section. The name of an entry's unit has an instance, for %i.
_HEADS = {
    SERVICE_SECTION: ("check@check.service", f"[Unit]\nDefaultDependencies=no\n[Service]\nExecStart={SHELL}\n"),
    SLICE_SECTION: ("check.slice", "[Unit]\nDefaultDependencies=no\n[Slice]\n"),
}


def _said_about(section: str, directives: Iterable[str]) -> Mapping[str, _Verdict]:
    """What this machine's systemd says about directives of a section, by directive; of most it says nothing."""
    name, head = _HEADS[section]
    before = head.count("\n") + 1
    left, said = [*directives], dict[str, _Verdict]()
    with suppress(OSError), tempfile.TemporaryDirectory(prefix="cltab2systemd-") as directory:
        path = Path(directory, name)
        message = re.compile(rf"^{re.escape(str(path))}:(\d+): (.*)$", re.MULTILINE)
        for _ in range(MOST_FATAL_VALUES):
            path.write_text(head + "".join(f"{line}\n" for line in left))
            answer = _verify(path)
            judged = {int(number) - before: text for number, text in message.findall(answer)}
            said |= {left[number]: _Verdict(text, is_fatal=False) for number, text in judged.items()}
            if not judged or f"{name}: Unit configuration has fatal error" not in answer:
                break
            # systemd reads no further than that line, about which it has said something.
            last = max(judged)
            said[left[last]] = _Verdict(judged[last], is_fatal=True)
            del left[: last + 1]
    return said


def _verify(path: Path) -> str:
    """What systemd says when it loads a unit; OSError if it cannot be asked. The unit is not started."""
    command = [ANALYZE, "verify", "--man=no", "--recursive-errors=no", str(path)]
    done = subprocess.run(command, env=_ENVIRONMENT, capture_output=True, check=False)
    return decoded(done.stderr)


def _known_directives() -> Mapping[str, frozenset[str]]:
    """The directives that this machine's systemd knows, by section; empty if there is no systemd."""
    sections: dict[str, set[str]] = {}
    names: set[str] = set()
    for line in _ask_systemd("--dump-configuration-items").splitlines():
        if line.startswith("["):
            names = sections.setdefault(line.strip("[]"), set())
        elif "=" in line:
            names.add(line.partition("=")[0])
    return {section: frozenset(found) for section, found in sections.items()}


def _release() -> str:
    """This machine's systemd, as `systemd 252`."""
    return " ".join(_ask_systemd("--version").split()[:2]) or "systemd"


def _ask_systemd(option: str) -> str:
    for program in SYSTEMD:
        try:
            done = subprocess.run([program, option], env=_ENVIRONMENT, capture_output=True, text=True, check=False)
        except (FileNotFoundError, PermissionError):
            continue
        if done.returncode == 0:
            return done.stdout
    return ""
