"""Encodes jobs, pages of jobs and tokens (Talkdesk contract 1.2, 2.2, 2.3 and 2.5)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from offtake.core.auth.tokens import IssuedToken
from offtake.core.exports.read import JobPage, Listing
from offtake.model.job import Job
from offtake.model.report import Publication
from offtake.wire.talkdesk.schema import (
    CreatedDocument,
    Href,
    JobDocument,
    JobFields,
    JobLinks,
    JobList,
    ListedJob,
    PageLinks,
    TokenBody,
)
from offtake.wire.talkdesk.tables import FORMAT_WORDS, SCOPES, STATUS

Absolute = Callable[[str], str]  # the absolute URL of a path of this server


def encode_job(job: Job, publication: Publication, absolute: Absolute) -> JobDocument:
    """The answer to a status request."""
    return {"job": _fields(job, publication), "_links": _job_links(job, publication, absolute)}


def encode_created(job: Job, publication: Publication, absolute: Absolute) -> CreatedDocument:
    """The answer to a create request: the job under ``job``, where clients read it, and flat, as the vendor's page
    shows it."""
    fields = _fields(job, publication)
    return {**fields, "job": fields, "_links": _job_links(job, publication, absolute)}


def encode_list(found: JobPage, listing: Listing, publication: Publication, absolute: Absolute) -> JobList:
    """A page of jobs."""
    items: list[ListedJob] = [
        {**_fields(job, publication), "_links": _job_links(job, publication, absolute)} for job in found.jobs
    ]

    def page(number: int) -> Href:
        return {"href": absolute(f"{_root(publication)}/jobs?page={number}&per_page={listing.per_page}")}

    links: PageLinks = {"self": page(listing.page)}
    if listing.page * listing.per_page < found.total:
        links["next"] = page(listing.page + 1)
    if listing.page > 1:
        links["prev"] = page(listing.page - 1)
    return {"total": found.total, "count": len(items), "_embedded": {"jobs": items}, "_links": links}


def encode_token(token: IssuedToken) -> TokenBody:
    """The answer to a token request. ``scope`` is always one string, because clients search in it."""
    body: TokenBody = {
        "access_token": token.text,
        "token_type": "Bearer",
        "expires_in": int(token.life.total_seconds()),
        "scope": " ".join(word for word, scope in SCOPES.items() if scope in token.principal.scopes),
    }
    if token.refresh is not None:
        body["refresh_token"] = token.refresh
    return body


def _fields(job: Job, publication: Publication) -> JobFields:
    request = job.request
    return {
        "id": job.id,
        "name": request.name,
        "type": publication.slug,
        "status": STATUS[job.status],
        "timezone": request.timespan.zone,
        "format": FORMAT_WORDS[request.format],
        "timespan": {"from": _rfc3339(request.timespan.start), "to": _rfc3339(request.timespan.end)},
        "created_at": f"{job.created_at:%Y-%m-%dT%H:%M:%S}",  # UTC without Z, as seen in a live response
    }


def _job_links(job: Job, publication: Publication, absolute: Absolute) -> JobLinks:
    root = _root(publication)
    return {
        "self": {"href": absolute(f"{root}/jobs/{job.id}")},
        "files": {"href": absolute(f"{root}/files/{job.id}")},
    }


def _root(publication: Publication) -> str:
    """The path of the report by its own slug, also when the request named an alias."""
    return f"/data/reports/{publication.slug}"


def _rfc3339(instant: datetime) -> str:
    """An instant with Z, because a client decodes list items into time values; microseconds only if they are not 0."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
