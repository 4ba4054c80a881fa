"""The generator's work: the table's units at boot, before the daemon is there. See systemd.generator(7).

It writes into the directory that systemd gives it and nowhere else, asks nobody (no D-Bus, no user look-ups, no
network), and never fails the boot. What it makes is what the daemon would: same compiler, same names, same text.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cltab2systemd.check import loading
from cltab2systemd.disk.tables import TableUnreadableError, emptied, read_table
from cltab2systemd.locations import BOOT_MESSAGES, BOOT_TABLE, GENERATED_MESSAGES, GENERATED_TABLE, GOOD_TABLE, TABLE
from cltab2systemd.table.diagnostics import Severity, has_errors
from cltab2systemd.terminal import printable
from cltab2systemd.units import compiler

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cltab2systemd.table.model import Table

    Report = Callable[[int, str], None]

# A binary file has an error in each line; who looks for the reason needs the first few.
_MOST_FINDINGS = 5
_ERROR, _WARNING = 3, 4  # syslog(3)
_DAEMON_FACILITY = 3 << 3
_LATER = "the daemon looks again when it starts"


def main() -> None:
    """Run as a generator with the process's arguments: the directory for units is the first."""
    if os.environ.get("SYSTEMD_IN_INITRD") == "1":
        return  # the table is that of the real root
    gc.disable()  # a tenth of the time, and soon all is freed at once
    if len(sys.argv) < 2:
        report(_ERROR, "this is a systemd generator: it takes the directory to write to")
        return
    generate(Path(sys.argv[1]), report)


def generate(directory: Path, report: Report, root: str = "") -> None:
    """Write the units of the table, or of the last good one if it has errors, or nothing.

    Later in a boot, at a daemon-reload before the daemon has taken over, those of the same table as at first: no
    daemon-reload is to change what runs. What is wrong with the tables is told once in a boot.

    Args:
        directory: where the units go.
        report: called with a priority, as in syslog(3), and a message.
        root: stands before the paths of the tables.
    """
    told: list[str] = []
    tells = not os.path.exists(root + BOOT_MESSAGES)  # noqa: PTH110 - as all paths here

    def tell(priority: int, message: str) -> None:
        told.append(message)
        if tells:
            report(priority, message)

    found = _table_of_this_boot(root) or _table(tell, root)
    files: dict[str, bytes] = {}
    if told:
        files[GENERATED_MESSAGES] = "".join(f"{message}\n" for message in told).encode("utf-8", "replace")
    if found is not None:
        table, data = found
        files |= {**compiler.compile_table(table), GENERATED_TABLE: data}
    if not files:
        return
    try:
        _write(directory, files)
    except OSError as error:
        report(_ERROR, f"cannot write units to {directory}: {error.strerror}; there are none until the daemon starts")


def _table_of_this_boot(root: str) -> tuple[Table, bytes] | None:
    """The table of this boot's first units, and its bytes; None at first."""
    try:
        files = read_table(root + BOOT_TABLE, trusted=True)[0].at(TABLE)
    except TableUnreadableError:
        return None
    table, findings = loading.load_files(files)
    return None if has_errors(findings) else (table, files.joined)


def _table(report: Report, root: str) -> tuple[Table, bytes] | None:
    """The table that is to take effect, and its bytes."""
    try:
        files = read_table(root + TABLE, trusted=True)[0].at(TABLE)
    except TableUnreadableError as error:
        missing = error.__cause__.filename if isinstance(error.__cause__, FileNotFoundError) else ""
        if missing and os.path.islink(missing):  # noqa: PTH114
            # Not the last good table: the daemon reads this one in a moment, when more is mounted.
            target = os.readlink(missing)  # noqa: PTH115
            report(_WARNING, f"{missing.removeprefix(root)} is a link to nowhere yet ({target}): {_LATER}")
            return None
        if missing == root + TABLE:
            return None  # no table, no groups
        report(_ERROR, str(error))
    else:
        if not (told := emptied(files, root + GOOD_TABLE, is_early=True)):
            table, findings = loading.load_files(files)
            if not has_errors(findings):
                return table, files.joined
            errors = [finding for finding in findings if finding.severity is Severity.ERROR]
            for finding in errors[:_MOST_FINDINGS]:
                report(_ERROR, printable(finding.summary))
            if len(errors) > _MOST_FINDINGS:
                report(_ERROR, f"{TABLE}: and {len(errors) - _MOST_FINDINGS} more; see: cltab2systemd check")
        else:
            report(_ERROR, told)
    return _last_good(report, root)


def _last_good(report: Report, root: str) -> tuple[Table, bytes] | None:
    try:
        files = read_table(root + GOOD_TABLE, trusted=True)[0].at(TABLE)
    except TableUnreadableError as error:
        report(_WARNING, f"no group can be started: there is no last good table either ({error}): {_LATER}")
        return None
    # Its units are those of the table that it was.
    table, findings = loading.load_files(files)
    if has_errors(findings):
        report(_ERROR, f"{GOOD_TABLE} has errors as well: no group can be started until {TABLE} is mended")
        return None
    report(_WARNING, f"using the last good table, {GOOD_TABLE}")
    return table, files.joined


def _write(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write all files, or none: half of a group would be switched out of order. OSError if that fails."""
    written: list[str] = []
    here = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name, content in files.items():
            if "/" in name:
                with suppress(FileExistsError):
                    os.mkdir(os.path.dirname(name), 0o755, dir_fd=here)  # noqa: PTH120 - relative to a descriptor
            descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=here)
            written.append(name)
            try:
                if os.write(descriptor, content) != len(content):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(descriptor)
    except OSError:
        for name in written:
            with suppress(OSError):
                os.unlink(name, dir_fd=here)
        raise
    finally:
        os.close(here)


def report(priority: int, message: str) -> None:
    """Say something to the journal if it runs, to the kernel's log if not: it is the first thing to go at boot."""
    text = f"<{_DAEMON_FACILITY | priority}>cltab2systemd-generator[{os.getpid()}]: {message}"
    data = text.encode("utf-8", "replace")
    import socket  # noqa: PLC0415 - a good table needs none

    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as journal:
        # Not to wait for a journal that waits for us.
        journal.sendto(data, "/run/systemd/journal/dev-log")
        return
    with suppress(OSError):
        descriptor = os.open("/dev/kmsg", os.O_WRONLY | os.O_APPEND | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            os.write(descriptor, data[:900])  # the kernel takes lines of some 1,000 bytes
        finally:
            os.close(descriptor)
        return
    print(message, file=sys.stderr)


if __name__ == "__main__":
    main()
