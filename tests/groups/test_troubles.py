"""What is held of a respawn entry's trouble while it is tried again."""

from __future__ import annotations

from cltab2systemd.groups.reasons import Cause, Reason
from cltab2systemd.groups.state import GroupStatus, State
from cltab2systemd.groups.troubles import HOLD, Troubles

UNIT, OTHER = "clinit-web@a.service", "clinit-web@b.service"
PAUSES, FAST = "ends too fast, and pauses for 60 s", "ends too fast, and pauses for 60 s; its last run exited with 0"
MISSING, SLOWLY = "could not be started: 203/EXEC", "could not be started: 203/EXEC; it is tried again every 60 s"


def because(cause: Cause, words: str = "", unit: str = UNIT) -> Reason:
    """A reason, of a respawn entry."""
    return Reason(cause, unit, words, words, unit[11], "respawn")


def shown(*looks: tuple[float, list[Reason]]) -> list[str]:
    """What is told of the entries at each look: the state, and the words or the cause of each reason."""
    troubles, found = Troubles(), []
    for now, reasons in looks:
        lasting = tuple(reason for reason in reasons if reason.cause is not Cause.RESTARTING)
        momentary = tuple(reason for reason in reasons if reason not in lasting)
        state = State.FAILED if any(reason.is_failure for reason in reasons) else State.DONE
        status = troubles.steady(GroupStatus("web", "3", state, lasting, momentary), [UNIT, OTHER], now)
        assert status is not None
        assert not {reason.unit for reason in status.reasons} & {reason.unit for reason in status.momentary}
        found.append(" ".join([status.state, *(f"{r.tag}:{r.words or r.cause}" for r in status.reasons)]))
    return found


def test_a_try_that_is_in_vain_shows_nothing_new() -> None:
    """Whatever shows of it: that it runs, has ended, or ends again and again."""
    tries = [[], [because(Cause.RESTARTING)], [because(Cause.KEEPS_ENDING)]]
    for cause, words in ((Cause.PAUSED, PAUSES), (Cause.NOT_EXECUTED, SLOWLY)):
        trouble = [because(cause, words)]
        looks = [trouble, *tries, trouble, *tries, trouble]
        found = shown(*((30 * (number // 4) + number, look) for number, look in enumerate(looks)))
        assert len({*found}) == 1, found


def test_a_try_that_says_less() -> None:
    """As that it could not be started, once more; but more is told, and something else as well."""
    missing, slowly = because(Cause.NOT_EXECUTED, MISSING), because(Cause.NOT_EXECUTED, SLOWLY)
    user = because(Cause.NOT_EXECUTED, "could not be started: 217/USER")
    looks = [[missing], [slowly], [], [missing], [slowly], [user]]
    words = [MISSING, *[SLOWLY] * 4, user.words]
    assert [f"FAILED a:{each}" for each in words] == shown(*enumerate(looks))
    looks = [[because(Cause.PAUSED, PAUSES)], [because(Cause.PAUSED, FAST)], [because(Cause.PAUSED, PAUSES)]]
    assert [f"DONE a:{each}" for each in (PAUSES, FAST, FAST)] == shown(*enumerate(looks))


def test_a_try_that_is_well() -> None:
    """Then the trouble is over in a while, and begins anew."""
    trouble = [because(Cause.PAUSED, PAUSES)]
    looks = [(0, trouble), (60, []), (60 + HOLD - 1, []), (60 + HOLD, []), (100, trouble)]
    told = f"DONE a:{PAUSES}"
    assert [told, told, told, "DONE", told] == shown(*looks)


def test_something_else() -> None:
    """As that somebody stops it; that is told at once."""
    looks = [[because(Cause.PAUSED, PAUSES)], [because(Cause.DOWN)], []]
    assert [f"DONE a:{PAUSES}", "FAILED a:down", "DONE"] == shown(*enumerate(looks))


def test_the_order_of_reasons() -> None:
    """It stays as it is, and what is about no entry of the level comes first."""
    held, other = because(Cause.PAUSED, PAUSES), because(Cause.SKIPPED, unit=OTHER)
    outside = Reason(Cause.NOT_STOPPED, "clinit-web@x.service", "x", "runs on")
    found = shown((0, [outside, held, other]), (1, [outside, other]))
    assert found[0] == found[1] == f"FAILED :runs on a:{PAUSES} b:skipped"


def test_a_group_on_its_way() -> None:
    """A request is told how all is then."""
    troubles, trouble = Troubles(), (because(Cause.PAUSED, PAUSES),)
    troubles.steady(GroupStatus("web", "3", State.DONE, trouble), [UNIT], 0)
    on_its_way, done = GroupStatus("web", "3", State.STARTING), GroupStatus("web", "3", State.DONE)
    assert on_its_way == troubles.steady(on_its_way, [UNIT], 1)
    assert done == troubles.steady(done, [UNIT], 2)
    assert not troubles.is_waiting
