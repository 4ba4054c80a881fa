"""How the translator's commands read tables, and tell what is wrong with them."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import click

from cltab2systemd.check import loading
from cltab2systemd.commands.printing import complain
from cltab2systemd.disk import tables
from cltab2systemd.locations import from_here
from cltab2systemd.table.diagnostics import Severity, has_errors, render
from cltab2systemd.table.tablefiles import TableFiles

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import BinaryIO

    from cltab2systemd.table.diagnostics import Diagnostic
    from cltab2systemd.table.model import Table


# The standard input, as the name of a file.
STANDARD_INPUT = "-"
STANDARD_INPUT_PATH = "<stdin>"


def load(path: str) -> Table:
    """A table without errors. Warnings are printed; on errors they are too, and SystemExit with 1 is raised."""
    return load_with_files(path)[0]


def load_with_files(path: str) -> tuple[Table, TableFiles]:
    """`load`, and the files of the table."""
    try:
        files = content(path)
    except tables.TableUnreadableError as error:
        complain(f"cltab2systemd: {error}")
        raise SystemExit(1) from error
    table, findings = loading.load_files(files)
    report(path, findings)
    if has_errors(findings):
        raise SystemExit(1)
    return table, files


def content(path: str) -> TableFiles:
    """The files of a table, with absolute paths; tables.TableUnreadableError if they cannot be read.

    Unlike the daemon, which would wait for whoever writes, this takes pipes and terminals as well: `-` for the standard
    input, or what a shell makes of `<(command)`. Such a table has no fragments.
    """
    if path == STANDARD_INPUT:
        return TableFiles.of(bounded(click.get_binary_stream("stdin"), "the standard input"), STANDARD_INPUT_PATH)
    here = from_here(path)
    return TableFiles.of(_streamed(path), here) if _is_stream(path) else tables.read_table(path)[0].at(here)


def bounded(stream: BinaryIO, name: str) -> bytes:
    """What a stream holds up to its end; tables.TableUnreadableError if that is no table, or it cannot be read."""
    try:
        data = stream.read(tables.LARGEST_TABLE + 1)
    except OSError as error:
        raise _unreadable(name, error) from error
    if len(data) > tables.LARGEST_TABLE:
        raise tables.TableUnreadableError(f"{name} is larger than {tables.LARGEST_TABLE} bytes")
    return data


def _is_stream(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except OSError:
        return False  # which is told when it is read
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def _streamed(path: str) -> bytes:
    try:
        stream = open(path, "rb")  # noqa: PTH123, SIM115 - closed below; its reading has words of its own
    except OSError as error:
        raise _unreadable(path, error) from error
    with stream:
        return bounded(stream, path)


def _unreadable(name: str, error: OSError) -> tables.TableUnreadableError:
    return tables.TableUnreadableError(f"cannot read {name}: {os.strerror(error.errno or 0)}")


def report(path: str, findings: Collection[Diagnostic], counted: tuple[Severity, ...] = (Severity.ERROR,)) -> None:
    """Print findings about a table, and how many of them are as bad as the given severities."""
    if findings:
        complain("\n".join(map(render, findings)))
    numbers = [(severity, sum(finding.severity is severity for finding in findings)) for severity in counted]
    if told := ", ".join(f"{number} {severity}{'s' if number > 1 else ''}" for severity, number in numbers if number):
        complain(f"cltab2systemd: {path}: {told}")
