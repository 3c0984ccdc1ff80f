"""A thread limiter for downloads: a hanging store blocks downloads only, not the threads of other requests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

P = ParamSpec("P")
T = TypeVar("T")
MAX_THREADS = 40  # as many as the default limiter gives all other requests
_limiter: RunVar[CapacityLimiter] = RunVar("offtake_download_threads")  # one per event loop


async def in_download_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run ``work`` in a thread and return its result. Waits while ``MAX_THREADS`` downloads are being read."""
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = CapacityLimiter(MAX_THREADS)
        _limiter.set(limiter)
    return await to_thread.run_sync(partial(work, *args, **kwargs), limiter=limiter)
