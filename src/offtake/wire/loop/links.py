"""Download links of the dialect's own form: ``/RF_<uuid>?Expires=…&Signature=…&Key-Pair-Id=…`` (Loop contract 8)."""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from offtake.core.exports.download import Download, Link, key_id, open_link
from offtake.core.services import Services
from offtake.errors import ArtifactNotFound, LinkRefused
from offtake.formats import format_named
from offtake.http.downloads import answer
from offtake.model.job import Job
from offtake.wire.loop.errors import render_error
from offtake.wire.loop.tables import LINK, NAME


def link_path(link: Link, on: Services) -> str:
    """Path and query of a link. An export has one file, so the file goes by the export's id."""
    return f"{LINK}{link.job}?Expires={link.expires}&Signature={link.signature}&Key-Pair-Id={key_id(on)}"


def send(request: Request, file_id: str, on: Services) -> Response:
    """The file of a link. Raises LinkRefused, LinkExpired, ArtifactNotFound."""
    query = request.query_params
    if query.get("Key-Pair-Id") != key_id(on):
        raise LinkRefused("The link is not valid.")
    found = open_link(file_id, expires=query.get("Expires", ""), signature=query.get("Signature", ""), on=on)
    return answer(_named(found), render_error)


def _named(found: Download) -> Download:
    """The file under the dialect's own name; other dialects' files are not to be had here."""
    if found.job.request.dialect != NAME:
        raise ArtifactNotFound("There is no such file.")
    return replace(found, file_name=file_name(found.job))


def file_name(job: Job) -> str:
    """``loop-export_<start>_<end>_<id8>.json``, the bounds as they were sent."""
    start, end = (int(bound.timestamp()) for bound in (job.request.timespan.start, job.request.timespan.end))
    return f"loop-export_{start}_{end}_{job.id[:8]}.{format_named(job.request.format).suffix}"
