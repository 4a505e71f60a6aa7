"""Records in a temporary file, until the columns of their table are known."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from experiment_server.wire.encoding import from_msgpack, to_msgpack
from experiment_server.wire.results import StoredRecord

_LENGTH_BYTES = 4


class RecordDraft:
    """Writes records into an unnamed file in a folder, and reads them."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - `close` closes it

    def written(self, records: Iterable[StoredRecord]) -> Iterator[StoredRecord]:
        """The same records, each written as it is read."""
        for record in records:
            content = to_msgpack(record)
            self._file.write(len(content).to_bytes(_LENGTH_BYTES, "big") + content)
            yield record

    def records(self) -> Iterator[StoredRecord]:
        """The written records in their order."""
        self._file.seek(0)
        while length := self._file.read(_LENGTH_BYTES):
            yield from_msgpack(self._file.read(int.from_bytes(length, "big")), StoredRecord)

    def close(self) -> None:
        """Delete the file."""
        self._file.close()
