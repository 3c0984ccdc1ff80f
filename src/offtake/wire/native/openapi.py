"""The dialect's OpenAPI document, which FastAPI generates from the path operations."""

from __future__ import annotations

from typing import Any

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from offtake import __version__
from offtake.catalogue.load import Catalogue
from offtake.wire.native import account, creation, exports, files, reports
from offtake.wire.native.problem import Problem
from offtake.wire.native.tables import API

DOCUMENT_PATH = f"{API}/openapi.json"
ROUTERS = (exports.routes, creation.routes, files.routes, reports.routes, account.routes)
_DESCRIPTION = (
    "Everything that Offtake can do: discover reports, create exports of any columns, follow their progress, and"
    " download verified files. Errors are problem details (RFC 9457) with a stable code; instants are RFC 3339."
)
_EVENT = {
    "type": "object",
    "properties": {
        "event": {"type": "string", "enum": ["progress", "end"]},
        "id": {"type": "string"},
        "data": {"type": "string", "description": "The export, as JSON."},
    },
    "required": ["event", "id", "data"],
}


def operations() -> list[APIRoute]:
    """Return the routes of all path operations."""
    return [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


def document(catalogue: Catalogue, public_url: str | None) -> dict[str, Any]:
    """The document, in OpenAPI 3.1. It does not depend on the catalogue, which discovery describes."""
    made = get_openapi(
        title="Offtake: native API",
        version=__version__,
        openapi_version="3.1.0",
        description=_DESCRIPTION,
        routes=operations(),
        servers=[{"url": public_url or "/"}],
    )
    made["components"]["schemas"] |= _problem_schemas()
    _spell_out(made)
    for path in made["paths"].values():
        _describe_streams(path)
    return made


def _describe_streams(path: dict[str, Any]) -> None:
    """Describe streams by the schema of an event; FastAPI does it by a keyword that OpenAPI 3.1 does not have."""
    for operation in path.values():
        for content in operation["responses"].get("200", {}).get("content", {}).values():
            if content.pop("itemSchema", None) is not None:
                content["schema"] = _EVENT


def _problem_schemas() -> dict[str, Any]:
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "Problem": schema}


def _spell_out(value: Any) -> None:
    """Describe lists of punctuation by a pattern: generators of clients make names of the values of a list."""
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _spell_out(each)
    values = value.get("enum") if isinstance(value, dict) else None
    if isinstance(values, list) and not all(isinstance(each, str) and each.isidentifier() for each in values):
        del value["enum"]
        value["pattern"] = f"^({'|'.join(''.join(map(_literal, each)) for each in values)})$"


def _literal(sign: str) -> str:
    """The pattern of one character, in the syntax that ECMA-262 and Python share."""
    return sign if sign.isalnum() else f"\\x{ord(sign):02x}"
