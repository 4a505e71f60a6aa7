"""Commits of a session, and how a group of them is written in one transaction."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial

from msgspec import Struct, field, structs
from sqlalchemy import Connection, insert, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from experiment_server.errors import RecordConflict, RevisionConflict, SessionLost, StoreUnavailable
from experiment_server.participants.events import Entry, Event, Head, chain_entries
from experiment_server.participants.results import Batch
from experiment_server.store import records
from experiment_server.store.records import StudyVersion
from experiment_server.store.replies import Reply, insert_reply
from experiment_server.store.result_records import NewRecords, recorded
from experiment_server.store.schema import heads, participants, study_versions
from experiment_server.store.statements import Change, insert_entries, move_head, update_states
from experiment_server.store.writer import Execution, GroupConflict

Query = Callable[[Connection], object]
"""A read of the database, which sees all commits before it in its queue of the writer."""


class Commit(Struct, frozen=True):
    """Changes and events that are written together, or not at all."""

    changes: Sequence[Change] = ()
    events: Sequence[Event] = ()
    version: StudyVersion | None = None
    reply: Reply | None = None
    batch: Batch | None = None

    @property
    def is_simple(self) -> bool:
        """Whether it only adds or changes one participant, so that it can be grouped."""
        only = self.version is None and self.reply is None and self.batch is None
        return len(self.changes) == 1 and only

    @property
    def is_batch(self) -> bool:
        """Whether it only adds records."""
        return not (self.changes or self.events or self.version or self.reply)


class Written(Struct):
    """The events of a commit, and their entries in the log.

    `batch` has the new records of the commit; the last event describes them.
    """

    events: Sequence[Event]
    entries: list[Entry] = field(default_factory=list)
    batch: Batch | None = None


_ADD = insert(participants)


class SessionCommits:
    """Writes the commits of one session, on the writer's thread.

    Each transaction changes the session's fence. If the fence has another value than this server
    wrote, another server has the session, and `lost` creates the error. `problem` returns the
    reason why the database files can no longer be written, or None.
    """

    def __init__(self, problem: Callable[[], str | None], lost: Callable[[], SessionLost]) -> None:
        self._problem = problem
        self._lost = lost
        self._session = 0
        self._head = Head()
        self._server, self._transactions = secrets.token_hex(8), 0

    def acquire(self, connection: Connection, session: int) -> None:
        """Take over a session by writing a new fence, and read the end of its log."""
        self._session = session
        new_fence = {"fence": self._fence(0)}
        own_head = heads.c.session_id == session
        if connection.execute(update(heads).where(own_head).values(new_fence)).rowcount == 0:
            connection.execute(
                insert(heads).values(session_id=session, **asdict(Head()), **new_fence)
            )
        self._head = records.head(connection, session)

    def execute(
        self, connection: Connection, items: Sequence[Commit | Query], careful: bool
    ) -> Execution:
        """Execute a group of commits and queries in the connection's transaction.

        With `careful`, each commit is written by itself. Raises SessionLost, and GroupConflict if
        the group has a commit that cannot be written.
        """
        group = _CommitGroup(
            connection,
            self._session,
            self._head,
            fence=self._fence(self._transactions),
            next_fence=self._fence(self._transactions + 1),
            records=NewRecords(connection, self._session, _batches(items)),
        )
        outcomes: list[object] = []
        problem = self._problem()
        try:
            for item in items:
                if not isinstance(item, Commit):
                    # A query sees all commits before it, also their log entries.
                    group.write()
                    outcomes.append(_run_query(connection, item))
                elif problem:
                    outcomes.append(StoreUnavailable(problem))
                elif item.is_simple and not careful:
                    outcomes.append(group.add(item))
                else:
                    outcomes.append(group.execute(item))
            group.write()
        except _FenceChanged:
            raise self._lost() from None
        if not group.wrote:
            return Execution(outcomes)
        return Execution(outcomes, partial(self._committed, group, outcomes), group.fence)

    def was_committed(self, connection: Connection, execution: Execution) -> bool:
        """Whether a transaction was committed; raises SessionLost if another server has written."""
        found = records.fence(connection, self._session)
        if found == execution.fence:
            return True
        if found == self._fence(self._transactions):
            return False
        raise self._lost()

    def _committed(self, group: _CommitGroup, outcomes: list[object]) -> None:
        self._head = group.head
        self._transactions += 1
        if problem := self._problem():
            # The transaction may have been written to the wrong file.
            outcomes[:] = [
                StoreUnavailable(problem) if isinstance(outcome, Written) else outcome
                for outcome in outcomes
            ]

    def _fence(self, transactions: int) -> str:
        return f"{self._server}-{transactions}"


class _FenceChanged(Exception):
    """The fence has changed, because another server has written."""


class _CommitGroup:
    """The commits of one transaction.

    `head` is the end of the log and `fence` its fence, both after the writes so far. `wrote` says
    whether the group has written anything.
    """

    def __init__(
        self,
        connection: Connection,
        session: int,
        head: Head,
        *,
        fence: str,
        next_fence: str,
        records: NewRecords,
    ) -> None:
        self.head = head
        self.fence = fence
        self.wrote = False
        self._next_fence = next_fence
        self._connection = connection
        self._session = session
        self._changes: dict[int, Change] = {}
        self._adds = False
        self._unwritten: list[Written] = []
        self._records = records

    def add(self, commit: Commit) -> Written:
        """Add a simple commit, which is written together with others."""
        change = commit.changes[0]
        index = change.state.participant_index
        before = self._changes.get(index)
        if before is not None and before.state.revision == change.read_revision:
            # Two successive changes of one participant are written as one.
            change = Change(change.state, before.read_revision)
        elif before is not None or change.adds is not self._adds:
            self._write_changes()
            self._adds = change.adds
        self._changes[index] = change
        return self._queue(commit.events)

    def execute(self, commit: Commit) -> Written | Exception:
        """Write a commit, all or nothing; returns the commit's error if it fails."""
        self._write_changes()
        try:
            batch = self._records.unknown_of(commit.batch) if commit.batch else None
        except RecordConflict as error:
            return error
        if commit.is_batch:
            # Nothing is written before all of the group is known, so nothing has to be undone.
            return self._queue((), batch)
        failure = _execute_commit(self._connection, self._session, commit)
        return failure or self._queue(commit.events, batch)

    def write(self) -> None:
        """Write the added commits: the states, then the numbered and hash-chained log entries.

        Raises _FenceChanged before it writes to the log.
        """
        self._write_changes()
        if not self._unwritten:
            return
        events = (event for item in self._unwritten for event in item.events)
        entries, self.head = chain_entries(events, self.head)
        fences = self.fence, self._next_fence
        if not move_head(self._connection, self._session, self.head, *fences):
            raise _FenceChanged
        self.fence, self.wrote = self._next_fence, True
        if entries:
            insert_entries(self._connection, self._session, entries)
        remaining = iter(entries)
        for item in self._unwritten:
            item.entries = [next(remaining) for _ in item.events]
        self._records.write(
            (item.batch, item.entries[-1].id)
            for item in self._unwritten
            if item.batch and item.batch.records
        )
        self._unwritten = []

    def _write_changes(self) -> None:
        _write_changes_of(self._connection, self._session, list(self._changes.values()))
        self._changes = {}

    def _queue(self, events: Sequence[Event], batch: Batch | None = None) -> Written:
        if batch and batch.records:
            self._records.add(batch)
            events = [*events, recorded(batch)]
        written = Written(events, batch=batch)
        self._unwritten.append(written)
        return written


def _write_changes_of(connection: Connection, session: int, changes: Sequence[Change]) -> None:
    """Write changes of one kind: additions or updates.

    Raises GroupConflict if a participant exists already, or has another revision.
    """
    if not changes:
        return
    if changes[0].adds:
        try:
            connection.execute(
                _ADD,
                [{"session_id": session, **structs.asdict(change.state)} for change in changes],
            )
        except IntegrityError:
            raise GroupConflict from None
        return
    if update_states(connection, session, changes) != len(changes):
        raise GroupConflict


def _execute_commit(connection: Connection, session: int, commit: Commit) -> Exception | None:
    savepoint = connection.begin_nested()
    try:
        for change in commit.changes:
            if change.adds:
                _add(connection, session, change)
        _update(connection, session, [item for item in commit.changes if not item.adds])
        if commit.version:
            connection.execute(
                insert(study_versions).values(session_id=session, **structs.asdict(commit.version))
            )
        if commit.reply:
            insert_reply(connection, session, commit.reply)
    except SQLAlchemyError:
        raise
    except Exception as error:  # noqa: BLE001 - it must not affect the other commits
        savepoint.rollback()
        return error
    savepoint.commit()
    return None


def _add(connection: Connection, session: int, change: Change) -> None:
    try:
        with connection.begin_nested():
            connection.execute(_ADD, {"session_id": session, **structs.asdict(change.state)})
    except IntegrityError:
        index = change.state.participant_index
        raise RevisionConflict(f"participant {index} exists already") from None


def _update(connection: Connection, session: int, changes: Sequence[Change]) -> None:
    if update_states(connection, session, changes) != len(changes):
        who = ", ".join(str(change.state.participant_index) for change in changes[:_NAMED_MAX])
        raise RevisionConflict(f"one of the participants {who} was changed meanwhile")


_NAMED_MAX = 5


def _batches(items: Sequence[Commit | Query]) -> list[Batch]:
    return [item.batch for item in items if isinstance(item, Commit) and item.batch]


def _run_query(connection: Connection, query: Query) -> object:
    try:
        return query(connection)
    except SQLAlchemyError:
        raise
    except Exception as error:  # noqa: BLE001 - it must not affect the commits
        return error
