"""Sessions, the event log, study versions, overrides, and replies to repeated requests."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# The run that a database of the first schema holds.
FIRST_SESSION = "main"


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
        sa.Column("created_at", sa.String(32), nullable=False),
    )
    _keep_participants()
    op.drop_table("serving")
    op.create_table(
        "serving",
        _session(),
        sa.Column("process_id", sa.Integer, nullable=False),
        sa.Column("address", sa.String(255), nullable=False),
        sa.Column("started_at", sa.String(32), nullable=False),
    )
    op.create_table(
        "events",
        _session(),
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("time", sa.String(32), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("participant_index", sa.Integer),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("events_of_participant", "events", ["session_id", "participant_index", "id"])
    op.create_table(
        "heads",
        _session(),
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "study_versions",
        _session(),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("loaded_at", sa.String(32), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
    )
    op.create_table(
        "replies",
        _session(),
        sa.Column("operation", sa.String(64), primary_key=True),
        sa.Column("participant_index", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", sa.String(128), primary_key=True),
        sa.Column("request", sa.String(64), nullable=False),
        sa.Column("reply", sa.Text, nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("replies_by_age", "replies", ["created_at"])


def _keep_participants() -> None:
    op.rename_table("participants", "participants_before")
    participants = op.create_table(
        "participants",
        _session(),
        sa.Column("participant_index", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("block_id", sa.Integer, nullable=False),
        sa.Column("ended", sa.Boolean, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("block_started_at", sa.String(32)),
        sa.Column("updated_at", sa.String(32), nullable=False),
        sa.Column("overrides", sa.Text),
        sa.Column("study", sa.String(64)),
        sqlite_with_rowid=False,
    )
    before = sa.table(
        "participants_before",
        *map(
            sa.column,
            (
                "participant_index",
                "block_id",
                "ended",
                "revision",
                "block_started_at",
                "updated_at",
            ),
        ),
    )
    sessions = sa.table("sessions", *map(sa.column, ("id", "name", "created_at")))
    op.execute(
        sa.insert(sessions).from_select(
            ["id", "name", "created_at"],
            sa.select(sa.literal(1), sa.literal(FIRST_SESSION), sa.func.min(before.c.updated_at))
            .select_from(before)
            .having(sa.func.count() > 0),
        )
    )
    op.execute(
        sa.insert(participants).from_select(
            ["session_id", *(column.name for column in before.columns)],
            sa.select(sa.literal(1), *before.columns),
        )
    )
    op.drop_table("participants_before")


def _session() -> sa.Column[int]:
    return sa.Column(
        "session_id",
        sa.Integer,
        sa.ForeignKey("sessions.id"),
        primary_key=True,
        autoincrement=False,
    )
