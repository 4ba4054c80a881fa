"""One instance of the daemon, as it is on disk: who has it, what others are told of it, what the next one finds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cltab2systemd.disk.files import Disk, LockedError, content_of
from cltab2systemd.disk.marks import Destinations, Marks, UnitNotes
from cltab2systemd.disk.notices import NoticeFiles
from cltab2systemd.locations import (
    NOTED_CLSTAT,
    NOTED_PREFIX,
    NOTED_REASONS,
    NOTED_SOCKETS,
    NOTED_TIMES,
    OF_CLUSTER,
    STATE,
    owner,
)
from cltab2systemd.text import decoded, encoded, escape
from cltab2systemd.units.names import SYSTEM_INSTANCE, Names
from cltab2systemd.units.plan import HELD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cltab2systemd.locations import Locations

STATE_DIRECTORY = Path(STATE)


class AlreadyRunningError(Exception):
    """Another daemon has this instance, or has left groups of another table in it."""


def instance_names(locations: Locations, state: Path = STATE_DIRECTORY) -> Names:
    """The unit names of an instance.

    They are plain for the system instance. Any other has a suffix, made from its socket when it was first started, and
    kept for the same command line: when the table moves the socket, the next daemon still finds its groups' units.
    """
    if locations.is_default:
        return Names()
    for path in sorted(state.glob("*/owner")):
        if content_of(path) == owner(locations):
            return Names("" if path.parent.name == SYSTEM_INSTANCE else "_" + path.parent.name)
    if locations.is_system_instance:
        return Names()
    import hashlib  # noqa: PLC0415 - slow to import, and the system instance needs none

    return Names("_" + hashlib.sha256(encoded(locations.socket)).hexdigest()[:8])


class Instance:
    """The state of one instance, in a directory below /run.

    Args:
        names: its unit names.
        state: where the directories of all instances are.
        disk: what its files are on.
    """

    def __init__(self, names: Names, state: Path = STATE_DIRECTORY, disk: Disk | None = None) -> None:
        self.names = names
        self.disk = disk or Disk()
        self.directory = state / names.instance
        self.destinations = Destinations(self.directory / "emptied", self.disk)
        """Where groups are to go that are between their first stop and their start."""
        self.held = Marks(self.directory / HELD, self.disk)
        """The units that are kept from being started again, by the condition in them."""
        self.paused = Marks(self.directory / "paused", self.disk)
        """The units that were stopped, and wait for their next start."""
        self.restless = UnitNotes(self.directory / "restless", self.disk)
        """The latest runs of units that end again and again."""
        self.stopped = UnitNotes(self.directory / "stopped", self.disk)
        """Who has stopped units by hand, of those that it is known of."""
        self.trials = UnitNotes(self.directory / "trials", self.disk)
        """The levels on trial, each by the name of its group as it stands in units."""
        self.notices = NoticeFiles(self.directory / "notices", self.disk)
        """What was told to units of the administrator's."""
        self._of_cluster = Marks(self.directory / OF_CLUSTER, self.disk)
        self._taken_over = self.directory / "taken-over"
        self._due = self.directory / "boot-levels-due"
        self._publishing = self.directory / "publishing"
        self._unlock: Callable[[], None] | None = None

    def open(self, locations: Locations, *, may_change_table: bool = True) -> None:
        """Make the directories, and take the instance.

        Args:
            locations: its command line.
            may_change_table: whether it may have another table than the daemon before. The groups of the earlier table
                are taken over then. Those that the new one does not have are stopped, but for those that a cluster has
                started.

        Raises:
            AlreadyRunningError: another process has the instance; or groups of the earlier table still run, and
                `may_change_table` is false.
        """
        self.disk.make_directory(self.directory, parents=True)
        for marks in (
            self.destinations, self.held, self.paused, self.restless, self.stopped, self.trials, self._of_cluster,
        ):  # fmt: skip
            marks.open()
        try:
            self._unlock = self.disk.lock(self.directory / "lock")
        except LockedError as error:
            raise AlreadyRunningError(
                f"a daemon with pid {error or '?'} already has this instance; stop it, or name another socket (-s)"
            ) from None
        before = decoded((self.disk.content(self.directory / "owner") or b"").split(b"\n")[0])
        if not may_change_table and before not in {"", locations.table} and self._has_groups_at_levels():
            raise AlreadyRunningError(
                f"groups of {before} run under this socket, and {locations.table} would end them; start the daemon of "
                f"{before} again, or name another socket (-s)"
            )
        self.disk.write(self.directory / NOTED_PREFIX, f"{self.names.entry_prefix}\n".encode())
        self.disk.write(self.directory / "owner", owner(locations))

    def _has_groups_at_levels(self) -> bool:
        """Whether an earlier daemon has left groups that were not halted."""
        noted = (self.disk.content(self.directory / NOTED_CLSTAT) or b"").removesuffix(b"\n")
        return bool(noted and self.disk.content(Path(decoded(noted))))

    def note_sockets(self, paths: Iterable[str]) -> None:
        """Say where the daemon listens, for clients that know only its table."""
        self.disk.write(self.directory / NOTED_SOCKETS, encoded("".join(f"{path}\n" for path in paths)))

    def note_clstat(self, path: Path) -> None:
        """Say which clstat the daemon writes, for clients and the next daemon; until `forget_paths`."""
        self.disk.write(self.directory / NOTED_CLSTAT, encoded(f"{path}\n"))

    def note(self, name: str, text: str) -> None:
        """Say something for everybody to read, as NOTED_REASONS; the whole file each time. OSError if that fails."""
        self.disk.write(self.directory / name, encoded(text))

    def noted_times(self) -> str:
        """Since when groups are as they are, as it was noted last; empty if that is not known."""
        return decoded(self.disk.content(self.directory / NOTED_TIMES) or b"")

    def forget_paths(self) -> None:
        """Nobody listens any more, and there is no clstat and no reason for anything in it."""
        for name in (NOTED_SOCKETS, NOTED_CLSTAT, NOTED_REASONS, NOTED_TIMES):
            self.disk.remove(self.directory / name)

    @property
    def environment_path(self) -> Path:
        """Where `write_environment` writes."""
        return self.directory / "environment"

    def write_environment(self, text: str) -> None:
        """Keep the environment of the instance's entries, for nobody but root to read."""
        self.disk.write(self.environment_path, encoded(text), mode=0o600)

    def close(self) -> None:
        """Let another process have the instance."""
        if self._unlock is not None:
            self._unlock()
            self._unlock = None

    def take_over(self) -> None:
        """From now on the units are the daemon's: the generator has nothing to do any more until the next boot."""
        self.disk.touch(self._taken_over)
        self.disk.remove(self._due)

    @property
    def is_first_start(self) -> bool:
        """Whether no daemon has taken over since the machine was booted."""
        return not self.disk.exists(self._taken_over)

    @property
    def boot_levels_due(self) -> bool:
        """Whether a daemon that did not come as far as `take_over` was to bring groups to their boot levels."""
        return self.disk.exists(self._due)

    def note_boot_levels(self) -> None:
        """Groups are to come to their boot levels; until `take_over` that is not done."""
        self.disk.touch(self._due)

    @property
    def is_publishing(self) -> bool:
        """Whether a table has had the unit started that tells Pacemaker how the groups are, and none had it stopped."""
        return self.disk.exists(self._publishing)

    def note_publishing(self, *, is_on: bool) -> None:
        """It is about to be started, or was stopped. OSError if that cannot be noted."""
        if is_on:
            self.disk.touch(self._publishing)
        else:
            self.disk.remove(self._publishing)

    def is_of_cluster(self, group: str) -> bool:
        """Whether the resource agent has started a group, and has not stopped it since."""
        return escape(group) in self._of_cluster
