"""HTTP as clients use it, in every dialect: headers, methods and paths that no vendor's page describes."""

from __future__ import annotations

import pytest

from tests.fixtures.dialects import DIALECT_CASES, DialectCase
from tests.fixtures.installation import Served

_by_dialect = pytest.mark.parametrize("case", DIALECT_CASES, ids=[case.dialect for case in DIALECT_CASES])
OFFER = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAoAAAAAIAAAAA"}


@_by_dialect
def test_a_request_that_offers_http_2_is_answered_with_its_body(idle: Served, case: DialectCase) -> None:
    """RFC 9110 7.8: a server may ignore the Upgrade header."""
    with case.account(idle, "upgrade") as account:
        request = account.client.build_create(case.export)
        request.headers.update(OFFER)
        first, second = account.client.http.send(request), account.client.http.send(request)
    assert [first.is_success, second.is_success] == [True, True], first.text
