"""Settings whose value is a command with options: what they say, and what is wrong with them."""

import pytest

from cltab2systemd.table import checks
from cltab2systemd.table.checks import Check, Fault, Shape
from cltab2systemd.table.grammar import parse
from cltab2systemd.table.model import Entry, Mode

READ = [
    (checks.READY, "pg_isready -q", Check("pg_isready -q", "pg_isready -q", 60)),
    (checks.READY, "timeout=2min tcp:5432", Check("timeout=2min tcp:5432", "tcp:5432", 120)),
    (checks.READY, "  timeout=500ms  a  b ", Check("  timeout=500ms  a  b ", "a  b", 0.5)),
    (checks.READY, "timeout=1s timeout=1.5s x", Check("timeout=1s timeout=1.5s x", "x", 1.5)),
    (checks.READY, "env timeout=5 x", Check("env timeout=5 x", "env timeout=5 x", 60)),
    (checks.READY, "PGHOST=/run pg_isready", Check("PGHOST=/run pg_isready", "PGHOST=/run pg_isready", 60)),
    (checks.PREFLIGHT, "nginx -t", Check("nginx -t", "nginx -t", 60)),
    (checks.HEALTH, "10s tcp:80", Check("10s tcp:80", "tcp:80", 10, 10, 3)),
    (
        checks.HEALTH,
        "1m failures=5 timeout=3 action=restart curl -f x",
        Check("1m failures=5 timeout=3 action=restart curl -f x", "curl -f x", 3, 60, 5, restarts=True),
    ),
]
FAULTS = [
    (checks.READY, "", Fault(0, 1, "no command", "a command stands behind the options")),
    (checks.READY, "timeout=3s", Fault(9, 1, "no command", "a command stands behind the options")),
    (checks.READY, "timeout= x", Fault(8, 1, "'' is no time", checks._TIME_HINT)),
    (checks.READY, "timeout=0 x", Fault(8, 1, "'0' is no time", checks._TIME_HINT)),
    (checks.READY, "timeout=infinity x", Fault(8, 8, "'infinity' is no time", checks._TIME_HINT)),
    (checks.READY, "timeout=2d x", Fault(8, 2, "'2d' is no time", checks._TIME_HINT)),
    (checks.READY, "timeout=25h x", Fault(8, 3, "'25h' is no time", checks._TIME_HINT)),
    (
        checks.READY,
        "tiemout=3s x",
        Fault(0, 10, "unknown option 'tiemout='", "did you mean 'timeout='? a command begins behind 'env'"),
    ),
    (
        checks.HEALTH,
        "10s colour=red x",
        Fault(
            4,
            10,
            "unknown option 'colour='",
            "the options are timeout=, failures=, action=; a command begins behind 'env'",
        ),
    ),
    (checks.HEALTH, "tcp:80", Fault(0, 6, "'tcp:80' is no time", checks._TIME_HINT)),
    (
        checks.HEALTH,
        "10s failures=0 x",
        Fault(13, 1, "'0' is no number of failures", "it is a number from 1 to 1000"),
    ),
    (
        checks.HEALTH,
        "10s action=reboot x",
        Fault(11, 6, "unknown action 'reboot'", "the action is restart; without one it is only told"),
    ),
    (
        checks.PREFLIGHT,
        "tcp:80",
        Fault(0, 6, "a probe does not do here", "give a command: what runs does not tell yet"),
    ),
]


@pytest.mark.parametrize(("shape", "text", "expected"), READ)
def test_a_value_is_read(shape: Shape, text: str, expected: Check) -> None:
    """Options, then the command as it stands; times in seconds."""
    assert checks.read(shape, text) == expected


@pytest.mark.parametrize(("shape", "text", "expected"), FAULTS)
def test_a_fault_says_where_and_what_to_do(shape: Shape, text: str, expected: Fault) -> None:
    """Of a value that is not read."""
    assert checks.read(shape, text) == expected


def test_a_bad_probe_points_at_itself() -> None:
    """Behind the options, with the forms that there are."""
    fault = checks.read(checks.READY, "timeout=3s tcp:x")
    assert isinstance(fault, Fault)
    assert (fault.start, fault.width) == (11, 5)
    assert fault.message == "not a probe: not a port: x; it is a number from 1 to 65535"
    assert "tcp:PORT" in fault.hint


def entries(text: str) -> dict[str, Entry]:
    """The entries of group web, by tag; the table has no errors."""
    table, findings = parse(text.encode(), "cltab")
    assert findings == ()
    return {entry.tag: entry for entry in table.groups["web"].entries}


TABLE = """\
:::services.web:Nice=5
web:mount:3:wait:mount /srv
:::required.mount:yes
web:db:3:respawn:postgres
:::service.db:User=postgres
:::service.db:Nice=1
:::ready.db:timeout=90s pg_isready
:::required.db:yes
:::health.db:10s tcp:5432
:::preflight.db:postgres -C port
web:app:3:respawn:app
:::stop.web:ordered
"""


def test_a_readiness_is_an_entry_behind_its_own() -> None:
    """It waits like a test, is required in the place of its entry, and runs as that does."""
    found = entries(TABLE)
    assert [*found] == ["mount", "db", "db:ready", "app"]
    ready = found["db:ready"]
    assert (ready.mode, ready.command, ready.ready_of, ready.levels) == (
        Mode.TEST,
        "pg_isready",
        "db",
        found["db"].levels,
    )
    assert [directive.line for directive in ready.directives] == ["User=postgres"]
    assert {tag for tag, entry in found.items() if entry.required} == {"mount", "db:ready"}
    assert ready.ready is not None
    assert ready.ready.timeout == 90


def test_a_group_gives_directives_to_all_its_entries() -> None:
    """Those of an entry stand behind, so that they win."""
    found = entries(TABLE)
    assert [directive.line for directive in found["db"].directives] == ["Nice=5", "User=postgres", "Nice=1"]
    assert [directive.line for directive in found["app"].directives] == ["Nice=5"]


def test_an_entry_that_is_off_has_no_readiness() -> None:
    """Nothing of it is started, so nothing waits for it."""
    assert [*entries("web:db:3:off:postgres\n:::ready.db:tcp:5432\n")] == ["db"]


def test_the_lines_of_a_group_say_all_of_it() -> None:
    """What a daemon writes down of a group is read as the same group."""
    table, _ = parse(TABLE.encode(), "cltab")
    group = table.groups["web"]
    again, findings = parse("".join(f"{line}\n" for line in group.lines).encode(), "lines")
    assert findings == ()
    assert again.groups["web"] == group
    assert group.stops_in_order


def test_the_last_of_several_counts() -> None:
    """As of other settings that have one value."""
    found = entries("web:db:3:respawn:x\n:::ready.db:tcp:1\n:::ready.db:tcp:2\n")
    assert found["db:ready"].command == "tcp:2"
