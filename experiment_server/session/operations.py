"""What an operation is, how it is declared, and how a call of one is checked and carried out.

A method of `StudySession` becomes an operation by the decorator `operation`. Its signature says
which parameters it takes and what it answers; REST routes, Socket.IO events, the API description
and the CLI's `call` derive from the registry that `registry` makes of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from types import UnionType
from typing import (
    Annotated,
    Literal,
    Protocol,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from msgspec import Struct

from experiment_server.errors import (
    ExperimentServerError,
    NotAllowed,
    ParameterInvalid,
    ParticipantIndexInvalid,
    ParticipantUnknown,
)
from experiment_server.limits import (
    IDEMPOTENCY_KEY_MAX_LENGTH,
    REASON_MAX_LENGTH,
    TIMESTAMP_MAX_LENGTH,
)
from experiment_server.participants.moves import require_index
from experiment_server.session.requests import Caller, Request, Role
from experiment_server.study import values
from experiment_server.wire.values import JsonObject, JsonValue

Method = Callable[..., Awaitable[object]]
Handler = TypeVar("Handler", bound=Method)


class Kind(str, Enum):
    """What a parameter's value has to be."""

    INTEGER = "a whole number"
    TEXT = "text"
    OBJECT = "an object"


_UNIONS = (Union, UnionType)
_KINDS: Mapping[object, Kind] = {int: Kind.INTEGER, str: Kind.TEXT, dict: Kind.OBJECT}


class Location(str, Enum):
    """Where REST has a parameter."""

    PATH = "path"
    QUERY = "query"
    BODY = "body"
    IF_MATCH = "If-Match"


class Presence(str, Enum):
    """Whether a parameter may be left out."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    OWN = "own"
    """Left out, the caller's own participant is meant, or the default participant."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value that an operation takes. `limit` is the largest number, or the most characters."""

    summary: str
    name: str = ""
    kind: Kind = Kind.INTEGER
    location: Location = Location.PATH
    presence: Presence = Presence.REQUIRED
    default: int | None = None
    minimum: int | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """An operation's answer as rows, which REST streams as CSV and JSON Lines too.

    `pages` takes the session and the parameters' values; `cells` makes a CSV line's cells of a row.
    """

    columns: tuple[str, ...]
    pages: Callable[..., AsyncIterator[Sequence[Struct]]]
    cells: Callable[..., JsonObject]


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that a client can ask for.

    A Socket.IO acknowledgement carries what the method returns; so does the REST success body,
    unless `rest_body` makes a smaller one out of it. REST has it at `/api/<path>`. `answer` is the
    type of that body, None where it is empty; `refusals` are the errors that are this operation's
    own, beside those that its parameters bring. `context` are the parameters that the request
    carries rather than the method; `tag` names the body's version in REST, for If-None-Match.
    """

    name: str
    method: Literal["GET", "POST", "PUT", "PATCH"]
    summary: str
    handler: Method
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
    """All that a caller can give."""
    names: frozenset[str] = field(init=False)
    """The names of the parameters."""

    def __post_init__(self) -> None:
        parameters = self.arguments + self.context
        object.__setattr__(self, "parameters", parameters)
        object.__setattr__(self, "names", frozenset(item.name for item in parameters))

    @property
    def changes(self) -> bool:
        """Whether it changes anything, so that a repeat with the same key has to be known."""
        return self.method != "GET"


@dataclass(frozen=True, slots=True)
class Call:
    """A checked call: who asks for what, and the values of the method's arguments."""

    request: Request
    values: tuple[JsonValue, ...]


FROM_BLOCK = Parameter(
    "where the participant has to be (-1 before the first block); refused if they are elsewhere",
    "from_block",
    location=Location.QUERY,
    presence=Presence.OPTIONAL,
)
FROM_STARTED_AT = Parameter(
    "when that block began: the snapshot's block_started_at; refused if it was begun anew",
    "from_started_at",
    Kind.TEXT,
    Location.QUERY,
    Presence.OPTIONAL,
    limit=TIMESTAMP_MAX_LENGTH,
)
REASON = Parameter(
    "why, for the event log",
    "reason",
    Kind.TEXT,
    Location.QUERY,
    Presence.OPTIONAL,
    limit=REASON_MAX_LENGTH,
)
PARTICIPANT = "participant_index"
"""The name of the parameter that says which participant is meant."""

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
    """Declare a method as the operation of its name, with dashes; see `Operation`."""

    def declare(handler: Handler) -> Handler:
        name = handler.__name__.replace("_", "-")
        declared = Operation(
            name=name,
            method=method,
            summary=summary,
            handler=handler,
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
    """The operations that a class declares, by name, in the order of their declaration."""
    found = (getattr(member, _DECLARED, None) for member in vars(session_class).values())
    return {item.name: item for item in found if isinstance(item, Operation)}


class Session(Protocol):
    """What operations are methods of."""

    @property
    def default_participant_index(self) -> int:
        """The participant that is meant by clients that name none."""


async def invoke(
    session: Session,
    operation: Operation,
    caller: Caller,
    given: Mapping[str, JsonValue],
    key: JsonValue = None,
) -> object:
    """Check a call and carry it out; returns what the method returns.

    With a `key`, a change is made once however often it is called.
    """
    call = checked_call(operation, caller, given, session.default_participant_index, key)
    return await operation.handler(session, call.request, *call.values)


def checked_call(
    operation: Operation,
    caller: Caller,
    given: Mapping[str, JsonValue],
    default_participant: int,
    key: JsonValue = None,
) -> Call:
    """A call with its arguments complete, of the right types, and as `study.values` has them.

    Raises NotAllowed for a caller whose role or participant does not fit, ParameterInvalid for a
    parameter that is missing, unknown, of another type or no such value, and ParticipantUnknown or,
    where one is to be added, ParticipantIndexInvalid for an index that no participant can have.
    """
    if caller.role not in operation.roles:
        allowed = " or ".join(sorted(role.value for role in operation.roles))
        raise NotAllowed(f"{operation.name} is for the {allowed} only")
    if given:
        _require_known(operation, given)
    arguments = {
        parameter.name: _value(operation, parameter, given.get(parameter.name), caller,
                               default_participant)
        for parameter in operation.parameters
    }  # fmt: skip
    if caller.role is Role.PARTICIPANT:
        index = arguments.get(PARTICIPANT)
        if caller.participant_index not in (None, index):
            raise NotAllowed(
                f"this app speaks for participant {caller.participant_index}, "
                f"not for participant {index}"
            )
    _check_index(operation, arguments.get(PARTICIPANT))
    own = tuple(arguments[parameter.name] for parameter in operation.arguments)
    return Call(_request(operation, caller, arguments, key), own)


def _require_known(operation: Operation, given: Mapping[str, JsonValue]) -> None:
    for name in given:
        if name not in operation.names:
            if wrong := values.problem({name: None}, operation.name, depth=0):
                raise ParameterInvalid(wrong)
            takes = ", ".join(sorted(operation.names)) or "nothing"
            raise ParameterInvalid(
                f"{operation.name} has no parameter {shown(name)}; it takes {takes}"
            )


def _value(
    operation: Operation,
    parameter: Parameter,
    value: JsonValue,
    caller: Caller,
    default_participant: int,
) -> JsonValue:
    if value is None:
        if parameter.presence is Presence.OPTIONAL:
            return parameter.default
        if parameter.presence is Presence.OWN:
            own = caller.participant_index
            value = default_participant if own is None else own
    _check(operation, parameter, value)
    return value


def _request(
    operation: Operation, caller: Caller, arguments: Mapping[str, JsonValue], key: JsonValue
) -> Request:
    if key is not None and not (
        isinstance(key, str) and 0 < len(key) <= IDEMPOTENCY_KEY_MAX_LENGTH
    ):
        raise ParameterInvalid(
            f"an idempotency key is a text of 1 to {IDEMPOTENCY_KEY_MAX_LENGTH} characters, "
            "for example a UUID"
        )
    if key is not None and (problem := values.text_problem(key)):
        raise ParameterInvalid(f"the idempotency key (Idempotency-Key, request_id) {problem}")
    if key is None or not operation.changes:
        key, fingerprint = None, ""
    else:
        text = json.dumps(arguments, sort_keys=True, ensure_ascii=True)
        fingerprint = hashlib.sha256(text.encode()).hexdigest()
    return Request(
        by=caller.actor,
        operation=operation.name,
        participant_index=arguments.get(PARTICIPANT, 0),
        key=key,
        fingerprint=fingerprint,
        from_block=arguments.get(FROM_BLOCK.name),
        from_started_at=arguments.get(FROM_STARTED_AT.name),
        reason=arguments.get(REASON.name),
    )


def _check(operation: Operation, parameter: Parameter, value: JsonValue) -> None:
    problem = None
    if value is None:
        problem = "is missing"
    elif not _fits(parameter.kind, value):
        problem = f"has to be {parameter.kind.value}, got {shown(value)}"
    elif parameter.limit is not None and _size(value) > parameter.limit:
        most = "characters at most" if parameter.kind is Kind.TEXT else "at most"
        problem = f"has to be {parameter.limit} {most}, got {_size(value)}"
    elif parameter.minimum is not None and value < parameter.minimum:
        problem = f"has to be {parameter.minimum} or more, got {value}"
    elif wrong := values.problem(value, parameter.name):
        raise ParameterInvalid(f"{operation.name}.{wrong}")
    if problem:
        raise ParameterInvalid(f"{operation.name}: {parameter.name} {problem}")


def _check_index(operation: Operation, participant_index: int | None) -> None:
    if participant_index is None:
        return
    try:
        require_index(participant_index)
    except ParticipantIndexInvalid:
        if any(parameter.presence is Presence.OWN for parameter in operation.arguments):
            raise ParticipantUnknown(participant_index) from None
        raise


def _fits(kind: Kind, value: JsonValue) -> bool:
    if kind is Kind.INTEGER:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str if kind is Kind.TEXT else dict)


def _size(value: int | str) -> int:
    return value if isinstance(value, int) else len(value)


def shown(value: JsonValue) -> str:
    """A value that somebody sent, short enough to be told back."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _arguments_of(handler: Method) -> tuple[Parameter, ...]:
    """The parameters in a method's signature, which are annotated with a `Parameter` each."""
    found = []
    for name, hint in get_type_hints(handler, include_extras=True).items():
        if get_origin(hint) is not Annotated:
            continue
        value_type, *notes = get_args(hint)
        for note in notes:
            if isinstance(note, Parameter):
                found.append(replace(note, name=name, kind=_kind(value_type)))
    return tuple(found)


def _kind(value_type: object) -> Kind:
    members = get_args(value_type) if get_origin(value_type) in _UNIONS else (value_type,)
    plain = next(member for member in members if member is not type(None))
    return _KINDS[get_origin(plain) or plain]


def _answer_of(function: Callable[..., object]) -> object:
    answer = get_type_hints(function, include_extras=True)["return"]
    return None if answer is type(None) else answer
