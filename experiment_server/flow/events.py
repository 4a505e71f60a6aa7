"""What happens in a study, as its log keeps it.

Entries are numbered from 1 without a gap, and each carries the SHA-256 of itself and the hash of
the one before it: who changes, removes or puts in an entry has to write every later one anew, and
the last one's hash is another then.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from experiment_server.flow.export import to_json
from experiment_server.flow.participant import timestamp

NOTHING_BEFORE = "0" * 64
"""The hash that the first entry carries as the one before it."""


class EventType(str, Enum):
    """Everything that is logged."""

    PARTICIPANT_ADDED = "participant_added"
    MOVED = "moved"
    FINISHED = "finished"
    CONFIG_OVERRIDDEN = "config_overridden"
    PARTICIPANT_RESET = "participant_reset"
    STUDY_LOADED = "study_loaded"
    STUDY_REFUSED = "study_refused"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    SERVER_STARTED = "server_started"
    SERVER_STOPPED = "server_stopped"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at a time, to a participant or to the study as a whole."""

    type: EventType
    time: datetime
    participant_index: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """An event in the log. `time` is ISO 8601 in UTC, `data` the text of a JSON object."""

    id: int
    time: str
    type: str
    participant_index: int | None
    data: str
    previous: str
    hash: str

    def as_dict(self) -> dict[str, Any]:
        """`{"id", "time", "type", "participant_index", "data", "previous", "hash"}`."""
        return {
            "id": self.id,
            "time": self.time,
            "type": self.type,
            "participant_index": self.participant_index,
            "data": json.loads(self.data),
            "previous": self.previous,
            "hash": self.hash,
        }


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
        time = timestamp(event.time) or ""
        data = to_json(event.data)
        kind, index = event.type.value, event.participant_index
        digest = hash_of(number, time, kind, index, data, previous)
        entries.append(Entry(number, time, kind, index, data, previous, digest))
        previous = digest
    return entries, Head(number, previous)


def hash_of(
    number: int, time: str, kind: str, participant_index: int | None, data: str, previous: str
) -> str:
    """The hash of an entry: SHA-256 over the JSON list of its parts, without spaces, as UTF-8."""
    parts = to_json([number, time, kind, participant_index, data, previous])
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()


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


def log_cells(row: Mapping[str, Any]) -> dict[str, Any]:
    """An entry's dict with the commonest parts of its `data` beside it, as `LOG_COLUMNS`."""
    data = row["data"]
    cells = {**row, "by": data.get("by"), "reason": data.get("reason")}
    for end in ("from", "to"):
        place = data.get(end, {})
        cells |= {f"{end}_{key}": place.get(key) for key in ("block_id", "block_name")}
    return cells
