"""Denied requests in the audit log: failed logins, missing permissions, unknown ids and forged links.

Anyone can cause denials, so each does not write an entry of its own: requests of the same kind, client and address are
counted in memory and written as one entry with their number, at intervals (``executor/denial_writer.py``). A process
that is killed loses those of the current interval.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from offtake.errors import (
    AccountNotVerified,
    ExportError,
    ImpersonationRefused,
    InvalidGrant,
    JobNotFound,
    LinkExpired,
    LinkRefused,
    NotAuthenticated,
    NotPermitted,
    SharedTableNotFound,
    SharedVersionNotFound,
    Throttled,
)
from offtake.model.audit import AuditEntry

_MOST_ENTRIES = 100  # entries of one interval, so that an attack from many addresses does not fill the audit log
OPERATIONS: dict[type[ExportError], str | None] = {
    NotAuthenticated: "auth.fail",
    InvalidGrant: "auth.fail",
    Throttled: "auth.throttle",
    NotPermitted: "access.refuse",
    ImpersonationRefused: None,  # has an entry of its own
    AccountNotVerified: "access.refuse",
    JobNotFound: "job.not_found",
    SharedTableNotFound: "share.not_found",
    SharedVersionNotFound: None,  # of a table that the caller may read
    LinkRefused: "link.refuse",
    LinkExpired: None,  # an old link is no attempt at anything
}


class _Group(NamedTuple):
    operation: str
    dialect: str
    tenant: str | None
    principal: str | None
    address: str | None


class Denials:
    """Counts denied requests until they are written. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[_Group] = Counter()

    def add(
        self,
        error: ExportError,
        *,
        dialect: str,
        address: str | None,
        tenant: str | None = None,
        principal: str | None = None,
    ) -> None:
        """Count a denied request, if its error is of a kind that the audit log records.

        ``tenant`` and ``principal`` are those of the authenticated caller; a failed login has those of the credential
        that it tried to use, if the error knows it. A name that no credential has is not recorded: it may be a secret
        in the wrong field.
        """
        operation = _operation(error)
        if operation is None:
            return
        if isinstance(error, NotAuthenticated) and tenant is None:
            tenant, principal = error.tenant, error.credential
        group = _Group(operation, dialect, tenant, principal, address)
        with self._lock:
            if group not in self._counts and len(self._counts) >= _MOST_ENTRIES:
                group = group._replace(principal=None, address=None)
            self._counts[group] += 1

    def take(self) -> list[AuditEntry]:
        """Return an entry for each group of requests counted since the last call."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        return [AuditEntry(**group._asdict(), outcome="refused", count=count) for group, count in counts.items()]

    def put_back(self, entries: Iterable[AuditEntry]) -> None:
        """Count entries again that could not be written."""
        with self._lock:
            for entry in entries:
                group = _Group(entry.operation, entry.dialect, entry.tenant, entry.principal, entry.address)
                self._counts[group] += entry.count


def _operation(error: ExportError) -> str | None:
    if isinstance(error.__cause__, JobNotFound):  # a file of an unknown job
        error = error.__cause__
    return next((OPERATIONS[each] for each in type(error).__mro__ if each in OPERATIONS), None)
