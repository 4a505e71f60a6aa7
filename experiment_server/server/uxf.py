"""`POST /api/uxf`: results of the Unity Experiment Framework, as its data handler sends them.

UXF's "HTTP Post" sends a form with `filepath` and `data`, and Basic credentials, of which the
password is one of our tokens.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from concurrent.futures import Executor, ThreadPoolExecutor
from http import HTTPStatus

from aiohttp import web

from experiment_server.errors import ParameterInvalid
from experiment_server.limits import (
    FORM_FIELD_MAX_BYTES,
    RESULT_CHUNK_BYTES,
    RESULT_FILE_MAX_BYTES,
    RESULT_FILES_CONCURRENT_MAX,
)
from experiment_server.server.encoding import reply
from experiment_server.server.forms import FORMS, Form, Take, form
from experiment_server.server.security import Authenticator
from experiment_server.store.results import Draft, Kept, Results
from experiment_server.wire.replies import KeptFile
from experiment_server.wire.values import JsonObject

log = logging.getLogger(__name__)

PATH = "/api/uxf"
FIELDS = ("filepath", "data")

# A byte that is no letter takes three in a form.
_WRITTEN_LARGER = 3


def add_route(app: web.Application, authenticator: Authenticator, results: Results) -> None:
    """Take files in, from any role; a participant's come into a folder of their own."""
    # Threads of its own: whatever is decoded here, everybody else's work goes on.
    threads = ThreadPoolExecutor(RESULT_FILES_CONCURRENT_MAX, thread_name_prefix="results")

    async def take(request: web.Request) -> web.StreamResponse:
        participant_index = authenticator.caller(request).participant_index
        kept = await _receive(request, _Upload(results, participant_index), threads)
        if not kept.known:
            log.info("results were kept: %s", kept.path)
        return await reply(request, KeptFile(kept.path, kept.known))

    async def stop(_app: web.Application) -> None:
        threads.shutdown(wait=False, cancel_futures=True)

    app.router.add_post(PATH, take)
    app.on_cleanup.append(stop)


async def _receive(request: web.Request, upload: _Upload, threads: Executor) -> Kept:
    """Read a form piece by piece, and keep its file; raises as `_Upload`, and 413."""
    reader = form(request.headers.get("Content-Type", ""), upload.field)
    run = functools.partial(asyncio.get_running_loop().run_in_executor, threads)
    size = 0
    try:
        async for piece in request.content.iter_chunked(RESULT_CHUNK_BYTES):
            size += len(piece)
            if size > _WRITTEN_LARGER * RESULT_FILE_MAX_BYTES:
                raise web.HTTPRequestEntityTooLarge(RESULT_FILE_MAX_BYTES, size)
            await run(reader.feed, piece)
        return await run(upload.keep, reader)
    finally:
        await asyncio.shield(run(upload.discard))


class _Upload:
    """One file on its way in, with the path that its form gives it.

    Raises ParameterInvalid, StoreUnavailable, and 413 for content or a path that is too large.
    """

    def __init__(self, results: Results, participant_index: int | None) -> None:
        self._results = results
        self._participant_index = participant_index
        self._path: bytearray | None = None
        self._draft: Draft | None = None

    def field(self, name: str) -> Take:
        """Take a field; of two with the same name the last counts, and others are passed over."""
        if name == "filepath":
            self._path = bytearray()
            return functools.partial(_more_path, self._path)
        if name == "data":
            if self._draft is None:
                self._draft = self._results.draft()
            self._draft.restart()
            return functools.partial(_more_content, self._draft)
        if name == "_charset_":
            raise ParameterInvalid("texts are read as UTF-8 here; leave the field _charset_ out")
        return _pass_over

    def keep(self, reader: Form) -> Kept:
        """Read the end of the form and keep the file."""
        reader.close()
        if self._path is None or self._draft is None:
            raise ParameterInvalid(f"the form has to have the fields {' and '.join(FIELDS)}")
        try:
            path = self._path.decode()
        except UnicodeDecodeError as error:
            raise ParameterInvalid(f"filepath is not UTF-8 text (byte {error.start})") from None
        return self._results.keep(self._draft, path, self._participant_index)

    def discard(self) -> None:
        """Remove what was not kept."""
        if self._draft is not None:
            self._draft.discard()


def _more_path(path: bytearray, piece: bytes) -> None:
    path += piece
    if len(path) > FORM_FIELD_MAX_BYTES:
        raise ParameterInvalid("filepath is too long")


def _more_content(draft: Draft, piece: bytes) -> None:
    size = draft.size + len(piece)
    if size > RESULT_FILE_MAX_BYTES:
        raise web.HTTPRequestEntityTooLarge(RESULT_FILE_MAX_BYTES, size)
    draft.write(piece)


def _pass_over(_piece: bytes) -> None:
    """Take what nobody asked for."""


def description(errors: JsonObject, success: JsonObject) -> JsonObject:
    """The route in the words of OpenAPI, with the errors that every route may answer."""
    form = {
        "schema": {
            "type": "object",
            "properties": {name: {"type": "string"} for name in FIELDS},
            "required": list(FIELDS),
        }
    }
    return {
        "operationId": "uxf",
        "summary": "keep a file of the Unity Experiment Framework",
        "tags": ["experimenter and participant"],
        "requestBody": {"required": True, "content": dict.fromkeys(FORMS, form)},
        "responses": {str(int(HTTPStatus.OK)): success, **errors},
    }
