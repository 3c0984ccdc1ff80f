"""A file that is being downloaded: its blocks on the disk, and which bytes of each are there."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offtake_client.documents import ManifestFile
from offtake_client.download.manifests import blocks_of
from offtake_client.files import disk_errors, flush_folder, read_json, write_json

_SAVE_BYTES = 2 << 20  # received bytes between two writes of the sidecar
_CHUNK_BYTES = 1 << 20
Counted = Callable[[int], None]  # receives the bytes that arrived, negative if they are discarded


@dataclass
class Block:
    """A block: where it is in the file, its checksum ("" if unknown), and how many of its bytes are on the disk."""

    number: int
    start: int
    size: int
    sha256: str
    present: int = 0
    is_verified: bool = False


class Partial:
    """The partial file and the sidecar of one file of a manifest. Threads write different blocks at a time."""

    def __init__(
        self, folder: Path, file: ManifestFile, digest: str, counted: Counted, etag: str | None = None
    ) -> None:
        self.file = file
        self.path = folder / file.name
        self.etag = self._required_etag = etag  # required: only a file with this ETag is accepted
        self._partial = folder / f"{file.name}.partial"
        self._sidecar = folder / f"{file.name}.partial.json"
        self._digest = digest
        self._counted = counted
        self._lock = threading.RLock()
        self._unsaved = 0
        listed = blocks_of(file)
        self.blocks = [
            Block(number, number * listed.size, min(listed.size, file.bytes - number * listed.size), checksum)
            for number, checksum in enumerate(listed.sha256)
        ]

    def open(self) -> bool:
        """Find what an earlier download left behind. Return whether it was of another file, and was discarded."""
        stored = read_json(self._sidecar)
        is_of_another = stored is not None and stored.get("manifest") != self._digest
        if stored is None or is_of_another or not self._partial.is_file() or not self._restore(stored):
            self.discard()
        with disk_errors(self._partial), self._partial.open("ab"):
            pass
        self._counted(sum(block.present for block in self.blocks))
        return is_of_another

    def _restore(self, stored: dict[str, Any]) -> bool:
        """Take over the sidecar; return whether it fits the file."""
        there, present, verified = self._partial.stat().st_size, stored.get("blocks"), stored.get("verified")
        if not isinstance(present, list) or not isinstance(verified, list) or len(present) != len(self.blocks):
            return False
        for block, count in zip(self.blocks, present, strict=False):
            if not isinstance(count, int):
                return False
            block.present = max(0, min(count, block.size, there - block.start))
            block.is_verified = block.number in verified and block.present == block.size
        self.etag = self._required_etag or stored.get("etag")
        return True

    def discard(self) -> None:
        """Remove what has arrived."""
        for path in (self._partial, self._sidecar):
            path.unlink(missing_ok=True)
        self.etag = self._required_etag
        for block in self.blocks:
            block.present, block.is_verified = 0, False

    def forget_etag(self) -> None:
        """Accept a file with another ETag from now on. What has arrived stays: the checksums of the blocks decide."""
        with self._lock:
            if self.etag != self._required_etag:
                self.etag = self._required_etag
                self.save()

    def reset(self, block: Block) -> None:
        """Drop the bytes of a block."""
        with self._lock:
            self._counted(-block.present)
            block.present, block.is_verified = 0, False
            self.save()

    def hash_of(self, block: Block) -> Any:
        """Return the SHA-256 object of the bytes of a block that are on the disk."""
        return self._hash(block.start, block.present)

    def write(self, block: Block, chunk: bytes) -> None:
        """Append bytes to a block. Raises DiskFull."""
        with disk_errors(self._partial), self._partial.open("r+b", buffering=0) as file:
            file.seek(block.start + block.present)
            view = memoryview(chunk)
            while view:
                view = view[file.write(view) :]
        with self._lock:
            block.present += len(chunk)
            self._unsaved += len(chunk)
            self._counted(len(chunk))
            if self._unsaved >= _SAVE_BYTES:
                self.save()

    def verified(self, block: Block) -> bool:
        """Mark a block as correct; return whether all blocks are. True for one caller only."""
        with self._lock:
            block.is_verified = True
            self.save()
            return all(each.is_verified for each in self.blocks)

    def save(self) -> None:
        """Write the sidecar. Raises DiskFull."""
        with self._lock, disk_errors(self._sidecar):
            self._unsaved = 0
            write_json(
                self._sidecar,
                {
                    "manifest": self._digest,
                    "etag": self.etag,
                    "blocks": [block.present for block in self.blocks],
                    "verified": [block.number for block in self.blocks if block.is_verified],
                },
            )

    def damaged_blocks(self) -> list[Block]:
        """Read the file from the disk and return the blocks that do not match; none if the file's checksum does.

        A file without a checksum is compared by its size; a block without one does not match if its file does not.
        """
        has_size = self._partial.stat().st_size == self.file.bytes
        if has_size and not self.file.sha256:
            return []
        if has_size and self._hash(0, self.file.bytes).hexdigest() == self.file.sha256:
            return []
        return [block for block in self.blocks if self._hash(block.start, block.size).hexdigest() != block.sha256]

    def publish(self) -> Path:
        """Give the file its name. It is on the disk before, and its name afterwards."""
        with disk_errors(self._partial):
            with self._partial.open("r+b") as file:
                file.truncate(self.file.bytes)
                os.fsync(file.fileno())
            self._partial.replace(self.path)
            flush_folder(self.path.parent)
        self._sidecar.unlink(missing_ok=True)
        return self.path

    def _hash(self, start: int, size: int) -> Any:
        digest = hashlib.sha256()
        with self._partial.open("rb", buffering=0) as file:
            file.seek(start)
            while size > 0 and (chunk := file.read(min(size, _CHUNK_BYTES))):
                digest.update(chunk)
                size -= len(chunk)
        return digest
