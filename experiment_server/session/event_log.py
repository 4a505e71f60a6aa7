"""The event log of a running session: writes events that change no participant, and reads all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

from experiment_server.errors import NothingToUndo, StoreUnavailable
from experiment_server.limits.session import EVENT_ID_MAX
from experiment_server.limits.store import STORE_STOP_TIMEOUT_S
from experiment_server.participants.events import Entry, Event
from experiment_server.participants.moves import LoggedMove
from experiment_server.participants.timings import Visits
from experiment_server.store.commits import Commit, Written
from experiment_server.store.store import Store
from experiment_server.wire.events import Moved
from experiment_server.wire.replies import Visit

log = logging.getLogger(__name__)


class EventLog:
    """Writes events that change no participant, and reads the log.

    It calls `on_written` with the new entries when they are durable.
    """

    def __init__(self, store: Store, on_written: Callable[[list[Entry]], None]) -> None:
        self._store = store
        self._on_written = on_written

    def append(self, event: Event) -> None:
        """Log an event, without waiting for the disk."""
        self._store.send(Commit(events=[event]), self._appended)

    async def flush(self) -> None:
        """Wait until all logged events are durable.

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
        """The first entries after the id `after`, or the last before the id `before`; ascending."""
        return await asyncio.wrap_future(
            self._store.entries(
                after=after, before=before, participant_index=participant_index, limit=limit
            )
        )

    async def pages(self, after: int, participant_index: int | None) -> AsyncIterator[list[Entry]]:
        """All entries after an id, in pages."""
        while page := await asyncio.wrap_future(
            self._store.log_page(after=after, participant_index=participant_index)
        ):
            yield page
            after = page[-1].id

    async def visits(self, participant_index: int | None = None) -> AsyncIterator[list[Visit]]:
        """The visits of participants to blocks, in pages; see participants.timings."""
        visits, after = Visits(), (0, 0)
        while page := await asyncio.wrap_future(
            self._store.moves(after=after, participant_index=participant_index)
        ):
            yield visits.take(page)
            after = (page[-1].participant_index or 0, page[-1].id)
        yield visits.rest()

    async def last_move(self, participant_index: int, revision: int) -> LoggedMove:
        """The participant's last move that was not undone yet; raises NothingToUndo.

        `revision` is the participant's revision at the time of the call.
        """
        before, undone = EVENT_ID_MAX, set()
        while page := await asyncio.wrap_future(self._store.last_moves(participant_index, before)):
            for entry in page:
                move = entry.data_as(Moved)
                if move.undoes is not None:
                    undone.add(move.undoes)
                elif entry.id not in undone:
                    return LoggedMove(entry.id, move.origin.block_id, revision)
            before = page[-1].id
        raise NothingToUndo(f"participant {participant_index} has no move that can be taken back")

    def _appended(self, outcome: Written | Exception) -> None:
        if isinstance(outcome, Written):
            self._on_written(outcome.entries)
        else:
            log.warning("an event could not be written to the event log: %s", outcome)
