"""The bodies that the dialect answers with; ``report_documents.py`` has those of reports."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from offtake.model.column_type import ColumnType
from offtake.model.job import Status
from offtake.model.notice import NoticeCode

Instant = datetime  # in UTC, so that pydantic writes it with Z
Url = Annotated[str, Field(json_schema_extra={"format": "uri"})]


class Document(BaseModel):
    """A body of the server, of which every field is always present."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


# --- exports ---------------------------------------------------------------------------------------------------------


class NoticeDocument(Document):
    """What a reader of an export should know about the data that it is made of."""

    code: Annotated[
        NoticeCode,
        Field(
            description="table_empty: a table that the report reads has no rows; table_empty_in_timespan: it has none "
            "in the months that the report reads."
        ),
    ]
    table: str
    columns: Annotated[list[str], Field(description="Columns that are null or have other values because of it.")]
    detail: str


Notices = Annotated[
    list[NoticeDocument], Field(description="Tables that the report reads and that have no rows; usually none.")
]


class ProgressDocument(Document):
    """How far an export is."""

    phase: Annotated[
        str,
        Field(
            description="queued, then what the attempt does (opening, querying, writing, publishing), then done or the "
            "state in which the export ended."
        ),
    ]
    rows: Annotated[int | None, Field(description="Rows written so far; null: not known.")]
    estimated_rows: Annotated[int | None, Field(description="Estimated rows in total; null: not known.")]
    percent: Annotated[float | None, Field(description="Estimated progress; null: not known.")]


class FailureDocument(Document):
    """Why an export failed."""

    code: str
    detail: str


class ExportLinks(Document):
    """The URLs of an export."""

    self: Url
    events: Url
    manifest: Url
    cancel: Url


class ExportDocument(Document):
    """An export and its state."""

    id: str
    state: Status
    report: str
    name: str
    format: str
    created_at: Instant
    started_at: Annotated[Instant | None, Field(description="Start of the latest attempt.")]
    finished_at: Instant | None
    expires_at: Annotated[Instant | None, Field(description="When the files are removed.")]
    held: Annotated[bool, Field(description="Whether the files are kept until their hold is released.")]
    attempt: Annotated[int, Field(description="Number of the present attempt; 0: none has begun.")]
    position: Annotated[
        int | None, Field(description="Place in the account's queue, from 1; null: the export is not queued.")
    ]
    expected_end: Annotated[
        Instant | None, Field(description="When the running attempt will probably end; null: not known.")
    ]
    progress: ProgressDocument
    rows: Annotated[int | None, Field(description="Rows of the finished export.")]
    bytes: Annotated[int | None, Field(description="Bytes of the finished files.")]
    error: FailureDocument | None
    notices: Annotated[
        list[NoticeDocument],
        Field(description="Tables without rows that the export reads; none are known before an attempt begins."),
    ]
    links: ExportLinks


class EstimateDocument(Document):
    """What an export is expected to have, if it was created now. Nothing was created."""

    dry_run: Literal[True]
    rows: Annotated[int | None, Field(description="null: there is nothing to estimate it from.")]
    bytes: Annotated[int | None, Field(description="Of all files.")]
    seconds: Annotated[int | None, Field(description="From the start of the attempt.")]
    files: Annotated[int | None, Field(description="Number of files, if they are split.")]
    notices: Notices


class PreviewColumn(Document):
    """A column of a preview."""

    name: str
    type: ColumnType


class PreviewDocument(Document):
    """The first rows of a request."""

    report: str
    columns: list[PreviewColumn]
    rows: Annotated[list[list[Any]], Field(description="The values of each row, in the order of the columns.")]
    truncated: Annotated[bool, Field(description="Whether an export of the request may have more rows.")]
    notices: Notices


class ExportList(Document):
    """A page of exports, newest first."""

    exports: list[ExportDocument]
    next: Annotated[str | None, Field(description="Cursor of the next page; null: this is the last page.")]


# --- manifests and files ---------------------------------------------------------------------------------------------


class ManifestColumnDocument(Document):
    """A column of the files."""

    name: Annotated[str, Field(description="As the files spell it.")]
    type: str
    meaning: str
    unit: str | None
    personal: bool


class ReconciliationDocument(Document):
    """Two counts of the same rows, which were equal before the export was published."""

    what: str
    expected: Annotated[int, Field(description="Counted in the lake, without the report's joins.")]
    written: Annotated[int, Field(description="Counted in the files.")]


class BlocksDocument(Document):
    """Checksums of the blocks of a file, with which a client repairs a broken download."""

    size: Annotated[int, Field(description="Bytes of each block but the last.")]
    sha256: list[str]


class FileDocument(Document):
    """One file of an export."""

    name: str
    url: Annotated[Url, Field(description="Redirects to a link that works for a short time.")]
    rows: int
    bytes: int
    sha256: str
    blocks: Annotated[BlocksDocument | None, Field(description="null: an older release made the file.")]
    first_key: Annotated[
        list[Any] | None, Field(description="Values of the sort columns in the first row; null: the file is unsorted.")
    ]
    last_key: Annotated[list[Any] | None, Field(description="The same for the last row.")]


class ManifestDocument(Document):
    """The files of an export, and the data and the definition that they were made of."""

    export: str
    report: str
    report_version: Annotated[str | None, Field(description="null: an older release made the export.")]
    columns: list[ManifestColumnDocument]
    request: Annotated[dict[str, Any], Field(description="What was asked for.")]
    as_of: Annotated[Instant | None, Field(description="Later data was ignored.")]
    watermark: Annotated[
        Instant | None,
        Field(description="Rows from here on were left out, because they could be incomplete; null: none were."),
    ]
    lake_versions: Annotated[
        dict[str, int | None], Field(description="Version of each table that was read; null: it was never loaded.")
    ]
    rows: int
    bytes: int
    reconciled: list[ReconciliationDocument]
    notices: Notices
    producer: str | None
    complete: Annotated[bool, Field(description="Always true: a manifest has all files, or there is none.")]
    files: list[FileDocument]


# --- the account -----------------------------------------------------------------------------------------------------


class RateDocument(Document):
    """How many requests of one credential are answered."""

    requests: int
    seconds: int


class LimitsDocument(Document):
    """What the caller may export. A limit that is null does not exist."""

    open_exports: Annotated[int, Field(description="Exports that have not ended, at a time.")]
    longest_days: int | None
    rows: Annotated[int | None, Field(description="Rows of one export.")]
    retention_days: Annotated[float, Field(description="How long files are kept unless the client decides.")]
    longest_retention_days: Annotated[float, Field(description="Longest retention that a client may set.")]
    holds: Annotated[bool, Field(description="Whether clients may hold exports.")]
    link_seconds: Annotated[int, Field(description="Life of a link to a file.")]
    body_bytes: Annotated[int, Field(description="Largest body of a request.")]
    kept_bytes: Annotated[int | None, Field(description="Bytes of all files that the account keeps.")]
    kept_files: Annotated[int | None, Field(description="Number of files that the account keeps.")]
    kept_rows: Annotated[int | None, Field(description="Rows of all files that the account keeps.")]
    daily_bytes: Annotated[int | None, Field(description="Bytes of the files that are published in a day (UTC).")]
    rates: Annotated[dict[str, RateDocument], Field(description="Requests that are counted: create, preview, read.")]
    formats: Annotated[list[str], Field(description="The formats of files.")]


class UsageDocument(Document):
    """What the account uses of its limits."""

    open_exports: Annotated[int, Field(description="Exports of this API that have not ended.")]
    kept_files: Annotated[int, Field(description="Files that are kept, of all dialects.")]
    kept_bytes: Annotated[int, Field(description="Bytes of these files.")]
    kept_rows: Annotated[int, Field(description="Rows of these files.")]
    daily_bytes: Annotated[int, Field(description="Bytes that were published today (UTC).")]
    next_expiry: Annotated[Instant | None, Field(description="When the next file is removed; null: none will be.")]
