"""The server process: uvicorn over the application, with its workers beside it."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from datetime import timedelta
from functools import partial
from types import FrameType

import structlog
import uvicorn

from offtake.app import build_app, build_services
from offtake.core.identity import unknown_tenants
from offtake.errors import HomeError
from offtake.executor.stopping import Stopping
from offtake.executor.supervisor import Supervisor
from offtake.executor.worker import Worker, work
from offtake.home import Home
from offtake.settings import Settings

_log = structlog.get_logger("offtake.server")
_BACKLOG = 2048
_LAST_PATIENCE = 5.0  # seconds beyond their drain time before workers are killed


class _Server(uvicorn.Server):
    """Says when it is ready, and lets the workers drain while downloads finish."""

    def __init__(self, config: uvicorn.Config, url: str, supervisor: Supervisor) -> None:
        super().__init__(config)
        self._url = url
        self._supervisor = supervisor

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then print the ready line that scripts wait for."""
        await super().startup(sockets)
        if not self.should_exit:
            sys.stdout.write(json.dumps({"url": self._url}) + "\n")
            sys.stdout.flush()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Both drain at the same time."""
        await asyncio.to_thread(self._supervisor.ask)
        await super().shutdown(sockets)


def serve(home: Home, settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises HomeError when the address cannot be had."""
    services = build_services(home, settings)
    for name in unknown_tenants(settings.tenants, services):  # made later perhaps, or a slip of the pen
        _log.warning("settings_of_unknown_tenant", tenant=name)
    listener = _listen(settings.server.host, settings.server.port)
    supervisor = Supervisor(services, partial(_worker_command, home), workers=settings.server.workers)
    config = uvicorn.Config(
        build_app(services, settings),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(settings.server.drain_seconds),
    )
    # uvicorn raises the signal once more after it has drained; by then there are still workers to wait for.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ignore)
    try:
        _Server(config, _url(listener), supervisor).run(sockets=[listener])
    finally:
        supervisor.stop(settings.worker.drain_seconds + _LAST_PATIENCE)
        services.database.close()


def run_worker(home: Home, settings: Settings, *, name: str, stop_with_input: bool, quick: bool) -> None:
    """Run jobs until SIGTERM or SIGINT, or until standard input ends where a supervisor holds it."""
    stopping = Stopping(timedelta(seconds=settings.worker.drain_seconds))
    stopping.on_signals()
    if stop_with_input:
        stopping.on_end_of_input()
    services = build_services(home, settings)
    try:
        work(services, Worker(name=name, longest=services.attempt.long if quick else None), stopping)
    finally:
        services.database.close()


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise HomeError(f"Cannot listen on {host} port {port}: {error.strerror}") from error
    listener.listen(_BACKLOG)
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _worker_command(home: Home, name: str, *, quick: bool) -> list[str]:
    command = [sys.executable, "-m", "offtake", "worker", "--home", str(home.root), "--name", name, "--stop-with-input"]
    return [*command, "--quick"] if quick else command


def _ignore(number: int, frame: FrameType | None) -> None:
    """The server is draining already."""
