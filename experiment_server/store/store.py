"""The durable state of a study: an acknowledged change survives a power failure."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from experiment_server.errors import (
    DatabaseInUse,
    DatabaseUnusable,
    SessionLost,
    StoreUnavailable,
)
from experiment_server.limits.results import RECORD_PAGE_MAX
from experiment_server.limits.session import EVENTS_PAGE_MAX, IDEMPOTENCY_RETENTION_S
from experiment_server.participants.events import Entry
from experiment_server.participants.state import ParticipantState
from experiment_server.store import database, integrity, locks, records, result_records
from experiment_server.store.commits import Commit, Query, SessionCommits, Written
from experiment_server.store.database import DatabaseAddress
from experiment_server.store.migration import migrate
from experiment_server.store.options import DEFAULT_SESSION, Durability
from experiment_server.store.reader import LogReader
from experiment_server.store.records import StudyVersion
from experiment_server.store.replies import Reply, Scope, find_reply, forget_replies
from experiment_server.store.result_records import KeptRecord, RecordCount, RecordKey
from experiment_server.store.writer import Callback, Work, Writer

P = ParamSpec("P")
Result = TypeVar("Result")


class Store:
    """The durable state of one session of a study.

    A second server that finds the session in use reports the `address`. Raises DatabaseInUse, and
    DatabaseUnusable without changing the database.
    """

    def __init__(
        self,
        place: DatabaseAddress,
        *,
        session: str = DEFAULT_SESSION,
        durability: Durability = Durability.FULL,
        address: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._place = place
        self._session, self._session_name = 0, session
        self._commits = SessionCommits(self._problem, self._session_lost_error)
        self._reader = LogReader(place)
        self._locks: list[locks.Lock] = [locks.DatabaseFileLock(place.path)] if place.path else []
        self._files: locks.FileIdentities | None = None
        self._background_check: integrity.BackgroundCheck | None = None
        log_unchecked = False
        try:
            if not place.in_memory:
                log_unchecked = integrity.inspect(place, defer_log=True)
            engine = database.connect(place, durability)
        except BaseException:
            self._release_locks()
            raise
        self._writer: Writer[Commit | Query] = Writer(
            engine,
            Work(
                self._commits.execute,
                self._commits.was_committed,
                self._renew_locks,
                self._release_locks,
            ),
        )
        try:
            self._open(place, session, address, clock())
        except BaseException:
            self._writer.close()
            raise
        if log_unchecked:
            self._background_check = integrity.BackgroundCheck(place, self._writer.lose)

    def _open(self, place: DatabaseAddress, session: str, address: str, now: datetime) -> None:
        def prepare(connection: Connection) -> None:
            migrate(connection, place)
            self._session = database.open_session(connection, session, now)

        def begin(connection: Connection) -> None:
            # This comes first: from here on, a server that had the session can commit nothing.
            self._commits.acquire(connection, self._session)
            database.announce(connection, self._session, address, now)

        try:
            self._query(prepare).result()
            if place.path is None and not place.in_memory:
                self._locks.append(locks.SessionLock(place, self._session))
            self._query(begin).result()
        except (StoreUnavailable, SQLAlchemyError) as error:
            reason = database.reason_of(error)
            raise DatabaseUnusable(f"{place} cannot be opened: {reason}") from None
        if place.path:
            self._files = locks.FileIdentities(place.path)

    def signing_key(self) -> Future[str]:
        """The key that signs this session's tokens."""
        return self._query_session(records.signing_key)

    def load(self) -> Future[list[ParticipantState]]:
        """The states of all participants, ascending by index."""
        return self._query_session(records.states)

    def read(self, participant_index: int) -> Future[ParticipantState | None]:
        """The committed state of a participant, None if the participant does not exist."""
        return self._query_session(records.state, participant_index)

    def commit(self, commit: Commit) -> Future[Written]:
        """Write a commit, all or nothing; the future is done when it is on the disk.

        It fails with RevisionConflict if a participant is no longer at the revision that was read,
        if a new participant exists already, or if the request has a stored reply. It fails with
        StoreUnavailable if the database refuses.
        """
        future: Future[Written] = Future()
        self.send(commit, partial(_settle, future))
        return future

    def send(self, commit: Commit, on_done: Callback) -> None:
        """Write a commit as `commit` does; call `on_done` with what was written, or the error."""
        records = len(commit.batch.records) if commit.batch else 0
        self._writer.submit(commit, on_done, records)

    @property
    def waiting(self) -> int:
        """The number of queued commits and queries."""
        return self._writer.waiting

    @property
    def lost(self) -> StoreUnavailable | None:
        """The reason why the store has stopped: another server has the session, or it is damaged.

        None while it accepts changes.
        """
        return self._writer.lost

    def on_lost(self, callback: Callable[[], object]) -> None:
        """Call a function on another thread when the store has stopped."""
        self._writer.on_lost(callback)

    def on_commit(self, callback: Callable[[float], None]) -> None:
        """Call a function with the seconds that each group of commits took."""
        self._writer.on_commit(callback)

    def set_wake_scheduler(self, schedule: Callable[[Callable[[], None]], object]) -> None:
        """Wake the writer once in each iteration of a loop; `schedule` is its `call_soon`."""
        self._writer.set_wake_scheduler(schedule)

    def set_dispatcher(self, dispatch: Callable[[Callable[[], None]], object]) -> None:
        """Report results by calls of `dispatch`, for example on the thread of an event loop."""
        self._writer.set_dispatcher(dispatch)

    def reply(self, scope: Scope, now: datetime) -> Future[Reply | None]:
        """The stored reply to a repeated request, None if it is new or too old."""
        return self._query_session(
            find_reply, scope, now - timedelta(seconds=IDEMPOTENCY_RETENTION_S)
        )

    def forget_replies(self, now: datetime) -> Future[int]:
        """Delete old replies; the result is their number."""
        oldest = now - timedelta(seconds=IDEMPOTENCY_RETENTION_S)
        return self._query_session(forget_replies, oldest)

    def versions(self) -> Future[list[StudyVersion]]:
        """The study versions, ascending."""
        return self._query_session(records.versions)

    def entries(
        self,
        *,
        after: int = 0,
        before: int | None = None,
        participant_index: int | None = None,
        limit: int = EVENTS_PAGE_MAX,
    ) -> Future[list[Entry]]:
        """The first entries after the id `after`, or the last before the id `before`; ascending."""
        return self._query_session(
            records.entries,
            after=after,
            before=before,
            participant_index=participant_index,
            limit=limit,
        )

    def log_page(self, *, after: int, participant_index: int | None) -> Future[list[Entry]]:
        """The first entries after an id, read by the reader thread, for reading the whole log."""
        return self._query_reader(
            records.entries,
            after=after,
            participant_index=participant_index,
            limit=EVENTS_PAGE_MAX,
        )

    def moves(
        self, *, after: tuple[int, int] = (0, 0), participant_index: int | None = None
    ) -> Future[list[Entry]]:
        """The first moves after a `(participant_index, id)`, in this order.

        The reader thread reads them.
        """
        return self._query_reader(records.moves, after=after, participant_index=participant_index)

    def file_entries(self, *, after: int) -> Future[list[Entry]]:
        """The first entries about stored files after an id, read by the reader thread."""
        return self._query_reader(records.file_entries, after=after)

    def record_page(
        self,
        *,
        after: RecordKey,
        table: str,
        participant_index: int | None,
        limit: int = RECORD_PAGE_MAX,
    ) -> Future[list[KeptRecord]]:
        """The next records of a table after a key, read beside the writer."""
        return self._query_reader(
            result_records.page,
            after=after,
            table=table,
            participant_index=participant_index,
            limit=limit,
        )

    def latest_records(
        self, *, table: str, participant_index: int | None, limit: int
    ) -> Future[list[KeptRecord]]:
        """The records of a table that arrived last, in this order, read beside the writer."""
        return self._query_reader(
            result_records.latest, table=table, participant_index=participant_index, limit=limit
        )

    def record_counts(self) -> Future[list[RecordCount]]:
        """The numbers of records by participant, table and block.

        They include the batches that were sent to the store before.
        """
        return self._query(self._bound(result_records.counts), among_records=True)

    def last_moves(self, participant_index: int, before: int) -> Future[list[Entry]]:
        """A participant's moves before an id, the latest first."""
        return self._query_session(records.last_moves, participant_index, before)

    def close(self) -> None:
        """Finish the queued jobs and close the database, within a few seconds."""
        if self._background_check is not None:
            self._background_check.close()
        self._reader.close()
        self._writer.close()

    def _query_session(
        self,
        query: Callable[Concatenate[Connection, int, P], Result],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Future[Result]:
        return self._query(self._bound(query, *args, **kwargs))

    def _query_reader(
        self,
        query: Callable[Concatenate[Connection, int, P], Result],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Future[Result]:
        bound = self._bound(query, *args, **kwargs)
        # Only the writer's connection sees a database in memory.
        return self._query(bound) if self._place.in_memory else self._reader.read(bound)

    def _bound(
        self,
        query: Callable[Concatenate[Connection, int, P], Result],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Callable[[Connection], Result]:
        """A query of this session, which needs the connection only."""
        return lambda connection: query(connection, self._session, *args, **kwargs)

    def _query(
        self, query: Callable[[Connection], Result], *, among_records: bool = False
    ) -> Future[Result]:
        future: Future[Result] = Future()
        self._writer.submit(query, partial(_settle, future), int(among_records))
        return future

    def _renew_locks(self) -> None:
        try:
            for lock in self._locks:
                lock.renew()
        except DatabaseInUse:
            raise self._session_lost_error() from None

    def _problem(self) -> str | None:
        return self._files.problem() if self._files else None

    def _session_lost_error(self) -> SessionLost:
        other = locks.other_server(self._place, self._session)
        return SessionLost(
            f'another server{other} has taken over session "{self._session_name}" of '
            f"{self._place}; nothing was changed, and this server stops. All changes that it "
            "acknowledged before are stored"
        )

    def _release_locks(self) -> None:
        for lock in self._locks:
            lock.release()


def _settle(future: Future[Result], outcome: Result | Exception) -> None:
    if not future.set_running_or_notify_cancel():
        return  # it was cancelled
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
