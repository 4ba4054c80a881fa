"""The units that an instance installs, and the lines of the table that they were made from."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from cltab2systemd import events
from cltab2systemd.locations import GENERATED_TABLE, TABLE
from cltab2systemd.table.grammar import parse
from cltab2systemd.terminal import printable
from cltab2systemd.text import encoded, escape
from cltab2systemd.units.names import unescape

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from cltab2systemd.disk.instance import Instance
    from cltab2systemd.table.model import ResourceGroup

UNIT_DIRECTORY = Path("/run/systemd/system")
# Where systemd looks for a unit before it looks there: systemd.unit(5), UNIT FILE LOAD PATH.
_BEFORE_OURS = ("/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient",
                "/run/systemd/generator.early", "/etc/systemd/system", "/etc/systemd/system.attached")  # fmt: skip
GENERATOR_DIRECTORY = Path("/run/systemd/generator")


class UnitStore:
    """Units on disk.

    The applied lines of a group are a piece of a table, in a file of their own that is written after the group's units.
    While units on disk may be newer than what systemd has loaded, a mark says so, so that a daemon that was killed in
    between is followed by one that reloads.

    Args:
        instance: whose units they are.
        units: where they are installed.
        generated: where the generator has put those of the boot.
    """

    def __init__(self, instance: Instance, units: Path = UNIT_DIRECTORY, generated: Path = GENERATOR_DIRECTORY) -> None:
        self.instance = instance
        self._names = instance.names
        self._disk = instance.disk
        self._units = units
        self._generated = generated
        self._applied = instance.directory / "applied"
        self._mark = instance.directory / "reload-needed"

    def open(self) -> None:
        """Make the directories, if need be."""
        self._disk.make_directory(self._applied, parents=True)
        self._disk.make_directory(self._units, parents=True)

    def adopt(self) -> None:
        """Take over the units that the generator made at boot, byte for byte, and their lines as applied.

        From `Instance.take_over` on, no daemon-reload runs the generator's work again, and what it made is gone with
        the next. Nothing has to be reloaded for it: systemd has loaded the same bytes.
        """
        table = self._disk.content(self._generated / GENERATED_TABLE)
        if table is None or self._names.suffix or not self.instance.is_first_start:
            return
        noted = self.applied().keys()  # by a daemon that did not come to its end
        groups = [group for name, group in parse(table, TABLE)[0].groups.items() if name not in noted]
        made = self._present({group.name for group in groups}, self._generated)
        for group in groups:
            for name in sorted(made.get(group.name, ())):
                self._write_unit(name, self._disk.read(self._generated / name))
            self._note(group)

    @property
    def has_generated(self) -> bool:
        """Whether the generator has found a table."""
        return self._disk.exists(self._generated / GENERATED_TABLE)

    def applied(self) -> dict[str, ResourceGroup]:
        """What the units of every group were made from."""
        groups = {}
        for file in sorted(self._disk.names(self._applied)):
            if file.startswith("."):
                continue
            path = self._applied / file
            table, findings = parse(self._disk.read(path), str(path))
            for finding in findings:  # there were none when it was applied
                events.OLD_LINES(why=printable(finding.summary))
            name = unescape(file.removesuffix(".cltab"))
            groups[name] = table.group(name)
        return groups

    def groups(self) -> frozenset[str]:
        """The groups that have units on disk; one without applied lines was being installed as a daemon was killed."""
        found = {self._names.group_of(name) for name in self._disk.files(self._units)}
        return frozenset(group for group in found if group is not None)

    def is_installed(self, files: Mapping[str, bytes]) -> bool:
        """Whether exactly these bytes are on disk."""
        return all(self._disk.content(self._units / name) == content for name, content in files.items())

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
            new = {
                name: content for name, content in files.items() if self._disk.content(self._units / name) != content
            }
            gone = present.get(group.name, set()) - set(files)
            if new or gone:
                changed |= new.keys() | gone
                self._disk.touch(self._mark)
            for name, content in new.items():
                self._write_unit(name, content)
            for name in sorted(gone):
                self._disk.remove(self._units / name)
            self._note(group)
        return frozenset(changed)

    def install_top(self, files: Mapping[str, bytes]) -> None:
        """Put the units on disk that all groups have in common. Systemd takes them when it loads them next."""
        for name, content in files.items():
            if self._disk.content(self._units / name) != content:
                self._write_unit(name, content)

    def install_preflight(self, name: str, content: bytes) -> None:
        """Put the unit of a preflight on disk. systemd takes it without a reload, for it has never looked for it."""
        self._disk.write(self._units / name, content)

    def remove_preflight(self, name: str) -> None:
        """Take it away, if it is there."""
        self._disk.remove(self._units / name)

    def preflights(self) -> list[str]:
        """The units of preflights that are on disk."""
        pattern = self._names.preflight("*")
        return [name for name in self._disk.files(self._units) if fnmatchcase(name, pattern)]

    def _write_unit(self, name: str, content: bytes) -> None:
        if "/" in name:
            self._disk.make_directory((self._units / name).parent)
        self._disk.write(self._units / name, content)

    def _present(self, groups: Collection[str], directory: Path) -> dict[str, set[str]]:
        """The files in a directory that belong to each of some groups."""
        present: dict[str, set[str]] = {}
        for name in self._disk.files(directory):
            group = self._names.group_of(name)
            if group is not None and group in groups:
                present.setdefault(group, set()).add(name)
        for group in groups:
            if self._disk.exists(directory / self._names.boot(group)):
                present.setdefault(group, set()).add(self._names.boot(group))
        return present

    def _note(self, group: ResourceGroup) -> None:
        path = self._applied / f"{escape(group.name)}.cltab"
        if not group.entries:
            self._disk.remove(path)
            return
        text = "# The lines that the units of a group were made from.\n" + "".join(f"{line}\n" for line in group.lines)
        self._disk.write(path, encoded(text))

    def own_units(self, group: ResourceGroup) -> list[str]:
        """The files of somebody's own that systemd takes instead of the generated units of a group's entries.

        A link to /dev/null is a mask, which is told by another way.
        """
        names = [self._names.entry(group.name, entry.tag) for entry in group.entries]
        paths = (f"{directory}/{name}" for directory in _BEFORE_OURS for name in names)
        return [path for path in paths if self._disk.is_file(path)]

    @property
    def reload_needed(self) -> bool:
        """Whether the units on disk may be newer than what systemd has loaded."""
        return self._disk.exists(self._mark)

    def reloaded(self) -> None:
        """Systemd has loaded what is on disk."""
        self._disk.remove(self._mark)
