"""Visits of participants to blocks, computed from the log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from experiment_server.participants.events import Entry
from experiment_server.wire.events import Moved
from experiment_server.wire.replies import Visit

COLUMNS: tuple[str, ...] = Visit.__struct_fields__
"""The keys of a visit, in the order of a table."""


class Visits:
    """Computes the visits of participants to blocks.

    A current visit has no `ended_at`, `seconds`, `left_to` and `moved_by`.
    """

    def __init__(self) -> None:
        self._current: Visit | None = None
        self._participant_index = 0
        self._visit = 0

    def take(self, moves: Iterable[Entry]) -> list[Visit]:
        """The visits that these entries end; entries are grouped by participant, in order."""
        ended = []
        for entry in moves:
            move = entry.data_as(Moved)
            if entry.participant_index != self._participant_index:
                ended += self.rest()
                self._visit = 0
                self._participant_index = entry.participant_index or 0
            if self._current:
                self._current = msgspec.structs.replace(
                    self._current,
                    ended_at=entry.time,
                    seconds=_seconds(self._current.started_at, entry.time),
                    left_to=move.destination.block_name,
                    moved_by=move.by.value,
                )
                ended += self.rest()
            if move.in_block:
                self._visit += 1
                self._current = Visit(
                    participant_index=self._participant_index,
                    visit=self._visit,
                    block_id=move.destination.block_id,
                    block_name=move.destination.block_name,
                    study_version=move.study_version,
                    started_at=entry.time,
                )
        return ended

    def rest(self) -> list[Visit]:
        """The current visit, if there is one."""
        current, self._current = self._current, None
        return [current] if current else []


def all_visits(moves: Iterable[Entry]) -> Iterator[Visit]:
    """All visits; see `Visits`."""
    visits = Visits()
    for entry in moves:
        yield from visits.take([entry])
    yield from visits.rest()


def _seconds(start: str, end: str) -> float:
    # The clock may have been set back while the server did not run.
    return max(0.0, round((_moment(end) - _moment(start)).total_seconds(), 3))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
