"""Completeness: how far the loads of a table declare its rows to be complete."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from offtake.store.schema import Instant

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_DECLARES = sa.text("complete_until IS NOT NULL")


def upgrade() -> None:
    """Apply."""
    op.add_column("load", sa.Column("complete_until", Instant(), nullable=True))
    op.add_column("load", sa.Column("lowers_completeness", sa.Boolean(), nullable=True))
    op.create_index(
        "ix_load_complete_until",
        "load",
        ["tenant", "table_name", "complete_until"],
        postgresql_where=_DECLARES,
        sqlite_where=_DECLARES,
    )


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_load_complete_until", "load")
    op.drop_column("load", "lowers_completeness")
    op.drop_column("load", "complete_until")
