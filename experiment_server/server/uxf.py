"""`POST /api/uxf`: results of the Unity Experiment Framework, as its data handler sends them.

UXF's "HTTP Post" sends a form with `filepath` and `data`, and Basic credentials, of which the
password is one of our tokens.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from experiment_server.errors import ParameterInvalid
from experiment_server.limits import RESULT_SIZE
from experiment_server.live.shapes import BOOLEAN, TEXT, record
from experiment_server.server.encoding import reply
from experiment_server.store.results import Results

log = logging.getLogger(__name__)

PATH = "/api/uxf"
FIELDS = ("filepath", "data")
ANSWER = record(path=TEXT, known=BOOLEAN)

_URLENCODED = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
FORMS = (_URLENCODED, _MULTIPART)

# A byte that is no letter takes three in a form.
_WRITTEN_LARGER = 3


def add_route(app: web.Application, results: Results) -> None:
    """Take files in. The gatekeeper has let the caller in, and any role may send results."""

    async def take(request: web.Request) -> web.Response:
        path, content = await _form(request)
        kept = await asyncio.to_thread(results.keep, path, content)
        if not kept.known:
            log.info("results were kept: %s", kept.path)
        return reply(request, {"path": kept.path, "known": kept.known})

    app.router.add_post(PATH, take)


async def _form(request: web.Request) -> tuple[str, bytes]:
    """The path and the content that a form has; raises ParameterInvalid and 413."""
    # Results are larger than anything else that clients send.
    request = request.clone(client_max_size=_WRITTEN_LARGER * RESULT_SIZE)
    try:
        if request.content_type == _URLENCODED:
            # Megabytes of percent signs take a while to read, and others are served meanwhile.
            body = await request.read()
            fields: dict[str, Any] = await asyncio.to_thread(_urlencoded, body)
        elif request.content_type == _MULTIPART:
            fields = dict(await request.post())
        else:
            raise ParameterInvalid(f"send a form: {' or '.join(FORMS)}")
        path, content = (_bytes(fields.get(name)) for name in FIELDS)
        text = path.decode()
    except (ValueError, LookupError, AssertionError, HttpProcessingError) as error:
        raise ParameterInvalid(f"the form cannot be read: {error}") from None
    if len(content) > RESULT_SIZE:
        raise web.HTTPRequestEntityTooLarge(RESULT_SIZE, len(content))
    return text, content


def _urlencoded(body: bytes) -> dict[str, Any]:
    found = parse_qs(
        body.decode("ascii"), keep_blank_values=True, max_num_fields=16, errors="surrogateescape"
    )
    return {name: values[-1] for name, values in found.items()}


def _bytes(value: Any) -> bytes:
    if isinstance(value, web.FileField):
        with value.file as file:
            content: bytes = file.read()
        return content
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    raise ParameterInvalid(f"the form has to have the fields {' and '.join(FIELDS)}")


def description(errors: dict[str, Any], success: dict[str, Any]) -> dict[str, Any]:
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
