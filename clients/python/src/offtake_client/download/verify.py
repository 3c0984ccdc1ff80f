"""Compares files with their manifest, without a server."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from offtake_client.documents import ManifestFile
from offtake_client.download.download_record import Checked, downloads_in
from offtake_client.download.manifests import blocks_of, manifests_in
from offtake_client.errors import InvalidTarget

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Verification:
    """One file: ``fault`` says what is wrong, "" if nothing is; ``damaged`` has the numbers of wrong blocks.

    ``checked`` is what the file was compared with when it was downloaded: its manifest, or, of a dialect, a checksum of
    the server or only the size that it stated. Of the latter, ``fault`` is "" if the file has not changed since.
    """

    path: Path
    export: str
    bytes: int
    fault: str = ""
    damaged: tuple[int, ...] = ()
    checked: Checked = "manifest"


def verify(target: Path, on_file: Callable[[Verification], None] | None = None) -> list[Verification]:
    """Compare a file, or all files in a folder, with their manifests or the records of their downloads.

    Raises InvalidTarget.
    """
    folder, only = (target, None) if target.is_dir() else (target.parent, target.name)
    known: list[tuple[ManifestFile, str, Checked]] = [
        (file, stored.manifest.export, "manifest") for stored in manifests_in(folder) for file in stored.manifest.files
    ]
    known += [(record.file, record.job, record.checked) for record in downloads_in(folder)]
    checked = []
    for file, export, how in known:
        if only in (None, file.name):
            checked.append(replace(_verify_file(folder / file.name, file, export), checked=how))
            if on_file is not None:
                on_file(checked[-1])
    if not checked:
        what = (
            f"No manifest in {folder} names {only}."
            if only
            else f"{folder} has no manifest and no record of a download."
        )
        raise InvalidTarget(what, "Name a folder that offtake-client get wrote, or a file in it.")
    return checked


def matches(path: Path, file: ManifestFile) -> bool:
    """Whether the file is there and is the one of the manifest."""
    return path.is_file() and path.stat().st_size == file.bytes and checksums(path, file)[0] == file.sha256


def _verify_file(path: Path, file: ManifestFile, export: str) -> Verification:
    if not path.is_file():
        is_partial = path.with_name(f"{path.name}.partial").exists()
        fault = "the download is not complete" if is_partial else "the file is missing"
        return Verification(path, export, file.bytes, fault)
    size = path.stat().st_size
    if size != file.bytes:
        return Verification(path, export, file.bytes, f"the file has {size} bytes instead of {file.bytes}")
    whole, blocks = checksums(path, file)
    expected = blocks_of(file).sha256
    damaged = tuple(number for number, found in enumerate(blocks) if found != expected[number])
    if whole == file.sha256 and not damaged:
        return Verification(path, export, file.bytes)
    return Verification(path, export, file.bytes, "the checksum does not match", damaged)


def checksums(path: Path, file: ManifestFile) -> tuple[str, list[str]]:
    """Return the SHA-256 of the file and of each of its blocks, read once."""
    whole, blocks, size = hashlib.sha256(), [], blocks_of(file).size
    with path.open("rb", buffering=0) as content:
        while True:
            block, left = hashlib.sha256(), size
            while left and (chunk := content.read(min(left, _CHUNK_BYTES))):
                whole.update(chunk)
                block.update(chunk)
                left -= len(chunk)
            if left < size:
                blocks.append(block.hexdigest())
            if left:
                return whole.hexdigest(), blocks
