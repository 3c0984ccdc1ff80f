"""How to connect and authenticate to Temporal. Independent of the settings and of Temporal's library."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Contents of PEM files; what is None is the system's, or not needed."""

    root: bytes | None = None
    certificate: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalAddress:
    """The Temporal server, namespace, task queue and credentials."""

    target: str  # host:port
    namespace: str
    queue: str
    tls: Tls | None = None  # None: plain text
    api_key: str | None = field(default=None, repr=False)
    activities: int = 1  # attempts at once, in one worker
