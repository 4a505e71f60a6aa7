"""What is told of a participant: the snapshot and the row of the wire contract."""

from __future__ import annotations

from experiment_server.participants.blocks import BlockSequence
from experiment_server.participants.moves import place_of, require_active
from experiment_server.participants.overrides import compared, merged, overridden, override_of
from experiment_server.participants.state import (
    ParticipantState,
    is_active,
    position,
    row_of,
    timestamp,
)
from experiment_server.wire.snapshots import ParticipantRow, ParticipantSnapshot
from experiment_server.wire.values import Config


def snapshot(
    state: ParticipantState, sequence: BlockSequence, connected: int
) -> ParticipantSnapshot:
    """Where the participant stands, with their config; raises ExpansionFailed.

    `connected` counts the participant's sockets.
    """
    place = place_of(state, sequence.names)
    active = is_active(state, len(sequence))
    config, overrides = None, []
    # Also before the first block: who has blocks that cannot be made learns it at once.
    blocks = sequence.blocks
    if active:
        config = blocks[place.block_id].config
        if patch := override_of(blocks, state.overrides, place.block_id):
            overrides = compared(config, patch)
            config = merged(config, patch)
    return ParticipantSnapshot(
        participant_index=state.participant_index,
        active=active,
        block_id=place.block_id,
        block_name=place.block_name,
        blocks_count=len(sequence),
        revision=state.revision,
        connected=connected,
        block_started_at=timestamp(state.block_started_at) if state.block_started_at else None,
        updated_at=timestamp(state.updated_at),
        study=sequence.study.digest,
        overridden=len(state.overrides),
        row=row_of(state),
        config=config,
        overrides=overrides,
    )


def row(state: ParticipantState, sequence: BlockSequence, connected: int) -> ParticipantRow:
    """The participant as lists show them: without config, with their own block names."""
    place = place_of(state, sequence.names)
    return ParticipantRow(
        participant_index=state.participant_index,
        active=is_active(state, len(sequence)),
        block_id=place.block_id,
        block_name=place.block_name,
        blocks_count=len(sequence),
        revision=state.revision,
        connected=connected,
        block_started_at=timestamp(state.block_started_at) if state.block_started_at else None,
        updated_at=timestamp(state.updated_at),
        study=sequence.study.digest,
        overridden=len(state.overrides),
        row=row_of(state),
        block_names=sequence.names,
    )


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
