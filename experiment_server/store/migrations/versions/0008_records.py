"""Records of results, beside the log that covers them."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "records",
        sa.Column(
            "session_id",
            sa.Integer,
            sa.ForeignKey("sessions.id"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("participant_index", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("event_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("table_name", sa.String(64), nullable=False),
        sa.Column("record_id", sa.String(100), nullable=False),
        sa.Column("block_id", sa.Integer, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("recorded_at", sa.String(32)),
        sa.Column("clock_offset_ms", sa.Float),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("received_at", sa.String(32), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "records_by_id", "records", ["session_id", "participant_index", "record_id"], unique=True
    )
