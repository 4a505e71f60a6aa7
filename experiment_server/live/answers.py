"""What is kept of an answered snapshot: enough to make it again, without the config in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from experiment_server.flow import participant as flow
from experiment_server.flow.overrides import only_override, override_of
from experiment_server.flow.participant import ParticipantState
from experiment_server.study.model import Block

Kept = Mapping[str, Any]
"""`{"study", "connected", "overridden", "patch", "state"}`, plain JSON data.

`study` is the digest of the version that the blocks are of, and `patch` what is overridden in the
current block, the only part of it that can be large.
"""

_NUMBERS = ("participant_index", "block_id", "ended", "revision")
_MOMENTS = ("block_started_at", "updated_at")


def kept(snapshot: Mapping[str, Any], state: ParticipantState, blocks: Sequence[Block]) -> Kept:
    """What a snapshot of a state, among the blocks of the file, can be made from again."""
    place = snapshot["block_id"]
    moments = {name: getattr(state, name) for name in _MOMENTS}
    return {
        "study": snapshot["study"],
        "connected": snapshot["connected"],
        "overridden": snapshot["overridden"],
        "patch": override_of(blocks, state.overrides, place) if snapshot["active"] else {},
        "state": {name: getattr(state, name) for name in _NUMBERS}
        | {name: moment and moment.isoformat() for name, moment in moments.items()},
    }


def again(kept: Kept, blocks: Sequence[Block]) -> dict[str, Any]:
    """The snapshot; `blocks` are those of the participant in the version that it is of."""
    numbers = {name: kept["state"][name] for name in _NUMBERS}
    started, updated = (kept["state"][name] for name in _MOMENTS)
    state = ParticipantState(
        **numbers,
        block_started_at=started and datetime.fromisoformat(started),
        updated_at=datetime.fromisoformat(updated),
        overrides=only_override(blocks, numbers["block_id"], kept["patch"]),
    )
    snapshot = flow.snapshot(state, blocks, connected=kept["connected"], study=kept["study"])
    return {**snapshot, "overridden": kept["overridden"]}
