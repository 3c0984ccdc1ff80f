"""Tables of the state database, with the invariants of the state machine as CHECK constraints.

Instants are TIMESTAMP WITH TIME ZONE on PostgreSQL and whole microseconds since 1970 (UTC) on SQLite; both compare and
sort as instants. ``migrations/`` creates the database; a test compares the result with this module. All tables are in
one module, because they are declarations that refer to each other and are read together.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from offtake.model.job import LEASED, OPEN, Status
from offtake.model.load import LoadState
from offtake.model.source import FileState

NUL = "\0"  # PostgreSQL refuses texts with this character, even in a comparison, so no stored name has it
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Instant(TypeDecorator[datetime]):
    """A UTC instant with microseconds. Raises ValueError for a naive datetime."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the column type of the database."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Convert to the database's value."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant must have a time zone")
        if dialect.name == "postgresql":
            return value
        return (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Convert from the database's value."""
        if value is None:
            return None
        if dialect.name == "postgresql":
            instant: datetime = value
            return instant.astimezone(UTC)
        return _EPOCH + timedelta(microseconds=value)


class later(FunctionElement[datetime]):  # noqa: N801 - an SQL function
    """SQL function of an instant and whole seconds: the sum of both."""

    type = Instant()
    inherit_cache = True


@compiles(later)
def _later(element: later, compiler: SQLCompiler, **options: Any) -> str:
    instant, seconds = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({instant} + {seconds} * 1000000)"


@compiles(later, "postgresql")
def _later_on_postgresql(element: later, compiler: SQLCompiler, **options: Any) -> str:
    instant, seconds = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({instant} + {seconds} * interval '1 second')"


_JSON = JSON().with_variant(JSONB(), "postgresql")


def _listed(statuses: Iterable[StrEnum]) -> str:
    return ", ".join(f"'{status}'" for status in sorted(statuses))


_ENDED = _listed(frozenset(Status) - OPEN)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Values that the installation has once (``store/installation.py``).
installation = Table(
    "installation",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", Text, nullable=False),
)

tenant = Table(
    "tenant",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("zone", String(64), nullable=False),
    Column("company_key", String(64), nullable=True, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("is_verified", Boolean, nullable=False, server_default=text("true")),
    Column("options", _JSON, nullable=True),
    Column("removing_at", Instant, nullable=True),
    Column("audit_after", BigInteger, nullable=True),
)

credential = Table(
    "credential",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("tenant", String(63), ForeignKey("tenant.name"), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("user", String(320), nullable=True, index=True),
    Column("name", String(64), nullable=False),
    Column("secret_hash", Text, nullable=False),
    Column("previous_hash", Text, nullable=True),
    Column("previous_until", Instant, nullable=True),
    Column("generation", Integer, nullable=False, server_default=text("1")),
    Column("scopes", Text, nullable=False),
    Column("reports", Text, nullable=True),
    Column("personal", Boolean, nullable=False, server_default=text("true")),
    Column("created_at", Instant, nullable=False),
    Column("revoked", Boolean, nullable=False, server_default=text("false")),
    Column("shares", Text, nullable=True),
    Column("expires_at", Instant, nullable=True),
    CheckConstraint("(previous_hash IS NULL) = (previous_until IS NULL)", name="previous_whole"),
)
_ACTIVE_USER = text("kind = 'basic' AND NOT revoked")
Index("ix_credential_active_user", credential.c.tenant, credential.c.user, unique=True,
      postgresql_where=_ACTIVE_USER, sqlite_where=_ACTIVE_USER)  # fmt: skip

token = Table(
    "token",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("tenant", String(63), ForeignKey("tenant.name"), nullable=False),
    Column("credential", String(64), ForeignKey("credential.id"), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("kind", String(16), nullable=False, server_default="access"),
    Column("family", String(36), nullable=True, index=True),
    Column("used_at", Instant, nullable=True),
)

Index("ix_token_credential_expires_at", token.c.credential, token.c.expires_at)

credential_key = Table(
    "credential_key",
    metadata,
    Column("credential", String(64), ForeignKey("credential.id"), primary_key=True),
    Column("kid", String(255), primary_key=True),
    Column("public_key", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

assertion = Table(
    "assertion",
    metadata,
    Column("credential", String(64), ForeignKey("credential.id"), primary_key=True),
    Column("jti", String(64), primary_key=True),
    Column("expires_at", Instant, nullable=False, index=True),
)

job = Table(
    "job",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("tenant", String(63), ForeignKey("tenant.name"), nullable=False),
    Column("principal", String(64), nullable=False),
    Column("dialect", String(16), nullable=False),
    Column("report", String(64), nullable=False),
    Column("format", String(16), nullable=False),
    Column("request", _JSON, nullable=False),
    Column("request_bytes", Integer, nullable=False, server_default=text("0")),
    Column("status", String(16), nullable=False),
    Column("fence", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("not_before", Instant, nullable=False),
    Column("started_at", Instant, nullable=True),
    Column("finished_at", Instant, nullable=True),
    Column("expires_at", Instant, nullable=True),
    Column("lease_worker", String(128), nullable=True),
    Column("lease_until", Instant, nullable=True),
    Column("artifact_key", Text, nullable=True),
    Column("rows", BigInteger, nullable=True),
    Column("bytes", BigInteger, nullable=True),
    Column("sha256", String(64), nullable=True),
    Column("failure_code", String(64), nullable=True),
    Column("failure_message", Text, nullable=True),
    Column("reference", String(128), nullable=True),
    Column("actor", String(320), nullable=True),
    Column("effective", String(320), nullable=True),
    Column("estimated_seconds", Integer, nullable=False, server_default=text("0")),
    Column("held_at", Instant, nullable=True),
    Column("files", Integer, nullable=True),
    Column("report_version", String(64), nullable=True),
    Column("lake_versions", _JSON, nullable=True),
    Column("notices", _JSON, nullable=True),
    Column("phase", String(16), nullable=True),
    Column("rows_so_far", BigInteger, nullable=True),
    Column("held_by", String(64), nullable=True),
    Column("estimated_rows", BigInteger, nullable=True),
    CheckConstraint(f"status IN ({_listed(frozenset(Status))})", name="status"),
    CheckConstraint(f"(finished_at IS NOT NULL) = (status IN ({_ENDED}))", name="finished"),
    CheckConstraint(
        f"(lease_until IS NOT NULL AND lease_worker IS NOT NULL) = (status IN ({_listed(LEASED)}))", name="leased"
    ),
    CheckConstraint("(artifact_key IS NOT NULL) = (status = 'succeeded')", name="published"),
    CheckConstraint(
        "artifact_key IS NULL OR (rows IS NOT NULL AND bytes IS NOT NULL AND sha256 IS NOT NULL)", name="verified"
    ),
    CheckConstraint("(failure_code IS NULL) = (failure_message IS NULL)", name="failure_whole"),
    CheckConstraint("status <> 'failed' OR failure_code IS NOT NULL", name="failure"),
    CheckConstraint("failure_code IS NULL OR status IN ('failed', 'deleted')", name="failure_kept"),
    CheckConstraint("fence >= attempts AND attempts >= 0", name="fence"),
)
Index("ix_job_claim", job.c.not_before, job.c.created_at, postgresql_where=job.c.status == "queued",
      sqlite_where=job.c.status == "queued")  # fmt: skip
Index("ix_job_open", job.c.tenant, job.c.dialect, postgresql_where=job.c.status.in_(sorted(OPEN)),
      sqlite_where=job.c.status.in_(sorted(OPEN)))  # fmt: skip
Index("ix_job_lease", job.c.lease_until, postgresql_where=job.c.lease_until.is_not(None),
      sqlite_where=job.c.lease_until.is_not(None))  # fmt: skip
Index("ix_job_served", job.c.tenant, job.c.started_at)
Index("ix_job_list", job.c.tenant, job.c.dialect, job.c.report, job.c.created_at)
Index("ix_job_list_all", job.c.tenant, job.c.dialect, job.c.created_at)
Index("ix_job_expiry", job.c.expires_at, postgresql_where=job.c.status == "succeeded",
      sqlite_where=job.c.status == "succeeded")  # fmt: skip
Index("ix_job_reference", job.c.reference, unique=True)
_WITHOUT_FILE = job.c.status.in_(sorted(frozenset(Status) - OPEN - {Status.SUCCEEDED}))
Index("ix_job_purge", job.c.finished_at, postgresql_where=_WITHOUT_FILE, sqlite_where=_WITHOUT_FILE)

# The files of a published artifact. A job that an older release published has no rows here: its only file is that of
# its own row.
artifact_file = Table(
    "artifact_file",
    metadata,
    Column("job", String(36), ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("blocks", _JSON, nullable=False),
    Column("first_key", _JSON, nullable=True),
    Column("last_key", _JSON, nullable=True),
)

# The manifest of a published artifact without its files (``store/manifests.py``).
manifest = Table(
    "manifest",
    metadata,
    Column("job", String(36), ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
    Column("document", _JSON, nullable=False),
)

# Erasures of persons. ``subject`` is a keyed hash; ``found`` has the person's values until all rows are erased.
erasure = Table(
    "erasure",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("tenant", String(63), ForeignKey("tenant.name"), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant, nullable=True),
    Column("found", _JSON, nullable=True),
    Column("receipt", _JSON, nullable=False),
)
Index("ix_erasure_tenant_subject", erasure.c.tenant, erasure.c.subject)

tenant_usage = Table(
    "tenant_usage",
    metadata,
    Column("tenant", String(63), ForeignKey("tenant.name"), primary_key=True),
    Column("files", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("request_bytes", BigInteger, nullable=False),
    Column("day", Instant, nullable=True),
    Column("day_bytes", BigInteger, nullable=False),
)

rate = Table(
    "rate",
    metadata,
    Column("tenant", String(63), ForeignKey("tenant.name"), primary_key=True),
    Column("principal", String(64), primary_key=True),
    Column("dialect", String(16), primary_key=True),
    Column("operation", String(16), primary_key=True, server_default=text("''")),
    Column("began_at", Instant, nullable=False),
    Column("requests", Integer, nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("tenant", String(63), ForeignKey("tenant.name"), primary_key=True),
    Column("dialect", String(16), primary_key=True),
    Column("owner", String(320), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("job", String(36), ForeignKey("job.id"), nullable=False),
    Column("created_at", Instant, nullable=False),
)

# No foreign key: a message about a deleted job is harmless and must not prevent the deletion.
outbox = Table(
    "outbox",
    metadata,
    Column("job", String(36), primary_key=True),
    Column("kind", String(8), primary_key=True),
    Column("tenant", String(63), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("not_before", Instant, nullable=False, index=True),
    Column("tries", Integer, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("tenant", String(63), nullable=True),
    Column("principal", String(64), nullable=True),
    Column("operation", String(64), nullable=False),
    Column("dialect", String(16), nullable=False),
    Column("job", String(36), nullable=True),
    Column("address", String(64), nullable=True),
    Column("outcome", String(32), nullable=False),
    Column("count", Integer, nullable=False, server_default=text("1")),
    Column("actor", String(320), nullable=True),
    Column("effective", String(320), nullable=True),
    Column("report", String(64), nullable=True),
    Column("format", String(16), nullable=True),
    Column("column_count", Integer, nullable=True),
)
Index("ix_audit_tenant_at", audit.c.tenant, audit.c.at)

counter = Table(
    "counter",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("dialect", String(16), primary_key=True),
    Column("label", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

worker = Table(
    "worker",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("seen_at", Instant, nullable=False),
)

# How often the resources of exports were reduced until they fitted into memory (``store/memory_reductions.py``).
memory_reduction = Table(
    "memory_reduction",
    metadata,
    Column("tenant", String(63), ForeignKey("tenant.name"), primary_key=True),
    Column("report", String(64), primary_key=True),
    Column("format", String(16), primary_key=True),
    Column("memory_mb", Integer, primary_key=True, autoincrement=False),
    Column("size_class", Integer, primary_key=True, autoincrement=False),
    Column("reductions", Integer, nullable=False),
    Column("recorded_at", Instant, nullable=False),
)

# The process that holds a role which one process has at a time, until its lease runs out (``store/leaders.py``).
leader = Table(
    "leader",
    metadata,
    Column("role", String(32), primary_key=True),
    Column("holder", String(128), nullable=False),
    Column("lease_until", Instant, nullable=False),
)

# When a task of maintenance is to run next; a task without a row is due (``store/maintenance_tasks.py``).
maintenance_task = Table(
    "maintenance_task",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("due_at", Instant, nullable=False),
)

# The record of each change of rows in the lake. No foreign key: it outlives its tenant, as the audit log does.
load = Table(
    "load",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("tenant", String(63), nullable=False),
    Column("table_name", String(64), nullable=False),
    Column("actor", String(320), nullable=False),
    Column("source", _JSON, nullable=False),
    Column("mapping_digest", String(64), nullable=True),
    Column("undoes", String(36), nullable=True),
    Column("undone_by", String(36), nullable=True),
    Column("state", String(16), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant, nullable=True),
    Column("base_version", BigInteger, nullable=True),
    Column("version", BigInteger, nullable=True),
    Column("counts", _JSON, nullable=False),
    Column("failure", String(64), nullable=True),
    Column("complete_until", Instant, nullable=True),
    Column("lowers_completeness", Boolean, nullable=True),  # null in rows of an earlier release
    CheckConstraint(f"state IN ({_listed(LoadState)})", name="state"),
    CheckConstraint("(state = 'running') = (finished_at IS NULL)", name="finished"),
    CheckConstraint("(state = 'failed') = (failure IS NOT NULL)", name="failure"),
    CheckConstraint("(state = 'undone') = (undone_by IS NOT NULL)", name="undone"),
)
Index("ix_load_tenant_table_name_started_at", load.c.tenant, load.c.table_name, load.c.started_at)
# The files of sources (``store/source_files.py``). No foreign keys, as for loads.
source_file = Table(
    "source_file",
    metadata,
    Column("tenant", String(63), primary_key=True),
    Column("source", String(32), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("not_before", Instant, nullable=False),
    Column("load", String(36), nullable=True),
    Column("error", String(64), nullable=True),
    Column("finished_at", Instant, nullable=True),
    CheckConstraint(f"state IN ({_listed(FileState)})", name="state"),
    CheckConstraint("state <> 'loading' OR load IS NOT NULL", name="loading"),
)
# Shared tables, and the exports that were created for them; those with a number are versions
# (``store/shared_tables.py``).
shared_table = Table(
    "shared_table",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("tenant", String(63), ForeignKey("tenant.name"), nullable=False),
    Column("share", String(63), nullable=False),
    Column("schema", String(63), nullable=False),
    Column("table_name", String(63), nullable=False),
    Column("report", String(64), nullable=False),
    Column("body", _JSON, nullable=False),
    Column("personal", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("versions", Integer, nullable=False),
    UniqueConstraint("tenant", "share", "schema", "table_name"),
)
shared_export = Table(
    "shared_export",
    metadata,
    Column("job", String(36), ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
    Column("shared_table", String(36), ForeignKey("shared_table.id"), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("number", Integer, nullable=True),
    Column("published_at", Instant, nullable=True),
    UniqueConstraint("shared_table", "number"),
    CheckConstraint("(number IS NULL) = (published_at IS NULL)", name="numbered"),
)
Index("ix_shared_export_shared_table_created_at", shared_export.c.shared_table, shared_export.c.created_at)
_DECLARES = load.c.complete_until.is_not(None)
Index(
    "ix_load_complete_until",
    load.c.tenant,
    load.c.table_name,
    load.c.complete_until,
    postgresql_where=_DECLARES,
    sqlite_where=_DECLARES,
)
