"""An inittab into a cltab: real-world styles in `inittabs/`, which say themselves what becomes of them, and properties.

In those files, `#> is:` stands before a line that gives such a line of the cltab, `#> left:` before one that is left to
systemd, with a part of what is said, `#> says:` before one with a finding of that code, and `#> format:` at the top.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import translator
from answers import answered
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cltab2systemd.check.loading import load
from cltab2systemd.importers.inittab import lines as inittablines
from cltab2systemd.importers.inittab.commands import adapt, tag_for, terminal_unit
from cltab2systemd.importers.inittab.dialects import AIX, BUSYBOX, DIALECTS, SYSV, Becomes, Dialect
from cltab2systemd.importers.inittab.importer import LARGEST, Imported, import_inittab
from cltab2systemd.importers.inittab.names import unusable
from cltab2systemd.table.diagnostics import Severity, has_errors, render
from cltab2systemd.table.model import Mode, Table
from cltab2systemd.text import decoded, encoded
from cltab2systemd.units import commands
from cltab2systemd.units.compiler import compile_table
from lab.install import PROJECT

if TYPE_CHECKING:
    from click.testing import Result

INITTABS = sorted((PROJECT / "tests/inittabs").glob("*.inittab"))
DOCUMENT = PROJECT / "docs/inittab.md"
LEFT = "inittab-left-to-systemd"
ASSERTION = "#> "


@dataclass
class Expected:
    """What a line of a self-asserting inittab says about itself."""

    live: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)


def text_of(imported: Imported) -> str:
    return decoded(imported.content)


def live_lines(imported: Imported) -> list[str]:
    """The lines of the cltab that mean something."""
    return [line for line in text_of(imported).split("\n") if line.strip() and not line.startswith("#")]


def load_without_errors(imported: Imported) -> Table:
    table, findings = load(imported.content, "/etc/cltab")
    assert [render(finding) for finding in findings if finding.severity is Severity.ERROR] == []
    return table


def convert(text: str, dialect: Dialect | None = SYSV, **more: str) -> Imported:
    imported = import_inittab(encoded(text), "/etc/inittab", "app", dialect=dialect, **more)
    load_without_errors(imported)
    return imported


def entry(text: str, dialect: Dialect = SYSV) -> str:
    """The only live line that a line becomes."""
    (line,) = live_lines(convert(text, dialect))
    return line


def codes(imported: Imported) -> list[str]:
    return [finding.code for finding in imported.diagnostics]


@pytest.mark.parametrize("path", INITTABS, ids=lambda path: path.stem)
def test_real_world_styles(path: Path, tmp_path: Path) -> None:
    """Each inittab gives just the lines and findings that it says, in its own format, and checks and compiles."""
    data = path.read_bytes()
    imported = import_inittab(data, str(path), "app")
    expected = Expected()
    live: list[str] = []
    for line in inittablines.read(data.decode(), str(path)):
        if line.text.startswith(ASSERTION):
            kind, _, what = line.text.removeprefix(ASSERTION).partition(": ")
            if kind == "format":
                assert imported.dialect.name == what
            else:
                {"is": expected.live, "left": expected.left, "says": expected.codes}[kind].append(what)
            continue
        places = range(line.number, line.number + len(line.parts))
        found = [finding for finding in imported.diagnostics if finding.place.line in places]
        assert sorted(f.code for f in found) == sorted([*expected.codes, *[LEFT] * len(expected.left)]), line
        for what in expected.left:
            assert any(what in finding.message for finding in found), (line, found)
            assert f"# {line.text}\n" in text_of(imported)
        live += expected.live
        expected = Expected()
    assert live_lines(imported) == live
    table = load_without_errors(imported)
    assert set(table.groups) == {"app"}
    assert compile_table(table)
    cltab = tmp_path / "cltab"
    cltab.write_bytes(imported.content)
    assert ": error: " not in translator.run("check", cltab).stderr


def test_comments_stay() -> None:
    """Comments and blank lines come over, at the first column; those of AIX, too."""
    imported = convert("# one\n\n  \t# two\nx:3:once:y\n#last", SYSV)
    assert text_of(imported).endswith("\n\n# one\n\n# two\napp:x:3:once:y\n#last\n")
    assert text_of(convert(": c\n:a:2:once:x\n", AIX)).endswith("\n# : c\n# :a:2:once:x\n")


def test_the_header_says_where_it_comes_from() -> None:
    """The first line names the inittab, as one line, and its style."""
    imported = import_inittab(b"", "/tmp/a\nb", "app")
    assert text_of(imported).startswith(
        "# Imported from /tmp/a\\x0ab, an inittab of System V style, by cltab2systemd.\n"
    )
    assert live_lines(imported) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x:2345:respawn:/opt/x", "app:x:2345:respawn:/opt/x"),
        ("x:3:wait:/opt/x a:b:c", "app:x:3:wait:/opt/x a:b:c"),
        ("x:3:once:+/opt/x", "app:x:3:once:/opt/x"),
        ("x:3:off:/opt/x", "app:x:3:off:/opt/x"),
        ("x:3:ondemand:/opt/x", "app:x:3:respawn:/opt/x"),
        ("x:3:once:/opt/x --a=b !c ^d", "app:x:3:once:/opt/x --a=b !c ^d"),
        ("x:3:once:/opt/x >/dev/null # y", "app:x:3:once:/opt/x >/dev/null # y"),
        ("x:3:once:/opt/x # y", "app:x:3:once:exec /opt/x # y"),
        ("x:3:once:/opt/x --a=b # y", "app:x:3:once:exec /opt/x --a=b # y"),
        ("x:33:once:/opt/x", "app:x:3:once:/opt/x"),
        ("x:2,3:once:/opt/x", "app:x:23:once:/opt/x"),
        ("x::once:/opt/x", "app:x:0123456789:once:/opt/x"),
        ("  x:3:ONCE:  /opt/x  ", "app:x:3:once:/opt/x"),
        ("~~:3:once:/opt/x", "app:~~:3:once:/opt/x"),
        ("x:3:once:/opt/x \\\n y", "app:x:3:once:/opt/x  y"),
        ("x:3:once:/opt/\udcff", "app:x:3:once:/opt/\udcff"),
        ("id:3:initdefault:", ":::initdefault.app:3"),
        ("id:3:initdefault", ":::initdefault.app:3"),
        ("id:35:initdefault:", ":::initdefault.app:5"),
        ("id:s:initdefault:", ":::initdefault.app:S"),
        ("x:3:once:/opt/app/rc", "app:x:3:once:/opt/app/rc"),
        ("x:3:once:/etc/rc.tcpip", "app:x:3:once:/etc/rc.tcpip"),
        ("x:3:once:/bin/sh /opt/x", "app:x:3:once:/bin/sh /opt/x"),
        ("x:3:once:/bin/sh -c 'a b'", "app:x:3:once:/bin/sh -c 'a b'"),
        ("x:3:once:/usr/bin/ssh", "app:x:3:once:/usr/bin/ssh"),
        ("x:3:once:/opt/app/login", "app:x:3:once:/opt/app/login"),
        ("x:3:wait:/bin/mount /data", "app:x:3:wait:/bin/mount /data"),
        ("x:3:once:/sbin/ttyrun hvc1 /opt/x", "app:x:3:once:/sbin/ttyrun hvc1 /opt/x"),
        ("x:3:once:openvt -- /opt/menu", "app:x:3:once:openvt -- /opt/menu"),
        ("x:3:once:loginserver", "app:x:3:once:loginserver"),
    ],
)  # fmt: skip
def test_lines_that_become_entries(line: str, expected: str) -> None:
    """What a line of System V becomes."""
    assert entry(line) == expected


HOME = "WorkingDirectory=-~"


@pytest.mark.parametrize(
    ("process", "command", "directives"),
    [
        ('su - ora -c "lsnrctl start"', "lsnrctl start", ["User=ora", HOME]),
        ("su ora -c 'a; b \"c d\"'", 'a; b "c d"', ["User=ora"]),
        ("exec /bin/su -l ora -c a", "a", ["User=ora", HOME]),
        ("su -lc a ora", "a", ["User=ora", HOME]),
        ("su --login --command='a b' ora", "a b", ["User=ora", HOME]),
        ("su -s /bin/sh ora -c 'a && b'", "a && b", ["User=ora"]),
        ("su ora -s /bin/bash -c 'a; b'", "exec /bin/bash -c 'a; b'", ["User=ora"]),
        ('su ora -c "echo \\$HOME \\"x\\""', 'echo $HOME "x"', ["User=ora"]),
        ("su ora -c 'a # b'", "exec a # b", ["User=ora"]),
        ("su 'ora' -c a\\ b", "a b", ["User=ora"]),
        ("runuser -u www -- prog -c a", "prog -c a", ["User=www"]),
        ("runuser -u www prog 'a b'", "exec prog 'a b'", ["User=www"]),
        ("/sbin/runuser -l www -c a", "a", ["User=www", HOME]),
        ("runuser www -c 'a | b'", "a | b", ["User=www"]),
        ("su ora -c a >/var/log/a 2>&1", "a", ["User=ora", "StandardOutput=truncate:/var/log/a",
        "StandardError=inherit"]),
        ("su ora -c a >>/var/log/a", "a", ["User=ora", "StandardOutput=append:/var/log/a", "StandardError=journal"]),
        ("su ora -c 'a &' >/dev/null 2>&1 </dev/null", "a &",
         ["User=ora", "StandardOutput=null", "StandardError=inherit"]),
    ],
)  # fmt: skip
def test_commands_of_other_users(process: str, command: str, directives: list[str]) -> None:
    """What `su` and `runuser` run is run as the user by its service, and the line stays as a comment."""
    imported = convert(f"x:3:respawn:{process}")
    assert live_lines(imported) == [f"app:x:3:respawn:{command}", *(f":::service.x:{line}" for line in directives)]
    assert codes(imported) == ["inittab-user"]
    assert f"# x:3:respawn:{process}\n" in text_of(imported)
    (finding,) = imported.diagnostics
    assert finding.severity is Severity.NOTE
    assert ("profile is not read" in finding.message) == (HOME in directives)


@pytest.mark.parametrize(
    "process",
    ['su - ora -c "echo $HOME"', "su - ora -c a `b`", "su - ora", "su -c a", "su -m ora -c a", "su ora -c a b",
     "su ora -c ''",
     "su ora -c a | b", "su $USER -c a", "su ora -c a >$LOG", "runuser -u www", "runuser -u www -c a", "su 0ra -c a",
     "su ora -c a*", "su -g x ora -c a", "su ora -c a &", "su ora -c 'a"],
)  # fmt: skip
def test_commands_of_other_users_that_stay(process: str) -> None:
    """What takes a shell to tell is left as it is, and a note says so."""
    imported = convert(f"x:3:once:{process}")
    assert live_lines(imported) == [f"app:x:3:once:{process}"]
    assert codes(imported) == ["inittab-user"]


@pytest.mark.parametrize("process", ["sux a", "sudo -u x a", "setpriv --reuid=x a", "/opt/su.sh x", "echo su x -c y"])
def test_commands_of_nobody_else(process: str) -> None:
    """Other programs have nothing to do with it."""
    assert codes(convert(f"x:3:once:{process}")) == []


@pytest.mark.parametrize(
    ("line", "equivalent"),
    [
        ("x:3:respawn:/sbin/getty 38400 tty3", "getty@tty3.service"),
        ("x:3:respawn:/sbin/getty 38400 vc/3", "getty@tty3.service"),
        ("x:3:respawn:/sbin/agetty -L 9600 /dev/ttyS2", "serial-getty@ttyS2.service"),
        ("x:3:respawn:/usr/bin/env TERM=linux /sbin/agetty tty1", "getty@tty1.service"),
        ("x:3:respawn:exec /sbin/agetty hvc0", "serial-getty@hvc0.service"),
        ("x:3:respawn:/sbin/ttymon", "getty@.service"),
        ("x:3:respawn:/sbin/ttyrun hvc1 /sbin/agetty -L 9600 %t linux", "serial-getty@hvc1.service"),
        ("x:3:respawn:ttyrun -e 42 ttyS1 /sbin/mingetty ttyS1", "serial-getty@ttyS1.service"),
        ("x:3:respawn:/usr/bin/openvt -c 5 -w -f -- /sbin/getty 38400 tty5", "getty@tty5.service"),
        ("x:3:respawn:exec openvt -c5 -- setsid nice -n -5 env -u A TERM=linux fgetty tty5", "getty@tty5.service"),
        ("x:3:respawn:setsid -c /sbin/agetty tty1", "getty@tty1.service"),
        ("x:3:respawn:nice -5 ionice -c 2 -n 0 /sbin/getty tty2", "getty@tty2.service"),
        ("x:3:respawn:/bin/sh -c 'exec /sbin/getty 38400 tty1'", "getty@tty1.service"),
        ("x:3:respawn:exec login -f root </dev/tty4", "getty@.service"),
        ("x:3:respawn:/usr/bin/iucvtty lnxterm", "getty@.service"),
        ("x:3:respawn:/bin/sh </dev/tty9 >/dev/tty9 2>&1", "getty@"),
        ("x:S:wait:/sbin/sulogin", "rescue.service"),
        ("x:0:wait:/etc/init.d/rc 0", "poweroff.target"),
        ("x:6:wait:/bin/sh /etc/rc.d/rc 6", "reboot.target"),
        ("x:3:wait:/sbin/rc default", "multi-user.target"),
        ("x:5:respawn:/etc/X11/prefdm -nodaemon", "display-manager.service"),
        ("x:6:wait:/sbin/reboot -d", "reboot.target"),
        ("x:3:wait:/etc/rc.d/rc.local", "rc-local.service"),
        ("x:3:wait:/sbin/swapon -a", "swap.target"),
        ("x:3:sysinit", "sysinit.target"),
        ("x::kbrequest:y", "kbrequest.target"),
        ("x::powerfail:y", "sigpwr.target"),
        ("x::ctrlaltdel:y", "ctrl-alt-del.target"),
    ],
)
def test_lines_that_are_left_to_systemd(line: str, equivalent: str) -> None:
    """The line becomes a comment, and the note says what systemd has."""
    imported = convert(line)
    (finding,) = imported.diagnostics
    assert finding.code == LEFT
    assert finding.severity == Severity.NOTE
    assert live_lines(imported) == []
    assert equivalent in finding.message
    assert f"# {line}\n" in text_of(imported)


@pytest.mark.parametrize(
    ("line", "code", "severity"),
    [
        ("x:3:what:y", "inittab-unknown-action", "warning"),
        ("x:3:askfirst:y", "inittab-unknown-action", "warning"),
        ("word", "inittab-fields", "warning"),
        ("x:3", "inittab-fields", "warning"),
        ("x:3:once", "inittab-no-process", "warning"),
        ("x:3:once:", "inittab-no-process", "warning"),
        ("x:3:once:# y", "inittab-no-process", "warning"),
        ("x:7x:initdefault:", "", ""),
        ("x::initdefault:", "inittab-boot-level", "warning"),
        ("x:a:initdefault:", "inittab-boot-level", "warning"),
        ("x:z:once:y", "inittab-unknown-level", "warning"),
        ("x:3:once:y\0", "inittab-unusable", "warning"),
        (f"x:3:once:{'y' * 140_000}", "inittab-unusable", "warning"),
        ("x:3:once:a; b", "inittab-command", "warning"),
        ("x:3:once:(a; b)", "inittab-command", "warning"),
        ("x:3:once:A=b c", "inittab-command", "warning"),
        ("x:3:once:exec c", "inittab-command", "warning"),
        ("x:3:once:a#b", "inittab-command", "warning"),
        ("x:3:once:a # b", "inittab-command", "note"),
        ("x:a:once:y", "inittab-on-demand", "note"),
        ("x:s:once:y", "inittab-level-name", "note"),
        ("x::once:y", "inittab-every-level", "note"),
        ("x:06:once:y", "inittab-shutdown-level", "note"),
        (":3:once:y", "inittab-id", "warning"),
        ("a b:3:once:y", "inittab-id", "note"),
        (f"{'i' * 300}:3:once:y", "inittab-id", "note"),
    ],
)  # fmt: skip
def test_findings(line: str, code: str, severity: str) -> None:
    """A line has just the one finding."""
    found = [(finding.code, finding.severity) for finding in convert(line).diagnostics]
    assert found == ([(code, severity)] if code else [])


def test_a_finding_points_into_the_line() -> None:
    """Path, line, column and the caret are those of the inittab, also on a continued line."""
    (finding,) = convert("# c\nx:3:what:y").diagnostics
    assert render(finding).splitlines()[:3] == [
        "/etc/inittab:2:5: warning: unknown action 'what' of System V [inittab-unknown-action]",
        "  x:3:what:y",
        "      ^~~~",
    ]
    (finding,) = convert("x:3:on\\\nce:a#b\n").diagnostics
    assert finding.place.line == 2
    assert finding.place.column == 4
    assert finding.source == "ce:a#b"


def test_a_close_action_is_meant() -> None:
    """A typo gets a hint, and so does an action of another dialect."""
    (finding,) = convert("x:3:rspawn:y").diagnostics
    assert finding.hint == "did you mean 'respawn'?"
    (finding,) = convert("x:3:askfirst:y").diagnostics
    assert finding.hint == "--format busybox knows it"


def test_the_first_initdefault_counts() -> None:
    """As in sysvinit; the table has one boot level."""
    imported = convert("a:3:initdefault:\nb:5:initdefault:\n")
    assert live_lines(imported) == [":::initdefault.app:3"]
    assert codes(imported) == ["inittab-boot-level"]


def test_byte_order_marks() -> None:
    """Before the file, and where two were joined, they are no part of a line."""
    imported = convert("\ufeffx:3:once:/opt/x\n\ufeff# comment\n\ufeffy:3:once:/opt/y")
    assert live_lines(imported) == ["app:x:3:once:/opt/x", "app:y:3:once:/opt/y"]
    assert "\n# comment\n" in text_of(imported)
    assert codes(imported) == []


def test_tags_are_unique() -> None:
    """Ids keep their names, whatever comes before; others get a number."""
    imported = convert("x:3:once:a\nx:3:once:b\nx_2:3:once:c\nx:3:once:d\n:3:once:/x/x\n")
    assert [line.split(":")[1] for line in live_lines(imported)] == ["x", "x_3", "x_2", "x_4", "x_5"]


@pytest.mark.parametrize(
    ("command", "tag"),
    [
        ("/usr/sbin/crond -f", "crond"),
        ("/opt/my-app.sh", "my_app.sh"),
        ("env A=b nice -n 5 /x/y", "y"),
        ("exec /x/y", "y"),
        ("/bin/sh /x/y.sh a", "y.sh"),
        ("sh -c 'a b'", "sh"),
        ("'/x y'", "x"),
        ("A=1; /x/y", "y"),
        (">/x </dev/null /z/y a", "y"),
        ("stdbuf -o L sudo -u a /x/y", "y"),
        (">/dev/null", "entry"),
        ("", "entry"),
        ("/x/" + "y" * 99, "y" * 32),
    ],
)
def test_made_tags(command: str, tag: str) -> None:
    """A tag comes from the program's name, and needs no escaping in a unit name."""
    assert tag_for(command) == tag


@pytest.mark.parametrize(
    ("terminal", "unit"),
    [
        ("tty1", "getty@tty1.service"),
        ("/dev/ttyS0", "serial-getty@ttyS0.service"),
        ("3270/tty1", "serial-getty@3270-tty1.service"),
        ("console", "console-getty.service or serial-getty@.service"),
        ("ttyd1", "getty@.service or serial-getty@.service"),
        ("", "getty@.service or serial-getty@.service"),
    ],
)
def test_terminals(terminal: str, unit: str) -> None:
    """The unit of a login, for the terminals of Linux."""
    assert terminal_unit(terminal) == unit


def test_busybox_starts_in_its_own_order() -> None:
    """BusyBox runs all wait entries first, then once, then respawn; what stood before an entry moves with it."""
    imported = convert("# r\n::respawn:r\n# w\n::wait:w\n::once:o\n::respawn:q\n# end\n", BUSYBOX)
    body = text_of(imported).partition("\n\n")[2]
    assert body == "# w\napp:w:3:wait:w\napp:o:3:once:o\n# r\napp:r:3:respawn:r\napp:q:3:respawn:q\n# end\n"
    assert codes(imported) == ["inittab-no-levels", "inittab-order", "inittab-order"]


@pytest.mark.parametrize(("level", "levels"), [("3", "3"), ("run", "run,")])
def test_busybox_has_one_level(level: str, levels: str) -> None:
    """All entries get it, alone, and it is the boot level."""
    imported = convert("::respawn:x\n", BUSYBOX, level=level)
    assert live_lines(imported) == [f":::initdefault.app:{level}", f"app:x:{levels}:respawn:x"]


@pytest.mark.parametrize("device", ["a b", "../x", "%i", "x//y", "-x", "y" * 140_000])
def test_no_terminal(device: str) -> None:
    """An id that no device has puts nothing into a unit."""
    imported = convert(f"{device}::respawn:x\n", BUSYBOX)
    assert live_lines(imported)[1:] == ["app:x:3:respawn:x"]
    assert "inittab-terminal" in codes(imported)


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("", SYSV),
        ("x:3:respawn:y", SYSV),
        ("::respawn:y", BUSYBOX),
        ("tty1::respawn:y", BUSYBOX),
        ("tty1::respawn:y\nx:3:kbrequest:y", SYSV),
        ("x:2:hold:y", AIX),
        ("rctcpip:2:wait:y", AIX),
        (":rcnfs:2:wait:y", AIX),
        ("\0\0\n:::\n\n::", SYSV),
    ],
)
def test_formats_are_told_apart(text: str, dialect: Dialect) -> None:
    """By what only one of them has."""
    assert convert(text, None).dialect is dialect


@pytest.mark.parametrize(
    "command",
    [
        "echo a b",
        "echo a=b !x ^ c",
        "echo 'a  b' \"c;d\" $((1+2)) | cat",
        "echo a | cat; echo b",
        "echo a & wait; echo b",
        "echo a; echo b",
        "echo a && echo b",
        "false || echo b",
        "echo a \\; b; echo c",
        "echo ';' ; echo c",
        "echo a # b",
        "echo a=b # c; d",
        "echo a ; # b",
        "echo a 2>&1",
        "echo a # b 2>&1",
        "echo $(echo a; echo b)",
        "echo `echo a; echo b`; echo c",
        "echo a 2>&1; echo b",
        "echo a#b && echo c",
        "echo a\\ #b; echo c",
        "echo {a; echo b",
        'echo $(echo "a; b"); echo c',
        'echo ${x:-";"} a; echo c',
    ],
)
def test_commands_do_what_they_did(command: str) -> None:
    """A command that init could run gives the same output from a cltab."""
    init = subprocess.run(["sh", "-c", f"exec {command}"], capture_output=True, check=False)
    words = commands.command_words(adapt(command).command)
    ours = subprocess.run(words, capture_output=True, check=False)
    answered(ours, out=init.stdout, code=init.returncode)


@pytest.mark.parametrize("command", ["cd / && pwd", "A=b env", "(a)", "{ a; }", "if true; then a; fi", "exec a", ". a"])
def test_commands_that_init_cannot_run(command: str) -> None:
    """They stay as they are, with a warning; init's shell does not get to run any of them."""
    adapted = adapt(command)
    assert adapted.command == command
    assert adapted.doubtful
    assert subprocess.run(["sh", "-c", f"exec {command}"], capture_output=True, check=False).returncode


NAMES = st.text(max_size=12)
LINES = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.tuples(
            st.one_of(st.sampled_from(["", "x", "tty1", "~~", "longident"]), NAMES),
            st.one_of(st.sampled_from(["", "3", "S", "a"]), NAMES),
            st.one_of(st.sampled_from([name for d in DIALECTS.values() for name in d.actions]), NAMES),
            st.one_of(st.sampled_from(["/sbin/getty tty1", "+x", "-x", "x # y", "a; b", "x \\"]), NAMES),
        ).map(lambda fields: ":".join(fields).encode("utf-8", "surrogatepass")),
    ),
    max_size=12,
).map(b"\n".join)
REAL = st.sampled_from([path.read_bytes() for path in INITTABS])


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A real inittab with some bytes replaced by others."""
    data = bytearray(draw(REAL))
    for _ in range(draw(st.integers(1, 20))):
        start = draw(st.integers(0, len(data)))
        data[start : start + draw(st.integers(0, 8))] = draw(st.one_of(st.binary(max_size=8), st.just(b"\n")))
    return bytes(data)


@settings(max_examples=600, deadline=None)
@given(
    st.one_of(st.binary(), LINES, mutated()),
    st.sampled_from([None, *DIALECTS.values()]),
    st.sampled_from(["app", "a-b", "#c\udcff%", "g" * 180]),
)
@example(b"x:3:once:y\\", None, "app")
@example(b"\\\n\\\n", None, "app")
@example(b"\xef\xbb\xbf:::socket:/x\r\n", SYSV, "app")
@example(b":::initdefault.x:3\n:::service.x:Type=foo", BUSYBOX, "app")
def test_any_bytes_give_a_table(data: bytes, dialect: Dialect | None, group: str) -> None:
    """Whatever the bytes, there is a table without errors, of this group alone, and no finding is an error."""
    group = group.lstrip("#")
    assert unusable(group) == ""
    imported = import_inittab(data, "/etc/inittab", group, dialect=dialect)
    table = load_without_errors(imported)
    assert set(table.groups) <= {group}
    assert {setting.name.partition(".")[0] for setting in table.settings} <= {"initdefault", "service"}
    assert not has_errors(imported.diagnostics)
    assert imported == import_inittab(data, "/etc/inittab", group, dialect=dialect)
    lines = decoded(data).split("\n")
    for finding in imported.diagnostics:
        assert 1 <= finding.place.line <= len(lines)
        assert render(finding)
    compile_table(table)


@settings(max_examples=100, deadline=None)
@given(st.one_of(REAL, mutated()))
def test_nothing_is_lost(data: bytes) -> None:
    """Every command of the inittab is still in the table."""
    text = text_of(import_inittab(data, "/etc/inittab", "app", dialect=SYSV))
    for line in inittablines.read(decoded(data), ""):
        if len(line.fields) == 4 and len(line.parts) == 1:
            assert line.fields[3].stripped.text.removeprefix("+").strip() in text


@pytest.mark.parametrize(
    "line", ["x:3:once:y\n", "word\n", "::respawn:x\n", "a;" * 9 + "\n", "x:3:once:" + " <<<<" * 9 + "x\n"]
)
def test_a_large_inittab_takes_linear_time(line: str) -> None:
    """An inittab of the largest size that is read is done in seconds, for it has only so many lines."""
    data = line.encode() * (LARGEST // 4 // len(line))
    load_without_errors(import_inittab(data, "/etc/inittab", "app"))


@pytest.mark.parametrize("piece", ["a=b ", "<<<< ", "-a ", "/", "'", '"', "\\", "`", "(", "# ", "sh /", "mount -b "])
def test_a_long_line_takes_linear_time(piece: str) -> None:
    """No command makes the recognition of commands run away."""
    for start in ("", "/bin/sh ", "/bin/mount ", "a; "):
        command = start + piece * (100_000 // len(piece))
        convert(f"x:3:once:{command}", SYSV)


def test_the_document_lists_every_action() -> None:
    """docs/inittab.md has each action of each dialect once, with what becomes of it."""
    rows = [
        tuple(cell.strip().strip("`") for cell in line.strip().strip("|").split("|"))
        for line in DOCUMENT.read_text().splitlines()
        if line.startswith("| `")
    ]
    documented = {(row[0], row[1]): row[2] for row in rows if len(row) == 4 and row[0] in DIALECTS}
    assert len(documented) == sum(len(row) == 4 and row[0] in DIALECTS for row in rows)
    shown = {Becomes.BOOT_LEVEL: "boot level", Becomes.COMMENT: "comment"}
    expected = {
        (dialect.name, name): shown.get(action.becomes, str(action.mode))
        for dialect in DIALECTS.values()
        for name, action in dialect.actions.items()
    }
    assert documented == expected


def test_the_document_lists_every_code() -> None:
    """docs/inittab.md explains each code of a finding."""
    source = (PROJECT / "cltab2systemd/importers/inittab/importer.py").read_text()
    used = {part.partition('"')[0] for part in source.split('"')[1::1] if part.startswith("inittab-")}
    documented = {line.split("`")[1] for line in DOCUMENT.read_text().splitlines() if line.startswith("| `inittab-")}
    assert documented == used


def run(*arguments: object, stdin: bytes = b"") -> Result:
    return translator.run("import-inittab", *arguments, standard_input=stdin)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "inittab"
    path.write_bytes(b"id:3:initdefault:\nx:3:once:/opt/x \xff\ny:3:respawn:/sbin/getty tty1\n")
    return path


def test_command(path: Path) -> None:
    """The table goes to the standard output, byte for byte, the notes to the other, and notes are no failure."""
    result = run(path, "--group", "web")
    assert result.exit_code == 0
    assert result.stdout_bytes.endswith(
        b"\n:::initdefault.web:3\nweb:x:3:once:/opt/x \xff\n# left to systemd, getty@tty1.service:\n"
        b"# y:3:respawn:/sbin/getty tty1\n"
    )
    assert result.stderr.startswith(
        f"{path}:3:13: note: a login on a terminal: the equivalent is getty@tty1.service [inittab-left-to-systemd]\n"
    )


def test_standard_input(path: Path) -> None:
    """A dash is the standard input."""
    result = run("-", "-g", "web", stdin=path.read_bytes())
    assert result.exit_code == 0
    assert result.stdout_bytes.partition(b"\n")[2] == run(path, "-g", "web").stdout_bytes.partition(b"\n")[2]
    assert "<stdin>:3:13: note: " in result.stderr


def test_output(path: Path) -> None:
    """With --output the table goes there, whole."""
    target = path.with_name("cltab")
    result = run(path, "-g", "web", "-o", target)
    answered(result, code=0, out="")
    assert target.read_bytes() == run(path, "-g", "web").stdout_bytes
    assert run(path, "-g", "web", "-o", target).exit_code == 0


@pytest.mark.parametrize("output", ["/dev/null", "/", "", "none/below"])
def test_output_that_cannot_be(path: Path, output: str) -> None:
    """What is no file is not replaced; the message names it."""
    result = run(path, "-g", "web", "-o", output)
    answered(result, code=1, out="")
    assert result.stderr.splitlines()[-1].startswith(f"Error: {output}: ")
    assert not Path("/dev/null").is_file()


@pytest.mark.parametrize("group", ["", "a:b", "a b", "#x", "a\nb", "x" * 300, "x" * 215, "\t"])
def test_unusable_group(path: Path, group: str) -> None:
    """A group that could not stand in a table is refused."""
    result = run(path, "--group", group)
    answered(result, code=1, out="")
    assert result.stderr.startswith("cltab2systemd: unusable name: ")


@pytest.mark.parametrize("level", ["", "a,b", "a:b", "a b", "x" * 300])
def test_unusable_level(path: Path, level: str) -> None:
    """Likewise a level."""
    result = run(path, "--group", "web", "--level", level)
    answered(result, code=1, out="")


def test_unreadable(path: Path) -> None:
    """What cannot be read, or is too large, is told in one line."""
    large = path.with_name("large")
    large.write_bytes(b"#" * (LARGEST + 1))
    for file in (path.with_name("none"), path.parent, large):
        result = run(file, "--group", "web")
        answered(result, code=1, out="")
        assert result.stderr.count("\n") == 1
    assert run("-", "--group", "web", stdin=b"#" * (LARGEST + 1)).exit_code == 1


@pytest.mark.parametrize("arguments", [[], ["x"], ["x", "-g"], ["-g", "web"], ["x", "-g", "web", "--format", "plan9"]])
def test_usage(arguments: list[str]) -> None:
    """A command line that makes no sense is exit code 2."""
    assert run(*arguments).exit_code == 2


def test_format(path: Path) -> None:
    """A format that is given is not guessed."""
    result = run(path, "-g", "web", "--format", "busybox", "--level", "up")
    assert b"web:opt_x" not in result.stdout_bytes
    assert b"web:x:up,:once:/opt/x \xff\n" in result.stdout_bytes


def test_every_mode_but_test_comes_from_some_action() -> None:
    """Mode test is cltab's own invention."""
    modes = {a.mode for d in DIALECTS.values() for a in d.actions.values() if a.becomes is Becomes.ENTRY}
    assert modes == set(Mode) - {Mode.TEST}
