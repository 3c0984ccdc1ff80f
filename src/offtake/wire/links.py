"""The download path, for dialects that have none of their own.

The link is its own authorisation; an Authorization header is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from offtake.core.download import Download, Link, open_link
from offtake.core.services import Services
from offtake.errors import ArtifactNotFound, LinkRefused, OfftakeError, Waitable
from offtake.wire.access import bind_log
from offtake.wire.dialect import ErrorSurface, HttpFault, nearest

PREFIX = "/download"
Render = Callable[[OfftakeError | HttpFault, str], Response]
_RANGES = re.compile(r"bytes\s*=\s*((\d{1,18}-\d{0,18}|-\d{1,18})\s*(,\s*|$))+", re.ASCII | re.IGNORECASE)
_STATUS: dict[type[OfftakeError], int] = {LinkRefused: 403, ArtifactNotFound: 404, Waitable: 503, OfftakeError: 500}


class _File(FileResponse):
    """Range, If-Range and HEAD are Starlette's; larger chunks mean fewer trips through the event loop.

    A Range header that is no range of bytes is ignored (RFC 9110 14.2), one beyond the file is 416 as JSON.
    """

    chunk_size = 1024 * 1024

    def __init__(self, found: Download, headers: dict[str, str], render: Render) -> None:
        super().__init__(found.path, media_type=found.media_type, filename=found.file_name, headers=headers)
        self._size = found.artifact.bytes
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, or the part that was asked for."""
        asked = Headers(scope=scope)
        wanted = asked.get("range")
        if wanted is not None and not _understood(wanted):
            scope = {**scope, "headers": [(name, value) for name, value in scope["headers"] if name != b"range"]}
        elif wanted is not None and asked.get("if-range") in (None, self.headers["etag"]) and self._beyond(wanted):
            fault = HttpFault(
                status=416, message="The range is beyond the file.", headers={"content-range": f"bytes */{self._size}"}
            )
            await self._render(fault, scope["path"])(scope, receive, send)
            return
        await super().__call__(scope, receive, send)

    def _beyond(self, wanted: str) -> bool:
        """Whether no range touches the file."""
        return all(int(first) >= self._size if first else int(last) == 0 for first, last in _ranges(wanted))


def _understood(wanted: str) -> bool:
    """Whether a Range header names ranges of bytes, none of them backwards."""
    if not _RANGES.fullmatch(wanted.strip()):
        return False
    return all(int(first) <= int(last) for first, last in _ranges(wanted) if first and last)


def _ranges(wanted: str) -> list[tuple[str, str]]:
    """First and last byte of each range, either of them empty where it is left out."""
    parts = (part.strip() for part in wanted.partition("=")[2].split(","))
    return [(part.partition("-")[0], part.partition("-")[2]) for part in parts if part]


def link_path(link: Link) -> str:
    """Path and query of a link."""
    name = quote(link.file_name)
    return f"{PREFIX}/{link.job}/{name}?expires={link.expires}&signature={link.signature}"


def router(on: Services) -> APIRouter:
    """GET and HEAD of a signed link."""
    routes = APIRouter(tags=["download"])

    @routes.api_route(PREFIX + "/{job}/{file_name}", methods=["GET", "HEAD"], operation_id="download")
    async def download(request: Request, job: str, file_name: str) -> Response:
        """The file of a finished export. Supports Range and If-Range."""
        query = request.query_params
        found = await run_in_threadpool(
            open_link, job, expires=query.get("expires", ""), signature=query.get("signature", ""), on=on
        )
        bind_log(request, dialect=found.job.request.dialect, tenant=found.job.tenant, job=job)
        return answer(found)

    return routes


def _render_error(error: OfftakeError | HttpFault, path: str) -> Response:
    """Errors of the download path, as JSON."""
    if isinstance(error, HttpFault):
        return JSONResponse({"code": "http", "message": error.message}, error.status, headers=dict(error.headers))
    headers = {"retry-after": str(error.retry_after)} if isinstance(error, Waitable) else None
    return JSONResponse({"code": error.code, "message": error.message}, nearest(_STATUS, error), headers=headers)


def answer(found: Download, render: Render = _render_error) -> Response:
    """The file, or the part of it that was asked for; ``render`` words a range that is beyond it."""
    headers = {
        "etag": f'"{found.artifact.sha256}"',
        "cache-control": "private, no-store",
        "x-content-type-options": "nosniff",
        "x-export-rows": str(found.artifact.rows),
    }
    return _File(found, headers, render)


ERRORS = ErrorSurface(prefixes=(PREFIX,), render=_render_error)
