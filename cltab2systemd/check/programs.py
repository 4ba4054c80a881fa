"""Programs that people start from tables: which never end, and which leave a daemon. Data, and how to apply it. Pure.

What is not in here is not judged, and nothing is judged that takes a shell to understand: a warning has to be right.
Sources: the programs' manual pages. `daemons` has more rows.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.check.behaviours import ABOUT, ALWAYS, Behaviour, Program, letters, words_of
from cltab2systemd.check.commandline import LONGEST, calls
from cltab2systemd.check.daemons import DAEMONS
from cltab2systemd.check.wrappers import program_index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cltab2systemd.check.commandline import Call, Word


PROGRAMS = (
    Program("sleep", never_ends=words_of("infinity inf")),
    Program("tail", ends=r" --pid", never_ends=letters("fF") + "|" + words_of("--follow")),
    Program("yes", ends=ABOUT, never_ends=ALWAYS),
    Program("journalctl", never_ends=letters("f") + "|" + words_of("--follow")),
    Program("dmesg", never_ends=letters("wW") + "|" + words_of("--follow --follow-new")),
    # With a timeout it ends when nothing happens for so long; the options of the pattern have no value of their own.
    Program(
        "inotifywait",
        ends=r" -[cdhmPqrs]*t|" + words_of("--timeout"),
        never_ends=letters("m") + "|" + words_of("--monitor"),
    ),
    Program("ping ping6", ends=ABOUT + "| -[A-Za-z]*[cw]", never_ends=ALWAYS),
    Program("getty agetty mingetty mgetty fgetty ngetty", ends=ABOUT, never_ends=ALWAYS),
    Program("python python3", never_ends=r" -m  (?:http\.server|SimpleHTTPServer) "),
    Program(
        "nginx",
        ends=ABOUT + "|" + words_of("-t -T -s"),
        never_ends=r"daemon\s+off\s*;",
        daemon=ALWAYS,
        foreground="-g 'daemon off;'",
    ),
    # Apache's -f has the name of a file behind it; BusyBox's means the foreground.
    Program(
        "httpd httpd2 apache2",
        ends=ABOUT + "|" + words_of("-t -S -M -l -L") + "| -k  (?:stop|graceful|graceful-stop) ",
        never_ends=words_of("-X -DFOREGROUND -DNO_DETACH") + "| -D  (?:FOREGROUND|NO_DETACH) | -f (?: -|$)",
        daemon=ALWAYS,
        foreground="-DFOREGROUND",
    ),
    Program(
        "apachectl apache2ctl",
        ends=ABOUT + "|" + words_of("-t -S -M stop graceful graceful-stop configtest status fullstatus"),
        never_ends=words_of("-X -DFOREGROUND -DNO_DETACH") + "| -D  (?:FOREGROUND|NO_DETACH) ",
        daemon=words_of("start restart"),
        foreground="-DFOREGROUND",
    ),
    Program(
        "lighttpd",
        ends=ABOUT + "|" + words_of("-t -tt -p -1"),
        never_ends=words_of("-D"),
        daemon=ALWAYS,
        foreground="-D",
    ),
    Program("sshd", ends=ABOUT + "|" + letters("tTiG"), never_ends=letters("Dd"), daemon=ALWAYS, foreground="-D"),
    Program("named", ends=ABOUT, never_ends=letters("fg"), daemon=ALWAYS, foreground="-f"),
    Program(
        "unbound",
        ends=ABOUT,
        never_ends=letters("d"),
        daemon=ALWAYS,
        foreground="-d",
    ),
    Program(
        "dnsmasq",
        ends=ABOUT + "|" + words_of("--test"),
        never_ends=letters("kd") + "|" + words_of("--keep-in-foreground --no-daemon"),
        daemon=ALWAYS,
        foreground="--keep-in-foreground",
    ),
    Program("cron", ends=ABOUT, never_ends=letters("f"), daemon=ALWAYS, foreground="-f"),
    Program("crond", ends=ABOUT, never_ends=letters("nfd"), daemon=ALWAYS, foreground="-n, or -f with BusyBox's"),
    Program("atd", ends=ABOUT, never_ends=letters("fd"), daemon=ALWAYS, foreground="-f"),
    Program("rsyslogd", ends=ABOUT + "| -N", never_ends=letters("nd"), daemon=ALWAYS, foreground="-n"),
    Program("syslogd klogd", ends=ABOUT, never_ends=letters("nFd"), daemon=ALWAYS, foreground="-n"),
    Program(
        "syslog-ng",
        ends=ABOUT + "|" + words_of("-s --syntax-only"),
        never_ends=words_of("-F --foreground"),
        daemon=ALWAYS,
        foreground="--foreground",
    ),
    Program(
        "xinetd", ends=words_of("-version"), never_ends=words_of("-dontfork -d"), daemon=ALWAYS, foreground="-dontfork"
    ),
    Program("inetd", ends=ABOUT, never_ends=letters("dif"), daemon=ALWAYS, foreground="-i, or -f with BusyBox's"),
    Program("postfix", ends=ABOUT, never_ends=words_of("start-fg"), daemon=words_of("start"), foreground="start-fg"),
    Program("sendmail exim exim4", daemon=r" -bd ", never_ends=r" -b(?:D|df) ", foreground="-bD (exim: -bdf)"),
    Program(
        "smbd nmbd winbindd",
        ends=ABOUT + "|" + words_of("-b --build-options"),
        never_ends=letters("FSi") + "|" + words_of("--foreground --interactive"),
        daemon=ALWAYS,
        foreground="--foreground",
    ),
    Program(
        "mysqld mariadbd",
        ends=ABOUT + r"| --(?:initialize|bootstrap|install|validate-config|verbose)",
        daemon=words_of("--daemonize -D"),
        never_ends=r"^(?!.* (?:--daemonize|-D)[ =])",
        without="--daemonize",
    ),
    Program("mysqld_safe mariadbd-safe", ends=ABOUT, never_ends=ALWAYS),
    Program("postgres postmaster", ends=ABOUT + r"| -C | --(?:single|boot|check|describe-config)", never_ends=ALWAYS),
    Program("pg_ctl", daemon=words_of("start restart"), without="pg_ctl, and run 'postgres -D DIRECTORY' itself"),
    Program("memcached", ends=ABOUT, never_ends=r"^(?!.* -[a-z]*d )", daemon=ALWAYS, without="-d"),
    Program("redis-server valkey-server", daemon=r" --daemonize  yes ", without="--daemonize"),
    Program("mongod mongos", daemon=words_of("--fork"), without="--fork"),
    Program("gunicorn gunicorn3", daemon=words_of("-D --daemon"), without="--daemon"),
    Program("uwsgi", daemon=words_of("-d --daemonize --daemonize2"), without="--daemonize"),
    Program(
        "php-fpm php-fpm7.4 php-fpm8.1 php-fpm8.2 php-fpm8.3 php-fpm8.4",
        ends=ABOUT + "|" + words_of("-t -tt --test -i --info -m --modules"),
        never_ends=letters("F") + "|" + words_of("--nodaemonize"),
        daemon=ALWAYS,
        foreground="--nodaemonize",
    ),
    Program("slapd", ends=words_of("-V -VV -VVV -?") + r"| -T", never_ends=r" -d", daemon=ALWAYS, foreground="-d 0"),
    Program("ntpd", ends=ABOUT + "|" + letters("q"), never_ends=letters("nd"), daemon=ALWAYS, foreground="-n"),
    Program("chronyd", ends=ABOUT + "|" + letters("qQp"), never_ends=letters("nd"), daemon=ALWAYS, foreground="-n"),
    Program(
        "haproxy",
        ends=ABOUT + "|" + words_of("-c -vv"),
        daemon=words_of("-D"),
        never_ends=r" -db ",
        foreground="-db",
        without="-D",
    ),
    Program(
        "keepalived",
        ends=ABOUT + r"| -t | --config-test",
        never_ends=letters("n") + "|" + words_of("--dont-fork"),
        daemon=ALWAYS,
        foreground="--dont-fork",
    ),
    Program("supervisord", ends=ABOUT, never_ends=words_of("-n --nodaemon"), daemon=ALWAYS, foreground="--nodaemon"),
    Program(
        "squid",
        ends=ABOUT + r"| -k| -z ",
        never_ends=letters("N") + "|" + words_of("--foreground"),
        daemon=ALWAYS,
        foreground="--foreground",
    ),
    Program("proftpd", ends=ABOUT + r"| -t ", never_ends=words_of("-n --nodaemon"), daemon=ALWAYS, foreground="-n"),
    Program("snmpd", ends=ABOUT, never_ends=letters("f"), daemon=ALWAYS, foreground="-f"),
    Program("rpcbind", ends=ABOUT, never_ends=letters("fd"), daemon=ALWAYS, foreground="-f"),
    Program("rpc.mountd rpc.statd", ends=ABOUT, never_ends=letters("F"), daemon=ALWAYS, foreground="-F"),
    Program("smartd", ends=ABOUT + r"| -q", never_ends=letters("nd"), daemon=ALWAYS, foreground="-n"),
    Program("dhcpd", ends=ABOUT + r"| -[tT] ", never_ends=r" -[fd] ", daemon=ALWAYS, foreground="-f"),
    Program("acpid", ends=ABOUT, never_ends=letters("fd"), daemon=ALWAYS, foreground="-f"),
    Program("cupsd", ends=ABOUT + r"| -t ", never_ends=letters("fF"), daemon=ALWAYS, foreground="-f"),
    Program("corosync", ends=ABOUT, never_ends=letters("f"), daemon=ALWAYS, foreground="-f"),
    Program("bird bird6", ends=ABOUT + r"| -p ", never_ends=letters("fd"), daemon=ALWAYS, foreground="-f"),
    Program("openvpn", daemon=words_of("--daemon"), without="--daemon"),
    Program("tmux", daemon=letters("d")),
    Program("screen", daemon=r" -[A-Za-z]*dm| -d  -m ", never_ends=r" -[A-Za-z]*Dm| -D  -m ", foreground="-D -m"),
    Program(
        "start-stop-daemon",
        ends=words_of("-K --stop -T --status"),
        daemon=words_of("-b --background"),
        without="--background",
    ),
    Program("rc-service", daemon=r"^ [^- ]\S*  (?:start|restart) "),
    # Where systemd is, these are two other words for systemctl. A restart is of what was there before.
    Program("service invoke-rc.d", handed_over=r"^(?: -\S+ )* [^- ]\S*  start "),
    Program("systemctl", ends=words_of("--host --machine"), handed_over=r"^(?: -\S+ )* start "),
)
_UNKNOWN = Program("")
_PROGRAM_OF = {name: program for program in (*PROGRAMS, *DAEMONS) for name in program.names.split()}

# A script below one of these directories is called with what it is to do. Some hand it over to systemd as well, those
# that read Debian's or Red Hat's shell functions, but not if systemd itself has started them, as it starts an entry
# that needs no shell.
_INIT_SCRIPT = Program("", daemon=r"^ (?:start|restart) ")
_INIT_SCRIPT_PATH = re.compile(r"/etc/(?:rc\.d/)?(?:init\.d|rc\.d|rc[0-6S]\.d)/[^/]+|/usr/local/etc/rc\.d/[^/]+")

_ENDLESS_LOOP = re.compile(
    r"\s*(?:while\s+(?::|true|/bin/true)|until\s+(?:false|/bin/false)|for\s*\(\(\s*;\s*;\s*\)\))\s*;\s*do\s.*;\s*done\s*;?\s*",
    re.DOTALL,
)
_WAY_OUT = re.compile(r"\b(?:break|exit|return|exec|kill|set)\b|&&|\|\|")
_SEPARATORS = re.compile(r"[\s/;&|()'\"]+")
# A command that stops a service has one of these words.
_STOPPING = frozenset(["stop", "kill", "disable"])
# A command has to have one of these words for anything to be known of it.
_TELLING = frozenset({*_PROGRAM_OF, "init.d", "rc.d", "while", "until", "for"}) | {
    f"rc{level}.d" for level in "0123456S"
}


class Run(enum.Enum):
    """How the shell runs a program of a command."""

    FOREGROUND = "it is started, and waited for"
    BACKGROUND = "it is started, and not waited for"
    DOUBTFUL = "it may not be started, or be ended by another program"


@dataclass(frozen=True, slots=True)
class Started:
    """A program that a command starts.

    Attributes:
        name: as a person calls it.
        behaviour: what becomes of it.
        start: where it stands in the command, with its arguments.
        end: where what follows stands.
        run: how the shell runs it.
        foreground: the arguments that keep it from becoming a daemon.
        without: those that make it one.
        services: those that are handed over to systemd.
    """

    name: str
    behaviour: Behaviour
    start: int
    end: int
    run: Run = Run.FOREGROUND
    foreground: str = ""
    without: str = ""
    services: tuple[str, ...] = ()


def started(command: str) -> tuple[Started, ...]:
    """The programs that a command starts, in order; none if nothing is known of any, or it takes a shell to tell."""
    if len(command) > LONGEST or _TELLING.isdisjoint(separated(command)):
        return ()
    if _ENDLESS_LOOP.fullmatch(command) and not _WAY_OUT.search(command):
        text = command.strip()
        start = command.index(text)
        return (Started("the loop", Behaviour.NEVER_ENDS, start, start + len(text)),)
    found = calls(command)
    separators_before = ["", *(call.separator for call in found)]
    return tuple(_started(call, before) for call, before in zip(found, separators_before, strict=False) if call.words)


def separated(command: str) -> frozenset[str]:
    """The words of a command, whatever stands between them: a first look that nothing escapes."""
    return frozenset(_SEPARATORS.split(command))


def stopped(command: str) -> frozenset[str]:
    """The services that a command may stop: all its words, if one is about stopping."""
    words = separated(command)
    return frozenset() if words.isdisjoint(_STOPPING) else frozenset(map(_service, words))


def background(command: str) -> tuple[int, int] | None:
    """Where the `&` stands that puts a command into the background, with nothing run behind it; None without one.

    An `exit` behind it runs nothing.
    In `program &>file` it is one as well: only bash takes that for a redirection.
    """
    programs = [call for call in calls(command) if call.words] if "&" in command else []
    if len(programs) > 1 and programs[-1].words[0].text == "exit":
        del programs[-1]
    if [call.separator for call in programs] != ["&"]:
        return None
    end = programs[0].end
    return end, end + 1


def _started(call: Call, before: str) -> Started:
    words = call.words
    index = program_index(words)
    if index is None:
        return Started("", Behaviour.ENDS, words[0].start, words[-1].end, _run(call, before))
    program, arguments = words[index], words[index + 1 :]
    row = _INIT_SCRIPT if _INIT_SCRIPT_PATH.fullmatch(program.text) else _PROGRAM_OF.get(program.name, _UNKNOWN)
    behaviour = row.behaviour(joined(arguments))
    return Started(
        program.name,
        behaviour,
        program.start,
        words[-1].end,
        _run(call, before),
        row.foreground,
        row.without,
        _services(arguments) if behaviour is Behaviour.HANDED_OVER else (),
    )


def joined(arguments: Sequence[Word]) -> str:
    """Arguments as the patterns of rows are matched against them: ` ARGUMENT  ARGUMENT `."""
    return "".join(f" {argument.text} " for argument in arguments)


def _run(call: Call, before: str) -> Run:
    if before in {"||", "|"} or call.separator == "|":
        return Run.DOUBTFUL
    return Run.BACKGROUND if call.separator == "&" else Run.FOREGROUND


def _services(arguments: Sequence[Word]) -> tuple[str, ...]:
    """The services among the arguments of `service NAME start` or `systemctl start NAME...`."""
    names = (argument.text for argument in arguments if not argument.text.startswith("-"))
    return tuple(_service(name) for name in names if name not in {"", "start"})


def _service(name: str) -> str:
    """A service's name, from that of its unit or its init script."""
    return name.removesuffix(".service").removesuffix(".sh")
