"""A table as its files: the table itself, and the fragments beside it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class TableFile:
    """One file of a table, as it was read: its path, and its bytes."""

    path: str
    content: bytes


@dataclass(frozen=True, slots=True)
class TableFiles:
    """All files of a table: the one that has its name, and the fragments in the order in which they are read."""

    main: TableFile
    fragments: tuple[TableFile, ...] = ()

    @classmethod
    def of(cls, content: bytes, path: str) -> TableFiles:
        """A table that is one file."""
        return cls(TableFile(path, content))

    def __iter__(self) -> Iterator[TableFile]:
        """The files in the order in which they are read."""
        yield self.main
        yield from self.fragments

    @property
    def path(self) -> str:
        """That of the table itself."""
        return self.main.path

    @property
    def joined(self) -> bytes:
        """The table as one file that says the same: what is behind the end of a file is a line of its own.

        A table of one file is that file, byte for byte.
        """
        if not self.fragments:
            return self.main.content
        return b"".join(
            file.content if file.content.endswith(b"\n") or not file.content else file.content + b"\n" for file in self
        )

    @property
    def empty(self) -> str:
        """The path of the first file without a byte, which is what a power cut leaves of a write; empty if none is."""
        return next((file.path for file in self if not file.content), "")

    def at(self, path: str) -> TableFiles:
        """The same files as those of a table at another path, and beside it."""
        main, *fragments = (TableFile(path + file.path.removeprefix(self.path), file.content) for file in self)
        return TableFiles(main, tuple(fragments))
