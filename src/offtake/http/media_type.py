"""The media type of a request's body."""

from __future__ import annotations

from starlette.requests import Request


def media_type(request: Request) -> str:
    """Return the media type in lower case and without parameters; empty if the request names none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_multipart(request: Request) -> bool:
    """Whether the body is multipart, as clients send files: no dialect reads parameters from such a body."""
    return media_type(request).startswith("multipart/")
