"""Connections make room for new ones; downloads and awaited bodies are limited."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import httpx
import pytest
from fastapi import FastAPI

from offtake.errors import Throttled, Unavailable
from offtake.http.connections import PER_ADDRESS, TOTAL, Connections
from offtake.http.hosts import ServedHosts
from offtake.http.limit_settings import ConnectionSettings, DownloadSettings
from offtake.http.middleware import RequestLimits, build_middleware
from offtake.http.proxies import Proxies
from offtake.http.settings import ServerSettings
from offtake.http.traffic import Traffic
from offtake.http_app import build_traffic
from offtake.settings import Settings


@dataclass(eq=False)
class Socket:
    """A connection that notes that it was closed."""

    is_closed: bool = False

    def evict(self) -> None:
        self.is_closed = True


@dataclass
class LimitedConnections:
    """At most eight connections, three of each address."""

    refused: list[tuple[str, str | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        proxies = Proxies(("198.51.100.1",))
        self.connections = Connections(
            total=8, per_address=3, proxies=proxies, record=lambda *which: self.refused.append(which)
        )

    def open(self, host: str, number: int = 1, *, busy: bool = False) -> list[Socket]:
        """Open connections that have to be accepted."""
        made = [Socket() for _ in range(number)]
        for each in made:
            assert self.connections.add(each, host)
            if busy:
                self.connections.set_busy(each)
        return made


def test_a_connection_beyond_the_limit_of_an_address_replaces_its_oldest_idle_one() -> None:
    limited = LimitedConnections()
    other = limited.open("192.0.2.9")
    sockets = limited.open("192.0.2.1", 5)
    assert [each.is_closed for each in sockets] == [True, True, False, False, False]
    limited.connections.set_busy(sockets[2])  # its request is never interrupted
    limited.connections.set_idle(sockets[2])  # and it is now the youngest of the idle ones
    limited.open("192.0.2.1")
    assert [each.is_closed for each in sockets] == [True, True, False, True, False]
    assert not other[0].is_closed
    assert limited.refused == [(PER_ADDRESS, "192.0.2.1")] * 3


def test_a_connection_is_refused_while_all_of_its_address_have_requests() -> None:
    limited = LimitedConnections()
    limited.open("2001:db8::1", 2, busy=True)
    limited.open("2001:db8::2", busy=True)  # the same network
    assert not limited.connections.add(Socket(), "2001:db8::3")
    assert limited.refused == [(PER_ADDRESS, "2001:db8::3")]
    limited.open("2001:db8:0:1::1")


def test_a_full_server_takes_from_the_address_with_the_most_connections() -> None:
    limited = LimitedConnections()
    client = limited.open("192.0.2.1")
    attackers = [limited.open(f"203.0.113.{number}", 3) for number in range(2)]
    late = limited.open("192.0.2.2")
    assert len(limited.connections) == 8
    limited.open("192.0.2.3")
    assert not client[0].is_closed
    assert not late[0].is_closed
    assert sum(each.is_closed for sockets in attackers for each in sockets) == 1
    assert [reason for reason, _ in limited.refused] == [TOTAL]
    assert len(limited.connections) == 8


def test_a_full_server_without_an_idle_connection_refuses() -> None:
    limited = LimitedConnections()
    opened = [socket for number in range(8) for socket in limited.open(f"192.0.2.{number}", busy=True)]
    assert not limited.connections.add(Socket(), "192.0.2.100")
    limited.connections.remove(opened[0])
    limited.open("192.0.2.100")
    for each in opened:
        limited.connections.remove(each)
    assert len(limited.connections) == 1


def test_a_trusted_proxy_has_no_limit_of_an_address() -> None:
    limited = LimitedConnections()
    sockets = limited.open("198.51.100.1", 8)
    assert not any(each.is_closed for each in sockets)


def traffic(**limits: int) -> Traffic:
    """The traffic of a server with these limits of connections."""
    return build_traffic(Settings(connections=ConnectionSettings(**limits)))


FIRST = {"file": "f1", "tenant": "t1", "address": "192.0.2.1"}


@pytest.mark.parametrize(
    ("kind", "limit"), [("file", "per_file"), ("tenant", "per_tenant"), ("address", "per_address")]
)
def test_downloads_are_limited_by_file_tenant_and_address(kind: str, limit: str) -> None:
    limits = {"per_file": 9, "per_tenant": 9, "per_address": 9} | {limit: 1}
    load = build_traffic(Settings(downloads=DownloadSettings(**limits)))
    other = {name: value if name == kind else f"{value}-2" for name, value in FIRST.items()}
    with load.download(**FIRST):
        refusal = load.download_refusal(**other)
        assert isinstance(refusal, Throttled)
        assert refusal.reason == f"downloads_per_{kind}"
        assert load.download_refusal(file="f3", tenant="t3", address="192.0.2.3") is None
    assert load.download_refusal(**other) is None
    assert load.downloads == 0


def test_downloads_are_limited_in_all_and_do_not_count_as_requests() -> None:
    load = build_traffic(Settings(downloads=DownloadSettings(total=1)))
    with load.request("192.0.2.1"), load.download(**FIRST):
        refusal = load.download_refusal(file="f2", tenant="t2", address="192.0.2.2")
        assert isinstance(refusal, Unavailable)
        assert refusal.reason == "downloads"
        assert (load.running, load.refusal("192.0.2.2")) == (1, None)


def test_requests_are_limited_by_address() -> None:
    """Connections of a trusted proxy are not, so the requests of its clients are."""
    load = traffic(per_address=1)
    with load.request("192.0.2.1"):
        refusal = load.refusal("192.0.2.1")
        assert isinstance(refusal, Throttled)
        assert refusal.reason == PER_ADDRESS
        assert load.refusal("192.0.2.2") is None
    assert load.refusal("192.0.2.1") is None


def test_requests_are_limited_by_tenant() -> None:
    load = traffic(per_tenant=2)
    load.enter_tenant("t1")
    load.enter_tenant("t1")
    with pytest.raises(Throttled) as refused:
        load.enter_tenant("t1")
    assert refused.value.reason == "requests_per_tenant"
    load.enter_tenant("t2")
    load.leave_tenant("t1")
    load.enter_tenant("t1")


def test_a_path_of_no_dialect_answers_429_to_an_address_at_its_limit() -> None:
    """As the paths of dialects do; 503 would tell the client that the server is overloaded."""
    load = traffic(per_address=1)
    rules = RequestLimits(
        max_body=1024,
        body_seconds=1,
        traffic=load,
        proxies=Proxies(()),
        hosts=ServedHosts(ServerSettings()),
        hsts_seconds=0,
        record_request=lambda request: None,
    )
    transport = httpx.ASGITransport(build_middleware(FastAPI(), [], [], rules), client=("192.0.2.1", 1))

    async def status() -> int:
        async with httpx.AsyncClient(transport=transport, base_url="http://loop.test") as client:
            return (await client.get("/nothing")).status_code

    with load.request("192.0.2.1"):
        assert asyncio.run(status()) == 429
    assert asyncio.run(status()) == 404
    load.is_draining = True
    assert asyncio.run(status()) == 503


@dataclass(eq=False)
class Body:
    """A body that notes that the server no longer waits for it."""

    is_expelled: bool = False

    def expel(self) -> None:
        self.is_expelled = True


def test_the_body_that_has_been_awaited_the_longest_is_given_up() -> None:
    load = traffic(bodies=3, bodies_per_address=2)
    bodies = [Body() for _ in range(5)]
    waits = [load.body(each, address) for each, address in zip(bodies, "aabbc", strict=True)]
    for wait in waits[:3]:
        wait.__enter__()
    assert not any(each.is_expelled for each in bodies)
    waits[3].__enter__()  # beyond the limit of all
    assert [each.is_expelled for each in bodies] == [True, False, False, False, False]
    third = Body()
    with load.body(third, "b"):  # beyond the limit of its address
        assert [each.is_expelled for each in bodies] == [True, False, True, False, False]
    for wait in waits[:4]:
        wait.__exit__(None, None, None)
    with waits[4]:
        assert not bodies[4].is_expelled
