"""The workflows. They refer to activities by name; this module imports nothing of the product.

Histories outlive releases: a change that replays them differently breaks running workflows. The tests replay recorded
histories.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

EXPORT = "offtake-export"
ATTEMPT = "offtake-attempt"

_LONGEST_ATTEMPT = timedelta(days=30)  # Temporal requires a bound; a missing heartbeat ends an attempt much earlier
# The job's row limits the attempts, and the activity asks for its own delays; this policy applies when workers die.
_FOR_EVER = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(seconds=30)
)


@dataclass(frozen=True)
class ExportInput:
    """Input of the workflow."""

    job: str
    silence: float  # seconds without a heartbeat after which another worker gets the attempt


@workflow.defn(name=EXPORT)
class Export:
    """Dispatches one job until it has ended. The result is the final state of the job."""

    @workflow.run
    async def run(self, order: ExportInput) -> str:
        """Run the one activity, with retries."""
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
