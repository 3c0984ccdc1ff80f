"""``offtake sweep``."""

from __future__ import annotations

from typing import Annotated

import typer

from offtake.cli.options import DEFAULT_HOME, HomeOption, JsonOption, open_home, show
from offtake.core.exports import retention
from offtake.core.exports.retention import RemovalCounts
from offtake.core.services import Services
from offtake.errors import LakeError

_EVERY = 1_000_000  # more jobs than one sweep meets


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(sweep)


def sweep(
    home: HomeOption = DEFAULT_HOME,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove files whose retention is over, and files that no job names. Workers do the same now and then.

    Files of jobs on hold stay.
    """
    services = open_home(home)
    if dry_run:
        expired, orphaned = len(retention.expired_jobs(services, limit=_EVERY)), len(list(retention.orphans(services)))
        result = {"dry_run": True, "expired": expired, "orphaned": orphaned}
        show(result, as_json, f"{expired:,} expired and {orphaned:,} orphaned files would go.")
        return
    expiry, orphans = _expire_all(services), retention.sweep(services)
    failed = expiry.failed + orphans.failed
    result = {"dry_run": False, "expired": expiry.done, "orphaned": orphans.done, "failed": failed}
    show(result, as_json, f"{expiry.done:,} expired and {orphans.done:,} orphaned files are gone.")
    if failed:
        raise LakeError(f"{failed:,} files cannot be removed at the moment; workers try again.")


def _expire_all(on: Services) -> RemovalCounts:
    """Round after round, until one removes nothing."""
    whole = RemovalCounts()
    while True:
        tally = retention.expire(on)
        whole.done += tally.done
        if not tally.done:
            whole.failed = tally.failed
            return whole
