"""The queries with which the server and the command line read a study's database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Select, func, select, tuple_

from experiment_server.errors import DatabaseUnusable
from experiment_server.limits.session import EVENTS_PAGE_MAX
from experiment_server.participants.events import Entry, Head
from experiment_server.participants.state import ParticipantState
from experiment_server.store.schema import (
    events,
    heads,
    participants,
    serving,
    sessions,
    study_versions,
)
from experiment_server.study.source import StudySource, TableFile
from experiment_server.wire.events import EventType

_ENTRY = [column for column in events.columns if column.name != "session_id"]
_STATE = [column for column in participants.columns if column.name != "session_id"]


class StudyVersion(Struct, frozen=True):
    """A loaded version of a study, with its tables. `version` counts from 1 in each session."""

    version: int
    digest: str
    text: str
    loaded_at: datetime
    reason: str
    tables: tuple[TableFile, ...] = ()

    @property
    def source(self) -> StudySource:
        """The study file and its tables."""
        return StudySource(self.text, self.tables)


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """A session in a list of sessions."""

    name: str
    created_at: datetime
    participants: int
    started: int
    ended: int
    last_change: datetime | None
    last_server: str


def signing_key(connection: Connection, session: int) -> str:
    """The key that signs a session's tokens; raises DatabaseUnusable if there is none."""
    query = select(sessions.c.signing_key).where(sessions.c.id == session)
    key = connection.execute(query).scalar_one()
    if key is None:
        raise DatabaseUnusable(
            "this is a backup, which has no key to sign links with; serve it once, and it has one"
        )
    return str(key)


def states(connection: Connection, session: int) -> list[ParticipantState]:
    """All participants, ascending by index."""
    query = select(*_STATE).where(participants.c.session_id == session)
    rows = connection.execute(query.order_by(participants.c.participant_index))
    return [ParticipantState(**row._mapping) for row in rows]


def state(connection: Connection, session: int, participant_index: int) -> ParticipantState | None:
    """One participant, None if there is no such participant."""
    query = select(*_STATE).where(
        participants.c.session_id == session, participants.c.participant_index == participant_index
    )
    row = connection.execute(query).first()
    return ParticipantState(**row._mapping) if row else None


def head(connection: Connection, session: int) -> Head:
    """The end of the log, as stored beside the log."""
    row = connection.execute(
        select(heads.c.id, heads.c.hash).where(heads.c.session_id == session)
    ).first()
    return Head(row.id, row.hash) if row else Head()


def fence(connection: Connection, session: int) -> str | None:
    """The fence of a session, read after all running transactions that could change it."""
    query = select(heads.c.fence).where(heads.c.session_id == session).with_for_update()
    return connection.execute(query).scalar()


def entries(
    connection: Connection,
    session: int,
    *,
    after: int = 0,
    before: int | None = None,
    participant_index: int | None = None,
    limit: int = EVENTS_PAGE_MAX,
) -> list[Entry]:
    """The next entries of the log after an id, or the last ones before another, ascending.

    With `participant_index`, only those of this participant.
    """
    query = select(*_ENTRY).where(events.c.session_id == session, events.c.id > after)
    if participant_index is not None:
        query = query.where(events.c.participant_index == participant_index)
    if before is None:
        return _entries(connection, query.order_by(events.c.id).limit(limit))
    last = query.where(events.c.id < before).order_by(events.c.id.desc()).limit(limit)
    return _entries(connection, last)[::-1]


def all_entries(
    connection: Connection, session: int, participant_index: int | None = None
) -> Iterator[Entry]:
    """The whole log, ascending, read in pages."""
    after = 0
    while page := entries(connection, session, after=after, participant_index=participant_index):
        yield from page
        after = page[-1].id


def all_moves(
    connection: Connection, session: int, participant_index: int | None = None
) -> Iterator[Entry]:
    """All moves, or those of one participant, ordered by participant, read in pages."""
    after = (0, 0)
    while page := moves(connection, session, after=after, participant_index=participant_index):
        yield from page
        after = (page[-1].participant_index or 0, page[-1].id)


def moves(
    connection: Connection,
    session: int,
    *,
    after: tuple[int, int] = (0, 0),
    participant_index: int | None = None,
    limit: int = EVENTS_PAGE_MAX,
) -> list[Entry]:
    """The next moves after a `(participant_index, id)`, ordered by participant."""
    query = select(*_ENTRY).where(
        events.c.session_id == session,
        events.c.type == EventType.MOVED.value,
        tuple_(events.c.participant_index, events.c.id) > after,
    )
    if participant_index is not None:
        query = query.where(events.c.participant_index == participant_index)
    return _entries(
        connection, query.order_by(events.c.participant_index, events.c.id).limit(limit)
    )


def file_entries(
    connection: Connection, session: int, *, after: int = 0, limit: int = EVENTS_PAGE_MAX
) -> list[Entry]:
    """The next entries about stored files after an id, ascending."""
    query = select(*_ENTRY).where(
        events.c.session_id == session,
        events.c.id > after,
        events.c.type == EventType.FILE_STORED.value,
    )
    return _entries(connection, query.order_by(events.c.id).limit(limit))


def all_file_entries(connection: Connection, session: int) -> Iterator[Entry]:
    """All entries about stored files, ascending, read in pages."""
    after = 0
    while page := file_entries(connection, session, after=after):
        yield from page
        after = page[-1].id


def count_of_files(connection: Connection) -> int:
    """The number of entries about stored files, of all sessions."""
    query = select(func.count()).select_from(events)
    stored = query.where(events.c.type == EventType.FILE_STORED.value)
    return int(connection.execute(stored).scalar_one())


def last_moves(
    connection: Connection, session: int, participant_index: int, before: int
) -> list[Entry]:
    """A participant's moves before an id, descending."""
    query = select(*_ENTRY).where(
        events.c.session_id == session,
        events.c.participant_index == participant_index,
        events.c.type == EventType.MOVED.value,
        events.c.id < before,
    )
    return _entries(connection, query.order_by(events.c.id.desc()).limit(EVENTS_PAGE_MAX))


def count(connection: Connection, session: int) -> int:
    """The number of entries in the log."""
    query = select(func.count()).select_from(events).where(events.c.session_id == session)
    return int(connection.execute(query).scalar_one())


def versions(connection: Connection, session: int) -> list[StudyVersion]:
    """The versions of the study, ascending."""
    columns = [column for column in study_versions.columns if column.name != "session_id"]
    query = select(*columns).where(study_versions.c.session_id == session)
    rows = connection.execute(query.order_by(study_versions.c.version))
    return [StudyVersion(**row._mapping) for row in rows]


def session_summaries(connection: Connection) -> list[SessionSummary]:
    """All sessions of the database, in the order of their creation."""
    query = (
        select(
            sessions.c.name,
            sessions.c.created_at,
            func.count(participants.c.participant_index).label("participants"),
            _count_where(participants.c.block_id >= 0).label("started"),
            _count_where(participants.c.ended).label("ended"),
            func.max(participants.c.updated_at).label("last_change"),
            func.max(serving.c.address).label("last_server"),
        )
        .select_from(sessions)
        .outerjoin(participants, participants.c.session_id == sessions.c.id)
        .outerjoin(serving, serving.c.session_id == sessions.c.id)
        .group_by(sessions.c.id, sessions.c.name, sessions.c.created_at)
        .order_by(sessions.c.id)
    )
    return [
        SessionSummary(**{**row._mapping, "last_server": row.last_server or ""})
        for row in connection.execute(query)
    ]


def _count_where(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(participants.c.participant_index).filter(condition)


def _entries(connection: Connection, query: Select[tuple[int | str | None, ...]]) -> list[Entry]:
    return [Entry(**row._mapping) for row in connection.execute(query)]
