"""Requests that wait for the change of an export: ``?wait``, ``Prefer: wait`` and event streams.

A waiting request has no thread and occupies none of the concurrent requests; their number is limited by
``[connections] waits``. All end when the server begins to shut down.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from offtake.core.exports.read import JobRef, find_export
from offtake.core.exports.watch import JobWatch
from offtake.http.admission import TRAFFIC
from offtake.http.traffic import Traffic
from offtake.model.job import OPEN, Job
from offtake.wire.native.auth import NativeCall, authenticate_again

MOST_SECONDS = 60  # proxies often end a response that has not begun after this time
LOOK_SECONDS = 15.0  # after which a waiting request looks whether its token is still valid
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})\"?(?=$|[,;\s])", re.ASCII | re.IGNORECASE)


def preferred_wait(header: str | None) -> int | None:
    """Return the seconds of ``Prefer: wait=n`` (RFC 7240 4.3), at most ``MOST_SECONDS``; None if it has no such n."""
    found = _WAIT.search(header or "")
    return None if found is None else min(int(found[1]), MOST_SECONDS)


class Changes:
    """The changes of one export, for one waiting request. Used in the event loop only."""

    def __init__(self, watch: JobWatch, traffic: Traffic) -> None:
        self._watch = watch
        self._traffic = traffic
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()

    @contextmanager
    def of(self, job: Job) -> Iterator[None]:
        """Watch the export, beginning with its state in ``job``."""

        def changed() -> None:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._changed.set)

        with self._traffic.waiting(job.tenant), self._watch.watch(job, changed):
            yield

    async def wait(self, seconds: float) -> bool:
        """Return true after a change; false after that many seconds, or when the server begins to shut down."""
        waits = [asyncio.ensure_future(self._changed.wait()), asyncio.ensure_future(self._traffic.drained())]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
        has_changed = self._changed.is_set() and not self._traffic.is_draining
        self._changed.clear()
        return has_changed


def changes(request: Request) -> Changes:
    """Return what waits for changes during this request."""
    return Changes(request.app.state.job_watch, request.scope[TRAFFIC])


async def until_ended(job: Job, seconds: float, request: Request, call: NativeCall) -> Job:
    """Return the job when it has ended, or as it is after that many seconds.

    Without a free place to wait, the job is returned at once. Raises JobNotFound if its record is removed meanwhile,
    and NotAuthenticated if the caller's token ends.
    """
    loop, waiting = asyncio.get_running_loop(), changes(request)
    if job.status not in OPEN or not seconds or request.scope[TRAFFIC].wait_refusal(job.tenant):
        return job
    end = loop.time() + seconds
    with waiting.of(job):
        while job.status in OPEN and (left := end - loop.time()) > 0:
            has_changed = await waiting.wait(min(left, LOOK_SECONDS))
            if request.scope[TRAFFIC].is_draining:
                break
            call = await run_in_threadpool(authenticate_again, call)
            if has_changed:
                ref = JobRef(id=job.id, dialect=job.request.dialect)
                job = await run_in_threadpool(find_export, ref, call.by, call.on)
    return job
