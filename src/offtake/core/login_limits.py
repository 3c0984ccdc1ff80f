"""Limits of failed logins, by client address and by login name, checked before a secret is hashed.

A login name is the user name of a password or the id of an OAuth client; whether it exists plays no part, so a refusal
reveals nothing. Failures are counted in windows that begin with their first failure:

- An address with too many failures is refused until its window ends, except for names that logged in from there within
  the last day: those have a count of their own, so that one client of a shared address does not lock the others out.
- A name with too many failures is refused until its window ends, but only from addresses that have failed with this
  name in the window. A client with the right secret can therefore always log in from another address than the attacker.

The counts are in memory: each server counts for itself, and memory is bounded however many names and addresses attack.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from offtake.core.policy import LoginPolicy
from offtake.errors import Throttled
from offtake.model.client_network import client_network

_MAX_ENTRIES = 50_000  # of each table; one needs about 200 bytes


class ClientHistory(Enum):
    """What is known of the client that sends a login, from the last day."""

    LOGGED_IN = auto()  # this name logged in from this address
    NONE = auto()  # no login from this address failed
    FAILED = auto()


_REMEMBERED_SECONDS = 86_400.0
REASON = "failed_logins"


@dataclass(slots=True)
class _Window:
    ends_at: float
    failures: int = 0


class _Failures:
    """Failures by key, in windows of equal length. The oldest window is forgotten first."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._windows: OrderedDict[bytes, _Window] = OrderedDict()  # by the end of the window

    def current(self, key: bytes, now: float) -> _Window:
        """Return the current window of a key; an empty one that is not stored if there is none."""
        window = self._windows.get(key)
        return window if window is not None and window.ends_at > now else _Window(now + self._seconds)

    def add(self, key: bytes, now: float) -> None:
        """Count a failure."""
        while self._windows and next(iter(self._windows.values())).ends_at <= now:
            self._windows.popitem(last=False)
        window = self._windows.get(key)
        if window is None:
            if len(self._windows) >= _MAX_ENTRIES:
                self._windows.popitem(last=False)
            window = self._windows[key] = _Window(now + self._seconds)
        window.failures += 1


class _Instants:
    """The last time of something, by key. The oldest is forgotten first."""

    def __init__(self) -> None:
        self._at: OrderedDict[bytes, float] = OrderedDict()

    def put(self, key: bytes, now: float) -> None:
        """Remember that it happened now."""
        self._at[key] = now
        self._at.move_to_end(key)
        if len(self._at) > _MAX_ENTRIES:
            self._at.popitem(last=False)

    def is_recent(self, key: bytes, now: float) -> bool:
        """Whether it happened within a day."""
        return self._at.get(key, -math.inf) > now - _REMEMBERED_SECONDS


class LoginLimits:
    """Counts failed logins and refuses further ones. Thread-safe.

    Logins that are being verified are not counted yet, so an address can exceed its limit by the number of secrets
    that the server hashes at a time.
    """

    def __init__(self, policy: LoginPolicy, clock: Callable[[], float]) -> None:
        seconds = policy.period.total_seconds()
        self._policy = policy
        self._clock = clock
        self._key = secrets.token_bytes(32)  # neither names nor addresses are kept
        self._lock = threading.Lock()
        self._of_address, self._of_name, self._of_pair = _Failures(seconds), _Failures(seconds), _Failures(seconds)
        self._logged_in = _Instants()  # pairs
        self._last_failure = _Instants()  # addresses

    def check(self, login: str, address: str | None) -> None:
        """Raise Throttled if too many logins of this name or address have failed."""
        pair, name, source = self._keys(login, address)
        per_address, per_name = self._policy.failures_per_address, self._policy.failures_per_name
        with self._lock:
            now = self._clock()
            of_pair = self._of_pair.current(pair, now)
            refusing = [of_pair] if of_pair.failures >= per_address else []
            of_name = self._of_name.current(name, now)
            if of_name.failures >= per_name and of_pair.failures:
                refusing.append(of_name)
            of_address = self._of_address.current(source, now)
            if of_address.failures >= per_address and not self._is_known(pair, now):
                refusing.append(of_address)
        if refusing:
            seconds = max(1, math.ceil(max(window.ends_at for window in refusing) - now))
            message = f"Too many logins with this name or from this address have failed; retry after {seconds} seconds."
            raise Throttled(message, retry_after=seconds, reason=REASON)

    def history(self, login: str, address: str | None) -> ClientHistory:
        """Return what is known of a client with this name at this address."""
        pair, _, source = self._keys(login, address)
        with self._lock:
            now = self._clock()
            if self._is_known(pair, now):
                return ClientHistory.LOGGED_IN
            return ClientHistory.FAILED if self._last_failure.is_recent(source, now) else ClientHistory.NONE

    def failed(self, login: str, address: str | None) -> None:
        """Count a failed login."""
        keys = self._keys(login, address)
        with self._lock:
            now = self._clock()
            for failures, key in zip((self._of_pair, self._of_name, self._of_address), keys, strict=True):
                failures.add(key, now)
            self._last_failure.put(keys[2], now)

    def succeeded(self, login: str, address: str | None) -> None:
        """Remember that this name logged in from this address."""
        pair = self._keys(login, address)[0]
        with self._lock:
            self._logged_in.put(pair, self._clock())

    def _is_known(self, pair: bytes, now: float) -> bool:
        return self._logged_in.is_recent(pair, now)

    def _keys(self, login: str, address: str | None) -> tuple[bytes, bytes, bytes]:
        """Return the keys of the pair, the name and the address."""
        name, source = self._digest(login), self._digest(client_network(address))
        return name + source, name, source

    def _digest(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._key, digest_size=16).digest()
