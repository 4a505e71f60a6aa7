"""What a new version of the study means for those who are already taking part."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from experiment_server.flow import participant as flow
from experiment_server.flow.participant import START, ParticipantState
from experiment_server.study.model import Names


class OnChange(str, Enum):
    """Who gets a new version of the study."""

    ALL = "all"
    UNSTARTED = "unstarted"
    NEW = "new"


@dataclass(slots=True)
class Fit:
    """How participants are fitted to a new version.

    `states` holds, before and after, those whose state changes. `reordered` have other blocks
    than before, `ended` are beyond their new last block, `kept` stay with the version they have.
    """

    states: list[tuple[ParticipantState, ParticipantState]] = field(default_factory=list)
    reordered: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)

    def __iadd__(self, other: Fit) -> Fit:
        self.states += other.states
        self.reordered += other.reordered
        self.ended += other.ended
        self.kept += other.kept
        return self

    def report(self) -> dict[str, Any]:
        """Who is affected, as the log and the dashboards say it."""
        return {"reordered": self.reordered, "ended": self.ended, "kept": self.kept}


def fit(
    states: Iterable[ParticipantState],
    before: Callable[[ParticipantState], Names],
    after: Callable[[int], Names],
    served: str,
    on_change: OnChange,
    now: datetime,
) -> Fit:
    """Fit participants to a new version of the study.

    `before` gives a participant's blocks so far, `after` those in the new version; `served` is the
    digest of the version that was served. Positions are kept: who was in their third block is in
    their third block. Who then is beyond the end has ended.
    """
    found = Fit()
    for state in states:
        index = state.participant_index
        if _keeps(state, on_change):
            found.kept.append(index)
            fitted = flow.keep_study(state, state.study or served, now)
        else:
            names = after(index)
            if names != before(state):
                found.reordered.append(index)
            fitted = flow.fit_to_study(flow.keep_study(state, None, now), len(names), now)
            if fitted.ended and not state.ended:
                found.ended.append(index)
        if fitted is not state:
            found.states.append((state, fitted))
    return found


class Fits:
    """How participants fit, each found out once for each of their states."""

    def __init__(self, fit_one: Callable[[ParticipantState], Fit]) -> None:
        self._fit_one = fit_one
        self._known: dict[int, tuple[ParticipantState, Fit]] = {}

    def add(self, state: ParticipantState) -> Fit:
        """How a participant in this state fits."""
        known = self._known.get(state.participant_index)
        if known is None or known[0] is not state:
            known = self._known[state.participant_index] = (state, self._fit_one(state))
        return known[1]

    def all(self, states: Iterable[ParticipantState]) -> Fit:
        """How all of them fit."""
        fitted = Fit()
        for state in states:
            fitted += self.add(state)
        return fitted

    def report(self) -> dict[str, Any]:
        """Who is affected, as `Fit.report` has it."""
        return self.all(state for state, _ in [*self._known.values()]).report()


def _keeps(state: ParticipantState, on_change: OnChange) -> bool:
    if on_change is OnChange.UNSTARTED:
        return state.ended or state.block_id != START
    return on_change is OnChange.NEW
