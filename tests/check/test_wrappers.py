"""The program behind those that only run another one."""

from __future__ import annotations

import pytest

from cltab2systemd.check.commandline import calls
from cltab2systemd.check.wrappers import WRAPPERS, program_index


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("x -a", "x"), ("A=1 B='2 3' x", "x"), ("exec -a y x", "x"), ("/usr/bin/env -i -u Y A=1 x", "x"),
        ("nice -n 5 x", "x"), ("nice -n5 x", "x"), ("nice --adjustment 5 x", "x"), ("ionice -c 3 nice -5 x", "x"),
        ("nohup setsid stdbuf -o L x y", "x"), ("sudo -u y x", "x"), ("ttyrun -e 3 hvc0 x", "x"), ("ttyrun hvc0", None),
        ("openvt -c 5 x", "openvt"), ("sh -x /x y", "/x"), ("bash -o posix /x", "/x"), ("sh x", None), ("sh", None),
        ("sh -c x", None), ("exec", None), ("A=1", None), ("exec sh /usr/bin/env x", "x"),
    ],
)  # fmt: skip
def test_program(command: str, expected: str | None) -> None:
    """The word of a call that the others are arguments of."""
    (call,) = calls(command)
    index = program_index(call.words)

    assert (None if index is None else call.words[index].text) == expected


def test_every_wrapper_is_named_once() -> None:
    """A name has one row."""
    names = [name for wrapper in WRAPPERS for name in wrapper.names.split()]
    assert len(names) == len({*names})
