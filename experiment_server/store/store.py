"""A study's durable state: an acknowledged change survives the power cord."""

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
from experiment_server.limits import EVENTS_PAGE_MAX, IDEMPOTENCY_RETENTION_S
from experiment_server.participants.events import Entry
from experiment_server.participants.state import ParticipantState
from experiment_server.store import database, integrity, locks, records, result_records
from experiment_server.store.commits import Commit, Query, SessionCommits, Written
from experiment_server.store.database import Place
from experiment_server.store.migration import migrate
from experiment_server.store.options import DEFAULT_SESSION, Durability
from experiment_server.store.reader import LogReader
from experiment_server.store.records import StudyVersion
from experiment_server.store.replies import Reply, Scope, find_reply, forget_replies
from experiment_server.store.result_records import KeptRecord, RecordCount, RecordKey
from experiment_server.store.writer import Done, Work, Writer

P = ParamSpec("P")
Result = TypeVar("Result")


class Store:
    """The durable state of one session of a study.

    `address` is told to a second server that finds the session in use. Raises DatabaseInUse and
    DatabaseUnusable; a database that cannot be used is left as it is.
    """

    def __init__(
        self,
        place: Place,
        *,
        session: str = DEFAULT_SESSION,
        durability: Durability = Durability.FULL,
        address: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._place = place
        self._session, self._session_name = 0, session
        self._commits = SessionCommits(self._problem, self._session_lost)
        self._reader = LogReader(place)
        self._locks: list[locks.Lock] = [locks.FileHeld(place.path)] if place.path else []
        self._files: locks.Files | None = None
        self._check: integrity.LateCheck | None = None
        log_unchecked = False
        try:
            if not place.in_memory:
                log_unchecked = integrity.inspect(place, log_can_wait=True)
            engine = database.connect(place, durability)
        except BaseException:
            self._let_go()
            raise
        self._writer: Writer[Commit | Query] = Writer(
            engine,
            Work(self._commits.perform, self._commits.kept, self._watch, self._let_go),
        )
        try:
            self._open(place, session, address, clock())
        except BaseException:
            self._writer.close()
            raise
        if log_unchecked:
            self._check = integrity.LateCheck(place, self._writer.lose)

    def _open(self, place: Place, session: str, address: str, now: datetime) -> None:
        def prepare(connection: Connection) -> None:
            migrate(connection, place)
            self._session = database.open_session(connection, session, now)

        def begin(connection: Connection) -> None:
            # First of all: a server that had the session before keeps nothing more from here on.
            self._commits.take_over(connection, self._session)
            database.announce(connection, self._session, address, now)

        try:
            self._ask(prepare).result()
            if place.path is None and not place.in_memory:
                self._locks.append(locks.SessionLock(place, self._session))
            self._ask(begin).result()
        except (StoreUnavailable, SQLAlchemyError) as error:
            reason = database.reason_of(error)
            raise DatabaseUnusable(f"{place} cannot be opened: {reason}") from None
        if place.path:
            self._files = locks.Files(place.path)

    def signing_key(self) -> Future[str]:
        """The key that this session's tokens are signed with."""
        return self._read(records.signing_key)

    def load(self) -> Future[list[ParticipantState]]:
        """All participants, ascending by index."""
        return self._read(records.states)

    def read(self, participant_index: int) -> Future[ParticipantState | None]:
        """One participant as committed, None if there is no such participant."""
        return self._read(records.state, participant_index)

    def commit(self, commit: Commit) -> Future[Written]:
        """Keep all of a commit or nothing; the future is done once it is on the disk.

        It fails with RevisionConflict if a participant is no longer at the revision that was
        read, or to be added and there already, or if the request has been answered before; and
        with StoreUnavailable if the database refuses.
        """
        future: Future[Written] = Future()
        self.send(commit, partial(_settle, future))
        return future

    def send(self, commit: Commit, done: Done) -> None:
        """Keep a commit as `commit` does; `done` is told what was written, or the error."""
        self._writer.submit(commit, done)

    @property
    def waiting(self) -> int:
        """How many commits and queries wait for the database."""
        return self._writer.waiting

    @property
    def lost(self) -> StoreUnavailable | None:
        """Why nothing more is kept: the session is another server's, or the database is damaged.

        None as long as changes can be kept.
        """
        return self._writer.lost

    def on_lost(self, tell: Callable[[], object]) -> None:
        """Have `tell` called, from another thread, when nothing more is kept."""
        self._writer.on_lost(tell)

    def on_commit(self, timed: Callable[[float], None]) -> None:
        """Have `timed` told how many seconds each group of commits took."""
        self._writer.on_commit(timed)

    def wake_with(self, later: Callable[[Callable[[], None]], object]) -> None:
        """Have what an event loop sends begun once in each of its turns; `later` is `call_soon`."""
        self._writer.wake_with(later)

    def deliver_with(self, deliver: Callable[[Callable[[], None]], object]) -> None:
        """Have who waits told by calls to `deliver`, for example in an event loop's thread."""
        self._writer.deliver_with(deliver)

    def reply(self, scope: Scope, now: datetime) -> Future[Reply | None]:
        """What was answered to a request that came before, None if it is new or long ago."""
        return self._read(find_reply, scope, now - timedelta(seconds=IDEMPOTENCY_RETENTION_S))

    def forget_replies(self, now: datetime) -> Future[int]:
        """Remove the replies that are kept no longer; how many these were."""
        oldest = now - timedelta(seconds=IDEMPOTENCY_RETENTION_S)
        return self._read(forget_replies, oldest)

    def versions(self) -> Future[list[StudyVersion]]:
        """The versions of the study, ascending."""
        return self._read(records.versions)

    def entries(
        self,
        *,
        after: int = 0,
        before: int | None = None,
        participant_index: int | None = None,
        limit: int = EVENTS_PAGE_MAX,
    ) -> Future[list[Entry]]:
        """The next entries of the log after an id, or the last before another; ascending."""
        return self._read(
            records.entries,
            after=after,
            before=before,
            participant_index=participant_index,
            limit=limit,
        )

    def log_page(self, *, after: int, participant_index: int | None) -> Future[list[Entry]]:
        """The next entries after an id, read beside the writer, for who reads the whole log."""
        return self._read_beside(
            partial(
                records.entries,
                session=self._session,
                after=after,
                participant_index=participant_index,
                limit=EVENTS_PAGE_MAX,
            )
        )

    def moves(
        self, *, after: tuple[int, int] = (0, 0), participant_index: int | None = None
    ) -> Future[list[Entry]]:
        """The next moves, each participant's together, after a `(participant_index, id)`.

        They are read beside the writer.
        """
        return self._read_beside(
            partial(
                records.moves,
                session=self._session,
                after=after,
                participant_index=participant_index,
            )
        )

    def record_page(
        self, *, after: RecordKey, table: str, participant_index: int | None
    ) -> Future[list[KeptRecord]]:
        """The next records of a table after a key, read beside the writer."""
        return self._read_beside(
            partial(
                result_records.page,
                session=self._session,
                after=after,
                table=table,
                participant_index=participant_index,
            )
        )

    def record_counts(self) -> Future[list[RecordCount]]:
        """How many records there are, by participant, table and block."""
        return self._read(result_records.counts)

    def last_moves(self, participant_index: int, before: int) -> Future[list[Entry]]:
        """A participant's moves before an id, the last one first."""
        return self._read(records.last_moves, participant_index, before)

    def close(self) -> None:
        """Finish what was submitted and let the database go, within a few seconds."""
        if self._check is not None:
            self._check.close()
        self._reader.close()
        self._writer.close()

    def _read(
        self,
        query: Callable[Concatenate[Connection, int, P], Result],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Future[Result]:
        return self._ask(lambda connection: query(connection, self._session, *args, **kwargs))

    def _read_beside(self, query: Callable[[Connection], Result]) -> Future[Result]:
        # What is kept in memory belongs to the writer's one connection.
        return self._ask(query) if self._place.in_memory else self._reader.read(query)

    def _ask(self, query: Callable[[Connection], Result]) -> Future[Result]:
        future: Future[Result] = Future()
        self._writer.submit(query, partial(_settle, future))
        return future

    def _watch(self) -> None:
        try:
            for lock in self._locks:
                lock.renew()
        except DatabaseInUse:
            raise self._session_lost() from None

    def _problem(self) -> str | None:
        return self._files.problem() if self._files else None

    def _session_lost(self) -> SessionLost:
        other = locks.other_server(self._place, self._session)
        return SessionLost(
            f'another server{other} has taken over session "{self._session_name}" of '
            f"{self._place}; nothing was changed, and this server stops. All that it answered "
            "before is kept"
        )

    def _let_go(self) -> None:
        for lock in self._locks:
            lock.release()


def _settle(future: Future[Result], outcome: Result | Exception) -> None:
    if not future.set_running_or_notify_cancel():
        return  # nobody waits for it any more
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
