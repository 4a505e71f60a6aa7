"""The log of a running session: entries that change nobody are written here, and all are read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

from experiment_server.errors import NothingToUndo, StoreUnavailable
from experiment_server.limits import EVENT_ID_MAX, STORE_STOP_TIMEOUT_S
from experiment_server.participants.events import Entry, Event
from experiment_server.participants.moves import LoggedMove
from experiment_server.participants.timings import Visits
from experiment_server.store.commits import Commit, Written
from experiment_server.store.store import Store
from experiment_server.wire.events import Moved
from experiment_server.wire.replies import Visit

log = logging.getLogger(__name__)


class EventLog:
    """Writes events that change nobody, and reads what was written.

    `written` is told of the entries once they are durable.
    """

    def __init__(self, store: Store, written: Callable[[list[Entry]], None]) -> None:
        self._store = store
        self._tell = written

    def append(self, event: Event) -> None:
        """Log what happened, without waiting for the disk."""
        self._store.send(Commit(events=[event]), self._appended)

    async def flush(self) -> None:
        """Wait until everything that was logged is durable.

        Raises StoreUnavailable when the store does not answer in time.
        """
        try:
            await asyncio.wait_for(asyncio.wrap_future(self._store.read(0)), STORE_STOP_TIMEOUT_S)
        except asyncio.TimeoutError:
            raise StoreUnavailable(
                f"the database has not answered for {STORE_STOP_TIMEOUT_S:.0f} seconds"
            ) from None

    async def entries(
        self,
        *,
        after: int = 0,
        before: int | None = None,
        participant_index: int | None = None,
        limit: int,
    ) -> list[Entry]:
        """The next entries after an id, or the last before another; ascending."""
        return await asyncio.wrap_future(
            self._store.entries(
                after=after, before=before, participant_index=participant_index, limit=limit
            )
        )

    async def pages(self, after: int, participant_index: int | None) -> AsyncIterator[list[Entry]]:
        """The whole log after an id, some entries at a time."""
        while page := await asyncio.wrap_future(
            self._store.log_page(after=after, participant_index=participant_index)
        ):
            yield page
            after = page[-1].id

    async def visits(self, participant_index: int | None = None) -> AsyncIterator[list[Visit]]:
        """Every stay of a participant in a block, some at a time; see participants.timings."""
        visits, after = Visits(), (0, 0)
        while page := await asyncio.wrap_future(
            self._store.moves(after=after, participant_index=participant_index)
        ):
            yield visits.take(page)
            after = (page[-1].participant_index or 0, page[-1].id)
        yield visits.rest()

    async def last_move(self, participant_index: int, revision: int) -> LoggedMove:
        """The participant's last move that was not taken back yet; raises NothingToUndo.

        `revision` is the participant's revision that the answer rests on.
        """
        before, taken_back = EVENT_ID_MAX, set()
        while page := await asyncio.wrap_future(self._store.last_moves(participant_index, before)):
            for entry in page:
                move = entry.told(Moved)
                if move.undoes is not None:
                    taken_back.add(move.undoes)
                elif entry.id not in taken_back:
                    return LoggedMove(entry.id, move.origin.block_id, revision)
            before = page[-1].id
        raise NothingToUndo(f"participant {participant_index} has no move that can be taken back")

    def _appended(self, outcome: Written | Exception) -> None:
        if isinstance(outcome, Written):
            self._tell(outcome.entries)
        else:
            log.warning("not in the event log: %s", outcome)
