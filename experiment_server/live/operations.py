"""THE TABLE: every operation once, with its parameters, who may call it, and what it does.

REST routes, Socket.IO events, the API description and the CLI's remote control derive from it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from experiment_server.errors import NotAllowed, ParameterInvalid
from experiment_server.flow.participant import config_of
from experiment_server.live.service import Service

Arguments = Mapping[str, int]
Handler = Callable[[Service, Arguments], Awaitable[Any]]


class Role(str, Enum):
    """What a caller is to the study."""

    EXPERIMENTER = "experimenter"
    PARTICIPANT = "participant"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. A participant's app speaks for one participant only."""

    role: Role
    participant_index: int | None = None


EXPERIMENTER = Caller(Role.EXPERIMENTER)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A whole number that an operation takes.

    `defaulted` parameters may be left out: then the caller's own participant is meant, or the
    default participant.
    """

    name: str
    summary: str
    defaulted: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that a client can ask for.

    A Socket.IO acknowledgement carries what the handler returns; so does the REST success body,
    unless `rest_body` makes a smaller one out of it.
    """

    name: str
    method: Literal["GET", "POST", "PUT"]
    summary: str
    handler: Handler
    parameters: tuple[Parameter, ...] = ()
    roles: frozenset[Role] = frozenset(Role)
    rest_body: Callable[[Any], Any] | None = None
    media_type: Literal["application/json", "text/plain"] = "application/json"


def resolve(
    operation: Operation, caller: Caller, given: Mapping[str, Any], default_participant: int
) -> Arguments:
    """The arguments of a call, complete and of the right types.

    Raises NotAllowed for a caller whose role or participant does not fit, and ParameterInvalid
    for a parameter that is missing, unknown or no whole number.
    """
    if caller.role not in operation.roles:
        raise NotAllowed(f"{operation.name} is for the {' or '.join(_names(operation.roles))} only")
    known = {parameter.name for parameter in operation.parameters}
    for name in given:
        if name not in known:
            takes = ", ".join(sorted(known)) or "nothing"
            raise ParameterInvalid(f'{operation.name} has no parameter "{name}"; it takes {takes}')
    arguments = {}
    for parameter in operation.parameters:
        value = given.get(parameter.name)
        if value is None and parameter.defaulted:
            own = caller.participant_index
            value = default_participant if own is None else own
        if not isinstance(value, int) or isinstance(value, bool):
            problem = "is missing" if value is None else f"has to be a whole number, got {value!r}"
            raise ParameterInvalid(f"{operation.name}: {parameter.name} {problem}")
        arguments[parameter.name] = value
    if caller.role is Role.PARTICIPANT:
        index = arguments.get(PARTICIPANT.name)
        if index != caller.participant_index:
            raise NotAllowed(
                f"this app speaks for participant {caller.participant_index}, "
                f"not for participant {index}"
            )
    return arguments


async def call(
    service: Service, operation: Operation, caller: Caller, given: Mapping[str, Any]
) -> Any:
    """Check a call and carry it out; returns what the handler returns."""
    arguments = resolve(operation, caller, given, service.default_participant_index)
    return await operation.handler(service, arguments)


def _names(roles: frozenset[Role]) -> list[str]:
    return sorted(role.value for role in roles)


# Handlers


async def _blocks_count(service: Service, arguments: Arguments) -> Any:
    return service.row(arguments["participant_index"])["blocks_count"]


async def _block_id(service: Service, arguments: Arguments) -> Any:
    return service.row(arguments["participant_index"])["block_id"]


async def _active(service: Service, arguments: Arguments) -> Any:
    return service.row(arguments["participant_index"])["active"]


async def _config(service: Service, arguments: Arguments) -> Any:
    return config_of(service.snapshot(arguments["participant_index"]))


async def _summary_data(service: Service, arguments: Arguments) -> Any:
    index = arguments["participant_index"]
    count = service.row(index)["blocks_count"]
    return {"participant_index": index, "config_length": count, "configs_length": count}


async def _all_configs(service: Service, arguments: Arguments) -> Any:
    return [block.config for block in service.blocks(arguments["participant_index"])]


async def _status_string(service: Service, arguments: Arguments) -> Any:
    row = service.row(arguments["participant_index"])
    return (
        f"Participant {row['participant_index']}, "
        f"block {row['block_id']} / {row['blocks_count']}, {row['block_name']}"
    )


async def _state(service: Service, arguments: Arguments) -> Any:
    return service.snapshot(arguments["participant_index"])


async def _participants(service: Service, _arguments: Arguments) -> Any:
    return service.participants()


async def _move_to_next(service: Service, arguments: Arguments) -> Any:
    return await service.move_to_next(arguments["participant_index"])


async def _move_to_previous(service: Service, arguments: Arguments) -> Any:
    return await service.move_to_previous(arguments["participant_index"])


async def _move_to_block(service: Service, arguments: Arguments) -> Any:
    return await service.move_to_block(arguments["participant_index"], arguments["block_id"])


async def _move_all_to_block(service: Service, arguments: Arguments) -> Any:
    await service.move_all_to_block(arguments["block_id"])
    return arguments["block_id"]


async def _new_participant(service: Service, _arguments: Arguments) -> Any:
    return await service.new_participant()


async def _add_participant(service: Service, arguments: Arguments) -> Any:
    await service.add_participant(arguments["participant_index"])
    return True


async def _shutdown(service: Service, _arguments: Arguments) -> Any:
    service.stopping.set()


def _name_reached(snapshot: Mapping[str, Any]) -> Any:
    return {"name": snapshot["block_name"]}


def _block_id_reached(snapshot: Mapping[str, Any]) -> Any:
    return snapshot["block_id"]


# The table

PARTICIPANT = Parameter(
    "participant_index", "the participant, 1 and up; left out, the default one", defaulted=True
)
NEW_PARTICIPANT = Parameter("participant_index", "the index to add, 1 and up")
BLOCK = Parameter("block_id", "the block's place in the participant's order, 0 and up")

_ONLY_EXPERIMENTER = frozenset({Role.EXPERIMENTER})

OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        Operation("blocks-count", "GET", "How many blocks the participant goes through",
                  _blocks_count, (PARTICIPANT,)),
        Operation("block-id", "GET", "Where the participant is: -1 before the first block",
                  _block_id, (PARTICIPANT,)),
        Operation("active", "GET", "Whether the participant is in a block",
                  _active, (PARTICIPANT,)),
        Operation("config", "GET", "The current block's config",
                  _config, (PARTICIPANT,)),
        Operation("summary-data", "GET", "The participant's index and number of blocks",
                  _summary_data, (PARTICIPANT,)),
        Operation("all-configs", "GET", "The configs of all blocks, in the participant's order",
                  _all_configs, (PARTICIPANT,)),
        Operation("status-string", "GET", "One line about where the participant is",
                  _status_string, (PARTICIPANT,), media_type="text/plain"),
        Operation("state", "GET", "The participant snapshot",
                  _state, (PARTICIPANT,)),
        Operation("participants", "GET", "A row for every participant",
                  _participants, roles=_ONLY_EXPERIMENTER),
        Operation("move-to-next", "POST", "One block on; the last block is followed by END",
                  _move_to_next, (PARTICIPANT,), rest_body=_name_reached),
        Operation("move-to-previous", "POST", "One block back",
                  _move_to_previous, (PARTICIPANT,), rest_body=_name_reached),
        Operation("move-to-block", "POST", "To a block by its id",
                  _move_to_block, (PARTICIPANT, BLOCK), rest_body=_block_id_reached),
        Operation("move-all-to-block", "POST", "Every active participant to a block",
                  _move_all_to_block, (BLOCK,), _ONLY_EXPERIMENTER),
        Operation("new-participant", "PUT", "Add a participant after the largest index",
                  _new_participant, roles=_ONLY_EXPERIMENTER),
        Operation("add-participant", "PUT", "Add a participant by index",
                  _add_participant, (NEW_PARTICIPANT,), _ONLY_EXPERIMENTER),
        Operation("shutdown", "POST", "Stop the server",
                  _shutdown, roles=_ONLY_EXPERIMENTER),
    )
}  # fmt: skip
