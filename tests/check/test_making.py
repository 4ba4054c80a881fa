"""What a part of a command may make for a later one."""

from __future__ import annotations

import pytest

from cltab2systemd.check.commandline import calls
from cltab2systemd.check.making import Earlier


def earlier(command: str, directory: str | None = "/") -> Earlier:
    """The last part of a command, with those before it; all run in one directory."""
    last = None
    for call in calls(command):
        last = Earlier(call, directory, last)
    assert last is not None
    return last


@pytest.mark.parametrize(
    ("command", "path", "expected"),
    [
        ("mkdir -p /a/b", "/a/b", True),
        ("mkdir -p /a/b", "/a/b/c", True),
        ("mkdir -p /a/b", "/a", True),
        ("mkdir -p /a/b", "/a/bc", False),
        ("mkdir -p /a/b", "/x", False),
        ("x --output=/a/b,/c", "/c", True),
        ("x /a/../b", "/b", True),
        ("x '/a b'", "/a", True),
        ("sudo -u y cp /a /b", "/b", True),
        ("x >/a", "/a", True),
        ("x >/a/b", "/a", False),
        ("x </a", "/a", False),
        ("echo /a", "/a", False),
        ("mkdir /a/$X/b", "/a/c", True),
        ("mkdir $X", "/a", True),
        ("x $X", "/a", False),
        ("A=/a", "/a", False),
        ("cp /a /b; ls; y", "/b", True),
        ("chmod +x /a", "/a", False),
    ],
)
def test_may_make(command: str, path: str, expected: bool) -> None:
    """Whatever a program is given, unless it only looks."""
    assert earlier(command).may_make(path) == expected


def test_where_it_runs() -> None:
    """Relative arguments, or none, may be anything below the working directory; but all is below the root."""
    for command in ("x", "tar xf a.tar", "x -f"):
        assert earlier(command, "/srv/a").may_make("/srv/a/b")
        assert not earlier(command, "/srv/a").may_make("/srv/b")
    assert not earlier("x").may_make("/srv/b")
    assert not earlier("x -f").may_make("/srv/b")
    assert not earlier("mkdir /run/x", "/srv/a").may_make("/srv/a/b")
    assert earlier("cp x ../b", "/srv/a").may_make("/srv/b/c")
    assert earlier("cp x y", None).may_make("/srv/b")
    assert not earlier("x y", None).may_make("/srv/b")


@pytest.mark.parametrize(
    ("command", "path", "expected"),
    [
        ("mkdir a", "/a", True),
        ("mkdir -p a/b", "/a/b/c", True),
        ("mkdir a", "/b", False),
        ("mkdir -m 700 a-$X", "/a-b", True),
        ("x a", "/a/b", True),
        ("python3 -m venv a", "/a/bin/x", True),
        ("make --prefix=a", "/a/bin/x", True),
        ("dd if=/b of=a", "/a", True),
        ("rm a", "/a", False),
        ("wget http://x/a.sh?c", "/a.sh", True),
        ("wget http://x/a.sh", "/b.sh", False),
        ("curl -O http://x/a.sh", "/a.sh", True),
        ("git clone http://x/a.git", "/a/b", True),
        ("git clone http://x/a.git /b", "/c", False),
        ("git -C /b pull", "/c", False),
        ("tar xf /b.tar", "/a/b", True),
        ("tar xf /b.tar -C c", "/c/b", True),
        ("tar xf /b.tar -C c", "/a", False),
        ("tar --directory=c -xf /b.tar", "/c/b", True),
        ("tar -C / -xf /b.tar", "/a", True),
        ("tar -x -f /b.tar", "/a", True),
        ("tar --extract --file /b.tar", "/a", True),
        ("tar czf /b/c.tar /d", "/a", False),
        ("tar -cf /b/c.tar --exclude=/d/x /d", "/a", False),
        ("tar tf /b.tar", "/a", False),
        ("unzip /b.zip", "/a", True),
        ("unzip -d /b /b.zip", "/a", False),
        ("cpio -id", "/a", True),
        ("cp /b/a .", "/a", True),
        ("cp /b/a /", "/a", True),
        ("mount -o remount,rw /", "/a", False),
    ],
)
def test_in_the_root(command: str, path: str, expected: bool) -> None:
    """What a command names there, and anything if it unpacks there what does not name it."""
    assert earlier(command).may_make(path) == expected


def test_what_is_there() -> None:
    """It may be changed; what is to be made may not."""
    assert earlier("chmod +x /a").may_make("/a", is_there=True)
    assert earlier("chmod -R +x a", "/srv").may_make("/srv/a/b", is_there=True)
    assert not earlier("chmod +x /a").may_make("/b", is_there=True)


def test_many_parts() -> None:
    """Nothing is told of what is behind more parts than anybody reads."""
    assert not earlier("ls; " * 15 + "ls").may_make("/a")
    assert earlier("ls; " * 20 + "ls").may_make("/a")
