"""``/download``: signed links to files, for dialects without a download path of their own.

The signature authorises the request; an Authorization header is ignored.
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

from offtake.core.exports.download import INVALID_LINK, RETRY_SECONDS, UNREADABLE, Download, Link, open_link
from offtake.core.services import Services
from offtake.errors import (
    ArtifactNotFound,
    ExportError,
    LinkRefused,
    OfftakeError,
    StorageUnavailable,
    Throttled,
    Unavailable,
    Waitable,
)
from offtake.http.access_log import bind_log
from offtake.http.admission import REFUSAL, TRAFFIC, client_address
from offtake.http.conditions import failed_condition
from offtake.http.content_encoding import accepts_gzip, compress
from offtake.http.download_threads import in_download_thread
from offtake.http.errors import ErrorSurface, HttpFault, nearest, retry_headers
from offtake.http.middleware import remote_address
from offtake.http.ranges import ByteRange, parse_ranges

_log = structlog.get_logger("offtake.download")
PREFIX = "/download"
_LONGEST_NUMBER = 9  # digits
Render = Callable[[OfftakeError | HttpFault, str], Response]
_STATUS: dict[type[OfftakeError], int] = {
    LinkRefused: 403,
    ArtifactNotFound: 404,
    Throttled: 429,
    Waitable: 503,
    OfftakeError: 500,
}


class _File(Response):
    """Streams an artifact in chunks, read outside the event loop; supports conditions, Range, HEAD and gzip.

    A text file is sent with gzip to a client that accepts it and asks for no range: ranges count the unencoded bytes.
    The gzip variant has an ETag of its own, and no Content-Length, as its length is not known before it was sent.

    Conditions are evaluated before ranges (RFC 9110 13.2.2). A Range header is ignored if its unit is not bytes or the
    method is not GET (14.2); a range beyond the end of the file is answered 416. The first chunk is read before the
    status is sent, so that an unreachable store is answered with an error. If the store fails later, the connection is
    closed early and the client detects the missing bytes by Content-Length.
    """

    def __init__(self, download: Download, headers: dict[str, str], render: Render) -> None:
        self._download = download
        self._render = render
        self.status_code = 200
        self.media_type = download.media_type
        self.background = None
        self.init_headers(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, the requested ranges of it, or an error."""
        headers, path = Headers(scope=scope), scope["path"]
        self._select_encoding(headers)
        refusal = self._conditional_response(headers, path)
        if refusal is not None:
            await refusal(scope, receive, send)
        elif scope["method"] != "GET":
            await (await self._response_or_error(None, path, head=True))(scope, receive, send)
        elif (ranges := self._ranges(headers)) is not None and not ranges:
            await self._range_not_satisfiable(path)(scope, receive, send)
        else:
            await self._send_file(ranges, scope, receive, send)

    async def _send_file(self, ranges: Sequence[ByteRange] | None, scope: Scope, receive: Receive, send: Send) -> None:
        job, traffic = self._download.job, scope[TRAFFIC]
        refusal = traffic.download_refusal(file=job.id, tenant=job.tenant, address=client_address(scope))
        if refusal is not None:
            scope[REFUSAL] = refusal.reason
            await traffic.delay_refusal()
            await self._render(refusal, scope["path"])(scope, receive, send)
            return
        with traffic.download(file=job.id, tenant=job.tenant, address=client_address(scope)):
            response = await self._response_or_error(ranges, scope["path"], head=False)
            try:
                await response(scope, receive, send)
            except StorageUnavailable:
                # The body is incomplete, so the server closes the connection.
                _log.warning("download_aborted", job=job.id)

    def _select_encoding(self, headers: Headers) -> None:
        """Encode the file with gzip if the client accepts it."""
        if not self._download.gzip:
            return
        self.headers["vary"] = "Accept-Encoding"
        if "range" not in headers and accepts_gzip(", ".join(headers.getlist("accept-encoding"))):
            self.headers["content-encoding"] = "gzip"
            self.headers["etag"] = f'"{self._download.file.sha256}-gzip"'

    def _conditional_response(self, headers: Headers, path: str) -> Response | None:
        """Return 412 or 304 if a condition of the request fails, else None."""
        if_match, if_none_match = (", ".join(headers.getlist(name)) for name in ("if-match", "if-none-match"))
        etag = self.headers["etag"]
        status = failed_condition(if_match, if_none_match, etag)
        if status == 412:
            return self._render(HttpFault(status=status, message=f"If-Match failed: the file's ETag is {etag}."), path)
        required = ("etag", "cache-control", "vary")  # in a 304 (15.4.5)
        repeated = {name: self.headers[name] for name in required if name in self.headers}
        return None if status is None else Response(status_code=status, headers=repeated)

    def _ranges(self, headers: Headers) -> Sequence[ByteRange] | None:
        """Return the requested ranges: None for the whole file, empty if no range overlaps the file."""
        whole = headers.get("if-range") not in (None, self.headers["etag"])
        return None if whole else parse_ranges(headers.get("range"), self._download.file.bytes)

    def _range_not_satisfiable(self, path: str) -> Response:
        size = self._download.file.bytes
        message = f"The requested range is beyond the end of the file ({size} bytes)."
        return self._render(HttpFault(status=416, message=message, headers={"content-range": f"bytes */{size}"}), path)

    async def _response_or_error(self, ranges: Sequence[ByteRange] | None, path: str, *, head: bool) -> Response:
        try:
            return await self._response(ranges, head=head)
        except StorageUnavailable:
            unavailable = Unavailable(UNREADABLE, retry_after=RETRY_SECONDS)
            return self._render(unavailable, path)

    async def _response(self, ranges: Sequence[ByteRange] | None, *, head: bool) -> Response:
        headers, size = MutableHeaders(raw=list(self.raw_headers)), self._download.file.bytes
        parts = [(b"", ByteRange(0, size))] if ranges is None else [(b"", ranges[0])]
        ending = b""
        if ranges is not None and len(ranges) > 1:
            boundary = secrets.token_hex(13)
            media_type = headers["content-type"]
            parts = [(_part_head(boundary, media_type, each.of(size)), each) for each in ranges]
            ending = f"\r\n--{boundary}--\r\n".encode()
            headers["content-type"] = f"multipart/byteranges; boundary={boundary}"
        elif ranges is not None:
            headers["content-range"] = ranges[0].of(size)
        if "content-encoding" not in headers:
            length = sum(len(part_head) + each.length for part_head, each in parts) + len(ending)
            headers["content-length"] = str(length)
        response = Response() if head else StreamingResponse(await self._body(parts, ending))
        response.status_code = 200 if ranges is None else 206
        response.raw_headers = headers.raw
        return response

    async def _body(self, parts: Sequence[tuple[bytes, ByteRange]], ending: bytes) -> AsyncIterator[bytes]:
        """Read the first chunk and return an iterator over all chunks. Raises StorageUnavailable."""
        read = self._download.read

        def unencoded() -> Generator[bytes]:
            for part_head, each in parts:
                if part_head:
                    yield part_head
                yield from read(each.first, each.end)
            if ending:
                yield ending

        produced = compress(unencoded()) if "content-encoding" in self.headers else unencoded()
        first = await in_download_thread(next, produced, b"")

        async def body() -> AsyncIterator[bytes]:
            try:
                yield first
                yield b""  # the server accepts it once the client has received most of what was sent before
                while (chunk := await in_download_thread(next, produced, None)) is not None:
                    yield chunk
                    yield b""
            finally:
                produced.close()

        return body()


def _part_head(boundary: str, media_type: str, content_range: str) -> bytes:
    """Return boundary and header fields of one part of a multipart/byteranges body (RFC 9110 14.6)."""
    return f"\r\n--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {content_range}\r\n\r\n".encode()


def link_path(link: Link) -> str:
    """Return path and query of a signed link. The first file of an artifact needs no number."""
    name, number = quote(link.file_name), f"&file={link.file}" if link.file else ""
    return f"{PREFIX}/{link.job}/{name}?expires={link.expires}&signature={link.signature}{number}"


def router(on: Services) -> APIRouter:
    """Return the router for GET and HEAD of a signed link."""
    routes = APIRouter(tags=["download"])

    @routes.api_route(PREFIX + "/{job}/{file_name}", methods=["GET", "HEAD"], operation_id="download")
    async def download(request: Request, job: str, file_name: str) -> Response:
        """The file of a finished export. Supports Range, If-Range, If-Match and If-None-Match."""
        query = request.query_params
        try:
            opened = await in_download_thread(
                open_link,
                job,
                file=_number(query.get("file", "0")),
                expires=query.get("expires", ""),
                signature=query.get("signature", ""),
                on=on,
            )
        except ExportError as error:
            on.denials.add(error, dialect="download", address=remote_address(request))
            raise
        bind_log(request, dialect=opened.job.request.dialect, tenant=opened.job.tenant, job=job)
        return answer(opened)

    return routes


def _number(text: str) -> int:
    """Return the number of the file. Raises LinkRefused if it is none, as for any other link that was not made here."""
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER):
        raise LinkRefused(INVALID_LINK)
    return int(text)


def _render_error(error: OfftakeError | HttpFault, path: str) -> Response:
    """Render an error of the download path as JSON, which clients of all dialects expect."""
    if isinstance(error, HttpFault):
        return JSONResponse({"code": "http", "message": error.message}, error.status, headers=dict(error.headers))
    headers = retry_headers(error) if isinstance(error, Waitable) else None
    return JSONResponse({"code": error.code, "message": error.message}, nearest(_STATUS, error), headers=headers)


def answer(download: Download, render: Render = _render_error) -> Response:
    """Return the response that sends the file; ``render`` renders its errors (412, 416, 503)."""
    name = quote(download.file_name)
    parameter = f'filename="{name}"' if name == download.file_name else f"filename*=utf-8''{name}"
    headers = {
        "accept-ranges": "bytes",
        "content-disposition": f"attachment; {parameter}",
        "etag": f'"{download.file.sha256}"',
        "cache-control": "private, no-store",
        "x-content-type-options": "nosniff",
        "x-export-rows": str(download.file.rows),
    }
    return _File(download, headers, render)


ERRORS = ErrorSurface(prefixes=(PREFIX,), render=_render_error)
