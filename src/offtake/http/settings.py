"""Options of the HTTP process: ``[server]`` and ``[metrics]``."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from offtake.settings_section import Seconds, SettingsSection

ANY_HOST = "*"
_HOST_NAME = re.compile(r"[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]", re.ASCII)


class ServerSettings(SettingsSection):
    """The HTTP process and the workers it starts."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#]+(/[^?#]*)?$",
        description="Base URL of the server for clients, such as https://exports.example.com; links start with it. "
        "If unset, links use the host of the request.",
    )
    hosts: tuple[str, ...] = Field(
        (),
        description="Host names, without ports, by which clients may address the server, besides those of public_url, "
        "host and link_url; requests for others get 421. Unset, a server that listens on a loopback address answers "
        f'any name. "{ANY_HOST}" for any.',
    )
    workers: int = Field(
        2, ge=0, le=64, description="Number of worker processes that `offtake serve` starts; 0 for none."
    )
    max_body_bytes: int = Field(
        65_536, ge=1024, description="Maximum size of a request body; larger ones are answered 413."
    )
    drain_seconds: Seconds = Field(20.0, ge=0, description="How long running downloads may continue after SIGTERM.")
    tls_certificate: str | None = Field(
        None,
        description="File with the certificate and its chain (PEM); if set, the server accepts HTTPS only. "
        "A relative path is in the home folder; SIGHUP reloads certificate and key.",
    )
    tls_key: str | None = Field(
        None, validate_default=True, description="File with the certificate's private key (PEM, without a passphrase)."
    )
    tls_minimum: Literal["1.2", "1.3"] = Field("1.2", description="Minimum TLS version.")
    hsts_seconds: int = Field(
        31_536_000,
        ge=0,
        le=63_072_000,
        description="How long clients that used HTTPS keep to it (Strict-Transport-Security), in seconds; 0 for no "
        "such header. Sent over HTTPS only, also where a trusted proxy terminates it.",
    )
    trusted_proxies: tuple[str, ...] = Field(
        (),
        description="Addresses or networks of reverse proxies, such as 10.0.0.5 or 10.0.0.0/8. X-Forwarded-For, "
        "X-Forwarded-Proto and X-Forwarded-Host are accepted from these only.",
    )
    concurrent_requests: int = Field(
        1000,
        ge=1,
        description="Maximum number of concurrent requests, without downloads and requests whose body has not "
        "arrived; others get 503 with Retry-After.",
    )
    header_seconds: Seconds = Field(
        10.0, gt=0, description="How long a client may take to send the request headers before it is disconnected."
    )
    body_seconds: Seconds = Field(
        30.0, gt=0, description="How long a client may take to send the request body before it gets 408."
    )
    max_header_bytes: int = Field(
        32_768, ge=4096, description="Maximum size of the request headers; larger ones are answered 431."
    )
    keep_alive_seconds: Seconds = Field(
        75.0,
        gt=0,
        description="How long an idle connection is kept open; longer than clients wait between two status requests.",
    )
    min_free_mb: int = Field(
        512, ge=0, description="Free space of the artifact store below which /readyz warns, in MiB."
    )
    worker_silence_seconds: Seconds = Field(
        30.0,
        ge=0,
        description="/readyz fails if no worker has sent a heartbeat for this long; 0 disables the check.",
    )

    @field_validator("public_url")
    @classmethod
    def _no_slash(cls, value: str | None) -> str | None:
        return value.rstrip("/") if value else value

    @field_validator("tls_key")
    @classmethod
    def _both_or_none(cls, value: str | None, info: ValidationInfo) -> str | None:
        if (value is None) != (info.data.get("tls_certificate") is None):
            raise ValueError("tls_certificate and tls_key must be set together")
        return value

    @field_validator("hosts")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            if item != ANY_HOST and not _HOST_NAME.fullmatch(item):
                raise ValueError(f"{item!r} is not a host name without a port, such as exports.example.com or [::1]")
        return tuple(item.lower().rstrip(".") for item in value)

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            ip_network(item)  # raises ValueError that names the item
        return value


class MetricsSettings(SettingsSection):
    """Prometheus metrics at `/metrics`."""

    token: SecretStr | None = Field(
        None,
        min_length=16,
        description="Bearer token that clients of /metrics must send. If unset, /metrics does not exist.",
    )
