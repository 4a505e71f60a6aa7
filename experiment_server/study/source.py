"""A study as it is written: its TOML text, and the tables that stand in files beside it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a table's file has no text; `line` is where in it, None where that is no place."""

    message: str
    hint: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table's file: its path as the study names it, and its text, or why it has none."""

    path: str
    text: str = ""
    unreadable: Unreadable | None = None


@dataclass(frozen=True, slots=True)
class StudySource:
    """All that a version of a study is made of. `tables` are in the order of their paths."""

    text: str
    tables: tuple[TableFile, ...] = ()

    @property
    def digest(self) -> str:
        """The SHA-256 of the study, in hexadecimal.

        Without tables it is that of the text. With tables it is that of a list as `sha256sum`
        writes it: the digest of the text, then, in the order of their paths, a line for each table
        with its digest, two spaces and its path.
        """
        if not self.tables:
            return digest_of(self.text)
        lines = [f"{digest_of(table.text)}  {table.path}\n" for table in self.tables]
        return digest_of("".join([f"{digest_of(self.text)}\n", *lines]))

    def table(self, path: str) -> TableFile | None:
        """The table's file of a path, None where the source has none."""
        return next((table for table in self.tables if table.path == path), None)


def digest_of(text: str) -> str:
    """The SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
