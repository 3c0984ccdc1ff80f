"""Verifies the secrets of logins: limited, in threads of their own, one hash for each login.

A secret is stored as an argon2id hash whose salt is derived from the login name. All tenants that know a name thus
share its salt, and one hash shows which of them has the secret. An unknown name costs the same hash.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from argon2 import PasswordHasher

from offtake.core.login_limits import ClientHistory, LoginLimits
from offtake.core.policy import LoginPolicy
from offtake.errors import Unavailable

# OWASP's smaller argon2id profile: 19 MiB for each hash. Other parameters would make all stored hashes unusable.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_MAX_VERDICTS = 10_000
_RETRY_SECONDS = 2
_LOWEST = 19
_NICE = 10  # requests, which need the processor for milliseconds, run before hashes
REASON = "hashing_full"


class Logins:
    """Limits failed logins and verifies secrets. Thread-safe.

    ``salt`` is the installation's secret from which all salts are derived; ``clock`` counts seconds.
    """

    def __init__(self, policy: LoginPolicy, *, salt: bytes, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = LoginLimits(policy, clock)
        self._verdicts = _Verdicts(policy.cache.total_seconds(), clock)
        self._pool = _HashingPool(threads=policy.hash_threads, waiting=policy.waiting)
        self._salt = salt

    def hash(self, login: str, secret: str) -> str:
        """Return the hash under which a secret is stored."""
        salt = hashlib.blake2b(_bytes(login), key=self._salt, digest_size=16).digest()
        return _HASHER.hash(_bytes(secret), salt=salt)

    def check_limits(self, login: str, address: str | None) -> None:
        """Raise Throttled if too many logins of this name or address have failed. Call it before ``verify``."""
        self._limits.check(login, address)

    def verify(self, login: str, secret: str, stored: Sequence[str], address: str | None) -> int | None:
        """Return the position of the stored hash that is the secret's; None if there is none.

        A verdict about the same name, secret, address and hashes is reused for ``LoginPolicy.cache``; a repeated wrong
        secret counts as one failure. Because the caller passes the hashes that are stored now, a revoked credential
        ends at once. Raises Unavailable while too many other secrets are being hashed.
        """
        key = self._verdicts.key(login, secret, address, stored)
        if (verdict := self._verdicts.get(key)) is not None:
            return verdict.position
        history = self._limits.history(login, address)
        hashed = self._pool.run(key, lambda: self.hash(login, secret), history).encode()
        # compares all of them, so that the time shows neither their number nor the position
        equal = [position for position, one in enumerate(stored) if hmac.compare_digest(one.encode(), hashed)]
        position = equal[0] if equal else None
        if self._verdicts.put(key, position):
            count = self._limits.failed if position is None else self._limits.succeeded
            count(login, address)
        return position


class _Verdict:
    """The position of the matching hash, or None, until ``ends_at``."""

    __slots__ = ("ends_at", "position")

    def __init__(self, position: int | None, ends_at: float) -> None:
        self.position = position
        self.ends_at = ends_at


class _Verdicts:
    """Recent verdicts. The keys are digests under a key that only this process has; no secret is kept."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._of: OrderedDict[bytes, _Verdict] = OrderedDict()  # by the time of the verdict

    def key(self, login: str, secret: str, address: str | None, stored: Sequence[str]) -> bytes:
        """Return the key of a login, of 32 bytes."""
        digest = hashlib.blake2b(key=self._key, digest_size=32)
        for text in (login, secret, address or "", *stored):
            encoded = _bytes(text)
            digest.update(len(encoded).to_bytes(8, "big") + encoded)
        return digest.digest()

    def get(self, key: bytes) -> _Verdict | None:
        """Return the verdict unless it is too old."""
        with self._lock:
            verdict = self._of.get(key)
            return verdict if verdict is not None and verdict.ends_at > self._clock() else None

    def put(self, key: bytes, position: int | None) -> bool:
        """Keep a verdict. Return False if another thread has just kept it."""
        with self._lock:
            now = self._clock()
            before = self._of.get(key)
            if before is not None and before.ends_at > now:
                return False
            self._of[key] = _Verdict(position, now + self._seconds)
            self._of.move_to_end(key)
            if len(self._of) > _MAX_VERDICTS:
                self._of.popitem(last=False)
            return True


class _HashingPool:
    """Threads that hash, and a bound for the callers that wait for them.

    Half of the waiting places are for clients that logged in before, and a quarter is closed to addresses that failed
    before. An attack from many addresses thus takes only the last quarter as soon as each of them has failed once.
    """

    def __init__(self, *, threads: int, waiting: int) -> None:
        self._threads = ThreadPoolExecutor(threads, "offtake-hash", initializer=_lower_priority)
        self._most = {
            ClientHistory.LOGGED_IN: threads + waiting,
            ClientHistory.NONE: threads + waiting // 2,
            ClientHistory.FAILED: threads + waiting // 4,
        }
        self._lock = threading.Lock()
        self._callers = 0
        self._running: dict[bytes, Future[str]] = {}

    def run(self, key: bytes, work: Callable[[], str], history: ClientHistory) -> str:
        """Return the result of ``work``; callers with the same key share one run. Raises Unavailable."""
        with self._lock:
            if self._callers >= self._most[history]:
                message = f"The server is verifying many other logins; retry after {_RETRY_SECONDS} seconds."
                raise Unavailable(message, retry_after=_RETRY_SECONDS, reason=REASON)
            self._callers += 1
            future = self._running.get(key)
            if future is None:
                future = self._running[key] = self._threads.submit(work)
        try:
            return future.result()
        finally:
            with self._lock:
                self._callers -= 1
                self._running.pop(key, None)


def _lower_priority() -> None:
    """Lower the priority of this thread; other systems than Linux have one priority for all threads of a process."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(_LOWEST, os.getpriority(os.PRIO_PROCESS, thread) + _NICE))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
