"""Decodes pages of lists, the version that is asked for, and the body of a query."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from offtake.core.sharing.read import VersionQuery
from offtake.errors import FieldFault, InvalidRequest
from offtake.http.json_body import parse_json_object
from offtake.model.shared_table import TableName
from offtake.wire.sharing.auth import SharingCall

Item = TypeVar("Item")
Key = tuple[str, ...]  # of an item of a list, which is sorted by key
_DEFAULT_PAGE = 500
_LARGEST = 2**63 - 1
_CHANGES = ("startingVersion", "endingVersion", "startingTimestamp", "endingTimestamp")  # of a query's body


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of a list: how many items it may have, and the key of the item behind which it begins."""

    size: int
    after: Key | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryBody:
    """What a query of a table's files asks for. Hints about predicates have no effect, as the protocol permits."""

    version: VersionQuery
    limit: int | None  # rows that the client plans to read


def share_name(call: SharingCall) -> str:
    """Return the share in the path, in the form in which it is stored."""
    name: str = call.request.path_params["share"]
    return name.lower()


def table_name(call: SharingCall) -> TableName:
    """Return the table that the path names."""
    parts = call.request.path_params
    return TableName(share=share_name(call), schema=parts["schema"].lower(), table=parts["table"].lower())


def decode_page(call: SharingCall) -> Page:
    """Return the page that the query asks for. Raises InvalidRequest."""
    query = call.request.query_params
    size = _whole(query["maxResults"], "maxResults") if query.get("maxResults") else _DEFAULT_PAGE
    token = query.get("pageToken")
    return Page(size=min(size, _DEFAULT_PAGE), after=_key(token) if token else None)


def cut(items: Sequence[Item], key: Callable[[Item], Key], page: Page) -> tuple[Sequence[Item], str | None]:
    """Return the items of the page, and the token of the next page if there is one. The items are sorted by key."""
    rest = [item for item in items if page.after is None or key(item) > page.after]
    if len(rest) <= page.size:
        return rest, None
    shown = rest[: page.size]
    return shown, _token(key(shown[-1]) if shown else page.after or ())


def decode_since(call: SharingCall) -> VersionQuery:
    """Return the version that a query for the version of a table asks for. Raises InvalidRequest."""
    text = call.request.query_params.get("startingTimestamp")
    return VersionQuery(since=None if text is None else _instant(text, "startingTimestamp"))


def decode_metadata(call: SharingCall) -> VersionQuery:
    """Return the version whose metadata are asked for. Raises InvalidRequest."""
    query = call.request.query_params
    number = query.get("version")
    return _version(None if number is None else _whole(number, "version"), query.get("timestamp"))


def decode_query(call: SharingCall) -> QueryBody:
    """Return what the body of a query asks for. Fields that the server does not know have no effect.

    Raises MalformedBody, InvalidRequest.
    """
    body = parse_json_object(call.body) if call.body.strip() else {}
    for name in _CHANGES:
        if body.get(name) is not None:
            raise _fault(name, "asks for changes between versions, which shared tables do not record; read a version")
    return QueryBody(
        version=_version(_number(body, "version"), body.get("timestamp")), limit=_number(body, "limitHint")
    )


def _version(number: int | None, timestamp: object) -> VersionQuery:
    if timestamp is None:
        return VersionQuery(number=number)
    if number is not None:
        raise _fault("timestamp", "cannot be sent together with version")
    return VersionQuery(at=_instant(timestamp, "timestamp"))


def _number(body: Mapping[str, Any], name: str) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST:
        raise _fault(name, "must be a whole number that is not negative")
    return value


def _whole(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise _fault(name, "must be a whole number that is not negative")
    return int(text)


def _instant(text: object, name: str) -> datetime:
    """Return an instant in UTC. One without an offset is in UTC already, as clients of the protocol mean it."""
    try:
        instant = datetime.fromisoformat(text) if isinstance(text, str) else None
        if instant is not None:
            return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise _fault(name, "must be an instant such as 2026-03-01T08:00:00Z")


def _token(key: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).rstrip(b"=").decode()


def _key(token: str) -> Key:
    try:
        decoded = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
        key = json.loads(decoded)
    except ValueError:
        key = None
    if not isinstance(key, list) or not all(isinstance(part, str) for part in key):
        raise _fault("pageToken", "is not a token that this server has issued")
    return tuple(key)


def _fault(name: str, description: str) -> InvalidRequest:
    return InvalidRequest(f"{name} {description}.", [FieldFault(name, description)])
