"""Read the manifest of an export."""

from __future__ import annotations

from datetime import date
from typing import Any

from offtake.core.auth.caller import Caller
from offtake.core.exports.acceptance import require_access
from offtake.core.exports.read import JobRef, get_export
from offtake.core.services import Services
from offtake.errors import ArtifactGone, JobStateConflict
from offtake.model.column_filter import ColumnFilter, FilterOperator
from offtake.model.job import Job, Status
from offtake.model.manifest import Manifest
from offtake.model.request import ExportRequest, changed_parameters
from offtake.store import manifests


def read_manifest(ref: JobRef, by: Caller, on: Services) -> tuple[Job, Manifest]:
    """Return a job that the caller may see, and its manifest.

    Raises NotPermitted, also if the files have columns that the credential may not receive: the manifest has the values
    of the request's filters and the first and last sort key of each file. Raises JobNotFound for any other id,
    ArtifactGone if the files were deleted or have expired, JobStateConflict if the job has not succeeded.
    """
    job = get_export(ref, by, on)
    require_access(job.request, by, on)
    if job.status in (Status.EXPIRED, Status.DELETED):
        raise ArtifactGone("The files were deleted or have expired.")
    if job.artifact is None:
        raise JobStateConflict(f"The export has no manifest: its state is {job.status}.")
    with on.database.read() as connection:
        manifest = manifests.get(connection, job)
        if manifest is not None:
            return job, manifest
        files = manifests.files(connection, job)
    return job, Manifest(
        report=job.request.report,
        report_version=None,
        columns=(),
        request=describe_request(job.request),
        as_of=job.request.as_of,
        watermark=job.request.watermark,
        lake_versions={},
        reconciled=(),
        producer=None,
        files=files,
    )


def describe_request(request: ExportRequest) -> dict[str, Any]:
    """Return the request as JSON, in the words of the native API."""
    span = request.timespan
    return {
        "dialect": request.dialect,
        "report": request.report,
        "name": request.name,
        "timespan": {"start": span.start.isoformat(), "end": span.end.isoformat(), "timezone": span.zone},
        "locale": request.locale,
        "columns": list(request.columns),
        "filters": [_describe_filter(each) for each in request.filters],
        "order": list(request.order),
        "format": request.format,
        "compression": request.compression,
        "csv": None if request.format_options is None else request.format_options.model_dump(),
        "split": None if request.split is None else {"rows": request.split.rows, "bytes": request.split.bytes},
        "parameters": changed_parameters(request.parameters),
    }


def _describe_filter(each: ColumnFilter) -> dict[str, Any]:
    """Return a filter as JSON: a list of values for ``in`` and ``range``, else one value."""
    values = [value.isoformat() if isinstance(value, date) else value for value in each.values]
    is_list = each.operator in (FilterOperator.IN, FilterOperator.RANGE)
    return {"column": each.column, "op": each.operator.value, "value": values if is_list else values[0]}
