"""The published file of a job."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """Key, row count, size and checksum of a file, all verified against its bytes before publishing."""

    key: str  # relative to the artifact store
    rows: int
    bytes: int
    sha256: str  # lower-case hex
