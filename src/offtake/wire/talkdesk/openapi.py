"""The dialect's OpenAPI document: operations, bodies from ``schema.py``, and the json file of each report."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from offtake.catalogue.load import Catalogue
from offtake.model.rendering import Empty
from offtake.model.report import Publication, PublishedColumn, Report
from offtake.wire.document import build_document, constant
from offtake.wire.talkdesk.operations import operations
from offtake.wire.talkdesk.schema import (
    CreateBody,
    CreatedDocument,
    ErrorBody,
    JobDocument,
    JobList,
    Nothing,
    OAuthError,
    RevokeForm,
    TimespanBody,
    TokenBody,
    TokenForm,
)
from offtake.wire.talkdesk.tables import FILE_VERSION, NAME

DOCUMENT_PATH = "/data/openapi.json"
_INPUTS = (CreateBody, TokenForm, RevokeForm)
_OUTPUTS = (TokenBody, Nothing, CreatedDocument, JobList, JobDocument, ErrorBody, OAuthError)
_OPEN = frozenset(body.__name__ for body in (*_INPUTS, TimespanBody))  # these ignore unknown keys


def document(catalogue: Catalogue, public_url: str | None) -> dict[str, Any]:
    """The document, in OpenAPI 3.1."""
    published = [item for (dialect, _), item in sorted(catalogue.publications.items()) if dialect == NAME]
    files = {f"{item.slug}_file": _file(item, catalogue.reports[item.report]) for item in published}
    return build_document(
        operations(catalogue),
        title="Offtake: Talkdesk Explore report jobs",
        description="Create an export, poll it, follow the redirects to its file. A schema named after a report and"
        " _file describes the json file of that report.",
        security_schemes={
            "bearer": {"type": "http", "scheme": "bearer"},
            "client": {"type": "http", "scheme": "basic"},
        },
        schemas=_bodies() | files,
        public_url=public_url,
    )


def _bodies() -> dict[str, Any]:
    """The schemas of all bodies, by name."""
    modes: list[tuple[Any, JsonSchemaMode]] = [(body, "validation") for body in _INPUTS]
    modes += [(body, "serialization") for body in _OUTPUTS]
    adapters: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        (body.__name__, mode, TypeAdapter(body)) for body, mode in modes
    ]
    _, shared = TypeAdapter.json_schemas(adapters, ref_template="#/components/schemas/{model}")
    schemas: dict[str, Any] = shared["$defs"]
    for name, schema in schemas.items():
        if name not in _OPEN:
            schema["additionalProperties"] = False
    return schemas


def _file(publication: Publication, report: Report) -> dict[str, Any]:
    """A json file (Talkdesk contract 5.1). Columns that a setting can leave out are not required."""
    nullable = {column.name: column.nullable for column in report.columns}
    columns = [column for column in publication.columns if not column.hidden]
    row = {
        "type": "object",
        "properties": {column.name: _cell(column, nullable=nullable[column.source]) for column in columns},
        "required": [column.name for column in columns if not column.legacy],
        "additionalProperties": False,
    }
    fields = {
        "type": constant(publication.slug),
        "version": constant(FILE_VERSION),
        "entries": {"type": "array", "items": row},
        "total": {"type": "integer", "minimum": 0},
    }
    return {"type": "object", "title": publication.title, "properties": fields, "required": list(fields)}


def _cell(column: PublishedColumn, *, nullable: bool) -> dict[str, Any]:
    row = column.rendering.row
    items = {"items": {"type": "string"}} if row.json == "array" else {}
    return {"type": [row.json, "null"] if nullable and row.empty is not Empty.FOR_NULL else row.json, **items}
