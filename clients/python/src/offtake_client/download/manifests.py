"""Manifests: fetched once, and stored with the files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from offtake_client.decoding import decode
from offtake_client.documents import Blocks, Manifest, ManifestFile
from offtake_client.effects import Flow
from offtake_client.errors import DownloadError, InvalidTarget
from offtake_client.files import disk_errors, write_private
from offtake_client.session import Session

SUFFIX = ".manifest.json"


@dataclass(frozen=True)
class StoredManifest:
    """A manifest with its bytes, as the server sent them."""

    manifest: Manifest
    content: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of what identifies the files: names, sizes and checksums."""
        listed = [[file.name, file.bytes, file.sha256] for file in self.manifest.files]
        return hashlib.sha256(json.dumps([self.manifest.export, listed]).encode()).hexdigest()

    def save(self, folder: Path) -> Path:
        """Write the manifest to the folder of its files."""
        path = folder / f"{self.manifest.export}{SUFFIX}"
        with disk_errors(path):
            write_private(path, self.content)
        return path


def fetch_manifest(session: Session, export: str) -> Flow[StoredManifest]:
    """Read the manifest of a finished export. Raises Conflict while it is open, Gone without files."""
    response = yield from session.call(session.request("GET", f"/exports/{export}/manifest"))
    manifest = session.decode(Manifest, response)
    for name in (manifest.export, *(file.name for file in manifest.files)):
        if not is_plain(name):
            raise DownloadError(f"The manifest of {export} names a file {name!r}, which is not a plain name.")
    return StoredManifest(manifest, response.content)


def load_manifest(path: Path) -> StoredManifest:
    """Read a stored manifest. Raises InvalidTarget."""
    try:
        content = path.read_bytes()
        return StoredManifest(decode(Manifest, json.loads(content)), content)
    except OSError as error:
        raise InvalidTarget(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise InvalidTarget(f"{path} is not a manifest: {error}.", "Download the export again.") from error


def manifests_in(folder: Path) -> Iterator[StoredManifest]:
    """Return the manifests that are stored in a folder. Raises InvalidTarget."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        yield load_manifest(path)


def blocks_of(file: ManifestFile) -> Blocks:
    """Return the blocks of a file; one without blocks (of an older release) is one block."""
    return file.blocks or Blocks(max(1, file.bytes), (file.sha256,) if file.bytes else ())


def is_plain(name: str) -> bool:
    """Whether a name is one of a file in the folder: a server must not write elsewhere."""
    return bool(name) and name not in (".", "..") and not set(name) & set("/\\:\0") and name.isprintable()
