"""Threads of their own for downloads: a store that hangs stalls those, and neither tokens nor orders."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

P = ParamSpec("P")
T = TypeVar("T")
AT_ONCE = 40  # as many as all other requests share
_limiter: RunVar[CapacityLimiter] = RunVar("offtake_download_threads")  # one for each event loop


async def in_download_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the work returns, done beside the event loop. Waits while as many downloads are being read as may be."""
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = CapacityLimiter(AT_ONCE)
        _limiter.set(limiter)
    return await to_thread.run_sync(partial(work, *args, **kwargs), limiter=limiter)
