"""A key for each session, with which participants' tokens are signed."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("sessions", sa.Column("signing_key", sa.String(64)))
    sessions = sa.table("sessions", sa.column("id"), sa.column("signing_key"))
    for (number,) in op.get_bind().execute(sa.select(sessions.c.id)).all():
        op.execute(
            sa.update(sessions)
            .where(sessions.c.id == number)
            .values(signing_key=secrets.token_hex(32))
        )
