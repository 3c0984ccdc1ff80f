"""Where something is kept: a folder, or a bucket and a prefix; and how the service that keeps it is spoken to.

Two clients speak to a bucket: obstore for artifacts and whole files, delta-rs for the lake's tables. Both take the
names that the environment uses (``AWS_ACCESS_KEY_ID`` and so on, in lower case), so one set of options serves both.
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
    """One kind of object storage: the names of the options that a URL lacks."""

    endpoint: str
    region: str | None  # the service has none
    path_style: tuple[str, str] | None  # an option and the value that asks for it; the service knows one style only
    fixed: Mapping[str, str] = field(default_factory=dict)
    secrets: str  # what the names of its secrets begin with, in lower case


SERVICES: Mapping[str, Service] = MappingProxyType(
    {
        "s3": Service(
            endpoint="aws_endpoint",
            region="aws_region",
            path_style=("aws_virtual_hosted_style_request", "false"),
            # A commit is a file that must not exist yet; and the service checks each part against its checksum.
            fixed=MappingProxyType({"aws_conditional_put": "etag", "aws_checksum_algorithm": "SHA256"}),
            secrets="aws_",
        ),
        "gs": Service(endpoint="google_base_url", region=None, path_style=None, secrets="google_"),
        "az": Service(endpoint="azure_storage_endpoint", region=None, path_style=None, secrets="azure_"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a service is spoken to. Secrets are never shown."""

    endpoint: str | None = None
    region: str | None = None
    path_style: bool = True
    allow_http: bool = False
    timeout_seconds: float = 30.0
    connect_seconds: float = 5.0
    retries: int = 5
    retry_seconds: float = 60.0
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)  # what the environment does not have


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectLocation:
    """A bucket (of Azure: a container), and the prefix that all keys begin with."""

    scheme: str
    bucket: str
    prefix: str  # without a slash at either end; may be empty

    @property
    def url(self) -> str:
        """As it is written in the settings."""
        return f"{self.scheme}://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def service(self) -> Service:
        """What kind of storage it is."""
        return SERVICES[self.scheme]

    def options(self, access: Access) -> dict[str, str]:
        """What the URL lacks, by the names that both clients know."""
        service, options = self.service, dict(self.service.fixed)
        if access.endpoint is not None:
            options[service.endpoint] = access.endpoint.rstrip("/")
        if access.region is not None and service.region is not None:
            options[service.region] = access.region
        if access.path_style and service.path_style is not None:
            options.update([service.path_style])
        own = {name.lower(): value for name, value in access.secrets.items()}
        return options | {name: value for name, value in own.items() if name.startswith(service.secrets)}

    def delta_options(self, access: Access) -> dict[str, str]:
        """The same for delta-rs, which takes everything as texts."""
        return self.options(access) | {
            "allow_http": str(access.allow_http).lower(),
            "timeout": f"{access.timeout_seconds:g}s",
            "connect_timeout": f"{access.connect_seconds:g}s",
            "max_retries": str(access.retries),
            "retry_timeout": f"{access.retry_seconds:g}s",
        }


def parse_location(url: str) -> ObjectLocation | Path:
    """What a URL of the settings names: a folder for ``file://``, else a place in a bucket."""
    parts = urlsplit(url)
    if parts.scheme == LOCAL:
        return Path(unquote(parts.path))
    return ObjectLocation(scheme=parts.scheme, bucket=parts.netloc, prefix=parts.path.strip("/"))
