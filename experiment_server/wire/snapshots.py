"""The state of a participant, as pushes, replies and lists contain it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from experiment_server.wire.values import Config, JsonValue

Timestamp = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
"""ISO 8601 in UTC, with milliseconds and a Z."""


class ParticipantSummary(Struct, frozen=True, kw_only=True):
    """The members that all descriptions of a participant have."""

    participant_index: int
    active: Annotated[bool, Meta(description="Whether the participant is in a block.")]
    block_id: Annotated[
        int, Meta(description="-1 before the first block, `blocks_count` after the last.")
    ]
    block_name: Annotated[
        str, Meta(description='"START" before the first block, "END" after the last.')
    ]
    blocks_count: int
    revision: Annotated[
        int, Meta(description="The number of the participant's changes; lower is older.")
    ]
    connected: Annotated[
        int, Meta(description="The number of the participant's apps that are connected.")
    ]
    block_started_at: Annotated[
        Timestamp | None, Meta(description="ISO 8601 in UTC; null outside a block.")
    ]
    updated_at: Timestamp
    study: Annotated[str, Meta(description="The digest of the participant's study version.")]
    overridden: Annotated[
        int, Meta(description="The number of blocks whose config was changed only for them.")
    ]
    row: Annotated[
        int,
        Meta(
            description="The row of the design that they follow, for their orders and draws; "
            "`participant_index` unless they got another."
        ),
    ]


class ParticipantRow(ParticipantSummary, frozen=True, kw_only=True):
    """A participant in a list."""

    block_names: Annotated[tuple[str, ...], Meta(description="The participant's own block order.")]


class OverriddenValue(Struct, frozen=True):
    """A value of a config that was changed for one participant."""

    path: Annotated[list[str], Meta(description="The keys that lead to the value.")]
    value: Annotated[JsonValue, Meta(description="The new value; null if it was removed.")]
    file: Annotated[JsonValue, Meta(description="The study file's value; null if there is none.")]


class ParticipantSnapshot(ParticipantSummary, frozen=True, kw_only=True, gc=False):
    """The state of a participant, with the current block's config."""

    config: Annotated[
        Config | None, Meta(description="The current block's config; null outside a block.")
    ]
    overrides: tuple[OverriddenValue, ...]
