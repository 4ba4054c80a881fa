"""The exit statuses that findings tell are those with which a real systemd refuses to start an entry."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cltab2systemd.check import everything
from cltab2systemd.check.machine.paths import POINTERS

if TYPE_CHECKING:
    from lab.node import Node

NONE = "/srv/no-such"
# A value with the fault for each directive that a finding may tell a status of.
PATHS = {
    "StandardInput": f"file:{NONE}",
    "StandardOutput": f"append:{NONE}/x.log",
    "StandardError": f"truncate:{NONE}/x.log",
    "LoadCredential": f"secret:{NONE}",
}
DIRECTIVES = {name: PATHS.get(name, NONE) for pointer in POINTERS for name in pointer.names.split()}
USERS = {"User": "no-such-user", "Group": "no-such-group", "SupplementaryGroups": "no-such-group"}
# What is executed without a shell, by what is found about it.
PROGRAMS = {f"{NONE}/program": "missing-program", "/etc/hostname": "not-executable", "/srv/orphan": "not-executable"}
EXEC = "203/EXEC"


def told(node: Node, table: str) -> list[tuple[str, str]]:
    """The codes of what is found for a node, each with the status that the text tells."""
    findings = everything.findings(table.encode(), "cltab", f"/proc/{node.pid}/root")
    texts = [(finding.code, re.search(r"\((\d+/[A-Z]+|result '\w+')\)$", finding.message)) for finding in findings]
    return [(code, match[1] if match else "") for code, match in texts]


def ended(node: Node, number: int, *lines: str) -> str:
    """How systemd says that a service with these lines has failed: the status before its command, or the result."""
    unit = f"fault-{number}.service"
    node.write(f"/run/systemd/system/{unit}", "[Service]\nType=oneshot\n" + "".join(f"{line}\n" for line in lines))
    node.run("systemctl", "daemon-reload")
    assert node.run("systemctl", "start", unit, check=False).returncode != 0
    shown = node.run("systemctl", "show", "--property=Result,ExecMainStatus", unit).stdout
    values = dict(line.split("=", 1) for line in shown.splitlines())
    if values["Result"] != "exit-code":
        return f"result '{values['Result']}'"
    names = node.run("systemd-analyze", "exit-status", values["ExecMainStatus"]).stdout.splitlines()
    return f"{values['ExecMainStatus']}/{names[-1].split()[0]}"


def test_statuses(node: Node) -> None:
    """Each fault is found, and fails with the status that the finding tells; what cannot be executed with 203/EXEC."""
    node.write("/srv/orphan", "#!/srv/no-such-interpreter\n", mode=0o755)
    real, found = {}, {}
    for number, (name, value) in enumerate((DIRECTIVES | USERS).items()):
        line = f"{name}={value}"
        real[line] = ended(node, number, line, "ExecStart=/bin/true")
        ((code, found[line]),) = told(node, f"g:t:1:wait:/bin/true\n:::service.t:{line}\n")
        assert code == ("unknown-user" if name in USERS else "missing-path")
    assert found == real

    for number, (program, code) in enumerate(PROGRAMS.items(), len(real)):
        assert told(node, f"g:t:1:wait:{program}\n") == [(code, "")]
        assert ended(node, number, f"ExecStart={program}") == EXEC
