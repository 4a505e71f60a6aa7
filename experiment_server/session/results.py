"""Results: stores records, counts them, and reads them with the context of their recording."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial

from experiment_server.errors import LimitReached
from experiment_server.limits.results import PARTICIPANT_RECORDS_MAX, RESULT_TABLES_MAX
from experiment_server.participants.events import Entry
from experiment_server.participants.result_tables import (
    Columns,
    Participant,
    Stay,
    Stays,
    in_context,
    levels_in,
)
from experiment_server.participants.results import Batch, require_table, stored
from experiment_server.participants.state import row_of, timestamp
from experiment_server.session.deadlines import within_commit_timeout
from experiment_server.session.requests import Request
from experiment_server.session.result_counts import (
    CountKey,
    Counts,
    TableBlock,
    UnsentReports,
    changed_results,
    result_pages,
    result_tables,
)
from experiment_server.session.states import ParticipantStates
from experiment_server.session.versions import StudyVersions
from experiment_server.store.commits import Commit, Written
from experiment_server.store.result_records import KeptRecord, RecordKey
from experiment_server.store.store import Store
from experiment_server.study.model import Binding, Study
from experiment_server.wire.events import Moved
from experiment_server.wire.results import (
    ParticipantResults,
    RecordsKept,
    ResultRecord,
    ResultsChanged,
    ResultTable,
    StoredRecord,
)
from experiment_server.wire.tables import Layout


class Results:
    """The results of a session.

    Calls `written` with the log entries of new records, and `changed` with a participant and the
    blocks of whose records, or unsent records, there is a new number.
    """

    def __init__(
        self,
        store: Store,
        states: ParticipantStates,
        versions: StudyVersions,
        session: str,
        clock: Callable[[], datetime],
        written: Callable[[list[Entry]], None],
        changed: Callable[[int, Collection[TableBlock]], None],
    ) -> None:
        self._store = store
        self._states = states
        self._versions = versions
        self._session = session
        self._clock = clock
        self._written = written
        self._changed = changed
        self._unsent = UnsentReports()
        self._submitted = 0
        self._counting = asyncio.Lock()
        self._counts: Counts | None = None
        self._uncounted: list[tuple[CountKey, int]] = []

    async def record(
        self,
        request: Request,
        participant_index: int,
        table: str,
        sent: Sequence[ResultRecord],
        unsent: int | None = None,
    ) -> RecordsKept:
        """Store records of a participant, each once; returns when they are durable.

        `unsent` is the number of records that still wait on the device; None if not reported.
        Raises ParticipantUnknown, RecordInvalid, RecordTooLarge, RecordConflict, LimitReached and
        StoreUnavailable; in these cases no record of the batch is stored.
        """
        await self._states.get(participant_index)
        name, now = require_table(table), self._clock()
        records = tuple(stored(record) for record in sent)
        accepted = 0
        if records:
            await self._require_room(participant_index, name, len(records))
            batch = Batch(participant_index, name, now, request.cause, records)
            written = await self._commit(batch)
            accepted = len(written.batch.records) if written.batch else 0
        answered = timestamp(self._clock())
        if unsent is not None and self._unsent.report(participant_index, unsent, answered):
            self._changed(participant_index, ())
        return RecordsKept(accepted, len(records) - accepted, answered)

    async def tables(self) -> list[ResultTable]:
        """The tables, with the numbers of their records by participant and block."""
        return await result_tables(await self._counted())

    async def by_participant(self) -> AsyncIterator[list[ParticipantResults]]:
        """The numbers of records of the participants who have any, stored or unsent, in pages."""
        for page in result_pages(await self._counted(), self._unsent):
            yield page

    async def numbers(self, changed: Mapping[int, Collection[TableBlock]]) -> ResultsChanged:
        """The current numbers of records of some participants, and of some of their blocks."""
        return changed_results(changed, await self._counted(), self._unsent)

    async def pages(
        self, table: str, participant_index: int | None, latest: int | None = None
    ) -> AsyncIterator[list[StoredRecord]]:
        """The records of a table, ordered by participant, in the order of their arrival.

        `latest` is a number of records: only those that arrived last, in the order of arrival.
        """
        contexts = _Contexts(self._store, self._states, self._versions, self._session)
        if latest is not None:
            yield await self._latest(contexts, require_table(table), participant_index, latest)
            return
        async for kept in self._kept(require_table(table), participant_index):
            yield [await contexts.in_context(record) for record in kept]

    async def layout(
        self,
        table: str,
        participant_index: int | None,
        latest: int | None = None,
        *,
        formula_safe: bool,
    ) -> Layout:
        """The layout of records as CSV; reads all these records."""
        columns = Columns()
        async for records in self.pages(table, participant_index, latest):
            columns.take(records)
        return columns.layout(formula_safe=formula_safe)

    def drop_cache(self) -> None:
        """Forget the counts; they are read again when they are needed."""
        self._counts = None

    async def _latest(
        self, contexts: _Contexts, table: str, participant_index: int | None, limit: int
    ) -> list[StoredRecord]:
        kept = await asyncio.wrap_future(
            self._store.latest_records(
                table=table, participant_index=participant_index, limit=limit
            )
        )
        # The context of a participant is read once, for all of their records.
        in_order = sorted(kept, key=lambda item: item.key)
        found = {item.key: await contexts.in_context(item) for item in in_order}
        return [found[item.key] for item in kept]

    async def _kept(
        self, table: str, participant_index: int | None
    ) -> AsyncIterator[list[KeptRecord]]:
        after = RecordKey()
        while page := await asyncio.wrap_future(
            self._store.record_page(after=after, table=table, participant_index=participant_index)
        ):
            yield page
            after = page[-1].key

    async def _require_room(self, participant_index: int, table: str, more: int) -> None:
        counts = await self._counted()
        existing = counts.of_participants[participant_index]
        if existing + more > PARTICIPANT_RECORDS_MAX:
            raise LimitReached(
                f"participant {participant_index} has {existing:,} records; a participant has at "
                f"most {PARTICIPANT_RECORDS_MAX:,}. Send samples as a file"
            )
        if table not in counts.tables and len(counts.tables) >= RESULT_TABLES_MAX:
            raise LimitReached(f"a session has at most {RESULT_TABLES_MAX} tables, and has them")

    async def _commit(self, batch: Batch) -> Written:
        self._submitted += 1
        number = self._submitted
        work = asyncio.wrap_future(self._store.commit(Commit(batch=batch)))
        # Stored records are counted, also if the request is cancelled meanwhile.
        work.add_done_callback(partial(self._handle_written, number))
        return await within_commit_timeout(work, "send the same records again: each is kept once")

    def _handle_written(self, number: int, work: asyncio.Future[Written]) -> None:
        if work.cancelled() or work.exception():
            return
        written = work.result()
        self._written(written.entries)
        if written.batch is None:
            return
        batch = written.batch
        for record in batch.records:
            self._count((batch.participant_index, batch.table, record.block_id), number)
        blocks = {(batch.table, record.block_id) for record in batch.records}
        if blocks:
            self._changed(batch.participant_index, blocks)

    def _count(self, key: CountKey, number: int) -> None:
        if self._counts is not None:
            self._counts.add(key)
        else:
            self._uncounted.append((key, number))

    async def _counted(self) -> Counts:
        async with self._counting:
            if self._counts is None:
                # The query includes the commits up to here; later ones are added to its result.
                number, self._uncounted = self._submitted, []
                found = await asyncio.wrap_future(self._store.record_counts())
                counts = await Counts.of(found)
                for key, later in self._uncounted:
                    if later > number:
                        counts.add(key)
                self._counts = counts
            return self._counts


class _Contexts:
    """Finds the stays of participants during their recordings in the log."""

    def __init__(
        self, store: Store, states: ParticipantStates, versions: StudyVersions, session: str
    ) -> None:
        self._store = store
        self._states = states
        self._versions = versions
        self._session = session
        self._participant = Participant(0, session, 0, Stays([]))
        self._studies: dict[int, Study | None] = {}

    async def in_context(self, kept: KeptRecord) -> StoredRecord:
        """A record with its context."""
        index = kept.key.participant_index
        if index != self._participant.index:
            moves = await self._moves(index)
            row = row_of(await self._states.get(index))
            self._participant = Participant(index, self._session, row, Stays(moves))
            for number in {move.study_version for move in moves} - self._studies.keys():
                self._studies[number] = await self._versions.study_numbered(number)
        return in_context(self._participant, kept.record, kept.received_at, self._levels)

    async def _moves(self, participant_index: int) -> list[Moved]:
        found: list[Moved] = []
        after = (0, 0)
        while page := await asyncio.wrap_future(
            self._store.moves(after=after, participant_index=participant_index)
        ):
            found += [entry.data_as(Moved) for entry in page]
            after = (participant_index, page[-1].id)
        return found

    def _levels(self, stay: Stay) -> Binding:
        return levels_in(self._studies.get(stay.version), stay.name)
