"""The four keys around every answer, and the documents inside them (Khoros contract 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from offtake.model.job import Job, Status
from offtake.wire.khoros.ids import ids
from offtake.wire.khoros.tables import STATES

_JSON = "application/json; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"
Url = Callable[[str], str]  # of a verb: the job's status or download


class Answer(JSONResponse):
    """JSON, said to be JSON."""

    media_type = _JSON


def answer(request: Request, result: object) -> Answer:
    """``result`` in the envelope; called text where the client accepts nothing else, as the vendor does
    (Khoros contract 4)."""
    accepted = [part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")]
    return Answer(passed(result), media_type=_TEXT if accepted == ["text/plain"] else _JSON)


def passed(result: object) -> dict[str, Any]:
    """The envelope of whatever went well."""
    return {"status": "PASS", "request": None, "message": None, "result": result}


def failed(message: str, result: str) -> dict[str, Any]:
    """The envelope of an error; FAIL is inferred as the opposite of PASS."""
    return {"status": "FAIL", "request": None, "message": message, "result": result}


def created(job: Job, url: Url) -> dict[str, Any]:
    """Khoros contract 4.1."""
    workflow, run = ids(job)
    return {"workflowId": workflow, "runId": run, "downloadUrl": _download(job, url), "statusUrl": url("status")}


def status(job: Job, url: Url, *, as_documented: bool) -> object:
    """Khoros contract 4.2. The vendor's samples of a run that has not completed show a list; a client in production
    does not expect one."""
    document = {"jobInfo": created(job, url), "result": _run(job, detail=STATES[job.status][1])}
    return [document] if as_documented and STATES[job.status][1] != "COMPLETED" else document


def listed(job: Job, url: Url) -> dict[str, Any]:
    """One job of the list (Khoros contract 4.4): no statusUrl, ``details`` in place of ``detail``, and that null as in
    all samples; a blank downloadUrl tells one that failed."""
    workflow, run = ids(job)
    info = {"workflowId": workflow, "runId": run}
    state, _ = STATES[job.status]
    if state == "CLOSED":
        info["downloadUrl"] = _download(job, url)
    return {"jobInfo": info, "result": _run(job, details=None)}


def _download(job: Job, url: Url) -> str:
    """Blank as long as there is no file (Khoros contract 4.2)."""
    return url("download") if job.status is Status.SUCCEEDED else ""


def _run(job: Job, **detail: str | None) -> dict[str, Any]:
    """The last three are null in every sample, and nothing says what they would count (Khoros contract 4.2)."""
    counts = {"currentCount": None, "totalCount": None, "lastAcknowledgeTime": None}
    return {"runnerState": STATES[job.status][0], "reason": None, **detail, **counts}
