"""The first schema: tenants and credentials, jobs, audit log, counters, workers and maintenance."""

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
    _create_identity()
    _create_jobs()
    _create_records()


def downgrade() -> None:
    """Undo."""
    for table in (
        "memory_reduction",
        "maintenance_task",
        "leader",
        "worker",
        "counter",
        "audit",
        "outbox",
        "idempotency",
        "tenant_usage",
        "job",
        "rate",
        "assertion",
        "token",
        "credential_key",
        "credential",
        "tenant",
        "installation",
    ):
        op.drop_table(table)


def _create_identity() -> None:
    """Tenants, their credentials and tokens, and requests counted by principal."""
    op.create_table(
        "installation",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_installation")),
    )
    op.create_table(
        "tenant",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("company_key", sa.String(length=64), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("is_verified", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tenant")),
        sa.UniqueConstraint("company_key", name=op.f("uq_tenant_company_key")),
    )
    op.create_table(
        "credential",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("user", sa.String(length=320), nullable=True),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=True),
        sa.Column("previous_until", Instant(), nullable=True),
        sa.Column("generation", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("revoked", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint(
            "(previous_hash IS NULL) = (previous_until IS NULL)", name=op.f("ck_credential_previous_whole")
        ),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.name"], name=op.f("fk_credential_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credential")),
    )
    op.create_index(
        "ix_credential_active_user",
        "credential",
        ["tenant", "user"],
        unique=True,
        postgresql_where=sa.text("kind = 'basic' AND NOT revoked"),
        sqlite_where=sa.text("kind = 'basic' AND NOT revoked"),
    )
    op.create_index(op.f("ix_credential_tenant"), "credential", ["tenant"], unique=False)
    op.create_index(op.f("ix_credential_user"), "credential", ["user"], unique=False)
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
        "token",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("credential", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("kind", sa.String(length=16), server_default="access", nullable=False),
        sa.Column("family", sa.String(length=36), nullable=True),
        sa.Column("used_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["credential"], ["credential.id"], name=op.f("fk_token_credential")),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.name"], name=op.f("fk_token_tenant")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_token")),
    )
    op.create_index("ix_token_credential_expires_at", "token", ["credential", "expires_at"], unique=False)
    op.create_index(op.f("ix_token_expires_at"), "token", ["expires_at"], unique=False)
    op.create_index(op.f("ix_token_family"), "token", ["family"], unique=False)
    op.create_table(
        "assertion",
        sa.Column("credential", sa.String(length=64), nullable=False),
        sa.Column("jti", sa.String(length=64), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["credential"], ["credential.id"], name=op.f("fk_assertion_credential")),
        sa.PrimaryKeyConstraint("credential", "jti", name=op.f("pk_assertion")),
    )
    op.create_index(op.f("ix_assertion_expires_at"), "assertion", ["expires_at"], unique=False)
    op.create_table(
        "rate",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("principal", sa.String(length=64), nullable=False),
        sa.Column("dialect", sa.String(length=16), nullable=False),
        sa.Column("operation", sa.String(length=16), server_default=sa.text("''"), nullable=False),
        sa.Column("began_at", Instant(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.name"], name=op.f("fk_rate_tenant")),
        sa.PrimaryKeyConstraint("tenant", "principal", "dialect", "operation", name=op.f("pk_rate")),
    )


def _create_jobs() -> None:
    """Jobs, their idempotency keys, what each tenant uses, and the outbox."""
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
        sa.Column("request_bytes", sa.Integer(), server_default=sa.text("0"), nullable=False),
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
        sa.Column("reference", sa.String(length=128), nullable=True),
        sa.Column("actor", sa.String(length=320), nullable=True),
        sa.Column("effective", sa.String(length=320), nullable=True),
        sa.Column("estimated_seconds", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("held_at", Instant(), nullable=True),
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
    op.create_index("ix_job_list_all", "job", ["tenant", "dialect", "created_at"], unique=False)
    op.create_index(
        "ix_job_open",
        "job",
        ["tenant", "dialect"],
        unique=False,
        postgresql_where=sa.text("status IN ('queued', 'running', 'uploading')"),
        sqlite_where=sa.text("status IN ('queued', 'running', 'uploading')"),
    )
    op.create_index(
        "ix_job_purge",
        "job",
        ["finished_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('cancelled', 'deleted', 'expired', 'failed')"),
        sqlite_where=sa.text("status IN ('cancelled', 'deleted', 'expired', 'failed')"),
    )
    op.create_index("ix_job_reference", "job", ["reference"], unique=True)
    op.create_index("ix_job_served", "job", ["tenant", "started_at"], unique=False)
    op.create_table(
        "tenant_usage",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("request_bytes", sa.BigInteger(), nullable=False),
        sa.Column("day", Instant(), nullable=True),
        sa.Column("day_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.name"], name=op.f("fk_tenant_usage_tenant")),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_tenant_usage")),
    )
    op.create_table(
        "idempotency",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("dialect", sa.String(length=16), nullable=False),
        sa.Column("owner", sa.String(length=320), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("job", sa.String(length=36), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["job.id"], name=op.f("fk_idempotency_job")),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.name"], name=op.f("fk_idempotency_tenant")),
        sa.PrimaryKeyConstraint("tenant", "dialect", "owner", "key", name=op.f("pk_idempotency")),
    )
    op.create_table(
        "outbox",
        sa.Column("job", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("not_before", Instant(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("job", "kind", name=op.f("pk_outbox")),
    )
    op.create_index(op.f("ix_outbox_not_before"), "outbox", ["not_before"], unique=False)


def _create_records() -> None:
    """The audit log, counters, workers, and the maintenance loop's leader and tasks."""
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
        sa.Column("count", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("actor", sa.String(length=320), nullable=True),
        sa.Column("effective", sa.String(length=320), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_tenant_at", "audit", ["tenant", "at"], unique=False)
    op.create_table(
        "counter",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("dialect", sa.String(length=16), nullable=False),
        sa.Column("label", sa.String(length=32), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "dialect", "label", name=op.f("pk_counter")),
    )
    op.create_table(
        "worker",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_worker")),
    )
    op.create_table(
        "leader",
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("holder", sa.String(length=128), nullable=False),
        sa.Column("lease_until", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("role", name=op.f("pk_leader")),
    )
    op.create_table(
        "maintenance_task",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("due_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_maintenance_task")),
    )
    op.create_table(
        "memory_reduction",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("report", sa.String(length=64), nullable=False),
        sa.Column("format", sa.String(length=16), nullable=False),
        sa.Column("memory_mb", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size_class", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("reductions", sa.Integer(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.name"], name=op.f("fk_memory_reduction_tenant")),
        sa.PrimaryKeyConstraint(
            "tenant", "report", "format", "memory_mb", "size_class", name=op.f("pk_memory_reduction")
        ),
    )
