"""An idempotency key belongs to whom the job belongs that was ordered with it: nobody uses up the keys of others."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from alembic import op

from offtake.store.schema import Instant

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_KEYS = sa.table(
    "idempotency",
    *map(sa.column, ("tenant", "dialect", "key", "digest", "job")),
    sa.column("created_at", Instant()),
)
_JOBS = sa.table("job", *map(sa.column, ("id", "effective", "principal")))


def upgrade() -> None:
    """Apply."""
    owner = sa.func.coalesce(_JOBS.c.effective, _JOBS.c.principal).label("owner")
    found = op.get_bind().execute(sa.select(*_KEYS.c, owner).join_from(_KEYS, _JOBS, _KEYS.c.job == _JOBS.c.id))
    rows = [dict(row) for row in found.mappings()]
    op.drop_table("idempotency")
    made = _create([sa.Column("owner", sa.String(length=320), nullable=False)])
    if rows:
        op.bulk_insert(made, rows)


def downgrade() -> None:
    """Undo. Keys in use are forgotten: several people may have the same one."""
    op.drop_table("idempotency")
    _create([])


def _create(more: Iterable[sa.Column[str]]) -> sa.Table:
    own = list(more)
    return op.create_table(
        "idempotency",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("dialect", sa.String(length=16), nullable=False),
        *own,
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("job", sa.String(length=36), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["job.id"], name=op.f("fk_idempotency_job")),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.name"], name=op.f("fk_idempotency_tenant")),
        sa.PrimaryKeyConstraint(
            "tenant", "dialect", *(column.name for column in own), "key", name=op.f("pk_idempotency")
        ),
    )
