"""Sources: the files that are loaded without an operator."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from offtake.store.schema import Instant

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "source_file",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("changed_at", Instant(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", Instant(), nullable=False),
        sa.Column("load", sa.String(length=36), nullable=True),
        sa.Column("error", sa.String(length=64), nullable=True),
        sa.Column("finished_at", Instant(), nullable=True),
        sa.CheckConstraint(
            "state IN ('loaded', 'loading', 'quarantined', 'waiting')", name=op.f("ck_source_file_state")
        ),
        sa.CheckConstraint("state <> 'loading' OR load IS NOT NULL", name=op.f("ck_source_file_loading")),
        sa.PrimaryKeyConstraint("tenant", "source", "name", name=op.f("pk_source_file")),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("source_file")
