"""packaging/examples/clinit.rules.yml: each alert comes when it should, by Prometheus' own judgement."""

from __future__ import annotations

import re
from pathlib import Path

from promtool import promtool

from cltab2systemd.reports import prometheus
from lab.install import PROJECT

RULES = PROJECT / "packaging/examples/clinit.rules.yml"
CASES = Path(__file__).with_name("alerts.yml")


def written(directory: Path) -> Path:
    """The rules, with those for clusters, which are comments, beside the cases for both."""
    text = RULES.read_text()
    before, cluster = text.split("  # begin cluster\n")
    cluster, after = cluster.split("  # end cluster\n")
    assert all(re.match("  #( |$)", line) for line in cluster.splitlines())
    path = directory / RULES.name
    path.write_text(before + re.sub("^  #( |$)", "  ", cluster, flags=re.MULTILINE) + after)
    (directory / CASES.name).write_text(CASES.read_text())
    return path


def test_the_rules_are_right(tmp_path: Path) -> None:
    """As they are shipped, and with those for clusters."""
    promtool("check", "rules", RULES)
    promtool("check", "rules", written(tmp_path))


def test_each_alert_comes_when_it_should(tmp_path: Path) -> None:
    """Promtool plays minutes of metrics against the rules; no alert is left out."""
    path = written(tmp_path)
    alerts = set(re.findall(r"alert: (\w+)", path.read_text()))

    promtool("test", "rules", CASES.name, directory=tmp_path)
    assert alerts == set(re.findall(r"alertname: (\w+)", CASES.read_text()))


def test_rules_and_cases_go_by_metrics_that_there_are() -> None:
    """A metric that is called otherwise would raise no alert, and no error."""
    known = set(prometheus.NAMES)
    for path in (RULES, CASES):
        assert set(re.findall(r"clinit_\w+", path.read_text())) <= known, path
