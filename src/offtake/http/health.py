"""``/healthz``, ``/readyz`` and ``/metrics``, outside all dialects.

``/healthz`` checks nothing: it is 200 while the process answers. ``/readyz`` is 200 if requests should be sent to this
server, else 503 with the failed checks; a warning leaves it at 200. Neither needs credentials. ``/metrics`` exists if a
token is configured, and requires it.
"""

from __future__ import annotations

import asyncio
import hmac
import threading
import time
from collections.abc import Callable, Sequence

import structlog
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from offtake.core.admin.health import HealthCheck
from offtake.http.authorization_header import credentials_of
from offtake.http.traffic import Traffic

_log = structlog.get_logger("offtake.probes")
_TIMEOUT_SECONDS = 2.0  # of a check
_CACHE_SECONDS = 1.0  # for which a result is reused
_METHODS = ["GET", "HEAD"]
_NO_STORE = {"cache-control": "no-store"}


class Readiness:
    """Runs all health checks concurrently, with a timeout, and caches the result.

    A check that hangs keeps its thread and is not started again until it returns, so a dead file system costs one
    thread, not one per probe.
    """

    def __init__(
        self,
        checks: Sequence[HealthCheck],
        *,
        timeout_seconds: float = _TIMEOUT_SECONDS,
        cache_seconds: float = _CACHE_SECONDS,
    ) -> None:
        self._checks = checks
        self._timeout_seconds = timeout_seconds
        self._cache_seconds = cache_seconds
        self._running: dict[str, asyncio.Future[str | None]] = {}
        self._checked_at = float("-inf")
        self._missing: list[str] = []
        self.warnings: list[str] = []  # faults at the last check that leave the server ready
        self._lock = asyncio.Lock()

    async def missing(self) -> list[str]:
        """Return the messages of failed checks; empty if the server is ready."""
        async with self._lock:
            if time.monotonic() - self._checked_at >= self._cache_seconds:
                missing, warnings = await self._run_checks()
                if (missing, warnings) != (self._missing, self.warnings):
                    log = _log.warning if missing or warnings else _log.info
                    log("readiness", missing=missing, warnings=warnings)
                self.warnings = warnings
                self._missing, self._checked_at = missing, time.monotonic()
            return self._missing

    async def _run_checks(self) -> tuple[list[str], list[str]]:
        """Run the checks and return the messages of those that failed, and of those that only warn."""
        results = [self._running.get(health_check.name) or self._start(health_check) for health_check in self._checks]
        if results:
            await asyncio.wait(results, timeout=self._timeout_seconds)
        messages = [
            result.result()
            if result.done()
            else f"{health_check.name} did not answer within {self._timeout_seconds:g} seconds."
            for health_check, result in zip(self._checks, results, strict=True)
        ]
        found = [(check.warns, message) for check, message in zip(self._checks, messages, strict=True) if message]
        return [message for warns, message in found if not warns], [message for warns, message in found if warns]

    def _start(self, health_check: HealthCheck) -> asyncio.Future[str | None]:
        """Run the check in a daemon thread, which does not delay the end of the process."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[str | None] = loop.create_future()
        self._running[health_check.name] = result

        def done(message: str | None) -> None:
            self._running.pop(health_check.name)
            result.set_result(message)

        def run() -> None:
            try:
                message = health_check.check()
            except Exception as error:  # noqa: BLE001 - a defect in a check is a failed check, not an endless wait
                message = f"{health_check.name}: the check failed ({type(error).__name__})."
            if not loop.is_closed():
                loop.call_soon_threadsafe(done, message)

        threading.Thread(target=run, name="readiness", daemon=True).start()
        return result


def router(traffic: Traffic, readiness: Readiness, exposition: Callable[[], Response], token: str | None) -> APIRouter:
    """Return the router of the three paths; ``exposition`` makes the response of ``/metrics``."""
    routes = APIRouter()

    @routes.api_route("/healthz", methods=_METHODS)
    async def healthz() -> Response:
        """The process is alive."""
        return JSONResponse({"status": "alive"}, headers=_NO_STORE)

    @routes.api_route("/readyz", methods=_METHODS)
    async def readyz() -> Response:
        """Whether this server should receive requests."""
        missing = ["The server is shutting down."] if traffic.is_draining else await readiness.missing()
        body = {
            "status": "not ready" if missing else "ready",
            "missing": missing,
            "warnings": readiness.warnings,
        }
        return JSONResponse(body, 503 if missing else 200, headers=_NO_STORE)

    if token is not None:

        @routes.api_route("/metrics", methods=_METHODS)
        async def metrics(request: Request) -> Response:
            """Metrics in Prometheus text format."""
            headers = request.headers.getlist("authorization")
            sent = credentials_of(headers[0], "bearer") if len(headers) == 1 else None
            if sent is None or not hmac.compare_digest(sent.encode(), token.encode()):
                message = "Bearer token missing or wrong; send the value of [metrics] token."
                raise HTTPException(401, message, {"www-authenticate": "Bearer"})
            return await run_in_threadpool(exposition)

    return routes
