"""How long participants were in their blocks, worked out from the log."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from experiment_server.flow.events import Entry

COLUMNS = (
    "participant_index",
    "visit",
    "block_id",
    "block_name",
    "study_version",
    "started_at",
    "ended_at",
    "seconds",
    "left_to",
    "moved_by",
)
"""The keys of a visit, in the order of a table."""


class Visits:
    """Makes a row, with `COLUMNS` as its keys, of each stay of a participant in a block.

    `visit` counts a participant's stays from 1. Who is still in a block has no `ended_at`,
    `seconds`, `left_to` and `moved_by` there. Seconds are the server's, to the millisecond, and 0
    where its clock was set back between two runs.
    """

    def __init__(self) -> None:
        self._current: dict[str, Any] | None = None
        self._participant_index = 0
        self._visit = 0

    def take(self, moves: Iterable[Entry]) -> list[dict[str, Any]]:
        """The stays that these entries end; entries of a participant come together, in order."""
        ended = []
        for entry in moves:
            data: Mapping[str, Any] = json.loads(entry.data)
            if entry.participant_index != self._participant_index:
                ended += self.rest()
                self._visit = 0
                self._participant_index = entry.participant_index or 0
            if self._current:
                self._current |= {
                    "ended_at": entry.time,
                    "seconds": _seconds(self._current["started_at"], entry.time),
                    "left_to": data["to"]["block_name"],
                    "moved_by": data["by"],
                }
                ended += self.rest()
            if data["in_block"]:
                self._visit += 1
                self._current = dict.fromkeys(COLUMNS) | {
                    "participant_index": self._participant_index,
                    "visit": self._visit,
                    "started_at": entry.time,
                    "study_version": data["study_version"],
                    **data["to"],
                }
        return ended

    def rest(self) -> list[dict[str, Any]]:
        """The stay that no entry has ended, if there is one."""
        current, self._current = self._current, None
        return [current] if current else []


def all_visits(moves: Iterable[Entry]) -> Iterator[dict[str, Any]]:
    """The rows of all stays, one after the other; see `Visits`."""
    visits = Visits()
    for entry in moves:
        yield from visits.take([entry])
    yield from visits.rest()


def _seconds(start: str, end: str) -> float:
    # A clock may have been set back while the server did not run.
    return max(0.0, round((_moment(end) - _moment(start)).total_seconds(), 3))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
