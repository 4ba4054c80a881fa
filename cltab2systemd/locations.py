"""Where an instance has its files: table, socket, clstat.

What the table, with its fragments, says beats the command line, which beats the default. Imports nothing heavy: a
plain `clinit` request goes through here.
"""

from __future__ import annotations

import errno
import os
import stat

from cltab2systemd.text import decoded, escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

TABLE = "/etc/cltab"
SOCKET = "/run/clinit/clinit.s"
CLSTAT = "/run/clinit/clstat"
STATE = "/run/cltab2systemd"
# In an instance's directory there: the sockets at which the daemon listens, and the clstat that it writes; a path a
# line.
NOTED_SOCKETS = "sockets"
NOTED_CLSTAT = "clstat"
# And why groups are FAILED: a reason a line, `GROUP LEVEL TEXT`.
NOTED_REASONS = "reasons"
# And since when they are so: `GROUP LEVEL STATE TIME`, in µs of CLOCK_MONOTONIC; for the next daemon.
NOTED_TIMES = "times"
# And the prefix of the names of its entries, level targets and slices.
NOTED_PREFIX = "prefix"
# And a directory: in it the resource agent marks each group that a cluster has started, and has not stopped since.
OF_CLUSTER = "of-cluster"
# And another one: in it the agent notes the id of the cluster's resource for each group, in a line.
KNOWN_TO_CLUSTER = "known-to-cluster"
# A table's fragments are the files of this suffix in the directory that is named like it, with the other one behind.
_FRAGMENTS, _FRAGMENT = ".d", ".cltab"
# Nobody has more. All are looked at for each request, and so is everything else there.
MOST_FRAGMENTS = 1000
# Beside the units that the generator made: the table that it made them from.
GENERATED_TABLE = "cltab2systemd.cltab"
GENERATED_MESSAGES = "cltab2systemd.messages"  # and what it said
GOOD_TABLE = "/var/lib/cltab2systemd/cltab"
# The table that the units of this boot were made from. packaging/tmpfiles.d has it copied there.
BOOT_TABLE = f"{STATE}/boot.cltab"
# What the generator said when it made them, copied likewise.
BOOT_MESSAGES = f"{STATE}/boot.messages"


class Locations:
    """The files of one instance, as absolute paths.

    `named_socket` and `named_clstat` are what the command line names; they are empty if it names none.
    `socket_is_guessed` is true if neither the command line nor the table names the socket.
    """

    __slots__ = ("clstat", "named_clstat", "named_socket", "socket", "socket_is_guessed", "table")

    def __init__(
        self,
        table: str,
        socket: str,
        clstat: str,
        named_socket: str = "",
        named_clstat: str = "",
        *,
        socket_is_guessed: bool = False,
    ) -> None:
        self.table = table
        self.socket = socket
        self.clstat = clstat
        self.named_socket = named_socket
        self.named_clstat = named_clstat
        self.socket_is_guessed = socket_is_guessed

    @property
    def is_default(self) -> bool:
        """Whether the command line is that of the system's own daemon. Its table may have moved the socket."""
        return self.table == TABLE and self.named_socket in {"", SOCKET}

    @property
    def is_system_instance(self) -> bool:
        """Whether this is the instance whose units have the plain names: that of the default table or socket.

        A setting in the default table that moves the socket does not make it another instance.
        """
        return self.socket == SOCKET or self.is_default


def locate(
    table: str | None = None, socket: str | None = None, clstat: str | None = None, *, trusted: bool = False
) -> Locations:
    """The files of the instance that a table and options name.

    Args:
        table: the table's path, or None for the default. A table that cannot be read has no settings.
        socket: the socket that the command line names, if it names one.
        clstat: the clstat that the command line names, if it names one.
        trusted: whether root will write to these files. Then settings count only in a table that root alone can write.

    A relative path starts at the working directory. `/var/run` becomes `/run`.
    """
    path = absolute(table or TABLE)
    named_socket = absolute(socket) if socket else ""
    named_clstat = absolute(clstat) if clstat else ""
    settings = _settings(path, trusted=trusted)
    return Locations(
        path,
        absolute(settings.get("socket") or named_socket or SOCKET),
        absolute(settings.get("clstat") or named_clstat or CLSTAT),
        named_socket,
        named_clstat,
        socket_is_guessed=not named_socket and not settings.get("socket"),
    )


def owner(locations: Locations) -> bytes:
    """The content of the file `owner` in an instance's state directory: table and socket of the command line."""
    return os.fsencode(f"{locations.table}\n{locations.named_socket}\n")  # noqa: TID251 - paths


def live_sockets(locations: Locations) -> list[str]:
    """Where the daemon of the same command line may listen, the likeliest path first; none if that is not known.

    What the daemon has noted counts more than the table: the daemon may not have read it yet, or may have refused it.
    A table that names no socket, and that no daemon has ever served, gets no default: the system's socket leads to
    other groups.
    """
    live = noted(locations, NOTED_SOCKETS)
    if locations.socket_is_guessed and not locations.is_default:
        return live
    first = [locations.socket] if locations.socket in live else []
    return [*dict.fromkeys((*first, *live, locations.socket))]


def is_unknown(locations: Locations) -> bool:
    """Whether it is not known what a command line stands for: it names no socket, and no daemon has ever had it."""
    return locations.socket_is_guessed and not locations.is_default and not _instances(locations)


def unknown(locations: Locations) -> str:
    """What a person is told then."""
    return f"no daemon has the table {locations.table}, which names no socket; name the daemon's with -s"


def live_clstat(locations: Locations) -> str:
    """The clstat that the daemon of the same command line writes.

    This need not be the one that the table names: the daemon may not have read the table yet, or may have refused it.
    """
    if locations.clstat == locations.named_clstat:  # the table has no say
        return locations.clstat
    return next(iter(noted(locations, NOTED_CLSTAT)), locations.clstat)


def noted(locations: Locations, name: str) -> list[str]:
    """The paths in a file of the instance's state directory; none if there is no such directory or file."""
    for instance in _instances(locations):
        paths = os.fsdecode(_content(f"{instance}/{name}"))  # noqa: TID251 - paths
        return [path for path in paths.split("\n") if path]
    return []


def resource_of(locations: Locations, group: str) -> str:
    """The id of the cluster's resource for a group, as the resource agent has noted it here; empty if it has not.

    It may be there no more. For a group of the system's daemon this costs one look.
    """
    for instance in _directories(locations):
        line = _content(f"{instance}/{KNOWN_TO_CLUSTER}/{escape(group)}").partition(b"\n")[0]
        return decoded(line)
    return ""


def started_by_cluster(locations: Locations, groups: Iterable[str]) -> dict[str, str]:
    """Those groups that a cluster has started here, and has not stopped since, each with the id of its resource.

    Both are the agent's notes.
    """
    found: dict[str, str] = {}
    for instance in _directories(locations):
        try:
            marks = set(os.listdir(f"{instance}/{OF_CLUSTER}"))  # noqa: PTH208
        except OSError:
            continue
        found |= {group: resource_of(locations, group) for group in groups if escape(group) in marks}
    return {group: resource for group, resource in found.items() if resource}


def _directories(locations: Locations) -> list[str]:
    """The state directory of an instance, which need not be there."""
    return [f"{STATE}/system"] if locations.is_default else _instances(locations)


def _instances(locations: Locations) -> list[str]:
    """The state directory of the instance of the same command line, if there is one."""
    try:
        instances = [item.path for item in os.scandir(STATE)]
    except OSError:
        return []
    return [instance for instance in instances if _content(f"{instance}/owner") == owner(locations)]


def _content(path: str, *, trusted: bool = False) -> bytes:
    """What a regular file holds; nothing if it cannot be read or trusted. This never waits, not even for a FIFO."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return b""
            if trusted and is_doubtful(status):
                return b""
            return file.read()
    except OSError:
        return b""


def is_served(locations: Locations) -> bool | None:
    """Whether a daemon of the same command line runs; None if that cannot be told.

    A daemon holds the lock on its state. proc_locks(5) names each lock by the file's device and inode. So anybody may
    ask, and systemd does not start the daemon for the question.
    """
    for instance in _instances(locations):
        try:
            file = os.stat(f"{instance}/lock")  # noqa: PTH116
        except OSError:
            continue
        device = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}"
        if os.access("/proc/locks", os.R_OK):
            return f" {device}:{file.st_ino} ".encode() in _content("/proc/locks")
    return None


def absolute(path: str) -> str:
    """A path made absolute from the working directory, with `/run` for `/var/run`."""
    path = from_here(path)
    path = path[1:] if path.startswith("//") else path
    return path[len("/var") :] if path.startswith("/var/run/") else path


def from_here(path: str) -> str:
    """A path made absolute from the working directory, links in it as they are.

    If the working directory has been removed, a relative path stays relative. Whoever opens it is told that there is
    nothing.
    """
    try:
        return os.path.abspath(path)  # noqa: PTH100 - pathlib is slow to import, and would follow links
    except FileNotFoundError:
        return os.path.normpath(path)


def fragment_directory(table: str) -> str:
    """The directory of a table's fragments, which need not be there."""
    return table + _FRAGMENTS


def is_fragment(name: str) -> bool:
    """Whether a file in that directory is a fragment, by its name: hidden files, and `x.cltab.bak`, are not."""
    return name.endswith(_FRAGMENT) and not name.startswith(".")


def fragments(table: str) -> list[str]:
    """The paths of a table's fragments, in the order in which they are read: by the bytes of their names.

    None if there is no directory. OSError if there is one, or a link to none, that cannot be read, or that holds more
    than `MOST_FRAGMENTS` files.
    """
    directory = fragment_directory(table)
    try:
        os.lstat(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
    names = os.listdir(directory)  # noqa: PTH208
    if len(names) > MOST_FRAGMENTS:
        raise OSError(errno.E2BIG, f"more than {MOST_FRAGMENTS} files in it", directory)
    names = sorted(filter(is_fragment, names), key=os.fsencode)  # noqa: TID251 - names of files
    return [f"{directory}/{name}" for name in names]


def is_doubtful(status: os.stat_result) -> bool:
    """Whether somebody else than root may have written a file: then its commands are not to be run as root."""
    return status.st_uid != 0 or bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def group_names(table: str) -> list[str]:
    """The groups of which a table has entries, without parsing the rest of it."""
    lines = (line for line in _all_of(table).split(b"\n") if line.count(b":") >= 4)
    names = dict.fromkeys(line.partition(b":")[0] for line in lines if not line.startswith((b"#", b":")))
    return [*map(decoded, names)]


def _all_of(table: str, *, trusted: bool = False) -> bytes:
    """What a table and its fragments hold; nothing of those that cannot be read, or trusted."""
    data = _content(table, trusted=trusted)
    try:
        beside = fragments(table)
        if beside and trusted and is_doubtful(os.stat(fragment_directory(table))):  # noqa: PTH116
            return data
    except OSError:
        return data
    return b"\n".join([data, *(_content(path, trusted=trusted) for path in beside)]) if beside else data


def _settings(path: str, *, trusted: bool) -> dict[str, str]:
    """The `:::name:value` lines of a table and its fragments, without parsing the rest of them."""
    data = _all_of(path, trusted=trusted)
    if b":::" not in data:
        return {}
    lines = (
        os.fsdecode(line[3:]).removesuffix("\r")  # noqa: TID251 - whose values are paths
        for line in data.split(b"\n")
        if line.startswith(b":::")
    )
    return {name: value for name, colon, value in (line.partition(":") for line in lines) if colon and name}
