"""Options of the executor: ``[worker]``, ``[maintenance]`` and ``[temporal]``."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from offtake.settings_section import SettingsSection


class WorkerSettings(SettingsSection):
    """Attempts: what one may use, and how one ends."""

    threads: int = Field(2, ge=1, le=256, description="Threads of one attempt's query.")
    memory_mb: int = Field(256, ge=128, description="Memory of one attempt's query, in MiB; what is over it spills.")
    temp_mb: int = Field(20_480, ge=0, description="Disk space one attempt may spill to, in MiB.")
    attempts: int = Field(4, ge=1, le=100, description="Attempts at one job before it fails.")
    retry_seconds: float = Field(5.0, ge=0, description="Wait before the second attempt; it doubles each time.")
    heartbeat_seconds: float = Field(2.0, gt=0, description="How often a running attempt renews its lease.")
    lease_seconds: float = Field(
        15.0, gt=0, description="How long an attempt may be silent before its job is given to another worker."
    )
    drain_seconds: float = Field(
        10.0, ge=0, description="After SIGTERM, how long an attempt may go on before its job is handed back."
    )
    long_seconds: float = Field(
        60.0,
        ge=0,
        description="Of several workers started by `offtake serve`, one leaves exports that are expected to run longer "
        "to the others, so that short ones need not wait; 0 for none.",
    )

    @field_validator("lease_seconds")
    @classmethod
    def _outlives_heartbeats(cls, value: float, info: ValidationInfo) -> float:
        heartbeat = info.data.get("heartbeat_seconds")
        if heartbeat is not None and value < 3 * heartbeat:
            raise ValueError(f"contradicts heartbeat_seconds = {heartbeat:g}: a lease must last three heartbeats")
        return value


class MaintenanceSettings(SettingsSection):
    """The maintenance loop: intervals of its tasks. One process at a time runs them for the whole installation."""

    rescue_seconds: float = Field(
        1.0, ge=0.1, description="Interval between two rescues of jobs whose worker let its lease run out."
    )
    expire_seconds: float = Field(
        60.0, ge=1, description="Interval between two removals of files whose retention is over."
    )
    sweep_seconds: float = Field(
        600.0,
        ge=1,
        description="Interval between two sweeps for files that no job needs. A sweep lists every published file. A "
        "rescued job starts one at once.",
    )
    redispatch_seconds: float = Field(
        60.0,
        ge=1,
        description="With Temporal, interval between two re-dispatches, and how long a job has been runnable and "
        "unclaimed by then.",
    )


class TemporalSettings(SettingsSection):
    """Temporal, where `executor` is "temporal"."""

    address: str = Field("127.0.0.1:7233", pattern=r"^[^/@\s]+:\d+$", description="Temporal's host and port.")
    namespace: str = Field("default", min_length=1, description="Temporal's namespace.")
    task_queue: str = Field(
        "offtake",
        min_length=1,
        max_length=200,
        description="Task queue that workers poll. Installations that share a namespace need one each.",
    )
    activities: int = Field(1, ge=1, le=64, description="Attempts that one worker process runs at once.")
    tls: bool = Field(False, description="Speak TLS. Each option below asks for it by itself.")
    tls_ca_file: str | None = Field(
        None, description="PEM file of the authorities that vouch for Temporal; without it, the system's."
    )
    tls_certificate_file: str | None = Field(None, description="PEM file of our own certificate.")
    tls_key_file: str | None = Field(None, description="PEM file of the key of our certificate.")
    api_key_file: str | None = Field(
        None, description="File that holds an API key of Temporal Cloud; a relative path is in the home folder."
    )
    api_key: SecretStr | None = Field(
        None, description="The API key itself: meant for the environment, OFFTAKE_TEMPORAL__API_KEY."
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_certificate_file and tls_key_file need each other")
        if self.api_key is not None and self.api_key_file is not None:
            raise ValueError("api_key contradicts api_key_file: give one of them")
        return self

    @property
    def speaks_tls(self) -> bool:
        """Whether anything asks for TLS; an API key is never sent without."""
        return self.tls or any((self.tls_ca_file, self.tls_certificate_file, self.api_key_file, self.api_key))
