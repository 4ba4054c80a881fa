"""How commands print what they are asked for."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import click

from cltab2systemd.streams import give_up_output
from cltab2systemd.text import encoded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cltab2systemd.reports.asjson import Json


class Format(enum.StrEnum):
    """What an answer looks like."""

    TEXT = "text"
    JSON = "json"


# For `format_`. Strings, not members: click before 8.2 knows no enums, and later ones take the members' names.
format_option = click.option(
    "--format", "format_", type=click.Choice([form.value for form in Format]), default=Format.TEXT.value,
    show_default=True, help="For a person, or for a program.",
)  # fmt: skip


def say(lines: Iterable[str], trouble: int = 1) -> None:
    """Print printable lines, as UTF-8 whatever the locale; SystemExit with `trouble` if they cannot be written."""
    try:
        click.echo("".join(f"{line}\n" for line in lines).encode(), nl=False)
    except BrokenPipeError:
        raise  # whoever reads has had enough, which click knows
    except OSError as error:
        give_up_output()
        complain(f"{click.get_current_context().find_root().info_name}: cannot write: {error.strerror}")
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
    """Print to the standard error; bytes that are not UTF-8 come out as they came in."""
    click.echo(encoded(text), err=True)
