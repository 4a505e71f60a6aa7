"""`/api/openapi.json`: the operations as an OpenAPI 3.1 document."""

from __future__ import annotations

import inspect
from collections import defaultdict
from functools import lru_cache
from http import HTTPStatus
from importlib.metadata import version

from aiohttp import web

from experiment_server.errors import (
    ExpansionFailed,
    ExperimentServerError,
    FileTooLarge,
    IdentifierInvalid,
    KeyReused,
    LimitReached,
    MediaTypeUnsupported,
    NotAllowed,
    OriginForeign,
    ParameterInvalid,
    ParticipantElsewhere,
    ParticipantIndexInvalid,
    ParticipantUnknown,
    StorageFull,
    StoreUnavailable,
    TokenInvalid,
    TokenMissing,
)
from experiment_server.limits.session import IDEMPOTENCY_KEY_MAX_LENGTH
from experiment_server.server import files, uxf
from experiment_server.server.encoding import MSGPACK, reply
from experiment_server.server.rest import paths, stream_path
from experiment_server.session.operations import Kind, Location, Operation, Parameter, Requirement
from experiment_server.session.session import OPERATIONS
from experiment_server.wire.files import FileReceived
from experiment_server.wire.replies import Problem, UploadedFile
from experiment_server.wire.schema import received_components, schema_components
from experiment_server.wire.tables import MEDIA_TYPES
from experiment_server.wire.values import JsonObject

PATH = "/api/openapi.json"

_ANYWHERE = (
    ParameterInvalid, TokenMissing, TokenInvalid, NotAllowed, OriginForeign, LimitReached,
    MediaTypeUnsupported,
)  # fmt: skip
_WITH_PARTICIPANT = (ParticipantUnknown, ParticipantIndexInvalid, ExpansionFailed)
_TYPES: dict[Kind, JsonObject] = {
    Kind.INTEGER: {"type": "integer"},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.TEXT: {"type": "string"},
    Kind.OBJECT: {"type": "object"},
    Kind.LIST: {"type": "array"},
}


_LIMITS = {Kind.INTEGER: "maximum", Kind.TEXT: "maxLength", Kind.LIST: "maxItems"}


def add_route(app: web.Application) -> None:
    """Add the route of the OpenAPI document."""

    async def describe(request: web.Request) -> web.StreamResponse:
        return await reply(request, description())

    app.router.add_get(PATH, describe)


@lru_cache(maxsize=1)
def description() -> JsonObject:
    """All operations at all their paths, with parameters, answers and errors."""
    described: dict[str, JsonObject] = defaultdict(dict)
    answered = [item for item in OPERATIONS.values() if item.answer is not None]
    schemas, components = schema_components(
        [*(item.answer for item in answered), UploadedFile, FileReceived, Problem]
    )
    members = [
        item.value_type
        for operation in OPERATIONS.values()
        for item in operation.arguments
        if item.kind is Kind.LIST
    ]
    components = received_components(members)[1] | components
    by_name = {item.name: schema for item, schema in zip(answered, schemas, strict=False)}
    for operation in OPERATIONS.values():
        for path in paths(operation):
            method = operation.method.lower()
            answers = _answers(operation, by_name.get(operation.name))
            described[path][method] = _operation(operation, path, answers)
        if operation.table:
            for output_format, media_type in MEDIA_TYPES.items():
                path = stream_path(operation, output_format)
                answers = {"200": _success("the rows", {media_type: {}})}
                described[path]["get"] = _operation(operation, path, answers, f".{output_format}")
    stored = _success("the stored file", {"application/json": {"schema": schemas[-3]}})
    described[uxf.PATH]["post"] = uxf.description(
        _described([*_ANYWHERE, FileTooLarge, StoreUnavailable, StorageFull], has_body=False),
        stored,
    )
    received = _answers_of_upload({"application/json": {"schema": schemas[-2]}})
    for path in files.PATHS:
        described[path] = files.descriptions(
            path,
            {**received, **_described([*_ANYWHERE, *files.UPLOAD_ERRORS], has_body=False)},
            _described([*_ANYWHERE, *files.DOWNLOAD_ERRORS], has_body=False),
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "experiment-server",
            "version": version("experiment-server"),
            "description": "The operations that participants' apps and experimenters can call on a "
            "running study. Socket.IO has the same operations with the same names.",
        },
        "paths": dict(described),
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        # On loopback, no caller needs a token.
        "security": [{"token": []}, {}],
    }


def _operation(
    operation: Operation, path: str, answers: JsonObject, suffix: str = ""
) -> JsonObject:
    named = operation.name + "".join(
        f" {item.name}" for item in operation.parameters if f"{{{item.name}}}" in path
    )
    described: JsonObject = {
        "operationId": named + suffix,
        "summary": operation.summary,
        "tags": [" and ".join(sorted(role.value for role in operation.roles))],
        "parameters": [
            _parameter(item)
            for item in operation.parameters
            if item.location in (Location.QUERY, Location.IF_MATCH) or f"{{{item.name}}}" in path
        ],
        "responses": {**answers, **_errors(operation)},
    }
    if operation.tag:
        described["parameters"].append(
            {
                "name": "If-None-Match",
                "in": "header",
                "description": "the ETag of an earlier answer",
                "schema": {"type": "string"},
            }
        )
        described["responses"]["304"] = {"description": "the answer has not changed"}
    if operation.changes:
        described["parameters"].append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "identifies this request, so that a repeat has no second effect",
                "schema": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": IDEMPOTENCY_KEY_MAX_LENGTH,
                },
            }
        )
    if body := _request_body(operation):
        described["requestBody"] = body
    return described


def _request_body(operation: Operation) -> JsonObject | None:
    """The body of a request: one parameter, an object with several, or either of both."""
    whole = next((item for item in operation.parameters if item.location is Location.BODY), None)
    members = [item for item in operation.parameters if item.location is Location.BODY_MEMBER]
    content: JsonObject = {}
    if whole is not None:
        types = ["text/plain"] if whole.kind is Kind.TEXT else ["application/json", MSGPACK]
        content = {media_type: {"schema": _TYPES[whole.kind]} for media_type in types}
    if members:
        schema = _members([whole, *members] if whole else members)
        content["application/json"] = {"schema": schema}
        if whole is None:
            content[MSGPACK] = {"schema": schema}
    if not content:
        return None
    described: JsonObject = {"required": True, "content": content}
    return {"description": whole.summary, **described} if whole else described


def _members(parameters: list[Parameter]) -> JsonObject:
    """The object that a body can be, which has more than the one parameter."""
    required = [item.name for item in parameters if item.requirement is Requirement.REQUIRED]
    return {
        "type": "object",
        "properties": {
            item.name: {**_schema(item), "description": item.summary} for item in parameters
        },
        "required": required,
        "additionalProperties": False,
    }


def _schema(item: Parameter) -> JsonObject:
    (described,), _ = received_components([item.value_type])
    schema = described if item.kind is Kind.LIST else dict(_TYPES[item.kind])
    if item.minimum is not None:
        schema["minimum"] = item.minimum
    if item.limit is not None:
        schema[_LIMITS[item.kind]] = item.limit
    if item.default is not None:
        schema["default"] = item.default
    return schema


def _parameter(item: Parameter) -> JsonObject:
    location = {Location.PATH: "path", Location.QUERY: "query", Location.IF_MATCH: "header"}[
        item.location
    ]
    return {
        "name": "If-Match" if item.location is Location.IF_MATCH else item.name,
        "in": location,
        "description": item.summary,
        "required": item.location is Location.PATH,
        "schema": _schema(item),
    }


def _answers(operation: Operation, answer: JsonObject | None) -> JsonObject:
    if answer is None:
        return {"200": {"description": "done; the body is empty"}}
    schema = {"schema": answer}
    if operation.media_type == "text/plain":
        return {"200": _success(operation.summary, {"text/plain": schema})}
    return {"200": _success(operation.summary, {"application/json": schema, MSGPACK: schema})}


def _success(summary: str, content: JsonObject) -> JsonObject:
    return {"description": summary, "content": content}


def _answers_of_upload(content: JsonObject) -> JsonObject:
    meanings = {
        HTTPStatus.OK: "the same file was stored before",
        HTTPStatus.CREATED: "the stored file",
        HTTPStatus.ACCEPTED: "the offset of the next piece",
    }
    return {str(int(status)): _success(text, content) for status, text in meanings.items()}


def _errors(operation: Operation) -> JsonObject:
    has_body = any(
        item.location in (Location.BODY, Location.BODY_MEMBER) for item in operation.parameters
    )
    return _described(_refusals(operation), has_body=has_body)


def _described(errors: list[type[ExperimentServerError]], *, has_body: bool) -> JsonObject:
    """The errors by HTTP status, with their codes and meanings."""
    by_status: dict[str, list[str]] = defaultdict(list)
    for error in errors:
        meaning = (inspect.getdoc(error) or "").partition("\n")[0]
        by_status[str(error.status)].append(f"`{error.code}`: {meaning}")
    if has_body:
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        by_status[str(int(status))].append(f"`http-{int(status)}`: the body is too large.")
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": "\n".join(meanings), "content": problem}
        for status, meanings in sorted(by_status.items())
    }


def _refusals(operation: Operation) -> list[type[ExperimentServerError]]:
    locations = {item.location for item in operation.parameters}
    names = {item.name for item in operation.parameters}
    found: list[type[ExperimentServerError]] = [*_ANYWHERE, *operation.refusals]
    if Location.PATH in locations:
        found.append(IdentifierInvalid)
    if any(item.requirement is Requirement.OWN for item in operation.parameters):
        found += _WITH_PARTICIPANT
    elif "participant_index" in names:
        found.append(ParticipantIndexInvalid)
    if "from_block" in names:
        found.append(ParticipantElsewhere)
    if operation.changes:
        found += [KeyReused, StoreUnavailable]
    return found
