"""Jobs of a dialect: create, find, follow, cancel and download them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from offtake_client.dialects.dialect import Dialect, JobInfo, JobRequest
from offtake_client.dialects.files import JobFile
from offtake_client.documents import Update
from offtake_client.download.download_record import DownloadRecord, downloads_in
from offtake_client.download.export_files import CONNECTIONS, DownloadProgress, download_files
from offtake_client.download.verify import matches
from offtake_client.effects import Emit, Flow, Offload, Request, Response, Send, Sleep, TransportFault
from offtake_client.errors import ExportFailed, NotFound, OfftakeError
from offtake_client.export_request import ExportRequest, Moment
from offtake_client.periods import timespan
from offtake_client.problems import problem_of
from offtake_client.request_record import RequestRecord, record_of, records_in
from offtake_client.retry import REPEATED, Patience

PathLike = str | Path
_FIRST_PAUSE = 0.5  # seconds between the first two readings of an open job
_REFUSED = frozenset({408, 429, 503})  # no job was created


@dataclass
class JobHandle:
    """One job. ``info`` is what the server answered last; ``downloaded`` is set by ``download``."""

    dialect: Dialect
    info: JobInfo
    record: RequestRecord | None = None  # of the request that created it, until its file is complete
    target: Path | None = None
    downloaded: DownloadRecord | None = None

    @property
    def id(self) -> str:
        """The id of the job."""
        return self.info.id

    @property
    def state(self) -> str:
        """queued, running, uploading, succeeded, failed, cancelled, deleted or expired, as answered last."""
        return self.info.state


class _AlreadyCreated(Exception):
    def __init__(self, job: JobInfo) -> None:
        super().__init__(job.id)
        self.job = job


def check(dialect: Dialect) -> Flow[None]:
    """Check the credential with a request that changes nothing. Raises NotAuthenticated, NotPermitted."""
    yield from dialect.check()


# --- create and find -------------------------------------------------------------------------------------------------


def export(
    dialect: Dialect,
    report: str,
    *,
    last: str | None = None,
    start: Moment | None = None,
    end: Moment | None = None,
    timezone: str = "UTC",
    format: str | None = None,  # noqa: A002
    options: Mapping[str, Any] | None = None,
    target: PathLike | None = None,
) -> Flow[JobHandle]:
    """Create a job, or find the one that an equal request has created and whose file is not complete yet.

    ``report``, ``format`` and ``options`` are words of the dialect; ``options`` are further members of its request.
    The request is recorded in ``target``, the folder of the file, before it is sent, and the id of the job afterwards.
    If the script is killed between the two, Talkdesk's list of jobs and Loop's idempotency key (at an Offtake server)
    find the job; Khoros has neither, and the job is created again.

    Raises UnknownOption, InvalidRequest, NotFound, Busy.
    """
    first, until = timespan(last, start, end, timezone)
    request = JobRequest(report, format or dialect.default_format, first, until, timezone, dict(options or {}))
    folder = None if target is None else Path(target)
    record = record_of(ExportRequest(request.as_json(dialect.name)), dialect.server, folder)
    return (yield from _create(dialect, record, folder))


def _create(dialect: Dialect, record: RequestRecord, target: Path | None) -> Flow[JobHandle]:
    """Send the request of a record, unless its job is known and has a file or will have one."""
    request = JobRequest.of(record.body)
    if record.export is None:
        found = yield from dialect.find(request, record.key)
    else:
        found = yield from _reread(dialect, record.export)
    if found is not None and (found.is_open or found.state == "succeeded"):
        return JobHandle(dialect, found, record.created(found.id), target)
    if record.export is not None or found is not None:
        record = record.renewed()  # its job has ended without a file
    send = partial(_send_create, dialect, request, record.key)
    try:
        response = yield from dialect.session.call(
            dialect.create_request(request, record.key), frozenset({200, 201, 202}), send
        )
        made = dialect.created(request, response)
    except _AlreadyCreated as found_job:
        made = found_job.job
    return JobHandle(dialect, made, record.created(made.id), target)


def _reread(dialect: Dialect, job: str) -> Flow[JobInfo | None]:
    try:
        return (yield from dialect.read(job))
    except NotFound:
        return None


def _send_create(dialect: Dialect, request: JobRequest, key: str, sent: Request) -> Flow[Response]:
    """Send a request until it is answered. Before each repetition, look for the job that it may have created."""
    session = dialect.session
    patience = Patience(session.patience, session.clock)
    while True:
        error: OfftakeError
        is_certain = False
        try:
            response: Response = yield Send(sent)
        except TransportFault as fault:
            error = session.unreachable(sent.url, fault)
        else:
            if response.status not in REPEATED:
                return response
            error, is_certain = problem_of(response), response.status in _REFUSED
        yield from session.wait(patience, error)
        if not is_certain:
            if not dialect.creates_once:
                session.note(f"The request is sent again; {dialect.name} may have created a job before, which stays.")
            found = yield from dialect.find(request, key)
            if found is not None:
                raise _AlreadyCreated(found)


def find_export(dialect: Dialect, export: str) -> Flow[JobHandle]:
    """Return a job by its id. Raises NotFound."""
    return JobHandle(dialect, (yield from dialect.read(export)))


def exports(dialect: Dialect, *, report: str | None = None) -> Flow[None]:
    """Iterate over the jobs, newest first. Talkdesk needs the report; Loop has no list (UnknownOption)."""
    cursor = None
    while True:
        page = yield from dialect.page(report, cursor)
        for job in page.jobs:
            yield Emit(JobHandle(dialect, job))
        cursor = page.next
        if cursor is None:
            return


def unfinished(dialect: Dialect, target: PathLike) -> Flow[None]:
    """Iterate over the jobs whose files in a folder are not complete, or have changed since."""
    folder = Path(target)
    for record in records_in(folder):
        if record.server != dialect.server:
            dialect.session.note(f"{record.path} belongs to {record.server}; it is left out.")
            continue
        yield Emit((yield from _create(dialect, record, folder)))
    for stored in downloads_in(folder):
        path = folder / stored.file.name
        if stored.server == dialect.server and not (yield Offload(partial(matches, path, stored.file))):
            handle = yield from find_export(dialect, stored.job)
            handle.target = folder
            yield Emit(handle)


# --- follow, cancel and download -------------------------------------------------------------------------------------


def refresh(handle: JobHandle) -> Flow[JobInfo]:
    """Read the state of the job."""
    known, found = handle.info, (yield from handle.dialect.read(handle.id))
    handle.info = JobInfo(
        found.id, found.state, found.report or known.report, found.format or known.format, found.name or known.name
    )
    return handle.info


def progress(handle: JobHandle) -> Flow[None]:
    """Iterate over updates until the job has ended. A dialect knows its state, and no rows or percentage."""
    pause = _FIRST_PAUSE
    while True:
        yield Emit(Update(handle.state, handle.state, None, None, None, None))
        if not handle.info.is_open:
            return
        pause = yield from _poll(handle, pause)


def wait(handle: JobHandle) -> Flow[JobInfo]:
    """Wait until the job has ended with a file. Raises ExportFailed if it ends otherwise."""
    pause = _FIRST_PAUSE
    while handle.info.is_open:
        pause = yield from _poll(handle, pause)
    if handle.state != "succeeded":
        raise ExportFailed(handle.id, handle.state, "")
    return handle.info


def _poll(handle: JobHandle, pause: float) -> Flow[float]:
    """Read the job after so many seconds; return the next pause."""
    yield Sleep(pause)
    yield from refresh(handle)
    return min(2 * pause, handle.dialect.longest_pause)


def cancel(handle: JobHandle) -> Flow[JobInfo]:
    """End the job; Talkdesk only. Raises Conflict if it has ended already."""
    yield from handle.dialect.cancel(handle.id)
    if handle.record is not None:
        handle.record.remove()
    return (yield from refresh(handle))


def download(
    handle: JobHandle,
    target: PathLike | None = None,
    *,
    connections: int = CONNECTIONS,
    on_progress: Callable[[DownloadProgress], None] | None = None,
) -> Flow[list[Path]]:
    """Wait for the job, and download its file to a folder; return its path in a list.

    A download that was broken off goes on where it stopped. ``handle.downloaded.checked`` says what the file was
    compared with: a SHA-256 or an MD5 of the server, or only the size. Raises ExportFailed, FileChanged, DamagedFile,
    DownloadError, DiskFull, TargetInUse, InvalidTarget.
    """
    yield from wait(handle)
    folder = Path(target) if target is not None else handle.target or Path()
    source = JobFile(handle.dialect, handle.info)
    paths = yield from download_files(
        handle.dialect.session, source, folder, connections=connections, on_progress=on_progress
    )
    handle.downloaded = yield from source.complete(paths[0])
    handle.target = folder
    if handle.record is not None:
        handle.record.remove()
    return paths
