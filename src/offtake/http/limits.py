"""The limits of the traffic and of each connection. Settings have them, so this imports no library of the server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """Limits of each connection."""

    header_seconds: float
    max_header_bytes: int
    write_seconds: float  # interval at which the reading of the client is measured
    min_bytes_per_second: int  # that the client must read, on average of such an interval


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficLimits:
    """Largest numbers at a time."""

    requests: int
    connections: int
    connections_per_address: int
    requests_per_tenant: int
    bodies: int  # requests whose body has not arrived completely
    bodies_per_address: int
    working_per_tenant: int  # requests that threads work on; further ones wait
    downloads: int
    downloads_per_address: int
    downloads_per_tenant: int
    downloads_per_file: int
    waits: int  # requests that wait for the change of a job
    waits_per_tenant: int
    refusal_delay: float  # seconds
