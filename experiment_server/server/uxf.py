"""`POST /api/uxf`: stores results of the Unity Experiment Framework.

UXF's data handler "HTTP Post" sends a form with `filepath` and `data`, and Basic credentials, in
which the password is a token of this server.
"""

from __future__ import annotations

import asyncio
import functools
from http import HTTPStatus

from aiohttp import web

from experiment_server.errors import FileTooLarge, ParameterInvalid
from experiment_server.limits.results import (
    FORM_FIELD_MAX_BYTES,
    RESULT_FILE_MAX_BYTES,
)
from experiment_server.server.encoding import reply
from experiment_server.server.forms import FORMS, ContentWriter, FormReader, form_reader
from experiment_server.server.receiving import FileReceiver
from experiment_server.server.security import Authenticator
from experiment_server.store.uploaded_files import Draft, StoredFile, UploadedFiles
from experiment_server.wire.replies import UploadedFile
from experiment_server.wire.values import JsonObject

PATH = "/api/uxf"
FIELDS = ("filepath", "data")

# A form may encode one byte as three characters.
_ENCODING_OVERHEAD = 3


def add_route(app: web.Application, authenticator: Authenticator, receiver: FileReceiver) -> None:
    """Add the upload route for all roles; each participant has a folder."""

    async def upload_file(request: web.Request) -> web.StreamResponse:
        caller = authenticator.caller(request)
        await receiver.require_room(caller.participant_index, 0)
        upload = _Upload(receiver.files, caller.participant_index)
        stored = await _receive(request, upload, receiver)
        await receiver.add_to_log(caller, caller.participant_index, stored)
        return await reply(request, UploadedFile(stored.path, stored.is_repeat))

    app.router.add_post(PATH, upload_file)


async def _receive(request: web.Request, upload: _Upload, receiver: FileReceiver) -> StoredFile:
    """Parse a form in chunks, and store its file; raises as `_Upload`."""
    reader = form_reader(request.headers.get("Content-Type", ""), upload.field)
    most = _ENCODING_OVERHEAD * RESULT_FILE_MAX_BYTES
    try:
        await receiver.receive(request, reader.write, most)
        return await receiver.run(upload.store, reader)
    finally:
        await asyncio.shield(receiver.run(upload.discard))


class _Upload:
    """The upload of one file, with the path from its form.

    Raises ParameterInvalid, StoreUnavailable, and FileTooLarge.
    """

    def __init__(self, results: UploadedFiles, participant_index: int | None) -> None:
        self._results = results
        self._participant_index = participant_index
        self._path: bytearray | None = None
        self._draft: Draft | None = None

    def field(self, name: str) -> ContentWriter:
        """The writer for a field. The last one of repeated fields counts; others are ignored."""
        if name == "filepath":
            self._path = bytearray()
            return functools.partial(_append_path, self._path)
        if name == "data":
            if self._draft is None:
                self._draft = self._results.draft()
            self._draft.restart()
            return functools.partial(_append_content, self._draft)
        if name == "_charset_":
            raise ParameterInvalid("the text has to be UTF-8; leave out the field _charset_")
        return _ignore

    def store(self, reader: FormReader) -> StoredFile:
        """Parse the end of the form, and store the file."""
        reader.close()
        if self._path is None or self._draft is None:
            raise ParameterInvalid(f"the form has to have the fields {' and '.join(FIELDS)}")
        try:
            path = self._path.decode()
        except UnicodeDecodeError as error:
            raise ParameterInvalid(f"filepath is not UTF-8 text (byte {error.start})") from None
        return self._results.store(self._draft, path, self._participant_index)

    def discard(self) -> None:
        """Delete the file if it was not stored."""
        if self._draft is not None:
            self._draft.discard()


def _append_path(path: bytearray, piece: bytes) -> None:
    path += piece
    if len(path) > FORM_FIELD_MAX_BYTES:
        raise ParameterInvalid("filepath is too long")


def _append_content(draft: Draft, piece: bytes) -> None:
    size = draft.size + len(piece)
    if size > RESULT_FILE_MAX_BYTES:
        raise FileTooLarge(
            f"a file in a form has at most {RESULT_FILE_MAX_BYTES:,} bytes; send larger ones with "
            "PUT /api/files"
        )
    draft.write(piece)


def _ignore(_piece: bytes) -> None:
    """Ignore the content of an unknown field."""


def description(errors: JsonObject, success: JsonObject) -> JsonObject:
    """The route's OpenAPI description, with the errors that every route may answer."""
    form_reader = {
        "schema": {
            "type": "object",
            "properties": {name: {"type": "string"} for name in FIELDS},
            "required": list(FIELDS),
        }
    }
    return {
        "operationId": "uxf",
        "summary": "Store a file of the Unity Experiment Framework",
        "tags": ["experimenter and participant"],
        "requestBody": {"required": True, "content": dict.fromkeys(FORMS, form_reader)},
        "responses": {str(int(HTTPStatus.OK)): success, **errors},
    }
