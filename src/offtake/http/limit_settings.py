"""Options that protect the server from many or slow clients: ``[connections]``, ``[downloads]``."""

from __future__ import annotations

from pydantic import Field

from offtake.http.limits import ConnectionLimits, TrafficLimits
from offtake.http.settings import ServerSettings
from offtake.settings_section import Seconds, SettingsSection


class ConnectionSettings(SettingsSection):
    """Open connections. IPv6 clients are counted by /64 network, clients of a trusted proxy by their own address."""

    total: int = Field(
        2000,
        ge=8,
        description="Maximum number of open connections. A further one takes the place of an idle one of the address "
        "with the most connections.",
    )
    per_address: int = Field(
        256,
        ge=1,
        description="Maximum number of open connections of one client address; a further one takes the place of an "
        "idle one. Behind a trusted proxy: of concurrent requests of one client; others get 429.",
    )
    per_tenant: int = Field(
        256, ge=1, description="Maximum number of concurrent requests of one tenant; others get 429."
    )
    working_per_tenant: int = Field(
        2,
        ge=1,
        le=40,
        description="Maximum number of requests of one tenant that the server works on at a time, of 40 of all "
        "tenants; further ones wait. A higher number serves one tenant faster if its requests wait for a slow "
        "database or lake, and delays the other tenants more.",
    )
    bodies: int = Field(
        512,
        ge=1,
        description="Maximum number of requests whose body has not arrived completely; for a further one, the one that "
        "has waited the longest gets 503.",
    )
    bodies_per_address: int = Field(64, ge=1, description="The same for one client address.")
    waits: int = Field(
        500,
        ge=0,
        description="Maximum number of requests that wait for the change of an export: ?wait, Prefer: wait and event "
        "streams of the native API. Beyond it, event streams get 503, and others are answered at once.",
    )
    waits_per_tenant: int = Field(
        64, ge=0, description="The same for one tenant, below per_tenant; further event streams get 429."
    )
    write_seconds: Seconds = Field(
        60.0,
        gt=0,
        description="Interval at which the server checks that a client receives; a slower client is disconnected.",
    )
    min_bytes_per_second: int = Field(
        1024, ge=1, description="Slowest average at which a client may receive in such an interval."
    )
    refusal_delay_seconds: Seconds = Field(
        1.0,
        ge=0,
        le=60,
        description="How long the refusal of a login, a body or a download is delayed, so that a client that repeats "
        "its request at once does not occupy the server.",
    )


class DownloadSettings(SettingsSection):
    """Files that are sent at a time. They do not count as concurrent requests."""

    total: int = Field(256, ge=1, description="Maximum number of downloads; further ones get 503.")
    per_address: int = Field(64, ge=1, description="Maximum number for one client address; further ones get 429.")
    per_tenant: int = Field(64, ge=1, description="Maximum number for one tenant; further ones get 429.")
    per_file: int = Field(16, ge=1, description="Maximum number for one file; further ones get 429.")


def traffic_limits(
    server: ServerSettings, connections: ConnectionSettings, downloads: DownloadSettings
) -> TrafficLimits:
    """Return the limits of the server's traffic."""
    return TrafficLimits(
        requests=server.concurrent_requests,
        connections=connections.total,
        connections_per_address=connections.per_address,
        requests_per_tenant=connections.per_tenant,
        working_per_tenant=connections.working_per_tenant,
        bodies=connections.bodies,
        bodies_per_address=connections.bodies_per_address,
        downloads=downloads.total,
        downloads_per_address=downloads.per_address,
        downloads_per_tenant=downloads.per_tenant,
        downloads_per_file=downloads.per_file,
        waits=connections.waits,
        waits_per_tenant=connections.waits_per_tenant,
        refusal_delay=connections.refusal_delay_seconds,
    )


def connection_limits(server: ServerSettings, connections: ConnectionSettings) -> ConnectionLimits:
    """Return the limits of each connection."""
    return ConnectionLimits(
        header_seconds=server.header_seconds,
        max_header_bytes=server.max_header_bytes,
        write_seconds=connections.write_seconds,
        min_bytes_per_second=connections.min_bytes_per_second,
    )
