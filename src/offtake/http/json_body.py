"""Parse the JSON body of a request. The only reader of JSON from clients: its rules hold in every dialect."""

from __future__ import annotations

import json
from typing import Any

from offtake.errors import InvalidRequest


def parse_json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that the body holds. Raises InvalidRequest for any other body.

    A value that Python's parser cannot take, such as one nested too deeply, counts as no JSON.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The body is not JSON.") from error
    if not isinstance(value, dict):
        raise InvalidRequest("The body is not a JSON object.")
    return value
