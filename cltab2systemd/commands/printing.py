"""How commands print what they are asked for. Imports nothing heavy."""

from __future__ import annotations

import os
import sys

from cltab2systemd.streams import give_up_output
from cltab2systemd.text import encoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cltab2systemd.reports.asjson import Json


def say(lines: Iterable[str], trouble: int = 1) -> None:
    """Print printable lines, as UTF-8 whatever the locale.

    SystemExit with `trouble` if they cannot be written; with 1, and without a word, if whoever reads has had enough.
    """
    try:
        sys.stdout.buffer.write("".join(f"{line}\n" for line in lines).encode())
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        give_up_output()
        raise SystemExit(1) from None
    except OSError as error:
        give_up_output()
        complain(f"{os.path.basename(sys.argv[0])}: cannot write: {error.strerror}")  # noqa: PTH119 - pathlib is slow
        raise SystemExit(trouble) from error


def say_json(value: Json, trouble: int = 1) -> None:
    """Print a JSON document; `trouble` as for `say`."""
    from cltab2systemd.reports import asjson  # noqa: PLC0415 - slow to import

    say([asjson.document(value)], trouble)


def say_object(value: object) -> None:
    """Print a value of strings, numbers, lists and objects as a JSON document; any string may be text of a table."""
    from cltab2systemd.reports import asjson  # noqa: PLC0415 - slow to import

    say([asjson.document(asjson.value(value))])


def complain(text: str) -> None:
    """Print a line to the standard error, if anybody reads it; bytes that are not UTF-8 come out as they came in."""
    try:
        sys.stderr.buffer.write(encoded(text) + b"\n")
        sys.stderr.buffer.flush()
    except OSError:
        give_up_output(sys.stderr)
