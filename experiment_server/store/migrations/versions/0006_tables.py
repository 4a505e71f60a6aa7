"""The tables of a study, kept with each of its versions."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("study_versions", sa.Column("tables", sa.Text))
