"""Reads a study's files together, and checks before a write that the editor has seen them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from experiment_server.errors import ParameterInvalid, StudyStale
from experiment_server.session.parse_worker import ParseWorker
from experiment_server.store.study_file import StudyDraft, read_text
from experiment_server.store.table_files import read_tables
from experiment_server.study.diagnostics import shown
from experiment_server.study.source import StudySource, TableFile, digest_of
from experiment_server.wire.values import JsonObject

ANY_VERSION = "*"


class StudyDisk:
    """A study file, and the table files that it names."""

    def __init__(self, path: Path, worker: ParseWorker) -> None:
        self.path = path
        self._worker = worker
        # The tables in the last text of the file, and that text.
        self._table_paths: list[str] = []
        self._last_text = ""

    async def read_text(self) -> str:
        """Read the study file's text; raises StudyFileUnreadable."""
        return await asyncio.to_thread(read_text, self.path)

    async def read(self) -> StudySource:
        """Read the study file and its tables; raises StudyFileUnreadable."""
        text = await self.read_text()
        if text != self._last_text:
            self._table_paths, self._last_text = await self._worker.files(text), text
        return StudySource(text, await self._tables(self._table_paths))

    def files(self) -> list[Path]:
        """The study file, and the tables that it named when it was last read."""
        return [self.path, *(self.path.parent / path for path in self._table_paths)]

    async def with_tables(self, text: str, instead: JsonObject | None = None) -> StudySource:
        """A study text with the tables that it names, from disk or from the texts `instead`.

        Raises ParameterInvalid if `instead` has another path, or a value that is no text.
        """
        files = await self._worker.files(text)
        for path, table in (instead or {}).items():
            if path not in files or not isinstance(table, str):
                wrong = "is no text" if path in files else "is no table that the study names"
                raise ParameterInvalid(f"tables: {shown(path)} {wrong}")
        return StudySource(text, await self._tables(files, instead))

    async def _tables(
        self, files: list[str], instead: JsonObject | None = None
    ) -> tuple[TableFile, ...]:
        if not files:
            return ()
        return await asyncio.to_thread(read_tables, self.path.parent, files, instead)

    async def require_seen(
        self, edited_digest: str, on_disk: StudySource, tables: list[TableFile]
    ) -> None:
        """Raise StudyStale if saving would overwrite a change that the editor has not seen.

        `edited_digest` is the digest of the edited text, or of the study with its tables. If
        `tables` are to be written, only the latter is accepted.
        """
        if edited_digest == ANY_VERSION:
            return
        of_text = () if tables else (digest_of(on_disk.text),)
        if edited_digest not in (on_disk.digest, *of_text):
            raise StudyStale(
                f"{self.path.name} has changed since you read it, so it was not overwritten; "
                "read it again and repeat your changes"
            )
        others = [table for table in tables if on_disk.table(table.path) is None]
        there = await self._tables([table.path for table in others])
        for new, old in zip(others, there, strict=True):
            if old.unreadable is None and old.text != new.text:
                raise StudyStale(
                    f"{new.path} is there already and is another file, so it was not overwritten; "
                    "give the table another path, or move that file away"
                )

    async def draft(self, source: StudySource, tables: list[TableFile]) -> StudyDraft:
        """Write the study, and tables of it, as drafts; raises StoreUnavailable."""
        return await asyncio.to_thread(StudyDraft, self.path, source, tables)
