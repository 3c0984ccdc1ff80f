"""Relays messages from the outbox to Temporal, in a thread of the server and of every worker.

While Temporal is unreachable, the messages wait in the outbox and the server accepts jobs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import timedelta

import structlog
from temporalio.client import Client
from temporalio.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RetryConfig, RPCError, RPCStatusCode

from offtake.core import dispatch
from offtake.core.services import Services
from offtake.errors import Unavailable
from offtake.executor.background import BackgroundThread
from offtake.executor.temporal.address import TemporalAddress
from offtake.executor.temporal.connection import UNREACHABLE, check_namespace, connect, describe_error
from offtake.executor.temporal.workflows import EXPORT, ExportInput
from offtake.store import outbox
from offtake.store.outbox import Message, MessageKind
from offtake.store.wakeup import Wakeup, wakeup

_log = structlog.get_logger("offtake.relay")
_POLL_SECONDS = 0.5  # between reads of the outbox without a wake-up
_BATCH_SIZE = 20  # messages per claim
_CLAIM_DURATION = timedelta(seconds=10)  # after it, other relays may claim the same messages
_MAX_DELAY_SECONDS = 10.0  # between tries
_RPC_TIMEOUT = timedelta(seconds=3)
_CHECK_SECONDS = 60.0  # between checks whether Temporal is reachable, also without messages
_RETRIES = RetryConfig(max_elapsed_time_millis=2000, max_retries=2)  # the outbox retries


class Relay(BackgroundThread):
    """Relays messages while the block runs."""

    def __init__(self, on: Services, address: TemporalAddress) -> None:
        super().__init__("relay", self._run)
        self._on = on
        self._address = address
        self._failures = 0  # consecutive

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            while not self._done.is_set():
                try:
                    client = runner.run(connect(self._address, identity="offtake-relay", retries=_RETRIES))
                    with closing(wakeup(self._on.database)) as changes:
                        self._relay(runner, client, changes)
                except UNREACHABLE as error:
                    self._unreachable(error)
                except Unavailable:
                    self._done.wait(_POLL_SECONDS)

    def _relay(self, runner: asyncio.Runner, client: Client, changes: Wakeup) -> None:
        """Dispatch messages until Temporal or the database is unreachable."""
        checked_at = float("-inf")
        # Jobs may have been created without Temporal, or lost with the state of Temporal.
        dispatch.redispatch(self._on, min_age=timedelta(0))
        while not self._done.is_set():
            if time.monotonic() - checked_at >= _CHECK_SECONDS:
                checked_at = time.monotonic()
                runner.run(check_namespace(client, timeout=_RPC_TIMEOUT))
                self._reconnected()
            changes.clear()  # before the claim, so that a message written in between is claimed or ends the wait
            claimed = claim(self._on)
            if claimed:
                self._acknowledge(claimed, runner.run(dispatch_messages(client, claimed, self._on, self._address)))
            else:
                changes.wait(_POLL_SECONDS, self._done.is_set)

    def _acknowledge(self, claimed: Sequence[Message], errors: Sequence[BaseException | None]) -> None:
        """Acknowledge the dispatched messages and postpone the others. Raises the first error if all failed."""
        with self._on.database.write() as connection:
            now = self._on.now(connection)
            for message, error in zip(claimed, errors, strict=True):
                if error is None:
                    outbox.acknowledge(connection, message)
                else:
                    delay = timedelta(seconds=min(_MAX_DELAY_SECONDS, 0.5 * 2 ** min(message.tries, 10)))
                    outbox.postpone(connection, message, now=now, delay=delay)
        if None in errors:
            self._reconnected()
        else:
            raise next(error for error in errors if error is not None)

    def _unreachable(self, error: BaseException) -> None:
        self._failures += 1
        if self._failures == 1:
            _log.warning("temporal_unreachable", error=describe_error(error))
        self._done.wait(min(_MAX_DELAY_SECONDS, 0.25 * 2 ** min(self._failures, 10)))

    def _reconnected(self) -> None:
        if self._failures:
            _log.info("temporal_reconnected", failures=self._failures)
        self._failures = 0


def claim(on: Services) -> Sequence[Message]:
    """Claim the messages that are due; other relays skip them for ``_CLAIM_DURATION``."""
    with on.database.read() as connection:
        if not outbox.is_due(connection, now=on.now(connection)):
            return ()
    with on.database.write() as connection:
        now = on.now(connection)
        return outbox.claim(connection, now=now, retry_at=now + _CLAIM_DURATION, limit=_BATCH_SIZE)


async def dispatch_messages(
    client: Client, claimed: Sequence[Message], on: Services, address: TemporalAddress
) -> Sequence[BaseException | None]:
    """Dispatch messages to Temporal. Return an error or None for each; a repeated dispatch is not an error."""
    heartbeat_timeout = on.attempt.lease.total_seconds()
    calls = (
        _cancel(client, message)
        if message.kind is MessageKind.CANCEL
        else _start(client, message, address.queue, heartbeat_timeout)
        for message in claimed
    )
    return await asyncio.gather(*calls, return_exceptions=True)


async def _start(client: Client, message: Message, queue: str, heartbeat_timeout: float) -> None:
    with suppress(WorkflowAlreadyStartedError):  # an older Temporal ignores the conflict policy
        await client.start_workflow(
            EXPORT,
            ExportInput(job=message.job, heartbeat_timeout=heartbeat_timeout),
            id=message.job,
            task_queue=queue,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            priority=Priority(fairness_key=message.tenant),
            rpc_timeout=_RPC_TIMEOUT,
        )


async def _cancel(client: Client, message: Message) -> None:
    try:
        await client.get_workflow_handle(message.job).cancel(rpc_timeout=_RPC_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:  # never started, or already closed
            raise
