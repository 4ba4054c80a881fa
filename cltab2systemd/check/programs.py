"""Programs that people start from tables: which never end, and which leave a daemon. Data, and how to apply it. Pure.

What is not in here is not judged, and nothing is judged that takes a shell to understand: a warning has to be right.
Sources: the programs' manual pages.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.check.commandline import LONGEST, calls
from cltab2systemd.check.wrappers import program_index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cltab2systemd.check.commandline import Call, Word


class Behaviour(enum.StrEnum):
    """What becomes of a program once it is started."""

    ENDS = "ends"  # or nothing is known
    NEVER_ENDS = "never ends"
    DAEMON = "daemon"  # it ends, and leaves a daemon behind
    HANDED_OVER = "handed over"  # it ends, and systemd has started services that are no part of the entry


@dataclass(frozen=True, slots=True)
class Program:
    """Programs of one behaviour, by their names; the first pattern that is found in the arguments decides.

    Arguments are matched as ` ARGUMENT  ARGUMENT `, so that a pattern with blanks around it is a whole one. A pattern
    that is empty is always found, one that is None never.
    """

    names: str
    ends: str | None = None
    never_ends: str | None = None
    daemon: str | None = None
    handed_over: str | None = None
    foreground: str = ""  # the arguments that keep it from becoming a daemon
    without: str = ""  # those that make it one

    def behaviour(self, arguments: str) -> Behaviour:
        """What becomes of it with these arguments."""
        for pattern, behaviour in (
            (self.ends, Behaviour.ENDS),
            (self.never_ends, Behaviour.NEVER_ENDS),
            (self.daemon, Behaviour.DAEMON),
            (self.handed_over, Behaviour.HANDED_OVER),
        ):
            if pattern is not None and re.search(pattern, arguments):
                return behaviour
        return Behaviour.ENDS


def _letters(letters: str) -> str:
    """The pattern of an argument that has one of these one-letter options, perhaps among others: `-D`, `-eD`."""
    return rf" -[A-Za-z]{{0,3}}[{letters}][A-Za-z]{{0,3}} "


def _words(words: str) -> str:
    """The pattern of an argument that is one of these words, options perhaps with a value: `--nodaemon`."""
    return rf" (?:{'|'.join(map(re.escape, words.split()))})(?:=\S*)? "


_ABOUT = _words("--help -h -? --version -v -V --usage")
_ALWAYS = ""

PROGRAMS = (
    Program("sleep", never_ends=_words("infinity inf")),
    Program("tail", ends=r" --pid", never_ends=_letters("fF") + "|" + _words("--follow")),
    Program("yes", ends=_ABOUT, never_ends=_ALWAYS),
    Program("journalctl", never_ends=_letters("f") + "|" + _words("--follow")),
    Program("dmesg", never_ends=_letters("wW") + "|" + _words("--follow --follow-new")),
    # With a timeout it ends when nothing happens for so long; the options of the pattern have no value of their own.
    Program(
        "inotifywait",
        ends=r" -[cdhmPqrs]*t|" + _words("--timeout"),
        never_ends=_letters("m") + "|" + _words("--monitor"),
    ),
    Program("ping ping6", ends=_ABOUT + "| -[A-Za-z]*[cw]", never_ends=_ALWAYS),
    Program("getty agetty mingetty mgetty fgetty ngetty", ends=_ABOUT, never_ends=_ALWAYS),
    Program("python python3", never_ends=r" -m  (?:http\.server|SimpleHTTPServer) "),
    Program(
        "nginx",
        ends=_ABOUT + "|" + _words("-t -T -s"),
        never_ends=r"daemon\s+off\s*;",
        daemon=_ALWAYS,
        foreground="-g 'daemon off;'",
    ),
    # Apache's -f has the name of a file behind it; BusyBox's means the foreground.
    Program(
        "httpd httpd2 apache2",
        ends=_ABOUT + "|" + _words("-t -S -M -l -L") + "| -k  (?:stop|graceful|graceful-stop) ",
        never_ends=_words("-X -DFOREGROUND -DNO_DETACH") + "| -D  (?:FOREGROUND|NO_DETACH) | -f (?: -|$)",
        daemon=_ALWAYS,
        foreground="-DFOREGROUND",
    ),
    Program(
        "apachectl apache2ctl",
        ends=_ABOUT + "|" + _words("-t -S -M stop graceful graceful-stop configtest status fullstatus"),
        never_ends=_words("-X -DFOREGROUND -DNO_DETACH") + "| -D  (?:FOREGROUND|NO_DETACH) ",
        daemon=_words("start restart"),
        foreground="-DFOREGROUND",
    ),
    Program(
        "lighttpd",
        ends=_ABOUT + "|" + _words("-t -tt -p -1"),
        never_ends=_words("-D"),
        daemon=_ALWAYS,
        foreground="-D",
    ),
    Program("sshd", ends=_ABOUT + "|" + _letters("tTiG"), never_ends=_letters("Dd"), daemon=_ALWAYS, foreground="-D"),
    Program("named", ends=_ABOUT, never_ends=_letters("fg"), daemon=_ALWAYS, foreground="-f"),
    Program(
        "unbound",
        ends=_ABOUT,
        never_ends=_letters("d"),
        daemon=_ALWAYS,
        foreground="-d",
    ),
    Program(
        "dnsmasq",
        ends=_ABOUT + "|" + _words("--test"),
        never_ends=_letters("kd") + "|" + _words("--keep-in-foreground --no-daemon"),
        daemon=_ALWAYS,
        foreground="--keep-in-foreground",
    ),
    Program("cron", ends=_ABOUT, never_ends=_letters("f"), daemon=_ALWAYS, foreground="-f"),
    Program("crond", ends=_ABOUT, never_ends=_letters("nfd"), daemon=_ALWAYS, foreground="-n, or -f with BusyBox's"),
    Program("atd", ends=_ABOUT, never_ends=_letters("fd"), daemon=_ALWAYS, foreground="-f"),
    Program("rsyslogd", ends=_ABOUT + "| -N", never_ends=_letters("nd"), daemon=_ALWAYS, foreground="-n"),
    Program("syslogd klogd", ends=_ABOUT, never_ends=_letters("nFd"), daemon=_ALWAYS, foreground="-n"),
    Program(
        "syslog-ng",
        ends=_ABOUT + "|" + _words("-s --syntax-only"),
        never_ends=_words("-F --foreground"),
        daemon=_ALWAYS,
        foreground="--foreground",
    ),
    Program(
        "xinetd", ends=_words("-version"), never_ends=_words("-dontfork -d"), daemon=_ALWAYS, foreground="-dontfork"
    ),
    Program("inetd", ends=_ABOUT, never_ends=_letters("dif"), daemon=_ALWAYS, foreground="-i, or -f with BusyBox's"),
    Program("postfix", ends=_ABOUT, never_ends=_words("start-fg"), daemon=_words("start"), foreground="start-fg"),
    Program("sendmail exim exim4", daemon=r" -bd ", never_ends=r" -b(?:D|df) ", foreground="-bD (exim: -bdf)"),
    Program(
        "smbd nmbd winbindd",
        ends=_ABOUT + "|" + _words("-b --build-options"),
        never_ends=_letters("FSi") + "|" + _words("--foreground --interactive"),
        daemon=_ALWAYS,
        foreground="--foreground",
    ),
    Program(
        "mysqld mariadbd",
        ends=_ABOUT + r"| --(?:initialize|bootstrap|install|validate-config|verbose)",
        daemon=_words("--daemonize -D"),
        never_ends=r"^(?!.* (?:--daemonize|-D)[ =])",
        without="--daemonize",
    ),
    Program("mysqld_safe mariadbd-safe", ends=_ABOUT, never_ends=_ALWAYS),
    Program("postgres postmaster", ends=_ABOUT + r"| -C | --(?:single|boot|check|describe-config)", never_ends=_ALWAYS),
    Program("pg_ctl", daemon=_words("start restart"), without="pg_ctl, and run 'postgres -D DIRECTORY' itself"),
    Program("memcached", ends=_ABOUT, never_ends=r"^(?!.* -[a-z]*d )", daemon=_ALWAYS, without="-d"),
    Program("redis-server valkey-server", daemon=r" --daemonize  yes ", without="--daemonize"),
    Program("mongod mongos", daemon=_words("--fork"), without="--fork"),
    Program("gunicorn gunicorn3", daemon=_words("-D --daemon"), without="--daemon"),
    Program("uwsgi", daemon=_words("-d --daemonize --daemonize2"), without="--daemonize"),
    Program(
        "php-fpm php-fpm7.4 php-fpm8.1 php-fpm8.2 php-fpm8.3 php-fpm8.4",
        ends=_ABOUT + "|" + _words("-t -tt --test -i --info -m --modules"),
        never_ends=_letters("F") + "|" + _words("--nodaemonize"),
        daemon=_ALWAYS,
        foreground="--nodaemonize",
    ),
    Program("slapd", ends=_ABOUT + r"| -T", never_ends=r" -d", daemon=_ALWAYS, foreground="-d 0"),
    Program("ntpd", ends=_ABOUT + "|" + _letters("q"), never_ends=_letters("nd"), daemon=_ALWAYS, foreground="-n"),
    Program("chronyd", ends=_ABOUT + "|" + _letters("qQp"), never_ends=_letters("nd"), daemon=_ALWAYS, foreground="-n"),
    Program(
        "haproxy",
        ends=_ABOUT + "|" + _words("-c -vv"),
        daemon=_words("-D"),
        never_ends=r" -db ",
        foreground="-db",
        without="-D",
    ),
    Program(
        "keepalived",
        ends=_ABOUT + r"| -t | --config-test",
        never_ends=_letters("n") + "|" + _words("--dont-fork"),
        daemon=_ALWAYS,
        foreground="--dont-fork",
    ),
    Program("supervisord", ends=_ABOUT, never_ends=_words("-n --nodaemon"), daemon=_ALWAYS, foreground="--nodaemon"),
    Program(
        "squid",
        ends=_ABOUT + r"| -k| -z ",
        never_ends=_letters("N") + "|" + _words("--foreground"),
        daemon=_ALWAYS,
        foreground="--foreground",
    ),
    Program("proftpd", ends=_ABOUT + r"| -t ", never_ends=_words("-n --nodaemon"), daemon=_ALWAYS, foreground="-n"),
    Program("snmpd", ends=_ABOUT, never_ends=_letters("f"), daemon=_ALWAYS, foreground="-f"),
    Program("rpcbind", ends=_ABOUT, never_ends=_letters("fd"), daemon=_ALWAYS, foreground="-f"),
    Program("rpc.mountd rpc.statd", ends=_ABOUT, never_ends=_letters("F"), daemon=_ALWAYS, foreground="-F"),
    Program("smartd", ends=_ABOUT + r"| -q", never_ends=_letters("nd"), daemon=_ALWAYS, foreground="-n"),
    Program("dhcpd", ends=_ABOUT + r"| -[tT] ", never_ends=r" -[fd] ", daemon=_ALWAYS, foreground="-f"),
    Program("acpid", ends=_ABOUT, never_ends=_letters("fd"), daemon=_ALWAYS, foreground="-f"),
    Program("cupsd", ends=_ABOUT + r"| -t ", never_ends=_letters("fF"), daemon=_ALWAYS, foreground="-f"),
    Program("corosync", ends=_ABOUT, never_ends=_letters("f"), daemon=_ALWAYS, foreground="-f"),
    Program("bird bird6", ends=_ABOUT + r"| -p ", never_ends=_letters("fd"), daemon=_ALWAYS, foreground="-f"),
    Program("openvpn", daemon=_words("--daemon"), without="--daemon"),
    Program("tmux", daemon=_letters("d")),
    Program("screen", daemon=r" -[A-Za-z]*dm| -d  -m ", never_ends=r" -[A-Za-z]*Dm| -D  -m ", foreground="-D -m"),
    Program(
        "start-stop-daemon",
        ends=_words("-K --stop -T --status"),
        daemon=_words("-b --background"),
        without="--background",
    ),
    Program("rc-service", daemon=r"^ [^- ]\S*  (?:start|restart) "),
    # Where systemd is, these are two other words for systemctl. A restart is of what was there before.
    Program("service invoke-rc.d", handed_over=r"^(?: -\S+ )* [^- ]\S*  start "),
    Program("systemctl", ends=_words("--host --machine"), handed_over=r"^(?: -\S+ )* start "),
)
_UNKNOWN = Program("")
_PROGRAM_OF = {name: program for program in PROGRAMS for name in program.names.split()}

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
