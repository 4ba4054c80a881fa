"""Warnings about what is legal but probably wrong, and that there are none about what is meant."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from strategies import tables

from cltab2systemd.check import lint
from cltab2systemd.check.loading import load
from cltab2systemd.table.diagnostics import Severity, render
from cltab2systemd.table.grammar import parse
from cltab2systemd.text import encoded

if TYPE_CHECKING:
    from cltab2systemd.table.model import Table


def found(text: str) -> list[tuple[str, int, str]]:
    """Code, line and marked characters of each finding of a table without errors."""
    table, findings = load(encoded(text), "cltab")
    assert findings == ()
    warnings = [*lint.findings(table, is_complete=True)]
    assert all(warning.hint and warning.severity is Severity.WARNING for warning in warnings)
    return [(w.code, w.place.line, w.source[w.place.column - 1 : w.place.column - 1 + w.place.width]) for w in warnings]


def of_command(command: str, mode: str = "wait") -> list[tuple[str, str]]:
    return [(code, marked) for code, _, marked in found(f"g:t:1:{mode}:{command}\n")]


def of_levels(*levels: str) -> list[tuple[str, int, str]]:
    return found("".join(f"g:t{number}:{text}:wait:true\n" for number, text in enumerate(levels)))


@pytest.mark.parametrize("levels", ["1", "23", "2345", "3m", "S", "s,t", "start,", "start,stop", "5a", "é"])
def test_levels_that_are_meant(levels: str) -> None:
    """Digits, one letter among them, and whatever has a comma, are as people write levels."""
    assert [code for code, *_ in of_levels(levels) if code != "escaped-name"] == []


@pytest.mark.parametrize("levels", ["start", "prod", "ab", "long1", "db"])
def test_levels_without_comma(levels: str) -> None:
    """A word without comma names its characters as well."""
    assert of_levels(levels) == [("levels-without-comma", 1, levels)]


def test_levels_without_comma_are_told_once() -> None:
    """Once for each field of a group, with the number of lines that have it besides."""
    text = "g:1:start:wait:x\ng:2:stop:wait:x\nh:3:start:wait:x\ng:4:start:wait:x\ng:5:stop,:wait:x\ng:6:start:off:x\n"
    expected = [("levels-without-comma", 1, "start"), ("levels-without-comma", 2, "stop"),
                ("levels-without-comma", 3, "start")]  # fmt: skip
    assert found(text) == expected
    messages = [warning.message for warning in lint.findings(load(text.encode(), "cltab")[0], is_complete=True)]
    assert [message.partition(" (")[2] for message in messages] == ["so on 2 more lines of the group)", "", ""]


def test_levels_whose_characters_are_levels() -> None:
    """If other entries of the group name the characters, they are meant; other groups tell nothing."""
    assert of_levels("ab", "a", "b") == []
    assert of_levels("ab", "a,b") == []
    assert of_levels("ab", "a") == [("levels-without-comma", 1, "ab")]
    assert found("g:1:ab:wait:x\nh:2:a,b:wait:x\n") == [("levels-without-comma", 1, "ab")]


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        (["prod,", "prod,", "prodd,"], (3, "prodd")),
        (["prod,", "prod,", "prd,1"], (3, "prd")),
        (["prod,", "1,pord", "prod,"], (2, "pord")),
        (["prod,", "Prod,", "prod,"], (2, "Prod")),
        (["prod,", "prob,"], (2, "prob")),
        (["prod,", "prod,", "prodd,", "prodd,"], None),
        (["node1,", "node1,", "node2,"], None),
        (["node1,", "node1,", "node12,"], None),
        (["a,", "b,", "ab,", "ac,"], None),
        (["start,", "stop,"], None),
        (["prod,", "test,prod", "test,"], None),
    ],
)
def test_similar_levels(levels: list[str], expected: tuple[int, str] | None) -> None:
    """A level of one entry that is one letter from another is a slip; numbers and short names are not."""
    assert of_levels(*levels) == ([("similar-level", *expected)] if expected else [])


def test_similar_levels_of_other_groups() -> None:
    """Each group has levels of its own."""
    assert found("g:1:prod,:wait:x\ng:2:prod,:wait:x\nh:3:prodd,:wait:x\n") == []


def test_no_level() -> None:
    """Commas alone name nothing that anybody would ask for; an entry that is off may have them."""
    assert of_levels(",", ",,") == [("no-level", 1, ","), ("no-level", 2, ",,")]
    assert found("g:t:,:off:x\n") == []


def test_names_that_are_escaped() -> None:
    """Groups and levels are told once, tags each; the commas between levels are not part of any."""
    text = "a+b:c/d:1,e+f:wait:x\na+b:c.d:e+f,:wait:x\na_b:g@h:1,2:wait:x\n"
    assert found(text) == [
        ("escaped-name", 1, "a+b"), ("escaped-name", 1, "c/d"), ("escaped-name", 1, "e+f"), ("escaped-name", 3, "g@h"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "is_told"),
    [("web-server", False), ("-", False), ("a--b", False), ("-.x", False), ("a.b_c:d", False), (".x", True),
     ("a-b@c", True), ("a\\b", True), ("é", True), ("a\udce9", True)],
)  # fmt: skip
def test_hyphens_are_usual(name: str, *, is_told: bool) -> None:
    """A name that has nothing else to escape than hyphens is as people write names, also for `check --strict`."""
    tag = name.replace(":", "_")
    assert [code for code, *_ in found(f"{tag}:t:1:wait:x\n")] == ["escaped-name"] * is_told
    assert [code for code, *_ in found(f"g:{tag}:1:wait:x\n")] == ["escaped-name"] * is_told
    assert [code for code, *_ in found(f"g:t:1,{tag}:wait:x\n")] == ["escaped-name"] * is_told


@pytest.mark.parametrize("mode", ["wait", "test"])
@pytest.mark.parametrize("command", ["sleep infinity", "exec tail -f /dev/null", "getty tty1", "while :; do x; done"])
def test_waiting_for_what_never_ends(command: str, mode: str) -> None:
    """The program is marked, without what stands before it."""
    assert of_command(command, mode) == [("never-ends", command.removeprefix("exec "))]


@pytest.mark.parametrize("mode", ["respawn", "once", "off"])
def test_what_never_ends_is_for_respawn_and_once(mode: str) -> None:
    """Nobody waits for these."""
    assert of_command("sleep infinity", mode) == []


@pytest.mark.parametrize("mode", ["wait", "once", "test"])
@pytest.mark.parametrize("command", ["/etc/init.d/x start", "nginx", "sudo -u x sshd -p 22", "rc-service x restart"])
def test_daemons_that_are_stopped(command: str, mode: str) -> None:
    """What becomes a daemon is stopped with its entry, whatever the entry's mode; unless somebody thought of it."""
    assert of_command(command, mode) == [("stopped-daemon", command.removeprefix("sudo -u x "))]
    for given_mode in ("process", "mixed", "control-group"):
        assert found(f"g:t:1:{mode}:{command}\n:::service.t:KillMode={given_mode}\n") == []
    assert len(found(f"g:t:1:{mode}:{command}\n:::service.t:Nice=1\n")) == 1


@pytest.mark.parametrize("mode", ["wait", "once", "test"])
@pytest.mark.parametrize(
    "command", ["service x start", "invoke-rc.d x start", "systemctl start x", "systemctl start y x"]
)
def test_services_outside_the_group(command: str, mode: str) -> None:
    """What systemd is told to start is not stopped with the entry; unless the table stops it, or says that it stays."""
    line = f"g:t:1:{mode}:{command}\n"
    assert found(line) == [("outside-the-group", 1, command)]
    for stop in ("service x stop", "systemctl stop x.service", "/etc/init.d/x stop", "systemctl stop -- x z"):
        assert found(f"{line}h:stop:0:wait:systemctl stop y\nh:t2:0:wait:{stop}\n") == []
    assert found(f"{line}g:t2:0:off:systemctl stop x y\n") == [("outside-the-group", 1, command)]
    assert found(f"{line}:::service.t:KillMode=process\n") == []
    assert found(line.replace(mode, "off")) == []
    assert found(line.replace(mode, "respawn")) == [("respawned-daemon", 1, command)]


@pytest.mark.parametrize(
    ("command", "stop"),
    [
        ("docker run -d --name x img", "docker rm -f x"),
        ("docker run --name=x -p 80:80 -itd img", "docker stop x; docker rm x"),
        ("docker -H tcp://h:1 container run --detach -e A=b --restart always x", "docker kill $(docker ps -q)"),
        ("docker start x", "/usr/bin/docker stop x"),
        ("docker compose -f /srv/x.yml up -d", "docker compose -f /srv/x.yml down"),
        ("docker-compose up -d", "docker-compose down"),
        ("docker-compose -f x.yml up --detach x", "docker compose -f x.yml stop"),
        ("podman run -d x", "podman stop x"),
        ("podman start x", "podman stop x"),
        ("podman pod start x", "podman pod stop x"),
        ("podman-compose up -d", "podman-compose down"),
        ("systemd-run --unit=x sleep 5", "systemctl stop x"),
        ("at -f x now", "atrm x"),
        ("machinectl start x", "machinectl poweroff x"),
        ("virsh -c qemu:///system start x", "virsh destroy x"),
        ("virsh create /etc/x.xml", "virsh shutdown x.xml"),
        ("lxc-start -n x", "lxc-stop -n x"),
        ("incus start x", "incus stop x"),
        ("lxc launch img x", "lxc delete --force x"),
        ("xl create /etc/xen/x", "xl shutdown -w x"),
        ("qm start 100", "qm shutdown 100"),
    ],
)
def test_what_is_started_elsewhere(command: str, stop: str) -> None:
    """What another daemon runs is not stopped with the entry; unless the table stops it, or says that it stays."""
    for mode in ("wait", "once", "test"):
        line = f"g:t:1:{mode}:{command}\n"
        assert found(line) == [("outside-the-group", 1, command)]
        assert found(f"{line}g:u:stop,:wait:{stop}\n") == []
        assert found(f"{line}g:u:stop,:wait:{stop.partition(' ')[0]} list\n") == [("outside-the-group", 1, command)]
        assert found(f"{line}:::service.t:KillMode=process\n") == []
    if "$" not in stop:  # which nobody judges
        assert found(f"g:t:1:wait:{stop}; {command}\n") == [("outside-the-group", 1, command)]
    assert found(f"g:t:1:respawn:{command}\n") == [("respawned-daemon", 1, command)]
    assert found(f"g:t:1:off:{command}\n") == []


@pytest.mark.parametrize(
    "command",
    ["run0 x", "machinectl shell x@ /bin/y", "systemd-run --scope x", "systemd-run --wait x", "cgexec -g cpu:x y"],
)
@pytest.mark.parametrize("mode", ["wait", "once", "respawn"])
def test_what_moves_out_of_the_group(command: str, mode: str) -> None:
    """What stays as long as its program is outside of the group all the same, and may be restarted."""
    assert of_command(command, mode) == [("outside-the-group", command)]


@pytest.mark.parametrize(
    "before", ["exec ", "cd / && ", "sudo -u x ", "nice -n 5 ", "env A=b ", "A=b ", "x || ", "x; ", "echo y | "]
)
def test_what_is_started_elsewhere_behind_others(before: str) -> None:
    """The program is found behind wrappers and in lists and pipelines; of an entry one finding is enough."""
    assert of_command(f"{before}docker run -d x") == [("outside-the-group", "docker run -d x")]
    assert of_command(f"docker start x || {before}docker run -d x") == [("outside-the-group", "docker start x")]


@pytest.mark.parametrize(
    "command",
    ["docker run --rm x", "docker run --rm x y -d", "exec docker run --name x --rm memcached memcached -d",
     "docker ps -d",
     "docker run -w /x img -d", "docker start -a x", "docker start --attach x", "docker compose up",
     "docker compose ps",
     "docker stop x", "podman run -d --cgroups=split x", "podman run --cgroups disabled -d x", "podman ps", "atq",
     "at -l",
     "systemd-run --help", "systemd-run -H h x", "machinectl list", "virsh list", "lxc-start -F -n x", "lxc list",
     "systemd-nspawn -D /x", "screen -dm x", "echo docker run -d", "if x; then docker run -d y; fi"],
)  # fmt: skip
def test_what_stays_in_the_group(command: str) -> None:
    """A client in the foreground, and what is not judged, gets no such warning."""
    assert "outside-the-group" not in [code for code, _ in of_command(command)]


@pytest.mark.parametrize("command", ["su - x -c y", "su x -c y", "exec runuser -l x -c y", "sudo -i -u x y"])
def test_sessions(command: str) -> None:
    """Each entry has the variable that keeps sessions in its control group, unless its own lines change it."""
    program = command.removeprefix("exec ")
    expected = [("outside-the-group", 1, program)]
    assert found(f"g:t:1:wait:{command}\n") == []
    for line in ("Environment=", "Environment=A=b XDG_SESSION_CLASS=user", "UnsetEnvironment=XDG_SESSION_CLASS"):
        assert found(f"g:t:1:wait:{command}\n:::service.t:{line}\n") == expected
        assert found(f"g:t:1:wait:runuser -u x -- y\n:::service.t:{line}\n") == []
    for line in ("Environment=A=b", "Environment=XDG_SESSION_CLASS=none", "PassEnvironment=XDG_SESSION_CLASS"):
        assert found(f"g:t:1:wait:{command}\n:::service.t:{line}\n") == []
    reset = ":::service.t:Environment=\n:::service.t:Environment=XDG_SESSION_CLASS=none\n"
    assert found(f"g:t:1:wait:{command}\n{reset}") == []


@pytest.mark.parametrize(
    "before",
    ["env -i ", "env - ", "env -u XDG_SESSION_CLASS ", "env --unset=XDG_SESSION_CLASS ", "XDG_SESSION_CLASS=user ",
     "sudo ",
     "env XDG_SESSION_CLASS=user ", "unset XDG_SESSION_CLASS; ", "export XDG_SESSION_CLASS=user; ",
     "exec env -i PATH=/bin "],
)  # fmt: skip
def test_sessions_of_a_command_that_overrides(before: str) -> None:
    """The command itself can take the variable away."""
    assert of_command(f"{before}su - x -c y") == [("outside-the-group", "su - x -c y")]


@pytest.mark.parametrize(
    "before", ["env A=b ", "A=b ", "sudo -E ", "env -i XDG_SESSION_CLASS=none ", "cd / && ", "x | "]
)
def test_sessions_of_a_command_that_does_not(before: str) -> None:
    """What else stands before it leaves the variable."""
    assert of_command(f"{before}su - x -c y") == []


def test_sessions_of_pam() -> None:
    """PAMName= opens a session, too."""
    lines = "g:t:1:wait:x y\n:::service.t:PAMName=login\n"
    assert found(lines) == []
    assert found(f"{lines}:::service.t:Environment=\n") == [("outside-the-group", 1, "x y")]


@pytest.mark.parametrize(
    ("command", "marked"),
    [("cd /srv", "cd"), ("ulimit -n 4096", "ulimit"), ("umask 022", "umask"), ("export A=b", "export"), ("exit 0",
     "exit"),
     ("set -e", "set"), (". /x", "."), ("source /x", "source"), ("trap '' INT", "trap"), ("alias a=b", "alias"),
     ("A=b", "A=b"),
     ("cd /x; umask 077", "cd"), ("cd /x && ulimit -c 0 >/dev/null", "cd"), ("A=b exit 1", "exit")],
)  # fmt: skip
@pytest.mark.parametrize("mode", ["wait", "respawn", "once", "test"])
def test_builtins_alone(command: str, marked: str, mode: str) -> None:
    """A command that only changes its own shell."""
    assert of_command(command, mode) == [("builtin-alone", marked)]
    assert of_command(command, "off") == []


@pytest.mark.parametrize(
    "command",
    ["cd /srv && x", "ulimit -n 4096; exec x", ":", "true", "x || exit 1", "[ -f /x ] || exit 1", "set -e; x",
     ". /x && y",
     "A=b x", "/usr/bin/cd /x", "echo cd", "exec 3>/x", "test -f /x", "eval 'x'", "( cd /x )", "wait", "kill 1",
     "read x"],
)  # fmt: skip
def test_builtins_with_a_program(command: str) -> None:
    """A builtin before a program is how it is meant; and some are programs as well."""
    assert of_command(command) == []


@pytest.mark.parametrize(
    ("command", "marked"),
    [("./run.sh", "./run.sh"), ("exec ./run.sh a", "./run.sh"), ("bin/x", "bin/x"), ("../x", "../x"), ("A=b ./x; y",
     "./x"),
     ("sh ./x", "./x"), ("sh -c ./x", "./x"), ("umask 022 && exec ./x", "./x"),
     ("timeout 5 ./x", "./x"), ("su www -c 'exec bin/x'", "'exec bin/x'"), ("nice -n 5 ./x", "./x"),
     ("sudo -u y ./x >/z", "./x")],
)  # fmt: skip
def test_relative_programs(command: str, marked: str) -> None:
    """Entries run in `/`, unless a directive says where."""
    line = f"g:t:1:respawn:{command}\n"
    assert found(line) == [("relative-program", 1, marked)]
    assert found(f"{line}:::service.t:WorkingDirectory=/srv\n") == []
    assert found(f"{line}:::service.t:Nice=1\n") == [("relative-program", 1, marked)]


@pytest.mark.parametrize(
    "command",
    [
        "cd /srv && ./x",
        "/bin/x ./y",
        "x",
        "sh -c 'cd /srv && ./x'",
        "env -C /srv ./x",
        "sh x",
        "~/x",
        "$X/y",
        "if ./x; then y; fi",
    ],
)
def test_programs_that_are_found(command: str) -> None:
    """An absolute path, a name in PATH, and a path in a directory that the command goes to."""
    assert of_command(command) == []


def test_comments_behind_commands() -> None:
    """Only a shell takes what is behind `#` for a comment."""
    assert of_command("mkdir -p /x # make it") == [("comment-in-command", "# make it")]
    assert of_command("# mkdir -p /x") == [("comment-in-command", "# mkdir -p /x")]
    for command in ("exec x # y", "x; y # z", "x #y", "x #", "x 'a # b'", "x a#b"):
        assert of_command(command) == []


@pytest.mark.parametrize(
    "character",
    ["\xa0", "\u2010", "\u2011", "\u200b", "\ufeff", "\xad", "\u202f", "\u3000", "\f", "\v", "\x01", "\x7f"],
)
def test_odd_characters(character: str) -> None:
    """What looks like another character, or like nothing, is told with its place, once for a line."""
    assert of_command(f"x{character}y z{character}") == [("odd-character", character)]
    assert found(f"g:t:1:wait:x\n:::clstat:/run/a{character}b\n") == [("odd-character", 2, character)]
    assert found(f"# {character}\n:::other:x\ng:t:1:off:x{character}y\n") == [("odd-character", 3, character)]
    if character not in "\f\v\x01\x7f":
        assert found(f"gr{character}p:t:1:wait:x\n") == [("odd-character", 1, character)]
        assert found(f"g:ta{character}g:1:wait:x\n") == [("odd-character", 1, character)]
        assert found(f"g:t:1{character},:wait:x\n") == [("odd-character", 1, character)]


def test_carriage_returns() -> None:
    """At the ends of lines they are one fault of the file, and one only where the shell gets them."""
    assert found("g:t:1:wait:x y\r\n:::socket:/x\r\n") == []
    assert found("g:t:1:wait:x y\r\ng:u:1:wait:exec y\r\ng:v:1:wait:exec z\r\n") == [("odd-character", 2, "\r")]
    assert found("g:t:1:wait:x\ry\n") == [("odd-character", 1, "\r")]


@pytest.mark.parametrize("name", ["é", "データ", "x y", "“x”", "a\u2013b", "\t"])
def test_other_characters(name: str) -> None:
    """Letters of other languages, and signs that people write, are as they are meant."""
    assert of_command(f"echo {name}") == []


def test_services_that_were_there_before() -> None:
    """A restart is of a service that is not the group's anyway."""
    assert of_command("systemctl restart rsyslog") == of_command("service rsyslog restart") == []


def test_respawned_redirections() -> None:
    """Only bash reads `&>` as people mean it; the sign is marked, and where another program is run behind it, none."""
    assert of_command("app &>/dev/null", "respawn") == [("respawned-daemon", "&>")]
    assert of_command("app &>>/dev/null", "respawn") == [("respawned-daemon", "&>")]
    assert of_command("app & >/dev/null", "respawn") == [("respawned-daemon", "&")]
    assert of_command("app >/dev/null 2>&1", "respawn") == []
    assert of_command("app &>/dev/null; other", "respawn") == []
    assert of_command("nginx; >/dev/null", "respawn") == [("respawned-daemon", "nginx")]


def test_a_watch_that_ends() -> None:
    """With a timeout, there is something to wait for."""
    assert of_command("inotifywait -m -t 60 /x") == []
    assert of_command("inotifywait -m /x") == [("never-ends", "inotifywait -m /x")]


def test_daemons_that_are_respawned() -> None:
    """A program that becomes a daemon, as the last thing that a command does, and what the shell does not wait for."""
    assert of_command("cd / && nginx -c x", "respawn") == [("respawned-daemon", "nginx -c x")]
    assert of_command("app -x &", "respawn") == [("respawned-daemon", "&")]
    assert of_command("nginx; tail -f /log", "respawn") == []
    assert of_command("app & other", "respawn") == []
    assert of_command("app & wait", "respawn") == []
    assert of_command("nginx -g 'daemon off;'", "respawn") == [("harsh-signal", "nginx")]
    assert of_command("app &", "wait") == []


@pytest.mark.parametrize(
    ("command", "hint"),
    [("memcached -d -m 64", "leave out -d"), ("redis-server --daemonize yes", "leave out --daemonize"),
     ("pg_ctl start", "leave out pg_ctl, and run 'postgres -D DIRECTORY' itself"),
     ("haproxy -D -f /x", "keep it in the foreground with -db"), ("sshd", "keep it in the foreground with -D"),
     ("/etc/init.d/x start", "'once' starts it once")],
)  # fmt: skip
def test_how_to_keep_it_in_the_foreground(command: str, hint: str) -> None:
    """The hint names the option to give, or the one to leave out."""
    (warning,) = lint.findings(load(f"g:t:1:respawn:{command}\n".encode(), "c")[0], is_complete=False)
    assert warning.hint == hint


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (":::sockte:/x", ("unknown-setting", "sockte")),
        (":::Log:/x", ("unknown-setting", "Log")),
        (":::clstats:/x", ("unknown-setting", "clstats")),
        (":::servce.db:User=x", ("unknown-setting", "servce.db")),
        (":::initdefault:3", ("unknown-setting", "initdefault")),
        (":::initdefualt.web:3", ("unknown-setting", "initdefualt.web")),
        (":::unlike:x", None),
        (":::com.example.x:y", None),
        (":::socket:/x", None),
        (":::service.server:User=x", None),
        (":::service.sever:User=x", ("unknown-tag", "sever")),
        (":::group.web:CPUWeight=3", None),
        (":::group.wbe:CPUWeight=3", ("unknown-group", "wbe")),
        (":::initdefault.wbe:3", ("unknown-group", "wbe")),
        (":::services.web:Nice=3", None),
        (":::services.wbe:Nice=3", ("unknown-group", "wbe")),
        (":::stop.web:ordered", None),
        (":::stop.wbe:ordered", ("unknown-group", "wbe")),
        (":::ready.server:group:other:2", None),
        (":::ready.server:timeout=9s group:other", None),
        (":::ready.server:timeout=9s group:othre", ("unknown-group", "group:othre")),
        (":::ready.server:group:other:4", ("unknown-level", "group:other:4")),
        (":::ready.no:group:nobody", None),
        (":::initdefault.web:3", None),
        (":::initdefault.web:23", None),
        (":::initdefault.web:4", ("unknown-boot-level", "4")),
        (":::initdefault.web:5", ("unknown-boot-level", "5")),
        (":::levels.web:stop,999", None),
        (":::levels.web:stop,3", ("declared-level", "stop,3")),
        (":::levels.wbe:stop", ("unknown-group", "wbe")),
        (":::levels:stop", ("unknown-setting", "levels")),
    ],
)
def test_settings(line: str, expected: tuple[str, str] | None) -> None:
    """Names that look like known ones, and what is about nobody; an entry that is off runs in no level."""
    assert found(f"web:server:23:wait:x\nweb:no:5:off:x\nother:x:2:wait:x\nother:y:4:off:x\n{line}\n") == (
        [(expected[0], 5, expected[1])] if expected else []
    )


def test_a_group_that_health_asks_for() -> None:
    """Also where nobody waits for it."""
    table = "web:a:3:respawn:x\n:::health.a:9s group:wbe\nmail:b:3:wait:x\n"
    assert found(table) == [("unknown-group", 2, "group:wbe")]


def test_did_you_mean() -> None:
    """The hint is a line that could stand there."""
    table, _ = load(
        b":::sockte:/x\n:::servce.db:User=x\n:::initdefault:3\n:::service.sever:Nice=1\nw:server:1:wait:x\n", "c"
    )
    assert [warning.hint for warning in lint.findings(table, is_complete=True)] == [
        "did you mean ':::socket:'?", "did you mean ':::service.db:'?", "did you mean ':::initdefault.GROUP:'?",
        "did you mean 'server'?",
    ]  # fmt: skip


def test_repeated_settings() -> None:
    """Where the last one counts, the others are of no use; directives may be repeated, unknown settings too."""
    text = ":::socket:/a\n:::log:/b\n:::socket:/c\n:::initdefault.g:1\n:::initdefault.g:1\n:::x:1\n:::x:2\n"
    directives = ":::service.t:Environment=A=1\n:::service.t:Environment=B=1\n"
    assert found(f"{text}{directives}g:t:1:wait:x\n") == [
        ("repeated-setting", 3, "socket"), ("repeated-setting", 5, "initdefault.g"),
    ]  # fmt: skip


@settings(deadline=None)
@given(tables())
def test_any_table(table: Table) -> None:
    """Any table can be looked at; what is marked is in the file, and can be shown."""
    for warning in lint.findings(table, is_complete=True):
        assert warning.source
        assert warning.place.column - 1 + warning.place.width <= len(warning.source)
        assert render(warning)


def test_long_and_many() -> None:
    """The time grows with the size of the table, also of one group with a level, a tag and a setting for each entry."""

    def seconds(count: int) -> float:
        lines = (f"g:tag{n}{'abc'[n % 3]}:level{'xyz'[n % 3]}{n},:wait:sleep {n}\n" for n in range(count))
        settings = (f":::service.tog{n}{'abc'[n % 3]}:Nice=1\n" for n in range(count))
        table, findings = parse("".join((*lines, *settings)).encode(), "cltab")
        assert findings == ()
        start = time.process_time()
        _ = [*lint.findings(table, is_complete=True)]
        return time.process_time() - start

    assert seconds(8_000) < 30 * seconds(1_000)


_WORDS = st.sampled_from(
    ["docker", "run", "-d", "-it", "--rm", "--name", "x", "=", "podman", "compose", "up", "start", "-a", "-p80",
     "--cgroups=split", "systemd-run", "--scope", "run0", "at", "now", "su", "-", "-l", "-c", "-H", "sudo", "-i",
     "-u", "env",
     "XDG_SESSION_CLASS=none", "XDG_SESSION_CLASS=user", "A=b", "exec", "cd", "/x", "./y", "sh", "&&", "||", ";",
     "|", "&",
     ">", "#", "'", '"', "$A", "`", "(", "runuser", "ulimit", "-n", "unset", "export", "nice", "5", "virsh", "create"]
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(_WORDS, max_size=12).map(" ".join), st.sampled_from(["wait", "respawn", "once", "test"]))
def test_any_command(command: str, mode: str) -> None:
    """Whatever words a command is of, findings are in it, each code at most once but for the shell's."""
    table = parse(f"g:t:1:{mode}:{command}\n:::service.t:Environment=\n".encode(), "cltab")[0]
    for warning in lint.findings(table, is_complete=True):
        assert warning.place.column - 1 + warning.place.width <= len(warning.source)
        assert render(warning)


@settings(deadline=None, max_examples=20)
@given(st.lists(_WORDS, min_size=1, max_size=6).map(" ".join))
@example("-p80")
@example("-p80 x")
@example("-H")
@example("-c")
@example("--rm x")
def test_a_long_command_takes_linear_time(piece: str) -> None:
    """However long it is, a command is looked at in no time."""
    table = parse(f"g:t:1:wait:{((piece + ' ') * 100_000)[:100_000]}\n".encode(), "cltab")[0]
    start = time.process_time()
    _ = [*lint.findings(table, is_complete=True)]
    for program in ("docker run", "docker", "podman run --rm", "virsh", "env", "docker compose"):
        short = parse(f"g:t:1:wait:{program} {((piece + ' ') * 4000)[:4000]}\n".encode(), "cltab")[0]
        _ = [*lint.findings(short, is_complete=True)]
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("nginx -t", []),
        ("timeout=5s cd /srv", [("builtin-alone", "cd")]),
        ("bin/check --all", [("relative-program", "bin/check")]),
        ("timeout=5s x # all of it", [("comment-in-command", "# all of it")]),
        ("x; cd /", []),
    ],
)
def test_commands_of_checks(value: str, expected: list[tuple[str, str]]) -> None:
    """They are judged as those of entries are, and marked where they stand."""
    assert [(code, marked) for code, _, marked in found(f"g:t:1:wait:x\n:::preflight.t:{value}\n")] == expected


NOTIFIES = ":::service.t:Type=notify\n"


@pytest.mark.parametrize(
    "command",
    ["redis-server --save '' --supervised systemd", "A=b x", "cd /srv && x", "exec 2>&1; x", "exec >/x; x", "x; y",
     "sh -c 'exec x'", "x --exec 'y'"],
)  # fmt: skip
@pytest.mark.parametrize("access", ["", ":::service.t:NotifyAccess=exec\n"])
def test_a_child_that_nobody_hears(command: str, access: str) -> None:
    """A program that is to say that it is ready, behind a shell that does not become it."""
    assert found(f"{NOTIFIES}{access}g:t:1:respawn:{command}\n") == [("child-unheard", 3 if access else 2, command)]
    all_are_heard = f"{access}:::service.t:NotifyAccess=all\n"
    assert found(f"{NOTIFIES}{all_are_heard}g:t:1:respawn:{command}\n") == []
    assert found(f"g:t:1:respawn:{command}\n") == []
    assert found(f"{NOTIFIES}g:t:1:off:{command}\n") == []


@pytest.mark.parametrize(
    "command",
    ["x -a b", "x 2>&1", "exec redis-server --save ''", "A=b exec x", "cd /srv && exec x", 'ulimit -n 9; exec "$X"',
     "if true; then exec x; fi", "(exec x)", ". /etc/default/x; x", "x & systemd-notify --ready; wait",
     "/bin/systemd-notify --ready; exec sleep 9"],
)  # fmt: skip
def test_a_program_that_is_heard(command: str) -> None:
    """One that systemd executes, or that the shell becomes; and what speaks for the shell, or may."""
    assert [code for code, *_ in found(f"{NOTIFIES}g:t:1:once:{command}\n") if code == "child-unheard"] == []
