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
from offtake.store import idempotency, jobs
from offtake.store.records import request_to_json


def idempotency_key(text: str, request: ExportRequest, by: Caller) -> idempotency.Key:
    """The key belongs to whom the job does; a credential that is nobody's in particular has its own."""
    owner = by.principal.person or by.principal.credential
    return idempotency.Key(tenant=by.principal.tenant, dialect=request.dialect, owner=owner, text=text)


def request_digest(request: ExportRequest) -> str:
    """Equal for equal orders, whatever the server's settings are at the time. Filters are sets: the order in which a
    script names their members may be another each time."""
    sent = request_to_json(replace(request, row_limit=None, account_zone="UTC"))
    filters = {
        name: sorted(value) if isinstance(value, list | tuple) else value for name, value in sent["parameters"].items()
    }
    order = {"report": request.report, "format": request.format, **sent, "parameters": filters}
    return hashlib.sha256(json.dumps(order, sort_keys=True).encode()).hexdigest()


# Nothing can be had of such a job (any more), so a key need not stand for it.
_RELEASED = ENDED - {Status.SUCCEEDED}


def find_repeated(connection: Connection, key: idempotency.Key, digest: str, on: Services) -> Job | None:
    """The job that the key stands for, unless it ended without a file, or its file is gone."""
    used = idempotency.find(connection, key)
    job = used and jobs.get(connection, used.job, tenant=key.tenant)
    if not used or not job or current_view(connection, job, on).status in _RELEASED:
        return None
    if used.digest != digest:
        raise IdempotencyConflict("The idempotency key was used for another request.")
    return job
