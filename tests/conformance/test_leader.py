"""Electing a leader: one process holds a role, and the next one takes it over."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event, select, update

from offtake.core.services import Services
from offtake.executor.leader import Leadership, release
from offtake.store import leaders
from offtake.store.database import Database
from offtake.store.schema import leader

ROLE = "maintenance"


def leadership(on: Services, holder: str) -> Leadership:
    return Leadership(ROLE, holder, on)


def move_end(on: Services, by: timedelta) -> None:
    """Change the end of the leader's lease by that time."""
    with on.database.write() as connection:
        until = connection.execute(select(leader.c.lease_until)).scalar_one()
        connection.execute(update(leader).values(lease_until=until + by))


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect the statements that are sent to any database."""
    sent: list[str] = []

    def sending(_connection: object, _cursor: object, statement: str, *ignored: object) -> None:
        sent.append(statement.strip().upper())

    event.listen(Engine, "before_cursor_execute", sending)
    yield sent
    event.remove(Engine, "before_cursor_execute", sending)


def test_one_process_leads_and_renews(services: Services) -> None:
    one, other = leadership(services, "one"), leadership(services, "other")
    assert (one.take(), other.take(), one.renew(), other.renew()) == (True, False, True, False)


def test_a_leader_takes_the_role_again_while_its_own_lease_lasts(services: Services) -> None:
    """Its thread starts anew after a defect."""
    one, other = leadership(services, "one"), leadership(services, "other")
    assert one.take()
    assert leadership(services, "one").take()
    assert not other.take()


def test_a_released_lease_can_be_taken_at_once(services: Services) -> None:
    one, other = leadership(services, "one"), leadership(services, "other")
    assert one.take()
    other.release()  # it does not hold the lease
    assert not other.take()
    release("one", services)
    assert (other.take(), one.take(), one.renew()) == (True, False, False)


def test_a_dead_leader_is_replaced_when_its_lease_expires(services: Services) -> None:
    one, other = leadership(services, "one"), leadership(services, "other")
    assert one.take()
    move_end(services, -leaders.LONGEST_LEASE - timedelta(seconds=1))
    assert (other.take(), one.renew()) == (True, False)


def test_a_lease_that_ends_too_far_in_the_future_can_be_taken(services: Services) -> None:
    one, other = leadership(services, "one"), leadership(services, "other")
    assert one.take()
    move_end(services, timedelta(days=3))
    assert (other.take(), one.renew()) == (True, False)


def test_the_lease_of_a_leader_is_as_long_as_a_jobs_up_to_a_maximum(services: Services) -> None:
    for lasts, expected in ((timedelta(seconds=3), 3), (timedelta(hours=1), 15)):
        made = leadership(replace(services, attempt=replace(services.attempt, lease=lasts)), "one")
        assert made.lease == timedelta(seconds=expected)
        assert made.pause * 3 <= expected


def test_of_many_concurrent_candidates_one_leads(services: Services) -> None:
    databases = [Database(services.database.url.render_as_string(hide_password=False)) for _ in range(6)]
    candidates = [
        leadership(replace(services, database=database), f"process-{number}")
        for number, database in enumerate(databases)
    ]
    with ThreadPoolExecutor(len(candidates)) as threads:
        for _ in range(10):
            taken = list(threads.map(Leadership.take, candidates))
            assert sum(taken) == 1
            candidates[taken.index(True)].release()
    for database in databases:
        database.close()


@pytest.mark.parametrize("tries", [1, 3])
def test_a_follower_writes_nothing(services: Services, tries: int) -> None:
    assert leadership(services, "one").take()
    other = leadership(services, "other")
    with statements() as sent:
        assert not any(other.take() for _ in range(tries))
    assert sent
    assert all(statement.startswith("SELECT") and "FOR UPDATE" not in statement for statement in sent)
