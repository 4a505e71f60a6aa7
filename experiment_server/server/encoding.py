"""HTTP bodies: JSON or MessagePack, and errors as in RFC 9457."""

from __future__ import annotations

import errno
import json
import logging
from http import HTTPStatus

import msgpack
from aiohttp import web

from experiment_server.errors import ExperimentServerError, FileOffsetWrong, ParameterInvalid
from experiment_server.limits.network import PATCH_MAX_BYTES, RETRY_AFTER_S
from experiment_server.server.bodies import media_type, read_at_most
from experiment_server.server.login import ask_because
from experiment_server.server.logs import current_request
from experiment_server.server.responses import whole_response
from experiment_server.session.turns import in_turns
from experiment_server.wire.encoding import Encoded, to_json_bytes, to_msgpack
from experiment_server.wire.refusals import SERVER_FAILED, encodable, error_info
from experiment_server.wire.replies import ErrorInfo, Problem
from experiment_server.wire.values import JsonObject, JsonValue

log = logging.getLogger(__name__)

MSGPACK = "application/msgpack"
UPLOAD_OFFSET = "Upload-Offset"
"""The header with the number of bytes that the server has of a file."""
_JSON = "application/json; charset=utf-8"


async def reply(request: web.Request, body: object) -> web.StreamResponse:
    """A success response in the format that the client accepts: JSON or MessagePack.

    Other tasks run while a long list is encoded.
    """
    as_msgpack = MSGPACK in request.headers.get("Accept", "")
    write = to_msgpack if as_msgpack else to_json_bytes
    if isinstance(body, Encoded):
        written = body.msgpack if as_msgpack else body.json
    elif isinstance(body, list):
        items = [write(item) async for item in in_turns(body)]
        if as_msgpack:
            written = msgpack.Packer().pack_array_header(len(items)) + b"".join(items)
        else:
            written = b"[" + b",".join(items) + b"]"
    else:
        written = write(body)
    # Existing clients compare bodies with texts such as "true", so there is no final line break.
    return whole_response(request, written, MSGPACK if as_msgpack else _JSON)


def text_reply(request: web.Request, text: str) -> web.StreamResponse:
    """A success response with plain text."""
    return whole_response(request, text.encode(), "text/plain; charset=utf-8")


def unquoted(tag: str) -> str:
    """The text in the quotes of an entity tag (RFC 9110); leaves other texts unchanged."""
    return tag.strip().removeprefix("W/").strip('"')


async def text_of(request: web.Request) -> str:
    """The body as text; raises ParameterInvalid if it is not UTF-8."""
    return _decoded(await request.read())


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ParameterInvalid(f"the body is not UTF-8 text (byte {error.start})") from None


async def body_of(request: web.Request) -> JsonValue:
    """The decoded body: MessagePack if the Content-Type says so, otherwise JSON.

    Raises ParameterInvalid, and 413.
    """
    body = await read_at_most(request, PATCH_MAX_BYTES)
    try:
        if media_type(request) == MSGPACK:
            return msgpack.unpackb(body)
        # Python's decoder keeps numbers of any size, so that they can be refused later.
        return json.loads(_decoded(body))
    except (ValueError, RecursionError, msgpack.UnpackException):
        raise ParameterInvalid("the body has to be JSON") from None


def members_of(request: web.Request, text: JsonValue) -> JsonObject | None:
    """The members of an object that a body of text is, None for a body that is the text itself.

    Only what is declared as JSON is one. No TOML begins with a brace, so a study never is, whatever
    it is declared as. Raises ParameterInvalid for a broken object.
    """
    if media_type(request) != "application/json" or not str(text).lstrip().startswith("{"):
        return None
    try:
        members: JsonObject = json.loads(str(text))
    except (ValueError, RecursionError):
        raise ParameterInvalid("the body has to be JSON, and it is not") from None
    return members


def problem(status: int, error: ErrorInfo) -> web.Response:
    """An error response: `application/problem+json`."""
    body = Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        code=error.code,
        detail=error.message,
        request_id=current_request.get(),
        snapshot=error.snapshot,
        diagnostics=error.diagnostics,
        record_id=error.record_id,
        offset=error.offset,
    )
    content_type = "application/problem+json"
    return web.Response(
        status=status, body=to_json_bytes(body), content_type=content_type, charset="utf-8"
    )


def problem_of(request: web.Request, error: Exception) -> web.Response:
    """The response to an exception from a handler. Details of a bug are logged and not sent.

    Raises the exception again if it is a redirect.
    """
    if isinstance(error, ExperimentServerError):
        if error.status == 401 and "text/html" in request.headers.get("Accept", ""):
            return ask_because(error)
        response = problem(error.status, error_info(error))
        if error.status == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        if isinstance(error, FileOffsetWrong):
            response.headers[UPLOAD_OFFSET] = str(error.offset)
        if error.status in (429, 503):
            response.headers["Retry-After"] = str(RETRY_AFTER_S)
        return response
    if isinstance(error, web.HTTPException):
        if error.status < 400:
            raise error
        response = problem(error.status, ErrorInfo(f"http-{error.status}", error.reason))
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    if isinstance(error, (ConnectionError, web.RequestPayloadError)):
        message = f"the request cannot be read: {error}"
        return problem(HTTPStatus.BAD_REQUEST, ErrorInfo("http-400", encodable(message)))
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        # aiohttp asks the system for a file of this name.
        return problem(HTTPStatus.NOT_FOUND, ErrorInfo("http-404", HTTPStatus.NOT_FOUND.phrase))
    log.error("%s %r failed", request.method, request.path, exc_info=error)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, SERVER_FAILED)
