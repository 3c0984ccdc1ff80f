"""Pages for people: what this server is, and its API documents in a viewer.

All assets are in this package, so the pages work without any other host, and their Content-Security-Policy permits
none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from offtake.http.conditions import failed_condition

_METHODS = ["GET", "HEAD"]
_MEDIA_TYPES = {
    "page.css": "text/css",
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "viewer.js": "text/javascript",
}
_HEADERS = {
    # Swagger UI sets styles of elements, and its style sheet contains images.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
$head
</head>
$body
</html>
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiDocument:
    """An API of the server, and the path of its OpenAPI document."""

    name: str
    title: str
    base: str  # where its paths begin
    path: str


def router(documents: Sequence[ApiDocument], version: str) -> APIRouter:
    """Return the router of the pages. They need no credentials; calls from the viewer do."""
    routes = APIRouter()
    by_name = {document.name: document for document in documents}
    assets = {name: _Asset(name) for name in _MEDIA_TYPES}
    index = _index(documents, version)

    @routes.api_route("/", methods=_METHODS, include_in_schema=False)
    async def home() -> Response:
        """What this server is."""
        return HTMLResponse(index, headers=_HEADERS)

    @routes.api_route("/docs/{name}", methods=_METHODS, include_in_schema=False)
    async def viewer(name: str) -> Response:
        """The document of an API."""
        if name not in by_name:
            raise HTTPException(404, "There is no such API; / lists them.")
        return HTMLResponse(_viewer(by_name[name]), headers=_HEADERS)

    @routes.api_route("/docs/assets/{name}", methods=_METHODS, include_in_schema=False)
    async def asset(name: str, request: Request) -> Response:
        """A file of the viewer."""
        if name not in assets:
            raise HTTPException(404, "There is no such file.")
        return assets[name].answer(request)

    return routes


class _Asset:
    """A file of the viewer, read once."""

    def __init__(self, name: str) -> None:
        self._content = files(__name__).joinpath("assets", name).read_bytes()
        self._media_type = _MEDIA_TYPES[name]
        etag = f'"{sha256(self._content).hexdigest()}"'
        self._headers = {"etag": etag, "cache-control": "public, max-age=3600", **_HEADERS}

    def answer(self, request: Request) -> Response:
        """Return the file, or 304 if the client has it."""
        if failed_condition("", request.headers.get("if-none-match", ""), self._headers["etag"]) == 304:
            return Response(status_code=304, headers=self._headers)
        return Response(self._content, headers=self._headers, media_type=self._media_type)


def _index(documents: Sequence[ApiDocument], version: str) -> str:
    rows = "\n".join(
        f"<tr><td>{escape(each.title)}</td><td><code>{escape(each.base)}</code></td>"
        f'<td><a href="docs/{escape(each.name)}">documentation</a></td>'
        f'<td><a href="{escape(each.path.lstrip("/"))}">OpenAPI</a></td></tr>'
        for each in documents
    )
    body = (
        "<body>\n<h1>Offtake</h1>\n"
        f"<p>An export server for customer-care data, version <code>{escape(version)}</code>.</p>\n"
        "<table>\n<tr><th>API</th><th>paths</th><th></th><th></th></tr>\n"
        f"{rows}\n</table>\n"
        "<p>Programs authenticate with credentials of their account; the operator of this server creates them.</p>\n"
        "</body>"
    )
    return _PAGE.substitute(title="Offtake", head='<link rel="stylesheet" href="docs/assets/page.css">', body=body)


def _viewer(document: ApiDocument) -> str:
    head = (
        '<link rel="stylesheet" href="assets/swagger-ui.css">\n'
        '<script src="assets/swagger-ui-bundle.js"></script>\n<script src="assets/viewer.js"></script>'
    )
    path = escape(f"..{document.path}")
    body = (
        f'<body data-document="{path}">\n<div id="viewer"></div>\n'
        f'<noscript>The viewer needs JavaScript; the document is at <a href="{path}">{path}</a>.</noscript>\n</body>'
    )
    return _PAGE.substitute(title=escape(f"{document.title}: API documentation"), head=head, body=body)
