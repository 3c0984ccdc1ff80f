"""The open connections of the server: their number is limited, in all and by client address.

A new connection beyond a limit takes the place of an idle one, which waits for a request or has not sent its headers
yet: the oldest one of the same address at the limit of an address, and the oldest one of the address with the most
connections at the limit of the server. Connections with a request are never closed for others; if all have one, the new
connection is refused. Addresses that hold many idle connections therefore lose them to clients that hold few.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from offtake.http.proxies import Proxies
from offtake.model.client_network import client_network

TOTAL, PER_ADDRESS = "connections", "connections_per_address"  # reasons of refusals


class Connection(Protocol):
    """An open connection."""

    def evict(self) -> None:
        """Close the connection at once."""


class Connections:
    """Counts open connections. Modified on the event loop only.

    Connections from trusted proxies count for the limit of the server only, because they carry many clients.
    ``record`` is called with the reason and the address of each connection that is refused or closed for another.
    """

    def __init__(
        self, *, total: int, per_address: int, proxies: Proxies, record: Callable[[str, str | None], None]
    ) -> None:
        self._total = total
        self._per_address = per_address
        self._proxies = proxies
        self._record = record
        self._network_of: dict[Connection, str] = {}
        self._open: Counter[str] = Counter()  # by network
        self._idle: dict[str, dict[Connection, None]] = {}  # by network, oldest first

    def __len__(self) -> int:
        return len(self._network_of)

    def limit_total(self, total: int) -> None:
        """Lower the limit of the server to ``total``, for which it has file descriptors."""
        self._total = min(self._total, total)

    def add(self, connection: Connection, host: str | None) -> bool:
        """Add a new, idle connection. Return False if it is refused."""
        network = client_network(host)
        is_proxy = host is not None and host in self._proxies
        if not is_proxy and self._open[network] >= self._per_address and not self._make_room(PER_ADDRESS, network):
            self._record(PER_ADDRESS, host)
            return False
        if len(self) >= self._total and not self._make_room(TOTAL, None):
            self._record(TOTAL, host)
            return False
        self._network_of[connection] = network
        self._open[network] += 1
        self.set_idle(connection)
        return True

    def set_idle(self, connection: Connection) -> None:
        """The connection waits for a request."""
        network = self._network_of.get(connection)
        if network is not None:
            self._idle.setdefault(network, {})[connection] = None

    def set_busy(self, connection: Connection) -> None:
        """The headers of a request have arrived."""
        network = self._network_of.get(connection, "")
        idle = self._idle.get(network)
        if idle is not None:
            idle.pop(connection, None)
            if not idle:
                del self._idle[network]

    def remove(self, connection: Connection) -> None:
        """Forget a closed connection."""
        self.set_busy(connection)
        network = self._network_of.pop(connection, None)
        if network is not None:
            self._open[network] -= 1
            if not self._open[network]:
                del self._open[network]

    def _make_room(self, reason: str, network: str | None) -> bool:
        """Close the oldest idle connection of that network, or of the one with the most connections."""
        if network is None:
            network = max(self._idle, key=self._open.__getitem__, default=None)
        idle = self._idle.get(network) if network is not None else None
        if network is None or idle is None:
            return False
        oldest = next(iter(idle))
        self.remove(oldest)
        self._record(reason, network)
        oldest.evict()
        return True
