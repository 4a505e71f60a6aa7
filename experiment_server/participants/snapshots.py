"""What is told of a participant: the snapshot and the row of the wire contract."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from experiment_server.participants.blocks import BlockSequence
from experiment_server.participants.moves import place_of, require_active
from experiment_server.participants.overrides import compared, merged, overridden, override_of
from experiment_server.participants.state import (
    ParticipantState,
    position,
    row_of,
    timestamp,
)
from experiment_server.wire.snapshots import (
    OverriddenValue,
    ParticipantRow,
    ParticipantSnapshot,
    ParticipantSummary,
)
from experiment_server.wire.values import Config

Told = TypeVar("Told", bound=ParticipantSummary)


def snapshot(
    state: ParticipantState, sequence: BlockSequence, connected: int
) -> ParticipantSnapshot:
    """Where the participant stands, with their config; raises ExpansionFailed.

    `connected` counts the participant's sockets.
    """
    config = None
    overrides: tuple[OverriddenValue, ...] = ()
    # Also before the first block: who has blocks that cannot be made learns it at once.
    blocks = sequence.blocks
    block_id = position(state, len(blocks))
    if 0 <= block_id < len(blocks):
        config = blocks[block_id].config
        if patch := override_of(blocks, state.overrides, block_id):
            overrides = tuple(compared(config, patch))
            config = merged(config, patch)
    return _told(
        ParticipantSnapshot, state, sequence, connected, config=config, overrides=overrides
    )


def row(state: ParticipantState, sequence: BlockSequence, connected: int) -> ParticipantRow:
    """The participant as lists show them: without config, with their own block names."""
    return _told(ParticipantRow, state, sequence, connected, block_names=sequence.names)


def current_config(state: ParticipantState, sequence: BlockSequence) -> Config:
    """The current block's config, overrides applied; raises NotInBlock and ExpansionFailed."""
    require_active(state, sequence)
    block_id = position(state, len(sequence))
    config = sequence.blocks[block_id].config
    patch = override_of(sequence.blocks, state.overrides, block_id)
    return merged(config, patch) if patch else config


def all_configs(state: ParticipantState, sequence: BlockSequence) -> list[Config]:
    """The configs of all blocks, overrides applied; raises ExpansionFailed."""
    return [block.config for block in overridden(sequence.blocks, state.overrides)]


def _told(
    kind: Callable[..., Told],
    state: ParticipantState,
    sequence: BlockSequence,
    connected: int,
    **own: object,
) -> Told:
    """What all that is told of a participant has alike, with a kind's own members."""
    place, count = place_of(state, sequence.names), len(sequence.names)
    return kind(
        participant_index=state.participant_index,
        active=0 <= place.block_id < count,
        block_id=place.block_id,
        block_name=place.block_name,
        blocks_count=count,
        revision=state.revision,
        connected=connected,
        block_started_at=timestamp(state.block_started_at) if state.block_started_at else None,
        updated_at=timestamp(state.updated_at),
        study=sequence.study.digest,
        overridden=len(state.overrides),
        row=row_of(state),
        **own,
    )
