"""The shapes of bodies: what a create request may be (section 2.2), and what answers are (sections 1.2, 2 and 4).

Answers are plain dicts of these types, because a poll has no time for models; the OpenAPI document is made from them.
"""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from typing_extensions import TypedDict

from offtake.wire.talkdesk.tables import FORMATS, STATUS

LONGEST_NAME = 255  # proposed: characters of a job's label
LONGEST_PAGE = 200  # section 2.5, documented
DEFAULT_PAGE = 20  # section 2.5, documented

_UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_NAIVE = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$"


def _text(**schema: Any) -> Any:
    return WithJsonSchema({"type": "string", **schema})


StatusWord = Annotated[str, _text(enum=list(dict.fromkeys(STATUS.values())))]
FormatWord = Annotated[str, _text(enum=list(FORMATS))]
JobId = Annotated[str, _text(pattern=_UUID)]
Instant = Annotated[str, _text(format="date-time", examples=["2026-03-01T00:00:00Z"])]
Address = Annotated[str, _text(format="uri")]


class TimespanBody(BaseModel):
    """``from`` is inclusive, ``to`` exclusive; datetimes are kept as text, their spellings are the codec's matter."""

    model_config = ConfigDict(strict=True, extra="ignore")

    start: Annotated[str, Field(alias="from", examples=["2026-03-01T00:00:00"])]
    end: Annotated[str, Field(alias="to", examples=["2026-03-08T00:00:00Z"])]
    timezone: str | None = None


class CreateBody(BaseModel):
    """The body of a create request. Unknown keys are ignored, ``Name`` among them."""

    model_config = ConfigDict(strict=True, extra="ignore")

    name: Annotated[str | None, Field(max_length=LONGEST_NAME)] = None
    timezone: Annotated[str | None, Field(examples=["Europe/Prague"])] = None
    format: Annotated[str | None, Field(examples=list(FORMATS))] = None
    timespan: TimespanBody


class Href(TypedDict):
    """One link, absolute: clients request it as it is."""

    href: Address


class JobLinks(TypedDict):
    """Links of a job."""

    self: Href
    files: Href


JobTimespan = TypedDict("JobTimespan", {"from": Instant, "to": Instant})


class JobFields(TypedDict):
    """A job. ``type`` is the report's own slug, also where an alias was used; ``created_at`` is UTC."""

    id: JobId
    name: str
    type: str
    status: StatusWord
    timezone: str
    format: FormatWord
    timespan: JobTimespan
    created_at: Annotated[str, _text(pattern=_NAIVE)]


class JobDocument(TypedDict):
    """A job with its links (section 2.3)."""

    job: JobFields
    _links: JobLinks


class CreatedDocument(JobFields):
    """The answer to a create request: the fields once more outside of ``job``, for readers of the flat table of the
    vendor's page (section 2.2)."""

    job: JobFields
    _links: JobLinks


class ListedJob(JobFields):
    """A job in a list: flat (section 2.5)."""

    _links: JobLinks


class ListedJobs(TypedDict):
    """What a page holds."""

    jobs: list[ListedJob]


class PageLinks(TypedDict):
    """Links of a page; those that lead nowhere are left out."""

    self: Href
    next: NotRequired[Href]
    prev: NotRequired[Href]


class JobList(TypedDict):
    """A page of jobs (section 2.5)."""

    total: int
    count: int
    _embedded: ListedJobs
    _links: PageLinks


class FaultyField(TypedDict):
    """A field of a request, in bracket style where it is nested, and what is wrong with it."""

    name: str
    description: str


class ErrorBody(TypedDict):
    """An error (section 4)."""

    code: Annotated[str, _text(pattern=r"^102\d{4}$")]
    message: str
    description: str
    fields: NotRequired[list[FaultyField]]


class TokenBody(TypedDict):
    """A token (section 1.2). ``scope`` is always one string, perhaps an empty one."""

    access_token: str
    token_type: Annotated[str, _text(enum=["Bearer"])]
    expires_in: int
    scope: str
    refresh_token: NotRequired[str]


class OAuthError(TypedDict):
    """A refusal of a token endpoint (section 1.2, RFC 6749 5.2)."""

    error: str
    error_description: str
