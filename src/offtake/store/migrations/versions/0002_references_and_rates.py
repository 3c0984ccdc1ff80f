"""What a dialect calls a job, and requests counted by principal."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from offtake.store.schema import Instant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("job", sa.Column("reference", sa.String(length=128), nullable=True))
    op.create_index("ix_job_reference", "job", ["reference"], unique=True)
    op.create_table(
        "rate",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("principal", sa.String(length=64), nullable=False),
        sa.Column("dialect", sa.String(length=16), nullable=False),
        sa.Column("began_at", Instant(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.name"], name=op.f("fk_rate_tenant")),
        sa.PrimaryKeyConstraint("tenant", "principal", "dialect", name=op.f("pk_rate")),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("rate")
    op.drop_index("ix_job_reference", "job")
    op.drop_column("job", "reference")
