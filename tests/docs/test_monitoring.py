"""docs/monitoring.md: its sessions do what they say, its files work, and its table has all metrics."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from documents import block, blocks, play
from manpages import page, section
from shipped import Shipped

from cltab2systemd.groups.news import Kind, News
from cltab2systemd.groups.state import GroupStatus, State
from cltab2systemd.reports import prometheus
from cltab2systemd.reports.notice import environment
from lab.install import PROJECT
from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

DOCUMENT = PROJECT / "docs/monitoring.md"
TABLE = "web:config:3:test:test -d /srv/www\nweb:server:3:respawn:exec sleep infinity\n"
# Keeps each mail in a file.
SENDMAIL = """\
#!/bin/sh
echo "$*" >/root/arguments
number=$(ls /root | grep -c '^mail')
cat >/root/new && mv /root/new "/root/mail.$((number + 1))"
"""
DROP_IN = "/etc/systemd/system/clinit-metrics.service.d/directory.conf"


def session(name: str) -> str:
    """All parts of a session, one after the other."""
    return "".join(block.text for block in blocks(DOCUMENT) if (block.kind, block.name) == ("session", name))


def wait_for_mail(node: Node, number: int) -> str:
    """A mail, when it has been sent."""
    wait_until(lambda: node.exists(f"/root/mail.{number}"), timeout=30, what=f"mail {number}")
    return node.read(f"/root/mail.{number}")


def test_the_table_of_metrics() -> None:
    """All metrics, in their order, with their labels, and no others."""
    rows = dict(re.findall(r"^\| `(clinit_\w+)` \| (.*?) \|", DOCUMENT.read_text(), re.MULTILINE))
    assert list(prometheus.NAMES) == list(rows)
    for name, labels in rows.items():
        of = {"group": "`group`", "entry": "`group`, `tag`"}.get(name.split("_")[1], "")
        assert labels.startswith(of), name


def test_metrics(fresh_node: Node) -> None:
    """The timer, as printed; and another directory."""
    shipped = Shipped(fresh_node)
    shipped.write_table("mail:queue:prod,:respawn:exec sleep infinity\n")
    shipped.start()
    fresh_node.run("mkdir", "-p", "/srv/textfiles", "/var/lib/prometheus/node-exporter")
    enable, grep = session("metrics").split("# grep", 1)
    play(fresh_node, enable)
    wait_until(lambda: fresh_node.exists("/var/lib/prometheus/node-exporter/clinit.prom"))
    play(fresh_node, f"# grep{grep}")

    fresh_node.write(DROP_IN, block(DOCUMENT, "file", DROP_IN))
    fresh_node.run("systemctl", "daemon-reload")
    fresh_node.run("systemctl", "restart", "clinit-metrics.service")  # the timer's run may not have ended
    assert "clinit_up 1\n" in fresh_node.read("/srv/textfiles/clinit.prom")


def test_a_mail(fresh_node: Node) -> None:
    """The example, installed as printed, hands sendmail what the document shows, and what the entry wrote."""
    shipped = Shipped(fresh_node)
    shipped.write_table(TABLE)
    shipped.start()
    fresh_node.write("/usr/sbin/sendmail", SENDMAIL, mode=0o755)
    play(fresh_node, session("mail"))
    mail = wait_for_mail(fresh_node, 1)

    head, _, text = mail.partition("\n\n")
    node = fresh_node.run("uname", "-n").stdout.strip()
    assert head.splitlines()[:2] == ["To: root", f"Subject: {node}: web:config failed"]
    assert text.startswith(
        block(DOCUMENT, "mail", "text") + f"\nNode:   {node}\nGroup:  web, level 3, FAILED\nSince:  "
    )
    assert "Finished clinit-web@config.service" in text
    assert fresh_node.read("/root/arguments") == "-i -t\n"

    fresh_node.run("mkdir", "-p", "/srv/www")
    shipped.clinit("--wait", "web", "3")
    assert f"Subject: {node}: web recovered\n" in wait_for_mail(fresh_node, 2)
    fresh_node.run("systemctl", "start", "clinitnotify@1")
    assert f"Subject: {node}: web:config failed\n" in wait_for_mail(fresh_node, 3)


def test_a_mail_of_odd_names(fresh_node: Node) -> None:
    """No name and no command gets into the head of a mail, or ends it; its lines are short enough."""
    name = "wé$(id)`b\\nCc\\c"
    shipped = Shipped(fresh_node)
    shipped.write_table(f"{name}:a.\"'\\:3:test:false; exit 1 # a\\nb {'long 计' * 500}\n")
    shipped.start()
    fresh_node.write("/usr/sbin/sendmail", SENDMAIL, mode=0o755)
    for command in session("mail").splitlines()[:3]:
        fresh_node.shell(command.removeprefix("# "))
    shipped.clinit("--wait", name, "3")
    mail = wait_for_mail(fresh_node, 1)

    node = fresh_node.run("uname", "-n").stdout.strip()
    assert f"Subject: {node}: w??$(id)`b\\nCc\\c:a.\"'\\ failed\n" in mail
    assert f"\nGroup:  {name}, level 3, FAILED\n" in mail
    assert "exited with 1: false; exit 1 # a\\nb " in mail
    assert max(len(line.encode()) for line in mail.splitlines()) < 998


def test_the_table_of_events() -> None:
    """The document has all events, and the manual too."""
    kinds = {kind.value for kind in Kind}
    assert kinds == set(re.findall(r"^\| `([a-z-]+)` \|", DOCUMENT.read_text(), re.MULTILINE))
    notices = section(page("clinit.8"), "NOTICES")
    assert kinds == set(re.findall(r"^\.It Sy ([a-z-]+)$", notices, re.MULTILINE))
    status = GroupStatus("web", "3", State.DONE)
    variables = environment(News(Kind.RECOVERED, status, None, 0.0), since=0, node="n1")
    assert [*variables] == re.findall(r"CLINIT_[A-Z]+", "".join(re.findall(r"^\.It Ev .*$", notices, re.MULTILINE)))
