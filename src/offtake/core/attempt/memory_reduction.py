"""Repetition of a query that runs out of memory, each time with a smaller plan.

The number of reductions is stored before the query is repeated. So no attempt repeats a plan that failed, whichever
worker runs it, and later exports of the same kind start with the plan that fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog

from offtake.core.attempt.resource_plan import ResourcePlan, resource_plan, row_count
from offtake.core.policy import AttemptPolicy
from offtake.core.services import Services
from offtake.errors import MemoryExhausted
from offtake.model.job import Lease
from offtake.model.report import Report
from offtake.model.view import TableView
from offtake.store import memory_reductions

_log = structlog.get_logger("offtake.attempt")
Result = TypeVar("Result")


def reduced_until_it_fits(
    lease: Lease,
    report: Report,
    views: Sequence[TableView],
    on: Services,
    *,
    is_sorted: bool,
    produce: Callable[[ResourcePlan], Result],
) -> Result:
    """Return what ``produce`` returns for the first plan that fits into the attempt's memory.

    Raises MemoryExhausted, with the setting to raise and its value, if the smallest plan does not fit either.
    """
    job, policy = lease.job, on.attempt
    key = memory_reductions.ReductionKey(
        tenant=job.tenant,
        report=report.name,
        format=job.request.format,
        memory_mb=policy.memory_mb,
        rows=row_count(report, views),
    )
    with on.database.read() as connection:
        reductions = memory_reductions.get(connection, key)
    while True:
        plan = resource_plan(report, views, policy, is_sorted=is_sorted, reductions=reductions)
        try:
            return produce(plan)
        except MemoryExhausted as error:
            reduced = resource_plan(report, views, policy, is_sorted=is_sorted, reductions=reductions + 1)
            if reduced == plan:
                raise _with_remedy(error, report, policy) from error
        reductions += 1
        with on.database.write() as connection:
            memory_reductions.record(connection, key, reductions, now=on.now(connection))
        _log.info(
            "attempt_reduced",
            tenant=job.tenant,
            job=job.id,
            attempt=job.attempts,
            report=report.name,
            threads=reduced.threads,
            partitions=reduced.partitions,
            range_bytes=reduced.range_bytes,
        )


def _with_remedy(error: MemoryExhausted, report: Report, policy: AttemptPolicy) -> MemoryExhausted:
    """Return the error with a message for the operator. It names twice the limit: a reduction halves the need."""
    if error.is_temporary_space:
        remedy = f"Set worker.temp_mb to {max(1_024, 2 * policy.temp_mb)} or more (now {policy.temp_mb})"
    else:
        remedy = f"Set worker.memory_mb to {2 * policy.memory_mb} or more (now {policy.memory_mb})"
    if report.partition_by is None:
        remedy += ", or ask for a shorter timespan"
    return MemoryExhausted(f"{error.message} {remedy}.", is_temporary_space=error.is_temporary_space)
