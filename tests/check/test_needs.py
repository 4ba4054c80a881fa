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
        ("sh -x /s", ["sh", "/s"]),
        ("python3 /s.py", ["python3", "/s.py"]),
        ("python3 -m x", ["python3"]),
        ("python3.11 -uB -W ignore /s.py -c", ["python3.11", "/s.py"]),
        ("python3 -c 'x' /s.py", ["python3"]),
        ("perl -wT -I /lib /s.pl", ["perl", "/s.pl"]),
        ("perl -ne print /s", ["perl"]),
        ("ruby -W0 -r json /s.rb", ["ruby", "/s.rb"]),
        ("node --x --max-old-space-size=4096 /s.js", ["node", "/s.js"]),
        ("node --require /r.js /s.js", ["node", "/s.js"]),
        ("node --x /s", ["node"]),
        ("php -S :80 -t /srv /s.php", ["php", "/s.php"]),
        ("php8.2 -d a=b -f /s.php", ["php8.2", "/s.php"]),
        ("lua5.4 /s.lua", ["lua5.4", "/s.lua"]),
        ("bash -eu -o pipefail /s a", ["bash", "/s"]),
        ("sh -s /s", ["sh"]),
        ("java -cp /c Main -jar /x.jar", ["java"]),
        ("java -cp /c Main", ["java"]),
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
        ("chroot /r x", ["chroot", "/r/", "x"]),
        ("chroot --userspec=y /r nice /x", ["chroot", "/r/", "nice", "/x"]),
        ("chroot $R /x", ["chroot"]),
        ("chroot /r chroot /s /x", ["chroot", "/r/", "chroot"]),
        ("! x; y", ["x", "y"]),
        ("! x && y", ["x"]),
        ("! x", ["!"]),
        ("time -p x", ["time", "x"]),
        ("time x >/l", ["x"]),
        ("if x", ["if"]),
        ("env -S 'x -a' b", ["env", "x"]),
        ("env -S 'A=b nice /x'", ["env", "nice", "/x"]),
        ("env --split-string='x a'", ["env", "x"]),
        ("env -S 'x $A'", ["env"]),
        ("env -i -S '/x a'", ["env", "/x"]),
        ("env -i A=b -S 'x a'", ["env"]),
        ("env -u A -C /d /x", ["env", "/x"]),
        ("unshare -n -- x", ["unshare", "x"]),
        ("unshare -mr --propagation slave x", ["unshare", "x"]),
        ("unshare --root=/r /x", ["unshare"]),
        ("exec unshare -R /r /x", ["unshare"]),
        ("x >/d/f 2>&1", ["/d/", "x"]),
        ("x 2>>d/f <i", ["/d/", "/i", "x"]),
        ("x >f", ["x"]),
        ("x >$D/f", ["x"]),
        ("x >/dev/null || y", []),
        ("cd /d && exec >>l/f; x", ["/d/", "/d/l/", "x"]),
        (">/d/f", ["/d/"]),
        ("exit 0", []),
        ("export A=b", []),
        ("umask 022; exec x", ["x"]),
        ("", []),
    ],
)
def test_needs(command: str, expected: list[str]) -> None:
    """Programs and scripts by their paths or names, directories with a slash behind them."""
    found = [
        (need.path or need.text) + ("/" if need.kind.name in {"DIRECTORY", "PLACE"} else "")
        for need in needs(command)
        if need.path or (need.searched is not SearchPath.UNKNOWN and "/" not in need.text)
    ]
    assert found == expected


@given(COMMAND)
def test_any_command(command: str) -> None:
    """What is needed stands in the command."""
    for need in needs(command):
        assert 0 <= need.start < need.end <= len(command)
