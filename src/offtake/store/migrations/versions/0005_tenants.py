"""Tenants: options of their own, and a removal that may be interrupted.

``audit_after`` is the last entry of the audit log that belongs to an earlier tenant of the same name.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from offtake.store.schema import Instant

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")


def upgrade() -> None:
    """Apply."""
    op.add_column("tenant", sa.Column("options", _JSON, nullable=True))
    op.add_column("tenant", sa.Column("removing_at", Instant(), nullable=True))
    op.add_column("tenant", sa.Column("audit_after", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Undo."""
    for name in ("audit_after", "removing_at", "options"):
        op.drop_column("tenant", name)
