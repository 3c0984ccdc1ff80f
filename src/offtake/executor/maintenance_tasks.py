"""The maintenance tasks: what each does, and how often.

Every step of every task is one conditional statement, or removes a file that no row needs any more. So two processes
that run the same task at the same time do no harm.
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
from offtake.core.services import Services
from offtake.store import maintenance_tasks
from offtake.store.maintenance_tasks import SWEEP

_log = structlog.get_logger("offtake.maintenance")
_RECORDS_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """Time between the end of one run of a task and the start of the next."""

    rescue: timedelta = timedelta(seconds=1)
    expire: timedelta = timedelta(minutes=1)
    sweep: timedelta = timedelta(minutes=10)
    redispatch: timedelta = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task. ``run`` returns whether more is left to do than one run does.

    ``recorded``: the state database keeps when the task is due. A task that runs every second is not recorded, because
    the record would cost more than the run.
    """

    name: str
    every: timedelta
    run: Callable[[Services], bool]
    recorded: bool = True


def tasks(on: Services, intervals: Intervals) -> tuple[Task, ...]:
    """Every task of an installation."""
    every = (
        Task(name="rescue", every=intervals.rescue, run=_rescue, recorded=False),
        Task(name="expire", every=intervals.expire, run=_expire),
        Task(name=SWEEP, every=intervals.sweep, run=_sweep),
        Task(name="forget_workers", every=_RECORDS_EVERY, run=_forget_workers),
        Task(name="fix_timestamps", every=_RECORDS_EVERY, run=_fix_timestamps),
    )
    again = Task(name="redispatch", every=intervals.redispatch, run=partial(_redispatch, min_age=intervals.redispatch))
    return (*every, again) if on.dispatches else every


def run_if_due(task: Task, on: Services) -> bool:
    """Run the task if it is due. Return whether it is due again at once. Raises OfftakeError."""
    if not task.recorded:
        return task.run(on)
    with on.database.read() as connection:
        seen, now = maintenance_tasks.due_at(connection, task.name), on.now(connection)
    # A later instant is from before the clock was put back, or from a longer interval.
    if seen is not None and now < seen <= now + task.every:
        return False
    more = task.run(on)
    with on.database.write() as connection:
        now = on.now(connection)
        due_at = now if more else now + task.every
        maintenance_tasks.reschedule(connection, task.name, seen=seen, due_at=due_at)
    return more


def count_removed(task: str, on: Services, tally: retention.RemovalCounts) -> None:
    """Count and log the files that a run of that task removed."""
    counters.swept(task, on, done=tally.done, failed=tally.failed)
    if tally.done or tally.failed:
        level = _log.warning if tally.failed else _log.info
        level("files_removed", task=task, removed=tally.done, failed=tally.failed)


def _rescue(on: Services) -> bool:
    """Take back the leases of workers that died or fell silent."""
    rescued = outcome.rescue_expired_leases(on)
    if rescued:
        _log.info("leases_rescued", jobs=rescued)
    return False


def _expire(on: Services) -> bool:
    """Remove files whose retention is over."""
    tally = retention.expire(on)
    count_removed("expire", on, tally)
    return tally.done >= retention.EXPIRY_BATCH_SIZE


def _sweep(on: Services) -> bool:
    """Remove published files that no job needs."""
    count_removed(SWEEP, on, retention.sweep_published(on))
    return False


def _forget_workers(on: Services) -> bool:
    """Forget workers that were killed long ago."""
    worker_registry.forget_stale(on)
    return False


def _fix_timestamps(on: Services) -> bool:
    """Make due the jobs that wait only because the clock was put back."""
    fixed = outcome.fix_future_timestamps(on)
    if fixed:
        _log.warning("clock_put_back", jobs=fixed)
    return False


def _redispatch(on: Services, *, min_age: timedelta) -> bool:
    """Dispatch jobs again that have been runnable for ``min_age`` and are unclaimed."""
    dispatched = dispatch.redispatch(on, min_age=min_age)
    if dispatched:
        _log.info("jobs_redispatched", jobs=dispatched)
    return False
