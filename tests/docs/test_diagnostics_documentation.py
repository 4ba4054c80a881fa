"""docs/diagnostics.md: it explains every code, and its examples say what `check` says."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from translator import run
from trees import make

from cltab2systemd.check import everything, settings
from cltab2systemd.check.machine import directives
from cltab2systemd.locations import locate
from cltab2systemd.table.diagnostics import CODES, render
from cltab2systemd.table.grammar import parse
from cltab2systemd.units.commands import SHELL
from lab.install import PROJECT

DOCUMENT = (PROJECT / "docs/diagnostics.md").read_text()
SECTIONS = re.findall(r"^### `([a-z-]+)` \((\w+)\)\n(.*?)(?=^##|\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
OF_THE_DAEMON = {"setting-unwritable", "setting-taken"}
OF_FILES = "unreadable"
OF_UNITS = "also-enabled"
CRON = {
    "/usr/sbin/cron": "!",
    "/usr/lib/systemd/system/cron.service": "[Service]\nExecStart=/usr/sbin/cron -f $EXTRA_OPTS\n",
    "/etc/systemd/system/multi-user.target.wants/cron.service": "->/usr/lib/systemd/system/cron.service",
}
# In the examples of other codes, all programs and files are taken for there.
OF_THE_MACHINE = {"missing-program", "not-executable", "missing-path"}
LEFT_OUT = "…\n"


def expanded(text: str) -> str:
    """What the document's signs stand for."""
    text = text.replace("⟨N⟩", "\1")
    text = re.sub(
        r"⟨([^⟩]+?) \u00d7 (\d+)⟩",
        lambda match: "".join(
            match[1].replace("↵", "\n").replace("\1", str(number)) for number in range(int(match[2]))
        ),
        text,
    )
    return text.replace("⟨NUL⟩", "\0").replace("⟨BOM⟩", "\ufeff").replace("⟨CR⟩", "\r").replace("⟨NBSP⟩", "\xa0")


def said_about(data: bytes, code: str) -> str:
    if code == OF_FILES:  # its example is a command line
        return run(*data.decode().split()[1:]).stdout
    path = "/etc/cltab"
    if code == OF_UNITS:  # its example is about a machine that has such a unit
        with TemporaryDirectory() as root:
            make(Path(root), CRON)
            findings = everything.findings(data, path, root)
            return "".join(f"{render(finding)}\n" for finding in findings).replace(root, "DIRECTORY")
    by_daemon = settings.findings(locate(), parse(data, path)[0])
    findings = by_daemon if code in OF_THE_DAEMON else everything.findings(data, path)
    assert code in {finding.code for finding in findings}
    findings = tuple(f for f in findings if f.code == code or f.code not in OF_THE_MACHINE)
    return "".join(f"{render(finding)}\n" for finding in findings)


def test_every_code_is_explained() -> None:
    """The document has each code that there is, once, with its severity, and no other."""
    assert [code for code, *_ in SECTIONS] == [*dict.fromkeys(code for code, *_ in SECTIONS)]
    assert {code: severity for code, severity, _ in SECTIONS} == {code: str(found) for code, found in CODES.items()}


@pytest.mark.parametrize(("code", "text"), [(code, text) for code, _, text in SECTIONS], ids=[s[0] for s in SECTIONS])
def test_examples(monkeypatch: pytest.MonkeyPatch, code: str, text: str) -> None:
    """Each example gives the output that stands below it, to the last character."""
    if code in {"shell-syntax", "other-shell"} and Path(SHELL).resolve().name != "dash":
        pytest.skip("another shell has other words")
    if code in {"directive-unknown", "directive-doubtful"} and not Path(directives.ANALYZE).exists():
        pytest.skip("no systemd")
    monkeypatch.setattr(settings, "is_started_by_systemd", lambda: False)
    example, output = map(expanded, re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    said = re.sub(r"systemd \d+", "systemd 252", said_about(example.encode(), code))
    if output.startswith(LEFT_OUT):
        said = said[-len(output.removeprefix(LEFT_OUT)) :]
    assert output.removeprefix(LEFT_OUT) == said
