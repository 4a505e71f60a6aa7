"""Records of results: what a program may record, and how a record is written and sent."""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal

from experiment_server_client.errors import StudyError
from experiment_server_client.values import JsonObject, JsonValue

DEFAULT_TABLE = "trials"

# The server's limits and names (limits/results.py, participants/results.py): what it would refuse
# for certain is refused at once.
RECORD_MAX_BYTES = 64 * 1024
RESERVED_TABLES = frozenset({"codebook", "events", "participants", "timings"})
_TABLE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_INTEGERS = range(-(2**63), 2**63)

# JSON that may have an integer beyond 64 bits, or the character NUL.
_SUSPICIOUS = re.compile(r"[0-9]{19}|\\u0000")


class RecordWarning(UserWarning):
    """A problem with records, for programs that have no `on_record_problem`."""


@dataclass(frozen=True, slots=True)
class RecordProblem:
    """A problem with records that a program has recorded.

    `set-aside`: the server will never accept a record (`record` is what was recorded), which is now
    in a file of its own. `storage`: the device cannot store records, so that they are only in
    memory until they are sent. `refused`: the server refuses all records for now, for example
    because a token has expired; they stay on the device. `message` says more.
    """

    kind: Literal["set-aside", "storage", "refused"]
    message: str
    record: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class RecordContext:
    """What a participant was in when a record was made."""

    participant_index: int
    block_id: int
    revision: int

    @classmethod
    def of(cls, snapshot: Mapping[str, JsonValue]) -> RecordContext:
        """The context that a snapshot describes."""
        return cls(snapshot["participant_index"], snapshot["block_id"], snapshot["revision"])


@dataclass(frozen=True, slots=True)
class Record:
    """A record; `text` is its JSON, as the server gets it."""

    record_id: str
    table: str
    block_id: int
    text: str

    @property
    def line(self) -> bytes:
        """The record as a line of a file."""
        return f'{{"table":{_json(self.table)},"record":{self.text}}}\n'.encode()

    @property
    def content(self) -> JsonObject:
        """The record's members, with its `data`."""
        content: JsonObject = json.loads(self.text)
        return content


def new_record(
    record_id: str,
    context: RecordContext,
    table: str,
    data: Mapping[str, JsonValue],
    clock_offset_ms: float | None,
) -> Record:
    """Make a record, with the time; raises StudyError for what the server would never accept.

    The codes are `record-invalid` and `record-too-large`. Numbers and arrays of NumPy are accepted;
    NaN and infinite numbers become None.
    """
    _require_table(table)
    if not isinstance(data, Mapping):
        raise StudyError("record-invalid", f"{data!r:.80} is not a record: record a dictionary")
    try:
        written = _written(data)
        size = len(written.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise StudyError(
            "record-invalid",
            f"a record has to be JSON, and this one is not: {error}",
        ) from error
    if size > RECORD_MAX_BYTES:
        raise StudyError(
            "record-too-large",
            f"the record has {size:,} bytes; a record has at most {RECORD_MAX_BYTES:,}. "
            "Send what is larger as a file",
        )
    offset = "" if clock_offset_ms is None else f',"clock_offset_ms":{clock_offset_ms:.3f}'
    text = (
        f'{{"record_id":"{record_id}","block_id":{context.block_id},"revision":{context.revision},'
        f'"recorded_at":"{_now()}"{offset},"data":{written}}}'
    )
    return Record(record_id, table, context.block_id, text)


def stored_record(members: JsonValue) -> Record | None:
    """The record that a line of a file has, as JSON; None if it has none."""
    match members:
        case {
            "table": str(table),
            "record": {"record_id": str(record_id), "block_id": int(block_id)} as record,
        }:
            return Record(record_id, table, block_id, _json(record))
    return None


def table_and_data(
    table_or_data: str | Mapping[str, JsonValue], data: Mapping[str, JsonValue] | None
) -> tuple[str, Mapping[str, JsonValue]]:
    """What `record({...})` and `record("table", {...})` mean; raises StudyError."""
    if isinstance(table_or_data, str):
        if data is None:
            message = f'say what to record in the table: record("{table_or_data:.64}", {{...}})'
            raise StudyError("record-invalid", message)
        return table_or_data, data
    if data is not None:
        raise StudyError("record-invalid", 'name the table first: record("table", {...})')
    return DEFAULT_TABLE, table_or_data


def report_exception(error: Exception) -> None:
    """Show an exception where those of threads are shown; the program continues."""
    arguments = type(error), error, error.__traceback__, threading.current_thread()
    threading.excepthook(threading.ExceptHookArgs(arguments))


def _require_table(name: str) -> None:
    if name in RESERVED_TABLES:
        raise StudyError(
            "record-invalid",
            f'the name "{name}" is taken by a file of every export; choose another for the table',
        )
    if not _TABLE.fullmatch(name):
        raise StudyError(
            "record-invalid",
            f"{name!r:.80} is no name of a table: it has to have up to 64 lower-case letters, "
            "digits, dashes and underscores, and begin with a letter or a digit",
        )


def _written(data: Mapping[str, JsonValue]) -> str:
    """The data as JSON; raises TypeError, ValueError and RecursionError."""
    try:
        written = _json(data)
        if not _SUSPICIOUS.search(written):
            return written
    except ValueError:
        pass  # A number may be no finite one.
    return _json(_checked(data))


def _checked(value: JsonValue) -> JsonValue:
    """The value with None for numbers that are not finite; raises TypeError and ValueError."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str) and "\0" in value:
        raise ValueError(f"{value!r:.80} has the character NUL in it")
    if isinstance(value, int) and value not in _INTEGERS:
        raise ValueError(f"{value!r:.80} does not fit into 64 bits; record it as a text")
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, Mapping):
        return {_checked(key): _checked(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_checked(item) for item in value]
    return _checked(_plain(value))


def _plain(value: JsonValue) -> JsonValue:
    """The plain value of a number or an array of NumPy, or of a mapping."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value!r:.80} is no value of JSON")


def _now() -> str:
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    return now.removesuffix("+00:00") + "Z"


_json = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain
).encode
