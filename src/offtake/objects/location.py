"""Locations of objects, a folder or a bucket with a prefix, and the options to access them.

Two clients access a bucket: obstore for artifacts and files, delta-rs for the lake's tables. Both accept options under
the names of environment variables in lower case (such as ``aws_access_key_id``), so one set of options serves both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

LOCAL = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A kind of object storage: the names of its client options."""

    endpoint: str
    region: str | None  # None: the service has no regions
    path_style: tuple[str, str] | None  # option and value; None: the service has one style only
    fixed: Mapping[str, str] = field(default_factory=dict)
    secrets: str  # prefix of the names of its secrets, in lower case


SERVICES: Mapping[str, Service] = MappingProxyType(
    {
        "s3": Service(
            endpoint="aws_endpoint",
            region="aws_region",
            path_style=("aws_virtual_hosted_style_request", "false"),
            # A commit creates a file that must not exist; the service verifies the checksum of each part.
            fixed=MappingProxyType({"aws_conditional_put": "etag", "aws_checksum_algorithm": "SHA256"}),
            secrets="aws_",
        ),
        "gs": Service(endpoint="google_base_url", region=None, path_style=None, secrets="google_"),
        "az": Service(endpoint="azure_storage_endpoint", region=None, path_style=None, secrets="azure_"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Access options of a service. ``repr`` omits the secrets."""

    endpoint: str | None = None
    region: str | None = None
    path_style: bool = True
    allow_http: bool = False
    timeout_seconds: float = 30.0
    connect_seconds: float = 5.0
    retries: int = 5
    retry_seconds: float = 60.0
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)  # those that are not in the environment


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectLocation:
    """A bucket (Azure: a container), and the prefix of all keys."""

    scheme: str
    bucket: str
    prefix: str  # without a slash at either end; may be empty

    @property
    def url(self) -> str:
        """URL as in the settings."""
        return f"{self.scheme}://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def service(self) -> Service:
        """Kind of storage."""
        return SERVICES[self.scheme]

    def options(self, access: Access) -> dict[str, str]:
        """Return the client options, under the names that both clients accept."""
        service, options = self.service, dict(self.service.fixed)
        if access.endpoint is not None:
            options[service.endpoint] = access.endpoint.rstrip("/")
        if access.region is not None and service.region is not None:
            options[service.region] = access.region
        if access.path_style and service.path_style is not None:
            options.update([service.path_style])
        secrets = {name.lower(): value for name, value in access.secrets.items()}
        return options | {name: value for name, value in secrets.items() if name.startswith(service.secrets)}

    def delta_options(self, access: Access) -> dict[str, str]:
        """Return the client options for delta-rs, including timeouts and retries, as strings."""
        return self.options(access) | {
            "allow_http": str(access.allow_http).lower(),
            "timeout": f"{access.timeout_seconds:g}s",
            "connect_timeout": f"{access.connect_seconds:g}s",
            "max_retries": str(access.retries),
            "retry_timeout": f"{access.retry_seconds:g}s",
        }


def parse_location(url: str) -> ObjectLocation | Path:
    """Parse a URL of the settings: a folder for ``file://``, else a bucket and prefix."""
    parts = urlsplit(url)
    if parts.scheme == LOCAL:
        return Path(unquote(parts.path))
    return ObjectLocation(scheme=parts.scheme, bucket=parts.netloc, prefix=parts.path.strip("/"))
