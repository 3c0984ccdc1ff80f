"""Shared tables with their versions, and credentials of recipients."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from offtake.store.schema import Instant

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("credential", sa.Column("shares", sa.Text(), nullable=True))
    op.add_column("credential", sa.Column("expires_at", Instant(), nullable=True))
    op.create_table(
        "shared_table",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("share", sa.String(length=63), nullable=False),
        sa.Column("schema", sa.String(length=63), nullable=False),
        sa.Column("table_name", sa.String(length=63), nullable=False),
        sa.Column("report", sa.String(length=64), nullable=False),
        sa.Column("body", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("personal", sa.Boolean(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("versions", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.name"], name=op.f("fk_shared_table_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shared_table")),
        sa.UniqueConstraint(
            "tenant", "share", "schema", "table_name", name=op.f("uq_shared_table_tenant_share_schema_table_name")
        ),
    )
    op.create_table(
        "shared_export",
        sa.Column("job", sa.String(length=36), nullable=False),
        sa.Column("shared_table", sa.String(length=36), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("published_at", Instant(), nullable=True),
        sa.CheckConstraint("(number IS NULL) = (published_at IS NULL)", name=op.f("ck_shared_export_numbered")),
        sa.ForeignKeyConstraint(["job"], ["job.id"], name=op.f("fk_shared_export_job"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["shared_table"], ["shared_table.id"], name=op.f("fk_shared_export_shared_table")),
        sa.PrimaryKeyConstraint("job", name=op.f("pk_shared_export")),
        sa.UniqueConstraint("shared_table", "number", name=op.f("uq_shared_export_shared_table_number")),
    )
    op.create_index("ix_shared_export_shared_table_created_at", "shared_export", ["shared_table", "created_at"])


def downgrade() -> None:
    """Undo."""
    op.drop_table("shared_export")
    op.drop_table("shared_table")
    op.drop_column("credential", "expires_at")
    op.drop_column("credential", "shares")
