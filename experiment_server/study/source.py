"""The source of a study: its TOML text, and the table files beside it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The reason why a table file cannot be read; `line` is None if no line causes it."""

    message: str
    hint: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table file: its path as written in the study, and its text or the reason without one."""

    path: str
    text: str = ""
    unreadable: Unreadable | None = None


@dataclass(frozen=True, slots=True)
class StudySource:
    """The complete source of a study version. `tables` are in the order of their paths."""

    text: str
    tables: tuple[TableFile, ...] = ()

    @property
    def digest(self) -> str:
        """The SHA-256 of the study, in hexadecimal.

        Without tables, it is the SHA-256 of the text. With tables, it is the SHA-256 of a list in
        the format of `sha256sum`: the digest of the text, then, in the order of their paths, a
        line for each table with its digest, two spaces and its path.
        """
        if not self.tables:
            return digest_of(self.text)
        lines = [f"{digest_of(table.text)}  {table.path}\n" for table in self.tables]
        return digest_of("".join([f"{digest_of(self.text)}\n", *lines]))

    def table(self, path: str) -> TableFile | None:
        """The table file with a path, None if the source has none."""
        return next((table for table in self.tables if table.path == path), None)


def digest_of(text: str) -> str:
    """The SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
