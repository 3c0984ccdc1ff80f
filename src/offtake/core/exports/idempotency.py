"""Idempotency keys: a repeated create request finds the job of the first one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from sqlalchemy import Connection

from offtake.core.auth.caller import Caller
from offtake.core.exports.read import current_view
from offtake.core.services import Services
from offtake.errors import IdempotencyConflict
from offtake.model.job import ENDED, Job, Status
from offtake.model.request import ExportRequest
from offtake.store import idempotency, job_queries
from offtake.store.records import request_to_json


def idempotency_key(text: str, request: ExportRequest, by: Caller) -> idempotency.Key:
    """Return the key, scoped to the job's owner: the person, or the credential if it belongs to no person."""
    owner = by.principal.person or by.principal.credential
    return idempotency.Key(tenant=by.principal.tenant, dialect=request.dialect, owner=owner, text=text)


def request_digest(request: ExportRequest) -> str:
    """Return a digest that is equal for equal requests, whenever they are sent and whatever the server's settings are.

    Filters are sets, and so are the members of each, so both are sorted.
    """
    parameters = replace(request.parameters, inboxes_without_members=False)
    filters = tuple(sorted(request.filters, key=repr))
    always = replace(request, row_limit=None, account_zone="UTC", as_of=None, watermark=None)
    stored = request_to_json(replace(always, parameters=parameters, filters=filters))
    given = {
        name: sorted(value) if isinstance(value, list | tuple) else value
        for name, value in stored["parameters"].items()
    }
    content = {"report": request.report, "format": request.format, **stored, "parameters": given}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


# Such a job has no file, so its key may be used for a new job.
_WITHOUT_FILE = ENDED - {Status.SUCCEEDED}


def find_repeated(connection: Connection, key: idempotency.Key, digest: str, on: Services) -> Job | None:
    """Return the key's job, unless it ended without a file or its file is gone.

    Raises IdempotencyConflict if the key was used for another request.
    """
    used = idempotency.find(connection, key)
    job = used and job_queries.get(connection, used.job, tenant=key.tenant)
    if not used or not job or current_view(connection, job, on).status in _WITHOUT_FILE:
        return None
    if used.digest != digest:
        raise IdempotencyConflict("The idempotency key was used for another request; use a new key.")
    return job
