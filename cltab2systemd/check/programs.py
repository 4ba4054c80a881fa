"""Programs that people start from tables: which never end, and which leave a daemon. Data, and how to apply it. Pure.

What is not in here is not judged, and nothing is judged that takes a shell to understand: a warning has to be right.
Sources: the programs' manual pages.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Fate(enum.StrEnum):
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

    def fate(self, arguments: str) -> Fate:
        """What becomes of it with these arguments."""
        for pattern, fate in (
            (self.ends, Fate.ENDS),
            (self.never_ends, Fate.NEVER_ENDS),
            (self.daemon, Fate.DAEMON),
            (self.handed_over, Fate.HANDED_OVER),
        ):
            if pattern is not None and re.search(pattern, arguments):
                return fate
        return Fate.ENDS


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
_PROGRAM_OF = {name: program for program in PROGRAMS for name in program.names.split()}

# A script below one of these directories is called with what it is to do. Some hand it over to systemd as well, those
# that read Debian's or Red Hat's shell functions, but not if systemd itself has started them, as it starts an entry
# that needs no shell.
_INIT_SCRIPT = Program("", daemon=r"^ (?:start|restart) ")
_INIT_SCRIPT_PATH = re.compile(r"/etc/(?:rc\.d/)?(?:init\.d|rc\.d|rc[0-6S]\.d)/[^/]+|/usr/local/etc/rc\.d/[^/]+")

# Programs that become the one that they are given, and their options that take a value. The shell is one if what
# follows is a path: a script.
_WRAPPERS = {
    "exec": "-a",
    "command": "",
    "busybox": "",
    "env": "-u -C --unset --chdir",
    "nohup": "",
    "nice": "-n",
    "ionice": "-c -n",
    "setsid": "",
    "stdbuf": "-i -o -e",
    "sudo": "-u -g",
}
SHELLS = frozenset(["sh", "bash", "dash", "ksh"])

# Groups are atomic: possessive ones match what they should not before Python 3.11.5.
_WORD = r"""(?>(?:[^\s;&|<>()'"\\`$#]|'[^']*'|"(?>(?:[^"\\`$]|\\.|\$(?![({]))*)"|\\.|\$(?![({'"])|(?<=[^\s;&|])\#)+)"""
_PIECE = re.compile(
    rf"(?P<blank>\s+)|(?P<redirection>\d*(?:>>|>\||[<>]&|<(?!<)|>)\s*{_WORD})|(?P<word>{_WORD})"
    r"|(?P<operator>&&|\|\||;(?!;)|&|\|)",
    re.DOTALL,
)
_QUOTES = re.compile(r"""'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)""", re.DOTALL)
ASSIGNMENT = re.compile(r"\w+=", re.ASCII)
_RESERVED = frozenset(
    [
        "!",
        "{",
        "}",
        "[[",
        "case",
        "do",
        "done",
        "elif",
        "else",
        "esac",
        "fi",
        "for",
        "function",
        "if",
        "in",
        "select",
        "then",
        "time",
        "until",
        "while",
    ]
)
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
# No command line that a person understands is longer; nor is it worth its time.
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Started:
    """A program that a command starts."""

    name: str  # as a person calls it
    fate: Fate
    start: int  # where it stands in the command, with its arguments
    end: int
    foreground: str = ""  # the arguments that keep it from becoming a daemon
    without: str = ""  # those that make it one
    services: tuple[str, ...] = ()  # those that are handed over to systemd
    is_last: bool = True
    is_background: bool = False  # the shell does not wait for it
    is_doubtful: bool = False  # it may not be started, or be ended by another program


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a command, and where it stands."""

    text: str  # without quotes
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Call:
    """A simple command, which may have redirections and no words."""

    words: list[Word]
    operator: str  # behind it
    end: int  # where the operator stands


def started(command: str) -> tuple[Started, ...]:
    """The programs that a command starts, in order; none if nothing is known of any, or it takes a shell to tell."""
    if len(command) > _LONGEST or _TELLING.isdisjoint(separated(command)):
        return ()
    if _ENDLESS_LOOP.fullmatch(command) and not _WAY_OUT.search(command):
        text = command.strip()
        start = command.index(text)
        return (Started("the loop", Fate.NEVER_ENDS, start, start + len(text)),)
    found = calls(command)
    indices = [index for index, call in enumerate(found) if call.words]
    return tuple(
        _started(found[index], found[index - 1].operator if index else "", is_last=index == indices[-1])
        for index in indices
    )


def separated(command: str) -> frozenset[str]:
    """The words of a command, whatever stands between them: a first look that nothing escapes."""
    return frozenset(_SEPARATORS.split(command))


def stopped(command: str) -> frozenset[str]:
    """The services that a command may stop: all its words, if one is about stopping."""
    words = separated(command)
    return frozenset() if words.isdisjoint(_STOPPING) else frozenset(map(_service, words))


def background(command: str) -> tuple[int, int] | None:
    """Where the `&` stands that puts a command into the background, with nothing run behind it; None without one.

    In `program &>file` it is one as well: only bash takes that for a redirection.
    """
    programs = [call for call in calls(command) if call.words] if "&" in command else []
    if [call.operator for call in programs] != ["&"]:
        return None
    end = programs[0].end
    return end, end + 1


def calls(command: str) -> list[Call]:
    """The simple commands of a command line, in order; none if it is more complicated, or longer than any is."""
    if len(command) > _LONGEST:
        return []
    found: list[Call] = []
    words: list[Word] = []
    is_redirected = False
    at = 0
    while at < len(command):
        match = _PIECE.match(command, at)
        if match is None:
            return []
        at = match.end()
        if match.lastgroup == "operator":
            if not words and not is_redirected:
                return []
            found.append(Call(words, match[0], match.start()))
            words, is_redirected = [], False
        elif match.lastgroup == "redirection":
            is_redirected = True
        elif match.lastgroup == "word":
            if not words and match[0] in _RESERVED:
                return []
            words.append(Word(_QUOTES.sub(_unquoted, match[0]), match.start(), match.end()))
    if words:
        found.append(Call(words, "", len(command)))
    return found


def _unquoted(match: re.Match[str]) -> str:
    return match[1] or match[2] or match[3] or ""


def _started(call: Call, before: str, *, is_last: bool) -> Started:
    words = call.words
    program = Word("", words[0].start, words[0].end)
    arguments: list[Word] = []
    if (index := program_index(words)) is not None:
        program, arguments = words[index], words[index + 1 :]
    name = program.text.rpartition("/")[2]
    row = _INIT_SCRIPT if _INIT_SCRIPT_PATH.fullmatch(program.text) else _PROGRAM_OF.get(name)
    fate = row.fate("".join(f" {argument.text} " for argument in arguments)) if row else Fate.ENDS
    return Started(
        name,
        fate,
        program.start,
        words[-1].end,
        row.foreground if row else "",
        row.without if row else "",
        _services(arguments) if fate is Fate.HANDED_OVER else (),
        is_last,
        call.operator == "&",
        before in {"||", "|"} or call.operator == "|",
    )


def _services(arguments: list[Word]) -> tuple[str, ...]:
    """The services among the arguments of `service NAME start` or `systemctl start NAME...`."""
    names = (argument.text for argument in arguments if not argument.text.startswith("-"))
    return tuple(_service(name) for name in names if name not in {"", "start"})


def _service(name: str) -> str:
    """A service's name, from that of its unit or its init script."""
    return name.removesuffix(".service").removesuffix(".sh")


def program_index(words: Sequence[Word]) -> int | None:
    """Which word is the program that the others are arguments of, behind assignments and wrappers; None without one."""
    index = 0
    while index < len(words):
        text = words[index].text
        name = text.rpartition("/")[2]
        if ASSIGNMENT.match(text):
            index += 1
        elif name in _WRAPPERS:
            index = _behind_options(words, index + 1, _WRAPPERS[name].split())
        elif name in SHELLS:
            index = _behind_options(words, index + 1, ["-c", "-o"])
            if index < len(words) and not words[index].text.startswith("/"):
                return None
        else:
            return index
    return None


def _behind_options(words: Sequence[Word], index: int, with_value: list[str]) -> int:
    while index < len(words) and words[index].text.startswith("-"):
        index += 2 if words[index].text in with_value else 1
    return index
