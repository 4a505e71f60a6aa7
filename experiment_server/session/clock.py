"""The clock of a session, which never goes backwards."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

# A larger difference between the wall clock and the monotonic clock, since the last reading, means
# that the wall clock was set. Clock synchronisation changes the clock's speed by far less.
_CLOCK_SET_THRESHOLD = timedelta(seconds=1)


def wall_clock() -> datetime:
    """The machine's time in UTC."""
    return datetime.now(timezone.utc)


class Clock:
    """A clock in UTC that keeps going forward when the machine's clock is set back.

    Later events have later times, and durations are correct. If the machine's clock is set back,
    this clock stays ahead by the same amount, until the machine's clock is set forward again or
    the server restarts.
    """

    def __init__(self) -> None:
        self._wall = self._returned = wall_clock()
        self._monotonic = time.monotonic()
        self._ahead = timedelta(0)

    def __call__(self) -> datetime:
        """The current time, never earlier than a time that was returned before."""
        wall, monotonic = wall_clock(), time.monotonic()
        jump = wall - self._wall - timedelta(seconds=monotonic - self._monotonic)
        self._wall, self._monotonic = wall, monotonic
        if abs(jump) > _CLOCK_SET_THRESHOLD:
            self._ahead = max(timedelta(0), self._ahead - jump)
        self._returned = max(self._returned, wall + self._ahead)
        return self._returned
