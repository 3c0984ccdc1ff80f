"""The maintenance tasks and their intervals.

Every task consists of conditional statements and of removals of files that no row needs any more. So two processes may
run the same task at the same time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog

from offtake.core import counters, dispatch
from offtake.core.admin import worker_registry
from offtake.core.attempt import outcome
from offtake.core.exports import retention
from offtake.core.loads.resolve import resolve_all
from offtake.core.services import Services
from offtake.store import maintenance_tasks
from offtake.store.maintenance_tasks import SWEEP

_log = structlog.get_logger("offtake.maintenance")
_RECORDS_INTERVAL = timedelta(minutes=1)
_PURGE_INTERVAL = timedelta(hours=1)
_TOMBSTONES, _TOMBSTONES_INTERVAL = "sweep_tombstones", timedelta(hours=6)  # they live for days


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """Time between the end of one run of a task and the start of the next."""

    rescue: timedelta = timedelta(seconds=1)
    expire: timedelta = timedelta(minutes=1)
    sweep: timedelta = timedelta(minutes=10)
    redispatch: timedelta = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task. ``run`` returns whether work is left for another run.

    ``recorded``: the state database records when the task is due. A task that runs every second is not recorded,
    because the record would cost more than the run; its caller waits ``every`` between two runs.
    """

    name: str
    every: timedelta
    run: Callable[[Services], bool]
    recorded: bool = True


def tasks(on: Services, intervals: Intervals) -> tuple[Task, ...]:
    """Return every task of an installation."""
    common = (
        Task(name="rescue", every=intervals.rescue, run=_rescue, recorded=False),
        Task(name="expire", every=intervals.expire, run=_expire),
        Task(name=SWEEP, every=intervals.sweep, run=_sweep),
        Task(name="purge", every=_PURGE_INTERVAL, run=_purge),
        Task(name=_TOMBSTONES, every=_TOMBSTONES_INTERVAL, run=_sweep_tombstones),
        Task(name="forget_workers", every=_RECORDS_INTERVAL, run=_forget_workers),
        Task(name="fix_timestamps", every=_RECORDS_INTERVAL, run=_fix_timestamps),
        Task(name="resolve_loads", every=_RECORDS_INTERVAL, run=_resolve_loads),
    )
    redispatch = Task(
        name="redispatch", every=intervals.redispatch, run=partial(_redispatch, min_age=intervals.redispatch)
    )
    return (*common, redispatch) if on.dispatches else common


def run_if_due(task: Task, on: Services) -> bool:
    """Run the task if it is due, and an unrecorded task always; return whether it is due again at once.

    Raises OfftakeError.
    """
    if not task.recorded:
        return task.run(on)
    with on.database.read() as connection:
        recorded, now = maintenance_tasks.due_at(connection, task.name), on.now(connection)
    # An instant later than that was recorded before the clock was put back, or with a longer interval.
    if recorded is not None and now < recorded <= now + task.every:
        return False
    has_more = task.run(on)
    with on.database.write() as connection:
        now = on.now(connection)
        due_at = now if has_more else now + task.every
        maintenance_tasks.reschedule(connection, task.name, seen=recorded, due_at=due_at)
    return has_more


def count_removed(task: str, on: Services, removed: retention.RemovalCounts) -> None:
    """Count and log the files that one run of a task removed or failed to remove."""
    counters.swept(task, on, done=removed.done, failed=removed.failed)
    if removed.done or removed.failed:
        log = _log.warning if removed.failed else _log.info
        log("files_removed", task=task, removed=removed.done, failed=removed.failed)


def _rescue(on: Services) -> bool:
    """Requeue jobs whose worker died or stopped renewing its lease."""
    rescued = outcome.rescue_expired_leases(on)
    if rescued:
        _log.info("leases_rescued", jobs=rescued)
    return False


def _expire(on: Services) -> bool:
    """Remove files whose retention is over."""
    removed = retention.expire(on)
    count_removed("expire", on, removed)
    return removed.done >= retention.EXPIRY_BATCH_SIZE


def _sweep(on: Services) -> bool:
    """Remove published files that no job needs."""
    count_removed(SWEEP, on, retention.sweep_published(on))
    return False


def _sweep_tombstones(on: Services) -> bool:
    """Remove tombstones of the lake that no reader of changes needs any more."""
    count_removed(_TOMBSTONES, on, retention.sweep_tombstones(on))
    return False


def _purge(on: Services) -> bool:
    """Remove records of jobs without a file that ended long ago."""
    removed = retention.purge_records(on)
    if removed:
        _log.info("jobs_purged", jobs=removed)
    return removed >= retention.PURGE_BATCH_SIZE


def _forget_workers(on: Services) -> bool:
    """Deregister workers whose registration expired long ago."""
    worker_registry.forget_stale(on)
    return False


def _fix_timestamps(on: Services) -> bool:
    """Make jobs due that wait only because the clock was put back."""
    fixed = outcome.fix_future_timestamps(on)
    if fixed:
        _log.warning("clock_put_back", jobs=fixed)
    return False


def _resolve_loads(on: Services) -> bool:
    """Resolve the records of loads whose process was killed."""
    resolve_all(on)
    return False


def _redispatch(on: Services, *, min_age: timedelta) -> bool:
    """Re-dispatch jobs that have been runnable for at least ``min_age`` and are unclaimed.

    One batch per interval: jobs that only wait for a worker qualify again each time, and new messages queue behind.
    """
    dispatched = dispatch.redispatch(on, min_age=min_age)
    if dispatched:
        _log.info("jobs_redispatched", jobs=dispatched)
    return False
