"""The download path: one for all dialects. The link is its own authorisation; an Authorization header is ignored."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from offtake.core.download import Download, Link, open_link
from offtake.errors import ArtifactNotFound, LinkRefused, OfftakeError
from offtake.wire.dialect import ErrorSurface, HttpFault, Wire, nearest

PREFIX = "/download"
_STATUS: dict[type[OfftakeError], int] = {LinkRefused: 403, ArtifactNotFound: 404, OfftakeError: 500}


class _File(FileResponse):
    """Range, If-Range, HEAD and 416 are Starlette's; larger chunks mean fewer trips through the event loop."""

    chunk_size = 1024 * 1024


def link_path(link: Link) -> str:
    """Path and query of a link."""
    name = quote(link.file_name)
    return f"{PREFIX}/{link.job}/{name}?expires={link.expires}&signature={link.signature}"


def router(wire: Wire) -> APIRouter:
    """GET and HEAD of a signed link."""
    routes = APIRouter(tags=["download"])

    @routes.api_route(PREFIX + "/{job}/{file_name}", methods=["GET", "HEAD"], operation_id="download")
    async def download(request: Request, job: str, file_name: str) -> Response:
        """The file of a finished export. Supports Range and If-Range."""
        query = request.query_params
        found = await run_in_threadpool(
            open_link, job, expires=query.get("expires", ""), signature=query.get("signature", ""), on=wire.on
        )
        return _answer(found)

    return routes


def _answer(found: Download) -> Response:
    headers = {
        "etag": f'"{found.artifact.sha256}"',
        "cache-control": "private, no-store",
        "x-content-type-options": "nosniff",
        "x-export-rows": str(found.artifact.rows),
    }
    return _File(found.path, media_type=found.media_type, filename=found.file_name, headers=headers)


def _render_error(error: OfftakeError | HttpFault, path: str) -> Response:
    """Errors of the download path, as JSON."""
    if isinstance(error, HttpFault):
        return JSONResponse({"code": "http", "message": error.message}, error.status, headers=dict(error.headers))
    return JSONResponse({"code": error.code, "message": error.message}, nearest(_STATUS, error))


ERRORS = ErrorSurface(prefixes=(PREFIX,), render=_render_error)
