"""Trusted proxies: the client's address, scheme and host, taken from the ``X-Forwarded-*`` headers of listed proxies.

Any client can send these headers. When the peer is not a listed proxy, the middleware ignores them and the peer itself
is the client.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

_HOST = re.compile(r"([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?", re.ASCII)
_PORT = re.compile(r"(?P<v4>[\d.]+):\d{1,5}|\[(?P<v6>[0-9A-Fa-f:.]+)\](:\d{1,5})?", re.ASCII)


class Proxies:
    """The trusted proxies, by address or network."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ip_network(network) for network in networks]

    def __contains__(self, host: str) -> bool:
        if not self._networks:
            return False
        address = _address(host)
        return address is not None and any(address in network for network in self._networks)

    def client(self, forwarded: str) -> str | None:
        """Return the last untrusted address of an ``X-Forwarded-For`` header; None if it cannot be parsed.

        Each proxy appends the address of its peer, so a trusted proxy wrote that entry; entries to its left may be
        forged.
        """
        client = None
        for entry in reversed(forwarded.split(",")):
            address = _address(entry.strip())
            if address is None:
                return client
            client = str(address)
            if client not in self:
                return client
        return client


class ProxyHeadersMiddleware:
    """Sets client address, scheme and host of a request from the headers of a trusted proxy."""

    def __init__(self, app: ASGIApp, proxies: Proxies) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Apply the headers and pass the request on."""
        if scope["type"] == "http" and scope["client"] and scope["client"][0] in self._proxies:
            _apply(scope, Headers(scope=scope), self._proxies)
        await self._app(scope, receive, send)


def _apply(scope: Scope, headers: Headers, proxies: Proxies) -> None:
    client = proxies.client(", ".join(headers.getlist("x-forwarded-for")))
    if client is not None:
        scope["client"] = (client, 0)
    scheme = _last_value(headers, "x-forwarded-proto").lower()
    if scheme in ("http", "https"):
        scope["scheme"] = scheme
    host = _last_value(headers, "x-forwarded-host")
    if _HOST.fullmatch(host):
        others = [(name, value) for name, value in scope["headers"] if name != b"host"]
        scope["headers"] = [*others, (b"host", host.encode())]


def _last_value(headers: Headers, name: str) -> str:
    """Return the header's last value, which the proxy nearest to this server wrote."""
    values = headers.getlist(name)
    return values[-1].rpartition(",")[2].strip() if values else ""


def _address(text: str) -> IPv4Address | IPv6Address | None:
    with_port = _PORT.fullmatch(text)
    try:
        address = ip_address((with_port["v4"] or with_port["v6"]) if with_port else text)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
