"""What an operation is, and how a call of one is checked and carried out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from experiment_server.errors import (
    ExperimentServerError,
    NotAllowed,
    ParameterInvalid,
    ParticipantIndexInvalid,
    ParticipantUnknown,
)
from experiment_server.flow.participant import require_index
from experiment_server.limits import (
    KEY_LENGTH,
    REASON_LENGTH,
    TIME_LENGTH,
)
from experiment_server.live.live import Live
from experiment_server.live.requests import Actor, Request
from experiment_server.live.shapes import Shape
from experiment_server.study import values

Arguments = Mapping[str, Any]
Row = dict[str, Any]
Handler = Callable[[Live, Arguments, Request], Awaitable[Any]]


class Role(str, Enum):
    """What a caller is to the study."""

    EXPERIMENTER = "experimenter"
    PARTICIPANT = "participant"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, through which door.

    A participant's app speaks for its own participant only, or where no index is known, for any.
    """

    role: Role
    actor: Actor
    participant_index: int | None = None


class Kind(str, Enum):
    """What a parameter's value has to be."""

    INTEGER = "a whole number"
    TEXT = "text"
    OBJECT = "an object"


class Place(str, Enum):
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
    """A value that an operation takes."""

    name: str
    summary: str
    kind: Kind = Kind.INTEGER
    place: Place = Place.PATH
    presence: Presence = Presence.REQUIRED
    default: Any = None
    minimum: int | None = None
    limit: int | None = None
    """The largest number, or the most characters."""


@dataclass(frozen=True, slots=True)
class Table:
    """An operation's answer as rows, which REST streams as CSV and JSON Lines too.

    `cells` makes what a CSV line is filled from out of a row.
    """

    columns: tuple[str, ...]
    pages: Callable[[Live, Arguments], AsyncIterator[list[Row]]]
    cells: Callable[[Row], Row] = dict


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that a client can ask for.

    A Socket.IO acknowledgement carries what the handler returns; so does the REST success body,
    unless `rest_body` makes a smaller one out of it. REST has it at `/api/<path>`, which is its
    name unless given. `answer` is the shape of that body, None where it is empty; `refusals` are
    the errors that are this operation's own, beside those that its parameters bring.
    """

    name: str
    method: Literal["GET", "POST", "PUT", "PATCH"]
    summary: str
    handler: Handler
    answer: Shape | None
    parameters: tuple[Parameter, ...] = ()
    roles: frozenset[Role] = frozenset(Role)
    rest_body: Callable[[Any], Any] | None = None
    media_type: Literal["application/json", "text/plain"] = "application/json"
    path: str = ""
    table: Table | None = None
    refusals: tuple[type[ExperimentServerError], ...] = ()
    tag: Callable[[Any], str] | None = None
    """What names the body's version in REST, for If-Match and If-None-Match."""

    @property
    def rest_path(self) -> str:
        """The path behind /api/, without parameters."""
        return self.path or self.name

    @property
    def changes(self) -> bool:
        """Whether it changes anything, so that a repeat with the same key has to be known."""
        return self.method != "GET"


PARTICIPANT = Parameter(
    "participant_index",
    "the participant, 1 and up; left out, the default one",
    presence=Presence.OWN,
)
FROM_BLOCK = Parameter(
    "from_block",
    "where the participant has to be (-1 before the first block); refused if they are elsewhere",
    place=Place.QUERY,
    presence=Presence.OPTIONAL,
)
FROM_STARTED_AT = Parameter(
    "from_started_at",
    "when that block began: the snapshot's block_started_at; refused if it was begun anew",
    Kind.TEXT,
    Place.QUERY,
    Presence.OPTIONAL,
    limit=TIME_LENGTH,
)
REASON = Parameter(
    "reason",
    "why, for the event log",
    Kind.TEXT,
    Place.QUERY,
    Presence.OPTIONAL,
    limit=REASON_LENGTH,
)


def resolve(
    operation: Operation, caller: Caller, given: Mapping[str, Any], default_participant: int
) -> Arguments:
    """The arguments of a call, complete, of the right types, and as `study.values` has them.

    What any door takes in goes through here. Raises NotAllowed for a caller whose role or
    participant does not fit, ParameterInvalid for a parameter that is missing, unknown, of another
    type or no such value, and ParticipantUnknown or, where one is
    to be added, ParticipantIndexInvalid for an index that no participant can have.
    """
    if caller.role not in operation.roles:
        raise NotAllowed(f"{operation.name} is for the {' or '.join(_names(operation.roles))} only")
    if problem := values.problem(given, operation.name, depth=0):
        raise ParameterInvalid(problem)
    known = {parameter.name for parameter in operation.parameters}
    for name in given:
        if name not in known:
            takes = ", ".join(sorted(known)) or "nothing"
            raise ParameterInvalid(f'{operation.name} has no parameter "{name}"; it takes {takes}')
    arguments = {}
    for parameter in operation.parameters:
        value = given.get(parameter.name)
        if value is None and parameter.presence is Presence.OWN:
            own = caller.participant_index
            value = default_participant if own is None else own
        if value is None and parameter.presence is Presence.OPTIONAL:
            value = parameter.default
        else:
            _check(operation, parameter, value)
        arguments[parameter.name] = value
    if caller.role is Role.PARTICIPANT:
        index = arguments.get(PARTICIPANT.name)
        if caller.participant_index not in (None, index):
            raise NotAllowed(
                f"this app speaks for participant {caller.participant_index}, "
                f"not for participant {index}"
            )
    _check_index(operation, arguments.get(PARTICIPANT.name))
    return arguments


async def call(
    live: Live,
    operation: Operation,
    caller: Caller,
    given: Mapping[str, Any],
    key: Any = None,
) -> Any:
    """Check a call and carry it out; returns what the handler returns.

    With a `key`, a change is made once however often it is called.
    """
    arguments = resolve(operation, caller, given, live.service.default_participant_index)
    return await operation.handler(live, arguments, _request(operation, caller, arguments, key))


def _request(operation: Operation, caller: Caller, arguments: Arguments, key: Any) -> Request:
    if key is not None and not (isinstance(key, str) and 0 < len(key) <= KEY_LENGTH):
        raise ParameterInvalid(
            f"an idempotency key is a text of 1 to {KEY_LENGTH} characters, for example a UUID"
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
        participant_index=arguments.get(PARTICIPANT.name, 0),
        key=key,
        fingerprint=fingerprint,
        from_block=arguments.get(FROM_BLOCK.name),
        from_started_at=arguments.get(FROM_STARTED_AT.name),
        reason=arguments.get(REASON.name),
    )


def _check(operation: Operation, parameter: Parameter, value: Any) -> None:
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
    if problem:
        raise ParameterInvalid(f"{operation.name}: {parameter.name} {problem}")


def _check_index(operation: Operation, participant_index: int | None) -> None:
    if participant_index is None:
        return
    try:
        require_index(participant_index)
    except ParticipantIndexInvalid:
        if PARTICIPANT in operation.parameters:
            raise ParticipantUnknown(participant_index) from None
        raise


def _fits(kind: Kind, value: Any) -> bool:
    if kind is Kind.INTEGER:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str if kind is Kind.TEXT else dict)


def _size(value: Any) -> int:
    return value if isinstance(value, int) else len(value)


def shown(value: Any) -> str:
    """A value that somebody sent, short enough to be told back."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _names(roles: frozenset[Role]) -> list[str]:
    return sorted(role.value for role in roles)
