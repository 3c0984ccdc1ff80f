"""Downloads all files of an export to a folder."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from offtake_client.documents import ManifestFile
from offtake_client.download.manifests import StoredManifest, fetch_manifest
from offtake_client.download.partial import Block, Partial
from offtake_client.download.transfer import BlockTransfer, Links, OtherFile, link_of
from offtake_client.download.verify import matches
from offtake_client.effects import Flow, Offload, Parallel
from offtake_client.errors import DamagedFile, FileChanged
from offtake_client.files import locked, make_folder
from offtake_client.session import Session

CONNECTIONS = 4
_LOCK = ".offtake-client.lock"
_MOST_CHANGES = 10  # in a row, without a block that is correct
_MOST_REPAIRS = 3  # of a complete file


@dataclass(frozen=True)
class DownloadProgress:
    """How far a download is, over all files. ``resumed`` bytes were there when it began."""

    bytes: int
    total: int
    files: int
    complete_files: int
    resumed: int = 0


@dataclass
class _Counter:
    """Counts the bytes that all transfers have received, and reports them."""

    report: Callable[[DownloadProgress], None] | None
    total: int = 0
    files: int = 0
    bytes: int = 0
    complete_files: int = 0
    resumed: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def add(self, count: int) -> None:
        with self._lock:
            self.bytes += count
            self.tell()

    def tell(self) -> None:
        if self.report is not None:
            state = DownloadProgress(self.bytes, self.total, self.files, self.complete_files, self.resumed)
            self.report(state)


class FileSource(Protocol):
    """Where files come from: what they are, and links to them."""

    @property
    def name(self) -> str:
        """What is downloaded, for messages."""

    def fetch(self, folder: Path) -> Flow[StoredManifest]:
        """Return the files, as they are now."""

    def link(self, number: int) -> Flow[str]:
        """Return a new link to a file."""

    def etag(self, number: int) -> str | None:
        """Return the only ETag with which a file is accepted; None if its checksums decide."""


@dataclass(frozen=True)
class ExportFiles:
    """The files of a finished export, which its manifest describes. The manifest is stored with them."""

    session: Session
    export: str

    @property
    def name(self) -> str:
        """What is downloaded."""
        return f"the export {self.export}"

    def fetch(self, folder: Path) -> Flow[StoredManifest]:
        """Read the manifest."""
        stored = yield from fetch_manifest(self.session, self.export)
        stored.save(folder)
        return stored

    def link(self, number: int) -> Flow[str]:
        """Return a new link to a file."""
        return link_of(self.session, self.export, number)

    def etag(self, number: int) -> None:
        """Return None: the checksums of the manifest decide."""


def download_files(
    session: Session,
    source: FileSource,
    folder: Path,
    *,
    connections: int = CONNECTIONS,
    on_progress: Callable[[DownloadProgress], None] | None = None,
) -> Flow[list[Path]]:
    """Download the files of a source; return their paths in order. Files that are there already are kept.

    Raises Gone, FileChanged, DamagedFile, DiskFull, TargetInUse, ServerProblem, Unreachable.
    """
    make_folder(folder)
    with locked(folder / _LOCK):
        changes, correct = 0, -1
        while changes < _MOST_CHANGES:
            stored = yield from source.fetch(folder)
            run = _Run(session, folder, source, stored, connections, on_progress)
            try:
                return (yield from run.download())
            except OtherFile:
                changes = 1 if run.correct_blocks > correct else changes + 1
                correct = run.correct_blocks
                run.forget_etags()
                session.note(f"A file of {source.name} changed on the server; its description is read again.")
    raise FileChanged(
        f"The server sends other files of {source.name} than those that it has described.",
        "Create the export again; if it happens once more, ask the operator to check the storage.",
    )


class _Run:
    """One pass over the files of a manifest."""

    def __init__(
        self,
        session: Session,
        folder: Path,
        source: FileSource,
        stored: StoredManifest,
        connections: int,
        on_progress: Callable[[DownloadProgress], None] | None,
    ) -> None:
        self._session = session
        self._folder = folder
        self._source = source
        self._stored = stored
        self._connections = connections
        files = stored.manifest.files
        self._counter = _Counter(on_progress, total=sum(file.bytes for file in files), files=len(files))
        self._links = Links(source.link)
        self._partials = {number: self._partial(number, file) for number, file in enumerate(files)}

    def _partial(self, number: int, file: ManifestFile) -> Partial:
        return Partial(self._folder, file, self._stored.digest, self._counter.add, self._source.etag(number))

    @property
    def correct_blocks(self) -> int:
        """How many blocks have arrived and are correct, of the files that are not complete and those that are."""
        return sum(
            len(partial.blocks) if partial.path.exists() else sum(block.is_verified for block in partial.blocks)
            for partial in self._partials.values()
        )

    def forget_etags(self) -> None:
        """Accept files with other ETags. If the manifest stays the same, its checksums decide what is correct."""
        for partial in self._partials.values():
            partial.forget_etag()

    def download(self) -> Flow[list[Path]]:
        """Download what is missing. Raises OtherFile."""
        waiting: list[Flow[None]] = []
        for number, partial in self._partials.items():
            if (yield Offload(_is_complete(partial))):
                self._counter.complete_files += 1
                self._counter.add(partial.file.bytes)
                continue
            if partial.open():
                self._session.note(f"{partial.file.name} is of another export now; its download starts again.")
            missing = [block for block in partial.blocks if not block.is_verified]
            if missing:
                waiting += [self._transfer(number, block) for block in missing]
            else:
                waiting.append(self._finish(number))
        self._counter.resumed = self._counter.bytes
        self._counter.tell()
        yield Parallel(waiting, self._connections)
        return [partial.path for partial in self._partials.values()]

    def _transfer(self, number: int, block: Block) -> Flow[None]:
        partial = self._partials[number]
        yield from BlockTransfer(self._session, self._links, number, partial, block).run()
        if partial.verified(block):
            yield from self._finish(number)

    def _finish(self, number: int) -> Flow[None]:
        """Read the complete file from the disk, download what is wrong again, and give the file its name."""
        partial = self._partials[number]
        for _ in range(_MOST_REPAIRS):
            damaged: list[Block] = yield Offload(partial.damaged_blocks)
            if not damaged:
                yield Offload(partial.publish)
                self._counter.complete_files += 1
                self._counter.tell()
                return
            for block in damaged:
                self._session.note(
                    f"Block {block.number} of {partial.file.name} is damaged on the disk; downloading it."
                )
                partial.reset(block)
                yield from BlockTransfer(self._session, self._links, number, partial, block).run()
                partial.verified(block)
        raise DamagedFile(
            f"{partial.file.name} is damaged on the disk after it was written {_MOST_REPAIRS} times.",
            "Check the disk, or name a folder on another one.",
        )


def _is_complete(partial: Partial) -> Callable[[], bool]:
    return lambda: matches(partial.path, partial.file)
