"""The network address by which limits tell clients apart."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address


@lru_cache(maxsize=4096)  # called several times with each request
def client_network(address: str | None) -> str:
    """Return the address, or the /64 network of an IPv6 address: one client usually has all of it.

    A text that is no address, such as that of a local socket, is returned unchanged.
    """
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return address or ""
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    return str(parsed.ipv4_mapped) if parsed.ipv4_mapped else parsed.exploded[:19]
