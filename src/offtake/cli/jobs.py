"""``offtake jobs``: list, show, cancel, retry, hold and release jobs. Values of filters are never shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from offtake.cli.installation import open_home
from offtake.cli.options import DEFAULT_HOME, HomeOption, JsonOption, newest, operator_name, show, show_table
from offtake.core.admin import jobs as admin_jobs
from offtake.core.admin.identity import get_tenant
from offtake.core.services import Services
from offtake.model.job import Job, JobFilter, Status
from offtake.model.request import ReportParameters
from offtake.wire.presentations import PRESENTATIONS

commands = typer.Typer(help="Inspect and manage jobs of all tenants.", no_args_is_help=True, rich_markup_mode=None)

JobArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of the job, as `jobs list` shows it.")]
_DIALECTS = ", ".join(PRESENTATIONS)
_STATES = ", ".join(Status)


@commands.callback()
def group() -> None:
    """Inspect and manage jobs of all tenants."""


@commands.command("list")
def list_jobs(
    home: HomeOption = DEFAULT_HOME,
    tenant: Annotated[str | None, typer.Option(help="Only jobs of this tenant.")] = None,
    status: Annotated[Status | None, typer.Option(metavar="STATE", help=f"Only jobs in this state: {_STATES}.")] = None,
    dialect: Annotated[str | None, typer.Option(help=f"Only jobs of this dialect: {_DIALECTS}.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of jobs.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List jobs, newest first."""
    if dialect is not None and dialect not in _DIALECTS.split(", "):
        raise typer.BadParameter(f"{dialect!r} is not one of {_DIALECTS}", param_hint="--dialect")
    services = open_home(home)
    if tenant is not None:
        get_tenant(tenant, services)
    job_filter = JobFilter(tenant=tenant, status=status, dialect=dialect)
    listed = newest(admin_jobs.list_jobs(job_filter, services, limit=limit + 1), limit)
    if as_json:
        show({"jobs": [job_record(job) for job in listed]}, as_json, "")
        return
    table = Table(box=box.SIMPLE)
    for heading in ("id", "tenant", "dialect", "report", "status", "created", "attempts", "rows", "bytes", "failure"):
        table.add_column(heading, no_wrap=True, justify="right" if heading in ("attempts", "rows", "bytes") else "left")
    for job in listed:
        rows, size = ("", "") if job.artifact is None else (f"{job.artifact.rows:,}", f"{job.artifact.bytes:,}")
        failure = "" if job.failure is None else job.failure.code
        words = (job.id, job.tenant, job.request.dialect, job.request.report, f"{job.status}{' held' * held(job)}")
        table.add_row(*words, f"{job.created_at:%Y-%m-%d %H:%M:%S}", str(job.attempts), rows, size, failure)
    show_table(table)


@commands.command("show")
def show_job(job: JobArgument, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Show one job. Of its filters only the names and operators are shown."""
    _show(admin_jobs.get(job, open_home(home)), as_json)


@commands.command("cancel")
def cancel_job(job: JobArgument, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Cancel a job that has not ended. It stops counting towards the quota at once; a running query is interrupted."""
    _show(_as_operator(admin_jobs.cancel, job, open_home(home)), as_json)


@commands.command("retry")
def retry_job(job: JobArgument, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Return a failed job to the queue and reset its attempts. It counts towards the quota."""
    _show(_as_operator(admin_jobs.retry, job, open_home(home)), as_json)


@commands.command("hold")
def hold_job(job: JobArgument, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Put a job on legal hold: neither retention nor a deletion removes its file until `release`.

    Clients still lose access to the file when its retention is over.
    """
    _show(_as_operator(admin_jobs.hold, job, open_home(home)), as_json)


@commands.command("release")
def release_job(job: JobArgument, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Release a hold. A file whose retention has ended is then removed by the next maintenance run."""
    _show(_as_operator(admin_jobs.release, job, open_home(home)), as_json)


def _as_operator(action: Callable[[str, str, Services], Job], job: str, on: Services) -> Job:
    return action(job, operator_name(), on)


def held(job: Job) -> bool:
    """Return whether the job is on hold."""
    return job.held_at is not None


def job_record(job: Job) -> dict[str, Any]:
    """Return a job as a JSON object, with the names of its filters but not their values."""
    request, artifact, failure = job.request, job.artifact, job.failure
    parameters, defaults = dataclasses.asdict(request.parameters), dataclasses.asdict(ReportParameters())
    return {
        "id": job.id,
        "tenant": job.tenant,
        "dialect": request.dialect,
        "report": request.report,
        "format": request.format,
        "start": request.timespan.start.isoformat(),
        "end": request.timespan.end.isoformat(),
        "zone": request.timespan.zone,
        "parameters": [name for name, value in parameters.items() if value != defaults[name]],
        "filters": [f"{each.column} {each.operator}" for each in request.filters],
        "order": list(request.order),
        "status": job.status.value,
        "attempts": job.attempts,
        "fence": job.fence,
        "estimated_seconds": int(job.estimated_duration.total_seconds()),
        "created_at": _instant(job.created_at),
        "not_before": _instant(job.not_before),
        "started_at": _instant(job.started_at),
        "finished_at": _instant(job.finished_at),
        "expires_at": _instant(job.expires_at),
        "held_at": _instant(job.held_at),
        "rows": artifact.rows if artifact else None,
        "bytes": artifact.bytes if artifact else None,
        "sha256": artifact.sha256 if artifact else None,
        "failure": {"code": failure.code, "message": failure.message} if failure else None,
        "notices": [f"{each.code}: {each.message}" for each in job.notices],
        "principal": job.principal,
        "actor": job.actor,
        "effective": job.effective,
    }


def _show(job: Job, as_json: bool) -> None:
    result = job_record(job)
    lines = [f"{name:>16}  {_word(value)}" for name, value in result.items() if value not in (None, [])]
    show(result, as_json, "\n".join(lines))


def _word(value: Any) -> str:
    if isinstance(value, dict):
        return ": ".join(map(str, value.values()))
    return " ".join(value) if isinstance(value, list) else str(value)


def _instant(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()
