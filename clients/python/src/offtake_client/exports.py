"""Exports: create, find, follow, cancel and download them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from offtake_client.documents import Estimate, ExportInfo, ExportPage, Manifest, ManifestFile, Preview, Update
from offtake_client.download.export_files import CONNECTIONS, DownloadProgress, ExportFiles, download_files
from offtake_client.download.manifests import fetch_manifest, manifests_in
from offtake_client.download.verify import matches
from offtake_client.effects import Emit, Flow, Offload, Response, Sleep
from offtake_client.errors import Conflict, ExportFailed, NotFound
from offtake_client.export_request import Format, Moment, Where, export_request
from offtake_client.request_record import RequestRecord, record_of, records_in
from offtake_client.retry import stated_pause
from offtake_client.session import Session

PathLike = str | Path
_WAIT_SECONDS = 30  # of one request, while an export is open
_UPDATE_SECONDS = 2  # between two updates of a progress
_SHORTEST_PAUSE = 1.0  # between two requests that were answered at once
_PAGE = 100


@dataclass
class ExportHandle:
    """One export of a session. ``info`` is what the server answered last."""

    session: Session
    info: ExportInfo
    record: RequestRecord | None = None  # of the request that created it, until its files are complete
    target: Path | None = None  # the folder of its files, if one is known

    @property
    def id(self) -> str:
        """The id of the export."""
        return self.info.id

    @property
    def state(self) -> str:
        """queued, running, uploading, succeeded, failed, cancelled, expired or deleted, as answered last."""
        return self.info.state


# --- create and find -------------------------------------------------------------------------------------------------


def export(
    session: Session,
    report: str,
    *,
    last: str | None = None,
    start: Moment | None = None,
    end: Moment | None = None,
    timezone: str = "UTC",
    columns: Sequence[str] | None = None,
    where: Where | None = None,
    order: Sequence[str] = (),
    parameters: Mapping[str, Any] | None = None,
    format: Format = "parquet",  # noqa: A002
    options: Mapping[str, Any] | None = None,
    target: PathLike | None = None,
) -> Flow[ExportHandle]:
    """Create an export, or find the one that an equal request has created and whose files are not complete yet.

    ``last`` (such as 7d or previous_month), or ``start`` with ``end``, is the timespan; ``where`` are filters: a value,
    a list of values, bounds as a tuple, or None. ``options`` are further members of the request (compression, csv,
    split, name, reuse_within). ``target`` is the folder of the files; the request is recorded there, so that a script
    that is killed and started again finds its export. Without it, the user's state folder has the record.

    Raises UnknownOption, InvalidRequest, NotFound, Busy, BudgetExceeded.
    """
    request = export_request(
        report,
        last=last,
        start=start,
        end=end,
        timezone=timezone,
        columns=columns,
        where=where,
        order=order,
        parameters=parameters,
        options={"format": format, **(options or {})},
    )
    folder = None if target is None else Path(target)
    return (yield from create(session, record_of(request, session.url, folder), folder))


def create(session: Session, record: RequestRecord, target: Path | None) -> Flow[ExportHandle]:
    """Send the request of a record, unless its export is known and has files or will have them."""
    if record.export is not None:
        try:
            found = yield from find_export(session, record.export)
        except NotFound:
            found = None
        if found is not None and (found.info.is_open or found.state == "succeeded"):
            return ExportHandle(session, found.info, record, target)
    try:
        info = yield from _post(session, record)
    except Conflict as conflict:
        if conflict.code != "idempotency_conflict":
            raise
        record = record.renewed()  # the period of ``last`` has ended since the key was used
        info = yield from _post(session, record)
    return ExportHandle(session, info, record.created(info.id), target)


def _post(session: Session, record: RequestRecord) -> Flow[ExportInfo]:
    headers = {"idempotency-key": record.key}
    response = yield from session.call(session.request("POST", "/exports", body=record.body, headers=headers))
    return session.decode(ExportInfo, response)


def find_export(session: Session, export: str) -> Flow[ExportHandle]:
    """Return an export by its id. Raises NotFound."""
    info = yield from session.get(ExportInfo, _path(export))
    return ExportHandle(session, info)


def exports(session: Session, *, report: str | None = None, state: str | None = None) -> Flow[None]:
    """Iterate over the caller's exports, newest first."""
    given = {"report": report, "state": state, "limit": str(_PAGE)}
    params = {name: value for name, value in given.items() if value is not None}
    while True:
        page = yield from session.get(ExportPage, "/exports", params)
        for info in page.exports:
            yield Emit(ExportHandle(session, info))
        if page.next is None:
            return
        params["cursor"] = page.next


def unfinished(session: Session, target: PathLike) -> Flow[None]:
    """Iterate over the exports whose files in a folder are not complete. Raises InvalidTarget."""
    folder, found = Path(target), set()
    for record in records_in(folder):
        if record.server != session.url:
            session.note(f"{record.path} belongs to {record.server}; it is left out.")
            continue
        handle = yield from create(session, record, folder)
        found.add(handle.id)
        yield Emit(handle)
    for stored in manifests_in(folder):
        files = [(folder / file.name, file) for file in stored.manifest.files]
        if stored.manifest.export not in found and not (yield Offload(partial(_all_match, files))):
            handle = yield from find_export(session, stored.manifest.export)
            handle.target = folder
            yield Emit(handle)


def _all_match(files: list[tuple[Path, ManifestFile]]) -> bool:
    return all(matches(path, file) for path, file in files)


def estimate(session: Session, /, report: str, *, format: Format = "parquet", **request: Any) -> Flow[Estimate]:  # noqa: A002
    """Check the arguments of ``export`` and estimate what the export would have. Nothing is created."""
    body = {**export_request(report, **request, options={"format": format}).body, "dry_run": True}
    response = yield from session.call(session.request("POST", "/exports", body=body))
    return session.decode(Estimate, response)


def preview(
    session: Session,
    report: str,
    *,
    last: str | None = None,
    start: Moment | None = None,
    end: Moment | None = None,
    timezone: str = "UTC",
    columns: Sequence[str] | None = None,
    where: Where | None = None,
    order: Sequence[str] = (),
    parameters: Mapping[str, Any] | None = None,
    rows: int = 20,
) -> Flow[Preview]:
    """Return the first rows of a request, at most 100. Nothing is created."""
    request = export_request(
        report,
        last=last,
        start=start,
        end=end,
        timezone=timezone,
        columns=columns,
        where=where,
        order=order,
        parameters=parameters,
        options={"rows": rows},
    )
    response = yield from session.call(session.request("POST", "/exports/preview", body=request.body))
    return session.decode(Preview, response)


# --- follow and cancel -----------------------------------------------------------------------------------------------


def refresh(handle: ExportHandle) -> Flow[ExportInfo]:
    """Read the state of the export."""
    handle.info = yield from handle.session.get(ExportInfo, _path(handle.id))
    return handle.info


def progress(handle: ExportHandle) -> Flow[None]:
    """Iterate over updates until the export has ended; the last one has the state in which it ended."""
    while True:
        info = handle.info
        yield Emit(Update(info.state, info.progress.phase, *_numbers(info), info.position))
        if not info.is_open:
            return
        yield from _poll(handle, _UPDATE_SECONDS)


def _numbers(info: ExportInfo) -> tuple[int | None, float | None, Any]:
    return info.progress.rows, info.progress.percent, info.expected_end


def wait(handle: ExportHandle) -> Flow[ExportInfo]:
    """Wait until the export has ended with files. Raises ExportFailed if it ends otherwise."""
    while handle.info.is_open:
        yield from _poll(handle, _WAIT_SECONDS)
    if handle.state != "succeeded":
        failure = handle.info.error
        raise ExportFailed(handle.id, handle.state, failure.detail if failure else "")
    return handle.info


def _poll(handle: ExportHandle, seconds: int) -> Flow[None]:
    """Read the export when it has ended, or after so many seconds; pause if the server answers earlier."""
    session, begin = handle.session, handle.session.clock()
    response: Response = yield from session.call(session.request("GET", _path(handle.id), wait=seconds))
    handle.info = session.decode(ExportInfo, response)
    if handle.info.is_open and session.clock() - begin < seconds / 2:
        yield Sleep(max(_SHORTEST_PAUSE, stated_pause(response.headers) or 0))


def cancel(handle: ExportHandle) -> Flow[ExportInfo]:
    """End the export. Raises Conflict if it has ended already."""
    response = yield from handle.session.call(handle.session.request("POST", f"{_path(handle.id)}/cancel"))
    handle.info = handle.session.decode(ExportInfo, response)
    if handle.record is not None:
        handle.record.remove()
    return handle.info


# --- files -----------------------------------------------------------------------------------------------------------


def manifest(handle: ExportHandle) -> Flow[Manifest]:
    """Return the manifest of the finished export. Raises Conflict while it is open."""
    return (yield from fetch_manifest(handle.session, handle.id)).manifest


def download(
    handle: ExportHandle,
    target: PathLike | None = None,
    *,
    connections: int = CONNECTIONS,
    on_progress: Callable[[DownloadProgress], None] | None = None,
) -> Flow[list[Path]]:
    """Wait for the export, and download its files to a folder; return their paths.

    A download that was broken off goes on where it stopped, every block is compared with the manifest, and a file gets
    its name when it is complete. ``target`` is the folder, by default that of ``export(target=…)``, else the present
    one. Raises ExportFailed, Gone, FileChanged, DamagedFile, DiskFull, TargetInUse, InvalidTarget.
    """
    yield from wait(handle)
    folder = Path(target) if target is not None else handle.target or Path()
    paths = yield from download_files(
        handle.session, ExportFiles(handle.session, handle.id), folder, connections=connections, on_progress=on_progress
    )
    handle.target = folder
    if handle.record is not None:
        handle.record.remove()
    return paths


def _path(export: str) -> str:
    return f"/exports/{quote(export, safe='')}"
