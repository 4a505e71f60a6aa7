"""What is kept together, and how a group of it is written in one transaction."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial

from msgspec import Struct, field, structs
from sqlalchemy import Connection, insert, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from experiment_server.errors import RecordConflict, RevisionConflict, SessionLost, StoreUnavailable
from experiment_server.participants.events import Entry, Event, Head, chained
from experiment_server.participants.results import Batch
from experiment_server.store import records
from experiment_server.store.records import StudyVersion
from experiment_server.store.replies import Reply, keep_reply
from experiment_server.store.result_records import NewRecords, recorded
from experiment_server.store.schema import heads, participants, study_versions
from experiment_server.store.statements import Change, insert_entries, move_head, update_states
from experiment_server.store.writer import Contradiction, Performed

Query = Callable[[Connection], object]
"""A question to the database, which sees all that was submitted before it."""


class Commit(Struct, frozen=True):
    """What is kept together, or not at all."""

    changes: Sequence[Change] = ()
    events: Sequence[Event] = ()
    version: StudyVersion | None = None
    reply: Reply | None = None
    batch: Batch | None = None

    @property
    def plain(self) -> bool:
        """Whether it only adds one participant, or takes one from one revision to the next."""
        only = self.version is None and self.reply is None and self.batch is None
        return len(self.changes) == 1 and only


class Written(Struct):
    """A commit's events, and the entries of the log that they became.

    `batch` has the records of the commit that were new; the last event tells of them.
    """

    events: Sequence[Event]
    entries: list[Entry] = field(default_factory=list)
    batch: Batch | None = None


_ADD = insert(participants)


class SessionCommits:
    """Writes the commits of one session, for the store's writer and on its thread.

    A fence, which each transaction moves on, tells whether the session is still this server's:
    `lost` makes the error for one that is not. `problem` says why nothing can be kept in the files
    any more, None while it can.
    """

    def __init__(self, problem: Callable[[], str | None], lost: Callable[[], SessionLost]) -> None:
        self._problem = problem
        self._lost = lost
        self._session = 0
        self._head = Head()
        self._server, self._transactions = secrets.token_hex(8), 0

    def take_over(self, connection: Connection, session: int) -> None:
        """Make a session this server's own, and go on where its log ends."""
        self._session = session
        ours = {"fence": self._fence(0)}
        mine = heads.c.session_id == session
        if connection.execute(update(heads).where(mine).values(ours)).rowcount == 0:
            connection.execute(insert(heads).values(session_id=session, **asdict(Head()), **ours))
        self._head = records.head(connection, session)

    def perform(
        self, connection: Connection, items: Sequence[Commit | Query], careful: bool
    ) -> Performed:
        """Write a group of commits, and ask what queries ask, in the connection's transaction.

        With `careful` each commit is written by itself. Raises SessionLost, and Contradiction where
        a commit of the group cannot be written.
        """
        group = _CommitGroup(
            connection,
            self._session,
            self._head,
            fence=self._fence(self._transactions),
            next_fence=self._fence(self._transactions + 1),
        )
        outcomes: list[object] = []
        gone = self._problem()
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
            raise self._lost() from None
        if not group.wrote:
            return Performed(outcomes)
        return Performed(outcomes, partial(self._committed, group, outcomes), group.fence)

    def kept(self, connection: Connection, performed: Performed) -> bool:
        """Whether a transaction was committed; raises SessionLost where another server went on."""
        found = records.fence(connection, self._session)
        if found == performed.fence:
            return True
        if found == self._fence(self._transactions):
            return False
        raise self._lost()

    def _committed(self, group: _CommitGroup, outcomes: list[object]) -> None:
        self._head = group.head
        self._transactions += 1
        if gone := self._problem():
            # Nobody can say in which file it is now.
            outcomes[:] = [
                StoreUnavailable(gone) if isinstance(outcome, Written) else outcome
                for outcome in outcomes
            ]

    def _fence(self, transactions: int) -> str:
        return f"{self._server}-{transactions}"


class _FenceMoved(Exception):
    """Another server has written since this one did."""


class _CommitGroup:
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
        self._records = NewRecords(connection, session)

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
        if error is not None:
            return error
        return self._take(commit.batch, commit.events) if commit.batch else self._to_log(commit)

    def write(self) -> None:
        """Write what was taken: the states, then the log's next entries, numbered and chained.

        Raises _FenceMoved, before anything is added to the log.
        """
        self._write_changes()
        if not self._unlogged:
            return
        events = (event for item in self._unlogged for event in item.events)
        entries, self.head = chained(events, self.head)
        fences = self.fence, self._next_fence
        if not move_head(self._connection, self._session, self.head, *fences):
            raise _FenceMoved
        self.fence, self.wrote = self._next_fence, True
        if entries:
            insert_entries(self._connection, self._session, entries)
        remaining = iter(entries)
        for item in self._unlogged:
            item.entries = [next(remaining) for _ in item.events]
        self._records.write(
            (item.batch, item.entries[-1].id)
            for item in self._unlogged
            if item.batch and item.batch.records
        )
        self._unlogged = []

    def _write_changes(self) -> None:
        _change_all(self._connection, self._session, list(self._changes.values()))
        self._changes = {}

    def _take(self, batch: Batch, events: Sequence[Event]) -> Written | Exception:
        try:
            batch = self._records.take(batch)
        except RecordConflict as error:
            return error
        if batch.records:
            events = [*events, recorded(batch)]
        written = Written(events, batch=batch)
        self._unlogged.append(written)
        return written

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
                _ADD,
                [{"session_id": session, **structs.asdict(change.state)} for change in changes],
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
                insert(study_versions).values(session_id=session, **structs.asdict(commit.version))
            )
        if commit.reply:
            keep_reply(connection, session, commit.reply)
    except SQLAlchemyError:
        raise
    except Exception as error:  # noqa: BLE001 - what goes wrong with one must not stop the others
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
        raise RevisionConflict(f"participant {index} was added before") from None


def _update(connection: Connection, session: int, changes: Sequence[Change]) -> None:
    if update_states(connection, session, changes) != len(changes):
        who = ", ".join(str(change.state.participant_index) for change in changes[:_NAMED])
        raise RevisionConflict(f"of participants {who} one was changed meanwhile")


_NAMED = 5


def _ask(connection: Connection, query: Query) -> object:
    try:
        return query(connection)
    except SQLAlchemyError:
        raise
    except Exception as error:  # noqa: BLE001 - what goes wrong with one must not stop the others
        return error
