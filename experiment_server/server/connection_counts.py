"""Limits on the number of connections: in total, per address, and by file descriptors."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections import Counter, OrderedDict
from collections.abc import Collection
from typing import Protocol

from experiment_server.errors import LimitReached
from experiment_server.limits.network import RESERVED_DESCRIPTORS

log = logging.getLogger(__name__)


def raise_descriptor_limit() -> int | None:
    """Raise this process's limit of open files and sockets to the system's maximum.

    Returns the limit, None if there is none.
    """
    if sys.platform == "win32":
        return None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # macOS reports no limit, but refuses that value.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return None if soft == resource.RLIM_INFINITY else soft


def connections_for(requested: int, descriptors: int | None) -> int:
    """The maximum number of connections for a number of file descriptors."""
    if descriptors is None:
        return requested
    return min(requested, max(1, descriptors - min(RESERVED_DESCRIPTORS, descriptors // 2)))


class CountedConnection(Protocol):
    """The part of a connection that the counter needs."""

    def abort(self) -> None:
        """Close the connection at once, without sending its buffered data."""


class _ConnectionSet:
    """A set of connections, and the idle ones among them, the longest idle first."""

    def __init__(self) -> None:
        self.all: set[CountedConnection] = set()
        self.idle: OrderedDict[CountedConnection, None] = OrderedDict()

    def discard(self, connection: CountedConnection) -> None:
        self.all.discard(connection)
        self.idle.pop(connection, None)

    def make_room(self, maximum: int) -> bool:
        """Whether one more connection fits; closes the longest idle one if that is necessary."""
        if len(self.all) < maximum:
            return True
        if not self.idle:
            return False
        log.warning("the limit of connections is reached; the longest idle one was closed")
        next(iter(self.idle)).abort()
        return True


class Connections:
    """The connections of a server, limited in total and per address.

    If a new connection exceeds a limit, the longest idle connection is closed instead. If none is
    idle, the new one is refused. `proxies` are addresses without a limit of their own.
    """

    def __init__(self, total: int, per_address: int, proxies: Collection[str] = ()) -> None:
        self.total = total
        self._per_address = per_address
        self._proxies = frozenset(proxies)
        self._all = _ConnectionSet()
        self._by_address: dict[str, _ConnectionSet] = {}

    def count(self) -> int:
        """The number of connections."""
        return len(self._all.all)

    def enter(self, connection: CountedConnection, address: str) -> bool:
        """Add a connection; return False if it is refused."""
        same_address = self._by_address.get(address)
        if (
            same_address
            and address not in self._proxies
            and not same_address.make_room(self._per_address)
        ):
            return False
        if not self._all.make_room(self.total):
            return False
        self._all.all.add(connection)
        self._by_address.setdefault(address, _ConnectionSet()).all.add(connection)
        return True

    def leave(self, connection: CountedConnection, address: str) -> None:
        """Remove a connection."""
        self._all.discard(connection)
        if same_address := self._by_address.get(address):
            same_address.discard(connection)
            if not same_address.all:
                del self._by_address[address]

    def set_idle(self, connection: CountedConnection, address: str) -> None:
        """Mark a connection as idle: it waits for a request."""
        for group in (self._all, self._by_address.get(address)):
            if group and connection in group.all:
                group.idle[connection] = None
                group.idle.move_to_end(connection)

    def set_busy(self, connection: CountedConnection, address: str) -> None:
        """Mark a connection as busy: it has a request."""
        for group in (self._all, self._by_address.get(address)):
            if group:
                group.idle.pop(connection, None)


class ConnectionCounter:
    """Counts and limits the Socket.IO connections of all endpoints, in total and per address."""

    def __init__(self, total: int, per_address: int) -> None:
        self._total = total
        self._max_per_address = per_address
        self._addresses: dict[str, str] = {}
        self._per_address: Counter[str] = Counter()

    def check(self, address: str) -> None:
        """Raise LimitReached if one more connection from this address exceeds a limit."""
        if len(self._addresses) >= self._total:
            raise LimitReached(f"this server has {self._total} connections, which is the limit")
        if self._per_address[address] >= self._max_per_address:
            raise LimitReached(
                f"{address} has {self._max_per_address} connections, "
                "which is the limit for one address"
            )

    def enter(self, connection: str, address: str) -> None:
        """Add a connection."""
        self._addresses[connection] = address
        self._per_address[address] += 1

    def leave(self, connection: str) -> None:
        """Remove a connection."""
        self._per_address -= Counter([self._addresses.pop(connection, "")])
