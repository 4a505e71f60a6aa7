"""REST: a route for every operation, with its parameters in the path."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aiohttp import web

from experiment_server.errors import IdentifierInvalid, OperationUnknown
from experiment_server.live.operations import EXPERIMENTER, OPERATIONS, Operation, call
from experiment_server.live.service import Service
from experiment_server.server.encoding import reply

# As many digits as an index can have, and some; Python would also take "١٢" and "1_0".
_INTEGER = re.compile(r"-?[0-9]{1,18}")


def paths(operation: Operation) -> Iterator[str]:
    """The paths of an operation: with all its parameters, and without those that have a default.

    `/api/move-to-block/{participant_index}/{block_id}` and `/api/move-to-block/{block_id}`.
    """
    required = [item.name for item in operation.parameters if not item.defaulted]
    everything = [item.name for item in operation.parameters]
    for names in [everything] if required == everything else [required, everything]:
        yield "/".join(["/api", operation.name, *(f"{{{name}}}" for name in names)])


def add_routes(app: web.Application, service: Service) -> None:
    """Serve the table of operations under /api/."""
    for operation in OPERATIONS.values():
        for path in paths(operation):
            app.router.add_route(operation.method, path, _handler(service, operation))
    app.router.add_route("*", "/api/{rest:.*}", _unknown)


def _handler(service: Service, operation: Operation):  # type: ignore[no-untyped-def]
    async def handle(request: web.Request) -> web.Response:
        given = {name: _integer(name, text) for name, text in request.match_info.items()}
        result = await call(service, operation, EXPERIMENTER, given)
        body = operation.rest_body(result) if operation.rest_body else result
        return reply(request, body, operation.media_type)

    return handle


def _integer(name: str, text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise IdentifierInvalid(f"{text!r} is no {name}: it has to be a whole number")
    return int(text)


async def _unknown(request: web.Request) -> web.Response:
    action, _, parameters = request.match_info["rest"].partition("/")
    operation = OPERATIONS.get(action)
    if operation is None:
        raise OperationUnknown(
            f"there is no {request.method} /api/{action}; the actions are {', '.join(OPERATIONS)}"
        )
    if operation.method != request.method:
        raise web.HTTPMethodNotAllowed(request.method, [operation.method])
    raise OperationUnknown(
        f"/api/{action} does not take {parameters or 'nothing'!r}; "
        f"it is called as {' or '.join(paths(operation))}"
    )
