"""Options that protect the server from many or slow clients: ``[logins]``."""

from __future__ import annotations

from pydantic import Field

from offtake.settings_section import Seconds, SettingsSection


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
        2, ge=1, le=64, description="Threads that verify secrets; each needs 19 MiB while it does."
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
