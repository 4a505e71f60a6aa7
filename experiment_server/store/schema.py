"""The tables. Migrations bring a database file to this shape; a test holds the two together."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from sqlalchemy import Boolean, CheckConstraint, Column, Integer, MetaData, String, Table
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


class UtcTime(TypeDecorator[datetime]):
    """A moment in UTC, kept as ISO 8601 text, so that it reads the same in every database."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """To text."""
        return None if value is None else value.astimezone(timezone.utc).isoformat()

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """From text."""
        return None if value is None else datetime.fromisoformat(value)


metadata = MetaData()

participants = Table(
    "participants",
    metadata,
    Column("participant_index", Integer, primary_key=True, autoincrement=False),
    Column("block_id", Integer, nullable=False),
    Column("ended", Boolean(create_constraint=False), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("block_started_at", UtcTime),
    Column("updated_at", UtcTime, nullable=False),
)

# One row: the server that opened the database last, to name it to a second one.
serving = Table(
    "serving",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    Column("process_id", Integer, nullable=False),
    Column("address", String(255), nullable=False),
    Column("started_at", UtcTime, nullable=False),
)
