"""Programs that have another start what they are asked for, so that it is in no entry's control group. Pure.

systemd ends an entry by its control group. What another daemon starts, or what is moved away, is not in there: the
switch is done, and it still runs. Data, and how to apply it. Sources: the programs' manual pages.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.check.commandline import calls
from cltab2systemd.check.programs import joined, separated
from cltab2systemd.check.wrappers import program_index

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cltab2systemd.check.commandline import Word


@dataclass(frozen=True, slots=True)
class Program:
    """Programs that start something elsewhere, by their names.

    Attributes:
        names: of the programs.
        outside: what is found in the arguments if something is started elsewhere; they are matched as
            ` ARGUMENT  ARGUMENT `.
        where: it is then.
        instead: what to do about it; the hint of a finding.
        inside: what is found in the arguments if it stays in the group all the same.
        ends: whether the program itself ends at once, so that `respawn` starts it again and again.
    """

    names: str
    outside: str
    where: str
    instead: str
    inside: str | None = None
    ends: bool = True


# `docker run` has the command of the container behind the name of the image, with options of its own. Until there, an
# option without `=` has a value, unless it is one of these. No value here begins with `-`, or there would be too many
# ways to read a row of options.
_WITHOUT_VALUE = (
    "(?:rm|init|privileged|read-only|no-healthcheck|oom-kill-disable|publish-all|interactive|tty|quiet|replace"
    "|sig-proxy|disable-content-trust|no-hosts|no-hostname|http-proxy|rmi|rootfs|detach)"
)
_OPTION = (
    rf"(?: -[ditqP]+ | --{_WITHOUT_VALUE}(?:=\S*)? | --[a-z-]+=[^ ]* | -[a-zA-Z][^ ditqP-][^ ]* "
    rf"| (?!-[ditqP]+ |--{_WITHOUT_VALUE} )-[^ =]+  [^ -][^ ]* )"
)
_DETACHED = r"(?: -[itqP]*d[itqP]* | --detach(?:=true)? )"
# Options of docker itself; these have values.
_GLOBAL = (
    r"^(?: (?:-H|--host|-c|--context|-l|--log-level|--config|--root|--runroot|--url|--connection)  [^ -][^ ]* "
    r"| -[^ ]* )*"
)
_RUN = rf"{_GLOBAL}(?: container )?(?: run {_OPTION}*?{_DETACHED})"
_START = rf"{_GLOBAL}(?: container )? start (?!.* (?:-[a-z]*[ai][a-z]*|--attach|--interactive) )"
_COMPOSE = r"(?: up .* (?:-d|--detach|--wait) | (?:start|restart) )"
_VIRSH = r"^(?: (?:-c|--connect)  [^ -][^ ]* | -[^ ]* )* (?:start|create|restore) "

_DOCKER = "the control group of Docker"
_PODMAN = "a scope of its own"
_ABOUT_CONTAINERS = "see Containers in migrating.md"

PROGRAMS = (
    Program(
        "docker",
        _RUN,
        _DOCKER,
        "leave out -d: with 'respawn', 'exec docker run --rm --name NAME …' passes the signals of a stop on; "
        + _ABOUT_CONTAINERS,
    ),
    Program(
        "docker",
        _START,
        _DOCKER,
        "with 'respawn', 'exec docker start -a NAME' passes the signals of a stop on; " + _ABOUT_CONTAINERS,
    ),
    Program(
        "docker",
        rf"{_GLOBAL} compose .*{_COMPOSE}",
        _DOCKER,
        "with 'respawn', 'exec docker compose up', without -d, stops its containers when it is stopped; "
        + _ABOUT_CONTAINERS,
    ),
    Program(
        "docker-compose",
        _COMPOSE,
        _DOCKER,
        "with 'respawn', 'exec docker-compose up', without -d, stops its containers when it is stopped; "
        + _ABOUT_CONTAINERS,
    ),
    Program(
        "podman",
        _RUN,
        _PODMAN,
        "'exec podman run --rm --cgroups=split …', with :::service.TAG:Delegate=yes, keeps the container in the group; "
        + _ABOUT_CONTAINERS,
        inside=r" --cgroups(?:=|  )(?:split|disabled) ",
    ),
    Program(
        "podman",
        rf"{_GLOBAL} (?:compose .*{_COMPOSE}|pod  start |(?:kube  play|play  kube) (?!.* --wait ))|{_START}",
        _PODMAN,
        "'exec podman run --rm --cgroups=split …', with :::service.TAG:Delegate=yes, keeps a container in the group; "
        + _ABOUT_CONTAINERS,
    ),
    Program(
        "podman-compose",
        _COMPOSE,
        _PODMAN,
        "with 'respawn', 'exec podman-compose up', without -d, stops its containers when it is stopped; "
        + _ABOUT_CONTAINERS,
    ),
    Program(
        "systemd-run",
        r"^(?!.* (?:--help|-h|--version|-H|--host(?:=\S*)?|-M|--machine(?:=\S*)?) )",
        "a unit of its own",
        "leave systemd-run out; what it sets, ':::service.TAG:Name=value' sets for the entry",
    ),
    Program(
        "run0",
        r"^(?!.* (?:--help|-h|--version|-V|--machine(?:=\S*)?) )",
        "a unit of its own",
        "':::service.TAG:User=NAME' runs the entry as another user, 'setpriv' or 'runuser -u' a part of the command",
        ends=False,
    ),
    Program(
        "at",
        r"^(?!.* (?:-[lrdcV]|--help) )(?: -[qtfM] | [^ ]+ )",
        "the control group of atd",
        "a 'once' entry runs it at once, in the group",
    ),
    Program("batch", "", "the control group of atd", "a 'once' entry runs it at once, in the group"),
    Program(
        "machinectl",
        r"^(?: -[^ ]* )* start ",
        "a unit of its own",
        "with 'respawn', 'exec systemd-nspawn --keep-unit --machine=NAME …' keeps it in the group; "
        "or stop it in the other levels with 'machinectl poweroff NAME'",
    ),
    Program(
        "machinectl",
        r"^(?: -[^ ]* )* (?:shell|login) ",
        "a session of its own",
        "':::service.TAG:User=NAME' runs the entry as another user, 'setpriv' or 'runuser -u' a part of the command",
        ends=False,
    ),
    Program(
        "virsh", _VIRSH, "a control group of libvirt", "stop it in the other levels, with 'virsh destroy NAME'"
    ),
    Program(
        "lxc-start",
        r"^(?!.* (?:-F|--foreground|--help|--version) )",
        "a control group of its own",
        "stop it in the other levels, with 'lxc-stop --name NAME'",
    ),
    Program(
        "lxc incus",
        r"^(?: -[^ ]* )* (?:start|launch) ",
        "a control group of its own",
        "stop it in the other levels, with 'incus stop NAME' or 'lxc stop NAME'",
    ),
    Program(
        "xl xm",
        r"^(?: -[^ ]* )* (?:create|restore) ",
        "a domain of Xen",
        "stop it in the other levels, with 'xl shutdown -w NAME'",
    ),
    Program(
        "qm pct",
        r"^ start ",
        "a scope of its own",
        "stop it in the other levels, with 'qm shutdown ID' or 'pct shutdown ID'",
    ),
    Program(
        "cgexec",
        r"^(?!.* --help )",
        "the control group that it names",
        "leave cgexec out; ':::service.TAG:MemoryMax=', 'CPUWeight=' and so on limit the entry",
        ends=False,
    ),
)  # fmt: skip
_ROWS: dict[str, list[Program]] = {}
for _row in PROGRAMS:
    for _name in _row.names.split():
        _ROWS.setdefault(_name, []).append(_row)

# What stops any of these has one of these words, and the name of the program, or of what it is a part of.
_STOPPING = """
    stop kill disable poweroff terminate shutdown destroy rm remove down delete undefine atrm managedsave save lxc-stop
    lxc-destroy
"""
_SAME = {"docker-compose": "docker", "podman-compose": "podman", "run0": "systemctl", "systemd-run": "systemctl",
         "lxc-start": "lxc-stop", "at": "atrm", "batch": "atrm"}  # fmt: skip
_STOPPED = frozenset([*_ROWS, *_SAME.values()])
_VERBS = """
    run start create launch up compose container pod kube play shell login restore restart
"""


@dataclass(frozen=True, slots=True)
class Outsider:
    """A program of a command that starts something outside of the group."""

    name: str  # of the program
    start: int  # where it stands in the command, with its arguments
    end: int
    where: str
    instead: str
    ends: bool
    is_last: bool
    names: frozenset[str]  # words of its arguments: the names of what is started are among them


class Stops:
    """What the commands of a table may stop, read generously, for a warning hangs on it; each by who else does so."""

    def __init__(self) -> None:
        # By program and word, of two entries that have both in their commands; the others change nothing.
        self._holders: dict[tuple[str, str], set[str]] = {}

    def add(self, tag: str, command: str) -> None:
        """Take note of the command of an entry."""
        found = separated(command)
        if found.isdisjoint(_STOPPING.split()):
            return
        # `$` stands for any name, and the empty word for none.
        names = found | {"", *(["$"] if "$" in command or "`" in command else [])}
        for program in found & _STOPPED:
            for name in names:
                holders = self._holders.setdefault((program, name), set())
                if len(holders) < 2:
                    holders.add(tag)

    def stop(self, tag: str, outsider: Outsider) -> bool:
        """Whether another entry than the given one may stop what this one starts."""
        names = {*outsider.names, "$"} if outsider.names else {""}
        programs = {outsider.name, _SAME.get(outsider.name, outsider.name)}
        return any(self._holders.get((program, name), set()) - {tag} for program in programs for name in names)


@dataclass(frozen=True, slots=True)
class Session:
    """A program of a command that opens a session, without the word that keeps it in the entry's control group."""

    name: str
    start: int
    end: int


def outsiders(command: str) -> tuple[Outsider, ...]:
    """The programs of a command that start something outside of the group; none if it takes a shell to tell."""
    return tuple(_outsiders(command)) if not separated(command).isdisjoint(_ROWS) else ()


def _outsiders(command: str) -> Iterator[Outsider]:
    found = [call for call in calls(command) if call.words]
    for call in found:
        index = program_index(call.words)
        if index is None:
            continue
        program, arguments = call.words[index], call.words[index + 1 :]
        name, text = program.name, joined(arguments)
        for row in _ROWS.get(name, ()):
            if re.search(row.outside, text) and not (row.inside and re.search(row.inside, text)):
                ends = row.ends and not (name == "systemd-run" and re.search(_STAYS, text))
                yield Outsider(
                    name, program.start, call.words[-1].end, row.where, row.instead, ends, call is found[-1],
                    _names(arguments) - {name},
                )  # fmt: skip
                break


def _names(arguments: Sequence[Word]) -> frozenset[str]:
    """The words that may be names of what is started: no options, but their values."""
    texts = (word.text.partition("=")[2] if word.text.startswith("-") else word.text for word in arguments)
    return separated(" ".join(texts)).difference(_VERBS.split(), [""])


# With these systemd-run is there as long as what it starts.
_STAYS = r" (?:--scope|--wait|-[a-zA-Z]*[tPS][a-zA-Z]*|--pty|--pipe|--shell) "

# Sessions. pam_systemd takes whoever opens one into a scope of his own, but for sessions of this class.

CLASS = "XDG_SESSION_CLASS"
NO_SESSION = "none"
_CLEARING = frozenset(["-i", "-", "--ignore-environment"])
_SESSION_PROGRAMS = frozenset(["su", "runuser", "sudo"])


def opens_session(command: str) -> Session | None:
    """The first program of a command that opens a session, whatever its class; None if there is none."""
    return next(_sessions(command), None)


def session_with_another_class(command: str) -> Session | None:
    """The first program that opens a session for which the command itself sets or clears the class; None without."""
    return next((found for found, is_overridden in _judged(command) if is_overridden), None)


def _sessions(command: str) -> Iterator[Session]:
    return (found for found, _ in _judged(command))


def _judged(command: str) -> Iterator[tuple[Session, bool]]:
    """Each program that opens a session, and whether the command has changed or cleared the class before it."""
    if separated(command).isdisjoint(_SESSION_PROGRAMS):
        return
    is_overridden = False
    for call in calls(command):
        for index, word in enumerate(call.words):
            if (value := _assigned(word.text)) is not None:
                is_overridden = value != NO_SESSION
                continue
            before = [found.text for found in call.words[:index]]
            if word.name in _SESSION_PROGRAMS and _is_program(call.words, index):
                arguments = [found.text for found in call.words[index + 1 :]]
                if _is_session(word.name, arguments):
                    yield (
                        Session(word.name, word.start, call.words[-1].end),
                        (is_overridden or _is_cleared(before)),
                    )
                    break
        is_overridden = is_overridden or _is_unset([word.text for word in call.words])


def _assigned(text: str) -> str | None:
    return text.removeprefix(f"{CLASS}=") if text.startswith(f"{CLASS}=") else None


def _is_unset(texts: Sequence[str]) -> bool:
    return texts[:1] == ["unset"] and CLASS in texts


def _is_program(found: Sequence[Word], index: int) -> bool:
    """Whether a word is a program that is executed: the first one behind wrappers, one of which may be sudo."""
    return index == 0 or program_index(found) == index or program_index(found[: index + 1]) == index


def _is_session(name: str, arguments: Sequence[str]) -> bool:
    options = [argument for argument in arguments if argument.startswith("-")]
    if name == "su":
        return not {"--help", "-h", "--version", "-V"} & {*options}
    if name == "runuser":
        return bool({"-", "-l", "--login"} & {*options}) and not any(
            option == "--user" or option.startswith(("-u", "--user=")) for option in options
        )
    return any(re.fullmatch(r"-[A-Za-z]*i|--login", option) for option in options)  # of sudo


def _is_cleared(before: Sequence[str]) -> bool:
    """Whether what stands before a program clears its environment, or takes the class out of it."""
    names = [text.rpartition("/")[2] for text in before]
    if f"{CLASS}={NO_SESSION}" in before:
        return False
    if "env" in names:
        options = before[names.index("env") + 1 :]
        if not _CLEARING.isdisjoint(options) or f"--unset={CLASS}" in options or f"-u{CLASS}" in options:
            return True
        if any(pair == (option, CLASS) for option in ("-u", "--unset") for pair in itertools.pairwise(options)):
            return True
    # sudo hands on little of the environment, unless it is told to.
    return "sudo" in names and not {"-E", "--preserve-env"} & {*before}
