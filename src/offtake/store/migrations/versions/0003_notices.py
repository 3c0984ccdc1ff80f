"""Notices of a job about the data that it read.

Jobs of earlier schemas have none.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")


def upgrade() -> None:
    """Apply."""
    op.add_column("job", sa.Column("notices", _JSON, nullable=True))


def downgrade() -> None:
    """Undo."""
    op.drop_column("job", "notices")
