"""Limits that a table gives, in a rehearsal where units have cgroup controllers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rehearsing import faults, rehearsed

from cltab2systemd.node.spec import NodeSpec
from cltab2systemd.rehearsal import performance
from cltab2systemd.rehearsal.direction import Wishes
from cltab2systemd.rehearsal.standin import Choice

if TYPE_CHECKING:
    import pytest


def with_users_of_the_machine(*arguments: Any, own_users: bool, **options: Any) -> NodeSpec:
    """What a rehearsal's node is made of, but for users of its own."""
    assert own_users
    return NodeSpec(*arguments, **options)


def test_memory(controllers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes more than `MemoryMax=` when it runs for real is killed, and that is told with what to do.

    A virtual machine has its files by way of 9p and an overlay, which Linux 6.1 cannot show to other users. So the
    rehearsal has the machine's users in there.
    """
    monkeypatch.setattr(performance, "NodeSpec", with_users_of_the_machine)
    table = (
        "web:eater:3:once:exec python3 -c 'bytearray(1 << 28)'\n"
        "web:frugal:3:test:exec python3 -c 'bytearray(1 << 20)'\n"
        ":::service.eater:MemoryMax=64M\n"
        ":::service.frugal:MemoryMax=64M\n"
    )
    found = rehearsed(table, table, Wishes(choice=Choice(all_real=True)))
    told = faults(found)
    assert {*told} == {"eater"}
    assert "was killed, for there was no memory left (MemoryMax=64M)" in told["eater"]
    assert told["eater"].endswith(" | give it more, or the group less to do")
    assert "MemoryMax" not in "\n".join(found.unseen)
