"""The workflows: what Temporal remembers. They name activities, and nothing of the product is imported here.

Their histories outlive releases: a change that would replay them differently breaks those that run. The tests replay
recorded ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

EXPORT = "offtake-export"
ATTEMPT = "offtake-attempt"

_LONGEST_ATTEMPT = timedelta(days=30)  # Temporal wants a bound; silence ends an attempt long before
# How often is the row's business: it counts attempts and ends the job. Waits are told by the activity; this is for
# workers that die.
_FOR_EVER = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(seconds=30)
)


@dataclass(frozen=True)
class ExportInput:
    """What a workflow is started with."""

    job: str
    silence: float  # seconds without a sign of life after which an attempt is given to another worker


@workflow.defn(name=EXPORT)
class Export:
    """Rings for one job until it has ended. Its result is the state the job ended in."""

    @workflow.run
    async def run(self, order: ExportInput) -> str:
        """One activity, again and again."""
        ended: str = await workflow.execute_activity(
            ATTEMPT,
            order.job,
            result_type=str,
            heartbeat_timeout=timedelta(seconds=order.silence),
            start_to_close_timeout=_LONGEST_ATTEMPT,
            retry_policy=_FOR_EVER,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        return ended
