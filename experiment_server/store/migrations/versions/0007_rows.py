"""The row of the design that a participant follows, where it is not that of their index."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("participants", sa.Column("row", sa.Integer))
