"""The server process: uvicorn serves the application, and a supervisor runs the worker processes.

SIGTERM or SIGINT drains it: running requests continue, new requests get 503, ``/readyz`` reports the shutdown, and
running attempts finish or are requeued. A second signal forces the shutdown: downloads are cut, attempts requeued.
"""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from types import FrameType
from typing import cast

import structlog
import uvicorn
from starlette.types import ASGIApp

from offtake.app import build_services
from offtake.composition.executor import build_executor, build_maintenance
from offtake.composition.process_facts import process_facts
from offtake.composition.resources import log_resources
from offtake.composition.sources import build_sources
from offtake.composition.storage import check_storage
from offtake.core.admin.identity import unknown_tenants
from offtake.errors import HomeError, SettingsError
from offtake.executor.denial_writer import DenialWriter
from offtake.executor.supervisor import Supervisor
from offtake.home import Home
from offtake.http.limit_settings import connection_limits
from offtake.http.protocol import LimitedProtocol, limited_protocol
from offtake.http.settings import ServerSettings
from offtake.http.tls_listener import TlsListener
from offtake.http.traffic import Traffic
from offtake.http_app import build_app, build_tls, build_traffic, render_unparsed
from offtake.notify import notify
from offtake.settings import Settings
from offtake.tls import Tls

_log = structlog.get_logger("offtake.server")
_BACKLOG = 2048
_OTHER_FILES = 200  # that the server may have open besides connections and downloads
_POLL_SECONDS = 0.05  # between checks for running requests
_KILL_AFTER_SECONDS = 5.0  # beyond the drain time of the workers


class _Server(uvicorn.Server):
    """Reports readiness and drains workers and downloads at the same time.

    Its listeners stay open while it drains, so that new requests get 503 with Retry-After instead of a refused
    connection.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        supervisor: Supervisor,
        traffic: Traffic,
        tls: Tls | None,
        *,
        settings: ServerSettings,
        facts: Mapping[str, object],
    ) -> None:
        """``facts`` are logged at the start."""
        super().__init__(config)
        self._supervisor = supervisor
        self._traffic = traffic
        self._tls = tls
        self._drain = settings.drain_seconds
        self._handshake = settings.header_seconds  # seconds that a client has for a TLS handshake
        self._facts = facts

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then print the JSON line with the URL that scripts wait for."""
        await super().startup(sockets=[])
        for listener in sockets or ():
            await self._listen(listener)
        if self._tls is not None:  # handshakes begin in the event loop
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _reload, self._tls)
        if not self.should_exit and sockets:
            url = _url(sockets[0], is_tls=self._tls is not None)
            _log.info("server_started", url=url, **self._facts)
            sys.stdout.write(json.dumps({"url": url}) + "\n")
            sys.stdout.flush()
            notify("READY=1")

    async def _listen(self, listener: socket.socket) -> None:
        """Accept connections as uvicorn does, except that connections are counted before a TLS handshake."""
        protocol = cast(Callable[..., LimitedProtocol], self.config.http_protocol_class)
        make = partial(protocol, config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
        server: asyncio.Server | TlsListener
        if self._tls is None:
            server = await asyncio.get_running_loop().create_server(make, sock=listener, backlog=self.config.backlog)
        else:
            server = TlsListener(
                listener,
                make,
                self._tls.context,
                handshake_seconds=self._handshake,
                backlog=self.config.backlog,
            )
        self.servers.append(cast(asyncio.Server, server))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain server and workers at the same time."""
        notify("STOPPING=1")
        self._traffic.is_draining = True
        deadline = time.monotonic() + self._drain
        await asyncio.to_thread(self._supervisor.request)
        while self._traffic.running and not self.force_exit and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_SECONDS)
        if self._traffic.running:
            _log.warning("requests_cut", running=self._traffic.running)
        # Sent responses may still be in the socket's buffer.
        grace = 0.0 if self.force_exit or self._traffic.running else max(1.0, deadline - time.monotonic())
        self.config.timeout_graceful_shutdown = int(grace)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain at the first signal; force the shutdown at the second."""
        if self.should_exit:
            self.force_exit = True
            self._supervisor.force()
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Keep the signal handlers that ``serve`` installed; they stay until the last worker has ended."""
        yield


def serve(home: Home, settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    Raises HomeError when it cannot listen on the address, SettingsError for settings that it cannot use.
    """
    tls = build_tls(home, settings)
    executor = build_executor(home, settings)
    services = build_services(home, settings)
    services.load_catalogue()  # refuse invalid reports at the start
    check_storage(services)
    log_resources(services, settings)
    for name in unknown_tenants(settings.tenants, services):  # created later, or a typing error
        _log.warning("settings_of_unknown_tenant", tenant=name)
    traffic = build_traffic(settings)
    config = _config(build_app(services, settings, traffic), settings, traffic, tls)
    _reserve_files(settings, traffic)
    listener = _listen(settings.server.host, settings.server.port)
    supervisor = Supervisor(  # starts the workers, so nothing after it may refuse the settings
        services, partial(_worker_command, home, settings.server.workers), workers=settings.server.workers
    )
    server = _Server(
        config,
        supervisor,
        traffic,
        tls,
        settings=settings.server,
        facts={"workers": settings.server.workers, **process_facts(home, settings, services)},
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    if tls is not None:
        _warn_if_expired(tls)
    try:
        sources = build_sources(home, settings)
        holder = f"server-{services.new_id()}"
        maintenance = build_maintenance(services, settings, holder=holder, sources=sources)
        with executor.background(services), maintenance, DenialWriter(services):
            server.run(sockets=[listener])
    finally:
        supervisor.stop(settings.worker.drain_seconds + _KILL_AFTER_SECONDS)
        services.database.close()


def _config(app: ASGIApp, settings: Settings, traffic: Traffic, tls: Tls | None) -> uvicorn.Config:
    server = settings.server
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # http/proxies.py accepts only the proxies of the settings
        ws="none",
        http=limited_protocol(connection_limits(server, settings.connections), traffic, render_unparsed),
        timeout_keep_alive=server.keep_alive_seconds,  # type: ignore[arg-type]  # uvicorn passes it to call_later unchanged
        ssl_context_factory=None if tls is None else lambda config, default: tls.context,
    )


def _reserve_files(settings: Settings, traffic: Traffic) -> None:
    """Let the process open as many files as its connections and downloads need, or lower the limit of connections."""
    connections = settings.connections.total
    needed = connections + settings.downloads.total + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = needed
    if soft != resource.RLIM_INFINITY and soft < min(needed, hard):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, hard), hard))
        soft = min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < needed:
        possible = max(1, connections - (needed - soft))
        traffic.connections.limit_total(possible)
        _log.warning(
            "connections_limited", option="connections.total", configured=connections, possible=possible, files=soft
        )


def _reload(tls: Tls) -> None:
    """Reload certificate and key; an unusable pair leaves the current one in use."""
    try:
        tls.reload()
    except SettingsError as error:
        _log.error("tls_certificate_kept", reason=error.message)
        return
    _log.info("tls_certificate_reloaded", expires=tls.expires_at.isoformat())
    _warn_if_expired(tls)


def _warn_if_expired(tls: Tls) -> None:
    if tls.expires_at <= datetime.now(UTC):
        _log.warning("tls_certificate_expired", expired=tls.expires_at.isoformat())


def _listen(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 selects a free port. Raises HomeError."""
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


def _url(listener: socket.socket, *, is_tls: bool) -> str:
    host, port = listener.getsockname()[:2]
    return f"{'https' if is_tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def _worker_command(home: Home, workers: int, name: str, *, quick: bool) -> list[str]:
    command = [sys.executable, "-m", "offtake", "worker", "--home", str(home.root), "--workers", str(workers)]
    command += ["--name", name, "--stop-with-input"]
    return [*command, "--quick"] if quick else command
