"""Writes many rows in one statement.

With a statement for each row, SQLite's driver releases and takes the interpreter lock for each one,
and SQLAlchemy processes every value. Here the driver gets one statement and unprocessed values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from functools import lru_cache
from itertools import chain
from typing import TypeVar

from msgspec import Struct
from sqlalchemy import Connection

from experiment_server.limits.store import STATEMENT_ROWS_MAX
from experiment_server.participants.events import Entry, Head
from experiment_server.participants.overrides import Overrides
from experiment_server.participants.results import Batch, Record
from experiment_server.participants.state import ParticipantState

Value = str | int | float | None
NewRecord = tuple[Batch, int, int, Record]
"""A batch, the id of its log entry, the position in the batch, and the record there."""
Item = TypeVar("Item")


class Change(Struct, frozen=True, gc=False):
    """A participant's next state, and the revision before it; None adds a participant."""

    state: ParticipantState
    read_revision: int | None

    @property
    def adds(self) -> bool:
        """Whether the participant is new."""
        return self.read_revision is None


_ENTRY_COLUMNS = (
    "session_id", "id", "time", "type", "participant_index", "data", "previous", "hash",
)  # fmt: skip
_RECORD_CELLS = (
    "record_id", "block_id", "revision", "recorded_at", "clock_offset_ms", "data",
)  # fmt: skip
_RECORD_COLUMNS = (
    "session_id", "participant_index", "event_id", "position", "table_name", *_RECORD_CELLS,
    "received_at",
)  # fmt: skip
_STATE_TYPES = {
    "block_id": "INTEGER",
    "ended": "BOOLEAN",
    "revision": "INTEGER",
    "block_started_at": "TEXT",
    "updated_at": "TEXT",
    "overrides": "TEXT",
    "study": "TEXT",
    "row": "INTEGER",
}
_KEY_TYPES = {"session_id": "INTEGER", "participant_index": "INTEGER", "read_revision": "INTEGER"}


def update_states(connection: Connection, session: int, changes: Sequence[Change]) -> int:
    """Update the states that still have the expected revisions; returns their number."""

    def values(change: Change) -> tuple[Value, ...]:
        state = change.state
        return (
            state.block_id,
            state.ended,
            state.revision,
            moment_text(state.block_started_at) if state.block_started_at else None,
            moment_text(state.updated_at),
            overrides_text(state.overrides),
            state.study,
            state.row,
            session,
            state.participant_index,
            change.read_revision,
        )

    return _execute(connection, _update, changes, values)


def insert_entries(connection: Connection, session: int, entries: Sequence[Entry]) -> None:
    """Append entries to the log."""

    def values(entry: Entry) -> tuple[Value, ...]:
        return (
            session,
            entry.id,
            entry.time,
            entry.type,
            entry.participant_index,
            entry.data,
            entry.previous,
            entry.hash,
        )

    _execute(connection, _insert_entries, entries, values)


def insert_records(connection: Connection, session: int, records: Sequence[NewRecord]) -> None:
    """Write records of results."""

    def values(new: NewRecord) -> tuple[Value, ...]:
        batch, event_id, position, record = new
        return (
            session,
            batch.participant_index,
            event_id,
            position,
            batch.table,
            *record.cells,
            moment_text(batch.received_at),
        )

    _execute(connection, _insert_records, records, values)


def find_records(
    connection: Connection, session: int, keys: Sequence[tuple[int, str]]
) -> dict[tuple[int, str], Record]:
    """The stored records of pairs of a participant and a record's id."""
    found: dict[tuple[int, str], Record] = {}
    mark = _mark(connection)
    for portion in _portions(keys):
        values = (*chain.from_iterable(portion), session)
        for row in connection.exec_driver_sql(_find_records(len(portion), mark), values):
            index, cells = row[0], row[1:]
            found[index, cells[0]] = Record(*cells)
    return found


def move_head(
    connection: Connection, session: int, head: Head, fence: str, next_fence: str
) -> bool:
    """Store the log's new end and fence; False if the fence has changed."""
    mark = _mark(connection)
    statement = (
        f"UPDATE heads SET id = {mark}, hash = {mark}, fence = {mark} "  # noqa: S608
        f"WHERE session_id = {mark} AND fence = {mark}"
    )
    values = (head.id, head.hash, next_fence, session, fence)
    return connection.exec_driver_sql(statement, values).rowcount == 1


# Changes of one transaction have the same time.
@lru_cache(maxsize=1024)
def moment_text(moment: datetime) -> str:
    """A moment in UTC as ISO 8601 text of fixed length, so that texts sort by time."""
    utc = moment if moment.tzinfo is timezone.utc else moment.astimezone(timezone.utc)
    return utc.isoformat(timespec="microseconds")


def overrides_text(overrides: Overrides) -> str | None:
    """A participant's overrides as JSON text, None for none."""
    if not overrides:
        return None
    return json.dumps([asdict(item) for item in overrides], ensure_ascii=False)


def _execute(
    connection: Connection,
    statement: Callable[[int, str], str],
    rows: Sequence[Item],
    values: Callable[[Item], tuple[Value, ...]],
) -> int:
    mark = _mark(connection)
    written = 0
    for portion in _portions(rows):
        parameters = tuple(chain.from_iterable(map(values, portion)))
        written += connection.exec_driver_sql(statement(len(portion), mark), parameters).rowcount
    return written


def _mark(connection: Connection) -> str:
    """The placeholder for a value in a statement of this driver."""
    return "?" if connection.dialect.paramstyle == "qmark" else "%s"


def _portions(rows: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """The rows in portions of powers of two, so that there are few different statements."""
    start = 0
    while start < len(rows):
        size = STATEMENT_ROWS_MAX
        while size > len(rows) - start:
            size //= 2
        yield rows[start : start + size]
        start += size


@lru_cache(maxsize=64)
def _update(rows: int, mark: str) -> str:
    types = {**_STATE_TYPES, **_KEY_TYPES}
    # The first row declares the types of the columns, because parameters have none.
    first = ", ".join(f"CAST({mark} AS {kind})" for kind in types.values())
    more = f", ({', '.join([mark] * len(types))})" * (rows - 1)
    number = {name: place for place, name in enumerate(types, start=1)}
    assigned = ", ".join(f"{name} = v.column{number[name]}" for name in _STATE_TYPES)
    return (
        f"UPDATE participants SET {assigned} FROM (VALUES ({first}){more}) AS v "  # noqa: S608
        f"WHERE participants.session_id = v.column{number['session_id']} "
        f"AND participants.participant_index = v.column{number['participant_index']} "
        f"AND participants.revision = v.column{number['read_revision']}"
    )


@lru_cache(maxsize=64)
def _find_records(keys: int, mark: str) -> str:
    columns = ", ".join(("participant_index", *_RECORD_CELLS))
    # The first row declares the types of the columns, because parameters have none.
    more = f", ({mark}, {mark})" * (keys - 1)
    return (
        f"SELECT {columns} FROM (VALUES (CAST({mark} AS INTEGER), "  # noqa: S608
        f"CAST({mark} AS TEXT)){more}) AS v JOIN records ON session_id = {mark} "
        "AND participant_index = v.column1 AND record_id = v.column2"
    )


@lru_cache(maxsize=64)
def _insert_entries(rows: int, mark: str) -> str:
    return _insert("events", _ENTRY_COLUMNS, rows, mark)


@lru_cache(maxsize=64)
def _insert_records(rows: int, mark: str) -> str:
    return _insert("records", _RECORD_COLUMNS, rows, mark)


def _insert(table: str, columns: Sequence[str], rows: int, mark: str) -> str:
    row = f"({', '.join([mark] * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * rows)}"  # noqa: S608
