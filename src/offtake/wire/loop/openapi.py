"""The dialect's OpenAPI document."""

from __future__ import annotations

from typing import Any

from offtake.catalogue.load import Catalogue
from offtake.wire.document import build_document
from offtake.wire.loop.operations import operations
from offtake.wire.loop.settings import MOST_ENTRIES
from offtake.wire.loop.tables import API

DOCUMENT_PATH = API + "/openapi.json"


def document(catalogue: Catalogue, public_url: str | None, *, most_entries: int = MOST_ENTRIES) -> dict[str, Any]:
    """The document, in OpenAPI 3.1. It does not depend on the catalogue: the dialect has one report."""
    return build_document(
        operations(most_entries=most_entries),
        title="Offtake: Loop export reports",
        description="Create an export, read it until it is no longer Processing, download its url.",
        security_schemes={"token": {"type": "http", "scheme": "bearer"}},
        public_url=public_url,
    )
