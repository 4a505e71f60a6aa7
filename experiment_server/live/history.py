"""What has happened: the log of a running study, written and read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

from experiment_server.errors import NothingToUndo, StoreUnavailable
from experiment_server.flow import participant as flow
from experiment_server.flow.events import Entry, Event, EventType
from experiment_server.flow.participant import ParticipantState
from experiment_server.flow.timings import Visits
from experiment_server.limits import EVENT_ID, STORE_ANSWERS
from experiment_server.live.editions import Editions
from experiment_server.live.news import News, Snapshot
from experiment_server.live.requests import Request
from experiment_server.store.store import Commit, Store, Written

log = logging.getLogger(__name__)


class History:
    """Words events, writes those that change nobody, and reads what was written."""

    def __init__(self, store: Store, editions: Editions, news: News) -> None:
        self._store = store
        self._editions = editions
        self._news = news

    def log(self, *events: Event) -> None:
        """Log what happened without changing anybody; dashboards hear of it when it is durable."""
        self._store.send(Commit(events=events), self._logged)

    async def answers(self) -> None:
        """Wait until everything that was logged is durable.

        Raises StoreUnavailable when the store does not answer in time.
        """
        try:
            await asyncio.wait_for(asyncio.wrap_future(self._store.read(0)), STORE_ANSWERS)
        except asyncio.TimeoutError:
            raise StoreUnavailable(
                f"the database has not answered for {STORE_ANSWERS:.0f} seconds"
            ) from None

    async def entries(
        self,
        *,
        after: int = 0,
        before: int | None = None,
        participant_index: int | None = None,
        limit: int,
    ) -> list[Entry]:
        """The next entries of the log after an id, or the last before another; ascending."""
        return await asyncio.wrap_future(
            self._store.entries(
                after=after, before=before, participant_index=participant_index, limit=limit
            )
        )

    async def visits(self, participant_index: int | None = None) -> AsyncIterator[list[Snapshot]]:
        """Every stay of a participant in a block, some at a time; see flow.timings."""
        visits, after = Visits(), (0, 0)
        while page := await asyncio.wrap_future(
            self._store.moves(after=after, participant_index=participant_index)
        ):
            yield visits.take(page)
            after = (page[-1].participant_index or 0, page[-1].id)
        yield visits.rest()

    def moved(
        self,
        before: ParticipantState,
        after: ParticipantState,
        request: Request,
        **more: Any,
    ) -> list[Event]:
        """What the log says of a move, with `more` about it; nothing where there was none."""
        told = {
            "from": self.place(before),
            "to": self.place(after),
            "in_block": flow.is_active(after, len(self._editions.order(after))),
            "study_version": self._editions.number_of(after),
            **more,
            **request.told(),
        }
        moved = self.altered(EventType.MOVED, before, after, told)
        finished = self.altered(EventType.FINISHED, before, after, request.told())
        return moved + (finished if after.ended and not before.ended else [])

    def altered(
        self, kind: EventType, before: ParticipantState, after: ParticipantState, data: Snapshot
    ) -> list[Event]:
        """What the log says of a participant who was changed; nothing where they were not."""
        if after is before:
            return []
        told = {"revision": after.revision, **data}
        return [Event(kind, after.updated_at, after.participant_index, told)]

    def place(self, state: ParticipantState) -> Snapshot:
        """Where a participant stands: `{"block_id", "block_name"}`."""
        names = self._editions.order(state)
        return {
            "block_id": flow.position(state, len(names)),
            "block_name": flow.block_name(state, names),
        }

    def _logged(self, outcome: Written | Exception) -> None:
        if isinstance(outcome, Written):
            self._news.gather(entries=outcome.entries)
        else:
            log.warning("not in the event log: %s", outcome)

    async def last_move(self, participant_index: int) -> Entry:
        """The participant's last move that was not taken back yet; raises NothingToUndo."""
        before, taken_back = EVENT_ID, set()
        while page := await asyncio.wrap_future(self._store.last_moves(participant_index, before)):
            for entry in page:
                undoes = entry.as_dict()["data"].get("undoes")
                if undoes is not None:
                    taken_back.add(undoes)
                elif entry.id not in taken_back:
                    return entry
            before = page[-1].id
        raise NothingToUndo(f"participant {participant_index} has no move that can be taken back")
