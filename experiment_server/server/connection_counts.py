"""How many connections there may be: in all, from one address, and with these descriptors."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections import Counter, OrderedDict
from collections.abc import Collection
from typing import Protocol

from experiment_server.errors import LimitReached
from experiment_server.limits import RESERVED_DESCRIPTORS

log = logging.getLogger(__name__)


def raise_descriptor_limit() -> int | None:
    """Let this process open as many files and sockets as the system allows it.

    Returns how many that is, and None where there is no such limit.
    """
    if sys.platform == "win32":
        return None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # macOS says that there is no limit, and takes no such value.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return None if soft == resource.RLIM_INFINITY else soft


def below_descriptors(wanted: int, descriptors: int | None) -> int:
    """How many connections there may be, when so many are wanted, with so many descriptors."""
    if descriptors is None:
        return wanted
    return min(wanted, max(1, descriptors - min(RESERVED_DESCRIPTORS, descriptors // 2)))


class Abortable(Protocol):
    """A connection, as far as it is counted."""

    def abort(self) -> None:
        """End it now, whatever it still has to send."""


class _Held:
    """Connections, and those of them that wait for a request, the longest idle first."""

    def __init__(self) -> None:
        self.all: set[Abortable] = set()
        self.waiting: OrderedDict[Abortable, None] = OrderedDict()

    def discard(self, connection: Abortable) -> None:
        self.all.discard(connection)
        self.waiting.pop(connection, None)

    def has_room(self, most: int) -> bool:
        """Whether one more would not be too many, perhaps with the longest idle one ended."""
        if len(self.all) < most:
            return True
        if not self.waiting:
            return False
        log.warning("there are as many connections as may be; the longest idle one was ended")
        next(iter(self.waiting)).abort()
        return True


class Connections:
    """The connections of a server.

    Where one more would be too many, in all or from its address, the one that has waited longest
    for a request makes room for it; if none waits, it is told to come back later. `proxies` are
    addresses that many people share.
    """

    def __init__(self, total: int, per_address: int, proxies: Collection[str] = ()) -> None:
        self.total = total
        self._per_address = per_address
        self._proxies = frozenset(proxies)
        self._everywhere = _Held()
        self._from: dict[str, _Held] = {}

    def count(self) -> int:
        """How many there are."""
        return len(self._everywhere.all)

    def enter(self, connection: Abortable, address: str) -> bool:
        """Count a connection, and say whether there is room for it."""
        here = self._from.get(address)
        if here and address not in self._proxies and not here.has_room(self._per_address):
            return False
        if not self._everywhere.has_room(self.total):
            return False
        self._everywhere.all.add(connection)
        self._from.setdefault(address, _Held()).all.add(connection)
        return True

    def leave(self, connection: Abortable, address: str) -> None:
        """Count a connection no longer."""
        self._everywhere.discard(connection)
        if here := self._from.get(address):
            here.discard(connection)
            if not here.all:
                del self._from[address]

    def waits(self, connection: Abortable, address: str) -> None:
        """Note that a connection waits for a request from now on."""
        for held in (self._everywhere, self._from.get(address)):
            if held and connection in held.all:
                held.waiting[connection] = None
                held.waiting.move_to_end(connection)

    def works(self, connection: Abortable, address: str) -> None:
        """Note that a connection has a request."""
        for held in (self._everywhere, self._from.get(address)):
            if held:
                held.waiting.pop(connection, None)


class ConnectionCounter:
    """Who is connected from where, over all endpoints of a server, and how many may be."""

    def __init__(self, total: int, per_address: int) -> None:
        self._total = total
        self._most_per_address = per_address
        self._addresses: dict[str, str] = {}
        self._per_address: Counter[str] = Counter()

    def check(self, address: str) -> None:
        """Raise LimitReached if one more connection from there would be too many."""
        if len(self._addresses) >= self._total:
            raise LimitReached(f"this server takes {self._total} connections, and has them")
        if self._per_address[address] >= self._most_per_address:
            raise LimitReached(
                f"one address may have {self._most_per_address} connections, and {address} has them"
            )

    def enter(self, connection: str, address: str) -> None:
        """Count a connection."""
        self._addresses[connection] = address
        self._per_address[address] += 1

    def leave(self, connection: str) -> None:
        """Count a connection no longer."""
        self._per_address -= Counter([self._addresses.pop(connection, "")])
