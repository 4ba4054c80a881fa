"""What is told of a difference between what was foretold and what was seen."""

from __future__ import annotations

import itertools

import pytest

from cltab2systemd.groups.changes import Effect, Seen
from cltab2systemd.rehearsal.comparison import (
    NO_FAULT,
    Finding,
    Kind,
    effect_seen,
    entries_seen,
    findings,
    foretell,
    touched,
)
from cltab2systemd.rehearsal.report import MoveSeen, Report, as_json, as_text, merged
from cltab2systemd.rehearsal.rounds import NOWHERE, Move, Place, Program, Rehearsed, Round, Side, Wish
from cltab2systemd.rehearsal.seen import DOWN, Fault, Glimpse, Outcome
from cltab2systemd.rehearsal.standin import SAYS, Choice
from cltab2systemd.rehearsal.unkept import unkept
from cltab2systemd.table.grammar import parse

OLD = "web:db:3:respawn:sleep 1\nweb:app:3:respawn:sleep 2\nweb:job:3:wait:true\n"
UP, AGAIN = Glimpse(is_up=True, invocation="1", started=10), Glimpse(is_up=True, invocation="2", started=20)
ENDED = Glimpse(is_up=False, invocation="1", ended=15)
THERE = Move("web", Place(Side.OLD, "3"), Place(Side.NEW, "3"))
BEFORE = {"db": UP, "app": UP, "job": UP}  # a wait that has ended well is active


def group(new: str, old: str = OLD) -> Rehearsed:
    """A group as two tables have it."""
    return Rehearsed(*(parse(text.encode(), "cltab")[0].group("web") for text in (old, new)))


def outcome(state: str = "DONE", *faults: Fault, message: str = "") -> Outcome:
    """What came of a move of a group whose entries are all well."""
    return Outcome("web", state, 1000, message, (), faults, Seen(frozenset({"db", "app", "job"}), {}))


def told(
    new: str, after: dict[str, Glimpse], came: Outcome | None = None, choice: Choice | None = None, move: Move = THERE
) -> list[tuple[Kind, str, str]]:
    """What is told of a move between two tables."""
    came = came or outcome()
    before = BEFORE if move.origin.level else {}
    explanation = foretell(move, group(new), came.seen)
    return [(f.kind, f.tag, f.text) for f in findings(explanation, came, before, after, choice)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (DOWN, DOWN, Effect.NONE),
        (DOWN, UP, Effect.START),
        (DOWN, ENDED, Effect.START),  # and has ended since
        (UP, UP, Effect.LEAVE),
        (UP, ENDED, Effect.STOP),
        (UP, DOWN, Effect.STOP),  # systemd has forgotten it
        (UP, AGAIN, Effect.RESTART),
        (UP, Glimpse(is_up=True, invocation="2", restarts=1), Effect.LEAVE),  # by systemd, not by the daemon
        (ENDED, Glimpse(is_up=False, invocation="2"), Effect.START),
        (ENDED, ENDED, Effect.NONE),
    ],
)
def test_what_was_done(before: Glimpse, after: Glimpse, expected: Effect) -> None:
    """It is told from the invocation of the unit, and from whether it is up."""
    assert effect_seen(before, after) is expected


def test_all_as_foretold() -> None:
    """Then nothing is told; a changed entry is restarted, and the others are left alone."""
    assert told(OLD.replace("sleep 2", "sleep 3"), {**BEFORE, "app": AGAIN}) == []
    assert told("", {"db": ENDED, "app": ENDED, "job": ENDED}, outcome("STOPPED"),
                move=Move("web", Place(Side.OLD, "3"), NOWHERE)) == []  # fmt: skip


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ({**BEFORE, "db": AGAIN}, (Kind.OTHERWISE, "db", "db was restarted; foretold was to leave it alone")),
        ({**BEFORE, "db": ENDED}, (Kind.OTHERWISE, "db", "db was stopped; foretold was to leave it alone")),
        ({**BEFORE, "job": AGAIN}, (Kind.OTHERWISE, "job", "job was restarted; foretold was to leave it alone")),
        ({"db": UP, "job": UP}, (Kind.OTHERWISE, "app", "app was stopped; foretold was to leave it alone")),
    ],
)
def test_otherwise(after: dict[str, Glimpse], expected: tuple[Kind, str, str]) -> None:
    """What was done is told with what was foretold."""
    assert told(OLD, after) == [expected]


def test_a_restart_that_ends_again() -> None:
    """It counts as the restart that was foretold: from outside nobody can tell it from an end alone."""
    new = group(OLD.replace("sleep 2", "sleep 3"))
    after = {**BEFORE, "app": Glimpse(is_up=True, invocation="3", restarts=1, started=30)}
    seen = entries_seen(foretell(THERE, new, outcome().seen), BEFORE, after)
    assert {entry.tag: entry.seen for entry in seen}["app"] is Effect.RESTART
    assert told(OLD, after) == []  # nor is it told of one that was to be left alone


def test_order() -> None:
    """Entries start and stop one after the other, and nothing is started before the last one is gone."""
    both = OLD.replace("sleep 1", "sleep 7").replace("sleep 2", "sleep 8")
    after = {
        "db": Glimpse(is_up=True, invocation="2", started=30, ended=15),
        "app": Glimpse(is_up=True, invocation="2", started=20, ended=25), "job": UP,
    }  # fmt: skip
    assert [(kind, text) for kind, _, text in told(both, after)] == [
        (Kind.ORDER, "started in the order app, db; foretold: db, app"),
        (Kind.ORDER, "app was started before app was gone"),
    ]


def test_what_goes_wrong_explains_the_rest() -> None:
    """Nothing else is told of an entry with a fault; a group that is FAILED without a reason is told."""
    fault = Fault("ended", "app", "web: app (respawn) exited with 1", ("its words",), is_failure=True, status=1)
    new = OLD.replace("sleep 2", "sleep 3")
    assert told(new, {**BEFORE, "app": DOWN}, outcome("FAILED", fault)) == [
        (Kind.FAILED, "app", "app (respawn) exited with 1")
    ]
    assert told(OLD, BEFORE, outcome("FAILED")) == [(Kind.FAILED, "", "is FAILED, and nothing says why")]
    assert told(OLD, BEFORE, outcome("REFUSED", message="the table is bad")) == [(Kind.REFUSED, "", "the table is bad")]
    assert told(OLD, {}, outcome("TIMED-OUT", message="waits")) == [(Kind.UNFINISHED, "", "waits")]


def test_a_program_that_sigkill_ended() -> None:
    """It is told of one that was stopped, and is no failure of the move."""
    killed = Glimpse(is_up=False, invocation="1", ended=9, was_killed=True)
    without = OLD.replace("web:app:3:respawn:sleep 2\n", "")
    text = "app (respawn) did not end in time when it was stopped; SIGKILL ended it"
    assert told(without, {**BEFORE, "app": killed}) == [(Kind.REMARK, "app", text)]


def test_what_is_asked_for_and_what_cannot_be_seen() -> None:
    """Neither is a fault: an entry that --fail names, what only the machine may give, what only a stand-in needs."""
    asked = Fault("ended", "app", "web: app exited with 1", status=1)
    ((kind, _, _),) = told(OLD, BEFORE, outcome("FAILED", asked), Choice(failing={"app"}))
    assert kind is Kind.ASKED
    stand_in = Fault("not-executed", "app", "web: app could not be started", ("systemd: No such file",), status=203)
    ((kind, _, text),) = told(OLD, BEFORE, outcome("FAILED", stand_in))
    assert kind is Kind.UNSEEN
    assert "its stand-in" in text
    ((kind, _, _),) = told(OLD, BEFORE, outcome("FAILED", stand_in), Choice(all_real=True))
    assert kind is Kind.FAILED
    says = Fault("not-executed", "app", "web: app could not be started", (f"{SAYS}cannot execute x",), status=203)
    ((kind, _, _),) = told(OLD, BEFORE, outcome("FAILED", says))
    assert kind is Kind.FAILED
    assert {Kind.ASKED, Kind.UNSEEN} == NO_FAULT


@pytest.mark.parametrize(
    ("status", "line", "expected"),
    [
        (214, "systemd: Failed to set up CPU scheduling: Operation not permitted", Kind.UNSEEN),
        (231, "systemd: Failed to prepare AppArmor profile change: Permission denied", Kind.UNSEEN),
        (214, "its words", Kind.UNSEEN),  # the journal has nothing of systemd
        (214, "systemd: Failed to set up CPU scheduling: Invalid argument", Kind.FAILED),
        # journald has not seen who wrote it, for that process was gone.
        (214, "clinit-web@app.service: Failed to set up CPU scheduling: Invalid argument", Kind.FAILED),
        (217, "systemd: Failed to determine user credentials: Operation not permitted", Kind.FAILED),
        (209, "systemd: Failed to set up standard output: No such file or directory", Kind.FAILED),
    ],
)
def test_statuses_of_the_machine(status: int, line: str, expected: Kind) -> None:
    """What the kernel does not permit to a rehearsal is no fault of the entry; what it does not take is one."""
    fault = Fault("not-executed", "app", "web: app could not be started", (line,), status=status)
    ((kind, _, _),) = told(OLD, BEFORE, outcome("FAILED", fault), Choice(all_real=True))
    assert kind is expected


@pytest.mark.parametrize(
    ("directive", "of_units", "expected"),
    [
        ("MemoryMax=1G", set(), "no cgroup controller memory"),
        ("MemoryMax=1G", {"memory"}, None),
        ("MemoryMax=", set(), None),
        ("MemoryDenyWriteExecute=yes", set(), None),
        ("TasksMax=10", {"memory"}, "no cgroup controller pids"),
        ("CPUQuota=10%", {"memory", "pids"}, "no cgroup controller cpu"),
        ("IPAddressDeny=any", {"memory", "pids", "cpu"}, "takes BPF"),
        ("LimitNOFILE=100", set(), None),
    ],
)
def test_directives_that_are_not_kept(directive: str, of_units: set[str], expected: str | None) -> None:
    """They are told once, with all that have them, of both tables."""
    settings = f":::service.db:{directive}\n:::service.app:{directive}\n"
    lines = [*unkept([group(OLD + settings).new, group(OLD + settings).new], of_units)]
    name, _, _ = directive.partition("=")
    assert [line.partition("=")[0] for line in lines] == [name] * (expected is not None)
    assert all(" of db, app: it is not kept here, for " in line and str(expected) in line for line in lines)


def test_a_failure_that_is_asked_for_and_does_not_fail_the_group() -> None:
    """A test that --fail names has the group fail: else that is told."""
    new = OLD.replace("job:3:wait", "job:3:test").replace("true", "test -d /srv")
    after = {**BEFORE, "job": Glimpse(is_up=False, invocation="2", started=30)}
    assert (Kind.OTHERWISE, "", "is DONE, though an entry failed that --fail names") in told(
        new, after, choice=Choice(failing={"job"})
    )


def test_a_group_that_was_to_stay() -> None:
    """Whatever is done to it is told, and what systemd restarts by itself is not."""
    after = {"db": AGAIN, "app": Glimpse(is_up=True, invocation="2", restarts=1), "job": UP}
    (finding,) = touched("web", BEFORE, after)
    assert (finding.kind, finding.tag) == (Kind.TOUCHED, "db")
    assert finding.text == "db was restarted, though only other groups were asked for"
    assert [*touched("web", BEFORE, BEFORE)] == []


# The report


def report(*seen: MoveSeen, ended: str = "", wish: Wish | None = None) -> Report:
    """A report of moves of a group that changes."""
    rounds = (Round(Side.NEW, (Move("web", NOWHERE, Place(Side.NEW, "3")),) * 12),)
    groups = {"web": group(OLD + "web:x:4:wait:true\n")}
    return Report(Program(groups, {"mail": "1"}, rounds, wish=wish or Wish()), [*seen], ended=ended)


def move_seen(level: str, *found: Finding, usec: int = 1_000_000) -> MoveSeen:
    """A move to a level."""
    return MoveSeen(Move("web", NOWHERE, Place(Side.NEW, level)), "DONE", usec, (), found)


def test_the_same_wrong_is_told_once() -> None:
    """With all moves that had it, and the lines of the first one that had some."""
    bare, with_lines = (Finding(Kind.FAILED, "web", "app", "exited with 1", lines) for lines in ((), ("words",)))
    other = Finding(Kind.REMARK, "web", "app", "exited with 1")
    moves = [move_seen("3", bare), move_seen("4", with_lines), move_seen("5", other)]
    assert merged(moves) == [(with_lines, [moves[0].move, moves[1].move]), (other, [moves[2].move])]


def test_as_text() -> None:
    """A line for a group that is well; for one that is not, what is wrong, where, and what bears it out."""
    assert [*as_text(report(move_seen("3")))][:2] == [
        "web: 1 move from table to table, as foretold; 1.0 s at most (nothing → new 3)",
        "1 move in 0.0 s; 1 other group stood by, and nothing touched it.",
    ]
    wrong = Finding(Kind.FAILED, "web", "app", "app exited with 1", ("its\x1b[31m words",))
    asked = Finding(Kind.ASKED, "web", "db", "db exited with 1")
    lines = [*as_text(report(move_seen("3"), *(move_seen(str(n), wrong, asked) for n in range(8)), ended="\x07time"))]
    ways = ", ".join(f"nothing → new {n}" for n in range(6))
    assert lines[:7] == [
        "web: 9 moves from table to table, 1 fault; 1.0 s at most (nothing → new 3)",
        "  app exited with 1",
        "    its\\x1b[31m words",
        f"    in 8 of 9 moves: {ways} and 2 more",
        "  as asked: db exited with 1",
        f"    in 8 of 9 moves: {ways} and 2 more",
        "Not rehearsed: 3 of 12 moves, for \\x07time.",
    ]
    assert next(iter(as_text(report()))) == "web: not rehearsed"


def test_numbers_of_one() -> None:
    """One move is a move."""
    wrong = Finding(Kind.FAILED, "web", "app", "app exited with 1")
    lines = [*as_text(report(move_seen("3", wrong)))]
    assert lines[2] == "    in 1 of 1 move: nothing → new 3"
    assert lines[3].startswith("1 move in ")


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        (Wish("3", "4"), ", 1 of them from 3 to 4, "),
        (Wish("3"), ", 2 of them from 3, "),
        (Wish(target="3"), ", 2 of them to 3, "),
        (Wish(target="5"), ", 0 of them to 5, "),
        (Wish(), ", as foretold"),
    ],
)
def test_which_moves_were_asked_for(wish: Wish, told: str) -> None:
    """The others lead to where these begin: it is told how many are which."""
    there = [Place(Side.NEW, "3"), Place(Side.OLD, "4"), Place(Side.NEW, "m"), Place(Side.OLD, "3"), NOWHERE]
    moves = [MoveSeen(Move("web", *pair), "DONE", 1, (), ()) for pair in itertools.pairwise([NOWHERE, *there])]
    assert told in next(iter(as_text(report(*moves, wish=wish))))


@pytest.mark.parametrize(
    ("found", "ended", "expected"),
    [
        ((), "", True),
        ((Finding(Kind.ASKED, "web", "", "x"), Finding(Kind.UNSEEN, "web", "", "x")), "", True),
        ((Finding(Kind.REMARK, "web", "", "x"),), "", False),
        ((), "the time was up", False),
    ],
)
def test_what_is_fine(found: tuple[Finding, ...], ended: str, *, expected: bool) -> None:
    """All moves were made, and nothing was wrong, but what was asked for and what cannot be seen."""
    made = report(move_seen("3", *found), ended=ended)
    document = as_json(made)
    assert isinstance(document, dict)
    assert (made.is_fine, document["fine"], document["ended_early"]) == (expected, expected, ended or None)
