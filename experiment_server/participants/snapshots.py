"""Makes the snapshot and the row of a participant, as in the wire contract."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from experiment_server.participants.blocks import BlockSequence
from experiment_server.participants.moves import place_of, require_active
from experiment_server.participants.overrides import (
    apply_overrides,
    apply_patch,
    overridden_values,
    override_of,
)
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

Summary = TypeVar("Summary", bound=ParticipantSummary)


def snapshot(
    state: ParticipantState, sequence: BlockSequence, connected: int
) -> ParticipantSnapshot:
    """The participant's snapshot with the current config; raises ExpansionFailed.

    `connected` counts the participant's sockets.
    """
    config = None
    overrides: tuple[OverriddenValue, ...] = ()
    # Blocks are expanded at START too, so that an expansion error appears at once.
    blocks = sequence.blocks
    block_id = position(state, len(blocks))
    if 0 <= block_id < len(blocks):
        config = blocks[block_id].config
        if patch := override_of(blocks, state.overrides, block_id):
            overrides = tuple(overridden_values(config, patch))
            config = apply_patch(config, patch)
    return _with_summary(
        ParticipantSnapshot, state, sequence, connected, config=config, overrides=overrides
    )


def row(state: ParticipantState, sequence: BlockSequence, connected: int) -> ParticipantRow:
    """The participant's row in lists: without config, with the block names."""
    return _with_summary(ParticipantRow, state, sequence, connected, block_names=sequence.names)


def current_config(state: ParticipantState, sequence: BlockSequence) -> Config:
    """The current block's config with overrides; raises NotInBlock and ExpansionFailed."""
    require_active(state, sequence)
    block_id = position(state, len(sequence))
    config = sequence.blocks[block_id].config
    patch = override_of(sequence.blocks, state.overrides, block_id)
    return apply_patch(config, patch) if patch else config


def all_configs(state: ParticipantState, sequence: BlockSequence) -> list[Config]:
    """The configs of all blocks with overrides; raises ExpansionFailed."""
    return [block.config for block in apply_overrides(sequence.blocks, state.overrides)]


def _with_summary(
    kind: Callable[..., Summary],
    state: ParticipantState,
    sequence: BlockSequence,
    connected: int,
    **own: object,
) -> Summary:
    """A snapshot or row: the common members, and those of its type."""
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
