"""The types of bodies: requests (Talkdesk contract 2.2) and answers (Talkdesk contract 1.2, 2 and 4).

Answers are plain dicts of these types, because models would slow down status polls. The OpenAPI document is made from
them.
"""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from typing_extensions import TypedDict

from offtake.wire.document import any_case
from offtake.wire.talkdesk.tables import ASSERTION_TYPE, FORMATS, GRANTS, LONGEST_SERVICE, SHORTEST_SERVICE, STATUS

LONGEST_NAME = 255  # proposed: characters of a job's label
LONGEST_PAGE = 200  # Talkdesk contract 2.5, documented
DEFAULT_PAGE = 20  # Talkdesk contract 2.5, documented

_UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_NAIVE = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$"


def _text(**schema: Any) -> Any:
    return WithJsonSchema({"type": "string", **schema})


StatusWord = Annotated[str, _text(enum=list(dict.fromkeys(STATUS.values())))]
FormatWord = Annotated[str, _text(enum=list(FORMATS))]
JobId = Annotated[str, _text(pattern=_UUID)]
Instant = Annotated[str, _text(format="date-time", examples=["2026-03-01T00:00:00Z"])]
Address = Annotated[str, _text(format="uri")]


# The spellings that are accepted, for the document; decoding reports which field is at fault.
DATETIME = r"\s*\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})?\s*"
_WALL_TIME = f"^{DATETIME}$"
ZoneName = Annotated[str, _text(examples=["Europe/Lisbon"], description="IANA name; empty text is none.")]
AnyFormat = Annotated[str, _text(pattern=f"^({any_case(FORMATS)})?$", examples=list(FORMATS))]


class TimespanBody(BaseModel):
    """``from`` is inclusive, ``to`` exclusive. Datetimes stay text until they are decoded."""

    model_config = ConfigDict(strict=True, extra="ignore")

    start: Annotated[str, Field(alias="from"), _text(pattern=_WALL_TIME, examples=["2026-03-01T00:00:00"])]
    end: Annotated[str, Field(alias="to"), _text(pattern=_WALL_TIME, examples=["2026-03-08T00:00:00Z"])]
    timezone: ZoneName | None = None


class CreateBody(BaseModel):
    """The body of a create request. Unknown keys are ignored, ``Name`` among them."""

    model_config = ConfigDict(strict=True, extra="ignore")

    name: Annotated[str | None, Field(max_length=LONGEST_NAME)] = None
    timezone: ZoneName | None = None
    format: AnyFormat | None = None
    timespan: TimespanBody
    csv_guard_formulas: Annotated[bool | None, Field(description="Instead of the setting of the same name.")] = None


class Href(TypedDict):
    """One link, absolute: clients request it as it is."""

    href: Address


class JobLinks(TypedDict):
    """Links of a job."""

    self: Href
    files: Href


JobTimespan = TypedDict("JobTimespan", {"from": Instant, "to": Instant})


class JobFields(TypedDict):
    """A job. ``type`` is the report's own slug, also if the request used an alias; ``created_at`` is UTC."""

    id: JobId
    name: str
    type: str
    status: StatusWord
    timezone: str
    format: FormatWord
    timespan: JobTimespan
    created_at: Annotated[str, _text(pattern=_NAIVE)]


class JobDocument(TypedDict):
    """A job with its links (Talkdesk contract 2.3)."""

    job: JobFields
    _links: JobLinks


class CreatedDocument(JobFields):
    """The answer to a create request: the fields in ``job`` and again next to it, as in the flat table of the
    vendor's page (Talkdesk contract 2.2)."""

    job: JobFields
    _links: JobLinks


class ListedJob(JobFields):
    """A job in a list: flat (Talkdesk contract 2.5)."""

    _links: JobLinks


class ListedJobs(TypedDict):
    """The jobs of a page."""

    jobs: list[ListedJob]


class PageLinks(TypedDict):
    """Links of a page; ``next`` and ``prev`` only if there is such a page."""

    self: Href
    next: NotRequired[Href]
    prev: NotRequired[Href]


class JobList(TypedDict):
    """A page of jobs (Talkdesk contract 2.5)."""

    total: int
    count: int
    _embedded: ListedJobs
    _links: PageLinks


class FaultyField(TypedDict):
    """A faulty field of a request, in bracket style if it is nested, and its fault."""

    name: str
    description: str


class ErrorBody(TypedDict):
    """An error (Talkdesk contract 4)."""

    code: Annotated[str, _text(pattern=r"^102\d{4}$")]
    message: str
    description: str
    fields: NotRequired[list[FaultyField]]


class TokenBody(TypedDict):
    """A token (Talkdesk contract 1.2). ``scope`` is always one string, which may be empty."""

    access_token: str
    token_type: Annotated[str, _text(enum=["Bearer"])]
    expires_in: int
    scope: str
    refresh_token: NotRequired[str]


class OAuthError(TypedDict):
    """A refusal of a token endpoint (Talkdesk contract 1.2, RFC 6749 5.2)."""

    error: str
    error_description: str


class TokenForm(TypedDict):
    """A token request (Talkdesk contract 1.2). The query may have the same parameters."""

    grant_type: Annotated[str, _text(enum=list(GRANTS))]
    scope: NotRequired[str]
    refresh_token: NotRequired[Annotated[str, _text(minLength=1)]]
    token_type: NotRequired[Annotated[str, _text(description="opaque: a long-lived service token")]]
    expires_in: NotRequired[
        Annotated[str, _text(description=f"of a service token: {SHORTEST_SERVICE} to {LONGEST_SERVICE} seconds")]
    ]
    client_id: NotRequired[str]
    client_secret: NotRequired[str]
    client_assertion_type: NotRequired[Annotated[str, _text(enum=[ASSERTION_TYPE])]]
    client_assertion: NotRequired[str]


class RevokeForm(TypedDict):
    """A request to revoke a token (RFC 7009)."""

    token: Annotated[str, _text(minLength=1)]
    token_type_hint: NotRequired[str]


class Nothing(TypedDict):
    """An empty object."""
