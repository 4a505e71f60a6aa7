"""An index that finds the latest records of a table."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_index(
        "records_by_table", "records", ["session_id", "table_name", "event_id", "position"]
    )
