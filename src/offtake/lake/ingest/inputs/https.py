"""Files at ``https://`` URLs as inputs: streamed, and continued by a range request if the connection breaks.

An operator names the URL, so it may be a private address. A redirect is the server's word, so it may not lead from a
public address to a private one, nor to plain HTTP. Messages hold neither the query, which may be a signature, nor the
password of the URL.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import PurePosixPath
from types import MappingProxyType
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, SSLError
from urllib3.response import BaseHTTPResponse

from offtake.errors import LakeError
from offtake.lake.ingest.inputs.compression import compression_of
from offtake.lake.ingest.inputs.input_file import Input, InputFile, expanded, magic_of
from offtake.lake.ingest.inputs.stream import Blocks, Content

_MAX_REDIRECTS = 5
_MAX_RESUMES = 10  # without a byte in between
_BLOCK_BYTES = 1024 * 1024
_TIMEOUT = urllib3.Timeout(connect=10, read=60)
_HEADERS = MappingProxyType({"Accept-Encoding": "identity", "User-Agent": "offtake"})


def https_input(url: str, form: str | None) -> Input:
    """Return the file at a URL as an input; it is not requested yet."""
    parts = urlsplit(url)
    file_name = PurePosixPath(unquote(parts.path)).name
    return Input(name=shown(url), file_name=file_name, open=partial(_open, url, file_name), form=form)


def shown(url: str) -> str:
    """Return a URL as messages name it: without query, user and password."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


@contextmanager
def _open(url: str, file_name: str) -> Iterator[InputFile]:
    name = shown(url)
    with ExitStack() as opened:
        source = Content(Blocks(_Download(name, url, opened).blocks()))
        suffix = compression_of(file_name) or magic_of(source)
        yield InputFile(
            name=name, file_name=file_name, content=expanded(name, source, suffix), descriptor=None, opened=opened
        )


class _Download:
    """One file: the response that is read, and how to continue it."""

    def __init__(self, name: str, url: str, opened: ExitStack) -> None:
        self._name = name
        self._url = url
        self._opened = opened
        self._at = 0
        self._validator: str | None = None  # of the version that is read (RFC 9110, 13.1.5)

    def blocks(self) -> Iterator[bytes]:
        """Yield the bytes of the file. Raises LakeError."""
        response, failures = self._response(), 0
        while True:
            try:
                block = response.read(_BLOCK_BYTES, decode_content=False)
            except (HTTPError, OSError) as error:
                failures += 1
                if failures > _MAX_RESUMES:
                    raise LakeError(f"{self._name}: the connection broke {failures} times. Load it again.") from error
                response = self._resumed(error)
                continue
            if not block:
                return
            self._at += len(block)
            failures = 0
            yield block

    def _resumed(self, cause: Exception) -> BaseHTTPResponse:
        broken = f"{self._name}: the connection broke after {self._at:,} bytes, and the server"
        if self._validator is None:
            raise LakeError(f"{broken} gives no ETag by which it could be continued. Load it again.") from cause
        try:
            response = self._response({"Range": f"bytes={self._at}-", "If-Range": self._validator})
        except LakeError as error:
            raise LakeError(f"{broken} does not continue: {error.message}") from cause
        if not response.headers.get("Content-Range", "").startswith(f"bytes {self._at}-"):
            raise LakeError(f"{broken} does not continue it, or the file has changed. Load it again.") from cause
        return response

    def _response(self, more: Mapping[str, str] = MappingProxyType({})) -> BaseHTTPResponse:
        """Request the file, through redirects."""
        url, is_public = self._url, False
        for _ in range(_MAX_REDIRECTS + 1):
            parts = urlsplit(url)
            addresses = _addresses(self._name, parts)
            if is_public and any(not address.is_global for address in addresses):
                raise LakeError(f"{self._name}: the server redirects to a private address; that is not followed.")
            is_public = is_public or all(address.is_global for address in addresses)
            response = self._request(parts, str(addresses[0]), more)
            location = response.headers.get("Location")
            if response.status not in {301, 302, 303, 307, 308} or not location:
                return self._checked(response)
            response.close()
            url = urljoin(url, location)
            if urlsplit(url).scheme != "https":
                raise LakeError(f"{self._name}: the server redirects to a URL without TLS; that is not followed.")
        raise LakeError(f"{self._name}: the server redirects more than {_MAX_REDIRECTS} times.")

    def _request(self, parts: SplitResult, address: str, more: Mapping[str, str]) -> BaseHTTPResponse:
        """Send the request to the address that was checked, whatever the name means by now."""
        host = str(parts.hostname)
        headers = {**_HEADERS, **more, "Host": host if parts.port in {None, 443} else f"{host}:{parts.port}"}
        if parts.username and parts.hostname == urlsplit(self._url).hostname:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers |= urllib3.make_headers(basic_auth=login)
        pool = self._opened.enter_context(
            urllib3.HTTPSConnectionPool(
                address, parts.port or 443, assert_hostname=host, server_hostname=host, retries=False, timeout=_TIMEOUT
            )
        )
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            response: BaseHTTPResponse = pool.request(
                "GET", path, headers=headers, redirect=False, preload_content=False
            )
        except SSLError as error:
            raise LakeError(
                f"{self._name}: the server's certificate is not trusted, or it does not speak TLS. SSL_CERT_FILE "
                "may name the certificates to trust."
            ) from error
        except (HTTPError, OSError) as error:
            raise LakeError(f"{self._name}: the server cannot be reached ({type(error).__name__}).") from error
        return response

    def _checked(self, response: BaseHTTPResponse) -> BaseHTTPResponse:
        if response.status not in {200, 206}:
            reason = _STATUSES.get(response.status, "the file cannot be loaded")
            raise LakeError(f"{self._name}: the server answers {response.status}; {reason}.")
        if response.headers.get("Content-Encoding", "identity") not in {"identity", "gzip"}:
            raise LakeError(f"{self._name}: the server sends an encoding that was not asked for.")
        etag = response.headers.get("ETag", "")
        self._validator = etag if etag.startswith('"') else None
        return response


_STATUSES: Mapping[int, str] = MappingProxyType(
    {
        401: "it wants credentials: https://user:password@host/…",
        403: "access is denied; a signed URL may have expired",
        404: "there is no such file",
        410: "the file is gone",
        429: "it limits requests; load again later",
    }
)


def _addresses(name: str, parts: SplitResult) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    if not parts.hostname:
        raise LakeError(f"{name}: the URL has no host name.")
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except OSError as error:
        raise LakeError(f"{name}: the host name {parts.hostname} has no address; check it and the network.") from error
    return [ipaddress.ip_address(str(address[4][0]).partition("%")[0]) for address in found]
