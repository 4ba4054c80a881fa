"""What a command needs, as far as it is certain."""

from __future__ import annotations

import pytest
from hypothesis import given
from strategies import COMMAND

from cltab2systemd.check.needs import SearchPath, needs


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("x a", ["x"]),
        ("exec /x -a # start it", ["/x"]),
        ("cd /d && exec ./x", ["/d/", "/d/./x"]),
        ("cd /d; ./x | y", ["/d/", "/d/./x", "y"]),
        ("cd d && cd e && x", ["/d/", "/d/e/", "x"]),
        ("cd && ./x", []),
        ("cd $D && ./x", []),
        ("cd /d | ./x", ["/./x"]),
        ("nice -n 5 ionice -c3 -n 7 x", ["nice", "ionice", "x"]),
        ("nice -5 x", ["nice", "x"]),
        ("env -i A=1 /x", ["env", "/x"]),
        ("timeout -k 5 1m x", ["timeout", "x"]),
        ("timeout --foreground 5 x", ["timeout", "x"]),
        ("timeout --unheard-of 5 x", ["timeout"]),
        ("chrt -f 10 taskset -c 0,1 x", ["chrt", "taskset", "x"]),
        ("flock -n /l x", ["flock", "x"]),
        ("flock -n /l -c '/x y'", ["flock", "/x"]),
        ("setsid -w x", ["setsid", "x"]),
        ("sudo -u y -- /x", ["sudo", "/x"]),
        ("sudo -nu y /x", ["sudo", "/x"]),
        ("runuser -u y -- x a", ["runuser", "x"]),
        ("sudo -u y env PATH=/p x", ["sudo", "env"]),
        ("env -i sudo x", ["env"]),
        ("sudo -i -u y x", ["sudo"]),
        ("chpst -u y x", ["chpst", "x"]),
        ("chpst -u y -e /env x", ["chpst"]),
        ("su y -c x", ["su"]),
        ("runuser -u y -- /x", ["runuser", "/x"]),
        ("runuser -l y -c '/x'", ["runuser", "/x"]),
        ("su - y -c 'cd /d && ./x'", ["su", "/d/", "/d/./x"]),
        ('su y -s /bin/sh -c "/x; exec /z"', ["su", "/x", "/z"]),
        ('su y -c "$X"', ["su"]),
        ("sh -c 'exec /x'", ["sh", "/x"]),
        ("sh -ec 'exec /x'", ["sh", "/x"]),
        ("sh -c 'sh -c /x'", ["sh", "sh", "/x"]),
        ("sh /s a", ["sh", "/s"]),
        ("sh -x /s", ["sh"]),
        ("python3 /s.py", ["python3", "/s.py"]),
        ("python3 -m x", ["python3"]),
        ("java -Xmx1g -jar /x.jar a", ["java", "/x.jar"]),
        (". /etc/x; y", ["/etc/x"]),
        ("exec java $OPTIONS -jar /x.jar", ["java", "/x.jar"]),
        ("exec x $(date)", ["x"]),
        ("x $(date)", []),
        ("exec $X", []),
        ("$X/bin/x", []),
        ("~/x", []),
        ("x*", []),
        ("if y; then x; fi", []),
        ("test -x /x && /x", []),
        ("[ -e /f ] && /x; y", ["y"]),
        ("command -v x && x", []),
        ("test -x /x || exit 0; exec /x", []),
        ("test ! -e /x && exit 0; /x; y", []),
        ("command -v x >/dev/null || exit 0; exec x -d", []),
        ("test -x /x || exit 1; exec /x", ["/x"]),
        ("cd /d || exit 1; exec /x", ["/d/", "/x"]),
        ("x || y", []),
        ("x || true; z", ["z"]),
        ("a && b", ["a", "b"]),
        ("exec x; y", ["x"]),
        ("exit 0; x", []),
        ("PATH=/p:$PATH x", []),
        ("export PATH=/p; x; /y", ["/y"]),
        ("A=1 exec x", ["x"]),
        ("busybox httpd", ["busybox"]),
        ("exec busybox httpd -f", ["busybox"]),
        ("chroot /r x", ["chroot"]),
        ("exit 0", []),
        ("export A=b", []),
        ("umask 022; exec x", ["x"]),
        ("", []),
    ],
)
def test_needs(command: str, expected: list[str]) -> None:
    """Programs and scripts by their paths or names, directories with a slash behind them."""
    found = [
        (need.path or need.text) + ("/" if need.kind.name == "DIRECTORY" else "")
        for need in needs(command)
        if need.path or (need.searched is not SearchPath.UNKNOWN and "/" not in need.text)
    ]
    assert found == expected


@given(COMMAND)
def test_any_command(command: str) -> None:
    """What is needed stands in the command."""
    for need in needs(command):
        assert 0 <= need.start < need.end <= len(command)
