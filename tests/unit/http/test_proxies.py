"""Client addresses from proxies: only configured proxies are trusted, and only for their own part of the header."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from offtake.http.proxies import Proxies, ProxyHeadersMiddleware

PROXIES = Proxies(["10.0.0.0/8", "2001:db8::1"])


@pytest.mark.parametrize(
    ("header", "client"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, 10.1.1.1", "203.0.113.7"),
        ("1.2.3.4, 203.0.113.7, 10.1.1.1", "203.0.113.7"),  # the first address is not from a trusted proxy
        ("203.0.113.7:55123", "203.0.113.7"),
        ("[2001:db8::7]:55123", "2001:db8::7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("10.1.1.1, 2001:db8::1", "10.1.1.1"),  # the proxies themselves
        ("203.0.113.7, <script>", None),
        ("<script>, 10.1.1.1", "10.1.1.1"),
        ("", None),
    ],
)
def test_the_nearest_unknown_address_is_the_client(header: str, client: str | None) -> None:
    assert PROXIES.client(header) == client


def seen(peer: str, headers: dict[str, str]) -> tuple[str, str, str]:
    """Address, scheme and host as the application sees them."""
    found: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found.append(scope)

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        raise AssertionError(message)

    sent = [(b"host", b"inside:8080"), *((name.encode(), value.encode()) for name, value in headers.items())]
    scope: Scope = {"type": "http", "client": (peer, 4711), "scheme": "http", "headers": sent}

    async def run() -> None:
        await ProxyHeadersMiddleware(app, PROXIES)(scope, receive, send)

    asyncio.run(run())
    host = b",".join(value for name, value in found[0]["headers"] if name == b"host").decode()
    return found[0]["client"][0], found[0]["scheme"], host


FORWARDED = {
    "x-forwarded-for": "203.0.113.7",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "exports.example.com",
}


def test_a_configured_proxy_is_trusted() -> None:
    assert seen("10.9.9.9", FORWARDED) == ("203.0.113.7", "https", "exports.example.com")
    assert seen("::ffff:10.9.9.9", FORWARDED) == ("203.0.113.7", "https", "exports.example.com")


def test_any_other_address_is_not_trusted() -> None:
    assert seen("192.0.2.1", FORWARDED) == ("192.0.2.1", "http", "inside:8080")


def test_values_that_a_caller_put_before_those_of_the_proxy_are_ignored() -> None:
    headers = {"x-forwarded-proto": "gopher, https", "x-forwarded-host": "evil.example, exports.example.com"}
    assert seen("10.9.9.9", headers) == ("10.9.9.9", "https", "exports.example.com")


@pytest.mark.parametrize("host", ["a b", "x/../y", "user@host", "[::1", "h:port", "é.example"])
def test_an_invalid_host_is_ignored(host: str) -> None:
    assert seen("10.9.9.9", {"x-forwarded-host": host, "x-forwarded-proto": "ftp"})[1:] == ("http", "inside:8080")
