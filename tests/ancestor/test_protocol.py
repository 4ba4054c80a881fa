"""The ancestor's wire protocol, spoken by real Perl, and by those who do not speak it well."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from ancestorclient import PERL_CLIENT
from answers import answered
from instance import Group, Instance
from programs import RUN

from cltab2systemd.node.command import kill
from lab.waiting import wait_until

if TYPE_CHECKING:
    from lab.node import Node

SOCKET = "/run/clinit/clinit.s"
STARTED = "level transition started"

# Sends what a Perl expression makes of Storable's nfreeze, and prints the reply's fields, sorted, as UTF-8.
ASK = """\
use strict; use warnings; use utf8; use Encode; use IO::Socket::UNIX; use Storable qw(nfreeze freeze thaw);
my ($path, $expression) = @ARGV;
my $request = eval Encode::decode('UTF-8', $expression); die $@ if $@;
my $s = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $path) or die "connect: $!";
my $frozen = nfreeze($request);
print {$s} sprintf('%.8d', length $frozen), $frozen; $s->flush;
read($s, my $n, 8) == 8 or die "no reply\\n";
read($s, my $data, $n) == $n or die "short reply\\n";
read($s, my $more, 1) and die "more than one reply\\n";
my $reply = thaw($data);
die "not a reply" unless ref $reply eq 'ARRAY' && @$reply == 1 && ref $reply->[0] eq 'HASH';
for my $key (sort keys %{$reply->[0]}) {
    my $value = $reply->[0]{$key};
    $value = defined $value ? $value : 'undef';
    $value = utf8::is_utf8($value) ? Encode::encode('UTF-8', $value) : $value;
    print "$key=$value\\n";
}
"""


def tell(node: Node, group: str, level: str, *more: str, timeout: float = 30.0) -> str:
    """The msg that a program of the ancestor's time gets from `tell(group, level)`."""
    node.write("/usr/local/bin/ldt_client", PERL_CLIENT.read_bytes(), mode=0o755)
    return node.run("ldt_client", SOCKET, group, level, *more, timeout=timeout).stdout.rstrip("\n")


def ask(node: Node, expression: str, socket: str = SOCKET) -> dict[str, str]:
    """The fields of the reply to a request that a Perl expression gives."""
    done = node.run("perl", "-e", ASK, socket, expression)
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def connect(node: Node, script: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Run a Python script in the node with a connection to the daemon, `s`."""
    prelude = f"import socket, sys, time\ns = socket.socket(socket.AF_UNIX); s.connect({SOCKET!r})\n"
    return node.popen("python3", "-c", prelude + script, *arguments)


def test_a_request_with_strings(group: Group) -> None:
    """A Perl client's `tell("web", "1")` starts the transition, and the reply has the request's group and level."""
    group.define(f"a:1:respawn:{RUN}")
    reply = ask(group.node, f"[{{group => '{group.name}', level => '1'}}]")

    assert reply == {"group": group.name, "level": "1", "msg": STARTED}
    group.wait_for("1 DONE")


@pytest.mark.parametrize("level", ["1", "127", "-1", "-128", "128", "65536", "2147483647", "-2147483648"])
def test_a_request_with_an_integer(group: Group, level: str) -> None:
    """A level that Perl holds as a number, small or large, is the level of these digits."""
    group.define(f"a:{level},:wait:@ ran", f"b:{level}:wait:@ ran")

    assert tell(group.node, group.name, level, "int") == STARTED
    group.wait_for(f"{level} DONE")
    assert "ran" in group.events()


def test_level_0_as_a_number(group: Group) -> None:
    """The integer 0, which is false in Perl, is the level `0`."""
    group.define(f"a:0:respawn:{RUN}")

    assert ask(group.node, f"[{{group => '{group.name}', level => 0}}]")["msg"] == STARTED
    group.wait_for("0 DONE")
    assert group.pid("a") != 0


def test_group_0_as_a_number(instance: Instance) -> None:
    """A group `0` can be asked for with the integer 0."""
    group = Group(instance, "0")
    group.define(f"a:1:respawn:{RUN}")
    assert ask(instance.node, "[{group => 0, level => 1}]")["msg"] == STARTED
    group.wait_for("1 DONE")
    group.define()
    instance.clinit()


def test_names_in_utf_8(instance: Instance) -> None:
    """Names arrive whether Perl holds them as UTF-8 flagged strings or as bytes, and come back as they are."""
    group = Group(instance, "grüße日本")
    group.define("a:höhe,:wait:@ höhe", "b:tiefe,:wait:@ tiefe")
    text = ask(instance.node, "[{group => 'grüße日本', level => 'höhe'}]")
    assert text == {"group": "grüße日本", "level": "höhe", "msg": STARTED}
    group.wait_for("höhe DONE")
    octets = "[{group => Encode::encode('UTF-8', 'grüße日本'), level => Encode::encode('UTF-8', 'höhe')}]"
    assert ask(instance.node, octets)["msg"] == STARTED
    assert tell(instance.node, "grüße日本", "tiefe") == STARTED
    group.wait_for("tiefe DONE")
    group.define()
    instance.clinit()


def test_a_long_name(group: Group) -> None:
    """A level of more than 255 bytes, a long scalar in Storable, is refused with the reason, and not misread."""
    group.define(f"a:1:respawn:{RUN}")
    group.switch("1")
    reply = ask(group.node, f"[{{group => '{group.name}', level => 'x' x 300}}]")

    assert "too long" in reply["msg"]
    assert group.status == "1 DONE"


def test_a_level_that_no_entry_names(group: Group) -> None:
    """It stops everything, and is answered as any other; where the group declares its levels, it is refused instead."""
    group.define(f"a:1:respawn:{RUN}", settings=(f":::levels.{group.name}:stop",))
    group.switch("1")
    wrong = ask(group.node, f"[{{group => '{group.name}', level => 'stpo'}}]")

    assert wrong["msg"] == (
        f"no entry of {group.name} names level 'stpo', and :::levels.{group.name}: does not declare it: refused, and "
        "the group stays as it is; its levels are 1, stop; did you mean 'stop'?"
    )
    assert group.status == "1 DONE"
    assert group.pid("a")
    assert tell(group.node, group.name, "stop") == STARTED
    group.wait_for("stop DONE")
    group.define(f"a:1:respawn:{RUN}")
    group.switch("1")
    assert tell(group.node, group.name, "stpo") == STARTED
    group.wait_for("stpo DONE")
    assert not group.pid("a")


def test_unknown_group(instance: Instance) -> None:
    """A group that is not in the table is answered `no such group: GROUP`."""
    reply = ask(instance.node, "[{group => 'nobody', level => '1'}]")

    assert reply == {"group": "nobody", "level": "1", "msg": "no such group: nobody"}


@pytest.mark.parametrize(
    "fields", ["group => 'GROUP'", "level => '1'", "", "group => 'GROUP', level => undef", "group => undef, level => 1"]
)
def test_a_missing_group_or_level(group: Group, fields: str) -> None:
    """Without a group or a level, or with undef for one, the answer is `result unknown`, and nothing happens."""
    group.define(f"a:1:respawn:{RUN}")
    reply = ask(group.node, f"[{{{fields.replace('GROUP', group.name)}}}]")

    assert reply["msg"] == "result unknown"
    assert group.status == ""


def test_other_keys_do_no_harm(group: Group) -> None:
    """A request with more keys than a group and a level, of any simple type, is served."""
    group.define(f"a:1:respawn:{RUN}")
    more = "msg => 'x', force => 1, ratio => 1.5, large => 10000000000, truth => !!1, none => undef"

    assert ask(group.node, f"[{{group => '{group.name}', level => 1, {more}}}]")["msg"] == STARTED
    group.wait_for("1 DONE")


@pytest.mark.parametrize("convention", ["::ALL:: ::REREAD::", ":::ALL::: :::REREAD:::"])
def test_the_reread_conventions(group: Group, other: Group, convention: str) -> None:
    """A request for a group that does not exist has the table read again, and is answered as such a request is."""
    group.define(f"a:1:respawn:{RUN}")
    other.define(f"a:1:respawn:{RUN}")
    group.switch("1")
    group.define()
    name, level = convention.split()

    assert tell(group.node, name, level) == f"no such group: {name}"
    wait_until(lambda: not group.status)


def test_a_bare_clinit_prints_nothing(instance: Instance) -> None:
    """`clinit` without a group has the table read, and prints nothing when all is well."""
    done = instance.clinit()

    answered(done, code=0, out="", err="")


def test_shutdown(alone: Instance) -> None:
    """Level `:::SHUTDOWN:::`, with any group, is answered at once, and ends all groups and then the daemon."""
    web = Group(alone, "web")
    web.define(f"a:1:respawn:{RUN}", f"o:1:once:{RUN}")
    web.switch("1")
    pid = alone.pid
    assert tell(alone.node, "whatever", ":::SHUTDOWN:::") == "all groups halting"
    wait_until(lambda: not alone.node.exists(f"/proc/{pid}"))

    assert 0 == web.pid("a")
    assert 0 == web.pid("o")
    assert not alone.node.exists(SOCKET)
    assert not alone.node.exists("/run/clinit/clstat")


def test_errors_of_the_table(group: Group) -> None:
    """A table with errors is answered in the ancestor's words first, with what and where; nothing changes."""
    group.define(f"a:1:respawn:{RUN}")
    group.switch("1")
    pid = group.pid("a")
    group.instance.write_table(group.instance.table + f"else:{group.name}.a:1:wait:true\n")
    reply = ask(group.node, f"[{{group => '{group.name}', level => '2'}}]")["msg"]
    told = tell(group.node, group.name, "2")

    assert reply.startswith(f"entry has duplicate tag: {group.name}.a")
    assert "/etc/cltab:" in told
    assert pid == group.pid("a")
    assert "1 DONE" == group.status


def test_perl_and_clinit_at_the_same_time(group: Group, other: Group) -> None:
    """Clients of both protocols are served on the same socket, side by side."""
    for each in (group, other):
        each.define("a:1:wait:true")
    group.node.write("/usr/local/bin/ldt_client", PERL_CLIENT.read_bytes(), mode=0o755)
    perl = [group.node.popen("ldt_client", SOCKET, each.name, "1") for each in [group, other] * 5]
    python = [group.node.popen("clinit", each.name, "1") for each in [group, other] * 5]

    assert {client.wait(30) for client in perl + python} == {0}
    assert group.switch("1") == "DONE"
    assert other.switch("1") == "DONE"


def test_requests_that_replace_each_other_are_all_answered_alike(group: Group) -> None:
    """Of requests for one group at the same time each is told that its transition started, replaced or not."""
    group.define("a:1:wait:true", "b:2:wait:true")
    group.node.write("/usr/local/bin/ldt_client", PERL_CLIENT.read_bytes(), mode=0o755)
    clients = [
        group.node.popen("ldt_client", SOCKET, group.name, level, stdout=subprocess.PIPE) for level in ["1", "2"] * 5
    ]
    answers = [client.communicate(timeout=30)[0].decode().strip() for client in clients]

    assert answers == [STARTED] * 10


MALFORMED = {
    "not-storable": b"00000004abcd",
    "empty-frame": b"00000000",
    "wrong-magic": b"00000006pst0\x04\x0b",
    "not-decimal": b"0000x004abcd",
    "negative": b"-0000004abcd",
    "not-ours": b"GET / HTTP/1.0\r\n\r\n",
    "too-large": b"99999999" + b"x" * 1000,
    "length-beyond-frame": b"00000011\x05\x0b\x02\x7f\xff\xff\xff\x03\x7f\xff\xff",
    "native-order": b"00000010\x04\x0b\x08\x31\x32\x33\x34\x35\x36\x37",
    "nested": b"00010002\x05\x0b" + b"\x02\x00\x00\x00\x01" * 2000,
    "blessed": b"00000020\x05\x0b\x11\x04Evil\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00",
    "nothing": b"",
    "noise": bytes(range(256)) * 16,
    "json": b'{"method": 1}\0',
    "deep-json": b'{"method":' + b"[" * 100_000 + b"\0",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_request_does_no_harm(group: Group, name: str) -> None:
    """Whatever somebody sends, the daemon closes that connection soon, and goes on as if nothing had been."""
    group.define(f"a:1:respawn:{RUN}")
    group.switch("1")
    daemon, entry = group.instance.pid, group.pid("a")
    group.node.write("/run/malformed", MALFORMED[name])
    script = (
        "s.settimeout(10)\n"
        "try:\n  s.sendall(open('/run/malformed', 'rb').read()); s.shutdown(socket.SHUT_WR)\n"
        "  while s.recv(65536): pass\nexcept ConnectionError: pass\n"
    )
    assert connect(group.node, script).wait(15) == 0

    assert group.switch("1") == "DONE"
    assert daemon == group.instance.pid
    assert entry == group.pid("a")
    assert "1 DONE" == group.status


def test_malformed_requests_are_closed_without_waiting_for_more(instance: Instance) -> None:
    """A client that has sent what can never be a request is not kept until it hangs up."""
    instance.node.write("/run/malformed", b"99999999")
    script = "s.settimeout(10); s.sendall(open('/run/malformed', 'rb').read())\nassert s.recv(1) == b''\n"

    assert connect(instance.node, script).wait(15) == 0


def test_noise_by_chance(instance: Instance) -> None:
    """A hundred frames of well-formed length and random content change nothing, and the daemon's size neither."""
    pid = instance.pid
    instance.node.write("/run/noise", os.urandom(100 * 64))

    def resident() -> int:
        status = instance.node.read(f"/proc/{pid}/status").split("VmRSS:")[1]
        return int(status.split()[0])

    before = resident()
    script = f"""
data = open('/run/noise', 'rb').read()
for start in range(0, len(data), 64):
    c = socket.socket(socket.AF_UNIX); c.settimeout(10); c.connect({SOCKET!r})
    c.sendall(b'00000066\\x05\\x0b' + data[start:start + 64])
    try:
        while c.recv(4096): pass
    except ConnectionError: pass
"""
    assert connect(instance.node, script).wait(60) == 0

    assert pid == instance.pid
    assert resident() - before < 20_000
    assert instance.answers()


def test_slow_clients_block_nobody(group: Group) -> None:
    """Clients that send nothing, half a length or half a frame hold up no other, of either protocol."""
    group.define("a:1:wait:true", "b:2:wait:true")
    halves = ["", "0000", "00000050", "00000050abc", '{"method'] * 4
    script = "s.sendall({!r}.encode()); open(sys.argv[1], 'w'); s.recv(1)"
    marks = [f"/run/slow.{number}" for number in range(len(halves))]
    slow = [connect(group.node, script.format(half), mark) for half, mark in zip(halves, marks, strict=True)]
    wait_until(lambda: all(map(group.node.exists, marks)), what="all have connected")
    assert group.switch("1") == "DONE"
    assert tell(group.node, group.name, "2") == STARTED
    group.wait_for("2 DONE")
    ended = [process.poll() for process in slow]
    for process in slow:
        kill(process)

    # The daemon still waited for each.
    assert [None] * len(slow) == ended


def test_a_frame_that_comes_in_pieces(group: Group) -> None:
    """A request that arrives byte by byte is a request as any other."""
    group.define(f"a:1:respawn:{RUN}")
    name = group.name.encode()
    frozen = b"".join([
        b"\x05\x0b\x02\x00\x00\x00\x01\x04\x03\x00\x00\x00\x02",
        b"\x0a%c%s\x00\x00\x00\x05group" % (len(name), name),
        b"\x0a\x011\x00\x00\x00\x05level",
    ])  # fmt: skip
    group.node.write("/run/frame", b"%08d" % len(frozen) + frozen)
    script = """
s.settimeout(10)
for byte in open('/run/frame', 'rb').read():
    s.sendall(bytes([byte])); time.sleep(0.005)
reply = b''
while data := s.recv(4096): reply += data
sys.exit(b'level transition started' not in reply or reply[:8] != b'%08d' % (len(reply) - 8))
"""
    assert connect(group.node, script).wait(15) == 0
    group.wait_for("1 DONE")


def test_a_client_that_does_not_wait_for_its_reply(group: Group) -> None:
    """A client that hangs up right after its request has been served all the same."""
    group.define(f"a:1:respawn:{RUN}")
    frame = "sprintf('%.8d%s', length $f, $f)"
    script = (
        "use IO::Socket::UNIX; use Storable 'nfreeze';"
        f" my $f = nfreeze([{{group => '{group.name}', level => '1'}}]);"
        f" my $s = IO::Socket::UNIX->new(Peer => '{SOCKET}'); print {{$s}} {frame}; close $s"
    )
    group.node.run("perl", "-e", script)
    group.wait_for("1 DONE")
