"""What a new version of the study means for those who are already taking part."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from experiment_server.participants.blocks import BlockSequence
from experiment_server.participants.events import Cause
from experiment_server.participants.moves import Outcome, end_beyond, keep_study
from experiment_server.participants.state import START, ParticipantState
from experiment_server.wire.study import Affected


class OnChange(str, Enum):
    """Who gets a new version of the study."""

    ALL = "all"
    UNSTARTED = "unstarted"
    NEW = "new"


@dataclass(slots=True)
class Migration:
    """How participants are taken to a new version.

    `changed` holds, before and after, those whose state changes. `reordered` have other blocks
    than before, `ended` are beyond their new last block, `kept` stay with the version they have.
    """

    changed: list[tuple[ParticipantState, Outcome]] = field(default_factory=list)
    reordered: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)

    def report(self) -> Affected:
        """Whom the version concerns, as the log and the dashboards say it."""
        return Affected(self.reordered, self.ended, self.kept)

    def take(
        self,
        state: ParticipantState,
        before: BlockSequence,
        after: BlockSequence,
        on_change: OnChange,
        cause: Cause,
        now: datetime,
    ) -> None:
        """Take one participant along, from the blocks `before` to those of the new version.

        Positions are kept: who was in their third block is in their third block. Who then is
        beyond the end has ended.
        """
        index = state.participant_index
        if _keeps(state, on_change):
            self.kept.append(index)
            outcome = Outcome(keep_study(state, state.study or before.study.digest, now))
        else:
            if after.names != before.names:
                self.reordered.append(index)
            outcome = end_beyond(keep_study(state, None, now), after, cause, now, before)
            if outcome.state.ended and not state.ended:
                self.ended.append(index)
        if outcome.state is not state:
            self.changed.append((state, outcome))


def _keeps(state: ParticipantState, on_change: OnChange) -> bool:
    if on_change is OnChange.UNSTARTED:
        return state.ended or state.block_id != START
    return on_change is OnChange.NEW
