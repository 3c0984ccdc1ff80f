"""Publication of an attempt's files: they move to their final keys, then one fenced statement makes them visible."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from offtake.core.attempt.cancellation import Cancellation
from offtake.core.counters import published as published_counters
from offtake.core.exports import budget
from offtake.core.exports.shared_versions import add_version
from offtake.core.services import Services
from offtake.errors import AttemptInterrupted, TenantBudgetExhausted
from offtake.model.job import Lease
from offtake.model.manifest import Manifest
from offtake.store import counters, jobs, manifests

_LEASE_LOST = "The lease was lost before the files could be published."


def publish(
    lease: Lease, manifest: Manifest, staged: Sequence[Path], *, on: Services, cancellation: Cancellation
) -> None:
    """Move the staged files to the keys of the manifest's files, then publish the manifest by one fenced UPDATE.

    Either all files and the manifest become visible, or none: if the lease was lost or the budget was used up in
    between, the files are removed. Raises AttemptInterrupted, TenantBudgetExhausted, and errors of the artifact store.
    """
    with on.database.write() as connection:
        now = on.now(connection)
        budget.require_room_for(connection, lease.job.tenant, manifest.artifact, on, now=now)
        if not jobs.upload(connection, lease):
            raise AttemptInterrupted(_LEASE_LOST)
    for path, file in zip(staged, manifest.files, strict=True):
        on.artifacts.keep(path, file.key, cancellation.check)
        on.reached("moved", lease)
    on.reached("renamed", lease)
    retention = on.limits[lease.job.request.dialect].of(lease.job.tenant).retention
    try:
        published = _record(lease, manifest, retention, on)
    except TenantBudgetExhausted:  # exports that ran at the same time used it up
        _remove(manifest, on)
        raise
    if not published:
        _remove(manifest, on)
        raise AttemptInterrupted(_LEASE_LOST)


def _remove(manifest: Manifest, on: Services) -> None:
    for file in manifest.files:
        on.artifacts.remove(file.key)


def _record(lease: Lease, manifest: Manifest, retention: timedelta, on: Services) -> bool:
    """Publish the manifest, unless it exceeds the tenant's budget. Return False if the lease was lost."""
    artifact = manifest.artifact
    with on.database.write() as connection:
        now = on.now(connection)
        budget.require_room_for(connection, lease.job.tenant, artifact, on, now=now)
        published = jobs.succeed(connection, lease, artifact, now=now, expires_at=now + retention)
        if published:
            manifests.add(connection, lease.job.id, manifest)
            counters.add(connection, published_counters(lease, artifact, now=now))
            add_version(connection, lease.job.id, now=now, retention=retention)
    return published
