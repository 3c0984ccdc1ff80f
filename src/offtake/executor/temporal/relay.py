"""Carries rings from the outbox to Temporal, in a thread of the server and of every worker.

Temporal may be away for as long as it likes: rings wait in the store, and jobs are accepted all the same.
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
_POLL = 0.5  # seconds between looks at the outbox when nothing wakes the relay
_AT_ONCE = 20  # rings taken in one go
_TAKEN = timedelta(seconds=10)  # for so long nobody else tells what one relay has taken
_LONGEST_DELAY = 10.0  # seconds between tries
_PATIENCE = timedelta(seconds=3)  # for one answer
_CHECK_EVERY = 60.0  # seconds between looks whether Temporal is there, also when there is nothing to tell
_RETRIES = RetryConfig(max_elapsed_time_millis=2000, max_retries=2)  # the outbox is what tries again


class Relay(BackgroundThread):
    """Runs while the block runs."""

    def __init__(self, on: Services, address: TemporalAddress) -> None:
        super().__init__("relay", self._run)
        self._on = on
        self._address = address
        self._failures = 0  # in a row

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
                    self._done.wait(_POLL)

    def _relay(self, runner: asyncio.Runner, client: Client, changes: Wakeup) -> None:
        """Tell what there is to tell, until Temporal or the store is away."""
        checked = float("-inf")
        dispatch.redispatch(
            self._on, min_age=timedelta(0)
        )  # jobs made while nobody rang, or forgotten with Temporal's memory
        while not self._done.is_set():
            if time.monotonic() - checked >= _CHECK_EVERY:
                checked = time.monotonic()
                runner.run(check_namespace(client, patience=_PATIENCE))
                self._reconnected()
            changes.clear()  # before the look: a ring that comes in between is seen by the look or by the wait
            claimed = claim(self._on)
            if claimed:
                self._acknowledge(claimed, runner.run(dispatch_messages(client, claimed, self._on, self._address)))
            else:
                changes.wait(_POLL, self._done.is_set)

    def _acknowledge(self, claimed: Sequence[Message], errors: Sequence[BaseException | None]) -> None:
        """Forget what was told; what was not is tried again later. Raises what went wrong, if nothing went well."""
        with self._on.database.write() as connection:
            now = self._on.now(connection)
            for message, error in zip(claimed, errors, strict=True):
                if error is None:
                    outbox.acknowledge(connection, message)
                else:
                    delay = timedelta(seconds=min(_LONGEST_DELAY, 0.5 * 2 ** min(message.tries, 10)))
                    outbox.postpone(connection, message, now=now, delay=delay)
        if None in errors:
            self._reconnected()
        else:
            raise next(error for error in errors if error is not None)

    def _unreachable(self, error: BaseException) -> None:
        self._failures += 1
        if self._failures == 1:
            _log.warning("temporal_unreachable", trouble=describe_error(error))
        self._done.wait(min(_LONGEST_DELAY, 0.25 * 2 ** min(self._failures, 10)))

    def _reconnected(self) -> None:
        if self._failures:
            _log.info("temporal_reconnected", failures=self._failures)
        self._failures = 0


def claim(on: Services) -> Sequence[Message]:
    """What is to be told now; for a while nobody else takes it."""
    with on.database.read() as connection:
        if not outbox.is_due(connection, now=on.now(connection)):
            return ()
    with on.database.write() as connection:
        now = on.now(connection)
        return outbox.claim(connection, now=now, retry_at=now + _TAKEN, limit=_AT_ONCE)


async def dispatch_messages(
    client: Client, claimed: Sequence[Message], on: Services, address: TemporalAddress
) -> Sequence[BaseException | None]:
    """Tell Temporal; for each ring, what went wrong. That a ring was told before is nothing wrong."""
    silence = on.attempt.lease.total_seconds()
    tellings = (
        _cancel(client, message)
        if message.kind is MessageKind.CANCEL
        else _start(client, message, address.queue, silence)
        for message in claimed
    )
    return await asyncio.gather(*tellings, return_exceptions=True)


async def _start(client: Client, message: Message, queue: str, silence: float) -> None:
    with suppress(WorkflowAlreadyStartedError):  # a Temporal that does not know the policy for conflicts
        await client.start_workflow(
            EXPORT,
            ExportInput(job=message.job, silence=silence),
            id=message.job,
            task_queue=queue,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            priority=Priority(fairness_key=message.tenant),
            rpc_timeout=_PATIENCE,
        )


async def _cancel(client: Client, message: Message) -> None:
    try:
        await client.get_workflow_handle(message.job).cancel(rpc_timeout=_PATIENCE)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:  # never begun, or over
            raise
