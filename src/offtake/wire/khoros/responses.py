"""Encodes answers: the envelope of four keys, and the documents inside it (Khoros contract 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from offtake.model.job import Job, Status
from offtake.wire.khoros.ids import ids
from offtake.wire.khoros.tables import STATES

MEDIA_TYPE = "application/json; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"
Url = Callable[[str], str]  # the URL of one of the job's verbs: status or download


class KhorosResponse(JSONResponse):
    """JSON with a charset in its content type."""

    media_type = MEDIA_TYPE


def answer(request: Request, result: object) -> KhorosResponse:
    """``result`` in the envelope, as text/plain if the client accepts nothing else (Khoros contract 4)."""
    accepted = [media.partition(";")[0].strip().lower() for media in request.headers.get("accept", "").split(",")]
    return KhorosResponse(passed(result), media_type=_TEXT if accepted == ["text/plain"] else MEDIA_TYPE)


def passed(result: object) -> dict[str, Any]:
    """The envelope of a success."""
    return {"status": "PASS", "request": None, "message": None, "result": result}


def failed(message: str, result: str) -> dict[str, Any]:
    """The envelope of an error. FAIL is inferred as the opposite of PASS."""
    return {"status": "FAIL", "request": None, "message": message, "result": result}


def created(job: Job, url: Url) -> dict[str, Any]:
    """The result of a create request (Khoros contract 4.1)."""
    workflow, run = ids(job)
    return {"workflowId": workflow, "runId": run, "downloadUrl": _download(job, url), "statusUrl": url("status")}


def status(job: Job, url: Url, *, as_documented: bool) -> object:
    """The result of a status request (Khoros contract 4.2).

    The vendor's samples show a list for a run that has not completed; a client in production does not expect one.
    """
    document = {"jobInfo": created(job, url), "result": _run(job, detail=STATES[job.status][1])}
    return [document] if as_documented and STATES[job.status][1] != "COMPLETED" else document


def listed(job: Job, url: Url) -> dict[str, Any]:
    """One job of the list (Khoros contract 4.4).

    It has no statusUrl, and ``details``, always null, in place of ``detail``. A failed job has a blank downloadUrl.
    """
    workflow, run = ids(job)
    info = {"workflowId": workflow, "runId": run}
    state, _ = STATES[job.status]
    if state == "CLOSED":
        info["downloadUrl"] = _download(job, url)
    return {"jobInfo": info, "result": _run(job, details=None)}


def _download(job: Job, url: Url) -> str:
    """The download URL; blank as long as the job has no file (Khoros contract 4.2)."""
    return url("download") if job.status is Status.SUCCEEDED else ""


def _run(job: Job, **detail: str | None) -> dict[str, Any]:
    """The state of a run. The last three are null in every sample and undocumented (Khoros contract 4.2)."""
    counts = {"currentCount": None, "totalCount": None, "lastAcknowledgeTime": None}
    return {"runnerState": STATES[job.status][0], "reason": None, **detail, **counts}
