"""How much of something is allowed over a while."""

from __future__ import annotations

import time


class Allowance:
    """So many a second over a while, and so many at once (a token bucket)."""

    __slots__ = ("_at", "_at_once", "_left", "_per_second")

    def __init__(self, per_second: float, at_once: float) -> None:
        self._per_second = per_second
        self._at_once = self._left = at_once
        self._at = time.monotonic()

    def take(self, count: int = 1) -> bool:
        """Whether so many more are allowed now; takes all of them or none."""
        now = time.monotonic()
        self._left = min(self._at_once, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < count:
            return False
        self._left -= count
        return True
