"""Merges the OpenAPI documents of all dialects into the server's; names get the dialect as a prefix."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter

from offtake.wire.endpoint import add_document

_SCHEMAS = "#/components/schemas/"


def router(documents: Mapping[str, Mapping[str, Any]], version: str, public_url: str | None) -> APIRouter:
    """The route of ``/openapi.json``."""
    routes = APIRouter()
    add_document(routes, "/openapi.json", merge(documents, version=version, public_url=public_url))
    return routes


def merge(documents: Mapping[str, Mapping[str, Any]], *, version: str, public_url: str | None) -> dict[str, Any]:
    """All paths; schemas, security schemes and operation ids get the dialect's name as a prefix."""
    paths: dict[str, Any] = {}
    components: dict[str, dict[str, Any]] = {"schemas": {}, "securitySchemes": {}}
    for dialect, document in documents.items():
        own = json.loads(json.dumps(document).replace(_SCHEMAS, f"{_SCHEMAS}{dialect}_"))
        for path in own["paths"].values():
            for operation in path.values():
                _name(operation, dialect)
        paths |= own["paths"]
        for section, members in components.items():
            found = own.get("components", {}).get(section, {})
            members.update({f"{dialect}_{name}": member for name, member in found.items()})
    return {
        "openapi": "3.1.0",
        "info": {"title": "Offtake", "version": version, "description": "Exports of customer-care data."},
        "servers": [{"url": public_url or "/"}],
        "paths": paths,
        "components": components,
    }


def _name(operation: dict[str, Any], dialect: str) -> None:
    operation["operationId"] = f"{dialect}_{operation['operationId']}"
    operation["tags"] = [dialect]
    operation["security"] = [
        {f"{dialect}_{name}": scopes for name, scopes in choice.items()} for choice in operation.get("security", [])
    ]
