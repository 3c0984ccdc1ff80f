"""The workflow that dispatches an export. It names its activity; this module imports nothing of the product.

Temporal replays histories that earlier releases recorded, so a change of the sequence of commands breaks running
workflows. The tests replay recorded histories.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

EXPORT = "offtake-export"
ATTEMPT = "offtake-attempt"

_MAX_DURATION = timedelta(days=30)  # Temporal requires a limit; a missing heartbeat ends an attempt much earlier
# The row of the job limits the attempts, and the activity sets its own delays; this policy applies when workers die.
_UNLIMITED_RETRIES = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(seconds=30)
)


@dataclass(frozen=True)
class ExportInput:
    """Input of the workflow. Running workflows hold it, so its fields must not be renamed."""

    job: str
    heartbeat_timeout: float  # seconds without a heartbeat after which another worker gets the attempt


@workflow.defn(name=EXPORT)
class Export:
    """Dispatches one job until it has ended. The result is the final state of the job."""

    @workflow.run
    async def run(self, export: ExportInput) -> str:
        """Run the activity until it returns the final state of the job."""
        ended: str = await workflow.execute_activity(
            ATTEMPT,
            export.job,
            result_type=str,
            heartbeat_timeout=timedelta(seconds=export.heartbeat_timeout),
            start_to_close_timeout=_MAX_DURATION,
            retry_policy=_UNLIMITED_RETRIES,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        return ended
