"""The download path, for dialects that have none of their own.

The link is its own authorisation; an Authorization header is ignored.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from urllib.parse import quote

import structlog
from fastapi import APIRouter
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from offtake.core.exports.download import RETRY_AFTER, Download, Link, open_link
from offtake.core.services import Services
from offtake.errors import ArtifactNotFound, LinkRefused, OfftakeError, StorageUnavailable, Unavailable, Waitable
from offtake.http.access_log import bind_log
from offtake.http.conditions import failed_condition
from offtake.http.download_threads import in_download_thread
from offtake.http.errors import ErrorSurface, HttpFault, nearest
from offtake.http.ranges import ByteRange, parse_ranges

_log = structlog.get_logger("offtake.download")
PREFIX = "/download"
Render = Callable[[OfftakeError | HttpFault, str], Response]
_STATUS: dict[type[OfftakeError], int] = {LinkRefused: 403, ArtifactNotFound: 404, Waitable: 503, OfftakeError: 500}


class _File(Response):
    """Sends a file wherever it is kept: conditions, Range and HEAD, a chunk at a time, read outside the event loop.

    Conditions go before ranges (RFC 9110 13.2.2). A Range header that is no range of bytes, or comes with another
    method than GET, is ignored (14.2); one beyond the file is 416. The first chunk is
    read before the status is sent, so that a store which does not answer is said as an error; one that breaks off later
    cuts the connection, and the client sees that bytes are missing.
    """

    def __init__(self, found: Download, headers: dict[str, str], render: Render) -> None:
        self._found = found
        self._render = render
        self.status_code = 200
        self.media_type = found.media_type
        self.background = None
        self.init_headers(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, or the part that was asked for, or say why not."""
        asked, is_get = Headers(scope=scope), scope["method"] == "GET"
        answer = self._instead(asked, scope["path"])
        if answer is None:
            ranges = self._ranges(asked) if is_get else None
            if ranges is not None and not ranges:
                answer = self._beyond(scope["path"])
            else:
                answer = await self._sent(ranges, scope["path"], head=not is_get)
        try:
            await answer(scope, receive, send)
        except StorageUnavailable:
            # Without the end of the body the server closes the connection.
            _log.warning("download_broken_off", job=self._found.job.id)

    def _instead(self, asked: Headers, path: str) -> Response | None:
        """The answer where a condition is not met."""
        meant, held = (", ".join(asked.getlist(name)) for name in ("if-match", "if-none-match"))
        status = failed_condition(meant, held, self.headers["etag"])
        if status == 412:
            return self._render(HttpFault(status=status, message="The file is not the one that was meant."), path)
        kept = {name: self.headers[name] for name in ("etag", "cache-control")}  # what a 304 has to repeat (15.4.5)
        return None if status is None else Response(status_code=status, headers=kept)

    def _ranges(self, asked: Headers) -> Sequence[ByteRange] | None:
        """None: the whole file; empty: none of it."""
        whole = asked.get("if-range") not in (None, self.headers["etag"])
        return None if whole else parse_ranges(asked.get("range"), self._found.artifact.bytes)

    def _beyond(self, path: str) -> Response:
        told = {"content-range": f"bytes */{self._found.artifact.bytes}"}
        return self._render(HttpFault(status=416, message="The range is beyond the file.", headers=told), path)

    async def _sent(self, ranges: Sequence[ByteRange] | None, path: str, *, head: bool) -> Response:
        try:
            return await self._answer(ranges, head=head)
        except StorageUnavailable:
            unavailable = Unavailable("The file cannot be read at the moment.", retry_after=RETRY_AFTER)
            return self._render(unavailable, path)

    async def _answer(self, ranges: Sequence[ByteRange] | None, *, head: bool) -> Response:
        headers, size = MutableHeaders(raw=list(self.raw_headers)), self._found.artifact.bytes
        parts = [(b"", ByteRange(0, size))] if ranges is None else [(b"", ranges[0])]
        ending = b""
        if ranges is not None and len(ranges) > 1:
            boundary = secrets.token_hex(13)
            kind = headers["content-type"]
            parts = [(_part_head(boundary, kind, each.of(size)), each) for each in ranges]
            ending = f"\r\n--{boundary}--\r\n".encode()
            headers["content-type"] = f"multipart/byteranges; boundary={boundary}"
        elif ranges is not None:
            headers["content-range"] = ranges[0].of(size)
        length = sum(len(before) + each.length for before, each in parts) + len(ending)
        headers["content-length"] = str(length)
        answer = Response() if head else StreamingResponse(await self._body(parts, ending))
        answer.status_code = 200 if ranges is None else 206
        answer.raw_headers = headers.raw
        return answer

    async def _body(self, parts: Sequence[tuple[bytes, ByteRange]], ending: bytes) -> AsyncIterator[bytes]:
        """The bytes to send, the first of them read already. Raises StorageUnavailable."""
        read = self._found.read

        def chunks() -> Generator[bytes]:
            for before, each in parts:
                if before:
                    yield before
                yield from read(each.first, each.end)
            if ending:
                yield ending

        produced = chunks()
        first = await in_download_thread(next, produced, b"")

        async def body() -> AsyncIterator[bytes]:
            try:
                yield first
                while (chunk := await in_download_thread(next, produced, None)) is not None:
                    yield chunk
            finally:
                produced.close()

        return body()


def _part_head(boundary: str, kind: str, content_range: str) -> bytes:
    """What stands before one of several parts (RFC 9110 14.6)."""
    return f"\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Range: {content_range}\r\n\r\n".encode()


def link_path(link: Link) -> str:
    """Path and query of a link."""
    name = quote(link.file_name)
    return f"{PREFIX}/{link.job}/{name}?expires={link.expires}&signature={link.signature}"


def router(on: Services) -> APIRouter:
    """GET and HEAD of a signed link."""
    routes = APIRouter(tags=["download"])

    @routes.api_route(PREFIX + "/{job}/{file_name}", methods=["GET", "HEAD"], operation_id="download")
    async def download(request: Request, job: str, file_name: str) -> Response:
        """The file of a finished export. Supports Range, If-Range, If-Match and If-None-Match."""
        query = request.query_params
        found = await in_download_thread(
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
    """The file, or the part of it that was asked for; ``render`` words a condition that is not met."""
    name = quote(found.file_name)
    named = f'filename="{name}"' if name == found.file_name else f"filename*=utf-8''{name}"
    headers = {
        "accept-ranges": "bytes",
        "content-disposition": f"attachment; {named}",
        "etag": f'"{found.artifact.sha256}"',
        "cache-control": "private, no-store",
        "x-content-type-options": "nosniff",
        "x-export-rows": str(found.artifact.rows),
    }
    return _File(found, headers, render)


ERRORS = ErrorSurface(prefixes=(PREFIX,), render=_render_error)
