"""A study's durable state: an acknowledged change survives the power cord."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from experiment_server.errors import DatabaseUnusable, RevisionConflict, StoreUnavailable
from experiment_server.flow.events import Entry, Event, chained
from experiment_server.flow.participant import ParticipantState
from experiment_server.limits import EVENTS_PAGE, REPLIES_KEPT
from experiment_server.store import database, records
from experiment_server.store.choices import DEFAULT_SESSION, Durability
from experiment_server.store.database import Place
from experiment_server.store.records import StudyVersion
from experiment_server.store.schema import events, heads, participants, replies, study_versions
from experiment_server.store.writer import Result, Writer


@dataclass(frozen=True, slots=True)
class Change:
    """A participant's next state, and the revision it was made from; None adds a participant."""

    state: ParticipantState
    read_revision: int | None


@dataclass(frozen=True, slots=True)
class Scope:
    """What an idempotency key is unique in. `participant_index` is 0 where none is meant."""

    operation: str
    participant_index: int
    key: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered to a request. `request` is its fingerprint, `text` the answer's JSON."""

    scope: Scope
    request: str
    text: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Commit:
    """What is kept together, or not at all."""

    changes: Sequence[Change] = ()
    events: Sequence[Event] = ()
    version: StudyVersion | None = None
    reply: Reply | None = None


@dataclass(slots=True)
class Written:
    """A commit's events, and the entries of the log that they became."""

    events: Sequence[Event]
    entries: list[Entry] = field(default_factory=list)


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
        self._locks = [database.lock_file(place.path)] if place.path else []
        self._session = 0
        try:
            if not place.in_memory:
                database.inspect(place)
            self._writer = Writer(database.connect(place, durability), self._seal)
            try:
                self._open(place, session, address, clock())
            except BaseException:
                self._writer.close()
                raise
        except BaseException:
            self._let_go()
            raise

    def _open(self, place: Place, session: str, address: str, now: datetime) -> None:
        def prepare(connection: Connection) -> None:
            database.migrate(connection, place)
            self._session = database.open_session(connection, session, now)

        def begin(connection: Connection) -> None:
            database.announce(connection, self._session, address, now)
            self._head = records.head(connection, self._session)
            if not self._head.id:
                connection.execute(delete(heads).where(heads.c.session_id == self._session))
                connection.execute(
                    insert(heads).values(session_id=self._session, **asdict(self._head))
                )

        try:
            self._writer.submit(prepare).result()
            if place.path is None and not place.in_memory:
                self._locks.append(database.SessionLock(place, self._session))
            self._writer.submit(begin).result()
        except StoreUnavailable as error:
            raise DatabaseUnusable(f"{place} cannot be opened: {error}") from None

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
        # A single update either finds its revision or writes nothing, so it needs no savepoint.
        alone = len(commit.changes) == 1 and not commit.version and not commit.reply
        return self._writer.submit(
            lambda connection: _commit(connection, self._session, commit),
            all_or_nothing=not (alone and commit.changes[0].read_revision is not None),
        )

    def reply(self, scope: Scope, now: datetime) -> Future[Reply | None]:
        """What was answered to a request that came before, None if it is new or long ago."""
        return self._read(_reply, scope, now - timedelta(seconds=REPLIES_KEPT))

    def forget_replies(self, now: datetime) -> Future[int]:
        """Remove the replies that are kept no longer; how many these were."""
        oldest = now - timedelta(seconds=REPLIES_KEPT)
        return self._read(_forget, oldest)

    def versions(self) -> Future[list[StudyVersion]]:
        """The versions of the study, ascending."""
        return self._read(records.versions)

    def entries(
        self, *, after: int = 0, participant_index: int | None = None, limit: int = EVENTS_PAGE
    ) -> Future[list[Entry]]:
        """The next entries of the log after an id, ascending."""
        return self._writer.submit(
            lambda connection: records.entries(
                connection,
                self._session,
                after=after,
                participant_index=participant_index,
                limit=limit,
            ),
            all_or_nothing=False,
        )

    def moves(
        self, *, after: tuple[int, int] = (0, 0), participant_index: int | None = None
    ) -> Future[list[Entry]]:
        """The next moves, each participant's together, after a `(participant_index, id)`."""
        return self._writer.submit(
            lambda connection: records.moves(
                connection, self._session, after=after, participant_index=participant_index
            ),
            all_or_nothing=False,
        )

    def last_moves(self, participant_index: int, before: int) -> Future[list[Entry]]:
        """A participant's moves before an id, the last one first."""
        return self._read(records.last_moves, participant_index, before)

    def close(self) -> None:
        """Finish what was submitted and let the database go."""
        self._writer.close()
        self._let_go()

    def _read(self, query: Callable[..., Result], *arguments: Any) -> Future[Result]:
        return self._writer.submit(
            lambda connection: query(connection, self._session, *arguments), all_or_nothing=False
        )

    def _seal(self, connection: Connection, outcomes: list[Any]) -> Callable[[], None]:
        """Number, chain and write the log entries of a group of commits."""
        written = [outcome for outcome in outcomes if isinstance(outcome, Written)]
        if not any(outcome.events for outcome in written):
            return lambda: None
        entries, head = chained((event for item in written for event in item.events), self._head)
        connection.execute(
            insert(events),
            [{"session_id": self._session, **asdict(entry)} for entry in entries],
        )
        connection.execute(
            update(heads)
            .where(heads.c.session_id == self._session)
            .values(id=head.id, hash=head.hash)
        )

        def committed() -> None:
            self._head = head
            remaining = iter(entries)
            for item in written:
                item.entries = [next(remaining) for _ in item.events]

        return committed

    def _let_go(self) -> None:
        for lock in self._locks:
            lock.release()


def _commit(connection: Connection, session: int, commit: Commit) -> Written:
    for change in commit.changes:
        _change(connection, session, change)
    if commit.version:
        connection.execute(
            insert(study_versions).values(session_id=session, **asdict(commit.version))
        )
    if commit.reply:
        _keep_reply(connection, session, commit.reply)
    return Written(commit.events)


def _change(connection: Connection, session: int, change: Change) -> None:
    index = change.state.participant_index
    values = _values(change.state)
    if change.read_revision is None:
        try:
            with connection.begin_nested():
                connection.execute(insert(participants).values(session_id=session, **values))
        except IntegrityError:
            raise RevisionConflict(f"participant {index} was added before") from None
        return
    result = connection.execute(
        update(participants)
        .where(
            participants.c.session_id == session,
            participants.c.participant_index == index,
            participants.c.revision == change.read_revision,
        )
        .values(**values)
    )
    if result.rowcount == 0:
        raise RevisionConflict(
            f"participant {index} is no longer at revision {change.read_revision}"
        )


def _values(state: ParticipantState) -> dict[str, Any]:
    # Not asdict: it would take the overrides apart.
    return {name: getattr(state, name) for name in ParticipantState.__slots__}


def _reply(connection: Connection, session: int, scope: Scope, oldest: datetime) -> Reply | None:
    query = select(replies.c.request, replies.c.reply, replies.c.created_at).where(
        *_in_scope(session, scope), replies.c.created_at >= oldest
    )
    row = connection.execute(query).first()
    return Reply(scope, *row) if row else None


def _keep_reply(connection: Connection, session: int, reply: Reply) -> None:
    too_old = reply.created_at - timedelta(seconds=REPLIES_KEPT)
    connection.execute(
        delete(replies).where(*_in_scope(session, reply.scope), replies.c.created_at < too_old)
    )
    try:
        with connection.begin_nested():
            connection.execute(
                insert(replies).values(
                    session_id=session,
                    **asdict(reply.scope),
                    request=reply.request,
                    reply=reply.text,
                    created_at=reply.created_at,
                )
            )
    except IntegrityError:
        raise RevisionConflict("this request has been answered before") from None


def _forget(connection: Connection, session: int, oldest: datetime) -> int:
    gone = connection.execute(
        delete(replies).where(replies.c.session_id == session, replies.c.created_at < oldest)
    )
    return gone.rowcount


def _in_scope(session: int, scope: Scope) -> tuple[Any, ...]:
    return (
        replies.c.session_id == session,
        replies.c.operation == scope.operation,
        replies.c.participant_index == scope.participant_index,
        replies.c.key == scope.key,
    )
