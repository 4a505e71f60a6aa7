"""The tables of the database. A test checks that the migrations create the same tables."""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from experiment_server.participants.overrides import Override, Overrides
from experiment_server.store.statements import moment_text, overrides_text
from experiment_server.study.source import TableFile


class UtcTime(TypeDecorator[datetime]):
    """A moment in UTC, stored as ISO 8601 text, which is the same in every database."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """Convert to text of fixed length, so that texts sort by time."""
        return None if value is None else moment_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """Convert from text."""
        return None if value is None else datetime.fromisoformat(value)


class OverridesText(TypeDecorator[Overrides]):
    """A participant's overrides, stored as JSON text; null for none."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Overrides | None, dialect: Dialect) -> str | None:
        """Convert to text."""
        return overrides_text(value or ())

    def process_result_value(self, value: str | None, dialect: Dialect) -> Overrides:
        """Convert from text."""
        return tuple(Override(**item) for item in json.loads(value)) if value else ()


class TablesText(TypeDecorator[tuple[TableFile, ...]]):
    """The tables of a study version, stored as JSON text `[[path, text], ...]`; null for none."""

    impl = Text
    cache_ok = True

    def process_bind_param(
        self, value: tuple[TableFile, ...] | None, dialect: Dialect
    ) -> str | None:
        """Convert to text."""
        if not value:
            return None
        return json.dumps([[table.path, table.text] for table in value], ensure_ascii=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[TableFile, ...]:
        """Convert from text."""
        return tuple(TableFile(path, text) for path, text in json.loads(value)) if value else ()


metadata = MetaData()

# A database contains the sessions of a study, for example the pilot and the main session. Each has
# its own participants, its own log, and its own numbering of versions.
sessions = Table(
    "sessions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("created_at", UtcTime, nullable=False),
    # It signs participants' tokens. It is stored, so that their links are valid after a restart.
    Column("signing_key", String(64)),
)


def _session() -> Column[int]:
    return Column(
        "session_id",
        Integer,
        ForeignKey(sessions.c.id),
        primary_key=True,
        autoincrement=False,
    )


participants = Table(
    "participants",
    metadata,
    _session(),
    Column("participant_index", Integer, primary_key=True, autoincrement=False),
    Column("block_id", Integer, nullable=False),
    Column("ended", Boolean(create_constraint=False), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("block_started_at", UtcTime),
    Column("updated_at", UtcTime, nullable=False),
    Column("overrides", OverridesText),
    Column("study", String(64)),
    # The row of the design that they follow; null for the row of their index.
    Column("row", Integer),
    sqlite_with_rowid=False,
)

# Append-only. `time` and `data` are exactly the texts from which `hash` was computed.
events = Table(
    "events",
    metadata,
    _session(),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("time", String(32), nullable=False),
    Column("type", String(32), nullable=False),
    Column("participant_index", Integer),
    Column("data", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("events_of_participant", "session_id", "participant_index", "id"),
    sqlite_with_rowid=False,
)

# The end of each session's log: a truncated log no longer has this end. `fence` identifies the
# server that serves the session, and its last transaction. Each transaction replaces the value of
# the previous one, so a server notices if another server has written in between.
heads = Table(
    "heads",
    metadata,
    _session(),
    Column("id", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("fence", String(64)),
    sqlite_with_rowid=False,
)

study_versions = Table(
    "study_versions",
    metadata,
    _session(),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("digest", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("loaded_at", UtcTime, nullable=False),
    Column("reason", String(32), nullable=False),
    Column("tables", TablesText),
)

# Records of results. `event_id` is the log entry of the batch, and `position` the position in the
# batch. The rows of a participant are adjacent, in the order in which they were stored.
records = Table(
    "records",
    metadata,
    _session(),
    Column("participant_index", Integer, primary_key=True, autoincrement=False),
    Column("event_id", BigInteger, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("table_name", String(64), nullable=False),
    Column("record_id", String(100), nullable=False),
    Column("block_id", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("recorded_at", String(32)),
    Column("clock_offset_ms", Float),
    Column("data", Text, nullable=False),
    Column("received_at", UtcTime, nullable=False),
    Index("records_by_id", "session_id", "participant_index", "record_id", unique=True),
    Index("records_by_table", "session_id", "table_name", "event_id", "position"),
    sqlite_with_rowid=False,
)

# The answers to requests with an idempotency key, for repeated requests.
replies = Table(
    "replies",
    metadata,
    _session(),
    Column("operation", String(64), primary_key=True),
    Column("participant_index", Integer, primary_key=True, autoincrement=False),
    Column("key", String(128), primary_key=True),
    Column("request", String(64), nullable=False),
    Column("reply", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Index("replies_by_age", "created_at"),
    sqlite_with_rowid=False,
)

# The last server that opened a session, so that a second server can name it.
serving = Table(
    "serving",
    metadata,
    _session(),
    Column("process_id", Integer, nullable=False),
    Column("address", String(255), nullable=False),
    Column("started_at", UtcTime, nullable=False),
)
