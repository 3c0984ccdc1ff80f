"""``offtake sweep``."""

from __future__ import annotations

from typing import Annotated

import typer

from offtake.cli.installation import open_home, storage_checked
from offtake.cli.options import DEFAULT_HOME, HomeOption, JsonOption, show
from offtake.core.exports import retention
from offtake.core.exports.retention import RemovalCounts
from offtake.core.services import Services
from offtake.errors import LakeError

_NO_LIMIT = 1_000_000  # more jobs than one sweep finds


def sweep(
    home: HomeOption = DEFAULT_HOME,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count the files that would be removed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove files whose retention has ended and files that no job refers to, as the maintenance loop does regularly.

    Files of jobs on hold stay. What a killed load left counts as one file. Old tombstones of the lake are removed too.
    """
    services = open_home(home)
    services.artifacts.check()
    if dry_run:
        expired = len(retention.expired_jobs(services, limit=_NO_LIMIT))
        orphaned = retention.count_orphans(services)
        result = {"dry_run": True, "expired": expired, "orphaned": orphaned}
        show(result, as_json, f"{expired:,} expired and {orphaned:,} orphaned files would be removed.")
        return
    with storage_checked(services):
        expiry, orphans = _expire_all(services), retention.sweep(services)
    failed = expiry.failed + orphans.failed
    result = {"dry_run": False, "expired": expiry.done, "orphaned": orphans.done, "failed": failed}
    show(result, as_json, f"{expiry.done:,} expired and {orphans.done:,} orphaned files were removed.")
    if failed:
        raise LakeError(f"{failed:,} files could not be removed; the maintenance loop tries again.")


def _expire_all(on: Services) -> RemovalCounts:
    """Expire files in batches until a batch removes nothing."""
    total = RemovalCounts()
    while True:
        batch = retention.expire(on)
        total.done += batch.done
        if not batch.done:
            total.failed = batch.failed
            return total
