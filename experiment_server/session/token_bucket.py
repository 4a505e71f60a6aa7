"""A token bucket, which limits how often something may happen."""

from __future__ import annotations

import time


class TokenBucket:
    """Allows `per_second` uses a second on average, and `capacity` uses in one burst."""

    __slots__ = ("_capacity", "_per_second", "_refilled_at", "_tokens")

    def __init__(self, per_second: float, capacity: float) -> None:
        self._per_second = per_second
        self._capacity = self._tokens = capacity
        self._refilled_at = time.monotonic()

    def take(self, count: int = 1) -> bool:
        """Take `count` tokens or none; return whether there were enough."""
        now = time.monotonic()
        self._tokens = min(
            self._capacity, self._tokens + (now - self._refilled_at) * self._per_second
        )
        self._refilled_at = now
        if self._tokens < count:
            return False
        self._tokens -= count
        return True
