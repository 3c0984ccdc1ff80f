"""How long a job is expected to run, whose turn it is, and files that must be kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from offtake.store.schema import Instant

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("job", sa.Column("estimated_seconds", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("job", sa.Column("held_at", Instant(), nullable=True))
    op.create_index("ix_job_served", "job", ["tenant", "started_at"], unique=False)


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_job_served", "job")
    op.drop_column("job", "held_at")
    op.drop_column("job", "estimated_seconds")
