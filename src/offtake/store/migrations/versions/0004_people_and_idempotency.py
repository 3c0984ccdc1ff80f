"""Who ordered a job for whom, accounts that are verified, idempotency keys, and a rate for each kind of request."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from offtake.store.schema import Instant

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("tenant", sa.Column("is_verified", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    for table in ("job", "audit"):
        op.add_column(table, sa.Column("actor", sa.String(length=320), nullable=True))
        op.add_column(table, sa.Column("effective", sa.String(length=320), nullable=True))
    op.create_table(
        "idempotency",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("dialect", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("job", sa.String(length=36), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["job.id"], name=op.f("fk_idempotency_job")),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.name"], name=op.f("fk_idempotency_tenant")),
        sa.PrimaryKeyConstraint("tenant", "dialect", "key", name=op.f("pk_idempotency")),
    )
    # Windows that run now are forgotten: nobody is refused for it.
    op.drop_table("rate")
    _create_rate(sa.Column("operation", sa.String(length=16), server_default=sa.text("''"), nullable=False))


def downgrade() -> None:
    """Undo."""
    op.drop_table("rate")
    _create_rate()
    op.drop_table("idempotency")
    for table in ("audit", "job"):
        op.drop_column(table, "effective")
        op.drop_column(table, "actor")
    op.drop_column("tenant", "is_verified")


def _create_rate(*more: sa.Column[str]) -> None:
    key = ["tenant", "principal", "dialect", *(column.name for column in more)]
    op.create_table(
        "rate",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("principal", sa.String(length=64), nullable=False),
        sa.Column("dialect", sa.String(length=16), nullable=False),
        *more,
        sa.Column("began_at", Instant(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.name"], name=op.f("fk_rate_tenant")),
        sa.PrimaryKeyConstraint(*key, name=op.f("pk_rate")),
    )
