"""Download links: signed, short-lived, created at every read, valid for one file.

A link carries the job's id, the number of the file, its expiry and a signature: a tag of the credential that asked for
the link and of the generation of its secret, and an HMAC-SHA256 over all of them. A job has at most one artifact, whose
files never change. A download by link needs no credentials, but the link ends with the credential and with that secret,
and it never outlives the artifact.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from offtake.core.auth.caller import Caller, audit_entry
from offtake.core.exports.acceptance import require_access
from offtake.core.exports.read import JobRef, find_export
from offtake.core.services import Services
from offtake.errors import ArtifactNotFound, JobNotFound, LinkExpired, LinkRefused, StorageUnavailable, Unavailable
from offtake.formats import format_of
from offtake.model.artifact import ArtifactFile
from offtake.model.job import Job, has_file
from offtake.model.signing_key import SigningKey
from offtake.store import audit, identity, job_queries, manifests

_TAG_BYTES = 13  # with the HMAC a multiple of three, so that Base64 needs no padding
RETRY_SECONDS = 5  # while the artifact store does not respond
INVALID_LINK = "The link is not valid; ask for a new one."
UNREADABLE = f"The file cannot be read at the moment; retry after {RETRY_SECONDS} seconds."


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The components of a download URL."""

    job: str
    file: int  # its number in the artifact
    file_name: str
    expires: int  # seconds since 1970
    signature: str
    key_id: str  # of the signing key


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """How long links may live: not longer than the files."""

    life: timedelta
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file that may be sent to the client."""

    read: Callable[[int, int], Iterator[bytes]]  # (start, end) byte offsets; raises StorageUnavailable
    file: ArtifactFile
    file_name: str
    media_type: str
    gzip: bool  # whether it may be sent with gzip to a client that accepts it
    job: Job


def mint(ref: JobRef, by: Caller, on: Services, *, file: int = 0) -> Link:
    """Create a link to one file of the job's artifact and record it in the audit log.

    Raises ArtifactNotFound unless the caller may see the job and it has a published artifact with that file,
    NotPermitted if the file has columns that the credential may not receive.
    """
    job = _find(ref, by, on, file)
    return link(job, file, by, on, until=grant(job, by, on, dialect=ref.dialect).until)


def link(job: Job, file: int, by: Caller, on: Services, *, until: datetime) -> Link:
    """Create a link to one file of a job to which the caller was granted access (``grant``)."""
    expires = int(until.timestamp())
    key = on.signing_keys().current
    tag = _tag(by.principal.credential, by.principal.generation, key)
    return Link(
        job=job.id,
        file=file,
        file_name=file_name(job, file),
        expires=expires,
        signature=_encode(_sign(job.id, file, expires, tag, key)),
        key_id=key.id,
    )


def presigned_url(ref: JobRef, by: Caller, on: Services, *, file: int = 0) -> str | None:
    """Create a presigned URL of the artifact store for one file, as ``mint`` does; None if the store has no such URLs.

    The store does not know the caller's credential, so such a URL works until it expires. Raises ArtifactNotFound,
    Unavailable if the store does not respond.
    """
    if on.artifacts.presign is None:
        return None
    job = _find(ref, by, on, file)
    with on.database.read() as connection:
        found = manifests.file(connection, job, file)
    if found is None:
        raise ArtifactNotFound("There is no such file.")
    return presigned_link(found, on, life=grant(job, by, on, dialect=ref.dialect).life)


def presigned_link(file: ArtifactFile, on: Services, *, life: timedelta) -> str | None:
    """Create a presigned URL of a file to which the caller was granted access; None if the store has no such URLs.

    Raises Unavailable if the store does not respond.
    """
    if on.artifacts.presign is None:
        return None
    try:
        return on.artifacts.presign(file.key, life)
    except StorageUnavailable as error:
        raise Unavailable(UNREADABLE, retry_after=RETRY_SECONDS) from error


def _find(ref: JobRef, by: Caller, on: Services, file: int) -> Job:
    """Return a job with that file. Raises ArtifactNotFound."""
    try:
        job = find_export(ref, by, on)
    except JobNotFound as error:
        raise ArtifactNotFound("There is no such file.") from error
    if job.expires_at is None or job.artifact is None or not 0 <= file < job.artifact.files:
        raise ArtifactNotFound("There is no such file.")
    return job


def grant(job: Job, by: Caller, on: Services, *, dialect: str) -> Grant:
    """Record in the audit log that the caller gets links to the job's files, and return how long these may live.

    ``dialect`` is the one that the caller speaks. Raises NotPermitted if the files have columns that the credential may
    not receive.
    """
    require_access(job.request, by, on)
    entry = audit_entry("artifact.link", by, dialect=dialect, job=job.id)
    with on.database.write() as connection:
        now = on.now(connection)
        audit.record(connection, entry, now=now)
    life = on.limits[dialect].of(job.tenant).link_life
    if job.expires_at is not None:
        life = min(life, job.expires_at - now)
    return Grant(life=life, until=now + life)


def open_link(
    job_id: str, *, file: int = 0, expires: str, signature: str, on: Services, key_id: str | None = None
) -> Download:
    """Return the file of a link. With ``key_id``, only that signing key counts.

    Raises LinkRefused if the signature is wrong, ArtifactNotFound if the file is gone, LinkExpired if the file exists
    and the link has expired or its credential or secret has ended, Unavailable if the store does not respond.
    """
    keys = [key for key in on.signing_keys().accepted if key_id in (None, key.id)]
    # Before the job is read, so that a guess reveals nothing.
    key = next((key for key in keys if _is_genuine(job_id, file, expires, signature, key)), None)
    if key is None:
        raise LinkRefused(INVALID_LINK)
    with on.database.read() as connection:
        job, now = job_queries.get(connection, job_id), on.now(connection)
        credentials = () if job is None else identity.credentials_of(connection, job.tenant)
        found = None if job is None else manifests.file(connection, job, file)
    if job is None or not has_file(job, now) or found is None:
        raise ArtifactNotFound("There is no such file.")
    if not _exists(found, on):
        raise ArtifactNotFound("There is no such file.")
    if datetime.fromtimestamp(int(expires), UTC) <= now:
        raise LinkExpired("The link has expired; ask for a new one.")
    tag = _decode(signature)[:_TAG_BYTES]
    valid = [(each.id, secret.generation) for each in credentials for secret in each.secrets(on.clock())]
    if not any(hmac.compare_digest(tag, _tag(*each, key)) for each in valid):
        raise LinkExpired("The link has ended, because the credential that asked for it, or its secret, was revoked.")
    format_ = format_of(job.request)
    return Download(
        read=partial(on.artifacts.read, found.key),
        file=found,
        file_name=file_name(job, file),
        media_type=format_.media_type,
        gzip=format_.is_text and on.limits[job.request.dialect].of(job.tenant).gzip,
        job=job,
    )


def _exists(file: ArtifactFile, on: Services) -> bool:
    """Whether the file exists. Raises Unavailable if its size differs or the store does not respond."""
    try:
        size = on.artifacts.size(file.key)
    except StorageUnavailable as error:
        raise Unavailable(UNREADABLE, retry_after=RETRY_SECONDS) from error
    if size not in (None, file.bytes):
        raise Unavailable("The stored file does not have the size that was published.", retry_after=RETRY_SECONDS)
    return size is not None


def file_name(job: Job, number: int = 0) -> str:
    """Return the file's name: the report, the first and last day, and the first eight characters of the job's id.

    A file of several also has its number, counted from 1 and with so many digits that names sort as the files do.
    """
    span, files = job.request.timespan, 1 if job.artifact is None else job.artifact.files
    days = f"{span.start:%Y-%m-%d}_{span.end:%Y-%m-%d}"
    part = "" if files == 1 else f"_{number + 1:0{len(str(files))}}"
    return f"{job.request.report}_{days}_{job.id[:8]}{part}.{format_of(job.request).suffix}"


def _is_genuine(job_id: str, file: int, expires: str, signature: str, key: SigningKey) -> bool:
    """Whether the key signed the link. The credential's tag is part of the signature and is checked by the caller."""
    if not (expires.isascii() and expires.isdigit() and len(expires) <= 12):
        return False
    sent = _decode(signature)
    expected = _sign(job_id, file, int(expires), sent[:_TAG_BYTES], key)
    return hmac.compare_digest(expected, sent) and hmac.compare_digest(_encode(expected).encode(), signature.encode())


def _sign(job_id: str, file: int, expires: int, tag: bytes, key: SigningKey) -> bytes:
    """Return the tag and the HMAC over job, file, expiry and tag."""
    return tag + hmac.digest(key.secret, f"{job_id}\n{file}\n{expires}\n".encode() + tag, "sha256")


def _tag(credential: str, generation: int, key: SigningKey) -> bytes:
    """Return a tag that shows the credential to the holder of the key only: links appear in logs of clients."""
    return hmac.digest(key.secret, f"credential\n{credential}\n{generation}".encode(), "sha256")[:_TAG_BYTES]


def _encode(signature: bytes) -> str:
    return base64.urlsafe_b64encode(signature).rstrip(b"=").decode()


def _decode(signature: str) -> bytes:
    """Return the bytes of a signature; none if it is not Base64."""
    try:
        return base64.b64decode(signature.encode() + b"=" * (-len(signature) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""
