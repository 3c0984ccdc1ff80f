"""The first tables: tenants, credentials, tokens, jobs, audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from offtake.store.schema import Instant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=True),
        sa.Column("principal", sa.String(length=64), nullable=True),
        sa.Column("operation", sa.String(length=64), nullable=False),
        sa.Column("dialect", sa.String(length=16), nullable=False),
        sa.Column("job", sa.String(length=36), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_tenant_at", "audit", ["tenant", "at"], unique=False)
    op.create_table(
        "tenant",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("company_key", sa.String(length=64), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tenant")),
        sa.UniqueConstraint("company_key", name=op.f("uq_tenant_company_key")),
    )
    op.create_table(
        "credential",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("user", sa.String(length=320), nullable=True),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("revoked", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.name"], name=op.f("fk_credential_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credential")),
    )
    op.create_index(op.f("ix_credential_tenant"), "credential", ["tenant"], unique=False)
    op.create_table(
        "job",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("principal", sa.String(length=64), nullable=False),
        sa.Column("dialect", sa.String(length=16), nullable=False),
        sa.Column("report", sa.String(length=64), nullable=False),
        sa.Column("format", sa.String(length=16), nullable=False),
        sa.Column(
            "request", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False
        ),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("not_before", Instant(), nullable=False),
        sa.Column("started_at", Instant(), nullable=True),
        sa.Column("finished_at", Instant(), nullable=True),
        sa.Column("expires_at", Instant(), nullable=True),
        sa.Column("lease_worker", sa.String(length=128), nullable=True),
        sa.Column("lease_until", Instant(), nullable=True),
        sa.Column("artifact_key", sa.Text(), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("failure_code", sa.String(length=64), nullable=True),
        sa.Column("failure_message", sa.Text(), nullable=True),
        sa.CheckConstraint("(artifact_key IS NOT NULL) = (status = 'succeeded')", name=op.f("ck_job_published")),
        sa.CheckConstraint(
            "(finished_at IS NOT NULL) = (status IN ('cancelled', 'deleted', 'expired', 'failed', 'succeeded'))",
            name=op.f("ck_job_finished"),
        ),
        sa.CheckConstraint(
            "(lease_until IS NOT NULL AND lease_worker IS NOT NULL) = (status IN ('running', 'uploading'))",
            name=op.f("ck_job_leased"),
        ),
        sa.CheckConstraint("failure_code IS NULL OR status IN ('failed', 'deleted')", name=op.f("ck_job_failure_kept")),
        sa.CheckConstraint("status <> 'failed' OR failure_code IS NOT NULL", name=op.f("ck_job_failure")),
        sa.CheckConstraint(
            "status IN ('cancelled', 'deleted', 'expired', 'failed', 'queued', 'running', 'succeeded', 'uploading')",
            name=op.f("ck_job_status"),
        ),
        sa.CheckConstraint("(failure_code IS NULL) = (failure_message IS NULL)", name=op.f("ck_job_failure_whole")),
        sa.CheckConstraint(
            "artifact_key IS NULL OR (rows IS NOT NULL AND bytes IS NOT NULL AND sha256 IS NOT NULL)",
            name=op.f("ck_job_verified"),
        ),
        sa.CheckConstraint("fence >= attempts AND attempts >= 0", name=op.f("ck_job_fence")),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.name"], name=op.f("fk_job_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    op.create_index(
        "ix_job_claim",
        "job",
        ["not_before", "created_at"],
        unique=False,
        postgresql_where=sa.text("status = 'queued'"),
        sqlite_where=sa.text("status = 'queued'"),
    )
    op.create_index(
        "ix_job_expiry",
        "job",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("status = 'succeeded'"),
        sqlite_where=sa.text("status = 'succeeded'"),
    )
    op.create_index(
        "ix_job_lease",
        "job",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("lease_until IS NOT NULL"),
        sqlite_where=sa.text("lease_until IS NOT NULL"),
    )
    op.create_index("ix_job_list", "job", ["tenant", "dialect", "report", "created_at"], unique=False)
    op.create_index(
        "ix_job_open",
        "job",
        ["tenant", "dialect"],
        unique=False,
        postgresql_where=sa.text("status IN ('queued', 'running', 'uploading')"),
        sqlite_where=sa.text("status IN ('queued', 'running', 'uploading')"),
    )
    op.create_table(
        "token",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("credential", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["credential"], ["credential.id"], name=op.f("fk_token_credential")),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.name"], name=op.f("fk_token_tenant")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_token")),
    )
    op.create_index(op.f("ix_token_expires_at"), "token", ["expires_at"], unique=False)


def downgrade() -> None:
    """Undo."""
    for table in ("token", "job", "credential", "tenant", "audit"):
        op.drop_table(table)
