"""Options that protect the server from many or slow clients: ``[connections]``, ``[downloads]``, ``[logins]``."""

from __future__ import annotations

from pydantic import Field

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
    bodies: int = Field(
        512,
        ge=1,
        description="Maximum number of requests whose body has not arrived completely; for a further one, the one that "
        "has waited the longest gets 503.",
    )
    bodies_per_address: int = Field(64, ge=1, description="The same for one client address.")
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


class LoginSettings(SettingsSection):
    """Logins with a password or a client secret. Each server counts failures for itself."""

    failures_per_address: int = Field(
        20,
        ge=1,
        description="Failed logins of one client address (of one /64 network for IPv6) in each period; further ones "
        "get 429, except for names that logged in from there within a day and have not failed as often themselves.",
    )
    failures_per_name: int = Field(
        100,
        ge=1,
        description="Failed logins of one user name or client id in each period; further ones get 429 from addresses "
        "that failed with this name in the period.",
    )
    period_seconds: Seconds = Field(
        60.0, ge=1, description="Length of a period, which begins with its first failure and is not extended."
    )
    hash_threads: int = Field(
        1, ge=1, le=64, description="Threads that verify secrets; each needs 19 MiB while it does."
    )
    waiting: int = Field(
        16,
        ge=0,
        le=30,
        description="Logins that wait for such a thread; others get 503. Half of the places are for names that logged "
        "in from the same address within a day.",
    )
    cache_seconds: Seconds = Field(
        60.0,
        ge=0,
        le=3600,
        description="How long a verified secret is not hashed again for the same address. A revoked credential is "
        "refused at once all the same.",
    )
