"""Decodes a client's input into a typed call of an operation, or refuses it.

This module is the only boundary: it reports everything that is wrong with the input, and no other
module reads raw input.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping

from msgspec import Struct, ValidationError, convert, structs

from experiment_server.errors import (
    NotAllowed,
    ParameterInvalid,
    ParticipantIndexInvalid,
    ParticipantUnknown,
)
from experiment_server.limits.session import IDEMPOTENCY_KEY_MAX_LENGTH
from experiment_server.participants.moves import require_index
from experiment_server.session.operations import (
    FROM_BLOCK,
    FROM_STARTED_AT,
    PARTICIPANT,
    REASON,
    Kind,
    Operation,
    Parameter,
    Requirement,
)
from experiment_server.session.requests import Caller, Request, Role
from experiment_server.study import values
from experiment_server.wire.values import JsonValue


class Received(Struct, frozen=True):
    """The raw input of a request: parameters by name, and an idempotency key."""

    parameters: Mapping[str, JsonValue]
    key: JsonValue = None


class Call(Struct, frozen=True):
    """A checked call: the request, and the method's arguments (`Operation.arguments_type`)."""

    request: Request
    arguments: Struct

    @property
    def values(self) -> tuple[JsonValue, ...]:
        """The arguments, in the order of the method's parameters."""
        return structs.astuple(self.arguments)


def decoded_call(
    operation: Operation, caller: Caller, received: Received, default_participant: int
) -> Call:
    """Check a call, and convert its arguments to the types that the operation declares.

    Raises NotAllowed if the caller's role or participant does not fit, and ParameterInvalid for a
    parameter that is missing or unknown, or has a wrong type or value. For an index that no
    participant can have, raises ParticipantUnknown, or ParticipantIndexInvalid if the operation
    adds a participant.
    """
    require_role(operation.name, operation.roles, caller)
    given = received.parameters
    if given:
        _require_known(operation, given)
    arguments = {
        parameter.name: _value(operation, parameter, given.get(parameter.name), caller,
                               default_participant)
        for parameter in operation.parameters
    }  # fmt: skip
    if caller.role is Role.PARTICIPANT:
        _require_own(caller, arguments.get(PARTICIPANT))
    _check_index(operation, arguments.get(PARTICIPANT))
    own = operation.arguments_type(
        *(_typed(operation, item, arguments[item.name]) for item in operation.arguments)
    )
    return Call(_request(operation, caller, arguments, received.key), own)


def participant_of(caller: Caller, named: int | None, default_participant: int) -> int:
    """The participant that a request names, or that is meant if it names none.

    Raises NotAllowed if it is another one than the caller's own, and ParticipantUnknown for an
    index that no participant can have.
    """
    index = _own_participant(caller, default_participant) if named is None else named
    if caller.role is Role.PARTICIPANT:
        _require_own(caller, index)
    try:
        require_index(index)
    except ParticipantIndexInvalid:
        raise ParticipantUnknown(index) from None
    return index


def _own_participant(caller: Caller, default_participant: int) -> int:
    own = caller.participant_index
    return default_participant if own is None else own


def _require_own(caller: Caller, participant_index: int | None) -> None:
    if caller.participant_index not in (None, participant_index):
        raise NotAllowed(
            f"this app may act for participant {caller.participant_index}, "
            f"not for participant {participant_index}"
        )


def require_role(operation: str, roles: Collection[Role], caller: Caller) -> None:
    """Raise NotAllowed if an operation is not for the caller's role."""
    if caller.role not in roles:
        allowed = " or ".join(sorted(role.value for role in roles))
        raise NotAllowed(f"{operation} is for the {allowed} only")


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
        if parameter.requirement is Requirement.OPTIONAL:
            return parameter.default
        if parameter.requirement is Requirement.OWN:
            value = _own_participant(caller, default_participant)
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
        most = _MOST[parameter.kind]
        problem = f"has to be {parameter.limit} {most}, got {_size(value)}"
    elif parameter.minimum is not None and value < parameter.minimum:
        problem = f"has to be {parameter.minimum} or more, got {value}"
    elif wrong := values.problem(value, parameter.name):
        place = wrong.removeprefix(parameter.name)
        raise ParameterInvalid(f"{operation.name}.{wrong}", _record_id(value, place))
    if problem:
        raise ParameterInvalid(f"{operation.name}: {parameter.name} {problem}")


def _check_index(operation: Operation, participant_index: int | None) -> None:
    if participant_index is None:
        return
    try:
        require_index(participant_index)
    except ParticipantIndexInvalid:
        if any(parameter.requirement is Requirement.OWN for parameter in operation.arguments):
            raise ParticipantUnknown(participant_index) from None
        raise


_MOST = {Kind.INTEGER: "at most", Kind.TEXT: "characters at most", Kind.LIST: "items at most"}
_ITEM = re.compile(r"\[(\d+)\]")
_PYTHON_TYPES = {Kind.BOOLEAN: bool, Kind.TEXT: str, Kind.OBJECT: dict, Kind.LIST: list}


def _fits(kind: Kind, value: JsonValue) -> bool:
    if kind is Kind.INTEGER:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, _PYTHON_TYPES[kind])


def _typed(operation: Operation, parameter: Parameter, value: JsonValue) -> JsonValue:
    if parameter.kind is not Kind.LIST:
        return value
    try:
        return convert(value, parameter.value_type)
    except ValidationError as error:
        wrong, _, where = str(error).partition(" - at `$")
        raise ParameterInvalid(
            f"{operation.name}: {parameter.name}{where.rstrip('`')}: {wrong}",
            _record_id(value, where),
        ) from None


def _record_id(value: JsonValue, place: str) -> str | None:
    """The id of the record that a place like `[3].data.answer` is in, None if it has none."""
    found = _ITEM.match(place)
    item = value[int(found[1])] if found and isinstance(value, list) else None
    record_id = item.get("record_id") if isinstance(item, dict) else None
    return record_id if isinstance(record_id, str) else None


def _size(value: int | str | list[JsonValue]) -> int:
    return value if isinstance(value, int) else len(value)


def shown(value: JsonValue) -> str:
    """The text of a received value, shortened for an error message."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
