"""Where Temporal is, and how this installation proves who it is. Knows no settings and no Temporal."""

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
    """Where jobs are rung for, and by whom."""

    target: str  # host:port
    namespace: str
    queue: str
    tls: Tls | None = None  # None: plain text
    api_key: str | None = field(default=None, repr=False)
    activities: int = 1  # attempts at once, in one worker
