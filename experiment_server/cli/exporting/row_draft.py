"""Rows in a temporary file, until the columns of their table are known."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from experiment_server.participants.result_tables import Row
from experiment_server.wire.encoding import from_msgpack, to_msgpack

_LENGTH_BYTES = 4


class RowDraft:
    """Writes rows into an unnamed file in a folder, and reads them once."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - `rows` closes it

    def add(self, row: Row) -> None:
        """Add a row."""
        content = to_msgpack(row)
        self._file.write(len(content).to_bytes(_LENGTH_BYTES, "big") + content)

    def rows(self) -> Iterator[Row]:
        """The rows in their order; deletes the file at its end."""
        self._file.seek(0)
        with self._file as file:
            while length := file.read(_LENGTH_BYTES):
                yield from_msgpack(file.read(int.from_bytes(length, "big")), Row)
