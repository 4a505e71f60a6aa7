"""REST: a route for every operation, with its parameters in the path, the query and the body."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from aiohttp import web

from experiment_server.errors import IdentifierInvalid, OperationUnknown, ParameterInvalid
from experiment_server.flow import export
from experiment_server.live.calls import (
    Arguments,
    Kind,
    Operation,
    Parameter,
    Place,
    Presence,
    Table,
    call,
    resolve,
)
from experiment_server.live.live import Live
from experiment_server.live.operations import OPERATIONS
from experiment_server.server.encoding import body_of, quoted, reply, text_of
from experiment_server.server.metrics import Metrics
from experiment_server.server.security import Gate

# As many digits as an index can have, and some; Python would also take "١٢" and "1_0".
_INTEGER = re.compile(r"-?[0-9]{1,18}")


def paths(operation: Operation) -> Iterator[str]:
    """The paths of an operation: with all its parameters, and without those that have a default.

    `/api/move-to-block/{participant_index}/{block_id}` and `/api/move-to-block/{block_id}`.
    """
    parameters = _in(operation, Place.PATH)
    required = [item.name for item in parameters if item.presence is Presence.REQUIRED]
    everything = [item.name for item in parameters]
    for names in [everything] if required == everything else [required, everything]:
        yield "/".join(["/api", operation.rest_path, *(f"{{{name}}}" for name in names)])


def add_routes(app: web.Application, live: Live, gate: Gate, metrics: Metrics) -> None:
    """Serve the table of operations under /api/."""
    for operation in OPERATIONS.values():
        for path in paths(operation):
            app.router.add_route(operation.method, path, _handler(live, gate, metrics, operation))
        if operation.table:
            for output_format in export.MEDIA_TYPES:
                app.router.add_get(
                    f"/api/{operation.rest_path}.{output_format}",
                    _stream(live, gate, operation, operation.table, output_format),
                )
    app.router.add_route("*", "/api/{rest:.*}", _unknown)


def _handler(live: Live, gate: Gate, metrics: Metrics, operation: Operation):  # type: ignore[no-untyped-def]
    read = _reader(operation)

    async def handle(request: web.Request) -> web.Response:
        caller = gate.caller(request)
        with metrics.counting(operation.name, caller.actor):
            given = await read(request)
            key = request.headers.get("Idempotency-Key")
            result = await call(live, operation, caller, given, key)
        body = operation.rest_body(result) if operation.rest_body else result
        if operation.answer is None:
            return web.Response()
        tag = operation.tag(result) if operation.tag else None
        if tag is not None and _has(request, tag):
            response = web.Response(status=304)
        else:
            response = await reply(request, body, operation.media_type)
        if tag is not None:
            response.etag = tag
        return response

    return handle


def _has(request: web.Request, tag: str) -> bool:
    """Whether the caller has this version already (RFC 9110, If-None-Match)."""
    known = request.if_none_match or ()
    return any(item.value in (tag, "*") for item in known)


def _stream(  # type: ignore[no-untyped-def]
    live: Live, gate: Gate, operation: Operation, table: Table, output_format: export.Format
):
    read = _reader(operation)

    async def handle(request: web.Request) -> web.StreamResponse:
        caller = gate.caller(request)
        given = await read(request)
        arguments = resolve(operation, caller, given, live.service.default_participant_index)
        response = web.StreamResponse(
            headers={
                "Content-Type": f"{export.MEDIA_TYPES[output_format]}; charset=utf-8",
                "Content-Disposition": f'attachment; filename="{operation.name}.{output_format}"',
            }
        )
        return await _write(request, response, live, arguments, table, output_format)

    return handle


async def _write(
    request: web.Request,
    response: web.StreamResponse,
    live: Live,
    arguments: Arguments,
    table: Table,
    output_format: export.Format,
) -> web.StreamResponse:
    pages = table.pages(live, arguments)
    # The first page comes before the headers: what refuses can still say so with a status.
    first: list[dict[str, Any]] = await anext(pages, [])
    await response.prepare(request)
    await response.write(export.heading(table.columns, output_format).encode())
    await response.write(_lines(table, first, output_format))
    async for rows in pages:
        await response.write(_lines(table, rows, output_format))
    await response.write_eof()
    return response


def _lines(table: Table, rows: list[dict[str, Any]], output_format: export.Format) -> bytes:
    cells = map(table.cells, rows) if output_format == "csv" else rows
    return export.lines(cells, table.columns, output_format).encode("utf-8", "replace")


def _reader(operation: Operation) -> Callable[[web.Request], Awaitable[dict[str, Any]]]:
    """What reads an operation's parameters from a request."""
    query = {item.name: item for item in _in(operation, Place.QUERY)}
    # The classic reads take none, and pass over what they get.
    lenient = not query and not operation.changes
    elsewhere = [
        item for item in operation.parameters if item.place in (Place.BODY, Place.IF_MATCH)
    ]

    async def read(request: web.Request) -> dict[str, Any]:
        given: dict[str, Any] = {
            name: _integer(name, text) for name, text in request.match_info.items()
        }
        if request.query_string and not lenient:
            given |= _query(request, operation, query)
        for parameter in elsewhere:
            given[parameter.name] = await _elsewhere(request, parameter)
        return given

    return read


async def _elsewhere(request: web.Request, parameter: Parameter) -> Any:
    if parameter.place is Place.IF_MATCH:
        header = request.headers.get("If-Match")
        return None if header is None else quoted(header)
    return await (text_of(request) if parameter.kind is Kind.TEXT else body_of(request))


def _query(
    request: web.Request, operation: Operation, known: Mapping[str, Parameter]
) -> dict[str, Any]:
    given: dict[str, Any] = {}
    try:
        # The library keeps what it cannot decode as it was written, with percent signs.
        unquote_to_bytes(request.rel_url.raw_query_string).decode("utf-8")
    except UnicodeDecodeError:
        raise ParameterInvalid(f"{operation.name}: the query is not UTF-8 text") from None
    for name, text in request.query.items():
        if name not in known:
            takes = ", ".join(known) or "none"
            raise ParameterInvalid(
                f'{operation.name} has no query parameter "{name}"; it takes {takes}'
            )
        if known[name].kind is Kind.TEXT:
            given[name] = text
        elif _INTEGER.fullmatch(text):
            given[name] = int(text)
        else:
            raise ParameterInvalid(
                f"{operation.name}: {name} has to be a whole number, got {text!r}"
            )
    return given


def _in(operation: Operation, place: Place) -> list[Parameter]:
    return [parameter for parameter in operation.parameters if parameter.place is place]


def _integer(name: str, text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise IdentifierInvalid(f"{text!r} is no {name}: it has to be a whole number")
    return int(text)


async def _unknown(request: web.Request) -> web.Response:
    rest = request.match_info["rest"]
    at_path = [
        operation
        for operation in OPERATIONS.values()
        if rest == operation.rest_path or rest.startswith(f"{operation.rest_path}/")
    ]
    if not at_path:
        raise OperationUnknown(
            f"there is no {request.method} /api/{rest.partition('/')[0]}; "
            f"the actions are {', '.join(OPERATIONS)}"
        )
    methods = [operation.method for operation in at_path]
    if request.method not in methods:
        raise web.HTTPMethodNotAllowed(request.method, methods)
    called = [path for operation in at_path for path in paths(operation)]
    raise OperationUnknown(f"there is no /api/{rest}; it is called as {' or '.join(called)}")
