"""Logins: one hash for each, limits by address and name before any hash, verdicts that are reused briefly."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sized
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from offtake.core import login_limits, logins
from offtake.core.logins import Logins
from offtake.core.policy import LoginPolicy
from offtake.errors import Throttled, Unavailable
from tests.fixtures.polling import wait_for

POLICY = LoginPolicy(
    hash_threads=1,
    waiting=4,
    failures_per_address=3,
    failures_per_name=5,
    period=timedelta(seconds=60),
    cache=timedelta(seconds=30),
)
HOME, ATTACKER = "192.0.2.1", "203.0.113.9"
SALT = b"s" * 32


@dataclass
class CountedLogins:
    """Logins with a clock that the test sets, and a count of the hashes."""

    policy: LoginPolicy = POLICY
    now: float = 0.0
    hashes: int = 0
    stored: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.logins = Logins(self.policy, salt=SALT, clock=lambda: self.now)
        self._hash = self.logins.hash
        self.logins.hash = self._counted  # type: ignore[method-assign]

    def _counted(self, login: str, secret: str) -> str:
        self.hashes += 1
        return self._hash(login, secret)

    def add(self, login: str, *passwords: str) -> None:
        """Store the passwords that tenants have given this name."""
        self.stored[login] = [self._hash(login, password) for password in passwords]

    def log_in(self, login: str, password: str, address: str = HOME) -> int | None:
        """Log in. Raises Throttled, Unavailable."""
        self.logins.check_limits(login, address)
        return self.logins.verify(login, password, self.stored.get(login, []), address)

    def fail(self, login: str, number: int, address: str = ATTACKER) -> int:
        """Guess so many passwords; return how many of them were refused before a hash."""
        refused = 0
        for guess in range(number):
            try:
                assert self.log_in(login, f"guess-{self.hashes}-{guess}", address) is None
            except Throttled:
                refused += 1
        return refused


@pytest.fixture
def counted() -> CountedLogins:
    made = CountedLogins()
    made.add("ann", "right")
    return made


def test_a_name_known_in_several_tenants_costs_one_hash_like_an_unknown_one(counted: CountedLogins) -> None:
    counted.add("ann", *(f"of-tenant-{number}" for number in range(16)))
    assert counted.log_in("ann", "of-tenant-15") == 15
    assert counted.hashes == 1
    assert counted.log_in("ann", "wrong") is None
    assert counted.hashes == 2
    assert counted.log_in("unknown", "wrong") is None
    assert counted.hashes == 3


def test_equal_secrets_of_different_names_have_different_hashes(counted: CountedLogins) -> None:
    assert counted.logins.hash("ann", "right") != counted.logins.hash("ben", "right")
    assert Logins(POLICY, salt=b"t" * 32).hash("ann", "right") != counted.logins.hash("ann", "right")


def test_a_verified_secret_is_hashed_again_only_after_a_while_or_from_elsewhere(counted: CountedLogins) -> None:
    assert [counted.log_in("ann", "right") for _ in range(5)] == [0] * 5
    assert counted.hashes == 1
    counted.log_in("ann", "right", "192.0.2.2")
    assert counted.hashes == 2
    counted.now = 31
    counted.log_in("ann", "right")
    assert counted.hashes == 3


def test_a_revoked_secret_is_refused_at_once(counted: CountedLogins) -> None:
    assert counted.log_in("ann", "right") == 0
    counted.stored["ann"] = []
    assert counted.log_in("ann", "right") is None


def test_a_repeated_wrong_secret_counts_once(counted: CountedLogins) -> None:
    """A client with an outdated secret gets the same answer each time and does not lock out its neighbours."""
    assert [counted.log_in("ben", "outdated") for _ in range(50)] == [None] * 50
    assert counted.hashes == 1


def test_no_secret_is_hashed_for_an_address_with_too_many_failures(counted: CountedLogins) -> None:
    assert sum(counted.fail(f"name-{number}", 1) for number in range(20)) == 17
    assert counted.hashes == 3
    with pytest.raises(Throttled) as refused:
        counted.log_in("ann", "right", ATTACKER)
    assert (refused.value.retry_after, refused.value.reason) == (60, login_limits.REASON)
    assert counted.log_in("ann", "right") == 0  # from another address
    counted.now = 60
    assert counted.log_in("ann", "right", ATTACKER) == 0


def test_a_client_that_logged_in_before_is_not_locked_out_by_its_address(counted: CountedLogins) -> None:
    assert counted.log_in("ann", "right", ATTACKER) == 0
    assert counted.fail("ben", 10) == 7
    counted.now = 31  # not by a reused verdict
    assert counted.log_in("ann", "right", ATTACKER) == 0
    counted.now += 86_401
    counted.fail("ben", 10)
    with pytest.raises(Throttled):
        counted.log_in("ann", "right", ATTACKER)


def test_a_name_is_guessed_from_many_addresses_only_once_each_at_its_limit(counted: CountedLogins) -> None:
    addresses = [f"203.0.113.{number}" for number in range(1, 21)]
    assert sum(counted.fail("ann", 3, address) for address in addresses) == 20 * 2 - 3
    assert counted.log_in("ann", "right") == 0  # the owner, from an address that has not failed
    assert counted.fail("ann", 1, addresses[-1]) == 1
    counted.now = 60
    assert counted.fail("ann", 1, addresses[-1]) == 0


def test_a_verdict_does_not_help_to_guess_from_the_same_address(counted: CountedLogins) -> None:
    """Otherwise a guess could be verified although the address has failed too often."""
    assert counted.log_in("ann", "right") == 0
    assert counted.fail("ann", 5, HOME) == 2
    with pytest.raises(Throttled):
        counted.log_in("ann", "right")


def test_an_ipv6_client_is_its_network(counted: CountedLogins) -> None:
    assert sum(counted.fail("ann", 1, f"2001:db8:0:1::{number:x}") for number in range(10)) == 7
    assert counted.fail("ann", 1, "2001:db8:0:2::1") == 0
    assert sum(counted.fail("ben", 1, f"::ffff:203.0.113.{number}") for number in range(4)) == 0  # IPv4 in IPv6


def test_memory_is_bounded_while_names_and_addresses_vary(
    counted: CountedLogins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_limits, "_MAX_ENTRIES", 100)
    monkeypatch.setattr(logins, "_MAX_VERDICTS", 100)
    monkeypatch.setattr(counted.logins, "hash", lambda login, secret: secret)
    limits, verdicts = counted.logins._limits, counted.logins._verdicts
    tables: list[Sized] = [each._windows for each in (limits._of_address, limits._of_name, limits._of_pair)]
    for number in range(1_000):
        counted.stored[f"name-{number}"] = [f"{number}"]
        counted.log_in(
            f"name-{number}", "wrong" if number % 2 else f"{number}", f"198.51.{number // 250}.{number % 250}"
        )
    tables += [limits._logged_in._at, limits._last_failure._at, verdicts._of]
    assert [len(each) for each in tables] == [100] * 6


def _occupied(counted: CountedLogins, monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Let every hash wait; return the event that one has begun, and the one that lets all go on."""
    began, go_on = threading.Event(), threading.Event()

    def hash_(login: str, secret: str) -> str:
        began.set()
        assert go_on.wait(60)
        return counted._hash(login, secret)

    monkeypatch.setattr(counted.logins, "hash", hash_)
    return began, go_on


def test_a_full_hashing_pool_refuses_and_keeps_places_for_known_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = CountedLogins(replace(POLICY, failures_per_address=100))
    counted.add("ann", "right")
    assert counted.log_in("ann", "right") == 0
    counted.now = 31
    began, go_on = _occupied(counted, monkeypatch)
    with ThreadPoolExecutor(10) as clients:
        guesses = [clients.submit(counted.log_in, f"name-{number}", "x", ATTACKER) for number in range(3)]
        assert began.wait(60)
        _until(lambda: counted.logins._pool._callers == 3)  # one thread and half of four places
        with pytest.raises(Unavailable) as refused:
            counted.log_in("another", "x", ATTACKER)
        assert (refused.value.retry_after, refused.value.reason) == (2, logins.REASON)
        known = clients.submit(counted.log_in, "ann", "right")
        _until(lambda: counted.logins._pool._callers == 4)
        go_on.set()
        assert known.result(60) == 0
        assert [guess.result(60) for guess in guesses] == [None] * 3
    assert counted.log_in("another", "x", ATTACKER) is None  # the places are free again


def test_a_new_client_is_served_while_addresses_that_failed_fill_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = CountedLogins()
    counted.add("ann", "right")
    attackers = [f"203.0.113.{number}" for number in range(1, 11)]
    assert sum(counted.fail(f"name-{each}", 1, each) for each in attackers) == 0
    began, go_on = _occupied(counted, monkeypatch)
    with ThreadPoolExecutor(10) as clients:
        guesses = [clients.submit(counted.log_in, "ann", f"guess-{each}", each) for each in attackers[:2]]
        assert began.wait(60)
        _until(lambda: counted.logins._pool._callers == 2)  # one thread and a quarter of four places
        with pytest.raises(Unavailable):
            counted.log_in("ann", "guess", attackers[2])
        new = clients.submit(counted.log_in, "ann", "right", "198.51.100.1")
        _until(lambda: counted.logins._pool._callers == 3)
        go_on.set()
        assert new.result(60) == 0
        assert [guess.result(60) for guess in guesses] == [None] * 2
    counted.now = 86_401  # the failures are forgotten after a day
    assert counted.logins._limits.history("ann", attackers[0]) is login_limits.ClientHistory.NONE


def test_equal_logins_at_a_time_share_one_hash(counted: CountedLogins, monkeypatch: pytest.MonkeyPatch) -> None:
    began, go_on = _occupied(counted, monkeypatch)
    with ThreadPoolExecutor(3) as clients:
        entered = [clients.submit(counted.log_in, "ann", "right") for _ in range(3)]
        assert began.wait(60)
        _until(lambda: counted.logins._pool._callers == 3)
        assert len(counted.logins._pool._running) == 1
        go_on.set()
        assert [each.result(60) for each in entered] == [0, 0, 0]


def _until(condition: Callable[[], bool]) -> None:
    wait_for("the state of the pool", lambda: condition() or None)
