"""The time, as a study tells it."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

# How far the machine's clock may be from what has passed since it was last looked at, before it
# counts as set: a synchronised clock is slowed down and sped up, but by far less between two looks.
_SET = timedelta(seconds=1)


def wall_clock() -> datetime:
    """The time in UTC, as the machine has it."""
    return datetime.now(timezone.utc)


class Clock:
    """The time in UTC, which goes on when the machine's clock is set back.

    What happens later has a later time, and durations are those that have passed: the time stays
    ahead of the machine's clock by as much as that was set back, until it is set forward again or
    the server is started anew.
    """

    def __init__(self) -> None:
        self._wall = self._told = wall_clock()
        self._passed = time.monotonic()
        self._ahead = timedelta(0)

    def __call__(self) -> datetime:
        """The time now, never before one that was told."""
        wall, passed = wall_clock(), time.monotonic()
        moved = wall - self._wall - timedelta(seconds=passed - self._passed)
        self._wall, self._passed = wall, passed
        if abs(moved) > _SET:
            self._ahead = max(timedelta(0), self._ahead - moved)
        self._told = max(self._told, wall + self._ahead)
        return self._told
