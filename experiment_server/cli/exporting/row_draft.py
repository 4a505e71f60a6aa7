"""Rows in a temporary file, until the columns of their table are known."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from experiment_server.wire.encoding import from_msgpack, to_msgpack
from experiment_server.wire.values import JsonObject

_LENGTH_BYTES = 4


class RowDraft:
    """Writes rows into an unnamed file in a folder, and reads them once."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - `rows` closes it

    def add(self, cells: JsonObject) -> None:
        """Add a row."""
        row = to_msgpack(cells)
        self._file.write(len(row).to_bytes(_LENGTH_BYTES, "big") + row)

    def rows(self) -> Iterator[JsonObject]:
        """The rows in their order; closes the file at its end."""
        self._file.seek(0)
        with self._file as file:
            while length := file.read(_LENGTH_BYTES):
                yield from_msgpack(file.read(int.from_bytes(length, "big")), dict)
