"""Options of the core: ``[budget]``, which a tenant may override (``[tenants.acme.budget]``), previews and logins."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from offtake.core.policy import Budget, LoginPolicy, PreviewPolicy
from offtake.settings_section import Seconds, SettingsSection

_MIB = 1024 * 1024
Megabytes = Annotated[int | None, Field(ge=1, le=1_000_000_000)]


class BudgetSettings(SettingsSection):
    """What each tenant may use, over all dialects."""

    kept_percent: float = Field(
        50.0,
        gt=0,
        le=100,
        description="Share of the artifact store's disk that the finished files of one tenant may take, in percent "
        "of its size when the process starts; 100: no limit. Without effect in object storage.",
    )
    kept_mb: Megabytes = Field(
        None, description="Finished files that one tenant may keep, in MiB; if unset, only kept_percent limits them."
    )
    kept_files: int = Field(100_000, ge=1, description="Number of finished files that one tenant may keep.")
    kept_rows: int | None = Field(
        None, ge=1, description="Rows of all finished files that one tenant may keep; if unset, there is no limit."
    )
    daily_mb: Megabytes = Field(
        None,
        description="Finished files that one tenant may export in a day (UTC), in MiB; if unset, there is no limit.",
    )
    requests_mb: int = Field(
        1024,
        ge=1,
        le=1_000_000_000,
        description="Size of the records of one tenant's exports in the state database, in MiB: their requests and "
        "1 KiB each.",
    )
    tokens: int = Field(
        100_000,
        ge=1,
        le=100_000_000,
        description="Access, refresh and service tokens of one credential that have not expired; further token "
        "requests are refused.",
    )
    ended_days: float = Field(
        90.0,
        gt=0,
        le=36_500,
        description="How long the record of an export without a file is kept after its end, in days. The audit log "
        "keeps its entries.",
    )

    def budget(self) -> Budget:
        """Return the budget of one tenant that the core enforces."""
        return Budget(
            kept_bytes=_bytes(self.kept_mb),
            kept_share=self.kept_percent / 100,
            kept_files=self.kept_files,
            kept_rows=self.kept_rows,
            daily_bytes=_bytes(self.daily_mb),
            request_bytes=_bytes(self.requests_mb),
            tokens=self.tokens,
            ended_life=timedelta(days=self.ended_days),
        )


class PreviewSettings(SettingsSection):
    """Previews: the first rows of a request, which the server itself queries."""

    at_once: int = Field(
        2,
        ge=1,
        le=256,
        description="Previews that one server process runs at once; further ones are refused. A tenant takes the last "
        "free place only if it runs no preview, so no tenant can take all of several.",
    )
    seconds: float = Field(10.0, gt=0, le=600, description="How long one preview may take, in seconds.")
    memory_mb: int = Field(
        128, ge=64, le=1_000_000, description="Memory of the query of one preview in the server process, in MiB."
    )
    threads: int = Field(
        2,
        ge=1,
        le=64,
        description="Threads of one sorted preview, which reads all rows of its timespan; other previews use one.",
    )

    def policy(self) -> PreviewPolicy:
        """Return the limits of previews that the core enforces."""
        return PreviewPolicy(
            at_once=self.at_once,
            time=timedelta(seconds=self.seconds),
            memory_mb=self.memory_mb,
            threads=self.threads,
        )


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
        "in from the same address within a day, and a quarter is closed to addresses that failed within a day.",
    )
    cache_seconds: Seconds = Field(
        60.0,
        ge=0,
        le=3600,
        description="How long a verified secret is not hashed again for the same address. A revoked credential is "
        "refused at once all the same.",
    )

    def policy(self) -> LoginPolicy:
        """Return the limits that the core enforces."""
        return LoginPolicy(
            hash_threads=self.hash_threads,
            waiting=self.waiting,
            failures_per_address=self.failures_per_address,
            failures_per_name=self.failures_per_name,
            period=timedelta(seconds=self.period_seconds),
            cache=timedelta(seconds=self.cache_seconds),
        )


def _bytes(megabytes: int | None) -> int | None:
    return None if megabytes is None else megabytes * _MIB
