"""A participant's place in their study.

START (-1) ──> block 0 ──> block 1 ──> ... ──> END (blocks_count)
"""

from __future__ import annotations

from datetime import datetime, timezone
from functools import lru_cache

from msgspec import Struct

from experiment_server.participants.overrides import Overrides

START = -1
START_NAME = "START"
END_NAME = "END"


class ParticipantState(Struct, frozen=True, gc=False):
    """What is durable about a participant.

    `ended` marks those who went past their last block; they stay at END when the study later
    grows, because they have gone home. `block_id` then is the number of blocks they had.
    `study` is the digest of the version that they keep, None where they have the one that is
    served. `row` is the row of the design that they follow, None for that of their own index. Times
    are UTC.
    """

    participant_index: int
    updated_at: datetime
    block_id: int = START
    ended: bool = False
    revision: int = 0
    block_started_at: datetime | None = None
    overrides: Overrides = ()
    study: str | None = None
    row: int | None = None


def row_of(state: ParticipantState) -> int:
    """The row of the design that the participant follows."""
    return state.participant_index if state.row is None else state.row


def position(state: ParticipantState, blocks_count: int) -> int:
    """Where the state stands in a study with this many blocks: -1, 0..count-1, or count."""
    return blocks_count if state.ended or state.block_id > blocks_count else state.block_id


def is_active(state: ParticipantState, blocks_count: int) -> bool:
    """Whether the participant is in a block, neither before the first nor after the last."""
    return 0 <= position(state, blocks_count) < blocks_count


# What is changed together has one time.
@lru_cache(maxsize=1024)
def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and a Z, as JavaScript writes it."""
    utc = moment if moment.tzinfo is timezone.utc else moment.astimezone(timezone.utc)
    return f"{utc.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
