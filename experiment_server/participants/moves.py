"""All changes of a participant, as pure functions.

A change takes the participant's state and blocks, its own arguments, its cause, and the time. It
returns the new state, with revision + 1, and the events. If nothing changes (next at END, previous
at START), it returns the same state and no event.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from experiment_server.errors import (
    BlockOutOfRange,
    NothingToUndo,
    NotInBlock,
    ParticipantElsewhere,
    ParticipantIndexInvalid,
    RevisionConflict,
)
from experiment_server.limits.session import PARTICIPANT_INDEX_MAX
from experiment_server.participants.blocks import BlockSequence
from experiment_server.participants.events import Cause, Event
from experiment_server.participants.overrides import Patch, digest_of_overrides, with_patch
from experiment_server.participants.state import (
    END_NAME,
    START,
    START_NAME,
    ParticipantState,
    is_active,
    position,
    timestamp,
)
from experiment_server.study.model import Names
from experiment_server.wire.events import (
    BlockPlace,
    ConfigOverridden,
    Finished,
    Moved,
    ParticipantAdded,
    ParticipantReset,
)


class Outcome(Struct, frozen=True, gc=False):
    """The result of a change: the new state, and the events."""

    state: ParticipantState
    events: tuple[Event, ...] = ()


Transition = Callable[[ParticipantState, BlockSequence, Cause, datetime], Outcome]
"""A change of one participant, with its own arguments bound."""


@dataclass(frozen=True, slots=True)
class LoggedMove:
    """A move that can be undone: the id of its log entry, and the block before it.

    `revision` is the participant's revision when the log was read.
    """

    id: int
    block_id: int
    revision: int


def add(participant_index: int, cause: Cause, now: datetime, row: int | None = None) -> Outcome:
    """Add a participant at START, who follows a row of the design; the default row is the index.

    Raises ParticipantIndexInvalid for an index below 1 or above 2**31 - 1.
    """
    require_index(participant_index)
    row = None if row == participant_index else row
    added = ParticipantAdded(row=row, by=cause.by, reason=cause.reason)
    state = ParticipantState(participant_index, updated_at=now, row=row)
    return Outcome(state, (Event(now, added, participant_index),))


def move_to_next(
    state: ParticipantState, sequence: BlockSequence, cause: Cause, now: datetime
) -> Outcome:
    """Move to the next block; END follows the last block, and nothing changes at END."""
    count = len(sequence)
    return _move_if_changed(state, sequence, min(position(state, count) + 1, count), cause, now)


def move_to_previous(
    state: ParticipantState, sequence: BlockSequence, cause: Cause, now: datetime
) -> Outcome:
    """Move to the previous block; nothing changes at START."""
    place = max(START, position(state, len(sequence)) - 1)
    return _move_if_changed(state, sequence, place, cause, now)


def move_to_block(
    state: ParticipantState, sequence: BlockSequence, cause: Cause, now: datetime, block_id: int
) -> Outcome:
    """Move to a block by its id. A move to the current block starts it again.

    Raises BlockOutOfRange unless 0 <= block_id < blocks_count.
    """
    if not 0 <= block_id < len(sequence):
        raise BlockOutOfRange(
            f"participant {state.participant_index} has no block {block_id}; "
            f"their blocks are 0 to {len(sequence) - 1}"
        )
    return _move_to(state, sequence, block_id, cause, now)


def undo(
    state: ParticipantState, sequence: BlockSequence, cause: Cause, now: datetime, move: LoggedMove
) -> Outcome:
    """Move back to the block before a logged move; this may be START or END.

    Raises RevisionConflict if the participant has changed since the log was read, and
    NothingToUndo if the study no longer has that block.
    """
    if state.revision != move.revision:
        raise RevisionConflict("the participant was changed meanwhile")
    if not START <= move.block_id <= len(sequence):
        raise NothingToUndo(
            f"participant {state.participant_index} came from block {move.block_id}, which the "
            "study no longer has; move the participant to a block instead"
        )
    return _move_to(state, sequence, move.block_id, cause, now, undoes=move.id)


def end_if_beyond(
    state: ParticipantState,
    sequence: BlockSequence,
    cause: Cause,
    now: datetime,
    before: BlockSequence,
) -> Outcome:
    """Move to END if a new study version has fewer blocks than the participant's position.

    `before` are the participant's blocks in the previous version.
    """
    if state.ended or state.block_id < len(sequence):
        return Outcome(state)
    origin = place_of(state, before.names)
    return _move_to(state, sequence, len(sequence), cause, now, origin=origin)


def update_config(
    state: ParticipantState, sequence: BlockSequence, cause: Cause, now: datetime, patch: Patch
) -> Outcome:
    """Change the current block's config for this participant only.

    Raises NotInBlock before the first block and after the last one, and ExpansionFailed.
    """
    require_active(state, sequence)
    block = place_of(state, sequence.names)
    overrides = with_patch(sequence.blocks, state.overrides, block.block_id, patch)
    if overrides == state.overrides:
        return Outcome(state)
    after = replace(state, overrides=overrides, revision=state.revision + 1, updated_at=now)
    data = ConfigOverridden(
        revision=after.revision,
        block=block,
        patch=patch,
        overrides=digest_of_overrides(overrides),
        by=cause.by,
        reason=cause.reason,
    )
    return Outcome(after, (Event(now, data, state.participant_index),))


def reset(
    state: ParticipantState, _sequence: BlockSequence, cause: Cause, now: datetime
) -> Outcome:
    """Remove all overrides; the participant stays in the block."""
    if not state.overrides:
        return Outcome(state)
    after = replace(state, overrides=(), revision=state.revision + 1, updated_at=now)
    dropped = [(item.block_name, item.occurrence) for item in state.overrides]
    data = ParticipantReset(
        revision=after.revision, dropped=dropped, by=cause.by, reason=cause.reason
    )
    return Outcome(after, (Event(now, data, state.participant_index),))


def keep_study(state: ParticipantState, digest: str | None, now: datetime) -> ParticipantState:
    """The state with another study version; None means the served version."""
    if state.study == digest:
        return state
    return replace(state, study=digest, revision=state.revision + 1, updated_at=now)


def require_index(participant_index: int) -> None:
    """Raise ParticipantIndexInvalid for an index that no participant can have."""
    if participant_index < 1:
        raise ParticipantIndexInvalid(f"participants count from 1, got {participant_index}")
    if participant_index > PARTICIPANT_INDEX_MAX:
        raise ParticipantIndexInvalid(
            f"participant {participant_index} exceeds the largest index, {PARTICIPANT_INDEX_MAX}"
        )


def require_block(state: ParticipantState, sequence: BlockSequence, block_id: int) -> None:
    """Raise ParticipantElsewhere unless the participant is at this block id, -1 for START."""
    place = position(state, len(sequence))
    if block_id != place:
        raise ParticipantElsewhere(
            f"participant {state.participant_index} is at block {place}, not at {block_id}; "
            "nothing was changed"
        )


def require_start(state: ParticipantState, started_at: str) -> None:
    """Raise ParticipantElsewhere unless the block started at this time of a snapshot."""
    if state.block_started_at is None or started_at != timestamp(state.block_started_at):
        raise ParticipantElsewhere(
            f"participant {state.participant_index} is not in the block that began at "
            f"{started_at}; nothing was changed"
        )


def require_active(state: ParticipantState, sequence: BlockSequence) -> None:
    """Raise NotInBlock unless the participant is in a block."""
    if is_active(state, len(sequence)):
        return
    who = f"participant {state.participant_index} is not in a block"
    if position(state, len(sequence)) == START:
        raise NotInBlock(f"{who}: move-to-next moves them to the first block")
    raise NotInBlock(f"{who}: the participant has finished all {len(sequence)} blocks")


def place_of(state: ParticipantState, names: Names) -> BlockPlace:
    """The id and name of the participant's current block."""
    return _place(position(state, len(names)), names)


def _place(place: int, names: Names) -> BlockPlace:
    if place == START:
        return BlockPlace(place, START_NAME)
    return BlockPlace(place, names[place] if place < len(names) else END_NAME)


def _move_if_changed(
    state: ParticipantState, sequence: BlockSequence, place: int, cause: Cause, now: datetime
) -> Outcome:
    if place == position(state, len(sequence)):
        return Outcome(state)
    return _move_to(state, sequence, place, cause, now)


def _move_to(
    state: ParticipantState,
    sequence: BlockSequence,
    place: int,
    cause: Cause,
    now: datetime,
    *,
    undoes: int | None = None,
    origin: BlockPlace | None = None,
) -> Outcome:
    ended = place == len(sequence)
    in_block = not ended and place != START
    after = ParticipantState(
        state.participant_index,
        updated_at=now,
        block_id=place,
        ended=ended,
        revision=state.revision + 1,
        block_started_at=now if in_block else None,
        overrides=state.overrides,
        study=state.study,
        row=state.row,
    )
    data = Moved(
        revision=after.revision,
        origin=origin or place_of(state, sequence.names),
        destination=_place(place, sequence.names),
        in_block=in_block,
        study_version=sequence.version,
        undoes=undoes,
        by=cause.by,
        reason=cause.reason,
    )
    events: tuple[Event, ...] = (Event(now, data, state.participant_index),)
    if ended and not state.ended:
        finished = Finished(revision=after.revision, by=cause.by, reason=cause.reason)
        events += (Event(now, finished, state.participant_index),)
    return Outcome(after, events)
