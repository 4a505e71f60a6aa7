"""Ids of log entries as large as the protocol has them, also in PostgreSQL."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # SQLite's integers have 64 bits anyway, and changing a column copies the table there.
    if op.get_bind().dialect.name == "postgresql":
        for table in ("events", "heads"):
            op.alter_column(table, "id", type_=sa.BigInteger, existing_nullable=False)
