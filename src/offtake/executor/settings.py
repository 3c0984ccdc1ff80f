"""Options of the executor: ``[worker]``, ``[maintenance]`` and ``[temporal]``."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from offtake.settings_section import Seconds, SettingsSection


class WorkerSettings(SettingsSection):
    """Limits, retries and leases of attempts."""

    threads: int | None = Field(
        None,
        ge=1,
        le=256,
        description="Maximum threads of one attempt's query. Default: the processors that the process may use, divided "
        "by the number of concurrent attempts, but at most one thread for each 128 MiB of `memory_mb`.",
    )
    memory_mb: int | None = Field(
        None,
        ge=128,
        description="Memory of one attempt's query, in MiB; the query spills beyond it. Default: the memory limit of "
        "the container or service, or half of the machine's memory if there is none; less 300 MiB for the server, "
        "200 MiB for each attempt and an eighth for the cache of files; divided by the number of concurrent attempts; "
        "at least 256.",
    )
    temp_mb: int | None = Field(
        None,
        ge=0,
        description="Disk space for the spilled data of one attempt, in MiB. Default: half of the disk space that is "
        "free at the start beyond `min_free_mb`, divided by the number of concurrent attempts; at least 1024.",
    )
    attempts: int = Field(
        4, ge=1, le=100, description="Maximum attempts of one job; when the last one fails, the job fails."
    )
    retry_seconds: Seconds = Field(5.0, ge=0, description="Delay before the second attempt; it doubles each time.")
    heartbeat_seconds: Seconds = Field(2.0, gt=0, description="Interval at which a running attempt renews its lease.")
    lease_seconds: Seconds = Field(
        15.0, gt=0, description="Duration of a lease. If it is not renewed, another worker runs the job."
    )
    drain_seconds: Seconds = Field(
        10.0, ge=0, description="Time that a running attempt has after SIGTERM before its job is requeued."
    )
    long_seconds: Seconds = Field(
        60.0,
        ge=0,
        description="Of several workers that `offtake serve` starts, one leaves exports with a longer estimated "
        "duration to the others, so that short exports need not wait; 0: no worker does.",
    )

    @field_validator("lease_seconds")
    @classmethod
    def _check_lease(cls, value: float, info: ValidationInfo) -> float:
        heartbeat = info.data.get("heartbeat_seconds")
        if heartbeat is not None and value < 3 * heartbeat:
            raise ValueError(f"contradicts heartbeat_seconds = {heartbeat:g}: a lease must last three heartbeats")
        return value


class MaintenanceSettings(SettingsSection):
    """The maintenance loop: intervals of its tasks. One process at a time runs them for the whole installation."""

    rescue_seconds: Seconds = Field(
        1.0, ge=0.1, description="Interval between two rescues of jobs whose lease has expired."
    )
    expire_seconds: Seconds = Field(
        60.0, ge=1, description="Interval between two removals of files whose retention is over."
    )
    sweep_seconds: Seconds = Field(
        600.0,
        ge=1,
        description="Interval between two sweeps for files that no job needs. A sweep lists every published file. "
        "The rescue of a job requests a sweep at once.",
    )
    redispatch_seconds: Seconds = Field(
        60.0,
        ge=1,
        description="With Temporal, interval between two re-dispatches of unclaimed jobs, and the minimum time that "
        "such a job has been runnable.",
    )
    tombstone_days: float = Field(
        30.0,
        ge=8,
        le=3650,
        description="How long the lake keeps which rows were deleted, for readers of changes and for undos. Delta "
        "keeps the commits that name them for 30 days, unless the tables have another delta.logRetentionDuration.",
    )


class TemporalSettings(SettingsSection):
    """Connection to Temporal, used if `executor` is "temporal"."""

    address: str = Field("127.0.0.1:7233", pattern=r"^[^/@\s]+:\d+$", description="Temporal's host and port.")
    namespace: str = Field("default", min_length=1, description="Temporal's namespace.")
    task_queue: str = Field(
        "offtake",
        min_length=1,
        max_length=200,
        description="Task queue that workers poll. Installations that share a namespace need separate queues.",
    )
    activities: int = Field(1, ge=1, le=64, description="Maximum concurrent attempts of one worker process.")
    tls: bool = Field(False, description="Use TLS. Each option below implies it.")
    tls_ca_file: str | None = Field(
        None, description="PEM file of the certificate authorities of Temporal; default: those of the system."
    )
    tls_certificate_file: str | None = Field(None, description="PEM file of the client certificate.")
    tls_key_file: str | None = Field(None, description="PEM file of the key of the client certificate.")
    api_key_file: str | None = Field(
        None, description="File that holds an API key of Temporal Cloud; a relative path is in the home folder."
    )
    api_key: SecretStr | None = Field(
        None, description="The API key itself; set it in the environment, as OFFTAKE_TEMPORAL__API_KEY."
    )

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_certificate_file and tls_key_file need each other: set both or neither")
        if self.api_key is not None and self.api_key_file is not None:
            raise ValueError("api_key contradicts api_key_file: set one of them")
        return self

    @property
    def uses_tls(self) -> bool:
        """Whether any option requires TLS; an API key is never sent without it."""
        return self.tls or any((self.tls_ca_file, self.tls_certificate_file, self.api_key_file, self.api_key))
