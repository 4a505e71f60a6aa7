"""The head of each log names the server that has the session, and its last transaction."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("heads", sa.Column("fence", sa.String(64)))
