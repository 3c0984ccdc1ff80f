"""Encodes exports (Loop contract 5.3, 7 and 13)."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from offtake.model.job import Job
from offtake.wire.loop.settings import LoopSettings
from offtake.wire.loop.tables import GONE, GONE_LEGACY, STATUS

_RETRY_AFTER = 60  # seconds; the vendor's published example polls for an export that is gone (Loop contract 7.3)


def encode_export(id_: str, job: Job, settings: LoopSettings, url: str | None) -> Response:
    """The export-result object, and more about the job in headers (Loop contract 13).

    ``id_`` is the id in the client's spelling; ``url`` is that of the file, if there is one.
    """
    document = {"id": id_, "status": STATUS[job.status] or _gone_word(settings)}
    if url is not None:  # only Completed has a url (Loop contract 5.3)
        document["url"] = url
    return JSONResponse(document, headers=_headers(job))


def encode_gone(id_: str, settings: LoopSettings) -> Response:
    """The answer for an export that is gone, unknown, or hidden from the caller (Loop contract 7.2 and 7.3)."""
    document = {"id": id_, "status": _gone_word(settings)}
    return JSONResponse(document, headers={"retry-after": str(_RETRY_AFTER)})


def is_gone(job: Job) -> bool:
    """Whether the file of the job was removed."""
    return STATUS[job.status] is None


def _gone_word(settings: LoopSettings) -> str:
    return GONE_LEGACY if settings.status_dialect == "legacy" else GONE


def _headers(job: Job) -> dict[str, str]:
    headers = {"x-export-state": job.status.value}
    if job.artifact is not None and job.expires_at is not None:
        headers["x-export-rows"] = str(job.artifact.rows)
        headers["x-export-bytes"] = str(job.artifact.bytes)
        headers["x-export-sha256"] = job.artifact.sha256
        headers["x-export-expires"] = f"{job.expires_at:%Y-%m-%dT%H:%M:%SZ}"
    if job.failure is not None:
        headers["x-export-failure"] = job.failure.code
    return headers
