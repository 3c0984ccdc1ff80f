"""Elects a leader: one process holds a lease in the state database and renews it.

The lease uses the same clock as the leases of jobs (``Services.now``).
"""

from __future__ import annotations

from offtake.core.services import Services
from offtake.store import leaders

_MAX_PAUSE_SECONDS = 5.0


class Leadership:
    """The lease of one role for the process ``holder``. Every method raises Unavailable."""

    def __init__(self, role: str, holder: str, on: Services) -> None:
        self._role = role
        self._holder = holder
        self._on = on
        self.lease = min(on.attempt.lease, leaders.LONGEST_LEASE)

    @property
    def pause(self) -> float:
        """Seconds between two renewals by the leader, and between two polls by a follower."""
        return min(self.lease.total_seconds() / 3, _MAX_PAUSE_SECONDS)

    def take(self) -> bool:
        """Take the role unless another process holds it; return whether this process leads.

        A process that holds the role already takes it again. The poll of a follower only reads.
        """
        with self._on.database.read() as connection:
            if leaders.is_held_by_other(connection, self._role, self._holder, now=self._on.now(connection)):
                return False
        return self.renew()

    def renew(self) -> bool:
        """Renew the lease; return False if another process has taken the role."""
        with self._on.database.write() as connection:
            now = self._on.now(connection)
            return leaders.hold(connection, self._role, self._holder, now=now, until=now + self.lease)

    def release(self) -> None:
        """Give up the role, so that another process can take it at once."""
        release(self._holder, self._on)


def release(holder: str, on: Services) -> None:
    """Give up every role of a process that exits or is known to be dead. Raises Unavailable."""
    with on.database.write() as connection:
        leaders.release(connection, holder)
