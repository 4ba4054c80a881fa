"""The man pages, as far as tests read them."""

import re

from lab.install import PROJECT


def page(name: str) -> str:
    """The source of a page."""
    return (PROJECT / "man" / name).read_text()


def section(text: str, name: str, kind: str = "Sh") -> str:
    """What stands below a heading, up to the next one."""
    found = re.search(
        rf"^\.{kind} {re.escape(name)}(?: [^\n]*)?\n(.*?)(?=^\.S[hs] |\Z)", text, re.DOTALL | re.MULTILINE
    )
    assert found is not None, name
    return found[1]


def items(text: str) -> list[str]:
    """The items of the lists in a text, as they are shown, without markup."""
    return [plain(line) for line in re.findall(r"^\.It (.*)", text, re.MULTILINE)]


def plain(line: str) -> str:
    """What a line of macros shows, about."""
    line = re.sub(r"\bFl -", "--", re.sub(r"\bFl (\w)", r"-\1", line)).replace(r"\&", "")
    line = re.sub(r"\b(?:Ar|Cm|Li|Ev|Pa|Nm|Ql|Fl) ", "", line)
    return re.sub(r" Ns ", "", line)
