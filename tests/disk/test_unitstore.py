"""Files of an instance, whole: one version of the table is read, and what is written is all there or not at all."""

import os
import stat
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from strategies import tables

from cltab2systemd.check.loading import load
from cltab2systemd.disk import tables as disk_tables
from cltab2systemd.disk.files import FileIdentity, identify, write_whole
from cltab2systemd.disk.instance import AlreadyRunningError, Instance, instance_names
from cltab2systemd.disk.tables import TableIdentity, TableUnreadableError, identify_table, read_table
from cltab2systemd.disk.unitstore import UnitStore
from cltab2systemd.locations import NOTED_REASONS, SOCKET, Locations, locate
from cltab2systemd.table.grammar import parse
from cltab2systemd.table.model import ResourceGroup, Table
from cltab2systemd.table.tablefiles import TableFiles
from cltab2systemd.text import encoded, escape
from cltab2systemd.units.compiler import compile_table
from cltab2systemd.units.names import Names

Groups = list[tuple[ResourceGroup, Mapping[str, bytes]]]
NO_WEB: Groups = [(ResourceGroup("web"), {})]

NAMES = Names()


class Disk:
    """Where a store has its files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.units = root / "units"
        self.state = root / "state"

    def store(self, names: Names = NAMES) -> UnitStore:
        return UnitStore(Instance(names, self.state), self.units)

    def open(self, names: Names = NAMES) -> UnitStore:
        found = self.store(names)
        found.instance.open(Locations("/t", SOCKET, "/c"))
        found.open()
        return found

    def names(self) -> list[str]:
        return sorted(path.name for path in self.units.iterdir())

    def times(self) -> dict[str, tuple[int, int]]:
        return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in self.units.iterdir()}


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


def groups_of(text: str, names: Names = NAMES) -> Groups:
    table, findings = load(text.encode(), "/etc/cltab", names)
    assert findings == ()
    return [(group, _files(names, table, group.name)) for group in table.groups.values()]


def made(groups: Groups) -> list[tuple[ResourceGroup, Callable[[], Mapping[str, bytes]]]]:
    """Groups as `UnitStore.install` takes them."""
    return [(group, partial(dict, files)) for group, files in groups]


def _files(names: Names, table: Table, group: str) -> dict[str, bytes]:
    return {name: data for name, data in compile_table(table, names).items() if names.group_of(name) == group}


# Reading.


def test_read_table(tmp_path: Path) -> None:
    """The bytes of a file, and which version of it they are."""
    path = tmp_path / "cltab"
    path.write_bytes(b"\xff\0\n")
    files, identity = read_table(str(path))
    assert files == TableFiles.of(b"\xff\0\n", str(path))
    assert identity == identify_table(str(path)) == TableIdentity(FileIdentity.of(path.stat()))
    assert identify_table(str(tmp_path / "none")) is None


def test_a_missing_table(tmp_path: Path) -> None:
    """A missing table is told in the ancestor's words."""
    with pytest.raises(TableUnreadableError) as raised:
        read_table(f"{tmp_path}/none")
    assert str(raised.value) == f"file not found: {tmp_path}/none"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (os.mkfifo, "is not a regular file"),
        (os.mkdir, "is not a regular file"),
        (lambda path: path.symlink_to(path), "symbolic"),
    ],
)
def test_no_regular_file(tmp_path: Path, make: object, reason: str) -> None:
    """What is no file is refused at once, with the reason, and nothing stays open."""
    path = tmp_path / "cltab"
    assert callable(make)
    make(path)
    before = len([*Path("/proc/self/fd").iterdir()])
    with pytest.raises(TableUnreadableError, match=reason):
        read_table(str(path))
    assert before == len([*Path("/proc/self/fd").iterdir()])


def test_a_table_below_a_file(tmp_path: Path) -> None:
    """Any other failure comes with the system's reason."""
    (tmp_path / "file").touch()
    with pytest.raises(TableUnreadableError, match=r"cannot read .*/file/cltab: Not a directory"):
        read_table(f"{tmp_path}/file/cltab")


def test_a_huge_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table above the limit is refused, and is not read any further."""
    monkeypatch.setattr(disk_tables, "LARGEST_TABLE", 10)
    path = tmp_path / "cltab"
    path.write_bytes(b"x" * 10)
    assert read_table(str(path))[0].joined == b"x" * 10
    path.write_bytes(b"x" * 11)
    with pytest.raises(TableUnreadableError, match="larger than 10 bytes"):
        read_table(str(path))


@pytest.mark.parametrize("changes", [1, 2])
def test_a_table_that_changes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: int) -> None:
    """A table that changed under the reader is read again, once; then it is for the writer to finish."""
    path = tmp_path / "cltab"
    path.write_bytes(b"0")
    left = list(range(changes))

    def disturbed(name: str) -> FileIdentity | None:
        if left:
            left.pop()
            path.write_bytes(path.read_bytes() + b"x")
        return identify(name)

    monkeypatch.setattr(disk_tables, "identify", disturbed)
    if changes == 1:
        assert read_table(str(path))[0].joined == b"0x"
    else:
        with pytest.raises(TableUnreadableError, match="changes while it is read"):
            read_table(str(path))


# Writing.


def test_write_whole(tmp_path: Path) -> None:
    """A file has its content and mode whatever the umask; nothing else is left."""
    path = tmp_path / "file"
    before = os.umask(0o077)
    try:
        write_whole(path, b"one", 0o600)
        write_whole(path, b"two")
    finally:
        os.umask(before)
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [path] == list(tmp_path.iterdir())


def test_a_reader_never_sees_a_part(tmp_path: Path) -> None:
    """The new content comes as another file: who has the old one open keeps all of it."""
    path = tmp_path / "file"
    write_whole(path, b"old")
    with path.open("rb") as reader:
        write_whole(path, b"new content")
        assert reader.read() == b"old"


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    """If the file cannot be put in place, the temporary one goes too."""
    path = tmp_path / "taken"
    (path / "x").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_whole(path, b"x")
    assert [path] == list(tmp_path.iterdir())


def test_a_left_over_temporary_file(tmp_path: Path) -> None:
    """What a killed writer with the same pid left, even a link elsewhere, is no obstacle and is not followed."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    (tmp_path / f".file.{os.getpid()}.tmp").symlink_to(victim)
    write_whole(tmp_path / "file", b"x")
    assert victim.read_bytes() == b"untouched"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["file", "victim"]


def test_long_names(tmp_path: Path) -> None:
    """A file whose name has the greatest length can be written."""
    write_whole(tmp_path / ("x" * 255), b"x")
    assert ["x" * 255] == [item.name for item in tmp_path.iterdir()]


# The instance.


def test_instance_names() -> None:
    """The instance at the default socket has the plain names, any other its own, the same every time."""
    suffixes = [instance_names(Locations("/t", path, "/c")).suffix for path in (SOCKET, "/run/a", "/run/b", "/run/a")]
    assert suffixes[0] == ""
    assert suffixes[1] == suffixes[3] != suffixes[2]
    assert instance_names(Locations("/etc/cltab", "/run/a", "/c")).suffix == ""
    assert all(suffix.startswith("_") and suffix[1:].isalnum() and len(suffix) == 9 for suffix in suffixes[1:])


def test_an_instance_keeps_its_names(tmp_path: Path) -> None:
    """A daemon started again by the same command line has its old names, also when the table has moved the socket."""
    before = Locations("/t", "/run/a", "/c")
    names = instance_names(before, tmp_path)
    found = Instance(names, tmp_path)
    found.open(before)
    found.close()
    assert names == instance_names(Locations("/t", "/run/b", "/c"), tmp_path)
    assert names != instance_names(Locations("/t", "/run/b", "/c", "/run/b"), tmp_path)


def test_what_others_need_stands_beside_the_owner(disk: Disk) -> None:
    """Who finds an instance by its command line reads there what its unit names start with."""
    for names, prefix in ((NAMES, b"clinit-\n"), (Names("_1234abcd"), b"clinit_1234abcd-\n")):
        disk.open(names)
        assert b"/t\n\n" == (disk.state / names.instance / "owner").read_bytes()
        assert prefix == (disk.state / names.instance / "prefix").read_bytes()


@pytest.mark.parametrize("group", ["web", "a/b-c", "..", "é数", "\udcff"])
def test_the_mark_of_a_group_of_the_cluster(disk: Disk, group: str) -> None:
    """The resource agent marks a group by its name in the names of units, and no other group is meant."""
    found = disk.open()
    assert not found.instance.is_of_cluster(group)
    (disk.state / "system/of-cluster" / escape(group)).touch()
    assert found.instance.is_of_cluster(group)
    assert not found.instance.is_of_cluster(f"{group}2")


def test_the_lock_names_its_holder(disk: Disk) -> None:
    """A second daemon of an instance learns who has it; one of another instance has it all to itself."""
    first = disk.open()
    with pytest.raises(AlreadyRunningError, match=f"pid {os.getpid()} already"):
        disk.open()
    disk.open(Names("_1234abcd"))
    assert first is not None


def test_two_instances_share_the_directory(disk: Disk) -> None:
    """Each instance has its own units and its own applied lines, for the same groups."""
    other = Names("_1234abcd")
    one, two = disk.open(), disk.open(other)
    text = "web:db:1:wait:x\n"
    one.install(made(groups_of(text)))
    two.install(made(groups_of(text, other)))
    one.install(made(NO_WEB))
    assert one.applied() == {}
    assert list(two.applied()) == ["web"]
    assert disk.names() == sorted(groups_of(text, other)[0][1])


# Installing units.


def test_install(disk: Disk) -> None:
    """All units of a group are on disk, byte for byte, and their lines are noted as applied."""
    groups = groups_of("web:db:1:wait:x\nmail:q:1:wait:y\n")
    found = disk.open()
    assert found.install(made(groups))
    files = {name: data for _, part in groups for name, data in part.items()}
    assert files == {path.name: path.read_bytes() for path in disk.units.iterdir()}
    assert found.is_installed(files)
    assert found.applied() == {group.name: group for group, _ in groups}


def test_only_what_changed_is_written(disk: Disk) -> None:
    """Installing the same again changes no byte; another command rewrites just that entry's unit and gate."""
    found = disk.open()
    found.install(made(groups_of("web:db:1:wait:x\nweb:app:1:wait:x\n")))
    found.reloaded()
    before = disk.times()
    assert not found.install(made(groups_of("web:db:1:wait:x\nweb:app:1:wait:x\n")))
    assert not found.reload_needed
    assert before == disk.times()
    assert found.install(made(groups_of("web:db:1:wait:x\nweb:app:1:wait:y\n")))
    after = disk.times()
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"clinit-web@app.service", "clinitgate-web@app.service"}


def test_stale_units_go(disk: Disk) -> None:
    """A group's units that it has no more are removed; other groups' and other people's files stay."""
    found = disk.open()
    found.install(made(groups_of("web:db:12:wait:x\nweb:app:3:wait:x\nmail:q:1:wait:y\n")))
    (disk.units / "ssh.service").touch()
    (disk.units / "clinit-other@x.service").touch()
    (disk.units / "clinit-mail@stale.service").touch()
    new = groups_of("web:db:12:wait:x\n")
    assert found.install(made(new))
    web = {name for name in disk.names() if NAMES.group_of(name) == "web"}
    assert web == set(new[0][1])
    assert {"ssh.service", "clinit-other@x.service", "clinit-mail@stale.service"} < set(disk.names())


def test_a_removed_group_goes(disk: Disk) -> None:
    """No entries and no files: units and applied lines are gone; a drop-in of the admin's stays."""
    found = disk.open()
    found.install(made(groups_of("web:db:1:wait:x\n")))
    found.reloaded()
    kept = disk.units / "clinit-web@db.service.d/override.conf"
    kept.parent.mkdir()
    kept.touch()
    assert found.install(made(NO_WEB))
    assert disk.names() == ["clinit-web@db.service.d"]
    assert kept.exists()
    assert found.applied() == {}
    assert found.reload_needed
    assert not found.install(made(NO_WEB))


def test_a_reload_is_remembered(disk: Disk) -> None:
    """Until systemd has loaded what is on disk, a mark says so, to the next daemon too."""
    found = disk.open()
    steps = [lambda: None, lambda: found.install(made(groups_of("web:db:1:wait:x\n"))), found.reloaded, found.reloaded]
    marked = []
    for step in steps:
        step()
        marked.append((found.reload_needed, disk.store().reload_needed))
    assert marked == [(False, False), (True, True), (False, False), (False, False)]


def test_the_mark_comes_first(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon killed while it writes leaves the mark, and no lines that the units are not of yet."""
    found = disk.open()
    found.install(made(groups_of("web:db:1:wait:x\n")))
    found.reloaded()

    def fail(path: Path, content: bytes, mode: int = 0o644, *, durable: bool = False) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(found.instance.disk, "write", fail)
    with pytest.raises(OSError, match="No space"):
        found.install(made(groups_of("web:db:1:wait:y\n")))
    assert found.reload_needed
    assert [entry.command for entry in found.applied()["web"].entries] == ["x"]


def test_is_installed(disk: Disk) -> None:
    """A missing or changed file is not installed."""
    found = disk.open()
    files = groups_of("web:db:1:wait:x\n")[0][1]
    assert not found.is_installed(files)
    found.install(made(groups_of("web:db:1:wait:x\n")))
    (disk.units / "clinit-web@db.service").write_text("changed")
    assert not found.is_installed(files)


@pytest.mark.parametrize(
    "group", ["web", "a/b", "..", ".", ".hidden", "é数", "x.cltab", "\udcff", "a\\x2db", "x\ufeff"]
)
def test_applied_lines_round_trip(disk: Disk, group: str) -> None:
    """Applied lines come back as they were, whatever the group is called, and stay in their directory."""
    text = encoded(f"g:t0:1:wait:x\n{group}:t1:1:wait:a \udcff\\\r\n{group}:t2:1,:off:\n")
    table, findings = parse(text, "cltab")
    assert findings == ()
    entries = table.groups[group]
    disk.open().install([(entries, dict)])
    assert {group: entries} == disk.store().applied()
    assert sorted(path.name for path in disk.root.iterdir()) == ["state", "units"]


def test_applied_lines_that_are_refused_now(disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    """Of lines that another version has applied and this one refuses, the log says where they are and what is wrong."""
    disk.open().install([(groups_of("web:a:1:wait:x\nweb:b:1:wait:x\n")[0][0], dict)])
    (path,) = (disk.state / "system/applied").iterdir()
    path.write_text(path.read_text().replace("web:b:1:wait", "web:b:1:later"))

    assert [entry.tag for entry in disk.store().applied()["web"].entries] == ["a"]
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().endswith(f": {path}:3:9: error: unknown mode 'later'")


@settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
@given(tables())
def test_any_table_can_be_applied(disk: Disk, table: Table) -> None:
    """Every group of any table that parses is noted and comes back."""
    disk.units.mkdir(exist_ok=True)
    (disk.state / "system/applied").mkdir(parents=True, exist_ok=True)
    found = disk.store()
    found.install([(ResourceGroup(name), dict) for name in found.applied()])
    found.install([(group, dict) for group in table.groups.values()])
    assert dict(table.groups) == found.applied()


def test_reasons(tmp_path: Path) -> None:
    """Reasons are written whole, for everybody to read, and are forgotten with the paths."""
    made = Instance(Names(), tmp_path / "state")
    made.open(locate())
    made.note(NOTED_REASONS, "web 3 web: config (test) exited with 1: test -d /srv/nosuch\n")
    made.note(NOTED_REASONS, "web 3 \udcff\n")
    path = tmp_path / "state/system/reasons"

    assert b"web 3 \xff\n" == path.read_bytes()
    assert 0o644 == path.stat().st_mode & 0o777
    made.forget_paths()
    assert not path.exists()
