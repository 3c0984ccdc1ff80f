"""The media type of a request's body, and the refusal of a body by its type or coding (415)."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request


class UnsupportedMedia(HTTPException):
    """The endpoint does not accept the media type or the content coding of the body (415)."""

    def __init__(self, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(415, message, headers)


def media_type(request: Request) -> str:
    """Return the media type in lower case and without parameters; empty if the request names none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_multipart(request: Request) -> bool:
    """Whether the body is multipart, as clients send files: no dialect reads parameters from such a body."""
    return media_type(request).startswith("multipart/")
