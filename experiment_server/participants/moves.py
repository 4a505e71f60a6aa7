"""Every change of a participant, as a pure function.

A change takes the participant's state, the blocks that they go through, its arguments, who caused
it, and the time. It returns the next state, with revision + 1, and what happened; or the very same
state and no event where there is nothing to change (next at END, previous at START).
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
from experiment_server.limits import PARTICIPANT_INDEX_MAX
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
    """What a change comes to: the state after it, and what happened."""

    state: ParticipantState
    events: tuple[Event, ...] = ()


Transition = Callable[[ParticipantState, BlockSequence, Cause, datetime], Outcome]
"""A change of one participant, all arguments but its own filled in."""


@dataclass(frozen=True, slots=True)
class LoggedMove:
    """A move that can be taken back: its entry in the log, and where it came from.

    `revision` is the participant's revision that the log was read at.
    """

    id: int
    block_id: int
    revision: int


def add(participant_index: int, cause: Cause, now: datetime, row: int | None = None) -> Outcome:
    """A new participant, before their first block, who follows a row of the design.

    By default it is that of their index. Raises ParticipantIndexInvalid for an index below 1 or
    above 2**31 - 1.
    """
    require_index(participant_index)
    row = None if row == participant_index else row
    added = ParticipantAdded(row=row, by=cause.by, reason=cause.reason)
    state = ParticipantState(participant_index, updated_at=now, row=row)
    return Outcome(state, (Event(now, added, participant_index),))


def move_to_next(
    state: ParticipantState, sequence: BlockSequence, cause: Cause, now: datetime
) -> Outcome:
    """One block on; END after the last block, and END stays END."""
    count = len(sequence)
    return _move(state, sequence, min(position(state, count) + 1, count), cause, now)


def move_to_previous(
    state: ParticipantState, sequence: BlockSequence, cause: Cause, now: datetime
) -> Outcome:
    """One block back; from END to the last block, and START stays START."""
    place = max(START, position(state, len(sequence)) - 1)
    return _move(state, sequence, place, cause, now)


def move_to_block(
    state: ParticipantState, sequence: BlockSequence, cause: Cause, now: datetime, block_id: int
) -> Outcome:
    """To a block by its id. Moving to the current block starts it anew.

    Raises BlockOutOfRange unless 0 <= block_id < blocks_count.
    """
    if not 0 <= block_id < len(sequence):
        raise BlockOutOfRange(
            f"participant {state.participant_index} has no block {block_id}; "
            f"their blocks are 0 to {len(sequence) - 1}"
        )
    return _moved(state, sequence, block_id, cause, now)


def undo(
    state: ParticipantState, sequence: BlockSequence, cause: Cause, now: datetime, move: LoggedMove
) -> Outcome:
    """To where a move came from, START and END among it.

    Raises RevisionConflict if the participant was changed since the log was read, and
    NothingToUndo if the study no longer has that place.
    """
    if state.revision != move.revision:
        raise RevisionConflict("the participant was changed meanwhile")
    if not START <= move.block_id <= len(sequence):
        raise NothingToUndo(
            f"participant {state.participant_index} came from block {move.block_id}, which the "
            "study no longer has; move them to a block by hand"
        )
    return _moved(state, sequence, move.block_id, cause, now, undoes=move.id)


def end_beyond(
    state: ParticipantState,
    sequence: BlockSequence,
    cause: Cause,
    now: datetime,
    before: BlockSequence,
) -> Outcome:
    """In a changed study: positions are kept, and beyond the new end there is END.

    `before` are the blocks that the participant had so far.
    """
    if state.ended or state.block_id < len(sequence):
        return Outcome(state)
    origin = place_of(state, before.names)
    return _moved(state, sequence, len(sequence), cause, now, origin=origin)


def update_config(
    state: ParticipantState, sequence: BlockSequence, cause: Cause, now: datetime, patch: Patch
) -> Outcome:
    """The current block's config changed, for this participant alone.

    Raises NotInBlock before the first block and after the last, and ExpansionFailed.
    """
    require_active(state, sequence)
    block = place_of(state, sequence.names)
    overrides = with_patch(sequence.blocks, state.overrides, block.block_id, patch)
    if overrides == state.overrides:
        return Outcome(state)
    after = replace(state, overrides=overrides, revision=state.revision + 1, updated_at=now)
    told = ConfigOverridden(
        revision=after.revision,
        block=block,
        patch=patch,
        overrides=digest_of_overrides(overrides),
        by=cause.by,
        reason=cause.reason,
    )
    return Outcome(after, (Event(now, told, state.participant_index),))


def reset(
    state: ParticipantState, _sequence: BlockSequence, cause: Cause, now: datetime
) -> Outcome:
    """All overrides dropped; the position is kept."""
    if not state.overrides:
        return Outcome(state)
    after = replace(state, overrides=(), revision=state.revision + 1, updated_at=now)
    dropped = [(item.block_name, item.occurrence) for item in state.overrides]
    told = ParticipantReset(
        revision=after.revision, dropped=dropped, by=cause.by, reason=cause.reason
    )
    return Outcome(after, (Event(now, told, state.participant_index),))


def keep_study(state: ParticipantState, digest: str | None, now: datetime) -> ParticipantState:
    """The state bound to a version of the study, or with None to the one that is served."""
    if state.study == digest:
        return state
    return replace(state, study=digest, revision=state.revision + 1, updated_at=now)


def require_index(participant_index: int) -> None:
    """Raise ParticipantIndexInvalid for an index that no participant can have."""
    if participant_index < 1:
        raise ParticipantIndexInvalid(f"participants count from 1, got {participant_index}")
    if participant_index > PARTICIPANT_INDEX_MAX:
        raise ParticipantIndexInvalid(
            f"participant {participant_index} is beyond the largest index, {PARTICIPANT_INDEX_MAX}"
        )


def require_block(state: ParticipantState, sequence: BlockSequence, block_id: int) -> None:
    """Raise ParticipantElsewhere unless the participant stands at this block id, -1 for START."""
    place = position(state, len(sequence))
    if block_id != place:
        raise ParticipantElsewhere(
            f"participant {state.participant_index} is at block {place}, not at {block_id}; "
            "nothing was changed"
        )


def require_start(state: ParticipantState, started_at: str) -> None:
    """Raise ParticipantElsewhere unless the block began then, as a snapshot's timestamp says it."""
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
        raise NotInBlock(f"{who}: move-to-next takes them to their first one")
    raise NotInBlock(f"{who}: they have finished all {len(sequence)} of them")


def place_of(state: ParticipantState, names: Names) -> BlockPlace:
    """Where the participant stands, by id and name."""
    return _place(position(state, len(names)), names)


def _place(place: int, names: Names) -> BlockPlace:
    if place == START:
        return BlockPlace(place, START_NAME)
    return BlockPlace(place, names[place] if place < len(names) else END_NAME)


def _move(
    state: ParticipantState, sequence: BlockSequence, place: int, cause: Cause, now: datetime
) -> Outcome:
    if place == position(state, len(sequence)):
        return Outcome(state)
    return _moved(state, sequence, place, cause, now)


def _moved(
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
    told = Moved(
        revision=after.revision,
        origin=origin or place_of(state, sequence.names),
        destination=_place(place, sequence.names),
        in_block=in_block,
        study_version=sequence.version,
        undoes=undoes,
        by=cause.by,
        reason=cause.reason,
    )
    events: tuple[Event, ...] = (Event(now, told, state.participant_index),)
    if ended and not state.ended:
        finished = Finished(revision=after.revision, by=cause.by, reason=cause.reason)
        events += (Event(now, finished, state.participant_index),)
    return Outcome(after, events)
