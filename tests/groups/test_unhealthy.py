"""What a health check has noted of an entry, as it is told of its next run."""

import pytest
from standings import AT_LEVEL, NAMES, RUNNING, Probed, units_of

from cltab2systemd.groups.reasons import Cause
from cltab2systemd.groups.state import group_status
from cltab2systemd.probing.notes import RESTART, TELL, Note
from cltab2systemd.table.grammar import parse

ENTRIES = parse(b"web:app:1:respawn:x\n:::health.app:10s file:/x\n:::service.app:Type=notify\n", "cltab")[0].entries
UNITS = {NAMES.level("web", "1"): AT_LEVEL, NAMES.entry("web", "app"): RUNNING}
SECOND = 1_000_000


@pytest.mark.parametrize(
    ("action", "began", "causes"),
    [
        pytest.param(RESTART, 15, [Cause.UNHEALTHY], id="restarted for that"),
        pytest.param(RESTART, 3600, [], id="started by somebody, later"),
        pytest.param(TELL, 15, [], id="restarted by somebody"),
    ],
)
def test_a_run_after_an_unhealthy_one(action: str, began: int, causes: list[Cause]) -> None:
    """That it was started for it is told by when it began. It may be ready much later."""
    note = Note("an earlier run", 3, since=7 * SECOND, action=action, words="connection refused")
    probe = Probed(notes={"app": note}, began={"app": (7 + began) * SECOND}, active={"app": (7 + began + 80) * SECOND})
    found = group_status(units_of(ENTRIES, UNITS, probe), "1")
    assert found is not None
    assert ("DONE", causes) == (found.state, [reason.cause for reason in found.reasons])
