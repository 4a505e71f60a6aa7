"""Writes each record of results once, and reads records in pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, func, select, tuple_

from experiment_server.errors import RecordConflict
from experiment_server.limits.results import RECORD_PAGE_MAX, RECORD_PAGE_MAX_BYTES
from experiment_server.participants.events import Event
from experiment_server.participants.results import Batch, Record, batch_hash
from experiment_server.participants.state import timestamp
from experiment_server.store.schema import records
from experiment_server.store.statements import find_records, insert_records
from experiment_server.wire.events import Recorded


class RecordKey(NamedTuple):
    """The position of a record among all records of a session, in the order of reading."""

    participant_index: int = 0
    event_id: int = 0
    position: int = 0


FIRST = RecordKey()
"""The position before all records."""


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """A record with its key, its table and the time of its arrival."""

    key: RecordKey
    table: str
    record: Record
    received_at: str


class RecordCount(NamedTuple):
    """The number of records of a participant in a table and a block."""

    participant_index: int
    table: str
    block_id: int
    records: int


class NewRecords:
    """The new records of one transaction; they are written together with its log entries.

    `batches` are all batches of the transaction: what is stored of them is read at once.
    """

    def __init__(self, connection: Connection, session: int, batches: Sequence[Batch]) -> None:
        self._connection = connection
        self._session = session
        keys = {
            (item.participant_index, each.record_id) for item in batches for each in item.records
        }
        self._known = find_records(connection, session, sorted(keys))

    def unknown_of(self, batch: Batch) -> Batch:
        """The batch with only the records that are neither stored nor added, each once.

        Raises RecordConflict if a record with the same id has another content.
        """
        index = batch.participant_index
        fresh: dict[str, Record] = {}
        for record in batch.records:
            name = record.record_id
            before = self._known.get((index, name)) or fresh.get(name)
            if before is None:
                fresh[name] = record
            elif not record.is_same(before):
                raise RecordConflict(
                    f"participant {index} has another record {name}; the id of a record is used "
                    "once",
                    record_id=name,
                )
        return replace(batch, records=tuple(fresh.values()))

    def add(self, batch: Batch) -> None:
        """Add a batch of new records, which `write` writes later."""
        for record in batch.records:
            self._known[batch.participant_index, record.record_id] = record

    def write(self, batches: Iterable[tuple[Batch, int]]) -> None:
        """Write batches, each with the id of its log entry."""
        insert_records(
            self._connection,
            self._session,
            [
                (batch, event_id, position, record)
                for batch, event_id in batches
                for position, record in enumerate(batch.records)
            ],
        )


def recorded(batch: Batch) -> Event:
    """The event for a batch."""
    data = Recorded(
        by=batch.cause.by,
        reason=batch.cause.reason,
        table=batch.table,
        count=len(batch.records),
        sha256=batch_hash(batch.records),
    )
    return Event(batch.received_at, data, batch.participant_index)


def page(
    connection: Connection,
    session: int,
    *,
    after: RecordKey = FIRST,
    table: str | None = None,
    participant_index: int | None = None,
    limit: int = RECORD_PAGE_MAX,
) -> list[KeptRecord]:
    """The next records after a key, ordered by participant, in the order of their arrival.

    A page has at most `limit` records, and fewer if they are large. It is empty only at the end.
    """
    place = tuple_(records.c.participant_index, records.c.event_id, records.c.position)
    query = select(*_KEPT).where(records.c.session_id == session, place > after)
    if table is not None:
        query = query.where(records.c.table_name == table)
    if participant_index is not None:
        query = query.where(records.c.participant_index == participant_index)
    query = query.order_by(records.c.participant_index, records.c.event_id, records.c.position)
    return _bounded(connection, query.limit(limit))


def latest(
    connection: Connection,
    session: int,
    *,
    table: str,
    participant_index: int | None = None,
    limit: int,
) -> list[KeptRecord]:
    """The records that arrived last, in the order of their arrival.

    At most `limit` records, and fewer if they are large.
    """
    query = select(*_KEPT).where(records.c.session_id == session, records.c.table_name == table)
    if participant_index is not None:
        query = query.where(records.c.participant_index == participant_index)
    query = query.order_by(records.c.event_id.desc(), records.c.position.desc())
    return _bounded(connection, query.limit(limit))[::-1]


def all_records(
    connection: Connection, session: int, table: str | None = None
) -> Iterator[KeptRecord]:
    """All records, or those of one table, read in pages."""
    after = FIRST
    while found := page(connection, session, after=after, table=table):
        yield from found
        after = found[-1].key


def counts(connection: Connection, session: int) -> list[RecordCount]:
    """The numbers of records by participant, table and block."""
    by = (records.c.participant_index, records.c.table_name, records.c.block_id)
    query = select(*by, func.count()).where(records.c.session_id == session).group_by(*by)
    return [RecordCount(*row) for row in connection.execute(query.order_by(*by))]


class KeptBatch(NamedTuple):
    """The records of one log entry; `table` is None if they are of several tables."""

    participant_index: int
    event_id: int
    table: str | None
    records: list[Record]


def batches(found: Iterable[KeptRecord]) -> Iterator[KeptBatch]:
    """Group records, in the order of `page`, into batches."""
    for (index, event_id), kept in groupby(found, lambda item: item.key[:2]):
        items = list(kept)
        tables = {item.table for item in items}
        table = tables.pop() if len(tables) == 1 else None
        yield KeptBatch(index, event_id, table, [item.record for item in items])


def _bounded(connection: Connection, query: Select[tuple[object, ...]]) -> list[KeptRecord]:
    """The first records that a query finds, up to the size of a page."""
    kept: list[KeptRecord] = []
    size = 0
    with connection.execute(query) as rows:
        for row in chain.from_iterable(rows.partitions(_FETCHED)):
            kept.append(_kept(row))
            size += len(kept[-1].record.data)
            if size > RECORD_PAGE_MAX_BYTES:
                break
    return kept


_FETCHED = 100
_KEPT = [
    records.c[name]
    for name in ("participant_index", "event_id", "position", "table_name", "received_at")
] + [records.c[name] for name in Record.__slots__]


def _kept(row: Row[tuple[Any, ...]]) -> KeptRecord:
    values: tuple[Any, ...] = tuple(row)
    index, event_id, position, table, received_at, *cells = values
    record = Record(*cells)
    return KeptRecord(RecordKey(index, event_id, position), table, record, timestamp(received_at))
