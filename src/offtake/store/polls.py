"""The statement of a status poll: the credentials of the caller, the job and the time in one round trip.

The job is joined by the tenant of the credentials, so the statement cannot return the job of another tenant.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, and_, bindparam

from offtake.model.job import PolledJob
from offtake.model.tenant import Credential, Principal
from offtake.store import identity
from offtake.store.clock import database_time
from offtake.store.point_reads import PointRead
from offtake.store.records import job_from_row
from offtake.store.schema import NUL, credential, job, token

_JOB = job.c.id == bindparam("job")
_BY_TOKEN = PointRead(
    identity.PRINCIPAL_COLUMNS,
    job.c,
    [database_time],
    source=identity.TOKENS.outerjoin(job, and_(_JOB, job.c.tenant == token.c.tenant)),
    where=identity.IS_PRINCIPAL,
)
_BY_CREDENTIAL = PointRead(
    credential.c,
    job.c,
    [database_time],
    source=credential.outerjoin(job, and_(_JOB, job.c.tenant == credential.c.tenant)),
    where=identity.IS_ACTIVE,
)


def by_token(
    connection: Connection, hash_: str, job_id: str, *, now: datetime
) -> tuple[Principal | None, PolledJob | None]:
    """Return the principal as ``identity.principal_of``, and the job of its tenant. Both None without a principal."""
    found = _BY_TOKEN.first(connection, {"hash_": hash_, "now": now, "job": _id(job_id)})
    if found is None:
        return None, None
    return identity.principal_from_row(found[0]), _polled(job_id, found[1], found[2])


def by_credential(
    connection: Connection, credential_id: str, job_id: str
) -> tuple[Credential | None, PolledJob | None]:
    """Return the credential as ``identity.get_credential``, and the job of its tenant. Both None without one."""
    if NUL in credential_id:
        return None, None
    found = _BY_CREDENTIAL.first(connection, {"credential_id": credential_id, "job": _id(job_id)})
    if found is None:
        return None, None
    return identity.credential_from_row(found[0]), _polled(job_id, found[1], found[2])


def _id(job_id: str) -> str | None:
    return None if NUL in job_id else job_id


def _polled(job_id: str, row: object, time: object) -> PolledJob:
    return PolledJob(
        id=job_id,
        job=None if row.id is None else job_from_row(row),  # type: ignore[attr-defined,arg-type]
        database_time=time[0],  # type: ignore[index]
    )
