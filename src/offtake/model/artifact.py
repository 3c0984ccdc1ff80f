"""The published files of a job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

BLOCK_BYTES = 64 * 1024 * 1024  # a client that finds a faulty block fetches that block again, not the file


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """What a job publishes, as its row records it: enough for a poll, and for the download of a single file.

    All values are verified against the bytes before publishing.
    """

    key: str  # of the first file, relative to the artifact store
    rows: int  # of all files
    bytes: int  # of all files
    sha256: str  # lower-case hex; of the only file, else of the checksums of all files (``combined_checksum``)
    files: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactFile:
    """One file of an artifact."""

    number: int  # from 0, in the order of the rows
    key: str  # relative to the artifact store
    rows: int
    bytes: int
    sha256: str  # lower-case hex
    blocks: tuple[str, ...] | None  # SHA-256 of every ``BLOCK_BYTES``; None: an older release published the file
    first_key: tuple[object, ...] | None = None  # values of the order columns in the first row; None: unordered
    last_key: tuple[object, ...] | None = None


def artifact_of(files: Sequence[ArtifactFile]) -> Artifact:
    """Return the artifact that consists of these files, at least one."""
    return Artifact(
        key=files[0].key,
        rows=sum(file.rows for file in files),
        bytes=sum(file.bytes for file in files),
        sha256=files[0].sha256 if len(files) == 1 else combined_checksum(files),
        files=len(files),
    )


def only_file(artifact: Artifact) -> ArtifactFile:
    """Return the file of an artifact that an older release published, which has one file and no blocks."""
    return ArtifactFile(
        number=0, key=artifact.key, rows=artifact.rows, bytes=artifact.bytes, sha256=artifact.sha256, blocks=None
    )


def combined_checksum(files: Sequence[ArtifactFile]) -> str:
    """Return the SHA-256 of the files' checksums in order, each in lower-case hex and followed by a line feed."""
    return sha256("".join(f"{file.sha256}\n" for file in files).encode()).hexdigest()
