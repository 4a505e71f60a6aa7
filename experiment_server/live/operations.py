"""THE TABLE: every operation once, with its parameters, who may call it, and what it does.

REST routes, Socket.IO events, the API description and the CLI's remote control derive from it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

from experiment_server.errors import (
    BlockOutOfRange,
    NothingToUndo,
    NotInBlock,
    OverrideRefused,
    ParameterInvalid,
    ParticipantExists,
    PreconditionMissing,
    StudyFileUnreadable,
    StudyInvalid,
    StudyStale,
    StudyTooLarge,
    VersionUnknown,
)
from experiment_server.flow import timings
from experiment_server.flow.events import LOG_COLUMNS, log_cells
from experiment_server.flow.export import to_json
from experiment_server.flow.participant import config_of, timestamp
from experiment_server.limits import (
    DESIGN_PARTICIPANTS,
    EVENT_ID,
    EVENTS_PAGE,
    LINK_VALID,
    ORDERS_LISTED,
    PARTICIPANT_INDEX,
)
from experiment_server.live import shapes
from experiment_server.live.calls import (
    FROM_BLOCK,
    FROM_STARTED_AT,
    PARTICIPANT,
    REASON,
    Arguments,
    Kind,
    Operation,
    Parameter,
    Place,
    Presence,
    Role,
    Row,
    Table,
)
from experiment_server.live.live import Live
from experiment_server.live.requests import Request
from experiment_server.live.tokens import login_path
from experiment_server.study.parse import digest_of
from experiment_server.study.schema import json_schema

# Handlers


async def _blocks_count(live: Live, arguments: Arguments, _request: Request) -> Any:
    return live.service.row(arguments["participant_index"])["blocks_count"]


async def _block_id(live: Live, arguments: Arguments, _request: Request) -> Any:
    return live.service.row(arguments["participant_index"])["block_id"]


async def _active(live: Live, arguments: Arguments, _request: Request) -> Any:
    return live.service.row(arguments["participant_index"])["active"]


async def _config(live: Live, arguments: Arguments, _request: Request) -> Any:
    return config_of(live.service.snapshot(arguments["participant_index"]))


async def _summary_data(live: Live, arguments: Arguments, _request: Request) -> Any:
    index = arguments["participant_index"]
    count = live.service.row(index)["blocks_count"]
    return {"participant_index": index, "config_length": count, "configs_length": count}


async def _all_configs(live: Live, arguments: Arguments, _request: Request) -> Any:
    return [block.config for block in live.service.blocks(arguments["participant_index"])]


async def _status_string(live: Live, arguments: Arguments, _request: Request) -> Any:
    row = live.service.row(arguments["participant_index"])
    return (
        f"Participant {row['participant_index']}, "
        f"block {row['block_id']} / {row['blocks_count']}, {row['block_name']}"
    )


async def _state(live: Live, arguments: Arguments, _request: Request) -> Any:
    return live.service.snapshot(arguments["participant_index"])


async def _participants(live: Live, _arguments: Arguments, _request: Request) -> Any:
    pages = live.service.news.pages(live.service.roster.indices())
    return [row async for page in pages for row in page]


async def _move_to_next(live: Live, arguments: Arguments, request: Request) -> Any:
    return await live.service.move_to_next(arguments["participant_index"], request)


async def _move_to_previous(live: Live, arguments: Arguments, request: Request) -> Any:
    return await live.service.move_to_previous(arguments["participant_index"], request)


async def _move_to_block(live: Live, arguments: Arguments, request: Request) -> Any:
    index, block_id = arguments["participant_index"], arguments["block_id"]
    return await live.service.move_to_block(index, block_id, request)


async def _move_all_to_block(live: Live, arguments: Arguments, request: Request) -> Any:
    await live.service.move_all_to_block(arguments["block_id"], request)
    return arguments["block_id"]


async def _undo(live: Live, arguments: Arguments, request: Request) -> Any:
    return await live.service.undo(arguments["participant_index"], request)


async def _update_config(live: Live, arguments: Arguments, request: Request) -> Any:
    return await live.service.update_config(
        arguments["participant_index"], arguments["patch"], request
    )


async def _reset_participant(live: Live, arguments: Arguments, request: Request) -> Any:
    return await live.service.reset_participant(arguments["participant_index"], request)


async def _participant_link(live: Live, arguments: Arguments, _request: Request) -> Any:
    index = arguments["participant_index"]
    live.service.row(index)
    now, valid = live.service.clock(), timedelta(seconds=LINK_VALID)
    token = live.tokens.participant(index, now, valid)
    path = login_path(token)
    return {
        "path": path,
        "urls": [f"{url}{path}" for url in live.urls()],
        "token": token,
        "expires_at": timestamp(now + valid),
    }


async def _new_participant(live: Live, _arguments: Arguments, request: Request) -> Any:
    return await live.service.new_participant(request)


async def _add_participant(live: Live, arguments: Arguments, request: Request) -> Any:
    await live.service.add_participant(arguments["participant_index"], request)
    return True


async def _study(live: Live, _arguments: Arguments, _request: Request) -> Any:
    return live.desk.info()


async def _study_text(live: Live, _arguments: Arguments, _request: Request) -> Any:
    return await live.desk.read()


async def _save_study(live: Live, arguments: Arguments, request: Request) -> Any:
    return await live.desk.save(arguments["text"], arguments["made_from"], request)


async def _study_version(live: Live, arguments: Arguments, _request: Request) -> Any:
    return live.desk.version_text(arguments["version"])


async def _schema(_live: Live, _arguments: Arguments, _request: Request) -> Any:
    return json_schema()


async def _verify(live: Live, arguments: Arguments, _request: Request) -> Any:
    return await live.desk.verify(arguments["text"], arguments["participants"])


async def _design(live: Live, arguments: Arguments, _request: Request) -> Any:
    return await live.desk.design(arguments["participants"])


async def _events(live: Live, arguments: Arguments, _request: Request) -> Any:
    entries = await live.service.history.entries(
        after=arguments["after"],
        before=arguments["before"],
        participant_index=arguments["participant"],
        limit=arguments["limit"],
    )
    return [entry.as_dict() for entry in entries]


async def _event_pages(live: Live, arguments: Arguments) -> AsyncIterator[list[Row]]:
    if arguments["before"] is not None:
        raise ParameterInvalid("a stream of the log goes on from `after`; it takes no `before`")
    after = arguments["after"]
    while page := await live.service.history.entries(
        after=after, before=None, participant_index=arguments["participant"], limit=EVENTS_PAGE
    ):
        yield [entry.as_dict() for entry in page]
        after = page[-1].id


async def _timings(live: Live, arguments: Arguments, _request: Request) -> Any:
    return [row async for page in _timing_pages(live, arguments) for row in page]


async def _timing_pages(live: Live, arguments: Arguments) -> AsyncIterator[list[Row]]:
    async for page in live.service.history.visits(arguments["participant"]):
        yield page


async def _shutdown(live: Live, _arguments: Arguments, _request: Request) -> Any:
    live.service.stopping.set()


def _snapshot_tag(snapshot: Mapping[str, Any]) -> str:
    # Who else is connected is no news to an app that asks whether it has the latest.
    told = {key: value for key, value in snapshot.items() if key != "connected"}
    return digest_of(to_json(told))


def _name_reached(snapshot: Mapping[str, Any]) -> Any:
    return {"name": snapshot["block_name"]}


def _block_id_reached(snapshot: Mapping[str, Any]) -> Any:
    return snapshot["block_id"]


def _config_reached(snapshot: Mapping[str, Any]) -> Any:
    return snapshot["config"]


# The table

NEW_PARTICIPANT = Parameter("participant_index", "the index to add, 1 and up")
BLOCK = Parameter("block_id", "the block's place in the participant's order, 0 and up")
PATCH = Parameter(
    "patch",
    "new values for the current block's config, as a JSON merge patch (null takes a key away)",
    Kind.OBJECT,
    Place.BODY,
)
STUDY_TEXT = Parameter("text", "the whole study file, as TOML", Kind.TEXT, Place.BODY)
MADE_FROM = Parameter(
    "made_from",
    "the digest of the text that was edited",
    Kind.TEXT,
    Place.IF_MATCH,
    Presence.OPTIONAL,
)
VERSION = Parameter("version", "the number of a version that was served, 1 and up", minimum=1)
ORDERS = Parameter(
    "participants",
    "for how many participants to list the orders",
    place=Place.QUERY,
    presence=Presence.OPTIONAL,
    default=5,
    minimum=0,
    limit=ORDERS_LISTED,
)
DESIGN = Parameter(
    "participants",
    "for participants 1 to this one; left out, for a whole cycle of the orders, or 24",
    place=Place.QUERY,
    presence=Presence.OPTIONAL,
    minimum=1,
    limit=DESIGN_PARTICIPANTS,
)
ONLY_PARTICIPANT = Parameter(
    "participant",
    "only of this participant",
    place=Place.QUERY,
    presence=Presence.OPTIONAL,
    minimum=1,
    limit=PARTICIPANT_INDEX,
)
AFTER = Parameter(
    "after",
    "only entries with a larger id",
    place=Place.QUERY,
    presence=Presence.OPTIONAL,
    default=0,
    minimum=0,
    limit=EVENT_ID,
)
BEFORE = Parameter(
    "before",
    "only entries with a smaller id, the last of them",
    place=Place.QUERY,
    presence=Presence.OPTIONAL,
    minimum=1,
    limit=EVENT_ID,
)
LIMIT = Parameter(
    "limit",
    "how many at most",
    place=Place.QUERY,
    presence=Presence.OPTIONAL,
    default=100,
    minimum=1,
    limit=EVENTS_PAGE,
)

_ONLY_EXPERIMENTER = frozenset({Role.EXPERIMENTER})
_FROM = (FROM_BLOCK, FROM_STARTED_AT)
_MOVE = (PARTICIPANT, *_FROM, REASON)

OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        Operation("blocks-count", "GET", "How many blocks the participant goes through",
                  _blocks_count, shapes.INTEGER, (PARTICIPANT,)),
        Operation("block-id", "GET", "Where the participant is: -1 before the first block",
                  _block_id, shapes.INTEGER, (PARTICIPANT,)),
        Operation("active", "GET", "Whether the participant is in a block",
                  _active, shapes.BOOLEAN, (PARTICIPANT,)),
        Operation("config", "GET", "The current block's config",
                  _config, shapes.CONFIG, (PARTICIPANT,), refusals=(NotInBlock,)),
        Operation("summary-data", "GET", "The participant's index and number of blocks",
                  _summary_data, shapes.LENGTHS, (PARTICIPANT,)),
        Operation("all-configs", "GET", "The configs of all blocks, in the participant's order",
                  _all_configs, shapes.listed(shapes.CONFIG), (PARTICIPANT,)),
        Operation("status-string", "GET", "One line about where the participant is",
                  _status_string, shapes.TEXT, (PARTICIPANT,), media_type="text/plain"),
        Operation("state", "GET", "The participant snapshot",
                  _state, shapes.SNAPSHOT, (PARTICIPANT,), tag=_snapshot_tag),
        Operation("participants", "GET", "A row for every participant",
                  _participants, shapes.listed(shapes.ROW), roles=_ONLY_EXPERIMENTER),
        Operation("move-to-next", "POST", "One block on; the last block is followed by END",
                  _move_to_next, shapes.NAME_REACHED, _MOVE, rest_body=_name_reached),
        Operation("move-to-previous", "POST", "One block back",
                  _move_to_previous, shapes.NAME_REACHED, _MOVE, rest_body=_name_reached),
        Operation("move-to-block", "POST", "To a block by its id",
                  _move_to_block, shapes.INTEGER, (PARTICIPANT, BLOCK, *_FROM, REASON),
                  rest_body=_block_id_reached, refusals=(BlockOutOfRange,)),
        Operation("move-all-to-block", "POST", "Every active participant to a block",
                  _move_all_to_block, shapes.INTEGER, (BLOCK, REASON), _ONLY_EXPERIMENTER,
                  refusals=(BlockOutOfRange,)),
        Operation("undo", "POST", "Take the participant's last move back",
                  _undo, shapes.NAME_REACHED, (PARTICIPANT, REASON), _ONLY_EXPERIMENTER,
                  rest_body=_name_reached, refusals=(NothingToUndo,)),
        Operation("update-config", "PATCH",
                  "Change the current block's config, for this participant alone",
                  _update_config, shapes.CONFIG, (PARTICIPANT, PATCH, FROM_BLOCK, REASON),
                  _ONLY_EXPERIMENTER, rest_body=_config_reached, path="config",
                  refusals=(NotInBlock, OverrideRefused)),
        Operation("reset-participant", "POST",
                  "Drop what was changed about the participant's configs",
                  _reset_participant, shapes.optional(shapes.CONFIG), (PARTICIPANT, REASON),
                  _ONLY_EXPERIMENTER, rest_body=_config_reached),
        Operation("participant-link", "GET",
                  "A link that lets a participant's app in, until it expires",
                  _participant_link, shapes.LINK, (PARTICIPANT,), _ONLY_EXPERIMENTER),
        Operation("new-participant", "PUT", "Add a participant after the largest index",
                  _new_participant, shapes.INTEGER, roles=_ONLY_EXPERIMENTER),
        Operation("add-participant", "PUT", "Add a participant by index",
                  _add_participant, shapes.BOOLEAN, (NEW_PARTICIPANT,), _ONLY_EXPERIMENTER,
                  refusals=(ParticipantExists,)),
        Operation("study", "GET", "The study's name, diagnostics and versions",
                  _study, shapes.STUDY, roles=_ONLY_EXPERIMENTER),
        Operation("study-text", "GET", "The study file as it is on disk",
                  _study_text, shapes.TEXT, roles=_ONLY_EXPERIMENTER, media_type="text/plain",
                  path="study/toml", tag=digest_of, refusals=(StudyFileUnreadable,)),
        Operation("save-study", "PUT", "Write the study file, and serve it",
                  _save_study, shapes.STUDY, (STUDY_TEXT, MADE_FROM, REASON), _ONLY_EXPERIMENTER,
                  path="study/toml",
                  refusals=(PreconditionMissing, StudyStale, StudyInvalid)),
        Operation("study-version", "GET", "The study as it was in a version",
                  _study_version, shapes.TEXT, (VERSION,), _ONLY_EXPERIMENTER,
                  media_type="text/plain", path="study/versions", refusals=(VersionUnknown,)),
        Operation("schema", "GET", "The JSON Schema of a study file, for editors",
                  _schema, shapes.CONFIG, roles=_ONLY_EXPERIMENTER),
        Operation("verify", "POST", "What is wrong with a study, and whom serving it would affect",
                  _verify, shapes.VERIFIED, (STUDY_TEXT, ORDERS), _ONLY_EXPERIMENTER),
        Operation("design", "GET", "What the served study's orders balance",
                  _design, shapes.DESIGN, (DESIGN,), _ONLY_EXPERIMENTER, refusals=(StudyTooLarge,)),
        Operation("events", "GET", "The event log, ascending",
                  _events, shapes.listed(shapes.ENTRY), (AFTER, BEFORE, ONLY_PARTICIPANT, LIMIT),
                  _ONLY_EXPERIMENTER, table=Table(LOG_COLUMNS, _event_pages, log_cells)),
        Operation("timings", "GET", "How long participants were in their blocks",
                  _timings, shapes.listed(shapes.VISIT), (ONLY_PARTICIPANT,), _ONLY_EXPERIMENTER,
                  table=Table(timings.COLUMNS, _timing_pages)),
        Operation("shutdown", "POST", "Stop the server",
                  _shutdown, None, roles=_ONLY_EXPERIMENTER),
    )
}  # fmt: skip
