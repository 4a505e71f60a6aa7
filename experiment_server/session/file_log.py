"""The files of a session according to its log: adds them, counts them and finds them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import partial

from experiment_server.errors import FileUnknown, LimitReached
from experiment_server.limits.results import (
    PARTICIPANT_FILES_MAX,
    SESSION_FILES_MAX,
    SESSION_FILES_MAX_BYTES,
)
from experiment_server.participants.events import Cause, Entry, Event
from experiment_server.participants.uploads import LoggedFile, logged_file
from experiment_server.session.deadlines import within_commit_timeout
from experiment_server.store.commits import Commit, Written
from experiment_server.store.store import Store
from experiment_server.wire.events import FileStored


class _Files:
    """The files by their path, and their numbers and sizes."""

    def __init__(self) -> None:
        self.by_path: dict[str, LoggedFile] = {}
        self.by_name: dict[tuple[int | None, str], LoggedFile] = {}
        self.counts: Counter[int | None] = Counter()
        self.bytes = 0

    def add(self, file: LoggedFile) -> None:
        """Add a file, or replace the one that had its path."""
        before = self.by_path.get(file.path)
        if before is None:
            self.counts[file.participant_index] += 1
        else:
            self.bytes -= before.bytes
        self.by_path[file.path] = file
        self.by_name[file.participant_index, file.name] = file
        self.bytes += file.bytes


class FileLog:
    """The files of a session; it calls `written` with their log entries."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime],
        written: Callable[[list[Entry]], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._written = written
        self._reading = asyncio.Lock()
        self._commits = 0
        self._read: _Files | None = None
        self._pending: dict[str, asyncio.Future[Written]] = {}

    async def add(
        self, cause: Cause, participant_index: int | None, path: str, size: int, sha256: str
    ) -> None:
        """Log a stored file, unless the log has it; returns when that is durable.

        Raises StoreUnavailable; the file is logged when it is sent again.
        """
        known = (await self._files()).by_path.get(path)
        if known is not None and known.sha256 == sha256:
            return
        pending = self._pending.get(path)
        if pending is None:
            data = FileStored(
                by=cause.by, reason=cause.reason, path=path, bytes=size, sha256=sha256
            )
            event = Event(self._clock(), data, participant_index)
            pending = asyncio.wrap_future(self._store.commit(Commit(events=[event])))
            self._pending[path] = pending
            pending.add_done_callback(partial(self._committed, path))
        await within_commit_timeout(pending, "send the same file again: it is stored once")

    async def require_room(self, participant_index: int | None, size: int) -> None:
        """Raise LimitReached if a participant or the session has too many or too large files."""
        files = await self._files()
        if files.counts[participant_index] >= PARTICIPANT_FILES_MAX and participant_index:
            raise LimitReached(
                f"participant {participant_index} has {PARTICIPANT_FILES_MAX:,} files, and a "
                "participant has at most as many. Send small ones as records"
            )
        if len(files.by_path) >= SESSION_FILES_MAX:
            raise LimitReached(f"a session has at most {SESSION_FILES_MAX:,} files, and has them")
        if files.bytes + size > SESSION_FILES_MAX_BYTES:
            raise LimitReached(
                f"the files of a session have at most {SESSION_FILES_MAX_BYTES >> 30:,} GB together"
            )

    async def files(self, participant_index: int | None = None) -> list[LoggedFile]:
        """All files, or those of one participant, in the order in which they arrived."""
        found = (await self._files()).by_path.values()
        if participant_index is None:
            return list(found)
        return [file for file in found if file.participant_index == participant_index]

    async def find(self, participant_index: int | None, name: str) -> LoggedFile:
        """A file by its name; raises FileUnknown."""
        found = (await self._files()).by_name.get((participant_index, name))
        if found is not None:
            return found
        raise FileUnknown(
            f"there is no file {name[:200]!r} of participant {participant_index or 0}; "
            "GET /api/files lists all"
        )

    def drop_cache(self) -> None:
        """Forget the files; they are read again when they are needed."""
        self._read = None

    def _committed(self, path: str, work: asyncio.Future[Written]) -> None:
        del self._pending[path]
        if work.cancelled() or work.exception():
            return
        self._commits += 1
        entries = work.result().entries
        self._written(entries)
        if self._read is not None:
            for entry in entries:
                self._read.add(logged_file(entry))

    async def _files(self) -> _Files:
        async with self._reading:
            while self._read is None:
                commits, found, after = self._commits, _Files(), 0
                while page := await asyncio.wrap_future(self._store.file_entries(after=after)):
                    for entry in page:
                        found.add(logged_file(entry))
                    after = page[-1].id
                # An entry that was written meanwhile may be on no page.
                if commits == self._commits:
                    self._read = found
            return self._read
