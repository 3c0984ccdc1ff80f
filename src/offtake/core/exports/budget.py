"""Budgets of tenants: what one tenant may keep, publish in a day and leave in the state database, over all dialects.

A request over the budget is refused before its job exists; the answer says which limit it is and when there is room.
The size of a file is known only when it is written, so an export whose file would exceed the budget fails, at the
latest before the file is published. The usage row of the tenant is locked meanwhile, so concurrent exports cannot
exceed the budget together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn

from sqlalchemy import Connection

from offtake.core.auth.authorization import require
from offtake.core.auth.caller import Caller
from offtake.core.exports.read import visible_jobs
from offtake.core.policy import Budget
from offtake.core.services import Services
from offtake.errors import BudgetExceeded, KeptExport, TenantBudgetExhausted
from offtake.model.artifact import Artifact
from offtake.model.job import JobFilter
from offtake.model.tenant import Scope
from offtake.store import job_queries, kept_files, purge, usage
from offtake.store.usage import Usage

_MIB = 1024 * 1024
_DAY = timedelta(days=1)
_MOST_NAMED = 5  # exports that a refusal names
_REMEDY = "ask for a shorter timespan, delete files, or have the operator raise the budget"
QUOTA_RETRY_SECONDS = 5  # the end of an open job cannot be predicted, and an early retry is cheap


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUsage:
    """What an account uses of its limits."""

    usage: Usage
    open_exports: int  # of one dialect
    daily_bytes: int  # published today (UTC)
    next_expiry: datetime | None  # of a file that is not held


def account_usage(by: Caller, dialect: str, on: Services) -> AccountUsage:
    """Return what the caller's account uses; to a caller that may not see all jobs, only what those use that it sees.

    Raises NotPermitted.
    """
    require(by.principal, Scope.READ)
    tenant, visible = by.principal.tenant, visible_jobs(by, on)
    with on.database.read() as connection:
        if _is_restricted(visible):
            now = on.now(connection)
            own = kept_files.read(connection, visible, dialect=dialect, now=now)
            return AccountUsage(
                usage=own.usage,
                open_exports=own.open,
                daily_bytes=own.usage.published_on(now),
                next_expiry=own.next_expiry,
            )
        used = usage.read(connection, tenant)
        return AccountUsage(
            usage=used,
            open_exports=job_queries.count_open(connection, tenant=tenant, dialect=dialect),
            daily_bytes=used.published_on(on.now(connection)),
            next_expiry=usage.when_freed(connection, tenant, files=1, size=0, rows=0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAllowance:
    """What one more file of the tenant may have. None: no limit."""

    bytes: int | None
    rows: int | None


def require_room(
    connection: Connection, visible: JobFilter, on: Services, *, request_bytes: int, now: datetime
) -> None:
    """Raise BudgetExceeded if the tenant may not create one more export. Call it with the tenant locked.

    ``visible`` are the tenant's jobs that the caller may see: a caller that may not see all learns no sums over all.

    Locks the usage as well: an export that ends meanwhile would count neither as a file nor as open.
    """
    tenant, numbers = visible.tenant or "", not _is_restricted(visible)
    budget, used = on.budgets.of(tenant), usage.read(connection, tenant, lock=True)
    if budget.request_bytes is not None and used.request_bytes + request_bytes > budget.request_bytes:
        excess = used.request_bytes + request_bytes - budget.request_bytes
        ended_at = purge.end_that_frees(connection, tenant, excess)
        raise _refusal(
            f"The stored requests of the account take {_mib(used.request_bytes)} of {_mib(budget.request_bytes)} MiB"
            if numbers
            else f"The stored requests of the account may take {_mib(budget.request_bytes)} MiB",
            f"records of ended exports are removed after {budget.ended_life / _DAY:g} days",
            None if ended_at is None else ended_at + budget.ended_life,
            now,
        )
    if budget.daily_bytes is not None and used.published_on(now) >= budget.daily_bytes:
        raise _refusal(
            f"The account exported {_mib(used.published_on(now))} MiB today (UTC) and may export "
            f"{_mib(budget.daily_bytes)}"
            if numbers
            else f"The account may export {_mib(budget.daily_bytes)} MiB a day (UTC)",
            "wait until midnight UTC",
            usage.start_of_day(now) + _DAY,
            now,
        )
    open_jobs = job_queries.count_open(connection, tenant=tenant)
    excess_of_files = _excess(budget, used, on, open_jobs=open_jobs, numbers=numbers)
    if excess_of_files.words is not None:
        _refuse_files(connection, visible, excess_of_files, has_open_jobs=open_jobs > 0, now=now)


def _is_restricted(visible: JobFilter) -> bool:
    return visible.person is not None or visible.reports is not None


def allowance(connection: Connection, tenant: str, on: Services, *, now: datetime) -> FileAllowance:
    """Return what one more file may have under the budget, as it is used now."""
    budget, used = on.budgets.of(tenant), usage.read(connection, tenant)
    kept, daily = kept_bytes(budget, on), budget.daily_bytes
    left = [
        *([] if kept is None else [kept - used.bytes]),
        *([] if daily is None else [daily - used.published_on(now)]),
    ]
    rows = None if budget.kept_rows is None else max(0, budget.kept_rows - used.rows)
    return FileAllowance(bytes=max(0, min(left)) if left else None, rows=rows)


def current_allowance(tenant: str, on: Services) -> FileAllowance:
    """Return what one more file may have now, in a transaction of its own."""
    with on.database.read() as connection:
        return allowance(connection, tenant, on, now=on.now(connection))


def require_room_for(connection: Connection, tenant: str, artifact: Artifact, on: Services, *, now: datetime) -> None:
    """Raise TenantBudgetExhausted if the files would exceed the tenant's budget. Locks the tenant's usage."""
    used, budget = usage.read(connection, tenant, lock=True), on.budgets.of(tenant)
    allowed = allowance(connection, tenant, on, now=now)
    if budget.kept_files is not None and used.files + artifact.files > budget.kept_files:
        left = max(0, budget.kept_files - used.files)
        message = (
            f"The export has {artifact.files} files, and the account may keep {left} more (of {budget.kept_files}); "
            f"{_REMEDY}."
        )
        raise TenantBudgetExhausted(message)
    check(artifact.bytes, artifact.rows, allowed)


def check(size: int, rows: int, allowed: FileAllowance) -> None:
    """Raise TenantBudgetExhausted if a file of that size is larger than allowed."""
    if allowed.bytes is not None and size > allowed.bytes:
        raise exhausted(allowed)
    if allowed.rows is not None and rows > allowed.rows:
        raise exhausted(allowed)


def exhausted(allowed: FileAllowance) -> TenantBudgetExhausted:
    """Return the failure of an export whose file exceeds what is left of the budget."""
    left = [
        *([] if allowed.bytes is None else [f"{_mib(allowed.bytes)} MiB"]),
        *([] if allowed.rows is None else [f"{allowed.rows} rows"]),
    ]
    message = f"The file exceeds what is left of the account's budget ({' and '.join(left)}); {_REMEDY}."
    return TenantBudgetExhausted(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Excess:
    """What has to expire before the tenant may create one more export, and the first limit that is reached."""

    files: int
    bytes: int
    rows: int
    words: str | None

    @property
    def of(self) -> str:
        """What exceeds its limit."""
        return "files" if self.files else "bytes" if self.bytes else "rows"


def _excess(budget: Budget, used: Usage, on: Services, *, open_jobs: int, numbers: bool) -> _Excess:
    """Compare what is kept with its limits. Each open job will have one file. ``numbers``: say what is used."""
    kept = kept_bytes(budget, on)
    files = 0 if budget.kept_files is None else max(0, used.files + open_jobs + 1 - budget.kept_files)
    size = 0 if kept is None else max(0, used.bytes + 1 - kept)
    rows = 0 if budget.kept_rows is None else max(0, used.rows + 1 - budget.kept_rows)
    words = None
    if files:
        words = f"The account's limit of files is {budget.kept_files}"
        words += f" (kept: {used.files}, open exports: {open_jobs})" if numbers else ""
    elif kept is not None and size:
        words = (
            f"The files of the account take {_mib(used.bytes)} MiB and may take {_mib(kept)}"
            if numbers
            else f"The files of the account may take {_mib(kept)} MiB"
        )
    elif rows:
        words = (
            f"The files of the account have {used.rows} rows and may have {budget.kept_rows}"
            if numbers
            else f"The files of the account may have {budget.kept_rows} rows"
        )
    return _Excess(files=files, bytes=size, rows=rows, words=words)


def _refuse_files(
    connection: Connection, visible: JobFilter, excess: _Excess, *, has_open_jobs: bool, now: datetime
) -> NoReturn:
    """Raise BudgetExceeded with the time at which enough files have expired, and the exports that keep the most.

    If the kept files alone are too few for that, the end of an open export decides, as with the quota of open exports.
    """
    tenant = visible.tenant or ""
    until = usage.when_freed(connection, tenant, files=excess.files, size=excess.bytes, rows=excess.rows)
    if until is None and has_open_jobs:
        until = now + timedelta(seconds=QUOTA_RETRY_SECONDS)
    largest = [
        KeptExport(
            job=each.id,
            dialect=each.request.dialect,
            report=each.request.report,
            files=each.artifact.files,
            bytes=each.artifact.bytes,
            rows=each.artifact.rows,
        )
        for each in kept_files.largest(connection, visible, by=excess.of, limit=_MOST_NAMED)
        if each.artifact is not None
    ]
    raise _refusal(f"{excess.words}", "delete files, or wait until the retention of some ends", until, now, largest)


def kept_bytes(budget: Budget, on: Services) -> int | None:
    """Return the smaller of the limit in bytes and the share of the artifact store's disk, if it is on one."""
    capacity = on.artifacts.capacity
    share = None if capacity is None or budget.kept_share >= 1 else int(capacity * budget.kept_share)
    limits = [limit for limit in (budget.kept_bytes, share) if limit is not None]
    return min(limits) if limits else None


def _refusal(
    what: str, remedy: str, until: datetime | None, now: datetime, largest: Sequence[KeptExport] = ()
) -> BudgetExceeded:
    wait = None if until is None else max(1, math.ceil((until - now).total_seconds()))
    return BudgetExceeded(f"{what}; {remedy}.", retry_after=wait, largest=largest)


def _mib(size: int) -> str:
    return f"{size / _MIB:.4g}" if size < 1000 * _MIB else f"{size // _MIB}"
