"""Files: the table as it is read, unit files and the applied lines as they are written, marks."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from cltab2systemd.disk.files import Disk, FileIdentity, LockedError, identify, read_whole, write_whole
from cltab2systemd.locations import (
    GOOD_TABLE,
    NOTED_CLSTAT,
    NOTED_PREFIX,
    NOTED_REASONS,
    NOTED_SOCKETS,
    OF_CLUSTER,
    STATE,
    TABLE,
    owner,
)
from cltab2systemd.table.grammar import parse
from cltab2systemd.terminal import printable
from cltab2systemd.text import decoded, encoded
from cltab2systemd.units.names import SYSTEM_INSTANCE, Names, escape, unescape
from cltab2systemd.units.plan import HELD

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from cltab2systemd.locations import Locations
    from cltab2systemd.table.diagnostics import Diagnostic
    from cltab2systemd.table.model import ResourceGroup

LARGEST_TABLE = 16 * 1024 * 1024
UNIT_DIRECTORY = Path("/run/systemd/system")
# Where systemd looks for a unit before it looks there: systemd.unit(5), UNIT FILE LOAD PATH.
_BEFORE_OURS = ("/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient",
                "/run/systemd/generator.early", "/etc/systemd/system", "/etc/systemd/system.attached")  # fmt: skip
GENERATOR_DIRECTORY = Path("/run/systemd/generator")
# Beside the units that the generator made: the table that it made them from.
GENERATED_TABLE = "cltab2systemd.cltab"
GENERATED_MESSAGES = "cltab2systemd.messages"  # and what it said
STATE_DIRECTORY = Path(STATE)


class TableUnreadableError(Exception):
    """The table could not be read as a whole; the text is fit for a person."""


class AlreadyRunningError(Exception):
    """Another daemon has this instance, or has left groups of another table in it."""


def read_table(path: str, *, trusted: bool = False) -> tuple[bytes, FileIdentity]:
    """The content of a table, and which version of the file it is of.

    Args:
        path: of the file.
        trusted: whether its commands are to be run as root, so that nobody else may have written them.

    A file that changes while it is read is read once more; if it changes again, TableUnreadableError says so, as it
    does of a missing file (in the ancestor's words), and of one that cannot be read, is not a regular file, is too
    large, or is not to be trusted.
    """
    try:
        for _ in range(2):
            data, before, after = _read_once(path, trusted=trusted)
            if before == after == identify(path):
                return data, before
    except FileNotFoundError as error:
        raise TableUnreadableError(f"file not found: {path}") from error
    except OSError as error:
        raise TableUnreadableError(f"cannot read {path}: {os.strerror(error.errno or 0)}") from error
    raise TableUnreadableError(f"{path} changes while it is read; try again when it is written")


def _read_once(path: str, *, trusted: bool) -> tuple[bytes, FileIdentity, FileIdentity]:
    # Not to hang on a FIFO that somebody put in the table's place.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    before = os.fstat(descriptor)
    if not stat.S_ISREG(before.st_mode):
        os.close(descriptor)
        raise TableUnreadableError(f"{path} is not a regular file")
    if trusted and (doubt := _doubt(before)):
        os.close(descriptor)
        raise TableUnreadableError(f"{path} {doubt}")
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
        data = file.read(LARGEST_TABLE + 1)
        if len(data) > LARGEST_TABLE:
            raise TableUnreadableError(f"{path} is larger than {LARGEST_TABLE} bytes")
        return data, FileIdentity.of(before), FileIdentity.of(os.fstat(descriptor))


def _doubt(status: os.stat_result) -> str:
    """Why a file's commands may not be run as root; empty if they may."""
    if status.st_uid != 0:
        return f"belongs to uid {status.st_uid}, and its commands would run as root: make it root's (chown root)"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        mode = stat.S_IMODE(status.st_mode)
        return f"can be written by others than root (mode {mode:04o}), as whom its commands run: chmod go-w"
    return ""


def keep_good_table(content: bytes, path: Path = Path(GOOD_TABLE)) -> None:
    """Keep a table that took effect, for a boot at which the one in /etc has errors. OSError if that fails.

    One without a byte is not kept: it is what a power cut, or a full disk, leaves of a write.
    """
    if content and _content(path) != content:  # not to wear out a disk at each start
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_whole(path, content, durable=True)


def instance_names(locations: Locations, state: Path = STATE_DIRECTORY) -> Names:
    """The unit names of an instance.

    They are plain for the system instance. Any other has a suffix, made from its socket when it was first started, and
    kept for the same command line: when the table moves the socket, the next daemon still finds its groups' units.
    """
    if locations.is_default:
        return Names()
    for path in sorted(state.glob("*/owner")):
        if _content(path) == owner(locations):
            return Names("" if path.parent.name == SYSTEM_INSTANCE else "_" + path.parent.name)
    if locations.is_system_instance:
        return Names()
    import hashlib  # noqa: PLC0415 - slow to import, and the system instance needs none

    return Names("_" + hashlib.sha256(encoded(locations.socket)).hexdigest()[:8])


class Marks:
    """A set of names on disk, which the next daemon finds: files without content in a directory, one for each name.

    The names are those of units, or groups as they stand in these.

    OSError from all methods, if the disk is full, say.
    """

    def __init__(self, directory: Path, disk: Disk) -> None:
        self._directory = directory
        self._disk = disk

    def open(self) -> None:
        """Make the directory if need be."""
        self._disk.make_directory(self._directory)

    def __contains__(self, name: str) -> bool:
        """Whether one is marked."""
        return self._disk.exists(self._directory / name)

    def add(self, units: Iterable[str]) -> None:
        """Mark units."""
        for unit in sorted(units):
            self._disk.touch(self._directory / unit)

    def discard(self, units: Iterable[str]) -> None:
        """Take the marks of units away, if they have any."""
        for unit in sorted(units):
            self._disk.remove(self._directory / unit)

    def all(self) -> frozenset[str]:
        """The marked units, perhaps by an earlier daemon."""
        return frozenset(self._disk.names(self._directory))


class Store:
    """The files of one instance below /run: its units, and the lines of the table that they were made from.

    The applied lines of a group are a piece of a table, in a file of their own that is written after the group's units.
    While units on disk may be newer than what systemd has loaded, a mark says so, so that a daemon that was killed in
    between is followed by one that reloads.
    """

    def __init__(
        self,
        names: Names,
        units: Path = UNIT_DIRECTORY,
        state: Path = STATE_DIRECTORY,
        generated: Path = GENERATOR_DIRECTORY,
        disk: Disk | None = None,
    ) -> None:
        self.disk = disk or Disk()
        """What all of these files are on."""
        self._names = names
        self._units = units
        self._generated = generated
        self._state = state / names.instance
        self._applied = self._state / "applied"
        self._emptied = self._state / "emptied"
        self.held = Marks(self._state / HELD, self.disk)
        """The units that are kept from being started again, by the condition in them."""
        self.paused = Marks(self._state / "paused", self.disk)
        """The units that were stopped, and wait for their next start."""
        self._of_cluster = Marks(self._state / OF_CLUSTER, self.disk)
        self._mark = self._state / "reload-needed"
        self._taken_over = self._state / "taken-over"
        self._due = self._state / "boot-levels-due"
        self._unlock: Callable[[], None] | None = None

    def open(self, locations: Locations, *, may_change_table: bool = True) -> None:
        """Make the directories and take the instance; AlreadyRunningError if another process has it.

        With another table than before, the groups of the one before are taken over as well, and those that are not in
        the new one are stopped, but for those that a cluster has started. If that cannot be meant (not
        `may_change_table`), it is AlreadyRunningError too.
        """
        self.disk.make_directory(self._applied, parents=True)
        self.disk.make_directory(self._emptied)
        self.held.open()
        self.paused.open()
        self._of_cluster.open()
        self.disk.make_directory(self._units, parents=True)
        try:
            self._unlock = self.disk.lock(self._state / "lock")
        except LockedError as error:
            raise AlreadyRunningError(
                f"a daemon with pid {error or '?'} already has this instance; stop it, or name another socket (-s)"
            ) from None
        before = decoded((self.disk.content(self._state / "owner") or b"").split(b"\n")[0])
        if not may_change_table and before not in {"", locations.table} and self._has_groups_at_levels():
            raise AlreadyRunningError(
                f"groups of {before} run under this socket, and {locations.table} would end them; start the daemon of "
                f"{before} again, or name another socket (-s)"
            )
        self.disk.write(self._state / NOTED_PREFIX, f"{self._names.entry_prefix}\n".encode())
        self.disk.write(self._state / "owner", owner(locations))

    def _has_groups_at_levels(self) -> bool:
        """Whether an earlier daemon has left groups that were not halted."""
        noted = (self.disk.content(self._state / NOTED_CLSTAT) or b"").removesuffix(b"\n")
        return bool(noted and self.disk.content(Path(decoded(noted))))

    def note_sockets(self, paths: Iterable[str]) -> None:
        """Say where the daemon listens, for clients that know only its table."""
        self.disk.write(self._state / NOTED_SOCKETS, encoded("".join(f"{path}\n" for path in paths)))

    def note_clstat(self, path: Path) -> None:
        """Say which clstat the daemon writes, for clients and the next daemon; until `forget_clstat`."""
        self.disk.write(self._state / NOTED_CLSTAT, encoded(f"{path}\n"))

    def note_reasons(self, text: str) -> None:
        """Say why groups are FAILED, for everybody to read; the whole file each time. OSError if that fails."""
        self.disk.write(self._state / NOTED_REASONS, encoded(text))

    def forget_paths(self) -> None:
        """Nobody listens any more, and there is no clstat and no reason for anything in it."""
        for name in (NOTED_SOCKETS, NOTED_CLSTAT, NOTED_REASONS):
            self.disk.remove(self._state / name)

    @property
    def environment_path(self) -> Path:
        """Where `write_environment` writes."""
        return self._state / "environment"

    def write_environment(self, text: str) -> None:
        """Keep the environment of the instance's entries, for nobody but root to read."""
        self.disk.write(self.environment_path, encoded(text), mode=0o600)

    def close(self) -> None:
        """Let another process have the instance."""
        if self._unlock is not None:
            self._unlock()
            self._unlock = None

    def adopt(self) -> None:
        """Take over the units that the generator made at boot, byte for byte, and their lines as applied.

        From `take_over` on, no daemon-reload runs the generator's work again, and what it made is gone with the next.
        Nothing has to be reloaded for it: systemd has loaded the same bytes.
        """
        table = self.disk.content(self._generated / GENERATED_TABLE)
        if table is None or self._names.suffix or self.disk.exists(self._taken_over):
            return
        noted = self.applied().keys()  # by a daemon that did not come to its end
        groups = [group for name, group in parse(table, TABLE)[0].groups.items() if name not in noted]
        made = self._present({group.name for group in groups}, self._generated)
        for group in groups:
            for name in sorted(made.get(group.name, ())):
                self._write_unit(name, self.disk.read(self._generated / name))
            self._note(group)

    def take_over(self) -> None:
        """From now on the units are the daemon's: the generator has nothing to do any more until the next boot."""
        self.disk.touch(self._taken_over)
        self.disk.remove(self._due)

    @property
    def is_first_start(self) -> bool:
        """Whether no daemon has taken over since the machine was booted."""
        return not self.disk.exists(self._taken_over)

    @property
    def has_generated(self) -> bool:
        """Whether the generator has found a table."""
        return self.disk.exists(self._generated / GENERATED_TABLE)

    @property
    def boot_levels_due(self) -> bool:
        """Whether a daemon that did not come as far as `take_over` was to bring groups to their boot levels."""
        return self.disk.exists(self._due)

    def note_boot_levels(self) -> None:
        """Groups are to come to their boot levels; until `take_over` that is not done."""
        self.disk.touch(self._due)

    def applied(self) -> dict[str, ResourceGroup]:
        """What the units of every group were made from."""
        groups = {}
        for file in sorted(self.disk.names(self._applied)):
            if file.startswith("."):
                continue
            path = self._applied / file
            table, findings = parse(self.disk.read(path), str(path))
            if findings:  # there were none when it was applied
                _tell_of_refused(findings)
            name = unescape(file.removesuffix(".cltab"))
            groups[name] = table.group(name)
        return groups

    def is_installed(self, files: Mapping[str, bytes]) -> bool:
        """Whether exactly these bytes are on disk."""
        return all(self.disk.content(self._units / name) == content for name, content in files.items())

    def install(self, groups: Iterable[tuple[ResourceGroup, Callable[[], Mapping[str, bytes]]]]) -> frozenset[str]:
        """Put the units of groups on disk, and note their lines as applied.

        Args:
            groups: each group, and what makes its unit files, not all groups' at a time; one without entries and files
                is removed.

        Returns:
            The files that changed; if there are any, systemd has to reload (`reloaded` is to be called then).
        """
        groups = list(groups)
        present = self._present({group.name for group, _ in groups}, self._units)
        changed: set[str] = set()
        for group, compiled in groups:
            files = compiled()
            new = {name: content for name, content in files.items() if self.disk.content(self._units / name) != content}
            gone = present.get(group.name, set()) - set(files)
            if new or gone:
                changed |= new.keys() | gone
                self.disk.touch(self._mark)
            for name, content in new.items():
                self._write_unit(name, content)
            for name in sorted(gone):
                self.disk.remove(self._units / name)
            self._note(group)
        return frozenset(changed)

    def install_top(self, files: Mapping[str, bytes]) -> None:
        """Put the units on disk that all groups have in common. Systemd takes them when it loads them next."""
        for name, content in files.items():
            if self.disk.content(self._units / name) != content:
                self._write_unit(name, content)

    def _write_unit(self, name: str, content: bytes) -> None:
        if "/" in name:
            self.disk.make_directory((self._units / name).parent)
        self.disk.write(self._units / name, content)

    def _present(self, groups: Collection[str], directory: Path) -> dict[str, set[str]]:
        """The files in a directory that belong to each of some groups."""
        present: dict[str, set[str]] = {}
        for name in self.disk.files(directory):
            group = self._names.group_of(name)
            if group is not None and group in groups:
                present.setdefault(group, set()).add(name)
        for group in groups:
            if self.disk.exists(directory / self._names.boot(group)):
                present.setdefault(group, set()).add(self._names.boot(group))
        return present

    def _note(self, group: ResourceGroup) -> None:
        path = self._applied / f"{escape(group.name)}.cltab"
        if not group.entries:
            self.disk.remove(path)
            return
        text = "# The lines that the units of a group were made from.\n" + "".join(f"{line}\n" for line in group.lines)
        self.disk.write(path, encoded(text))

    def mark_destination(self, group: str, level: str) -> None:
        """A group is about to be emptied on its way to a level; until `forget_destination` that is not done."""
        self.disk.write(self._emptied / escape(group), encoded(level))

    def forget_destination(self, group: str) -> None:
        """The group is on its way, whatever happens to us."""
        path = self._emptied / escape(group)
        if self.disk.exists(path):  # on a read-only file system it could not be removed if it is not there, either
            self.disk.remove(path)

    def destinations(self) -> dict[str, str]:
        """The groups that an earlier daemon emptied and did not start again, and the level that each was to go to."""
        return {
            unescape(file): decoded(self.disk.read(self._emptied / file))
            for file in sorted(self.disk.names(self._emptied))
            if not file.startswith(".")
        }

    def own_units(self, group: ResourceGroup) -> list[str]:
        """The files of somebody's own that systemd takes instead of the generated units of a group's entries.

        A link to /dev/null is a mask, which is told by another way.
        """
        names = [self._names.entry(group.name, entry.tag) for entry in group.entries]
        paths = (f"{directory}/{name}" for directory in _BEFORE_OURS for name in names)
        return [path for path in paths if self.disk.is_file(path)]

    def is_of_cluster(self, group: str) -> bool:
        """Whether the resource agent has started a group, and has not stopped it since."""
        return escape(group) in self._of_cluster

    @property
    def reload_needed(self) -> bool:
        """Whether the units on disk may be newer than what systemd has loaded."""
        return self.disk.exists(self._mark)

    def reloaded(self) -> None:
        """Systemd has loaded what is on disk."""
        self.disk.remove(self._mark)


def _tell_of_refused(findings: Iterable[Diagnostic]) -> None:
    import logging  # noqa: PLC0415 - it takes time, and the generator uses this module too

    for finding in findings:
        logging.getLogger(__name__).warning(
            "applied by another version, and refused by this one: %s", printable(finding.summary)
        )


def _content(path: Path) -> bytes | None:
    try:
        return read_whole(path)
    except OSError:
        return None
