"""Files of dialects: what a server states of a file without a manifest, and what that allows to check.

The server states a size; most state an ETag, and some a SHA-256: in the headers Repr-Digest, Digest or
x-amz-checksum-sha256, or, as Offtake does, as the ETag. Every range is asked for with If-Range and accepted with that
ETag only, so that a file is never joined from two. With a SHA-256, a file gets its name when it matches, and is
downloaded again if it does not. An ETag that is the MD5 of the file confirms it; one that is not says nothing, because
storages also use other ETags of that form.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.message import Message
from functools import partial
from pathlib import Path, PurePath

from offtake_client.dialects.dialect import Dialect, JobInfo
from offtake_client.documents import Blocks, Manifest, ManifestFile
from offtake_client.download.download_record import Checked, DownloadRecord, find_download, short_name
from offtake_client.download.manifests import StoredManifest, is_plain
from offtake_client.download.transfer import ENDED_LINK
from offtake_client.download.verify import checksums
from offtake_client.effects import Flow, Offload, Request, Response, Stream, TransportFault
from offtake_client.errors import DownloadError, InternalError, OfftakeError, Refusal
from offtake_client.problems import problem_of
from offtake_client.retry import REPEATED, Patience

BLOCK_BYTES = 64 << 20
_OK, _PARTIAL, _NO_RANGE = 200, 206, 416
_TOTAL = re.compile(r"bytes (?:\d+-\d+|\*)/(\d+)")
_SHA256_TAG, _MD5_TAG = re.compile(r'"([0-9a-f]{64})"'), re.compile(r'"([0-9a-f]{32})"')
_DIGEST = re.compile(r"sha-256=:?([A-Za-z0-9+/]{43}=)", re.IGNORECASE)
_SHORT = 8  # characters of a job's short name in the name of a file


@dataclass(frozen=True)
class _DescribedFile(StoredManifest):
    """A file as the server describes it."""

    etag: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of what identifies the file."""
        file = self.manifest.files[0]
        return hashlib.sha256(json.dumps([self.manifest.export, file.name, file.bytes, self.etag]).encode()).hexdigest()


@dataclass
class JobFile:
    """The file of a finished job: a source of downloads. ``sha256`` is the checksum that the server states."""

    dialect: Dialect
    job: JobInfo
    sha256: str = ""
    file_etag: str = field(default="", init=False)

    @property
    def name(self) -> str:
        """What is downloaded."""
        return f"the job {self.job.id}"

    def link(self, number: int) -> Flow[str]:
        """Return a new link to the file."""
        return self.dialect.link(self.job.id)

    def etag(self, number: int) -> str | None:
        """Return the ETag with which the file was described."""
        return self.file_etag or None

    def fetch(self, folder: Path) -> Flow[StoredManifest]:
        """Ask for one byte of the file, and return what the response states. Raises DownloadError."""
        response = yield from self._first_byte()
        size = _size_of(response)
        if size is None:
            raise DownloadError(
                f"The server does not state the size of the file of {self.job.id}: a part of it would look complete.",
                "Download it with another program.",
            )
        self.file_etag, self.sha256 = response.headers.get("etag", ""), _sha256_of(response.headers)
        file = ManifestFile(self._file_name(response.headers), 0, size, self.sha256, _unknown_blocks(size))
        known = find_download(folder, self.dialect.server, self.job.id)
        if known is not None and self.file_etag and (known.etag, known.file.bytes) == (self.file_etag, size):
            file = replace(known.file, name=file.name)
        manifest = Manifest(self.job.id, self.job.report, 0, size, (file,))
        return _DescribedFile(manifest, b"", self.file_etag)

    def complete(self, path: Path) -> Flow[DownloadRecord]:
        """Record the complete file and what it was compared with."""
        record: DownloadRecord = yield Offload(partial(self._record, path))
        return record

    def _record(self, path: Path) -> DownloadRecord:
        size = path.stat().st_size
        whole, blocks = checksums(path, ManifestFile(path.name, 0, size, "", Blocks(BLOCK_BYTES, ())))
        checked: Checked = "sha-256" if self.sha256 else "md5" if _is_md5(self.file_etag, path) else "size"
        file = ManifestFile(path.name, 0, size, whole, Blocks(BLOCK_BYTES, tuple(blocks)))
        record = DownloadRecord(self.dialect.server, self.job.id, self.file_etag, checked, file)
        record.save(path.parent)
        return record

    def _first_byte(self) -> Flow[Response]:
        session = self.dialect.session
        patience = Patience(session.patience, session.clock)
        while True:
            url = yield from self.dialect.link(self.job.id)
            headers = {"accept-encoding": "identity", "range": "bytes=0-0"}
            error: OfftakeError
            try:
                response: Response = yield Stream(Request("GET", url, headers), _HeadersOnly())
            except TransportFault as fault:
                error = session.unreachable(url, fault)
            else:
                if response.status in (_OK, _PARTIAL, _NO_RANGE):
                    return response
                error = problem_of(response)
                if response.status not in ENDED_LINK | REPEATED:
                    raise error
            yield from session.wait(patience, error)

    def _file_name(self, headers: Mapping[str, str]) -> str:
        """Return the name that the server gives the file, or the report's.

        If it has no part of the job's id, as that of Offtake has, it gets a mark of the job: names repeat.
        """
        message = Message()
        message["content-disposition"] = headers.get("content-disposition", "")
        stated = message.get_filename() or ""
        if not is_plain(stated) or stated.startswith("."):
            stated = f"{self.job.report or 'export'}.{self.job.format.lower() or 'data'}"
        given = PurePath(stated)
        if self.job.id.rpartition("/")[2][:_SHORT] in given.stem:
            return stated
        mark = short_name(self.dialect.server, self.job.id)[:_SHORT]
        name = f"{given.stem}-{mark}{given.suffix}"
        if not is_plain(name):
            raise InternalError(Refusal(_OK, "file_name", f"{stated!r} is no name of a file."))
        return name


class _HeadersOnly:
    """Refuses the body: the headers say what is needed."""

    def start(self, response: Response) -> bool:
        return False

    def write(self, chunk: bytes) -> bool:
        return False


def _size_of(response: Response) -> int | None:
    if response.status == _OK:
        stated = response.headers.get("content-length", "")
        encoded = response.headers.get("content-encoding", "identity") != "identity"
        return int(stated) if stated.isdigit() and not encoded else None
    found = _TOTAL.fullmatch(response.headers.get("content-range", ""))
    return int(found[1]) if found else None


def _sha256_of(headers: Mapping[str, str]) -> str:
    """Return the SHA-256 of the whole file in hexadecimal digits; "" if the server does not state it."""
    tag = _SHA256_TAG.fullmatch(headers.get("etag", ""))
    if tag:
        return tag[1]
    for name in ("repr-digest", "digest"):
        found = _DIGEST.search(headers.get(name, ""))
        if found:
            return base64.b64decode(found[1]).hex()
    try:  # of an object in several parts, it is followed by their number and is no checksum of the file
        stored = base64.b64decode(headers.get("x-amz-checksum-sha256", ""), validate=True)
    except binascii.Error:
        return ""
    return stored.hex() if len(stored) == hashlib.sha256().digest_size else ""


def _unknown_blocks(size: int) -> Blocks:
    return Blocks(BLOCK_BYTES, ("",) * -(-size // BLOCK_BYTES))


def _is_md5(etag: str, path: Path) -> bool:
    tag = _MD5_TAG.fullmatch(etag)
    if tag is None:
        return False
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest() == tag[1]
