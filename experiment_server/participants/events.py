"""Events, and their hash-chained entries in the log.

Entries are numbered from 1 without gaps. Each contains its SHA-256 and the hash of the previous
entry. Whoever changes, removes or inserts an entry has to rewrite all later entries, which changes
the hash of the last one.
"""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from msgspec import Struct

from experiment_server.participants.state import timestamp
from experiment_server.wire.encoding import from_json, to_json, to_json_bytes
from experiment_server.wire.events import Actor, EventData, LogEntry
from experiment_server.wire.values import JsonObject

FIRST_PREVIOUS_HASH = "0" * 64
"""The `previous` hash of the first entry."""

Data = TypeVar("Data", bound=EventData)


class Cause(Struct, frozen=True):
    """The actor who requested a change, and the reason."""

    by: Actor
    reason: str | None = None


class Event(Struct, frozen=True, gc=False):
    """Something that happened to a participant, or to the whole study, at a time."""

    time: datetime
    data: EventData
    participant_index: int | None = None


class Entry(Struct, frozen=True, gc=False):
    """An event in the log. `time` is ISO 8601 in UTC, `data` the text of a JSON object."""

    id: int
    time: str
    type: str
    participant_index: int | None
    data: str
    previous: str
    hash: str

    def data_as(self, kind: builtins.type[Data]) -> Data:
        """The entry's data as a struct of its event type."""
        return from_json(self.data, kind)

    def on_wire(self) -> LogEntry:
        """The entry as clients get it."""
        data: JsonObject = from_json(self.data, dict)
        return LogEntry(
            self.id, self.time, self.type, self.participant_index, data, self.previous, self.hash
        )


LOG_COLUMNS = (
    "id",
    "time",
    "type",
    "participant_index",
    "by",
    "reason",
    "from_block_id",
    "from_block_name",
    "to_block_id",
    "to_block_name",
    "data",
    "previous",
    "hash",
)
"""The columns of the log as a table."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a log: the number of entries, and the hash of the last one."""

    id: int = 0
    hash: str = FIRST_PREVIOUS_HASH


def chain_entries(events: Iterable[Event], head: Head) -> tuple[list[Entry], Head]:
    """The log entries for events that follow `head`, and the new end of the log."""
    entries = []
    number, previous = head.id, head.hash
    for event in events:
        number += 1
        time = timestamp(event.time)
        data = to_json(event.data)
        kind, index = event.data.type.value, event.participant_index
        digest = hash_of(number, time, kind, index, data, previous)
        entries.append(Entry(number, time, kind, index, data, previous, digest))
        previous = digest
    return entries, Head(number, previous)


def hash_of(
    number: int, time: str, kind: str, participant_index: int | None, data: str, previous: str
) -> str:
    """The hash of an entry: SHA-256 over the JSON list of its parts, without spaces, as UTF-8."""
    parts = to_json_bytes((number, time, kind, participant_index, data, previous))
    return hashlib.sha256(parts).hexdigest()


def chain_error(entry: Entry, head: Head) -> str | None:
    """The error of an entry that should follow `head`, None if it is correct."""
    if entry.id != head.id + 1:
        gap = f"entry {head.id + 1}" + (f" to {entry.id - 1}" if entry.id > head.id + 2 else "")
        return f"{gap} is missing" if entry.id > head.id else f"entry {entry.id} is there twice"
    if entry.previous != head.hash:
        return f"entry {entry.id} does not follow the entry before it: one of them was changed"
    if entry.hash != hash_of(
        entry.id, entry.time, entry.type, entry.participant_index, entry.data, entry.previous
    ):
        return f"entry {entry.id} was changed after it was written"
    return None


def log_cells(entry: LogEntry) -> JsonObject:
    """The cells of an entry for `LOG_COLUMNS`."""
    data = entry.data
    cells: JsonObject = {
        "id": entry.id,
        "time": entry.time,
        "type": entry.type,
        "participant_index": entry.participant_index,
        "by": data.get("by"),
        "reason": data.get("reason"),
        "data": data,
        "previous": entry.previous,
        "hash": entry.hash,
    }
    for end in ("from", "to"):
        place = data.get(end, {})
        cells |= {f"{end}_{key}": place.get(key) for key in ("block_id", "block_name")}
    return cells
