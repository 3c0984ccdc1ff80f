"""The dialect's OpenAPI document."""

from __future__ import annotations

from typing import Any

from offtake.catalogue.load import Catalogue
from offtake.wire.document import build_document
from offtake.wire.sharing.operations import OPERATIONS
from offtake.wire.sharing.tables import API

DOCUMENT_PATH = API + "/openapi.json"


def document(catalogue: Catalogue, public_url: str | None) -> dict[str, Any]:
    """The document, in OpenAPI 3.1. It does not depend on the catalogue: the shared tables are data."""
    return build_document(
        OPERATIONS,
        title="Offtake: Delta Sharing",
        description="The read side of the Delta Sharing protocol. A shared table is a saved export, and its finished "
        "exports are its versions.",
        security_schemes={"token": {"type": "http", "scheme": "bearer"}},
        public_url=public_url,
    )
