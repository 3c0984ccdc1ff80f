"""What the server is doing: requests, bodies it waits for, downloads and connections, with their limits.

A request occupies one of the ``requests`` only while the server works on it: not while the server waits for the body or
the change of a job, and not while it sends a file. These have limits of their own, so slow clients do not stop the
others.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol, TypeVar

import structlog

from offtake.errors import Throttled, Unavailable, Waitable
from offtake.http.connections import PER_ADDRESS, Connections
from offtake.http.limits import TrafficLimits
from offtake.http.proxies import Proxies
from offtake.http.turns import Turns

Key = TypeVar("Key")
_log = structlog.get_logger("offtake.http")
_RETRY_AFTER = 2  # seconds
_DOWNLOAD_RETRY_AFTER = 10  # seconds
_WAIT_RETRY_AFTER = 5  # seconds
_TURNS_IN_LOOP = 16  # requests of one address or tenant in one round of the event loop, which take about 5 ms
_LOG_SECONDS = 10.0  # between two log lines about connections refused for the same reason


class WaitingBody(Protocol):
    """A body that has not arrived completely."""

    def expel(self) -> None:
        """End the wait with an error."""


class Traffic:
    """The server's present load and the draining flag. Modified on the event loop only, except for tenants."""

    def __init__(self, limits: TrafficLimits, proxies: Proxies) -> None:
        self.running = 0  # all requests: those in work, those whose body is awaited, and downloads
        self.downloads = 0
        self._draining = asyncio.Event()
        self.refusals: Counter[str] = Counter()  # by reason
        self.connections = Connections(
            total=limits.connections,
            per_address=limits.connections_per_address,
            proxies=proxies,
            record=self.record_connection,
        )
        self.turns_of_address = Turns(_TURNS_IN_LOOP)
        self.turns_in_loop = Turns(_TURNS_IN_LOOP)  # by tenant
        self.turns_in_threads = Turns(limits.working_per_tenant)  # by tenant
        self._limits = limits
        self._requests_of: Counter[str] = Counter()  # by address
        self._tenants = threading.Lock()  # requests are authenticated in threads
        self._requests_of_tenant: Counter[str] = Counter()
        self._downloads_of: Counter[tuple[str, str]] = Counter()  # by file, tenant and address
        self._waits = 0
        self._waits_of: Counter[str] = Counter()  # by tenant
        self._delayed = 0  # refusals
        self._bodies: dict[WaitingBody, str] = {}  # with their addresses, oldest first
        self._unlogged: Counter[str] = Counter()
        self._logged_at: dict[str, float] = {}

    @property
    def is_draining(self) -> bool:
        """Whether the server shuts down."""
        return self._draining.is_set()

    @is_draining.setter
    def is_draining(self, value: bool) -> None:
        (self._draining.set if value else self._draining.clear)()

    async def drained(self) -> None:
        """Return when the server begins to shut down."""
        await self._draining.wait()

    def wait_refusal(self, tenant: str) -> Waitable | None:
        """Return why another request of the tenant may not wait for the change of a job, or None if it may."""
        if self._waits_of[tenant] >= self._limits.waits_per_tenant:
            message = f"Too many requests of this account wait for exports; retry after {_WAIT_RETRY_AFTER} seconds."
            return Throttled(message, retry_after=_WAIT_RETRY_AFTER, reason="waits_per_tenant")
        if self._waits >= self._limits.waits:
            message = f"Too many requests wait for exports; retry after {_WAIT_RETRY_AFTER} seconds."
            return Unavailable(message, retry_after=_WAIT_RETRY_AFTER, reason="waits")
        return None

    @contextmanager
    def waiting(self, tenant: str) -> Iterator[None]:
        """Count a request as waiting while the block runs."""
        self._waits += 1
        try:
            with _counted(self._waits_of, tenant):
                yield
        finally:
            self._waits -= 1

    def request(self, address: str) -> RunningRequest:
        """Count a request while the block of this context manager runs."""
        return RunningRequest(self, self._requests_of, address)

    def enter_tenant(self, tenant: str) -> None:
        """Count a request as one of that tenant, until ``leave_tenant``. Raises Throttled. Thread-safe."""
        with self._tenants:
            running = self._requests_of_tenant.get(tenant, 0)
            if running >= self._limits.requests_per_tenant:
                message = f"Too many requests of this account are running; retry after {_RETRY_AFTER} seconds."
                raise Throttled(message, retry_after=_RETRY_AFTER, reason="requests_per_tenant")
            self._requests_of_tenant[tenant] = running + 1

    def leave_tenant(self, tenant: str) -> None:
        """The request has ended. Thread-safe."""
        with self._tenants:
            self._requests_of_tenant[tenant] -= 1
            if not self._requests_of_tenant[tenant]:
                del self._requests_of_tenant[tenant]

    @contextmanager
    def body(self, waiting: WaitingBody, address: str) -> Iterator[None]:
        """Count a body as awaited while the block runs.

        Beyond a limit, the body that has been awaited the longest is given up: genuine bodies arrive within moments.
        """
        limits = self._limits
        of_address = [each for each, its_address in self._bodies.items() if its_address == address]
        if len(of_address) >= limits.bodies_per_address:
            self._expel(of_address[0])
        elif len(self._bodies) >= limits.bodies:
            self._expel(next(iter(self._bodies)))
        self._bodies[waiting] = address
        try:
            yield
        finally:
            self._bodies.pop(waiting, None)

    def download_refusal(self, *, file: str, tenant: str, address: str) -> Waitable | None:
        """Return why a new download is refused, or None to admit it."""
        limits = self._limits
        for by, name, most, words in (
            ("file", file, limits.downloads_per_file, "this file"),
            ("tenant", tenant, limits.downloads_per_tenant, "this account"),
            ("address", address, limits.downloads_per_address, "this address"),
        ):
            if self._downloads_of[by, name] >= most:
                message = f"Too many downloads of {words} are running; retry after {_DOWNLOAD_RETRY_AFTER} seconds."
                return Throttled(message, retry_after=_DOWNLOAD_RETRY_AFTER, reason=f"downloads_per_{by}")
        if self.downloads >= limits.downloads:
            message = f"Too many downloads are running; retry after {_DOWNLOAD_RETRY_AFTER} seconds."
            return Unavailable(message, retry_after=_DOWNLOAD_RETRY_AFTER, reason="downloads")
        return None

    @contextmanager
    def download(self, *, file: str, tenant: str, address: str) -> Iterator[None]:
        """Count a download while the block runs."""
        self.downloads += 1
        try:
            with ExitStack() as stack:
                for key in (("file", file), ("tenant", tenant), ("address", address)):
                    stack.enter_context(_counted(self._downloads_of, key))
                yield
        finally:
            self.downloads -= 1

    async def delay_refusal(self) -> None:
        """Wait before a refusal is sent, so that a client that repeats its request at once costs little.

        The wait occupies none of the ``requests``; beyond as many delayed refusals as there may be bodies, there is no
        delay.
        """
        if self._delayed >= self._limits.bodies or not self._limits.refusal_delay:
            return
        self._delayed += 1
        try:
            await asyncio.sleep(self._limits.refusal_delay)
        finally:
            self._delayed -= 1

    def record_connection(self, reason: str, address: str | None) -> None:
        """Count a connection that was refused or ended; the log has one line for many of them."""
        self.refusals[reason] += 1
        self._unlogged[reason] += 1
        now = time.monotonic()
        if now - self._logged_at.get(reason, now - _LOG_SECONDS) >= _LOG_SECONDS:
            _log.warning("connections_refused", refusal=reason, number=self._unlogged.pop(reason), last_address=address)
            self._logged_at[reason] = now

    def refusal(self, address: str) -> Waitable | None:
        """Return why a new request is refused, or None to admit it."""
        if self.is_draining:
            message = f"The server is shutting down; retry after {_RETRY_AFTER} seconds."
            return Unavailable(message, retry_after=_RETRY_AFTER, reason="draining")
        if self.running - self.downloads - len(self._bodies) - self._waits - self._delayed >= self._limits.requests:
            message = f"Concurrency limit reached; retry after {_RETRY_AFTER} seconds."
            return Unavailable(message, retry_after=_RETRY_AFTER, reason="concurrent_requests")
        if self._requests_of.get(address, 0) >= self._limits.connections_per_address:
            message = f"Too many requests from this address are running; retry after {_RETRY_AFTER} seconds."
            return Throttled(message, retry_after=_RETRY_AFTER, reason=PER_ADDRESS)
        return None

    def _expel(self, waiting: WaitingBody) -> None:
        del self._bodies[waiting]
        waiting.expel()


class RunningRequest:
    """Counts a request. A generator as the context manager would take several times as long."""

    __slots__ = ("_address", "_of_address", "_traffic")

    def __init__(self, traffic: Traffic, of_address: Counter[str], address: str) -> None:
        self._traffic = traffic
        self._of_address = of_address
        self._address = address

    def __enter__(self) -> None:
        self._traffic.running += 1
        self._of_address[self._address] = self._of_address.get(self._address, 0) + 1

    def __exit__(self, *_: object) -> None:
        self._traffic.running -= 1
        self._of_address[self._address] -= 1
        if not self._of_address[self._address]:
            del self._of_address[self._address]


@contextmanager
def _counted(counter: Counter[Key], key: Key) -> Iterator[None]:
    counter[key] += 1
    try:
        yield
    finally:
        counter[key] -= 1
        if not counter[key]:
            del counter[key]
