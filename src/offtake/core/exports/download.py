"""Download links: signed, short-lived, created at every read, valid for one file.

A link carries the job's id, its expiry and an HMAC-SHA256 over both; a job has at most one artifact, which never
changes. A download by link needs no credentials. A link never outlives its artifact.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from offtake.core.auth.caller import Caller
from offtake.core.exports.read import JobRef, find_export
from offtake.core.services import Services
from offtake.errors import ArtifactNotFound, JobNotFound, LinkExpired, LinkRefused, StorageUnavailable, Unavailable
from offtake.formats import format_named
from offtake.model.artifact import Artifact
from offtake.model.audit import AuditEntry
from offtake.model.job import Job, Status, has_file
from offtake.store import audit, jobs

RETRY_SECONDS = 5  # while the artifact store does not respond
UNREADABLE = f"The file cannot be read at the moment; retry after {RETRY_SECONDS} seconds."


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The components of a download URL."""

    job: str
    file_name: str
    expires: int  # seconds since 1970
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file that may be sent to the client."""

    read: Callable[[int, int], Iterator[bytes]]  # (start, end) byte offsets; raises StorageUnavailable
    artifact: Artifact
    file_name: str
    media_type: str
    gzip: bool  # whether it may be sent with gzip to a client that accepts it
    job: Job


def mint(ref: JobRef, by: Caller, on: Services) -> Link:
    """Create a link to the job's artifact and record it in the audit log.

    Raises ArtifactNotFound unless the caller may see the job and it has a published artifact.
    """
    try:
        job = find_export(ref, by, on)
    except JobNotFound as error:
        raise ArtifactNotFound("There is no such file.") from error
    if job.expires_at is None or job.status is not Status.SUCCEEDED:
        raise ArtifactNotFound("There is no such file.")
    entry = AuditEntry(
        operation="artifact.link",
        dialect=ref.dialect,
        tenant=job.tenant,
        principal=by.principal.credential,
        job=job.id,
        address=by.address,
        actor=by.principal.user,
        effective=by.principal.effective,
    )
    with on.database.write() as connection:
        now = on.now(connection)
        audit.record(connection, entry, now=now)
    expires = int(min(now + on.limits[ref.dialect].of(job.tenant).link_life, job.expires_at).timestamp())
    signature = _sign(job.id, expires, on.link_key)
    return Link(job=job.id, file_name=file_name(job), expires=expires, signature=signature)


def open_link(job_id: str, *, expires: str, signature: str, on: Services) -> Download:
    """Return the file of a link.

    Raises LinkRefused if the signature is wrong, ArtifactNotFound if the file is gone, LinkExpired if the file exists
    and the link has expired, Unavailable if the store does not respond.
    """
    # Before the job is read, so that a guess reveals nothing.
    if not _is_genuine(job_id, expires, signature, on.link_key):
        raise LinkRefused("The link is not valid.")
    with on.database.read() as connection:
        job, now = jobs.get(connection, job_id), on.now(connection)
    if job is None or not has_file(job, now) or job.artifact is None:
        raise ArtifactNotFound("There is no such file.")
    if not _exists(job.artifact, on):
        raise ArtifactNotFound("There is no such file.")
    if datetime.fromtimestamp(int(expires), UTC) <= now:
        raise LinkExpired("The link has expired; ask for a new one.")
    format_ = format_named(job.request.format)
    return Download(
        read=partial(on.artifacts.read, job.artifact.key),
        artifact=job.artifact,
        file_name=file_name(job),
        media_type=format_.media_type,
        gzip=format_.is_text and on.limits[job.request.dialect].of(job.tenant).gzip,
        job=job,
    )


def _exists(artifact: Artifact, on: Services) -> bool:
    """Whether the file exists. Raises Unavailable if its size differs or the store does not respond."""
    try:
        size = on.artifacts.size(artifact.key)
    except StorageUnavailable as error:
        raise Unavailable(UNREADABLE, retry_after=RETRY_SECONDS) from error
    if size not in (None, artifact.bytes):
        raise Unavailable("The stored file does not have the size that was published.", retry_after=RETRY_SECONDS)
    return size is not None


def file_name(job: Job) -> str:
    """Return the file's name: the report, the first and last day, and the first eight characters of the job's id."""
    span = job.request.timespan
    days = f"{span.start:%Y-%m-%d}_{span.end:%Y-%m-%d}"
    return f"{job.request.report}_{days}_{job.id[:8]}.{format_named(job.request.format).suffix}"


def key_id(on: Services) -> str:
    """Return a public name of the signing key, derived by a hash."""
    return "K" + hashlib.sha256(b"name of\n" + on.link_key).hexdigest()[:13].upper()


def _is_genuine(job_id: str, expires: str, signature: str, key: bytes) -> bool:
    if not (expires.isascii() and expires.isdigit() and len(expires) <= 12):
        return False
    return hmac.compare_digest(_sign(job_id, int(expires), key).encode(), signature.encode())


def _sign(job_id: str, expires: int, key: bytes) -> str:
    digest = hmac.new(key, f"{job_id}\n{expires}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
