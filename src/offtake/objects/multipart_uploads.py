"""Uploads that were begun and never finished: a killed attempt leaves its parts behind, unseen but paid for.

The client can begin, finish and abort its own uploads, but not list those of others. So the two requests that do are
signed by the client and sent from here. Its signature covers a URL for one object; the sub-resource that is meant is
put into the endpoint, and the object that the client adds ends up in a parameter whose name begins with ``x-``, which
S3 ignores (Amazon S3 user guide, "Adding custom information to requests").

Azure forgets unfinished uploads after a week by itself. Google Cloud Storage needs a lifecycle rule
(``AbortIncompleteMultipartUpload``), as the manual says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Literal
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen
from xml.etree import ElementTree

import obstore
from obstore.store import S3Store

from offtake.errors import StorageUnavailable
from offtake.objects.bucket import Bucket

PAGE = 1000  # uploads in one answer
_LIFE = timedelta(minutes=5)
_REGION = "us-east-1"  # the client's own default
_MOST = 16 * 1024 * 1024  # bytes of one answer; a page of a thousand uploads is far smaller


@dataclass(frozen=True, slots=True, kw_only=True)
class MultipartUpload:
    """One upload; ``key`` is without the bucket's prefix."""

    key: str
    upload: str


def list_multipart_uploads(bucket: Bucket, prefix: str) -> Iterator[MultipartUpload]:
    """The unfinished uploads under a prefix. Raises StorageUnavailable."""
    return _FINDERS[bucket.location.scheme](bucket, prefix)


def abort(bucket: Bucket, found: MultipartUpload) -> None:
    """Drop the parts of an upload; absent is fine. Raises StorageUnavailable."""
    _send(bucket, "DELETE", f"/{quote(_whole(bucket, found.key))}", {"uploadId": found.upload})


def _find_in_s3(bucket: Bucket, prefix: str) -> Iterator[MultipartUpload]:
    own = _whole(bucket, "")
    asked = {"uploads": "", "prefix": _whole(bucket, prefix), "max-uploads": str(PAGE)}
    page: Mapping[str, str] = {}
    while True:
        found = _send(bucket, "GET", "", {**asked, **page})
        if found is None:  # a way to say that there are none
            return
        try:
            answer = ElementTree.fromstring(found)  # noqa: S314 - what the operator's own storage answers
        except ElementTree.ParseError as error:
            raise StorageUnavailable("The object storage's list of uploads cannot be read.") from error
        for each in answer.iterfind("{*}Upload"):
            yield MultipartUpload(key=_text(each, "Key").removeprefix(own), upload=_text(each, "UploadId"))
        if _text(answer, "IsTruncated") != "true":
            return
        page = {"key-marker": _text(answer, "NextKeyMarker"), "upload-id-marker": _text(answer, "NextUploadIdMarker")}


def _none_to_find(bucket: Bucket, prefix: str) -> Iterator[MultipartUpload]:
    """The service, or a rule of the bucket, does it."""
    return iter(())


def _whole(bucket: Bucket, key: str) -> str:
    return f"{bucket.location.prefix}/{key}".lstrip("/")


def _text(element: ElementTree.Element, name: str) -> str:
    return element.findtext(f"{{*}}{name}", "")


def _send(bucket: Bucket, method: Literal["GET", "DELETE"], path: str, query: Mapping[str, str]) -> bytes | None:
    """The answer's body, None when it is 404."""
    access, location = bucket.access, bucket.location
    host = (access.endpoint or f"https://s3.{access.region or _REGION}.amazonaws.com").rstrip("/")
    options = location.options(access) | {
        "aws_endpoint": f"{host}/{location.bucket}{path}?{urlencode(query, quote_via=quote)}&x-offtake=",
        "aws_virtual_hosted_style_request": "true",  # the bucket is in the endpoint
    }
    signer = S3Store(location.bucket, config=options, client_options={"allow_http": access.allow_http})  # type: ignore[arg-type]
    try:
        url = obstore.sign(signer, method, "-", _LIFE)
        with urlopen(Request(url, method=method), timeout=access.timeout_seconds) as answer:  # noqa: S310 - our endpoint
            return bytes(answer.read(_MOST))
    except (obstore.exceptions.BaseError, URLError, OSError) as error:
        if isinstance(error, HTTPError) and error.code == 404:
            return None
        raise StorageUnavailable("The object storage's unfinished uploads cannot be listed or aborted.") from error


_FINDERS: Mapping[str, Callable[[Bucket, str], Iterator[MultipartUpload]]] = MappingProxyType(
    {"s3": _find_in_s3, "gs": _none_to_find, "az": _none_to_find}
)
