"""A study's durable state: an acknowledged change survives the power cord."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from experiment_server.errors import (
    DatabaseInUse,
    DatabaseUnusable,
    RevisionConflict,
    SessionLost,
    StoreUnavailable,
)
from experiment_server.limits import EVENTS_PAGE, REPLIES_KEPT
from experiment_server.participants.events import Entry, Event, Head, chained
from experiment_server.participants.state import ParticipantState
from experiment_server.store import database, locks, records
from experiment_server.store.choices import DEFAULT_SESSION, Durability
from experiment_server.store.database import Place
from experiment_server.store.reader import Reader
from experiment_server.store.records import StudyVersion
from experiment_server.store.schema import heads, participants, replies, study_versions
from experiment_server.store.statements import Change, insert_entries, update_states
from experiment_server.store.writer import Contradiction, Done, Performed, Work, Writer

Result = TypeVar("Result")


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

    @property
    def plain(self) -> bool:
        """Whether it only adds one participant, or takes one from one revision to the next."""
        return len(self.changes) == 1 and self.version is None and self.reply is None


Query = Callable[[Connection], Any]


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
        self._place = place
        self._session, self._session_name = 0, session
        self._head = Head()
        self._server, self._transactions = secrets.token_hex(8), 0
        self._reader = Reader(place)
        self._locks: list[locks.Lock] = [locks.FileHeld(place.path)] if place.path else []
        self._files: locks.Files | None = None
        try:
            if not place.in_memory:
                database.inspect(place)
            engine = database.connect(place, durability)
        except BaseException:
            self._let_go()
            raise
        self._writer: Writer[Commit | Query] = Writer(
            engine, Work(self._perform, self._kept, self._watch, self._let_go)
        )
        try:
            self._open(place, session, address, clock())
        except BaseException:
            self._writer.close()
            raise

    def _open(self, place: Place, session: str, address: str, now: datetime) -> None:
        def prepare(connection: Connection) -> None:
            database.migrate(connection, place)
            self._session = database.open_session(connection, session, now)

        def begin(connection: Connection) -> None:
            # First of all: a server that had the session before keeps nothing more from here on.
            self._take_over(connection)
            self._head = records.head(connection, self._session)
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

    def _take_over(self, connection: Connection) -> None:
        ours = {"fence": self._fence(0)}
        mine = heads.c.session_id == self._session
        if connection.execute(update(heads).where(mine).values(ours)).rowcount == 0:
            connection.execute(
                insert(heads).values(session_id=self._session, **asdict(Head()), **ours)
            )

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
    def lost(self) -> SessionLost | None:
        """Why nothing more is kept: the session is another server's. None as long as it is ours."""
        return self._writer.lost

    def when_lost(self, tell: Callable[[], Any]) -> None:
        """Have `tell` called, from another thread, when the session turns out to be lost."""
        self._writer.when_lost(tell)

    def time_with(self, timed: Callable[[float], None]) -> None:
        """Have `timed` told how many seconds each group of commits took."""
        self._writer.time_with(timed)

    def deliver_with(self, deliver: Callable[[Callable[[], None]], Any]) -> None:
        """Have who waits told by calls to `deliver`, for example in an event loop's thread."""
        self._writer.deliver_with(deliver)

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
        self,
        *,
        after: int = 0,
        before: int | None = None,
        participant_index: int | None = None,
        limit: int = EVENTS_PAGE,
    ) -> Future[list[Entry]]:
        """The next entries of the log after an id, or the last before another; ascending."""
        return self._ask(
            lambda connection: records.entries(
                connection,
                self._session,
                after=after,
                before=before,
                participant_index=participant_index,
                limit=limit,
            )
        )

    def log_page(self, *, after: int, participant_index: int | None) -> Future[list[Entry]]:
        """The next entries after an id, read beside the writer, for who reads the whole log."""
        return self._read_beside(
            partial(
                records.entries,
                session=self._session,
                after=after,
                participant_index=participant_index,
                limit=EVENTS_PAGE,
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

    def last_moves(self, participant_index: int, before: int) -> Future[list[Entry]]:
        """A participant's moves before an id, the last one first."""
        return self._read(records.last_moves, participant_index, before)

    def close(self) -> None:
        """Finish what was submitted and let the database go, within a few seconds."""
        self._reader.close()
        self._writer.close()

    def _read(self, query: Callable[..., Result], *arguments: Any) -> Future[Result]:
        return self._ask(lambda connection: query(connection, self._session, *arguments))

    def _read_beside(self, query: Callable[[Connection], Result]) -> Future[Result]:
        # What is kept in memory belongs to the writer's one connection.
        return self._ask(query) if self._place.in_memory else self._reader.read(query)

    def _ask(self, query: Callable[[Connection], Result]) -> Future[Result]:
        future: Future[Result] = Future()
        self._writer.submit(query, partial(_settle, future))
        return future

    def _perform(
        self, connection: Connection, items: Sequence[Commit | Query], careful: bool
    ) -> Performed:
        group = _Group(
            connection,
            self._session,
            self._head,
            fence=self._fence(self._transactions),
            next_fence=self._fence(self._transactions + 1),
        )
        outcomes: list[Any] = []
        gone = self._files and self._files.problem()
        try:
            for item in items:
                if not isinstance(item, Commit):
                    # A query sees all that was submitted before it, also in the log.
                    group.write()
                    outcomes.append(_ask(connection, item))
                elif gone:
                    outcomes.append(StoreUnavailable(gone))
                elif item.plain and not careful:
                    outcomes.append(group.gather(item))
                else:
                    outcomes.append(group.attempt(item))
            group.write()
        except _FenceMoved:
            raise self._session_lost() from None
        if not group.wrote:
            return Performed(outcomes)
        return Performed(outcomes, partial(self._committed, group, outcomes), group.fence)

    def _committed(self, group: _Group, outcomes: list[Any]) -> None:
        self._head = group.head
        self._transactions += 1
        if self._files and (gone := self._files.problem()):
            # Nobody can say in which file it is now.
            outcomes[:] = [
                StoreUnavailable(gone) if isinstance(outcome, Written) else outcome
                for outcome in outcomes
            ]

    def _kept(self, connection: Connection, performed: Performed) -> bool:
        """Whether a transaction was committed; raises SessionLost where another server went on."""
        found = records.fence(connection, self._session)
        if found == performed.fence:
            return True
        if found == self._fence(self._transactions):
            return False
        raise self._session_lost()

    def _watch(self) -> None:
        try:
            for lock in self._locks:
                lock.renew()
        except DatabaseInUse:
            raise self._session_lost() from None

    def _fence(self, transactions: int) -> str:
        return f"{self._server}-{transactions}"

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


def _settle(future: Future[Any], outcome: Any) -> None:
    if not future.set_running_or_notify_cancel():
        return  # nobody waits for it any more
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


_ADD = insert(participants)
_NOTE = (
    update(heads)
    .where(heads.c.session_id == bindparam("in_session"), heads.c.fence == bindparam("from_fence"))
    .values(id=bindparam("to_id"), hash=bindparam("to_hash"), fence=bindparam("to_fence"))
)


class _FenceMoved(Exception):
    """Another server has written since this one did."""


class _Group:
    """Commits on their way into one transaction.

    `head` is the log's end, and `fence` its fence, with what is written; `wrote` tells whether
    anything is.
    """

    def __init__(
        self, connection: Connection, session: int, head: Head, *, fence: str, next_fence: str
    ) -> None:
        self.head = head
        self.fence = fence
        self.wrote = False
        self._next_fence = next_fence
        self._connection = connection
        self._session = session
        self._changes: dict[int, Change] = {}
        self._adds = False
        self._unlogged: list[Written] = []

    def gather(self, commit: Commit) -> Written:
        """Take a plain commit, to be written together with its neighbours."""
        change = commit.changes[0]
        index = change.state.participant_index
        before = self._changes.get(index)
        if before is not None and before.state.revision == change.read_revision:
            # Two changes of a participant in a row are written as one.
            change = Change(change.state, before.read_revision)
        elif before is not None or change.adds is not self._adds:
            self._write_changes()
            self._adds = change.adds
        self._changes[index] = change
        return self._to_log(commit)

    def attempt(self, commit: Commit) -> Written | Exception:
        """Write a commit, or all of it not; the error then, which is the commit's own."""
        self._write_changes()
        error = _attempt(self._connection, self._session, commit)
        return error or self._to_log(commit)

    def write(self) -> None:
        """Write what was taken: the states, then the log's next entries, numbered and chained.

        Raises _FenceMoved, before anything is added to the log.
        """
        self._write_changes()
        if not self._unlogged:
            return
        events = (event for item in self._unlogged for event in item.events)
        entries, self.head = chained(events, self.head)
        end = {
            "in_session": self._session,
            "from_fence": self.fence,
            "to_fence": self._next_fence,
            "to_id": self.head.id,
            "to_hash": self.head.hash,
        }
        if self._connection.execute(_NOTE, end).rowcount == 0:
            raise _FenceMoved
        self.fence, self.wrote = self._next_fence, True
        if entries:
            insert_entries(self._connection, self._session, entries)
        remaining = iter(entries)
        for item in self._unlogged:
            item.entries = [next(remaining) for _ in item.events]
        self._unlogged = []

    def _write_changes(self) -> None:
        _change_all(self._connection, self._session, list(self._changes.values()))
        self._changes = {}

    def _to_log(self, commit: Commit) -> Written:
        written = Written(commit.events)
        self._unlogged.append(written)
        return written


def _change_all(connection: Connection, session: int, changes: Sequence[Change]) -> None:
    """Make changes of a kind one after the other.

    Raises Contradiction if one finds another revision, or somebody who was added before.
    """
    if not changes:
        return
    if changes[0].adds:
        try:
            connection.execute(
                _ADD, [{"session_id": session, **fields(change.state)} for change in changes]
            )
        except IntegrityError:
            raise Contradiction from None
        return
    if update_states(connection, session, changes) != len(changes):
        raise Contradiction


def _attempt(connection: Connection, session: int, commit: Commit) -> Exception | None:
    savepoint = connection.begin_nested()
    try:
        for change in commit.changes:
            if change.adds:
                _add(connection, session, change)
        _update(connection, session, [item for item in commit.changes if not item.adds])
        if commit.version:
            connection.execute(
                insert(study_versions).values(session_id=session, **asdict(commit.version))
            )
        if commit.reply:
            _keep_reply(connection, session, commit.reply)
    except SQLAlchemyError:
        raise
    except Exception as error:  # noqa: BLE001 - what goes wrong with one must not stop the others
        savepoint.rollback()
        return error
    savepoint.commit()
    return None


def _ask(connection: Connection, query: Query) -> Any:
    try:
        return query(connection)
    except SQLAlchemyError:
        raise
    except Exception as error:  # noqa: BLE001 - what goes wrong with one must not stop the others
        return error


def _add(connection: Connection, session: int, change: Change) -> None:
    try:
        with connection.begin_nested():
            connection.execute(_ADD, {"session_id": session, **fields(change.state)})
    except IntegrityError:
        index = change.state.participant_index
        raise RevisionConflict(f"participant {index} was added before") from None


def _update(connection: Connection, session: int, changes: Sequence[Change]) -> None:
    if update_states(connection, session, changes) != len(changes):
        who = ", ".join(str(change.state.participant_index) for change in changes[:_NAMED])
        raise RevisionConflict(f"of participants {who} one was changed meanwhile")


_NAMED = 5


def fields(value: Any) -> dict[str, Any]:
    """A dataclass's fields by name; unlike `asdict`, it leaves what is in them as it is."""
    return {name: getattr(value, name) for name in value.__slots__}


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
