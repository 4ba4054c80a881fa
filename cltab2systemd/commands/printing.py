"""How the translator's commands print what they are asked for."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import click

from cltab2systemd.commands import tables
from cltab2systemd.reports import asjson
from cltab2systemd.streams import give_up_output

if TYPE_CHECKING:
    from collections.abc import Iterable


class Format(enum.StrEnum):
    """What an answer looks like."""

    TEXT = "text"
    JSON = "json"


# For `format_`. Strings, not members: click before 8.2 knows no enums, and later ones take the members' names.
format_option = click.option(
    "--format", "format_", type=click.Choice([form.value for form in Format]), default=Format.TEXT.value,
    show_default=True, help="For a person, or for a program.",
)  # fmt: skip


def say(lines: Iterable[str]) -> None:
    """Print printable lines, as UTF-8 whatever the locale; SystemExit with 2 if they cannot be written."""
    try:
        click.echo("".join(f"{line}\n" for line in lines).encode(), nl=False)
    except BrokenPipeError:
        raise  # whoever reads has had enough, which click knows
    except OSError as error:
        give_up_output()
        tables.complain(f"cltab2systemd: cannot write: {error.strerror}")
        raise SystemExit(2) from error


def say_json(value: asjson.Json) -> None:
    """Print a JSON document."""
    say([asjson.document(value)])
