"""A program of several commands, each a module of its own that is imported only when it is asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping


class Commands(click.Group):
    """The commands of a program.

    Args:
        package: what the modules are in.
        modules: the module of each command by its name; it has the click command as `command`.
    """

    def __init__(self, *arguments: Any, package: str, modules: Mapping[str, str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._package = package
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names of all commands, in the order of the alphabet."""
        return sorted(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """A command by its name; None if there is none."""
        if cmd_name not in self._modules:
            return None
        command = importlib.import_module(f"{self._package}.{self._modules[cmd_name]}").command
        assert isinstance(command, click.Command)
        return command
