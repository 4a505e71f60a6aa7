"""Receives the bodies of uploaded files, and adds stored files to the log.

Threads of their own write files, so that they do not block the event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from aiohttp import web

from experiment_server.errors import FileTooLarge
from experiment_server.limits.results import RESULT_CHUNK_BYTES, RESULT_FILES_CONCURRENT_MAX
from experiment_server.participants.events import Cause
from experiment_server.session.requests import Caller
from experiment_server.session.session import StudySession
from experiment_server.store.unfinished_files import FilesInPieces
from experiment_server.store.uploaded_files import StoredFile, UploadedFiles

log = logging.getLogger(__name__)

P = ParamSpec("P")
Result = TypeVar("Result")


class FileReceiver:
    """Receives, stores and logs files until the application stops."""

    def __init__(self, app: web.Application, session: StudySession, files: UploadedFiles) -> None:
        self.files = files
        self.pieces = FilesInPieces(files)
        self._session = session
        self._threads = ThreadPoolExecutor(
            RESULT_FILES_CONCURRENT_MAX, thread_name_prefix="results"
        )
        app.on_cleanup.append(self._stop)

    def run(
        self, function: Callable[P, Result], *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[Result]:
        """Call a function on one of the threads."""
        return asyncio.wrap_future(self._threads.submit(function, *args, **kwargs))

    async def receive(
        self, request: web.Request, write: Callable[[bytes], None], most: int
    ) -> None:
        """Write a body in chunks; raises FileTooLarge if it has more than `most` bytes."""
        size = request.content_length or 0
        if size > most:
            raise _too_large(most)
        received = 0
        async for chunk in request.content.iter_chunked(RESULT_CHUNK_BYTES):
            received += len(chunk)
            if received > most:
                raise _too_large(most)
            await self.run(write, chunk)

    async def require_room(self, participant_index: int | None, size: int) -> None:
        """Raise LimitReached if there may be no further file of this size."""
        await self._session.file_log.require_room(participant_index, size)

    async def add_to_log(
        self, caller: Caller, participant_index: int | None, stored: StoredFile
    ) -> None:
        """Log a stored file, once; raises StoreUnavailable."""
        await self._session.file_log.add(
            Cause(caller.actor), participant_index, stored.name, stored.size, stored.digest.hex()
        )
        if not stored.is_repeat:
            log.info("a file was stored: %s", stored.path)

    async def _stop(self, _app: web.Application) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _too_large(most: int) -> FileTooLarge:
    return FileTooLarge(f"the body has more than {most:,} bytes; send a smaller file, or pieces")
