"""A participant's state, and the position in the study.

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
    """The stored data of a participant.

    `ended` marks participants who moved past their last block; they stay at END if the study later
    has more blocks. Their `block_id` is the number of blocks that they had. `study` is the digest
    of the version that the participant keeps, None for the served version. `row` is the row of the
    design, None for the row of the index. Times are UTC.
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
    """The position in a study with this many blocks: -1 (START), 0..count-1, or count (END)."""
    return blocks_count if state.ended or state.block_id > blocks_count else state.block_id


def is_active(state: ParticipantState, blocks_count: int) -> bool:
    """Whether the participant is in a block, and not at START or END."""
    return 0 <= position(state, blocks_count) < blocks_count


# Changes in one commit have the same time.
@lru_cache(maxsize=1024)
def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and a Z, as JavaScript writes it."""
    utc = moment if moment.tzinfo is timezone.utc else moment.astimezone(timezone.utc)
    return f"{utc.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
