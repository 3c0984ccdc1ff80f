"""The manifest of an export, and links to its files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from starlette.responses import RedirectResponse

from offtake.core.exports import download
from offtake.core.exports.manifest import read_manifest
from offtake.core.exports.read import JobRef
from offtake.errors import ArtifactNotFound, JobNotFound
from offtake.http.conditions import failed_condition
from offtake.http.downloads import link_path
from offtake.http.errors import HttpFault
from offtake.model.artifact import BLOCK_BYTES, ArtifactFile
from offtake.model.job import Job
from offtake.model.manifest import Manifest
from offtake.wire.document import JSON
from offtake.wire.native.auth import NativeCall
from offtake.wire.native.documents import (
    BlocksDocument,
    FileDocument,
    ManifestColumnDocument,
    ManifestDocument,
    ReconciliationDocument,
)
from offtake.wire.native.encode import encode_notices
from offtake.wire.native.errors import render_error
from offtake.wire.native.responses import answered, problems
from offtake.wire.native.route import NativeRoute, Reader
from offtake.wire.native.schema import DIGITS
from offtake.wire.native.tables import API, FORMAT_WORDS, NAME

routes = APIRouter(
    prefix=f"{API}/exports/{{id}}",
    tags=["files"],
    route_class=NativeRoute,
    generate_unique_id_function=lambda route: route.name,
)
_ETAG = {"ETag": {"type": "string"}}
_LOCATION = {"Location": {"type": "string", "format": "uri"}}


@routes.get(
    "/manifest",
    summary="Read the manifest.",
    response_model=ManifestDocument,
    responses={
        **problems(404, 409, 410, 412),
        **answered(200, "The manifest.", _ETAG),
        **answered(304, "The manifest has the ETag of If-None-Match.", _ETAG),
    },
)
def read_export_manifest(id: str, call: Reader, request: Request) -> Response:  # noqa: A002
    """Return the files of a finished export with their checksums. A manifest never changes, so it has an ETag."""
    job, manifest = read_manifest(_ref(id), call.by, call.on)
    content = _encode(job, manifest, call).model_dump_json().encode()
    etag = f'"{hashlib.sha256(content).hexdigest()}"'
    if_match, if_none_match = (", ".join(request.headers.getlist(name)) for name in ("if-match", "if-none-match"))
    status = failed_condition(if_match, if_none_match, etag)
    if status == 412:
        message = f"If-Match failed: the manifest's ETag is {etag}."
        return render_error(HttpFault(status=status, message=message), request.url.path)
    headers = {"etag": etag, "cache-control": "private, no-cache"}
    return Response(status_code=status, headers=headers) if status else Response(content, 200, headers, JSON)


@routes.get(
    "/files/{number}",
    summary="Download a file.",
    status_code=302,
    response_class=RedirectResponse,
    responses={**problems(404, 409, 410), **answered(302, "A link to the file.", _LOCATION)},
)
def link_to_file(
    id: str,  # noqa: A002
    number: Annotated[int, DIGITS, Path(ge=0, le=1_000_000, description="Place of the file in the manifest, from 0.")],
    call: Reader,
) -> str:
    """Redirect to a link to a file, which works for a short time without credentials. Each read makes a new link."""
    try:
        return _file_url(_ref(id), number, call)
    except ArtifactNotFound as error:
        _require_files(_ref(id), call, error)
        raise


def _file_url(ref: JobRef, number: int, call: NativeCall) -> str:
    if call.settings.presigned:
        url = download.presigned_url(ref, call.by, call.on, file=number)
        if url is not None:
            return url
    return call.absolute(link_path(download.mint(ref, call.by, call.on, file=number)))


def _require_files(ref: JobRef, call: NativeCall, error: ArtifactNotFound) -> None:
    """Raise what the manifest of an export without files is refused with, or the error if there is no such export."""
    try:
        read_manifest(ref, call.by, call.on)
    except JobNotFound:
        raise error from None


def _ref(id_: str) -> JobRef:
    return JobRef(id=id_, dialect=NAME)


def _encode(job: Job, manifest: Manifest, call: NativeCall) -> ManifestDocument:
    totals = manifest.artifact
    return ManifestDocument(
        export=job.id,
        report=manifest.report,
        report_version=manifest.report_version,
        columns=[
            ManifestColumnDocument(
                name=each.name, type=each.type, meaning=each.meaning, unit=each.unit, personal=each.personal
            )
            for each in manifest.columns
        ],
        request=_request(manifest.request),
        as_of=manifest.as_of,
        watermark=manifest.watermark,
        lake_versions=dict(manifest.lake_versions),
        rows=totals.rows,
        bytes=totals.bytes,
        notices=encode_notices(manifest.notices),
        reconciled=[
            ReconciliationDocument(what=each.what, expected=each.expected, written=each.written)
            for each in manifest.reconciled
        ],
        producer=manifest.producer,
        complete=True,
        files=[_file(file, job, call) for file in manifest.files],
    )


def _request(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The request in the words of the wire."""
    shown = {name: value for name, value in stored.items() if name != "dialect" and value is not None}
    return {**shown, "format": FORMAT_WORDS[stored["format"]]}


def _file(file: ArtifactFile, job: Job, call: NativeCall) -> FileDocument:
    return FileDocument(
        name=download.file_name(job, file.number),
        url=call.absolute(f"{API}/exports/{job.id}/files/{file.number}"),
        rows=file.rows,
        bytes=file.bytes,
        sha256=file.sha256,
        blocks=None if file.blocks is None else BlocksDocument(size=BLOCK_BYTES, sha256=list(file.blocks)),
        first_key=None if file.first_key is None else list(file.first_key),
        last_key=None if file.last_key is None else list(file.last_key),
    )
