"""The worker process with Temporal: polls the task queue, and drains on shutdown."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import structlog
from temporalio.client import Client
from temporalio.service import RetryConfig
from temporalio.worker import Worker

from offtake.core.services import Services
from offtake.executor.shutdown import Shutdown
from offtake.executor.temporal.activities import Activities
from offtake.executor.temporal.address import TemporalAddress
from offtake.executor.temporal.connection import UNREACHABLE, connect, describe_error
from offtake.executor.temporal.relay import Relay
from offtake.executor.temporal.workflows import Export
from offtake.executor.worker_heartbeat import WorkerHeartbeat

_log = structlog.get_logger("offtake.temporal")
_POLL_SECONDS = 0.1  # between checks for a shutdown
_EARLY_SECONDS = 60.0  # a connection that fails within this time is retried with an increasing delay
_MAX_DELAY_SECONDS = 10.0  # between attempts to connect
# A workflow has few events, so replaying it is cheap. With a short sticky timeout, another worker soon gets the
# workflows of a dead one.
_CACHED_WORKFLOWS = 16
_STICKY_TIMEOUT = timedelta(seconds=2)
_SHUTDOWN_GRACE = timedelta(seconds=5)  # for activities after their drain time, before Temporal's library cancels them


def work(on: Services, worker: str, shutdown: Shutdown, address: TemporalAddress) -> None:
    """Run dispatched jobs until a shutdown is requested. ``worker`` is the name in leases and in Temporal."""
    pool = ThreadPoolExecutor(address.activities, thread_name_prefix="attempt")
    with Relay(on, address), WorkerHeartbeat(worker, on), pool as threads:
        asyncio.run(_work(on, worker, shutdown, address=address, threads=threads))


async def _work(
    on: Services, worker: str, shutdown: Shutdown, *, address: TemporalAddress, threads: ThreadPoolExecutor
) -> None:
    failures = 0
    activities = Activities(on, worker, shutdown)
    while not shutdown.requested():
        began = time.monotonic()
        try:
            client = await connect(address, identity=worker, retries=RetryConfig())
            await _poll(_worker(client, address, activities, threads, drain=on.attempt.drain), shutdown)
        except UNREACHABLE as error:
            failures = failures + 1 if time.monotonic() - began < _EARLY_SECONDS else 1
            if failures == 1:
                _log.warning("temporal_unreachable", error=describe_error(error), worker=worker)
            await _pause(min(_MAX_DELAY_SECONDS, 0.25 * 2 ** min(failures, 10)), shutdown)


def _worker(
    client: Client, address: TemporalAddress, activities: Activities, threads: ThreadPoolExecutor, *, drain: timedelta
) -> Worker:
    return Worker(
        client,
        task_queue=address.queue,
        workflows=[Export],
        activities=[activities.attempt],
        activity_executor=threads,
        max_concurrent_activities=address.activities,
        max_cached_workflows=_CACHED_WORKFLOWS,
        sticky_queue_schedule_to_start_timeout=_STICKY_TIMEOUT,
        graceful_shutdown_timeout=drain + _SHUTDOWN_GRACE,
    )


async def _poll(worker: Worker, shutdown: Shutdown) -> None:
    """Poll until a shutdown is requested; attempts then finish, or are requeued after the drain time."""
    running = asyncio.create_task(worker.run())
    while not shutdown.requested() and not running.done():
        await asyncio.wait([running], timeout=_POLL_SECONDS)
    if not running.done():
        await worker.shutdown()
    await running


async def _pause(seconds: float, shutdown: Shutdown) -> None:
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end and not shutdown.requested():
        await asyncio.sleep(_POLL_SECONDS)
