"""Download links of the form ``/RF_<uuid>?Expires=…&Signature=…&Key-Pair-Id=…`` (Loop contract 8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from offtake.core.exports.download import Download, Link, open_link
from offtake.core.services import Services
from offtake.errors import ArtifactNotFound
from offtake.formats import format_of
from offtake.model.job import Job
from offtake.wire.loop.tables import LINK, NAME


def link_path(link: Link) -> str:
    """Path and query of a link. An export has one file, so the file's id is that of the export."""
    return f"{LINK}{link.job}?Expires={link.expires}&Signature={link.signature}&Key-Pair-Id={link.key_id}"


def open_file(file_id: str, query: Mapping[str, str], on: Services) -> Download:
    """The file of a link, under the dialect's own name. Raises LinkRefused, LinkExpired, ArtifactNotFound."""
    found = open_link(
        file_id,
        expires=query.get("Expires", ""),
        signature=query.get("Signature", ""),
        on=on,
        key_id=query.get("Key-Pair-Id", ""),
    )
    if found.job.request.dialect != NAME:
        raise ArtifactNotFound("There is no such file.")
    return replace(found, file_name=file_name(found.job))


def file_name(job: Job) -> str:
    """``loop-export_<start>_<end>_<id8>.json``, with start and end as the client sent them."""
    start, end = (int(bound.timestamp()) for bound in (job.request.timespan.start, job.request.timespan.end))
    return f"loop-export_{start}_{end}_{job.id[:8]}.{format_of(job.request).suffix}"
