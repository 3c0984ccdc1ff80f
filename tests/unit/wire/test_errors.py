"""Every error of an API has a status and a code in every dialect: none uses the root's fallback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from offtake.errors import (
    ExportError,
    InvalidGrant,
    JobError,
    NotAuthenticated,
    OfftakeError,
    RateExceeded,
    SharedTableNotFound,
    SharedVersionNotFound,
    UnknownReport,
    Waitable,
)
from offtake.http.errors import nearest_of
from offtake.wire.dialect import Dialect
from offtake.wire.dialects import DIALECTS
from offtake.wire.errors import STATUSES
from offtake.wire.khoros.errors import ERRORS as KHOROS_ERRORS
from offtake.wire.loop.errors import CODES as LOOP_CODES
from offtake.wire.loop.errors import ERRORS as LOOP_ERRORS
from offtake.wire.native.errors import ERRORS as NATIVE_ERRORS
from offtake.wire.presentations import DIALECT_NAMES
from offtake.wire.sharing.errors import CODES as SHARING_CODES
from offtake.wire.talkdesk.errors import CODES as TALKDESK_CODES
from offtake.wire.talkdesk.errors import OAUTH_WORDS

PATHS = {
    "talkdesk": "/data/reports",
    "khoros": "/api/public/teams",
    "loop": "/api/v1/report/export",
    "native": "/v1/exports",
    "sharing": "/delta-sharing/shares",
}
# Only a token endpoint raises the first one, whose codes are Talkdesk's own, and only Delta Sharing the others.
NOT_RAISED_BY_ALL = {InvalidGrant, SharedTableNotFound, SharedVersionNotFound}


def below(error: type[ExportError]) -> Iterator[type[ExportError]]:
    """Every error under this one. Those with subclasses are raised themselves, too, except Waitable and JobError."""
    for each in error.__subclasses__():
        if each.__module__ == "offtake.errors":
            yield each
            yield from below(each)


ERRORS = sorted({*below(ExportError)} - {Waitable, JobError}, key=lambda error: error.__name__)


def made(error: type[OfftakeError]) -> OfftakeError:
    more: dict[str, Any] = {"retry_after": 7} if issubclass(error, Waitable) else {}
    return error("message", **more, **({"allowed": 3} if error is RateExceeded else {}))


def test_the_dialects_are_those_of_this_test() -> None:
    assert {dialect.name for dialect in DIALECTS} == PATHS.keys()
    assert [dialect.name for dialect in DIALECTS] == list(DIALECT_NAMES)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_every_error_has_a_status_in_every_dialect(dialect: Dialect[Any], error: type[ExportError]) -> None:
    answer = dialect.errors.render(made(error), PATHS[dialect.name])
    assert 400 <= answer.status_code < 600
    assert answer.status_code != 500
    assert ("retry-after" in answer.headers) == issubclass(error, Waitable)
    assert ("www-authenticate" in answer.headers) == (error is NotAuthenticated)


@pytest.mark.parametrize("error", [each for each in ERRORS if each not in NOT_RAISED_BY_ALL])
@pytest.mark.parametrize("codes", [TALKDESK_CODES, LOOP_CODES, SHARING_CODES], ids=["talkdesk", "loop", "sharing"])
def test_every_error_has_a_code(codes: dict[type[OfftakeError], str], error: type[ExportError]) -> None:
    assert nearest_of(codes, error) != codes[OfftakeError]


def test_the_token_endpoints_have_an_oauth_code_for_every_error_they_raise() -> None:
    """RFC 6749 5.2; everything else is ``server_error``."""
    assert nearest_of(OAUTH_WORDS, InvalidGrant) == "invalid_grant"
    assert nearest_of(OAUTH_WORDS, NotAuthenticated) == "invalid_client"


def test_a_dialect_changes_only_those_shared_statuses_that_its_contract_requires() -> None:
    """Khoros contract 4.7 and Loop contract 9."""
    assert KHOROS_ERRORS.items() - STATUSES.items() == {(UnknownReport, 404)}
    assert {error.__name__: status for error, status in LOOP_ERRORS.items() - STATUSES.items()} == {
        "ArtifactNotFound": 410,
        "ArtifactGone": 410,
        "AccountNotVerified": 451,
    }


def test_statuses_of_the_native_dialect_that_differ() -> None:
    """RFC 9110 15.5.21 and RFC 4918 11.5."""
    assert {error.__name__: status for error, status in NATIVE_ERRORS.items() - STATUSES.items()} == {
        "InvalidRequest": 422,
        "MalformedBody": 400,
        "InvalidScope": 400,
        "UnknownReport": 404,
        "ArtifactGone": 410,
        "BudgetExceeded": 507,
    }
