"""``/healthz``, ``/readyz`` and ``/metrics``: for machines that watch the server, in no dialect.

``/healthz`` looks at nothing: it says that the process answers. ``/readyz`` says whether requests should be sent here,
and if not, why, in words. Both need no credentials and are always answered. ``/metrics`` exists where a token was set,
and wants it.
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
from offtake.http.admission import Traffic

_log = structlog.get_logger("offtake.probes")
_PATIENCE = 2.0  # seconds a look may take
_FRESH = 1.0  # seconds for which an answer holds
_METHODS = ["GET", "HEAD"]
_NEVER_KEPT = {"cache-control": "no-store"}


class Readiness:
    """Looks at everything that is needed: at the same time, not longer than bounded, not more often than of use.

    A look that hangs goes on hanging in its own thread, and is not repeated until it has come back; so a dead file
    system costs one thread, not one for each probe.
    """

    def __init__(self, checks: Sequence[HealthCheck], *, patience: float = _PATIENCE, fresh: float = _FRESH) -> None:
        self._checks = checks
        self._patience = patience
        self._fresh = fresh
        self._running: dict[str, asyncio.Future[str | None]] = {}
        self._looked_at = float("-inf")
        self._missing: list[str] = []
        self._turn = asyncio.Lock()

    async def missing(self) -> list[str]:
        """What is missing; empty when all is well."""
        async with self._turn:
            if time.monotonic() - self._looked_at >= self._fresh:
                missing = await self._look()
                if missing != self._missing:
                    _log.warning("readiness", missing=missing)
                self._missing, self._looked_at = missing, time.monotonic()
            return self._missing

    async def _look(self) -> list[str]:
        looks = [self._running.get(health_check.name) or self._start(health_check) for health_check in self._checks]
        if looks:
            await asyncio.wait(looks, timeout=self._patience)
        found = zip(self._checks, looks, strict=True)
        said = [
            look.result() if look.done() else f"{health_check.name} does not answer in time."
            for health_check, look in found
        ]
        return [text for text in said if text]

    def _start(self, health_check: HealthCheck) -> asyncio.Future[str | None]:
        """In a thread that the end of the process does not wait for."""
        loop = asyncio.get_running_loop()
        look: asyncio.Future[str | None] = loop.create_future()
        self._running[health_check.name] = look

        def done(text: str | None) -> None:
            self._running.pop(health_check.name)
            look.set_result(text)

        def run() -> None:
            try:
                text = health_check.check()
            except Exception as error:  # noqa: BLE001 - a defect in a look is something missing, not an endless wait
                text = f"{health_check.name} cannot be looked at ({type(error).__name__})."
            if not loop.is_closed():
                loop.call_soon_threadsafe(done, text)

        threading.Thread(target=run, name="readiness", daemon=True).start()
        return look


def router(traffic: Traffic, readiness: Readiness, exposition: Callable[[], Response], token: str | None) -> APIRouter:
    """The three paths; ``exposition`` makes the answer of the last one."""
    routes = APIRouter()

    @routes.api_route("/healthz", methods=_METHODS)
    async def healthz() -> Response:
        """The process is alive."""
        return JSONResponse({"status": "alive"}, headers=_NEVER_KEPT)

    @routes.api_route("/readyz", methods=_METHODS)
    async def readyz() -> Response:
        """Whether to send requests here."""
        missing = ["The server is stopping."] if traffic.is_draining else await readiness.missing()
        body = {"status": "not ready" if missing else "ready", "missing": missing}
        return JSONResponse(body, 503 if missing else 200, headers=_NEVER_KEPT)

    if token is not None:

        @routes.api_route("/metrics", methods=_METHODS)
        async def metrics(request: Request) -> Response:
            """Figures in Prometheus' text format."""
            scheme, _, sent = request.headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(sent.strip().encode(), token.encode()):
                raise HTTPException(401, "The token of [metrics] is missing or wrong.", {"www-authenticate": "Bearer"})
            return await run_in_threadpool(exposition)

    return routes
