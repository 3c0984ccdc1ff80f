"""Export requests that are saved in the words of the dialect, and decoded again for each export."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from offtake.core.services import Services
from offtake.errors import ExportError
from offtake.model.request import ExportRequest
from offtake.model.tenant import Principal
from offtake.wire.native.faults import InvalidFields
from offtake.wire.native.requests import Decoding, decode_export
from offtake.wire.native.schema import ExportBody
from offtake.wire.native.tables import NAME
from offtake.wire.native.validation import faults_of_body


def decode_saved(body: Mapping[str, Any], by: Principal, on: Services, *, account_zone: str) -> ExportRequest:
    """Return the export request of a body for a principal, as of now. Raises InvalidFields."""
    try:
        parsed = ExportBody.model_validate(body)
    except ValidationError as error:
        raise InvalidFields(faults_of_body(error, body, ExportBody)) from error
    return decode_export(parsed, decoding(by, on, account_zone=account_zone))


def decoding(by: Principal, on: Services, *, account_zone: str) -> Decoding:
    """Return what decoding a request needs besides its body."""
    limits = on.limits[NAME].of(by.tenant)
    return Decoding(
        catalogue=on.catalogue,
        principal=by,
        now=on.clock(),
        row_limit=limits.rows,
        account_zone=account_zone,
        longest=limits.longest_timespan,
    )


def describe_faults(error: ExportError) -> str:
    """Return the faults of a request as one text, each with the field that has it."""
    if not isinstance(error, InvalidFields):
        return error.message
    return "; ".join(f"{'.'.join(map(str, each.keys))}: {each.message}" for each in error.faults)
