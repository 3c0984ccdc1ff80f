"""Unfinished multipart uploads: a killed attempt leaves parts that are invisible but billed.

obstore can abort its own uploads, but cannot list others. So this module sends the list and abort requests of S3
itself, signed by obstore. obstore signs URLs of single objects only: the sub-resource goes into the endpoint, and the
object that obstore appends becomes the value of a query parameter whose name starts with ``x-``, which S3 ignores
(Amazon S3 user guide, "Adding custom information to requests").

Azure deletes unfinished uploads after a week. Google Cloud Storage needs a lifecycle rule
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

PAGE = 1000  # uploads per response
_URL_LIFETIME = timedelta(minutes=5)
_REGION = "us-east-1"  # obstore's default
_MAX_RESPONSE_BYTES = 16 * 1024 * 1024  # a page of 1000 uploads is far smaller


@dataclass(frozen=True, slots=True, kw_only=True)
class MultipartUpload:
    """An unfinished upload; ``key`` is without the bucket's prefix, ``upload`` is its id."""

    key: str
    upload: str


def list_multipart_uploads(bucket: Bucket, prefix: str) -> Iterator[MultipartUpload]:
    """Yield the unfinished uploads under a prefix. Raises StorageUnavailable."""
    return _LISTERS[bucket.location.scheme](bucket, prefix)


def abort(bucket: Bucket, upload: MultipartUpload) -> None:
    """Delete the parts of an upload, if it exists. Raises StorageUnavailable."""
    _send(bucket, "DELETE", f"/{quote(_full_key(bucket, upload.key))}", {"uploadId": upload.upload})


def _list_s3(bucket: Bucket, prefix: str) -> Iterator[MultipartUpload]:
    bucket_prefix = _full_key(bucket, "")
    query = {"uploads": "", "prefix": _full_key(bucket, prefix), "max-uploads": str(PAGE)}
    page: Mapping[str, str] = {}
    while True:
        body = _send(bucket, "GET", "", {**query, **page})
        if body is None:  # some services answer 404 if there are none
            return
        try:
            document = ElementTree.fromstring(body)  # noqa: S314 - from the operator's own storage
        except ElementTree.ParseError as error:
            raise StorageUnavailable("The object storage's list of uploads cannot be read.") from error
        for each in document.iterfind("{*}Upload"):
            yield MultipartUpload(key=_text(each, "Key").removeprefix(bucket_prefix), upload=_text(each, "UploadId"))
        if _text(document, "IsTruncated") != "true":
            return
        page = {
            "key-marker": _text(document, "NextKeyMarker"),
            "upload-id-marker": _text(document, "NextUploadIdMarker"),
        }


def _list_none(bucket: Bucket, prefix: str) -> Iterator[MultipartUpload]:
    """Return nothing; the service or a lifecycle rule deletes unfinished uploads."""
    return iter(())


def _full_key(bucket: Bucket, key: str) -> str:
    return f"{bucket.location.prefix}/{key}".lstrip("/")


def _text(element: ElementTree.Element, name: str) -> str:
    return element.findtext(f"{{*}}{name}", "")


def _send(bucket: Bucket, method: Literal["GET", "DELETE"], path: str, query: Mapping[str, str]) -> bytes | None:
    """Send a signed request; return the response body, or None for 404."""
    access, location = bucket.access, bucket.location
    host = (access.endpoint or f"https://s3.{access.region or _REGION}.amazonaws.com").rstrip("/")
    options = location.options(access) | {
        "aws_endpoint": f"{host}/{location.bucket}{path}?{urlencode(query, quote_via=quote)}&x-offtake=",
        "aws_virtual_hosted_style_request": "true",  # the bucket is in the endpoint
    }
    signer = S3Store(location.bucket, config=options, client_options={"allow_http": access.allow_http})  # type: ignore[arg-type]
    try:
        url = obstore.sign(signer, method, "-", _URL_LIFETIME)
        with urlopen(Request(url, method=method), timeout=access.timeout_seconds) as response:  # noqa: S310 - the configured endpoint
            return bytes(response.read(_MAX_RESPONSE_BYTES))
    except (obstore.exceptions.BaseError, URLError, OSError) as error:
        if isinstance(error, HTTPError) and error.code == 404:
            return None
        raise StorageUnavailable("Unfinished uploads in the object storage cannot be listed or aborted.") from error


_LISTERS: Mapping[str, Callable[[Bucket, str], Iterator[MultipartUpload]]] = MappingProxyType(
    {"s3": _list_s3, "gs": _list_none, "az": _list_none}
)
