"""Kinds of tokens, registered keys of clients, and the assertions they have used; an index for lists of all reports."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from offtake.store.schema import Instant

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("token", sa.Column("kind", sa.String(length=16), server_default="access", nullable=False))
    op.add_column("token", sa.Column("family", sa.String(length=36), nullable=True))
    op.add_column("token", sa.Column("used_at", Instant(), nullable=True))
    op.create_index("ix_token_family", "token", ["family"], unique=False)
    op.create_table(
        "credential_key",
        sa.Column("credential", sa.String(length=64), nullable=False),
        sa.Column("kid", sa.String(length=255), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["credential"], ["credential.id"], name=op.f("fk_credential_key_credential")),
        sa.PrimaryKeyConstraint("credential", "kid", name=op.f("pk_credential_key")),
    )
    op.create_table(
        "assertion",
        sa.Column("credential", sa.String(length=64), nullable=False),
        sa.Column("jti", sa.String(length=64), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["credential"], ["credential.id"], name=op.f("fk_assertion_credential")),
        sa.PrimaryKeyConstraint("credential", "jti", name=op.f("pk_assertion")),
    )
    op.create_index("ix_assertion_expires_at", "assertion", ["expires_at"], unique=False)
    op.create_index("ix_job_list_all", "job", ["tenant", "dialect", "created_at"], unique=False)


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_job_list_all", "job")
    for table in ("assertion", "credential_key"):
        op.drop_table(table)
    op.drop_index("ix_token_family", "token")
    for column in ("used_at", "family", "kind"):
        op.drop_column("token", column)
