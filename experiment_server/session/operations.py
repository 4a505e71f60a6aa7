"""The declaration of operations.

The decorator `operation` turns a method of `StudySession` into an operation. The method's signature
declares the parameters and the answer. `registry` collects all operations; REST routes, Socket.IO
events, the API description and the CLI's `call` derive from it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from types import GenericAlias, UnionType
from typing import (
    Annotated,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from msgspec import Struct, defstruct

from experiment_server.errors import (
    ExperimentServerError,
)
from experiment_server.limits.session import REASON_MAX_LENGTH, TIMESTAMP_MAX_LENGTH
from experiment_server.session.requests import Role
from experiment_server.wire.tables import Layout

Method = Callable[..., Awaitable[object]]
Handler = TypeVar("Handler", bound=Method)


class Kind(str, Enum):
    """The type of a parameter's value."""

    INTEGER = "a whole number"
    BOOLEAN = "true or false"
    TEXT = "text"
    OBJECT = "an object"
    LIST = "a list"


_UNIONS = (Union, UnionType)
_KINDS: Mapping[object, Kind] = {
    int: Kind.INTEGER,
    bool: Kind.BOOLEAN,
    str: Kind.TEXT,
    dict: Kind.OBJECT,
    list: Kind.LIST,
}


class Location(str, Enum):
    """The part of a REST request that carries a parameter."""

    PATH = "path"
    QUERY = "query"
    BODY = "body"
    BODY_MEMBER = "body member"
    """A member of the object that the body is, or can be where another parameter is the body."""
    IF_MATCH = "If-Match"


class Requirement(str, Enum):
    """Whether a parameter may be left out."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    OWN = "own"
    """If omitted, it is the caller's own participant, or the default participant."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an operation.

    `limit` is the largest number, or the largest number of characters or items.
    """

    summary: str
    name: str = ""
    kind: Kind = Kind.INTEGER
    location: Location = Location.PATH
    requirement: Requirement = Requirement.REQUIRED
    default: int | str | None = None
    minimum: int | None = None
    limit: int | None = None
    value_type: type | UnionType | GenericAlias = int
    """The type that the method takes."""


@dataclass(frozen=True, slots=True)
class Table:
    """An operation's answer as a table, which REST also streams as CSV and JSON Lines.

    `pages` takes the session and the parameter values; so does `layout`, where not every call has
    the same.
    """

    layout: Layout | Callable[..., Awaitable[Layout]]
    pages: Callable[..., AsyncIterator[Sequence[Struct]]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation that a client can call.

    A Socket.IO acknowledgement carries the method's return value, whose type is `result`. So does
    the REST response body, unless `rest_body` derives a smaller one; the body's type is `answer`,
    None if it is empty. The REST path is `/api/<path>`. `refusals` are the errors of this
    operation, in addition to those that every parameter can cause. `context` are parameters that
    go into the `Request` and not to the method. `tag` computes the ETag of the REST body, for
    If-None-Match.
    """

    name: str
    method: Literal["GET", "POST", "PUT", "PATCH"]
    summary: str
    handler: Method
    result: object
    answer: object
    arguments: tuple[Parameter, ...]
    context: tuple[Parameter, ...]
    roles: frozenset[Role]
    rest_body: Callable[[object], object] | None
    media_type: Literal["application/json", "text/plain"]
    path: str
    table: Table | None
    refusals: tuple[type[ExperimentServerError], ...]
    tag: Callable[[object], str] | None

    parameters: tuple[Parameter, ...] = field(init=False)
    """All parameters that a caller may send."""
    names: frozenset[str] = field(init=False)
    """The names of the parameters."""
    arguments_type: type[Struct] = field(init=False)
    """The struct that holds a call's arguments, in the order of the method's parameters."""

    def __post_init__(self) -> None:
        parameters = self.arguments + self.context
        fields = [(item.name, item.value_type) for item in self.arguments]
        object.__setattr__(self, "arguments_type", defstruct(self.name, fields, frozen=True))
        object.__setattr__(self, "parameters", parameters)
        object.__setattr__(self, "names", frozenset(item.name for item in parameters))

    @property
    def changes(self) -> bool:
        """Whether the operation changes anything; if so, idempotency keys apply to it."""
        return self.method != "GET"


FROM_BLOCK = Parameter(
    "the id of the block that the participant has to be in (-1 before the first block); "
    "the request is refused if the participant is elsewhere",
    "from_block",
    location=Location.QUERY,
    requirement=Requirement.OPTIONAL,
)
FROM_STARTED_AT = Parameter(
    "when that block started, from the snapshot's block_started_at; "
    "the request is refused if the block was started again",
    "from_started_at",
    Kind.TEXT,
    Location.QUERY,
    Requirement.OPTIONAL,
    limit=TIMESTAMP_MAX_LENGTH,
)
REASON = Parameter(
    "the reason, for the event log",
    "reason",
    Kind.TEXT,
    Location.QUERY,
    Requirement.OPTIONAL,
    limit=REASON_MAX_LENGTH,
)
PARTICIPANT = "participant_index"
"""The name of the parameter that selects the participant."""

EVERYBODY = frozenset(Role)
EXPERIMENTER = frozenset({Role.EXPERIMENTER})

_DECLARED = "_declared_operation"


def operation(
    method: Literal["GET", "POST", "PUT", "PATCH"],
    summary: str,
    *,
    roles: frozenset[Role] = EXPERIMENTER,
    context: tuple[Parameter, ...] = (),
    rest_body: Callable[..., object] | None = None,
    media_type: Literal["application/json", "text/plain"] = "application/json",
    path: str = "",
    table: Table | None = None,
    refusals: tuple[type[ExperimentServerError], ...] = (),
    tag: Callable[..., str] | None = None,
) -> Callable[[Handler], Handler]:
    """Declare a method as an operation, named like the method with dashes; see `Operation`."""

    def declare(handler: Handler) -> Handler:
        name = handler.__name__.replace("_", "-")
        declared = Operation(
            name=name,
            method=method,
            summary=summary,
            handler=handler,
            result=_answer_of(handler),
            answer=_answer_of(rest_body or handler),
            arguments=_arguments_of(handler),
            context=context,
            roles=roles,
            rest_body=rest_body,
            media_type=media_type,
            path=path or name,
            table=table,
            refusals=refusals,
            tag=tag,
        )
        setattr(handler, _DECLARED, declared)
        return handler

    return declare


def registry(session_class: type) -> dict[str, Operation]:
    """The operations that a class and its bases declare, by name, in the order of declaration."""
    members = (member for part in session_class.__mro__ for member in vars(part).values())
    found = (getattr(member, _DECLARED, None) for member in members)
    return {item.name: item for item in found if isinstance(item, Operation)}


def _arguments_of(handler: Method) -> tuple[Parameter, ...]:
    """The parameters in a method's signature that are annotated with a `Parameter`."""
    found = []
    for name, hint in get_type_hints(handler, include_extras=True).items():
        if get_origin(hint) is not Annotated:
            continue
        value_type, *notes = get_args(hint)
        for note in notes:
            if isinstance(note, Parameter):
                kind = _kind(value_type)
                found.append(replace(note, name=name, kind=kind, value_type=value_type))
    return tuple(found)


def _kind(value_type: object) -> Kind:
    members = get_args(value_type) if get_origin(value_type) in _UNIONS else (value_type,)
    plain = next(member for member in members if member is not type(None))
    return _KINDS[get_origin(plain) or plain]


def _answer_of(function: Callable[..., object]) -> object:
    answer = get_type_hints(function, include_extras=True)["return"]
    return None if answer is type(None) else answer
