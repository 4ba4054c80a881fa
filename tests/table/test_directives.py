"""Directives from the table: what they may be, where they go, and what a change of them does to what runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from answers import answered
from instance import Group, Instance
from programs import RUN

from cltab2systemd.check.loading import load
from cltab2systemd.node import cgroups
from cltab2systemd.table import directives
from cltab2systemd.table.grammar import parse
from cltab2systemd.text import encoded
from cltab2systemd.units.compiler import compile_table
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.node import Node

ENTRY = "web:db:1:respawn:x\n"


def found(text: str) -> list[tuple[str, int, int, int, str]]:
    """The findings of a table, each with its place and its hint."""
    _, findings = parse(encoded(text), "cltab")
    return [(f.code, f.place.line, f.place.column, f.place.width, f.hint) for f in findings]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("User=www", ("User", "www")),
        (" User = a = b ", ("User", "a = b")),
        ("Environment=", ("Environment", "")),
        ("user=www", None),
        ("User", None),
        ("=www", None),
        ("[Service]", None),
        ("# User=www", None),
        ("User Name=www", None),
    ],
)
def test_split(text: str, expected: tuple[str, str] | None) -> None:
    """A directive is a word with a capital, an equals sign, and a value; blanks around either do not count."""
    assert directives.split(text) == expected


@pytest.mark.parametrize(
    "name",
    ["PIDFile", "Restart", "ExecStart", "ExecStartPre", "After", "Conflicts", "Slice", "WantedBy", "ConditionHost"],
)
def test_the_scheme_is_not_the_tables(name: str) -> None:
    """Whatever orders, starts, stops or restarts a unit is refused, with the reason and the place."""
    ((code, line, column, width, hint),) = found(f"{ENTRY}:::service.db:{name}=x\n")
    assert code == "directive-refused"
    assert line == 2
    assert column == len(":::service.db:") + 1
    assert width == len(name)
    assert hint


@pytest.mark.parametrize(
    "line",
    [
        *("User=www", "Group=www", "KillMode=process", "TimeoutStopSec=90", "TimeoutStartSec=30", "LimitNOFILE=65536"),
        *("WorkingDirectory=/srv", "Environment=A=1", "ProtectSystem=strict", "PrivateTmp=yes", "MemoryMax=1G"),
        *("CapabilityBoundingSet=", "ReadWritePaths=/srv", "NewerThanThis=1", "ExecPaths=/srv", "Nice=5"),
    ],
)
def test_what_users_need(line: str) -> None:
    """Everything else stands at the end of the entry's service, as it was written, so that it has the last word."""
    table, findings = load(f"{ENTRY}:::service.db:{line}\n".encode(), "/etc/cltab")
    assert findings == ()
    unit = compile_table(table)["clinit-web@db.service"].decode()
    assert f"TimeoutAbortSec=10\n{line}\n# What no directive above takes back; " in unit


@pytest.mark.parametrize(
    ("name", "values"),
    [
        *(
            (name, ["0", "0s", "0 min", "00", "0h 0s", "0.0000001", " infinity", "", "-0", "0.9y"])
            for name in ("TimeoutSec", "TimeoutStopSec", "TimeoutAbortSec")
        ),
        ("KillMode", ["none", " none "]),
        ("Type", ["simple", "exec", "forking", "oneshot", "dbus", "idle", "notify-reload", "", "Notify"]),
        ("RuntimeDirectory", ["", "  "]),
        ("LimitNOFILE", ["0", "3", "15", "3:1024", "0xf", "017", "-1", "1_0"]),
    ],
)
def test_values_that_break_a_promise(name: str, values: list[str]) -> None:
    """A directive that is fine has values that are not; they are told in place, with the reason."""
    for value in values:
        line = f":::service.db: {name}={value}\r"
        (finding,) = load(f"{ENTRY}{line}\n".encode(), "cltab")[1]
        code, place, hint = finding.code, finding.place, finding.hint
        assert finding.source == line
        column = len(f":::service.db: {name}=") + 1
        assert code == "directive-refused"
        assert place.line == 2
        assert place.column == column
        assert place.width == max(1, len(value))
        assert hint


@pytest.mark.parametrize("value", ["none", "", "main exec"])
def test_whose_word_counts(value: str) -> None:
    """With Type=notify, systemd has to listen to somebody."""
    text = f"{ENTRY}:::service.db:Type=notify\n:::service.db:NotifyAccess={value}\n"
    assert [(f.code, f.place.line) for f in load(text.encode(), "cltab")[1]] == [("directive-refused", 3)]


@pytest.mark.parametrize(
    "line",
    [
        *("TimeoutSec=90", "TimeoutStopSec=1min 30s", "TimeoutAbortSec=.5 10", "TimeoutStopSec=2h", "TimeoutSec=100ms"),
        *("KillMode=process", "KillMode=mixed", "KillMode=control-group", "KillMode=", "RuntimeDirectory=app"),
        *("LimitNOFILE=16", "LimitNOFILE=1024:524288", "LimitNOFILE=infinity", "LimitNOFILE=020", "LimitNOFILE="),
        *("LimitNOFILE=" + "9" * 5000, "TimeoutStartSec=infinity", "TimeoutStartSec=0", "LimitFSIZE=0", "Type=notify"),
    ],
)
def test_values_that_are_fine(line: str) -> None:
    """Their neighbours are."""
    assert load(f"{ENTRY}:::service.db:{line}\n".encode(), "cltab")[1] == ()


def test_values_for_nobody() -> None:
    """A value is refused also if no entry has the tag; as that of any other setting it is nobody's business."""
    text = "web:db:1:wait:x\n:::service.x:KillMode=none\n:::other.x:KillMode=none\n:::KillMode=none:x\n"
    assert [(f.code, f.place.line) for f in load(text.encode(), "cltab")[1]] == [("directive-refused", 2)]


@pytest.mark.parametrize(("name", "refused"), [("User", True), ("Environment", True), ("CPUWeight", False)])
def test_slices_run_nothing(name: str, refused: bool) -> None:
    """A group's slice holds limits for all of the group; what is for a process is refused with where it goes."""
    codes = [code for code, *_ in found(f"{ENTRY}:::group.web:{name}=5\n")]
    assert codes == (["directive-refused"] if refused else [])


@pytest.mark.parametrize(
    ("value", "column"), [("a\\", 20), ("\udcff", 20), ("a\ufdd0b", 20), ("a\x01b", 20), ("  \udcff", 20)]
)
def test_values_that_no_unit_file_holds(value: str, column: int) -> None:
    """A value that would run into the next line, or that systemd would refuse with its line, is an error."""
    ((code, line, start, width, _),) = found(f"{ENTRY}:::service.db:User={value}\n")
    assert code == "directive-value"
    assert line == 2
    assert start == column
    assert width == len(value)


def test_no_directive_at_all() -> None:
    """What is no directive is told so; nothing of it reaches a unit."""
    assert [(c, line, column) for c, line, column, *_ in found(f":::service.db:[Service]\n{ENTRY}")] == [
        ("directive-form", 1, 15)
    ]


def test_before_and_behind_the_entry() -> None:
    """Directives stand anywhere in the file, come in its order, and may be repeated."""
    text = f":::service.db:Environment=A=1\n{ENTRY}web:app:1:once:x\n:::service.db:Environment=B=2\n"
    table, findings = parse(text.encode(), "cltab")
    assert findings == ()
    given = [[directive.line for directive in entry.directives] for entry in table.entries]
    assert given == [["Environment=A=1", "Environment=B=2"], []]
    assert [d.place.line for d in table.entries[0].directives] == [1, 4]


def test_tags_and_groups_with_dots() -> None:
    """The name of a setting ends at the colon, so a tag or group may have dots."""
    settings = b":::service.c.d:Nice=1\n:::group.a.b:CPUWeight=2\n:::initdefault.a.b:1\n"
    table, _ = parse(b"a.b:c.d:1:once:x\n" + settings, "cltab")
    group = table.groups["a.b"]
    assert [d.line for d in group.entries[0].directives] == ["Nice=1"]
    assert [d.line for d in group.directives] == ["CPUWeight=2"]
    assert group.boot_level == "1"


def test_boot_levels() -> None:
    """The last of several counts; one that is no level is an error."""
    table, _ = parse(f"{ENTRY}:::initdefault.web:1\n:::initdefault.web:stop\n".encode(), "cltab")
    assert table.groups["web"].boot_level == "stop"
    assert [(code, column) for code, _, column, *_ in found(":::initdefault.web:a b\n:::initdefault.web:\n")] == [
        ("blank-in-levels", 21), ("empty-levels", 20),
    ]  # fmt: skip


# On systemd.


@pytest.fixture(scope="module")
def instance(node: Node) -> Iterator[Instance]:
    """One daemon for all tests."""
    found = Instance(node)
    found.write_table("")
    yield found.start()
    node.run("systemctl", "stop", found.unit)


@pytest.fixture
def group(instance: Instance) -> Group:
    return Group(instance)


def with_settings(group: Group, *settings: str) -> None:
    """Push the table with settings before it; an `@` stands for the group."""
    lines = "".join(f":::{setting.replace('@', group.name)}\n" for setting in settings)
    group.instance.write_table(lines + group.instance.table)


def most_tasks(group: Group) -> str:
    """How many tasks systemd allows the group, and the kernel, where nodes have controllers; see test_limits."""
    allowed = group.instance.properties(f"clinit-{group.name}.slice", "TasksMax")["TasksMax"]
    if "pids" in cgroups.controllers():
        kept_to = group.node.read(f"/sys/fs/cgroup/clinit.slice/clinit-{group.name}.slice/pids.max").strip()
        assert allowed.replace("infinity", "max") == kept_to
    return allowed


def test_systemd_applies_them(group: Group) -> None:
    """User, group, environment, directory and limits reach the process; limits of the slice its cgroup."""
    show = "id -un; id -gn; pwd; echo $A $B; ulimit -n; exec sleep 1000"
    group.define(f"t:1:respawn:( {show} ) >/tmp/{group.name} 2>&1")
    with_settings(
        group, "service.@.t:User=nobody", "service.@.t:Group=daemon", "service.@.t:Environment=A=1 'B=two words'",
        "service.@.t:WorkingDirectory=/usr", "service.@.t:LimitNOFILE=77", "group.@:TasksMax=64",
    )  # fmt: skip
    assert group.switch("1") == "DONE"
    expected = "nobody\ndaemon\n/usr\n1 two words\n77\n"
    said = f"/tmp/{group.name}"
    wait_until(lambda: group.node.exists(said) and group.node.read(said) == expected)
    assert most_tasks(group) == "64"


def test_a_respawn_of_another_user_is_throttled(group: Group) -> None:
    """The count of fast respawns is that user's file, also beside a runtime directory of the entry's own."""
    group.define("t:1:respawn:touch $RUNTIME_DIRECTORY/seen; @ up; sleep 0.01")
    group.node.run("chmod", "777", "/run/events")
    with_settings(group, "service.@.t:User=nobody", "service.@.t:RuntimeDirectory=aaa-first")
    group.request("1")
    message = f"{group.name}.t respawning too rapidly: sleeping 60 seconds"
    wait_until(lambda: message in group.node.run("journalctl", "-o", "cat", "-u", group.unit("t")).stdout, timeout=20)
    assert len(group.events()) <= 8


def fast_respawns(group: Group, *lines: str) -> str:
    """Have an entry die fast with these directives until it pauses; what its pause says."""
    group.define("t:1:respawn:@ up")
    group.node.run("chmod", "777", "/run/events")
    with_settings(group, *(f"service.@.t:{line}" for line in lines))
    group.request("1")
    prefix = f"{group.name}.t respawning "

    def said() -> list[str]:
        journal = group.node.run("journalctl", "-o", "cat", "-u", group.unit("t")).stdout
        return [line.removeprefix(prefix) for line in journal.splitlines() if line.startswith(prefix)]

    wait_until(said, timeout=20)
    return said()[0]


@pytest.mark.parametrize(
    "lines",
    [
        ("ProcSubset=pid",),
        ("InaccessiblePaths=/proc/uptime",),
        ("TemporaryFileSystem=/proc", "Environment=PATH=/nothing:/usr/local/bin"),
        ("LimitNOFILE=16",),
        ("DynamicUser=yes", "RuntimeDirectoryMode=0755", "ReadWritePaths=/run/events"),
        ("User=nobody", "ReadOnlyPaths=/run/clinit-respawn"),
        ("TemporaryFileSystem=/run/clinit-respawn",),
        ("KillMode=process",),
    ],
    ids=" ".join,
)
def test_counting_whatever_is_given(group: Group, lines: tuple[str, ...]) -> None:
    """Without a clock in /proc, with few files, or for a user of a moment: six starts, and then the pause.

    A date has whole seconds, so that some starts count as slow.
    """
    assert fast_respawns(group, *lines) == "too rapidly: sleeping 60 seconds"
    assert 6 <= len(group.events()) <= 16
    began = time.monotonic()
    pid = group.pid("t")
    assert group.node.read(f"/proc/{pid}/comm") == "sleep\n"
    assert group.switch("0") == "DONE"
    assert time.monotonic() - began < 4
    assert not group.node.exists(f"/proc/{pid}")


# 32 and 33 are the C library's own and cannot be set through it: what make starts has them ignored, a node as well.
LIBC_SIGNALS = 0b11 << 31


@pytest.mark.parametrize(
    "lines",
    [("LimitFSIZE=0",), ("User=nobody", "RuntimeDirectoryMode=0"), ("InaccessiblePaths=/run/clinit-respawn",)],
    ids=" ".join,
)
def test_where_nothing_can_be_counted(group: Group, lines: tuple[str, ...]) -> None:
    """The command runs all the same, a second late each time, so never without a pause; no switch is held up."""
    assert fast_respawns(group, *lines, "StandardOutput=journal") == "without a count: sleeping 1 second"
    group.define("t:1:respawn:echo it ran; ulimit -f; exec grep SigIgn /proc/self/status")
    with_settings(group, *(f"service.@.t:{line}" for line in lines))
    began = time.monotonic()
    assert group.switch("1") == "DONE"
    # It is a second late, and then looked at whether it stays up, for 2.5 s; so no more than that holds it up.
    assert time.monotonic() - began < 8
    group.node.run("journalctl", "--sync")

    def said() -> list[str]:
        return group.node.run("journalctl", "-o", "cat", "-u", group.unit("t")).stdout.splitlines()

    wait_until(lambda: said().count("it ran") >= 3, timeout=10)
    assert said().count("it ran") <= (time.monotonic() - began) / 1.0 + 1
    ignored = next(int(line.split()[1], 16) for line in said() if line.startswith("SigIgn:"))
    assert ignored & ~LIBC_SIGNALS == 0


def test_the_command_finds_its_environment(group: Group) -> None:
    """The names that the throttle uses are not the command's."""
    names = ("file", "up", "now", "count", "last", "pause", "rest")
    group.define(f"t:1:respawn:echo {' '.join(f'${name}' for name in names)} >/tmp/{group.name}; {RUN}")
    with_settings(group, *(f"service.@.t:Environment={name}=its-{name}" for name in names))
    assert group.switch("1") == "DONE"
    wait_until(lambda: group.node.exists(f"/tmp/{group.name}"))
    wait_until(lambda: group.node.read(f"/tmp/{group.name}").split() == [f"its-{name}" for name in names])


def test_a_user_that_nobody_is(group: Group) -> None:
    """It holds up nobody: others start, the level is left at once; the group is FAILED until there is such a user."""
    group.define(f"t:1:respawn:{RUN}", f"s:1:respawn:{RUN}", "w:1:wait:true")
    with_settings(group, "service.@.t:User=late-user", "service.@.w:User=late-user")
    began = time.monotonic()
    assert group.switch("1", code=4) == "FAILED"
    assert group.pid("s") != 0
    assert group.switch("0") == "DONE"
    assert group.switch("1", code=4) == "FAILED"
    assert time.monotonic() - began < 6
    assert "217" in group.property("w", "ExecMainStatus")
    with group.node.path("/etc/passwd").open("a") as users:
        users.write("late-user:x:4711:65534::/:/bin/sh\n")
    assert group.switch("1") == "DONE"
    wait_until(lambda: group.pid("t") and group.node.read(f"/proc/{group.pid('t')}/comm") == "sleep\n")


def test_a_change_restarts_the_entry(group: Group) -> None:
    """A changed directive takes effect at the next request: that entry is started anew, its neighbour is not."""
    group.define(f"a:1:respawn:{RUN}", f"b:1:respawn:{RUN}")
    with_settings(group, "service.@.a:Nice=1")
    assert group.switch("1") == "DONE"
    before = group.pid("a"), group.pid("b")
    with_settings(group, "service.@.a:Nice=2")
    group.node.run("systemctl", "daemon-reload")
    assert before == (group.pid("a"), group.pid("b"))
    assert group.switch("1") == "DONE"
    assert before[0] != group.pid("a")
    assert before[1] == group.pid("b")
    assert group.node.run("ps", "-o", "ni=", str(group.pid("a"))).stdout.strip() == "2"


def test_a_change_of_the_slice_restarts_nothing(group: Group) -> None:
    """Limits of the group are changed under what runs, at the next request, and can be taken away again."""
    group.define(f"a:1:respawn:{RUN}")
    for limit in ("64", "32"):
        with_settings(group, f"group.@:TasksMax={limit}")
        assert group.switch("1") == "DONE"
        assert most_tasks(group) == limit
    with_settings(group)
    assert group.switch("1") == "DONE"
    assert most_tasks(group) == "infinity"
    assert group.pid("a") != 0
    assert len([*group.starts()]) == 1
    restarted = group.node.run("journalctl", "-o", "cat", "-u", group.unit("a")).stdout.count("Started")
    assert restarted == 1


def test_kill_mode_process_spares_a_daemon(group: Group) -> None:
    """What a `wait` leaves behind as a daemon outlives the level if the table says so."""
    group.define(f"w:1:wait:setsid sleep 4321 & echo $! >/tmp/{group.name}")
    for setting, lives in (([], False), (["service.@.w:KillMode=process"], True)):
        with_settings(group, *setting)
        assert group.switch("1") == "DONE"
        pid = group.node.read(f"/tmp/{group.name}").strip()
        assert group.switch("0") == "DONE"
        assert lives == group.node.exists(f"/proc/{pid}")
    group.node.run("pkill", "-f", "sleep 4321")


def test_drop_ins_go_on_working(group: Group) -> None:
    """An administrator's drop-in beats the table, as it beats any unit."""
    group.define(f"a:1:respawn:{RUN}")
    with_settings(group, "service.@.a:Nice=1")
    group.node.run("mkdir", "-p", f"/etc/systemd/system/{group.unit('a')}.d")
    group.node.write(f"/etc/systemd/system/{group.unit('a')}.d/nice.conf", "[Service]\nNice=7\n")
    group.node.run("systemctl", "daemon-reload")
    assert group.switch("1") == "DONE"
    assert group.node.run("ps", "-o", "ni=", str(group.pid("a"))).stdout.strip() == "7"


def test_one_that_this_systemd_does_not_know(group: Group) -> None:
    """A directive of a later release harms nothing: systemd says so in the journal, and the entry runs."""
    group.define(f"a:1:respawn:{RUN}")
    with_settings(
        group,
        "service.@.a:NotYetInvented=yes",
    )
    assert group.switch("1") == "DONE"
    assert group.pid("a") != 0
    logged = group.node.run("journalctl", "-o", "cat", "_PID=1", "--grep=NotYetInvented", check=False).stdout
    assert "'NotYetInvented'" in logged


def test_a_value_that_systemd_refuses(group: Group) -> None:
    """What cannot be seen in the table shows as any unit that cannot be loaded: the group is FAILED, others go on."""
    group.define(f"a:1:respawn:{RUN}", f"b:1:respawn:{RUN}")
    with_settings(group, "service.@.a:User=%Z")
    assert group.switch("1", code=4) == "FAILED"
    assert group.property("a", "LoadState") == "bad-setting"
    assert group.pid("b") != 0


def test_an_error_changes_nothing(group: Group) -> None:
    """A table with a directive that cannot be is refused as a whole, with file, line and column."""
    group.define(f"a:1:respawn:{RUN}")
    assert group.switch("1") == "DONE"
    pid = group.pid("a")
    with_settings(group, "service.@.a:Restart=no")
    done = group.instance.clinit(group.name, "1")
    answered(done, code=1, out="Restart= cannot be set in a table\n")
    assert f"/etc/cltab:1:{len(f':::service.{group.name}.a:') + 1}: error: " in done.stderr
    assert pid == group.pid("a")


@pytest.mark.parametrize("name", ["After", "Before", "Wants", "RequiresMountsFor"])
def test_the_order_towards_other_units(name: str) -> None:
    """The hint names the drop-in that says it."""
    ((code, *_, hint),) = found(f"{ENTRY}:::service.db:{name}=srv.mount\n")
    assert code == "directive-refused"
    assert "/etc/systemd/system/clinit-GROUP@.service.d/" in hint


@pytest.mark.parametrize("given", ["Type=forking", "PIDFile=/run/x.pid", "GuessMainPID=yes"])
def test_daemons_that_fork(given: str) -> None:
    """The hint says what to do with one."""
    ((code, *_, hint),) = found(f"{ENTRY}:::service.db:{given}\n")
    assert code == "directive-refused"
    assert "foreground" in hint
    assert "'once'" in hint
