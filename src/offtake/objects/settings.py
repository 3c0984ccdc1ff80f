"""Options of object storage: ``[storage]``."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from offtake.settings_section import Seconds, SettingsSection


class StorageSettings(SettingsSection):
    """Object storage of `artifacts_url` and `lake_url`. Credentials are not options: they come from the environment
    (such as `AWS_ACCESS_KEY_ID`), from the machine's role, or from `secrets/storage.env` in the home folder."""

    endpoint: str | None = Field(
        None,
        repr=False,
        pattern=r"^https?://[^/?#@]+$",
        description="URL of the service, such as https://s3.example.com. If unset, the cloud provider's.",
    )
    region: str | None = Field(None, description="Region of the buckets. If unset, AWS_REGION, else us-east-1.")
    path_style: bool = Field(
        True, description="Whether URLs have the bucket in the path or in the host name (S3-compatible services)."
    )
    allow_http: bool = Field(False, description="Whether the endpoint may use plain HTTP.")
    timeout_seconds: Seconds = Field(30.0, gt=0, description="Timeout of one request.")
    connect_seconds: Seconds = Field(5.0, gt=0, description="Timeout for connecting.")
    retries: int = Field(5, ge=0, le=100, description="Maximum number of retries of a failed request.")
    retry_seconds: Seconds = Field(60.0, ge=0, description="Maximum time for all retries of a request.")
    cache_mb: int = Field(
        10_240,
        ge=0,
        description="Maximum size of unreferenced cached lake files on a machine, in MiB; files in use do not count.",
    )
    cache_folder: str | None = Field(
        None, description="Folder of the cache; a relative path is in the home folder. If unset, cache/lake."
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.endpoint is not None and self.endpoint.startswith("http://") and not self.allow_http:
            raise ValueError("endpoint uses plain HTTP; use https:// or set allow_http = true")
        return self
