"""Options of object storage: ``[storage]``."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from offtake.settings_section import SettingsSection


class StorageSettings(SettingsSection):
    """Object storage: what `artifacts_url` and `lake_url` leave open. Credentials are not options; they come from the
    environment (`AWS_ACCESS_KEY_ID` and so on), the machine's own role, or `secrets/storage.env` in the home folder."""

    endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^/?#@]+$",
        description="Where the service answers, as https://s3.example.com; without it, the cloud's own.",
    )
    region: str | None = Field(None, description="Region of the buckets; without it, AWS_REGION, else us-east-1.")
    path_style: bool = Field(
        True, description="Whether the bucket stands in the path of a URL (S3 and its likes) or before the host."
    )
    allow_http: bool = Field(False, description="Whether the endpoint may be plain HTTP.")
    timeout_seconds: float = Field(30.0, gt=0, description="How long one request may take.")
    connect_seconds: float = Field(5.0, gt=0, description="How long it may take to connect.")
    retries: int = Field(5, ge=0, le=100, description="How often a request that failed is repeated.")
    retry_seconds: float = Field(60.0, ge=0, description="Not repeated any more after so many seconds.")
    cache_mb: int = Field(
        10_240, ge=0, description="Copies of the lake's files that a machine keeps, in MiB; those in use come on top."
    )
    cache_folder: str | None = Field(
        None, description="Where they are kept; a relative path is in the home folder. Without it, cache/lake there."
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.endpoint is not None and self.endpoint.startswith("http://") and not self.allow_http:
            raise ValueError("endpoint is plain HTTP, which allow_http = false forbids")
        return self
