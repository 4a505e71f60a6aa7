"""Counts the connected apps of each participant, and logs when they connect and disconnect."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from experiment_server.limits.session import PRESENCE_BURST_MAX, PRESENCE_INTERVAL_S
from experiment_server.participants.events import Event
from experiment_server.session.token_bucket import TokenBucket
from experiment_server.wire.events import AppConnected, AppDisconnected


@dataclass(slots=True)
class _PresenceLog:
    """Presence changes of one participant that are not in the event log yet."""

    changes: int = 0
    last: type[AppConnected | AppDisconnected] = AppConnected
    bucket: TokenBucket = field(
        default_factory=lambda: TokenBucket(1 / PRESENCE_INTERVAL_S, PRESENCE_BURST_MAX)
    )
    timer: asyncio.TimerHandle | None = None


class Presence:
    """Counts each participant's connected apps, and logs each connect and disconnect.

    A token bucket limits the entries of each participant. When the bucket is empty, the log gets
    one entry every `PRESENCE_INTERVAL_S` seconds: the latest change, with the number of earlier
    changes that were `left_out`.
    """

    def __init__(self, log: Callable[[Event], None], clock: Callable[[], datetime]) -> None:
        self._log = log
        self._clock = clock
        self._apps: Counter[int] = Counter()
        self._logs: dict[int, _PresenceLog] = {}

    def apps(self, participant_index: int) -> int:
        """The number of a participant's connected apps."""
        return self._apps[participant_index]

    def participants(self) -> list[int]:
        """The indices of participants who have a connected app."""
        return list(self._apps)

    def enter(self, participant_index: int) -> None:
        """Count an app that connected."""
        self._apps[participant_index] += 1
        self._record(participant_index, AppConnected)

    def leave(self, participant_index: int) -> None:
        """Stop counting an app that disconnected."""
        self._apps[participant_index] -= 1
        self._record(participant_index, AppDisconnected)
        if not self._apps[participant_index]:
            del self._apps[participant_index]

    def close(self) -> None:
        """Log the changes that still wait for a token."""
        for participant_index, pending in self._logs.items():
            if pending.timer is not None:
                pending.timer.cancel()
                self._write(participant_index)

    def _record(self, participant_index: int, kind: type[AppConnected | AppDisconnected]) -> None:
        pending = self._logs.setdefault(participant_index, _PresenceLog())
        pending.changes += 1
        pending.last = kind
        if pending.timer is not None:
            return
        if pending.bucket.take():
            self._write(participant_index)
        else:
            loop = asyncio.get_running_loop()
            pending.timer = loop.call_later(PRESENCE_INTERVAL_S, self._write, participant_index)

    def _write(self, participant_index: int) -> None:
        pending = self._logs[participant_index]
        if pending.timer is not None:
            pending.timer = None
            pending.bucket.take()
        apps, left_out = self._apps[participant_index], max(0, pending.changes - 1)
        pending.changes = 0
        data = pending.last(apps=apps, left_out=left_out)
        self._log(Event(self._clock(), data, participant_index))
