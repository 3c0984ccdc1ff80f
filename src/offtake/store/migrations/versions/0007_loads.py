"""Loads: the record of each change of rows in the lake."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from offtake.store.schema import Instant

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "load",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("table_name", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.String(length=320), nullable=False),
        sa.Column("source", _JSON, nullable=False),
        sa.Column("mapping_digest", sa.String(length=64), nullable=True),
        sa.Column("undoes", sa.String(length=36), nullable=True),
        sa.Column("undone_by", sa.String(length=36), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("finished_at", Instant(), nullable=True),
        sa.Column("base_version", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("counts", _JSON, nullable=False),
        sa.Column("failure", sa.String(length=64), nullable=True),
        sa.CheckConstraint("state IN ('committed', 'failed', 'running', 'undone')", name=op.f("ck_load_state")),
        sa.CheckConstraint("(state = 'running') = (finished_at IS NULL)", name=op.f("ck_load_finished")),
        sa.CheckConstraint("(state = 'failed') = (failure IS NOT NULL)", name=op.f("ck_load_failure")),
        sa.CheckConstraint("(state = 'undone') = (undone_by IS NOT NULL)", name=op.f("ck_load_undone")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_load")),
    )
    op.create_index("ix_load_tenant_table_name_started_at", "load", ["tenant", "table_name", "started_at"])


def downgrade() -> None:
    """Undo."""
    op.drop_table("load")
