"""REST: routes for all operations, with parameters in the path, the query and the body."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from urllib.parse import unquote_to_bytes

from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Struct

from experiment_server.errors import IdentifierInvalid, OperationUnknown, ParameterInvalid
from experiment_server.limits.results import CSV_CELLS_MAX
from experiment_server.server.encoding import (
    body_of,
    members_of,
    reply,
    text_of,
    text_reply,
    unquoted,
)
from experiment_server.server.metrics import Metrics
from experiment_server.server.routes import INTEGER, OperationRoutes, Serve
from experiment_server.server.security import Authenticator
from experiment_server.session.calls import Call, Received, decoded_call
from experiment_server.session.operations import (
    Kind,
    Location,
    Operation,
    Parameter,
    Requirement,
    Table,
)
from experiment_server.session.session import OPERATIONS, StudySession
from experiment_server.wire.tables import (
    MEDIA_TYPES,
    Format,
    Layout,
    csv_heading,
    csv_lines,
    json_lines,
)
from experiment_server.wire.values import JsonObject, JsonValue


def paths(operation: Operation) -> Iterator[str]:
    """The paths of an operation: one with all parameters, and one with the required ones only.

    For example `/api/move-to-block/{participant_index}/{block_id}` and
    `/api/move-to-block/{block_id}`.
    """
    parameters = _parameters_in(operation, Location.PATH)
    required = [item.name for item in parameters if item.requirement is Requirement.REQUIRED]
    everything = [item.name for item in parameters]
    for names in [everything] if required == everything else [required, everything]:
        yield "/".join(["/api", operation.path, *(f"{{{name}}}" for name in names)])


def _names_in(path: str) -> list[str]:
    """The names of the parameters in a path."""
    return re.findall(r"\{(\w+)\}", path)


def stream_path(operation: Operation, output_format: Format) -> str:
    """The path of an operation's rows in a format: `/api/events.csv`."""
    *_, path = paths(operation)
    return f"{path}.{output_format}"


def add_routes(
    app: web.Application,
    routes: OperationRoutes,
    session: StudySession,
    authenticator: Authenticator,
    metrics: Metrics,
) -> None:
    """Add a route under /api/ for every operation, to aiohttp's and, where it can, to `routes`."""
    for operation in OPERATIONS.values():
        # `results/trials.csv` is no table of that name.
        if operation.table:
            for output_format in MEDIA_TYPES:
                app.router.add_get(
                    stream_path(operation, output_format),
                    _stream(session, authenticator, operation, operation.table, output_format),
                )
        for path in paths(operation):
            serve = _handler(session, authenticator, metrics, operation, _names_in(path))
            app.router.add_route(operation.method, path, _matched(serve))
            if operation.path == operation.name:
                routes.add(operation.method, path, serve)
    app.router.add_route("*", "/api/{rest:.*}", _unknown)


def _handler(
    session: StudySession,
    authenticator: Authenticator,
    metrics: Metrics,
    operation: Operation,
    names: Sequence[str],
) -> Serve:
    read = _reader(operation, names)

    async def handle(texts: Sequence[str], request: web.Request) -> web.StreamResponse:
        caller = authenticator.caller(request)
        with metrics.counted(operation.name, caller.actor):
            received = await read(request, texts)
            call = decoded_call(operation, caller, received, session.default_participant_index)
            result = await operation.handler(session, call.request, *call.values)
        body = operation.rest_body(result) if operation.rest_body else result
        if operation.answer is None:
            return web.Response()
        tag = operation.tag(result) if operation.tag else None
        if tag is not None and _client_has(request, tag):
            response: web.StreamResponse = web.Response(status=304)
        else:
            text = operation.media_type == "text/plain"
            response = text_reply(request, str(body)) if text else await reply(request, body)
        if tag is not None:
            response.etag = tag
        return response

    return handle


def _matched(serve: Serve) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await serve(tuple(request.match_info.values()), request)

    return handle


def _client_has(request: web.Request, tag: str) -> bool:
    """Whether the client already has this version (RFC 9110, If-None-Match)."""
    known = request.if_none_match or ()
    return any(item.value in (tag, "*") for item in known)


def _stream(
    session: StudySession,
    authenticator: Authenticator,
    operation: Operation,
    table: Table,
    output_format: Format,
) -> Handler:
    read = _reader(operation, _names_in(stream_path(operation, output_format)))

    async def handle(request: web.Request) -> web.StreamResponse:
        caller = authenticator.caller(request)
        texts = tuple(request.match_info.values())
        received = await read(request, texts)
        call = decoded_call(operation, caller, received, session.default_participant_index)
        # A table of results is a file of its name.
        name = texts[-1] if texts else operation.name
        return await _write(request, f"{name}.{output_format}", session, call, table, output_format)

    return handle


async def _write(
    request: web.Request,
    filename: str,
    session: StudySession,
    call: Call,
    table: Table,
    output_format: Format,
) -> web.StreamResponse:
    pages = table.pages(session, *call.values)
    # The first page is read before the headers are sent, so an error can still set the status.
    first: Sequence[Struct] = await anext(pages, [])
    layout = await _layout(session, call, table) if output_format == "csv" else None
    response = web.StreamResponse(
        headers={
            "Content-Type": f"{MEDIA_TYPES[output_format]}; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{filename}"',
        }
    )
    await response.prepare(request)
    if layout is not None:
        await response.write(csv_heading(layout.columns, formula_safe=layout.formula_safe).encode())
    await _write_rows(response, first, layout)
    async for rows in pages:
        await _write_rows(response, rows, layout)
    await response.write_eof()
    return response


async def _write_rows(
    response: web.StreamResponse,
    rows: Sequence[Struct],
    layout: Layout | None,
) -> None:
    """Write rows as CSV in a layout, or without one as JSON Lines."""
    at_once = max(1, CSV_CELLS_MAX // max(1, len(layout.columns))) if layout else len(rows) or 1
    for start in range(0, len(rows), at_once):
        part = rows[start : start + at_once]
        await response.write(_lines(part, layout))
        # A write to a fast reader does not wait, and other requests have their turn.
        await asyncio.sleep(0)


async def _layout(session: StudySession, call: Call, table: Table) -> Layout:
    if isinstance(table.layout, Layout):
        return table.layout
    return await table.layout(session, *call.values)


def _lines(rows: Sequence[Struct], layout: Layout | None) -> bytes:
    if layout is None:
        return json_lines(rows).encode()
    lines = csv_lines(map(layout.cells, rows), layout.columns, formula_safe=layout.formula_safe)
    return lines.encode()


def _reader(
    operation: Operation, names: Sequence[str]
) -> Callable[[web.Request, Sequence[str]], Awaitable[Received]]:
    """The function that reads an operation's parameters from a request, those in its path given."""
    query = {item.name: item for item in _parameters_in(operation, Location.QUERY)}
    # Reading operations without query parameters ignore any that clients send.
    lenient = not query and not operation.changes
    other = [
        *_parameters_in(operation, Location.BODY),
        *_parameters_in(operation, Location.IF_MATCH),
    ]
    paths_text = {
        item.name for item in _parameters_in(operation, Location.PATH) if item.kind is Kind.TEXT
    }
    members = _parameters_in(operation, Location.BODY_MEMBER)
    text_name = next((item.name for item in _parameters_in(operation, Location.BODY)), "")

    async def read(request: web.Request, texts: Sequence[str]) -> Received:
        given: JsonObject = {
            name: text if name in paths_text else _integer_of(name, text)
            for name, text in zip(names, texts, strict=True)
        }
        if request.query_string and not lenient:
            given |= _query(request, operation, query)
        for parameter in other:
            given[parameter.name] = await _other_value(request, parameter)
        if members and not text_name:
            given |= await _members(request, operation)
        elif members and (sent := members_of(request, given.get(text_name))) is not None:
            del given[text_name]
            given |= sent
        return Received(given, request.headers.get("Idempotency-Key"))

    return read


async def _members(request: web.Request, operation: Operation) -> JsonObject:
    """The members of a body that is an object; one that is also in the path is refused."""
    body = await body_of(request)
    names = [item.name for item in _parameters_in(operation, Location.BODY_MEMBER)]
    if not isinstance(body, dict) or request.match_info.keys() & body.keys():
        takes = ", ".join(names)
        raise ParameterInvalid(f"{operation.name}: the body has to be an object with {takes}")
    return body


async def _other_value(request: web.Request, parameter: Parameter) -> JsonValue:
    if parameter.location is Location.IF_MATCH:
        header = request.headers.get("If-Match")
        return None if header is None else unquoted(header)
    return await (text_of(request) if parameter.kind is Kind.TEXT else body_of(request))


def _query(
    request: web.Request, operation: Operation, known: Mapping[str, Parameter]
) -> JsonObject:
    given: JsonObject = {}
    try:
        # The library leaves invalid UTF-8 percent-encoded instead of raising an error.
        unquote_to_bytes(request.rel_url.raw_query_string).decode("utf-8")
    except UnicodeDecodeError:
        raise ParameterInvalid(f"{operation.name}: the query is not UTF-8 text") from None
    for name, text in request.query.items():
        if name not in known:
            takes = ", ".join(known) or "none"
            raise ParameterInvalid(
                f'{operation.name} has no query parameter "{name}"; it takes {takes}'
            )
        kind = known[name].kind
        if kind is Kind.TEXT:
            given[name] = text
        elif kind is Kind.BOOLEAN and text in ("true", "false"):
            given[name] = text == "true"
        elif kind is Kind.INTEGER and INTEGER.fullmatch(text):
            given[name] = int(text)
        else:
            raise ParameterInvalid(f"{operation.name}: {name} has to be {kind.value}, got {text!r}")
    return given


def _parameters_in(operation: Operation, location: Location) -> list[Parameter]:
    return [parameter for parameter in operation.parameters if parameter.location is location]


def _integer_of(name: str, text: str) -> int:
    if not INTEGER.fullmatch(text):
        raise IdentifierInvalid(f"{text!r} is not a {name}: it has to be a whole number")
    return int(text)


async def _unknown(request: web.Request) -> web.Response:
    rest = request.match_info["rest"]
    at_path = [
        operation
        for operation in OPERATIONS.values()
        if rest == operation.path or rest.startswith(f"{operation.path}/")
    ]
    if not at_path:
        raise OperationUnknown(
            f"there is no {request.method} /api/{rest.partition('/')[0]}; "
            f"the operations are {', '.join(OPERATIONS)}"
        )
    methods = [operation.method for operation in at_path]
    if request.method not in methods:
        raise web.HTTPMethodNotAllowed(request.method, methods)
    usages = [path for operation in at_path for path in paths(operation)]
    raise OperationUnknown(f"there is no /api/{rest}; call {' or '.join(usages)}")
