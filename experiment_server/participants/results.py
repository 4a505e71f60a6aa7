"""Results: what a record has to be, and the hash by which the log covers a batch of them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal

from experiment_server.errors import RecordInvalid, RecordTooLarge
from experiment_server.limits.results import RECORD_MAX_BYTES
from experiment_server.participants.events import Cause
from experiment_server.participants.state import timestamp
from experiment_server.study.values import text_problem
from experiment_server.wire.encoding import to_json, to_json_bytes
from experiment_server.wire.results import ResultRecord
from experiment_server.wire.values import JsonValue

RESERVED_TABLES = frozenset({"codebook", "events", "participants", "timings"})
"""Names of files that every export has, which no table can have."""

_TABLE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it is stored. `data` is JSON text, `recorded_at` ISO 8601 in UTC."""

    record_id: str
    block_id: int
    revision: int
    recorded_at: str | None
    clock_offset_ms: float | None
    data: str

    @property
    def cells(self) -> tuple[str | int | float | None, ...]:
        """All that is stored of the record, in the order of its columns."""
        return (
            self.record_id,
            self.block_id,
            self.revision,
            self.recorded_at,
            self.clock_offset_ms,
            self.data,
        )

    def is_same(self, other: Record) -> bool:
        """Whether another record with the same id has the same content.

        The offset of the clock is left out, because an app may estimate it anew for a repeat.
        """
        return (self.block_id, self.revision, self.recorded_at) == (
            other.block_id,
            other.revision,
            other.recorded_at,
        ) and (self.data == other.data or _comparable(self.data) == _comparable(other.data))


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one participant for one table, which are kept together or not at all."""

    participant_index: int
    table: str
    received_at: datetime
    cause: Cause
    records: Sequence[Record]


def require_table(name: str) -> str:
    """The name of a table of results; raises RecordInvalid for what cannot be one."""
    if name in RESERVED_TABLES:
        raise RecordInvalid(
            f'the name "{name}" is taken by a file of every export; choose another for the table'
        )
    if _TABLE.fullmatch(name):
        return name
    raise RecordInvalid(
        f"{name!r:.80} is no name of a table: it has to have up to 64 lower-case letters, digits, "
        "dashes and underscores, and begin with a letter or a digit"
    )


def stored(record: ResultRecord) -> Record:
    """A record in the form in which it is stored; raises RecordInvalid and RecordTooLarge."""
    name = record.record_id
    if problem := text_problem(name):
        raise RecordInvalid(f"a record_id {problem}")
    data = to_json(record.data)
    size = len(data.encode())
    if size > RECORD_MAX_BYTES:
        raise RecordTooLarge(
            f"record {name} has {size:,} bytes; a record has at most {RECORD_MAX_BYTES:,}. "
            "Send what is larger as a file",
            record_id=name,
        )
    return Record(
        name,
        record.block_id,
        record.revision,
        _utc(record),
        record.clock_offset_ms,
        data,
    )


def batch_hash(records: Iterable[Record]) -> str:
    """SHA-256 over a JSON list for each record, one after the other."""
    digest = hashlib.sha256()
    for record in records:
        digest.update(to_json_bytes(record.cells))
    return digest.hexdigest()


def _comparable(data: str) -> JsonValue:
    """The value of JSON text, which equals that of another text with the same content."""

    def number(text: str) -> tuple[Decimal]:
        # Python has 1 == True, but (1,) is not True; 1 and 1.0 are the same number.
        return (Decimal(text),)

    return json.loads(data, parse_int=number, parse_float=number)


def _utc(record: ResultRecord) -> str | None:
    if record.recorded_at is None:
        return None
    try:
        moment = datetime.fromisoformat(re.sub("[Zz]$", "+00:00", record.recorded_at))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise RecordInvalid(
            f"record {record.record_id}: recorded_at {record.recorded_at!r:.60} has to be a time "
            "like 2026-11-24T09:30:00.000Z",
            record_id=record.record_id,
        )
    try:
        return timestamp(moment.astimezone(timezone.utc))
    except OverflowError:
        raise RecordInvalid(
            f"record {record.record_id}: recorded_at {record.recorded_at!r:.60} is out of range",
            record_id=record.record_id,
        ) from None
