"""The dialect's OpenAPI document."""

from __future__ import annotations

from typing import Any

from offtake.catalogue.load import Catalogue
from offtake.wire.document import build_document
from offtake.wire.khoros.operations import operations
from offtake.wire.khoros.tables import ROOT

DOCUMENT_PATH = ROOT + "/openapi.json"


def document(catalogue: Catalogue, public_url: str | None) -> dict[str, Any]:
    """The document, in OpenAPI 3.1."""
    return build_document(
        operations(catalogue),
        title="Offtake: Khoros Care analytics reports",
        description="Create an export, poll its status, follow the redirect to its file.",
        security_schemes={"basic": {"type": "http", "scheme": "basic"}},
        public_url=public_url,
    )
