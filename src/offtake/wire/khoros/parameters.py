"""Reads the parameters of a request from its query and its body (Khoros contract 1.4).

Both are merged, for every call and both methods. Names are case-sensitive; blanks around them, empty pairs and unknown
names are tolerated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request

from offtake.errors import InvalidRequest
from offtake.http.json_body import parse_json_object, without_bom
from offtake.http.media_type import is_multipart
from offtake.wire.document import FORM

_MAX_PARAMETERS = 2_000
_ABSENT = frozenset({"", "null"})
Pairs = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SentParameters:
    """The parameters of a request by name: texts without blanks around them, in the sequence of the request."""

    query: Pairs
    body: Pairs

    def one(self, name: str) -> str | None:
        """The value of a single-valued parameter: of the body, else of the query, and the last one of several."""
        for pairs in (self.body, self.query):
            for value in reversed(pairs.get(name, ())):
                if value.lower() not in _ABSENT:
                    return value
        return None

    def many(self, name: str) -> tuple[str, ...]:
        """The values of a repeatable parameter, from repeats and comma lists: query before body, without duplicates."""
        sent = (*self.query.get(name, ()), *self.body.get(name, ()))
        values = (item.strip() for value in sent for item in value.split(","))
        return tuple(dict.fromkeys(value for value in values if value.lower() not in _ABSENT))

    def nameless(self) -> Iterable[str]:
        """Names in the query without a value, as in a vendor's sample: ``/download?<key>`` (Khoros contract 7)."""
        return (name for name, values in self.query.items() if not any(values))


def read_parameters(request: Request, body: bytes = b"") -> SentParameters:
    """The parameters of a request. Raises InvalidRequest for a body that is neither a form nor a flat JSON object."""
    if body and is_multipart(request):
        raise InvalidRequest(f"The body is multipart; send the parameters in the query, as {FORM} or as JSON.")
    return SentParameters(query=_pairs(request.scope["query_string"]), body=_body(without_bom(body)))


def _body(body: bytes) -> Pairs:
    """The first character tells form from JSON: the vendor's own description calls the form ``application/json``."""
    return _object(body) if body.lstrip().startswith(b"{") else _pairs(body)


def _pairs(text: bytes) -> Pairs:
    try:
        pairs = parse_qsl(text.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
    except ValueError as error:
        raise InvalidRequest("There are too many parameters.") from error
    return _by_name((name, (value,)) for name, value in pairs)


def _object(body: bytes) -> Pairs:
    return _by_name((name, _texts(value)) for name, value in parse_json_object(body).items())


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(text for item in value for text in _texts(item) if not isinstance(item, list))
    if value is None:
        return ()
    if isinstance(value, bool):
        return ("true" if value else "false",)
    if isinstance(value, int):
        return (str(value),)
    if isinstance(value, float):  # a whole number may be written as 1795305600000.0
        return (str(int(value)) if value.is_integer() else str(value),)
    if isinstance(value, str):
        return (value,)
    raise InvalidRequest("The body is not a flat JSON object.")


def _by_name(pairs: Iterable[tuple[str, tuple[str, ...]]]) -> Pairs:
    found: dict[str, tuple[str, ...]] = {}
    for name, values in pairs:
        found[name.strip()] = (*found.get(name.strip(), ()), *(value.strip() for value in values))
    return found
