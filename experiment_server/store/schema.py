"""The tables. Migrations bring a database to this shape; a test holds the two together."""

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
    """A moment in UTC, kept as ISO 8601 text, so that it reads the same in every database."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """To text, of one length, so that texts sort as their moments do."""
        return None if value is None else moment_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """From text."""
        return None if value is None else datetime.fromisoformat(value)


class OverridesText(TypeDecorator[Overrides]):
    """A participant's overrides, kept as JSON text; null for none."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Overrides | None, dialect: Dialect) -> str | None:
        """To text."""
        return overrides_text(value or ())

    def process_result_value(self, value: str | None, dialect: Dialect) -> Overrides:
        """From text."""
        return tuple(Override(**item) for item in json.loads(value)) if value else ()


class TablesText(TypeDecorator[tuple[TableFile, ...]]):
    """The tables of a study version, kept as JSON text, `[[path, text], ...]`; null for none."""

    impl = Text
    cache_ok = True

    def process_bind_param(
        self, value: tuple[TableFile, ...] | None, dialect: Dialect
    ) -> str | None:
        """To text."""
        if not value:
            return None
        return json.dumps([[table.path, table.text] for table in value], ensure_ascii=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[TableFile, ...]:
        """From text."""
        return tuple(TableFile(path, text) for path, text in json.loads(value)) if value else ()


metadata = MetaData()

# A database holds several runs of a study: the pilot, the main one. Each has its own participants,
# its own log, and its own numbering of versions.
sessions = Table(
    "sessions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("created_at", UtcTime, nullable=False),
    # Participants' tokens are signed with it; it stays, so that their links outlive a restart.
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
    # The row of the design that they follow; null for that of their index.
    Column("row", Integer),
    sqlite_with_rowid=False,
)

# Append-only. `time` and `data` are kept as the very texts that `hash` was made of.
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

# The end of each session's log, kept beside it: a log that was cut short no longer meets it.
# `fence` names the server that has the session, and its last transaction: each transaction moves it
# on from the value that the one before left, so no other server's can come between unnoticed.
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

# Records of results. `event_id` is the log's entry that covers the batch, `position` the place in
# the batch. Rows of a participant lie together, in the order in which they were kept.
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
    sqlite_with_rowid=False,
)

# What was answered to requests that carried a key, for those that come again.
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

# The server that opened a session last, to name it to a second one.
serving = Table(
    "serving",
    metadata,
    _session(),
    Column("process_id", Integer, nullable=False),
    Column("address", String(255), nullable=False),
    Column("started_at", UtcTime, nullable=False),
)
