"""Audit entries of previews and estimates name the report, the format and the number of columns."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("audit", sa.Column("report", sa.String(length=64), nullable=True))
    op.add_column("audit", sa.Column("format", sa.String(length=16), nullable=True))
    op.add_column("audit", sa.Column("column_count", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Undo."""
    for name in ("report", "format", "column_count"):
        op.drop_column("audit", name)
