"""Browsers in which somebody has logged in before: nobody else's guesses slow them down."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "known_device",
        sa.Column("digest", sa.String(), primary_key=True),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("seen_at", sa.DateTime(), nullable=False),
    )
    op.create_index("ix_known_device_user", "known_device", ["user"])
