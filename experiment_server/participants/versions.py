"""The migration of participants to a new study version."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from experiment_server.participants.blocks import BlockSequence
from experiment_server.participants.events import Cause
from experiment_server.participants.moves import Outcome, end_if_beyond, keep_study
from experiment_server.participants.state import START, ParticipantState
from experiment_server.wire.study import Affected


class OnChange(str, Enum):
    """The participants who get a new study version."""

    ALL = "all"
    UNSTARTED = "unstarted"
    NEW = "new"


@dataclass(slots=True)
class Migration:
    """The migration of participants to a new version.

    `changed` has the states that change, before and after. `reordered` are participants whose
    blocks change, `ended` those beyond the new last block, `kept` those who keep their version.
    """

    changed: list[tuple[ParticipantState, Outcome]] = field(default_factory=list)
    reordered: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)

    def report(self) -> Affected:
        """The affected participants, for the log and the dashboards."""
        return Affected(self.reordered, self.ended, self.kept)

    def add(
        self,
        state: ParticipantState,
        before: BlockSequence,
        after: BlockSequence,
        on_change: OnChange,
        cause: Cause,
        now: datetime,
    ) -> None:
        """Migrate one participant from the blocks `before` to the blocks `after`.

        The participant keeps the position. If it is beyond the last block, the participant ends.
        """
        index = state.participant_index
        if _keeps_version(state, on_change):
            self.kept.append(index)
            outcome = Outcome(keep_study(state, state.study or before.study.digest, now))
        else:
            if after.names != before.names:
                self.reordered.append(index)
            outcome = end_if_beyond(keep_study(state, None, now), after, cause, now, before)
            if outcome.state.ended and not state.ended:
                self.ended.append(index)
        if outcome.state is not state:
            self.changed.append((state, outcome))


def _keeps_version(state: ParticipantState, on_change: OnChange) -> bool:
    if on_change is OnChange.UNSTARTED:
        return state.ended or state.block_id != START
    return on_change is OnChange.NEW
