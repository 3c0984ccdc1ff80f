"""Options of the HTTP process: ``[server]`` and ``[metrics]``."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from offtake.settings_section import SettingsSection


class ServerSettings(SettingsSection):
    """The HTTP process and the workers it starts."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#]+(/[^?#]*)?$",
        description="How clients reach the server, as https://exports.example.com; links are built from it. "
        "Without it, links repeat the host the client asked for.",
    )
    workers: int = Field(2, ge=0, le=64, description="Worker processes started by `offtake serve`; 0 for none.")
    max_body_bytes: int = Field(65_536, ge=1024, description="Larger request bodies are refused.")
    drain_seconds: float = Field(20.0, ge=0, description="After SIGTERM, how long running downloads may go on.")
    tls_certificate: str | None = Field(
        None,
        description="File of the certificate and the chain above it (PEM); the server then speaks HTTPS only. "
        "A relative path is in the home folder; SIGHUP reads both files again.",
    )
    tls_key: str | None = Field(
        None, validate_default=True, description="File of the certificate's private key (PEM, without a password)."
    )
    tls_minimum: Literal["1.2", "1.3"] = Field("1.2", description="Oldest version of TLS that is spoken.")
    trusted_proxies: tuple[str, ...] = Field(
        (),
        description="Addresses or networks of proxies in front, as 10.0.0.5 or 10.0.0.0/8. X-Forwarded-For, "
        "X-Forwarded-Proto and X-Forwarded-Host are believed from those only.",
    )
    concurrent_requests: int = Field(
        1000, ge=1, description="Requests and downloads answered at once; more get 503 with Retry-After."
    )
    header_seconds: float = Field(
        10.0, gt=0, description="How long a client may take to send a request's headers; then it is disconnected."
    )
    body_seconds: float = Field(
        30.0, gt=0, description="How long a client may take to send a request's body; then it is answered 408."
    )
    max_header_bytes: int = Field(32_768, ge=4096, description="Larger request headers are refused.")
    keep_alive_seconds: float = Field(5.0, gt=0, description="How long an idle connection is kept open.")
    min_free_mb: int = Field(
        512, ge=0, description="The server is not ready while the artifact store has less free space, in MiB."
    )
    worker_silence_seconds: float = Field(
        30.0,
        ge=0,
        description="The server is not ready when no worker has been alive for so long; 0: workers may be away.",
    )

    @field_validator("public_url")
    @classmethod
    def _no_slash(cls, value: str | None) -> str | None:
        return value.rstrip("/") if value else value

    @field_validator("tls_key")
    @classmethod
    def _both_or_none(cls, value: str | None, info: ValidationInfo) -> str | None:
        if (value is None) != (info.data.get("tls_certificate") is None):
            raise ValueError("tls_certificate and tls_key belong together")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            ip_network(item)  # raises ValueError, which names it
        return value


class MetricsSettings(SettingsSection):
    """Figures for Prometheus at `/metrics`."""

    token: SecretStr | None = Field(
        None,
        min_length=16,
        description="What `Authorization: Bearer …` has to carry to read /metrics. Without it, there is no such path.",
    )
