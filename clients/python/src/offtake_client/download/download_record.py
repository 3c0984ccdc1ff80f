"""What is known of a complete file that no manifest describes, kept with it.

A record has the checksums of the file as it was downloaded, and what the file was compared with then. So ``verify`` can
tell whether the file has changed since, and a later download of it is compared block by block.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from offtake_client.decoding import decode
from offtake_client.documents import ManifestFile
from offtake_client.files import disk_errors, read_json, write_json

SUFFIX = ".download.json"
Checked = Literal["manifest", "sha-256", "md5", "size"]
_NAME_DIGITS = 16


@dataclass(frozen=True)
class DownloadRecord:
    """A downloaded file. ``server`` names the dialect too; ``etag`` is the one that the file had there."""

    server: str
    job: str
    etag: str
    checked: Checked
    file: ManifestFile

    def save(self, folder: Path) -> None:
        """Write the record to the folder of the file. Raises InvalidTarget, DiskFull."""
        path = _path(folder, self.server, self.job)
        with disk_errors(path):
            write_json(path, asdict(self))


def find_download(folder: Path, server: str, job: str) -> DownloadRecord | None:
    """Return the record of a job's file, if there is one."""
    return _load(_path(folder, server, job))


def downloads_in(folder: Path) -> Iterator[DownloadRecord]:
    """Return the records in a folder."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        found = _load(path)
        if found is not None:
            yield found


def short_name(server: str, job: str) -> str:
    """Return a short name of a job, which is the same every time."""
    return hashlib.sha256(f"{server} {job}".encode()).hexdigest()[:_NAME_DIGITS]


def _path(folder: Path, server: str, job: str) -> Path:
    return folder / f".offtake-{short_name(server, job)}{SUFFIX}"


def _load(path: Path) -> DownloadRecord | None:
    """Return the record in a file; None if the file has none."""
    value = read_json(path)
    try:
        return None if value is None else decode(DownloadRecord, value)
    except ValueError:
        return None
