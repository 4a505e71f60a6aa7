"""What happens in a study, as its log keeps it.

Entries are numbered from 1 without a gap, and each carries the SHA-256 of itself and the hash of
the one before it: who changes, removes or puts in an entry has to write every later one anew, and
the last one's hash is another then.
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

NOTHING_BEFORE = "0" * 64
"""The hash that the first entry carries as the one before it."""

Data = TypeVar("Data", bound=EventData)


class Cause(Struct, frozen=True):
    """Who asked for a change, and the reason that they gave."""

    by: Actor
    reason: str | None = None


class Event(Struct, frozen=True, gc=False):
    """Something that happened at a time, to a participant or to the study as a whole."""

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

    def told(self, kind: builtins.type[Data]) -> Data:
        """The entry's data, as what an event of its type tells."""
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
    """The end of a log: how many entries it has, and the hash of the last."""

    id: int = 0
    hash: str = NOTHING_BEFORE


def chained(events: Iterable[Event], head: Head) -> tuple[list[Entry], Head]:
    """The events as the next entries of a log, and the log's new end."""
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


def flaw(entry: Entry, head: Head) -> str | None:
    """What is wrong with an entry that should follow `head`, None where nothing is."""
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
    """An entry's cells as `LOG_COLUMNS`: the commonest parts of its data beside the whole."""
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
