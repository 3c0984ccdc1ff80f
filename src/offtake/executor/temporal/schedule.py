"""The schedule that has upkeep done by one worker at a time."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from offtake.executor.temporal.address import TemporalAddress
from offtake.executor.temporal.workflows import MAINTENANCE

_PATIENCE = timedelta(seconds=3)


async def ensure_maintenance(client: Client, address: TemporalAddress) -> None:
    """Make the schedule, or have the one there is keep our interval. One for each task queue; may be done by several
    at once, again and again. An operator's pause stays."""
    name = schedule_id(address)
    spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(seconds=address.maintenance_seconds))])
    try:
        await client.create_schedule(
            name,
            Schedule(
                action=ScheduleActionStartWorkflow(MAINTENANCE, id=name, task_queue=address.queue),
                spec=spec,
                policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(minutes=1)),
            ),
            trigger_immediately=True,
            rpc_timeout=_PATIENCE,
        )
    except ScheduleAlreadyRunningError:
        handle = client.get_schedule_handle(name)
        if (await handle.describe(rpc_timeout=_PATIENCE)).schedule.spec.intervals == spec.intervals:
            return

        def kept(found: ScheduleUpdateInput) -> ScheduleUpdate:
            found.description.schedule.spec = spec
            return ScheduleUpdate(found.description.schedule)

        await handle.update(kept, rpc_timeout=_PATIENCE)


def schedule_id(address: TemporalAddress) -> str:
    """Installations that share a namespace have different task queues."""
    return f"{MAINTENANCE}-{address.queue}"
