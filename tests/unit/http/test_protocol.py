"""Pipelined requests: few are parsed while a response is awaited, the others wait unread, and all are answered."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from offtake.http.limits import ConnectionLimits, TrafficLimits
from offtake.http.protocol import LimitedProtocol, limited_protocol
from offtake.http.proxies import Proxies
from offtake.http.traffic import Traffic

MANY = 3000
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LIMITS = ConnectionLimits(header_seconds=0.2, max_header_bytes=4096, write_seconds=60, min_bytes_per_second=1)
TRAFFIC = TrafficLimits(
    requests=10,
    connections=10,
    connections_per_address=10,
    requests_per_tenant=10,
    working_per_tenant=2,
    bodies=10,
    bodies_per_address=10,
    downloads=10,
    downloads_per_address=10,
    downloads_per_tenant=10,
    downloads_per_file=10,
    waits=10,
    waits_per_tenant=10,
    refusal_delay=0,
)


async def _serve_pipelined() -> tuple[int, int, int]:
    """Return how many requests and bytes wait while the first one runs, and how many are answered afterwards."""
    release, made = asyncio.Event(), list[LimitedProtocol]()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await release.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    config = Config(app, http=limited_protocol(LIMITS, Traffic(TRAFFIC, Proxies(()))), lifespan="off", log_config=None)
    config.load()

    def protocol() -> LimitedProtocol:
        assert issubclass(config.http_protocol_class, LimitedProtocol)
        made.append(config.http_protocol_class(config, ServerState(), {}))
        return made[-1]

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(REQUEST * MANY)
        await asyncio.sleep(2 * LIMITS.header_seconds)  # the cut headers are not the client's delay
        waiting, unparsed = len(made[0].pipeline), len(made[0]._unparsed)
        release.set()
        answered = 0
        while answered < MANY and await reader.readuntil(b"\r\n\r\n"):
            answered += 1
        writer.close()
    return waiting, unparsed, answered


def test_few_pipelined_requests_are_parsed_at_a_time_and_all_are_answered() -> None:
    waiting, unparsed, answered = asyncio.run(_serve_pipelined())
    assert 4 <= waiting <= 40
    assert 0 < unparsed <= 256 * 1024  # what asyncio reads at a time
    assert answered == MANY
