"""What keepalived tells, what a group is to do of it, and what is kept of that; without keepalived, or a node."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from cltab2systemd.keepalived import memory, rules
from cltab2systemd.keepalived.fifo import Fifo
from cltab2systemd.keepalived.memory import Memory
from cltab2systemd.keepalived.rules import Rule
from cltab2systemd.keepalived.states import LONGEST_LINE, Newest, State
from cltab2systemd.keepalived.wish import LONGEST_PAUSE, PAUSE, Told, Wish

if TYPE_CHECKING:
    from pathlib import Path

WORDS = {
    "web=web:3:stop": Rule("web", "web", "3", "stop"),
    "a=b=web:3:stop": Rule("a=b", "web", "3", "stop"),
    "web=web:3:stop:": Rule("web", "web", "3", "stop"),
}
NO_WORDS = ["", "web", "=web:3:stop", "web=:3:stop", "web=web:3", "web=web::stop", "web=web:3:", "web=web:3:stop:4"]


@pytest.mark.parametrize("word", WORDS)
def test_words(word: str) -> None:
    """Each says who follows whom, and where the group is in each state."""
    (rule,) = rules.parse([word])

    assert rule == WORDS[word]
    assert {state for state in State if rule.level_in(state) == "3"} == {State.MASTER}


@pytest.mark.parametrize("word", NO_WORDS)
def test_what_is_no_word(word: str) -> None:
    """It is named."""
    with pytest.raises(ValueError, match="is not INSTANCE=GROUP:LEVEL:STOP-LEVEL") as caught:
        rules.parse(["x=x:1:2", word])
    assert repr(word) in str(caught.value)


def test_lines_however_they_are_cut() -> None:
    """The newest state of each instance counts, whatever pieces the FIFO gives."""
    told = b'INSTANCE "a" MASTER 100\nGROUP "b c" BACKUP -1\nINSTANCE "a" FAULT 0\nINSTANCE "\xff" MASTER 1\n'
    expected = {"a": State.FAULT, "b c": State.BACKUP, "\udcff": State.MASTER}
    for size in range(1, len(told) + 1):
        newest = Newest(expected)
        for start in range(0, len(told), size):
            newest.add(told[start : start + size])
        assert newest.take() == expected
        assert newest.take() == {}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b'INSTANCE "other" MASTER 100',
        b'INSTANCE "a" MASTER_RX_LOWER_PRI 100',
        b'INSTANCE "a" GONE 100',
        b'INSTANCE "a" MASTER',
        b'VRRP "a" MASTER 100',
        b"\0" * (3 * LONGEST_LINE) + b'INSTANCE "a" MASTER 100',
    ],
)
def test_lines_that_say_nothing(line: bytes) -> None:
    """They are passed over, and what comes next counts."""
    newest = Newest(["a"])
    for start in range(0, len(line), 1000):
        newest.add(line[start : start + 1000])
    newest.add(b"\n")
    assert newest.take() == {}
    newest.add(b'INSTANCE "a" BACKUP 100\n')
    assert newest.take() == {"a": State.BACKUP}


def test_what_is_tried_again() -> None:
    """With longer and longer pauses, until it is accepted; what is told later begins anew."""
    wish = Wish()
    wish.tell(State.MASTER)
    pauses = [wish.asked(wish.number, is_accepted=False) for _ in range(10)]
    assert pauses[:3] == [PAUSE, 2 * PAUSE, 4 * PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    wish.tell(State.MASTER)
    assert wish.asked(wish.number, is_accepted=False) == PAUSE
    assert wish.asked(wish.number, is_accepted=True) == 0
    assert wish.told == Told(State.MASTER, is_accepted=True)
    assert [Wish().is_open, wish.is_open, Wish(Told(State.MASTER)).is_open] == [False, False, True]


@pytest.mark.parametrize("is_accepted", [True, False])
def test_what_was_told_during_a_request(is_accepted: bool) -> None:
    """It is asked for at once, also if it is the same state again, and whatever came of the request."""
    wish = Wish(Told(State.MASTER))
    number = wish.number
    wish.tell(State.MASTER)

    assert wish.asked(number, is_accepted=is_accepted) == 0
    assert wish.is_open


def test_what_is_kept(tmp_path: Path) -> None:
    """The next reader knows it, whatever a group is called; nobody else reads it."""
    path = tmp_path / "fifo.states"
    told = {"web": Told(State.MASTER, is_accepted=True), "\udcff é": Told(State.GONE)}
    before = Memory(path)
    for group, one in told.items():
        before.keep(group, one)

    after = Memory(path)
    assert {group: after.recall(group) for group in told} == told
    assert after.recall("other") is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_what_an_earlier_version_has_kept() -> None:
    """Its form is the same; a state that nobody knows is left out."""
    kept = b'{"web": ["MASTER", true], "db": ["STOP", false], "x": ["", true], "y": ["LATER", true]}'

    assert memory.parse(kept) == {"web": Told(State.MASTER, is_accepted=True), "db": Told(State.STOP)}


@pytest.mark.parametrize("kept", [b"", b"{", b"[]", b"1", b'{"a": 1}', b'{"a": ["MASTER"]}', b"\xff", b"[" * 100000])
def test_what_nobody_has_kept(kept: bytes) -> None:
    """It is an error, and none that ends the reader."""
    with pytest.raises(ValueError, match=r"."):
        memory.parse(kept)


def test_another_fifo_is_at_its_place(tmp_path: Path) -> None:
    """It is opened; what is there still stays open; and there is one reader at a time."""
    path = tmp_path / "fifo"
    fifo = Fifo(path, is_ours=True)
    assert fifo.lock()
    assert not Fifo(path, is_ours=False).lock()
    assert not fifo.renew()
    with path.open("wb", buffering=0) as keepalived:
        keepalived.write(b"told\n")
        assert ([*fifo.read()], fifo.is_open) == ([b"told\n"], True)
    assert ([*fifo.read()], fifo.is_open) == ([], False)
    path.unlink()
    assert fifo.renew()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.unlink()
    path.symlink_to("/dev/null")
    with pytest.raises(OSError, match="symbolic links"):
        fifo.renew()
