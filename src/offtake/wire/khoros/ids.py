"""The two ids of a job, its token, and the URLs made of them (Khoros contract 1.2 and 4.1)."""

from __future__ import annotations

import base64
import dataclasses
import hmac
import uuid
from urllib.parse import quote

from offtake.model.job import Job
from offtake.model.request import ExportRequest
from offtake.model.signing_key import SigningKey, SigningKeys
from offtake.wire.khoros.tables import ROOT

_TOKEN_BYTES = 16


def new_reference(request: ExportRequest, *, tenant: str, secret: str) -> str:
    """The reference of a new job: ``workflowId/runId``.

    The workflowId is a version-3 UUID of the request's content. The runId is random: a literal 23 and the 32 bytes of
    ``secret`` (URL-safe Base64) in standard Base64.
    """
    content = {**dataclasses.asdict(request), "tenant": tenant}
    workflow = uuid.uuid3(uuid.NAMESPACE_URL, repr(sorted(content.items())))
    random = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
    return f"{workflow}/23{base64.b64encode(random).decode()}"


def ids(job: Job) -> tuple[str, str]:
    """workflowId and runId of a job of this dialect."""
    assert job.reference is not None  # noqa: S101 - every job of the dialect has one
    workflow, _, run = job.reference.partition("/")
    return workflow, run


def access_token(job: Job, key: SigningKey) -> str:
    """The job's ``analyticsAccessToken``. Its holder has read the status of this job."""
    digest = hmac.digest(key.secret, f"analyticsAccessToken\n{job.id}".encode(), "sha256")
    return base64.b64encode(digest[:_TOKEN_BYTES]).decode()


def is_token_of(job: Job, sent: str, keys: SigningKeys) -> bool:
    """Whether that is the job's token, by any accepted key. An unencoded plus sign arrives as a blank in a query."""
    token = sent.replace(" ", "+").encode()
    return any(hmac.compare_digest(access_token(job, key).encode(), token) for key in keys.accepted)


def job_path(job: Job, verb: str, *, name: str, value: str) -> str:
    """Path and query of a job's status or download, percent-encoded including the slashes of Base64."""
    workflow, run = ids(job)
    return f"{ROOT}/reports/report/{workflow}/{quote(run, safe='')}/{verb}?{name}={quote(value, safe='')}"
