"""Results: the records that participants' apps send, and the tables made of them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from experiment_server.limits.study import STUDY_BLOCKS_MAX
from experiment_server.wire.snapshots import Timestamp
from experiment_server.wire.values import JsonObject


class ResultRecord(Struct, frozen=True):
    """A record as an app sends it: a trial, an answer, a click."""

    record_id: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=100,
            description="The app makes it when it records: a client's id and a counter.",
        ),
    ]
    data: Annotated[JsonObject, Meta(description="The recorded values.")]
    block_id: Annotated[
        int,
        Meta(ge=-1, le=STUDY_BLOCKS_MAX, description="The block during the recording."),
    ]
    revision: Annotated[
        int,
        Meta(ge=0, le=2**31 - 1, description="The revision of the app's snapshot at that time."),
    ]
    recorded_at: Annotated[
        Timestamp | None, Meta(description="The app's clock, ISO 8601 with a time zone.")
    ] = None
    clock_offset_ms: Annotated[
        float | None,
        Meta(description="Milliseconds to add to the app's clock to get the server's."),
    ] = None


class RecordsKept(Struct, frozen=True):
    """The number of new records in a batch, and the number of those stored before."""

    accepted: int
    known: int
    server_time: Annotated[
        Timestamp, Meta(description="For apps that estimate the offset of their clock.")
    ]


class StoredRecord(Struct, frozen=True, kw_only=True):
    """A record with the context of its recording, according to the log.

    `block_name`, `visit` and `study_version` are null if the log contains no such stay.
    """

    participant_index: Annotated[int, Meta(description="The number of the participant, from 1.")]
    session: Annotated[str, Meta(description="The session of the study, for example pilot.")]
    row: Annotated[int, Meta(description="The row of the design that the participant follows.")]
    block_id: Annotated[
        int, Meta(description="The block's position in the participant's order, from 0.")
    ]
    block_name: Annotated[str | None, Meta(description="The block during the recording.")]
    visit: Annotated[
        int | None, Meta(description="Counts the participant's stays in blocks, from 1.")
    ]
    study_version: Annotated[
        int | None, Meta(description="The version of the study that the participant had.")
    ]
    factors: Annotated[JsonObject, Meta(description="The block's level of each factor.")]
    data: JsonObject
    record_id: Annotated[str, Meta(description="The app's id of the record.")]
    recorded_at: Annotated[Timestamp | None, Meta(description="By the app's clock, in UTC.")]
    clock_offset_ms: Annotated[
        float | None,
        Meta(description="Milliseconds to add to the app's clock to get the server's."),
    ]
    received_at: Annotated[Timestamp, Meta(description="By the server's clock, in UTC.")]


class BlockCount(Struct, frozen=True):
    """The number of records of one participant in one block."""

    participant_index: int
    block_id: int
    records: int


class TableBlockCount(BlockCount, frozen=True, kw_only=True):
    """The number of records of one participant in one block and table."""

    table: str


class ParticipantResults(Struct, frozen=True):
    """The number of a participant's records in all tables, and of those that are still to come."""

    participant_index: int
    records: int
    unsent: Annotated[
        int, Meta(description="Records that wait on the device, by the app's latest report.")
    ] = 0
    unsent_since: Annotated[
        Timestamp | None,
        Meta(description="The time since when all reports say that records wait; null if none do."),
    ] = None


class ResultsChanged(Struct, frozen=True):
    """The new numbers of records, where they have changed."""

    participants: list[ParticipantResults]
    blocks: list[TableBlockCount]


class ResultTable(Struct, frozen=True):
    """A table of results and the number of its records."""

    table: str
    records: int
    blocks: list[BlockCount]
