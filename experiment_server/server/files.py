"""`/api/files`: receives files whole or in pieces, and sends them to the experimenter.

A piece has the header `Content-Range: bytes 0-999/5000`. The answer to it, and to an empty body
with `Content-Range: bytes */5000`, has the offset at which the next piece has to begin. RFC 9110
leaves the meaning of Content-Range in a PUT to the server.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO
from urllib.parse import quote, unquote_to_bytes

from aiohttp import web

from experiment_server.errors import (
    ExperimentServerError,
    FileConflict,
    FileHashWrong,
    FileOffsetWrong,
    FileTooLarge,
    FileUnknown,
    ParameterInvalid,
    ParticipantUnknown,
    StorageFull,
    StoreUnavailable,
)
from experiment_server.limits.results import FILE_MAX_BYTES, FILE_PIECE_MAX_BYTES
from experiment_server.participants.uploads import LoggedFile, name_in_folder
from experiment_server.server.encoding import UPLOAD_OFFSET, reply
from experiment_server.server.receiving import FileReceiver
from experiment_server.server.routes import INTEGER
from experiment_server.server.security import Authenticator
from experiment_server.session.calls import participant_of, require_role
from experiment_server.session.operations import EXPERIMENTER
from experiment_server.session.requests import Caller
from experiment_server.session.session import StudySession
from experiment_server.store.file_names import requested_names
from experiment_server.store.unfinished_files import Upload, require_digest
from experiment_server.store.uploaded_files import StoredFile
from experiment_server.wire.files import FileReceived
from experiment_server.wire.values import JsonObject

_PATH = "/api/files"
PATHS = (f"{_PATH}/{{participant_index}}/{{name}}", f"{_PATH}/{{name}}")
"""The paths of a file in the API description."""

UPLOAD_ERRORS: Sequence[type[ExperimentServerError]] = (
    ParticipantUnknown, FileTooLarge, FileOffsetWrong, FileConflict, FileHashWrong, StorageFull,
    StoreUnavailable,
)  # fmt: skip
DOWNLOAD_ERRORS: Sequence[type[ExperimentServerError]] = (
    ParticipantUnknown, FileUnknown, StoreUnavailable,
)  # fmt: skip

_NOBODY = 0
"""Stands for no participant in the path of a download."""

_RANGE = re.compile(r"bytes +(?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18})", re.ASCII | re.IGNORECASE)
_DIGEST = re.compile(r"(?:^|,)\s*sha-256\s*=\s*(:[^:,]*:|[^,]*)", re.ASCII)
_CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class _Range:
    """The place of a piece in its file; both ends are None for a question about the offset."""

    start: int | None
    end: int | None
    total: int


def add_routes(
    app: web.Application,
    session: StudySession,
    authenticator: Authenticator,
    receiver: FileReceiver,
) -> None:
    """Add the routes that receive and send files."""

    async def put_file(request: web.Request) -> web.StreamResponse:
        caller = authenticator.caller(request)
        named, name = _target(request)
        index = participant_of(caller, named, session.default_participant_index)
        await session.require_participant(index)
        upload = _IncomingFile(request, receiver, caller, index, name)
        return await _answer(request, await upload.receive())

    async def get_file(request: web.Request) -> web.StreamResponse:
        caller = authenticator.caller(request)
        require_role("download-file", EXPERIMENTER, caller)
        named, name = _target(request)
        index = None
        if named != _NOBODY:
            index = participant_of(caller, named, session.default_participant_index)
        return await _send(request, receiver, await session.file_log.find(index, name))

    # A name may have line breaks, which `.` does not match.
    named_file = f"{_PATH}/{{name:[\\s\\S]*}}"
    for path in (_PATH, named_file):
        app.router.add_put(path, put_file)
    app.router.add_get(named_file, get_file, allow_head=False)


class _IncomingFile:
    """A file, or a piece of one, that a request sends."""

    def __init__(
        self,
        request: web.Request,
        receiver: FileReceiver,
        caller: Caller,
        participant_index: int,
        name: str,
    ) -> None:
        self._request = request
        self._receiver = receiver
        self._caller = caller
        self._participant_index = participant_index
        self._path = name
        self._names = requested_names(name, participant_index)
        self._range = _range_of(request)
        self._digest = _digest_of(request)

    async def receive(self) -> FileReceived:
        """Receive the body, and store it; raises `UPLOAD_ERRORS`."""
        if self._range is None:
            return await self._complete(await self._receive_whole())
        upload = self._upload(self._range.total)
        outcome = await self._receive_piece(self._range, upload)
        if isinstance(outcome, StoredFile):
            return await self._complete(outcome)
        name = name_in_folder("/".join(self._names))
        return FileReceived(
            self._participant_index, name, outcome, upload.size, sha256=None, known=False
        )

    def _upload(self, size: int) -> Upload:
        return Upload(self._participant_index, self._path, size, self._digest)

    async def _complete(self, stored: StoredFile) -> FileReceived:
        await self._receiver.add_to_log(self._caller, self._participant_index, stored)
        return FileReceived(
            self._participant_index,
            name_in_folder(stored.name),
            stored.size,
            stored.size,
            stored.digest.hex(),
            stored.is_repeat,
        )

    async def _receive_whole(self) -> StoredFile:
        run, files = self._receiver.run, self._receiver.files
        size = self._request.content_length or 0
        _require_size(size, FILE_MAX_BYTES, "a file")
        await self._receiver.require_room(self._participant_index, size)
        draft = await run(files.draft, size)
        try:
            await self._receiver.receive(self._request, draft.write, FILE_MAX_BYTES)
            require_digest(self._upload(draft.size), draft.digest)
            return await run(files.store, draft, self._path, self._participant_index)
        finally:
            await asyncio.shield(run(draft.discard))

    async def _receive_piece(self, piece: _Range, upload: Upload) -> StoredFile | int:
        run, pieces = self._receiver.run, self._receiver.pieces
        _require_size(upload.size, FILE_MAX_BYTES, "a file")
        progress = await run(pieces.progress, upload)
        if piece.start is None or piece.end is None or isinstance(progress, StoredFile):
            return progress
        size = piece.end - piece.start + 1
        _require_size(size, FILE_PIECE_MAX_BYTES, "a piece")
        # The last piece may be a repeat after the file was completed.
        if piece.start > progress and piece.end + 1 < upload.size:
            raise FileOffsetWrong(piece.start, progress)
        await self._receiver.require_room(self._participant_index, upload.size)
        draft = await run(self._receiver.files.draft, upload.size - progress)
        try:
            await self._receiver.receive(self._request, draft.write, size)
            if draft.size != size:
                raise ParameterInvalid(
                    f"Content-Range is of {size:,} bytes, and the body has {draft.size:,}"
                )
            return await run(pieces.take, upload, piece.start, draft)
        finally:
            await asyncio.shield(run(draft.discard))


async def _answer(request: web.Request, received: FileReceived) -> web.StreamResponse:
    response = await reply(request, received)
    if received.sha256 is None:
        response.set_status(HTTPStatus.ACCEPTED)
    elif not received.known:
        response.set_status(HTTPStatus.CREATED)
    response.headers[UPLOAD_OFFSET] = str(received.offset)
    return response


async def _send(
    request: web.Request, receiver: FileReceiver, file: LoggedFile
) -> web.StreamResponse:
    """Send a file to be saved; a browser never shows it as a page of this server."""
    path = receiver.files.folder / file.path
    try:
        source = await receiver.run(path.open, "rb")
    except FileNotFoundError:
        raise FileUnknown(
            f"{file.name!r} is in the log, and is gone from {path.parent}; restore it from a backup"
        ) from None
    except OSError as error:
        raise StoreUnavailable(f"{path} cannot be read: {error.strerror or error}") from None
    try:
        hashed = b64encode(bytes.fromhex(file.sha256)).decode()
        name = quote(file.name.rpartition("/")[2], safe="")
        response = web.StreamResponse(
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
                "Content-Security-Policy": "default-src 'none'; sandbox",
                # The hash of the log, so that a reader notices a file that was changed.
                "Repr-Digest": f"sha-256=:{hashed}:",
            }
        )
        await response.prepare(request)
        while chunk := await receiver.run(_read, source):
            await response.write(chunk)
        await response.write_eof()
        return response
    finally:
        source.close()


def _read(source: BinaryIO) -> bytes:
    return source.read(_CHUNK_BYTES)


def _target(request: web.Request) -> tuple[int | None, str]:
    """The participant in a path, None if it has none, and the name of the file.

    A first part that is a whole number is a participant if another part follows.
    """
    rest = request.rel_url.raw_path.removeprefix(_PATH).removeprefix("/")
    first, slash, name = rest.partition("/")
    named = int(first) if slash and INTEGER.fullmatch(first) else None
    try:
        return named, unquote_to_bytes(rest if named is None else name).decode("utf-8")
    except UnicodeDecodeError:
        raise ParameterInvalid("the name of the file is not UTF-8 text") from None


def _range_of(request: web.Request) -> _Range | None:
    header = request.headers.get("Content-Range")
    if header is None:
        return None
    found = _RANGE.fullmatch(header.strip())
    if found is None:
        raise ParameterInvalid(
            f"Content-Range has to be like `bytes 0-999/5000`, or `bytes */5000` to ask for the "
            f"offset, got {header[:100]!r}"
        )
    start, end, total = (None if number is None else int(number) for number in found.groups())
    if total is None or (start is not None and end is not None and not start <= end < total):
        raise ParameterInvalid(f"Content-Range {header[:100]!r} is of no bytes of the file")
    return _Range(start, end, total)


def _digest_of(request: web.Request) -> bytes | None:
    """The SHA-256 in Repr-Digest (RFC 9530); other algorithms are ignored."""
    header = request.headers.get("Repr-Digest", "")
    found = _DIGEST.search(header)
    if found is None:
        return None
    text = found[1].strip()
    try:
        if not text.startswith(":") or not text.endswith(":"):
            raise ValueError
        digest = b64decode(text.strip(":"), validate=True)
        if len(digest) != 32:
            raise ValueError
    except ValueError:
        raise ParameterInvalid(
            "Repr-Digest has to be like `sha-256=:<44 characters of Base64>:`"
        ) from None
    return digest


def _require_size(size: int, most: int, what: str) -> None:
    if size > most:
        raise FileTooLarge(f"{what} has at most {most:,} bytes, and this one has {size:,}")


def descriptions(
    path: str, upload_answers: JsonObject, download_answers: JsonObject
) -> dict[str, JsonObject]:
    """The OpenAPI descriptions of both methods at one of `PATHS`, with their answers."""
    names = re.findall(r"{(\w+)}", path)
    summaries = {
        "participant_index": "the participant; by default the caller's own, or the default one. "
        f"{_NOBODY} in a download is for files of no participant",
        "name": "the name of the file, with folders if there are slashes",
    }
    types = {"participant_index": "integer", "name": "string"}
    parameters = [
        {"name": name, "in": "path", "required": True, "description": summaries[name],
         "schema": {"type": types[name]}}
        for name in names
    ]  # fmt: skip
    headers = [
        {"name": name, "in": "header", "description": summary, "schema": {"type": "string"}}
        for name, summary in (
            ("Content-Range", "the place of a piece, `bytes 0-999/5000`; `bytes */5000` asks for "
             "the offset of the next piece"),
            ("Repr-Digest", "the SHA-256 of the whole file, `sha-256=:<Base64>:`"),
        )
    ]  # fmt: skip
    body = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    return {
        "put": {
            "operationId": " ".join(["upload-file", *names]),
            "summary": "Store a file, whole or in pieces",
            "tags": ["experimenter and participant"],
            "parameters": [*parameters, *headers],
            "requestBody": {"required": True, "content": body},
            "responses": upload_answers,
        },
        "get": {
            "operationId": " ".join(["download-file", *names]),
            "summary": "The content of a file",
            "tags": ["experimenter"],
            "parameters": parameters,
            "responses": {
                "200": {"description": "the content of the file", "content": body},
                **download_answers,
            },
        },
    }
