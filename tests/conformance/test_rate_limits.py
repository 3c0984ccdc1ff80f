"""Rate limits: windows, separate counts, concurrent nodes."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from offtake.core.auth import rate_limit
from offtake.core.policy import PerTenant, Rate
from offtake.core.services import Services
from offtake.errors import RateExceeded
from offtake.model.tenant import Principal, Tenant
from offtake.store import identity, rate_limits
from offtake.store.database import Database
from tests.fixtures.exports import NOON, caller

MINUTE = timedelta(minutes=1)
ANN, BOB = (Principal(tenant="acme", credential=name, scopes=frozenset()) for name in ("ann", "bob"))


@pytest.fixture
def acme(database: Database) -> Database:
    with database.write() as connection:
        identity.add_tenant(connection, Tenant(name="acme"), now=NOON)
    return database


def counted(
    database: Database, by: Principal, *, after: timedelta = timedelta(), dialect: str = "khoros", operation: str = ""
) -> rate_limits.WindowCount:
    with database.write() as connection:
        return rate_limits.count(connection, by, (dialect, operation), now=NOON + after, period=MINUTE)


def test_a_window_begins_with_its_first_request_and_ends_a_period_later(acme: Database) -> None:
    almost = MINUTE - timedelta(microseconds=1)
    assert [counted(acme, ANN, after=after) for after in (timedelta(), timedelta(seconds=1), almost, MINUTE)] == [
        rate_limits.WindowCount(number=1, began_at=NOON),
        rate_limits.WindowCount(number=2, began_at=NOON),
        rate_limits.WindowCount(number=3, began_at=NOON),
        rate_limits.WindowCount(number=1, began_at=NOON + MINUTE),
    ]


def test_principals_and_dialects_are_counted_separately(acme: Database) -> None:
    for by, dialect in ((ANN, "khoros"), (BOB, "khoros"), (ANN, "loop")):
        assert counted(acme, by, dialect=dialect).number == 1
    assert counted(acme, ANN).number == 2


def test_operations_are_counted_separately(acme: Database) -> None:
    for operation in ("read", "create", ""):
        assert counted(acme, ANN, operation=operation).number == 1
    assert counted(acme, ANN, operation="read").number == 2


def test_concurrent_requests_on_eight_nodes_are_all_counted(acme: Database) -> None:
    numbers: list[int] = []

    def race() -> None:
        for _ in range(5):
            numbers.append(counted(acme, ANN).number)

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 41))


def test_the_wait_is_exact_to_the_second(services: Services) -> None:
    """A request after ``retry_after`` seconds is accepted, a second earlier it is refused."""
    principal = caller().principal
    limits = replace(services.limits["khoros"].default, rate=Rate(requests=2, period=MINUTE))
    on = replace(services, limits={"khoros": PerTenant(default=limits)}, clock=lambda: NOON)
    with on.database.write() as connection:
        identity.add_tenant(connection, Tenant(name="acme"), now=NOON)

    def at(seconds: float) -> int | None:
        """Return ``retry_after`` of a refused request; None if it is accepted."""
        try:
            rate_limit.count_request(principal, "khoros", replace(on, clock=lambda: NOON + timedelta(seconds=seconds)))
        except RateExceeded as error:
            return error.retry_after
        return None

    assert [at(0), at(10), at(20.5), at(59.5), at(60)] == [None, None, 40, 1, None]


def test_without_a_rate_nothing_is_counted(services: Services) -> None:
    limits = replace(services.limits["khoros"].default, rate=None)
    on = replace(services, limits={"khoros": PerTenant(default=limits)})
    for _ in range(50):
        rate_limit.count_request(caller("unknown-tenant").principal, "khoros", on)
