"""What finished exports had: rows, bytes and duration. They stay in the record of a job whose file is gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, select

from offtake.model.request import ExportRequest
from offtake.store.records import job_from_row
from offtake.store.schema import job


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierRun:
    """A finished export."""

    request: ExportRequest
    rows: int
    bytes: int
    duration: timedelta  # of its last attempt


def newest(connection: Connection, *, tenant: str, dialect: str, report: str, limit: int) -> Sequence[EarlierRun]:
    """Return the newest finished exports of a report, also those whose files were removed since."""
    statement = (
        select(job)
        .where(job.c.tenant == tenant, job.c.dialect == dialect, job.c.report == report)
        .where(job.c.rows.is_not(None), job.c.started_at.is_not(None), job.c.finished_at.is_not(None))
        .order_by(job.c.created_at.desc(), job.c.id.desc())
        .limit(limit)
    )
    return [
        EarlierRun(
            request=job_from_row(row).request,
            rows=row.rows,
            bytes=row.bytes,
            duration=row.finished_at - row.started_at,
        )
        for row in connection.execute(statement)
    ]
