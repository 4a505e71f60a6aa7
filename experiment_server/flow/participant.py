"""A participant's place in their study, and the moves from place to place.

    START (-1) ──> block 0 ──> block 1 ──> ... ──> END (blocks_count)

Transitions take a state and return the next one, with revision + 1, or the very same state where
there is nothing to change (next at END, back at START).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from experiment_server.errors import (
    BlockOutOfRange,
    NothingToUndo,
    NotInBlock,
    ParticipantElsewhere,
    ParticipantIndexInvalid,
)
from experiment_server.flow import overrides as changes
from experiment_server.flow.overrides import Overrides, Patch
from experiment_server.limits import PARTICIPANT_INDEX
from experiment_server.study.model import Block, Config, Names

START = -1
START_NAME = "START"
END_NAME = "END"


@dataclass(frozen=True, slots=True)
class ParticipantState:
    """What is durable about a participant.

    `ended` marks those who went past their last block; they stay at END when the study later
    grows, because they have gone home. `block_id` then is the number of blocks they had.
    `study` is the digest of the version that they keep, None where they have the one that is
    served. Times are UTC.
    """

    participant_index: int
    updated_at: datetime
    block_id: int = START
    ended: bool = False
    revision: int = 0
    block_started_at: datetime | None = None
    overrides: Overrides = ()
    study: str | None = None


def added(participant_index: int, now: datetime) -> ParticipantState:
    """A new participant, before their first block.

    Raises ParticipantIndexInvalid for an index below 1 or above 2**31 - 1.
    """
    require_index(participant_index)
    return ParticipantState(participant_index, updated_at=now)


def require_index(participant_index: int) -> None:
    """Raise ParticipantIndexInvalid for an index that no participant can have."""
    if participant_index < 1:
        raise ParticipantIndexInvalid(f"participants count from 1, got {participant_index}")
    if participant_index > PARTICIPANT_INDEX:
        raise ParticipantIndexInvalid(
            f"participant {participant_index} is beyond the largest index, {PARTICIPANT_INDEX}"
        )


def position(state: ParticipantState, blocks_count: int) -> int:
    """Where the state stands in a study with this many blocks: -1, 0..count-1, or count."""
    return blocks_count if state.ended else min(state.block_id, blocks_count)


def is_active(state: ParticipantState, blocks_count: int) -> bool:
    """Whether the participant is in a block, neither before the first nor after the last."""
    return 0 <= position(state, blocks_count) < blocks_count


def move_to_next(state: ParticipantState, blocks_count: int, now: datetime) -> ParticipantState:
    """One block on; END after the last block, and END stays END."""
    return _stand_at(state, position(state, blocks_count) + 1, blocks_count, now)


def move_to_previous(state: ParticipantState, blocks_count: int, now: datetime) -> ParticipantState:
    """One block back; from END to the last block, and START stays START."""
    return _stand_at(state, position(state, blocks_count) - 1, blocks_count, now)


def move_to_block(
    state: ParticipantState, block_id: int, blocks_count: int, now: datetime
) -> ParticipantState:
    """To a block by its id. Moving to the current block starts it anew.

    Raises BlockOutOfRange unless 0 <= block_id < blocks_count.
    """
    if not 0 <= block_id < blocks_count:
        raise BlockOutOfRange(
            f"participant {state.participant_index} has no block {block_id}; "
            f"their blocks are 0 to {blocks_count - 1}"
        )
    return _moved(state, block_id, ended=False, now=now)


def require_block(state: ParticipantState, block_id: int, blocks_count: int) -> None:
    """Raise ParticipantElsewhere unless the participant stands at this block id, -1 for START."""
    if block_id != position(state, blocks_count):
        raise ParticipantElsewhere(
            f"participant {state.participant_index} is at block "
            f"{position(state, blocks_count)}, not at {block_id}; nothing was changed"
        )


def require_start(state: ParticipantState, started_at: str) -> None:
    """Raise ParticipantElsewhere unless the block began then, as a snapshot's timestamp says it."""
    if started_at != timestamp(state.block_started_at):
        raise ParticipantElsewhere(
            f"participant {state.participant_index} is not in the block that began at "
            f"{started_at}; nothing was changed"
        )


def take_back(
    state: ParticipantState, block_id: int, blocks_count: int, now: datetime
) -> ParticipantState:
    """To where a move that is undone came from, START and END among it.

    Raises NothingToUndo if the study no longer has that place.
    """
    if not START <= block_id <= blocks_count:
        raise NothingToUndo(
            f"participant {state.participant_index} came from block {block_id}, which the study "
            "no longer has; move them to a block by hand"
        )
    return _moved(state, block_id, ended=block_id == blocks_count, now=now)


def override(
    state: ParticipantState, blocks: Sequence[Block], patch: Patch, now: datetime
) -> ParticipantState:
    """The state with its current block's config changed; `blocks` are the file's.

    Raises NotInBlock before the first block and after the last.
    """
    if not is_active(state, len(blocks)):
        raise not_in_block(state.participant_index, position(state, len(blocks)), len(blocks))
    block_id = position(state, len(blocks))
    overrides = changes.with_patch(blocks, state.overrides, block_id, patch)
    if overrides == state.overrides:
        return state
    return replace(state, overrides=overrides, revision=state.revision + 1, updated_at=now)


def reset(state: ParticipantState, _blocks_count: int, now: datetime) -> ParticipantState:
    """The state with all overrides dropped; the position is kept."""
    if not state.overrides:
        return state
    return replace(state, overrides=(), revision=state.revision + 1, updated_at=now)


def keep_study(state: ParticipantState, digest: str | None, now: datetime) -> ParticipantState:
    """The state bound to a version of the study, or with None to the one that is served."""
    if state.study == digest:
        return state
    return replace(state, study=digest, revision=state.revision + 1, updated_at=now)


def fit_to_study(state: ParticipantState, blocks_count: int, now: datetime) -> ParticipantState:
    """The state in a changed study: positions are kept, and beyond the new end there is END."""
    if state.ended or state.block_id < blocks_count:
        return state
    return _moved(state, blocks_count, ended=True, now=now)


def block_name(state: ParticipantState, names: Names) -> str:
    """The current block's name, or START or END."""
    place = position(state, len(names))
    if place == START:
        return START_NAME
    return names[place] if place < len(names) else END_NAME


def summary(state: ParticipantState, names: Names, *, connected: int, study: str) -> dict[str, Any]:
    """The participant snapshot of the wire contract, without its config.

    `connected` counts the participant's sockets; `study` is the digest of the study's text.
    `overridden` is the number of blocks whose config was changed for this participant.
    """
    return {
        "participant_index": state.participant_index,
        "active": is_active(state, len(names)),
        "block_id": position(state, len(names)),
        "block_name": block_name(state, names),
        "blocks_count": len(names),
        "revision": state.revision,
        "connected": connected,
        "block_started_at": timestamp(state.block_started_at),
        "updated_at": timestamp(state.updated_at),
        "study": study,
        "overridden": len(state.overrides),
    }


def snapshot(
    state: ParticipantState, blocks: Sequence[Block], *, connected: int, study: str
) -> dict[str, Any]:
    """The participant snapshot of the wire contract; `blocks` are the file's.

    `config` is None outside a block. `overrides` lists what was changed about it:
    `{"path", "value", "file"}` for each value.
    """
    names = tuple(block.name for block in blocks)
    known = summary(state, names, connected=connected, study=study)
    if not known["active"]:
        return {**known, "config": None, "overrides": []}
    config = blocks[known["block_id"]].config
    patch = changes.override_of(blocks, state.overrides, known["block_id"])
    return {
        **known,
        "config": changes.merged(config, patch) if patch else config,
        "overrides": changes.compared(config, patch),
    }


def config_of(snapshot: Mapping[str, Any]) -> Config:
    """The config in a snapshot; raises NotInBlock before the first block and after the last."""
    config: Config | None = snapshot["config"]
    if config is None:
        raise not_in_block(
            snapshot["participant_index"], snapshot["block_id"], snapshot["blocks_count"]
        )
    return config


def not_in_block(participant_index: int, place: int, blocks_count: int) -> NotInBlock:
    """The error for what only somebody in a block has."""
    who = f"participant {participant_index} is not in a block"
    if place == START:
        return NotInBlock(f"{who}: move-to-next takes them to their first one")
    return NotInBlock(f"{who}: they have finished all {blocks_count} of them")


def timestamp(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds and a Z, as JavaScript writes it."""
    if moment is None:
        return None
    utc = moment.astimezone(timezone.utc)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _stand_at(
    state: ParticipantState, place: int, blocks_count: int, now: datetime
) -> ParticipantState:
    place = max(START, min(place, blocks_count))
    if place == position(state, blocks_count):
        return state
    return _moved(state, place, ended=place == blocks_count, now=now)


def _moved(
    state: ParticipantState, block_id: int, *, ended: bool, now: datetime
) -> ParticipantState:
    return replace(
        state,
        block_id=block_id,
        ended=ended,
        revision=state.revision + 1,
        block_started_at=None if ended or block_id == START else now,
        updated_at=now,
    )
